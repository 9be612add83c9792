"""EPUB books: the chapters in reading order, each read as the page of HTML that it is; their headings are marks.

Rule: the book alone: cover, navigation pages and what lies outside the file are not read. A chapter without a heading
of its own is named by the table of contents. What the publisher has encrypted is a reason, obfuscated fonts are not.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ingest.errors import EncryptedFile, TooLarge, UnreadableFile
from ingest.header import parse_date, property_field
from ingest.limits import Limits
from ingest.packages import Package, properties
from ingest.parsers import html
from ingest.types import Document, Field, Mark, MarkKind

NAME = "epub"
VERSION = 1 + 10 * html.VERSION

_DAMAGED = "damaged EPUB: download it anew"
_PROTECTED = "protected: its seller's reader alone can open it; add a copy without protection"
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_HTML_TYPES = frozenset(["application/xhtml+xml", "text/html", "application/x-dtbook+xml"])
_LEFT_OUT = frozenset(["cover", "toc"])  # kinds of a book's parts (OPF 2.0, 2.6)
_BAD_TITLE = re.compile(r"(?:untitled|unknown)(?: document)?|\S*\.(?:epub|docx?|html?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Of the table of contents. path: of the part it leads to; whole: to its beginning."""

    label: str
    path: str
    is_whole: bool
    level: int


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The chapters, a blank line between two.

    Raises EncryptedFile, TooLarge, UnreadableFile.
    """
    package = Package(data, limits=limits, damaged=_DAMAGED)
    book = _book(package)
    root = package.xml(book)
    items = {item.get("id"): item for item in root.iterfind("{*}manifest/{*}item")}
    spine = list(dict.fromkeys(_spine(root, items, book)))
    if len(spine) > limits.max_pages:
        raise TooLarge(f"{len(spine)} chapters, the limit is {limits.max_pages}: split the file")
    _check_encryption(package, spine)
    contents = list(_contents(package, root, items, book))
    parts: list[str] = []
    marks: list[Mark] = []
    missed: list[str] = []
    at = 0
    for path in spine:
        try:
            page = html.parse(package.read(path), name=posixpath.basename(path), limits=limits)
        except TooLarge:
            raise
        except UnreadableFile as error:
            if not str(error).startswith("empty"):  # a picture's page is
                missed.append(posixpath.basename(path))
            continue
        named = page.marks or _named(page.text, [entry for entry in contents if entry.path == path])
        marks.extend(Mark(at + mark.start, mark.kind, mark.label, mark.level) for mark in named)
        parts.append(page.text)
        at += len(page.text) + 2
        if at > limits.max_chars:
            raise TooLarge(f"over {limits.max_chars / 1e6:g} million characters of text: split the file")
    if not parts:
        raise UnreadableFile("empty: it holds no text" if not missed else _DAMAGED)
    told = _told(root)
    fields = [*told, property_field("not-read", ", ".join(missed))]
    values = {entry.name: entry.value for entry in told}
    return Document(
        text="\n\n".join(parts),
        title=values.get("title", ""),
        dated=parse_date(values.get("date", "")) or parse_date(values.get("modified", "")),
        fields=tuple(entry for entry in fields if entry is not None),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _book(package: Package) -> str:
    """The part that describes the book."""
    if package.has(_CONTAINER):
        for root in package.xml(_CONTAINER).iter("{*}rootfile"):
            path = unquote(root.get("full-path") or "")
            if package.has(path):
                return path
    found = sorted(name for name in package.names if name.lower().endswith(".opf"))
    if not found:
        raise UnreadableFile(_DAMAGED)
    return found[0]


def _spine(root: Any, items: dict[str, Any], book: str) -> Iterator[str]:
    """The parts in reading order, without the cover and the pages of contents."""
    apart = {
        _path(book, reference.get("href") or "")
        for reference in root.iterfind("{*}guide/{*}reference")
        if (reference.get("type") or "").lower() in _LEFT_OUT and "#" not in (reference.get("href") or "")
    }
    for reference in root.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or (item.get("media-type") or "").lower() not in _HTML_TYPES:
            continue
        path = _path(book, item.get("href") or "")
        if path not in apart and "nav" not in (item.get("properties") or "").split():
            yield path


def _path(part: str, href: str) -> str:
    """What a part's link leads to, in the package; a link out of it leads to nothing there."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(part), unquote(href.partition("#")[0]))).lstrip("/")


def _check_encryption(package: Package, spine: Sequence[str]) -> None:
    """Raises EncryptedFile if chapters are encrypted; fonts often are, obfuscated."""
    if not package.has(_ENCRYPTION):
        return
    chapters = {path.casefold() for path in spine}
    for entry in package.xml(_ENCRYPTION).iter("{*}EncryptedData"):
        for reference in entry.iter("{*}CipherReference"):
            if _path("", reference.get("URI") or "").casefold() in chapters:
                raise EncryptedFile(_PROTECTED)


def _contents(package: Package, root: Any, items: dict[str, Any], book: str) -> Iterator[_Entry]:
    """The table of contents: that of EPUB 3, else of EPUB 2; none if it is damaged."""
    navigation = [item for item in items.values() if "nav" in (item.get("properties") or "").split()]
    spine = root.find("{*}spine")
    older = items.get(spine.get("toc")) if spine is not None else None
    for item in (*navigation, *([older] if older is not None else [])):
        path = _path(book, item.get("href") or "")
        try:
            tree = package.xml(path) if package.has(path) else None
        except UnreadableFile:
            continue
        found = [] if tree is None else list(_entries(tree, path))
        if found:
            yield from found
            return


def _entries(tree: Any, path: str) -> Iterator[_Entry]:
    """The entries in order: links in the lists of `nav`, or the points of an NCX."""
    for point in tree.iter("{*}navPoint"):
        label, target = point.find("{*}navLabel/{*}text"), point.find("{*}content")
        if label is not None and target is not None:
            level = 1 + sum(1 for _ in point.iterancestors("{*}navPoint"))
            yield from _entry(label, target.get("src"), path, level)
    for table in tree.iter("{*}nav"):
        kinds = [value for name, value in table.attrib.items() if name.endswith("}type")]
        if not kinds or "toc" in kinds[0].split():
            for link in table.iter("{*}a"):
                level = max(1, sum(1 for _ in link.iterancestors("{*}ol")))
                yield from _entry(link, link.get("href"), path, level)


def _entry(label: Any, href: str | None, path: str, level: int) -> Iterator[_Entry]:
    shown = " ".join("".join(label.itertext()).split())
    if href and shown and not _BAD_TITLE.fullmatch(shown):
        yield _Entry(shown, _path(path, href), "#" not in href, level)


def _named(text: str, entries: Sequence[_Entry]) -> list[Mark]:
    """The headings of a chapter that marks none: lines that are what the contents call them; else its beginning."""
    lines: dict[str, list[int]] = {}
    at = 0
    for line in text.split("\n"):
        lines.setdefault(" ".join(line.split()).casefold(), []).append(at)
        at += len(line) + 1
    marks: list[Mark] = []
    last = -1
    for i, entry in enumerate(entries):
        start = next((at for at in lines.get(entry.label.casefold(), ()) if at > last), None)
        if start is None and not marks and (entry.is_whole or not i):
            start = 0
        if start is not None and start > last:
            marks.append(Mark(start, MarkKind.HEADING, entry.label, entry.level))
            last = start
    return marks


def _told(root: Any) -> list[Field]:
    """What the book says of itself."""
    nodes = [node for node in root.iterfind("{*}metadata//*") if isinstance(node.tag, str)]
    found = properties(node for node in nodes if not node.tag.endswith("}date"))
    if _BAD_TITLE.fullmatch(found.get("title", "")):
        del found["title"]
    for field, tag in (("language", "}language"), ("publisher", "}publisher"), ("description", "}description")):
        texts = (" ".join("".join(node.itertext()).split()) for node in nodes if node.tag.endswith(tag))
        found[field] = next(filter(None, texts), "")
    found["date"] = _published(nodes)
    changed = (node.text for node in nodes if node.get("property") == "dcterms:modified")
    day = parse_date((next(changed, None) or "")[:10])
    found["modified"] = day.isoformat() if day is not None else ""
    return [entry for name, text in found.items() if (entry := property_field(name, text)) is not None]


def _published(nodes: Sequence[Any]) -> str:
    """The date of publication, as written; that of the file's making is none."""
    dates: dict[str, str] = {}
    for node in nodes:
        if node.tag.endswith("}date"):
            event = next((value for name, value in node.attrib.items() if name.endswith("}event")), "")
            dates.setdefault(event, " ".join((node.text or "").split())[:10])
    return next((dates[event] for event in ("publication", "original-publication", "") if dates.get(event)), "")
