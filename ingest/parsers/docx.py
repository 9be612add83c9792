"""Word documents by python-docx: paragraphs, lists and tables in the order they stand, headings as marks."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingest.decode import clean
from ingest.errors import EncryptedFile, TooLarge, UnreadableFile
from ingest.header import property_field
from ingest.types import Document, Field, Mark, MarkKind

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

NAME = "docx"
VERSION = 1

MAX_UNPACKED_BYTES = 500_000_000  # declared size of all parts: an ordinary thesis with pictures has 50 MB

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_CELL, _PARAGRAPH, _TEXT = f"{_WORD}tc", f"{_WORD}p", f"{_WORD}t"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_HEADING = re.compile(r"^(?:heading|überschrift|titre|título|titolo|rubrik|kop|überschr\.)\s*(\d)$", re.IGNORECASE)
_TEMPLATE_TYPES = (
    b"application/vnd.ms-word.document.macroEnabled.main+xml",
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
_DOCUMENT_TYPE = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def parse(data: bytes, *, name: str) -> Document:
    """The document's body. Raises EncryptedFile, TooLarge, UnreadableFile."""
    import docx

    _looked_at(data)
    word = docx.Document(io.BytesIO(_as_document(data)))
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    title = ""
    for text, level in _blocks(word):
        text = clean(text)
        if level == 0 and not title:
            title = " ".join(text.split())
        if level is not None and level > 0:
            marks.append(Mark(at, MarkKind.HEADING, " ".join(text.split()), level))
        parts.append(text)
        at += len(text) + 2
    if not parts:
        raise UnreadableFile("empty: the document holds no text")
    properties = word.core_properties
    created = properties.created or properties.modified
    fields = [
        property_field("title", properties.title),
        property_field("author", properties.author),
        property_field("subject", properties.subject),
        property_field("keywords", properties.keywords),
        property_field("created", properties.created),
        property_field("modified", properties.modified),
    ]
    first = next((mark.label for mark in marks if mark.level == 1), "")
    return Document(
        text="\n\n".join(parts),
        title=clean(" ".join((properties.title or "").split())) or title or first,
        dated=None if created is None else created.date(),
        fields=tuple(Field(f.name, clean(f.value), None, None) for f in fields if f is not None),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _looked_at(data: bytes) -> None:
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise EncryptedFile("encrypted: save a copy without a password")
        raise UnreadableFile("old Word format: save it as .docx")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableFile("damaged Word file: open it in Word or LibreOffice and save it anew") from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise TooLarge(f"unpacks to {unpacked / 1e6:.0f} MB, the limit is {MAX_UNPACKED_BYTES / 1e6:.0f} MB")
    if "[Content_Types].xml" not in names:
        raise UnreadableFile("not a Word document: it is some other zip archive")


def _as_document(data: bytes) -> bytes:
    """python-docx takes only plain documents: templates and files with macros are told as such (macros never run)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read("[Content_Types].xml")
        if not any(kind in types for kind in _TEMPLATE_TYPES):
            return data
        for kind in _TEMPLATE_TYPES:
            types = types.replace(kind, _DOCUMENT_TYPE)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as copy:
            for entry in archive.infolist():
                copy.writestr(entry, types if entry.filename == "[Content_Types].xml" else archive.read(entry.filename))
        return out.getvalue()


def _blocks(word: WordDocument) -> Iterator[tuple[str, int | None]]:
    """(text, heading level; 0: the title; None: body) of what stands in the body, in order."""
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    for block in word.iter_inner_content():
        if isinstance(block, Paragraph):
            text = block.text.strip("\n")
            if text.strip():
                level = _level(block)
                is_item = level is None and _is_item(block)
                yield (f"- {text}" if is_item else text), level
        elif isinstance(block, Table):
            rows = list(_rows(block))
            if rows:
                yield "\n".join(rows), None


def _level(paragraph: Any) -> int | None:
    style = paragraph.style
    name = "" if style is None or style.name is None else style.name
    found = _HEADING.match(name)
    if found is not None:
        return int(found[1])
    return 0 if name.lower() in ("title", "titel", "titre") else None


def _is_item(paragraph: Any) -> bool:
    style = paragraph.style
    properties = paragraph._p.pPr
    is_numbered = properties is not None and properties.numPr is not None
    return is_numbered or (style is not None and (style.name or "").lower().startswith("list"))


def _rows(table: Any) -> Iterator[str]:
    """A row a line, cells joined by " | "."""
    for row in table._tbl.tr_lst:  # not `table.rows`: it raises where a row's cells do not fit the grid
        cells = [
            " ".join("".join(t.text or "" for t in node.iter(_TEXT)) for node in cell.iter(_PARAGRAPH))
            for cell in row.iter(_CELL)
        ]
        cells = [" ".join(cell.split()) for cell in cells]
        if any(cells):
            yield " | ".join(cells)
