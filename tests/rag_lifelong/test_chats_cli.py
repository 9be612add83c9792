"""The chats at the command line: kept, gone on with, listed, shown, exported, deleted, asked again; also in pipes."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.terminal.completion import candidates
from rag_lifelong.terminal.replaying import _differing

QUEUE = "# On call\n\nThe dead-letter queue is owned by Ana Ruiz since March.\n"
WHO = "Who owns the dead-letter queue?"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "oncall.md").write_text(QUEUE)
    return folder


@pytest.fixture
def run(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lifelong …` over one note: (exit code, stdout, stderr)."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.chdir(tmp_path)

    def running(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    running("add", "notes", "-q")
    return running


def test_a_plain_question_is_kept_and_gone_on_with(run: Run) -> None:
    assert run("ask", "-q", "Who is Ana Ruiz?")[0] == 0
    code, out, err = run("ask", "-q", "-c", "What does she own?")
    assert code == 0 and "dead-letter queue" in out, err
    assert run("ask", "-q", WHO)[0] == 0
    found = json.loads(run("chats", "--json")[1])
    assert [(one["chat"], one["title"], one["turns"]) for one in found] == [(2, WHO, 1), (1, "Who is Ana Ruiz?", 2)]
    shown = json.loads(run("chats", "show", "1", "--json")[1])
    assert [(t["turn"], t["question"]) for t in shown["turns"]] == [(1, "Who is Ana Ruiz?"), (2, "What does she own?")]
    assert "Ana Ruiz" in shown["turns"][1]["asked_as"] and not shown["turns"][1]["answer"]["refused"]


def test_going_on_with_none(run: Run) -> None:
    assert run("ask", "-c", "And why?") == (1, "", "lifelong: no conversation is kept yet; begin one: lifelong chat\n")
    assert run("chat", "-c", "--resume", "1")[0] == 2
    assert run("chat", "--resume", "7") == (1, "", "lifelong: there is no chat 7; see: lifelong chats\n")


def test_nothing_is_kept_with_no_save(run: Run, notes: Path) -> None:
    run("ask", "-q", "--no-save", WHO)
    run("ask", "-q", "--no-save", "--json", WHO)
    assert run("chat", "--no-save", typed=f"{WHO}\n/quit\n")[0] == 0
    assert run("chats") == (4, "", "No chat yet.\n")
    assert run("chats", "--json") == (4, "[]\n", "No chat yet.\n")
    run("ask", "-q", WHO)
    run("ask", "-q", "-c", "--no-save", "Since when?")
    assert [one["turns"] for one in json.loads(run("chats", "--json")[1])] == [1]


def test_a_chat_through_a_pipe_is_kept_and_resumed(run: Run) -> None:
    assert run("chat", typed=f"{WHO}\nWho is Ana Ruiz?\n")[0] == 0
    assert run("chat", "-c", typed="Who owns the dead-letter queue since March?\n")[0] == 0
    assert run("chat", typed=f"{WHO}\n")[0] == 0
    assert run("chat", "--resume", "1", typed=f"{WHO}\n")[0] == 0
    assert [(o["chat"], o["turns"]) for o in json.loads(run("chats", "--json")[1])] == [(1, 4), (2, 1)]


def test_the_list_is_newest_first_and_short(run: Run) -> None:
    for number in range(3):
        run("ask", "-q", f"Question {number} about the queue, which is long enough to be cut off at the column's end?")
    code, out, err = run("chats", "-k", "2")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "…"]
    assert lines[0] == ("   3  Question 2 about the queue, which is long enough to be cut…   just now, 1 question"), (
        lines[0]
    )
    assert lines[2] == "… and 1 more: lifelong chats -k 3"
    assert err == "Read one: lifelong chats show ID   Go on with the last: lifelong chat -c\n"


def test_showing_one(run: Run, notes: Path) -> None:
    run("ask", "-q", WHO)
    with open_assistant("kb", embedder="hash") as assistant, assistant.chat(1) as talk:
        talk.rate(True, "yes")
    code, out, err = run("chats", "show", "1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"› {WHO}"
    assert lines[1].endswith(" · rated good: yes")
    assert lines[2:5] == ["Ana Ruiz", "", '"The dead-letter queue is owned by Ana Ruiz since March." [1]']
    assert f"{notes}/oncall.md:3" in out


@pytest.mark.parametrize(
    "words", [["show"], ["show", "1", "2"], ["show", "x"], ["export"], ["delete"], ["delete", "²"]]
)
def test_what_cannot_be_understood(run: Run, words: list[str]) -> None:
    code, out, err = run("chats", *words)
    assert (code, out) == (2, "") and err.startswith("lifelong: ") and err.count("\n") == 1


def test_exporting_one_to_standard_output_and_to_a_new_file(run: Run, tmp_path: Path) -> None:
    run("ask", "-q", WHO)
    code, out, _ = run("chats", "export", "1")
    assert code == 0 and out.startswith(f"# {WHO}\n\n## 1. {WHO}\n\n")
    assert "[^1-1]: " in out and out.count("[^1-1]") == 2
    code, said, _ = run("chats", "export", "1", "chat.md")
    assert (code, said) == (0, f"Chat 1 is in {tmp_path}/chat.md\n")
    assert (tmp_path / "chat.md").read_text() == out
    assert stat.S_IMODE(os.stat(tmp_path / "chat.md").st_mode) == 0o600
    assert run("chats", "export", "1", "chat.md")[0] == 1  # nothing is written over
    assert (tmp_path / "chat.md").read_text() == out
    assert run("chats", "export", "1", "notes/chat.md")[2] == (
        f"It lies in {tmp_path}/notes, which is read in: it will answer like your other documents.\n"
    )


def test_deleting_asks_or_needs_yes(run: Run, tmp_path: Path) -> None:
    run("ask", "-q", "Is SECRETMARKER anywhere?")
    run("ask", "-q", WHO)
    code, out, err = run("chats", "delete", "1")
    assert (code, out) == (1, "")
    assert err == (
        "lifelong: This removes chat 1, 1 question with what was answered, for good. "
        "Nothing was done; to do it: --yes\n"
    )
    code, out, err = run("chats", "delete", "1", "2", "--yes")
    assert (code, out, err) == (0, "Removed for good: 2 chats, 2 questions.\n", "")
    assert b"SECRETMARKER" not in (tmp_path / "kb" / "lifelong.sqlite3").read_bytes()
    assert run("chats", "delete", "1", "--yes") == (1, "", "lifelong: there is no chat 1; see: lifelong chats\n")


def test_numbers_are_completed(run: Run) -> None:
    for _ in range(3):
        run("ask", "-q", WHO)
    assert candidates(["chats", ""]) == ["show", "export", "delete"]
    assert candidates(["chats", "show", ""]) == ["3", "2", "1"]
    assert candidates(["chats", "delete", "2", ""]) == ["3", "1"]
    assert candidates(["chats", "export", "2", ""]) == []  # a file: the shell knows them
    assert candidates(["chat", "--resume", ""]) == ["3", "2", "1"]


def test_status_counts_chats_and_check_looks_at_them(run: Run) -> None:
    assert " chat" not in run("status")[1]
    run("ask", "-q", WHO)
    run("ask", "-q", "-c", "Since when?")
    assert "1 chat, 2 questions · embedder " in run("status")[1]
    found = json.loads(run("status", "--json")[1])
    assert (found["chats"], found["turns"]) == (1, 2)
    assert run("check")[0] == 0
    with open_assistant("kb", embedder="hash") as opened, opened.knowledge_base._database.transaction() as connection:
        connection.execute("UPDATE turns SET number = 7, answer = '{' WHERE number = 2")
    code, out, _ = run("check")
    assert code == 1
    assert "conversation 1 has 2 turns, the last is number 7; turn 7 of conversation 1 cannot be read" in out


def test_forgetting_and_pruning_tell_of_the_answers(run: Run, notes: Path) -> None:
    run("ask", "-q", WHO)
    (notes / "oncall.md").write_text(QUEUE.replace("Ana Ruiz", "Bo Lund"))
    run("add", "notes", "-q")
    run("ask", "-q", WHO)
    _, out, _ = run("prune", "--keep-last", "1", "--dry-run")
    assert out == "Nothing to let go: no former text is that old.\n"
    _, out, _ = run("prune", "--keep-for", "0 days", "--dry-run")
    assert "that nothing else uses. 1 answer of chats with them. The present is not touched.\n" in out
    assert json.loads(run("prune", "--keep-for", "0 days", "--yes", "--json")[1])["answers"] == 1
    assert "This answer was removed with its source on " in run("chats", "show", "1")[1]
    code, _, err = run("forget", "--everywhere", "notes/oncall.md")
    assert code == 1
    assert err.startswith("lifelong: This removes ") and "and 1 answer of chats that rests on it, for good." in err
    _, out, _ = run("forget", "--everywhere", "notes/oncall.md", "--yes")
    assert out.splitlines()[1] == "1 answer of chats that rested on it went too; the questions stay."


def test_replay_tells_what_became_of_the_answers(run: Run, notes: Path) -> None:
    assert run("replay") == (4, "", "No question is kept yet: lifelong ask, or lifelong chat\n")
    run("ask", "-q", WHO)
    assert run("replay", "--good") == (4, "", "No kept question is rated so.\n")
    assert run("replay", "-q") == (0, "1 question asked again of version 1: 1 the same.\n", "")
    with open_assistant("kb", embedder="hash") as assistant, assistant.chat(1) as talk:
        talk.rate(True)
    (notes / "oncall.md").write_text(QUEUE.replace("Ana Ruiz", "Bo Lund"))
    run("add", "notes", "-q")
    code, out, _ = run("replay", "-q")
    assert code == 0
    day = f"{datetime.now().astimezone():%Y-%m-%d}"
    assert out.splitlines() == [
        "1 question asked again of version 2: 1 changed.",
        "kept good: 0 of 1   95 %: 0% to 79%",
        "",
        WHO,
        f"  changed · chat 1, {day} · rated good",
        "  then: Ana Ruiz",
        "  now:  Bo Lund",
        f"  {notes}/oncall.md changed in version 2",
    ]
    found = json.loads(run("replay", "--json", "-q")[1])
    assert (found["questions"], found["changed"], found["same"]) == (1, 1, 0)
    assert found["kept_good"] == {
        "count": 0,
        "total": 1,
        "value": 0.0,
        "interval_95": [0.0, pytest.approx(0.793, abs=0.001)],
    }
    (case,) = found["cases"]
    assert (case["chat"], case["turn"], case["fate"], case["rating"]) == (1, 1, "changed", "good")
    assert case["reasons"] == [
        {
            "kind": "changed",
            "path": f"{notes}/oncall.md",
            "version": 2,
            "message": f"{notes}/oncall.md changed in version 2",
        }
    ]
    assert run("replay", "-q", "--as-of", "1")[1].startswith("1 question asked again of version 1: 1 the same.\n")
    assert json.loads(run("chats", "--json")[1])[0]["turns"] == 1


def test_an_export_has_the_chats(run: Run, tmp_path: Path) -> None:
    run("ask", "-q", WHO)
    run("ask", "-q", "-c", "What is a swallow?")
    code, out, _ = run("export", "out", "-q")
    assert code == 0 and "of their history, and 1 chat." in out
    assert (tmp_path / "out/chats/1.md").read_text() == run("chats", "export", "1")[1]
    lines = [json.loads(line) for line in (tmp_path / "out/chats.jsonl").read_text().splitlines()]
    assert [(line["chat"], line["turn"], line["question"], line["answer"]["refused"]) for line in lines] == [
        (1, 1, WHO, False),
        (1, 2, "What is a swallow?", True),
    ]


def test_long_answers_that_begin_alike_are_shown_where_they_differ() -> None:
    alike = "word " * 40
    assert _differing(f"{alike}three attempts", f"{alike}five attempts") == (
        "…word word word word word three attempts",
        "…word word word word word five attempts",
    )
    assert _differing("three attempts", "five\nattempts") == ("three attempts", "five attempts")
    assert _differing(alike + "end", alike.strip())[1].startswith("…word")
