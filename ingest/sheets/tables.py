"""Rows of cells → text: a row a line, with its column's name before each value where header rows are recognised.

Rule: no word is lost, whatever is recognised. Several tables may stand below one another, apart by empty rows; each is
judged by its first rows alone, so that a table of any length is written as it comes. A header is a row of names above
values of another kind (numbers, dates, yes and no), or, where all is text, a full row of short distinct names. Where
that is in doubt there is no header: a wrong name before a value misleads, a missing one does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ingest.errors import TooLarge
from ingest.types import Mark, MarkKind

_SAMPLE_ROWS = 30  # of a table, by which it is judged
_MAX_HEADER_ROWS = 3
_MAX_LABEL_CHARS = 100  # annual reports have names of 75
_MAX_WORD_CHARS = 40  # of a name in a table of text only
_MIN_VALUE_SHARE = 0.6  # of a column of values; the others are remarks such as "none"
_MIN_TEXT_ROWS = 2  # below the header of a table of text only

_NUMBER = re.compile(
    r"[(+\-−–]?\s?[$€£¥₹]?\s?[+\-−]?\d[\d.,'’ \u00a0\u202f]*(?:[eE][+-]?\d+)?\)?\s?(?:%|‰|[$€£¥₹]|[A-Z]{3})?"
)
_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:[ T]\d\d?:\d\d.*)?|\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d\d)|\d{1,2}:\d\d(?::\d\d.*)?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_CHOICES = frozenset(["true", "false", "yes", "no"])
_NOTHING = frozenset(["-", "–", "—", "--", "n/a", "na", "null", "none", "nan", "#n/a", "?", "x", "..."])

Row = tuple[int, Sequence[str]]
"""A row's number, as its program shows it, and its cells; one without any text is empty."""


def write(rows: Iterable[Row], *, start: int, max_chars: int) -> tuple[str, list[Mark]]:
    """The rows' text and a ROW mark for each; `start` is where it will begin in the document.

    "Name: value | Name: value" below a header, else "value | value"; empty cells and rows are left out, tables are
    apart by an empty line. Header rows are lines of their own. Linear in the cells; keeps no row but the text.
    Raises TooLarge as soon as the text has more than `max_chars`.
    """
    writer = _Writer(start, max_chars)
    sample: list[Row] = []
    is_judged = False
    gap = 0
    for number, cells in rows:
        row = number, [cell if cell.isalnum() else " ".join(cell.split()) for cell in cells]
        if not any(row[1]):
            if gap == 0 and not is_judged:
                writer.begin(sample)
            sample, is_judged = [], False
            gap += 1
        else:
            if gap:
                writer.leave(gap)
                gap = 0
            if is_judged:
                writer.add(row)
                continue
            sample.append(row)
            if len(sample) == _SAMPLE_ROWS:
                writer.begin(sample)
                sample, is_judged = [], True
    writer.begin(sample)
    return "".join(writer.parts), writer.marks


class _Writer:
    """The text so far, and the names of the columns of the table it is at."""

    def __init__(self, start: int, max_chars: int) -> None:
        self.parts: list[str] = []
        self.marks: list[Mark] = []
        self._at = start
        self._end = start + max_chars
        self._labels: dict[int, str] = {}
        self._values: frozenset[int] | None = frozenset()  # the columns of values below the names; None: none yet
        self._is_apart = False

    def leave(self, gap: int) -> None:
        """The table ended; `gap` empty rows follow. Only over one do its names reach to the next."""
        self._is_apart = True
        if gap > 1:
            self._labels = {}

    def begin(self, sample: Sequence[Row]) -> None:
        """Writes a table's first rows, and takes the names of its columns from them."""
        if not sample:
            return
        cells = [row for _, row in sample]
        titles = _title_rows(cells)
        headers, labels, values = _header(cells[titles:])
        if headers:
            self._labels, self._values = labels, values
        elif not self._goes_on(cells):
            self._labels = {}
        else:
            self._values = self._values if self._values is not None else _value_columns(cells)
        plain = titles + headers if headers else len(sample) if not self._labels else 0
        for row in sample[:plain]:
            self._line(row[0], " | ".join(filter(None, row[1])))
        for row in sample[plain:]:
            self.add(row)

    def add(self, row: Row) -> None:
        """Writes one more row of the table."""
        labels = self._labels
        if not labels or (len(labels) > 2 and row[1][0] and not any(row[1][1:])):  # a part's name, or a remark
            self._line(row[0], " | ".join(filter(None, row[1])))
            return
        found = [
            f"{labels[i]}: {cell}" if i in labels and labels[i] != cell else cell
            for i, cell in enumerate(row[1])
            if cell
        ]
        self._line(row[0], " | ".join(found))

    def _goes_on(self, cells: Sequence[Sequence[str]]) -> bool:
        """Whether rows without a header, behind an empty row, belong to the table above it."""
        used = _used(cells)
        if not self._labels or len(used) < 2 or not used <= self._labels.keys():
            return False
        values = _value_columns(cells)
        return bool(values) if self._values is None else bool(values) and values <= self._values

    def _line(self, number: int, line: str) -> None:
        if self.parts:
            self.parts.append("\n\n" if self._is_apart else "\n")
            self._at += len(self.parts[-1])
        self._is_apart = False
        self.marks.append(Mark(self._at, MarkKind.ROW, str(number), 0))
        self.parts.append(line)
        self._at += len(line)
        if self._at > self._end:
            raise TooLarge(f"over {self._end / 1e6:.0f} million characters of text, the limit: split the file")


def _title_rows(cells: Sequence[Sequence[str]]) -> int:
    """How many rows of one cell stand above a table of several columns."""
    counts = [sum(map(bool, row)) for row in cells]
    return next((i for i, count in enumerate(counts) if count > 1), 0)


def _header(cells: Sequence[Sequence[str]]) -> tuple[int, dict[int, str], frozenset[int] | None]:
    """How many of the rows are header rows, the names of the columns, and which hold values (None: no rows below)."""
    count = _label_rows(cells)
    if count == 0:
        return 0, {}, None
    used = _used(cells)
    if count == len(cells) <= _MAX_HEADER_ROWS and not _is_worded(cells):
        if len(used) < 2 or (count == 1 and len(used) < 3) or any(_is_point(cell) for row in cells for cell in row):
            return 0, {}, None
        return count, _joined(cells), None  # its values stand behind an empty row, or nowhere
    if count <= _MAX_HEADER_ROWS and count < len(cells):
        body = cells[count:]
        values = _value_columns(body)
        rows = count if _fills_gaps(cells[:count]) else 1
        labels = _joined(cells[:rows])
        named = len(labels.keys() & used)
        if values & labels.keys() and 2 * named >= len(used) and not _is_timeline_of(cells[:rows], cells[rows:]):
            return rows, labels, values
    if _is_worded(cells):
        return 1, _joined(cells[:1]), _value_columns(cells[1:])
    return 0, {}, None


def _label_rows(cells: Sequence[Sequence[str]]) -> int:
    """How many rows from the first on hold nothing but names."""
    return next((i for i, row in enumerate(cells) if not _is_label_row(row)), len(cells))


def _is_label_row(row: Sequence[str]) -> bool:
    """Names only, or names and a line of years or dates in order."""
    filled = [cell for cell in row if cell]
    points = [cell for cell in filled if _is_point(cell)]
    if points:
        rises, falls = (all(f(a, b) for a, b in pairwise(points)) for f in (str.__lt__, str.__gt__))
        if len(points) < 2 or not (rises or falls) or row[0] in points:
            return False
    return all(cell in points or _is_label(cell) for cell in filled)


def _is_label(cell: str) -> bool:
    return len(cell) <= _MAX_LABEL_CHARS and not _is_value(cell) and any(c.isalpha() for c in cell)


def _is_value(cell: str) -> bool:
    """A number, date, time, or yes or no."""
    if len(cell) > _MAX_WORD_CHARS:
        return False
    return _NUMBER.fullmatch(cell) is not None or _is_date(cell) or cell.lower() in _CHOICES


def _is_date(cell: str) -> bool:
    return len(cell) <= _MAX_WORD_CHARS and _DATE.fullmatch(cell) is not None


def _is_point(cell: str) -> bool:
    """A year, date or time."""
    return _YEAR.fullmatch(cell) is not None or _is_date(cell)


def _used(cells: Sequence[Sequence[str]]) -> set[int]:
    return {i for row in cells for i, cell in enumerate(row) if cell}


def _value_columns(cells: Sequence[Sequence[str]]) -> frozenset[int]:
    """The columns most of whose cells are values."""
    values: dict[int, int] = {}
    texts: dict[int, int] = {}
    for row in cells:
        for i, cell in enumerate(row):
            if cell and cell.lower() not in _NOTHING:
                counts = values if _is_value(cell) else texts
                counts[i] = counts.get(i, 0) + 1
    return frozenset(i for i, n in values.items() if n >= _MIN_VALUE_SHARE * (n + texts.get(i, 0)))


def _fills_gaps(cells: Sequence[Sequence[str]]) -> bool:
    """Whether each row names columns that the rows above it leave open, as below a name for several columns."""
    seen: set[int] = set()
    for k, row in enumerate(cells):
        filled = _used([row])
        if k and filled <= seen:
            return False
        seen |= filled
    return True


def _joined(cells: Sequence[Sequence[str]]) -> dict[int, str]:
    """The columns' names: of several rows, a name above others reaches to the right over those without one."""
    names: dict[int, list[str]] = {}
    last = len(cells) - 1
    below = _used(cells[1:])
    for k, row in enumerate(cells):
        reaching = ""
        for i, cell in enumerate(row):
            reaching = (cell or reaching) if i in below else ""
            name = cell or (reaching if k < last else "")
            if name and name not in names.get(i, []):
                names.setdefault(i, []).append(name)
    return {i: " / ".join(parts) for i, parts in names.items()}


def _is_timeline_of(header: Sequence[Sequence[str]], body: Sequence[Sequence[str]]) -> bool:
    """Whether the header's years or dates stand above others, as in a row of data."""
    columns = {i for row in header for i, cell in enumerate(row) if _is_point(cell)}
    below = [row[i] for row in body for i in columns if i < len(row) and row[i]]
    alike = sum(map(_is_point, below))
    return 2 * alike > len(below)


def _is_worded(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns of a table of text: full, short, distinct, and not said again below."""
    head = [cell for cell in cells[0] if cell]
    below = [{row[i] for row in cells[1:] if i < len(row)} for i in range(len(cells[0]))]
    return (
        len(head) == len(_used(cells)) >= 2
        and len(cells) > _MIN_TEXT_ROWS
        and len({cell.casefold() for cell in head}) == len(head)
        and all(_is_label(cell) and len(cell) <= _MAX_WORD_CHARS and cell[-1] not in ".?!;:," for cell in head)
        and not any(cell and cell in seen for cell, seen in zip(cells[0], below, strict=True))
    )
