"""An input → one much like it, changed where its format has joints: the parts of a zip archive, the objects of a PDF,
the parts of a message, the tokens of a text; sometimes any byte.

Rule: everything comes from the generator given, so that a seed gives the same inputs again.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from benchmarks.fuzz.words import words_of, xml_words

MAX_BYTES = 150_000

_TOKEN = re.compile(rb"[A-Za-z0-9_\x80-\xff]+|\s+|[^A-Za-z0-9_\x80-\xff\s]")
_TAG = re.compile(rb"<[^<>]*>|[^<>]+|[<>]")
_OBJECT = re.compile(rb"\d+ \d+ obj\b.*?\bendobj\b", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_MARKUP = (".xml", ".rels", ".html", ".xhtml", ".htm", ".opf", ".ncx", ".svg")
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_NAMES = (
    "../../evil.txt", "/etc/passwd", "C:\\a.txt", "a\nb.txt", "a\x1b[31m.txt", "\u202etxt.exe", "a//b.txt", "a/./b.txt", "", ".", "..",
    "a/../b.txt", "x" * 300 + ".txt", "con", "a.txt", "A.TXT", "[Content_Types].xml", "mimetype", "caf\u00e9.md", "cafe\u0301.md", "b/", "\\\\host\\a.txt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutator:
    """words: of the format. markup: of the XML in it. others: inputs to take parts from."""

    parser: str
    words: Sequence[bytes]
    markup: Sequence[bytes]
    others: Sequence[bytes]

    def mutated(self, data: bytes, rng: Random, *, depth: int = 0) -> bytes:
        """One to four changes of `data`."""
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
            data = self._changed(data, rng, depth)[:MAX_BYTES]
        return data

    def _changed(self, data: bytes, rng: Random, depth: int) -> bytes:
        if rng.random() < 0.1 or not data:
            return _bytes(data, rng)
        if rng.random() < 0.02:
            return rng.choice(self.others) if self.others else data
        change: Callable[[bytes, Random], bytes]
        if data[:2] == b"PK" and depth < 3:
            return self._zip(data, rng, depth)
        if data[:2] == b"\x1f\x8b" and depth < 3:
            return self._gzip(data, rng, depth)
        if data[257:262] == b"ustar" and depth < 3:
            return self._tar(data, rng, depth)
        if b"%PDF-" in data[:1024]:
            change = self._pdf
        elif data[:4] == b"\xd0\xcf\x11\xe0" or data.count(b"\x00", 0, 4096) > 100:
            change = _binary
        elif re.search(rb"^content-type:\s*multipart", data, re.IGNORECASE | re.MULTILINE) and rng.random() < 0.5:
            change = self._mail
        elif re.match(rb"\s*<", data) and rng.random() < 0.6:
            change = self._markup
        else:
            change = self._text
        return change(data, rng)

    # -- text

    def _text(self, data: bytes, rng: Random) -> bytes:
        return self._pieces(
            data, rng, _TOKEN.findall(data) if rng.random() < 0.6 else data.splitlines(True), self.words
        )

    def _markup(self, data: bytes, rng: Random) -> bytes:
        words = self.markup if rng.random() < 0.6 else self.words
        return self._pieces(data, rng, _TAG.findall(data), words)

    def _pieces(self, data: bytes, rng: Random, pieces: list[bytes], words: Sequence[bytes]) -> bytes:
        if not pieces:
            return rng.choice(words)
        i, j = sorted(rng.randrange(len(pieces) + 1) for _ in range(2))
        if j - i > 50:
            j = i + rng.randrange(50)
        act = rng.randrange(10)
        if act == 0:
            del pieces[i:j]
        elif act == 1:
            pieces[i:i] = pieces[i:j]
        elif act == 2:
            k = rng.randrange(len(pieces) + 1)
            pieces[k:k] = pieces[i:j]
        elif act == 3 and self.others:
            other = _TOKEN.findall(rng.choice(self.others)[:50_000]) or [b""]
            k = rng.randrange(len(other))
            pieces[i:i] = other[k : k + rng.randrange(1, 40)]
        elif act == 4:  # many of the same: what nests, or is counted
            piece = rng.choice(words) if rng.random() < 0.5 else b"".join(pieces[i : min(j, i + 4)])
            piece = piece[:200] or b" "
            size = 100_000 if rng.random() < 0.05 else 10_000
            pieces.insert(i, piece * min(rng.choice((2, 5, 30, 300, 3_000, 30_000)), size // len(piece)))
        elif act == 5:
            k = rng.randrange(len(pieces))
            number = re.fullmatch(rb"\d+", pieces[k])
            pieces[k] = str(rng.choice((*_NUMBERS, -1, 10**30))).encode() if number else rng.choice(words)
        elif act == 6:
            k = rng.randrange(len(pieces))
            pieces[k] = _bytes(pieces[k], rng)
        elif act == 7:
            return b"".join(pieces[:i])
        else:
            for _ in range(rng.choice((1, 1, 2, 5))):
                pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(words))
        return b"".join(pieces)

    # -- messages

    def _mail(self, data: bytes, rng: Random) -> bytes:
        boundaries = re.findall(rb"boundary=\"?([^\"\s;]+)", data)
        if not boundaries:
            return self._text(data, rng)
        mark = b"--" + rng.choice(boundaries)
        parts = data.split(mark)
        i = rng.randrange(len(parts))
        act = rng.randrange(7)
        if act == 0 and len(parts) > 1:
            del parts[i]
        elif act == 1:
            parts.insert(i, parts[rng.randrange(len(parts))])
        elif act == 2:  # a message in a message
            parts.insert(1, b"\nContent-Type: message/rfc822\n\n" + data[: MAX_BYTES // 2] + b"\n")
        elif act == 3:
            inner = rng.choice(self.others) if self.others else data
            kind = rng.choice((b'application/zip; name="a.zip"', b"text/plain", b"text/html", b"message/rfc822"))
            encoded = base64.encodebytes(inner[:50_000])
            parts.insert(1, b"\nContent-Type: %s\nContent-Transfer-Encoding: base64\n\n%s\n" % (kind, encoded))
        elif act == 4:
            parts = [part for part in parts for _ in range(rng.choice((1, 1, 20)))]
        elif act == 5:
            head, gap, body = parts[i].partition(b"\n\n")
            lines = head.split(b"\n")
            rng.shuffle(lines)
            parts[i] = b"\n".join(lines) + gap + body
        else:
            parts[i] = self._text(parts[i], rng)
        return bytes(mark.join(parts))

    # -- PDF

    def _pdf(self, data: bytes, rng: Random) -> bytes:
        spans = [found.span() for found in _OBJECT.finditer(data)]
        if not spans or rng.random() < 0.15:
            return _bytes(data, rng)
        start, end = rng.choice(spans)
        thing = data[start:end]
        act = rng.randrange(6)
        if act == 0:
            a, b = rng.choice(spans)
            return data[:end] + b"\n" + data[a:b] + data[end:]
        if act == 1:
            a, b = rng.choice(spans)
            return data[:start] + thing.split(b"obj", 1)[0] + b"obj" + data[a:b].split(b"obj", 1)[-1] + data[end:]
        stream = _STREAM.search(thing)
        if stream is not None and act < 5:
            body = stream[1]
            with suppress(zlib.error):
                plain = zlib.decompressobj().decompress(body, MAX_BYTES)
                return data[:start] + self._stream(thing, zlib.compress(self._text(plain, rng), 1)) + data[end:]
            return data[:start] + self._stream(thing, self._text(body, rng)) + data[end:]
        return data[:start] + self._text(thing, rng) + data[end:]

    @staticmethod
    def _stream(thing: bytes, body: bytes) -> bytes:
        head = re.sub(rb"/Length\s+\d+(?!\s+\d+\s+R)", b"/Length %d" % len(body), thing.split(b"stream", 1)[0], count=1)
        return head + b"stream\n" + body + b"\nendstream\nendobj"

    # -- archives

    def _zip(self, data: bytes, rng: Random, depth: int) -> bytes:
        parts = zip_parts(data)
        if not parts:
            return _binary(data, rng)
        act = rng.randrange(20)
        i = rng.randrange(len(parts))
        name, body = parts[i]
        if act == 0:
            del parts[i]
        elif act == 1:
            parts.append((name, parts[rng.randrange(len(parts))][1]))
        elif act == 2:
            parts[i] = (rng.choice(_NAMES), body)
        elif act == 3:
            parts.insert(i, (rng.choice(_NAMES), rng.choice(self.others) if self.others else body))
        elif act == 4:
            parts[i] = (name, parts[rng.randrange(len(parts))][1])
        elif act == 5:
            parts[i] = (name, body * rng.choice((0, 2, 10, 50)))
        elif act == 6:
            whole = zip_of(parts)
            return _binary(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole, rng)
        else:
            if rng.random() < 0.7:  # the large parts hold the text
                i = max(rng.sample(range(len(parts)), min(3, len(parts))), key=lambda k: len(parts[k][1]))
                name, body = parts[i]
            if name.lower().endswith(_MARKUP) or body.lstrip()[:1] == b"<":
                body = self._markup(body, rng) if rng.random() < 0.8 else self._text(body, rng)
            else:
                body = self.mutated(body, rng, depth=depth + 1)
            parts[i] = (name, body)
        return zip_of(parts)

    def _gzip(self, data: bytes, rng: Random, depth: int) -> bytes:
        with suppress(OSError, EOFError, zlib.error):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                plain = packed.read(MAX_BYTES)
            return gzip.compress(self.mutated(plain, rng, depth=depth + 1), 1, mtime=0)
        return _binary(data, rng)

    def _tar(self, data: bytes, rng: Random, depth: int) -> bytes:
        out = io.BytesIO()
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive, tarfile.open(fileobj=out, mode="w") as copy:
                entries = archive.getmembers()[:100]
                k = rng.randrange(len(entries) or 1)
                for i, entry in enumerate(entries):
                    packed = archive.extractfile(entry) if entry.isfile() else None
                    body = b"" if packed is None else packed.read()
                    if i == k:
                        act = rng.randrange(4)
                        if act == 0:
                            entry.name = rng.choice(_NAMES) or "a"
                        elif act == 1:
                            entry.type = rng.choice(
                                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
                            )
                            entry.linkname = rng.choice(_NAMES)
                        else:
                            body = self.mutated(body, rng, depth=depth + 1)
                    entry.size = len(body)
                    copy.addfile(entry, io.BytesIO(body))
            return out.getvalue()
        except (tarfile.TarError, OSError, ValueError, EOFError):
            return _binary(data, rng)


def mutator(parser: str, others: Sequence[bytes], *, canary: str, url: str) -> Mutator:
    """The mutator for a parser's inputs."""
    return Mutator(parser, words_of(parser, canary=canary, url=url), xml_words(canary=canary, url=url), others)


def zip_parts(data: bytes) -> list[tuple[str, bytes]]:
    """The parts of a zip archive that can be read, each up to a limit; [] for a broken one."""
    parts = []
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist()[:200]:
            with archive.open(entry) as part:
                parts.append((entry.filename, part.read(MAX_BYTES)))
    return parts


def zip_of(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip archive of those parts; names may be odd, or twice the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, body in parts:
            entry = zipfile.ZipInfo("x")
            entry.filename = name[:60_000]
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            with suppress(UnicodeEncodeError):
                archive._didModify = True  # type: ignore[attr-defined]  # no warning about a name twice
                archive.NameToInfo.pop(entry.filename, None)
                archive.writestr(entry, body)
    return out.getvalue()


def _bytes(data: bytes, rng: Random) -> bytes:
    """A change of any bytes."""
    act = rng.randrange(6)
    i = rng.randrange(len(data) + 1)
    if act == 0 and data:
        i %= len(data)
        return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1 :]
    if act == 1:
        return data[:i] + data[i + rng.choice((1, 2, 4, 16, 200)) :]
    if act == 2:
        return data[:i] + bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 4, 8)))) + data[i:]
    if act == 3:
        return data[:i]
    if act == 4:
        j = min(len(data), i + rng.choice((1, 4, 64, 1000)))
        return data[:j] + data[i:j] + data[j:]
    return data[:i] + rng.choice((b"\x00", b"\xff", b"\r", b"\n", b"\xed\xa0\x80", b"\x80")) + data[i + 1 :]


def _binary(data: bytes, rng: Random) -> bytes:
    """A change of a number, of a sector, or of any bytes."""
    if len(data) < 8:
        return _bytes(data, rng)
    act = rng.randrange(4)
    size = rng.choice((1, 2, 4))
    if act == 0:  # half of them in the head, where the sizes and offsets are
        i = rng.randrange(min(len(data), 1024) if rng.random() < 0.5 else len(data))
        number = rng.choice(_NUMBERS) & (1 << 8 * size) - 1
        return data[:i] + number.to_bytes(size, "little") + data[i + size :]
    if act == 1:
        i = rng.randrange(len(data) - size + 1)
        number = int.from_bytes(data[i : i + size], "little") + rng.choice((-2, -1, 1, 2, 256))
        return data[:i] + (number & (1 << 8 * size) - 1).to_bytes(size, "little") + data[i + size :]
    if act == 2:
        a, b = (rng.randrange(len(data) // 512 + 1) * 512 for _ in range(2))
        return data[:a] + data[b : b + 512] + data[a + 512 :]
    return _bytes(data, rng)
