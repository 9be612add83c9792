"""Who follows a folder: one process at a time, known by a lock that the system releases when that process ends.

Rule: the lock counts; what is written down about its holder is for people.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from rag_lifelong.errors import FolderFollowed, LifelongError
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store.files import Lease, Root

if TYPE_CHECKING:
    from filelock import FileLock

_PATIENCE_S = 1.0  # `status` holds a lock for a moment when it looks


class Leases:
    """The leases that this watcher holds."""

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        self._base = knowledge_base
        self._held: list[tuple[Root, FileLock]] = []

    def take(self, roots: Iterable[Root]) -> None:
        """All of them, or none: raises FolderFollowed if another process follows one."""
        from filelock import Timeout

        before = len(self._held)
        for root in roots:
            lock = _lock(self._base, root)
            try:
                lock.acquire(timeout=_PATIENCE_S)
            except Timeout:
                holder = self._base.folders.leases().get(root.id)
                for taken, _ in self._held[before:]:
                    self.give_back(taken)
                who = "another process" if holder is None else f"process {holder.pid} on {holder.host}"
                raise FolderFollowed(f"{root.path} is followed already, by {who}; one is enough") from None
            self._held.append((root, lock))
            self.note(root, "events")

    def note(self, root: Root, way: str) -> None:
        """Others learn who follows the root, and how that hears of changes."""
        lease = Lease(root.id, os.getpid(), socket.gethostname(), self._base.now(), way)
        self._base.folders.note_lease(lease, root)

    def give_back(self, only: Root | None = None) -> None:
        """Others may follow these folders, or this one of them."""
        for root, lock in [held for held in self._held if only is None or held[0].id == only.id]:
            with suppress(LifelongError):
                self._base.folders.note_lease(None, root)
            lock.release()
            self._held.remove((root, lock))


def follower_of(knowledge_base: KnowledgeBase, root: Root) -> Lease | None:
    """Who follows a folder now; None if nobody, or whoever did has died."""
    from filelock import Timeout

    lease = knowledge_base.folders.leases().get(root.id)
    if lease is None:
        return None
    lock = _lock(knowledge_base, root)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return lease
    lock.release()
    return None


def _lock(knowledge_base: KnowledgeBase, root: Root) -> FileLock:
    from filelock import FileLock

    folder = knowledge_base.path / "leases"
    folder.mkdir(mode=0o700, exist_ok=True)
    return FileLock(str(folder / f"{root.id}.lock"), is_singleton=False, thread_local=False)
