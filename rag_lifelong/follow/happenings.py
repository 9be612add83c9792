"""What a watcher tells, and how far it is.

Rule: values only; who shows them decides how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a person may want to see. kind: added, changed, renewed, moved, removed, failed, embedded, blocked,
    polling, trouble, recovered, left, ready or distilled. path: absolute, or "". seconds: from the first hint to the
    commit. version: None without one.
    """

    at: datetime
    kind: str
    path: str
    path_before: str
    born: int
    died: int
    kept: int
    seconds: float
    version: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a watcher is. queued: files seen and not yet read. waiting: passages without a vector.

    trouble: what stands in its way, for people; "" is nothing.
    """

    documents: int
    queued: int
    waiting: int
    embedded_per_s: float
    is_ready: bool
    trouble: str


class Teller:
    """Tells happenings, with the time. Safe to use from several threads if `tell` is."""

    def __init__(self, tell: Callable[[Happening], None], *, now: Callable[[], datetime]) -> None:
        self._tell = tell
        self._now = now

    def say(
        self,
        kind: str,
        *,
        path: str = "",
        path_before: str = "",
        born: int = 0,
        died: int = 0,
        kept: int = 0,
        seconds: float = 0.0,
        version: int | None = None,
        message: str = "",
    ) -> None:
        """Tells one."""
        self._tell(Happening(self._now(), kind, path, path_before, born, died, kept, seconds, version, message))
