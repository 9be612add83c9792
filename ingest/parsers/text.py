"""Plain text, as it stands; a block of `Name: value` lines at its top is its header.

A header that says the text is reStructuredText (`Content-Type: text/x-rst`, older PEPs) is believed.
"""

from __future__ import annotations

from ingest.decode import decode
from ingest.header import date_of, header_fields, title_of, value_of
from ingest.limits import Limits
from ingest.parsers.restructured import sections
from ingest.types import Document

NAME = "text"
VERSION = 2


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, without marks unless its header tells of markup."""
    text = decode(data)
    fields = header_fields(text)
    is_markup = (value_of(fields, "content-type") or "").startswith("text/x-rst")
    return Document(
        text=text,
        title=title_of(fields) or value_of(fields, "subject") or "",
        dated=date_of(fields),
        fields=fields,
        marks=tuple(sections(text)) if is_markup else (),
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )
