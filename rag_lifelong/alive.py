"""The passages alive at a version, as arrays: what masks and BM25 of the whole knowledge base are made of.

Rule: read from the store once, then brought along with its change log; never written.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.store import passages, vectors, versions

Ids = NDArray[np.int64]

_MOST_TOUCHED = 20_000  # passages that may change at once before all are read again: 3 µs each


@dataclass(frozen=True, slots=True)
class Alive:
    """The passages alive at a version; four aligned arrays, shape (n,), by passage id.

    vector_ids: -1 where there is none yet. lengths: in search terms.
    """

    passage_ids: Ids
    document_ids: Ids
    vector_ids: Ids
    lengths: Ids


@dataclass(frozen=True, slots=True)
class _At:
    version: int
    position: int  # of the change log
    alive: Alive


class Population:
    """The newest version's passages, and those of one earlier version asked for last. For several threads."""

    def __init__(self, embedder_id: int) -> None:
        self._embedder_id = embedder_id
        self._lock = threading.Lock()
        self._now: _At | None = None
        self._then: _At | None = None

    def at(self, connection: Connection, version: int) -> Alive:
        """Those alive at `version`, as the snapshot has them."""
        position = versions.log_position(connection)
        with self._lock:
            for kept in (self._now, self._then):
                if kept is not None and (kept.version, kept.position) == (version, position):
                    return kept.alive
            is_newest = version == versions.latest_number(connection)
            if is_newest and (self._now is None or self._now.position <= position):
                found = None if self._now is None else self._advanced(connection, self._now, version)
                self._now = _At(version, position, found or self._read(connection, version))
                return self._now.alive
            self._then = _At(version, position, self._read(connection, version))
            return self._then.alive

    def is_read(self) -> bool:
        """The newest version's passages, or those of one shortly before it, are at hand."""
        return self._now is not None

    def forget(self) -> None:
        """Reads all again when it is next asked."""
        with self._lock:
            self._now = self._then = None

    def _read(self, connection: Connection, version: int) -> Alive:
        return Alive(*vectors.alive_at(connection, self._embedder_id, version))

    def _advanced(self, connection: Connection, before: _At, version: int) -> Alive | None:
        """What became of `before`; None if reading all is as well."""
        entries = versions.log_after(connection, before.position)
        if any(entry.kind == "pruned" for entry in entries):
            return None
        touched = passages.touched_between(connection, before.version, version)
        if len(touched) > _MOST_TOUCHED:
            return None
        alive = before.alive
        columns = [alive.passage_ids, alive.document_ids, alive.vector_ids, alive.lengths]
        if len(touched):
            kept = ~np.isin(columns[0], touched)
            new = vectors.alive_among(connection, self._embedder_id, version, touched.tolist())
            columns = [np.concatenate([column[kept], more]) for column, more in zip(columns, new, strict=True)]
            order = np.argsort(columns[0], kind="stable")
            columns = [column[order] for column in columns]
        runs = [entry for entry in entries if entry.kind == "vectors"]
        if runs:
            arrived = columns[2].copy()
            for run in runs:
                made, owners = vectors.passages_of_run(connection, self._embedder_id, run.first_id, run.last_id)
                at = np.minimum(np.searchsorted(columns[0], owners), len(columns[0]) - 1)
                inside = columns[0][at] == owners if len(columns[0]) else np.zeros(len(owners), dtype=bool)
                arrived[at[inside]] = made[inside]
            columns[2] = arrived
        return Alive(*columns)
