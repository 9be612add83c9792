"""What `benchmarks.reading_in` counts and shows, without a peer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.reading_in import edit, environments, folders, memory, report, worker
from benchmarks.reading_in.reader import Read
from rag_lifelong.embed.weights import find_minilm

ROW: report.Row = {
    "name": "ours",
    "folder": "mixed",
    "files": 5,
    "size_bytes": 2_000_000,
    "offered": ["a.txt", "b.zip", "c.pdf", "d.bin", "e.txt"],
    "threads": 2,
    "at": "2026-01-01T00:00:00+00:00",
    "load_before": [0.5, 0.5, 0.5],
    "read": {"a.txt": 10, "b.zip": 0, "b.zip/x.txt": 5, "b.zip/y.txt": 6, "d.bin": 9, "e.txt": 0},
    "told": {"c.pdf": "encrypted", "b.zip/z.pdf": "encrypted"},
    "misread": ["d.bin"],
    "places": {"page": 2, "row": 0},
    "chunks": 40,
    "strings": 40,
    "tokens": 8_000,
    "tokens_cut_off": 0,
    "reading_s": None,
    "ready_s": 2.0,
    "first_s": 3.0,
    "searchable_s": 10.0,
    "peak_bytes": 300_000_000,
    "size_bytes_kept": 1_500_000,
    "update_s": 0.5,
    "update_strings": 3,
    "new_found": True,
    "gone_was_found": True,
    "gone_found": False,
}


def cells(table: str) -> dict[str, list[str]]:
    """First cell of a line → the others."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return {line[0]: line[1:] for line in lines}


def test_each_file_offered_is_read_empty_misread_told_or_left_out_once() -> None:
    assert report.outcomes(ROW) == {"read": 2, "empty": 1, "misread": 1, "told": 1, "silent": 0, "inner": 2}
    less = ROW | {"read": {"a.txt": 10}, "misread": [], "told": {}}
    assert report.outcomes(less) == {"read": 1, "empty": 0, "misread": 0, "told": 0, "silent": 4, "inner": 0}


def test_rates_are_of_the_time_from_ready_to_searchable() -> None:
    shown = cells(report.table([ROW]))
    assert shown["passages a second, once started"] == ["5.0"]  # 40 in 8 s
    assert shown["**tokens a second, once started**"] == ["1,000"]
    assert shown["MB of files a second, once started"] == ["0.250"]
    assert shown["files whose passages say where they stand"] == ["page 2"]
    assert shown["… then"] == ["found, gone"]


def test_one_that_is_given_texts_shows_what_making_them_took() -> None:
    shown = cells(report.table([ROW | {"reading_s": 1.25}, ROW | {"name": "chroma", "given_s": 4.0}]))
    assert shown["s to read the files"] == ["1.2", "given (made in 4.0)"]
    assert shown["files that failed, and the user is told"] == ["1", "–"]


def test_what_did_not_come_to_its_end_shows_what_it_measured_and_why() -> None:
    broken = {key: ROW[key] for key in ("folder", "files", "size_bytes", "offered", "threads", "at", "load_before")}
    table = report.table([ROW, broken | {"name": "txtai", "ready_s": 4.0, "failed": "took more than 9 s"}])
    assert cells(table)["s to start (libraries, weights)"] == ["2.0", "4.0"]
    assert cells(table)["passages"] == ["40", "–"]
    assert table.endswith("txtai failed: took more than 9 s")


def test_a_change_that_is_not_found_and_a_deleted_text_that_is_stand_out() -> None:
    shown = cells(report.table([ROW | {"new_found": False, "gone_found": True}]))
    assert shown["… then"] == ["**not found**, **still found**"]


def test_the_page_and_its_figure_are_written(tmp_path: Path) -> None:
    for name in ("ours", "chroma"):
        place = report.place(tmp_path, "mixed", name)
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(ROW | {"name": name}))
    page = report.write(report.load(tmp_path), tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == page + "\n"
    assert "## 5 documents of many formats, 2.0 MB" in page
    assert cells(page)[""] == ["ours", "Chroma"]
    assert cells(page)["files left out in silence"] == ["0", "not given"]
    assert (tmp_path / "figures" / "reading_in.png").read_bytes().startswith(b"\x89PNG")


def test_bytes_taken_for_text_are_misread_and_a_stray_control_character_is_not() -> None:
    read = Read()
    read.add("zip", "PK\x03\x04\x00\x00" + "x" * 50)  # 4 of 56
    read.add("pdf", "a word\x00 and " + "text " * 40)  # 1 of 212
    read.add("parts", "one\n")
    read.add("parts", "two")
    assert read.misread == {"zip"}
    assert read.read == {"zip": 56, "pdf": 212, "parts": 7}


def test_an_edit_puts_one_paragraph_before_the_line_in_the_middle() -> None:
    assert edit.edited("a\nb\nc\nd") == f"a\nb\n\n{edit.PARAGRAPH}\n\nc\nd"
    assert edit.quoted(" ".join(map(str, range(300)))) == " ".join(map(str, range(100, 200)))
    assert edit.quoted("few words") == "few words"


def test_tokens_are_counted_up_to_what_the_model_reads() -> None:
    # [CLS] and [SEP], and a token for each "the"
    assert worker.tokens(["the the", "the " * 300], find_minilm()) == (4 + 256, 302 - 256)


def test_memory_is_that_of_a_process_and_its_children() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(80_000_000); print(1, flush=True); input()'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()
    with memory.Peak(process.pid) as peak:
        assert memory.resident(process.pid) > 80_000_000
        while not peak.peak_bytes:
            time.sleep(0.01)
    process.communicate(b"\n")
    assert 80_000_000 < peak.peak_bytes < 200_000_000
    assert memory.resident(process.pid) == 0


def test_what_is_installed_is_pinned_and_torch_comes_first() -> None:
    named = {path.stem for path in environments.REQUIREMENTS.glob("*.txt")}
    assert named == set(report.NAMES) - {"ours"}
    for name in named:
        lines = (environments.REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert pins[0].startswith("torch==")
        assert all("==" in pin for pin in pins)


@pytest.mark.model
def test_ours_reads_a_folder_in_and_follows_a_change(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept.txt").write_text("\n".join(f"Line {i} of a document about the harbour." for i in range(40)))
    (source / "gone.txt").write_text("The tide tables of this document are printed in blue ink. " * 5)
    (source / "broken.pdf").write_bytes(b"%PDF-1.7")
    copied = folders.copy(folders.Folder("mixed", source, "kept.txt", "gone.txt"), tmp_path / "copy")
    (tmp_path / "store").mkdir()
    words = [
        "ours",
        copied,
        tmp_path / "store",
        find_minilm(),
        tmp_path / "none",
        "kept.txt",
        "gone.txt",
        time.time(),
        2,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reading_in.worker", *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    told: report.Row = {}
    for line in done.stdout.splitlines():
        told |= json.loads(line)
    assert told["read"].keys() == {"kept.txt", "gone.txt"}
    assert told["told"].keys() == {"broken.pdf"}
    assert 0 < told["ready_s"] < told["first_s"] <= told["searchable_s"]
    assert (told["new_found"], told["gone_was_found"], told["gone_found"]) == (True, True, False)
    assert 1 <= told["update_strings"] <= 3
