"""Retrieval quality: words alone, vectors alone, mixes of both, and the default, on sets with known answers.

    python -m benchmarks.retrieval --data FOLDER [--peps FOLDER] [--sets squad_dev hotpotqa …] [--cache FOLDER]
                                   [--report docs/retrieval.md] [--tune] [--cross-fit]

FOLDER holds `squad_dev.json`, `multihop/` and `xquad/`; that of --peps the PEPs' sources. Every passage of a set is a
document of a knowledge base made for the run; the PEPs are cut into passages as users' files are, and there a document
counts as found with its first passage. All goes through the code that answers users. Questions are split in two by a
fixed hash: weights are chosen on the tuning half, and the tables are of the other. Intervals: bootstrap over
questions, 95 %, in pairs where two ways are compared. `fused` ranks by one search; `default` is what users get: with
titles that the question names, and the second hop.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from benchmarks import pep_search
from benchmarks.steps import Places, timed
from ingest import Chunk, Document
from ingest.chunk import CHUNKER_VERSION
from rag_lifelong import retrieve, second_hop
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.meaning import CANDIDATES, Meaning
from rag_lifelong.operations import Place, Put
from rag_lifelong.store import passages
from rag_lifelong.types import Vectors

SETS = ("squad_dev", "hotpotqa", "musique", "xquad.en", "xquad.de", "xquad.es", "xquad.zh")
ACROSS = ("xquad.en-on-de", "xquad.en-on-es", "xquad.en-on-zh", "xquad.de-on-en")  # questions of one, texts of another
TITLED = ("squad_titled",)  # squad_dev with the article's title on each of its paragraphs, as files would have it
PEPS = ("peps.natural", "peps.made")
MULTIHOP = ("hotpotqa", "musique")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

Ranker = Callable[["Candidates"], list[int]]
DEPTH = 10  # of what the default finds
MEASURES = ("recall@1", "recall@2", "recall@5", "recall@10", "nDCG@10", "MRR@10")
STEPS: Places = {
    "words": (retrieve, "_by_words"),
    "vectors": (Meaning, "best"),
    "titles named": (second_hop, "titled"),
    "second hop": (second_hop, "linked"),
}


@dataclass(frozen=True)
class Candidates:
    """What one question finds. default: as `search` gives it; the others by passage, of the documents in `owner`."""

    vectors: dict[int, float]
    words: dict[int, float]
    weight: float  # of the cosine in the mix
    default: list[int]  # numbers of documents
    owner: dict[int, int]  # passage → number of its document
    ms: float  # of `search`, the question's vector at hand
    steps: dict[str, float] = field(default_factory=dict)  # ms of each of STEPS


@dataclass(frozen=True)
class Question:
    text: str
    gold: frozenset[int]  # numbers of the documents that answer it


@dataclass(frozen=True)
class TestSet:
    name: str
    documents: list[tuple[Document, Sequence[Chunk]]]
    questions: list[Question]

    @property
    def depth(self) -> int:
        """How many passages are looked at to find DEPTH documents."""
        return DEPTH if all(len(chunks) == 1 for _, chunks in self.documents) else 5 * DEPTH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peps", type=Path, help="adds the PEPs of that folder")
    parser.add_argument("--sets", nargs="+", choices=(*SETS, *TITLED, *ACROSS, *PEPS), help="all, unless named")
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--embedder", default=None)
    parser.add_argument("--report", type=Path, help="writes the page, with its figures beside it in figures/")
    parser.add_argument("--tune", action="store_true", help="sweep the weight on the tuning half and stop")
    parser.add_argument("--cross-fit", action="store_true", help="choose the hop's weights on each half, for the other")
    arguments = parser.parse_args()
    embedder = open_embedder(arguments.embedder, cache_dir=None)
    cached = embedder if arguments.cache is None else CachedEmbedder(embedder, arguments.cache)
    everything = (*SETS, *TITLED, *ACROSS, *(PEPS if arguments.peps is not None else ()))
    halves: dict[str, list[tuple[Question, Candidates]]] = {}
    hops: list[str] = []
    for name in arguments.sets or everything:
        test_set = load(arguments.data, name, peps=arguments.peps, embedder=cached)
        print(f"{name}: {len(test_set.documents)} documents, {len(test_set.questions)} questions", flush=True)
        if arguments.cross_fit or (arguments.report is not None and name in MULTIHOP):
            hops += cross_fit(test_set, cached)
        if not arguments.cross_fit:
            half = [q for q in test_set.questions if in_tuning_half(q.text) == arguments.tune]
            halves[name] = gather(TestSet(name, test_set.documents, half), cached)
    print("\n".join(hops), flush=True)
    if arguments.tune:
        sweep(halves)
    elif halves:
        report(halves)
        if arguments.report is not None:
            from benchmarks import retrieval_page

            asked = [question.text for found in halves.values() for question, _ in found][:200]
            retrieval_page.write(arguments.report, halves, embedding_ms(embedder, asked), hops)


def in_tuning_half(text: str) -> bool:
    """A fixed half of the questions."""
    return blake2b(text.encode(), digest_size=1).digest()[0] < 128


def load(data: Path, name: str, *, peps: Path | None = None, embedder: object = None) -> TestSet:
    """One set, from the files described in its folder's README; the PEPs from their folder, cut by the embedder."""
    if name in PEPS:
        if peps is None:
            raise SystemExit(f"{name} needs --peps FOLDER")
        read = pep_search.read(peps)
        asked = pep_search.natural(read) if name == "peps.natural" else pep_search.made(read)
        documents = pep_search.cut(read, embedder)  # type: ignore[arg-type]
        return TestSet(name, documents, [Question(text, gold) for text, gold in asked])
    if name in ("squad_dev", *TITLED):
        entries = json.loads((data / "squad_dev.json").read_text(encoding="utf-8"))
        found = _squad(name, entries, titled=name in TITLED)
        return TestSet(name, found.documents, found.questions[:: 5 if name in TITLED else 1])
    if name in ACROSS:
        asked_of, texts_of = (load(data, f"xquad.{code}") for code in name.removeprefix("xquad.").split("-on-"))
        return TestSet(name, texts_of.documents, asked_of.questions)  # the same paragraphs in the same order
    if name.startswith("xquad."):
        return _squad(name, json.loads((data / "xquad" / f"{name}.json").read_text(encoding="utf-8"))["data"])
    corpus = json.loads((data / "multihop" / f"{name}_train_corpus.json").read_text(encoding="utf-8"))
    samples = json.loads((data / "multihop" / f"{name}_train.json").read_text(encoding="utf-8"))
    if isinstance(corpus, dict):  # title → sentences
        texts = [(title, "".join(lines)) for title, lines in corpus.items()]
    else:
        texts = [(entry["title"], entry["text"]) for entry in corpus]
    number = {text: i for i, text in enumerate(texts)}
    questions = []
    for sample in samples:
        if name == "musique":
            gold = [(p["title"], p["paragraph_text"]) for p in sample["paragraphs"] if p["is_supporting"]]
        else:
            titles = {title for title, _ in sample["supporting_facts"]}
            gold = [(title, "".join(lines)) for title, lines in sample["context"] if title in titles]
        questions.append(Question(sample["question"], frozenset(number[text] for text in gold)))
    return TestSet(name, [document(*text) for text in texts], questions)


def _squad(name: str, entries: list[dict], *, titled: bool = False) -> TestSet:
    """Articles with paragraphs, or the paragraphs themselves; without titles, as the floors were measured."""
    paragraphs = [(entry.get("title", ""), p) for entry in entries for p in entry.get("paragraphs", [entry])]
    questions = [
        Question(qa["question"], frozenset([number]))
        for number, (_, paragraph) in enumerate(paragraphs)
        for qa in paragraph.get("qas", paragraph.get("questions", []))
    ]
    return TestSet(
        name, [document(title.replace("_", " ") if titled else "", p["context"]) for title, p in paragraphs], questions
    )


def document(title: str, text: str) -> tuple[Document, Sequence[Chunk]]:
    """A document of one passage."""
    return Document(text, title, None, (), (), True, "benchmark", 1), [Chunk(0, len(text), text, title, "", None)]


def gather(test_set: TestSet, embedder: object) -> list[tuple[Question, Candidates]]:
    """The candidates of every question, out of a knowledge base that holds the documents."""
    with filled(test_set, embedder) as base:
        embedder.embed([question.text for question in test_set.questions])  # type: ignore[attr-defined]
        found = []
        for question in test_set.questions:
            by_vector, by_words, weight = base.candidates(question.text)
            with base.reading() as connection:
                owner = passages.documents_of(connection, sorted({*by_vector, *by_words}))
            with timed(STEPS) as steps:
                began = time.perf_counter()
                default = searched(base, question.text, test_set.depth)
                took = time.perf_counter() - began
            owner = {passage_id: document_id - 1 for passage_id, document_id in owner.items()}
            candidates = Candidates(by_vector, by_words, weight, default, owner, took * 1_000, dict(steps))
            found.append((question, candidates))
        return found


@contextmanager
def filled(test_set: TestSet, embedder: object) -> Iterator[KnowledgeBase]:
    """A knowledge base that holds the documents: number i has id i + 1."""
    with tempfile.TemporaryDirectory() as folder:
        base = KnowledgeBase(Path(folder) / "kb", embedder=embedder)  # type: ignore[arg-type]
        root = base.folders.ensure_root(folder, is_whole=True)
        base.commit([put(root.id, i, *each) for i, each in enumerate(test_set.documents)], cause="benchmark")
        while base.embed_next(1_024):
            pass
        base.search("the words are read into memory at the second search", 1)
        base.search("the words are read into memory at the second search", 1)
        yield base
        base.close()


def searched(base: KnowledgeBase, question: str, k: int) -> list[int]:
    """Numbers of the documents among the best `k` passages, each at its best one; at most DEPTH."""
    hits = base.search(question, k)
    return list(dict.fromkeys(hit.document_id - 1 for hit in hits))[:DEPTH]


def embedding_ms(embedder: object, questions: Sequence[str]) -> tuple[float, float]:
    """p50 and p95 of a question's own vector, without a cache."""
    times = []
    embedder.embed_query(questions[0])  # type: ignore[attr-defined]
    for question in questions:
        began = time.perf_counter()
        embedder.embed_query(question)  # type: ignore[attr-defined]
        times.append((time.perf_counter() - began) * 1_000)
    p50, p95 = np.quantile(times, (0.5, 0.95))
    return float(p50), float(p95)


def put(root_id: int, number: int, document: Document, chunks: Sequence[Chunk]) -> Put:
    """Document `number`."""
    digest = blake2b(f"{number}".encode(), digest_size=16).digest()
    place = Place(root_id, f"{number}.txt", len(document.text), 0)
    return Put(place, digest, EPOCH, document, chunks, CHUNKER_VERSION, by_name=False)


# -- ways to rank


def by_words(candidates: Candidates) -> list[int]:
    return _ordered(candidates, candidates.words)


def by_vector(candidates: Candidates) -> list[int]:
    return _ordered(candidates, candidates.vectors)


def reciprocal_ranks(candidates: Candidates) -> list[int]:
    """Equal-weight reciprocal rank fusion, k = 60 (Cormack et al., SIGIR 2009)."""
    scores: dict[int, float] = {}
    for found in (candidates.vectors, candidates.words):
        for rank, passage_id in enumerate(_best_first(found)[:CANDIDATES], start=1):
            scores[passage_id] = scores.get(passage_id, 0.0) + 1 / (60 + rank)
    return _ordered(candidates, scores)


def mixed(weight: float | None) -> Ranker:
    """The convex mix with that dense weight; None: the default's."""

    def rank(candidates: Candidates) -> list[int]:
        dense_weight = candidates.weight if weight is None else weight
        fused = retrieve.fuse(candidates.vectors, candidates.words, dense_weight=dense_weight)
        return _ordered(candidates, {passage_id: scores.fused for passage_id, scores in fused.items()})

    return rank


def by_default(candidates: Candidates) -> list[int]:
    return candidates.default


WAYS: dict[str, Ranker] = {
    "words": by_words,
    "vectors": by_vector,
    "equal RRF": reciprocal_ranks,
    "0.7 / 0.3": mixed(0.7),
    "fused": mixed(None),
    "default": by_default,
}
PEERS = ("words", "vectors", "equal RRF", "0.7 / 0.3")


def _ordered(candidates: Candidates, scores: Mapping[int, float]) -> list[int]:
    """Documents, each at its best passage."""
    return list(dict.fromkeys(candidates.owner[passage_id] for passage_id in _best_first(scores)))


def _best_first(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda passage_id: (-scores[passage_id], passage_id))


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


def pooled_interval(differences: Sequence[np.ndarray], *, rounds: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean over sets of each set's mean difference, sets drawn from apart."""
    rng = np.random.default_rng(seed)
    means = np.mean([d[rng.integers(0, len(d), (rounds, len(d)))].mean(axis=1) for d in differences], axis=0)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


Values = Mapping[str, Mapping[str, np.ndarray]]
"""way → set → figures of its questions, shape (n, 6)."""


def all_figures(rows: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> Values:
    return {way: {name: figures(found, ranker) for name, found in rows.items()} for way, ranker in WAYS.items()}


def report(halves: Mapping[str, Sequence[tuple[Question, Candidates]]]) -> None:
    """The tables of the reporting half, and the default beside each other way in pairs."""
    values = all_figures(halves)
    for name, found in halves.items():
        ms = np.quantile([candidates.ms for _, candidates in found], (0.5, 0.95))
        print(f"\n{name}: {len(found)} questions; search {ms[0]:.1f} ms p50, {ms[1]:.1f} p95, without the vector")
        print(f"{'':12}" + "".join(f"{measure:>22}" for measure in MEASURES))
        for way, of_way in values.items():
            shown = []
            for measure in range(len(MEASURES)):
                low, high = interval(of_way[name][:, measure])
                shown.append(f"{of_way[name][:, measure].mean() * 100:8.1f} [{low * 100:5.1f},{high * 100:6.1f}]")
            print(f"{way:12}" + "".join(f"{cell:>22}" for cell in shown))
    print(f"\n{'recall@5 / nDCG@10':20}" + "".join(f"{name:>16}" for name in [*halves, "pooled"]))
    for way, of_way in values.items():
        # pooled: each set counts the same, whatever its size
        means = [cell.mean(axis=0) for cell in of_way.values()]
        means.append(np.mean(means, axis=0))
        print(f"{way:20}" + "".join(f"{mean[2] * 100:9.1f} / {mean[4] * 100:4.1f}" for mean in means))
    for line in floor(values):
        print(line)


def beside(values: Values, peer: str) -> tuple[list[str], list[tuple[float, float, float]]]:
    """Where the default is below a peer beyond a paired interval; (mean, low, high) of it less the peer, sets pooled."""
    below, pooled = [], []
    for m in (2, 4):
        differences = {name: default[:, m] - values[peer][name][:, m] for name, default in values["default"].items()}
        below += [f"{name} {MEASURES[m]}" for name, difference in differences.items() if interval(difference)[1] < 0]
        mean = float(np.mean([difference.mean() for difference in differences.values()]))
        pooled.append((mean, *pooled_interval(list(differences.values()))))
    return below, pooled


def floor(values: Values) -> Iterator[str]:
    """Is the default, beyond a paired 95 % interval, below a peer on a set? Above it on the sets pooled?"""
    for peer in (*PEERS, "fused"):
        shown = []
        for name, default in values["default"].items():
            pairs = [interval(default[:, m] - values[peer][name][:, m]) for m in (2, 4)]
            shown.append(f"{name} " + " / ".join(f"[{low * 100:+.1f}, {high * 100:+.1f}]" for low, high in pairs))
        yield f"default − {peer}: " + "; ".join(shown)
        below, pooled = beside(values, peer)
        together = " / ".join(f"{mean * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}]" for mean, low, high in pooled)
        verdict = "above" if all(low > 0 for _, low, _ in pooled) else "not above"
        yield f"  below on: {', '.join(below) or 'no set'}; pooled {together}: {verdict}"


# -- the hop's weights, chosen on each half for the other

GRID = [(gain, partial, title) for gain in (0.4, 0.6, 0.8) for partial in (0.0, 0.6) for title in (0.0, 1.0)]


def cross_fit(test_set: TestSet, embedder: object) -> Iterator[str]:
    """Default − fused over both halves, the weights of each half chosen by nDCG@10 on the other; as a list's lines."""
    with filled(test_set, embedder) as base:
        plain = []
        for question in test_set.questions:
            by_vector, by_words, weight = base.candidates(question.text)
            with base.reading() as connection:
                owner = passages.documents_of(connection, sorted({*by_vector, *by_words}))
            owner = {passage_id: document_id - 1 for passage_id, document_id in owner.items()}
            plain.append((question, Candidates(by_vector, by_words, weight, [], owner, 0.0)))
        fused = figures(plain, mixed(None))
        kept = second_hop.GAIN, second_hop.PARTIAL, second_hop.TITLE_BONUS
        by_weights = []
        for weights in GRID:
            second_hop.GAIN, second_hop.PARTIAL, second_hop.TITLE_BONUS = weights
            ranked = [searched(base, question.text, test_set.depth) for question in test_set.questions]
            by_weights.append(_figures_of(ranked, test_set.questions))
        second_hop.GAIN, second_hop.PARTIAL, second_hop.TITLE_BONUS = kept
    is_tuning = np.array([in_tuning_half(question.text) for question in test_set.questions])
    found = np.zeros_like(fused)
    chosen = []
    for half in (True, False):
        best = max(range(len(GRID)), key=lambda i: by_weights[i][is_tuning == half, 4].mean())
        found[is_tuning != half] = by_weights[best][is_tuning != half]
        chosen.append(" ".join(f"{weight:g}" for weight in GRID[best]))
    yield f"- `{test_set.name}`, {len(found)} questions; gain, part of a title, title in the question: {'; '.join(chosen)}"
    for measure in (1, 2, 4):
        difference = found[:, measure] - fused[:, measure]
        low, high = interval(difference)
        yield (
            f"  - {MEASURES[measure]}: {fused[:, measure].mean() * 100:.1f} → {found[:, measure].mean() * 100:.1f}, "
            f"{difference.mean() * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}]"
        )


def _figures_of(ranked: Sequence[list[int]], questions: Sequence[Question]) -> np.ndarray:
    found = [(q, Candidates({}, {}, 0.0, default, {}, 0.0)) for q, default in zip(questions, ranked, strict=True)]
    return figures(found, by_default)


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
        """One that is not known yet is not kept: the file is written whole."""
        known = self._known.get(blake2b(text.encode(), digest_size=16).hexdigest())
        return np.asarray(self._embedder.embed_query(text) if known is None else known)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
