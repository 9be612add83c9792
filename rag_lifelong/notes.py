"""Notes as text: one Markdown page a day, each note under a heading with its time.

Rule: pure. What the user wrote stays as it is, line by line, and can neither begin a page nor swallow the notes after
it. A page that another program has written is added to in its own encoding and with its own newlines.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime

from ingest import decode
from ingest.header import front_matter_end
from ingest.parsers.markdown import headings
from rag_lifelong.errors import NoteUnusable

NOTE_CHARS = 100_000  # about 50 printed pages: what is longer is a file of its own

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),  # before UTF-16: it begins with the same two bytes
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TICKS = re.compile("`{3,}")
_PROBE = "\n\n## the next note\n"


@dataclass(frozen=True, slots=True)
class Page:
    """A file's text with its own newlines. mark: its byte-order mark."""

    text: str
    mark: bytes
    encoding: str
    newline: str

    def to_bytes(self, text: str) -> bytes:
        """The file with another text, written as this one is."""
        return self.mark + text.encode(self.encoding)

    def in_newlines(self, text: str) -> str:
        """A text with "\\n" newlines, with those of the page."""
        return text.replace("\n", self.newline)


EMPTY = Page("", b"", "utf-8", "\n")


def page_of(data: bytes) -> Page | None:
    """The page in a file; None if what it holds cannot be added to without guessing its encoding."""
    mark, encoding = next(((mark, name) for mark, name in _ENCODINGS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding) if encoding else "\x00"
    except UnicodeDecodeError:
        return None
    if "\x00" in text:
        return None
    windows = text.count("\r\n")
    return Page(text, mark, encoding, "\r\n" if windows and 2 * windows >= text.count("\n") else "\n")


def name_of(day: date, number: int) -> str:
    """The file of a day; number: 1, or more where the files before it are not to be written to."""
    return f"{day.isoformat()}{'' if number == 1 else f'-{number}'}.md"


def clean(text: str) -> str:
    """`text` without control characters and without blank lines around it, newlines "\\n". Raises NoteUnusable."""
    if len(text) > NOTE_CHARS:
        raise NoteUnusable(
            f"a note of {len(text):,} characters; the limit is {NOTE_CHARS:,}: keep it as a file, and lifelong add FILE"
        )
    plain = decode.clean(text).removeprefix("\ufeff")
    plain = "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) != "Cc")
    plain = plain.strip("\n").rstrip()
    if not plain.strip():
        raise NoteUnusable("there is nothing to remember in an empty note")
    return plain


def addition(page: Page, text: str, at: datetime) -> str | None:
    """What is to be appended to the page for a note; None if the page, as it ends, would swallow it.

    text: cleaned. at: local time. A note that would swallow what follows stands in a fence of its own.
    """
    heading = f"## {at:%H:%M}\n\n"
    before = _begun(page, at.date())
    known = decode.clean(page.text) + before
    at_heading = len(known)
    for body in (text, _fenced(text)):
        found = f"{known}{heading}{body}\n"
        starts = {mark.start for mark in headings(found + _PROBE, front_matter_end(found))}
        if at_heading not in starts:
            return None
        if len(found) + 2 in starts:
            return page.in_newlines(f"{before}{heading}{body}\n")
    return None


def _begun(page: Page, day: date) -> str:
    """What stands before the first heading of ours."""
    if not page.text.strip():
        return f"---\ndate: {day.isoformat()}\n---\n\n# Notes of {day.isoformat()}\n\n"
    return "\n" if page.text.endswith("\n") else "\n\n"


def _fenced(text: str) -> str:
    ticks = max((len(run) for run in _TICKS.findall(text)), default=2) + 1
    return f"{'`' * ticks}\n{text}\n{'`' * ticks}"
