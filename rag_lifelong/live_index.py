"""The vector index of a knowledge base, brought along with the store's change log.

Rule: a cache of the truth. It is read under a snapshot, and then holds every vector of that snapshot; it may hold later
ones, which no passage of the snapshot has. One that is lost, damaged, of another embedder, or of another store is made
again; if that takes long, by a thread of its own, and searches find what is there already: `missing` says how many are
not. Sealing and merging are done by such a thread too, while searches and writes go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Error as SqliteError
from typing import Protocol

import numpy as np

from rag_lifelong.errors import LifelongError
from rag_lifelong.index import Ids, VectorIndex, files
from rag_lifelong.store import versions
from rag_lifelong.types import Vectors

_RUN = 65_536  # vector ids read at once: about 50 MB of 384 dimensions
_TEND_AFTER_S = 2.0  # a process that asks once has ended by then, and need not wait for what it began
_LOOK_S = 0.1  # between two looks of a thread whether it is to stop
_HEAD_LIMIT = 2 * _RUN  # a larger head is sealed before more is read: 200 MB
_AT_ONCE = _HEAD_LIMIT  # vectors that are read while a search waits: 2 s


class Source(Protocol):
    """The vectors that an index is of, in a store that keeps a change log."""

    def last_id(self, connection: Connection) -> int:
        """The greatest id given so far, or of those there now."""

    def ids(self, connection: Connection) -> Ids:
        """Every id, ascending; shape (n,)."""

    def count(self, connection: Connection) -> int:
        """How many there are."""

    def read_run(self, connection: Connection, first_id: int, last_id: int) -> tuple[Ids, Vectors]:
        """(ids, unit vectors) with ids in [first_id, last_id], ascending; shapes (n,), (n, dim)."""


class LiveIndex:
    """The index kept in `folder`. Hold `lock` while calling `at`; searching what it gave needs no lock.

    is_exact: nothing is searched by codes alone (`VectorIndex.search`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: Source,
        dim: int,
        fingerprint: str,
        snapshot: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        """snapshot: opens one of the store."""
        self.lock = threading.RLock()
        self.is_exact = False
        self._folder = folder
        self._source = source
        self._dim = dim
        self._fingerprint = fingerprint
        self._index: VectorIndex | None = None
        self._read_to = 0  # vector ids up to there were looked at
        self._is_checked = False  # what was opened is of this store
        self._is_read = False  # … and what is in no file was read
        self._opened_at = 0.0  # monotonic
        self._tending: threading.Thread | None = None
        self._is_closing = False
        self._snapshot = snapshot
        self._filling: threading.Thread | None = None
        self._stops_filling = threading.Event()

    def load(self) -> None:
        """Opens what is on disk. Before a snapshot is taken, lest another process's files are ahead of it."""
        with self.lock:
            if self._index is None:
                self._index = VectorIndex.load(self._folder, dim=self._dim, fingerprint=self._fingerprint)
                self._is_checked = self._is_read = False
                self._opened_at = time.monotonic()
            if self._index is None:
                self._index = VectorIndex(dim=self._dim, fingerprint=self._fingerprint)
            if not self._is_checked:
                self._read_to = self._index.newest

    def at(self, connection: Connection, *, is_whole: bool = False) -> VectorIndex:
        """The index, with all vectors of the snapshot, but for those `missing`. The lock is held.

        is_whole: none may be missing, however long that takes.
        """
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
        self._is_checked = True
        if index.is_behind:
            index.adopt(self._folder)
            self._read_to, self._is_read = index.newest, False
        index.is_exact = self.is_exact
        self._index = index
        if is_whole:
            self._stop_filling()
        elif self._is_filling() or self._source.last_id(connection) - max(self._read_to, index.newest) > _AT_ONCE:
            if not index.newest:  # what is read is of this state, or later
                index.mark, index.position = versions.mark(connection), position
            self._fill(index)
            return index
        if position > index.position or not self._is_read:  # the head is not on disk, nor does another's reach as far
            self._drop_gone(connection, index)
            self._read_new(connection, index)
            index.mark, index.position = versions.mark(connection), position
            self._is_read = True
        if index.is_due() and time.monotonic() - self._opened_at >= _TEND_AFTER_S:
            self._tend(index)
        return index

    def missing(self, connection: Connection) -> int:
        """How many vectors of the snapshot it does not hold yet, since it is being made again."""
        with self.lock:
            if self._index is None or not self._is_filling():
                return 0
            return max(0, self._source.count(connection) - len(self._index))

    def faults(self, connection: Connection) -> Iterator[str]:
        """How the index differs from the vectors stored, at a snapshot."""
        with self.lock:
            index = self.at(connection, is_whole=True)
            ids, stored = self._source.read_run(connection, 0, self._source.last_id(connection))
            if not np.array_equal(index.ids, ids):
                yield f"the index holds {len(index)} vectors, the store {len(ids)}"
            elif not np.array_equal(index.vectors(), stored):
                yield "the index holds vectors that are not the store's"

    def drop(self) -> None:
        """Forgets it, in memory and on disk; the file that writers lock stays."""
        self._stop_filling()
        self._stop_tending()
        with self.lock:
            self._index = None
            self._read_to = 0
            files.delete_all(self._folder)

    def save(self, connection: Connection) -> bool:
        """Writes it all; what is not in the store is then out of the files. False as of `VectorIndex.save`."""
        self._stop_tending()
        with self.lock:
            index = self.at(connection, is_whole=True)
            self._stop_tending()  # which `at` may have begun: it holds the writer's lock
            return index.save(self._folder)

    def close(self) -> None:
        """Writes it if much was added since the last time, and lets go of it. A long merge is left to another time.

        Waits for threads all the same: one that comes back from FAISS while the interpreter ends would abort it.
        """
        self._stop_filling()
        self._stop_tending()
        with self.lock:
            if self._index is not None and self._index.is_worth_saving():
                self._index.tend(self._folder, seal_after=1)
            self._index = None
            self._read_to = 0

    def finish_tending(self) -> None:
        """Waits until all that is being sealed and merged is done: 17 s for a million."""
        thread = self._tending
        if thread is not None:
            thread.join()

    def let_go(self) -> None:
        """Closes it, and writes nothing."""
        self._is_closing = True
        self._stops_filling.set()
        with self.lock:
            if self._index is not None:
                self._index.is_stopping = True
            self._index = None
            self._read_to = 0

    def _drop_gone(self, connection: Connection, index: VectorIndex) -> None:
        """What was pruned since is found no more: told by id, or whatever the store has no longer."""
        entries = versions.log_after(connection, index.position)
        if any(entry.kind == "pruned" for entry in entries):
            index.keep(self._source.ids(connection))
            return
        gone = [np.arange(e.first_id, e.last_id + 1, dtype=np.int64) for e in entries if e.kind == "dropped"]
        if gone:
            index.drop(np.unique(np.concatenate(gone)))

    def _read_new(self, connection: Connection, index: VectorIndex) -> None:
        last = self._source.last_id(connection)
        for first in range(max(self._read_to, index.newest) + 1, last + 1, _RUN):
            until = min(first + _RUN - 1, last)
            index.add(*self._source.read_run(connection, first, until))
            if until < last:
                index.tend(self._folder, seal_after=_HEAD_LIMIT)
        self._read_to = max(self._read_to, last)

    def _is_filling(self) -> bool:
        return self._filling is not None and self._filling.is_alive()

    def _fill(self, index: VectorIndex) -> None:
        if not self._is_filling():
            self._stops_filling.clear()
            self._filling = threading.Thread(target=self._fill_all, args=(index,), name="fill")
            self._filling.start()

    def _fill_all(self, index: VectorIndex) -> None:
        """Reads what is missing, run by run; the position stays, so that what was pruned meanwhile goes later."""
        while not self._stops_filling.is_set():
            first = max(self._read_to, index.newest) + 1
            try:
                with self._snapshot() as connection:
                    last = self._source.last_id(connection)
                    until = min(first + _RUN - 1, last)
                    run = self._source.read_run(connection, first, until)
            except (LifelongError, SqliteError, ValueError):  # damaged, or closed: whoever asks next is told
                return
            if last - first < _RUN or not self._add_run(index, first, until, run):
                return
            index.tend(self._folder, seal_after=_HEAD_LIMIT)

    def _add_run(self, index: VectorIndex, first: int, until: int, run: tuple[Ids, Vectors]) -> bool:
        """False if the index is another one now, or it is to stop."""
        while not self.lock.acquire(timeout=_LOOK_S):
            if self._stops_filling.is_set():
                return False
        try:
            if self._index is not index or max(self._read_to, index.newest) >= first:
                return False
            index.add(*run)
            self._read_to = until
            return True
        finally:
            self.lock.release()

    def _stop_filling(self) -> None:
        """Waits for the run that is being read, and the block that is being sealed."""
        self._stops_filling.set()
        self._join(self._filling)
        self._filling = None

    def _tend(self, index: VectorIndex) -> None:
        if self._tending is None or not self._tending.is_alive():
            self._is_closing = False
            self._tending = threading.Thread(target=self._tend_all, args=(index,), name="index")
            self._tending.start()

    def _tend_all(self, index: VectorIndex) -> None:
        while not self._is_closing and self._index is index and index.tend(self._folder):
            pass

    def _stop_tending(self) -> None:
        """Waits for the block that is being sealed or merged; training codes of a million takes 20 s."""
        self._is_closing = True
        self._join(self._tending)
        self._tending = None

    def _join(self, thread: threading.Thread | None) -> None:
        index = self._index
        if thread is None or index is None:
            return
        index.is_stopping = True
        thread.join()
        index.is_stopping = False
