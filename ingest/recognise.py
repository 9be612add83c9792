"""What a file is by its first bytes, where they tell; its name may lie.

Rule: only certain signs count. Bytes that begin like a PDF go to the PDF parser under any name; text stays what its
name says, unless the name promises a format that never begins like text (an old `.xls` that is a web page).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"II*\x00", "image"),  # TIFF
    (b"MM\x00*", "image"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),  # Zstandard
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
)
_TAR_MAGIC = (b"ustar\x00", b"ustar ")  # at 257
SIGNATURE_BYTES = 512  # of a file tell whether it has one
_PDF_HEAD = 1024  # a PDF may begin this far behind other bytes (ISO 32000-1, annex H.3.4.1, note 13)
_HTML = re.compile(  # a comment ends at its first sign for that, or twenty may end in a million ways
    rb"\s*+(?:<!--(?>.{0,2000}?-->)\s*+)*+(?:<!doctype\s+html|<html|<head|<body)\b", re.IGNORECASE | re.DOTALL
)
_FLAT = b"urn:oasis:names:tc:opendocument:xmlns:office"  # OpenDocument in one XML file
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s")
_SAMPLE = 4096
# OPC packages by the part their content types name (ECMA-376, part 1, 15.2), with and without macros.
_OFFICE = re.compile(rb"(wordprocessingml|ms-word|spreadsheetml|ms-excel|presentationml|ms-powerpoint)[^\"']*main\+xml")
_OFFICE_PARSERS = {
    b"wordprocessingml": "docx",
    b"ms-word": "docx",
    b"spreadsheetml": "sheet",
    b"ms-excel": "sheet",
    b"presentationml": "pptx",
    b"ms-powerpoint": "pptx",
}
_MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.spreadsheet": "sheet",
    b"application/vnd.oasis.opendocument.": "odf",
}
_MAX_TYPES_BYTES = 1_000_000
# Streams of compound files by the format that has them (MS-DOC, MS-XLS, MS-PPT, MS-OXMSG, MS-OFFCRYPTO).
_STREAMS = (
    ("EncryptedPackage", None),  # whoever the name says can tell that it is encrypted
    ("__properties_version1.0", "msg"),
    ("WordDocument", "office"),
    ("PowerPoint Document", "office"),
    ("Workbook", "sheet"),
    ("Book", "sheet"),
)
BINARY = frozenset(["pdf", "docx", "pptx", "sheet", "epub", "odf", "office", "msg", "image", "rtf", "archive"])
"""Parsers of formats that never begin like plain text, RTF aside."""


def has_signature(data: bytes) -> bool:
    """The bytes begin like those of a format that is not plain text."""
    return data.startswith(tuple(sign for sign, _ in _SIGNATURES)) or data[257:263] in _TAR_MAGIC


def recognise(data: bytes, by_name: str | None) -> str | None:
    """The name of the parser for the bytes. by_name: the one for the file's name, which holds where nothing tells."""
    kind = next((kind for sign, kind in _SIGNATURES if data.startswith(sign)), None)
    if kind == "zip":
        return _zip(data, by_name)
    if kind == "ole":
        return _compound(data, by_name)
    if kind is not None:
        return kind
    if data[257:263] in _TAR_MAGIC:
        return "archive"
    if by_name in BINARY:
        return _textual(data, by_name) or by_name
    return by_name


def _textual(data: bytes, by_name: str | None) -> str | None:
    """What text under the name of another format is; None if it is none, or such a format damaged."""
    if by_name == "pdf" and b"%PDF-" in data[:_PDF_HEAD]:
        return None
    if by_name == "odf" and _FLAT in data[:_SAMPLE]:
        return None
    if _HTML.match(data[:_SAMPLE]):
        return "html"
    if _XML.match(data[:_SAMPLE]):
        return "xml"
    sample = data[:_SAMPLE]
    if not sample.strip() or b"\x00" in sample:
        return None
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) <= _SAMPLE or error.start < len(sample) - 3:  # the sample may end inside a character
            return None
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample):
        return None
    return "delimited" if by_name == "sheet" else "text"


def _zip(data: bytes, by_name: str | None) -> str:
    """An office file or book by what its parts say, else an archive; a damaged one is what its name says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                kind = _read(archive, "mimetype").strip()
                found = _starting(_MIMETYPES, kind)
                if found is not None:
                    return found
            if "[Content_Types].xml" in names:
                types = _OFFICE.search(_read(archive, "[Content_Types].xml"))
                if types is not None:
                    return _OFFICE_PARSERS[types[1]]
    except Exception:  # zipfile on damaged archives raises many kinds
        return by_name if by_name in BINARY else "archive"
    return by_name if by_name in BINARY and "[Content_Types].xml" in names else "archive"


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        return part.read(_MAX_TYPES_BYTES)


def _starting(table: Mapping[bytes, str], text: bytes) -> str | None:
    return next((parser for start, parser in table.items() if text.startswith(start)), None)


def _compound(data: bytes, by_name: str | None) -> str | None:
    """A compound file by the streams that it names."""
    for stream, parser in _STREAMS:
        if stream.encode("utf-16-le") in data:
            return parser if parser is not None else by_name if by_name in BINARY else "office"
    return by_name if by_name in BINARY else "office"
