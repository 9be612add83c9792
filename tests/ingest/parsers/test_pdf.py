"""PDF on minimal files written here, whose lines stand where the test puts them, and on random bytes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import date

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind, ScannedFile, UnreadableFile
from ingest.errors import TooLarge
from ingest.limits import DEFAULT, Limits
from ingest.parsers.pdf import _read, _Scans, parse

Line = tuple[float, float, float, str]  # x, y, size, text


def pdf(*pages: list[Line] | str, info: str = "", box: str = "0 0 612 792") -> bytes:
    """A minimal PDF with those lines on its pages, or with what is to be drawn there."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", f"<< {info} >>"]
    kids = []
    for lines in pages:
        shown = (
            [] if isinstance(lines, str) else [f"BT /F1 {size} Tf {x} {y} Td ({t}) Tj ET\n" for x, y, size, t in lines]
        )
        stream = lines if isinstance(lines, str) else "".join(shown)
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents {len(objects) + 2} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 3 0 R >>\n".encode()
    return out + f"startxref\n{start}\n%%EOF".encode()


def column(*texts: str, x: float = 72, top: float = 700, leading: float = 14, size: float = 12) -> list[Line]:
    """Lines under each other; an empty text leaves one out."""
    return [(x, top - i * leading, size, text) for i, text in enumerate(texts) if text]


def read(data: bytes) -> Document:
    return parse(data, name="a.pdf", limits=DEFAULT)


def test_pages_are_marks_at_their_first_character() -> None:
    found = read(pdf(column("First page", "goes on"), [], column("Third page")))
    assert found.text == "First page\ngoes on\n\nThird page"
    assert [(m.kind, m.label, m.level, m.start) for m in found.marks] == [
        (MarkKind.PAGE, "1", 0, 0),
        (MarkKind.PAGE, "3", 0, 20),
    ]


def test_a_wider_gap_between_lines_is_a_blank_line() -> None:
    lines = column(
        "one one one", "two two two", "three three", "", "four four", "five five", "six six", "seven", "eight"
    )
    assert (
        read(pdf(lines)).text == "one one one\ntwo two two\nthree three\n\nfour four\nfive five\nsix six\nseven\neight"
    )


def test_double_spacing_is_no_paragraph() -> None:
    lines = column("one", "two", "three", "four", "five", "six", "seven", "eight", leading=28)
    assert "\n\n" not in read(pdf(lines)).text


def test_a_heading_in_larger_type_stands_alone() -> None:
    lines = [(72.0, 714.0, 18.0, "Heading"), *column("one", "two", "three", "four", "five", "six", "seven", "eight")]
    assert read(pdf(lines)).text == "Heading\n\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight"


def test_an_indented_line_behind_a_full_stop_begins_a_paragraph() -> None:
    lines = column("The first line runs on", "and ends.", "", "goes on here", "and here")
    assert read(pdf([*lines, (90, 672, 12, "Indented it begins")])).text.count("\n\n") >= 1  # drawn last: another place
    ordered = [*lines[:2], (90.0, 672.0, 12.0, "Indented it begins"), *lines[2:]]
    assert read(pdf(ordered)).text == "The first line runs on\nand ends.\n\nIndented it begins\ngoes on here\nand here"
    unfinished = [lines[0], (72.0, 686.0, 12.0, "and on"), (90.0, 672.0, 12.0, "Indented it begins"), *lines[2:]]
    assert "\n\n" not in read(pdf(unfinished)).text


def test_the_rest_of_a_list_item_stays_with_it() -> None:
    lines = [(72.0, 700.0, 12.0, "- Finding the challenges:"), (90.0, 686.0, 12.0, "of the market")]
    assert read(pdf([*lines, (72.0, 672.0, 12.0, "- Design")])).text.count("\n\n") == 0


def test_cells_and_raised_figures_stay_on_their_line() -> None:
    assert read(pdf([(72, 700, 12, "Name"), (300, 700, 12, "Sum"), (72, 686, 12, "Ana")])).text == "Name Sum\nAna"
    raised = [(72.0, 700.0, 12.0, "The area in m"), (147.5, 704.0, 7.0, "2"), (152.0, 700.0, 12.0, "is small")]
    assert read(pdf(raised)).text in ("The area in m2 is small", "The area in m2is small")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("a dictio-", "nary of words"), "a dictionary of words"),
        (("the well-", "known one is well-known"), "the well-known one is well-known"),
        (("on COVID-", "19 and"), "on COVID-19 and"),
        (("by Smith-", "Jones and"), "by Smith-Jones and"),
        (("a re-", "use, which reuse"), "a reuse, which reuse"),
    ],
)
def test_words_cut_at_a_line_end(lines: tuple[str, str], expected: str) -> None:
    assert read(pdf(column(*lines))).text == expected


def test_a_hyphen_before_a_new_column_or_a_blank_is_kept() -> None:
    assert read(pdf(column("a list:", "- one", "- two - three"))).text == "a list:\n- one\n- two - three"


def test_what_lies_beside_the_page_is_not_seen() -> None:
    beside = [(900.0, 700.0, 12.0, "right of it"), (72.0, 900.0, 12.0, "above it"), (-300.0, 500.0, 12.0, "left of it")]
    assert read(pdf([*column("On the page", "to its end"), *beside])).text == "On the page\nto its end"


def test_properties() -> None:
    info = "/Title (The  title) /Author (Ana Ruiz) /Keywords (a, b) /CreationDate (D:20260218093000+01'00') /ModDate (D:2026)"
    found = read(pdf(column("x"), info=info))
    assert (found.title, found.dated, found.is_source) == ("The title", date(2026, 2, 18), False)
    assert [(f.name, f.value, f.start, f.end) for f in found.fields] == [
        ("title", "The title", None, None),
        ("author", "Ana Ruiz", None, None),
        ("keywords", "a, b", None, None),
        ("created", "2026-02-18", None, None),
        ("modified", "2026-01-01", None, None),
    ]


@pytest.mark.parametrize(
    "title",
    [
        "untitled",
        "(anonymous)",
        "Microsoft Word - thesis.doc",
        "C:\\\\temp\\\\x",
        "/home/ana/x",
        "report.pdf",
        "Slide 1",
    ],
)
def test_a_title_that_names_a_program_or_file_is_none(title: str) -> None:
    title = title.replace("(", "\\(").replace(")", "\\)")
    found = read(pdf(column("x"), info=f"/Title ({title})"))
    assert (found.title, found.fields) == ("", ())


def test_a_broken_date_is_none() -> None:
    assert read(pdf(column("x"), info="/CreationDate (D:20261399)")).dated is None


@pytest.mark.parametrize("pages", [([],), ([], []), (column(" . "),)])
def test_pages_without_words_look_scanned(pages: tuple[list[Line], ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no OCR
    with pytest.raises(ScannedFile, match=r"^empty, or looks scanned: no text was found on its pages; add its text$"):
        read(pdf(*pages))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4", b"no PDF at all", b"%PDF-1.7\n" + b"\0" * 999])
def test_what_is_no_pdf_is_damaged(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged PDF"):
        read(data)


def test_a_wrong_table_of_objects_is_built_anew() -> None:
    data = pdf(column("First page"))
    damaged = data[: data.index(b"startxref")] + b"startxref\n7\n%%EOF"
    assert read(damaged).text == "First page"


def test_limits() -> None:
    data = pdf(column("First page"), column("Second page"))
    with pytest.raises(TooLarge, match="2 pages, the limit is 1"):
        parse(data, name="a.pdf", limits=replace(DEFAULT, max_pages=1))
    with pytest.raises(TooLarge, match="characters"):
        parse(data, name="a.pdf", limits=replace(DEFAULT, max_pages=2, max_chars=15))


def test_only_one_file_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDFium crashes or mixes texts up where two threads are in it at once."""
    inside: list[int] = []
    most: list[int] = []

    def watched(data: bytes, limits: Limits, scans: _Scans) -> object:
        inside.append(1)
        time.sleep(0.005)  # long enough for another thread to come in
        most.append(len(inside))
        try:
            return _read(data, limits, scans)
        finally:
            inside.pop()

    monkeypatch.setattr("ingest.parsers.pdf._read", watched)
    files = [pdf(*[column(*[f"Line {k} of file {i}" for k in range(40)])] * 3) for i in range(6)]
    found: dict[int, str] = {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: read(files[i]).text})) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
    assert [found[i] for i in range(6)] == [
        "\n\n".join(["\n".join(f"Line {k} of file {i}" for k in range(40))] * 3) for i in range(6)
    ]


_SAMPLE = pdf(column("First page", "with two lines"), column("Second"), info="/Title (T)")


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.tuples(st.integers(0, len(_SAMPLE) - 1), st.binary(min_size=1, max_size=8)).map(
            lambda change: _SAMPLE[: change[0]] + change[1] + _SAMPLE[change[0] + len(change[1]) :]
        ),
    )
)
def test_anything_is_a_document_or_a_reason(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    assert all(m.start == 0 or found.text[m.start - 2 : m.start] == "\n\n" for m in found.marks)
