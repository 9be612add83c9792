"""OpenDocument texts and presentations written here part by part; and anything at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, EncryptedFile, UnreadableFile
from ingest.errors import TooLarge
from ingest.limits import DEFAULT, Limits
from ingest.parsers.odf import parse
from ingest.recognise import recognise
from ingest.types import MarkKind

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_NAMES = " ".join(
    [
        *(f'xmlns:{n}="{_OASIS}{n}:1.0"' for n in ("office", "text", "table", "style", "meta", "presentation")),
        f'xmlns:draw="{_OASIS}drawing:1.0"',
        'xmlns:dc="http://purl.org/dc/elements/1.1/"',
    ]
)
_META = (
    "<dc:title>Plan</dc:title><meta:initial-creator>Ana Ruiz</meta:initial-creator><dc:creator>Bo</dc:creator>"
    "<meta:keyword>a</meta:keyword><meta:keyword>b</meta:keyword><meta:creation-date>2026-02-18T09:00:00</meta:creation-date>"
    "<dc:date>2026-03-01T09:00:00</dc:date>"
)


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.odt", limits=limits)


def zipped(**parts: str) -> bytes:
    """The parts as an OpenDocument file; "content" is content.xml."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        for name, text in parts.items():
            archive.writestr("META-INF/manifest.xml" if name == "manifest" else f"{name}.xml", text)
    return out.getvalue()


def content(body: str, kind: str = "text", styles: str = "") -> str:
    return (
        f"<office:document-content {_NAMES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )


def text(body: str) -> str:
    return read(zipped(content=content(body))).text


def paragraphs(*texts: str) -> str:
    return "".join(f"<text:p>{one}</text:p>" for one in texts)


def item(*inner: str) -> str:
    return f"<text:list-item>{''.join(inner)}</text:list-item>"


def test_headings_paragraphs_and_lists() -> None:
    styles = '<style:style style:name="P1" style:parent-style-name="Title"/>'
    inner = f"<text:list>{item(paragraphs('deeper'))}</text:list>"
    body = (
        '<text:p text:style-name="P1">The  title</text:p><text:h text:outline-level="1">Part</text:h>'
        f"{paragraphs('Text.')}<text:list>{item(paragraphs('one'), inner)}{item(paragraphs('two'))}</text:list>"
        '<text:section><text:h text:outline-level="2">Detail</text:h></text:section>'
    )
    found = read(zipped(content=content(body, styles=styles)))
    assert found.text == "The title\n\nPart\n\nText.\n\n- one\n  - deeper\n- two\n\nDetail"
    assert [(m.start, m.kind, m.label, m.level) for m in found.marks] == [
        (11, MarkKind.HEADING, "Part", 1),
        (48, MarkKind.HEADING, "Detail", 2),
    ]
    assert (found.title, found.is_source) == ("The title", False)


def test_blanks_tabs_breaks_and_spans() -> None:
    line = 'a\n  <text:span>b<text:s text:c="2"/>c</text:span><text:tab/>d<text:line-break/>e<text:a>f</text:a>g'
    assert text(paragraphs(line, '<text:s text:c="999999999"/>', "h")) == "a b  c\td\nefg\n\nh"


def test_what_is_deleted_hidden_or_a_remark_is_out() -> None:
    deleted = "<text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region>"
    assert (
        text(
            f"<text:tracked-changes>{deleted}</text:tracked-changes>"
            + paragraphs(
                "kept<office:annotation><text:p>remark</text:p></office:annotation>",
                '<text:hidden-text text:is-hidden="true">hidden</text:hidden-text>, shown',
                "<text:ruby><text:ruby-base>base</text:ruby-base><text:ruby-text>reading</text:ruby-text></text:ruby>",
            )
        )
        == "kept\n\n, shown\n\nbase"
    )


def test_notes_and_text_boxes_follow_their_paragraph() -> None:
    note = "<text:note><text:note-citation>i</text:note-citation><text:note-body><text:p>The note.</text:p></text:note-body></text:note>"
    box = "<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame>"
    assert (
        text(paragraphs(f"One{note} two{note}{box}."))
        == "One[1] two[2].\n\n[1] The note.\n\n[2] The note.\n\nin the box"
    )


def cell(*inner: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{paragraphs(*inner)}</table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def test_tables() -> None:
    twice = 'table:number-columns-repeated="2"'
    table = (
        f"<table:table-header-rows>{row(cell('a'), cell('b', 'c'), cell('d'))}</table:table-header-rows>"
        f"{row(cell('', attributes=twice), cell('e'))}{row(cell(''), cell(''))}"
        f"{row(cell('f'), '<table:covered-table-cell/>', cell('g'))}"
    )
    frame = row(cell("a frame", "round text"))
    assert text(f"<table:table>{table}</table:table><table:table>{frame}</table:table>") == (
        "a | b c | d\n |  | e\nf |  | g\n\na frame\n\nround text"
    )
    endless = 'table:number-columns-repeated="999999999"'
    assert text(f"<table:table>{row(cell('x', attributes=endless), cell('y'))}</table:table>").count("x") == 1000


def test_slides_titles_and_notes() -> None:
    title = '<draw:frame presentation:class="title"><draw:text-box><text:p>Title</text:p></draw:text-box></draw:frame>'
    number = (
        '<draw:frame presentation:class="page-number"><draw:text-box><text:p>7</text:p></draw:text-box></draw:frame>'
    )
    group = f"<draw:g><draw:custom-shape>{paragraphs('in a shape')}</draw:custom-shape></draw:g>"
    notes = (
        '<presentation:notes><draw:frame presentation:class="notes"><draw:text-box><text:p>Say hello.</text:p></draw:text-box>'
        f"</draw:frame>{number}</presentation:notes>"
    )
    pages = f"<draw:page>{group}{title}{number}{notes}</draw:page><draw:page/><draw:page>{group}</draw:page>"
    data = zipped(content=content(pages, kind="presentation"))
    found = read(data)
    assert found.text == "Title\n\nin a shape\n\nNotes: Say hello.\n\nin a shape"
    assert [(m.start, m.kind, m.label) for m in found.marks] == [
        (0, MarkKind.SLIDE, "1"),
        (0, MarkKind.HEADING, "Title"),
        (38, MarkKind.SLIDE, "3"),
    ]
    assert found.title == "Title"
    with pytest.raises(TooLarge, match=r"^3 slides, the limit is 2: split the file$"):
        read(data, replace(DEFAULT, max_pages=2))


def test_properties() -> None:
    meta = f"<office:document-meta {_NAMES}><office:meta>{_META}</office:meta></office:document-meta>"
    found = read(zipped(content=content(paragraphs("x")), meta=meta))
    assert (found.title, found.dated) == ("Plan", date(2026, 2, 18))
    assert [(f.name, f.value) for f in found.fields] == [
        ("title", "Plan"),
        ("author", "Ana Ruiz"),
        ("keywords", "a, b"),
        ("created", "2026-02-18"),
        ("modified", "2026-03-01"),
    ]


def test_a_document_in_one_xml_file() -> None:
    flat = (
        f"<?xml version='1.0'?><office:document {_NAMES}><office:meta>{_META}</office:meta>"
        f"<office:body><office:text>{paragraphs('x')}</office:text></office:body></office:document>"
    ).encode()
    assert recognise(flat, "odf") == "odf"
    found = read(flat)
    assert (found.text, found.title) == ("x", "Plan")


def test_an_encrypted_file_says_so() -> None:
    manifest = "<manifest:manifest><manifest:encryption-data/></manifest:manifest>"
    with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
        read(zipped(manifest=manifest, content="\x9c\x11"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"^damaged OpenDocument file: open it in LibreOffice and save it anew$"),
        (b"PK\x03\x04" + b"\0" * 100, "^damaged OpenDocument file"),
        (zipped(meta="<a/>"), "^damaged OpenDocument file"),
        (zipped(content="<a/>"), "^damaged OpenDocument file"),
        (zipped(content=content("<text:p/>")), r"^empty: it holds no text$"),
        (
            zipped(content=content("<text:section>" * 10_000 + "</text:section>" * 10_000)),
            "^over 200 elements inside each other",
        ),
        (
            zipped(
                content=content(
                    "<table:table><table:table-row><table:table-cell>" * 100
                    + "</table:table-cell></table:table-row></table:table>" * 100
                )
            ),
            "^over 200 elements",
        ),
    ],
)
def test_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        read(data)


def test_tables_in_tables_as_deep_as_allowed() -> None:
    inner = paragraphs("x")
    for _ in range(60):
        inner = f"<table:table><table:table-row><table:table-cell>{inner}</table:table-cell>{cell('y')}</table:table-row></table:table>"
    assert text(inner) == "x" + " | y" * 60


def test_entities_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    kind = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    assert read(zipped(content=kind + content(paragraphs("x&e;y")))).text == "xy"


def ends(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    assert [mark.start for mark in found.marks] == sorted(mark.start for mark in found.marks)


_SAMPLE = content(
    f'<text:h text:outline-level="1">Part</text:h>{paragraphs("text")}<table:table>{row(cell("a"), cell("b"))}</table:table>'
)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_reason(data: bytes) -> None:
    ends(data)
    ends(b"PK\x03\x04" + data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(_SAMPLE)), st.text(alphabet='<>/"& x\x01é', max_size=4))
def test_damaged_content_is_a_document_or_a_reason(at: int, put: str) -> None:
    change: Callable[[str], str]
    for change in (lambda old: old[:at] + put + old[at + len(put) :], lambda old: old[:at]):
        ends(zipped(content=change(_SAMPLE)))
