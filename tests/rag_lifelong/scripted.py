"""A language model that says what it is told to; the border to the outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate import Message


class Scripted:
    """Streams its text in pieces of a few characters, which cut words and markers."""

    name = "scripted"
    context_tokens = 4_000

    def __init__(self, text: str, *, piece_chars: int = 3) -> None:
        self.text = text
        self.piece_chars = piece_chars
        self.read: Sequence[Message] = ()

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.read = messages
        for at in range(0, len(self.text), self.piece_chars):
            yield self.text[at : at + self.piece_chars]


class ScriptedBase:
    """A model that adapters can stand beside: an adapter's weights are the text that it then says."""

    name = "scripted"
    context_tokens = 4_000

    def __init__(self, text: str, *, digest: str) -> None:
        self.text = text
        self.digest = digest
        self.digests_asked = 0
        self.loaded: list[bytes] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield from Scripted(self.text).stream(messages, max_tokens=max_tokens)

    def base_digest(self) -> str:
        self.digests_asked += 1
        return self.digest

    def adapted(self, weights: bytes) -> Scripted:
        self.loaded.append(weights)
        if weights == b"of another model":
            raise ModelUnusable("the adapter is of another model")
        return Scripted(weights.decode())
