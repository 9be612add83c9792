"""Markers "[1]" in a model's text as it comes: those that point nowhere go, the others are numbered as they appear.

Rule: what has been shown stays as it is: a piece is held back while it may be the beginning of a marker.
"""

from __future__ import annotations

import re

_MARKER = re.compile(r"([ \t]*)\[(\d{1,3})\]")
_BEGUN = re.compile(r"[ \t]*(?:\[\d{0,3})?\Z")


class Markers:
    """Give it the pieces, show what it gives."""

    def __init__(self) -> None:
        self._passages = 0
        self._held = ""
        self._order: list[int] = []
        self.dropped = 0  # markers that point nowhere

    def begin(self, passages: int) -> None:
        """passages: how many were numbered."""
        self._passages = passages

    @property
    def numbers(self) -> tuple[int, ...]:
        """The passages meant, so far: marker [n] points to the n-th of them."""
        return tuple(self._order)

    def feed(self, piece: str) -> str:
        """What can be shown now that `piece` has come."""
        text = self._held + piece
        begun = _BEGUN.search(text)
        assert begun is not None  # it may be empty
        self._held = text[begun.start() :]
        return _MARKER.sub(self._renumbered, text[: begun.start()])

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held

    def _renumbered(self, found: re.Match[str]) -> str:
        number = int(found[2])
        if not 1 <= number <= self._passages:
            self.dropped += 1
            return ""
        if number not in self._order:
            self._order.append(number)
        return f"{found[1]}[{self._order.index(number) + 1}]"
