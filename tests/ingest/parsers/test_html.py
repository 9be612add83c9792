"""HTML on small pages worked out by hand, and on anything at all."""

from __future__ import annotations

import time
from datetime import date

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind, UnreadableFile
from ingest.limits import DEFAULT
from ingest.parsers.html import parse


def read(page: str | bytes) -> Document:
    return parse(page if isinstance(page, bytes) else page.encode(), name="a.html", limits=DEFAULT)


def test_blocks_headings_and_inline_text() -> None:
    found = read(
        "<h1>On <i>trees</i></h1><p>One <b>two</b>three,\n  four<br>five</p>six<div>seven</div>"
        "<h3>Leaves¶</h3><pre>a\n  b\n</pre>"
    )
    assert found.text == "On trees\n\nOne twothree, four\nfive\n\nsix\n\nseven\n\nLeaves\n\na\n  b"
    assert [(m.start, m.kind, m.label, m.level) for m in found.marks] == [
        (0, MarkKind.HEADING, "On trees", 1),
        (47, MarkKind.HEADING, "Leaves", 3),
    ]
    assert not found.is_source


def test_every_heading_mark_stands_at_its_words() -> None:
    found = read("<p>é\u00a0x</p><h2>A&shy;b</h2><ul><li><h4>C</h4>d</ul><h2>E</h2>")
    assert [found.text[m.start : m.start + len(m.label)] for m in found.marks] == ["Ab", "C", "E"]


def test_two_line_breaks_end_a_paragraph() -> None:
    assert read("<div>one<br>two<br><br>three<br><br><br>four</div>").text == "one\ntwo\n\nthree\n\nfour"


def test_lists_are_tight_and_nested_ones_indented() -> None:
    page = "<p>a<ul><li>b<ul><li>c<li>d</ul><li><p>e</p></ul><p>f<ol><li>g</ol>"
    assert read(page).text == "a\n\n- b\n  - c\n  - d\n- e\n\nf\n\n- g"


def test_two_lists_are_apart() -> None:
    assert read("<ul><li>a</ul><ul><li>b</ul>").text == "- a\n\n- b"


def test_tables_are_rows_without_empty_columns() -> None:
    page = (
        "<table><caption>Sales</caption><tr><th>Year<th colspan=2>Sum<tr><td>2024<td><td>1<br>2"
        "<tr><td>2025<td> <td></table>"
    )
    assert read(page).text == "Sales\nYear | Sum\n2024 |  | 1 2\n2025"
    assert read("<table><tr><td>a<td>&nbsp;<td>b<tr><td>c<td><td>d</table>").text == "a | b\nc | d"


def test_tables_that_arrange_the_page_are_read_as_blocks() -> None:
    nested = "<table><tr><td><table><tr><td>x<td>y</table><td><p>one<p>two</table>"
    assert read(nested).text == "x | y\n\none\n\ntwo"
    long = "word " * 101
    assert read(f"<table><tr><td><img><td>{long}<br><br>end</table>").text == f"{long.strip()}\n\nend"


def test_what_no_reader_sees_is_left_out() -> None:
    page = (
        "<nav>menu<script>x()</script></nav><style>p{}</style><div hidden>h</div><div style='display: none'>n</div>"
        "<span aria-hidden='true'>i</span><template>t</template><select><option>o</select><noscript>s</noscript>"
        "<!-- c --><p>seen</p><svg><title>g</title></svg>"
    )
    assert read(page).text == "seen"
    assert read(page).title == ""


def test_a_page_hidden_until_its_script_runs_is_read() -> None:
    for style in ("style='visibility:hidden'", "hidden", "aria-hidden=true"):
        assert read(f"<body {style}><p>words</p><script>x</script>").text == "words"
        assert read(f"<body><div {style}><p>words</p></div><script>x</script>").text == "words"


def test_the_main_part_is_taken_alone_only_if_it_holds_most_words() -> None:
    page = "<header>Site</header><main>{}</main><footer>{}</footer>"
    assert read(page.format("The long text.", "Legal")).text == "The long text."
    assert read(page.format("Short", "A long text here.")).text == "Site\n\nShort\n\nA long text here."


def test_lists_of_links_beside_the_text_are_menus() -> None:
    links = "".join(f"<li><a href=x>link {i}</a>" for i in range(5))
    assert read(f"<header><ul>{links}</ul></header><p>text</p>").text == "text"
    assert read(f"<p>text</p><ul>{links}</ul>").text.startswith("text\n\n- link 0\n- link 1")


def test_title_author_and_dates() -> None:
    found = read(
        "<head><title> The\n page </title><meta name=author content='Ana Ruiz'><meta name=author content='Bo Li'>"
        "<meta property=article:published_time content=2026-02-18T09:00:00Z>"
        "<meta property=article:modified_time content=2026-03-01><meta property=article:author content=https://x.y>"
        "</head><h1>Head</h1>"
    )
    assert (found.title, found.dated) == ("The page", date(2026, 2, 18))
    assert [(f.name, f.value, f.start, f.end) for f in found.fields] == [
        ("author", "Ana Ruiz, Bo Li", None, None),
        ("date", "2026-02-18T09:00:00Z", None, None),
        ("modified", "2026-03-01", None, None),
    ]
    assert read("<h2>b</h2><h1>a <i>c</i></h1>").title == "a c"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("<meta charset=iso-8859-1>", "cp1252"),  # browsers read this label so
        ("<meta charset='iso-8859-1'>", "utf-8"),  # a wrong label
        ("<meta charset=windows-1251>", "utf-8-sig"),  # the byte-order mark is right
        ('<?xml version="1.0" encoding="windows-1251"?>', "cp1251"),
        ("<meta http-equiv=Content-Type content='text/html; charset=shift_jis'>", "cp932"),
        ("<meta charset=utf-8>", "utf-16"),
        ("<meta charset=rot13>", "utf-8"),
        ("<meta charset=undefined>", "utf-8"),
        ("<meta charset=idna>", "utf-8"),
        ("", "utf-8"),
    ],
)
def test_charsets(declared: str, encoding: str) -> None:
    words = {"cp1251": "Съешь ещё этих булок", "cp932": "東京都の人口"}.get(encoding, "naïve café – €")
    assert read(f"{declared}<p>{words}</p>".encode(encoding)).text == words


def test_unclosed_tags_lose_nothing() -> None:
    page = "".join(f"<font><b>w{i} " for i in range(3000))
    assert read(page).text == " ".join(f"w{i}" for i in range(3000))


@pytest.mark.parametrize(
    "head", ["<?xml version='1.0'?><html>", '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">']
)
def test_xhtml_closes_elements_in_themselves(head: str) -> None:
    page = f'{head}<head><title/><script src="a.js"/></head><body><h1><a id="x"/>One</h1><p class="y"/><div/>a<br/>b</body>'
    found = read(page)
    assert (found.text, [mark.label for mark in found.marks]) == ("One\n\na\nb", ["One"])


def test_bottomless_nesting_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="inside each other"):
        read("<div>" * 200_000 + "x")
    assert read("<div>x</div>" * 11_000).text.count("x") == 11_000


def test_tables_deep_down_take_linear_time() -> None:
    before = time.process_time()
    assert read("<div>" * 9_000 + "<table><tr><td>a<td>b</table>" * 6_000).text.count("a | b") == 6_000
    assert time.process_time() - before < 2.0


@pytest.mark.parametrize("page", ["", "  ", "<p></p><script>x</script>", "<title>only</title>", "&#0;"])
def test_a_page_without_text_says_so(page: str) -> None:
    if page == "&#0;":  # a replacement character is text
        assert read(page).text == "\ufffd"
        return
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        read(page)


_PIECES = st.sampled_from(
    "<p> </p> <ul> <li> </ul> <table> <tr> <td> <th> </table> <h1> </h1> <pre> </pre> <br> <main> </main> <nav> </nav> "
    "<script> </script> <div hidden> </div> <title> </title> <header> <a> text &#13; &#12; &#0; &#xd800; ¶ <!--".split()
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(_PIECES, max_size=40).map(lambda parts: " ".join(parts).encode())))
def test_anything_is_a_document_or_a_reason(data: bytes) -> None:
    found = ending(read, data)
    if found is None:
        return
    assert found.text.strip()
    for mark in found.marks:
        assert found.text.startswith(mark.label, mark.start)
