"""What stands in files of each kind, and what is known to break their readers: the dictionaries of the mutator."""

from __future__ import annotations

HOSTILE = [
    b"\x00", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\x1a", b"\x1b[31m", b"\x1c", b"\x85", b"\xff", b"\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85",
    b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xef\xbf\xbd", b"\xe2\x80\x8b", b"\xc2\xa0",
    b"\xe3\x80\x80", b"\xf0\x9f\x90\x8d", b"\xcc\x81", "İ".encode(), "ß".encode(), "ﷺ".encode(), "²".encode(), "٣".encode(),
    "é".encode("latin-1"), "漢字".encode("utf-16-le"), "日本".encode("shift_jis"), b"-1", b"0", b"1e999", b"NaN", b"Infinity",
    b"2147483648", b"4294967296", b"9223372036854775808", b"99999999999999999999999999999999", b"0x41", b"1.5", b"\\u0000",
    b"\\ud800", b"\\udfff", b"2024-02-30", b"0000-00-00", b"9999-12-31", b"24:00:00", b"99:99:99", b"A" * 300, b" " * 300,
    b"\n" * 50, b"\t", b"../../etc/passwd", b"C:\\a", b"/etc/hosts", b"file://{canary}", b"{canary}", b"{url}",
]  # fmt: skip
XML = [
    b"<a>", b"</a>", b"<a/>", b"<", b">", b"&", b"&amp;", b"&#0;", b"&#x1F40D;", b"&#xD800;", b"&#10;", b"&#13;", b"&b;",
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version='1.0' encoding='x'?>",
    b'<?xml version="1.0"?>', b"<?pi x?>", b'<!DOCTYPE a [<!ENTITY b "cccccccccccccccc">]>',
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{canary}">]>', b'<!DOCTYPE a SYSTEM "{url}">',
    b'<!DOCTYPE a [<!ENTITY % p SYSTEM "{url}"> %p;]>', b'<!DOCTYPE a [<!ENTITY c "x"><!ENTITY b "&c;&c;&c;&c;&c;&c;&c;&c;">]>',
    b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{canary}" parse="text"/>', b' xml:space="preserve"',
    b' xmlns="urn:x"', b' xmlns:w="urn:x"', b' a="b"', b"='", b'="', b"'", b'"',
]  # fmt: skip
_WORDS: dict[str, list[bytes]] = {
    "markdown": [b"#", b"##", b"###### ", b"===", b"---", b"```", b"~~~", b"- ", b"* ", b"1. ", b"> ", b"|", b"|---|",
                 b"[a](b)", b"![", b"](", b"[^1]: ", b"**", b"__", b"`", b"\\", b"<div>", b"---\ntitle: x\n---\n", b"title: "],
    "restructured": [b"===", b"---", b"***", b"..", b".. note::", b".. code-block:: x", b"::", b":Author: a", b".. include:: {canary}",
                     b".. raw:: html\n   :file: {canary}", b".. csv-table::\n   :file: {canary}", b"|", b"`a <b>`_", b"_", b"+--+"],
    "source": [b"def f():", b"class A:", b"class A {", b"}", b"{", b"(", b")", b"@d", b'"""', b"'''", b"/*", b"*/", b"//", b"#", b"--",
               b"function f(", b"func (", b"fn a", b"async ", b"async def a", b"=>", b"${", b"`", b"\\", b"lambda", b"    ", b"\t", b"namespace a {",
               b"template<", b"impl A for B", b"sub x {", b"%{", b"\\section{a}", b"SELECT", b"CREATE TABLE a ("],
    "html": [b"<p>", b"<div>", b"</div>", b"<table>", b"<tr>", b"<td>", b"<td colspan=9999999999>", b"<th rowspan=0>", b"<h1>", b"</h1>",
             b"<li>", b"<ul>", b"<pre>", b"<main>", b"<article>", b"<script>", b"</script>", b"<style>", b"<template>", b"<svg>", b"<br>",
             b"<title>", b"<meta charset=utf-16>", b"<meta charset=utf-7>", b"<meta name=author content='", b"<meta name=date content=2020-01-01>",
             b"hidden", b"<plaintext>", b"<textarea>", b"<select>", b"<noscript>", b"<frameset>", b"<math>", b"<a href=x>", b"<base href='{url}'>",
             b"<link rel=stylesheet href='{url}'>", b"<img src='{url}'>", b"<iframe src='{url}'>", b"<object data='file://{canary}'>"],
    "notebook": [b'"cells"', b'"source"', b'"outputs"', b'"cell_type"', b'"markdown"', b'"code"', b'"heading"', b'"level"', b'"worksheets"',
                 b'"metadata"', b'"authors"', b'"text/plain"', b'"data"', b'"ename"', b'"evalue"', b'"output_type"', b'"error"', b"null", b"true"],
    "data": [b"{", b"}", b"[", b"]", b":", b",", b'"', b"null", b"true", b"- ", b"? ", b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ",
             b"!!binary ", b"!include {canary}", b"---\n", b"...\n", b"|\n", b">-\n", b"%YAML 1.2", b"1e400", b"0o7", b"2001-01-01T00:00:00Z"],
    "delimited": [b",", b";", b"\t", b"|", b'"', b'""', b"\n", b'"\n', b"=cmd|' /C calc'!A0", b"sep=;\n", b",,,,,,,,,,,,"],
    "rtf": [b"{", b"}", b"\\rtf1", b"\\ansi", b"\\ansicpg932", b"\\ansicpg99999", b"\\u-3913?", b"\\u55357?", b"\\uc0", b"\\uc9999", b"\\'e9", b"\\'zz",
            b"\\bin9999999 ", b"\\par", b"\\pard", b"\\cell", b"\\row", b"\\trowd", b"\\intbl", b"{\\*\\x", b"{\\info{\\title ", b"{\\fonttbl",
            b"\\fcharset128", b"\\objdata", b"{\\field{\\*\\fldinst INCLUDETEXT \"{canary}\"}", b"\\outlinelevel0", b"\\s1", b"{\\stylesheet", b"\\-1", b"\\tx99999999999"],
    "org": [b"* ", b"** TODO ", b"#+TITLE: ", b"#+INCLUDE: \"{canary}\"", b":PROPERTIES:", b":END:", b"#+BEGIN_SRC", b"#+END_SRC", b"|", b"|-+-|",
            b"[[a][b]]", b"<2024-01-01 Mon>", b"[fn:1]", b"#+DATE: ", b"CLOCK:", b":tag:", b"# "],
    "latex": [b"\\section{", b"\\chapter*{", b"\\begin{", b"\\end{", b"\\item", b"$", b"$$", b"\\[", b"\\]", b"\\input{{canary}}", b"\\include{{canary}}",
              b"\\def\\a{\\a\\a}\\a", b"\\newcommand{\\x}[9]{", b"\\verb|", b"%", b"\\", b"{", b"}", b"&", b"\\\\", b"\\title{", b"\\author{", b"\\date{\\today}",
              b"\\cite{", b"\\footnote{", b"\\begin{verbatim}", b"\\begin{tabular}{ll}", b"\\maketitle", b"\\begin{document}", b"\\end{document}"],
    "subtitles": [b"WEBVTT\n\n", b" --> ", b"00:00:01,000 --> 00:00:02,000\n", b"99:99:99,999", b"NOTE ", b"STYLE\n", b"<v Ana>", b"<c.x>", b"{\\an8}", b"[Events]\n",
                  b"Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,", b"Format: ", b"-1:00:00.000", b"1\n", b"{1}{2}", b"[00:12.00]"],
    "mail": [b"From ", b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Message-ID: <", b"In-Reply-To: <", b"Content-Type: multipart/mixed; boundary=b\n\n",
             b"Content-Type: text/plain; charset=utf-7\n\n", b"Content-Type: text/html; charset=x-unknown\n\n", b"Content-Type: message/rfc822\n\n",
             b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Transfer-Encoding: x-uuencode\n",
             b"Content-Disposition: attachment; filename=\"../../x\"\n", b"filename*=utf-8''%2e%2e%2fx", b"filename*0*=x''%00; filename*1=b", b"=?utf-8?B?4oCu?=",
             b"=?utf-8?Q?=00=0A?=", b"=?x?q?=?=", b"=?utf-8?b?////?=", b"--b\n", b"--b--\n", b"=3D", b"=\n", b"=ZZ", b"begin 644 x\n", b"\n\n", b"boundary=\"\"",
             b"boundary=\"--\"", b"multipart/alternative", b"multipart/related", b"message/delivery-status", b"application/ms-tnef", b"Mon, 99 Foo 2024 99:99:99 +9999",
             b"Content-Type: message/external-body; access-type=local-file; name=\"{canary}\"\n\n", b">From "],
    "pdf": [b"/Type", b"/Page", b"/Pages", b"/Catalog", b"/Kids", b"/Count", b"/Parent", b"/Length", b"/Filter", b"/FlateDecode", b"/ASCIIHexDecode", b"/LZWDecode",
            b"/DecodeParms", b"/Predictor 15", b"/Contents", b"/Resources", b"/Font", b"/ToUnicode", b"/XObject", b"/Do", b"BT", b"ET", b"Tj", b"TJ", b"Tf", b"Td", b"cm", b"q", b"Q",
            b"obj", b"endobj", b"stream\n", b"endstream", b"xref", b"trailer", b"startxref", b"%%EOF", b"<<", b">>", b"[", b"]", b"(", b")", b"<FEFF>", b"<", b">", b" 0 R", b"1 0 R", b"2 0 R",
            b"/Encrypt", b"/Outlines", b"/Info", b"/Title", b"/CreationDate", b"(D:99999999)", b"/ObjStm", b"/W [1 9 9]", b"/MediaBox [0 0 1e9 -1e9]", b"/Rotate 45", b"/URI ({url})",
            b"/F (file://{canary})", b"/JS (x)", b"/Identity-H", b"beginbfchar", b"beginbfrange", b"/Tr 3"],
    "docx": [b"<w:p>", b"</w:p>", b"<w:tbl>", b"<w:tr>", b"<w:tc>", b"<w:r>", b"<w:t>", b"<w:ins>", b"<w:del>", b"<w:sdt>", b"<w:txbxContent>", b"<w:footnoteReference w:id='1'/>",
             b"<w:pStyle w:val='Heading1'/>", b"<w:outlineLvl w:val='99'/>", b"<w:numId w:val='1'/>", b"<w:tab/>", b"<w:br/>", b"w:val='", b"<w:vanish/>", b"<m:oMath>", b"<w:altChunk r:id='a'/>",
             b"TargetMode='External'", b"Target='file://{canary}'", b"Target='{url}'", b"Target='../../../x'"],
    "pptx": [b"<p:sp>", b"<a:p>", b"<a:t>", b"</a:t>", b"<a:tbl>", b"<a:tr>", b"<a:tc>", b"<p:grpSp>", b"<p:sldId id='256' r:id='rId9'/>", b"TargetMode='External'", b"Target='file://{canary}'",
             b"<p:ph type='title'/>", b"<p:graphicFrame>", b"Target='../slides/slide1.xml'", b"<a:br/>", b"show='0'"],
    "sheet": [b"<row r='1048576'>", b"<c r='XFD1048576' t='s'>", b"<v>", b"</v>", b"t='s'", b"t='inlineStr'", b"t='d'", b"t='e'", b"t='b'", b"<v>99999999</v>", b"<f>", b"<is><t>", b"s='9999'", b"r='A0'", b"r='ZZZZ1'",
              b"<mergeCell ref='A1:XFD1048576'/>", b"<dimension ref='A1:XFD1048576'/>", b"<sheet name='", b"state='veryHidden'", b"date1904='1'", b"numFmtId='14'", b"formatCode='yyyy'", b"<v>-1</v>",
              b"<v>1e308</v>", b"<si><t>", b"Target='{url}'", b"table:number-rows-repeated='1048576'", b"table:number-columns-repeated='16384'", b"office:value-type='date'", b"office:date-value='x'"],
    "odf": [b"<text:p>", b"<text:h text:outline-level='99'>", b"<text:list>", b"<text:list-item>", b"<table:table>", b"<table:table-row>", b"<table:table-cell table:number-columns-repeated='16384'>",
            b"table:number-rows-repeated='1048576'", b"<text:s text:c='999999999'/>", b"<text:tab/>", b"<text:note>", b"<draw:page>", b"<draw:frame>", b"<text:section>", b"<text:tracked-changes>",
            b"<office:annotation>", b"xlink:href='file://{canary}'", b"<dc:title>", b"<text:line-break/>"],
    "epub": [b"<itemref idref='a'/>", b"<item id='a' href='../../x' media-type='application/xhtml+xml'/>", b"<spine>", b"<manifest>", b"<rootfile full-path='/etc/passwd'/>", b"<navPoint>", b"<navLabel>",
             b"<nav epub:type='toc'>", b"<li>", b"<a href='%2e%2e/x#y'>", b"<dc:title>", b"<dc:date>", b"<h1>", b"linear='no'", b"href='{url}'", b"href='file://{canary}'", b"#"],
}  # fmt: skip
_LIKE = {"email": "mail", "mbox": "mail", "msg": "mail", "mailbox": "mail", "structured": "data", "json": "data", "yaml": "data", "csv": "delimited", "tabular": "sheet"}  # fmt: skip


def words_of(parser: str, *, canary: str, url: str) -> list[bytes]:
    """The words for a parser; all of them for one that has none of its own.

    canary: the path of a file no parser should open. url: an address no parser should ask.
    """
    own = _WORDS.get(_LIKE.get(parser, parser))
    words = own if own is not None else [word for row in _WORDS.values() for word in row]
    return [word.replace(b"{canary}", canary.encode()).replace(b"{url}", url.encode()) for word in [*words, *HOSTILE]]


def xml_words(*, canary: str, url: str) -> list[bytes]:
    """The words for the XML inside any file."""
    return [word.replace(b"{canary}", canary.encode()).replace(b"{url}", url.encode()) for word in XML]
