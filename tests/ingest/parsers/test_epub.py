"""EPUB books made here, honest and hostile, and random ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, EncryptedFile, IngestError, MarkKind, TooLarge, UnreadableFile
from ingest.limits import DEFAULT, Limits
from ingest.parsers import parse as parse_any
from ingest.parsers.epub import parse

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{}</body></html>'
METADATA = (
    "<dc:title>The Book</dc:title><dc:creator>Ana Ruiz</dc:creator><dc:creator>Ben</dc:creator><dc:language>en</dc:language>"
    '<dc:date opf:event="conversion">2024-05-05</dc:date><dc:date opf:event="publication">1999-12-31</dc:date>'
    '<meta property="dcterms:modified">2024-06-07T00:00:00Z</meta>'
)


def opf(spine: Mapping[str, str], *, metadata: str = METADATA, more: str = "", toc: str = "", guide: str = "") -> str:
    """A package file. spine: id → href, in reading order; more: further items of the manifest."""
    items = "".join(f'<item id="{i}" href="{h}" media-type="application/xhtml+xml"/>' for i, h in spine.items())
    order = "".join(f'<itemref idref="{i}"/>' for i in spine)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:opf="http://www.idpf.org/2007/opf" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" version="3.0"><metadata>{metadata}</metadata>'
        f"<manifest>{items}{more}</manifest><spine{toc}>{order}</spine>{guide}</package>"
    )


def book(package: str, parts: Mapping[str, str], *, container: str | None = CONTAINER) -> bytes:
    """A book. parts: name below OPS → body of the page, or the whole part if it is no page."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        if container is not None:
            archive.writestr("META-INF/container.xml", container)
        archive.writestr("OPS/book.opf", package)
        for name, text in parts.items():
            archive.writestr(
                f"OPS/{name}".replace("OPS/META-INF", "META-INF"), PAGE.format(text) if name.endswith("html") else text
            )
    return out.getvalue()


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.epub", limits=limits)


def outline(found: Document) -> list[tuple[int, str, str]]:
    """(level, label, the line it stands at)."""
    assert all(mark.kind is MarkKind.HEADING for mark in found.marks)
    return [(m.level, m.label, found.text[m.start :].partition("\n")[0]) for m in found.marks]


def test_chapters_are_read_in_order_of_the_spine() -> None:
    data = book(
        opf({"b": "text/two%20b.xhtml", "a": "a.xhtml"}),
        {
            "a.xhtml": "<h1>A</h1><p>Last.</p>",
            "text/two b.xhtml": "<h1>B</h1><h2>C</h2><p>First.</p>",
            "unused.xhtml": "No.",
        },
    )
    found = parse_any(data, name="book.zip")
    assert found.text == "B\n\nC\n\nFirst.\n\nA\n\nLast."
    assert outline(found) == [(1, "B", "B"), (2, "C", "C"), (1, "A", "A")]
    assert (found.parser, found.is_source, found.members) == ("epub", False, ())


def test_what_the_book_says_of_itself() -> None:
    found = read(book(opf({"a": "a.xhtml"}), {"a.xhtml": "x"}))
    assert (found.title, found.dated) == ("The Book", date(1999, 12, 31))
    assert [(field.name, field.value) for field in found.fields] == [
        ("title", "The Book"),
        ("author", "Ana Ruiz, Ben"),
        ("language", "en"),
        ("date", "1999-12-31"),
        ("modified", "2024-06-07"),
    ]
    bare = read(book(opf({"a": "a.xhtml"}, metadata="<dc:title>Untitled document</dc:title>"), {"a.xhtml": "x"}))
    assert (bare.title, bare.dated, bare.fields) == ("", None, ())


def test_cover_and_contents_are_left_out() -> None:
    guide = '<guide><reference type="cover" href="c.xhtml"/><reference type="toc" href="a.xhtml#toc"/><reference type="toc" href="t.xhtml"/></guide>'
    nav = '<item id="n" href="n.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    package = opf({"c": "c.xhtml", "t": "t.xhtml", "p": "p.xhtml", "a": "a.xhtml"}, guide=guide, more=nav)
    package = package.replace('<itemref idref="a"/>', '<itemref idref="n"/><itemref idref="a"/>')
    parts = {
        "c.xhtml": "Cover",
        "t.xhtml": "Contents",
        "n.xhtml": "<nav>Contents</nav>",
        "p.xhtml": "<img/>",
        "a.xhtml": "Words.",
    }
    assert read(book(package, parts)).text == "Words."


NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>Chapter  One</text></navLabel>'
    '<content src="a.xhtml"/><navPoint><navLabel><text>Its part</text></navLabel><content src="a.xhtml#p"/></navPoint></navPoint>'
    '<navPoint><navLabel><text>Chapter Two</text></navLabel><content src="b.xhtml#x"/></navPoint>'
    '<navPoint><navLabel><text>Other</text></navLabel><content src="c.xhtml"/></navPoint></navMap></ncx>'
)
NAV = (
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body><nav epub:type="landmarks"><ol>'
    '<li><a href="a.xhtml">No</a></li></ol></nav><nav epub:type="toc"><ol><li><a href="a.xhtml">Chapter <i>One</i></a><ol><li>'
    '<a href="a.xhtml#p">Its part</a></li></ol></li><li><a href="b.xhtml#x">Chapter Two</a></li><li><a href="c.xhtml">Other</a></li>'
    "</ol></nav></body></html>"
)


@pytest.mark.parametrize("is_old", [False, True])
def test_chapters_without_headings_are_named_by_the_contents(is_old: bool) -> None:
    more = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    if not is_old:
        more += '<item id="n" href="nav.xml" properties="nav" media-type="application/xhtml+xml"/>'
    package = opf({"a": "a.xhtml", "b": "b.xhtml", "c": "c.xhtml"}, more=more, toc=' toc="ncx"')
    parts = {
        "a.xhtml": "<p>Long ago.</p><p>ITS PART</p><p>More.</p>",
        "b.xhtml": "<p>12</p><p>Chapter Two</p><p>Then.</p>",
        "c.xhtml": "<h1>Own</h1><p>Other</p>",
        "toc.ncx": NCX if is_old else NCX.replace("Chapter", "Wrong"),
        "nav.xml": NAV,
    }
    found = read(book(package, parts))
    assert outline(found) == [
        (1, "Chapter One", "Long ago."),
        (2, "Its part", "ITS PART"),
        (1, "Chapter Two", "Chapter Two"),
        (1, "Own", "Own"),
    ]


def test_a_damaged_table_of_contents_names_nothing() -> None:
    more = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    data = book(opf({"a": "a.xhtml"}, more=more, toc=' toc="ncx"'), {"a.xhtml": "Words.", "toc.ncx": "<ncx><navMap>"})
    assert (read(data).text, read(data).marks) == ("Words.", ())


def encryption(algorithm: str, target: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
        f'<e:EncryptedData><e:EncryptionMethod Algorithm="{algorithm}"/><e:CipherData><e:CipherReference URI="{target}"/>'
        "</e:CipherData></e:EncryptedData></encryption>"
    )


def test_protection_of_chapters_is_a_reason_and_that_of_fonts_is_none() -> None:
    cipher, fonts = "http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.idpf.org/2008/embedding"

    def protected(algorithm: str, target: str) -> bytes:
        return book(
            opf({"a": "a.xhtml"}), {"a.xhtml": "Words.", "META-INF/encryption.xml": encryption(algorithm, target)}
        )

    with pytest.raises(
        EncryptedFile, match=r"^protected: its seller's reader alone can open it; add a copy without protection$"
    ):
        read(protected(cipher, "OPS/a.xhtml"))
    assert read(protected(fonts, "OPS/font.otf")).text == "Words."
    assert read(protected(cipher, "OPS/font.otf")).text == "Words."


def test_nothing_outside_the_book_is_followed() -> None:
    spine = {"a": "https://x.org/a.xhtml", "b": "../../etc/passwd", "c": "file:///etc/passwd", "d": "d.xhtml"}
    parts = {"d.xhtml": '<img src="https://x.org/i.png"/><iframe src="https://x.org"/>Words.'}
    found = read(book(opf(spine), parts))
    assert found.text == "Words."
    assert [field.value for field in found.fields if field.name == "not-read"] == ["a.xhtml, passwd, passwd"]
    entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + opf(
        {"d": "d.xhtml"}, metadata="<dc:title>&e;</dc:title>"
    )
    assert read(book(entity, parts)).title == ""


def test_a_bomb_of_entities_is_not_expanded() -> None:
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]>' + opf({"a": "a.xhtml"}, metadata="<dc:title>&l9;</dc:title>")
    with pytest.raises(UnreadableFile, match=r"^damaged EPUB: download it anew$"):
        read(book(bomb, {"a.xhtml": "Words."}))


def test_limits() -> None:
    data = book(opf({"a": "a.xhtml", "b": "b.xhtml"}), {"a.xhtml": "x" * 50, "b.xhtml": "y" * 50})
    assert len(read(data, replace(DEFAULT, max_pages=2, max_chars=104)).text) == 102
    with pytest.raises(TooLarge, match=r"^2 chapters, the limit is 1: split the file$"):
        read(data, replace(DEFAULT, max_pages=1))
    with pytest.raises(TooLarge, match=r"^over 6e-05 million characters of text: split the file$"):
        read(data, replace(DEFAULT, max_chars=60))
    big = book(opf({"a": "a.xhtml"}), {"a.xhtml": "x" * 3_000_000})
    assert len(big) < 10_000
    with pytest.raises(TooLarge, match="unpacks to"):
        read(big, replace(DEFAULT, max_unpacked_bytes=1_000_000))


def test_a_chapter_named_again_and_again_is_read_once() -> None:
    package = opf({"a": "a.xhtml"}).replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 5_000)
    assert read(book(package, {"a.xhtml": "Words."})).text == "Words."


def test_a_damaged_chapter_is_named_and_the_others_are_read() -> None:
    data = book(
        opf({"a": "a.xhtml", "b": "b.xhtml", "gone": "gone.xhtml"}),
        {"a.xhtml": "Words.", "b.xhtml": "<div>" * 20_000 + "x"},
    )
    found = read(data)
    assert found.text == "Words."
    assert found.fields[-1].value == "b.xhtml, gone.xhtml"


def test_a_book_without_a_container_or_without_words() -> None:
    assert read(book(opf({"a": "a.xhtml"}), {"a.xhtml": "Words."}, container=None)).text == "Words."
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        read(book(opf({"a": "a.xhtml"}), {"a.xhtml": "<img/>"}))
    with pytest.raises(UnreadableFile, match=r"^damaged EPUB: download it anew$"):
        read(book(opf({"a": "gone.xhtml"}), {}))


WHOLE = book(
    opf({"a": "a.xhtml"}, more='<item id="n" href="nav.xml" properties="nav"/>'),
    {"a.xhtml": "<p>Words.</p>", "nav.xml": NAV},
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.just(WHOLE)), st.data())
def test_anything_is_a_document_or_a_reason(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 5)) if data else 0):
        changed[draw.draw(st.integers(0, len(changed) - 1))] = draw.draw(st.integers(0, 255))
    check(bytes(changed))


def check(data: bytes) -> None:
    try:
        found = read(data)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason
        return
    assert found.text.strip()
    found.text.encode()
    starts = [mark.start for mark in found.marks]
    assert starts == sorted(starts)


XML = st.lists(
    st.sampled_from(
        '<item id="a" href="a.xhtml" media-type="text/html"/>|<item/>|<itemref idref="a"/>|<itemref/>|<manifest>|</manifest>|<spine>'
        '|<spine toc="a">|</spine>|<metadata>|</metadata>|<dc:title>x</dc:title>|<dc:date>1</dc:date>|<guide><reference/></guide>|&#13;'.split(
            "|"
        )
    ),
    max_size=25,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(XML)
def test_any_package_file_is_a_document_or_a_reason(inner: str) -> None:
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">{inner}</package>'
    )
    check(book(package, {"a.xhtml": "<p>Words.</p>"}))
