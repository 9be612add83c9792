"""From saved to found: pages dropped one after another into a watched folder of a large knowledge base.

    python -m benchmarks.latency [--passages 100000] [--files 60] [--settle-ms 300]

The knowledge base is filled with made-up text and random vectors; the pages dropped are embedded with the real weights. A
page has about 3,000 characters. Found by words: a word that only it holds is in the word index. By meaning: all its
passages have their vectors, and a search finds it by them. Times count from the last byte written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rag_lifelong import sync
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.follow import Watcher
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.types import Vector, Vectors

SETTINGS = sync.Settings(max_file_bytes=100_000_000, chunk_tokens=200, batch_s=2.0)
FILE_PASSAGES = 50
PAGE_CHARS = 3_000
VOCABULARY = np.array([f"w{i:05}" for i in range(50_000)])
SYLLABLES = "ta re mi son del kar po lin va ster ne ku".split()


class Filling:
    """An embedder that gives random vectors until `is_real`."""

    def __init__(self, inner: Embedder) -> None:
        self.name, self.fingerprint, self.dim, self.max_tokens = (
            inner.name, inner.fingerprint, inner.dim, inner.max_tokens,
        )  # fmt: skip
        self.is_real = False
        self._inner = inner
        self._rng = np.random.default_rng(1)

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def unknown_share(self, text: str) -> float:
        return self._inner.unknown_share(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.is_real:
            return self._inner.embed(texts)
        made = self._rng.standard_normal((len(texts), self.dim), dtype=np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def embed_query(self, text: str) -> Vector:
        return self._inner.embed_query(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--settle-ms", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.passages, arguments.files, arguments.settle_ms)


def measure(there: Path, passages: int, count: int, settle_ms: int) -> None:
    notes = there / "notes"
    fill(notes, passages)
    embedder = Filling(open_embedder(cache_dir=None))
    with KnowledgeBase(there / "kb", embedder=embedder) as base:
        sync.read_in(
            base,
            [notes],
            settings=SETTINGS,
            progress=sync.Silent(),
            verb="add",
            rules=None,
            may_retire=True,
        )
        while base.embed_next(5_000):
            pass
        embedder.is_real = True
        embedder.embed(["The weights are loaded."])
        base.search("a first question", 5)
        root = base.folders.roots()[0]
        watcher = Watcher(
            base, [root], settings=SETTINGS, settle_ms=settle_ms, sweep_s=300.0, tell=lambda happening: None
        )
        watcher.start()
        watcher.wait(600.0, for_vectors=True)
        print(f"{base.passages():,} passages, {count} pages of about {PAGE_CHARS:,} characters, settle {settle_ms} ms")
        times = np.array([drop(base, notes / "inbox", number) for number in range(count)]) * 1_000
        watcher.stop()
    for name, column in zip(("by words", "by meaning", "by meaning, a search included"), times.T, strict=True):
        middle, late = np.percentile(column, [50, 95])
        print(f"saved to found {name}: p50 {middle:.0f} ms, p95 {late:.0f} ms")


def fill(notes: Path, passages: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(passages // FILE_PASSAGES):
        words = VOCABULARY[np.minimum(rng.zipf(1.3, size=FILE_PASSAGES * 40) - 1, len(VOCABULARY) - 1)]
        paragraphs = [" ".join(words[i : i + 40]) + "." for i in range(0, len(words), 40)]
        path = notes / f"{number // 100}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(paragraphs))


def drop(base: KnowledgeBase, inbox: Path, number: int) -> tuple[float, float, float]:
    """Seconds from saved to found: by words, by meaning, by meaning with a search."""
    rng = np.random.default_rng(number)
    mark = f"zqx{number:05}page"
    text = f"# Page {mark}\n\n"
    while len(text) < PAGE_CHARS:
        words = ["".join(rng.choice(SYLLABLES, size=rng.integers(1, 4))) for _ in range(60)]
        text += " ".join(words).capitalize() + ".\n\n"
    inbox.mkdir(exist_ok=True)
    (inbox / f"{number}.md").write_text(text)
    began = time.perf_counter()
    by_words = until(lambda: base.passages_with(mark) > 0) - began
    by_meaning = until(lambda: base.lag().passages == 0) - began
    hits = base.search(text[40:400], 5)
    searched = time.perf_counter() - began
    assert any(hit.path.endswith(f"inbox/{number}.md") and hit.scores.dense is not None for hit in hits)
    return by_words, by_meaning, searched


def until(is_true: Callable[[], bool]) -> float:
    while not is_true():
        time.sleep(0.003)
    return time.perf_counter()


if __name__ == "__main__":
    main()
