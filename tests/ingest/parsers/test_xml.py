"""XML: data, books, feeds and schemas as one reads them; nothing outside read, nothing unfolded, broken files read on."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.xml import parse as straight


def read(text: str, name: str = "a.xml") -> Document:
    return parse(text.encode(), name=name)


def marks(found: Document) -> list[tuple[str, str, int, str]]:
    """Kind, label, level, and the line that begins there."""
    return [(m.kind.value, m.label, m.level, found.text[m.start :].split("\n")[0]) for m in found.marks]


def warning(found: Document) -> str:
    return next((field.value for field in found.fields if field.name == "warning"), "")


def test_records_are_lines_with_the_names_of_their_fields() -> None:
    found = read(
        "<?xml version='1.0'?>\n<!-- no words -->\n<shop city='Köln'><item id='7'><name>Trowel</name><price/></item>\n"
        "<item id='8'><name>Can &amp; rose</name></item></shop>"
    )
    assert found.text == "city: Köln\n\nitem | id: 7 | name: Trowel\nitem | id: 8 | name: Can & rose"
    assert [mark[:2] for mark in marks(found)] == [("row", "1"), ("row", "2")]
    assert (found.is_source, found.fields) == (False, ())


def test_data_that_nests_is_indented() -> None:
    long = "word " * 80
    found = read(
        f"<a><title>Own</title><updated>2024-05-06</updated><b><c>1</c><d x='2'>3</d><e><f>4</f><g>5</g></e></b>"
        f"<only><one>{long}</one></only><mixed>Some <i>looks</i> here.</mixed><p>Plain.</p></a>"
    )
    assert found.text.split("\n") == [
        "title: Own",
        "updated: 2024-05-06",
        "",
        "b:",
        "  c: 1",
        "  d: 3 (x: 2)",
        "  e | f: 4 | g: 5",
        f"one: {long.strip()}",
        "mixed: Some looks here.",
        "",
        "Plain.",
    ]
    assert (found.title, found.dated) == ("Own", date(2024, 5, 6))


def test_a_title_of_a_record_is_not_the_documents() -> None:
    assert read("<shop><book><title>A</title></book><book><title>B</title></book></shop>").title == ""


BOOK = """<book xmlns="http://docbook.org/ns/docbook"><info><title>Whole</title><author><personname>Jane
Doe</personname></author><date>2020-01-02</date></info>
<chapter><title>First</title><para>Words with <emphasis>looks</emphasis>.</para>
<section><title>Inner</title><itemizedlist><listitem><para>one</para></listitem><listitem><para>two</para></listitem>
</itemizedlist><programlisting>a
  b</programlisting></section></chapter>
<chapter><title>Second</title><table><row><entry>x</entry><entry>y</entry></row><row><entry>1</entry><entry>2</entry></row></table>
</chapter></book>"""


def test_a_book_is_read_as_it_prints() -> None:
    found = read(BOOK)
    assert found.text == (
        "Whole\n\npersonname: Jane Doe\ndate: 2020-01-02\n\nFirst\n\nWords with looks.\n\nInner\n\none\n\ntwo\n\na\n  b\n\n"
        "Second\nx | y\n1 | 2"
    )
    assert [mark[:3] for mark in marks(found)] == [
        ("heading", "Whole", 1),
        ("heading", "First", 2),
        ("heading", "Inner", 3),
        ("heading", "Second", 2),
    ]
    assert (found.title, found.dated) == ("Whole", date(2020, 1, 2))


def test_tei_and_jats_are_books_too() -> None:
    tei = read(
        "<TEI><text><body><div><head>One</head><p>Words <hi>here</hi>.</p><lg>a\n b</lg></div></body></text></TEI>"
    )
    assert tei.text == "One\n\nWords here.\n\na\n b"
    assert [mark[1:3] for mark in marks(tei)] == [("One", 1)]
    jats = read(
        "<article><front><article-meta><article-id>12</article-id><article-title>A <i>b</i></article-title></article-meta>"
        "</front><body><sec><title>Methods</title><p>We did.</p></sec></body></article>"
    )
    assert jats.text == "article-id: 12\n\nA b\n\nMethods\n\nWe did."
    assert (jats.title, [mark[1:3] for mark in marks(jats)]) == ("A b", [("A b", 1), ("Methods", 2)])


def test_words_beside_elements_are_kept_in_what_a_document_says_of_itself() -> None:
    found = read(
        "<article><front><article-meta>Loose <abstract><title>Abstract</title><p>Some <i>looks</i> here.</p><p>More.</p>"
        "</abstract><note>by <b>Jane</b> Doe</note><year>2020</year> end</article-meta></front><body>x</body></article>"
    )
    assert found.text == "Loose\n\nAbstract\n\nSome looks here.\n\nMore.\n\nnote: by Jane Doe\nyear: 2020\n\nend\n\nx"
    assert read("<book><a><info>one<a></a></info></a></book>").text == "info: one"


def test_words_beside_cells_are_kept_in_a_row() -> None:
    found = read("<book><row>a<entry>b <i>c</i></entry><x>d</x> e<entry/></row><row>f <i>g</i></row></book>")
    assert found.text == "a | b c | d | e\nf g"


RSS = """<rss version="2.0" xmlns:content="x" xmlns:dc="y"><channel><title>News</title><link>https://x.org</link>
<lastBuildDate>Mon, 09 Dec 2024 20:26:59 +0000</lastBuildDate>
<item><title>One &amp; two</title><link>https://x.org/1</link><pubDate>Tue, 19 Nov 2024 13:30:02 +0000</pubDate>
<dc:creator>Jane</dc:creator><category>A</category><category>B</category><description>Short.</description>
<content:encoded><![CDATA[<p>The whole</p><script>no</script><p>of it.</p>]]></content:encoded></item>
<item><title>Plain</title><description>5 &lt; 6 words</description></item></channel></rss>"""


def test_a_feed_is_read_entry_by_entry() -> None:
    found = read(RSS, "a.rss")
    assert found.text == (
        "News\nDate: Mon, 09 Dec 2024 20:26:59 +0000\nLink: https://x.org\n\n"
        "One & two\nDate: Tue, 19 Nov 2024 13:30:02 +0000\nAuthor: Jane\nLink: https://x.org/1\nTopics: A, B\n\n"
        "The whole\n\nof it.\n\nPlain\n5 < 6 words"
    )
    assert [mark[:3] for mark in marks(found)] == [
        ("heading", "News", 1),
        ("heading", "One & two", 2),
        ("heading", "Plain", 2),
    ]
    assert (found.title, found.dated) == ("News", date(2024, 12, 9))


def test_atom_and_rss_1_are_feeds() -> None:
    atom = read(
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><updated>2024-05-06T00:00:00Z</updated><entry>'
        '<title type="html">E</title><link rel="self" href="no"/><link href="https://x"/><author><name>Jo</name>'
        '<email>j@x</email></author><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Words</p></div>'
        "</content></entry></feed>"
    )
    assert atom.text == "T\nDate: 2024-05-06T00:00:00Z\n\nE\nAuthor: Jo\nLink: https://x\n\nWords"
    rdf = read(
        '<r:RDF xmlns:r="r"><channel><title>T</title></channel><item><title>I</title><description>D</description></item></r:RDF>'
    )
    assert rdf.text == "T\n\nI\nD"


def test_what_speaks_in_attributes_stays_as_it_stands_if_it_is_laid_out() -> None:
    schema = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">\n <xs:element name="order" type="Order"/>\n</xs:schema>\n'
    found = read(schema, "a.xsd")
    assert (found.text, found.is_source) == (schema, True)
    outline = (
        "<opml><body>"
        + "".join(f'<outline text="Feed {i}" xmlUrl="https://x.org/{i}"/>' for i in range(9))
        + "</body></opml>"
    )
    lines = read(outline, "a.opml").text.split("\n")
    assert lines == ["body:", *(f"  outline | text: Feed {i} | xmlUrl: https://x.org/{i}" for i in range(9))]


def test_a_property_list_reads_by_its_keys() -> None:
    found = read(
        "<plist><dict><key>Name</key><string>x</string><key>On</key><true/><key>In</key><dict><key>a</key>"
        "<integer>1</integer></dict><key>List</key><array><string>p</string><string>q</string></array></dict></plist>",
        "a.plist",
    )
    assert found.text == "Name: x\nOn: true\nIn:\n  a: 1\nList:\n  string: p\n  string: q"


def test_a_spreadsheet_of_2003_is_its_sheets() -> None:
    cell = "<Cell><Data ss:Type='String'>{}</Data></Cell>".format
    found = read(
        "<?xml version='1.0'?><?mso-application progid='Excel.Sheet'?><Workbook xmlns='urn:schemas-microsoft-com:office:"
        "spreadsheet' xmlns:ss='urn:schemas-microsoft-com:office:spreadsheet'><Styles><Style ss:ID='s'/></Styles>"
        f"<Worksheet ss:Name='Sales'><Table><Row>{cell('Team')}{cell('City')}{cell('Wins')}</Row>"
        f"<Row>{cell('Blues')}<Cell ss:Index='3'><Data ss:Type='Number'>3</Data></Cell></Row>"
        f"<Row>{cell('Leafs')}{cell('Köln')}{cell('13')}</Row></Table></Worksheet>"
        f"<Worksheet ss:Name='Empty'><Table/></Worksheet><Worksheet ss:Name='Other'><Table><Row ss:Index='4'>{cell('x')}</Row>"
        "</Table></Worksheet></Workbook>",
        "a.xls",
    )
    assert found.parser == "xml"
    assert found.text == ("Team | City | Wins\nTeam: Blues | Wins: 3\nTeam: Leafs | City: Köln | Wins: 13\n\nx")
    assert [mark[:2] for mark in marks(found)] == [
        ("sheet", "Sales"),
        ("row", "1"),
        ("row", "2"),
        ("row", "3"),
        ("sheet", "Other"),
        ("row", "4"),
    ]


def test_xhtml_is_a_page() -> None:
    found = read("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body><h1>A</h1></body></html>")
    assert (found.parser, found.text) == ("html", "A")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-le", "iso-8859-1", "cp1251"])
def test_encodings_are_told_by_the_bytes_before_the_declaration(encoding: str) -> None:
    word = "слово" if encoding == "cp1251" else "Größe"
    label = {"utf-16": "UTF-8", "utf-8-sig": "us-ascii", "utf-16-le": "UTF-16"}.get(encoding, encoding)
    text = f"<?xml version='1.0' encoding='{label}'?><a><b>{word}</b><c>2</c></a>"
    assert read_bytes(text.encode(encoding)).text == f"b: {word}\nc: 2"


def read_bytes(data: bytes) -> Document:
    return parse(data, name="a.xml")


BOMB = (
    "<!DOCTYPE a [<!ENTITY l0 'lol'>" + "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10}'>" for i in range(1, 12)) + "]>"
)


@pytest.mark.parametrize(
    "text",
    [
        f"{BOMB}<a><b>&l11;</b><c>words</c></a>",
        f'{BOMB}<a><b x="&l11;"/><c>words</c></a>',
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a><b>&x;</b><c>words</c></a>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a><b>&x;</b><c>words</c></a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a><b>1</b><c>words</c></a>",
        "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd' parse='text'/><c>words</c></a>",
        "<?xml-stylesheet href='file:///etc/passwd'?><a><b>1</b><c>words</c></a>",
    ],
)
def test_nothing_is_unfolded_or_read_from_outside(text: str) -> None:
    started = time.process_time()
    found = read(text)
    assert time.process_time() - started < 3.0
    assert "words" in found.text and "root:" not in found.text and len(found.text) <= len(text)
    assert "lollol" not in found.text


def test_names_of_characters_are_read_without_a_dtd() -> None:
    assert read("<a><b>caf&eacute;&nbsp;&mdash; &lt;x&gt;</b><c>1</c></a>").text == "b: café — <x>\nc: 1"


def test_broken_xml_is_read_as_far_as_it_goes_or_as_text_and_says_which() -> None:
    half = "<a><b>one</b><b>two words"
    found = read(half)
    assert (found.text, warning(found)) == ("b: one\nb: two words", "broken XML: read as far as it goes")
    no_root = "<a>one</a> and many more words behind the end <b>two</b>"
    kept = read(no_root)
    assert (kept.text, kept.is_source, warning(kept)) == (no_root, True, "broken XML: read as text")
    words = read("no markup at all, only words")
    assert (words.text, warning(words)) == ("no markup at all, only words", "broken XML: read as text")


def test_depth_is_limited() -> None:
    for depth in (300, 100_000):
        deep = "<a>" * depth + "words" + "</a>" * depth
        found = read(deep)
        assert (found.text, found.is_source) == (deep, True)
    shallow = "<a>" * 9 + "words" + "</a>" * 9
    assert read(shallow).text == "a: words"
    limited = parse(shallow.encode(), name="a.xml", limits=replace(DEFAULT, max_depth=5))
    assert warning(limited) == "XML with over 5 elements in one another: read as text"


def test_an_empty_file_is_an_empty_document_and_controls_are_no_fault() -> None:
    assert read("").text == ""
    assert read("<?xml version='1.0'?>\n").is_source
    assert read("<a><b>x\x0by</b><c>\x7f1</c></a>" + " " * 300).text == "b: xy\nc: 1"


@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 100_000,
        "<" * 300_000,
        "&" * 300_000,
        "<a " + " ".join(f"x{i}='1'" for i in range(50_000)) + "/>",
        "<a " + " ".join(f"xmlns:x{i}='{i}'" for i in range(5_000)) + "><b>1</b></a>",
        "<a>" + "<b/>" * 100_000 + "</a>",
        "<a>" + "x<b/>" * 100_000 + "</a>",
        "<book>" + "<section><title>x</title>" * 150 + "<p>x</p>" * 10_000 + "</section>" * 150 + "</book>",
        "<a><!--" + "-" * 300_000,
        "<![CDATA[" * 50_000,
        "<?xml " * 100_000,
        "<!DOCTYPE a [" + "<!ENTITY x 'y'>" * 50_000 + "]><a>&x;</a>",
        "<a>" + "&x;" * 100_000 + "</a>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>" + "&x;" * 100_000 + "</a>",
        "<rss><channel>" + "<item><title>x</title></item>" * 20_000 + "</channel></rss>",
    ],
)
def test_hostile_files_take_little_time(text: str) -> None:
    started = time.process_time()
    check(text.encode())
    assert time.process_time() - started < 4.0


def check(data: bytes) -> None:
    ending(lambda content: straight(content, name="a.xml", limits=DEFAULT), data)


def trees(names: list[str]) -> st.SearchStrategy[str]:
    words = st.sampled_from(["one", "two", "x &amp; y", " ", "\n", "é", "word " * 70])
    return st.recursive(
        words,
        lambda inner: st.builds(
            lambda name, attribute, parts: f"<{name}{attribute}>{''.join(parts)}</{name}>",
            st.sampled_from(names),
            st.sampled_from(["", " k='v'"]),
            st.lists(inner, max_size=4),
        ),
        max_leaves=20,
    )


ALL = "a b title head p para section info table row entry listitem programlisting note dict key array".split()


@settings(max_examples=200, deadline=None)
@given(trees(ALL), st.sampled_from(["a", "book", "TEI", "rss", "feed", "plist"]))
def test_no_word_is_lost(inner: str, root: str) -> None:
    text = f"<{root}>{inner}</{root}>"
    check(text.encode())
    found = straight(text.encode(), name="a.xml", limits=DEFAULT)
    if root not in ("rss", "feed"):
        for word in ("one", "two", "é", "word"):
            assert found.text.count(word) >= inner.count(word)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"<>&;/'\"=! \n\x00a1é\ud800",
                "<a>",
                "</a>",
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "<?xml ",
                "?>",
                "&#0;",
                "&#xD800;",
                "<b k='v'/>",
            ]
        ),
        max_size=40,
    )
)
def test_random_pieces_raise_nothing_else(pieces: list[str]) -> None:
    check("".join(pieces).encode("utf-8", "surrogatepass"))
