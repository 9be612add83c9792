"""Spreadsheets: each sheet by its rows, a row a line with its columns' names, sheets and rows as marks.

Rule: what the cells show (`ingest.sheets.workbooks`), where they stand. Formulas are their last values; hidden sheets,
rows and columns are in, as the program shows them at a click; comments, pictures and charts are out. No formula is
computed, no link or query is followed, no macro runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ingest.decode import clean
from ingest.errors import UnreadableFile
from ingest.limits import Limits
from ingest.packages import Package, day_of, fields_of
from ingest.sheets.tables import write
from ingest.sheets.workbooks import DAMAGED, Sheet, binary_sheets, check_area, excel_sheets, open_document_sheets
from ingest.types import Document, Mark, MarkKind

NAME = "sheet"
VERSION = 1

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The sheets that hold text. Raises EncryptedFile, TooLarge, UnreadableFile."""
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    sheets, properties = _opened(data, limits)
    for number, sheet in enumerate(sheets, start=1):
        start = at + 2 if parts else 0
        text, rows = write(sheet.rows, start=start, max_chars=max(0, limits.max_chars - start))
        if text:
            parts.append("\n\n" + text if parts else text)
            at = start + len(text)
            marks.append(Mark(start, MarkKind.SHEET, " ".join(clean(sheet.name).split()) or f"sheet {number}", 0))
            marks += rows
    if not parts:
        raise UnreadableFile("empty: it holds no text")
    return Document(
        text="".join(parts),
        title=properties.get("title", ""),
        dated=day_of(properties),
        fields=fields_of(properties),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _opened(data: bytes, limits: Limits) -> tuple[Iterator[Sheet], Mapping[str, str]]:
    """The sheets and what the file says of itself."""
    if data.startswith(_OLE) or not data.startswith(b"PK"):
        return binary_sheets(data, limits), {}
    package = Package(data, limits=limits, damaged=DAMAGED, is_streamed=True)
    if package.has("content.xml"):
        return open_document_sheets(package, limits), package.properties()
    if any(name.lower().endswith("workbook.bin") for name in package.names):
        check_area(package)
        return binary_sheets(data, limits), package.properties()
    return excel_sheets(package, limits), package.properties()
