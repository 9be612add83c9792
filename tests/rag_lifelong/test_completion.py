"""What a shell is offered, and that it is offered quickly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.terminal.completion import candidates, script


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A knowledge base named by LIFELONG_KB with three documents of notes/, two versions."""
    folder = tmp_path / "notes"
    (folder / "with space").mkdir(parents=True)
    (folder / "alpha.md").write_text("Alpha.", encoding="utf-8")
    (folder / "with space" / "beta.md").write_text("Beta.", encoding="utf-8")
    (folder / "evil\x1b[31m.md").write_text("Evil.", encoding="utf-8")
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(folder / "alpha.md")
        assistant.add(folder)
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["status"]),
        (["s"], ["search", "service", "show", "status", "sync"]),
        (["--kb", "show", "st"], ["status"]),  # the value of an option is no command
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["search", "--ex"], ["--explain"]),
        (["ask", "--ex"], []),
        (["list", "--f"], ["--failed"]),
        (["--js"], ["--json"]),
        (["ask", "-m", "q"], ["quote"]),
        (["ask", "hello"], []),
        (["add", ""], []),  # files on disk: the shell knows them
        (["distill", "--min"], ["--min-age", "--min-uses"]),
    ],
)
def test_commands_options_and_values(words: list[str], expected: list[str]) -> None:
    assert candidates(words) == expected


def test_everything_at_the_beginning() -> None:
    assert candidates([""]) == [
        "adapters", "add", "ask", "backup", "chat", "chats", "check", "completion", "config", "conflicts", "diff", "distill", "evaluate", "export", "folders", "forget", "history",
        "list", "models", "prune", "rebuild", "remember", "replay", "restore", "rules", "search", "service", "show", "status", "sync", "undo", "unfollow", "versions", "watch",
    ]  # fmt: skip


def test_stored_paths_as_they_are_typed(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beta = str(filled / "with space" / "beta.md")
    assert candidates(["show", ""]) == [str(filled / "alpha.md"), beta]  # the name that drives a terminal is left out
    assert candidates(["forget", str(filled) + "/w"]) == [beta]
    monkeypatch.chdir(filled.parent)
    assert candidates(["show", "notes/al"]) == ["notes/alpha.md"]
    monkeypatch.chdir(filled)
    assert candidates(["status", "with"]) == ["with space/beta.md"]
    monkeypatch.setenv("HOME", str(filled.parent))
    assert candidates(["show", "~/notes/"]) == ["~/notes/alpha.md", "~/notes/with space/beta.md"]


def test_versions_newest_first(filled: Path) -> None:
    assert candidates(["ask", "--as-of", ""]) == ["2", "1"]
    assert candidates(["--as-of", ""]) == ["2", "1"]


def test_knowledge_bases_that_have_a_name(tmp_path: Path) -> None:
    data = Path(os.environ["HOME"]) / ".local/share"
    for name in ("lifelong", "lifelong-work", "lifelong-home", "other-thing"):
        (data / name).mkdir(parents=True)
    assert candidates(["--kb", ""]) == ["home", "work"]
    assert candidates(["ask", "--kb", "w"]) == ["work"]


def test_a_damaged_or_missing_knowledge_base_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    assert candidates(["show", ""]) == []
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.sqlite3").write_bytes(b"not a database" * 100)
    assert candidates(["show", ""]) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_the_shell_can_read(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([shell, "-n"], input=script(shell), text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_stored_path_with_a_space(filled: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    line = f'''
lifelong() {{ "{sys.executable}" -m rag_lifelong "$@"; }}
{script("bash")}
compopt() {{ :; }}
COMP_WORDS=(lifelong show "{filled}/wi"); COMP_CWORD=2
_lifelong
printf '%s\\n' "${{COMPREPLY[@]}}"
'''
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == f"{filled}/with space/beta.md\n"


def test_completion_is_quick(filled: Path) -> None:
    """100 ms is the aim; three times that is allowed here, where other tests run beside."""
    command = [sys.executable, "-m", "rag_lifelong", "__complete", "show", str(filled)]
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.3
