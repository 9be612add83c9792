"""The vector index of a knowledge base, brought along with the store's change log.

Rule: a cache of the truth. It is read under a snapshot, and is then what the store was at that position; one that is
lost, damaged, of another embedder, or ahead of its store is made again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from rag_lifelong.embed import Embedder
from rag_lifelong.index import VectorIndex
from rag_lifelong.store import vectors, versions

_RUN = 65_536  # vector ids read at once: about 50 MB of 384 dimensions


class LiveIndex:
    """The index kept in `folder`. Hold `lock` while what `at` gave is used."""

    def __init__(self, folder: Path, embedder: Embedder, embedder_id: int) -> None:
        self.lock = threading.RLock()
        self._folder = folder
        self._embedder = embedder
        self._embedder_id = embedder_id
        self._index: VectorIndex | None = None

    def at(self, connection: Connection) -> VectorIndex:
        """The index at the snapshot's position of the change log. The lock is held."""
        dim, fingerprint = self._embedder.dim, self._embedder.fingerprint
        position = versions.log_position(connection)
        if self._index is None:
            self._index = VectorIndex.load(self._folder, dim=dim, fingerprint=fingerprint)
        if self._index is not None and self._index.position > position:
            self._index = None  # built from a store that is not this one: a restored backup
        entries = [] if self._index is None else versions.log_after(connection, self._index.position)
        if self._index is None or any(entry.kind == "pruned" for entry in entries):
            self._index = VectorIndex(dim=dim, fingerprint=fingerprint)
            entries = versions.log_after(connection, 0)
        index = self._index
        runs = [entry for entry in entries if entry.kind == "vectors"]
        if runs:
            newest = int(index.ids[-1]) if len(index) else 0
            last = max(entry.last_id for entry in runs)
            for first in range(newest + 1, last + 1, _RUN):
                until = min(first + _RUN - 1, last)
                index.add(*vectors.read_run(connection, self._embedder_id, first, until, dim))
        index.position = position
        if index.is_worth_saving():
            index.save(self._folder)
        return index

    def faults(self, connection: Connection) -> Iterator[str]:
        """How the index differs from the vectors stored, at a snapshot."""
        with self.lock:
            index = self.at(connection)
            ids, stored = vectors.read_run(
                connection, self._embedder_id, 0, vectors.last_id(connection), self._embedder.dim
            )
            if not np.array_equal(index.ids, ids):
                yield f"the index holds {len(index)} vectors, the store {len(ids)}"
            elif not np.array_equal(index.vectors(), stored):
                yield "the index holds vectors that are not the store's"

    def drop(self) -> None:
        """Forgets it, in memory and on disk; the file that writers lock stays."""
        with self.lock:
            self._index = None
            for old in self._folder.glob("*"):
                if old.name != "writer.lock":
                    old.unlink(missing_ok=True)

    def save(self) -> None:
        """Writes it, if it was made."""
        with self.lock:
            if self._index is not None:
                self._index.save(self._folder)

    def close(self) -> None:
        """Writes it if much was added since the last time, and lets go of it."""
        with self.lock:
            if self._index is not None and self._index.is_worth_saving():
                self._index.save(self._folder)
            self._index = None
