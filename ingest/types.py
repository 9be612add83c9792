"""What flows out of `ingest`: documents with marks, and chunks.

Rule: values only, frozen and without identity. Offsets count characters of
`Document.text`; spans are half open, [start, end).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum


class MarkKind(Enum):
    """What a mark names: a flat part of a file, or a level of its outline."""

    PAGE = "page"  # label is the page number, "3"
    CELL = "cell"  # label is the cell number, "7"
    SLIDE = "slide"  # label is the slide number, "12"
    SHEET = "sheet"  # label is the sheet's name; stands above the headings in it
    ROW = "row"  # label is the number of a sheet's row, of a file's record or message: "12"
    TIME = "time"  # label is when it is said: "0:12:05"
    HEADING = "heading"  # label is the heading's text; nests by `level`
    SYMBOL = "symbol"  # label is a class or function, "parse"; nests by `level`


@dataclass(frozen=True, slots=True)
class Mark:
    """A place name that holds from `start` to the next mark that ends it.

    level: 0 for the flat kinds: page, slide, cell and sheet, each ended by the next of these, and within one the fine
    kinds, row and time, each ended by the next flat mark; 1, 2, … for headings and symbols, ended by the next of the
    same or a lower level, or by a slide or a sheet.
    """

    start: int
    kind: MarkKind
    label: str
    level: int


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a document's own header: front matter, `Author:` lines, file properties.

    name: lower case, words joined by "-" ("author", "python-version").
    start, end: the span in `Document.text` of the whole entry (name and value, as printed),
    or None where the entry stands outside the text (Office and PDF properties).
    """

    name: str
    value: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a file: an attachment, a message of a mailbox, a file of an archive.

    name: relative, parts between "/", unique in its file, without "..", "." and empty parts.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A file parsed to text.

    text: newlines are "\\n", no NUL, no lone surrogates.
    title: the document's own title, or "" if it has none.
    dated: the date the document itself bears (header, front matter, properties), if any.
    marks: ordered by `start`.
    is_source: the text is the file's own text, so that its line numbers are the file's.
    members: the files in it, each to become a document of its own.
    """

    text: str
    title: str
    dated: date | None
    fields: tuple[Field, ...]
    marks: tuple[Mark, ...]
    is_source: bool
    parser: str
    parser_version: int
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a document: `document.text[start:end] == text`, always.

    context: what is put before the text when it is embedded and indexed by words: the title
    and the headings above it; never a path, a page or a line, which change without the words.
    label: where it stands, for people: "p. 3", "Rationale > Syntax", "cell 7".
    page: the page, slide or cell number it starts on, where the format has such.
    """

    start: int
    end: int
    text: str
    context: str
    label: str
    page: int | None
