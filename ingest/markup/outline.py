"""Which keys of nested data are headings: those of the first two levels that hold more than a word.

Rule: a run of keys with a word each stays one section; where it follows a key that holds more, its first key is a
heading too, or the section above would go on.
"""

from __future__ import annotations

from ingest.types import Mark, MarkKind

LEVELS = 2
_MAX_LABEL_CHARS = 100


class KeyHeadings:
    """Told of the keys in their order, it tells which are headings."""

    def __init__(self) -> None:
        self._was_large = [False] * LEVELS

    def add(self, start: int, key: str, level: int, *, is_large: bool) -> Mark | None:
        """The mark of a key of that level, 1 the outermost. is_large: it holds an object or a list."""
        is_heading = is_large or self._was_large[level - 1]
        self._was_large[level - 1] = is_large
        if is_large:
            self._was_large[level:] = [False] * (LEVELS - level)
        label = " ".join(key.split())[:_MAX_LABEL_CHARS]
        return Mark(start, MarkKind.HEADING, label, level) if is_heading and label else None

    def go_on(self) -> None:
        """Another document follows, whose first key ends the last section."""
        self._was_large = [True, *[False] * (LEVELS - 1)]
