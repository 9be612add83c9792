"""What a document says of itself at its top: `Author:` lines, YAML front matter, dates.

Rule: a field's span is exact: text[start:end] is the whole entry as printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from ingest.types import Field

_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9_ -]{0,39}):(?:[ \t]+|(?=\n)|$)(.*)")
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_MIN_ENTRIES = 2  # one `Note: …` line is prose
_MAX_LINES = 80
_DATE_FIELDS = ("created", "date", "published", "updated", "last-modified", "modified")
_MONTHS = {
    name: i
    for i, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})[-\s./]+([A-Za-z]{3})[a-z]*\.?[-\s./,]+(\d{4})\b")
_MONTH_FIRST = re.compile(r"\b([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b")


def header_fields(text: str) -> tuple[Field, ...]:
    """The fields of the block of `Name: value` lines, or of the front matter, that begins the text.

    Indented lines continue the entry above them. Empty if the text begins otherwise.
    """
    front = _FRONT.match(text)
    if front is not None:
        return _entries(text, front.start(1), front.end(1))
    start = len(text) - len(text.lstrip("\n"))
    found = _entries(text, start, len(text))
    return found if len(found) >= _MIN_ENTRIES else ()


def front_matter_end(text: str) -> int:
    """Where the text behind the front matter begins; 0 if there is none."""
    front = _FRONT.match(text)
    return 0 if front is None else front.end()


def value_of(fields: Sequence[Field], *names: str) -> str | None:
    """The value of the first field that has one of the names, in order of the names."""
    for name in names:
        for field in fields:
            if field.name == name and field.value:
                return field.value
    return None


def date_of(fields: Sequence[Field]) -> date | None:
    """The date a document bears by its own header."""
    for name in _DATE_FIELDS:
        value = value_of(fields, name)
        found = None if value is None else parse_date(value)
        if found is not None:
            return found
    return None


def parse_date(text: str) -> date | None:
    """The first date in `text`: 2018-02-28, 28-Feb-2018, 28 February 2018, February 28, 2018; else None."""
    iso = _ISO.search(text)
    if iso is not None:
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    day_first = _DAY_FIRST.search(text)
    if day_first is not None and day_first[2].lower() in _MONTHS:
        return _date(int(day_first[3]), _MONTHS[day_first[2].lower()], int(day_first[1]))
    month_first = _MONTH_FIRST.search(text)
    if month_first is not None and month_first[1].lower() in _MONTHS:
        return _date(int(month_first[3]), _MONTHS[month_first[1].lower()], int(month_first[2]))
    return None


def property_field(name: str, value: object) -> Field | None:
    """A field that stands outside the text (Office and PDF properties); None for an empty value."""
    if isinstance(value, datetime):
        value = value.date().isoformat()
    shown = " ".join(str(value or "").split())
    return Field(name, shown, None, None) if shown else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _entries(text: str, start: int, end: int) -> tuple[Field, ...]:
    fields: list[Field] = []
    at = start
    for _ in range(_MAX_LINES):
        if at >= end:
            break
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop]
        if fields and line[:1] in " \t" and line.strip():
            last = fields[-1]
            value = f"{last.value} {line.strip()}".strip()
            assert last.start is not None
            fields[-1] = Field(last.name, value, last.start, at + len(line.rstrip()))
        else:
            entry = _ENTRY.fullmatch(line)
            if entry is None:
                if line.strip() or not fields:
                    break
                if not _is_front(text, start):
                    break  # a blank line ends the block
                at = stop + 1
                continue
            name = re.sub(r"[\s_]+", "-", entry[1].strip().lower())
            fields.append(Field(name, _unquoted(entry[2].strip()), at, at + len(line.rstrip())))
        at = stop + 1
    return tuple(fields)


def _is_front(text: str, start: int) -> bool:
    return start > 0 and text.startswith("---")


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
