"""Plain text, as it stands; a block of `Name: value` lines at its top is its header."""

from __future__ import annotations

from ingest.decode import decode
from ingest.header import date_of, header_fields, value_of
from ingest.types import Document

NAME = "text"
VERSION = 1


def parse(data: bytes, *, name: str) -> Document:
    """The text itself, without marks."""
    text = decode(data)
    fields = header_fields(text)
    return Document(
        text=text,
        title=value_of(fields, "title", "subject") or "",
        dated=date_of(fields),
        fields=fields,
        marks=(),
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )
