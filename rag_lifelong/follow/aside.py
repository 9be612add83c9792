"""Files read aside from the others, in threads of their own: those whose parser may take long, or never end.

Rule: it reads and decides nothing. What it has read is committed by whoever asked, once the file is seen to be still
the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest import IngestError
from ingest.apart import Cancelled
from ingest.scan import Found, look
from rag_lifelong.coverage import rules_of
from rag_lifelong.errors import LifelongError
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Operation
from rag_lifelong.reading import Reader, Settings, Unsettled
from rag_lifelong.store.files import Root

logger = logging.getLogger(__name__)

Key = tuple[int, str]
"""A root's id, and a path below it."""


@dataclass(frozen=True, slots=True)
class Done:
    """A file that was read. operations: what it and those in it come to; None: it could not be told, or has changed."""

    key: Key
    operations: tuple[Operation, ...] | None


class Aside:
    """Reads what is asked for, so many at a time, from `start()` to `stop()`. wake: called when some may be taken."""

    def __init__(
        self, knowledge_base: KnowledgeBase, settings: Settings, *, name: str, at_once: int, wake: Callable[[], None]
    ) -> None:
        self._batch_s = settings.batch_s
        self._readers = [Reader(knowledge_base, settings) for _ in range(at_once)]
        self._wake = wake
        self._condition = threading.Condition()
        self._asked: dict[Key, tuple[Root, Found]] = {}
        self._at: set[Key] = set()
        self._done: list[tuple[Root, Found, Done]] = []
        self._since = 0.0  # when the first of those was done
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._run, args=[reader], name=name, daemon=True) for reader in self._readers
        ]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends at once: the files it is at are given up, and are as if they had not been asked for."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        for reader in self._readers:
            reader.cancel()
        for thread, reader in zip(self._threads, self._readers, strict=True):
            thread.join()
            reader.close()

    def ask(self, root: Root, found: Found) -> None:
        """Reads a file that looked so; the newest look counts."""
        with self._condition:
            self._asked[root.id, found.path] = root, found
            self._condition.notify_all()

    def waiting(self) -> set[Key]:
        """What was asked for and is not taken yet."""
        with self._condition:
            return self._asked.keys() | self._at | {done.key for _, _, done in self._done}

    def due_at(self) -> float | None:
        """When some may be taken; None: who waits is woken."""
        with self._condition:
            return self._since + self._batch_s if self._done else None

    def taken(self) -> list[Done]:
        """What was read, all that there is at the end of the row, or after a while; it waits no more.

        So a row of files is a few commits, and none of them waits for one that hangs.
        """
        with self._condition:
            is_ended = not self._asked and not self._at
            if not is_ended and time.monotonic() < self._since + self._batch_s:
                return []
            done, self._done = self._done, []
        return [
            one if look(Path(root.path), found.path, rules=rules_of(root)) == found else Done(one.key, None)
            for root, found, one in done
        ]

    def _next(self) -> Key | None:
        """What is to be read next; a file that is being read waits until that is done."""
        return next((key for key in self._asked if key not in self._at), None)

    def _run(self, reader: Reader) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._next() is not None or self._is_stopping)
                key = self._next()
                if self._is_stopping or key is None:
                    return
                self._at.add(key)
                root, found = self._asked.pop(key)
            operations: tuple[Operation, ...] | None = None
            try:
                operations = reader.operations(root, found)
            except Cancelled:
                return
            except Unsettled:
                pass
            except (LifelongError, IngestError, OSError) as error:  # the store is busy, or a disk fails
                logger.warning("%s could not be read aside: %s", found.path, error)
            with self._condition:
                if not self._done:
                    self._since = time.monotonic()
                self._done.append((root, found, Done(key, operations)))
                self._at.discard(key)
                self._condition.notify_all()
                is_news = len(self._done) == 1 or not self._asked
            if is_news:
                self._wake()
