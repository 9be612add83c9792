"""The vector index of a knowledge base, brought along with the store's change log.

Rule: a cache of the truth. It is read under a snapshot, and then holds every vector of that snapshot; it may hold later
ones, which no passage of the snapshot has. One that is lost, damaged, of another embedder, or of another store is made
again. What takes long (sealing, merging) is done by a thread of its own, while searches and writes go on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from rag_lifelong.index import VectorIndex, files
from rag_lifelong.store import vectors, versions

_RUN = 65_536  # vector ids read at once: about 50 MB of 384 dimensions
_PATIENCE_S = 1.0
_HEAD_LIMIT = 2 * _RUN  # a larger head is sealed before more is read: 200 MB


class LiveIndex:
    """The index kept in `folder`. Hold `lock` while calling `at`; searching what it gave needs no lock.

    is_exact: nothing is searched by codes alone (`VectorIndex.search`).
    """

    def __init__(self, folder: Path, *, embedder_id: int, dim: int, fingerprint: str) -> None:
        self.lock = threading.RLock()
        self.is_exact = False
        self._folder = folder
        self._embedder_id = embedder_id
        self._dim = dim
        self._fingerprint = fingerprint
        self._index: VectorIndex | None = None
        self._read_to = 0  # vector ids up to there were looked at
        self._is_checked = False  # what was opened is of this store
        self._tending: threading.Thread | None = None
        self._is_closing = False

    def load(self) -> None:
        """Opens what is on disk. Before a snapshot is taken, lest another process's files are ahead of it."""
        with self.lock:
            if self._index is None:
                self._index = VectorIndex.load(self._folder, dim=self._dim, fingerprint=self._fingerprint)
                self._is_checked = False
            if self._index is None:
                self._index = VectorIndex(dim=self._dim, fingerprint=self._fingerprint)
            if not self._is_checked:
                self._read_to = self._index.newest

    def at(self, connection: Connection) -> VectorIndex:
        """The index, with all vectors of the snapshot. The lock is held."""
        position = versions.log_position(connection)
        self.load()
        index = self._index
        assert index is not None
        if not self._is_checked and not versions.is_of(connection, index.mark):
            # built from a store that is not this one: put back by hand, or of another knowledge base
            with suppress(OSError):
                (self._folder / files.POINTER).unlink(missing_ok=True)  # else it would be taken over later
            index = VectorIndex(dim=self._dim, fingerprint=self._fingerprint)
            self._read_to = 0
        is_first, self._is_checked = not self._is_checked, True
        if index.is_behind:
            index.adopt(self._folder)
            self._read_to, is_first = index.newest, True
        if position > index.position or is_first:  # the head is not on disk, nor does another process's reach as far
            if any(entry.kind == "pruned" for entry in versions.log_after(connection, index.position)):
                index.keep(vectors.ids(connection, self._embedder_id))
            self._read_new(connection, index)
            index.mark, index.position = versions.mark(connection), position
        index.is_exact = self.is_exact
        self._index = index
        if index.is_due():
            self._tend(index)
        return index

    def faults(self, connection: Connection) -> Iterator[str]:
        """How the index differs from the vectors stored, at a snapshot."""
        with self.lock:
            index = self.at(connection)
            ids, stored = vectors.read_run(connection, self._embedder_id, 0, vectors.last_id(connection), self._dim)
            if not np.array_equal(index.ids, ids):
                yield f"the index holds {len(index)} vectors, the store {len(ids)}"
            elif not np.array_equal(index.vectors(), stored):
                yield "the index holds vectors that are not the store's"

    def drop(self) -> None:
        """Forgets it, in memory and on disk; the file that writers lock stays."""
        self._stop_tending()
        with self.lock:
            self._index = None
            self._read_to = 0
            files.delete_all(self._folder)

    def save(self, connection: Connection) -> bool:
        """Writes it all; what is not in the store is then out of the files. False as of `VectorIndex.save`."""
        self._stop_tending()
        with self.lock:
            return self.at(connection).save(self._folder)

    def close(self) -> None:
        """Writes it if much was added since the last time, and lets go of it. A long merge is left to another time."""
        self._stop_tending(_PATIENCE_S)
        with self.lock:
            if self._index is not None and self._index.is_worth_saving():
                self._index.tend(self._folder, seal_after=1)
            self._index = None
            self._read_to = 0

    def let_go(self) -> None:
        """Closes it, and writes nothing."""
        self._is_closing = True
        with self.lock:
            self._index = None
            self._read_to = 0

    def _read_new(self, connection: Connection, index: VectorIndex) -> None:
        last = vectors.last_id(connection)
        for first in range(max(self._read_to, index.newest) + 1, last + 1, _RUN):
            until = min(first + _RUN - 1, last)
            index.add(*vectors.read_run(connection, self._embedder_id, first, until, self._dim))
            if until < last:
                index.tend(self._folder, seal_after=_HEAD_LIMIT)
        self._read_to = max(self._read_to, last)

    def _tend(self, index: VectorIndex) -> None:
        if self._tending is None or not self._tending.is_alive():
            self._is_closing = False
            self._tending = threading.Thread(target=self._tend_all, args=(index,), name="index", daemon=True)
            self._tending.start()

    def _tend_all(self, index: VectorIndex) -> None:
        while not self._is_closing and self._index is index and index.tend(self._folder):
            pass

    def _stop_tending(self, timeout_s: float | None = None) -> None:
        """Waits for the step that is being done: at most the merge of the largest segments."""
        self._is_closing = True
        if self._tending is not None:
            self._tending.join(timeout_s)
        self._tending = None
