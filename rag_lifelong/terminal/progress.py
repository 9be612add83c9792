"""Progress on stderr: two bars on a terminal, else a line every ten seconds, else nothing."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 24
_EVERY_BAR_S = 0.1
_EVERY_LINE_S = 10.0


class Bars:
    """Redraws one line in place; each bar ends with a line of its own that stays."""

    def __init__(self, stream: TextIO | None = None, *, is_terminal: bool) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = is_terminal
        self._drawn = 0.0
        self._began = time.monotonic()
        self._embedding_began: float | None = None
        self._open = False
        self._files = 0

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """The first bar."""
        self._files = total_files
        self._draw(
            f"Reading    {_bar(done_files, total_files)} {done_files:,}/{total_files:,} files · {passages:,} passages",
            is_last=False,
        )

    def readable(self, passages: int) -> None:
        """Ends the first bar."""
        if self._files or not self._is_terminal:
            took = _clock(time.monotonic() - self._began)
            self._draw(
                f"Reading    {self._files:,} files · {passages:,} passages · searchable now   {took}",
                is_last=True,
            )

    def embedding(self, done: int, total: int) -> None:
        """The second bar."""
        now = time.monotonic()
        if self._embedding_began is None:
            self._embedding_began = min(now, self._began + (now - self._began))
            self._first = done
        passed = now - self._began if self._first == done else now - self._embedding_began
        rate = (done if self._first == done else done - self._first) / passed if passed > 0 else 0.0
        left = f" · {_clock((total - done) / rate)} left" if rate > 0 and done < total else ""
        hint = "   ^C stops, nothing is lost" if self._is_terminal and done < total else ""
        text = f"Embedding  {_bar(done, total)} {done:,}/{total:,} · {rate:,.0f}/s{left}{hint}"
        self._draw(text, is_last=done >= total)

    def close(self) -> None:
        """Leaves the line, if one is open."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False

    def _draw(self, text: str, *, is_last: bool) -> None:
        now = time.monotonic()
        every = _EVERY_BAR_S if self._is_terminal else _EVERY_LINE_S
        if self._drawn == 0.0 and not self._is_terminal:
            self._drawn = now  # short work says nothing until it is done
        if not is_last and now - self._drawn < every:
            return
        self._drawn = now
        if self._is_terminal:
            self._stream.write(f"\r\x1b[2K{text}" + ("\n" if is_last else ""))
            self._open = not is_last
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def _bar(done: int, total: int) -> str:
    filled = _WIDTH if total <= 0 else min(_WIDTH, _WIDTH * done // total)
    return "━" * filled + "╌" * (_WIDTH - filled)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3_600:
        return f"{whole // 3_600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"
