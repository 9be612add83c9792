"""Text that arrives in pieces, broken between words to the terminal's width.

Rule: changes nothing but a run of spaces into a line break; where there is no terminal nothing at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_TOKEN = re.compile(r"\n|[^\S\n]+|\S+")


class Wrapping:
    """Give it the pieces, print what it gives; a word is held back until it is whole."""

    def __init__(self, width: Callable[[], int] | None) -> None:
        """width: columns now, None to leave lines as they are."""
        self._width = width
        self._column = 0
        self._spaces = ""
        self._word = ""

    def feed(self, piece: str) -> str:
        """What can be printed now that `piece` has come."""
        if self._width is None:
            return piece
        shown = []
        for token in _TOKEN.findall(piece):
            if token.isspace():
                shown.append(self._placed())
                if token == "\n":
                    shown.append("\n")
                    self._column, self._spaces = 0, ""
                else:
                    self._spaces += token
            else:
                self._word += token
        return "".join(shown)

    def end(self) -> str:
        """The last word."""
        return self._placed()

    def _placed(self) -> str:
        if not self._word or self._width is None:
            return ""
        before, word, columns = self._spaces, self._word, columns_of(self._word)
        self._spaces, self._word = "", ""
        if self._column and self._column + len(before) + columns > max(20, self._width() - 1):
            self._column = columns
            return "\n" + word
        self._column += len(before) + columns
        return before + word


def columns_of(text: str) -> int:
    """How many columns a text takes: East Asian wide characters two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, columns: int) -> str:
    """`text`, or as much of it as takes no more than `columns`, with "…" for the rest."""
    if columns_of(text) <= columns:
        return text
    end = len(text)
    while end and columns_of(text[:end]) > columns - 1:
        end -= 1
    return text[:end] + "…" if columns > 0 else ""
