"""Bytes → text, or a reason why they are none.

Rule: never mojibake. The order is byte-order mark, strict UTF-8, UTF-16 without a mark, UTF-8 with a few damaged
bytes, Windows-1252 where its letters stand as Western ones do, and charset-normalizer last, for the other legacy
encodings: alone, it takes Windows-1252 for Cyrillic or Greek code pages.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

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
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\x1f\x8b", "gzip data"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
)
_SAMPLE = 65_536  # bytes judged; detection needs no more, and is slow
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x08\x1a"))  # colours, overstrikes, the DOS end of file
_MAX_CONTROL_SHARE = 0.01
_MAX_NUL_SHARE = 0.1  # ASCII in UTF-16 has a half
_BINARY = "not text: it holds binary data; give it the file name ending of its kind"
_UNKNOWN = "not text: its encoding is not known; save it as UTF-8"

_FORM_FEED = re.compile(r"(?<!\x0c)(?:\A\x0c+|(?<=\n)\x0c+|\x0c++(?:(?=\n)|\Z))")
_HIGH_LETTERS = re.compile(rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff]+")
_WESTERN_SYMBOL = re.compile("[±²³¹¼½¾](?![A-Za-zÀ-ÿ])|µ")  # m² is Western, by³ is Polish in Windows-1250
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŒœŠšŽžŸ€£§©®°·«»¿¡´ªº‘’“”„–—…•™×\xa0\xad"
)
_WIDER = {  # as browsers read these labels: https://encoding.spec.whatwg.org/#names-and-labels
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
    "big5": "big5hkscs",
}
_LABELS = re.compile(r"cp\d+|iso8859-\d+|koi8-[ru]|mac-\w+|gb18030|big5\w*|euc_\w+|johab|iso2022_\w+|utf-8|hz")
# What charset-normalizer may choose from: a wider choice finds rarer encodings, wrongly.
_LEGACY = [
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "cp949",
    "cp1251",
    "koi8_r",
    "cp1250",
    "iso8859_2",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
]


def decode(data: bytes) -> str:
    """`data` as text with "\\n" newlines, without NUL and lone surrogates; no bytes are the text "".

    Raises UnreadableFile for what is no text.
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise UnreadableFile(f"not text: it is {kind}; give it the right file name ending")
    return clean(_decoded(data)).removeprefix("\ufeff")


def decode_as(data: bytes, label: str) -> str:
    """As `decode`, in the encoding that the file names itself by `label`, unless its bytes say otherwise.

    Raises UnreadableFile for what is no text.
    """
    encoding = None if data.startswith(tuple(mark for mark, _ in _MARKS)) else encoding_of(label)
    if encoding is None:
        return decode(data)
    try:
        return clean(data.decode("utf-8" if encoding == "cp1252" else encoding))  # much that is UTF-8 has that label
    except UnicodeDecodeError:
        return decode(data)


def encoding_of(label: str) -> str | None:
    """Python's name for the encoding that mail and web pages call so; None for one that no text has."""
    try:
        encoding = codecs.lookup(label).name
    except (LookupError, ValueError):  # a label with a NUL is a ValueError
        return None
    encoding = _WIDER.get(encoding, encoding)
    return encoding if _LABELS.fullmatch(encoding) else None


def clean(text: str) -> str:
    """`text` with "\\n" newlines, without NUL, lone surrogates replaced.

    A form feed inside a line ends it; one beside a newline goes, so that line numbers stay the file's.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    if "\x0c" in text:
        text = _FORM_FEED.sub("", text).replace("\x0c", "\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data[len(mark) :], encoding)
    sample = data[:_SAMPLE]
    if b"\x00" in sample and not _has_stray_nuls(sample):  # ASCII in UTF-16 is valid UTF-8, with NULs
        wide = _utf16(data)
        if wide is not None:
            return wide
    if len(sample) - len(sample.translate(None, _CONTROL_BYTES)) > _MAX_CONTROL_SHARE * len(sample):
        raise UnreadableFile(_BINARY)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\x00" in data:
            raise UnreadableFile(_BINARY) from error
    return _mended(data) or _western(data) or _legacy(data)


def _marked(data: bytes, encoding: str) -> str:
    """The text behind a byte-order mark; a cut-off last character is dropped."""
    if encoding == "utf-8":
        try:
            return data.decode()
        except UnicodeDecodeError:
            return _mended(data) or data.decode("utf-8", "replace")
    data = data[: len(data) - len(data) % (4 if "32" in encoding else 2)]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableFile(_BINARY) from error
    if not _is_plausible(text):
        raise UnreadableFile(_BINARY)
    return text


def _has_stray_nuls(sample: bytes) -> bool:
    """Whether it is UTF-8 with a few NULs in it: of UTF-16, every second byte of ASCII is one, and other scripts are
    no UTF-8 without them.
    """
    rest = sample.replace(b"\x00", b"")
    if len(sample) - len(rest) > _MAX_NUL_SHARE * len(sample):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(rest)  # the sample may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark: of the two byte orders, the one that gives blanks, digits and letters of ASCII."""
    data = data[: len(data) - len(data) % 2]
    best: tuple[int, str] | None = None
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        common = len(re.findall(r"[ \n\rA-Za-z0-9.,、。，]", text[:_SAMPLE]))
        if (
            common
            and common >= 0.01 * min(len(text), _SAMPLE)
            and _is_plausible(text)
            and (not best or common > best[0])
        ):
            best = (common, text)
    return None if best is None else best[1]


def _is_plausible(text: str) -> bool:
    """Whether next to no character is a control, private or unassigned one."""
    sample = text[:4096]
    odd = sum(unicodedata.category(c) in ("Cc", "Co", "Cn") for c in sample if c not in "\t\n\r\v\f\x1b")
    return odd <= _MAX_CONTROL_SHARE * len(sample)


def _mended(data: bytes) -> str | None:
    """UTF-8 that holds a few other bytes (logs of many programs, a file cut off), else None.

    A line without any UTF-8 beyond ASCII is read as Windows-1252; other bad bytes become U+FFFD.
    """
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if _high(text) - bad < bad:
        return None
    lines = []
    for line in data.split(b"\n"):
        mended = line.decode("utf-8", "replace")
        if "\ufffd" in mended and _high(mended) == mended.count("\ufffd"):
            mended = _western(line) or mended
        lines.append(mended)
    return "\n".join(lines)


def _high(text: str) -> int:
    """How many characters are beyond ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def _western(data: bytes) -> str | None:
    """The text in Windows-1252, if its letters beyond ASCII are common ones that stand alone, as in Western words."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    common = sum(text.count(c) for c in _WESTERN) + len(_WESTERN_SYMBOL.findall(text))
    if common < 0.95 * _high(text):
        return None
    runs = [len(run) for run in _HIGH_LETTERS.findall(data)]
    in_rows = sum(length for length in runs if length > 1)
    return text if in_rows <= 0.25 * sum(runs) else None


def _legacy(data: bytes) -> str:
    """The text in the encoding charset-normalizer sees."""
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    if len(data) > len(sample):
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    best = from_bytes(sample, cp_isolation=_LEGACY).best()
    if best is None:
        raise UnreadableFile(_UNKNOWN)
    text = data.decode(best.encoding, "replace")
    if text.count("\ufffd") > 1e-3 * len(text) or not _is_plausible(text):
        raise UnreadableFile(_UNKNOWN)
    return text
