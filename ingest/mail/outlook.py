"""An Outlook message's properties, attachments and recipients (MS-OXMSG), read from the compound file it is kept in.

Rule: what is damaged is absent. No stream is read that claims more than the file has, nor more in all than the limit.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.decode import clean, encoding_of
from ingest.errors import TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.sheets.compound import is_endless

if TYPE_CHECKING:
    from olefile import OleFileIO

_PROPERTIES = "__properties_version1.0"
_UNICODE, _STRING, _BINARY, _STORAGE = "001F", "001E", "0102", "000D"
_BOOLEAN, _TIME = 0x000B, 0x0040
_CODEPAGE, _PAGE_CODEPAGE = 0x3FFD, 0x3FDE  # of the message's strings, of its HTML
_CODEPAGE_NAMES = {65001: "utf-8", 20127: "ascii", 28591: "latin-1", 50220: "iso2022_jp", 20866: "koi8-r"}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_HEADER_BYTES = {"": 32, "message": 24}  # before the entries; 8 in recipients and attachments


class Storage:
    """A message, a recipient or an attachment. Property numbers are those of MS-OXPROPS, 0x0037 the subject."""

    def __init__(self, file: CompoundFile, path: tuple[str, ...], kind: str, codepage: int | None = None) -> None:
        """kind: "" for the file's own message, "message" for one in it, else anything. codepage: of its owner."""
        self._file = file
        self._path = path
        self._fixed = dict(self._entries(_HEADER_BYTES.get(kind, 8)))
        self._codepage = self.number(_CODEPAGE) or self.number(_PAGE_CODEPAGE) or codepage

    def text(self, number: int) -> str:
        """A property of text, on as many lines as it has; "" if there is none."""
        wide = self._stream(number, _UNICODE)
        if wide is not None:
            return clean(wide[: len(wide) // 2 * 2].decode("utf-16-le", "replace")).strip("\x00")
        narrow = self._stream(number, _STRING)
        return (
            ""
            if narrow is None
            else clean(narrow.decode(_encoding(self._codepage) or "cp1252", "replace")).strip("\x00")
        )

    def binary(self, number: int) -> bytes | None:
        """A property of bytes, None if there is none."""
        return self._stream(number, _BINARY)

    def number(self, number: int) -> int | None:
        """A property that is a number, None if there is none."""
        entry = self._fixed.get(number)
        return None if entry is None else int(struct.unpack_from("<i", entry[1])[0])

    def is_set(self, number: int) -> bool:
        """Whether a property that is yes or no is there and says yes."""
        kind, value = self._fixed.get(number, (0, b"\0"))
        return kind == _BOOLEAN and value[0] != 0

    def time(self, number: int) -> datetime | None:
        """A property that is a time, None if there is none."""
        kind, value = self._fixed.get(number, (0, b""))
        if kind != _TIME:
            return None
        try:
            return _EPOCH + timedelta(microseconds=struct.unpack("<Q", value)[0] // 10)
        except OverflowError:
            return None

    def html(self) -> bytes | None:
        """The words in HTML: bytes in the page's own encoding, or UTF-8 with its mark."""
        found = self._stream(0x1013, _BINARY)
        if found is not None:
            encoding = _encoding(self.number(_PAGE_CODEPAGE) or self._codepage)
            return (
                found if encoding in (None, "utf-8") else b"\xef\xbb\xbf" + found.decode(encoding, "replace").encode()
            )
        text = self.text(0x1013)
        return b"\xef\xbb\xbf" + text.encode() if text else None

    def parts(self, start: str) -> Iterator[Storage]:
        """The storages in it whose names begin so, in their order: recipients, attachments."""
        for name in self._file.names(self._path):
            if name.lower().startswith(start):
                yield Storage(self._file, (*self._path, name), "part", self._codepage)

    def message(self) -> Storage | None:
        """The message attached here, None if something else is."""
        name = f"__substg1.0_3701{_STORAGE}"
        if name not in self._file.names(self._path):
            return None
        return Storage(self._file, (*self._path, name), "message", self._codepage)

    def _stream(self, number: int, kind: str) -> bytes | None:
        return self._file.read((*self._path, f"__substg1.0_{number:04X}{kind}"))

    def _entries(self, header_bytes: int) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Property number → type and eight bytes."""
        data = self._file.read((*self._path, _PROPERTIES)) or b""
        for at in range(header_bytes, len(data) - 15, 16):
            kind, number = struct.unpack_from("<HH", data, at)
            yield number, (kind, data[at + 8 : at + 16])


def _encoding(codepage: int | None) -> str | None:
    """Python's name for a code page of Windows, None if it is not known."""
    return None if codepage is None else encoding_of(_CODEPAGE_NAMES.get(codepage, f"cp{codepage}"))


class CompoundFile:
    """The storages and streams of an OLE file. Raises UnreadableFile for a damaged one, TooLarge over the limit."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        import olefile

        if is_endless(data):  # olefile would read it over and over
            raise UnreadableFile("damaged Outlook message: open it in Outlook and save it anew")
        try:
            self._ole: OleFileIO = olefile.OleFileIO(io.BytesIO(data))
            listed = self._ole.listdir(streams=True, storages=True)
        except Exception as error:  # olefile on damaged files raises many kinds
            raise UnreadableFile("damaged Outlook message: open it in Outlook and save it anew") from error
        self._size = len(data)
        self._left = limits.max_unpacked_bytes
        self._limit = limits.max_unpacked_bytes
        self._children: dict[tuple[str, ...], set[str]] = {}
        for path in listed:
            self._children.setdefault(tuple(path[:-1]), set()).add(path[-1])

    def names(self, path: tuple[str, ...]) -> list[str]:
        """What is in a storage, in order."""
        return sorted(self._children.get(path, ()))

    def read(self, path: tuple[str, ...]) -> bytes | None:
        """The bytes of a stream, None if there is none or it is damaged."""
        if path[-1] not in self._children.get(path[:-1], ()):
            return None
        try:
            size = int(self._ole.get_size(list(path)))
            if size > self._size:
                return None
            self._left -= size
            if self._left < 0:
                raise TooLarge(f"unpacks to over {self._limit / 1e6:.0f} MB, the limit: save its files apart")
            with self._ole.openstream(list(path)) as stream:
                return bytes(stream.read())
        except TooLarge:
            raise
        except Exception:  # olefile on damaged streams, and where a storage has the name
            return None
