"""Bytes → text, or a reason why they are none.

Rule: never mojibake. The order is byte-order mark, UTF-16 without a mark, strict UTF-8, multi-byte East Asian
encodings as charset-normalizer sees them, and Windows-1252 for the rest: charset-normalizer alone misreads
Western single-byte text (tried on latin-1 and cp1252 files).
"""

from __future__ import annotations

import codecs
import re

from ingest.errors import UnreadableFile

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a zip archive or Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)
_EAST_ASIAN = (
    "gb18030",
    "big5",
    "cp932",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "cp949",
    "big5hkscs",
    "gb2312",
    "gbk",
)
_SAMPLE = 65_536  # bytes judged; detection needs no more, and is slow
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MAX_CONTROL_SHARE = 0.01


def decode(data: bytes) -> str:
    """`data` as text with "\\n" newlines, without NUL and lone surrogates.

    Raises UnreadableFile for what is no text.
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise UnreadableFile(f"not text: it is {kind}; give it the right file name ending")
    text = _decoded(data)
    if len(_CONTROL.findall(text[:_SAMPLE])) > _MAX_CONTROL_SHARE * min(len(text), _SAMPLE):
        raise UnreadableFile("not text: it holds binary data")
    return clean(text)


def clean(text: str) -> str:
    """`text` with "\\n" newlines, without NUL, form feeds as newlines, lone surrogates replaced."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\x0c", "\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    wide = _utf16(data) if b"\x00" in data[:_SAMPLE] else None  # ASCII in UTF-16 is valid UTF-8, with NULs
    if wide is not None:
        return wide
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if b"\x00" in data[:_SAMPLE]:
        raise UnreadableFile("not text: it holds binary data")
    east_asian = _east_asian(data[:_SAMPLE])
    if east_asian is not None:
        try:
            return data.decode(east_asian)
        except UnicodeDecodeError:
            pass
    return data.decode("cp1252", "replace")


def _utf16(data: bytes) -> str | None:
    """Text of Western scripts in UTF-16 has a zero in every second byte."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or len(data) % 2:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > 0.4 * half and others < 0.05 * half:
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    return None


def _east_asian(sample: bytes) -> str | None:
    """The multi-byte encoding charset-normalizer sees, if most bytes above 127 come in pairs as it would have them."""
    high = sum(byte > 127 for byte in sample)
    if high < 0.2 * len(sample):
        return None  # Western text has few of them
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_EAST_ASIAN)).best()
    return None if best is None else best.encoding
