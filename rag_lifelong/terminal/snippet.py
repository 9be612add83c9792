"""The part of a passage worth showing: where the question's terms stand.

Rule: gives text as stored, in one line, cut at words; makes nothing up but the "…" where it cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rag_lifelong.terminal.style import Style, safe_line
from rag_lifelong.terms import terms

_WORD = re.compile(r"\w+(?:[-.'’]\w+)*")
_HEADING = re.compile(r"\s*#{1,6}\s")
_UNDERLINE = re.compile(r"([=\-~^\"'*+#`:._])\1{2,}\s*$")
_BULLET = re.compile(r"^(?:[-*>+]|\d+[.)])\s+")


def snippet(text: str, asked: Collection[str], *, limit: int) -> str:
    """At most `limit` characters of `text` around the most of the terms asked, as one line."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return safe_line(flat)
    begin = _best_begin(flat, frozenset(asked), limit - 2)
    end = len(flat) if begin + limit - 2 >= len(flat) else flat.rfind(" ", begin + 1, begin + limit - 1)
    if end <= begin:
        end = begin + limit - 2
    return safe_line(("…" if begin else "") + flat[begin:end].strip() + ("…" if end < len(flat) else ""))


def best_line(text: str, asked: Collection[str]) -> tuple[int, str]:
    """(number from 0 of the line that holds the most of the terms asked, the paragraph around it).

    The first of equals. A heading gives the paragraph below it, which is what it is about.
    """
    wanted = frozenset(asked)
    lines = text.split("\n")
    number = max(range(len(lines)), key=lambda i: (len(wanted & set(terms(lines[i]))), -i))
    number = next((i for i in range(number, len(lines)) if _is_prose(lines, i)), number)
    first = last = number
    while first > 0 and _is_prose(lines, first - 1) and not _BULLET.match(lines[first].strip()):
        first -= 1
    while last + 1 < len(lines) and _is_prose(lines, last + 1) and not _BULLET.match(lines[last + 1].strip()):
        last += 1
    return number, _BULLET.sub("", "\n".join(lines[first : last + 1]).strip())


def highlighted(line: str, asked: Collection[str], style: Style) -> str:
    """`line` with the words whose terms were asked set bold."""
    if not style.has_colors:
        return line
    wanted = frozenset(asked)
    return _WORD.sub(lambda word: style.bold(word[0]) if wanted & set(terms(word[0])) else word[0], line)


def _is_prose(lines: list[str], number: int) -> bool:
    """A line with words that is no heading, of Markdown or underlined."""
    below = lines[number + 1] if number + 1 < len(lines) else ""
    has_words = _WORD.search(lines[number]) is not None
    return has_words and not _HEADING.match(lines[number]) and not _UNDERLINE.match(below)


def _best_begin(flat: str, asked: frozenset[str], room: int) -> int:
    """Where a window of `room` characters holds the most distinct terms, then the most words asked; a word's begin."""
    found = [(word.start(), frozenset(terms(word[0])) & asked) for word in _WORD.finditer(flat)]
    hits = [(start, held) for start, held in found if held]
    if not hits or hits[-1][0] < room:
        return 0  # all in sight from the beginning
    best, best_worth = 0, (-1, -1)
    for start, _ in hits:
        inside = [held for at, held in hits if start <= at < start + room * 3 // 4]
        worth = (len(frozenset().union(*inside)), len(inside))
        if worth > best_worth:
            best, best_worth = start, worth
    if best < room // 4:
        return 0
    return _sentence_begin(flat, best, room // 4)


def _sentence_begin(flat: str, start: int, most: int) -> int:
    """The begin of the sentence around `start`, or else of a word, at most `most` characters before it."""
    early = max(0, start - most)
    for mark in (". ", "? ", "! ", ": "):
        at = flat.rfind(mark, early, start)
        if at >= 0:
            return at + len(mark)
    at = flat.find(" ", early, start)
    return start if at < 0 else at + 1
