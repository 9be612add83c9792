"""What is found by meaning: the vectors near a question, in one set of them, or in two while an embedder takes over.

Rule: each set is searched with its own embedder's vector of the question. Of two sets the ranks are mixed, not the
cosines, which two embedders scale differently; the mix moves from the old to the new as that fills. Its values are on
the old one's scale, so that weights and thresholds measured for that hold until the new one is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.alive import Alive, Ids
from rag_lifelong.calibration import Calibration
from rag_lifelong.index import VectorIndex
from rag_lifelong.scope import Scope, allowed
from rag_lifelong.store import vectors
from rag_lifelong.types import Vector

CANDIDATES = 100  # more moved no figure of the retrieval benchmark
_UNMASKED = 120  # sought first among all vectors, dead ones too: if enough of them live, no mask is needed


@dataclass(frozen=True, slots=True)
class Query:
    """A question as one embedder has it. vector: shape (dim,). unknown_share: of its tokens, unknown to it."""

    vector: Vector
    unknown_share: float


@dataclass(frozen=True, slots=True)
class Searched:
    """A set of vectors as it is searched for one question.

    alive: gives the passages alive at the version in scope; called only where a mask is needed. alive_at_hand: the same
    if they are in memory, else None.
    """

    embedder_id: int
    index: VectorIndex
    query: Query
    alive: Callable[[], Alive]
    alive_at_hand: Callable[[], Alive | None]
    calibration: Calibration


class Meaning:
    """One question in one scope. sets: none, one, or that in use and that to come."""

    def __init__(self, connection: Connection, sets: Sequence[Searched], scope: Scope) -> None:
        self._connection = connection
        self._sets = tuple(one for one in sets if len(one.index))
        self._scope = scope
        self._scale: NDArray[np.float64] = np.empty(0)  # cosines of the old set's best, best first
        self._ranks: NDArray[np.float64] = np.empty(0)  # … of the new one's, negated: ascending

    @property
    def weight(self) -> float:
        """Of the cosine in its mix with BM25: less, the less the embedders know of the question; 0 without any set."""
        weights = [one.calibration.dense_weight * (1.0 - one.query.unknown_share) for one in self._sets]
        if len(weights) < 2:
            return sum(weights)
        return (1.0 - self._share) * weights[0] + self._share * weights[1]

    def best(self) -> dict[int, float]:
        """passage id → cosine of the best CANDIDATES of each set, best first."""
        found = [_best(self._connection, one, self._scope) for one in self._sets]
        if len(found) < 2:
            return found[0] if found else {}
        old, new = found
        self._scale = np.sort(np.fromiter(old.values(), dtype=np.float64))[::-1]
        self._ranks = np.sort(-np.fromiter(new.values(), dtype=np.float64))
        mixed = self.cosines(old.keys() | new.keys())
        return dict(sorted(mixed.items(), key=lambda pair: (-pair[1], pair[0])))

    def cosines(self, passage_ids: Collection[int]) -> dict[int, float]:
        """passage id → cosine, exact, of those that have a vector; after `best`, on its scale."""
        if not self._sets:
            return {}
        first = _cosines(self._connection, self._sets[0], passage_ids)
        if len(self._sets) < 2 or not len(self._scale):
            return first
        second = _cosines(self._connection, self._sets[1], passage_ids)
        return first | {i: self._mixed(first.get(i), cosine) for i, cosine in second.items()}

    def _mixed(self, old: float | None, new: float) -> float:
        """The old cosine, and that which the old set has at the rank of the new: its rank among all, were all there."""
        rank = float(np.searchsorted(self._ranks, -new)) / self._share
        level = float(np.interp(rank, np.arange(len(self._scale)), self._scale))
        return level if old is None else (1.0 - self._share) * old + self._share * level

    @property
    def _share(self) -> float:
        """How much of the old set the new one has, in (0, 1]."""
        old, new = (len(one.index) for one in self._sets)
        return min(1.0, new / old)


def _best(connection: Connection, one: Searched, scope: Scope) -> dict[int, float]:
    if scope.is_present and scope.document_ids is None:
        # Unmasked first: nearly all vectors live. In order of score, so enough living ones are the best living ones.
        found = _passages(connection, one, _UNMASKED, scope, None)
        if len(found) >= CANDIDATES or len(one.index) <= _UNMASKED:
            return dict(list(found.items())[:CANDIDATES])
    inside = allowed(one.alive(), scope)
    # sorted, not unique: repeats do no harm to a mask, and np.unique takes 20 ms for 100,000
    among = np.sort(inside.vector_ids[inside.vector_ids >= 0], kind="stable")
    found = _passages(connection, one, CANDIDATES, scope, among)
    if scope.document_ids is not None:
        ids = set(inside.passage_ids.tolist())
        found = {passage_id: cosine for passage_id, cosine in found.items() if passage_id in ids}
    return dict(list(found.items())[:CANDIDATES])


def _passages(connection: Connection, one: Searched, k: int, scope: Scope, among: Ids | None) -> dict[int, float]:
    """passage id → cosine of the living passages behind the best `k` vectors, best first."""
    found = one.index.search(one.query.vector, k, among=among)
    cosines = dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
    living = vectors.passages_with(connection, found.ids.tolist(), scope.version)
    return {passage_id: cosines[vector_id] for vector_id, passage_id in living}


def _cosines(connection: Connection, one: Searched, passage_ids: Collection[int]) -> dict[int, float]:
    living = one.alive_at_hand() if passage_ids else None
    if living is not None and len(living):
        return _cosines_in(living, one, np.array(sorted(passage_ids), dtype=np.int64))
    found = vectors.by_passage(connection, one.embedder_id, sorted(passage_ids))
    return {passage_id: float(vector @ one.query.vector) for passage_id, vector in found.items()}


def _cosines_in(living: Alive, one: Searched, passage_ids: Ids) -> dict[int, float]:
    """Without the store, which takes 16 µs a vector."""
    at = np.minimum(np.searchsorted(living.passage_ids, passage_ids), len(living) - 1)
    inside = living.passage_ids[at] == passage_ids
    vector_ids = living.vector_ids[at[inside]]
    cosines = one.index.scores_of(one.query.vector, np.unique(vector_ids[vector_ids >= 0]))
    pairs = zip(passage_ids[inside].tolist(), vector_ids.tolist(), strict=True)
    return {passage_id: cosines[vector_id] for passage_id, vector_id in pairs if vector_id in cosines}
