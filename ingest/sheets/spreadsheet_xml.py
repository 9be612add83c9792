"""Spreadsheets in Excel's XML of 2003, which many programs write under the name `.xls`: the sheets and their rows.

Rule: a cell says what its `Data` says, as written; one that stands further right than the one before says where.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.sheets.tables import Row

_NAMESPACE = "{urn:schemas-microsoft-com:office:spreadsheet}"
ROOT = f"{_NAMESPACE}Workbook"

_INDEX, _NAME, _ACROSS = f"{_NAMESPACE}Index", f"{_NAMESPACE}Name", f"{_NAMESPACE}MergeAcross"
_MAX_COLUMNS = 16_384  # Excel's own
_DAY_AT_MIDNIGHT = "T00:00:00.000"


def sheets(root: Any) -> Iterator[tuple[str, Iterator[Row]]]:
    """Name and rows of each sheet, in order."""
    for sheet in root.iterchildren(f"{_NAMESPACE}Worksheet"):
        yield sheet.get(_NAME) or "", _rows(sheet)


def _rows(sheet: Any) -> Iterator[Row]:
    number = 0
    for row in sheet.iterfind(f"{_NAMESPACE}Table/{_NAMESPACE}Row"):
        before, number = number, _place(row, number)
        if number > before + 1:
            yield before + 1, []
        yield number, _cells(row)


def _cells(row: Any) -> list[str]:
    found: list[str] = []
    for cell in row.iterchildren(f"{_NAMESPACE}Cell"):
        place = _place(cell, len(found))
        if place > _MAX_COLUMNS:
            break
        found += [""] * (place - 1 - len(found))
        data = cell.find(f"{_NAMESPACE}Data")
        found.append("" if data is None else "".join(data.itertext()).removesuffix(_DAY_AT_MIDNIGHT))
        found += [""] * min(_number(cell.get(_ACROSS)), _MAX_COLUMNS)
    return found[:_MAX_COLUMNS]


def _place(element: Any, before: int) -> int:
    """Its row or column, 1 the first: what it says, or the next."""
    return max(before + 1, _number(element.get(_INDEX)))


def _number(value: str | None) -> int:
    return int(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 9 else 0
