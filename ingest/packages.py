"""Zip packages of XML parts: Word, PowerPoint, OpenDocument, EPUB; each part read only when asked for.

Rule: nothing is believed and nothing followed. Sizes are summed as the archive declares them before anything is
unpacked, and counted again as it is; XML is parsed without entities, DTDs and network, and no deeper than the limit.
Names are looked up as the formats compare them: without regard to case, from the root, "\\" as "/"; of two parts of one
name the later counts, as for other readers.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import chain
from typing import Any
from urllib.parse import unquote

from ingest.decode import clean
from ingest.errors import EncryptedFile, IngestError, TooLarge, UnreadableFile
from ingest.header import parse_date, property_field
from ingest.limits import Limits
from ingest.types import Field

MAX_XML_BYTES = 150_000_000  # of them XML, which takes some ten times as much in memory

ENCRYPTED = "encrypted: save a copy without a password"

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO, 2.3.4.4
_MANIFEST = "META-INF/manifest.xml"  # of OpenDocument, which names the parts that are encrypted
_PIECE = 1 << 20  # bytes unpacked at once: zipfile's own `read` unpacks a part of any size before it looks at it
_MAX_XML_DEPTH = 255  # libxml2's own limit is 256
_SAFE = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")  # ISO 29500 strict; the same names otherwise
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
_TEMPLATE_TIMES = frozenset(
    ["2013-12-23T23:15:00Z", "2013-01-27T09:14:16Z", "2013-01-27T09:15:58Z"]
)  # python-docx, -pptx
_WRITERS = frozenset(["python-docx", "openpyxl"])  # what libraries call the author if none is given
_PROPERTIES = {
    "title": ("title",),
    "author": ("initial-creator", "creator"),
    "subject": ("subject",),
    "keywords": ("keywords", "keyword"),
    "created": ("created", "creation-date"),
    "modified": ("modified", "date"),
}


def is_encrypted(data: bytes) -> bool:
    """Whether it is an office file behind a password (a compound file that holds the package)."""
    return data.startswith(_OLE) and _ENCRYPTED_STREAM in data


class Package:
    """The parts of a file. damaged: the reason given for one that cannot be read."""

    def __init__(self, data: bytes, *, limits: Limits, damaged: str, is_streamed: bool = False) -> None:
        """is_streamed: its large parts are read by `elements`, so that the XML may be of any size.

        Raises EncryptedFile, TooLarge, UnreadableFile.
        """
        self._limits = limits
        self._damaged = damaged
        self._left_bytes = limits.max_unpacked_bytes
        if is_encrypted(data):
            raise EncryptedFile(ENCRYPTED)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile on damaged archives raises many kinds
            raise UnreadableFile(damaged) from error
        entries = [
            entry for entry in self._archive.infolist() if not entry.filename.endswith("/")
        ]  # is_dir needs a name
        unpacked = sum(entry.file_size for entry in entries)
        markup = sum(entry.file_size for entry in entries if entry.filename.lower().endswith((".xml", ".rels")))
        for size, limit in ((unpacked, limits.max_unpacked_bytes), (0 if is_streamed else markup, MAX_XML_BYTES)):
            if size > limit:
                raise TooLarge(f"unpacks to {size / 1e6:.0f} MB, the limit is {limit / 1e6:.0f} MB: split the file")
        if any(entry.flag_bits & 1 for entry in entries):
            raise EncryptedFile(ENCRYPTED)
        self.names = tuple(entry.filename.replace("\\", "/") for entry in entries)
        self._entries = {_key(entry.filename): entry for entry in entries}
        if self.has(_MANIFEST) and b"encryption-data" in self.read(_MANIFEST):
            raise EncryptedFile(ENCRYPTED)

    def has(self, name: str) -> bool:
        """Whether there is a part of that name."""
        return _key(name) in self._entries

    def read(self, name: str) -> bytes:
        """The bytes of a part. Raises TooLarge, UnreadableFile."""
        return b"".join(self._pieces(name))

    def _pieces(self, name: str) -> Iterator[bytes]:
        entry = self._entries.get(_key(name))
        if entry is None:
            raise UnreadableFile(self._damaged)
        try:
            part = self._archive.open(entry)
            while piece := part.read(_PIECE):
                self._left_bytes -= len(piece)
                if self._left_bytes < 0:
                    limit = self._limits.max_unpacked_bytes
                    raise TooLarge(f"unpacks to over {limit / 1e6:.0f} MB, the limit: split the file")
                yield piece
        except IngestError:
            raise
        except Exception as error:
            raise UnreadableFile(self._damaged) from error

    def elements(self, name: str, *tags: str, begun: str | None = None) -> Iterator[Any]:
        """The elements of these tags ("{*}row") of a part of any size, each as it ends and gone with the next one.

        begun: a tag whose elements come too, but as they begin, with their attributes alone.
        Raises TooLarge, UnreadableFile.
        """
        from lxml import etree

        events = ("end",) if begun is None else ("start", "end")
        parser = etree.XMLPullParser(events, tag=[*tags, *([begun] if begun else [])], **_SAFE)
        name_begun = None if begun is None else _local(begun)
        pieces = self._pieces(name)
        try:
            for piece in chain([_STRICT.sub(_TRANSITIONAL, next(pieces, b""))], pieces):
                parser.feed(piece)
                for event, element in parser.read_events():
                    if name_begun is None or (event == "start") is (_local(element.tag) == name_begun):
                        _drop_entities(element)
                        yield element
                        if event == "end":
                            _free(element)
            parser.close()
        except (etree.XMLSyntaxError, ValueError) as error:
            raise _unparsed(error, _MAX_XML_DEPTH, self._damaged) from error

    def xml(self, name: str) -> Any:
        """The root element of a part that is XML. Raises TooLarge, UnreadableFile."""
        return xml(self.read(name), limits=self._limits, damaged=self._damaged)

    def related(self, name: str, kind: str) -> list[str]:
        """The parts that a part of an Office package ("" is the package) names as its `kind`, in the file's order."""
        return list(self.relations(name, kind).values())

    def relations(self, name: str, kind: str) -> dict[str, str]:
        """As `related`, by the id that the part calls each by; without those outside the file or not there."""
        folder, base = posixpath.split(name)
        rels = posixpath.join(folder, "_rels", f"{base}.rels")
        if not self.has(rels):
            return {}
        found = {}
        for relation in self.xml(rels):
            target = relation.get("Target") or ""
            if (relation.get("Type") or "").endswith(f"/{kind}") and relation.get("TargetMode") != "External":
                path = posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
                if self.has(path):
                    found[relation.get("Id") or ""] = path
        return found

    def properties(self) -> dict[str, str]:
        """What the file says of itself, by field name; days as 2026-02-28; none that its library made up."""
        nodes: list[Any] = []
        for name in self.related("", "core-properties")[:1]:
            nodes = list(self.xml(name))
        if not nodes and self.has("meta.xml"):
            nodes = [node for part in self.xml("meta.xml") for node in part]
        return properties(nodes)


def properties(nodes: Iterable[Any]) -> dict[str, str]:
    """As `Package.properties`, of the elements that say it: Dublin Core and what Office and OpenDocument add."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        text = clean(" ".join((node.text or "").split()))
        if text:
            found.setdefault(_local(str(node.tag)), []).append(text)
    texts = {
        field: next((", ".join(found[n]) for n in names if n in found), "") for field, names in _PROPERTIES.items()
    }
    if texts["author"] in _WRITERS:
        texts["author"] = ""
    for key in ("created", "modified"):
        day = None if texts[key] in _TEMPLATE_TIMES else parse_date(texts[key][:10])
        texts[key] = "" if day is None else day.isoformat()
    return {key: text for key, text in texts.items() if text}


def fields_of(properties: Mapping[str, str]) -> tuple[Field, ...]:
    """The properties as fields outside the text."""
    fields = (property_field(name, text) for name, text in properties.items())
    return tuple(field for field in fields if field is not None)


def day_of(properties: Mapping[str, str]) -> date | None:
    """The day the document bears: when it was created before when it was changed."""
    return parse_date(properties.get("created") or properties.get("modified", ""))


def xml(data: bytes, *, limits: Limits, damaged: str) -> Any:
    """The root element, without comments and references to entities. Raises UnreadableFile."""
    from lxml import etree

    depth = min(limits.max_depth, _MAX_XML_DEPTH)
    try:
        root = etree.fromstring(_STRICT.sub(_TRANSITIONAL, data), etree.XMLParser(**_SAFE))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _unparsed(error, depth, damaged) from error
    if root.xpath(f"boolean(/*{'/*' * depth})"):
        raise _too_deep(depth)
    _drop_entities(root)
    return root


def _unparsed(error: Exception, depth: int, damaged: str) -> UnreadableFile:
    return _too_deep(depth) if "Excessive depth" in str(error) else UnreadableFile(damaged)


def _too_deep(depth: int) -> UnreadableFile:
    return UnreadableFile(f"over {depth} elements inside each other: open it in its own program and save it anew")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _drop_entities(root: Any) -> None:
    """Takes out what stands for an entity; the text behind it stays."""
    from lxml import etree

    for entity in list(root.iter(etree.Entity)):
        above, before, tail = entity.getparent(), entity.getprevious(), entity.tail or ""
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            above.text = (above.text or "") + tail
        entity.tail = None
        above.remove(entity)


def _free(element: Any) -> None:
    """Empties an element that was read, and drops those before it."""
    element.clear()
    above = element.getparent()
    while above is not None and element.getprevious() is not None:
        del above[0]


def _key(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").casefold()
