"""Which names may stand in the title of a document: at hand in memory, so that the second hop asks the store about few.

Rule: a cache of the truth that only grows. It holds the parts of every title there was, as hashes (about 50 of 8 bytes
a title): what it says no to stands in no title at any version, and what it says yes to is looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from rag_lifelong import links
from rag_lifelong.store import revisions

_AT_ONCE = 256  # new revisions whose titles are read while a search waits: about 10 µs each
_RUN = 1_024  # … and by `read`, between two looks at what else is wanted
_MOST_RECENT = 2_048  # names that are looked up one by one, before they are sorted in

Hashes = NDArray[np.int64]


class LiveTitles:
    """For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_to = 0  # revision ids up to there were looked at
        self._known: tuple[Hashes, frozenset[int]] = np.empty(0, np.int64), frozenset()  # sorted; and the newest

    def at(self, connection: Connection) -> Callable[[links.Name], bool] | None:
        """Whether a title may hold the name at some version of the snapshot; None: too much is not read yet."""
        last = revisions.last_id(connection)
        if last > self._read_to:
            if last - self._read_to > _AT_ONCE:
                return None
            self._read_run(connection, last)
        known, recent = self._known

        def may_be(name: links.Name) -> bool:
            sought = hash(name)
            if sought in recent:
                return True
            at = int(np.searchsorted(known, sought))
            return at < len(known) and int(known[at]) == sought

        return may_be

    def read(self, connection: Connection) -> None:
        """Reads all titles of the snapshot."""
        last = revisions.last_id(connection)
        while self._read_to < last:
            self._read_run(connection, min(last, self._read_to + _RUN))

    def _read_run(self, connection: Connection, until: int) -> None:
        with self._lock:
            if until <= self._read_to:
                return
            titles = revisions.titles_between(connection, self._read_to + 1, until)
            known, recent = self._known
            recent |= {hash(name) for title in set(titles) for name in links.parts(title)}
            if len(recent) > _MOST_RECENT:
                known, recent = np.union1d(known, np.fromiter(recent, np.int64, len(recent))), frozenset()
            self._known = known, recent
            self._read_to = until
