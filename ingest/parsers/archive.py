"""Archives (zip, tar): the files in them, and a list of them. A file compressed alone (gzip, …) is that file.

Rule: nothing is written to disk, and nothing left out in silence: what is not unpacked is listed with the reason. Only
files that some parser may read are unpacked. Sizes count as they are read; what an archive says of itself may lie.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import pathspec
import zstandard

from ingest.errors import EncryptedFile, TooLarge, UnreadableFile, UnsupportedFile
from ingest.limits import Limits
from ingest.member_names import safe_name, unique_names
from ingest.parsers import SUFFIXES, parser_for
from ingest.parsers import parse as parse_any
from ingest.recognise import recognise
from ingest.scan import DEFAULT_IGNORE
from ingest.types import Document, Member

NAME = "archive"
VERSION = 100 + len(SUFFIXES)  # an archive is read again where more of it can be read

_BLOCK = 512  # of a tar
_PIECE = 1 << 20  # bytes read at once
_ZSTD_PIECE = 1 << 10  # of the packed
_MAX_LISTED = 1_000  # files; of the others only how many there are
_STREAMS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_OTHERS = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "RAR"))
_ENDINGS = {  # of a compressed file → of what it unpacks to
    **dict.fromkeys((".tgz", ".tbz2", ".tbz", ".txz", ".tzst"), ".tar"),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst"), ""),
}

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
    RuntimeError,  # NotImplementedError too
    zstandard.ZstdError,
)
_DAMAGED = "damaged archive: download it or pack it anew"
_UNKNOWN, _LOCKED, _LINK, _DEVICE = "no parser for it", "encrypted", "a link", "a device"
_ZIP_LOCKED = 1  # the flag
# What systems add of themselves, besides what is left out of folders.
_LITTER = ("__MACOSX/", "._*", "$RECYCLE.BIN/", "System Volume Information/")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in an archive. reason: why it is not unpacked; then `data` is None and the size is what the archive says.

    name: as written. size_bytes: None where it is not told.
    """

    name: str
    size_bytes: int | None
    data: bytes | None
    reason: str


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _ZstdStream:
    """Zstandard frames unpacked. zstandard's own reader takes the end of half a file for its end."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def read(self, size: int, /) -> bytes:
        """Some bytes, b"" at the end; of a bomb more than `size`, 128 kB for every four it takes up."""
        while piece := self._frame.unused_data or self._source.read(_ZSTD_PIECE):
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            unpacked = self._frame.decompress(piece)
            if unpacked:
                return unpacked
        if not self._frame.eof:
            raise EOFError
        return b""


class _Budget:
    """How much may still be unpacked."""

    def __init__(self, limits: Limits) -> None:
        self._limit = self._left = limits.max_unpacked_bytes

    def read(self, stream: _Stream, head: bytes = b"") -> bytes:
        """All of it behind its head, that was read. Raises TooLarge."""
        pieces = [head]
        self._left -= len(head)
        while piece := stream.read(_PIECE):
            self._left -= len(piece)
            if self._left < 0:
                raise TooLarge(f"unpacks to over {self._limit / 1e6:.0f} MB: unpack it and add the files you need")
            pieces.append(piece)
        return b"".join(pieces)


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The list of its files as text, and those that some parser may read as members, both in order of their names.

    Its own name is in neither: it may be renamed. Raises EncryptedFile if all of them are, TooLarge, UnreadableFile,
    and UnsupportedFile and others for what a file compressed alone is.
    """
    for sign, kind in _OTHERS:
        if data.startswith(sign):
            raise UnreadableFile(f"{kind} archives are not unpacked: unpack it, or pack it as .zip")
    budget = _Budget(limits)
    data, is_tar = _unpacked(data, name, budget)
    if not is_tar:
        if limits.max_nesting < 1:
            raise TooLarge("compressed over and over: unpack it")
        return parse_any(data, name=_inner_name(name), limits=replace(limits, max_nesting=limits.max_nesting - 1))
    entries: list[_Entry] = []
    litter = 0
    for entry in _entries(data, name, budget):
        if _is_litter(entry.name):
            litter += 1
            continue
        entries.append(entry)
        if len(entries) > limits.max_members:
            raise TooLarge(f"over {limits.max_members} files: unpack it and add the files you need")
    if entries and all(entry.reason == _LOCKED for entry in entries):
        raise EncryptedFile("encrypted: unpack it, or pack it without a password")
    named = zip(unique_names([entry.name for entry in entries]), entries, strict=True)
    ordered = sorted(named, key=lambda pair: pair[0])
    return Document(
        text=_listing(ordered, litter),
        title="",
        dated=None,
        fields=(),
        marks=(),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
        members=tuple(Member(member, entry.data) for member, entry in ordered if entry.data is not None),
    )


def _entries(data: bytes, name: str, budget: _Budget) -> Iterator[_Entry]:
    """The files in order of the archive."""
    if _is_zip(data, name):
        yield from _zipped(data, budget)
    else:
        yield from _tarred(data, budget)


def _is_zip(data: bytes, name: str) -> bool:
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06")) or name.lower().endswith(".zip")  # it may unpack itself


def _unpacked(data: bytes, name: str, budget: _Budget) -> tuple[bytes, bool]:
    """The bytes without their compression as a whole, and whether they are an archive. Raises UnsupportedFile."""
    if _is_zip(data, name):
        return data, True
    try:
        stream = _opened(data)
        if stream is None:
            return data, True
        inner = _inner_name(name)
        head = stream.read(_BLOCK)
        is_tar = head[257:262] == b"ustar" or inner.lower().endswith(".tar")
        if not is_tar and not _may_be_wanted(inner):
            raise UnsupportedFile(f"compressed, and no parser for .{inner.rpartition('.')[2]} files")
        return budget.read(stream, head), is_tar
    except _BROKEN as error:
        raise UnreadableFile(_DAMAGED) from error


def _opened(data: bytes) -> _Stream | None:
    """What the compressed bytes unpack to; None if they are not compressed in a known way."""
    kind = next((kind for sign, kind in _STREAMS if data.startswith(sign)), None)
    source = io.BytesIO(data)
    if kind == "gzip":
        return gzip.GzipFile(fileobj=source)
    if kind == "bzip2":
        return bz2.BZ2File(source)
    if kind == "xz":
        return lzma.LZMAFile(source)
    if kind == "zstd":
        return _ZstdStream(data)
    return None


def _inner_name(name: str) -> str:
    """Of the file that is compressed: "notes.txt" of "notes.txt.gz", "a.tar" of "a.tgz"."""
    stem, dot, ending = name.rpartition(".")
    if dot and stem and f".{ending.lower()}" in _ENDINGS:
        return stem + _ENDINGS[f".{ending.lower()}"]
    return name


def _zipped(data: bytes, budget: _Budget) -> Iterator[_Entry]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        for info in archive.infolist():
            name = _zip_name(info)
            if name.endswith("/"):  # info.is_dir() raises IndexError at an empty name
                continue
            if info.create_system == 3 and stat.S_ISLNK(info.external_attr >> 16):  # 3: Unix
                yield _Entry(name, info.file_size, None, _LINK)
            elif info.flag_bits & _ZIP_LOCKED:
                yield _Entry(name, info.file_size, None, _LOCKED)
            elif not _may_be_wanted(name):
                yield _Entry(name, info.file_size, None, _UNKNOWN)
            else:
                yield _from_zip(archive, info, name, budget)
    except _BROKEN as error:
        raise UnreadableFile(_DAMAGED) from error


def _from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: _Budget) -> _Entry:
    """One damaged file leaves the others readable: each is packed by itself."""
    try:
        with archive.open(info) as stream:
            return _read(name, stream, budget)
    except NotImplementedError:
        return _Entry(name, info.file_size, None, "packed in a way that is not known")
    except _BROKEN:
        return _Entry(name, info.file_size, None, "damaged")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """As written: UTF-8 where the archive says so or its bytes are, else code page 437 (APPNOTE.TXT, appendix D)."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _tarred(data: bytes, budget: _Budget) -> Iterator[_Entry]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            for info in archive:
                name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                if info.isdir():
                    continue
                if info.issym() or info.islnk():
                    yield _Entry(name, None, None, _LINK)
                elif not info.isfile():
                    yield _Entry(name, None, None, _DEVICE)
                elif not _may_be_wanted(name):
                    yield _Entry(name, info.size, None, _UNKNOWN)
                else:
                    stream = archive.extractfile(info)
                    assert stream is not None  # it is a file
                    yield _read(name, stream, budget)
            end = archive.offset
    except _BROKEN as error:
        raise UnreadableFile(_DAMAGED) from error
    if data[end : end + _BLOCK].strip(b"\0"):  # tarfile ends at a damaged header as at the last
        raise UnreadableFile(_DAMAGED)


def _read(name: str, stream: _Stream, budget: _Budget) -> _Entry:
    """The file unpacked, unless its bytes would have to tell what it is, and do not."""
    data = budget.read(stream)
    if parser_for(_last(name)) is None and recognise(data, None) is None:
        return _Entry(name, len(data), None, _UNKNOWN)
    return _Entry(name, len(data), data, "")


def _may_be_wanted(name: str) -> bool:
    """By the name some parser reads it, or its bytes have to tell as its name has no ending."""
    last = _last(name)
    return parser_for(last) is not None or "." not in last


def _last(name: str) -> str:
    return safe_name(name).rpartition("/")[2]


@cache
def _litter() -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines([*DEFAULT_IGNORE, *_LITTER])


def _is_litter(name: str) -> bool:
    """What a folder is read without, and what systems add of themselves."""
    return _litter().match_file(safe_name(name))


def _listing(entries: Sequence[tuple[str, _Entry]], litter: int) -> str:
    """The archive for people: how many files, then one a line with its size and why it is not read."""
    read = sum(entry.data is not None for _, entry in entries)
    lines = [f"archive of {_counted(len(entries), 'file')}, {read} of them read"]
    why = Counter(entry.reason for _, entry in entries if entry.data is None)
    lines.extend(f"not read: {count} ({reason})" for reason, count in sorted(why.items()))
    if litter:
        lines.append(f"left out: {_counted(litter, 'file')} of the system or of version control")
    if entries:
        lines.append("")
    for shown, entry in entries[:_MAX_LISTED]:
        size = "" if entry.size_bytes is None else f", {_size(entry.size_bytes)}"
        lines.append(f"- {shown}{size}" + (f" (not read: {entry.reason})" if entry.data is None else ""))
    if len(entries) > _MAX_LISTED:
        lines.append(f"and {len(entries) - _MAX_LISTED} more")
    return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(size_bytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return _counted(size_bytes, "byte")
