"""reStructuredText, as it stands: section titles as marks, the header block (PEPs, RFC 822 style) as fields.

Own line-based code: docutils takes about a hundred times as long, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, header_fields, value_of
from ingest.types import Document, Field, Mark, MarkKind

NAME = "restructured"
VERSION = 1

_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1*[ \t]*$")
_ROLE = re.compile(r":[a-z:-]+:`([^`<]*?)(?:\s*<[^>]*>)?`|`([^`<]*?)(?:\s*<[^>]*>)?`_?_?|[*`|]+")
_MIN_ADORNMENT = 3  # shorter ones count only if they are as long as the title, as docutils has it


def parse(data: bytes, *, name: str) -> Document:
    """The text itself, with its section titles as marks."""
    text = decode(data)
    fields = header_fields(text)
    marks = tuple(sections(text))
    return Document(
        text=text,
        title=_title(fields, marks),
        dated=date_of(fields),
        fields=fields,
        marks=marks,
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def sections(text: str) -> Iterator[Mark]:
    """The section titles, in order; levels by the order in which kinds of adornment appear."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    levels: dict[tuple[str, bool], int] = {}
    i = 0
    while i < len(lines):
        over = _overlined(lines, i)
        if over or _underlined(lines, i):
            style = (lines[i][0] if over else lines[i + 1][0], over)
            level = levels.setdefault(style, len(levels) + 1)
            yield Mark(starts[i], MarkKind.HEADING, plain(lines[i + 1] if over else lines[i]), level)
            i += 3 if over else 2
        else:
            i += 1


def plain(markup: str) -> str:
    """A title's words without roles, emphasis and quotes."""
    return " ".join(_ROLE.sub(lambda found: found[1] or found[2] or "", markup).split())


def _overlined(lines: list[str], i: int) -> bool:
    if i + 2 >= len(lines) or not _is_adornment(lines[i]) or (i and lines[i - 1].strip()):
        return False
    title = lines[i + 1]
    return (
        bool(title.strip())
        and lines[i + 2].rstrip() == lines[i].rstrip()
        and (len(lines[i].rstrip()) >= len(title.strip()))
    )


def _underlined(lines: list[str], i: int) -> bool:
    if i + 1 >= len(lines) or not _is_adornment(lines[i + 1]) or (i and lines[i - 1].strip()):
        return False
    title, line = lines[i], lines[i + 1].rstrip()
    if not title.strip() or title[0] in " \t" or _is_adornment(title):
        return False
    return len(line) >= min(len(title.rstrip()), 4) and len(line) >= _MIN_ADORNMENT


def _is_adornment(line: str) -> bool:
    return bool(_ADORNMENT.match(line)) and len(line.rstrip()) >= 2


def _title(fields: tuple[Field, ...], marks: tuple[Mark, ...]) -> str:
    title, number = value_of(fields, "title"), value_of(fields, "pep")
    if number is not None and title is not None:
        return f"PEP {number} – {title}"
    return title or (marks[0].label if marks else "")
