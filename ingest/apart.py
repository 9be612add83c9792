"""Parsing in a process apart, so that one poisoned file delays no other and kills nothing.

Rule: a file is to blame only if a fresh process hangs or dies over it. The process is a new interpreter, no fork (the
parent has threads, SQLite and FAISS open), and finds its code where the parent has it, never in the current folder.
Messages are a length, then bytes: to the process a file's name and its data, back a document or an error in JSON.
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
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

from ingest import errors
from ingest.errors import IngestError, UnreadableFile
from ingest.parsers import parse, parser_for
from ingest.types import Document, Field, Mark, MarkKind

logger = logging.getLogger(__name__)

APART = frozenset(["pdf", "docx", "html", "notebook"])
"""Parsers whose files run foreign code of any length: PDFium, lxml and lexbor are C and C++, where a small file may
hang, eat memory or crash; a notebook's JSON and cells nest as deep as they like. The others walk over plain text."""

_HARMLESS_NOTEBOOK_BYTES = 64_000  # no C but the json module; the worst Markdown tried takes 2 s a MB

_START_S = 30.0  # an interpreter starts in 0.05 s; on a machine that swaps, in many
_GRACE_S = 0.3  # an orphan ends this long after its parent would have killed it
_OUT_OF_MEMORY = 77  # the child's exit status after a MemoryError
_LENGTH = struct.Struct(">Q")
# Behind the standard library, alone on the path, the package is this one, whatever else is installed under its name.
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from ingest.apart import serve; sys.path[-1:] = sys.argv[4:]; "
    "serve(timeout_s=float(sys.argv[2]), memory_bytes=int(sys.argv[3]) or None)"
)
_ADVICE = "open it in its own program and save it anew"
_KINDS: dict[str, type[IngestError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, IngestError)
}


class Cancelled(Exception):
    """Nobody wants the file any more; it is not to blame."""


def is_apart(name: str, size_bytes: int) -> bool:
    """A file of that name and size is read in the process apart."""
    parser = parser_for(name)
    return parser in APART and (parser != "notebook" or size_bytes > _HARMLESS_NOTEBOOK_BYTES)


class ParserProcess:
    """Reads files as `ingest.parsers.parse` does, those of `APART` in one process kept for them.

    It starts with the first file that needs it (0.05 s), and anew after it died. Threads take turns.
    timeout_s: for one file. memory_bytes: of address space, where the system can limit it; None is no limit.
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int | None) -> None:
        if timeout_s <= 0 or (memory_bytes is not None and memory_bytes <= 0):
            raise ValueError(f"limits must be positive: {timeout_s} s, {memory_bytes} bytes")
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._is_closed = False
        self._is_cancelled = False

    def parse(self, data: bytes, *, name: str) -> Document:
        """As `ingest.parsers.parse`; raises UnreadableFile too if the file takes too long or too much memory, or
        crashes its parser.
        """
        if not is_apart(name, len(data)):
            return parse(data, name=name)
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

    def _answer(self, data: bytes, name: str) -> bytes:
        while True:
            child = self._living()
            if self._is_cancelled:
                raise Cancelled
            answer = child.ask(name.encode("utf-8", "surrogatepass"), data, timeout_s=self._timeout_s)
            if answer is not None:
                child.has_answered = True
                return answer
            if self._is_cancelled:
                raise Cancelled
            status = self._end()
            logger.info("the parser process ended with status %s at %s", status, name)
            if child.is_late:
                raise UnreadableFile(f"took longer than {self._timeout_s:g} s to read: {_ADVICE}")
            if not child.has_answered:
                raise UnreadableFile(_cause_of_death(status, self._memory_bytes))
            # it was killed since, or the files before this one left it damaged or short of memory: once more

    def _living(self) -> _Child:
        if self._child is None:
            try:
                self._child = _Child(timeout_s=self._timeout_s, memory_bytes=self._memory_bytes)
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

    def __init__(self, *, timeout_s: float, memory_bytes: int | None) -> None:
        """Raises OSError."""
        self.has_answered = False
        self.is_late = False
        package = Path(__file__).resolve().parent
        # -I: no environment, no current folder; -S: no code of site-packages at the start
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(package.parent), str(timeout_s), str(memory_bytes or 0)]
        self.process = subprocess.Popen(
            [*command, *_library_folders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=package.anchor,  # keeps no folder of the user's busy
            process_group=0,  # ^C in the terminal is for the parent; the child ignores it only once it runs
        )

    def ask(self, *messages: bytes, timeout_s: float) -> bytes | None:
        """The next message, after sending some; None if the process died or had to be killed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.is_late = False
        timer = threading.Timer(timeout_s, self._expire)
        timer.daemon = True
        timer.start()
        try:
            for message in messages:
                _send(self.process.stdin, message)
            return _receive(self.process.stdout)
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


def serve(*, timeout_s: float, memory_bytes: int | None) -> NoReturn:
    """Parses what comes in on stdin, until that ends: with the parent, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _taken(0, "rb"), _taken(1, "wb")
    _limit_memory(memory_bytes)
    _send(answers, b"")  # ready
    try:
        while True:
            name, data = _receive(requests).decode("utf-8", "surrogatepass"), _receive(requests)
            _set_alarm(timeout_s + _GRACE_S)
            answer = _answer(data, name)
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


def _answer(data: bytes, name: str) -> bytes:
    """Raises MemoryError where the parser made another error of it."""
    try:
        return encoded(parse(data, name=name))
    except IngestError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                raise cause from None
            cause = cause.__cause__
        return encoded(error)


# -- messages


def encoded(result: Document | IngestError) -> bytes:
    """As JSON; of an error its class, its message, and for the log the trace of what caused it."""
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
        }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decoded(answer: bytes) -> Document:
    """What was encoded: returns a document, raises an error."""
    found = json.loads(answer.decode("utf-8", "surrogatepass"))
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
    )


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """The next message. Raises EOFError where there is none, or a part of one."""
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], size_bytes: int) -> bytes:
    data = pipe.read(size_bytes)
    if len(data) < size_bytes:
        raise EOFError
    return data
