"""The ways, by name: what opens each, and the thread setting it runs under."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.embedding_ways import by_onnx, by_openvino, by_torch
from benchmarks.embedding_ways.model import EPSILON, HEADS, Forward, Tokens, model, some_texts, spread, tensors
from rag_lifelong.embed import PROBE
from rag_lifelong.embed.bert import Bert
from rag_lifelong.embed.bfloat16 import has_bfloat16, open_bfloat16
from rag_lifelong.embed.threads import ONE_BLAS_THREAD, before_torch, one_torch_thread
from rag_lifelong.embed.weights import find_minilm
from rag_lifelong.types import Vectors

THEIRS = "sentence-transformers"
EXACT = "numpy, float32"
OURS = "torch, bfloat16"


class Missing(Exception):
    """Why a way cannot be measured here."""


@dataclass(frozen=True)
class Way:
    """open: loads it. runtime: whose threads are held at one."""

    open: Callable[[], Forward]
    runtime: str


class Opened:
    """A way that is loaded."""

    def __init__(self, name: str) -> None:
        """Raises Missing."""
        before_torch()
        self.name = name
        self._tokens = Tokens()
        self._runtime = WAYS[name].runtime
        begin = one_torch_thread if self._runtime == "torch" else None
        self._alone = ThreadPoolExecutor(1, initializer=begin)
        try:
            with self._held():
                self._forward = self._alone.submit(WAYS[name].open).result()
            self.ask("loaded")
        except ImportError as error:
            raise Missing(f"not installed: {error.name}") from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """On all cores."""
        with self._held():
            begin = one_torch_thread if self._runtime == "torch" else None
            return spread(self._forward, self._tokens(texts), begin=begin)

    def ask(self, text: str) -> Vectors:
        """On one thread."""
        with self._held():
            return self._alone.submit(self._forward, self._tokens([text])).result()

    def _held(self) -> AbstractContextManager[None]:
        return ONE_BLAS_THREAD.hold() if self._runtime == "numpy" else nullcontext()


class Theirs:
    """sentence-transformers as it comes."""

    def __init__(self) -> None:
        before_torch()
        from sentence_transformers import SentenceTransformer

        self.name = THEIRS
        self._model = SentenceTransformer(str(find_minilm()), device="cpu", local_files_only=True)
        self.ask("loaded")

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)

    def ask(self, text: str) -> Vectors:
        return self.embed([text])


def opened(name: str) -> Opened | Theirs:
    return Theirs() if name == THEIRS else Opened(name)


def _numpy() -> Forward:
    return Bert(tensors(), heads=HEADS, epsilon=EPSILON).embed


def _bfloat16() -> Forward:
    if not has_bfloat16():
        raise Missing("this CPU does not multiply bfloat16")
    exact = Bert(tensors(), heads=HEADS, epsilon=EPSILON)
    found = open_bfloat16(exact, tensors(), Tokens()(PROBE), heads=HEADS, epsilon=EPSILON)
    if found is None:
        raise Missing("torch has no bfloat16 products here that agree with single precision")
    return found.embed


@cache
def _smoothing() -> list[np.ndarray]:
    """Calibrated on 256 pieces of Python's standard library: code and prose that no question is about."""
    folder = Path(sysconfig.get_path("stdlib"))
    texts = [text for text, _ in zip(some_texts(folder), range(256 * 40), strict=False)][::40]
    return by_torch.smoothing(model(), Tokens()(texts))


def _smooth_int8() -> Forward:
    factors = iter(_smoothing())
    return by_torch.packed(model(), lambda dense: by_torch.int8_by_token(dense, next(factors)))


def _openvino(precision: str = "f32", group: int = 0, *, is_smooth: bool = False) -> Forward:
    hints = {"INFERENCE_PRECISION_HINT": precision, "DYNAMIC_QUANTIZATION_GROUP_SIZE": group}
    smooth = _smoothing() if is_smooth else None
    return by_openvino.compiled(model(), is_int8=bool(group), hints=hints, smooth=smooth)


WAYS = {
    EXACT: Way(_numpy, "numpy"),
    OURS: Way(_bfloat16, "torch"),
    "torch, float32": Way(lambda: by_torch.packed(model(), by_torch.single), "torch"),
    "torch, float32 by oneDNN": Way(lambda: by_torch.packed(model(), by_torch.single_onednn), "torch"),
    "torch, int8 by token": Way(lambda: by_torch.packed(model(), by_torch.int8_by_token), "torch"),
    "torch, int8 by token, smoothed": Way(_smooth_int8, "torch"),
    "torch, int8 by batch": Way(lambda: by_torch.packed(model(), by_torch.int8_by_batch), "torch"),
    "onnxruntime, float32": Way(lambda: by_onnx.session(model(), "single"), "onnxruntime"),
    "onnxruntime, int8 by text": Way(lambda: by_onnx.session(model(), "dynamic"), "onnxruntime"),
    "onnxruntime, int8 in blocks": Way(lambda: by_onnx.session(model(), "blocks"), "onnxruntime"),
    "openvino, float32": Way(_openvino, "openvino"),
    "openvino, bfloat16": Way(lambda: _openvino("bf16"), "openvino"),
    "openvino, int8 by 32": Way(lambda: _openvino(group=32), "openvino"),
    "openvino, int8 by 96": Way(lambda: _openvino(group=96), "openvino"),
    "openvino, int8 by 96, smoothed": Way(lambda: _openvino(group=96, is_smooth=True), "openvino"),
}
