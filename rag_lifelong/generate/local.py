"""A causal language model on this machine, by transformers.

Rule: it is frozen; its digest is the same before and after anything it is asked. No code that comes with a model is
run.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate import adapter
from rag_lifelong.generate.language_model import (
    DEFAULT_CONTEXT_TOKENS,
    DEFAULT_MODEL_SETTINGS,
    Message,
    ModelSettings,
)
from rag_lifelong.generate.weights import digest_of, open_weights
from rag_lifelong.local_models import without_surrogates

_OUT_OF_MEMORY = (  # where torch raises a plain RuntimeError: CPU, Apple's GPUs, the driver, cuBLAS
    "DefaultCPUAllocator",
    "MPS backend out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


class _Stopped(Exception):
    """Nobody reads on."""


class TransformersModel:
    """A causal language model from a local folder or by hub name."""

    def __init__(self, name: str, settings: ModelSettings = DEFAULT_MODEL_SETTINGS) -> None:
        self.name = f"transformers:{name}"
        path = os.path.expanduser(name)
        if name.startswith(("/", "~", ".")) and not os.path.isdir(path):
            raise ModelUnusable(f"no model folder at {path}; check the path of {self.name}")
        self._base: TransformersModel | None = None  # the one that this is with an adapter
        self._tokenizer, self._model = open_weights(path, self.name, settings)
        self._model.train(False)
        self._model.requires_grad_(False)
        defaults = self._model.generation_config
        defaults.temperature = defaults.top_p = defaults.top_k = None  # decoding is greedy; silences warnings
        self._context_tokens = settings.context_tokens

    @property
    def context_tokens(self) -> int:
        """From the model's own configuration, and no more than was set."""
        config = self._model.config.get_text_config()
        own = int(getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS)
        return min(own, self._context_tokens or own)

    def count_tokens(self, text: str) -> int:
        """Exact, without special tokens."""
        return len(self._tokenizer.encode(without_surrogates(text), add_special_tokens=False))

    def count_prompt(self, messages: Sequence[Message]) -> int:
        """Exact, with the chat template and all special tokens."""
        return int(self._inputs(messages)["input_ids"].shape[1])

    def digest(self) -> str:
        """SHA-256 of all weights, names and shapes, in hexadecimal."""
        return digest_of(self._model)

    def base_digest(self) -> str:
        """`digest`, worked out once: what adapters are kept for. Seconds for a large model."""
        return (self._base or self)._base_digest

    def adapted(self, weights: bytes) -> TransformersModel:
        """The same model with an adapter beside it, as `distill` wrote it; the weights of both are one.

        Raises ModelUnusable for an adapter of another model.
        """
        self._check_adaptable()
        return self._over(adapter.loaded(self._model, weights))

    def grown(self, *, rank: int, alpha: int, layers: float, seed: int) -> TransformersModel:
        """The same model with a fresh adapter beside it, which changes nothing yet. Arguments as `adapter.grown`.

        Raises ModelUnusable for a model that takes none, and where memory runs out.
        """
        self._check_adaptable()
        with within_memory(self.name, self._model.device.type):
            return self._over(adapter.grown(self._model, rank=rank, alpha=alpha, layers=layers, seed=seed))

    @property
    def module(self) -> Any:
        """The torch module; its parameters are frozen, but for a grown adapter's."""
        return self._model

    def adapter_weights(self) -> bytes:
        """The adapter's, for `adapted`."""
        return adapter.dumped(self._model)

    def encoded(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's token ids, up to where the answer begins."""
        return [int(i) for i in self._inputs(messages)["input_ids"][0].tolist()]

    def encoded_text(self, text: str) -> list[int]:
        """An answer's token ids, as they follow a prompt."""
        return [int(i) for i in self._tokenizer.encode(without_surrogates(text), add_special_tokens=False)]

    def decoded(self, ids: Sequence[int]) -> str:
        """Text without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def write_all(self, prompts: Sequence[Sequence[int]], *, max_tokens: int) -> list[list[int]]:
        """Greedy answers to prompts of `encoded`, side by side, without the token that ends them.

        Raises ModelUnusable where memory runs out.
        """
        import torch

        width = max(map(len, prompts))
        filler = self._tokenizer.eos_token_id or 0
        ids = torch.full((len(prompts), width), filler, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):  # the answers begin side by side, so prompts end side by side
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        device = self._model.device
        with within_memory(self.name, device.type), torch.inference_mode():
            written = self._model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=min(max_tokens, max(1, self.context_tokens - width)),
                do_sample=False,
                pad_token_id=filler,
            )
        ends = set(self._ends())
        answers = []
        for row in written[:, width:].tolist():
            stop = next((i for i, token in enumerate(row) if token in ends), len(row))
            answers.append(row[:stop])
        return answers

    @cached_property
    def _base_digest(self) -> str:
        return self.digest()

    def _over(self, module: Any) -> TransformersModel:
        other = copy.copy(self)
        other._model = module.eval()
        other._base = self._base or self
        return other

    def _check_adaptable(self) -> None:
        import torch

        kinds = {value.dtype for value in self._model.parameters()}
        if not kinds or torch.float16 in kinds or any(not kind.is_floating_point for kind in kinds):
            raise ModelUnusable(
                f"{self.name} is loaded in a form that no adapter can stand beside; "
                'set model_dtype = "float32" or "bfloat16"'
            )
        if any("quantized" in type(one).__module__ for one in self._model.modules()):
            raise ModelUnusable(f'no adapter can stand beside {self.name} in eight bits; set model_dtype = "float32"')

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Generator[str, None, str | None]:
        """Greedy decoding, piece by piece, in a thread of its own that ends with the iterator.

        Closing it, or ^C, ends the thread within one layer of one step, also while a long prompt is being read.
        """
        inputs = self._inputs(messages)
        length = int(inputs["input_ids"].shape[1])
        room = self.context_tokens - length
        if room < 1:
            raise ModelUnusable(
                f"{self.name} reads {self.context_tokens:,} tokens at most, and was given {length:,}; ask something "
                "shorter, or take another model"
            )
        return (yield from self._generated(inputs, min(max_tokens, room)))

    def _generated(self, inputs: Any, max_new_tokens: int) -> Generator[str, None, str | None]:
        import torch
        from transformers import TextIteratorStreamer

        stopped = threading.Event()
        failed: list[BaseException] = []
        ids: list[Any] = []
        streamer: Any = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)

        def run() -> None:
            try:
                with torch.inference_mode():
                    ids.append(
                        self._model.generate(
                            input_ids=inputs["input_ids"],
                            attention_mask=inputs["attention_mask"],
                            max_new_tokens=max_new_tokens,
                            do_sample=False,
                            streamer=streamer,
                            pad_token_id=self._tokenizer.eos_token_id,
                        )
                    )
            except _Stopped:
                streamer.end()
            except BaseException as error:  # handed to the thread that reads
                failed.append(error)
                streamer.end()

        thread = threading.Thread(target=run, name="generation", daemon=True)
        with _stopping(self._model, thread, stopped):
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
        written = ids[0][0, inputs["input_ids"].shape[1] :].tolist() if ids else []
        is_whole = len(written) < max_new_tokens or written[-1] in self._ends()
        return None if is_whole else f"the limit of {max_new_tokens} tokens"

    def _ends(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        ends = self._model.generation_config.eos_token_id
        return () if ends is None else tuple(ends) if isinstance(ends, (list, tuple)) else (ends,)

    def _inputs(self, messages: Sequence[Message]) -> Any:
        """Token ids and mask, (1, n) each, on the model's device."""
        prompt, is_whole = self._prompt([Message(each.role, self._plain(each.content)) for each in messages])
        inputs = self._tokenizer(without_surrogates(prompt), return_tensors="pt", add_special_tokens=not is_whole)
        return inputs.to(self._model.device)

    def _plain(self, text: str) -> str:
        """What stands for more than text to this tokenizer, broken up: only its template may begin and end a turn."""
        for token in self._borders:
            text = text.replace(token, f"{token[:1]}\u200b{token[1:]}")
        return text

    @cached_property
    def _borders(self) -> tuple[str, ...]:
        """The tokenizer's special tokens, the longest first."""
        known = {*self._tokenizer.all_special_tokens, *self._tokenizer.get_added_vocab()}
        return tuple(sorted((token for token in known if len(token) > 1), key=len, reverse=True))

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
        return str(
            self._tokenizer.apply_chat_template(
                turns,
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,  # of those that would think aloud first; other templates do not look at it
            )
        )


@contextmanager
def within_memory(name: str, device: str) -> Iterator[None]:
    """Running out of memory is raised as ModelUnusable: it is no bug, and every other RuntimeError may be one.

    name: the model's. device: "cpu", "cuda" or "mps".
    """
    import torch

    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in reason for sign in _OUT_OF_MEMORY):
            raise
        other = "" if device == "cpu" else ', set model_device = "cpu"'
        raise ModelUnusable(
            f"{name} has run out of memory ({device}): {reason[:200]}; end what else takes it{other}, "
            "or take a smaller model"
        ) from error


@contextmanager
def _stopping(model: Any, thread: threading.Thread, stopped: threading.Event) -> Iterator[None]:
    """Before each layer, that thread looks whether anybody reads on."""
    from torch.nn import ModuleList

    def look(module: object, given: object) -> None:
        if stopped.is_set() and threading.current_thread() is thread:
            raise _Stopped

    layers = [layer for module in model.modules() if isinstance(module, ModuleList) for layer in module]
    hooks = [layer.register_forward_pre_hook(look) for layer in (*layers, model)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
