"""Our index behind the five calls of its peers.

Rule: `Ours` is all that has to follow when `rag_lifelong.index` changes. The index is tended after each change, as
its thread would do; the store, which alone is durable, has a benchmark of its own (updates.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.index import VectorIndex

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]
Ids = NDArray[np.int64]

_FINGERPRINT = "benchmark"


class Ours:
    """rag_lifelong.index; what is gone is dropped."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._dim = dim
        self._index = VectorIndex(dim=dim, fingerprint=_FINGERPRINT)

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for first in range(0, len(ids), 50_000):
            part = slice(first, first + 50_000)
            self._index.add(ids[part], _stored(vectors[part]))
            self._index.tend(self._folder, seal_after=200_000)
        self._index.save(self._folder)
        self._tend()

    def open(self) -> None:
        index = VectorIndex.load(self._folder, dim=self._dim, fingerprint=_FINGERPRINT)
        if index is None:
            raise RuntimeError(f"no index in {self._folder}")
        self._index = index

    def search(self, vector: Vector, k: int) -> Ids:
        return self._index.search(vector, k).ids

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        return self._index.search(vector, k, among=among).ids

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._index.add(ids, _stored(vectors))
        self._index.drop(np.sort(gone))
        self._tend()

    def _tend(self) -> None:
        while self._index.tend(self._folder):
            pass


def _stored(vectors: Matrix) -> Matrix:
    """In the precision of the store."""
    return vectors.astype(np.float16).astype(np.float32)
