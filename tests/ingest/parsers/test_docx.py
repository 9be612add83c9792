"""Word files built here by python-docx, or by hand where it cannot; and anything at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, EncryptedFile, UnreadableFile
from ingest.errors import TooLarge
from ingest.limits import DEFAULT
from ingest.parsers.docx import parse

_W = nsdecls("w")


def read(data: bytes) -> Document:
    return parse(data, name="a.docx", limits=DEFAULT)


def saved(word: Any) -> bytes:
    out = io.BytesIO()
    word.save(out)
    return out.getvalue()


def body(xml: str) -> Document:
    """The document with that XML as its body."""
    word = docx.Document()
    for node in parse_xml(f"<w:body {_W} {nsdecls('m', 'wp', 'a')}>{xml}</w:body>"):
        word.element.body.insert(-1, node)  # before the section's properties
    return read(saved(word))


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>"


def changed(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with each entry passed through `change`; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            content = change(name, archive.read(name))
            if content is not None:
                copy.writestr(name, content)
    return out.getvalue()


def labels(found: Document) -> list[tuple[int, str, int]]:
    return [(mark.start, mark.label, mark.level) for mark in found.marks]


def test_order_headings_lists_and_tables() -> None:
    word = docx.Document()
    word.add_heading("The title", 0)
    word.add_heading("Part", 1)
    word.add_paragraph("Text.")
    word.add_paragraph("one", style="List Bullet")
    word.add_paragraph("two", style="List Number")
    table = word.add_table(rows=2, cols=2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ["a", "b\nc", "", "d"], strict=True):
        cell.text = text
    word.add_heading("Detail", 2)
    found = read(saved(word))
    assert found.text == "The title\n\nPart\n\nText.\n\n- one\n- two\n\na | b c\n | d\n\nDetail"
    assert labels(found) == [(11, "Part", 1), (51, "Detail", 2)]
    assert (found.title, found.is_source) == ("The title", False)


def test_properties_are_fields() -> None:
    word = docx.Document()
    word.add_paragraph("x")
    word.core_properties.title = "Plan"
    word.core_properties.author = "Ana Ruiz"
    word.core_properties.created = datetime(2026, 2, 18, 9, tzinfo=UTC)
    word.core_properties.modified = datetime(2026, 3, 1, tzinfo=UTC)
    found = read(saved(word))
    assert (found.title, found.dated) == ("Plan", date(2026, 2, 18))
    assert [(f.name, f.value, f.start, f.end) for f in found.fields] == [
        ("title", "Plan", None, None),
        ("author", "Ana Ruiz", None, None),
        ("created", "2026-02-18", None, None),
        ("modified", "2026-03-01", None, None),
    ]


def test_no_date_is_made_up() -> None:
    word = docx.Document()
    word.add_paragraph("x")
    data = saved(word)  # carries the date of python-docx's own template
    assert (read(data).dated, read(data).fields) == (None, ())
    bare = changed(data, lambda name, content: None if name == "docProps/core.xml" else content)
    bare = changed(bare, lambda name, content: _without_core(content) if name == "_rels/.rels" else content)
    assert (read(bare).dated, read(bare).title, read(bare).fields) == (None, "", ())


def _without_core(content: bytes) -> bytes:
    root = parse_xml(content)
    for node in list(root):
        if node.get("Target", "").endswith("core.xml"):
            root.remove(node)
    from lxml import etree

    return bytes(etree.tostring(root))


def test_tracked_changes_and_hidden_text() -> None:
    found = body(
        "<w:p><w:r><w:t xml:space='preserve'>kept </w:t></w:r><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved away</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>, moved here</w:t></w:r></w:moveTo>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>, shown</w:t></w:r>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r><w:fldSimple><w:r><w:t>, 7</w:t></w:r></w:fldSimple></w:p>"
        "<w:sdt><w:sdtPr/><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    assert found.text == "kept inserted, moved here, shown, 7\n\nin a control"


def test_breaks_tabs_and_hyphens() -> None:
    found = body(
        "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>"
    )
    assert found.text == "a\tb\nc-d"


def test_text_boxes_follow_their_paragraph() -> None:
    box = f"<w:txbxContent>{paragraph('in the box')}</w:txbxContent>"
    choice = f"<mc:Choice Requires='wps'><w:drawing>{box}</w:drawing></mc:Choice>"
    fallback = f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
    compatibility = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    content = f"<mc:AlternateContent xmlns:mc='{compatibility}'>{choice}{fallback}</mc:AlternateContent>"
    found = body(f"<w:p><w:r><w:t>before</w:t></w:r><w:r>{content}</w:r><w:r><w:t>, behind</w:t></w:r></w:p>")
    assert found.text == "before, behind\n\nin the box"


def test_equations() -> None:
    fraction = "<m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f>"
    power = "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    assert body(f"<w:p><m:oMath>{fraction}<m:r><m:t>=</m:t></m:r>{power}</m:oMath></w:p>").text == "a/b=c^2"


def test_notes_follow_the_paragraph_that_calls_them() -> None:
    word = docx.Document()
    call = "<w:r><w:footnoteReference w:id='{}'/></w:r>"
    xml = f"<w:p {_W}><w:r><w:t>One</w:t></w:r>{call.format(5)}<w:r><w:t> two</w:t></w:r>{call.format(4)}{call.format(9)}</w:p>"
    word.element.body.insert(0, parse_xml(xml))
    word.add_paragraph("End.")
    notes = "".join(
        f"<w:footnote w:id='{i}'><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t> {text}</w:t></w:r></w:p></w:footnote>"
        for i, text in ((0, "separator"), (4, "The second."), (5, "The first."))
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    content_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    blob = f"<w:footnotes {_W}>{notes}</w:footnotes>".encode()
    word.part.relate_to(Part(PackURI("/word/footnotes.xml"), content_type, blob, word.part.package), kind)
    assert read(saved(word)).text == "One[1] two[2]\n\n[1] The first.\n\n[2] The second.\n\nEnd."


def test_headings_by_outline_level_and_by_the_style_they_are_based_on() -> None:
    word = docx.Document()
    from docx.enum.style import WD_STYLE_TYPE

    own = word.styles.add_style("Kapitel", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = word.styles["Heading 2"]
    german = word.styles.add_style("Überschrift 3", WD_STYLE_TYPE.PARAGRAPH)
    contents = word.styles.add_style("Contents Heading", WD_STYLE_TYPE.PARAGRAPH)
    contents.base_style = word.styles["Heading 1"]
    contents.element.get_or_add_pPr().append(parse_xml(f"<w:outlineLvl {_W} w:val='9'/>"))
    word.add_paragraph("A", style=own)
    word.add_paragraph("B", style=german)
    word.add_paragraph("C", style=contents)
    word.element.body.insert(
        -1, parse_xml(paragraph("D", "<w:outlineLvl w:val='0'/>").replace("<w:p>", f"<w:p {_W}>", 1))
    )
    word.add_heading("E " * 200, 1)
    assert labels(read(saved(word))) == [(0, "A", 2), (3, "B", 3), (9, "D", 1)]


def test_list_levels() -> None:
    item = "<w:numPr><w:ilvl w:val='{}'/><w:numId w:val='{}'/></w:numPr>"
    found = body(
        paragraph("a", item.format(0, 1))
        + paragraph("b", item.format(1, 1))
        + paragraph("c", "<w:pStyle w:val='ListBullet'/>")
        + paragraph("none", "<w:pStyle w:val='ListBullet'/>" + item.format(0, 0))
        + paragraph("plain", "<w:pStyle w:val='ListParagraph'/>")
    )
    assert found.text == "- a\n  - b\n- c\n\nnone\n\nplain"


def test_nested_merged_and_deleted_cells() -> None:
    def row(*cells: str, properties: str = "") -> str:
        return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"

    inner = f"<w:tbl>{row(paragraph('x'), paragraph('y'))}</w:tbl>"
    found = body(
        f"<w:tbl>{row(paragraph('a') + inner, paragraph('b'))}"
        f"{row(paragraph('gone'), paragraph('gone'), properties='<w:del/>')}{row(paragraph('c'))}</w:tbl>"
        f"<w:tbl>{row(paragraph('a frame') + paragraph('round text'))}</w:tbl>"
    )
    assert found.text == "a x | y | b\nc\n\na frame\n\nround text"


@pytest.mark.parametrize(("depth", "text"), [(60, "x" + " | y" * 60), (100, None), (10_000, None)])
def test_tables_in_tables(depth: int, text: str | None) -> None:
    start, end = "<w:tbl><w:tr><w:tc>", f"</w:tc><w:tc>{paragraph('y')}</w:tc></w:tr></w:tbl>"
    nested = (start * depth + paragraph("x") + end * depth).encode()
    marker = b"<w:sectPr"
    data = changed(
        saved(docx.Document()),
        lambda name, old: old.replace(marker, nested + marker, 1) if name == "word/document.xml" else old,
    )
    if text is not None:
        assert read(data).text == text
        return
    with pytest.raises(UnreadableFile, match=r"^over 200 elements inside each other: open it in its own program"):
        read(data)


def test_strict_documents() -> None:
    word = docx.Document()
    word.add_heading("Part", 1)

    def strict(name: str, old: bytes) -> bytes:
        for kind in (b"wordprocessingml", b"officeDocument"):
            plain = b"http://schemas.openxmlformats.org/" + kind + b"/2006/"
            old = old.replace(plain, b"http://purl.oclc.org/ooxml/" + kind + b"/")
        return old

    data = changed(saved(word), strict)
    assert b"purl.oclc.org" in zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml")
    assert labels(read(data)) == [(0, "Part", 1)]


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.ms-word.document.macroEnabled.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ],
)
def test_templates_and_files_with_macros(kind: str) -> None:
    word = docx.Document()
    word.add_paragraph("x")
    plain = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    data = changed(
        saved(word), lambda name, content: content.replace(plain, kind.encode()) if name.startswith("[C") else content
    )
    assert kind.encode() in zipfile.ZipFile(io.BytesIO(data)).read("[Content_Types].xml")
    assert read(data).text == "x"


def test_external_entities_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    word = docx.Document()
    word.add_paragraph("before ENTITY behind")

    def change(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        at = content.index(b"?>") + 2
        kind = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret.as_uri()}"><!ENTITY l "{"l" * 9}">]>'.encode()
        return content[:at] + kind + content[at:].replace(b"ENTITY", b"&e;&l;")

    try:
        text = read(changed(saved(word), change)).text
    except UnreadableFile:
        return
    assert "SECRET" not in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "^damaged Word file"),
        (b"PK\x03\x04" + b"\0" * 100, "^damaged Word file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "^damaged Word file"),
    ],
)
def test_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        read(data)


@pytest.mark.parametrize("root", ["<x/>", f"<w:document {_W}/>", f"<w:document {_W}><w:body>", ""])
def test_a_document_part_without_a_body_is_damaged(root: str) -> None:
    data = changed(saved(docx.Document()), lambda name, old: root.encode() if name == "word/document.xml" else old)
    with pytest.raises(UnreadableFile, match=r"^damaged Word file"):
        read(data)


def test_an_encrypted_file_says_so() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
        read(ole)


def test_other_archives_and_empty_documents() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(UnreadableFile, match="some other zip archive"):
        read(out.getvalue())
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        read(saved(docx.Document()))


def test_a_file_that_unpacks_to_too_much_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    word = docx.Document()
    word.add_paragraph("x")
    with pytest.raises(TooLarge, match="unpacks to"):
        parse(saved(word), name="a.docx", limits=replace(DEFAULT, max_unpacked_bytes=20_000))
    monkeypatch.setattr("ingest.packages.MAX_XML_BYTES", 20_000)
    with pytest.raises(TooLarge, match="unpacks to"):
        read(saved(word))


def _sample() -> bytes:
    word = docx.Document()
    word.add_heading("Part", 1)
    word.add_paragraph("item", style="List Bullet")
    word.add_table(rows=1, cols=2).cell(0, 0).text = "cell"
    return saved(word)


_SAMPLE = _sample()
_PARTS = ["word/document.xml", "word/styles.xml", "docProps/core.xml", "_rels/.rels", "[Content_Types].xml"]


def ends(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    assert all(found.text.startswith(mark.label, mark.start) for mark in found.marks)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_reason(data: bytes) -> None:
    ends(data)
    ends(b"PK\x03\x04" + data)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(_PARTS), st.integers(0, 4000), st.binary(max_size=6))
def test_a_damaged_part_is_a_document_or_a_reason(part: str, at: int, put: bytes) -> None:
    ends(
        changed(
            _SAMPLE, lambda name, content: content[:at] + put + content[at + len(put) :] if name == part else content
        )
    )
    ends(changed(_SAMPLE, lambda name, content: content[:at] if name == part else content))
