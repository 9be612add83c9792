"""Tables of plain text (`.csv`, `.tsv`): a record a line, each value behind its column's name.

Rule: what stands between the cells is told by the records, not by the file's name: the sign that gives the most records
the same number of cells, and cells that read like values. Where no sign does, a line is one cell. A quotation mark that
is never closed costs its own record, not the rest of the file.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict

from ingest.decode import decode
from ingest.errors import TooLarge
from ingest.limits import Limits
from ingest.sheets.tables import Row, write
from ingest.types import Document

NAME = "delimited"
VERSION = 1

MAX_COLUMNS = 100_000  # measurements of all genes of a man have 60,000
MAX_CELL_CHARS = 1_000_000

_DELIMITERS = "\t;,|"  # the rarer in words come first
_SAMPLE_RECORDS = 200
_SAMPLE_CHARS = 200_000
_MIN_ALIKE = 0.6  # of the records; of a file named for a sign, half as many
_BY_ENDING = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_NAMED = re.compile(r'"?sep=(.)"?\n')  # Excel's own way to say it, on the first line
_DECIMAL = re.compile(r"[+-]?[\d.' ]*\d,\d+ ?[%€$£]?")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """delimiter: None where a line is a cell. is_escaped: quotation marks within cells stand behind backslashes."""

    delimiter: str | None
    is_escaped: bool


class _Format(TypedDict):
    """What `csv.reader` is told."""

    delimiter: str
    escapechar: str | None
    doublequote: bool
    skipinitialspace: bool
    strict: bool


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The records; no bytes are the text "". Raises TooLarge for more columns or text than can be."""
    text = decode(data)
    named = _NAMED.match(text)
    first = 1 if named is not None else 0
    lines = text.split("\n")[first:]
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    before = csv.field_size_limit(MAX_CELL_CHARS)  # the module's, for all
    try:
        if named is not None:
            dialect = _Dialect(named[1], _is_escaped(text))
        else:
            dialect = _sniffed(text, _BY_ENDING.get(ending))
        written, marks = write(_rows(lines, dialect, first + 1), start=0, max_chars=limits.max_chars)
    finally:
        csv.field_size_limit(before)
    return Document(
        text=written,
        title="",
        dated=None,
        fields=(),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _sniffed(text: str, expected: str | None) -> _Dialect:
    """expected: the delimiter the file's name promises."""
    sample = text[:_SAMPLE_CHARS]
    if len(text) > _SAMPLE_CHARS and "\n" in sample:
        sample = sample[: sample.rindex("\n")]
    is_escaped = _is_escaped(sample)
    lines = sample.split("\n")
    best: tuple[float, int] = 0.0, 0
    found: str | None = None
    for delimiter in _DELIMITERS:
        rows = list(islice(_records(lines, _Dialect(delimiter, is_escaped)), _SAMPLE_RECORDS))
        score, width = _judged([row for row in rows if any(row)], delimiter)
        least = _MIN_ALIKE / 2 if delimiter == expected else _MIN_ALIKE
        score += 1 if delimiter == expected else 0
        if width > 1 and score >= least + (1 if delimiter == expected else 0) and (score, width) > best:
            best, found = (score, width), delimiter
    return _Dialect(found, is_escaped)


def _judged(rows: Sequence[Sequence[str]], delimiter: str) -> tuple[float, int]:
    """How well the delimiter fits, 0 to 1, and into how many cells it parts most records."""
    if not rows:
        return 0.0, 0
    width, count = max(Counter(map(len, rows)).items(), key=lambda item: (item[1], item[0]))
    cells = [cell for row in rows for cell in row[:MAX_COLUMNS] if cell]
    clean = sum(_is_clean(cell, delimiter) for cell in cells)
    return count / len(rows) * clean / max(1, len(cells)), width


def _is_clean(cell: str, delimiter: str) -> bool:
    """Whether no other delimiter stands in the cell, unless as in words or numbers."""
    others = [other for other in _DELIMITERS if other != delimiter and other in cell]
    return not others or (others == [","] and (", " in cell or _DECIMAL.fullmatch(cell[:40]) is not None))


def _is_escaped(text: str) -> bool:
    sample = text[:_SAMPLE_CHARS]
    return '\\"' in sample and '""' not in sample


def _rows(lines: Sequence[str], dialect: _Dialect, first: int) -> Iterator[Row]:
    """The records with their numbers, which count empty ones too, as spreadsheets do."""
    for number, cells in enumerate(_records(lines, dialect), start=first):
        if len(cells) > MAX_COLUMNS:
            raise TooLarge(f"a record of {len(cells)} cells, the limit is {MAX_COLUMNS}: split the file")
        yield number, cells


def _records(lines: Sequence[str], dialect: _Dialect) -> Iterator[list[str]]:
    """The cells of each record; an empty line is an empty one.

    Linear in the lines: a mark that opens is looked for to the next line with an odd number of them, where it closes
    well or not, and the lines between fail, if they do, each in itself.
    """
    if dialect.delimiter is None:
        yield from ([line] if line else [] for line in lines)
        return
    at = 0
    while at < len(lines):
        reader = csv.reader((f"{lines[i]}\n" for i in range(at, len(lines))), **_format(dialect))
        first = at
        try:
            for cells in reader:
                at = first + reader.line_num
                yield cells
        except csv.Error:  # a mark that is never closed, words behind a closed one, a cell over the limit
            yield _cells(lines[at], dialect)
            at += 1


def _cells(line: str, dialect: _Dialect) -> list[str]:
    """Those of a line that is a record for itself."""
    try:
        return next(csv.reader([line], **_format(dialect)), [])
    except csv.Error:
        return line.split(dialect.delimiter)


def _format(dialect: _Dialect) -> _Format:
    return {
        "delimiter": dialect.delimiter or ",",
        "escapechar": "\\" if dialect.is_escaped else None,
        "doublequote": not dialect.is_escaped,
        "skipinitialspace": dialect.delimiter != "\t",
        "strict": True,
    }
