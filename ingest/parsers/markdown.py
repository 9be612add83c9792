"""Markdown, as it stands: headings as CommonMark has them, front matter as fields.

Most files hold only `#` headings and code fences at the start of a line: these are read by lines, some twenty-five
times as fast. Anything that may hide a heading or is one (underlines, HTML, indented fences) goes to markdown-it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, front_matter_end, header_fields, title_of
from ingest.limits import Limits
from ingest.types import Document, Mark, MarkKind

NAME = "markdown"
VERSION = 2

_LINE = re.compile(
    r"^(?:(?P<hashes>#{1,6})(?=[ \t]|$)(?P<label>[^\n]*)|(?P<fence>```+(?=[^`\n]*$)|~~~+)"
    r"|(?P<odd> {1,3}(?:#|```|~~~)| {0,3}<[A-Za-z/!?]|(?<=[^\n]\n) {0,3}(?:=+|-+)[ \t]*$))",
    re.MULTILINE,
)
MAX_LABEL_CHARS = 1_000  # of a heading's line; the patterns below take time with the square of what they are given
_CLOSING = re.compile(r"(?:^|[ \t]+)#+$")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`~]+|<[^>]+>|\s+#+\s*$")


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, with its headings as marks."""
    text = decode(data)
    fields = header_fields(text)
    marks = tuple(headings(text, front_matter_end(text)))
    first = next((mark.label for mark in marks if mark.level == 1), "")
    return Document(
        text=text,
        title=title_of(fields) or first,
        dated=date_of(fields),
        fields=fields,
        marks=marks,
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def headings(text: str, offset: int = 0) -> Iterator[Mark]:
    """The headings of the Markdown that begins at `offset`, in order; none inside code, lists and quotations."""
    found = _by_lines(text[offset:])
    for start, label, level in _by_blocks(text[offset:]) if found is None else found:
        words = plain(label)
        if words:
            yield Mark(offset + start, MarkKind.HEADING, words, level)


_Heading = tuple[int, str, int]  # start, content, level


def _by_lines(text: str) -> list[_Heading] | None:
    """The `#` headings outside fences; None if that would not tell all."""
    found: list[_Heading] = []
    at = 0
    while (line := _LINE.search(text, at)) is not None:
        if line["odd"] is not None:
            return None
        at = line.end()
        if line["fence"] is None:
            found.append((line.start(), _CLOSING.sub("", line["label"].strip()[:MAX_LABEL_CHARS]), len(line["hashes"])))
            continue
        close = re.compile(rf"^ {{0,3}}{line['fence']}{line['fence'][0]}*[ \t]*$", re.MULTILINE).search(text, at)
        if close is None:
            return found
        at = close.end()
    return found


def _by_blocks(text: str) -> Iterator[_Heading]:
    """The headings markdown-it finds."""
    from markdown_it import MarkdownIt

    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    # Blocks alone: the inline rules cost most of the time and are not needed.
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and token.map is not None and token.level == 0:
            yield starts[token.map[0]], tokens[i + 1].content, int(token.tag[1:])


def plain(markup: str) -> str:
    """A heading's words without emphasis, links and code marks."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or "", markup.strip()[:MAX_LABEL_CHARS]).split())
