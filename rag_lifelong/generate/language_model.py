"""What a language model is to the rest: messages in, text out, within a context that it counts itself.

Rule: a model is frozen. Weights are never changed; no gradient is ever computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

DEFAULT_CONTEXT_TOKENS = 4_096  # assumed of a model that does not say
CHARS_PER_TOKEN = 4  # of English in common tokenizers; used where a model cannot count


@dataclass(frozen=True, slots=True)
class Message:
    """role: "system", "user" or "assistant"."""

    role: str
    content: str


class LanguageModel(Protocol):
    """Writes text after messages. `context_tokens` bounds prompt and answer together."""

    @property
    def name(self) -> str:
        """What answers call it."""

    @property
    def context_tokens(self) -> int:
        """How many of its own tokens it reads and writes at most."""

    def count_tokens(self, text: str) -> int:
        """The text's length in its own tokens, or a careful estimate."""

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """The answer in pieces; closing the iterator stops the model. Raises ModelUnusable."""
