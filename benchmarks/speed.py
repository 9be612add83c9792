"""Speed: reading in, embedding, searching, cold questions, start-up.

    python -m benchmarks.speed [--folder FOLDER] [--passages 20000] [--embed 300]

--folder is read in (default: the project's own samples and docs); --passages is the size of the made-up knowledge
base that is searched: words drawn from a Zipf distribution, vectors by hashing (384 dimensions), without weights. Its
documents have names for titles and mention each other's, so that each search takes its second hop. Words met for the
first time: each query's are the frequent ones that no query before it had, which is harder than what people ask.
Every figure is of this run on this machine; compare ratios, not seconds, between machines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.steps import Places
from benchmarks.steps import timed as timed_steps
from rag_lifelong import retrieve, second_hop, sync
from rag_lifelong.embed import HashEmbedder, open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.meaning import Meaning
from rag_lifelong.retriever import Retriever
from rag_lifelong.standings import Standings

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = sync.Settings(max_file_bytes=100_000_000, chunk_tokens=200, batch_s=2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--embed", type=int, default=300, help="passages embedded with the real weights")
    arguments = parser.parse_args()
    print(f"{'what':58} {'value':>14}")
    for what, value in measures(arguments.folder, arguments.passages, arguments.embed):
        print(f"{what:58} {value:>14}", flush=True)


def measures(folder: Path, passages: int, embed: int) -> Iterator[tuple[str, str]]:
    """(what, value with unit), one after another."""
    yield "import rag_lifelong, median of 5", f"{median(start_up('import rag_lifelong')):.0f} ms"
    yield "python itself, median of 5", f"{median(start_up('pass')):.0f} ms"
    yield "lifelong --help, median of 5", f"{median(command('--help')):.0f} ms"
    yield "shell completion, median of 5", f"{median(command('__complete', 'st')):.0f} ms"
    with tempfile.TemporaryDirectory() as temporary:
        there = Path(temporary)
        yield from reading(folder, there)
        yield from embedding(there / "read", embed)
        yield from searching(there, passages)


def reading(folder: Path, there: Path) -> Iterator[tuple[str, str]]:
    base = KnowledgeBase(there / "read", embedder=open_embedder(None, cache_dir=None))
    began = time.perf_counter()
    done = sync.read_in(
        base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True
    )
    took = time.perf_counter() - began
    count = base.passages()
    yield f"read in, text and words: {done.documents:,} files, {count:,} passages", f"{count / took:,.0f}/s"
    began = time.perf_counter()
    sync.read_in(base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    yield "compare the unchanged folder again", f"{(time.perf_counter() - began) * 1_000:,.0f} ms"
    base.close()


def embedding(kb: Path, most: int) -> Iterator[tuple[str, str]]:
    base = KnowledgeBase(kb, embedder=open_embedder(None, cache_dir=None))
    base.embed_next(8)  # weights are loaded
    began = time.perf_counter()
    done = 0
    while done < most and (count := base.embed_next(128)):
        done += count
    took = time.perf_counter() - began
    if done:
        yield f"embed with all-MiniLM-L6-v2: {done:,} passages", f"{done / took:,.1f}/s"
    times = [timed(lambda: base.embedder.embed_query("What did we decide about retries?")) for _ in range(20)]
    yield "embed a question, p50", f"{np.median(times):.1f} ms"
    base.close()


def searching(there: Path, passages: int) -> Iterator[tuple[str, str]]:
    notes = there / "notes"
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i:05}" for i in range(50_000)])
    per_file = 10
    names = made_up_names(passages // per_file, rng)
    for number, name in enumerate(names):
        words = vocabulary[np.minimum(rng.zipf(1.3, size=per_file * 120) - 1, len(vocabulary) - 1)].astype(object)
        mentioned = rng.integers(0, len(words), per_file * 4)
        words[mentioned] = [names[i] for i in rng.integers(0, len(names), len(mentioned))]
        paragraphs = [" ".join(words[i : i + 120]) + "." for i in range(0, len(words), 120)]
        path = notes / f"{number // 100}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\n" + "\n\n".join(paragraphs))
    base = KnowledgeBase(there / "kb", embedder=HashEmbedder(384))
    sync.read_in(
        base,
        [notes],
        settings=sync.Settings(100_000_000, 120, 2.0),
        progress=sync.Silent(),
        verb="add",
        rules=None,
        may_retire=True,
    )
    while base.embed_next(5_000):
        pass
    count = base.passages()
    size = f"{count:,} passages"
    yield f"all their words read into the word index, {size}", f"{timed(base.settle_index):,.0f} ms"
    base.close()
    base = KnowledgeBase(there / "kb", embedder=HashEmbedder(384))
    yield f"open the word index, {size}", f"{timed(base._live_words.load):.1f} ms"
    frequent = rng.permutation(np.arange(3, 1_203))  # ranks; the first three stand nearly everywhere
    fresh = [" ".join(vocabulary[frequent[i : i + 6]]) for i in range(0, len(frequent), 6)]
    drawn = [" ".join(vocabulary[np.minimum(rng.zipf(1.3, size=6) * 3, 49_999)]) for _ in range(200)]
    warm_up(base, [" ".join(vocabulary[40_000 + 6 * i : 40_006 + 6 * i]) for i in range(8)])
    for what, queries in (("met for the first time", fresh), ("met before", fresh), ("as drawn", drawn)):
        embed_ms = np.median([timed(lambda q=query: base.embedder.embed_query(q)) for query in queries])
        times = np.array([timed(lambda q=query: base.search(q, 10)) for query in queries]) - embed_ms
        p50, p95 = np.quantile(times, [0.5, 0.95])
        yield f"hybrid search, words {what}, {size}, p50 / p95", f"{p50:.1f} / {p95:.1f} ms"
    for step, spent in by_step(base, drawn):
        yield f"  … of which {step}, p50 / p95", spent
    queries = drawn
    changed = sorted(notes.rglob("*.md"))[0]
    updates = []
    for i in range(10):
        changed.write_text(f"A new beginning, number {i}.\n\n" + changed.read_text())
        updates.append(
            timed(
                lambda: sync.read_in(
                    base,
                    [changed],
                    settings=sync.Settings(10**8, 120, 2.0),
                    progress=sync.Silent(),
                    verb="add",
                    rules=None,
                    may_retire=True,
                )
            )
        )
    yield f"durable update of one file, {count:,} passages, p50", f"{np.median(updates):.0f} ms"
    base.close()
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run([sys.executable, "-m", "rag_lifelong", "--kb", str(there / "kb"), "ask", queries[0]], embedder="hash:384")
        times.append((time.perf_counter() - began) * 1_000)
    yield f"lifelong ask from a cold start, {count:,} passages", f"{np.median(times):,.0f} ms"


def made_up_names(count: int, rng: np.random.Generator) -> list[str]:
    """Two capitalised words each, of syllables; distinct."""
    syllables = np.array([a + b for a in "bdfgklmnprstvz" for b in "aeiou"])
    found: dict[str, None] = {}
    while len(found) < count:
        first, second = ("".join(rng.choice(syllables, 3)).title() for _ in range(2))
        found.setdefault(f"{first} {second}")
    return list(found)


def warm_up(base: KnowledgeBase, queries: list[str]) -> None:
    """Until what is read at the second search is at hand, and once more."""
    for query in queries[:3]:
        base.search(query, 10)
    if base._retriever._reading is not None:
        base._retriever._reading.join()
    for query in queries[3:]:
        base.search(query, 10)


STEPS: Places = {
    "words": (retrieve, "_by_words"),
    "vectors": (Meaning, "best"),
    "vectors of what words found": (Meaning, "cosines"),
    "fusing": (retrieve, "fuse"),
    "titles in the question": (second_hop, "titled"),
    "second hop, names looked up": (second_hop, "linked"),
    "second hop, scores": (second_hop, "raised"),
    "standing of documents": (Standings, "weights"),
    "hits": (Retriever, "_hit"),
}


def by_step(base: KnowledgeBase, queries: list[str]) -> Iterator[tuple[str, str]]:
    """(step, p50 / p95 of what it takes in one search)."""
    found: dict[str, list[float]] = {step: [] for step in STEPS}
    for query in queries:
        with timed_steps(STEPS) as taken:
            base.search(query, 10)
        for step, spent in taken.items():
            found[step].append(spent)
    for step, spent_each in found.items():
        p50, p95 = np.quantile(spent_each, [0.5, 0.95])
        yield step, f"{p50:.2f} / {p95:.2f} ms"


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000


def start_up(code: str) -> list[float]:
    return [timed(lambda: run([sys.executable, "-c", code])) for _ in range(5)]


def command(*words: str) -> list[float]:
    return [timed(lambda: run([sys.executable, "-m", "rag_lifelong", *words])) for _ in range(5)]


def run(words: list[str], *, embedder: str | None = None) -> None:
    environment = dict(os.environ) | ({"LIFELONG_EMBEDDER": embedder} if embedder else {})
    subprocess.run(words, check=False, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)


def median(values: list[float]) -> float:
    return float(np.median(values))


if __name__ == "__main__":
    main()
