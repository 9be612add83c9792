"""Signs of life of a parser at long work: with each, the time for its file begins anew.

Rule: only work that is bounded in itself gives them (a scanned page recognised), so that a file that hangs is given up
all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


def _unheard() -> None:
    """Nobody counts the time."""


_heard: ContextVar[Callable[[], None]] = ContextVar("heard", default=_unheard)


def beat() -> None:
    """A part of the work is done."""
    _heard.get()()


def hear(told: Callable[[], None]) -> None:
    """From now on `told` is called at each beat, in this context."""
    _heard.set(told)
