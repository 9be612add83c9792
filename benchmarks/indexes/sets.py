"""The vectors that are indexed, the queries, and what an exact search finds.

Real vectors come first: a set no larger than what was collected is a random part of it. A larger one holds all of
it, and vectors **drawn around** them: the base is a real vector, or, every second time, a mix of one and one of its
15 nearest neighbours with the weight uniform in [0.5, 1] on the first; then noise at right angles to the base is
added, normal with the covariance of the real vectors, so that the cosine to the base is uniform in [0.8, 0.9].
White noise would hide the clusters, and be kinder or crueller to an index than text is; this keeps them.

Queries are real and held out: half are passages, half are questions where questions were collected. Passages more
alike than a cosine of 0.97 are kept once, queries included. Ids are 1, 2, …; a tag in 0…99 is drawn for each, so that
`tag < 10` is a filter that lets a tenth pass.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Ids = NDArray[np.int64]

K = 10
SHARES = (1, 10, 50)  # per cent that a filter lets pass
SPARE = 1_000  # rows beyond a set's size, for updates
ROUNDS = 10  # of churn
CHURN_SIZE = 50_000
TOPICS = 20
_ALIKE = 0.97
_NEIGHBOURS = 15
_BLOCK = 20_000


# -- collecting


def collect(work: Path, sources: Sequence[Path], *, data: Path | None, queries: int, seed: int = 0) -> tuple[int, int]:
    """Keeps real.npy and queries.npy in `work`; how many of each.

    sources: knowledge bases; .npz files with an array `vectors`; .npy files. data: the folder benchmarks.retrieval
    takes; vectors of its questions, told by `digests` in an .npz, are queries and never passages.
    """
    asked = _question_digests(data) if data else set()
    passages, questions = [], []
    for source in sources:
        vectors, is_question = _read(source, asked)
        passages.append(vectors[~is_question])
        questions.append(vectors[is_question])
    rng = np.random.default_rng(seed)
    pool = _unlike(_unit(np.concatenate(passages)))
    pool = pool[rng.permutation(len(pool))]
    asking = _unit(np.concatenate(questions))
    asking = asking[rng.permutation(len(asking))[: queries // 2]]
    held = queries - len(asking)
    mixed = np.concatenate([pool[:held], asking])
    order = rng.permutation(len(mixed))
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "real.npy", pool[held:])
    np.save(work / "queries.npy", mixed[order])
    np.save(work / "is_question.npy", order >= held)
    return len(pool) - held, len(mixed)


def _question_digests(data: Path) -> set[str]:
    from benchmarks.retrieval import SETS, load

    texts = (question.text for name in SETS for question in load(data, name).questions)
    return {blake2b(text.encode(), digest_size=16).hexdigest() for text in texts}


def _read(source: Path, asked: set[str]) -> tuple[Matrix, NDArray[np.bool_]]:
    """Vectors, and which of them are of questions."""
    if source.is_dir():
        vectors = _of_knowledge_base(source)
    elif source.suffix == ".npz":
        with np.load(source) as kept:
            vectors = kept["vectors"]
            if "digests" in kept:
                return vectors, np.array([digest in asked for digest in kept["digests"].tolist()], dtype=bool)
    else:
        vectors = np.load(source)
    return vectors, np.zeros(len(vectors), dtype=bool)


def _of_knowledge_base(path: Path) -> Matrix:
    from rag_lifelong.embed import open_embedder
    from rag_lifelong.knowledge_base import KnowledgeBase
    from rag_lifelong.store import vectors

    with KnowledgeBase(path, embedder=open_embedder(None, cache_dir=None), create=False) as base:
        dim = base.embedder.dim
        with base.reading() as connection:
            return vectors.read_run(connection, base._sets.now()[0].embedder_id, 0, vectors.last_id(connection), dim)[1]


def _unlike(vectors: Matrix) -> Matrix:
    """Without those that an earlier one is almost equal to."""
    kept = np.ones(len(vectors), dtype=bool)
    for first in range(0, len(vectors), 2_000):
        cosines = vectors[first : first + 2_000] @ vectors[: first + 2_000].T
        earlier = np.arange(cosines.shape[1])[None, :] < (first + np.arange(len(cosines)))[:, None]
        kept[first : first + 2_000] = ~((cosines > _ALIKE) & earlier).any(axis=1)
    return vectors[kept]


# -- drawing


class Drawing:
    """Draws around real vectors; the same seed draws the same."""

    def __init__(self, real: Matrix, near: Ids) -> None:
        self._real = real
        self._near = near  # (n, 15), rows of `real`
        covariance = np.cov(real.T) + 1e-8 * np.eye(real.shape[1])
        self._shape: Matrix = np.linalg.cholesky(covariance).T.astype(np.float32)

    @classmethod
    def of(cls, work: Path) -> Drawing:
        real = np.load(work / "real.npy")
        path = work / "near.npy"
        if not path.exists():
            np.save(path, exact(real, real, np.arange(len(real)), _NEIGHBOURS + 1)[:, 1:])
        return cls(real, np.load(path))

    def fill(self, out: Matrix, rows: Ids, rng: np.random.Generator) -> None:
        """The real vectors in `rows`, as many as fit, then others drawn around them; in random order."""
        places = rng.permutation(len(out))
        count = min(len(rows), len(out))
        out[places[:count]] = self._real[rng.permutation(rows)[:count]]
        for first in range(count, len(out), _BLOCK):
            block = places[first : first + _BLOCK]
            out[block] = self._around(rng.choice(rows, len(block)), rng)

    def _around(self, rows: Ids, rng: np.random.Generator) -> Matrix:
        count = len(rows)
        others = self._near[rows, rng.integers(_NEIGHBOURS, size=count)]
        weight = np.where(rng.random(count) < 0.5, 1.0, rng.uniform(0.5, 1.0, count)).astype(np.float32)[:, None]
        base = _unit(weight * self._real[rows] + (1 - weight) * self._real[others])
        noise = rng.standard_normal(base.shape, dtype=np.float32) @ self._shape
        noise = _unit(noise - (noise * base).sum(axis=1, keepdims=True) * base)
        cosine = rng.uniform(0.8, 0.9, count).astype(np.float32)[:, None]
        return cosine * base + np.sqrt(1 - cosine**2) * noise


def prepare(work: Path, size: int) -> Path:
    """The folder with vectors.npy (size + SPARE rows), tags.npy and truth.npz: what exact search finds."""
    folder = work / "sets" / str(size)
    if (folder / "truth.npz").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    queries = np.load(work / "queries.npy")
    drawing = Drawing.of(work)
    rng = np.random.default_rng(size)
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(size + SPARE, queries.shape[1])
    )
    drawing.fill(vectors, np.arange(len(drawing._real)), rng)
    tags = rng.integers(100, size=size + SPARE).astype(np.int64)
    np.save(folder / "tags.npy", tags)
    ids = np.arange(1, size + 1)
    truth = {"100": exact(queries, vectors[:size], ids, K)}
    for share in SHARES:
        rows = np.flatnonzero(tags[:size] < share)
        truth[str(share)] = exact(queries, vectors, ids[rows], K, rows=rows)
    np.savez(folder / "truth.npz", **truth)
    return folder


def prepare_churn(work: Path) -> Path:
    """The folder with vectors.npy, gone.npy and truth.npz of ten rounds that each replace a tenth.

    The set begins with the first half of 20 topics (k-means of the real vectors); each round takes away a random tenth
    of what is there, and adds vectors of one more topic. truth: ids an exact search finds before and after each round.
    """
    folder = work / "sets" / "churn"
    if (folder / "truth.npz").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    queries = np.load(work / "queries.npy")
    drawing = Drawing.of(work)
    rng = np.random.default_rng(7)
    topic, centres = topics(drawing._real, rng)
    share = CHURN_SIZE // ROUNDS
    vectors = np.empty((CHURN_SIZE + ROUNDS * share, queries.shape[1]), dtype=np.float32)
    drawing.fill(vectors[:CHURN_SIZE], np.flatnonzero(topic < TOPICS // 2), rng)
    live = np.arange(1, CHURN_SIZE + 1)
    gone = []
    truth = [exact(queries, vectors, live, K, rows=live - 1)]
    for number in range(ROUNDS):
        first = CHURN_SIZE + number * share
        drawing.fill(vectors[first : first + share], np.flatnonzero(topic == TOPICS // 2 + number), rng)
        gone.append(np.sort(rng.choice(live, share, replace=False)))
        live = np.concatenate([np.setdiff1d(live, gone[-1]), np.arange(first + 1, first + share + 1)])
        truth.append(exact(queries, vectors, live, K, rows=live - 1))
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "gone.npy", np.stack(gone))
    np.savez(folder / "truth.npz", found=np.stack(truth), topic=(queries @ centres.T).argmax(axis=1))
    return folder


def topics(vectors: Matrix, rng: np.random.Generator) -> tuple[Ids, Matrix]:
    """k-means on the sphere: each row's topic, and the centres; topics in random order."""
    centres = vectors[rng.choice(len(vectors), TOPICS, replace=False)]
    for _ in range(15):
        topic = (vectors @ centres.T).argmax(axis=1)
        centres = _unit(np.stack([vectors[topic == i].sum(axis=0) + 1e-9 for i in range(TOPICS)]))
    return (vectors @ centres.T).argmax(axis=1), centres


def exact(queries: Matrix, vectors: Matrix, ids: Ids, k: int, *, rows: Ids | None = None) -> Ids:
    """The ids of the best `k` of each query by inner product, best first; shape (queries, k).

    rows: of `vectors`, which `ids` are of; None: all. A block at a time, whatever the size of the set.
    """
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    found = np.zeros((len(queries), k), dtype=np.int64)
    for first in range(0, len(ids), _BLOCK):
        block = vectors[first : first + _BLOCK] if rows is None else vectors[rows[first : first + _BLOCK]]
        block = np.ascontiguousarray(block[: len(ids) - first])
        for begin in range(0, len(queries), 2_000):
            part = slice(begin, begin + 2_000)
            scores = np.concatenate([best[part], queries[part] @ block.T], axis=1)
            here = np.broadcast_to(ids[first : first + len(block)], (len(scores), len(block)))
            names = np.concatenate([found[part], here], axis=1)
            at = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            at = np.take_along_axis(at, np.argsort(-np.take_along_axis(scores, at, 1), axis=1), 1)
            best[part], found[part] = np.take_along_axis(scores, at, 1), np.take_along_axis(names, at, 1)
    return found


def describe(work: Path) -> str:
    """How many real vectors and queries there are, as JSON."""
    is_question = np.load(work / "is_question.npy")
    real = np.load(work / "real.npy", mmap_mode="r")
    return json.dumps({"real": len(real), "passages": int((~is_question).sum()), "questions": int(is_question.sum())})


def _unit(vectors: Matrix) -> Matrix:
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
