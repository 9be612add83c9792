"""One small sound file of every format, by name: what the mutator starts from, and what is cut in half in the tests."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache

import zstandard

from benchmarks.fuzz.compounds import Tree, compound
from ingest.parsers import parser_for
from ingest.recognise import recognise

_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"

_TEXTS: dict[str, str] = {
    "a.txt": "Retries\n\nThree attempts, then the queue.\nAuthor: Ana\n",
    "a.md": "---\ntitle: Guide\nauthor: Ana Ruiz\ndate: 2024-03-01\n---\n\n# Guide\n\nText with *words*.\n\n## Keys\n\n"
    "- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx = 1\n```\n",
    "a.rst": "PEP: 1\nTitle: Purpose\nAuthor: Ana\nCreated: 13-Jun-2000\n\nTitle\n=====\n\nText.\n\nPart\n----\n\n.. note:: A note.\n\n"
    "::\n\n    code\n",
    "a.html": "<!doctype html><html><head><title>Page</title><meta name=author content=Ana><meta name=date content=2024-03-01>"
    "</head><body><nav><a href=x>menu</a></nav><main><h1>Head</h1><p>One <b>two</b><br>three<ul><li>a<li>b</ul>"
    "<table><tr><th>A<th>B<tr><td>1<td>2</table><pre>code\n x</pre><h2>Next</h2><p>More.</main></body></html>",
    "a.py": '"""Doc."""\n\n\nclass A:\n    """Says."""\n\n    @property\n    def b(self) -> int:\n        return 1\n\n\nasync def f(x):\n    pass\n',
    "a.js": "// note\nexport class A {\n  b() { return `x ${1}`; }\n}\nfunction f(x) { /* c */ }\nconst g = async (y) => { return y }\n",
    "a.go": 'package a\n\nfunc (s *S) Run(x int) error {\n\treturn nil\n}\n\ntype S struct {\n\tA int `json:"a"`\n}\n',
    "a.json": '{"title": "Box", "items": [{"name": "a", "size": 1.5, "tags": ["x", null, true]}, {"name": "b\\u00e9"}]}',
    "a.jsonl": '{"a": 1, "b": "x"}\n{"a": 2, "c": [1, 2]}\n',
    "a.ndjson": '{"a": 1}\n{"a": 2}\n',
    "a.yaml": "title: Box\nlist:\n  - a: 1\n    b: &x two\n  - *x\ntext: |\n  one\n  two\ndate: 2024-03-01\n---\nother: [1, 2]\n",
    "a.xml": '<?xml version="1.0" encoding="UTF-8"?>\n<box at="1"><title>Box</title><item id="a">One <b>two</b></item>'
    "<item id='b'><![CDATA[x < y]]></item><!-- note --></box>",
    "a.toml": 'title = "x"\n[part]\na = 1\n',
    "a.csv": "Name,Date,Amount\nAna,2024-03-01,\"1,5\"\nBo,2024-03-02,\"two\nlines\"\nCy,,3\n",
    "a.tsv": "Name\tAmount\nAna\t1\nBo\t2\n",
    "a.rtf": "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Arial;}}{\\stylesheet{\\s1 heading 1;}}{\\info{\\title Box}{\\author Ana}"
    "{\\creatim\\yr2024\\mo3\\dy1}}\\pard\\s1\\outlinelevel0 Head\\par\\pard caf\\'e9 \\u28450?\\tab x\\par\\trowd\\cellx1000\\cellx2000 a\\cell b\\cell\\row }",
    "a.org": "#+TITLE: Box\n#+AUTHOR: Ana\n#+DATE: <2024-03-01 Fri>\n\n* TODO Head  :tag:\n:PROPERTIES:\n:ID: 1\n:END:\nText.\n\n** Next\n| a | b |\n|---+---|\n| 1 | 2 |\n"
    "#+BEGIN_SRC py\nx = 1\n#+END_SRC\n",
    "a.tex": "\\documentclass{article}\n\\title{Box}\\author{Ana}\\date{1 March 2024}\n\\begin{document}\n\\maketitle\n\\section{Head}\nText $x^2$ \\emph{a}.% no\n"
    "\\begin{itemize}\\item one\\end{itemize}\n\\begin{tabular}{ll}a & b \\\\ 1 & 2\\end{tabular}\n\\subsection*{Next}\n\\begin{verbatim}\nx\n\\end{verbatim}\n\\end{document}\n",
    "a.srt": "1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i>.\n\n2\n00:01:05,000 --> 00:01:07,000\nSecond\nline.\n",
    "a.sbv": "0:00:01.000,0:00:02.000\nHello there.\n\n0:01:05.000,0:01:07.000\nMore.\n",
    "a.vtt": "WEBVTT - Box\n\nNOTE none\n\nhead\n00:01.000 --> 00:02.000 align:left\n<v Ana>Hello.\n\n01:00:05.000 --> 01:00:07.000\nMore.\n",
    "a.ass": "[Script Info]\nTitle: Box\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ana,0,0,0,,Hello\\Nthere {\\i1}now\n",
    "a.eml": "From: Ana <ana@example.org>\nTo: Bo <bo@example.org>\nSubject: =?utf-8?q?Caf=C3=A9?=\nDate: Fri, 1 Mar 2024 10:00:00 +0100\nMessage-ID: <1@example.org>\n"
    'In-Reply-To: <0@example.org>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: multipart/alternative; boundary="c"\n\n'
    "--c\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nCaf=C3=A9 at noon.\n\n> quoted\n--c\nContent-Type: text/html\n\n<p>Caf&eacute; at <b>noon</b>.\n"
    '--c--\n--b\nContent-Type: text/plain; name="note.txt"\nContent-Disposition: attachment; filename="note.txt"\nContent-Transfer-Encoding: base64\n\nQSBub3RlLgo=\n'
    "--b\nContent-Type: message/rfc822\n\nSubject: Inner\nFrom: cy@example.org\n\nInner text.\n--b--\n",
    "a.mbox": "From ana@example.org Fri Mar  1 10:00:00 2024\nFrom: ana@example.org\nSubject: One\nDate: Fri, 1 Mar 2024 10:00:00 +0100\nMessage-ID: <1@x>\n\nFirst.\n>From here.\n\n"
    "From bo@example.org Sat Mar  2 10:00:00 2024\nFrom: bo@example.org\nSubject: Two\nMessage-ID: <2@x>\nIn-Reply-To: <1@x>\n\nSecond.\n",
}  # fmt: skip


@cache
def samples() -> Mapping[str, bytes]:
    """Name → bytes."""
    found = {name: text.encode() for name, text in _TEXTS.items()}
    found["a.ipynb"] = json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": ["# Head\n", "Text."]},
                {
                    "cell_type": "code",
                    "source": "x = 1",
                    "outputs": [{"output_type": "execute_result", "data": {"text/plain": ["1"]}}],
                },
                {
                    "cell_type": "code",
                    "source": "1/0",
                    "outputs": [{"output_type": "error", "ename": "E", "evalue": "v"}],
                },
            ],
            "metadata": {"title": "Box", "authors": [{"name": "Ana"}], "date": "2024-03-01"},
            "nbformat": 4,
        }
    ).encode()
    found["a.pdf"] = _pdf()
    found["a.docx"] = _docx()
    found["a.pptx"] = _pptx()
    found["a.xlsx"] = _xlsx()
    found["a.odt"] = _open_document(
        "text",
        '<text:h text:outline-level="1">Head</text:h><text:p>One <text:span>two</text:span><text:s text:c="2"/>x<text:tab/>y<text:line-break/>z</text:p>'
        "<text:list><text:list-item><text:p>item</text:p></text:list-item></text:list><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="2"><text:p>b</text:p></table:table-cell></table:table-row></table:table>',
    )
    found["a.ods"] = _open_document(
        "spreadsheet",
        '<table:table table:name="Sales"><table:table-row><table:table-cell office:value-type="string"><text:p>Name</text:p></table:table-cell><table:table-cell office:value-type="string">'
        '<text:p>Amount</text:p></table:table-cell></table:table-row><table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="string"><text:p>Ana</text:p>'
        '</table:table-cell><table:table-cell office:value-type="float" office:value="1.5"><text:p>1.5</text:p></table:table-cell></table:table-row></table:table>',
    )
    found["a.odp"] = _open_document(
        "presentation",
        '<draw:page draw:name="One"><draw:frame presentation:class="title"><draw:text-box><text:p>Head</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>Text.</text:p>'
        "</draw:text-box></draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>A note.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>",
    )
    found["a.fodt"] = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document {_spaces()} office:mimetype="application/vnd.oasis.opendocument.text"><office:meta><dc:title>Box'
        "</dc:title></office:meta><office:body><office:text><text:h>Head</text:h><text:p>One.</text:p></office:text></office:body></office:document>"
    ).encode()
    found["a.epub"] = _epub()
    found["a.zip"] = _zip({"notes/a.md": found["a.md"], "b.txt": b"Text b.", "in.zip": _zip({"c.txt": b"Text c."})})
    found["a.tar"] = _tar({"notes/a.md": found["a.md"], "b.txt": b"Text b."})
    found["a.tgz"] = gzip.compress(found["a.tar"], mtime=0)
    found["a.txt.gz"] = gzip.compress(found["a.txt"], mtime=0)
    found |= {"a.txt.bz2": bz2.compress(found["a.txt"]), "a.txt.xz": lzma.compress(found["a.txt"])}
    found["a.txt.zst"] = zstandard.ZstdCompressor().compress(found["a.txt"])
    found |= _pictures()
    found["a.msg"] = _msg()
    found["a.doc"] = compound({"WordDocument": b"\xec\xa5\xc1\x00" + bytes(5_000), "1Table": bytes(100)})
    return found


def by_parser(parser: str) -> dict[str, bytes]:
    """The samples that go to a parser of the table."""
    return {name: data for name, data in samples().items() if recognise(data, parser_for(name)) == parser}


def _zip(parts: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return out.getvalue()


def _tar(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def _types(*parts: tuple[str, str]) -> str:
    named = "".join(f'<Override PartName="/{part}" ContentType="{kind}"/>' for part, kind in parts)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>{named}</Types>'
    )


def _rels(*targets: tuple[str, str]) -> str:
    named = "".join(
        f'<Relationship Id="rId{i}" Type="{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(targets, start=1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{_PACKAGE}/relationships">{named}</Relationships>'
    )


_CORE = (
    f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>Box</dc:title><dc:creator>Ana</dc:creator>'
    "<dcterms:created>2024-03-01T00:00:00Z</dcterms:created></cp:coreProperties>"
)
_CORE_TYPE = ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml")
_CORE_KIND = f"{_PACKAGE}/relationships/metadata/core-properties"


def _docx() -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = (
        '<w:p><w:pPr><w:pStyle w:val="H1"/></w:pPr><w:r><w:t>Head</w:t></w:r></w:p><w:p><w:r><w:t>One</w:t><w:tab/><w:t>two</w:t></w:r>'
        '<w:r><w:footnoteReference w:id="2"/></w:r></w:p><w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>'
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    return _zip(
        {
            "[Content_Types].xml": _types(
                ("word/document.xml", f"{_OFFICE}.wordprocessingml.document.main+xml"),
                ("word/styles.xml", f"{_OFFICE}.wordprocessingml.styles+xml"),
                ("word/footnotes.xml", f"{_OFFICE}.wordprocessingml.footnotes+xml"),
                _CORE_TYPE,
            ),
            "_rels/.rels": _rels(
                (f"{_RELATED}/officeDocument", "word/document.xml"), (_CORE_KIND, "docProps/core.xml")
            ),
            "word/_rels/document.xml.rels": _rels(
                (f"{_RELATED}/styles", "styles.xml"), (f"{_RELATED}/footnotes", "footnotes.xml")
            ),
            "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
            "word/styles.xml": f'<w:styles xmlns:w="{word}"><w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style></w:styles>',
            "word/footnotes.xml": f'<w:footnotes xmlns:w="{word}"><w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>',
            "docProps/core.xml": _CORE,
        }
    )


def _pptx() -> bytes:
    spaces = (
        f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{_RELATED}" '
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    )

    def shape(number: int, kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="s{number}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>'
            f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def tree(*shapes: str) -> str:
        head = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
        return f"<p:cSld><p:spTree>{head}{''.join(shapes)}</p:spTree></p:cSld>"

    table = (
        '<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="9" name="t"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="0"/><a:ext cx="1" cy="1"/></p:xfrm>'
        '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/table"><a:tbl><a:tblGrid><a:gridCol w="1"/></a:tblGrid><a:tr h="1"><a:tc><a:txBody><a:bodyPr/>'
        "<a:p><a:r><a:t>a</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    slide = f"{_OFFICE}.presentationml.slide+xml"
    return _zip(
        {
            "[Content_Types].xml": _types(
                ("ppt/presentation.xml", f"{_OFFICE}.presentationml.presentation.main+xml"),
                ("ppt/slides/slide1.xml", slide),
                ("ppt/slides/slide2.xml", slide),
                ("ppt/notesSlides/notesSlide1.xml", f"{_OFFICE}.presentationml.notesSlide+xml"),
                _CORE_TYPE,
            ),
            "_rels/.rels": _rels(
                (f"{_RELATED}/officeDocument", "ppt/presentation.xml"), (_CORE_KIND, "docProps/core.xml")
            ),
            "ppt/_rels/presentation.xml.rels": _rels(
                (f"{_RELATED}/slide", "slides/slide1.xml"), (f"{_RELATED}/slide", "slides/slide2.xml")
            ),
            "ppt/presentation.xml": f'<p:presentation {spaces}><p:sldIdLst><p:sldId id="256" r:id="rId1"/><p:sldId id="257" r:id="rId2"/></p:sldIdLst></p:presentation>',
            "ppt/slides/slide1.xml": f"<p:sld {spaces}>{tree(shape(2, 'title', 'Head'), shape(3, 'body', 'Text.'))}</p:sld>",
            "ppt/slides/_rels/slide1.xml.rels": _rels((f"{_RELATED}/notesSlide", "../notesSlides/notesSlide1.xml")),
            "ppt/slides/slide2.xml": f"<p:sld {spaces}>{tree(shape(2, 'body', 'Second.'), table)}</p:sld>",
            "ppt/notesSlides/notesSlide1.xml": f"<p:notes {spaces}>{tree(shape(2, 'body', 'A note.'))}</p:notes>",
            "docProps/core.xml": _CORE,
        }
    )


def _xlsx() -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>Ana</t></is></c><c r="B2"><v>1.5</v></c></row>'
        '<row r="4"><c r="A4" t="b"><v>1</v></c><c r="B4" s="1"><v>45352</v></c><c r="C4" t="str"><f>A1</f><v>x</v></c></row>'
    )
    return _zip(
        {
            "[Content_Types].xml": _types(
                ("xl/workbook.xml", f"{_OFFICE}.spreadsheetml.sheet.main+xml"),
                ("xl/worksheets/sheet1.xml", f"{_OFFICE}.spreadsheetml.worksheet+xml"),
                ("xl/sharedStrings.xml", f"{_OFFICE}.spreadsheetml.sharedStrings+xml"),
                ("xl/styles.xml", f"{_OFFICE}.spreadsheetml.styles+xml"),
                _CORE_TYPE,
            ),
            "_rels/.rels": _rels((f"{_RELATED}/officeDocument", "xl/workbook.xml"), (_CORE_KIND, "docProps/core.xml")),
            "xl/_rels/workbook.xml.rels": _rels(
                (f"{_RELATED}/worksheet", "worksheets/sheet1.xml"),
                (f"{_RELATED}/sharedStrings", "sharedStrings.xml"),
                (f"{_RELATED}/styles", "styles.xml"),
            ),
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{_RELATED}"><sheets><sheet name="Sales" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:C4"/><sheetData>{rows}</sheetData><mergeCells count="1"><mergeCell ref="A4:A5"/></mergeCells></worksheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{main}" count="2" uniqueCount="2"><si><t>Name</t></si><si><r><t>Amo</t></r><r><t>unt</t></r></si></sst>',
            "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
            "docProps/core.xml": _CORE,
        }
    )


def _spaces() -> str:
    names = "office text table draw meta presentation".split()
    spaces = " ".join(f'xmlns:{name}="{_OPEN}:{"drawing" if name == "draw" else name}:1.0"' for name in names)
    return f'{spaces} xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'


def _open_document(kind: str, body: str) -> bytes:
    spaces = _spaces()
    return _zip(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            "content.xml": f"<office:document-content {spaces}><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {spaces}><office:meta><dc:title>Box</dc:title><dc:creator>Ana</dc:creator><meta:creation-date>2024-03-01T00:00:00"
            "</meta:creation-date></office:meta></office:document-meta>",
            "styles.xml": f"<office:document-styles {spaces}/>",
        }
    )


def _epub() -> bytes:
    def page(head: str) -> str:
        return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{head}</title></head><body><h1>{head}</h1><p>Text of {head}.</p></body></html>'

    items = "".join(f'<item id="{name}" href="text/{name}.xhtml" media-type="application/xhtml+xml"/>' for name in "ab")
    return _zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf" '
            'media-type="application/oebps-package+xml"/></rootfiles></container>',
            "OPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Box</dc:title>'
            f'<dc:creator>Ana</dc:creator><dc:date>2024-03-01</dc:date><dc:identifier id="i">x</dc:identifier></metadata><manifest>{items}<item id="n" href="nav.xhtml" properties="nav" '
            'media-type="application/xhtml+xml"/><item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest><spine toc="ncx"><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "OPS/nav.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body><nav epub:type="toc"><ol><li><a href="text/a.xhtml">One</a></li>'
            '<li><a href="text/b.xhtml#x">Two</a></li></ol></nav></body></html>',
            "OPS/toc.ncx": '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint id="p"><navLabel><text>One</text></navLabel><content src="text/a.xhtml"/></navPoint></navMap></ncx>',
            "OPS/text/a.xhtml": page("One"),
            "OPS/text/b.xhtml": page("Two"),
        }
    )


def _pdf() -> bytes:
    font = "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"

    def page(number: int) -> str:
        return f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number} 0 R {font} >>"

    streams = [
        b"BT /F1 12 Tf 72 700 Td (First line end-) Tj 0 -14 Td (ing here.) Tj ET",
        b"BT /F1 12 Tf 72 700 Td (Second page.) Tj ET",
    ]
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        page(5).encode(),
        page(6).encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(streams[0]), streams[0]),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream"
        % (len(zlib.compress(streams[1])), zlib.compress(streams[1])),
        b"<< /Title (Box) /Author (Ana) /CreationDate (D:20240301000000Z) >>",
    ]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)


def _msg() -> bytes:
    """A message with a page, an attachment and a message in it ([MS-OXMSG])."""

    def texts(**values: str) -> dict[str, bytes]:
        return {f"__substg1.0_{name[1:].upper()}001F": value.encode("utf-16-le") for name, value in values.items()}

    day = struct.pack("<HHIQ", 0x0040, 0x0039, 6, 133_537_248_000_000_000)  # 1 March 2024 UTC, sent
    own = texts(
        p0037="Café", p0c1a="Ana", p0c1f="ana@example.org", p0e04="Bo", p1000="At noon.\r\n", p1035="<1@example.org>"
    )
    note = {
        "__properties_version1.0": bytes(8),
        "__substg1.0_37010102": b"A note.",
        **texts(p3707="note.txt", p370e="text/plain"),
    }
    inner = {"__properties_version1.0": bytes(24), **texts(p0037="Inner", p1000="Inner text.")}
    tree: Tree = {
        "__properties_version1.0": bytes(32) + day,
        **own,
        "__substg1.0_10130102": b"<p>At <b>noon</b>.</p>",
        "__recip_version1.0_#00000000": {
            "__properties_version1.0": bytes(8),
            **texts(p3001="Bo", p39fe="bo@example.org"),
        },
        "__attach_version1.0_#00000000": note,
        "__attach_version1.0_#00000001": {"__properties_version1.0": bytes(8), "__substg1.0_3701000D": inner},
    }
    return compound(tree)


def _pictures() -> dict[str, bytes]:
    """White, 32 × 32."""
    from PIL import Image

    found = {}
    for suffix, kind in (
        ("png", "PNG"),
        ("gif", "GIF"),
        ("bmp", "BMP"),
        ("tif", "TIFF"),
        ("jpg", "JPEG"),
        ("webp", "WEBP"),
    ):
        out = io.BytesIO()
        Image.new("L", (32, 32), 255).save(out, kind)
        found[f"a.{suffix}"] = out.getvalue()
    return found
