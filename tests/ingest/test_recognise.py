"""What a file is by its bytes, whatever its name says."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import docx
import pytest

from ingest.parsers import parse
from ingest.recognise import has_signature, recognise

ROOT = Path(__file__).resolve().parents[2]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def zipped(**parts: str) -> bytes:
    """A zip archive of stored parts; "types" names the content types of an office file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr("[Content_Types].xml" if name == "types" else name, text)
    return out.getvalue()


def types(kind: str) -> bytes:
    return zipped(types=f'<Override ContentType="application/vnd.{kind}.main+xml"/>')


@pytest.mark.parametrize(
    ("data", "by_name", "expected"),
    [
        (b"%PDF-1.7\n", "text", "pdf"),
        (b"%PDF-1.7\n", None, "pdf"),
        (b"junk\n%PDF-1.7\n", "pdf", "pdf"),
        (b"{\\rtf1 x}", "docx", "rtf"),
        (types("openxmlformats-officedocument.wordprocessingml.document"), "text", "docx"),
        (types("ms-word.document.macroEnabled"), "pptx", "docx"),
        (types("openxmlformats-officedocument.spreadsheetml.sheet"), "docx", "sheet"),
        (types("openxmlformats-officedocument.presentationml.slideshow"), "archive", "pptx"),
        (zipped(mimetype="application/epub+zip"), "archive", "epub"),
        (zipped(mimetype="application/vnd.oasis.opendocument.text"), "docx", "odf"),
        (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "docx", "sheet"),
        (zipped(notes="words"), "text", "archive"),
        (zipped(notes="words"), "docx", "archive"),
        (b"PK\x03\x04 damaged", "docx", "docx"),
        (b"PK\x03\x04 damaged", "text", "archive"),
        (OLE + "WordDocument".encode("utf-16-le"), "docx", "office"),
        (OLE + "__properties_version1.0".encode("utf-16-le"), "text", "msg"),
        (OLE + "Workbook".encode("utf-16-le"), "text", "sheet"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "docx", "docx"),
        (b"\x1f\x8b\x08", None, "archive"),
        (b"notes.txt".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 247, "text", "archive"),
        (b"\x89PNG\r\n\x1a\n", "text", "image"),
        (b"  <!DOCTYPE html>\n<html>", "sheet", "html"),
        (b"<!-- saved --><HTML lang=en>", "office", "html"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "office", "xml"),
        (b"Team\tWins\nA\t3\n", "sheet", "delimited"),
        ("Grüße aus Köln".encode(), "docx", "text"),
        (b"Gr\xfc\xdfe\xff\xfe\x01", "docx", "docx"),
        (b"", "docx", "docx"),
        (b"<html>", "text", "text"),
        (b"<html>", None, None),
        (b"GIF", "text", "text"),
    ],
)
def test_certain_signs_count_and_else_the_name(data: bytes, by_name: str | None, expected: str | None) -> None:
    assert recognise(data, by_name) == expected


def test_a_multibyte_character_cut_by_the_sample_is_still_text() -> None:
    assert recognise(("é" * 2048 + "x").encode(), "pdf") == "text"
    assert recognise(b"x" + ("é" * 3000).encode(), "pdf") == "text"


def test_a_document_under_a_wrong_name_is_read_as_what_it_is() -> None:
    pdf = (ROOT / "samples/audit.pdf").read_bytes()
    assert parse(pdf, name="audit.txt") == parse(pdf, name="audit.pdf")
    word = docx.Document()
    word.add_paragraph("A paragraph.")
    out = io.BytesIO()
    word.save(out)
    assert (parse(out.getvalue(), name="a.pdf").parser, parse(out.getvalue(), name="a").text) == (
        "docx",
        "A paragraph.",
    )
    assert parse(b"<html><p>Saved as Word", name="a.docx").text == "Saved as Word"


def test_plain_text_bears_no_sign() -> None:
    assert not has_signature(b"PK is short for Phil Katz.")
    assert not has_signature(b"")
    assert has_signature(b"PK\x03\x04")


def test_comments_end_in_one_way_only() -> None:
    """Thirty took over a minute: each might have ended at the sign of any behind it."""
    comments = b"<!---->" * 60 + b"<!-- a -- b -->\n"
    start = time.process_time()
    assert recognise(comments + b"words", "pdf") == "text"
    assert recognise(comments + b"<html>", "pdf") == "html"
    assert time.process_time() - start < 3.0
