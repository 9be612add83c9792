"""HTML: the readable text in blocks, headings as marks; scripts, menus and what is hidden are left out.

Rule: nothing is fetched, and no text is lost to tidiness: a page whose text is all hidden is read with what is hidden,
and the part a page calls its main one is taken alone only if it holds most of the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.decode import clean, decode, decode_as
from ingest.errors import UnreadableFile
from ingest.header import parse_date, property_field
from ingest.limits import Limits
from ingest.types import Document, Field, Mark, MarkKind

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

NAME = "html"
VERSION = 3

_NEVER_TEXT = "script, style, template, svg, iframe, object, canvas, audio, video, select, datalist, head"
_BOILERPLATE = (
    "noscript, nav, dialog, button, input, textarea, [hidden], [aria-hidden=true], a.headerlink, .mw-editsection, "
    ".mw-jump-link, .skip-link, .skip-to-content, "
    "[role=navigation], [role=search], [role=menu], [role=menubar], [role=dialog], [style*='display:none'], "
    "[style*='display: none'], [style*='visibility:hidden'], [style*='visibility: hidden']"
)
_MIN_LINKS = 5  # a list of fewer links beside the text may belong to it
_MIN_MAIN_SHARE = 0.4  # of the page's text
_MAX_CELL_CHARS = 500  # a table with a longer cell and no header cells arranges the page
_MAX_DEPTH = 10_000  # of open blocks: the parser's time grows with the square, one second here
_MAX_COLUMNS = 100
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
_BLOCKS = _HEADINGS | frozenset(
    "address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure footer "
    "form header hr html legend li main menu ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
_LISTS = frozenset(["ul", "ol", "menu", "dir"])
_SCOPE = re.compile(
    r"<(/?)(?:address|article|aside|blockquote|center|details|dir|div|dl|fieldset|figcaption|figure|footer|form|header|hgroup"
    r"|listing|main|menu|nav|ol|pre|rb|rt|search|section|summary|table|ul)\b",
    re.IGNORECASE,
)
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_CHARSET = re.compile(rb"""<(?:meta|\?xml)[^>]+(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_XHTML = re.compile(r"\s*<\?xml\s|<!DOCTYPE[^<>]*XHTML|<html\s[^<>]*xmlns", re.IGNORECASE)
# What XHTML closes in itself and HTML does not: a parser of HTML takes all behind `<title/>` or `<script/>` for theirs.
_SELF_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)[\s/])"
    r"([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>",
    re.IGNORECASE,
)
_HEAD_CHARS = 1_000
_META = {
    "author": "author",
    "article:author": "author",
    "dc.creator": "author",
    "dcterms.creator": "author",
    "citation_author": "author",
    "date": "date",
    "dc.date": "date",
    "dcterms.date": "date",
    "dcterms.created": "date",
    "article:published_time": "date",
    "citation_publication_date": "date",
    "datepublished": "date",
    "article:modified_time": "modified",
    "last-modified": "modified",
    "dcterms.modified": "modified",
    "datemodified": "modified",
    "description": "description",
    "keywords": "keywords",
}


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The page's text. Raises UnreadableFile if it has none."""
    from selectolax.lexbor import LexborHTMLParser

    page = _decoded(data)
    if _XHTML.search(page[:_HEAD_CHARS]):
        page = _SELF_CLOSED.sub(r"<\1\2></\1>", page)
    if _is_deeper(page, _MAX_DEPTH):
        raise UnreadableFile(f"damaged HTML: over {_MAX_DEPTH} elements inside each other")
    try:
        tree = LexborHTMLParser(page)
    except Exception as error:  # selectolax on what is no HTML at all
        raise UnreadableFile("damaged HTML: open it in a browser and save it anew") from error
    text, marks = "", tuple[Mark, ...]()
    for left_out in (f"{_NEVER_TEXT}, {_BOILERPLATE}", _NEVER_TEXT):
        text, marks = _written(tree, left_out)
        if text:
            break
    else:
        raise UnreadableFile("empty: it holds no text")
    fields = _fields(tree.css("meta, [itemprop=datePublished], [itemprop=dateModified]"))
    title_node = tree.head.css_first("title") if tree.head is not None else None
    title = " ".join(clean(title_node.text()).split()) if title_node is not None else ""
    dates = {field.name: parse_date(field.value) for field in fields if field.name in ("date", "modified")}
    return Document(
        text=text,
        title=title or next((mark.label for mark in marks if mark.level == 1), ""),
        dated=dates.get("date") or dates.get("modified"),
        fields=fields,
        marks=marks,
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _decoded(data: bytes) -> str:
    """As the page says, unless its bytes say otherwise."""
    declared = _CHARSET.search(data[:4096])
    return decode(data) if declared is None else decode_as(data, declared[1].decode("ascii"))


def _fields(nodes: list[LexborNode]) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for node in nodes:
        given = node.attributes
        key = (
            given.get("name") or given.get("property") or given.get("itemprop") or given.get("http-equiv") or ""
        ).lower()
        field = property_field(_META.get(key, ""), clean(given.get("content") or given.get("datetime") or ""))
        if field is None or not field.name or field.value.startswith(("http://", "https://")):
            continue
        before = found.setdefault(field.name, field)
        if field.name == "author" and field.value not in before.value:
            found["author"] = Field("author", f"{before.value}, {field.value}", None, None)
    return tuple(found.values())


def _is_deeper(page: str, limit: int) -> bool:
    """Whether more than `limit` blocks are open at once; counts only those whose end tags must be written."""
    depth = 0
    if page.count("<") > limit:
        for found in _SCOPE.finditer(page):
            depth = max(0, depth - 1) if found[1] else depth + 1
            if depth > limit:
                return True
    return False


def _written(tree: LexborHTMLParser, left_out: str) -> tuple[str, tuple[Mark, ...]]:
    """Text and marks of the page without the elements of that selector."""
    body = tree.body or tree.root
    if body is None:
        return "", ()
    skipped = {node.mem_id for node in tree.css(left_out)}  # not removed: one may lie inside another
    skipped |= _menus(tree, skipped)
    everything = len(_flat(body, skipped))
    for selector in ("main, [role=main]", "article"):
        mains = {node.mem_id: node for node in tree.css(selector) if node.mem_id not in skipped}
        main = next(iter(mains.values())) if len(mains) == 1 else None
        if main is not None and len(_flat(main, skipped)) >= _MIN_MAIN_SHARE * everything:
            body = main
            break
    writer = _Writer(skipped, _outer_tables(tree))
    writer.walk(body)
    return writer.finished()


def _menus(tree: LexborHTMLParser, skipped: set[int]) -> set[int]:
    """The lists of links beside the text (`mem_id`s)."""
    found: set[int] = set()
    looked_at: set[int] = set()
    for beside in tree.css("header, footer, aside"):
        for links in beside.css("ul, ol"):
            if links.mem_id in looked_at:
                continue
            looked_at.update(inner.mem_id for inner in links.css("ul, ol"))
            anchors = links.css("a")
            linked = sum(len("".join(anchor.text().split())) for anchor in anchors)
            if len(anchors) >= _MIN_LINKS and linked >= 0.8 * len("".join(_flat(links, skipped).split())):
                found.add(links.mem_id)
    return found


def _outer_tables(tree: LexborHTMLParser) -> set[int]:
    """The tables that hold tables (`mem_id`s)."""
    found: set[int] = set()
    root = tree.body or tree.root
    if root is None or len(tree.css("table")) < 2:
        return found
    above: list[int] = []
    for node, tag, is_end in _steps(root, set()):
        if tag == "table" and is_end:
            above.pop()
        elif tag == "table":
            found.update(above[-1:])
            above.append(node.mem_id)
    return found


def _flat(root: LexborNode, skipped: set[int]) -> str:
    """The text below `root` on one line."""
    pieces: list[str] = []
    for node, tag, _ in _steps(root, skipped):
        if tag == "-text":
            pieces.append(node.text_content or "")
        elif tag == "br" or tag in _BLOCKS:
            pieces.append(" ")
    return " ".join(_INVISIBLE.sub("", clean("".join(pieces))).split())


def _steps(root: LexborNode, skipped: set[int]) -> Iterator[tuple[LexborNode, str, bool]]:
    """(node, tag, whether it ends) below `root`, in order; an element comes when it begins and when it ends.

    What is added to `skipped` when an element begins is not gone into. No recursion: pages with unclosed tags are deep.
    """
    above: list[LexborNode] = []
    node = root.child
    while node is not None or above:
        if node is None:
            node = above.pop()
            yield node, node.tag or "", True
        elif node.mem_id not in skipped:
            tag = node.tag or ""
            yield node, tag, False
            if node.mem_id not in skipped and not tag.startswith(("-", "!")):
                above.append(node)
                node = node.child
                continue
        node = node.next


class _Writer:
    """Text in blocks, as the tree is walked."""

    def __init__(self, skipped: set[int], outer_tables: set[int]) -> None:
        self._skipped = skipped
        self._outer_tables = outer_tables
        self._parts: list[str] = []
        self._length = 0
        self._inline: list[str] = []
        self._marks: list[Mark] = []
        self._lists = 0  # how many are open
        self._bullet = ""  # of the item that begins
        self._was_item = False  # the last block was in a list that is still open

    def walk(self, root: LexborNode) -> None:
        """Writes what is below `root`."""
        for node, tag, is_end in _steps(root, self._skipped):
            if tag == "-text":
                self._inline.append(node.text_content or "")
            elif tag == "br":
                self._inline.append("" if is_end else "\v")
            elif tag in _BLOCKS:
                self._flush()
                if is_end:
                    self._leave(tag)
                elif self._enter(node, tag):
                    self._skipped.add(node.mem_id)

    def finished(self) -> tuple[str, tuple[Mark, ...]]:
        """The text and its marks."""
        self._flush()
        return "".join(self._parts), tuple(self._marks)

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Whether the element is now written as a whole."""
        if tag in _HEADINGS:
            self._block(_flat(node, self._skipped).removesuffix("¶").rstrip(), level=int(tag[1]))
            return True
        if tag == "pre":
            self._block(node.text().strip("\n").rstrip())
            return True
        if tag == "table" and not self._is_layout(node):
            self._block("\n".join(self._rows(node)))
            return True
        if tag in _LISTS:
            self._lists += 1
        elif tag == "li":
            self._bullet = "  " * (min(self._lists, 9) - 1) + "- "
        return False

    def _leave(self, tag: str) -> None:
        if tag in _LISTS:
            self._lists -= 1
            self._was_item = self._was_item and self._lists > 0
        elif tag == "li":
            self._bullet = ""

    def _is_layout(self, table: LexborNode) -> bool:
        """Whether the table arranges the page rather than data."""
        if table.mem_id in self._outer_tables:
            return True
        cells = table.css("td")
        if len(table.css("tr")) <= 1 and len(cells) <= 1:
            return True
        if table.css_first("th") is not None:
            return False
        return any(
            cell.css_first("h1, h2, h3, h4, h5, h6") or len(_flat(cell, self._skipped)) > _MAX_CELL_CHARS
            for cell in cells
        )

    def _rows(self, table: LexborNode) -> list[str]:
        """A row a line, cells joined by " | "; without the columns that are empty in every row."""
        rows: list[list[str]] = []
        captions = [_flat(caption, self._skipped) for caption in table.css("caption")]
        for row in table.css("tr"):
            cells: list[str] = []
            for cell in row.iter():
                if cell.tag in ("td", "th") and cell.mem_id not in self._skipped:
                    span = cell.attributes.get("colspan") or ""
                    cells.append(_flat(cell, self._skipped))
                    cells.extend(
                        [""] * (min(int(span), _MAX_COLUMNS) - 1 if span.isascii() and span.isdecimal() else 0)
                    )
            if row.mem_id not in self._skipped:
                rows.append(cells)
        used = {i for row in rows for i, cell in enumerate(row) if cell}
        lines = [" | ".join(cell for i, cell in enumerate(row) if i in used).rstrip(" |") for row in rows]
        return [line for line in [*captions, *lines] if line]

    def _flush(self) -> None:
        lines = [" ".join(line.split()) for line in _INVISIBLE.sub("", "".join(self._inline)).split("\v")]
        self._inline.clear()
        text = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()  # two <br> end a paragraph
        if text:
            self._block(self._bullet + text if self._bullet else text)
            self._bullet = ""

    def _block(self, text: str, level: int = 0) -> None:
        if not text.strip():
            return
        text = clean(text)
        is_item = self._lists > 0 and not level
        if self._parts:
            self._parts.append("\n" if is_item and self._was_item else "\n\n")
            self._length += len(self._parts[-1])
        if level:
            self._marks.append(Mark(self._length, MarkKind.HEADING, text, level))
        self._parts.append(text)
        self._length += len(text)
        self._was_item = is_item
