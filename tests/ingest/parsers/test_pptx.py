"""PowerPoint files built here by python-pptx, or part by part where it cannot; and anything at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pptx
import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls
from pptx.util import Inches

from ingest import Document, EncryptedFile, UnreadableFile
from ingest.errors import TooLarge
from ingest.limits import DEFAULT, Limits
from ingest.parsers.pptx import parse
from ingest.types import MarkKind

_BLANK, _TITLED, _LISTED = 6, 5, 1  # layouts of python-pptx's template


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.pptx", limits=limits)


def saved(deck: Any) -> bytes:
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def changed(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with each part passed through `change`; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            content = change(name, archive.read(name))
            if content is not None:
                copy.writestr(name, content)
    return out.getvalue()


def added(deck: Any, layout: int, title: str = "") -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def box(slide: Any, text: str, left: float, top: float) -> Any:
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1))
    shape.text_frame.text = text
    return shape


def one(make: Callable[[Any], object], layout: int = _BLANK) -> str:
    """The text of a slide that `make` filled."""
    deck = pptx.Presentation()
    make(added(deck, layout))
    return read(saved(deck)).text


def test_slides_and_titles_are_marks() -> None:
    deck = pptx.Presentation()
    first = added(deck, _LISTED, "The\vplan")
    first.placeholders[1].text = "one"
    first.placeholders[1].text_frame.add_paragraph().text = "two"
    first.placeholders[1].text_frame.paragraphs[1].level = 1
    added(deck, _BLANK)
    box(added(deck, _BLANK), "last", 0, 0)
    found = read(saved(deck))
    assert found.text == "The plan\n\n- one\n  - two\n\nlast"
    assert [(mark.start, mark.kind, mark.label, mark.level) for mark in found.marks] == [
        (0, MarkKind.SLIDE, "1", 0),
        (0, MarkKind.HEADING, "The plan", 1),
        (25, MarkKind.SLIDE, "3", 0),  # the second holds nothing
    ]
    assert found.title == "The plan"


def test_the_notes_stand_behind_their_slide() -> None:
    deck = pptx.Presentation()
    slide = added(deck, _TITLED, "Plan")
    slide.notes_slide.notes_text_frame.text = "Say hello.\nThen wait."
    box(added(deck, _BLANK), "next", 0, 0)
    assert read(saved(deck)).text == "Plan\n\nNotes: Say hello.\nThen wait.\n\nnext"


def test_hidden_slides_are_in() -> None:
    deck = pptx.Presentation()
    slide = added(deck, _TITLED, "Backup")
    slide._element.set("show", "0")
    assert read(saved(deck)).text == "Backup"


def test_numbers_dates_and_footers_are_out() -> None:
    def make(slide: Any) -> None:
        for kind in ("sldNum", "dt", "ftr"):
            shape = box(slide, kind, 0, 0)
            shape._element.nvSpPr.nvPr.append(parse_xml(f'<p:ph {nsdecls("p")} type="{kind}"/>'))
        box(slide, "kept", 0, 2)

    assert one(make) == "kept"


def test_the_order_is_the_files_own_while_it_makes_sense() -> None:
    def columns(slide: Any) -> None:
        for text, left, top in (("a", 0, 1), ("b", 0, 3), ("c", 4, 1), ("d", 4, 3)):
            box(slide, text, left, top)

    assert one(columns) == "a\n\nb\n\nc\n\nd"


def test_the_order_is_down_and_to_the_right_where_the_files_is_upside_down() -> None:
    def rows(slide: Any) -> None:
        for text, left, top in (("c", 0, 3), ("d", 4, 3.2), ("b", 4, 1), ("a", 0, 1.1)):
            box(slide, text, left, top)

    assert one(rows) == "a\n\nb\n\nc\n\nd"


def test_a_placeholder_lies_where_its_layout_puts_it() -> None:
    def make(slide: Any) -> None:
        slide.placeholders[1].text = "below"
        box(slide, "above", 1, 0)  # the layout's place begins at 1.75 inches

    assert one(make, _LISTED) == "above\n\n- below"


def test_groups_are_read_where_they_stand() -> None:
    def make(slide: Any) -> None:
        box(slide, "before", 0, 0)
        outer = slide.shapes.add_group_shape()
        inner = outer.shapes.add_group_shape()
        for group, text, top in ((inner, "in both", 1), (outer, "in one", 2)):
            shape = group.shapes.add_textbox(Inches(0), Inches(top), Inches(1), Inches(0.5))
            shape.text_frame.text = text
        box(slide, "behind", 0, 5)

    assert one(make) == "before\n\nin both\n\nin one\n\nbehind"


def test_tables() -> None:
    def make(slide: Any) -> None:
        table = slide.shapes.add_table(3, 2, 0, 0, Inches(4), Inches(2)).table
        for row, texts in enumerate((("Item", "Price"), ("Tea", "2\n50"), ("", ""))):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text

    assert one(make) == "Item | Price\nTea | 2 50"


def test_charts() -> None:
    def make(slide: Any) -> None:
        data = CategoryChartData()
        data.categories = ["Q1", "Q2"]
        data.add_series("North", (1.5, 2))
        data.add_series("South", (None, 4.0))
        kind = XL_CHART_TYPE.COLUMN_CLUSTERED
        chart = slide.shapes.add_chart(kind, 0, 0, Inches(4), Inches(2), data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "Sales by quarter"

    assert one(make) == "Chart: Sales by quarter\nQ1 | North: 1.5\nQ2 | North: 2 | South: 4"


def test_diagrams() -> None:
    from pptx.opc.package import Part
    from pptx.opc.packuri import PackURI

    deck = pptx.Presentation()
    slide = added(deck, _BLANK)
    point = '<dgm:pt modelId="{}" type="{}"><dgm:t><a:bodyPr/><a:p><a:r><a:t>{}</a:t></a:r></a:p></dgm:t></dgm:pt>'
    points = "".join(
        point.format(i, kind, text) for i, (kind, text) in enumerate((("node", "Plan"), ("pres", "?"), ("node", "Do")))
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"
    blob = f'<dgm:dataModel {nsdecls("a")} xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>'
    part = Part(PackURI("/ppt/diagrams/data1.xml"), "application/xml", slide.part.package, blob.encode())
    relation = slide.part.relate_to(part, kind)
    slide.shapes._spTree.append(
        parse_xml(
            f'<p:graphicFrame {nsdecls("p", "a", "r")}><p:nvGraphicFramePr/><p:xfrm/><a:graphic><a:graphicData uri="d">'
            f'<dgm:relIds xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" r:dm="{relation}"/>'
            "</a:graphicData></a:graphic></p:graphicFrame>"
        )
    )
    assert read(saved(deck)).text == "- Plan\n- Do"


def test_bullets_breaks_and_equations() -> None:
    def make(slide: Any) -> None:
        paragraphs = (
            "<a:p><a:r><a:t>plain</a:t></a:r><a:br/><a:fld id='1' type='x'><a:t>field</a:t></a:fld></a:p>"
            "<a:p><a:pPr lvl='2'><a:buChar char='*'/></a:pPr><a:r><a:t>item</a:t></a:r></a:p>"
            "<a:p><mc:AlternateContent xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'><mc:Choice Requires='a14'>"
            "<m:oMath xmlns:m='http://schemas.openxmlformats.org/officeDocument/2006/math'><m:r><m:t>a=b</m:t></m:r></m:oMath></mc:Choice>"
            "<mc:Fallback><a:r><a:t>picture</a:t></a:r></mc:Fallback></mc:AlternateContent></a:p>"
        )
        body = box(slide, "", 0, 0)._element.txBody
        for node in parse_xml(f"<a:x {nsdecls('a')}>{paragraphs}</a:x>"):
            body.append(node)

    assert one(make) == "plain\nfield\n    - item\na=b"


def test_properties() -> None:
    deck = pptx.Presentation()
    added(deck, _TITLED, "First")
    data = saved(deck)  # carries the dates of python-pptx's own template
    assert (read(data).title, read(data).dated, read(data).fields) == ("First", None, ())
    deck.core_properties.title = "Plan"
    deck.core_properties.author = "Ana Ruiz"
    deck.core_properties.created = datetime(2026, 2, 18, 9, tzinfo=UTC)
    found = read(saved(deck))
    assert (found.title, found.dated) == ("Plan", date(2026, 2, 18))
    assert [(f.name, f.value) for f in found.fields][:2] == [("title", "Plan"), ("author", "Ana Ruiz")]
    deck.core_properties.title = "PowerPoint Presentation"
    assert read(saved(deck)).title == "First"


@pytest.mark.parametrize(
    "kind", ["presentationml.slideshow", "presentationml.template", "ms-powerpoint.presentation.macroEnabled"]
)
def test_shows_templates_and_files_with_macros(kind: str) -> None:
    deck = pptx.Presentation()
    added(deck, _TITLED, "x")
    plain = b"presentationml.presentation.main"
    data = changed(
        saved(deck), lambda name, old: old.replace(plain, f"{kind}.main".encode()) if name[0] == "[" else old
    )
    assert read(data).text == "x"


def test_too_many_slides() -> None:
    deck = pptx.Presentation()
    for _ in range(3):
        added(deck, _BLANK)
    with pytest.raises(TooLarge, match=r"^3 slides, the limit is 2: split the file$"):
        read(saved(deck), replace(DEFAULT, max_pages=2))
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        read(saved(deck))


def test_groups_in_groups_end_in_a_reason() -> None:
    deck = pptx.Presentation()
    tree = added(deck, _BLANK).shapes._spTree
    marker = "<p:marker/>"
    tree.append(parse_xml(f"<p:marker {nsdecls('p')}/>"))
    for depth, expected in ((150, "x"), (10_000, None)):
        shape = "<p:sp><p:txBody><a:p><a:r><a:t>x</a:t></a:r></a:p></p:txBody></p:sp>"
        groups = "<p:grpSp>" * depth + shape + "</p:grpSp>" * depth
        data = changed(
            saved(deck),
            lambda name, old, groups=groups: (
                old.replace(marker.encode(), groups.encode()) if name.endswith("slide1.xml") else old
            ),
        )
        if expected is not None:
            assert read(data).text == expected
            continue
        with pytest.raises(UnreadableFile, match=r"^over 200 elements inside each other"):
            read(data)


def test_reasons() -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged PowerPoint file: open it in"):
        read(b"PK\x03\x04" + b"\0" * 100)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(UnreadableFile, match="some other zip archive"):
        read(out.getvalue())
    with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le"))


def test_external_parts_and_entities_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    deck = pptx.Presentation()
    box(added(deck, _BLANK), "x ENTITY", 0, 0)
    kind = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'.encode()

    def change(name: str, old: bytes) -> bytes:
        if name != "ppt/slides/slide1.xml":
            return old
        at = old.index(b"?>") + 2
        return old[:at] + kind + old[at:].replace(b"ENTITY", b"&e;")

    assert read(changed(saved(deck), change)).text == "x"


def _sample() -> bytes:
    deck = pptx.Presentation()
    slide = added(deck, _LISTED, "Title")
    slide.placeholders[1].text = "item"
    slide.notes_slide.notes_text_frame.text = "note"
    slide.shapes.add_table(1, 2, 0, 0, Inches(4), Inches(2)).table.cell(0, 0).text = "cell"
    return saved(deck)


_SAMPLE = _sample()
_PARTS = [
    "ppt/slides/slide1.xml",
    "ppt/notesSlides/notesSlide1.xml",
    "ppt/presentation.xml",
    "ppt/_rels/presentation.xml.rels",
]


def ends(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_reason(data: bytes) -> None:
    ends(data)
    ends(b"PK\x03\x04" + data)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_PARTS), st.integers(0, 4000), st.binary(max_size=6))
def test_a_damaged_part_is_a_document_or_a_reason(part: str, at: int, put: bytes) -> None:
    for change in (lambda old: old[:at] + put + old[at + len(put) :], lambda old: old[:at]):
        ends(changed(_SAMPLE, lambda name, old, change=change: change(old) if name == part else old))
