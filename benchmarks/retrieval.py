"""Retrieval quality: words alone, vectors alone, mixes of both, and the default, on sets with known answers.

    python -m benchmarks.retrieval --data FOLDER [--sets squad_dev hotpotqa …] [--cache FOLDER]

FOLDER holds `squad_dev.json`, `multihop/` and `xquad/`. Every passage is a document of a knowledge base made for
the run, and is found through the code that answers users. Questions are split in two by a fixed hash: weights are
chosen on the tuning half, and the table is of the other. Intervals: paired bootstrap over questions, 95 %.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ingest import Chunk, Document
from ingest.chunk import CHUNKER_VERSION
from rag_lifelong import retrieve
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Place, Put
from rag_lifelong.types import Vectors

SETS = ("squad_dev", "hotpotqa", "musique", "xquad.en", "xquad.zh")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

Candidates = tuple[dict[int, float], dict[int, float], float]  # by vector, by words, share of unknown tokens
Ranker = Callable[[Candidates], list[int]]


@dataclass(frozen=True)
class Question:
    text: str
    gold: frozenset[int]  # numbers of the passages that answer it


@dataclass(frozen=True)
class TestSet:
    name: str
    passages: list[tuple[str, str]]  # title, text
    questions: list[Question]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--embedder", default=None)
    parser.add_argument("--tune", action="store_true", help="sweep the weight on the tuning half and stop")
    arguments = parser.parse_args()
    embedder = open_embedder(arguments.embedder, cache_dir=None)
    cached = embedder if arguments.cache is None else CachedEmbedder(embedder, arguments.cache)
    rows: dict[str, list[tuple[Question, Candidates]]] = {}
    for name in arguments.sets:
        test_set = load(arguments.data, name)
        print(f"{name}: {len(test_set.passages)} passages, {len(test_set.questions)} questions", flush=True)
        rows[name] = gather(test_set, cached)
    halves = {
        name: [(q, c) for q, c in found if in_tuning_half(q.text) == arguments.tune] for name, found in rows.items()
    }
    if arguments.tune:
        sweep(halves)
    else:
        report(halves)


def in_tuning_half(text: str) -> bool:
    """A fixed half of the questions."""
    return blake2b(text.encode(), digest_size=1).digest()[0] < 128


def load(data: Path, name: str) -> TestSet:
    """One set, from the files described in its folder's README."""
    if name == "squad_dev":
        return _squad(name, json.loads((data / "squad_dev.json").read_text(encoding="utf-8")))
    if name.startswith("xquad."):
        return _squad(name, json.loads((data / "xquad" / f"{name}.json").read_text(encoding="utf-8"))["data"])
    corpus = json.loads((data / "multihop" / f"{name}_train_corpus.json").read_text(encoding="utf-8"))
    samples = json.loads((data / "multihop" / f"{name}_train.json").read_text(encoding="utf-8"))
    if isinstance(corpus, dict):  # title → sentences
        passages = [(title, "".join(lines)) for title, lines in corpus.items()]
    else:
        passages = [(entry["title"], entry["text"]) for entry in corpus]
    number = {passage: i for i, passage in enumerate(passages)}
    questions = []
    for sample in samples:
        if name == "musique":
            gold = [(p["title"], p["paragraph_text"]) for p in sample["paragraphs"] if p["is_supporting"]]
        else:
            titles = {title for title, _ in sample["supporting_facts"]}
            gold = [(title, "".join(lines)) for title, lines in sample["context"] if title in titles]
        questions.append(Question(sample["question"], frozenset(number[passage] for passage in gold)))
    return TestSet(name, passages, questions)


def _squad(name: str, entries: list[dict]) -> TestSet:
    """Articles with paragraphs, or the paragraphs themselves; without titles, as the floors were measured."""
    paragraphs = [paragraph for entry in entries for paragraph in entry.get("paragraphs", [entry])]
    questions = [
        Question(qa["question"], frozenset([number]))
        for number, paragraph in enumerate(paragraphs)
        for qa in paragraph.get("qas", paragraph.get("questions", []))
    ]
    return TestSet(name, [("", paragraph["context"]) for paragraph in paragraphs], questions)


def gather(test_set: TestSet, embedder: object) -> list[tuple[Question, Candidates]]:
    """The candidates of every question, out of a knowledge base that holds the passages."""
    with tempfile.TemporaryDirectory() as folder:
        base = KnowledgeBase(Path(folder) / "kb", embedder=embedder)  # type: ignore[arg-type]
        root = base.folders.ensure_root(folder, is_whole=True)
        base.commit([_put(root.id, i, *passage) for i, passage in enumerate(test_set.passages)], cause="benchmark")
        while base.embed_next(1_024):
            pass
        embedder.embed([question.text for question in test_set.questions])  # type: ignore[attr-defined]
        found = []
        for question in test_set.questions:
            by_vector, by_words, unknown = base.candidates(question.text)
            # one passage a document, in order: passage id = number + 1
            found.append(
                (
                    question,
                    (
                        {i - 1: score for i, score in by_vector.items()},
                        {i - 1: score for i, score in by_words.items()},
                        unknown,
                    ),
                )
            )
        base.close()
    return found


def _put(root_id: int, number: int, title: str, text: str) -> Put:
    document = Document(text, title, None, (), (), True, "benchmark", 1)
    chunk = Chunk(0, len(text), text, title, "", None)
    digest = blake2b(f"{number}".encode(), digest_size=16).digest()
    return Put(
        Place(root_id, f"{number}.txt", len(text), 0), digest, EPOCH, document, [chunk], CHUNKER_VERSION, by_name=False
    )


# -- ways to rank


def by_words(candidates: Candidates) -> list[int]:
    return _ordered(candidates[1])


def by_vector(candidates: Candidates) -> list[int]:
    return _ordered(candidates[0])


def reciprocal_ranks(candidates: Candidates) -> list[int]:
    """Equal-weight reciprocal rank fusion, k = 60 (Cormack et al., SIGIR 2009)."""
    scores: dict[int, float] = {}
    for found in candidates[:2]:
        for rank, number in enumerate(_ordered(found)[: retrieve.CANDIDATES], start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (60 + rank)
    return _ordered(scores)


def mixed(weight: float | None) -> Ranker:
    """The convex mix with that dense weight; None: the default's."""

    def rank(candidates: Candidates) -> list[int]:
        vectors, words, unknown = candidates
        dense_weight = retrieve.dense_weight(unknown) if weight is None else weight
        fused = retrieve.fuse(vectors, words, dense_weight=dense_weight)
        return _ordered({number: scores.fused for number, scores in fused.items()})

    return rank


def _ordered(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda number: (-scores[number], number))


# -- figures


def recall(ranked: Sequence[int], gold: frozenset[int], k: int) -> float:
    """The share of the gold passages among the first k."""
    return len(gold.intersection(ranked[:k])) / len(gold)


def ndcg(ranked: Sequence[int], gold: frozenset[int], k: int) -> float:
    """Normalised discounted cumulative gain at k, binary relevance."""
    gain = sum(1 / np.log2(i + 2) for i, number in enumerate(ranked[:k]) if number in gold)
    return float(gain / sum(1 / np.log2(i + 2) for i in range(min(k, len(gold)))))


def figures(found: Sequence[tuple[Question, Candidates]], ranker: Ranker) -> np.ndarray:
    """(n, 2): recall@5 and nDCG@10 of each question."""
    values = []
    for question, candidates in found:
        ranked = ranker(candidates)
        values.append((recall(ranked, question.gold, 5), ndcg(ranked, question.gold, 10)))
    return np.asarray(values)


def interval(difference: np.ndarray, *, rounds: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of paired differences, shape (n,)."""
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, len(difference), (rounds, len(difference)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def sweep(halves: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> None:
    """Recall@5 / nDCG@10 on the tuning half by dense weight."""
    for weight in (None, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9):
        cells = [figures(found, mixed(weight)).mean(axis=0) * 100 for found in halves.values()]
        shown = "default" if weight is None else f"{weight:.2f}"
        print(f"{shown:8}" + "".join(f"{a:8.1f}/{b:5.1f}" for a, b in cells) + f"{np.mean(cells):9.2f}")


def report(halves: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> None:
    """The table of the reporting half."""
    ways: dict[str, Ranker] = {
        "words": by_words,
        "vectors": by_vector,
        "equal RRF": reciprocal_ranks,
        "default": mixed(None),
    }
    print(f"\n{'recall@5 / nDCG@10':20}" + "".join(f"{name:>16}" for name in [*halves, "pooled"]))
    values = {way: [figures(found, ranker) for found in halves.values()] for way, ranker in ways.items()}
    for way, cells in values.items():
        # pooled: each set counts the same, whatever its size
        pooled = np.mean([cell.mean(axis=0) for cell in cells], axis=0)
        print(
            f"{way:20}"
            + "".join(f"{a * 100:9.1f} / {b * 100:4.1f}" for a, b in [*(c.mean(axis=0) for c in cells), pooled])
        )
    for way in ("words", "vectors"):
        cells = []
        for default, other in zip(values["default"], values[way], strict=True):
            low, high = interval(default[:, 0] - other[:, 0])
            low2, high2 = interval(default[:, 1] - other[:, 1])
            cells.append(f"[{low * 100:+.1f}, {high * 100:+.1f}] / [{low2 * 100:+.1f}, {high2 * 100:+.1f}]")
        print(f"default − {way}: " + "; ".join(f"{name} {cell}" for name, cell in zip(halves, cells, strict=True)))


class CachedEmbedder:
    """An embedder that keeps what it computed in a folder, by text."""

    def __init__(self, embedder: object, folder: Path) -> None:
        self._embedder = embedder
        self._path = folder / f"{embedder.fingerprint[:16]}.npz"  # type: ignore[attr-defined]
        self._known: dict[str, np.ndarray] = {}
        if self._path.exists():
            with np.load(self._path) as kept:
                self._known = dict(zip(kept["digests"].tolist(), kept["vectors"], strict=True))

    def __getattr__(self, name: str) -> object:
        return getattr(self._embedder, name)

    def embed(self, texts: Sequence[str]) -> Vectors:
        digests = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
        new = [i for i, digest in enumerate(digests) if digest not in self._known]
        if new:
            made = self._embedder.embed([texts[i] for i in new])  # type: ignore[attr-defined]
            self._known.update((digests[i], made[j]) for j, i in enumerate(new))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._path, digests=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[digest] for digest in digests])

    def embed_query(self, text: str) -> np.ndarray:
        return np.asarray(self.embed([text])[0])


if __name__ == "__main__":
    main()
