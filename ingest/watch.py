"""What happens in folders, heard as hints, and when a path has come to rest.

Rule: an event is a hint that a path is worth a look, never the truth: whoever hears it compares the disk with what is
known. Where the system gives no events, a reason comes back, and comparing again and again takes their place.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ingest.scan import shown_name

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

GONE_PATIENCE_S = 2.0  # a path that vanished waits this much longer while others move: it may be half of a rename
YOUNG_S = 2.0  # a path hinted at for longer than this is being written slowly, and nobody waits for it

Hint = Callable[[str, str, bool], None]
"""Told (root, path below it or "" for the root itself, a folder was merely touched), from a thread of its own.

A folder is touched whenever something in it comes or goes, which has a hint of its own, and when its rights change.
"""


class Events:
    """The operating system's events below some folders, as hints; close it when done."""

    def __init__(self, hint: Hint) -> None:
        self._hint = hint
        self._observer: BaseObserver | None = None
        self._watches: dict[str, _Watch] = {}  # by root
        self._linked: dict[str, dict[str, tuple[Path, _Watch]]] = {}  # by root and link: what it leads to

    def follow(self, root: Path) -> str:
        """Listens below `root`; gives "" or, where there are no events to be had, why, for people.

        Should the system lose events, for more came than it keeps, that is told as a change of the root itself.
        """
        try:
            self.leave(root)
            heard = _Heard(self._hint, root=str(root), place=str(root), link="")
            self._watches[str(root)] = self._schedule(root, heard, is_deep=True)
        except OSError as error:
            return _reason(error)
        return ""

    def follow_links(self, root: Path, links: Mapping[str, Path]) -> list[str]:
        """Listens to what links below `root` lead to, and to nothing else of that kind; gives the links that are new.

        links: path below the root → the real file or folder. What happens there is told as below the link.
        """
        known = self._linked.setdefault(str(root), {})
        for link in [link for link, (target, _) in known.items() if links.get(link) != target]:
            self._unschedule(known.pop(link)[1])
        new = [link for link in links if link not in known]
        for link in new:
            target = links[link]
            heard = _Heard(self._hint, root=str(root), place=str(target), link=link)
            is_deep = target.is_dir()
            with suppress(OSError):  # gone again, or no events there: comparing finds it
                known[link] = target, self._schedule(target if is_deep else target.parent, heard, is_deep=is_deep)
        return [link for link in new if link in known]

    def leave(self, root: Path) -> None:
        """Listens no more below `root`, nor to what its links lead to."""
        for _, linked in self._linked.pop(str(root), {}).values():
            self._unschedule(linked)
        watch = self._watches.pop(str(root), None)
        if watch is not None:
            self._unschedule(watch)

    def _schedule(self, place: Path, heard: _Heard, *, is_deep: bool) -> _Watch:
        """Raises OSError."""
        if self._observer is None:
            observer = _observer(self._overflowed)
            observer.start()
            self._observer = observer
        handler = cast("FileSystemEventHandler", heard)
        return _Watch(self._observer.schedule(handler, str(place), recursive=is_deep), handler)

    def _unschedule(self, left: _Watch) -> None:
        """Ends a watch, unless another link or root leads to the same folder."""
        if self._observer is None:
            return
        kept = [*self._watches.values(), *(watch for row in self._linked.values() for _, watch in row.values())]
        with suppress(KeyError, OSError):  # the folder is gone, and its watch with it
            self._observer.remove_handler_for_watch(left.handler, left.observed)
            if not any(watch.observed == left.observed for watch in kept):
                self._observer.unschedule(left.observed)

    def _overflowed(self) -> None:
        for root in list(self._watches):
            self._hint(root, "", False)

    def close(self) -> None:
        """Ends the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)
            self._observer = None
        self._watches.clear()


@dataclass(frozen=True, slots=True)
class _Watch:
    observed: ObservedWatch
    handler: FileSystemEventHandler


class _Heard:
    """What watchdog tells its events to: those at `place`, or below it, become hints at `link` below `root`."""

    def __init__(self, hint: Hint, *, root: str, place: str, link: str) -> None:
        self._hint = hint
        self._root = root
        self._place = place
        self._link = link

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.event_type in ("opened", "closed_no_write"):
            return  # our own reading
        is_touch = event.is_directory and event.event_type == "modified"
        for path in (event.src_path, event.dest_path):
            below = _below(os.fsdecode(path), self._place) if path else None
            if below is not None:
                self._hint(self._root, "/".join(part for part in (self._link, below) if part), is_touch)


def _observer(overflowed: Callable[[], None]) -> BaseObserver:
    """The system's observer. With inotify it also tells that the kernel's queue has overflowed (16,384 events by
    default), which watchdog itself only logs, from version 7.1; of older ones nobody learns it.
    """
    from watchdog.observers import Observer

    # a folder that was renamed is watched again under its new name, which the library warns of
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog")
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_worth_logging)
    if sys.platform != "linux":
        return Observer()
    try:
        from watchdog.observers.api import BaseObserver
        from watchdog.observers.inotify import InotifyEmitter
        from watchdog.observers.inotify_c import InotifyEvent, InotifyFD
    except ImportError:
        return Observer()

    class _Queue(InotifyFD):
        def handle_event(self, event: InotifyEvent) -> None:
            super().handle_event(event)
            if event.is_queue_overflow:
                overflowed()

    class _Observer(BaseObserver):
        def __init__(self) -> None:
            self._queue = _Queue()
            self._queue.start()
            super().__init__(InotifyEmitter, inotify_fd=self._queue)

        def on_thread_stop(self) -> None:
            super().on_thread_stop()
            self._queue.stop()
            self._queue.join()

    return _Observer()


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Not that a watch was ended while its thread was about to read: that is how each one ends."""
    return "called when the thread is inactive" not in record.getMessage()


def _below(path: str, root: str) -> str | None:
    if path == root:
        return ""
    if not path.startswith(root.rstrip("/") + "/"):
        return None  # the other side of a move into or out of the folder
    return "/".join(shown_name(part) for part in Path(path).relative_to(root).parts)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the system's limit of watched folders is reached (fs.inotify.max_user_watches)"
    if error.errno == errno.EMFILE:
        return "the system's limit of watchers is reached (fs.inotify.max_user_instances)"
    return f"the system gives no events here ({(error.strerror or str(error)).lower()})"


Key = TypeVar("Key", bound=Hashable)
Sign = TypeVar("Sign")


@dataclass(slots=True)
class _Waiting(Generic[Sign]):
    """What was seen at a path, since when it looks so, and when it was first hinted at. Times in seconds."""

    sign: Sign | None
    is_seen: bool
    since: float
    hinted: float


class Settling(Generic[Key, Sign]):
    """Paths hinted at, each until it has looked the same for `settle_ms`. A sign is None where nothing is."""

    def __init__(self, *, settle_ms: int) -> None:
        self._settle_s = settle_ms / 1000
        self._waiting: dict[Key, _Waiting[Sign]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self) -> list[Key]:
        """What waits."""
        return list(self._waiting)

    def hint(self, keys: Iterable[Key], now: float) -> None:
        """They are worth a look. One that waits already goes on waiting."""
        for key in keys:
            self._waiting.setdefault(key, _Waiting(None, False, now, now))

    def drop(self, key: Key) -> None:
        """No longer worth a look."""
        self._waiting.pop(key, None)

    def at_rest(self, look: Callable[[Key], Sign | None], now: float) -> dict[Key, Sign | None]:
        """key → sign of those that rest, taken out; empty while the others that were hinted at with them still move.

        So both halves of a rename, or all files of a moved folder, come together.
        """
        for key, waiting in self._waiting.items():
            sign = look(key)
            if not waiting.is_seen or sign != waiting.sign:
                waiting.sign, waiting.is_seen, waiting.since = sign, True, now
        resting = {key: w for key, w in self._waiting.items() if now - w.since >= self._settle_s}
        is_moving = any(
            key not in resting and now - w.hinted < YOUNG_S + self._settle_s for key, w in self._waiting.items()
        )
        oldest_gone = min((w.since for w in resting.values() if w.sign is None), default=None)
        if is_moving and oldest_gone is not None and now - oldest_gone < self._settle_s + GONE_PATIENCE_S:
            return {}
        for key in resting:
            del self._waiting[key]
        return {key: w.sign for key, w in resting.items()}

    def next_at(self, now: float) -> float | None:
        """When the next look is due; None if nothing waits."""
        if not self._waiting:
            return None
        return max(now + 0.01, min(w.since for w in self._waiting.values()) + self._settle_s)
