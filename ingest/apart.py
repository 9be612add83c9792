"""Parsing in a process apart, so that one poisoned file delays no other and kills nothing.

Rule: a file is to blame only if a fresh process hangs or dies over it. The process is a new interpreter, no fork (the
parent has threads, SQLite and FAISS open), and finds its code where the parent has it, never in the current folder.
Messages are parts: to the process a file's name and its data, back a document or an error in JSON, and the bytes of
each file in it; before that, at long work, messages without any part, with which the time begins anew.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

from ingest import errors
from ingest.errors import IngestError, UnreadableFile
from ingest.heartbeat import hear
from ingest.limits import DEFAULT, Limits
from ingest.parsers import parse, parser_for
from ingest.recognise import has_signature
from ingest.types import Document, Field, Mark, MarkKind, Member

logger = logging.getLogger(__name__)

IN_PLACE = frozenset(["text", "markdown", "restructured", "org", "latex", "subtitles", "source"])
"""Parsers that walk over plain text in time that its length bounds. The files of all others are read apart: PDFium,
lxml and lexbor are C and C++, where a small file may hang, eat memory or crash; what unpacks or nests may be a bomb."""

_HARMLESS_BYTES = 4_000_000  # the worst Markdown tried takes 2 s a MB

_START_S = 30.0  # an interpreter starts in 0.05 s; on a machine that swaps, in many
_GRACE_S = 0.3  # an orphan ends this long after its parent would have killed it
_OUT_OF_MEMORY = 77  # the child's exit status after a MemoryError
_LENGTH = struct.Struct(">Q")
# Behind the standard library, alone on the path, the package is this one, whatever else is installed under its name.
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from ingest.apart import serve; sys.path[-1:] = sys.argv[3:]; "
    "serve(sys.argv[2])"
)
_ADVICE = "open it in its own program and save it anew"
_KINDS: dict[str, type[IngestError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, IngestError)
}


class Cancelled(Exception):
    """Nobody wants the file any more; it is not to blame."""


def is_apart(name: str, data: bytes) -> bool:
    """A file of that name with those bytes is read in the process apart."""
    return parser_for(name) not in IN_PLACE or len(data) > _HARMLESS_BYTES or has_signature(data)


class ParserProcess:
    """Reads files as `ingest.parsers.parse` does, all but plain text in one process kept for them.

    It starts with the first file that needs it (0.05 s), and anew after it died. Threads take turns.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        memory_bytes = limits.memory_bytes
        if limits.timeout_s <= 0 or (memory_bytes is not None and memory_bytes <= 0):
            raise ValueError(f"limits must be positive: {limits.timeout_s} s, {memory_bytes} bytes")
        self._limits = limits
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._is_closed = False
        self._is_cancelled = False

    def parse(self, data: bytes, *, name: str) -> Document:
        """As `ingest.parsers.parse`; raises UnreadableFile too if the file takes too long or too much memory, or
        crashes its parser.
        """
        if not is_apart(name, data):
            return parse(data, name=name, limits=self._limits)
        with self._lock:
            if self._is_closed:
                raise ValueError("the parser process is closed")
            try:
                answer = self._answer(data, name)
            except BaseException:  # ^C: nobody waits for the answer any more
                self._end()
                raise
        return decoded(answer)

    def close(self) -> None:
        """Ends the process, after the file it is at."""
        with self._lock:
            self._is_closed = True
            self._end()

    def cancel(self) -> None:
        """Ends the process now: `parse`, in whatever thread it is, raises Cancelled, and does so from now on."""
        self._is_cancelled = True
        child = self._child
        if child is not None:
            child.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, data: bytes, name: str) -> list[bytes]:
        while True:
            child = self._living()
            if self._is_cancelled:
                raise Cancelled
            timeout_s, memory_bytes = self._limits.timeout_s, self._limits.memory_bytes
            answer = child.ask(name.encode("utf-8", "surrogatepass"), data, timeout_s=timeout_s)
            if answer is not None:
                child.has_answered = True
                return answer
            if self._is_cancelled:
                raise Cancelled
            status = self._end()
            logger.info("the parser process ended with status %s at %s", status, name)
            if child.is_late:
                raise UnreadableFile(f"took longer than {timeout_s:g} s to read: {_ADVICE}")
            if not child.has_answered:
                raise UnreadableFile(_cause_of_death(status, memory_bytes))
            # it was killed since, or the files before this one left it damaged or short of memory: once more

    def _living(self) -> _Child:
        if self._child is None:
            try:
                self._child = _Child(self._limits)
            except OSError as error:
                raise UnreadableFile(
                    f"no process could be started to read it ({error}): close other programs"
                ) from error
            if self._child.ask(timeout_s=_START_S) is None:
                status = self._end()
                raise UnreadableFile(f"no process could be started to read it (status {status}): close other programs")
        return self._child

    def _end(self) -> int:
        """Kills the process; its exit status, minus the signal's number if one ended it."""
        child, self._child = self._child, None
        return 0 if child is None else child.end()


class _Child:
    """A process. has_answered: over a file before; is_late: killed for the time it took."""

    def __init__(self, limits: Limits) -> None:
        """Raises OSError."""
        self.has_answered = False
        self.is_late = False
        package = Path(__file__).resolve().parent
        # -I: no environment, no current folder; -S: no code of site-packages at the start
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(package.parent), json.dumps(asdict(limits))]
        self.process = subprocess.Popen(
            [*command, *_library_folders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=package.anchor,  # keeps no folder of the user's busy
            process_group=0,  # ^C in the terminal is for the parent; the child ignores it only once it runs
        )

    def ask(self, *parts: bytes, timeout_s: float) -> list[bytes] | None:
        """The next message, after sending one if it has parts; None if the process died or had to be killed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.is_late = False
        timer = self._restarted(None, timeout_s)
        try:
            if parts:
                _send(self.process.stdin, parts)
            while not (answer := _receive(self.process.stdout)) and parts:  # a sign of life
                timer = self._restarted(timer, timeout_s)
            return answer
        except (EOFError, OSError):
            return None
        finally:
            timer.cancel()
            timer.join()  # so that it cannot kill at the next file

    def end(self) -> int:
        """Kills the process; its exit status if it had ended."""
        self.process.kill()  # does nothing to one that is dead
        status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not yet sent
                    pipe.close()
        self.is_late = self.is_late or (hasattr(signal, "SIGALRM") and status == -signal.SIGALRM)
        return status

    def _restarted(self, timer: threading.Timer | None, timeout_s: float) -> threading.Timer:
        if timer is not None:
            timer.cancel()
            timer.join()  # so that it does not kill later
        timer = threading.Timer(timeout_s, self._expire)
        timer.daemon = True
        timer.start()
        return timer

    def _expire(self) -> None:
        self.is_late = True
        self.process.kill()


def _library_folders() -> list[str]:
    """Where the parent finds libraries; not the current folder, where anything may lie under any name."""
    try:
        here = os.path.realpath(os.curdir)
    except OSError:  # it was deleted
        here = ""
    return [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) != here]


def _cause_of_death(status: int, memory_bytes: int | None) -> str:
    """For people. A C++ library that gets no memory aborts, and a system that has none left kills."""
    limit = "there is" if memory_bytes is None else f"{memory_bytes / 1e6:.0f} MB"
    if status == _OUT_OF_MEMORY:
        return f"needs more memory than {limit} to read: split the file"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    if name in ("SIGABRT", "SIGKILL"):
        return f"its parser broke off ({name}), mostly for more memory than {limit}: split the file, or {_ADVICE}"
    return f"crashed its parser ({name}): {_ADVICE}"


# -- in the child


def serve(limits_json: str) -> NoReturn:
    """Parses what comes in on stdin, until that ends: with the parent, however it does."""
    limits = Limits(**json.loads(limits_json))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _taken(0, "rb"), _taken(1, "wb")
    _limit_memory(limits.memory_bytes)
    _send(answers, ())  # ready

    def live_on() -> None:
        _set_alarm(limits.timeout_s + _GRACE_S)
        _send(answers, ())

    hear(live_on)
    try:
        while True:
            name, data = _receive(requests)
            _set_alarm(limits.timeout_s + _GRACE_S)
            answer = _answer(data, name.decode("utf-8", "surrogatepass"), limits)
            _set_alarm(0)
            _send(answers, answer)
    except (EOFError, BrokenPipeError):
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _taken(descriptor: int, mode: str) -> IO[bytes]:
    """The standard stream for our use alone: a library that prints, prints into nothing."""
    taken = os.fdopen(os.dup(descriptor), mode)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    return taken


def _limit_memory(memory_bytes: int | None) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with suppress(OSError, ValueError):  # macOS refuses some; the parent's own limit may be lower
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _set_alarm(seconds: float) -> None:
    """Ends this process then, even in C code; 0 is never."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(data: bytes, name: str, limits: Limits) -> list[bytes]:
    """Raises MemoryError where the parser made another error of it."""
    try:
        return encoded(parse(data, name=name, limits=limits))
    except IngestError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                raise cause from None
            cause = cause.__cause__
        return encoded(error)


# -- messages


def encoded(result: Document | IngestError) -> list[bytes]:
    """As JSON, then the bytes of each member; of an error its class, its message, and for the log its cause's trace."""
    if isinstance(result, IngestError):
        trace = "".join(traceback.format_exception(result.__cause__)) if result.__cause__ else ""
        answer: dict[str, object] = {"error": type(result).__name__, "message": str(result), "trace": trace}
    else:
        answer = {
            "text": result.text,
            "title": result.title,
            "dated": None if result.dated is None else result.dated.isoformat(),
            "fields": [(field.name, field.value, field.start, field.end) for field in result.fields],
            "marks": [(mark.start, mark.kind.value, mark.label, mark.level) for mark in result.marks],
            "is_source": result.is_source,
            "parser": result.parser,
            "parser_version": result.parser_version,
            "members": [member.name for member in result.members],
        }
    shown = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return [shown, *(member.data for member in result.members)] if isinstance(result, Document) else [shown]


def decoded(answer: Sequence[bytes]) -> Document:
    """What was encoded: returns a document, raises an error."""
    found = json.loads(answer[0].decode("utf-8", "surrogatepass"))
    if "error" in found:
        if found["trace"]:
            logger.info("in the parser process: %s", found["trace"])
        raise _KINDS[found["error"]](found["message"])
    return Document(
        text=found["text"],
        title=found["title"],
        dated=None if found["dated"] is None else date.fromisoformat(found["dated"]),
        fields=tuple(Field(name, value, start, end) for name, value, start, end in found["fields"]),
        marks=tuple(Mark(start, MarkKind(kind), label, level) for start, kind, label, level in found["marks"]),
        is_source=found["is_source"],
        parser=found["parser"],
        parser_version=found["parser_version"],
        members=tuple(Member(name, data) for name, data in zip(found["members"], answer[1:], strict=True)),
    )


def _send(pipe: IO[bytes], parts: Sequence[bytes]) -> None:
    """A message of some parts: their number, then of each its length and its bytes."""
    pipe.write(_LENGTH.pack(len(parts)))
    for part in parts:
        pipe.write(_LENGTH.pack(len(part)))
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> list[bytes]:
    """The parts of the next message. Raises EOFError where there is none, or only some of one."""
    return [_exactly(pipe, _length(pipe)) for _ in range(_length(pipe))]


def _length(pipe: IO[bytes]) -> int:
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return int(length)


def _exactly(pipe: IO[bytes], size_bytes: int) -> bytes:
    data = pipe.read(size_bytes)
    if len(data) < size_bytes:
        raise EOFError
    return data
