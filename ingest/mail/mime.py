"""Bytes of a message → its parts: headers in plain Unicode, bodies decoded, as RFC 5322 and 2045 have it.

Rule: every message has a reading. What is broken (no end of a part, headers in raw bytes, a wrong charset) is read as
far as it goes; the bytes of a message in a message are exactly those that stand there. Linear in the message: its
parts are found with offsets, outer ones first, and nothing is copied but the body that is asked for.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from email.policy import Compat32

from ingest.decode import clean, decode, decode_as, encoding_of
from ingest.errors import TooLarge, UnreadableFile
from ingest.limits import Limits

MAX_HEADER_CHARS = 20_000  # of one entry: a list of 500 addresses has as many; the library's time grows with the square

_HEADERS = re.compile(rb"(?:>?From [^\n]*\n)?((?:(?:[!-9;-~]+[ \t]*:|[ \t])[^\n]*(?:\n|\Z))*)")
_REST = re.compile(rb"(--)?[ \t]*\r?(?:\n|\Z)")  # of the line of a boundary
_BREAK = re.compile(rb"\r?\n")
_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([^?\r\n]*)\?=")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message, or the whole of it.

    headers: values decoded to Unicode, folded lines not yet joined. source: the bytes it lies in; start, end: of its
    body in them, encoded as it came. kind: its content type, lower case. parts: of a multipart.
    """

    headers: Message
    source: bytes
    start: int
    end: int
    kind: str
    parts: tuple[Part, ...]

    def header(self, name: str) -> str:
        """The first entry of that name, on one line, encoded words decoded; "" if there is none."""
        value = self.headers.get(name)
        return "" if value is None else unworded(str(value))

    def parameter(self, header: str, name: str) -> str:
        """A parameter of a header, such as the `filename` of Content-Disposition; "" if there is none."""
        try:
            found = self.headers.get_param(name, "", header)
        except Exception:  # the library on parameters numbered wrongly
            return ""
        if isinstance(found, tuple):  # RFC 2231: charset, language, value with its bytes as characters
            label, _, value = found
            return clean(_in_charset(value.encode("latin-1", "replace"), label or "utf-8"))
        return unworded(found)

    def disposition(self) -> str:
        """ "attachment", "inline" or "" """
        return self.header("content-disposition").partition(";")[0].strip().lower()

    def file_name(self) -> str:
        """What the sender called it; "" if nothing."""
        return self.parameter("content-disposition", "filename") or self.parameter("content-type", "name")

    def data(self) -> bytes:
        """Its body without the transfer encoding."""
        body = self.source[self.start : self.end]
        encoding = self.header("content-transfer-encoding").lower()
        if "quoted-printable" in encoding:
            return a2b_qp(body)
        return _from_base64(body) if "base64" in encoding else body

    def text(self) -> str:
        """Its body as text; what is no text at all is ""."""
        data = self.data()
        try:
            label = self.parameter("content-type", "charset")
            return decode_as(data, label) if label else decode(data)
        except UnreadableFile:
            return ""


def read(data: bytes, limits: Limits) -> Part:
    """The message. Raises TooLarge where it has more parts, or more in one another, than the limits allow."""
    return _Reader(limits).part(data, 0, len(data), "text/plain", 0)


def header_of(data: bytes) -> dict[str, str]:
    """The header of a message: names in lower case, values as `Part.header` has them, the first of each."""
    block = _HEADERS.match(data)
    assert block is not None  # it may be empty
    found: dict[str, str] = {}
    for name, value in HeaderParser(policy=_Policy()).parsestr(_unicode(block[1])).items():
        found.setdefault(name.lower(), unworded(str(value)))
    return found


def unworded(value: str) -> str:
    """A header's value on one line, its encoded words (RFC 2047) decoded, also where they are cut in mid-letter."""
    value = _FOLD.sub("", value)
    pieces: list[str] = []
    run: list[bytes] = []  # of neighbours in one charset
    label, at = "", 0
    for found in _WORD.finditer(value):
        gap = value[at : found.start()]
        at = found.end()
        if run and (gap.strip() or found[1].lower() != label):
            pieces.append(_in_charset(b"".join(run), label))
            run.clear()
            gap = gap if gap.strip() else ""
        elif run:
            gap = ""
        pieces.append(gap)
        label = found[1].lower()
        raw = found[3].encode("ascii", "replace")
        run.append(_from_base64(raw) if found[2] in "Bb" else a2b_qp(raw, header=True))
    if run:
        pieces.append(_in_charset(b"".join(run), label))
    return " ".join(clean("".join([*pieces, value[at:]])).split())


def without_transport(data: bytes) -> bytes:
    """The message in UTF-8 if it came in UTF-16, without what Apple Mail's `.emlx` puts round it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4]:
        try:
            return decode(data).encode()
        except UnreadableFile:
            return data
    counted = re.match(rb"\s{0,8}(\d{1,12})[ \t]*\r?\n", data[:32])
    if counted is not None:
        return data[counted.end() : counted.end() + int(counted[1])]
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


class _Policy(Compat32):
    """Headers as the library keeps them, but in Unicode from the start, and of bounded length."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        name, _, value = "".join(sourcelines).partition(":")
        value = value[:MAX_HEADER_CHARS].strip(" \t\r\n")
        if not value.isascii():
            raw = value.encode("utf-8", "surrogateescape")
            value = _in_charset(raw, "utf-8")
        return name.rstrip(" \t"), value.replace("\x00", "")


class _Reader:
    """Reads the parts of one message; counts them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0
        self._parser = HeaderParser(policy=_Policy())

    def part(self, source: bytes, start: int, end: int, default: str, depth: int) -> Part:
        """The part at [start, end). default: its content type if it names none."""
        self._count += 1
        if self._count > self._limits.max_members:
            raise TooLarge(f"over {self._limits.max_members} parts in one message, the limit: save its files apart")
        if depth > self._limits.max_depth:
            raise TooLarge(f"over {self._limits.max_depth} parts within one another, the limit: save its files apart")
        block = _HEADERS.match(source, start, end)
        assert block is not None
        headers = self._parser.parsestr(_unicode(block[1]))
        empty = _BREAK.match(source, block.end(), end)
        start = block.end() if empty is None else empty.end()
        kind = headers.get_content_type() if "content-type" in headers else default
        parts: tuple[Part, ...] = ()
        if kind.startswith("multipart/"):
            boundary = headers.get_boundary("") or ""
            inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            spans = _spans(source, start, end, boundary)
            parts = tuple(self.part(source, first, last, inner, depth + 1) for first, last in spans)
            if not parts:  # no boundary, or none is there: what stands in it is read as it is
                kind = "text/plain"
        return Part(headers, source, start, end, kind, parts)


def _unicode(header: bytes) -> str:
    return header.decode("utf-8", "surrogateescape")


def _spans(source: bytes, start: int, end: int, boundary: str) -> Iterator[tuple[int, int]]:
    """Where the parts between the lines `--boundary` lie; the last one may lack its end."""
    if not boundary:
        return
    line = b"--" + boundary.encode("utf-8", "replace")
    first: int | None = None
    at = start
    while (at := source.find(line, at, end)) >= 0:
        rest = _REST.match(source, at + len(line), end)
        if rest is None or (at > start and source[at - 1 : at] != b"\n"):
            at += len(line)
            continue
        if first is not None:
            yield first, max(first, _before_break(source, at))
        if rest[1]:
            return
        first = at = rest.end()
    if first is not None and first < end:
        yield first, end


def _before_break(source: bytes, at: int) -> int:
    """The line break before a boundary belongs to it."""
    if source[at - 1 : at] == b"\n":
        at -= 1
    return at - 1 if source[at - 1 : at] == b"\r" else at


def _from_base64(body: bytes) -> bytes:
    """As far as it goes: without what is none of it; several runs, each with its own padding, one after another."""
    return b"".join(map(_from_run, body.split(b"=")))


def _from_run(body: bytes) -> bytes:
    letters = _NO_BASE64.sub(b"", body)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return a2b_base64(letters + b"=" * (-len(letters) % 4))


def _in_charset(data: bytes, label: str) -> str:
    """A header's bytes as text, whatever they are."""
    encoding = encoding_of(label) or "cp1252"
    if encoding in ("utf-8", "cp1252"):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            encoding = "cp1252"
    return data.decode(encoding, "replace")
