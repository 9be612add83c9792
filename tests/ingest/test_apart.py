"""Parsing in a real process apart: the same documents and errors, and what a file that hangs or crashes may harm."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, Field, IngestError, Mark, MarkKind, TooLarge, UnreadableFile, UnsupportedFile, errors
from ingest.apart import IN_PLACE, ParserProcess, decoded, encoded
from ingest.limits import DEFAULT, Limits
from ingest.parsers import SUFFIXES, parse, parser_for

_ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="shown by /proc; only Linux holds to RLIMIT_AS")
ROOT = Path(__file__).resolve().parents[2]
PAGE = b"<title>The page</title><h1>Head</h1><p>One <b>two</b>"
MEMORY_BYTES = 2_000_000_000


def limits(timeout_s: float, memory_bytes: int | None) -> Limits:
    return replace(DEFAULT, timeout_s=timeout_s, memory_bytes=memory_bytes)


@pytest.fixture
def apart() -> Iterator[ParserProcess]:
    """A parser process with limits that no honest file reaches."""
    with ParserProcess(limits(60, MEMORY_BYTES)) as parser:
        yield parser


def nested(levels: int) -> bytes:
    """A PDF whose page draws a form that draws the next ten times, …, and the last "a": 10 ** (levels - 1) times.

    With 6 levels it takes PDFium half a second, with 10 it never ends, and eats 0.3 GB a second.
    """
    leaf = "BT /F1 12 Tf 72 700 Td (a) Tj ET"
    fonts = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>",
        "<< /Length 5 >>\nstream\n/X Do\nendstream",
    ]
    for number in range(6, 6 + levels):
        is_last = number == 5 + levels
        content, resources = (leaf, fonts) if is_last else ("/X Do " * 10, f"/XObject << /X {number} 0 R >>")
        head = f"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << {resources} >> /Length {len(content)} >>"
        objects.append(f"{head}\nstream\n{content}\nendstream")
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    return out + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()


HANGS = nested(10)


def word() -> bytes:
    document = docx.Document()
    document.core_properties.author = "Ana Ruiz"
    document.add_heading("Part one", 1)
    document.add_paragraph("A paragraph – 黑豹队 \U0001f40d.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def notebook(chars: int) -> bytes:
    cells = [{"cell_type": "markdown", "source": "# Title\n"}, {"cell_type": "code", "source": "x" * chars}]
    return json.dumps({"cells": cells}).encode()


def script(path: Path, command: str) -> str:
    """A program that does something, then what Python does."""
    path.write_text(f'#!/bin/sh\n{command}\nexec {sys.executable} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def outcome(read: Callable[[], Document]) -> Document | tuple[type[IngestError], str]:
    try:
        return read()
    except IngestError as error:
        return type(error), str(error)


def pid(apart: ParserProcess) -> int | None:
    return None if apart._child is None else apart._child.process.pid


def lives(number: int) -> bool:
    """Whether the process runs; one that has ended stays listed while nobody asks for its status."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    listed = Path(f"/proc/{number}/stat")
    return not listed.exists() or listed.read_text().rpartition(")")[2].split()[0] != "Z"


def ends(number: int, *, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while lives(number):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def send_later(number: int, what: signal.Signals, *, delay_s: float) -> threading.Timer:
    """Sends a signal to a process once a file has been read for a while."""
    timer = threading.Timer(delay_s, os.kill, (number, what))
    timer.start()
    return timer


# -- the same as in place


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ((ROOT / "samples/audit.pdf").read_bytes(), "audit.pdf"),
        ((ROOT / "samples/handbook.html").read_bytes(), "handbook.html"),
        ((ROOT / "samples/ops/retry.py").read_bytes(), "retry.py"),
        (word(), "a.docx"),
        (notebook(10), "small.ipynb"),
        (notebook(100_000), "large.ipynb"),
        (PAGE, "\udce9.html"),
    ],
    ids=["pdf", "html", "source", "docx", "small notebook", "large notebook", "name that is no UTF-8"],
)
def test_a_document_is_the_same_as_when_parsed_in_place(apart: ParserProcess, data: bytes, name: str) -> None:
    expected = parse(data, name=name)
    assert apart.parse(data, name=name) == expected
    assert apart.parse(data, name=name) == expected


def test_errors_keep_their_class_and_their_words(apart: ParserProcess) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100
    blank = nested(1).replace(b"(a) Tj", b"( ) Tj")
    files = [
        ("encrypted.docx", ole + "EncryptedPackage".encode("utf-16-le"), errors.EncryptedFile),
        ("old.docx", ole, UnreadableFile),
        ("scanned.pdf", blank, errors.ScannedFile),
        ("deep.html", b"<div>" * 10_001, UnreadableFile),
        ("deep.ipynb", b'{"cells":' + b"[" * 100_000, UnreadableFile),
        ("empty.pdf", b"", UnreadableFile),
        ("a.xyz", b"", UnsupportedFile),
    ]
    for name, data, kind in files:
        found = outcome(lambda name=name, data=data: apart.parse(data, name=name))  # type: ignore[misc]
        assert found == outcome(lambda name=name, data=data: parse(data, name=name))  # type: ignore[misc]
        assert isinstance(found, tuple) and found[0] is kind


@settings(max_examples=60, deadline=None)
@given(st.from_type(Document))
def test_every_field_of_every_document_crosses(document: Document) -> None:
    assert decoded(encoded(document)) == document


def test_half_a_surrogate_crosses() -> None:
    document = Document(
        "\udce9", "\ud800", None, (Field("a", "\udfff", 0, 1),), (Mark(0, MarkKind.PAGE, "\ud801", 0),), True, "x", 1
    )
    assert decoded(encoded(document)) == document


@pytest.mark.parametrize(
    "kind",
    [
        IngestError,
        UnsupportedFile,
        UnreadableFile,
        errors.EncryptedFile,
        errors.ScannedFile,
        TooLarge,
        errors.MissingFile,
    ],
)
def test_every_kind_of_error_crosses(kind: type[IngestError]) -> None:
    with pytest.raises(kind) as caught:
        decoded(encoded(kind("why – and “what” to do")))
    assert type(caught.value) is kind
    assert str(caught.value) == "why – and “what” to do"


def test_what_caused_an_error_is_logged(apart: ParserProcess, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ingest.apart")
    with pytest.raises(UnreadableFile, match="damaged Word file"):
        apart.parse(b"PK\x03\x04....", name="a.docx")
    assert "zipfile.BadZipFile: File is not a zip file" in caplog.text


# -- when a process is started


def test_only_formats_that_can_hang_or_crash_start_a_process(apart: ParserProcess) -> None:
    assert frozenset(SUFFIXES.values()) > IN_PLACE
    for name in ("a.txt", "a.md", "a.rst", "a.py", "README"):
        apart.parse(b"Words.", name=name)
    assert pid(apart) is None
    apart.parse(PAGE, name="a.html")
    first = pid(apart)
    apart.parse(word(), name="a.docx")
    apart.parse(nested(1), name="a.pdf")
    apart.parse(notebook(100_000), name="a.ipynb")
    assert first is not None and pid(apart) == first


def test_closing_ends_the_process_and_nothing_is_parsed_apart_after(apart: ParserProcess) -> None:
    apart.parse(PAGE, name="a.html")
    number = pid(apart)
    apart.close()
    assert number is not None and not lives(number)
    with pytest.raises(ValueError, match="closed"):
        apart.parse(PAGE, name="a.html")
    apart.close()


@pytest.mark.parametrize(("timeout_s", "memory_bytes"), [(0, None), (-1.0, None), (1, 0)])
def test_limits_are_positive(timeout_s: float, memory_bytes: int | None) -> None:
    with pytest.raises(ValueError, match="positive"):
        ParserProcess(limits(timeout_s, memory_bytes))


def test_a_process_that_cannot_start_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ParserProcess(limits(60, MEMORY_BYTES)) as apart:
        for program in (str(tmp_path / "none"), "/bin/false"):
            monkeypatch.setattr(sys, "executable", program)
            with pytest.raises(UnreadableFile, match=r"no process could be started to read it \(.*(none|status 1)"):
                apart.parse(PAGE, name="a.html")


def test_threads_take_turns(apart: ParserProcess) -> None:
    pages = [f"<p>{'word ' * 1000 * (number % 7)}{number}".encode() for number in range(60)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda page: apart.parse(page, name="a.html").text, pages))
    assert found == [parse(page, name="a.html").text for page in pages]


# -- a file that hangs


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_file_that_hangs_is_given_up_in_time_and_the_next_is_read(is_stopped: bool) -> None:
    with ParserProcess(limits(0.3, MEMORY_BYTES)) as apart:
        apart.parse(PAGE, name="a.html")
        first = pid(apart)
        assert first is not None
        if is_stopped:  # it does not even take in the file
            os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(UnreadableFile) as caught:
            apart.parse(HANGS + b" " * 1_000_000, name="a.pdf")
        assert str(caught.value) == "took longer than 0.3 s to read: open it in its own program and save it anew"
        assert type(caught.value) is UnreadableFile
        assert 0.3 <= time.monotonic() - began < 1.5
        assert not lives(first)
        assert apart.parse(PAGE, name="a.html").title == "The page"


def test_starting_takes_no_time_from_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path / "slow", "sleep 0.35"))
    with ParserProcess(limits(0.3, MEMORY_BYTES)) as apart:
        assert apart.parse(PAGE, name="a.html").title == "The page"


def test_a_process_may_wait_for_longer_than_it_may_read() -> None:
    with ParserProcess(limits(0.15, MEMORY_BYTES)) as apart:
        apart.parse(notebook(100_000), name="a.ipynb")
        first = pid(apart)
        time.sleep(0.5)
        assert first is not None and lives(first)


# -- a file that eats memory


@_ON_LINUX
def test_a_library_out_of_memory_is_a_reason_and_the_next_file_is_read() -> None:
    with ParserProcess(limits(60, 120_000_000)) as apart:
        with pytest.raises(UnreadableFile, match=r"broke off \(SIGABRT\), mostly for more memory than 120 MB"):
            apart.parse(HANGS, name="a.pdf")
        assert apart.parse(PAGE, name="a.html").title == "The page"


@_ON_LINUX
@pytest.mark.parametrize("repeats", [10_000_000, 40_000_000])  # too large to read, and to receive
def test_a_parser_out_of_memory_is_a_reason_and_the_next_file_is_read(repeats: int) -> None:
    with ParserProcess(limits(60, 150_000_000)) as apart:
        with pytest.raises(UnreadableFile) as caught:
            apart.parse(b"word " * repeats, name="a.html")
        assert str(caught.value) == "needs more memory than 150 MB to read: split the file"
        assert apart.parse(PAGE, name="a.html").title == "The page"


# -- a process that dies


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (signal.SIGSEGV, "crashed its parser (SIGSEGV): open it in its own program and save it anew"),
        (
            signal.SIGKILL,
            "its parser broke off (SIGKILL), mostly for more memory than 2000 MB: split the file, or open it in its own "
            "program and save it anew",
        ),
    ],
)
def test_a_file_over_which_a_fresh_process_dies_is_to_blame(
    apart: ParserProcess, what: signal.Signals, reason: str
) -> None:
    def kill() -> None:
        while pid(apart) is None:
            time.sleep(0.01)
        send_later(pid(apart) or 0, what, delay_s=0.25).join()  # it starts in 0.05 s

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UnreadableFile) as caught:
        apart.parse(HANGS, name="a.pdf")
    killer.join()
    assert str(caught.value) == reason
    assert apart.parse(PAGE, name="a.html").title == "The page"


@pytest.mark.parametrize("is_late", [False, True])  # its time was up just when it had answered
def test_a_file_is_not_to_blame_for_a_process_that_dies_before_it(apart: ParserProcess, is_late: bool) -> None:
    apart.parse(PAGE, name="a.html")
    first = pid(apart)
    assert first is not None and apart._child is not None
    os.kill(first, signal.SIGKILL)
    assert ends(first, within_s=5)
    apart._child.is_late = is_late
    assert apart.parse(PAGE, name="a.html").title == "The page"
    assert pid(apart) != first


def test_a_file_is_read_again_if_a_process_dies_over_it_that_read_others(apart: ParserProcess) -> None:
    apart.parse(PAGE, name="a.html")
    first = pid(apart)
    assert first is not None
    send_later(first, signal.SIGKILL, delay_s=0.1)
    assert apart.parse(nested(6), name="a.pdf").text == "a"
    assert pid(apart) != first


# -- ^C


def test_an_interrupt_ends_the_process_and_goes_on(apart: ParserProcess) -> None:
    apart.parse(PAGE, name="a.html")
    first = pid(apart)
    assert first is not None
    send_later(os.getpid(), signal.SIGINT, delay_s=0.2)
    with pytest.raises(KeyboardInterrupt):
        apart.parse(HANGS, name="a.pdf")
    assert not lives(first)
    assert apart.parse(PAGE, name="a.html").title == "The page"


def test_the_process_ignores_an_interrupt_and_is_not_in_the_terminals_group(apart: ParserProcess) -> None:
    apart.parse(PAGE, name="a.html")
    first = pid(apart)
    assert first is not None and os.getpgid(first) == first
    os.kill(first, signal.SIGINT)
    time.sleep(0.05)
    apart.parse(PAGE, name="a.html")
    assert pid(apart) == first


# -- the parent's end


PARENT = """
import sys, threading, time
from dataclasses import replace
from ingest.apart import ParserProcess
from ingest.limits import DEFAULT
apart = ParserProcess(replace(DEFAULT, timeout_s=0.3))
apart.parse(b"<p>a", name="a.html")
if sys.argv[1:]:
    threading.Thread(target=apart.parse, args=[open(sys.argv[1], "rb").read()], kwargs={"name": "a.pdf"}).start()
    time.sleep(0.1)
print(apart._child.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("is_hanging", [False, True])
def test_the_process_ends_with_its_parent(tmp_path: Path, is_hanging: bool) -> None:
    (tmp_path / "a.pdf").write_bytes(HANGS)
    command = [sys.executable, "-c", PARENT, *([str(tmp_path / "a.pdf")] if is_hanging else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        assert lives(number) or is_hanging  # on a slow machine it was killed for that
        parent.kill()
    assert ends(number, within_s=5)


# -- what surrounds it


def test_no_code_of_the_current_folder_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("json", "logging", "docx", "lxml", "ingest", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", ["", ".", str(tmp_path), *sys.path])
    with ParserProcess(limits(60, MEMORY_BYTES)) as apart:
        assert apart.parse(word(), name="a.docx").text == "Part one\n\nA paragraph – 黑豹队 \U0001f40d."
        assert pid(apart) is not None
    assert not (tmp_path / "run").exists()


def test_a_current_folder_that_is_gone_does_no_harm(
    apart: ParserProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (tmp_path / "gone").rmdir()
    assert apart.parse(PAGE, name="a.html").title == "The page"
    monkeypatch.chdir(tmp_path)


def test_the_package_is_the_parents_own_and_what_lies_beside_it_is_not_run(tmp_path: Path) -> None:
    """As in a checkout, whose folder holds more than the package."""
    shutil.copytree(ROOT / "ingest", tmp_path / "ingest")
    (tmp_path / "json.py").write_text("raise SystemExit", encoding="utf-8")
    with (tmp_path / "ingest" / "parsers" / "notebook.py").open("a", encoding="utf-8") as file:
        file.write("\nNAME = 'notebook of this copy'\n")
    (tmp_path / "a.ipynb").write_bytes(notebook(100_000))
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r}); from ingest.apart import ParserProcess; "
        f"sys.path.insert(0, {str(ROOT)!r}); data = open({str(tmp_path / 'a.ipynb')!r}, 'rb').read(); "
        "print(ParserProcess().parse(data, name='a.ipynb').parser)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert shown == "notebook of this copy\n"


def test_the_process_writes_nothing_to_the_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path / "noisy", "echo noise >&2"))
    with ParserProcess(limits(60, MEMORY_BYTES)) as apart:
        apart.parse(PAGE, name="a.html")
    assert capfd.readouterr() == ("", "")


@_ON_LINUX
def test_the_process_leaves_no_core_file_and_keeps_no_folder_busy(apart: ParserProcess) -> None:
    import resource

    apart.parse(PAGE, name="a.html")
    number = pid(apart)
    assert number is not None
    assert Path(f"/proc/{number}/cwd").resolve() == Path("/")
    assert resource.prlimit(number, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(number, resource.RLIMIT_AS)[0] == MEMORY_BYTES


def test_what_a_library_prints_is_no_answer() -> None:
    code = (
        "import os; from ingest.apart import _taken; answers = _taken(1, 'wb'); "
        "print('noise', flush=True); os.write(1, b'noise'); answers.write(b'answer'); answers.flush()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True).stdout
    assert shown == b"answer"


@pytest.mark.slow
def test_real_files_are_the_same_as_when_parsed_in_place(apart: ParserProcess, shared: Path) -> None:
    files = [
        path
        for path in sorted((shared / "docs").rglob("*"))
        if path.is_file() and parser_for(path.name) not in IN_PLACE
    ]
    assert files
    for path in files:
        data = path.read_bytes()
        in_place = outcome(lambda data=data, name=path.name: parse(data, name=name))  # type: ignore[misc]
        assert outcome(lambda data=data, name=path.name: apart.parse(data, name=name)) == in_place, path  # type: ignore[misc]
