"""reStructuredText, as it stands: section titles as marks, the header block (PEPs, docinfo) as fields.

Own line-based code: docutils takes about a hundred times as long, and a test compares the two. Only the lines
of one repeated character are looked at, each with its neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, header_fields, title_of
from ingest.limits import Limits
from ingest.types import Document, Mark, MarkKind

NAME = "restructured"
VERSION = 2

_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1*[ \t]*$", re.MULTILINE)
_SHORT = 4  # docutils: an adornment shorter than its title counts from this length on
# What docutils tries before a title: list items, fields, options, tables, explicit markup, doctests.
_CONSTRUCT = re.compile(
    r"[-+*•‣⁃](?: |$)|:(?![: ])(?:[^:\\]|\\.|:(?![ `]|$))*(?<! ):(?: |$)|\|(?: |$)|\+-[-+]+-\+ *$|=+( +=+)+ *$"
    r"|\.\.(?: |$)|__(?: |$)|>>>(?: |$)"
)
_MAX_LABEL_CHARS = 1_000  # of a title; the pattern takes time with the square of what it is given
_INLINE = re.compile(
    r"\\(?P<a>\S)|\\\s|``(?P<b>.+?)``(?!`)"
    r"|(?::[\w.+-]+(?::[\w.+-]+)*:)?`[!~]?(?P<c>[^`]+?)(?:\s+<[^<>`]*>)?`(?:__?(?!\w))?"
    r"|(?<![\w*])\*\*(?P<d>[^\s*](?:.*?[^\s\\])?)\*\*(?![\w*])|(?<![\w*])\*(?P<e>[^\s*](?:.*?[^\s*\\])?)\*(?![\w*])"
    r"|(?<![\w|])\|(?P<f>[^\s|](?:[^|]*[^\s|])?)\|_{0,2}(?!\w)|\s*\[(?:\#[\w-]*|\*|\d+)\]_(?!\w)"
    r"|(?<![^\s'\"(\[{<\-/:])(?P<g>[^\W_]+(?:[-._+:][^\W_]+)*)__?(?![^\s'\")\]}>\-/:.,;!?\\])"
)


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, with its section titles as marks."""
    text = decode(data)
    marks = tuple(sections(text))
    fields = header_fields(text)
    if not fields and marks and not text[: marks[0].start].strip():
        fields = header_fields(text, _title_end(text, marks[0].start))
    return Document(
        text=text,
        title=title_of(fields) or (marks[0].label if marks else ""),
        dated=date_of(fields),
        fields=fields,
        marks=marks,
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def sections(text: str) -> Iterator[Mark]:
    """The section titles, in order; levels by the order in which kinds of adornment appear."""
    levels: dict[tuple[str, bool], int] = {}
    free = 0  # where the text behind the last title begins
    for found in _ADORNMENT.finditer(text):
        start, end = found.span()
        if start < free:
            continue
        over = _overlined(text, start, end, free)
        if over is not None:
            free, label = over
            first = start
        else:
            first = text.rfind("\n", 0, start - 1) + 1 if start else 0
            label = text[first : start - 1].rstrip() if start else ""
            if first < free or not _is_underlined(text, first, label, found.group().rstrip(), free):
                continue
            free = end + 1
        level = levels.setdefault((found[1], over is not None), len(levels) + 1)
        yield Mark(first, MarkKind.HEADING, plain(label), level)


def plain(markup: str) -> str:
    """A title's words without roles, emphasis, link targets and footnote marks."""
    printed = markup.strip()[:_MAX_LABEL_CHARS]
    words = _INLINE.sub(lambda found: next(filter(None, found.groups()), ""), printed)
    return " ".join(words.split()) or " ".join(printed.split())  # of a footnote's mark alone, the mark


def _overlined(text: str, start: int, end: int, free: int) -> tuple[int, str] | None:
    """The end and the label of the title below the adornment at [start, end), if there is one."""
    if not _begins_block(text, start, free):
        return None
    title_end = text.find("\n", end + 1)
    if title_end < 0:
        return None
    title = text[end + 1 : title_end].rstrip()
    below_end = text.find("\n", title_end + 1)
    below_end = len(text) if below_end < 0 else below_end
    line = text[start:end].rstrip()
    if not title or text[title_end + 1 : below_end].rstrip() != line:
        return None
    if len(line) < _SHORT and _width(title) > len(line):
        return None
    return below_end + 1, title.strip()


def _is_underlined(text: str, start: int, title: str, line: str, free: int) -> bool:
    if not title or title[0] in " \t" or (len(line) < _SHORT and _width(title) > len(line)):
        return False
    return not _ADORNMENT.fullmatch(title) and not _CONSTRUCT.match(title) and _begins_block(text, start, free)


def _begins_block(text: str, start: int, free: int) -> bool:
    """Whether a new block may begin at `start`: behind a blank line, a title, an indented line or explicit markup."""
    if start == free:
        return True
    above = text[text.rfind("\n", 0, start - 1) + 1 : start - 1]
    return not above.strip() or above[0] in " \t" or _CONSTRUCT.match(above) is not None


def _width(title: str) -> int:
    """How many columns a title takes: East Asian wide characters take two."""
    if title.isascii():
        return len(title)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in title)


def _title_end(text: str, start: int) -> int:
    """Where the text behind the title at `start` begins."""
    lines = 3 if _ADORNMENT.match(text, start) else 2
    for _ in range(lines):
        start = text.find("\n", start) + 1 or len(text)
    return start
