"""`lifelong remember`, and what stands behind `/remember`: words in, one line out, exit codes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.cli import main
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.remembering import NO_MODEL, typed
from rag_lifelong.terminal.style import Style, style_for

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lifelong …` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def running(*words: str) -> tuple[int, str, str]:
        code = main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return running


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def today() -> str:
    return f"{datetime.now():%Y-%m-%d}"


def test_the_first_thing_a_new_user_does_may_be_a_note(run: Run, tmp_path: Path) -> None:
    code, out, err = run("remember", "five", "attempts", "is final until the audit")
    assert (code, err) == (0, "")
    assert out == f"Saved in ~/kb/notes/{today()}.md · version 1 · take it back: lifelong undo\n"
    code, out, _ = run("ask", "How many attempts is final until the audit?")
    assert (code, "five attempts is final until the audit" in out) == (0, True)
    assert re.search(rf"\[1\] ~/kb/notes/{today()}\.md:9 · \d\d:\d\d", out)
    code, out, _ = run("undo")
    assert (code, "The disk is not touched; what lies there is left until it changes." in out) == (0, True)
    assert run("ask", "How many attempts is final until the audit?")[0] == 4


@pytest.mark.parametrize("words", [("remember",), ("remember", "-")])
def test_a_note_may_be_piped_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    piped(monkeypatch, "Minutes.\n\n- Ana: zebra\n- 长城\n")
    code, out, err = run(*words, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["text"] == "Minutes.\n\n- Ana: zebra\n- 长城"
    assert (told["path"], told["made"]["version"], told["made"]["source"]) == (
        str(tmp_path / "kb" / "notes" / f"{today()}.md"),
        1,
        "command",
    )
    assert Path(told["path"]).read_text().endswith("Minutes.\n\n- Ana: zebra\n- 长城\n")


def test_preferences_are_listed_and_dropped(run: Run, tmp_path: Path) -> None:
    run("remember", "a note")
    assert run("remember", "--list") == (
        4,
        "",
        'No preference yet; for one: lifelong remember --always "answer in German"\n',
    )
    code, out, err = run("remember", "--always", "answer in German")
    assert (code, err) == (0, NO_MODEL + "\n")
    assert out == "Saved in ~/kb/notes/preferences.md · version 2 · take it back: lifelong undo\n"
    code, _, err = run("remember", "--always", "give the PEP number", "--in", "peps/*", "--in", "pep-*")
    assert (code, err) == (0, ""), "that no model is set is said once"
    code, out, err = run("remember", "--list")
    assert out.splitlines() == [
        f" 1  {today()}  answer in German",
        f" 2  {today()}  give the PEP number   (for peps/*, pep-*)",
    ]
    assert (code, err) == (0, "To take one out: lifelong remember --drop N\n")
    assert json.loads(run("remember", "--list", "--json")[1])[1] == {
        "number": 2,
        "text": "give the PEP number",
        "in": ["peps/*", "pep-*"],
        "since": today(),
        "path": str(tmp_path / "kb" / "notes" / "preferences.md"),
    }
    code, out, err = run("remember", "--drop", "1")
    assert (code, out.splitlines()[0], err) == (0, "Dropped: answer in German", "")
    assert run("remember", "--drop", "2") == (
        1,
        "",
        "lifelong: there is no preference 2, there is 1; see: lifelong remember --list\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("",), "the note is empty"),
        ((" ", "\t"), "the note is empty"),
        (("--list", "x"), "--list and --drop N stand alone"),
        (("--drop", "1", "--always"), "--list and --drop N stand alone"),
        (("--list", "--drop", "1"), "--list and --drop N stand alone"),
        (
            ("x", "--in", "a"),
            "--in says for which passages a preference is; a note is for all: add --always, or leave it out",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_2(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    run("remember", "a note")
    assert run("remember", *words) == (2, "", f"lifelong: {said}\n")
    assert len(list((tmp_path / "kb" / "notes").iterdir())) == 1


def test_what_is_not_kept_is_one_line_and_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("remember", "--list")[0] == 1, "there is no knowledge base, and none is made to list nothing"
    piped(monkeypatch, "\x00\x01")
    assert run("remember", "-") == (1, "", "lifelong: there is nothing to remember in an empty note\n")


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """What `/remember REST` says in a chat."""
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        style = style_for("never", editor_uri="", is_terminal=False, environment={})

        def say(rest: str) -> str:
            return said_by(assistant, rest, style)

        yield say


def said_by(assistant: Assistant, rest: str, style: Style) -> str:
    return typed(assistant, rest, style).text


def test_in_a_chat_the_rest_of_the_line_is_the_note_quotes_and_all(
    talk: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert talk("Ana's laptop isn't \"new\" -- it's ~/old") == (
        f"Saved in {tmp_path}/kb/notes/{today()}.md · version 1 · take it back: lifelong undo"
    )
    text = (tmp_path / "kb" / "notes" / f"{today()}.md").read_text()
    assert text.endswith("\n\nAna's laptop isn't \"new\" -- it's ~/old\n")
    assert talk('--always "answer in German" --in ops').startswith(f"Saved in {tmp_path}/kb/notes/preferences.md")
    assert talk("--list") == f" 1  {today()}  answer in German   (for ops)"
    assert talk("--drop 1").startswith("Dropped: answer in German\n")
    for rest in ("", "--always", "--always don't", "--nonsense x"):
        with pytest.raises(Usage):
            talk(rest)
    assert capsys.readouterr().err.splitlines() == [
        "lifelong: what? /remember TEXT, or /remember --list",
        "lifelong: what? /remember TEXT, or /remember --list",
        'lifelong: put the text into double quotes: /remember --always "…"',
        "lifelong: unrecognized arguments: --nonsense; see: lifelong --help",
    ]
