"""A durable update of a whole knowledge base, with its parts: through `commit`, and of one file; opening; memory.

Rule: a filled store is kept and used again; its updates replace documents, so that its size stays. Passages are made
up, words drawn from a Zipf distribution, vectors by hashing (384 dimensions): embedding costs next to nothing here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.indexes.worker import memory

if TYPE_CHECKING:
    from rag_lifelong.knowledge_base import KnowledgeBase
    from rag_lifelong.operations import Put

Spread = dict[str, float]
"""Milliseconds: p50 and p95."""

_CHUNKS = 10  # of a document, 20 words each
_AT_ONCE = 500  # documents in a commit while a store is filled


def fill(folder: Path, size: int) -> float:
    """Fills the knowledge base in `folder` up to `size` passages, from where it is; gives the seconds it took."""
    from rag_lifelong.embed import HashEmbedder
    from rag_lifelong.knowledge_base import KnowledgeBase

    began = time.perf_counter()
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder(384)) as base:
        root = base.folders.ensure_root(str(folder / "files"), is_whole=True)
        for first in range(base.folders.count_documents(root, ""), size // _CHUNKS, _AT_ONCE):
            rng = np.random.default_rng(first)
            numbers = range(first, min(first + _AT_ONCE, size // _CHUNKS))
            base.commit([_document(root.id, number, rng) for number in numbers], cause="benchmark")
            base.embed_next(_CHUNKS * _AT_ONCE)
        while base.embed_next(_CHUNKS * _AT_ONCE):  # what an interrupted run has left
            pass
        base.settle_index()
    return time.perf_counter() - began


def _document(root_id: int, number: int, rng: np.random.Generator) -> Put:
    from ingest import Chunk, Document
    from ingest.chunk import CHUNKER_VERSION
    from ingest.parsers import parser_version
    from rag_lifelong.operations import Place, Put

    texts = _texts(rng)
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    text = "".join(texts)
    chunks = [Chunk(starts[i], starts[i + 1], one, "", f"{i}", None) for i, one in enumerate(texts)]
    digest = blake2b(text.encode(), digest_size=16).digest()
    document = Document(text, "", None, (), (), True, "text", parser_version("text"))
    place = Place(root_id, path_of(number), len(text), number)
    return Put(place, digest, datetime(2024, 1, 1, tzinfo=UTC), document, chunks, CHUNKER_VERSION, by_name=False)


def _texts(rng: np.random.Generator, *, words: int = 20) -> Sequence[str]:
    drawn = np.minimum(rng.zipf(1.3, size=(_CHUNKS, words)), 50_000)
    return [" ".join(f"w{word}" for word in row) + ". " for row in drawn.tolist()]


def path_of(number: int) -> str:
    return f"{number // 100}/{number}.txt"


def measure(folder: Path, *, rounds: int = 30) -> Iterator[dict[str, Spread | float | dict[str, int]]]:
    """What is done with the filled knowledge base in `folder`, one thing after another.

    Gives open_ms; open_and_search_ms, both on a process that has just begun; memory after a hundred searches; and the
    spread of each step, as `through_commit` and `through_files` name them.
    """
    from rag_lifelong.embed import HashEmbedder
    from rag_lifelong.knowledge_base import KnowledgeBase

    rng = np.random.default_rng()
    others = threading.active_count()  # of the process, which are none of the knowledge base's
    began = time.perf_counter()
    base = KnowledgeBase(folder / "kb", embedder=HashEmbedder(384))
    opened = time.perf_counter()
    base.search(_query(rng), 10)
    yield {"open_ms": (opened - began) * 1_000, "open_and_search_ms": (time.perf_counter() - began) * 1_000}
    with base:
        base.search(_query(rng), 10)
        while (
            threading.active_count() > others
        ):  # what a process that searches more than once has at hand is being read
            time.sleep(0.1)
        searched = spread([_searched(base, _query(rng)) for _ in range(100)])
        yield {"search": searched, "memory": memory()}
        yield {**through_commit(base, folder, rounds, rng)}
        yield {**through_files(base, folder, rounds, rng)}


def through_commit(base: KnowledgeBase, folder: Path, rounds: int, rng: np.random.Generator) -> dict[str, Spread]:
    """A document of ten passages is replaced by ten others; parsing and cutting are left out.

    Steps: commit, embed (ten vectors), index (brought along); update: these three; first_search after it.
    """
    root = base.folders.ensure_root(str(folder / "files"), is_whole=True)
    size = base.passages()
    steps: dict[str, list[float]] = {}
    for _ in range(rounds):
        operation = _document(root.id, int(rng.integers(size // _CHUNKS)), rng)
        took = {
            "commit": _timed(lambda one=operation: base.commit([one], cause="benchmark")),
            "embed": _timed(lambda: base.embed_next(100)),
            "index": _timed(base.settle_index),
            "first_search": _searched(base, _query(rng)),
        }
        took["update"] = took["commit"] + took["embed"] + took["index"]
        for step, milliseconds in took.items():
            steps.setdefault(step, []).append(milliseconds)
    return {step: spread(times) for step, times in steps.items()}


def through_files(base: KnowledgeBase, folder: Path, rounds: int, rng: np.random.Generator) -> dict[str, Spread]:
    """One file among all is written anew and read in, as `lifelong add FILE` does; then embedded and indexed.

    Steps: file_compare, file_parse (and cut), file_commit, file_counts (what is told in the end); file_read_in: these
    four; file_embed; file_index.
    """
    from rag_lifelong import sync

    settings = sync.Settings(max_file_bytes=10**8, chunk_tokens=40, batch_s=2.0)
    size = base.passages()
    steps: dict[str, list[float]] = {}
    for _ in range(rounds):
        path = folder / "files" / path_of(int(rng.integers(size // _CHUNKS)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(_texts(rng, words=40)), encoding="utf-8")
        stamps = _Stamps()
        began = time.perf_counter()
        sync.read_in(base, [path], settings=settings, progress=stamps, verb="add", rules=None, may_retire=True)
        ended = time.perf_counter()
        path.unlink()
        marks = [began, *stamps.at, ended]
        names = ("file_compare", "file_parse", "file_commit", "file_counts")
        took = {name: (b - a) * 1_000 for name, (a, b) in zip(names, pairwise(marks), strict=True)}
        took["file_read_in"] = (ended - began) * 1_000
        took["file_embed"] = _timed(lambda: base.embed_next(100))
        took["file_index"] = _timed(base.settle_index)
        for step, milliseconds in took.items():
            steps.setdefault(step, []).append(milliseconds)
    return {step: spread(times) for step, times in steps.items()}


class _Stamps:
    """A `sync.Progress` that looks at the clock."""

    def __init__(self) -> None:
        self.at: list[float] = []  # compared, read, committed
        self._done_files = -1

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        if done_files != self._done_files:  # it is told of passages too, while a file is read
            self.at.append(time.perf_counter())
            self._done_files = done_files

    def readable(self, passages: int) -> None:
        self.at.append(time.perf_counter())

    def embedding(self, done: int, total: int) -> None: ...


def _query(rng: np.random.Generator) -> str:
    words = np.minimum(3 * rng.zipf(1.3, size=5), 49_999).tolist()
    return " ".join(f"w{word}" for word in [40, *words])  # one that is neither rare nor common is among them


def _searched(base: KnowledgeBase, question: str) -> float:
    """Milliseconds of a search beyond embedding its question."""
    return _timed(lambda: base.search(question, 10)) - _timed(lambda: base.embedder.embed_query(question))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000


def spread(times: Sequence[float]) -> Spread:
    return {"p50": float(np.median(times)), "p95": float(np.quantile(times, 0.95))}
