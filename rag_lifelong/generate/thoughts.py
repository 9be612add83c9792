"""Some models think aloud before they answer, between <think> and </think>; that is not the answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

_OPENS, _CLOSES = "<think>", "</think>"


def without_thoughts(pieces: Generator[str, None, str | None]) -> Generator[str, None, str | None]:
    """The same pieces and value, less a thought that they begin with."""
    with closing(pieces):
        return (yield from _after_thought(pieces))


def _after_thought(pieces: Generator[str, None, str | None]) -> Generator[str, None, str | None]:
    held = ""
    while True:  # until it shows what they begin with
        try:
            held += next(pieces)
        except StopIteration as end:
            if held:
                yield held
            return _value(end)
        start = held.lstrip()
        if not _OPENS.startswith(start[: len(_OPENS)]):
            yield held
            return (yield from pieces)
        if len(start) >= len(_OPENS):
            break
    held = start
    while True:  # until the thought is over, and something comes after it
        before, closed, rest = held.partition(_CLOSES)
        if closed and rest.strip():
            yield rest.lstrip()
            return (yield from pieces)
        try:
            held = (before[-len(_CLOSES) :] if not closed else held) + next(pieces)
        except StopIteration as end:
            return _value(end)


def _value(end: StopIteration) -> str | None:
    value: str | None = end.value
    return value
