"""Progress of reading and embedding: two bars on a terminal, else a line every ten seconds, else nothing.

Rule: writes to the stream it is given (standard error), never to standard output, and is closed before anything
else is said. What it knows is kept, so that after ^C one can say what was done.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from rag_lifelong.terminal.overview import count_of

if TYPE_CHECKING:
    from argparse import Namespace

    from rich.live import Live
    from rich.text import Text

_EVERY_S = 10.0
_BAR_MOST = 24
_WIDTH_MOST = 100
_HINT = "^C stops, nothing is lost"


class Watched(Protocol):
    """Progress that is closed, and can be asked afterwards."""

    done: Done
    """How far it came."""

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """Called after each file."""

    def readable(self, passages: int) -> None:
        """Called when reading has ended."""

    def embedding(self, done: int, total: int) -> None:
        """Called after each batch."""

    def close(self) -> None:
        """Ends what is drawn; may be called twice."""


class Done:
    """How far reading and embedding came, and how long they took; makes the two lines."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.files = 0
        self.total_files = 0
        self.passages = 0
        self.is_readable = False
        self.embedded = 0
        self.to_embed = 0
        self._now = now
        self._began = now()
        self._read_s = 0.0
        self._embedding_began = self._began
        self._embedded_at = self._began

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """So many files are read."""
        self.files, self.total_files, self.passages = done_files, total_files, passages

    def readable(self, passages: int) -> None:
        """Reading has ended."""
        self.passages, self.is_readable = passages, True
        self._embedding_began = self._now()
        self._read_s = self._embedding_began - self._began

    def embedding(self, done: int, total: int) -> None:
        """So many vectors are there."""
        self.embedded, self.to_embed = done, total
        self._embedded_at = self._now()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._now() - self._began

    def reading_line(self, width: int, *, has_bar: bool) -> str:
        """Reading ━━━ 412/412 files · 2,931 passages · searchable now    0:03"""
        counts = f"{self.files:,}/{count_of(self.total_files, 'file')} · {count_of(self.passages, 'passage')}"
        if self.is_readable:
            return justified(f"Reading    {counts} · searchable now", clock(self._read_s), width)
        bar = bar_of(self.files, self.total_files, width - 22 - len(counts)) if has_bar else ""
        return justified(f"Reading    {bar}{counts}", clock(self.seconds), width)

    def embedding_line(self, width: int, *, has_bar: bool) -> str:
        """Embedding ━━━ 1,210/2,931 · 61/s · 0:28 left   ^C stops, nothing is lost"""
        passed = self._embedded_at - self._embedding_began  # batches are long: the rate is that of those done
        rate = self.embedded / passed if passed > 0 else 0.0
        parts = [f"{self.embedded:,}/{self.to_embed:,}"]
        if self.embedded and rate >= 1:
            parts.append(f"{rate:,.0f}/s")
        if self.embedded >= self.to_embed:
            return justified(f"Embedding  {' · '.join(parts)}", clock(passed), width)
        if rate > 0:
            left = (self.to_embed - self.embedded) / rate - (self._now() - self._embedded_at)
            parts.append(f"{clock(left)} left")
        counts = " · ".join(parts)
        if not has_bar:
            return f"Embedding  {counts}"
        room = width - len("Embedding   ") - len(counts)
        bar = bar_of(self.embedded, self.to_embed, room - len(_HINT) - 2) or bar_of(self.embedded, self.to_embed, room)
        return justified(f"Embedding  {bar}{counts}", _HINT, width)


class Bars:
    """Two bars on a terminal, redrawn in place; the lines they end in stay."""

    def __init__(self, stream: TextIO) -> None:
        self.done = Done()
        self._stream = stream
        self._live: Live | None = None

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """Draws, once there is a file to read."""
        self.done.reading(done_files, total_files, passages)
        if total_files:
            self._begin()

    def readable(self, passages: int) -> None:
        """The first bar becomes its last line."""
        self.done.readable(passages)

    def embedding(self, done: int, total: int) -> None:
        """Draws the second bar."""
        self.done.embedding(done, total)
        self._begin()

    def close(self) -> None:
        """Leaves the last state of both lines on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self) -> None:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(
                console=console,
                get_renderable=lambda: self._drawn(console.width - 1),
                refresh_per_second=8,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _drawn(self, width: int) -> Text:
        from rich.text import Text

        lines = []
        if self.done.total_files:
            lines.append(self.done.reading_line(width, has_bar=True))
        if self.done.to_embed:
            lines.append(self.done.embedding_line(width, has_bar=True))
        return Text("\n".join(lines), no_wrap=True, overflow="crop")


class Lines:
    """Where nobody watches: a line every ten seconds, so that short work says nothing."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self.done = Done(now)
        self._stream = stream
        self._now = now
        self._said = now()

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """A line, if it is time for one."""
        self.done.reading(done_files, total_files, passages)
        self._say(self.done.reading_line)

    def readable(self, passages: int) -> None:
        """A line, if reading took long."""
        self.done.readable(passages)
        if self.done.seconds >= _EVERY_S:
            self._say(self.done.reading_line, is_due=True)

    def embedding(self, done: int, total: int) -> None:
        """A line, if it is time for one."""
        self.done.embedding(done, total)
        self._say(self.done.embedding_line, is_due=done >= total and self.done.seconds >= _EVERY_S)

    def close(self) -> None:
        """Nothing is left open."""

    def _say(self, line: Callable[..., str], *, is_due: bool = False) -> None:
        if is_due or self._now() - self._said >= _EVERY_S:
            self._said = self._now()
            self._stream.write(line(0, has_bar=False) + "\n")
            self._stream.flush()


class Unseen:
    """For --quiet: only what was done is kept."""

    def __init__(self) -> None:
        self.done = Done()

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """Kept."""
        self.done.reading(done_files, total_files, passages)

    def readable(self, passages: int) -> None:
        """Kept."""
        self.done.readable(passages)

    def embedding(self, done: int, total: int) -> None:
        """Kept."""
        self.done.embedding(done, total)

    def close(self) -> None:
        """Nothing is drawn."""


class Meter:
    """Copying: how much of how much, in place on a terminal once it takes long, else a line every ten seconds."""

    def __init__(
        self,
        stream: TextIO,
        verb: str,
        *,
        shown: Callable[[int], str],
        is_drawn: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """shown: how an amount is written. is_drawn: the stream is a terminal that can go back in a line."""
        self._stream = stream
        self._verb = verb
        self._shown = shown
        self._is_drawn = is_drawn
        self._now = now
        self._next = now() + (1.0 if is_drawn else _EVERY_S)
        self._width = 0

    def tell(self, done: int, total: int) -> None:
        """Says so, if it is time."""
        if self._now() < self._next:
            return
        self._next = self._now() + (0.1 if self._is_drawn else _EVERY_S)
        line = f"{self._verb}  {bar_of(done, total, _BAR_MOST)}{self._shown(done)} of {self._shown(total)}"
        if self._is_drawn:
            self._stream.write(f"\r{line:<{self._width}}")
            self._width = len(line)
        else:
            self._stream.write(f"{self._verb}  {self._shown(done)} of {self._shown(total)}\n")
        self._stream.flush()

    def close(self) -> None:
        """Takes away what is drawn; may be called twice."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


def clock(seconds: float) -> str:
    """m:ss, or h:mm:ss."""
    whole = max(0, round(seconds))
    if whole >= 3_600:
        return f"{whole // 3_600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def bar_of(done: int, total: int, room: int) -> str:
    """A bar of at most `room` cells and a space, or nothing where it would be too short to tell."""
    width = min(_BAR_MOST, room)
    if width < 6:
        return ""
    filled = width if total <= 0 else min(width, width * done // total)
    return "━" * filled + "╌" * (width - filled) + " "


def justified(left: str, right: str, width: int) -> str:
    """`right` at the right margin, if that is not too far off; left out where there is no room for it."""
    if not right:
        return left
    if width <= 0:
        return f"{left} · {right}"
    room = min(width, _WIDTH_MOST) - len(left) - len(right)
    return f"{left}{' ' * room}{right}" if room >= 2 else left


class Stopped(Exception):
    """^C during long work; str() says what is kept and how to go on."""


@contextmanager
def metered(options: Namespace, verb: str, shown: Callable[[int], str]) -> Iterator[Callable[[int, int], None] | None]:
    """Whom to tell how far it is; a KeyboardInterrupt leaves as `Stopped`."""
    is_drawn = sys.stderr.isatty() and not options.verbose and os.environ.get("TERM") != "dumb"
    meter = Meter(sys.stderr, verb, shown=shown, is_drawn=is_drawn)
    try:
        yield None if options.quiet else meter.tell
    except KeyboardInterrupt:
        meter.close()
        raise Stopped("Stopped. Nothing was left behind.") from None
    finally:
        meter.close()
