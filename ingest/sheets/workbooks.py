"""Spreadsheet files → the rows of their sheets, one after the other as they are read.

Rule: what is kept grows with what the cells hold, never with where they stand: rows and columns between them cost
nothing. Excel's XML and OpenDocument are read here, as they stream by, because their formats (percent, currency, dates)
are in the file and no library gives them at a bearable price; the old binary formats are read by calamine.

100,000 rows of 10 cells (benchmarks.sheets), CPU seconds and peak: openpyxl's read-only mode 9.6 and 56 MB, and it
gives every row and column up to the last; calamine 0.6 and 98 MB, without the formats, and it lays out the rectangle
around the cells, which one at XFD1048576 makes one of 400 GB; from the file to the text of a document here 5.0 and 175.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from ingest.decode import clean
from ingest.errors import EncryptedFile, TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.packages import ENCRYPTED, Package, is_encrypted
from ingest.sheets.compound import is_endless
from ingest.sheets.number_formats import BUILT_IN, MAX_DIGITS, format_of, general, when
from ingest.sheets.tables import Row

_MAX_COLUMNS = 16_384  # of Excel and LibreOffice
_MAX_AREA = 30_000_000  # cells that calamine may lay out, at 32 bytes each
# MS-XLS, 2.4.117: what follows the begin of a workbook, or its write protection, where there is a password; calamine
# says only that it knows no such file
_FILE_PASS = re.compile(
    rb"\x09\x08(?:\x10\x00\x00\x06\x05\x00.{12}|\x08\x00\x00\x05\x05\x00.{4})(?:\x86\0\0\0)?\x2f\x00", re.DOTALL
)
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")  # of characters that XML has not
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CELL_VALUE, _CELL_TEXT = f"{_MAIN}v", f"{_MAIN}is"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")


@dataclass(frozen=True, slots=True)
class Sheet:
    """rows: to be read before the next sheet is asked for; with an empty row for one or more that are left out."""

    name: str
    rows: Iterator[Row]


# -- Excel's XML


def excel_sheets(package: Package, limits: Limits) -> Iterator[Sheet]:
    """The sheets in the order of their tabs, hidden ones too; not those that only a program can show."""
    main = next(iter(package.related("", "officeDocument")), "")
    workbook = package.xml(main)
    parts = package.relations(main, "worksheet")
    listed = [sheet for sheet in workbook.iterfind("{*}sheets/{*}sheet") if sheet.get("state") != "veryHidden"]
    _check_count(len(listed), limits)
    settings = workbook.find("{*}workbookPr")
    is_1904 = settings is not None and settings.get("date1904") in ("1", "true")
    strings = [
        _unescaped(_plain_or_rich(item))
        for name in package.related(main, "sharedStrings")[:1]
        for item in package.elements(name, f"{_MAIN}si")
    ]
    codes = [code for name in package.related(main, "styles")[:1] for code in _format_codes(package.xml(name))]
    formats = {str(i): format_of(code, is_1904=is_1904) for i, code in enumerate(codes)}
    reading = _ExcelCells(strings, formats)
    for sheet in listed:
        part = parts.get(sheet.get(_RELATION) or "")
        if part is not None:  # a sheet of a chart or a dialog is no worksheet
            yield Sheet(sheet.get("name") or "", _with_gaps(reading.rows(package, part)))


def _format_codes(styles: Any) -> Iterator[str]:
    """The format code of each style of cells, by its number."""
    own = {node.get("numFmtId"): node.get("formatCode") or "" for node in styles.iterfind("{*}numFmts/{*}numFmt")}
    for style in styles.iterfind("{*}cellXfs/{*}xf"):
        number = style.get("numFmtId") or "0"
        yield own[number] if number in own else BUILT_IN.get(_integer(number), "")


def _plain_or_rich(item: Any) -> str:
    """A text or its runs; not the reading aids that East Asian texts have."""
    if len(item) == 1 and item[0].tag == f"{_MAIN}t":
        return item[0].text or ""
    texts = [*item.iterfind(f"{_MAIN}t"), *item.iterfind(f"{_MAIN}r/{_MAIN}t")]
    return "".join(text.text or "" for text in texts)


@dataclass(frozen=True, slots=True)
class _ExcelCells:
    """formats: what shows a number, by the number of a cell's style as the file writes it."""

    strings: Sequence[str]
    formats: Mapping[str, Callable[[float], str]]

    def rows(self, package: Package, part: str) -> Iterator[Row]:
        number = 0
        for row in package.elements(part, f"{_MAIN}row"):
            number = _integer(row.get("r")) or number + 1
            cells: list[str] = []
            column = 0
            for cell in row:
                column = _column((cell.get("r") or "").rstrip("0123456789")) or column + 1
                text = self._text(cell) if len(cell) else ""
                if text:
                    if column > _MAX_COLUMNS:
                        raise UnreadableFile(f"damaged spreadsheet: a cell in column {column}")
                    missing = column - len(cells)
                    if missing == 1:
                        cells.append(text)
                    else:
                        cells.extend([""] * missing)
                        cells[column - 1] = text
            if cells:
                yield number, cells

    def _text(self, cell: Any) -> str:
        value, kind = "", cell.get("t")
        for child in cell:
            if child.tag == _CELL_VALUE:
                value = child.text or ""
            elif child.tag == _CELL_TEXT:
                value = _plain_or_rich(child)
        if not value:
            return ""
        if kind is None or kind == "n":
            try:
                return self.formats.get(cell.get("s") or "", general)(float(value))
            except ValueError:
                return value
        if kind == "s":
            place = _integer(value)
            return self.strings[place] if place < len(self.strings) else ""
        if kind in ("inlineStr", "str"):
            return _unescaped(value)
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        return _iso(value) if kind == "d" else value


def _unescaped(text: str) -> str:
    return clean(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text)


def _iso(moment: str) -> str:
    """2024-02-29T10:30:00 as `number_formats.when` shows it."""
    day, _, time = moment.partition("T")
    time = time.removesuffix(":00")
    return day if time in ("", "00:00") else f"{day} {time}"


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    """ "AB" is 28; 0 if it is none."""
    column = 0
    for letter in letters:
        if not "A" <= letter <= "Z" or column > _MAX_COLUMNS:
            break
        column = column * 26 + ord(letter) - 64
    return column


def _integer(text: str | None) -> int:
    """The number that the file gives, 0 if it gives none that counts anything."""
    return int(text) if text is not None and len(text) < 10 and text.isascii() and text.isdecimal() else 0


# -- OpenDocument


def open_document_sheets(package: Package, limits: Limits) -> Iterator[Sheet]:
    """The sheets in the order of their tabs, hidden ones too; cells as they were last shown, but ISO dates."""
    elements = package.elements("content.xml", f"{_TABLE}table-row", begun=f"{_TABLE}table")
    found = next(elements, None)
    number = 0
    while found is not None:
        if found.tag != f"{_TABLE}table":  # rows outside of sheets: tracked deletions
            found = next(elements, None)
            continue
        number += 1
        _check_count(number, limits)
        reading = _OpenDocumentRows(elements)
        yield Sheet(found.get(f"{_TABLE}name") or "", _with_gaps(reading.rows()))
        found = reading.next


class _OpenDocumentRows:
    """The rows up to the next sheet; next: what follows them."""

    def __init__(self, elements: Iterator[Any]) -> None:
        self._elements = elements
        self.next: Any | None = None

    def rows(self) -> Iterator[Row]:
        number = 0
        for row in self._elements:
            if row.tag == f"{_TABLE}table":
                self.next = row
                return
            cells: list[str] = []
            column = 0
            for cell in row:
                if cell.tag not in _CELLS:
                    continue
                times = max(1, _integer(cell.get(f"{_TABLE}number-columns-repeated")))
                text = _displayed(cell)
                if text:
                    times = min(times, max(0, _MAX_COLUMNS - column))
                    cells.extend([""] * (column - len(cells)))
                    cells.extend([text] * times)
                column += times
            times = max(1, _integer(row.get(f"{_TABLE}number-rows-repeated")))
            for i in range(times if cells else 0):
                yield number + i + 1, cells
            number += times


def _displayed(cell: Any) -> str:
    kind = cell.get(f"{_OFFICE}value-type")
    text = " ".join(part for node in cell.iterfind(f"{_TEXT}p") if (part := _inline(node).strip()))
    if kind == "date":
        return _iso(cell.get(f"{_OFFICE}date-value") or "") or clean(text)
    return clean(_ungrouped(text, cell.get(f"{_OFFICE}value") or "") if kind == "float" else text)


def _inline(node: Any) -> str:
    """The text below a paragraph; without remarks."""
    parts = [node.text or ""]
    for child in node:
        if child.tag in (f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"):
            parts.append(" ")
        elif child.tag != f"{_OFFICE}annotation":
            parts.append(_inline(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _ungrouped(text: str, value: str) -> str:
    """A number without thousands separators, whichever its country has: 1.234,5 as 1234.5 if that is its value."""
    if text.isascii() and text.isdecimal():
        return text
    for group, point in ((",", "."), (".", ","), ("\u202f", ","), ("\xa0", ","), ("'", "."), ("’", ".")):
        plain = text.replace(group, "").replace(point, ".")
        places = len(plain.partition(".")[2])
        try:
            if abs(float(plain) - float(value)) <= 0.51 * 10**-places:
                return plain if places < MAX_DIGITS else general(float(value))
        except ValueError:
            continue
    return text


# -- the binary formats


def binary_sheets(data: bytes, limits: Limits) -> Iterator[Sheet]:
    """The sheets of an .xls or .xlsb file as calamine reads them. Raises EncryptedFile, TooLarge, UnreadableFile."""
    import python_calamine

    if is_encrypted(data) or _FILE_PASS.search(data):
        raise EncryptedFile(ENCRYPTED)
    # calamine looks for the begin of a file further on, and would follow a circle until there is no memory left
    if not data.startswith((b"\xd0\xcf\x11\xe0", b"PK")) or is_endless(data):
        raise UnreadableFile(DAMAGED)
    with _calling_calamine():
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        listed = [
            (i, sheet.name)
            for i, sheet in enumerate(workbook.sheets_metadata)
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
            and sheet.visible != python_calamine.SheetVisibleEnum.VeryHidden
        ]
    _check_count(len(listed), limits)
    for i, name in listed:
        with _calling_calamine():
            rows = workbook.get_sheet_by_index(i).iter_rows()
        yield Sheet(name, _with_gaps(_shown_rows(rows)))


@contextmanager
def _calling_calamine() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # Rust's, no Exception
            raise UnreadableFile(DAMAGED) from error
        raise


def _shown_rows(rows: Iterator[Sequence[object]]) -> Iterator[Row]:
    for number in count(1):
        with _calling_calamine():
            row = next(rows, None)
        if row is None:
            return
        cells = [_shown(value) for value in row]
        if any(cells):
            yield number, cells


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        return general(float(value))
    if isinstance(value, datetime.datetime):
        return when(value, has_day=True)
    if isinstance(value, datetime.time):
        return when(datetime.datetime.combine(datetime.date.min, value), has_day=False)
    return clean(str(value))


def check_area(package: Package) -> None:
    """Raises TooLarge if the cells of a sheet of an .xlsb file lie too far apart to be laid out."""
    for name in package.names:
        if name.lower().startswith("xl/worksheets/") and name.lower().endswith(".bin"):
            area = _area(package.read(name))
            if area > _MAX_AREA:
                raise TooLarge(f"a sheet spans {area / 1e6:.0f} million cells, most of them empty: save it as .xlsx")


def _area(part: bytes) -> int:
    """The cells of the rectangle around the cells in a binary sheet (MS-XLSB, 2.1.4 and 2.5.1)."""
    at, row = 0, 0
    rows: list[int] = []
    first, last = _MAX_COLUMNS, 0
    while at + 1 < len(part):
        kind = part[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | part[at] << 7
            at += 1
        size = 0
        for shift in (0, 7, 14, 21):
            if at >= len(part):
                break
            byte = part[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
        if kind == 0:  # BrtRowHdr
            row = int.from_bytes(part[at : at + 4], "little")
        elif 1 <= kind <= 11:  # cells
            column = int.from_bytes(part[at : at + 4], "little")
            first, last = min(first, column), max(last, column)
            rows = [min(rows[0], row), max(rows[1], row)] if rows else [row, row]
        at += size
    return (rows[1] - rows[0] + 1) * (last - first + 1) if rows else 0


# -- all


DAMAGED = "damaged spreadsheet: open it in Excel or LibreOffice and save it anew"


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.max_pages:
        raise TooLarge(f"{count} sheets, the limit is {limits.max_pages}: split the file")


def _with_gaps(rows: Iterator[Row]) -> Iterator[Row]:
    """With an empty row for one that is left out, two for more."""
    last = 0
    for number, cells in rows:
        for i in range(1, min(number - last, 3)):
            yield last + i, []
        yield number, cells
        last = number
