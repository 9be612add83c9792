"""What a way's vectors find: recall@5 and nDCG@10 by cosine alone, exactly, beside those of single precision.

Rule: vectors are kept in a folder by way and text, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from benchmarks import retrieval
from ingest.chunk import CHUNKER_VERSION
from rag_lifelong.embed import open_embedder
from rag_lifelong.operations import embedded_string
from rag_lifelong.types import Vectors

SETS = ("squad_dev", "xquad.en", "hotpotqa", "musique")
PEPS = "peps.natural"
_EACH = {"squad_dev": 3}  # of its 10,570 questions, every third


@dataclass(frozen=True)
class Asked:
    """strings: what is embedded for each passage; owner: of each, the document's number."""

    name: str
    strings: list[str]
    owner: np.ndarray
    questions: list[str]
    gold: list[frozenset[int]]


def read(data: Path, peps: Path | None) -> list[Asked]:
    """The sets; of the PEPs, those that answer a question."""
    embedder = open_embedder(cache_dir=None)
    found = []
    for name in (*SETS, *((PEPS,) if peps is not None else ())):
        of_set = retrieval.load(data, name, peps=peps, embedder=embedder)
        questions = of_set.questions[:: _EACH.get(name, 1)]
        named = frozenset[int]().union(*(question.gold for question in questions))
        kept = sorted(named) if name == PEPS else range(len(of_set.documents))
        pairs = [(number, chunk) for number in kept for chunk in of_set.documents[number][1]]
        found.append(
            Asked(
                name,
                [embedded_string(chunk.context, chunk.text, chunker_version=CHUNKER_VERSION) for _, chunk in pairs],
                np.array([number for number, _ in pairs]),
                [question.text for question in questions],
                [question.gold for question in questions],
            )
        )
    return found


class Kept:
    """The vectors of one way, by text, in a file."""

    def __init__(self, folder: Path | None, name: str, embed: Callable[[Sequence[str]], Vectors]) -> None:
        self._path = None if folder is None else folder / f"{name.replace(' ', '-').replace(',', '')}.npz"
        self._embed = embed
        self._known: dict[str, np.ndarray] = {}
        if self._path is not None and self._path.exists():
            with np.load(self._path) as kept:
                self._known = dict(zip(kept["digests"].tolist(), kept["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> Vectors:
        digests = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
        new = list({digest: i for i, digest in enumerate(digests) if digest not in self._known}.values())
        if new:
            made = self._embed([texts[i] for i in new])
            self._known.update((digests[i], made[row]) for row, i in enumerate(new))
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(self._path, digests=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[digest] for digest in digests])


@dataclass(frozen=True)
class Found:
    """figures: (questions, 2), recall@5 and nDCG@10 of each; nearest: the ten nearest passages of each."""

    figures: np.ndarray
    nearest: np.ndarray


def ask(asked: Asked, questions: Vectors, passages: Vectors) -> Found:
    """questions (n, dim), passages (m, dim)."""
    depth = min(100, len(passages))
    figures, nearest = [], []
    for start in range(0, len(questions), 512):
        cosines = questions[start : start + 512] @ passages.T
        best = np.argpartition(-cosines, depth - 1, axis=1)[:, :depth]
        for row, columns in enumerate(best):
            order = columns[np.lexsort((columns, -cosines[row, columns]))]
            ranked = list(dict.fromkeys(asked.owner[order].tolist()))
            gold = asked.gold[start + row]
            figures.append((retrieval.recall(ranked, gold, 5), retrieval.ndcg(ranked, gold, 10)))
            nearest.append(order[:10])
    return Found(np.array(figures), np.array(nearest))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The mean share of the nearest passages, (n, 10) each, that both name."""
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(one.tolist(), other.tolist(), strict=True)]))
