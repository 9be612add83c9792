"""XML: feeds entry by entry, books and articles as they print, other data as `name: value` lines.

Rule: nothing outside the file is read, no entity that it declares is unfolded. What says more in its attributes than
between its tags (schemas, layouts) stays as it stands, if it is laid out in lines. Broken XML is read as far as it goes
where that is nearly all of it, else as its own text; a field `warning` says which.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ingest.decode import clean, decode, decode_as
from ingest.errors import TooLarge, UnreadableFile
from ingest.header import property_field
from ingest.limits import Limits
from ingest.mail.document import sent_on
from ingest.markup.elements import PROSE, Block, blocks, flat, name_of
from ingest.markup.feed import ROOTS, entries
from ingest.packages import MAX_XML_BYTES
from ingest.parsers import html as page
from ingest.sheets.spreadsheet_xml import ROOT as SPREADSHEET
from ingest.sheets.spreadsheet_xml import sheets
from ingest.sheets.tables import write
from ingest.types import Document, Field, Mark, MarkKind

NAME = "xml"
VERSION = 2

_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]{0,300}\?>")
_ENCODING = re.compile(rb"""\s*<\?xml\b[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:-]{1,40})["']""")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ENTITY = re.compile(r"&(?:([A-Za-z][A-Za-z0-9]{1,31};)|#(?:x([0-9A-Fa-f]{1,40})|([0-9]{1,40}));)")
_PREDEFINED = frozenset(["amp;", "lt;", "gt;", "quot;", "apos;"])
_CONTROL = re.compile("[\x01-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
_TAG = re.compile(r"<[^<>]{0,10000}>")
_MIN_RECOVERED = 0.9  # of the letters between the tags
_MAX_MEAN_LINE = 300  # characters, in what is laid out for people
_MIN_TEXT_SHARE = 0.3  # of the letters in text and attributes together
_TITLES = frozenset(["title", "article-title", "head"])
_DAYS = frozenset("date pubdate published created updated modified pub-date revdate lastmod".split())
_MAX_PROSE_DEPTH = 5
_MAX_EARLY = 1_000  # elements
_MAX_ATTRIBUTES = 1_000
_MAX_TITLE_CHARS = 250


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """What the file says; no bytes are the text "". Raises TooLarge."""
    if len(data) > MAX_XML_BYTES:
        raise TooLarge(f"{len(data) / 1e6:.0f} MB of XML, the limit is {MAX_XML_BYTES / 1e6:.0f} MB: split the file")
    declared = None if data.startswith(_MARKS) else _ENCODING.match(data[:1000])
    text = decode(data) if declared is None else decode_as(data, declared[1].decode("ascii"))
    root, warning = _root(text, limits)
    if root is None:
        return _document(text, "", [], [], is_source=True, warning=warning)
    if name_of(root) == "html":
        return page.parse(b"\xef\xbb\xbf" + text.encode(), name=name, limits=limits)
    if str(root.tag).rpartition("}")[2] in ROOTS and len(root):
        return _feed(root, limits, warning)
    if root.tag == SPREADSHEET:
        return _workbook(root, limits, warning)
    if _is_laid_out(text) and _is_in_attributes(root):
        return _document(text, _title(root), [], [], is_source=True, warning=warning)
    try:
        written, marks = _joined(blocks(root))
    except RecursionError:
        return _document(text, "", [], [], is_source=True, warning="XML of great depth: read as text")
    title = _title(root)
    return _document(written, title, marks, _fields(root), is_source=False, warning=warning)


def _document(
    text: str, title: str, marks: list[Mark], fields: list[Field], *, is_source: bool, warning: str
) -> Document:
    said = property_field("warning", warning)
    days = [day for field in fields if (day := sent_on(field.value)) is not None]
    return Document(
        text=text,
        title=title,
        dated=days[0] if days else None,
        fields=(*fields, *([] if said is None else [said])),
        marks=tuple(marks),
        is_source=is_source,
        parser=NAME,
        parser_version=VERSION,
    )


def _root(text: str, limits: Limits) -> tuple[Any | None, str]:
    """The root element, None where the text is better read as it stands; and what is wrong with it, or ""."""
    from lxml import etree

    body = _CONTROL.sub("", _ENTITY.sub(_character, _DECLARATION.sub("", text, count=1)))
    if not body.strip():
        return None, ""
    for is_lenient in (False, True):
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            recover=is_lenient,
            encoding="utf-8",
        )
        try:
            root = etree.fromstring(body.encode(), parser)
        except (etree.XMLSyntaxError, ValueError):
            continue
        if root is None:
            break
        if root.xpath(f"boolean(/*{'/*' * limits.max_depth})"):
            return None, f"XML with over {limits.max_depth} elements in one another: read as text"
        if root.xpath(f"boolean(//*[count(@*) > {_MAX_ATTRIBUTES}])"):  # lxml's time grows with their square
            return None, f"XML with over {_MAX_ATTRIBUTES} attributes in an element: read as text"
        if not is_lenient:
            return root, ""
        if len("".join(flat(root).split())) >= _MIN_RECOVERED * len("".join(_TAG.sub("", body).split())):
            return root, "broken XML: read as far as it goes"
    return None, "broken XML: read as text"


def _character(found: re.Match[str]) -> str:
    """A character that HTML has a name for; the five of XML and names of the file's own stay. None for a number of no
    character: half of a surrogate pair, a control.
    """
    if found[1]:
        return found[0] if found[1] in _PREDEFINED else html.entities.html5.get(found[1], found[0])
    number = int(found[2], 16) if found[2] else int(found[3])
    is_character = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE
    return found[0] if is_character or 0x10000 <= number <= 0x10FFFF else ""


def _is_laid_out(text: str) -> bool:
    return len(text) <= _MAX_MEAN_LINE * (text.count("\n", 0, len(text) - 1) + 1)


def _is_in_attributes(root: Any) -> bool:
    """Whether the elements say little between their tags beside what their attributes say."""
    between = len(flat(root))
    within = sum(len(value) for element in root.iter() if isinstance(element.tag, str) for value in element.values())
    return between < _MIN_TEXT_SHARE * (between + within)


def _title(root: Any) -> str:
    """Of the document itself: of a book a title among its first elements, of data one that stands by the root."""
    return next((flat(element)[:_MAX_TITLE_CHARS] for element in _early(root, _TITLES)), "")


def _fields(root: Any) -> list[Field]:
    """The day a document bears, where it says so as it says its title."""
    for element in _early(root, _DAYS):
        field = property_field("date", clean(flat(element)[:200]))
        if field is not None and sent_on(field.value) is not None:
            return [field]
    return []


def _early(root: Any, names: frozenset[str]) -> Iterator[Any]:
    """The first element of one of the names, if it stands where a document speaks of itself."""
    is_prose = name_of(root) in PROSE
    for element in islice(root.iter() if is_prose else root, _MAX_EARLY):
        if isinstance(element.tag, str) and name_of(element) in names:
            if sum(1 for _ in element.iterancestors()) <= _MAX_PROSE_DEPTH:
                yield element
            return


def _joined(found: Iterable[Block]) -> tuple[str, list[Mark]]:
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for block in found:
        text = clean(block.text)
        if not text.strip():
            continue
        if parts:
            parts.append("\n" if block.is_tight else "\n\n")
            at += len(parts[-1])
        if block.mark is not None:
            kind, label, level = block.mark
            marks.append(Mark(at, kind, clean(label), level))
        parts.append(text)
        at += len(text)
    return "".join(parts), marks


def _feed(root: Any, limits: Limits, warning: str) -> Document:
    def from_markup(markup: str) -> str:
        try:
            return page.parse(b"\xef\xbb\xbf" + markup.encode(), name="", limits=limits).text
        except UnreadableFile:  # nothing to read in it
            return ""

    found = list(entries(root, from_markup))
    parts = []
    for i, entry in enumerate(found):
        if entry.title:
            parts.append(Block(entry.title, False, (MarkKind.HEADING, entry.title, 2 if i else 1)))
        if entry.text:
            parts.append(Block(entry.text, bool(entry.title), None))
    text, marks = _joined(parts)
    day = property_field("date", found[0].day or found[1].day if len(found) > 1 else found[0].day)
    return _document(text, found[0].title, marks, [] if day is None else [day], is_source=False, warning=warning)


def _workbook(root: Any, limits: Limits, warning: str) -> Document:
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for name, rows in sheets(root):
        start = at + 2 if parts else 0
        text, found = write(rows, start=start, max_chars=max(0, limits.max_chars - start))
        if text:
            parts.append(f"\n\n{text}" if parts else text)
            at = start + len(text)
            label = " ".join(clean(name).split())
            marks += [Mark(start, MarkKind.SHEET, label, 0), *found] if label else found
    return _document("".join(parts), "", marks, [], is_source=False, warning=warning)
