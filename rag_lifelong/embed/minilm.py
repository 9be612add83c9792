"""all-MiniLM-L6-v2, the default: 384 dimensions, 256 tokens, mean pooling, from a PyPI package.

Rule: a question loads neither torch nor sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from rag_lifelong.embed.bert import Bert
from rag_lifelong.embed.weights import DIGESTS, find_minilm, read_tensors, verify
from rag_lifelong.embed.wordpiece import WordPiece
from rag_lifelong.types import Vector, Vectors

NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")

_BATCH_TOKENS = 2_048
"""Tokens per forward pass; bounds the memory of a batch to about 30 MB."""


class MiniLM:
    """all-MiniLM-L6-v2 from the files of `folder`, which were verified."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.dim = 384
        self.max_tokens = 256  # sentence_bert_config.json; tokenizer.json says 128, which is not what is read
        weights, tokens = (digest[:16] for digest in DIGESTS.values())
        self.fingerprint = f"all-MiniLM-L6-v2:{weights}:{tokens}:mean:unit:{self.max_tokens}"
        self._folder = folder

    def count_tokens(self, text: str) -> int:
        """Exact, and additive over white space."""
        return self._tokens.count(text)

    def unknown_share(self, text: str) -> float:
        """The share of [UNK], 0 for a text without tokens."""
        count = self._tokens.count(text)
        return self._tokens.count_unknown(text) / count if count else 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dim), in the order of the texts."""
        ids = [self._tokens.ids(text, max_tokens=self.max_tokens) for text in texts]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)  # (n, dim)
        for rows in _batches([len(each) for each in ids], _BATCH_TOKENS):
            vectors[rows] = self._bert.embed([ids[row] for row in rows])
        return vectors

    def embed_query(self, text: str) -> Vector:
        """Shape (dim,)."""
        vector: Vector = self._bert.embed([self._tokens.ids(text, max_tokens=self.max_tokens)])[0]
        return vector

    @cached_property
    def _tokens(self) -> WordPiece:
        return WordPiece(self._folder / "tokenizer.json")

    @cached_property
    def _bert(self) -> Bert:
        return Bert(read_tensors(self._folder / "model.safetensors"), heads=12, epsilon=1e-12)


def open_minilm(name: str, *, cache_dir: Path | None) -> MiniLM:
    """Raises EmbedderUnusable if the weights are missing or not the published ones."""
    folder = find_minilm()
    verify(folder, cache_dir=cache_dir)
    return MiniLM(name, folder)


def _batches(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Rows by length, longest first, in lists of at most max_tokens tokens together, but never empty."""
    rows: list[int] = []
    total = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if rows and total + lengths[row] > max_tokens:
            yield rows
            rows, total = [], 0
        rows.append(row)
        total += lengths[row]
    if rows:
        yield rows
