"""Paragraphs, headings and items of a document → its text and its marks.

Rule: a heading's mark is its text on one line; blocks are apart by an empty line, the items of a list by a newline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.types import Mark, MarkKind


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


def on_one_line(text: str) -> str:
    """The words with a blank between two."""
    return " ".join(text.split())
