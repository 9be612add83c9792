"""Rich Text Format: paragraphs, headings, lists, tables and notes in order, and what the file says of itself.

Rule: what a reader of the page sees, as for Word: hidden and deleted text, headers, footers, remarks, pictures and
field codes are out; notes and text boxes stand behind the paragraph that calls them. One pass over the bytes, a stack
of groups and no recursion. striprtf (BSD) keeps no headings, notes or properties, shows hidden text, and takes time
that grows with the square of the hyperlinks. Control words after Microsoft's RTF Specification 1.9.1.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace

from ingest.blocks import Block, joined, level_named, on_one_line
from ingest.decode import clean
from ingest.errors import UnreadableFile
from ingest.header import parse_date
from ingest.limits import Limits
from ingest.packages import day_of, fields_of
from ingest.types import Document

NAME = "rtf"
VERSION = 1

_ADVICE = "open it in its own program and save it anew"
_MAX_HEADING_CHARS = 250  # as in docx.py
_TOKEN = re.compile(
    rb"\\(?:([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|'([0-9a-fA-F]{2})|([^a-zA-Z']))|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_BINARY = b"bin"
_CHARSETS = {
    0: "cp1252",
    2: "cp1252",  # symbols
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "cp936",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_SIGNS = {
    b"tab": "\t",
    b"line": "\n",
    b"lbr": "\n",
    b"emdash": "—",
    b"endash": "–",
    b"emspace": " ",
    b"enspace": " ",
    b"qmspace": " ",
    b"bullet": "•",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"nestcell": " ",
    b"nestrow": " ",
    b"~": "\xa0",
    b"_": "-",
    b"{": "{",
    b"}": "}",
    b"\\": "\\",
}
_SYMBOLS = {0xB7: "•", 0xA7: "▪", 0xD8: "➢", 0xFC: "✓"}  # of Symbol and Wingdings; others stand for themselves
_ENDS = frozenset([b"par", b"sect", b"page", b"column", b"\n", b"\r"])
_OFF = frozenset(
    b"colortbl pict objdata fldinst xe tc rxe txe filetbl revtbl template private header headerl headerr headerf "
    b"footer footerl footerr footerf ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn do shprslt nonshppict sn sv "
    b"annotation atnid atnauthor datastore themedata blipuid latentstyles comment doccomm pntxta pntxtb "
    b"nonesttables".split()
)
_PROPERTIES = {b"title": "title", b"subject": "subject", b"author": "author", b"keywords": "keywords"}
_DAYS = {b"creatim": "created", b"revtim": "modified"}
_DAY_PARTS = (b"yr", b"mo", b"dy")


@dataclass(slots=True)
class _Group:
    """What holds up to the end of a group. into: "body", a table or property that its text is for, "skip" or, with all
    in it, "off". outer: `into` where the group in two versions begins (`upr`)."""

    into: str = "body"
    outer: str = "body"
    font: int | None = None
    skipped: int = 1  # bytes behind a Unicode character that stand for it in old programs
    is_hidden: bool = False


@dataclass(slots=True)
class _Flow:
    """The text of the body, a note or a text box."""

    blocks: list[Block] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    aside: list[Block] = field(default_factory=list)
    level: int | None = None
    style: int | None = None
    depth: int | None = None  # of a list
    is_cell: bool = False
    is_note: bool = False

    def begin_paragraphs(self) -> None:
        """Takes back what `pard` takes back."""
        self.level, self.style, self.depth, self.is_cell = None, None, None, False

    def end_paragraph(self, styles: dict[int, int]) -> None:
        if self.is_cell:
            self.pieces.append("\n")
            return
        text = self._taken()
        if not text.strip():
            return
        self.end_table()
        level = self.level if self.level is not None or self.style is None else styles.get(self.style)
        if len(text) > _MAX_HEADING_CHARS:
            level = None
        if self.depth is not None and level is None:
            self.blocks.append(Block("  " * self.depth + "- " + text.strip(), None, True))
        else:
            self.blocks.append(Block(text.strip("\n").rstrip(), level, False))
        self._put_aside()

    def end_cell(self) -> None:
        self.cells.append(on_one_line(self._taken()))

    def end_row(self) -> None:
        if any(self.cells):
            self.rows.append(self.cells)
        self.cells = []

    def end_table(self) -> None:
        """A row a line; a table of one column is a frame round its text."""
        if all(len(row) == 1 for row in self.rows):
            self.blocks += [Block(row[0], None, False) for row in self.rows]
        else:
            self.blocks.append(Block("\n".join(" | ".join(row) for row in self.rows), None, False))
        if self.rows:
            self.rows = []
            self._put_aside()

    def finish(self, styles: dict[int, int]) -> list[Block]:
        self.is_cell = False
        if self.cells:
            if any(piece.strip() for piece in self.pieces):
                self.end_cell()
            self.end_row()
        self.end_paragraph(styles)
        self.end_table()
        self._put_aside()
        return self.blocks

    def _taken(self) -> str:
        # two \u may be the halves of one character
        text = "".join(self.pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self.pieces.clear()
        return clean(text)

    def _put_aside(self) -> None:
        self.blocks += self.aside
        self.aside = []


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The document's body. Raises UnreadableFile."""
    reading = _Reading(limits)
    reading.read(data)
    blocks = reading.flows[0].finish(reading.styles)
    if not blocks:
        raise UnreadableFile("empty: it holds no text")
    text, marks = joined(blocks)
    properties = {key: on_one_line(clean("".join(parts))) for key, parts in reading.properties.items()}
    for key, parts in reading.days.items():
        day = parse_date("-".join(str(parts.get(part, 0)) for part in _DAY_PARTS))
        if day is not None:
            properties[key] = day.isoformat()
    titles = [
        *(on_one_line(block.text) for block in blocks if block.level == 0),
        properties.get("title", ""),
        *(mark.label for mark in marks if mark.level == 1),
    ]
    return Document(
        text=text,
        title=next(filter(None, titles), ""),
        dated=day_of(properties),
        fields=fields_of(properties),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


class _Reading:
    """The state of the one pass: groups, fonts, styles, properties, and the flows of text that are open."""

    def __init__(self, limits: Limits) -> None:
        self.flows = [_Flow()]
        self.styles: dict[int, int] = {}  # levels of headings
        self.properties: dict[str, list[str]] = {}
        self.days: dict[str, dict[bytes, int]] = {}
        self._limits = limits
        self._groups = [_Group()]
        self._opened: list[int] = []  # the depths at which notes and text boxes began
        self._fonts: dict[int, int] = {}  # their character sets
        self._codepage = "cp1252"
        self._default_font: int | None = None
        self._pending = bytearray()  # of one character set, not yet decoded
        self._to_skip = 0
        self._is_starred = False
        self._number = 0  # of the font or style that is being described
        self._style_level: int | None = None
        self._style_name: list[str] = []
        self._notes = 0

    def read(self, data: bytes) -> None:
        """Raises UnreadableFile if groups nest too deeply."""
        at = 0
        while at < len(data):
            token = _TOKEN.match(data, at)
            if token is None:  # a backslash that nothing follows
                at += 1
                continue
            at = token.end()
            word, number, code, sign, brace, plain = token.groups()
            if plain is not None:
                self._add_bytes(plain)
            elif code is not None:
                self._add_bytes(bytes([int(code, 16)]))
            elif word is not None:
                self._to_skip = 0  # by the specification, a word counts as one; writers of \\u233\\u234 know better
                if word == _BINARY:
                    at += max(0, int(number or 0))
                else:
                    self._control(word, None if number is None else int(number))
            elif sign is not None:
                if sign == b"*":
                    self._is_starred = True
                elif self._to_skip:
                    self._to_skip -= 1
                elif sign in _ENDS:
                    self._control(sign, None)
                elif sign in _SIGNS:
                    self._flush()
                    self._add(_SIGNS[sign])
            elif brace == b"{":
                self._flush()
                self._to_skip, self._is_starred = 0, False
                if len(self._groups) > self._limits.max_depth:
                    raise UnreadableFile(f"over {self._limits.max_depth} groups inside each other: {_ADVICE}")
                self._groups.append(replace(self._groups[-1]))
            elif brace == b"}":
                self._flush()
                self._to_skip = 0
                self._end_group()
        self._flush()
        while self._opened:
            self._end_flow()

    def _end_group(self) -> None:
        if len(self._groups) == 1:
            return
        if self._opened and self._opened[-1] == len(self._groups):
            self._end_flow()
        group = self._groups.pop()
        if group.into == "style" and self._groups[-1].into == "styles":
            level = (
                self._style_level
                if self._style_level is not None
                else level_named("".join(self._style_name).strip(" ;"))
            )
            if level is not None:
                self.styles[self._number] = level

    def _begin_flow(self, *, is_note: bool) -> None:
        self._opened.append(len(self._groups))
        self.flows.append(_Flow(is_note=is_note))
        self._groups[-1].into = "body"

    def _end_flow(self) -> None:
        self._opened.pop()
        flow = self.flows.pop()
        blocks = flow.finish(self.styles)
        if flow.is_note:
            text = " ".join(on_one_line(block.text) for block in blocks)
            if text:
                self._notes += 1
                self.flows[-1].pieces.append(f"[{self._notes}]")
                blocks = [Block(f"[{self._notes}] {text}", None, False)]
        self.flows[-1].aside += blocks

    def _control(self, word: bytes, number: int | None) -> None:
        self._flush()
        is_starred, self._is_starred = self._is_starred, False
        group = self._groups[-1]
        if group.into == "off":
            return
        if word == b"u":
            self._to_skip = group.skipped
            self._add(_character(number or 0))
        elif word == b"uc":
            group.skipped = max(0, number or 0)
        elif word in (b"pntext", b"listtext"):
            group.into = "off"
            flow = self.flows[-1]
            flow.depth = flow.depth or 0
        elif word in _OFF:
            group.into = "off"
        elif word == b"upr":
            group.outer, group.into = group.into, "skip"
        elif word == b"ud":
            group.into = group.outer
        elif word == b"footnote" and group.into == "body":
            self._begin_flow(is_note=True)
        elif word in (b"shptxt", b"dptxbxtext") and group.into in ("body", "skip"):
            self._begin_flow(is_note=False)
        elif is_starred:
            group.into = "skip"
        elif group.into == "body":
            self._in_body(word, number, group)
        else:
            self._in_table(word, number or 0, group)

    def _in_body(self, word: bytes, number: int | None, group: _Group) -> None:
        flow = self.flows[-1]
        if word in _SIGNS:
            self._add(_SIGNS[word])
        elif word in _ENDS:
            flow.end_paragraph(self.styles)
        elif word == b"pard":
            flow.begin_paragraphs()
        elif word == b"plain":
            group.is_hidden, group.font = False, self._default_font
        elif word == b"f":
            group.font = number
        elif word in (b"v", b"deleted"):
            group.is_hidden = number != 0
        elif word == b"intbl":
            flow.is_cell = number != 0
        elif word == b"cell":
            flow.end_cell()
        elif word == b"row":
            flow.end_row()
        elif word == b"s":
            flow.style = number
        elif word == b"outlinelevel":
            flow.level, flow.style = (None, None) if number is None or number > 8 else (max(0, number) + 1, flow.style)
        elif word == b"ilvl":
            flow.depth = min(max(0, number or 0), 8)
        elif word == b"ls":
            flow.depth = (flow.depth or 0) if number else None
        elif word in (b"fonttbl", b"stylesheet", b"info"):
            group.into = {b"fonttbl": "fonts", b"stylesheet": "styles", b"info": "info"}[word]
        elif word == b"deff":
            self._default_font = group.font = number
        elif word == b"ansicpg":
            self._codepage = _codec(number or 0) or self._codepage
        elif word in (b"mac", b"pc", b"pca"):
            self._codepage = {b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}[word]

    def _in_table(self, word: bytes, number: int, group: _Group) -> None:
        """In the tables of fonts, styles and properties."""
        if group.into == "fonts":
            if word == b"f":
                self._number = number
            elif word == b"fcharset":
                self._fonts[self._number] = number
        elif group.into == "styles":
            if word == b"s":
                group.into = "style"
                self._number, self._style_level, self._style_name = number, None, []
        elif group.into == "style":
            if word == b"outlinelevel" and number <= 8:
                self._style_level = number + 1
        elif group.into == "info":
            if word in _PROPERTIES and _PROPERTIES[word] not in self.properties:  # some write an author twice
                group.into = _PROPERTIES[word]
            elif word in _DAYS:
                group.into = _DAYS[word]
            else:
                group.into = "skip"
        elif group.into in _DAYS.values() and word in _DAY_PARTS:
            self.days.setdefault(group.into, {})[word] = number

    def _add_bytes(self, raw: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(raw))
            self._to_skip -= skipped
            raw = raw[skipped:]
        if self._groups[-1].into not in ("off", "skip"):
            self._pending += raw

    def _flush(self) -> None:
        if not self._pending:
            return
        font = self._groups[-1].font
        charset = 1 if font is None else self._fonts.get(font, 1)
        text = self._pending.decode(_CHARSETS.get(charset, self._codepage), "replace")
        self._pending.clear()
        self._add(text.translate(_SYMBOLS) if charset == 2 else text)

    def _add(self, text: str) -> None:
        group = self._groups[-1]
        if group.into == "body":
            if not group.is_hidden:
                self.flows[-1].pieces.append(text)
        elif group.into == "style":
            self._style_name.append(text)
        elif group.into in _PROPERTIES.values():
            self.properties.setdefault(group.into, []).append(text)


def _character(number: int) -> str:
    """The character of a \\u, whose numbers are signed and of 16 bits; signs of symbol fonts as themselves."""
    code = number % 0x10000 if number < 0x10000 else number
    if 0xF000 <= code <= 0xF0FF:
        return chr(code - 0xF000).translate(_SYMBOLS)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _codec(codepage: int) -> str | None:
    name = {65001: "utf-8", 10000: "mac_roman", 1361: "johab"}.get(codepage, f"cp{codepage}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None
