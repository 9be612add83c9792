"""Nodes of a vector store and the index over them: written, searched by vector and by words, under any condition.

Rule: SQLite is the truth, and says which nodes there are; the index is a cache of it that proposes candidates. What is
found has the cosine of the embeddings as they were given, in single precision, whatever the index keeps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from rag_lifelong.errors import EmbedderMismatch
from rag_lifelong.live_index import LiveIndex
from rag_lifelong.store import nodes, versions, words
from rag_lifelong.store.clock import to_ms
from rag_lifelong.store.database import Database
from rag_lifelong.store.nodes import Condition, Node
from rag_lifelong.store.passages import Ids
from rag_lifelong.terms import query_terms
from rag_lifelong.types import Vector

_CANDIDATES = (2, 40)  # k → 2 k + 40 are compared exactly: what the index keeps is rounded to half precision
_FILTERS_KEPT = 16  # conditions whose nodes are remembered while nothing changes: 8 bytes a node each


class LiveNodes:
    """For several threads, and beside other processes that read and write the same folder."""

    def __init__(self, folder: Path, *, create: bool, is_exact: bool, now: Callable[[], datetime]) -> None:
        """is_exact: the index looks at every vector, however many there are."""
        self._database = Database(folder, create=create, migrations=(), kind=nodes.KIND)
        self._folder = folder
        self._is_exact = is_exact
        self._now = now
        self._lock = threading.Lock()
        self._live: tuple[int, LiveIndex] | None = None  # (dim, index)
        self._matching: tuple[int, dict[Condition, Ids]] = (0, {})  # at a position of the change log

    def close(self) -> None:
        """Writes the index where that is worth it, and closes the file."""
        with self._lock:
            if self._live is not None:
                self._live[1].close()
            self._live = None
        self._database.close()

    # -- changing

    def write(self, given: Sequence[Node]) -> None:
        """Keeps nodes, each instead of the one of its name, all at once. Raises EmbedderMismatch."""
        if not given:
            return
        with self._database.transaction() as connection:
            dim = nodes.dim(connection) or len(given[0].embedding)
            wrong = next((node for node in given if len(node.embedding) != dim), None)
            if wrong is not None:
                raise EmbedderMismatch(
                    f"{self._folder} holds embeddings of {dim} dimensions, and node {wrong.name!r} has one of "
                    f"{len(wrong.embedding)}; use the embedding model it was filled with, or clear() it first"
                )
            nodes.write(connection, given, at_ms=to_ms(self._now()))

    def delete(self, condition: Condition) -> int:
        """Deletes the nodes that meet it; how many."""
        with self._database.transaction() as connection:
            return nodes.delete(connection, condition, at_ms=to_ms(self._now()))

    def clear(self) -> None:
        """Deletes all; embeddings of another length may follow."""
        with self._database.transaction() as connection:
            nodes.clear(connection, at_ms=to_ms(self._now()))

    def save(self) -> None:
        """Brings the index's files along, so that the next opening replays nothing; the nodes are kept already."""
        with self.reading() as connection:
            live = self._live_at(connection)
            if live is not None:
                live.save(connection)

    # -- searching

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the store, for what is read inside."""
        dim = nodes.dim(self._database.connection())
        if dim is not None:
            self._of(dim).load()  # before the snapshot, lest another process's files be ahead of it
        with self._database.snapshot() as connection:
            yield connection

    def nearest(
        self, connection: Connection, embedding: Vector, k: int, condition: Condition | None
    ) -> list[tuple[int, float]]:
        """(id, cosine) of the best `k` nodes that meet the condition, best first, ties by id.

        embedding: shape (dim,), of any length but zero. Raises EmbedderMismatch.
        """
        live = self._live_at(connection)
        if live is None or k <= 0:
            return []
        dim = nodes.dim(connection)
        if dim != len(embedding):
            raise EmbedderMismatch(
                f"{self._folder} holds embeddings of {dim} dimensions, and the question's has {len(embedding)}; use "
                "the embedding model it was filled with"
            )
        with live.lock:
            index = live.at(connection, is_whole=True)
        query = nodes.unit(embedding.reshape(1, -1))[0]  # (dim,)
        candidates = index.search(query, _CANDIDATES[0] * k + _CANDIDATES[1], among=self._among(connection, condition))
        return self.cosines(connection, embedding, candidates.ids)[:k]

    def cosines(self, connection: Connection, embedding: Vector, node_ids: Ids) -> list[tuple[int, float]]:
        """(id, cosine) of those of `node_ids` that are there, best first, ties by id."""
        ids, given = nodes.embeddings(connection, node_ids)
        if not len(ids):
            return []
        # in double precision, since products of large embeddings are no floats of single precision
        both = given.astype(np.float64) @ embedding.astype(np.float64)  # (n,)
        lengths = np.linalg.norm(given.astype(np.float64), axis=1) * np.linalg.norm(embedding.astype(np.float64))
        scores = np.divide(both, lengths, out=np.zeros_like(both), where=lengths > 0)
        order = np.lexsort((ids, -scores))
        return [(int(ids[i]), float(scores[i])) for i in order]

    def by_words(
        self, connection: Connection, question: str, k: int, condition: Condition | None
    ) -> list[tuple[int, float]]:
        """(id, BM25) of the best `k` nodes that meet the condition and hold a term of the question; ties by id."""
        among = self._among(connection, condition)
        return words.search(
            connection, query_terms(question), k, among=None if among is None else frozenset(among.tolist())
        )

    def _among(self, connection: Connection, condition: Condition | None) -> Ids | None:
        if condition is None:
            return None
        position = versions.log_position(connection)
        at, known = self._matching
        if at == position and condition in known:
            return known[condition]
        found = nodes.matching(connection, condition)
        kept = known if at == position and len(known) < _FILTERS_KEPT else {}
        self._matching = (position, {**kept, condition: found})
        return found

    # -- inside

    def _live_at(self, connection: Connection) -> LiveIndex | None:
        dim = nodes.dim(connection)
        return None if dim is None else self._of(dim)

    def _of(self, dim: int) -> LiveIndex:
        """The index of embeddings so long; one of another length, which was cleared, is let go of."""
        with self._lock:
            if self._live is None or self._live[0] != dim:
                if self._live is not None:
                    self._live[1].let_go()
                index = LiveIndex(
                    self._folder / "index",
                    source=nodes,
                    dim=dim,
                    fingerprint=f"nodes of {dim}",
                    snapshot=self._database.snapshot,
                )
                index.is_exact = self._is_exact
                self._live = (dim, index)
            return self._live[1]
