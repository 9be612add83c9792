"""YAML, as it stands: its top keys as headings, the items of a list or the documents of a stream as rows.

Rule: only the events of a parser are looked at; no object is made, no alias followed, so that a file that would unfold
without end costs nothing. Where the syntax breaks (a template, half a file) the marks end; the text does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.decode import clean, decode
from ingest.definitions import block_start
from ingest.limits import Limits
from ingest.markup.outline import LEVELS, KeyHeadings
from ingest.types import Document, Mark, MarkKind

NAME = "yaml"
VERSION = 1

_COMMENT = re.compile(r"[ \t]*#")
_TITLE = re.compile(
    r"""(?:^|(?<=\n))title:[ \t]+(?:"([^"\n]{1,200})"|'([^'\n]{1,200})'|([^"'>|&*!#\s][^\n#]{0,200}))"""
)
_MAX_TITLE_AT = 5_000


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself; no bytes are the text ""."""
    text = decode(data)
    title = _TITLE.search(text, 0, _MAX_TITLE_AT)
    return Document(
        text=text,
        title="" if title is None else " ".join((title[1] or title[2] or title[3]).split()),
        dated=None,
        fields=(),
        marks=tuple(sorted(_marks(text), key=lambda mark: (mark.start, mark.level))),
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def _marks(text: str) -> Iterator[Mark]:
    import yaml

    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    reader = _Reader(text)
    try:
        for event in events:
            yield from reader.read(type(event).__name__, event.start_mark.index, getattr(event, "value", ""))
    except yaml.YAMLError:
        return


@dataclass(slots=True)
class _Open:
    """A mapping or a list that is not yet ended. is_key: of a mapping, whether a key comes next; key: the last one."""

    is_mapping: bool
    is_key: bool
    key: tuple[int, str] | None


class _Reader:
    """Where the events stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []  # the outermost first
        self._headings = KeyHeadings()
        self._documents = 0
        self._items = 0
        self._last = 0

    def read(self, kind: str, at: int, value: str) -> Iterator[Mark]:
        """The marks that an event of that kind brings."""
        if kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                self._headings.go_on()
                if self._documents == 2:
                    yield Mark(0, MarkKind.ROW, "1", 0)
                yield self._mark(at, MarkKind.ROW, str(self._documents))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._open.pop()
        elif kind in ("ScalarEvent", "AliasEvent"):
            yield from self._node(at, value, is_large=False)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            yield from self._node(at, "", is_large=True)
            is_mapping = kind == "MappingStartEvent"
            self._open.append(_Open(is_mapping, is_mapping, None))

    def _node(self, at: int, value: str, *, is_large: bool) -> Iterator[Mark]:
        if not self._open:
            return
        holder = self._open[-1]
        if not holder.is_mapping:
            if len(self._open) == 1 and self._documents == 1:
                self._items += 1
                if is_large:
                    yield self._mark(at, MarkKind.ROW, str(self._items))
        elif holder.is_key:
            holder.key = None if is_large else (at, clean(value))
            holder.is_key = False
        else:
            holder.is_key = True
            if holder.key is not None and len(self._open) <= LEVELS and all(one.is_mapping for one in self._open):
                mark = self._headings.add(*holder.key, len(self._open), is_large=is_large)
                if mark is not None:
                    yield self._mark(mark.start, mark.kind, mark.label, mark.level)

    def _mark(self, at: int, kind: MarkKind, label: str, level: int = 0) -> Mark:
        """From the beginning of its line, with the comments above it."""
        line = self._text.rfind("\n", 0, at) + 1
        if not self._text[line:at].strip("- \t?"):
            at = block_start(self._text, line, self._last, _COMMENT)
        self._last = at = max(at, self._last)
        return Mark(at, kind, label, level)
