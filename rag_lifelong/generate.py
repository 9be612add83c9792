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
HUB_TIMEOUT_S = 10.0
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
        self.name = f"transformers:{name}"
        path = os.path.expanduser(name)
        if name.startswith(("/", "~", ".")) and not os.path.isdir(path):
            raise ModelUnusable(f"no model folder at {path}; check the path of {self.name}")
        self._tokenizer, self._model = _load(path, self.name)
        self._model.train(False)
        self._model.requires_grad_(False)
        settings = self._model.generation_config
        settings.temperature = settings.top_p = settings.top_k = None  # decoding is greedy; silences warnings

    @property
    def context_tokens(self) -> int:
        """From the model's own configuration."""
        config = self._model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS)

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
        prompt, is_whole = self._prompt(messages)
        inputs = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not is_whole)

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

    def _prompt(self, messages: Sequence[Message]) -> tuple[str, bool]:
        """The messages as one text; whether its special tokens are already in it."""
        from jinja2.exceptions import TemplateError

        if not getattr(self._tokenizer, "chat_template", None):
            return "\n\n".join(message.content for message in messages) + "\n\nAnswer:", False
        try:
            return self._templated(messages), True
        except TemplateError:  # some templates know no system role
            whole = "\n\n".join(message.content for message in messages)
            return self._templated([Message("user", whole)]), True

    def _templated(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _load(path: str, name: str) -> tuple[Any, Any]:
    """Tokenizer and model: from the folder or the hub's local copies, else from the hub."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def load(*, local: bool) -> tuple[Any, Any]:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local)
        return tokenizer, AutoModelForCausalLM.from_pretrained(path, local_files_only=local)

    try:
        try:
            return load(local=True)
        except OSError:
            if os.path.isdir(path) or not _hub_answers():
                raise
            return load(local=False)
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(": ")
        hint = "" if os.path.isdir(path) else "; no such folder, and not to be had from the hub"
        raise ModelUnusable(f"cannot load {name}: {reason[:200]}{hint}") from error


def _hub_answers() -> bool:
    """Whether the model hub can be reached: its own client would try for most of a minute."""
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(constants.ENDPOINT, timeout=HUB_TIMEOUT_S):
            return True
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # the client may know other certificates
    except OSError:
        return False


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
        """What the LLM streams, cut where it is longer than asked; its own limit is its own setting."""
        from llama_index.core.base.llms.types import ChatMessage, MessageRole

        turns = [ChatMessage(role=MessageRole(m.role), content=m.content) for m in messages]
        written = ""
        try:
            responses = self._llm.stream_chat(turns)
            try:
                for response in responses:
                    whole = response.message.content or ""
                    piece = response.delta if response.delta is not None else whole[len(written) :]
                    written += piece
                    if self.count_tokens(written) > max_tokens + 1:
                        break
                    if piece:
                        yield str(piece)
            finally:
                if hasattr(responses, "close"):
                    responses.close()
        except Exception as error:  # another's code behind another's interface: it may raise anything
            raise ModelUnusable(f"{self.name} failed while writing: {error or type(error).__name__}") from error
