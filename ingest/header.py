"""What a document says of itself at its top: `Author:` lines, reStructuredText's `:Author:` lines, YAML front matter.

Rule: a field's span is exact: text[start:end] is the whole entry as printed, name and value, without the newline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from ingest.types import Field

_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+){0,3}):(?:[ \t]+(.*)|)")
_DOCINFO = re.compile(r":([A-Za-z][^:`\n]{0,39}):(?:[ \t]+(.*)|)")
_FRONT = re.compile(
    r"\A---[ \t]*\n(?=(?:[ \t]*(?:#[^\n]*)?\n)*[^\n:]{1,60}:(?:[ \t]|\n))(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
_FRONT_KEY = re.compile(r"""(['"]?)([A-Za-z_][\w .-]{0,59})\1[ \t]*:(?:[ \t]+(.*)|[ \t]*)""")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_ITEM = re.compile(r"-[ \t]+")
_MAX_LINES = 200

# One such line is a header; of other names there must be two, and a blank line behind them.
_KNOWN = frozenset(
    "pep title subtitle author authors date created updated modified last-modified published version status "
    "subject from to keywords tags category summary description copyright license revision contact "
    "organization".split()
)
_MAX_PROSE_CHARS = 120  # a single `Date: …` line longer than this is prose
_DATE_FIELDS = ("created", "date", "published", "pubdate", "updated", "last-modified", "modified", "lastmod")

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<{}>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_DATE = re.compile(
    r"(?<!\d)(?:(?P<y1>\d{4})(?P<sep>[-/.])(?P<m1>\d{1,2})(?P=sep)(?P<d1>\d{1,2})"
    rf"|(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?[-\s./]+(?:of\s+)?{_MONTH.format('m2')}\.?[-\s./,]+(?P<y2>\d{{4}})"
    rf"|(?<![A-Za-z]){_MONTH.format('m3')}\.?\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y3>\d{{4}})"
    r"|(?P<d4>\d{1,2})\.\s?(?P<m4>\d{1,2})\.\s?(?P<y4>\d{4}))(?!\d)",
    re.IGNORECASE,
)


def header_fields(text: str, start: int = 0) -> tuple[Field, ...]:
    """The fields of the front matter, or of the block of `Name: value` lines, that begins at `start`; else none.

    Indented lines continue the entry above them. Blank lines before the block are passed over.
    """
    front = _FRONT.match(text) if start == 0 else None
    if front is not None:
        return _front_fields(text, front.start(1), front.end(1))
    while start < len(text) and text[start] == "\n":
        start += 1
    fields, ends_blank = _block_fields(text, start)
    names = [field.name for field in fields]
    known = not _KNOWN.isdisjoint(names)
    if len(fields) == 1:
        return fields if known and ends_blank and len(fields[0].value) <= _MAX_PROSE_CHARS else ()
    return fields if known or (ends_blank and len(set(names)) == len(names)) else ()  # a dialogue repeats its names


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


def title_of(fields: Sequence[Field]) -> str:
    """The title a document bears by its own header, "" if it has none: "PEP 572 – Assignment Expressions"."""
    title = value_of(fields, "title") or ""
    number = value_of(fields, "pep")
    return f"PEP {number} – {title}" if title and number is not None else title


def date_of(fields: Sequence[Field]) -> date | None:
    """The date a document bears by its own header: when it was created before when it was changed."""
    for name in _DATE_FIELDS:
        value = value_of(fields, name)
        found = None if value is None else parse_date(value)
        if found is not None:
            return found
    return None


def newest_date(fields: Iterable[tuple[str, str]]) -> date | None:
    """The newest date among a header's (name, value): created, published, updated, …"""
    found = (parse_date(value) for name, value in fields if name in _DATE_FIELDS)
    return max((day for day in found if day is not None), default=None)


def parse_date(text: str) -> date | None:
    """The first date in `text`, or None: 2018-02-28, 28-Feb-2018, 28 February 2018, February 28, 2018, 28.2.2018.

    Numbers with slashes count only when the year is first: 02/03/2018 is two dates.
    """
    for found in _DATE.finditer(text):
        year, month, day = (next(v for n in "1234" if (v := found.groupdict().get(part + n))) for part in "ymd")
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
        try:
            return date(int(year), number, int(day))
        except ValueError:
            continue
    return None


def property_field(name: str, value: object) -> Field | None:
    """A field that stands outside the text (Office and PDF properties); None for an empty value."""
    if isinstance(value, datetime):
        value = value.date().isoformat()
    shown = " ".join(str(value or "").split())
    return Field(name, shown, None, None) if shown else None


def _one_line(value: str) -> str:
    """Vertical tabs and Unicode's line ends end no line of a file, and may stand in a value."""
    return " ".join(value.splitlines()).strip()


def _name(printed: str) -> str:
    return re.sub(r"[\s_.-]+", "-", printed.strip().lower())


def _block_fields(text: str, start: int) -> tuple[tuple[Field, ...], bool]:
    """The fields of the lines from `start`, and whether a blank line or the end of the text follows them."""
    fields: list[Field] = []
    at = start
    pattern = _DOCINFO if text.startswith(":", start) else _ENTRY
    for _ in range(_MAX_LINES):
        if at >= len(text):
            return tuple(fields), True
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        line = text[at:stop].rstrip()
        if not line:
            return tuple(fields), True
        end = at + len(line)
        entry = pattern.fullmatch(line)
        if fields and line[0] in " \t":
            last = fields[-1]
            fields[-1] = Field(last.name, _one_line(f"{last.value} {line.strip()}"), last.start, end)
        elif entry is not None:
            fields.append(Field(_name(entry[1]), _one_line(entry[2] or ""), at, end))
        else:
            break
        at = stop + 1
    return tuple(fields), False


def _front_fields(text: str, start: int, end: int) -> tuple[Field, ...]:
    """The top entries of YAML between `start` and `end`; lists and blocks become one line."""
    entries: list[tuple[str, list[str], int, int]] = []  # name, lines of the value, start, end
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop].rstrip()
        entry = _FRONT_KEY.fullmatch(line)
        if entry is not None:
            entries.append((_name(entry[2]), [entry[3] or ""], at, at + len(line)))
        elif entries and line and (line[0] in " \t" or _ITEM.match(line)):
            name, lines, first, _ = entries[-1]
            entries[-1] = (name, [*lines, line.strip()], first, at + len(line))
        at = stop + 1
    return tuple(Field(name, _one_line(_yaml_value(lines)), first, last) for name, lines, first, last in entries)


def _yaml_value(lines: Sequence[str]) -> str:
    """A scalar without its quotes and comment; the items of a list with commas between them."""
    first = _scalar(lines[0])
    rest = [_scalar(line) for line in lines[1:]]
    if not first and rest and all(_ITEM.match(line) for line in lines[1:]):
        return ", ".join(_scalar(_ITEM.sub("", line, count=1)) for line in lines[1:])
    if first.startswith("[") and first.endswith("]"):
        return ", ".join(item for part in first[1:-1].split(",") if (item := _scalar(part)))
    if first[:1] in ("|", ">") and len(first) <= 2:
        first = ""
    return " ".join(part for part in (first, *rest) if part)


def _scalar(text: str) -> str:
    text = text.strip()
    if text[:1] in ("'", '"'):
        close = text.rfind(text[0])
        if close > 0 and _COMMENT.fullmatch(text[close + 1 :] or " #"):
            return text[1:close]
    return _COMMENT.sub("", text).strip()
