"""How a watcher hears of its folders: by events, or by comparing again and again; and which folder stands there.

Rule: who listens says how, so that other processes can show it. It listens before it compares: nothing falls between.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ingest import MissingFile
from ingest.scan import linked
from ingest.watch import Events, Hint
from rag_lifelong.follow.happenings import Teller
from rag_lifelong.follow.leases import Leases
from rag_lifelong.store.files import Root

POLL_S = 10.0  # between two comparisons where there are no events

Place = tuple[int, int]
"""A folder, however it is named: its device and inode."""


class Listening:
    """The events of some roots."""

    def __init__(self, leases: Leases, teller: Teller, *, heard: Hint, sweep_s: float) -> None:
        self._events = Events(heard)
        self._leases = leases
        self._teller = teller
        self._sweep_s = sweep_s
        self._every: dict[int, float] = {}
        self._places: dict[int, Place | None] = {}

    def hears(self, root: Root) -> bool:
        """It listens to the folder that stands there now: not to one that has gone, or that it was mounted over."""
        return self._places.get(root.id) == place_of(root.path)

    def listen(self, root: Root) -> None:
        """Begins, or begins anew with the folder that stands there now."""
        self._places[root.id] = place_of(root.path)
        reason = "" if self._places[root.id] is None else self._events.follow(Path(root.path))
        way = "events"
        self._every.pop(root.id, None)
        if reason:
            self._every[root.id] = min(POLL_S, self._sweep_s)
            way = f"comparing every {self._every[root.id]:.0f} s: {reason}"
            self._teller.say("polling", path=root.path, message=way)
        self._leases.note(root, way)

    def listen_behind_links(self, root: Root, *, skip: list[Path]) -> list[str]:
        """Listens to what the links below a root lead to; gives those that are new to it. skip: as of `scan`."""
        if not root.follows_links or root.id in self._every:
            return []
        try:
            return self._events.follow_links(Path(root.path), linked(Path(root.path), skip=skip))
        except MissingFile:
            return []

    def every_s(self, root: Root) -> float:
        """How long after a comparison the next is due."""
        return self._every.get(root.id, self._sweep_s)

    def leave(self, root: Root) -> None:
        """Listens to that root no more."""
        self._events.leave(Path(root.path))
        self._places.pop(root.id, None)
        self._every.pop(root.id, None)

    def close(self) -> None:
        """Ends."""
        self._events.close()


def place_of(path: str) -> Place | None:
    """Which folder stands at a path: another one once a drive was mounted there, or the folder made anew."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
