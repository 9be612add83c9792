"""The peak of the memory that a process and all its children hold, looked at ten times a second.

Rule: resident memory as Linux counts it, summed over the processes, so that what two share counts twice.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes of a process and its descendants; 0 for one that has ended."""
    total = 0
    waiting = [pid]
    while waiting:
        place = Path("/proc") / str(waiting.pop())
        try:
            total += int((place / "statm").read_text().split()[1]) * _PAGE
            for thread in (place / "task").iterdir():
                waiting.extend(map(int, (thread / "children").read_text().split()))
        except (OSError, IndexError):  # it ended meanwhile
            continue
    return total


class Peak:
    """`peak_bytes` so far, while it is open."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, resident(self._pid))
