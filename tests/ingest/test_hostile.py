"""Files made to do harm, through the process that reads the user's: each ends as just this document, or for just this
reason, and the process reads the next one.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.mutate import zip_of, zip_parts
from benchmarks.fuzz.samples import samples
from ingest import IngestError
from ingest.apart import ParserProcess
from ingest.limits import DEFAULT
from ingest.parsers import SUFFIXES, parser_for
from ingest.recognise import has_signature

LIMITS = replace(DEFAULT, timeout_s=20.0, memory_bytes=1_500_000_000, max_unpacked_bytes=5_000_000)
SOUND = (b"<title>Sound</title><p>The next one.", "a.html", "The next one.")


@pytest.fixture(scope="module")
def apart() -> Iterator[ParserProcess]:
    with ParserProcess(LIMITS) as process:
        yield process


def end(apart: ParserProcess, name: str, data: bytes) -> str:
    """The text, or the kind of error and its reason; the process then reads a sound file."""
    try:
        found = apart.parse(data, name=name).text
    except IngestError as error:
        found = f"{type(error).__name__}: {error}"
    sound, sound_name, text = SOUND
    assert apart.parse(sound, name=sound_name).text == text
    return found


def with_part(sample: str, part: str, old: str, new: str) -> bytes:
    """The sample with something else in one of its parts."""
    parts = [
        (name, body.replace(old.encode(), new.encode()) if name == part else body)
        for name, body in zip_parts(samples()[sample])
    ]
    assert parts != zip_parts(samples()[sample])
    return zip_of(parts)


def has_parser(name: str) -> bool:
    return parser_for(name) is not None and parser_for(name) != "source"


# -- bombs

ZEROS = bytes(6_000_000)
PACKAGES = {  # sample → the part that holds its text
    "a.docx": ("word/document.xml", "<w:body>", "</w:body>"),
    "a.pptx": ("ppt/slides/slide1.xml", "<p:spTree>", "</p:spTree>"),
    "a.xlsx": ("xl/worksheets/sheet1.xml", "<sheetData>", "</sheetData>"),
    "a.odt": ("content.xml", "<office:text>", "</office:text>"),
    "a.ods": ("content.xml", "<office:spreadsheet>", "</office:spreadsheet>"),
    "a.odp": ("content.xml", "<office:presentation>", "</office:presentation>"),
    "a.epub": ("OPS/text/a.xhtml", "<h1>", "</h1>"),
}
TOO_MUCH = "TooLarge: unpacks to 6 MB, the limit is 5 MB: split the file"


@pytest.mark.parametrize("sample", [name for name in PACKAGES if has_parser(name)])
def test_an_office_file_that_unpacks_to_more_than_the_limit_is_too_large(apart: ParserProcess, sample: str) -> None:
    bomb = zip_of([*zip_parts(samples()[sample]), ("media/a.bin", ZEROS)])
    assert len(bomb) < 60_000
    assert end(apart, sample, bomb) == TOO_MUCH


def lying(data: bytes, size_bytes: int) -> bytes:
    """The zip archive with every part said to unpack to that many bytes."""
    changed = bytearray(data)
    for sign, at_size in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = changed.find(sign)
        while at >= 0:
            changed[at + at_size : at + at_size + 4] = size_bytes.to_bytes(4, "little")
            at = changed.find(sign, at + 4)
    return bytes(changed)


@pytest.mark.parametrize("sample", [name for name in PACKAGES if has_parser(name)])
def test_an_office_file_that_says_it_is_small_unpacks_to_no_more_than_it_says(
    apart: ParserProcess, sample: str
) -> None:
    part, first, _ = PACKAGES[sample]
    bomb = lying(with_part(sample, part, first, first + " " * 6_000_000), 400)
    assert end(apart, sample, bomb).startswith("UnreadableFile: ")


# -- XML

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
) + "]>"  # fmt: skip


@pytest.mark.parametrize("sample", [name for name in PACKAGES if has_parser(name)])
def test_entities_that_multiply_are_not_expanded(apart: ParserProcess, sample: str) -> None:
    part, first, _ = PACKAGES[sample]
    body = dict(zip_parts(samples()[sample]))[part].decode()
    laughing = LAUGHS + body.replace(first, f"{first}&j;", 1)
    found = end(
        apart,
        sample,
        zip_of([(name, laughing.encode() if name == part else old) for name, old in zip_parts(samples()[sample])]),
    )
    assert "haha" not in found
    assert len(found) < 400


def test_entities_of_an_xml_file_are_not_expanded(apart: ParserProcess, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    asking = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{tmp_path}/secret.txt">]><x>&a;</x>'
    laughing = f"{LAUGHS}<x>&j;</x>"
    assert end(apart, "a.xml", laughing.encode()) == laughing  # lxml refuses it: it is read as it stands
    assert end(apart, "a.xml", asking.encode()) == ""


@pytest.mark.parametrize("sample", [name for name in PACKAGES if has_parser(name)])
@pytest.mark.parametrize("entity", ['SYSTEM "file://{}"', '"%p;"><!ENTITY % p SYSTEM "file://{}"'])
def test_no_other_file_is_read_into_one(apart: ParserProcess, sample: str, entity: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    part, first, _ = PACKAGES[sample]
    body = dict(zip_parts(samples()[sample]))[part].decode()
    asking = f"<!DOCTYPE x [<!ENTITY a {entity.format(tmp_path / 'secret.txt')}>]>" + body.replace(
        first, f"{first}&a;", 1
    )
    found = end(
        apart,
        sample,
        zip_of([(name, asking.encode() if name == part else old) for name, old in zip_parts(samples()[sample])]),
    )
    assert "secret" not in found


# -- what nests

DEEP = 100_000


def packed_over_and_over(times: int) -> bytes:
    data = b"Text."
    for _ in range(times):
        data = gzip.compress(data, 1, mtime=0)
    return data


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.html", b"<div>" * DEEP + b"x", "UnreadableFile: damaged HTML: over 10000 elements inside each other"),
        ("a.html", b"<b>" * DEEP + b"x", "x"),
        ("a.md", b">" * DEEP + b" x", ">" * DEEP + " x"),
        ("a.md", b"- " * 5_000 + b"x\n===\n", "- " * 5_000 + "x\n===\n"),
        ("a.py", b"(" * DEEP, "(" * DEEP),
        ("a.py", b"\n".join(b" " * i + b"if x:" for i in range(300)), "\n".join(" " * i + "if x:" for i in range(300))),
        (
            "a.ipynb",
            b"[" * DEEP,
            "UnreadableFile: damaged notebook: it is not valid JSON with cells; open it in Jupyter and save it anew",
        ),
        ("a.js", b"function f(){" * 20_000, "function f(){" * 20_000),
        ("a.json", b"[" * DEEP, "[" * DEEP),
        ("a.json", b'{"a":' * DEEP + b"1" + b"}" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP),
        ("a.yaml", b"[" * DEEP, "[" * DEEP),
        ("a.yaml", b"- " * DEEP + b"x", "- " * DEEP + "x"),
        ("a.xml", b"<a>" * DEEP, "<a>" * DEEP),
        ("a.xml", b"<a>" * DEEP + b"x" + b"</a>" * DEEP, "<a>" * DEEP + "x" + "</a>" * DEEP),
        ("a.org", b"*" * DEEP + b" x", "*" * DEEP + " x"),
        ("a.tex", b"\\begin{a}" * DEEP, "\\begin{a}" * DEEP),
        (
            "a.rtf",
            b"{\\rtf1 " + b"{" * DEEP + b"x",
            "UnreadableFile: over 200 groups inside each other: open it in its own program and save it anew",
        ),
        (
            "a.eml",
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(3_000)),
            "TooLarge: over 200 parts within one another, the limit: save its files apart",
        ),
        ("a.gz", packed_over_and_over(1_000), "TooLarge: compressed over and over: unpack it"),
        ("a.rst", b"".join(b"%s\n%s\n\n" % (c, c * 5) for c in [b"="] * 2_000), "=\n=====\n\n" * 2_000),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:12],
)
def test_what_nests_deeply_is_text_or_a_reason(apart: ParserProcess, name: str, data: bytes, expected: str) -> None:
    assert end(apart, name, data) == expected


# -- a billion columns

SHEET_PART = "xl/worksheets/sheet1.xml"
AMOUNTS = "Name | Amount\nName: Ana | Amount: 1.5"
XLSX = f"{AMOUNTS}\n\nTRUE | 2024-03-01 | x"


@pytest.mark.parametrize(
    ("sample", "part", "old", "new", "expected"),
    [
        ("a.xlsx", SHEET_PART, "</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>7</v></c></row></sheetData>', f"{XLSX}\n\n7"),
        ("a.xlsx", SHEET_PART, 'ref="A1:C4"', 'ref="A1:XFD1048576"', XLSX),
        ("a.xlsx", SHEET_PART, 'ref="A4:A5"', 'ref="A1:XFD1048576"', XLSX),
        (
            "a.xlsx",
            SHEET_PART,
            "</sheetData>",
            f'<row r="9">{"<c><v>7</v></c>" * 20_000}</row></sheetData>',
            "UnreadableFile: damaged spreadsheet: a cell in column 16385",
        ),
        ("a.ods", "content.xml", "<table:table-cell office:value-type", '<table:table-cell table:number-columns-repeated="1000000000" office:value-type', None),
        ("a.ods", "content.xml", 'number-rows-repeated="2"', 'number-rows-repeated="1000000000"', AMOUNTS),
        (
            "a.ods",
            "content.xml",
            "</table:table>",
            '<table:table-row table:number-rows-repeated="1000000000"><table:table-cell table:number-columns-repeated="1000000000"/>'
            "</table:table-row></table:table>",
            f"{AMOUNTS}\nName: Ana | Amount: 1.5",
        ),
    ],
    ids=["the last cell", "the size told", "cells merged", "many cells", "cells repeated", "rows repeated", "empty cells repeated"],
)  # fmt: skip
def test_a_sheet_of_a_billion_cells_is_what_is_in_it(
    apart: ParserProcess, sample: str, part: str, old: str, new: str, expected: str | None
) -> None:
    found = end(apart, sample, with_part(sample, part, old, new))
    if expected is None:
        assert len(found) < 20_000 and found.startswith("Name")
    else:
        assert found == expected


def test_a_table_of_a_billion_columns_is_what_is_in_it(apart: ParserProcess) -> None:
    assert end(apart, "a.html", b"<table><tr><th>A<tr><td colspan=1000000000>x</table>") == "A\nx"
    wide = end(apart, "a.html", b"<table><tr><th>A<tr>" + b"<td>x" * 20_000 + b"</table>")
    assert wide == "A\n" + " | ".join(["x"] * 20_000)
    assert end(apart, "a.csv", b"a," * 1_000_000) == (
        "TooLarge: a record of 1000001 cells, the limit is 100000: split the file"
    )
    assert end(apart, "a.csv", b"," * 5_000_000) == "," * 5_000_000  # no cell holds anything: it is kept as it stands


# -- bytes that are no text

BINARY = "not text: it holds binary data; give it the file name ending of its kind"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one\x00two\x00 " + b"plain words " * 20, "onetwo " + "plain words " * 20),
        (bytes(1_000), f"UnreadableFile: {BINARY}"),
        ("naïve café\n".encode() * 20 + "naïve café\n".encode("latin-1"), "naïve café\n" * 21),
        (b"\xef\xbb\xbf" + "café\n".encode() * 9 + b"one\xff", "café\n" * 9 + "oneÿ"),
        ("one".encode("utf-16") + b"\x41", "one"),
        ("café ".encode() * 9 + b"a\xed\xa0\x80b\xed\xbf\xbf", "café " * 9 + "a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd"),
        (b"one\r\ntwo\rthree\x0cfour\x0b\x1c" + b"x" * 99, "one\ntwo\nthree\nfour\x0b\x1c" + "x" * 99),
        ("a\u202etxt.exe\u202c b\u2066c\u2069 d\u2028e".encode(), "a\u202etxt.exe\u202c b\u2066c\u2069 d\u2028e"),
        (Random(1).randbytes(2_000), f"UnreadableFile: {BINARY}"),
    ],
    ids=["a few NULs", "NULs", "two encodings", "a mark and a bad byte", "half a character", "surrogates", "line ends", "overrides", "noise"],
)  # fmt: skip
def test_bytes_become_sound_text_or_a_reason(apart: ParserProcess, data: bytes, expected: str) -> None:
    assert end(apart, "a.txt", data) == expected


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "x\ud800y\u0000z\r"}]}).encode(), "x?yz"),
        ("a.html", b"<p>x&#xD800;y&#0;z&#13;w", "x\ufffdy\ufffdz w"),
    ],
)
def test_escapes_for_what_is_no_text_are_sound(apart: ParserProcess, name: str, data: bytes, expected: str) -> None:
    assert end(apart, name, data) == expected


# -- half a file, and a file of another type

WORD = "UnreadableFile: damaged Word file: open it in Word or LibreOffice and save it anew"
ARCHIVE = "UnreadableFile: damaged archive: download it or pack it anew"
NOTEBOOK = "UnreadableFile: damaged notebook: it is not valid JSON with cells; open it in Jupyter and save it anew"
PDF = "UnreadableFile: damaged PDF: open it in a viewer and save or print it anew"
SLIDES = "UnreadableFile: damaged PowerPoint file: open it in PowerPoint or LibreOffice and save it anew"
SHEET = "UnreadableFile: damaged spreadsheet: open it in Excel or LibreOffice and save it anew"
OPEN = "UnreadableFile: damaged OpenDocument file: open it in LibreOffice and save it anew"
PICTURE = "UnreadableFile: damaged picture: open it in a viewer and save it anew"
CAPTIONS = "UnreadableFile: no captions found: save it as .srt or .vtt"
XML_HALF = '<?xml version="1.0" encoding="UTF-8"?>\n<box at="1"><title>Box</title><item id="'
SOURCE = ".txt .md .rst .py .js .go .toml .org .tex .json .yaml".split()
HALVES = {
    **{f"a{suffix}": "as the whole begins" for suffix in SOURCE},
    "a.html": "<",  # of a tag cut off
    "a.eml": (
        "From: Ana <ana@example.org>\nTo: Bo <bo@example.org>\nDate: Fri, 1 Mar 2024 10:00:00 +0100\nSubject: Café\n\n"
        "Content-Transfer-E"  # of a part, cut in its head
    ),
    "a.mbox": "mailbox of 1 message, from 2024-03-01 to 2024-03-01\n\n2024-03-01 | ana@example.org | One",
    "a.tar": "archive of 2 files, 2 of them read\n\n- b.txt, 7 bytes\n- notes/a.md, 154 bytes",  # its half holds both
    "a.srt": "Hello there</i",
    "a.vtt": CAPTIONS,
    "a.ass": CAPTIONS,
    "a.xml": XML_HALF,  # broken: as it stands
    "a.jsonl": '{"a": 1, "b": "x"}\n{',
    "a.ndjson": '{"a": 1}\n',
    "a.csv": 'Name,Date,Amount\nAna,2024-03-01,"1,',
    "a.tsv": "Name | Amount",
    "a.rtf": "UnreadableFile: empty: it holds no text",
    "a.epub": "UnreadableFile: damaged EPUB: download it anew",
    **dict.fromkeys((f"a.{kind}" for kind in "png gif bmp tif jpg webp".split()), PICTURE),
    **dict.fromkeys((f"a.txt.{kind}" for kind in "gz bz2 xz zst".split()), ARCHIVE),
    "a.fodt": OPEN,
    "a.sbv": "Hello ther",
    "a.msg": "UnreadableFile: damaged Outlook message: open it in Outlook and save it anew",
    "a.ipynb": NOTEBOOK,
    "a.pdf": PDF,
    "a.docx": WORD,
    "a.pptx": SLIDES,
    "a.xlsx": SHEET,
    "a.ods": SHEET,
    "a.odt": OPEN,
    "a.odp": OPEN,
    "a.zip": ARCHIVE,
    "a.tgz": ARCHIVE,
}


CONVERTED = frozenset(["a.doc"])  # by LibreOffice, where it is: tests/ingest/parsers/test_office.py


def text_or_reason(apart: ParserProcess, name: str, data: bytes) -> str:
    try:
        return apart.parse(data, name=name).text
    except IngestError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    "name", [name for name in samples() if (has_parser(name) or name in HALVES) and name not in CONVERTED]
)
def test_half_a_file_is_its_beginning_or_a_reason(apart: ParserProcess, name: str) -> None:
    whole = samples()[name]
    found = end(apart, name, whole[: len(whole) // 2])
    assert "damaged or unusual" not in found
    if HALVES[name] == "as the whole begins":
        begun = text_or_reason(apart, name, whole)
        assert 10 < len(found) < len(begun)
        assert begun.startswith(found[:-8])
    else:
        assert found == HALVES[name]


# one a parser; old Office files are told by their bytes, and text under their names goes to no program
ENDINGS = list({parser: suffix for suffix, parser in SUFFIXES.items()}.values())


def test_a_file_of_a_kind_with_a_signature_is_read_as_what_it_is_under_every_name(apart: ParserProcess) -> None:
    for name, data in samples().items():
        if (
            not has_signature(data) or name.startswith("a.txt.") or name in CONVERTED
        ):  # compressed: its name tells of what
            continue
        own = text_or_reason(apart, name, data)
        for suffix in ENDINGS[:: 9 if parser_for(name) == "image" else 3]:  # of a picture each costs a run of tesseract
            assert text_or_reason(apart, f"a{suffix}", data) == own, (name, suffix)


def test_text_under_the_name_of_another_kind_is_read_as_text(apart: ParserProcess) -> None:
    for suffix in (".pdf", ".docx", ".zip"):
        assert text_or_reason(apart, f"a{suffix}", b"Plain words.") == "Plain words."
        assert text_or_reason(apart, f"a{suffix}", b"<!doctype html><p>A page.") == "A page."


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_every_sample_under_other_names_is_a_document_or_a_reason_of_one_line(apart: ParserProcess, step: int) -> None:
    kinds = ("UnreadableFile: ", "UnsupportedFile: ", "EncryptedFile: ", "TooLarge: ", "ScannedFile: ")
    pairs = [(name, suffix) for name in samples() if name not in CONVERTED for suffix in ENDINGS]
    for name, suffix in pairs[::step]:
        found = text_or_reason(apart, f"a{suffix}", samples()[name])
        assert "damaged or unusual" not in found, (name, suffix)
        if found.startswith(kinds):
            assert len(found.splitlines()) == 1, (name, suffix)
