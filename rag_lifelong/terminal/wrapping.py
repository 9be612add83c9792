"""Text that arrives in pieces, broken between words to the terminal's width.

Rule: changes nothing but a run of spaces into a line break; where there is no terminal nothing at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

NARROWEST = 16  # columns; on a screen that is narrower still, the terminal breaks lines itself
_TOKEN = re.compile(r"\n|[^\S\n]+|\S+")
# Scripts without spaces break between any two characters.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


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
        width = max(NARROWEST, self._width() - 1)
        if self._column and self._column + len(before) + columns > width:
            self._column = columns if columns <= width else columns % (width + 1)  # the terminal breaks that
            return "\n" + word
        self._column += len(before) + columns
        return before + word


def folded(text: str, columns: int, *, indent: str) -> str:
    """One line of text broken between words, and between characters of scripts without spaces; each line indented."""
    room = max(NARROWEST, columns) - columns_of(indent)
    lines = [""]
    for word in text.split():
        gap = " " if lines[-1] else ""
        for part in _UNSPACED.sub(lambda char: f"\0{char[0]}\0", word).split("\0"):
            if not part:
                continue
            if lines[-1] and columns_of(lines[-1] + gap + part) > room:
                lines.append(part)
            else:
                lines[-1] += gap + part
            gap = ""
    return "\n".join(indent + line for line in lines)


def columns_of(text: str) -> int:
    """How many columns a text takes: East Asian wide characters two, marks that combine none."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)


def cut(text: str, columns: int) -> str:
    """`text`, or as much of it as takes no more than `columns`, with "…" for the rest."""
    if columns_of(text) <= columns:
        return text
    end = len(text)
    while end and columns_of(text[:end]) > columns - 1:
        end -= 1
    return text[:end] + "…" if columns > 0 else ""
