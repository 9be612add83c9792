"""What is found of fixed questions as the knowledge base grows around their answers.

    python -m benchmarks.dilution --data FOLDER [--cache FOLDER] [--figure FILE.svg]

The questions are squad_dev's reporting half on its first articles; their passages are the first step. Each further
step doubles the passages: the other articles of squad_dev, then those of hotpotqa and musique, which are of the same
encyclopedia. One knowledge base grows through the steps, as a user's does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import retrieval
from ingest import Chunk, Document
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase

STEPS = (600, 1_200, 2_400, 4_800)  # passages
QUESTIONS = 1_000
WAYS = ("words", "vectors", "default")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--figure", type=Path, help="draws the curve into this file")
    arguments = parser.parse_args()
    embedder = open_embedder(None, cache_dir=None)
    cached = embedder if arguments.cache is None else retrieval.CachedEmbedder(embedder, arguments.cache)
    sets = [retrieval.load(arguments.data, name) for name in ("squad_dev", "hotpotqa", "musique")]
    documents = [document for test_set in sets for document in test_set.documents][: STEPS[-1]]
    asked = [
        question
        for question in sets[0].questions
        if max(question.gold) < STEPS[0] and not retrieval.in_tuning_half(question.text)
    ][:QUESTIONS]
    curve = measure(cached, documents, asked)
    if arguments.figure is not None:
        draw(curve, arguments.figure)


def measure(
    embedder: object, documents: list[tuple[Document, Sequence[Chunk]]], asked: list[retrieval.Question]
) -> dict[str, list[tuple[float, float, float]]]:
    """way → recall@5 with its 95 % interval at each of STEPS; prints a row a step."""
    curve: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    print(f"{len(asked)} questions; recall@5 (95 % interval), search ms p50")
    with tempfile.TemporaryDirectory() as folder:
        base = KnowledgeBase(Path(folder) / "kb", embedder=embedder)  # type: ignore[arg-type]
        root = base.folders.ensure_root(folder, is_whole=True)
        embedder.embed([question.text for question in asked])  # type: ignore[attr-defined]
        begun = 0
        for step in STEPS:
            added = [retrieval.put(root.id, i, *documents[i]) for i in range(begun, step)]
            base.commit(added, cause="benchmark")
            begun = step
            while base.embed_next(1_024):
                pass
            values: dict[str, list[float]] = {way: [] for way in WAYS}
            took = []
            for question in asked:
                by_vector, by_words, _ = base.candidates(question.text)
                start = time.perf_counter()
                hits = base.search(question.text, 5)
                took.append(time.perf_counter() - start)
                found = {
                    "words": sorted(by_words, key=lambda i: (-by_words[i], i)),
                    "vectors": sorted(by_vector, key=lambda i: (-by_vector[i], i)),
                    "default": [hit.passage_id for hit in hits],
                }
                for way in WAYS:  # passage id = number + 1
                    values[way].append(retrieval.recall([i - 1 for i in found[way]], question.gold, 5))
            shown = []
            for way in WAYS:
                array = np.asarray(values[way])
                low, high = retrieval.interval(array)
                curve[way].append((float(array.mean()), low, high))
                shown.append(f"{way} {array.mean() * 100:5.1f} ({low * 100:.1f}–{high * 100:.1f})")
            print(f"{step:6} passages: " + "  ".join(shown) + f"  {np.median(took) * 1_000:.1f} ms", flush=True)
        base.close()
    return curve


def draw(curve: dict[str, list[tuple[float, float, float]]], file: Path) -> None:
    """Recall@5 by passages, with the intervals as bands."""
    import matplotlib

    from benchmarks.indexes.figures import INK, OURS, STYLE

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(5.2, 3.0))
        for way, tone in zip(WAYS, (INK, "#3f88b5", OURS), strict=True):
            mean, low, high = np.asarray(curve[way]).T * 100
            axes.plot(STEPS, mean, marker="o", markersize=3, color=tone)
            axes.fill_between(STEPS, low, high, color=tone, alpha=0.15, linewidth=0)
            axes.annotate(way, (STEPS[-1], mean[-1]), xytext=(6, -3), textcoords="offset points", color=tone)
        axes.set_xscale("log", base=2)
        axes.set_xticks(STEPS, [f"{step:,}" for step in STEPS])
        axes.set_xlabel("passages")
        axes.set_title("recall@5 of the same questions, %")
        axes.grid(axis="y")
        figure.tight_layout()
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None}, transparent=True)


if __name__ == "__main__":
    main()
