"""A language model that says what it is told to; the border to the outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
