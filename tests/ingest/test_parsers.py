"""Every parser on small files worked out by hand, on random bytes, and on real files."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import (
    Document,
    EncryptedFile,
    IngestError,
    MarkKind,
    ScannedFile,
    UnreadableFile,
    UnsupportedFile,
)
from ingest.decode import decode
from ingest.header import parse_date
from ingest.limits import DEFAULT
from ingest.parsers import SUFFIXES, parse, parser_for, parser_version
from ingest.parsers.restructured import sections


def labels(found: Document) -> list[tuple[str, int]]:
    return [(mark.label, mark.level) for mark in found.marks]


def fields(found: Document) -> dict[str, str]:
    return {field.name: field.value for field in found.fields}


# -- which parser


def test_a_parser_is_chosen_by_name() -> None:
    assert parser_for("a.MD") == "markdown"
    assert parser_for("README") == "text"
    assert parser_for("Makefile") == "source"
    assert parser_for("a.xyz") is None
    assert parser_for(".hidden") is None
    assert all(parser_version(name) >= 1 for name in set(SUFFIXES.values()))


def test_other_kinds_are_refused_with_a_reason() -> None:
    with pytest.raises(UnsupportedFile, match="no parser"):
        parse(b"x", name="a.xyz")


def test_a_file_that_belies_its_name_is_no_text() -> None:
    with pytest.raises(UnreadableFile, match="not text"):
        parse(bytes(range(256)) * 4, name="a.txt")
    with pytest.raises(UnreadableFile, match="damaged PDF"):
        parse(b"%PDF-1.4 ...", name="a.txt")


# -- encodings


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café – “quoted” €", "utf-8"),
        ("naïve café – “quoted” €", "cp1252"),
        ("This is a test document.\n", "utf-16-le"),
        ("This is a test document.\n", "utf-16-be"),
        ("With a mark: ü\n", "utf-16"),
        ("With a mark: ü\n", "utf-8-sig"),
        ("黑豹队的防守只丢了三百零八分，在联赛中排名第六。" * 4, "gb18030"),
        ("東京都の人口は約千四百万人です。これは日本語の文章です。" * 4, "shift_jis"),
    ],
)
def test_encodings(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_newlines_and_nuls() -> None:
    assert decode(b"a\r\nb\rc\x0cd") == "a\nb\nc\nd"


# -- headers


PEP = """PEP: 572
Title: Assignment Expressions
Author: Chris Angelico <rosuav@gmail.com>,
        Tim Peters <tim@python.org>
Status: Final
Created: 28-Feb-2018

Abstract
========

Text of the abstract.

Syntax
------

More.

Rationale
=========
"""


def test_a_pep_has_title_fields_date_and_sections() -> None:
    found = parse(PEP.encode(), name="pep-0572.rst")
    assert found.title == "PEP 572 – Assignment Expressions"
    assert found.dated == date(2018, 2, 28)
    assert fields(found)["author"] == "Chris Angelico <rosuav@gmail.com>, Tim Peters <tim@python.org>"
    assert labels(found) == [("Abstract", 1), ("Syntax", 2), ("Rationale", 1)]
    author = next(field for field in found.fields if field.name == "author")
    assert (
        PEP[author.start : author.end]
        == "Author: Chris Angelico <rosuav@gmail.com>,\n        Tim Peters <tim@python.org>"
    )
    assert all(found.text[mark.start :].startswith(mark.label) for mark in found.marks)


def test_front_matter() -> None:
    text = '---\ntitle: "Weekly notes"\nauthor: Ana Ruiz\ndate: 2026-02-18\n---\n# Retries\n\nFive.\n\n## Keys ##\n'
    found = parse(text.encode(), name="a.md")
    assert (found.title, found.dated) == ("Weekly notes", date(2026, 2, 18))
    assert fields(found) == {"title": "Weekly notes", "author": "Ana Ruiz", "date": "2026-02-18"}
    assert labels(found) == [("Retries", 1), ("Keys", 2)]
    assert [text[f.start : f.end] for f in found.fields] == [
        'title: "Weekly notes"',
        "author: Ana Ruiz",
        "date: 2026-02-18",
    ]


def test_prose_with_a_colon_is_no_header() -> None:
    assert parse(b"Note: this is prose.\n\nMore prose.\n", name="a.txt").fields == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("28-Feb-2018", date(2018, 2, 28)),
        ("2018-02-28", date(2018, 2, 28)),
        ("28 February 2018", date(2018, 2, 28)),
        ("February 28, 2018", date(2018, 2, 28)),
        ("31-Feb-2018", None),
        ("soon", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert parse_date(text) == expected


# -- marks


def test_markdown_headings_outside_code_only() -> None:
    text = "# One\n\n```\n# not this\n```\n\nTwo\n---\n\n### *Three* [link](x)\n"
    assert labels(parse(text.encode(), name="a.md")) == [("One", 1), ("Two", 2), ("Three link", 3)]


def test_overlined_titles_are_another_level() -> None:
    assert [(m.label, m.level) for m in sections("=====\nTitle\n=====\n\nPart\n=====\n\nText\n")] == [
        ("Title", 1),
        ("Part", 2),
    ]


def test_python_definitions_begin_at_their_decorator() -> None:
    text = "import x\n\n@d\nclass A:\n    def f(self):\n        pass\n\nasync def g():\n    pass\n"
    found = parse(text.encode(), name="a.py")
    assert labels(found) == [("A", 1), ("f", 2), ("g", 1)]
    assert text[found.marks[0].start :].startswith("@d\nclass A")


def test_definitions_of_other_languages_and_of_broken_python() -> None:
    assert labels(parse(b"pub fn go(x: i32) {\n}\nstruct Point {\n}\n", name="a.rs")) == [
        ("go", 1),
        ("Point", 1),
    ]
    assert labels(parse(b"def f(:\n  class\nclass B:\n", name="a.py")) == [("f", 1), ("B", 1)]


def test_notebook_cells() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Words."]},
        {"cell_type": "code", "source": "1 + 1", "outputs": [{"data": {"text/plain": ["2"]}}]},
        {"cell_type": "code", "source": "  ", "outputs": []},
        {"cell_type": "markdown", "source": "## Part"},
    ]
    found = parse(json.dumps({"cells": cells}).encode(), name="a.ipynb")
    assert found.text == "# Title\nWords.\n\n1 + 1\n\n2\n\n## Part"
    assert [(m.kind, m.label) for m in found.marks] == [
        (MarkKind.CELL, "1"),
        (MarkKind.HEADING, "Title"),
        (MarkKind.CELL, "2"),
        (MarkKind.CELL, "4"),
        (MarkKind.HEADING, "Part"),
    ]
    assert found.title == "Title"


def test_html_is_read_in_blocks() -> None:
    page = (
        "<html><head><title>The page</title><meta name='author' content='Ana'><meta name=date content='2026-02-18'>"
        "<script>alert(1)</script></head><body><nav>menu</nav><h1>Head</h1><p>One <b>two</b><br>three</p>"
        "<ul><li>first</li><li>second</li></ul><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
        "<pre>x\n  y</pre></body></html>"
    )
    found = parse(page.encode(), name="a.html")
    assert found.text == "Head\n\nOne two\nthree\n\n- first\n- second\n\na | b\n1 | 2\n\nx\n  y"
    assert (found.title, found.dated, fields(found)["author"]) == ("The page", date(2026, 2, 18), "Ana")
    assert labels(found) == [("Head", 1)]


def pdf(*pages: str) -> bytes:
    """A minimal PDF with a line of text on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET" if text else ""
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects) + 2} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    return out + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()


def test_pdf_pages_are_marks() -> None:
    found = parse(pdf("First page", "", "Third page"), name="a.pdf")
    assert found.text == "First page\n\nThird page"
    assert [(m.kind, m.label, m.start) for m in found.marks] == [
        (MarkKind.PAGE, "1", 0),
        (MarkKind.PAGE, "3", 12),
    ]


def test_a_pdf_without_text_looks_scanned() -> None:
    with pytest.raises(ScannedFile, match="looks scanned"):
        parse(pdf("", ""), name="a.pdf")


def test_docx_in_document_order() -> None:
    import docx

    word = docx.Document()
    word.core_properties.author = "Ana Ruiz"
    word.core_properties.title = "Plan"
    word.add_heading("Part one", 1)
    word.add_paragraph("A paragraph.")
    word.add_paragraph("an item", style="List Bullet")
    table = word.add_table(rows=2, cols=2)
    for i, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = "abcd"[i]
    word.add_paragraph("The end.")
    out = io.BytesIO()
    word.save(out)
    found = parse(out.getvalue(), name="a.docx")
    assert found.text == "Part one\n\nA paragraph.\n\n- an item\n\na | b\nc | d\n\nThe end."
    assert labels(found) == [("Part one", 1)]
    assert (found.title, fields(found)["author"]) == ("Plan", "Ana Ruiz")


def test_old_and_encrypted_word_files_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no LibreOffice
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100
    with pytest.raises(UnreadableFile, match="old Word format"):
        parse(ole + "WordDocument".encode("utf-16-le"), name="a.docx")
    with pytest.raises(EncryptedFile, match="without a password"):
        parse(ole + "EncryptedPackage".encode("utf-16-le"), name="a.docx")


def test_a_zip_that_unpacks_to_too_much_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "x" * 100_000)
    with pytest.raises(UnreadableFile, match="unpacks to"):
        parse(out.getvalue(), name="a.docx", limits=replace(DEFAULT, max_unpacked_bytes=50_000))


# -- anything at all


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(sorted(SUFFIXES)))
def test_random_bytes_end_as_a_document_or_a_reason(data: bytes, suffix: str) -> None:
    end(data, f"a{suffix}")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=400), st.sampled_from([".txt", ".md", ".rst", ".html", ".py", ".ipynb", ".js"]))
def test_random_text_ends_as_a_document_or_a_reason(text: str, suffix: str) -> None:
    end(text.encode("utf-8", "surrogatepass"), f"a{suffix}")


def end(data: bytes, name: str) -> Document | str:
    """What every file must become."""
    try:
        found = parse(data, name=name)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason and len(reason) < 300
        return reason
    found.text.encode("utf-8")  # no lone surrogates
    assert "\x00" not in found.text and "\r" not in found.text
    assert [m.start for m in found.marks] == sorted(m.start for m in found.marks)
    assert all(0 <= m.start <= len(found.text) for m in found.marks)
    for field in found.fields:
        if field.start is not None and field.end is not None:
            printed = found.text[field.start : field.end].lower().replace(" ", "-").replace("_", "-")
            assert printed.startswith(field.name)
    return found


# -- real files


@pytest.mark.slow
def test_half_a_file_ends_as_a_document_or_a_reason(shared: Path) -> None:
    rng = random.Random(1)
    for path in sorted((shared / "docs").rglob("*")):
        if (
            path.is_file()
            and parser_for(path.name) in ("pdf", "docx", "notebook", "html")
            and os.stat(path).st_size < 500_000
        ):
            data = path.read_bytes()
            end(data[: rng.randrange(1, len(data) + 1)], path.name)


@pytest.mark.slow
def test_section_titles_are_those_docutils_finds(shared: Path) -> None:
    docutils = pytest.importorskip("docutils.core")
    nodes = pytest.importorskip("docutils.nodes")
    texts = rst_files(shared / "docs")
    assert texts
    for name, text in texts:
        tree = docutils.publish_doctree(
            text,
            settings_overrides={
                "report_level": 5,
                "halt_level": 6,
                "doctitle_xform": False,
                "file_insertion_enabled": False,
            },
        )
        expected = [
            " ".join(node.astext().split())
            for node in tree.findall(nodes.title)
            if isinstance(node.parent, nodes.section)
        ]
        found = [mark.label for mark in sections(decode(text.encode()))]
        plain = [title.replace("`", "").replace("*", "") for title in expected]
        assert found == plain, name


def rst_files(folder: Path) -> list[tuple[str, str]]:
    return [(p.name, p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.rst"))]


def test_a_long_comment_behind_a_rule_is_read_in_linear_time() -> None:
    """The pattern of front matter once ran for hours on a text like this."""
    text = "---\n" + "# a comment, and no front matter\n" * 3_000
    assert parse(text.encode(), name="a.md").fields == ()
