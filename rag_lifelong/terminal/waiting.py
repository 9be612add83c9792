"""What is shown while an answer is awaited: one dim line with a wheel that turns, gone before anything else is said.

Rule: draws only on the stream it is given, and leaves no trace on it. Quick answers never show it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

_WHEEL = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_EVERY_S = 0.1
_PATIENCE_S = 0.3  # what comes sooner than this is not waited for
_ERASE = "\r\x1b[K"


class Waiting:
    """Draws until `end`, or until it is left; `stream` None draws nothing."""

    def __init__(self, stream: TextIO | None, doing: Callable[[], str], *, style: Callable[[str], str]) -> None:
        """doing: what is done now, asked each time it is drawn; a short line that is safe on a terminal."""
        self._stream = stream
        self._doing = doing
        self._style = style
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Waiting:
        if self._stream is not None:
            self._thread = threading.Thread(target=self._turn, name="waiting", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Erases what is drawn; may be called twice."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _turn(self) -> None:
        assert self._stream is not None  # else there is no thread
        if self._ended.wait(_PATIENCE_S):
            return
        turn = 0
        while True:
            line = self._style(f"{_WHEEL[turn % len(_WHEEL)]} {self._doing()}")
            self._stream.write(f"{_ERASE}{line}")
            self._stream.flush()
            turn += 1
            if self._ended.wait(_EVERY_S):
                break
        self._stream.write(_ERASE)
        self._stream.flush()


@contextmanager
def unechoed(keys: TextIO) -> Iterator[None]:
    """What is typed meanwhile does not show in the middle of the answer; it stands at the next prompt.

    keys: the terminal typed at; anything else is left alone.
    """
    try:
        import termios  # not where terminals are no files
    except ImportError:
        yield
        return
    try:
        number = keys.fileno()
        before = termios.tcgetattr(number)
    except (OSError, ValueError, termios.error):  # no terminal, or no file at all
        yield
        return
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(number, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
