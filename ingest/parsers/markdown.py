"""Markdown, as it stands: headings by markdown-it (CommonMark), front matter as fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, front_matter_end, header_fields, title_of
from ingest.types import Document, Mark, MarkKind

NAME = "markdown"
VERSION = 2

_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`~]+|<[^>]+>|\s+#+\s*$")


def parse(data: bytes, *, name: str) -> Document:
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
    """The headings of the Markdown that begins at `offset`, in order; none inside code."""
    if "\n#" not in f"\n{text}" and not re.search(r"^(?:=+|-+)[ \t]*$", text, re.MULTILINE):
        return
    from markdown_it import MarkdownIt

    starts = [offset]  # of lines; markdown-it counts them from `offset`
    for found in re.finditer("\n", text[offset:]):
        starts.append(offset + found.end())
    # Blocks alone: the inline rules cost most of the time and are not needed.
    tokens = MarkdownIt("commonmark").disable("inline").parse(text[offset:])
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and token.map is not None and token.level == 0:
            label = plain(tokens[i + 1].content)
            if label:
                yield Mark(starts[token.map[0]], MarkKind.HEADING, label, int(token.tag[1:]))


def plain(markup: str) -> str:
    """A heading's words without emphasis, links and code marks."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or "", markup).split())
