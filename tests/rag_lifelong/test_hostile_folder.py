"""A folder with files made to do harm: all the others are there, each of these has its reason, and nothing of their
names drives the terminal.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its file names cannot hold such characters")

Run = Callable[..., tuple[int, str, str]]
# What may move the cursor, colour, ring, turn the line round or end it early; a newline and a tab are looked at apart.
DRIVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SOUND = {"a sound note.md": "# Osprey\n\nThe osprey dives feet first.\n", "deep/er/note.txt": "The heron waits."}
NAMES = {
    "line\nbreak.md": "The walrus sleeps in water.",
    "\u202egnp.cilbup.md": "The lynx hunts at dusk.",
    "red\x1b[31m\x07.md": "The stoat turns white.",
    "back\b\b\bspace.md": "The otter holds hands.",
    "a\u2066b\u2069c\u2028d.md": "The badger digs setts.",
    "tab\there.md": "The wolverine climbs.",
    "return\rover.md": "The marten raids nests.",
    "-rf.md": "The vole stores roots.",
    "x" * 200 + ".md": "The shrew eats often.",
    "c1\x9b31mhere.md": "The ermine is small.",
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for name, text in SOUND.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.toml").write_text("max_unpacked_mb = 20\n", encoding="utf-8")  # 500 takes seconds
    with open_assistant(tmp_path / "kb", embedder="hash") as made:
        yield made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lifelong …` as in a terminal: (exit code, stdout, stderr)."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.setenv("NO_COLOR", "1")  # no colours and no links of our own
    monkeypatch.chdir(tmp_path)

    def running(*words: str) -> tuple[int, str, str]:
        is_terminal = "--json" not in words and words[0] != "add"  # which shows how far it is
        monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
        code = main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return running


def packed(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, method
            archive.writestr(info, data)
    return out.getvalue()


def read(assistant: Assistant, notes: Path) -> list[str]:
    return sorted(os.path.relpath(document.path, notes) for document in assistant.documents())


def failed(assistant: Assistant, notes: Path) -> dict[str, str]:
    return {os.path.relpath(failure.path, notes): failure.reason for failure in assistant.failures()}


def test_a_file_of_five_gigabytes_is_too_large_and_not_read(assistant: Assistant, notes: Path) -> None:
    with (notes / "huge.txt").open("wb") as file:
        file.truncate(5_000_000_000)  # sparse: it takes no room
    tracemalloc.start()
    start = time.monotonic()
    assistant.add(notes)
    took_s = time.monotonic() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert failed(assistant, notes) == {"huge.txt": "5000 MB, the limit is 100 MB: raise max_file_mb in lifelong.toml"}
    assert read(assistant, notes) == sorted(SOUND)
    assert peak < 200_000_000
    assert took_s < 30


def test_bombs_and_broken_files_harm_no_other(assistant: Assistant, notes: Path) -> None:
    zeros = bytes(2_000_000)
    bad = {
        "bomb.zip": packed({f"{i}.txt": zeros for i in range(11)}),
        "cut.docx": packed({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<w/>"})[:80],
        "noise.pdf": bytes(range(256)) * 40,
        "deep.html": b"<div>" * 100_000,
        "nul.txt": bytes(5_000),
        "a.unheard": b"words",
    }
    for name, data in bad.items():
        (notes / name).write_bytes(data)
    assistant.add(notes)
    assert failed(assistant, notes) == {
        "bomb.zip": "unpacks to over 20 MB: unpack it and add the files you need",
        "cut.docx": "damaged Word file: open it in Word or LibreOffice and save it anew",
        "noise.pdf": "damaged PDF: open it in a viewer and save or print it anew",
        "deep.html": "damaged HTML: over 10000 elements inside each other",
        "nul.txt": "not text: it holds binary data; give it the file name ending of its kind",
        "a.unheard": "no parser for .unheard files",
    }
    assert read(assistant, notes) == sorted(SOUND)
    assert [finding for finding in assistant.check() if not finding.is_well] == []


def test_a_header_of_brackets_takes_no_time(assistant: Assistant, notes: Path) -> None:
    """Links were looked for with the cube of their number: minutes for 3 kB, in the process that does not stop."""
    (notes / "links.md").write_text(
        f"---\ntitle: Links\nsuperseded-by: x{'[' * 8_000} y\n---\n\nThe ibex.\n", encoding="utf-8"
    )
    start = time.process_time()
    assistant.add(notes)
    assert assistant.conflicts() is not None
    assert time.process_time() - start < 10
    assert read(assistant, notes) == sorted([*SOUND, "links.md"])


def test_archives_in_archives_end_at_the_depth_allowed(assistant: Assistant, notes: Path) -> None:
    data = packed({"note.md": b"The ibex."})
    for _ in range(8):
        data = packed({"in.zip": data, "note.md": b"The ibex."})
    (notes / "deep.zip").write_bytes(data)
    assistant.add(notes)
    inner = ["deep.zip" + "/in.zip" * depth + "/note.md" for depth in range(9)]
    assert [path for path in inner if path in read(assistant, notes)] == inner[:5]
    reasons = failed(assistant, notes)
    assert list(reasons) == ["deep.zip" + "/in.zip" * 5]
    assert reasons["deep.zip" + "/in.zip" * 5].startswith("files within files more than 5 deep: unpack it, ")


def test_names_of_files_in_a_file_are_made_safe(assistant: Assistant, notes: Path) -> None:
    names = [
        "../../up.md",
        "/etc/root.md",
        "C:\\drive.md",
        "line\nbreak.md",
        "\u202edm.olleh.md",
        "red\x1b[31m.md",
        "",
        "..",
    ]
    (notes / "a.zip").write_bytes(packed({name: f"Note {i}.".encode() for i, name in enumerate(names)}))
    assistant.add(notes)
    inner = [path for path in read(assistant, notes) if path.startswith("a.zip/")]
    assert inner == [
        "a.zip/_dm.olleh.md",
        "a.zip/drive.md",
        "a.zip/etc/root.md",
        "a.zip/line break.md",
        "a.zip/red_[31m.md",
        "a.zip/up.md",
    ]
    assert not list(notes.parent.rglob("up.md"))


def test_files_with_any_names_are_found(assistant: Assistant, notes: Path) -> None:
    for name, text in NAMES.items():
        (notes / name).write_text(text, encoding="utf-8")
    (notes / os.fsdecode(b"bad\xff.md")).write_bytes(b"The puma.")
    assistant.add(notes)
    assert read(assistant, notes) == sorted([*SOUND, *NAMES])
    assert failed(assistant, notes) == {"bad\ufffd.md": "its name is not valid UTF-8: rename it"}
    hit = assistant.search("walrus sleeps", k=1)[0]
    assert hit.path == str(notes / "line\nbreak.md")


def test_no_name_drives_the_terminal(run: Run, notes: Path) -> None:
    for name, text in NAMES.items():
        (notes / name).write_text(text, encoding="utf-8")
        (notes / f"{name.removesuffix('.md')}.od\x1b[5mdt\u202e").write_text("No parser.", encoding="utf-8")
    (notes / os.fsdecode(b"bad\xff.md")).write_bytes(b"The puma.")
    title = "# Red\x1b[31m \u202etitle\x07\n\nThe puma leaps \x1b]0;owned\x07 far \u202eaway.\n"
    (notes / "puma.md").write_text(title, encoding="utf-8")
    evil = {name: f"Note {i}: the lemur {name!r}.".encode() for i, name in enumerate(NAMES)}
    (notes / "red\x1b[31m.zip").write_bytes(packed(evil))
    commands = [
        ["add", str(notes)],
        ["list"],
        ["list", "--failed"],
        ["status"],
        ["status", str(notes / "line\nbreak.md")],
        ["search", "walrus sleeps"],
        ["search", "puma leaps"],
        ["search", "--files", "lynx"],
        ["ask", "Where does the walrus sleep?"],
        ["ask", "How does the puma leap?"],
        ["show", str(notes / "red\x1b[31m\x07.md")],
        ["show", "no\x1b[31msuch\nfile"],
        ["history", str(notes / "\u202egnp.cilbup.md")],
        ["versions"],
        ["diff", "1", "2"],
        ["diff", "1", "2", "--files"],
        ["check"],
        ["folders"],
        ["forget", str(notes / "back\b\b\bspace.md")],
        ["sync"],
    ]
    for command in commands:
        for extra in ([], ["--json"]) if command[0] in ("list", "status", "search", "ask", "show") else ([],):
            _, out, err = run(*command, *extra)
            for shown in (out, err):
                assert not DRIVES.search(shown), (command, extra, DRIVES.search(shown))
            if extra and out:
                for line in out.splitlines() if not out.startswith(("{\n", "[\n")) else [out]:
                    json.loads(line)
    _, out, _ = run("list")
    lines = [line for line in out.splitlines() if "break.md" in line and ".zip/" not in line]
    assert len(lines) == 1 and "line\ufffdbreak.md" in lines[0]  # a newline in a name begins no line
