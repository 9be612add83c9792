"""OpenDocument texts and presentations: headings, paragraphs, lists, tables and notes in order; slides as marks.

Rule: what a reader of the page or the slide sees, as for Word and PowerPoint: notes behind the paragraph that calls
them, speaker's notes behind their slide, hidden slides in; tracked deletions, remarks, hidden paragraphs, headers and
footers out. Macros never run, nothing outside the file is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.blocks import Block, joined, on_one_line
from ingest.decode import clean
from ingest.errors import TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.packages import Package, day_of, fields_of, properties, xml
from ingest.types import Document, Mark, MarkKind

NAME = "odf"
VERSION = 1

_DAMAGED = "damaged OpenDocument file: open it in LibreOffice and save it anew"
_MAX_COLUMNS = 1000  # of a table in a text
_MAX_BLANKS = 100  # in one row
_BAD_TITLE = re.compile(
    r"(?:untitled|powerpoint presentation|presentation\s?\d*|.*\.(?:od[tp]|docx?|pptx?))", re.IGNORECASE
)

_NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TEXT, _TABLE, _DRAW, _SHOW, _STYLE = (
    f"{{{_NAMES}{name}:1.0}}" for name in ("office", "text", "table", "drawing", "presentation", "style")
)
_PARAGRAPHS = frozenset([f"{_TEXT}p", f"{_TEXT}h"])
_ITEMS = frozenset([f"{_TEXT}list-item", f"{_TEXT}list-header"])
_CELLS = frozenset([f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"])
_ROWS = frozenset(f"{_TABLE}{tag}" for tag in ("table-header-rows", "table-rows", "table-row-group"))
_UNSEEN = frozenset(
    [
        f"{_OFFICE}{tag}"
        for tag in ("annotation", "annotation-end", "forms", "event-listeners", "settings", "binary-data")
    ]
    + [
        f"{_TEXT}{tag}"
        for tag in ("tracked-changes", "ruby-text", "sequence-decls", "variable-decls", "user-field-decls")
    ]
    + [f"{_TEXT}{tag}" for tag in ("list-level-style-bullet", "table-of-content-source", "note-citation")]
    + [f"{_SHOW}notes"]
)
_SPACES = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_FURNITURE = frozenset(["header", "footer", "date-time", "page-number", "page"])


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The document's body. Raises EncryptedFile, TooLarge, UnreadableFile."""
    if data.startswith(b"PK"):
        package = Package(data, limits=limits, damaged=_DAMAGED)
        root, described = package.xml("content.xml"), package.properties()
    else:
        root = xml(data, limits=limits, damaged=_DAMAGED)
        described = properties(node for meta in root.iterfind(f"{_OFFICE}meta") for node in meta)
    content = next((node for body in root.iterfind(f"{_OFFICE}body") for node in body), None)
    if content is None:
        raise UnreadableFile(_DAMAGED)
    body = _Body(root)
    pages = list(content.iterfind(f"{_DRAW}page"))
    if len(pages) > limits.max_pages:
        raise TooLarge(f"{len(pages)} slides, the limit is {limits.max_pages}: split the file")
    marks: list[Mark] = []
    text, titles = "", list[str]()
    if pages:
        parts: list[str] = []
        at = 0
        for number, page in enumerate(pages, start=1):
            start = at + 2 if parts else 0
            shown, headings = joined(body.slide(page), start=start)
            if shown:
                parts.append("\n\n" + shown if parts else shown)
                marks += [Mark(start, MarkKind.SLIDE, str(number), 0), *headings]
                at = start + len(shown)
        text = "".join(parts)
    else:
        blocks = list(body.blocks(content))
        text, marks = joined(blocks)
        titles = [on_one_line(block.text) for block in blocks if block.level == 0]
    if not text:
        raise UnreadableFile("empty: it holds no text")
    titles += [described["title"]] if not _BAD_TITLE.fullmatch(described.get("title", "untitled")) else []
    titles += [mark.label for mark in marks if mark.level == 1]
    return Document(
        text=text,
        title=titles[0] if titles else "",
        dated=day_of(described),
        fields=fields_of(described),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


class _Body:
    """The text of elements, block by block; counts the notes as they are called."""

    def __init__(self, root: Any) -> None:
        self._parents = {
            style.get(f"{_STYLE}name"): style.get(f"{_STYLE}parent-style-name") for style in root.iter(f"{_STYLE}style")
        }
        self._called = 0

    def slide(self, page: Any) -> Iterator[Block]:
        """The title, what stands on the slide, and the speaker's notes."""
        shapes = [shape for shape in page if shape.tag not in _UNSEEN and _kind(shape) not in _FURNITURE]
        for shape in shapes:
            if _kind(shape) == "title":
                text = self._flat(shape)
                if text:
                    yield Block(text, 1, False)
        for shape in shapes:
            if _kind(shape) != "title":
                yield from self.blocks([shape])
        notes = [
            block.text
            for frame in page.iterfind(f"{_SHOW}notes/*")
            if _kind(frame) == "notes"
            for block in self.blocks(frame)
        ]
        if notes:
            yield Block("Notes: " + "\n".join(notes), None, False)

    def blocks(self, container: Any, depth: int = -1) -> Iterator[Block]:
        """The blocks in an element that holds paragraphs, lists and tables. depth: of the list that it stands in."""
        for child in container:
            tag = child.tag
            if tag in _PARAGRAPHS:
                yield from self._paragraph(child, depth)
            elif tag == f"{_TEXT}list":
                for item in child:
                    if item.tag in _ITEMS:
                        yield from self.blocks(item, min(depth + 1, 8))
            elif tag == f"{_TABLE}table":
                yield from self._table(child)
            elif tag not in _UNSEEN:  # sections, indexes, frames, shapes and their groups
                yield from self.blocks(child, depth)

    def _paragraph(self, paragraph: Any, depth: int) -> Iterator[Block]:
        aside: list[Any] = []  # text boxes and notes
        text = clean("".join(self._inline(paragraph, aside))).strip()
        level = self._level(paragraph)
        if text and depth >= 0 and level is None:
            yield Block("  " * depth + "- " + text, None, True)
        elif text:
            yield Block(text, level, False)
        for element in aside:
            yield from (element,) if isinstance(element, Block) else self.blocks(element)

    def _level(self, paragraph: Any) -> int | None:
        if paragraph.tag == f"{_TEXT}h":
            level = paragraph.get(f"{_TEXT}outline-level") or "1"
            return int(level) if level in ("1", "2", "3", "4", "5", "6", "7", "8", "9") else 1
        style = paragraph.get(f"{_TEXT}style-name")
        return 0 if "Title" in (style, self._parents.get(style)) else None

    def _inline(self, element: Any, aside: list[Any]) -> Iterator[str]:
        """The text of a paragraph. XML's line breaks and runs of blanks are one blank here."""
        yield _squeezed(element.text)
        for child in element:
            tag = child.tag
            if tag == f"{_TEXT}s":
                count = child.get(f"{_TEXT}c") or "1"
                yield " " * (min(int(count), _MAX_BLANKS) if re.fullmatch("[0-9]{1,9}", count) else 1)
            elif tag in _SPACES:
                yield _SPACES[tag]
            elif tag == f"{_TEXT}note":
                yield self._note(child, aside)
            elif tag.startswith(_DRAW):
                aside.append([child])
            elif tag not in _UNSEEN and child.get(f"{_TEXT}is-hidden") != "true":
                yield from self._inline(child, aside)
            yield _squeezed(child.tail)

    def _note(self, note: Any, aside: list[Any]) -> str:
        """ "[1]", and the note itself goes to `aside`."""
        self._called += 1
        number = f"[{self._called}]"
        aside.append(Block(f"{number} {self._flat(note)}", None, False))
        return number

    def _flat(self, container: Any) -> str:
        return " ".join(on_one_line(block.text.removeprefix("- ")) for block in self.blocks(container))

    def _table(self, table: Any) -> Iterator[Block]:
        """A row a line, cells joined by " | "; a table of one column is a frame round its text."""
        rows = [[cell for cell in row if cell.tag in _CELLS] for row in _rows(table)]
        if all(len(row) <= 1 for row in rows):
            for row in rows:
                yield from self.blocks(row)
            return
        lines = []
        for row in rows:
            cells: list[str] = []
            for cell in row:
                times = cell.get(f"{_TABLE}number-columns-repeated") or "1"
                count = int(times) if re.fullmatch("[0-9]{1,9}", times) else 1
                cells += [self._flat(cell)] * min(count, _MAX_COLUMNS - len(cells))
            if any(cells):
                lines.append(" | ".join(cells))
        if lines:
            yield Block("\n".join(lines), None, False)


def _rows(table: Any) -> Iterator[Any]:
    for child in table:
        if child.tag == f"{_TABLE}table-row":
            yield child
        elif child.tag in _ROWS:
            yield from _rows(child)


def _kind(shape: Any) -> str:
    return shape.get(f"{_SHOW}class") or ""


def _squeezed(text: str | None) -> str:
    return re.sub(r"[ \t\r\n]+", " ", text) if text else ""
