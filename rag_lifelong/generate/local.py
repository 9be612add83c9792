"""A causal language model on this machine, by transformers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate.language_model import DEFAULT_CONTEXT_TOKENS, Message

HUB_TIMEOUT_S = 10.0


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
