"""What a language model is to the rest: messages in, text out, within a context that it counts itself.

Rule: a model is frozen. Weights are never changed; no gradient is ever computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

DEFAULT_CONTEXT_TOKENS = 4_096  # assumed of a model that does not say
TEMPLATE_TOKENS = 32  # for each message's role and marks, where a model cannot count them
BYTES_PER_TOKEN = (
    3  # fewer than in common tokenizers (English 4 to 4.5, German 3 to 4, Chinese about 4): it errs upwards
)


@dataclass(frozen=True, slots=True)
class Message:
    """role: "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is loaded and waited for; what does not concern its kind is not looked at.

    device: "auto" for a GPU where there is one, "cpu", "cuda", "mps". dtype: "auto" as stored, "float32", "bfloat16",
    "float16", or "int8", the linear layers in eight bits, on a CPU. threads: 0 for what torch takes by itself.
    context_tokens: 0 for what the model or its server says. wait_s: how long a server may take to begin its answer.
    """

    device: str
    dtype: str
    threads: int
    context_tokens: int
    wait_s: int


DEFAULT_MODEL_SETTINGS = ModelSettings(device="auto", dtype="auto", threads=0, context_tokens=0, wait_s=300)


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
        """The answer in pieces; closing the iterator stops the model.

        A generator may return, as its value, why the text ends early ("the limit of 512 tokens"), None if it is whole.
        Raises ModelUnusable; AnswerCut where it broke off after a piece.
        """


@runtime_checkable
class CountsPrompts(Protocol):
    """A language model that knows what its chat template adds."""

    def count_prompt(self, messages: Sequence[Message]) -> int:
        """The tokens of the whole prompt, exactly as the model reads it."""


@runtime_checkable
class Adaptable(Protocol):
    """A language model on this machine that adapters can stand beside."""

    def base_digest(self) -> str:
        """The digest of its weights, which adapters are kept for; the first time may take seconds."""

    def adapted(self, weights: bytes) -> LanguageModel:
        """The same model with an adapter beside it. Raises ModelUnusable for an adapter of another model."""


def prompt_tokens(model: LanguageModel, messages: Sequence[Message]) -> int:
    """What the messages take of the model's context: counted where it can count, else no less than that."""
    if isinstance(model, CountsPrompts):
        return model.count_prompt(messages)
    return sum(model.count_tokens(message.content) + TEMPLATE_TOKENS for message in messages)


def estimated_tokens(text: str) -> int:
    """More than most tokenizers would make of it, for models that cannot be asked."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
