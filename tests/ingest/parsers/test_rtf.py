"""Rich text written here by hand, after the specification and the ways of Word, WordPad and LibreOffice."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, UnreadableFile
from ingest.limits import DEFAULT, Limits
from ingest.parsers.rtf import parse
from ingest.types import MarkKind


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.rtf", limits=limits)


def text(body: bytes) -> str:
    return read(rb"{\rtf1\ansi\ansicpg1252\deff0" + body + b"}").text


def test_paragraphs_headings_and_signs() -> None:
    styles = rb"{\stylesheet{\ql Normal;}{\s1\outlinelevel0 any;}{\s2 heading 2;}{\*\cs10 heading 3;}{\s15 Title;}}"
    found = read(
        rb"{\rtf1" + styles + rb"\pard\s15 The plan\par\pard\s1 Part\par"
        b"\\pard Line one\\line two\r\n\\tab end\\endash\\ldblquote q\\rdblquote\\~x\\_y\\-z \\{\\}\\\\\\par"
        rb"\pard\s2{\b De}tail\par\pard\outlinelevel2 Point\par\pard\s1\outlinelevel9 body\par}"
    )
    assert found.text == "The plan\n\nPart\n\nLine one\ntwo\tend–“q”\xa0x-yz {}\\\n\nDetail\n\nPoint\n\nbody"
    assert [(mark.label, mark.level) for mark in found.marks] == [("Part", 1), ("Detail", 2), ("Point", 3)]
    assert all(mark.kind is MarkKind.HEADING and found.text.startswith(mark.label, mark.start) for mark in found.marks)
    assert (found.title, found.is_source) == ("The plan", False)


def test_a_paragraph_of_a_headings_looks_is_none_if_it_is_long() -> None:
    assert read(rb"{\rtf1\outlinelevel0 " + b"word " * 60 + b"}").marks == ()


def test_characters_of_code_pages() -> None:
    fonts = rb"{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 Mincho;}{\f3\fcharset2 Symbol;}}"
    body = rb"K\'f6ln \'80 {\f1\'cf\'f0\'e8\'e2\'e5\'f2} {\f2\'93\'fa\'83A\'96\'7b} {\f3\'b7} \'f6"
    assert text(fonts + body) == "Köln € Привет 日ア本 • ö"
    assert read(rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0}").text == "Пр"
    assert read(rb"{\rtf1\mac \'8a}").text == "ä"
    assert read(rb"{\rtf1\ansicpg99999 \'e9}").text == "é"
    assert read("{\\rtf1\\ansicpg65001 Käse}".encode()).text == "Käse"


def test_unicode_and_what_stands_for_it_in_old_programs() -> None:
    assert text(rb"\u233e\u-10179?\u-8704?x") == "é😀x"
    assert text(rb"{\uc2\u26085\'93\'fa\u26412\'96\'7b}\u233?x") == "日本éx"
    assert text(rb"\uc0\u233 x\uc1\u233\u234?y\u233{}?z") == "éxéêyé?z"
    assert text(rb"\u233\bin3 {}}?x") == "é?x"
    assert text(rb"\u233\_x") == "éx"
    assert text(rb"\u-3913?item") == "•item"  # U+F0B7, of the font Symbol
    assert "\ufffd" in text(rb"\u-10179?x")  # half a character


def test_groups_end_what_began_in_them() -> None:
    assert text(rb"a{\v hidden}b{\v0 c}\v hidden\plain d{\deleted gone}{\b\v hidden\v0 e}") == "abcde"


def test_what_no_reader_of_the_page_sees_is_out() -> None:
    assert (
        text(
            rb"{\header head}{\footerr foot}{\*\unknown what{\b inner}}{\pict 00ff\par}{\*\shppict{\pict ff}}"
            rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}{\object{\*\objdata 00}{\result shown}}{\xe index}"
            rb"{\*\annotation remark}{\upr{old \'e9}{\*\ud new \u233?}} end"
        )
        == "linkshownnew é end"
    )


def test_lists() -> None:
    item = rb"{\listtext\f3\'b7\tab}\ls1"
    assert text(
        item + rb" one\par\pard" + item + rb"\ilvl1 two\par\pard{\pntext 1.\tab}three\par\pard\ls0 plain\par"
    ) == ("- one\n  - two\n- three\n\nplain")


def test_tables() -> None:
    row = rb"\trowd\cellx1\cellx2\pard\intbl %s\cell %s\cell\row "
    table = row % (b"Item", b"Price") + row % (rb"Tea\par green", b"2") + row % (b"", b"")
    assert text(b"before\\par " + table + rb"\pard behind\par") == "before\n\nItem | Price\nTea green | 2\n\nbehind"
    assert text(rb"\pard\intbl a frame\cell\row\pard\intbl round\cell\row") == "a frame\n\nround"
    assert text(rb"\pard\intbl a\cell b") == "a | b"  # cut off
    assert (
        text(rb"\pard\intbl a\nestcell b\nestcell{\*\nesttableprops\nestrow}{\nonesttables\par}\cell c\cell\row")
        == "a b | c"
    )


def test_notes_and_text_boxes_follow_their_paragraph() -> None:
    note = rb"{\super\chftn}{\footnote\pard\plain{\super\chftn} The note.\par More.}"
    box = rb"{\shp{\*\shpinst{\sp{\sn a}{\sv 1}}{\shptxt\pard in the box\par}}{\shprslt{\*\do in the box}}}"
    assert text(b"One" + note + b" two" + note + box + rb".\par End.") == (
        "One[1] two[2].\n\n[1] The note. More.\n\n[2] The note. More.\n\nin the box\n\nEnd."
    )
    assert text(rb"\pard\intbl a" + note + rb"\cell b\cell\row\pard end") == "a[1] | b\n\n[1] The note. More.\n\nend"


def test_properties() -> None:
    found = read(
        rb"{\rtf1{\info{\title Plan \'e9\u233?}{\author Ana}{\author Bo}{\operator X}{\keywords a, b}{\*\company Y}"
        rb"{\creatim\yr2026\mo2\dy18\hr9}{\revtim\yr2026\mo3\dy1}{\printim\yr1999\mo1\dy1}}x}"
    )
    assert (found.text, found.title, found.dated) == ("x", "Plan éé", date(2026, 2, 18))
    assert [(f.name, f.value, f.start) for f in found.fields] == [
        ("title", "Plan éé", None),
        ("author", "Ana", None),
        ("keywords", "a, b", None),
        ("created", "2026-02-18", None),
        ("modified", "2026-03-01", None),
    ]
    assert read(rb"{\rtf1{\info{\creatim\yr2026\mo13\dy99}}x}").dated is None


def test_binary_data_is_passed_over() -> None:
    assert text(rb"a{\pict\bin5 }}{{\b}}c".replace(rb"\b}", b"\\b")) == "ac"
    assert text(rb"a{\pict\bin999999999 }}") == "a"
    assert text(rb"a\bin-5 b") == "ab"


@pytest.mark.parametrize("end", [b"", b"\\", b"\\'", b"\\'4", b"{", b"}}}}", b"\\u", b"\\bin", b"\\*"])
def test_half_a_file_is_what_is_left_of_it(end: bytes) -> None:
    assert read(rb"{\rtf1 kept\par{\b last" + end).text.startswith("kept\n\nlast")


def test_deep_groups_are_a_reason() -> None:
    with pytest.raises(UnreadableFile, match=r"^over 200 groups inside each other: open it in its own program"):
        read(b"{\\rtf1 " + b"{" * 100_000 + b"x" + b"}" * 100_000 + b"}")
    assert read(b"{\\rtf1 " + b"{" * 19 + b"x" + b"}" * 20, replace(DEFAULT, max_depth=20)).text == "x"


def test_an_empty_file_is_told() -> None:
    for data in (b"", rb"{\rtf1}", rb"{\rtf1{\info{\title Plan}}\par\par}"):
        with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
            read(data)


def test_time_grows_with_the_bytes() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        read(
            rb"{\rtf1 "
            + rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt{\b w}\u233?\'e9 }}\par{\footnote x}" * count
            + b"}"
        )
        return time.process_time() - began

    assert seconds(4000) < 16 * seconds(1000)  # 4 times the bytes


def ends(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    starts = [mark.start for mark in found.marks]
    assert starts == sorted(starts) and all(0 <= start < len(found.text) for start in starts)


WORDS = st.sampled_from(
    rb"{ } {\* \par \pard \cell \row \intbl \trowd \footnote \shptxt \upr \ud \info \title \fonttbl \f1 \fcharset128 \u-10179?"
    rb" \u56832? \uc9 \'93 \'fa \stylesheet \s1 \outlinelevel0 \listtext \ls1 \ilvl9 \v \plain \bin3 \deff1 \ansicpg932 \creatim"
    rb" \yr2020 \mo1 \dy1 word \~ \{ \\".split(b" ")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS | st.binary(max_size=3), max_size=40))
def test_anything_is_a_document_or_a_reason(words: list[bytes]) -> None:
    ends(rb"{\rtf1" + b" ".join(words))
