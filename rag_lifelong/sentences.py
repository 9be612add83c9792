"""A passage → its sentences with exact spans, and a sentence → how it is shown.

Rule: spans are of the source text, markup and all; only what is displayed is cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BREAK = re.compile(
    r"\n[ \t]*\n\s*"  # a blank line
    r"|\n(?=[ \t]*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6})[ \t]|\|))"  # a list item, heading or table row begins
    r"|(?<=[.!?…])[\"')\]»”’*_`]*\s+(?=[\"'(\[«“‘*_`]*[A-ZÀ-ÞА-ЯΑ-Ω0-9])"  # a sentence ends
    r"|(?<=[。！？])[」』”’）]*"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|Prof|St|No|Nr|Fig|fig|al|approx|ca|Inc|Ltd|Jr|Sr)"
    r"|\b[A-Z])\.[\"')\]]*\s*$"
)
_ENTRY_LINE = re.compile(r"^[A-Za-z][A-Za-z0-9_ -]{0,39}:[ \t]")
_HEADING = re.compile(r"(#{1,6})[ \t]")
_ADORNED = re.compile(r"^\s*([!-/:-@\[-`{-~])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^\s*\.\. ")
_NUMBERED_ROLE = re.compile(r":(pep|rfc):`(\d+)`", re.IGNORECASE)
_ROLE = re.compile(r":[a-z:+-]+:`~?([^`<]*?)(?:\s*<([^>]*)>)?`|``([^`]+)``|`([^`<]+?)(?:\s*<[^>]*>)?`_{0,2}")
_CODE_LINE = re.compile(
    r"^\s*(?:>>>|\.\.\. |\$ |@\w|(?:def|class|import|return|raise|assert|elif) |from \w+ import |[\w.]+\(.*\)$|\w+ = )"
)
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()]|\([^)]*\))*\)")
_EMPHASIS = re.compile(r"(?<!\w)(\*\*|__|\*|_)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_ITEM = re.compile(r"(?:[-*+•]|\d{1,3}[.)])\s")
_LEAD = re.compile(r"^(?:[-*+•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+|>\s+)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters [start, end) of the text it was split from.

    heading_level: 1, 2, … for a heading (1 for any underlined title), 0 for all else.
    """

    start: int
    end: int
    text: str
    heading_level: int


def split_sentences(text: str) -> list[Sentence]:
    """The sentences, list items, header entries and table rows of `text`, in order; blank pieces are left out."""
    found: list[Sentence] = []
    at = 0
    for gap in _BREAK.finditer(text):
        if "\n" not in gap.group() and _ABBREVIATION.search(text[max(at, gap.start() - 12) : gap.start()] + " "):
            continue
        found.extend(_pieces(text, at, gap.end()))
        at = gap.end()
    found.extend(_pieces(text, at, len(text)))
    return found


def is_item(text: str) -> bool:
    """The sentence is, or begins, an entry of a list."""
    return bool(_ITEM.match(text))


def list_around(sentences: Sequence[Sentence], number: int) -> tuple[Sentence, ...]:
    """The entries of the list that `sentences[number]` is one of, as they follow one another; none if it is in none."""
    if not is_item(sentences[number].text):
        return ()
    first = last = number
    while first > 0 and is_item(sentences[first - 1].text):
        first -= 1
    while last + 1 < len(sentences) and is_item(sentences[last + 1].text):
        last += 1
    return tuple(sentences[first : last + 1])


def is_prose(text: str) -> bool:
    """Worth quoting: has words, and is no underline, directive or bare markup."""
    if _ADORNED.match(text) or _DIRECTIVE.match(text):
        return False
    return sum(char.isalnum() for char in text) >= max(2, len(text) * 0.3)


def looks_like_code(text: str) -> bool:
    """A line of a program rather than a sentence."""
    if _CODE_LINE.match(text):
        return True
    return sum(char in "(){}[]<>=_;|" for char in text) > max(3, len(text) * 0.08)


def shown(text: str) -> str:
    """`text` as a person reads it: on one line, without markup of Markdown and reStructuredText."""
    text = _LEAD.sub("", " ".join(text.split()))
    text = _NUMBERED_ROLE.sub(lambda found: f"{found[1].upper()} {found[2]}", text)
    text = _ROLE.sub(lambda found: next((g for g in found.groups() if g), ""), text)
    text = _LINK.sub(lambda found: found[1], text)
    return _EMPHASIS.sub(lambda found: found[2], text)


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    """One piece between breaks; a block of `Name: value` lines gives its entries, a title loses its underline."""
    piece = text[start:end]
    lines = piece.split("\n")
    if len(lines) > 1 and any(_ENTRY_LINE.match(line) or _ADORNED.match(line) for line in lines):
        at = start
        begin: int | None = None
        for line in lines:
            if _ADORNED.match(line):
                if begin is not None:
                    yield from _trimmed(text, begin, at, is_title=True)
                begin = None
            elif begin is None or _ENTRY_LINE.match(line):
                if begin is not None:
                    yield from _trimmed(text, begin, at)
                begin = at
            at += len(line) + 1
        if begin is not None:
            yield from _trimmed(text, begin, end)
        return
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int, *, is_title: bool = False) -> Iterator[Sentence]:
    piece = text[start:end]
    first = start + len(piece) - len(piece.lstrip())
    last = start + len(piece.rstrip())
    if first < last:
        found = _HEADING.match(text, first, last)
        level = len(found[1]) if found is not None else int(is_title)
        yield Sentence(first, last, text[first:last], level)
