"""Frozen language models behind one Protocol: a local transformers model, or a LlamaIndex LLM.

Rule: weights are never changed; no gradient is ever computed. Heavy libraries load inside the function that
needs them, and their errors leave as ModelUnusable.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from rag_lifelong.errors import BadSetting, ModelUnusable

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


def open_model(spec: object | None) -> LanguageModel | None:
    """The model a SPEC names; None for None and "quote".

    spec: "quote", "transformers:PATH_OR_NAME", a LlamaIndex LLM, or an object that keeps the Protocol.
    Raises ModelUnusable, BadSetting for a malformed SPEC.
    """
    if spec is None or spec == "quote":
        return None
    if isinstance(spec, str):
        kind, _, name = spec.partition(":")
        if kind == "transformers" and name:
            return TransformersModel(name)
        if kind in ("ollama", "openai") and name:
            raise ModelUnusable(
                f"{kind}: models are not built in yet; from Python, hand in a LlamaIndex LLM: open_assistant(kb, llm=…)"
            )
        raise BadSetting(f"cannot read model {spec!r}; use quote or transformers:PATH_OR_NAME")
    if hasattr(spec, "stream_chat") and hasattr(spec, "metadata"):
        return LlamaIndexModel(spec)
    if hasattr(spec, "stream") and hasattr(spec, "count_tokens"):
        return cast(LanguageModel, spec)
    raise TypeError(f"llm must be None, a SPEC or a LlamaIndex LLM, not {type(spec).__name__}")


class TransformersModel:
    """A causal language model from a local folder or by hub name, frozen."""

    def __init__(self, name: str) -> None:
        path = os.path.expanduser(name)
        self.name = f"transformers:{name}"
        if name.startswith(("/", "~", ".")) and not os.path.isdir(path):
            raise ModelUnusable(f"no model folder at {path}; check the path of transformers:{name}")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path)
            self._model: Any = AutoModelForCausalLM.from_pretrained(path)
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelUnusable(f"cannot load transformers:{name}: {reason[:200]}") from error
        self._model.train(False)
        self._model.requires_grad_(False)

    @property
    def context_tokens(self) -> int:
        """From the model's own configuration."""
        return int(getattr(self._model.config, "max_position_embeddings", DEFAULT_CONTEXT_TOKENS))

    def count_tokens(self, text: str) -> int:
        """Exact, without special tokens."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """Greedy decoding, piece by piece, in a thread of its own that ends with the iterator."""
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        stopped = threading.Event()
        failed: list[BaseException] = []

        class _Stopped(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
                return torch.full((input_ids.shape[0],), stopped.is_set(), dtype=torch.bool)

        streamer: Any = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        inputs = self._tokenizer(self._prompt(messages), return_tensors="pt", add_special_tokens=False)

        def run() -> None:
            try:
                with torch.inference_mode():
                    self._model.generate(
                        input_ids=inputs["input_ids"],
                        attention_mask=inputs["attention_mask"],
                        max_new_tokens=max_tokens,
                        do_sample=False,
                        streamer=streamer,
                        stopping_criteria=StoppingCriteriaList([_Stopped()]),
                        pad_token_id=self._tokenizer.eos_token_id,
                    )
            except BaseException as error:  # handed to the thread that reads
                failed.append(error)
                streamer.end()

        thread = threading.Thread(target=run, name="generation", daemon=True)
        thread.start()
        try:
            for piece in streamer:
                if piece:
                    yield piece
        finally:
            stopped.set()
            thread.join()
        if failed:
            raise ModelUnusable(f"{self.name} failed while writing: {failed[0]}") from failed[0]

    def _prompt(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if getattr(self._tokenizer, "chat_template", None):
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        return "\n\n".join(message.content for message in messages) + "\n\nAnswer:"


class LlamaIndexModel:
    """A LlamaIndex `LLM` object, adapted."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        metadata = llm.metadata
        self.name = f"llama_index:{getattr(metadata, 'model_name', None) or type(llm).__name__}"
        self.context_tokens = int(getattr(metadata, "context_window", 0) or DEFAULT_CONTEXT_TOKENS)

    def count_tokens(self, text: str) -> int:
        """An estimate: LlamaIndex's interface has no count."""
        return len(text) // CHARS_PER_TOKEN + 1

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """What the LLM streams; its `max_tokens` is its own setting."""
        from llama_index.core.base.llms.types import ChatMessage, MessageRole

        turns = [ChatMessage(role=MessageRole(m.role), content=m.content) for m in messages]
        try:
            for response in self._llm.stream_chat(turns):
                if response.delta:
                    yield str(response.delta)
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelUnusable(f"{self.name} failed while writing: {error}") from error
