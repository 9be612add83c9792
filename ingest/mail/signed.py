"""S/MIME in one piece (`smime.p7m`): whether it is encrypted, and the message in it if it is only signed.

Rule: reads no further than to the message (CMS, RFC 5652, in BER), and checks no signature.
"""

from __future__ import annotations

from collections.abc import Iterator

_SIGNED = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # 1.2.840.113549.1.7.2
_OIDS_ENCRYPTED = (
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03",  # enveloped data
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06",  # encrypted data
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17",  # authenticated and enveloped
)
_SEQUENCE, _OCTETS, _OCTETS_IN_PIECES, _OID, _EXPLICIT = 0x30, 0x04, 0x24, 0x06, 0xA0
_MAX_DEPTH = 8  # of octets in pieces of pieces


def is_encrypted(data: bytes) -> bool:
    """Whether the data are those of an encrypted message."""
    return any(oid in data[:64] for oid in _OIDS_ENCRYPTED)


def content_of(data: bytes) -> bytes | None:
    """The signed message; None if there is none, or the data are damaged."""
    try:
        message = _first(data, (0, len(data)), _SEQUENCE)
        if data[slice(*_first(data, message, _OID))] != _SIGNED:
            return None
        signed = _first(data, _first(data, message, _EXPLICIT), _SEQUENCE)
        content = _first(data, _first(data, signed, _SEQUENCE), _EXPLICIT)
        return b"".join(_octets(data, *content, 0))
    except LookupError:
        return None


def _first(data: bytes, span: tuple[int, int], tag: int) -> tuple[int, int]:
    """The span of the first value with that tag. Raises LookupError if there is none."""
    for found, first, last in _items(data, *span):
        if found == tag:
            return first, last
    raise LookupError(tag)


def _items(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, start, end) of the values one after another."""
    while start < end:
        tag = data[start]
        first, last, start = _span(data, start, end)
        if tag == 0 and first == last:
            return
        yield tag, first, last


def _span(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Where the value that begins at `at` has its content, and where the next one begins."""
    length = data[at + 1]
    first = at + 2
    if length < 0x80:
        return first, min(first + length, end), first + length
    if length > 0x80:
        count = length & 0x7F
        size = int.from_bytes(data[first : first + count], "big")
        first += count
        return first, min(first + size, end), first + size
    last = _end_of_indefinite(data, first, end)
    return first, last, last + 2


def _end_of_indefinite(data: bytes, at: int, end: int) -> int:
    """Where the two zero bytes stand that end a value of unknown length."""
    open_values = 1
    while at < end:
        if data[at : at + 2] == b"\x00\x00":
            open_values -= 1
            if not open_values:
                return at
            at += 2
        elif data[at + 1] == 0x80:
            open_values += 1
            at += 2
        else:
            at = _span(data, at, end)[2]
    return end


def _octets(data: bytes, start: int, end: int, depth: int) -> Iterator[bytes]:
    for tag, first, last in _items(data, start, end):
        if tag == _OCTETS:
            yield data[first:last]
        elif tag == _OCTETS_IN_PIECES and depth < _MAX_DEPTH:
            yield from _octets(data, first, last, depth + 1)
