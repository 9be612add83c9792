"""Spreadsheets made here by openpyxl, or part by part where it cannot; one by LibreOffice in the old format."""

from __future__ import annotations

import datetime
import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles.numbers import FORMAT_PERCENTAGE_00

from ingest import Document, EncryptedFile, UnreadableFile
from ingest.apart import ParserProcess
from ingest.errors import TooLarge
from ingest.limits import DEFAULT, Limits
from ingest.parsers.sheet import parse
from ingest.types import MarkKind

_OLD = Path(__file__).parent / "files" / "small.xls"
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.xlsx", limits=limits)


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def book(*rows: list[object], title: str = "Sheet") -> Any:
    made = openpyxl.Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    return made


def changed(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with each part passed through `change`; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            content = change(name, archive.read(name))
            if content is not None:
                copy.writestr(name, content)
    return out.getvalue()


def sheet(xml: str) -> bytes:
    """A workbook whose only sheet has that XML within."""
    whole = f"<worksheet {_MAIN}>{xml}</worksheet>".encode()
    return changed(saved(book(["x"])), lambda name, old: whole if name.endswith("sheet1.xml") else old)


def open_document(rows: str, name: str = "Sheet1") -> bytes:
    names = "".join(f' xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    content = (
        f"<office:document-content{names}><office:body><office:spreadsheet>"
        f'<table:table table:name="{name}">{rows}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    return out.getvalue()


def places(found: Document) -> list[tuple[int, MarkKind, str]]:
    return [(mark.start, mark.kind, mark.label) for mark in found.marks]


def test_sheets_and_rows_are_marks() -> None:
    made = book(["Item", "Price"], ["Tea", 2.5], title="Sales")
    second = made.create_sheet("Notes")
    second["B3"] = "late"
    found = read(saved(made))
    assert found.text == "Item | Price\nItem: Tea | Price: 2.5\n\nlate"
    assert places(found) == [
        (0, MarkKind.SHEET, "Sales"),
        (0, MarkKind.ROW, "1"),
        (13, MarkKind.ROW, "2"),
        (37, MarkKind.SHEET, "Notes"),
        (37, MarkKind.ROW, "3"),
    ]


def test_cells_are_as_people_see_them() -> None:
    made = book(
        [1234.5000000001, 7.0, True, "Käse 🤠", None, "#N/A", datetime.date(2024, 2, 29)],
        [datetime.datetime(2024, 2, 29, 10, 30), datetime.time(10, 30), datetime.timedelta(hours=36), "a\nb"],
        [0.345],
    )
    made.active["A3"].number_format = FORMAT_PERCENTAGE_00
    assert read(saved(made)).text.split("\n") == [
        "1234.5 | 7 | TRUE | Käse 🤠 | #N/A | 2024-02-29",
        "2024-02-29 10:30 | 10:30 | 36:00:00 | a b",
        "34.50%",
    ]


def test_texts_of_every_kind() -> None:
    shared = (
        f"<sst {_MAIN}><si><t>plain</t></si><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>reading aid</t></rPh></si>"
        "<si><t>line_x000D_\nbreak _x005F_x</t></si></sst>"
    )
    relation = '<Relationship Id="s" Type="http://x/sharedStrings" Target="texts.xml"/></Relationships>'
    cells = (
        '<c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c><c t="s"><v>9</v></c>'
        '<c t="inlineStr"><is><t>in line</t></is></c><c t="str"><f>A1</f><v>of a formula</v></c><c t="e"><v>#DIV/0!</v></c>'
        '<c t="d"><v>2024-02-29T00:00:00</v></c><c><v>odd</v></c><c s="99"><v>5</v></c><c/>'
    )
    made = changed(
        sheet(f"<sheetData><row>{cells}</row></sheetData>"),
        lambda name, old: (
            old.replace(b"</Relationships>", relation.encode()) if name.endswith("book.xml.rels") else old
        ),
    )
    with io.BytesIO(made) as out:
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr("xl/texts.xml", shared)
        made = out.getvalue()
    assert read(made).text == "plain | rich | line break _x | in line | of a formula | #DIV/0! | 2024-02-29 | odd | 5"


def test_strict_files() -> None:
    def strict(name: str, old: bytes) -> bytes:
        for kind in (b"spreadsheetml", b"officeDocument"):
            old = old.replace(b"openxmlformats.org/" + kind + b"/2006", b"\0").replace(
                b"http://schemas.\0", b"http://purl.oclc.org/ooxml/" + kind
            )
        return old

    made = changed(saved(book(["x"])), strict)
    assert b"purl.oclc.org/ooxml/spreadsheetml/main" in zipfile.ZipFile(io.BytesIO(made)).read(
        "xl/worksheets/sheet1.xml"
    )
    assert read(made).text == "x"


def test_hidden_sheets_are_in_and_very_hidden_ones_are_not() -> None:
    made = book(["seen"])
    for name, state in (("b", "hidden"), ("c", "veryHidden")):
        made.create_sheet(name)["A1"] = state
        made[name].sheet_state = state
    assert read(saved(made)).text == "seen\n\nhidden"


def test_a_merged_title_stands_once() -> None:
    made = book(["Title"], ["k", "n", "m"], ["a", 1, 2])
    made.active.merge_cells("A1:C1")
    assert read(saved(made)).text == "Title\nk | n | m\nk: a | n: 1 | m: 2"


def test_a_sheet_with_a_blank_name_is_named_by_its_number() -> None:
    made = book(["x"])
    made.create_sheet("Second")["A1"] = "y"
    data = changed(
        saved(made), lambda name, old: old.replace(b'"Second"', b'" "') if name == "xl/workbook.xml" else old
    )
    assert [mark.label for mark in read(data).marks if mark.kind is MarkKind.SHEET] == ["Sheet", "sheet 2"]


def test_properties() -> None:
    made = book(["x"])
    made.properties.title, made.properties.creator = "Budget", "Ana Ruiz"
    made.properties.created = datetime.datetime(2026, 2, 18)
    found = read(saved(made))
    assert (found.title, found.dated) == ("Budget", datetime.date(2026, 2, 18))
    assert [(f.name, f.value) for f in found.fields][:3] == [
        ("title", "Budget"),
        ("author", "Ana Ruiz"),
        ("created", "2026-02-18"),
    ]


def test_a_cell_at_the_far_end_costs_nothing() -> None:
    made = openpyxl.Workbook()
    made.active["A1"], made.active["XFD1048576"] = "here", "there"
    data = saved(made)
    tracemalloc.start()
    began = time.process_time()
    found = read(data)
    assert time.process_time() - began < 3.0
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert places(found)[1:] == [(0, MarkKind.ROW, "1"), (6, MarkKind.ROW, "1048576")]
    assert found.text == "here\n\nthere"


def test_rows_that_hold_nothing_but_formats_are_passed_over() -> None:
    empty = '<row><c s="0"/><c s="0"/></row>' * 1000
    found = read(sheet(f"<sheetData>{empty}<row><c><v>1</v></c></row></sheetData>"))
    assert places(found)[1:] == [(0, MarkKind.ROW, "1001")]


@pytest.mark.parametrize("reference", ["ZZZZ1", "XFE1"])
def test_columns_that_no_sheet_has(reference: str) -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged spreadsheet"):
        read(sheet(f'<sheetData><row><c r="{reference}"><v>1</v></c></row></sheetData>'))


def test_too_many_sheets_and_too_much_text() -> None:
    made = book(["word " * 100])
    made.create_sheet("b")
    with pytest.raises(TooLarge, match=r"^2 sheets, the limit is 1: split the file$"):
        read(saved(made), replace(DEFAULT, max_pages=1))
    with pytest.raises(TooLarge, match=r"million characters of text, the limit: split the file$"):
        read(saved(made), replace(DEFAULT, max_chars=100))


def test_an_empty_workbook_is_told() -> None:
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        read(saved(book()))


def test_large_markup_is_streamed_and_still_counted() -> None:
    data = sheet("<sheetData>" + "<row/>" * 100_000 + "</sheetData>")
    with pytest.raises(TooLarge, match=r"^unpacks to 1 MB, the limit is 0 MB"):
        read(data, replace(DEFAULT, max_unpacked_bytes=400_000))


def test_deep_nesting_is_a_reason() -> None:
    with pytest.raises(UnreadableFile, match=r"^over 255 elements inside each other"):
        read(sheet("<a>" * 10_000 + "</a>" * 10_000))


def test_entities_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    kind = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'.encode()
    cell = f'{kind.decode()}<worksheet {_MAIN}><sheetData><row>&e;<c t="str">&e;<v>x&e;y</v></c></row></sheetData></worksheet>'
    data = changed(saved(book(["x"])), lambda name, old: cell.encode() if name.endswith("sheet1.xml") else old)
    assert read(data).text == "xy"


def test_the_old_format() -> None:
    found = read(_OLD.read_bytes())
    assert found.text.split("\n") == [
        "Item | Price | Sold",
        "Item: Tea | Price: 2.5 | Sold: 2024-02-29",
        "Item: Käse 🤠 | Price: 1234.5 | Sold: 2024-03-01 10:30",
        "Item: Twice | Price: 5",
        "Item: Share | Price: 0.345 | Sold: TRUE",
        "",
        "kept",
        "",
        "unseen",
    ]
    assert [mark.label for mark in found.marks] == ["Sales", "1", "2", "3", "4", "5", "Hidden", "1", "Very", "1"]


def test_half_an_old_file_is_damaged() -> None:
    with pytest.raises(
        UnreadableFile, match=r"^damaged spreadsheet: open it in Excel or LibreOffice and save it anew$"
    ):
        read(_OLD.read_bytes()[:513])  # calamine 0.37 panics over it, with what is no Exception


def test_the_old_format_behind_a_password() -> None:
    data = bytearray(_OLD.read_bytes())
    at = data.index(b"\x09\x08\x10\x00\x00\x06\x05\x00") + 20
    data[at : at + 2] = b"\x2f\x00"  # the record that follows becomes that of a password
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le")
    for encrypted in (bytes(data), compound):
        with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
            read(encrypted)


def binary(*cells: tuple[int, int, str | float]) -> bytes:
    """A workbook of records (MS-XLSB) whose only sheet, "Data", has these cells: row and column from 0, value."""

    def record(kind: int, content: bytes = b"") -> bytes:
        head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
        size = len(content)
        return head + bytes([size & 0x7F | 0x80, size >> 7]) + content

    def wide(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    bundle = record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("Data"))
    rows = [
        record(0, struct.pack("<I13x", row))
        + (
            record(6, struct.pack("<II", column, 0) + wide(value))
            if isinstance(value, str)
            else record(5, struct.pack("<IId", column, 0, value))
        )
        for row, column, value in cells
    ]
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
    relation = f'<Relationship Id="rId1" Type="{kind}" Target="worksheets/sheet1.bin"/>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.bin", record(131) + record(143) + bundle + record(144) + record(132))
        archive.writestr("xl/_rels/workbook.bin.rels", f"<Relationships>{relation}</Relationships>")
        sheet = [record(129), record(148, bytes(16)), record(145), *rows, record(146), record(130)]
        archive.writestr("xl/worksheets/sheet1.bin", b"".join(sheet))
    return out.getvalue()


def test_binary_workbooks() -> None:
    long = "x" * 3000
    found = read(binary((0, 0, "Item"), (0, 1, "Price"), (1, 0, "Tea"), (1, 1, 2.5), (6, 2, long)))
    assert found.text == f"Item | Price\nItem: Tea | Price: 2.5\n\n{long}"
    assert [mark.label for mark in found.marks] == ["Data", "1", "2", "7"]


def test_a_binary_sheet_with_cells_far_apart_is_not_laid_out() -> None:
    with pytest.raises(TooLarge, match=r"^a sheet spans 17180 million cells, most of them empty: save it as \.xlsx$"):
        read(binary((0, 0, "here"), (1_048_575, 16_383, "there")))


def _cell(text: str, kind: str = "string", attributes: str = "") -> str:
    return f'<table:table-cell office:value-type="{kind}" {attributes}><text:p>{text}</text:p></table:table-cell>'


def test_open_document_cells_are_as_shown() -> None:
    note = "<office:annotation><text:p>remark</text:p></office:annotation>"
    date = 'office:date-value="2024-02-29T10:30:00"'
    cells = [
        _cell("34.5 %", "percentage", 'office:value="0.345"'),
        _cell("1,234.50", "float", 'office:value="1234.5"'),
        _cell("1.234,5", "float", 'office:value="1234.5"'),
        _cell("$2.50", "currency", 'office:value="2.5"'),
        _cell("29/02/24", "date", date),
        f"<table:table-cell>{note}<text:p>a<text:s/><text:span>b</text:span>c</text:p><text:p>d</text:p></table:table-cell>",
        '<table:covered-table-cell table:number-columns-repeated="16000"/>',
        _cell("x", attributes='table:number-columns-repeated="2"'),
    ]
    found = read(open_document(f"<table:table-row>{''.join(cells)}</table:table-row>"))
    assert found.text == "34.5 % | 1234.50 | 1234.5 | $2.50 | 2024-02-29 10:30 | a bc d | x | x"


def test_open_document_rows_are_counted_as_shown() -> None:
    empty = '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row>'
    twice = f'<table:table-row table:number-rows-repeated="2">{_cell("x")}</table:table-row>'
    header = f"<table:table-header-rows><table:table-row>{_cell('h')}</table:table-row></table:table-header-rows>"
    found = read(open_document(header + empty + twice, name="A &amp; B"))
    assert found.text == "h\n\nx\nx"
    assert places(found) == [
        (0, MarkKind.SHEET, "A & B"),
        (0, MarkKind.ROW, "1"),
        (3, MarkKind.ROW, "1000002"),
        (5, MarkKind.ROW, "1000003"),
    ]


def test_open_document_cells_repeated_without_end_are_bounded() -> None:
    row = f"<table:table-row>{_cell('x', attributes='table:number-columns-repeated=' + chr(34) + '999999999' + chr(34))}</table:table-row>"
    assert read(open_document(row)).text.count("x") == 16_384
    rows = row.replace("table-row>", 'table-row table:number-rows-repeated="999999999">', 1)
    with pytest.raises(TooLarge):
        read(open_document(rows), replace(DEFAULT, max_chars=200_000))


def ends(data: bytes, read: Callable[[bytes], Document] = read) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    starts = [mark.start for mark in found.marks]
    assert starts == sorted(starts)
    for mark, end in zip(found.marks, [*starts[1:], len(found.text)], strict=True):
        assert mark.kind is MarkKind.SHEET or found.text[mark.start : end].strip()


_SAMPLE = saved(book(["Item", "Price"], ["Tea", 2.5], ["Milk", datetime.date(2024, 2, 29)]))
_PARTS = ["xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml", "_rels/.rels"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_reason(data: bytes) -> None:
    ends(data)
    ends(b"PK\x03\x04" + data)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(_PARTS), st.integers(0, 3000), st.binary(max_size=6))
def test_a_damaged_part_is_a_document_or_a_reason(part: str, at: int, put: bytes) -> None:
    for change in (lambda old: old[:at] + put + old[at + len(put) :], lambda old: old[:at]):
        ends(changed(_SAMPLE, lambda name, old, change=change: change(old) if name == part else old))


def test_a_damaged_old_file_is_a_document_or_a_reason() -> None:
    """In the process apart: damage makes calamine panic, or ask for memory that there is not, which ends its process."""
    data = _OLD.read_bytes()
    with ParserProcess(replace(DEFAULT, timeout_s=20, memory_bytes=1_000_000_000)) as process:

        @settings(max_examples=100, deadline=None)
        @given(st.integers(0, len(data)), st.binary(max_size=4))
        def check(at: int, put: bytes) -> None:
            for damaged in (data[:at] + put + data[at + len(put) :], data[:at]):
                ends(damaged, lambda content: process.parse(content, name="a.xls"))

        check()
