"""HTML: readable text in blocks, headings as marks; scripts, styles and navigation left out. Nothing is fetched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.decode import clean, decode
from ingest.errors import UnreadableFile
from ingest.header import parse_date, property_field
from ingest.types import Document, Field, Mark, MarkKind

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

NAME = "html"
VERSION = 1

_DROPPED = (
    "script, style, template, noscript, nav, svg, iframe, object, canvas, form button, [hidden], [aria-hidden=true]"
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_META = {
    "author": "author",
    "article:author": "author",
    "dc.creator": "author",
    "date": "date",
    "dc.date": "date",
    "article:published_time": "date",
    "article:modified_time": "modified",
    "last-modified": "modified",
    "description": "description",
    "keywords": "keywords",
}
_MAX_DEPTH = 500  # deeper nesting is no page made for people, and Python's stack ends at a thousand


def parse(data: bytes, *, name: str) -> Document:
    """The page's text. Raises UnreadableFile if it has none."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(_decoded(data))
    title_node = tree.css_first("title")
    title = " ".join(title_node.text().split()) if title_node is not None else ""
    fields = _fields(tree.css("meta"))
    for node in tree.css(_DROPPED):
        node.decompose()
    writer = _Writer()
    body = tree.body or tree.root
    if body is not None:
        writer.walk(body, 0)
    text, marks = writer.finished()
    if not text:
        raise UnreadableFile("empty: the page holds no text")
    first = next((mark.label for mark in marks if mark.level == 1), "")
    dates = [parse_date(field.value) for field in fields if field.name in ("date", "modified")]
    return Document(
        text=text,
        title=title or first,
        dated=next((day for day in dates if day is not None), None),
        fields=fields,
        marks=marks,
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _decoded(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    if declared is not None:
        try:
            return clean(data.decode(declared[1].decode("ascii")))
        except (LookupError, UnicodeDecodeError):
            pass  # a wrong label: look at the bytes themselves
    return decode(data)


def _fields(metas: list[LexborNode]) -> tuple[Field, ...]:
    found: list[Field] = []
    for meta in metas:
        attributes = meta.attributes
        name = _META.get((attributes.get("name") or attributes.get("property") or "").lower())
        field = None if name is None else property_field(name, attributes.get("content"))
        if field is not None and field.name not in {f.name for f in found}:
            found.append(field)
    return tuple(found)


class _Writer:
    """Text in blocks, as the tree is walked."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._inline: list[str] = []
        self._marks: list[Mark] = []
        self._is_tight = False  # the next block follows on the next line, not after a blank one

    def walk(self, node: LexborNode, depth: int) -> None:
        """Writes what is below `node`."""
        if depth > _MAX_DEPTH:
            self._inline.append(node.text())
            return
        child = node.child
        while child is not None:
            self._write(child, depth)
            child = child.next

    def finished(self) -> tuple[str, tuple[Mark, ...]]:
        """The text and its marks."""
        self._flush()
        return clean("".join(self._parts)), tuple(self._marks)

    def _write(self, node: LexborNode, depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag == "br":
            self._inline.append("\n")
        elif tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self._flush()
            label = " ".join(node.text().split())
            if label:
                self._block(label, MarkKind.HEADING, int(tag[1]))
        elif tag == "pre":
            self._flush()
            self._block(clean(node.text()).strip("\n"))
        elif tag == "tr":
            self._flush()
            cells = [" ".join(cell.text(separator=" ").split()) for cell in node.iter() if cell.tag in ("td", "th")]
            self._is_tight = bool(self._parts) and self._is_tight
            if any(cells):
                self._block(" | ".join(cells))
            self._is_tight = True
        elif tag == "li":
            self._flush()
            self._inline.append("- ")
            self.walk(node, depth + 1)
            self._flush()
            self._is_tight = True
        elif tag in _BLOCKS:
            self._flush()
            self._is_tight = self._is_tight and tag in ("tbody", "thead", "tfoot")
            self.walk(node, depth + 1)
            self._flush()
            if tag in ("table", "ul", "ol"):
                self._is_tight = False
        elif not tag.startswith(("-", "!")):
            self.walk(node, depth + 1)

    def _flush(self) -> None:
        lines = [" ".join(line.split()) for line in "".join(self._inline).split("\n")]
        self._inline.clear()
        text = "\n".join(line for line in lines if line)
        if text and text != "-":
            self._block(text)

    def _block(self, text: str, kind: MarkKind | None = None, level: int = 0) -> None:
        if not text.strip():
            return
        if self._parts:
            gap = "\n" if self._is_tight and kind is None else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        text = clean(text)
        if kind is not None:
            self._marks.append(Mark(self._length, kind, text, level))
        self._parts.append(text)
        self._length += len(text)
        self._is_tight = False
