"""Paragraphs, headings and items of a document → its text and its marks.

Rule: a heading's mark is its text on one line; blocks are apart by an empty line, the items of a list by a newline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ingest.types import Mark, MarkKind

_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|rubrik|kop|nagłówek|заголовок)\s*([1-9])", re.IGNORECASE
)
_TITLES = frozenset(["title", "titel", "titre", "título", "titolo"])


@dataclass(frozen=True, slots=True)
class Block:
    """level: of a heading; 0: the title; None: body. is_item: follows the item before it on the next line."""

    text: str
    level: int | None
    is_item: bool


def joined(blocks: Iterable[Block], *, start: int = 0) -> tuple[str, list[Mark]]:
    """The blocks' text, and a mark for each heading; `start` is where the text will begin in the document."""
    parts: list[str] = []
    marks: list[Mark] = []
    at = start
    was_item = False
    for block in blocks:
        if parts:
            parts.append("\n" if block.is_item and was_item else "\n\n")
            at += len(parts[-1])
        if block.level:
            marks.append(Mark(at, MarkKind.HEADING, on_one_line(block.text), block.level))
        parts.append(block.text)
        at += len(block.text)
        was_item = block.is_item
    return "".join(parts), marks


def level_named(style: str) -> int | None:
    """The level of paragraphs of a style by its name, as of a Block: "heading 2" is 2, "Title" 0; None: not said."""
    found = _HEADING.fullmatch(style)
    if found is not None:
        return int(found[1])
    return 0 if style.lower() in _TITLES else None


def on_one_line(text: str) -> str:
    """The words with a blank between two."""
    return " ".join(text.split())
