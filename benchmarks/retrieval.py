"""Retrieval quality: words alone, vectors alone, mixes of both, and the default, on sets with known answers.

    python -m benchmarks.retrieval --data FOLDER [--sets squad_dev hotpotqa …] [--cache FOLDER]

FOLDER holds `squad_dev.json`, `multihop/` and `xquad/`. Every passage is a document of a knowledge base made for
the run, and is found through the code that answers users. Questions are split in two by a fixed hash: weights are
chosen on the tuning half, and the tables are of the other. Intervals: bootstrap over questions, 95 %, in pairs where
two ways are compared. `fused` ranks by one search; `default` is what users get, with its second hop.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
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

SETS = ("squad_dev", "hotpotqa", "musique", "xquad.en", "xquad.de", "xquad.es", "xquad.zh")
ACROSS = ("xquad.en-on-de", "xquad.en-on-es", "xquad.en-on-zh", "xquad.de-on-en")  # questions of one, texts of another
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

Ranker = Callable[["Candidates"], list[int]]
DEPTH = 10  # of what the default finds
MEASURES = ("recall@1", "recall@2", "recall@5", "recall@10", "nDCG@10", "MRR@10")


@dataclass(frozen=True)
class Candidates:
    """What one question finds, by number of the passage. default: as `search` gives it, with its second hop."""

    vectors: dict[int, float]
    words: dict[int, float]
    weight: float  # of the cosine in the mix, as the default has it
    default: list[int]
    ms: float  # of `search`, the question's vector at hand


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
    parser.add_argument("--sets", nargs="+", choices=(*SETS, *ACROSS), default=list(SETS))
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
    if name in ACROSS:
        asked, texts = (load(data, f"xquad.{language}") for language in name.removeprefix("xquad.").split("-on-"))
        return TestSet(name, texts.passages, asked.questions)  # the same paragraphs in the same order
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
        base.commit([put(root.id, i, *passage) for i, passage in enumerate(test_set.passages)], cause="benchmark")
        while base.embed_next(1_024):
            pass
        embedder.embed([question.text for question in test_set.questions])  # type: ignore[attr-defined]
        found = []
        for question in test_set.questions:
            by_vector, by_words, weight = base.candidates(question.text)
            began = time.perf_counter()
            hits = base.search(question.text, DEPTH)
            took = time.perf_counter() - began
            # one passage a document, in order: passage id = number + 1
            candidates = Candidates(
                {i - 1: score for i, score in by_vector.items()},
                {i - 1: score for i, score in by_words.items()},
                weight,
                [hit.passage_id - 1 for hit in hits],
                took * 1_000,
            )
            found.append((question, candidates))
        base.close()
    return found


def put(root_id: int, number: int, title: str, text: str) -> Put:
    """Passage `number` as a document of one passage."""
    document = Document(text, title, None, (), (), True, "benchmark", 1)
    chunk = Chunk(0, len(text), text, title, "", None)
    digest = blake2b(f"{number}".encode(), digest_size=16).digest()
    return Put(
        Place(root_id, f"{number}.txt", len(text), 0), digest, EPOCH, document, [chunk], CHUNKER_VERSION, by_name=False
    )


# -- ways to rank


def by_words(candidates: Candidates) -> list[int]:
    return _ordered(candidates.words)


def by_vector(candidates: Candidates) -> list[int]:
    return _ordered(candidates.vectors)


def reciprocal_ranks(candidates: Candidates) -> list[int]:
    """Equal-weight reciprocal rank fusion, k = 60 (Cormack et al., SIGIR 2009)."""
    scores: dict[int, float] = {}
    for found in (candidates.vectors, candidates.words):
        for rank, number in enumerate(_ordered(found)[: retrieve.CANDIDATES], start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (60 + rank)
    return _ordered(scores)


def mixed(weight: float | None) -> Ranker:
    """The convex mix with that dense weight; None: the default's."""

    def rank(candidates: Candidates) -> list[int]:
        dense_weight = candidates.weight if weight is None else weight
        fused = retrieve.fuse(candidates.vectors, candidates.words, dense_weight=dense_weight)
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


def reciprocal_rank(ranked: Sequence[int], gold: frozenset[int], k: int) -> float:
    """One by the rank of the first gold passage among the first k; 0 if there is none."""
    return next((1 / rank for rank, number in enumerate(ranked[:k], start=1) if number in gold), 0.0)


def figures(found: Sequence[tuple[Question, Candidates]], ranker: Ranker) -> np.ndarray:
    """(n, 6): the MEASURES of each question."""
    values = []
    for question, candidates in found:
        ranked, gold = ranker(candidates), question.gold
        recalls = [recall(ranked, gold, k) for k in (1, 2, 5, 10)]
        values.append((*recalls, ndcg(ranked, gold, 10), reciprocal_rank(ranked, gold, 10)))
    return np.asarray(values)


def interval(difference: np.ndarray, *, rounds: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of paired differences, shape (n,)."""
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, len(difference), (rounds, len(difference)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def sweep(halves: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> None:
    """Recall@5 / nDCG@10 on the tuning half by dense weight."""
    for weight in (None, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9):
        cells = [figures(found, mixed(weight)).mean(axis=0)[[2, 4]] * 100 for found in halves.values()]
        shown = "default" if weight is None else f"{weight:.2f}"
        print(f"{shown:8}" + "".join(f"{a:8.1f}/{b:5.1f}" for a, b in cells) + f"{np.mean(cells):9.2f}")


def report(halves: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> None:
    """The tables of the reporting half, and the default beside each other way in pairs."""
    ways: dict[str, Ranker] = {
        "words": by_words,
        "vectors": by_vector,
        "equal RRF": reciprocal_ranks,
        "fused": mixed(None),
        "default": lambda candidates: candidates.default,
    }
    values = {way: [figures(found, ranker) for found in halves.values()] for way, ranker in ways.items()}
    for column, name in enumerate(halves):
        found = halves[name]
        ms = np.quantile([candidates.ms for _, candidates in found], (0.5, 0.95))
        print(f"\n{name}: {len(found)} questions; search {ms[0]:.1f} ms p50, {ms[1]:.1f} p95, without the vector")
        print(f"{'':12}" + "".join(f"{measure:>22}" for measure in MEASURES))
        for way, cells in values.items():
            shown = []
            for measure in range(len(MEASURES)):
                low, high = interval(cells[column][:, measure])
                shown.append(f"{cells[column][:, measure].mean() * 100:8.1f} [{low * 100:5.1f},{high * 100:6.1f}]")
            print(f"{way:12}" + "".join(f"{cell:>22}" for cell in shown))
    print(f"\n{'recall@5 / nDCG@10':20}" + "".join(f"{name:>16}" for name in [*halves, "pooled"]))
    for way, cells in values.items():
        # pooled: each set counts the same, whatever its size
        pooled = np.mean([cell.mean(axis=0) for cell in cells], axis=0)
        means = [*(cell.mean(axis=0) for cell in cells), pooled]
        print(f"{way:20}" + "".join(f"{mean[2] * 100:9.1f} / {mean[4] * 100:4.1f}" for mean in means))
    for way in ("words", "vectors", "fused"):
        beside = []
        for name, default, other in zip(halves, values["default"], values[way], strict=True):
            pairs = [interval(default[:, measure] - other[:, measure]) for measure in (2, 4)]
            beside.append(f"{name} " + " / ".join(f"[{low * 100:+.1f}, {high * 100:+.1f}]" for low, high in pairs))
        print(f"default − {way}: " + "; ".join(beside))


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
