"""How many files a watcher has seen change and not yet read, noted where other processes find it.

Rule: at most once a second, and only what has waited for a second: answers can then say that they may be behind.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from rag_lifelong.folders import Folders
from rag_lifelong.follow.aside import Key
from rag_lifelong.store.files import Root

_NOTE_S = 1.0


class Queueing:
    """What was noted last."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._noted: dict[int, int] = {}
        self._due_at = 0.0

    def note(self, roots: Mapping[int, Root], hinted: Mapping[Key, float]) -> None:
        """hinted: path → when it was first heard of, on the monotonic clock."""
        now = time.monotonic()
        if now < self._due_at:
            return
        counts = dict.fromkeys(roots, 0)
        for (root_id, _), at in hinted.items():
            if now - at > _NOTE_S:
                counts[root_id] += 1
        for root_id, count in counts.items():
            if count != self._noted.get(root_id, 0):
                self._folders.queue(roots[root_id], count)
                self._noted[root_id] = count
                self._due_at = now + _NOTE_S

    def drop(self, root_id: int) -> None:
        """Nothing more of that root."""
        self._noted.pop(root_id, None)
