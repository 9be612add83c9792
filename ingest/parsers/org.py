"""Org files, as they stand: headings as marks, `#+TITLE:` and the like and the file's own properties as fields.

Rule: a heading is a line that begins with stars, outside `#+begin_…` blocks. Its label is what a reader takes for the
heading: without the state, the priority, the tags and the marks of emphasis and links.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, value_of
from ingest.limits import Limits
from ingest.types import Document, Field, Mark, MarkKind

NAME = "org"
VERSION = 1

_HEADING = re.compile(r"^(\*+)[ \t]+(\S[^\n]*)$", re.MULTILINE)
_BLOCK = re.compile(r"^[ \t]*#\+(begin|end)(?:_(\S+)|:)", re.MULTILINE | re.IGNORECASE)
_SETTING = re.compile(r"^[ \t]*(#\+([A-Za-z_]+):[ \t]*(\S[^\n]*))$", re.MULTILINE)
_DRAWER = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*:PROPERTIES:[ \t]*\n", re.IGNORECASE)
_PROPERTY = re.compile(r"[ \t]*(:([\w-]+)\+?:(?:[ \t]+(\S[^\n]*)|[ \t]*))(?:\n|\Z)")
_STATES = re.compile(r"^[ \t]*#\+(?:SEQ_TODO|TYP_TODO|TODO):([^\n]*)", re.MULTILINE | re.IGNORECASE)
_USUAL_STATES = frozenset("TODO DONE NEXT STARTED WAITING WAIT HOLD SOMEDAY CANCELLED CANCELED".split())
_FIELDS = frozenset("title subtitle author email date description keywords filetags category language".split())
_TAGS = re.compile(r":(?:[\w@#%]+:)+")
_BEFORE = re.compile(r"(?:COMMENT(?:[ \t]+|$))?(?:\[#[A-Za-z0-9]{1,2}\][ \t]*)?(?:COMMENT(?:[ \t]+|$))?")
_COOKIE = re.compile(r"\[\d*(?:%|/\d*)\]")
_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]")
_NOTE = re.compile(r"\[fn:[^\[\]]*\]")
_EMPHASIS = re.compile(r"(?<![^\s\-({'\"])([*/_=~+])(\S|\S[^\n]{0,200}?\S)\1(?![^\s\-.,:!?;'\")}\[])")
_STAMP = re.compile(r"[<\[](\d{4}-\d\d-\d\d[^<>\[\]\n]*)[>\]]")


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, with its headings as marks."""
    text = decode(data)
    marks = tuple(headings(text))
    top = marks[0].start if marks else len(text)
    fields = tuple(sorted([*_settings(text, top), *_properties(text)], key=lambda field: field.start or 0))
    titles = [field.value for field in fields if field.name == "title"]  # a long one is written in several
    return Document(
        text=text,
        title=plain(" ".join(titles)) or next((mark.label for mark in marks if mark.level == 1), ""),
        dated=date_of(fields) if value_of(fields, "date", "created") else None,
        fields=fields,
        marks=marks,
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def headings(text: str) -> Iterator[Mark]:
    """The headings in order; none without words."""
    states = set(_USUAL_STATES)
    for line in _STATES.findall(text):
        states.update(state.partition("(")[0] for state in line.replace("|", " ").split())
    blocks = list(_blocks(text))
    starts = [start for start, _ in blocks]
    for found in _HEADING.finditer(text):
        block = bisect_right(starts, found.start()) - 1
        if block >= 0 and found.start() < blocks[block][1]:
            continue
        words = found[2].rstrip()
        last = re.split(r"[ \t]", words)[-1]
        if _TAGS.fullmatch(last):
            words = words[: -len(last)].rstrip()
        state, _, rest = words.partition(" ")
        if state in states:
            words = rest.lstrip() or words
        label = plain(_BEFORE.sub("", words, count=1))
        if label:
            yield Mark(found.start(), MarkKind.HEADING, label, len(found[1]))


def plain(markup: str) -> str:
    """A heading's words without cookies, notes, emphasis and what links lead to."""
    text = _LINK.sub(lambda found: found[2] or found[1], _NOTE.sub("", _COOKIE.sub("", markup)))
    return " ".join(_EMPHASIS.sub(lambda found: found[2], text).split())


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the blocks, in order. One that has no end, or begins again before it, is none."""
    begun: dict[str, int] = {}
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for found in _BLOCK.finditer(text):
        kind = (found[2] or "").lower()
        if found[1].lower() == "begin":
            begun[kind] = found.start()
        elif kind in begun:
            spans[kind].append((begun.pop(kind), found.end()))
    last = 0
    for start, end in sorted(span for row in spans.values() for span in row):
        if start >= last:  # one in another is hidden with it
            yield start, end
            last = end


def _settings(text: str, top: int) -> Iterator[Field]:
    """`#+TITLE:` and the like above the first heading, which ends at `top`."""
    for found in _SETTING.finditer(text, 0, top):
        if found[2].lower() in _FIELDS:
            yield _field(text, found[2], found[3], found.start(1), found.end(1))


def _properties(text: str) -> Iterator[Field]:
    """The entries of the drawer that the file begins with."""
    drawer = _DRAWER.match(text)
    at = drawer.end() if drawer is not None else len(text)
    while (entry := _PROPERTY.match(text, at)) is not None and entry[2].upper() != "END":
        if entry[3]:
            yield _field(text, entry[2], entry[3], entry.start(1), entry.end(1))
        at = entry.end()


def _field(text: str, name: str, value: str, start: int, end: int) -> Field:
    end = start + len(text[start:end].rstrip())
    shown = _STAMP.sub(lambda found: found[1], value).rstrip()
    return Field(name.lower().replace("_", "-"), " ".join(shown.split()), start, end)
