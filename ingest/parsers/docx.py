"""Word documents: what stands in the body, in order; headings as marks, a list's items and a table's rows line by line.

Rule: what a reader of the printed page sees. Tracked insertions, text boxes and notes are in (a note behind the
paragraph that calls it); deletions, hidden text, comments, page headers and footers are out. Macros never run, nothing
outside the file is followed. python-docx's reading of paragraphs skips most of the above, and it opens no templates, no
files with macros and no ISO strict ones: the parts are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.blocks import Block, joined, level_named, on_one_line
from ingest.decode import clean
from ingest.errors import UnreadableFile
from ingest.limits import Limits
from ingest.packages import Package, day_of, fields_of
from ingest.types import Document

NAME = "docx"
VERSION = 3

_MAX_HEADING_CHARS = 250  # longer ones are paragraphs that someone gave a heading's looks
_DAMAGED = "damaged Word file: open it in Word or LibreOffice and save it anew"
_OTHER = "not a Word document: it is some other zip archive"
_LIST = re.compile(r"list (?:bullet|number)\b", re.IGNORECASE)
_BAD_TITLE = re.compile(
    r"(?:untitled|word document|document\s?\d*|microsoft word.*|.*\.(?:docx?|dotx?|odt))", re.IGNORECASE
)
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_PARAGRAPH, _TABLE, _ROW, _CELL, _RUN, _BOX = (f"{_WORD}{tag}" for tag in "p tbl tr tc r txbxContent".split())
_VALUE, _ID = f"{_WORD}val", f"{_WORD}id"
_TEXTS = frozenset([f"{_WORD}t", f"{_MATH}t"])
_SIGNS = {f"{_WORD}{tag}": sign for tag, sign in (("tab", "\t"), ("br", "\n"), ("cr", "\n"), ("noBreakHyphen", "-"))}
_BEFORE = {f"{_MATH}den": "/", f"{_MATH}sup": "^", f"{_MATH}sub": "_"}  # what equations print smaller
_NOTES = {f"{_WORD}footnoteReference": "footnote", f"{_WORD}endnoteReference": "endnote"}
_UNSEEN = frozenset(f"{_WORD}{tag}" for tag in "pPr rPr tblPr trPr tcPr sdtPr del moveFrom instrText".split()) | {
    f"{_COMPATIBILITY}Fallback"  # the same once more, for old programs
}


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The document's body. Raises EncryptedFile, TooLarge, UnreadableFile."""
    package = Package(data, limits=limits, damaged=_DAMAGED)
    main = next(iter(package.related("", "officeDocument")), None)
    if main is None:
        raise UnreadableFile(_DAMAGED if package.has("[Content_Types].xml") else _OTHER)
    content = package.xml(main).find(f"{_WORD}body")
    if content is None:
        raise UnreadableFile(_DAMAGED)
    properties = package.properties()
    body = _Body(package, main)
    blocks = list(body.blocks(content))
    if not blocks:
        raise UnreadableFile("empty: it holds no text")
    text, marks = joined(blocks)
    titles = [
        *(on_one_line(block.text) for block in blocks if block.level == 0),
        *([properties["title"]] if not _BAD_TITLE.fullmatch(properties.get("title", "untitled")) else []),
        *(mark.label for mark in marks if mark.level == 1),
    ]
    return Document(
        text=text,
        title=clean(titles[0]) if titles else "",
        dated=day_of(properties),
        fields=fields_of(properties),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


class _Body:
    """The document's text, block by block; counts the notes as they are called."""

    def __init__(self, package: Package, main: str) -> None:
        styles = [package.xml(part) for part in package.related(main, "styles")[:1]]
        self._styles = {style.get(f"{_WORD}styleId"): style for root in styles for style in root.iter(f"{_WORD}style")}
        self._levels: dict[str | None, int | None] = {}
        self._lists: dict[str | None, bool] = {}
        self._notes: dict[tuple[str, str | None], Any] = {}
        for tag, kind in _NOTES.items():
            for part in package.related(main, f"{kind}s")[:1]:
                self._notes |= {(tag, note.get(_ID)): note for note in package.xml(part)}
        self._called = 0

    def blocks(self, container: Any) -> Iterator[Block]:
        """The blocks in an element that holds paragraphs and tables."""
        for child in container:
            if child.tag == _PARAGRAPH:
                yield from self._paragraph(child)
            elif child.tag == _TABLE:
                yield from self._table(child)
            elif child.tag not in _UNSEEN:  # content controls, tracked insertions
                yield from self.blocks(child)

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        aside: list[Any] = []  # text boxes and notes
        text = clean("".join(self._inline(paragraph, aside))).strip("\n").rstrip()
        if text.strip():
            level = self._level(paragraph) if len(text) <= _MAX_HEADING_CHARS else None
            depth = self._list_depth(paragraph) if level is None else None
            if depth is None:
                yield Block(text, level, False)
            else:
                yield Block("  " * depth + "- " + text.strip(), None, True)
        for element in aside:
            yield from self.blocks(element) if not isinstance(element, Block) else (element,)

    def _inline(self, element: Any, aside: list[Any]) -> Iterator[str]:
        for child in element:
            tag = child.tag
            if tag in _TEXTS:
                yield child.text or ""
            elif tag in _SIGNS:
                yield _SIGNS[tag]
            elif tag == _BOX:
                aside.append(child)
            elif tag in _NOTES:
                yield self._note(child, aside)
            elif tag in _BEFORE:
                yield from (_BEFORE[tag] + part for part in ["".join(self._inline(child, aside))] if part.strip())
            elif tag not in _UNSEEN and not (tag == _RUN and _is_on(child.find(f"{_WORD}rPr/{_WORD}vanish"))):
                yield from self._inline(child, aside)

    def _note(self, reference: Any, aside: list[Any]) -> str:
        """ "[1]", and the note itself goes to `aside`; "" if there is no such note, or it was called before."""
        note = self._notes.pop((reference.tag, reference.get(_ID)), None)
        if note is None:
            return ""
        self._called += 1
        number = f"[{self._called}]"
        aside.append(Block(f"{number} {self._flat(note)}", None, False))
        return number

    def _flat(self, container: Any) -> str:
        return " ".join(on_one_line(block.text) for block in self.blocks(container))

    def _table(self, table: Any) -> Iterator[Block]:
        """A row a line, cells joined by " | "; a table of one column is a frame round its text."""
        rows = [list(_within(row, _CELL)) for row in _within(table, _ROW)]
        if all(len(row) <= 1 for row in rows):
            for row in rows:
                for cell in row:
                    yield from self.blocks(cell)
            return
        lines = []
        for row in rows:
            cells = [self._flat(cell) for cell in row]
            if any(cells):
                lines.append(" | ".join(cells))
        if lines:
            yield Block("\n".join(lines), None, False)

    def _level(self, paragraph: Any) -> int | None:
        own = _number(paragraph.find(f"{_WORD}pPr/{_WORD}outlineLvl"))
        if own is not None:
            return own + 1 if own < 9 else None  # 9 is body text
        style = _style_of(paragraph)
        if style not in self._levels:
            self._levels[style] = next((level for level in map(_style_level, self._chain(style)) if level != -1), None)
        return self._levels[style]

    def _list_depth(self, paragraph: Any) -> int | None:
        """0, 1, … for an item of a list, None for another paragraph."""
        own = _number(paragraph.find(f"{_WORD}pPr/{_WORD}numPr/{_WORD}numId"))
        style = _style_of(paragraph)
        if own is None and style not in self._lists:
            chain = list(self._chain(style))
            numbers = (_number(node.find(f"{_WORD}pPr/{_WORD}numPr/{_WORD}numId")) for node in chain)
            self._lists[style] = bool(next((n for n in numbers if n is not None), 0)) or any(
                _LIST.match(_style_name(node)) for node in chain
            )
        if not (self._lists[style] if own is None else own):
            return None
        return min(_number(paragraph.find(f"{_WORD}pPr/{_WORD}numPr/{_WORD}ilvl")) or 0, 8)

    def _chain(self, style: str | None) -> Iterator[Any]:
        """The style and those it is based on."""
        for _ in range(20):  # Word allows no more; a circle ends here too
            node = self._styles.get(style)
            if node is None:
                return
            yield node
            based_on = node.find(f"{_WORD}basedOn")
            style = None if based_on is None else based_on.get(_VALUE)


def _within(element: Any, tag: str) -> Iterator[Any]:
    """The nearest elements of that tag below `element`, also in content controls and insertions; none deleted."""
    for child in element:
        if child.tag == tag:
            if child.find(f"{_WORD}trPr/{_WORD}del") is None:
                yield child
        elif child.tag not in _UNSEEN:
            yield from _within(child, tag)


def _style_of(paragraph: Any) -> str | None:
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    return None if style is None else style.get(_VALUE)


def _style_name(style: Any) -> str:
    name = style.find(f"{_WORD}name")
    return "" if name is None else name.get(_VALUE) or ""


def _style_level(style: Any) -> int | None:
    """As Block.level; -1 if the style it is based on decides."""
    level = level_named(_style_name(style))
    if level is not None:
        return level
    outline = _number(style.find(f"{_WORD}pPr/{_WORD}outlineLvl"))
    if outline is None:
        return -1
    return outline + 1 if outline < 9 else None


def _number(element: Any | None) -> int | None:
    value = "" if element is None else element.get(_VALUE) or ""
    return int(value) if value.isascii() and value.isdecimal() else None


def _is_on(element: Any | None) -> bool:
    return element is not None and element.get(_VALUE) not in ("0", "false", "off")
