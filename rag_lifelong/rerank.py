"""A cross-encoder, which reads the question and a passage together, for those who have one on this machine.

Rule: off unless the setting `reranker` names one; nothing is downloaded, and nothing heavy is loaded before the first
search that has something to rerank.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rag_lifelong.errors import RerankerUnusable
from rag_lifelong.local_models import model_folder, without_bars, without_surrogates

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

BATCH = 8  # pairs read at once: long ones beside short ones cost padding


class Reranker(Protocol):
    """Says how well passages answer a question; may be called from several threads."""

    @property
    def name(self) -> str:
        """As the user named it."""

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """One number a text, in their order; bigger is better, and only their order counts. Raises RerankerUnusable."""


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers, from the files of `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._lock = threading.Lock()  # tokenizers of transformers are not safe to share

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """On the processor; about a passage's length in tokens times the model's size."""
        pairs = [(without_surrogates(question), without_surrogates(text)) for text in texts]
        with self._lock:
            model = self._model
            try:
                found = model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
            except (ValueError, RuntimeError, IndexError) as error:
                raise RerankerUnusable(f"reranker {self.name!r} failed while reading passages: {error}") from error
        if found.shape != (len(texts),):
            raise RerankerUnusable(
                f"reranker {self.name!r} gives {found.shape[-1]} scores a passage, not one; "
                "name a cross-encoder trained for ranking"
            )
        if not all(math.isfinite(score) for score in found):  # sorted by such, they would be in any order
            raise RerankerUnusable(
                f"reranker {self.name!r} gives scores that are no numbers; fetch the model again, or set "
                'reranker = "" in lifelong.toml'
            )
        return [float(score) for score in found]

    @cached_property
    def _model(self) -> CrossEncoder:
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder

        try:
            with without_bars():
                model: CrossEncoder = CrossEncoder(str(self._folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RerankerUnusable(
                f"{self._folder} cannot be loaded as a cross-encoder ({reason[:200]}); fetch the model again, or set "
                'reranker = "" in lifelong.toml'
            ) from error
        return model


def open_reranker(spec: str | Reranker | None) -> Reranker | None:
    """The reranker a spec names: a folder, or the name of a model that was fetched to this machine; None for "".

    Its weights are loaded at the first search. Raises RerankerUnusable if there is none.
    """
    if spec is None or spec == "":
        return None
    if not isinstance(spec, str):
        return spec
    return CrossEncoderReranker(spec, _find(spec))


def _find(spec: str) -> Path:
    folder = model_folder(spec, family="cross-encoder")
    if folder is not None and (folder / "config.json").is_file():
        return folder
    raise RerankerUnusable(
        f"no reranker {spec!r} on this machine; fetch it once with 'hf download {spec}' where there is a network, give "
        'the folder of a cross-encoder, or set reranker = "" in lifelong.toml'
    )
