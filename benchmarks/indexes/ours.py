"""Our index behind the five calls of its peers, and the whole of a durable update through the store.

Rule: `Ours` is all that has to follow when `rag_lifelong.index` changes. The index is tended after each change, as
its thread would do; the store, which alone is durable, has a benchmark of its own below.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.index import VectorIndex

if TYPE_CHECKING:
    from rag_lifelong.operations import Put

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


def end_to_end(folder: Path, size: int, *, rounds: int = 20) -> dict[str, float]:
    """Milliseconds, p50, of a durable update of a knowledge base with `size` passages, and its parts.

    One update replaces a document of ten passages: the commit, the ten vectors (by hashing, 384 dimensions), and the
    index brought along. Parsing and cutting are left out; the text search index is not.
    """
    # not at the top: the memory of a process that only searches is measured
    from rag_lifelong.embed import HashEmbedder
    from rag_lifelong.knowledge_base import KnowledgeBase

    rng = np.random.default_rng(0)
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder(384)) as base:
        root = base.folders.ensure_root(str(folder), is_whole=True)
        began = time.perf_counter()
        for first in range(0, size // 10, 500):
            numbers = range(first, min(first + 500, size // 10))
            base.commit([_document(root.id, number, rng) for number in numbers], cause="benchmark")
            while base.embed_next(5_000):
                pass
        base.settle_index()
        filled = time.perf_counter() - began
        base.search("a", 10)
        times = []
        for _ in range(rounds):
            operation = _document(root.id, int(rng.integers(size // 10)), rng)
            marks = [time.perf_counter()]
            for step in (
                lambda one=operation: base.commit([one], cause="benchmark"),
                lambda: base.embed_next(100),
                base.settle_index,
            ):
                step()
                marks.append(time.perf_counter())
            times.append(np.diff(marks) * 1_000)
    commit, embed, settle = np.median(times, axis=0)
    whole = np.sum(times, axis=1)
    return {
        "fill_s": filled,
        "commit_ms": float(commit),
        "embed_ms": float(embed),
        "settle_ms": float(settle),
        "update_ms": float(np.median(whole)),
        "update_p95_ms": float(np.quantile(whole, 0.95)),
    }


def _document(root_id: int, number: int, rng: np.random.Generator) -> Put:
    from ingest import Chunk, Document
    from ingest.chunk import CHUNKER_VERSION
    from rag_lifelong.operations import Place, Put

    words = np.minimum(rng.zipf(1.3, size=(10, 20)), 50_000)
    texts: Sequence[str] = [" ".join(f"w{word}" for word in row) + ". " for row in words.tolist()]
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    text = "".join(texts)
    chunks = [Chunk(starts[i], starts[i + 1], one, "", f"{i}", None) for i, one in enumerate(texts)]
    digest = blake2b(text.encode(), digest_size=16).digest()
    document = Document(text, "", None, (), (), True, "benchmark", 1)
    place = Place(root_id, f"{number}.txt", len(text), 0)
    return Put(place, digest, datetime(2024, 1, 1, tzinfo=UTC), document, chunks, CHUNKER_VERSION, by_name=False)
