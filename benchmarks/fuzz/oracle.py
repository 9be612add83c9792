"""What must hold of whatever bytes a parser is given; each fault is named, nothing is raised.

Rule: a parser's own `parse` is asked, not the table's, which would turn every fault of ours into a damaged file. A
fault's kind says where it comes from, so that two inputs with the same cause have the same kind.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import time
import traceback
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from importlib import import_module
from pathlib import Path

from ingest import Chunk, Document, IngestError, Mark, MarkKind, Member
from ingest.apart import decoded, encoded
from ingest.chunk import LARGEST, split
from ingest.limits import DEFAULT, Limits
from ingest.parsers import parse as parse_any
from ingest.parsers import parser_version

LIMITS = replace(
    DEFAULT, max_pages=200, max_members=200, max_unpacked_bytes=4_000_000, max_chars=2_000_000, max_nesting=3
)
"""Small, so that what grows past them is seen soon."""

ANY = "any"
"""The table's own `parse`: whatever the bytes are, under whatever name."""

MAX_MESSAGE_CHARS = 200
_PASSING = frozenset([ANY, "archive"])  # what is one file compressed is read as that file
CANARY = "canary-7f3a91"  # what a file beside the input holds; in a document it shows that the file was opened

_FLAT = frozenset({MarkKind.PAGE, MarkKind.CELL, MarkKind.SLIDE, MarkKind.SHEET, MarkKind.ROW, MarkKind.TIME})
_NUMBERED = frozenset({MarkKind.PAGE, MarkKind.CELL, MarkKind.SLIDE, MarkKind.ROW})
_TIME = re.compile(r"\d+:\d\d:\d\d")
_PATH = re.compile(r"(?:^|[\s'\"(])(?:/\w|[A-Za-z]:\\)|/(?:tmp|home|usr|var|root|proc)/")
_TOKEN = re.compile(r"\w{1,4}|[^\w\s]")
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What runs tesseract and LibreOffice, and what may hold such a file.
_MAY_RUN = frozenset([ANY, "image", "office", "pdf", "archive"])
# https://docs.python.org/3/library/audit_events.html
_WATCHED = frozenset(
    "open os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile os.system os.mkdir os.remove os.rename "
    "os.rmdir os.symlink os.link os.chmod pty.spawn socket.connect socket.bind socket.getaddrinfo "
    "socket.gethostbyname socket.sendto subprocess.Popen urllib.Request ftplib.connect tempfile.mkdtemp "
    "tempfile.mkstemp webbrowser.open".split()
)
_STARTING = frozenset(
    ["subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "tempfile.mkdtemp", "tempfile.mkstemp"]
)
_SECONDS = 2.0  # for any input, and for each 100 KB of it
_SECONDS_AN_UNPACKED_MB = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """kind: the same for the same cause. detail: what was seen, for people."""

    kind: str
    detail: str


def count_tokens(text: str) -> int:
    """Words in pieces of four, each sign one: as a tokenizer counts, about, and fast."""
    return sum(1 for _ in _TOKEN.finditer(text))


def faults(parser: str, data: bytes, *, name: str, limits: Limits = LIMITS, is_twice: bool = True) -> list[Fault]:
    """What is wrong with what the parser makes of the bytes, and with its chunks; [] if nothing.

    parser: a name of the table, or ANY. is_twice: read them again, and compare. Raises MemoryError.
    """
    start = time.process_time()
    with _watched(parser) as seen:
        result, fault = _result(parser, data, name, limits)
    found = list(dict.fromkeys(seen))
    if fault is not None:
        return [*found, fault]
    if isinstance(result, IngestError):
        found += _of_error(result)
    elif result is not None:
        found += of_document(parser, result, limits)
        found += of_chunks(result)
    took_s = time.process_time() - start
    allowed_s = _allowed_s(data, limits)
    if took_s > allowed_s:
        found.append(Fault("slow", f"{took_s:.1f} s of CPU for {len(data)} bytes, {allowed_s:.1f} allowed"))
    if is_twice and result is not None:
        again, _ = _result(parser, data, name, limits)
        if _shown(again) != _shown(result):
            found.append(Fault("differs: the same bytes read twice", ""))
    return list({fault.kind: fault for fault in found}.values())


def _result(parser: str, data: bytes, name: str, limits: Limits) -> tuple[Document | IngestError | None, Fault | None]:
    try:
        if parser == ANY:
            return parse_any(data, name=name, limits=limits), None
        return import_module(f"ingest.parsers.{parser}").parse(data, name=name, limits=limits), None
    except IngestError as error:
        cause: BaseException | None = error
        while cause is not None:  # what the table hides
            if isinstance(cause, MemoryError):
                raise cause from None
            if str(error).startswith("damaged or unusual") and cause is not error:
                return None, Fault(f"raises {_origin(cause)}", _last_lines(cause))
            cause = cause.__cause__
        return error, None
    except MemoryError:
        raise
    except Exception as error:
        return None, Fault(f"raises {_origin(error)}", _last_lines(error))


def _origin(error: BaseException) -> str:
    """Class, and the last line of ours that it came through: "IndexError at sheet.py:_cell"."""
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "/ingest/" in frame.filename.replace("\\", "/")
    ]
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else "nowhere of ours"
    return f"{type(error).__name__} at {place}"


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-4:])


def _shown(result: Document | IngestError | None) -> object:
    return (type(result), str(result)) if isinstance(result, IngestError) else result


def _allowed_s(data: bytes, limits: Limits) -> float:
    unpacked = 0
    if data[:2] == b"PK":
        with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = min(sum(entry.file_size for entry in archive.infolist()), limits.max_unpacked_bytes)
    elif data[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7"):
        unpacked = limits.max_unpacked_bytes
    return _SECONDS * (1 + len(data) / 100_000) + _SECONDS_AN_UNPACKED_MB * unpacked / 1e6


# -- reasons


def _of_error(error: IngestError) -> Iterator[Fault]:
    reason = str(error)
    kind = re.sub(r"\d+", "0", reason)[:60]
    if not reason.strip():
        yield Fault(f"reason: none of {type(error).__name__}", "")
        return
    if len(reason) > MAX_MESSAGE_CHARS:
        yield Fault(f"reason: too long: {kind}", reason)
    if not _is_line(reason) or any(unicodedata.category(c) in ("Cc", "Cs") for c in reason):
        yield Fault(f"reason: not one line: {kind}", reason)
    if not (reason[0].islower() or reason[0].isdigit()):
        yield Fault(f"reason: no small letter first: {kind}", reason)
    if _PATH.search(reason):
        yield Fault(f"reason: a path: {kind}", reason)
    if CANARY in reason:
        yield Fault("outside: a reason holds what another file says", reason)
    with suppress(type(error)):
        decoded(encoded(error))
        yield Fault("encoded: an error comes back as none", reason)


def _is_line(text: str) -> bool:
    """One line, not blank. Other control characters may stand in a text, its headings too; the terminal masks them."""
    return bool(text.strip()) and len(text.splitlines()) == 1 and "\x00" not in text


# -- documents


def of_document(parser: str, document: Document, limits: Limits) -> Iterator[Fault]:
    """What is wrong with a document."""
    text = document.text
    for sign, shown in (("\r", "a carriage return"), ("\x00", "a NUL"), ("\x0c", "a form feed")):
        if sign in text:
            yield Fault(f"text: {shown}", repr(text[max(0, text.index(sign) - 20) :][:60]))
    for part, given in (("text", text), ("title", document.title)):
        if not _is_utf8(given):
            yield Fault(f"{part}: a lone surrogate", repr(given[:80]))
    if parser != ANY and len(text) > 4 * limits.max_chars:  # the table refuses what is over it; a parser should in time
        yield Fault("text: many times the limit", f"{len(text)} characters")
    if document.title and not _is_line(document.title):
        yield Fault("title: not one line", repr(document.title[:80]))
    if document.dated is not None and type(document.dated) is not date:
        yield Fault("dated: no date", repr(document.dated))
    is_own = document.parser == parser or parser in _PASSING
    if not is_own or document.parser_version != parser_version(document.parser):
        yield Fault("parser: another's name or number", f"{document.parser} {document.parser_version}")
    yield from _of_marks(document.marks, text)
    yield from _of_fields(document)
    yield from _of_members(document.members, limits)
    everything = [text, document.title, *(field.value for field in document.fields)]
    if any(CANARY in part for part in everything) or any(CANARY.encode() in m.data for m in document.members):
        yield Fault("outside: it holds what another file says", "")
    try:
        back = decoded(encoded(document))
    except Exception as error:
        yield Fault(f"encoded: {type(error).__name__}", _last_lines(error))
    else:
        if back != document:
            yield Fault("encoded: comes back as another", "")


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _of_marks(marks: Sequence[Mark], text: str) -> Iterator[Fault]:
    starts = [mark.start for mark in marks]
    if starts != sorted(starts):
        yield Fault("marks: not in order", repr(starts[:40]))
    if starts and not 0 <= min(starts) <= max(starts) <= len(text):
        yield Fault("marks: outside the text", f"{min(starts)} to {max(starts)} of {len(text)}")
    for mark in marks:
        kind = mark.kind.value
        if not _is_line(mark.label) or not _is_utf8(mark.label):
            yield Fault(f"marks: the label of a {kind} is not one line", repr(mark.label[:80]))
        if (mark.level != 0) if mark.kind in _FLAT else (mark.level < 1):
            yield Fault(f"marks: the level of a {kind}", repr(mark))
        if mark.kind in _NUMBERED and not (mark.label.isascii() and mark.label.isdecimal() and mark.label != "0"):
            yield Fault(f"marks: the number of a {kind}", repr(mark.label[:80]))
        if mark.kind is MarkKind.TIME and not _TIME.fullmatch(mark.label):
            yield Fault("marks: a time", repr(mark.label[:80]))


def _of_fields(document: Document) -> Iterator[Fault]:
    text = document.text
    for field in document.fields:
        if not field.name or field.name != field.name.lower() or any(c.isspace() for c in field.name):
            yield Fault("fields: a name", repr(field))
        if not _is_utf8(field.name + field.value) or len(field.value.splitlines()) > 1 or "\x00" in field.value:
            yield Fault("fields: a value of more than one line", repr(field)[:200])
        if (field.start is None) != (field.end is None):
            yield Fault("fields: half a span", repr(field))
        elif field.start is not None and field.end is not None:
            if not 0 <= field.start < field.end <= len(text):
                yield Fault("fields: a span outside the text", repr(field)[:200])
                continue
            printed = text[field.start : field.end].lower().lstrip(":\"'#*%@+\\{\n ")
            if not re.sub(r"[\s_.-]+", "-", printed).startswith(field.name):
                yield Fault("fields: a span that begins with something else", f"{field!r:.150} {printed[:40]!r}")


def _of_members(members: Sequence[Member], limits: Limits) -> Iterator[Fault]:
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        yield Fault("members: a name twice", repr(sorted(names)[:20]))
    if len(members) > limits.max_members:
        yield Fault("members: too many", str(len(members)))
    unpacked = sum(len(member.data) for member in members)
    if unpacked > limits.max_unpacked_bytes:
        yield Fault("members: over the limit", f"{unpacked} bytes")
    for name in names:
        parts = name.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\\" in name or re.match(r"[A-Za-z]:", name):
            yield Fault("members: a name that leads elsewhere", repr(name[:100]))
        elif not _is_utf8(name) or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in _OVERRIDES for c in name):
            yield Fault("members: a name not safe to show", repr(name[:100]))
        elif len(name.encode()) > 1_000:
            yield Fault("members: a name too long", f"{len(name)} characters")


# -- chunks


def of_chunks(document: Document, *, target_tokens: int = 60) -> list[Fault]:
    """What is wrong with the chunks of a document."""
    try:
        chunks = split(document, count_tokens=count_tokens, target_tokens=target_tokens)
    except Exception as error:
        return [Fault(f"split raises {_origin(error)}", _last_lines(error))]
    return [*_of_chunks(document, chunks, round(target_tokens * LARGEST))]


def _of_chunks(document: Document, chunks: Sequence[Chunk], largest: int) -> Iterator[Fault]:
    text = document.text
    at = 0
    for chunk in chunks:
        if text[chunk.start : chunk.end] != chunk.text:
            yield Fault("chunks: another text than at its place", repr(chunk)[:200])
        if chunk.start < at:
            yield Fault("chunks: overlap", f"{chunk.start} < {at}")
        elif text[at : chunk.start].strip():
            yield Fault("chunks: text between them", repr(text[at : chunk.start][:80]))
        if not chunk.text.strip():
            yield Fault("chunks: a blank one", repr(chunk)[:200])
        size = count_tokens(chunk.text) + count_tokens(chunk.context)
        if size > largest:
            yield Fault("chunks: too large", f"{size} tokens of {largest}")
        if any("\n" in part or not _is_utf8(part) for part in (chunk.label, chunk.context)):
            yield Fault("chunks: a label or context of two lines", repr((chunk.label, chunk.context))[:200])
        if chunk.page is not None and chunk.page < 1:
            yield Fault("chunks: a page", str(chunk.page))
        at = max(at, chunk.end)
    if text[at:].strip():
        yield Fault("chunks: text behind the last", repr(text[at : at + 80]))


# -- what is opened

_seen: list[Fault] | None = None  # where the hook, which cannot be taken away again, writes
_may_run = False
_is_hooked = False
_library: tuple[str, ...] = ()
_temporary = ""


@contextmanager
def _watched(parser: str) -> Iterator[list[Fault]]:
    """What the interpreter opens, starts or connects to meanwhile, libraries aside."""
    global _seen, _may_run, _is_hooked, _library, _temporary  # noqa: PLW0603
    if not _is_hooked:
        here = Path(__file__).resolve().parents[2]
        folders = [sys.prefix, sys.base_prefix, *(entry for entry in sys.path if entry not in ("", ".")), str(here)]
        real = {str(Path(folder).resolve()) for folder in folders} | {str(folder) for folder in folders}
        _library = tuple(f"{folder}/" for folder in sorted(real) if folder != "/")
        _temporary = tempfile.gettempdir()  # not in the hook: what it opens, under a lock, would call the hook again
        sys.addaudithook(_hook)
        _is_hooked = True
    seen: list[Fault] = []
    _seen, _may_run = seen, parser in _MAY_RUN
    try:
        yield seen
    finally:
        _seen = None


def _hook(event: str, given: tuple[object, ...]) -> None:
    if _seen is None or event not in _WATCHED:
        return
    if _may_run and (event in _STARTING or (given and _is_temporary(given[0]))):
        return
    if event == "open":
        path, mode = given[0], given[1] if len(given) > 1 else None
        if isinstance(path, int):
            return
        shown = _shown_path(path)
        flags = given[2] if len(given) > 2 and isinstance(given[2], int) else 0
        is_written = bool(set(str(mode or "")) & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if "/__pycache__/" in shown and shown.startswith(_library):  # the compiled code of what is imported late
            return
        if not is_written and shown.startswith((*_library, "/proc/", "/usr/share/", "/usr/lib/", "/etc/mime.types")):
            return
        if shown in ("", "/dev/null", "/dev/urandom", "/etc/apache2/mime.types", "/etc/httpd/mime.types"):
            return
    _seen.append(Fault(f"outside: {event}", repr(given)[:200]))


def _is_temporary(path: object) -> bool:
    """In the folder for such, or told from a folder that is open (as shutil.rmtree does)."""
    if not isinstance(path, (str, bytes)):
        return False
    shown = _shown_path(path)
    return shown.startswith(_temporary) or not os.path.isabs(shown)


def _shown_path(path: object) -> str:
    return path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
