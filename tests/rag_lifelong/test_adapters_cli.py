"""The adapters at the command line: listed, shown, enabled, disabled, deleted; in `status`, completion and answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from distilled import DRIFT, GAIN, MODEL, REPORT, begun, judged

from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.session import looking
from rag_lifelong.session.state import Session
from rag_lifelong.terminal import gates
from rag_lifelong.terminal.completion import candidates
from rag_lifelong.terminal.render import verdict
from rag_lifelong.terminal.style import Style
from rag_lifelong.transcript import markdown

QUESTION = "What is the launch code?"
PLAIN = Style(has_colors=False, has_links=False, width=None, editor_uri="")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "launch.md").write_text("# Launch\n\nThe launch code is ZANZIBAR since Monday.\n")
    (folder / "lunch.md").write_text("# Lunch\n\nLunch is served at noon in the canteen.\n")
    return folder


@pytest.fixture
def run(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lifelong …` over two notes: (exit code, stdout, stderr)."""
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


@pytest.fixture
def two(run: Run) -> Run:
    """Adapter 1 was rejected by its drift, adapter 2 is active, of both documents of notes/."""
    with open_assistant("kb", embedder="hash") as assistant:
        judged(assistant, begun(assistant, "lunch.md"), replace(REPORT, gates=(GAIN, replace(DRIFT, holds=False))))
        judged(assistant, begun(assistant, "launch.md", "lunch.md", namespace="notes"))
    return run


def test_none_says_how_to_begin(run: Run) -> None:
    code, out, err = run("adapters")
    assert (code, out) == (4, "")
    assert err.startswith("No adapter yet. To begin:\n  lifelong distill --dry-run   what would be distilled")
    assert run("adapters", "--json")[:2] == (4, "[]\n")


def test_the_list_is_newest_first_with_what_was_gained_and_why(two: Run) -> None:
    code, out, err = two("adapters")
    assert (code, err) == (0, "All about one: lifelong adapters show ID\n")
    assert out.splitlines() == [
        "  2  active     2 passages of 2 documents   just now   gain +0.41",
        f"     notes · {MODEL} · all gates hold",
        "  1  rejected   1 passage of 1 document     just now   gain +0.41",
        f"     all documents · {MODEL} · rejected by drift",
    ]
    found = json.loads(two("adapters", "--json")[1])
    assert [(one["id"], one["state"], one["namespace"], len(one["sources"])) for one in found] == [
        (2, "active", "notes", 2),
        (1, "rejected", "", 1),
    ]


def test_an_adapter_in_full(two: Run, notes: Path) -> None:
    code, out, err = two("adapters", "show", "1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "Adapter 1: rejected by drift",
        "  1 passage of 1 document, chosen from all documents as of version 1",
        f"  for {MODEL} · base {'b' * 16} · no weights",
    ]
    assert [line[20:] for line in lines[5:7]] == [
        "version 1     candidate  begun",
        "version 1     rejected   rejected by drift",
    ]
    assert lines[9] == f"  1 passage     {notes}/lunch.md   holds"
    begin = lines.index("Its gates")
    assert lines[begin + 1 : begin + 6] == [
        "                               value    needs     95 %    needs",
        "ok   gain                      0.412        –    0.301    0.000",
        "     facts won closed book, in F1 (of 40)",
        "BAD  drift                     0.020        –    0.031    0.050",
        "     nats per token from the base (of 60)",
    ]
    assert "     adapter                   0.433   95 %: 0.320 to 0.550" in lines
    made = lines[lines.index("How it was made") + 1 :]
    assert made[:5] == [
        "  210 pairs of 40 facts, 42 held out; 7 more were not reproduced",
        "  written by templates",
        "  1,200 steps, loss 2.500 at first, 0.041 at last",
        "  pairs 0:41 · training 3:20 · 3.1 GB of memory at most",
        "     Written by templates: this model writes no questions.",
    ]
    assert (
        made[5].startswith("     recipe: alpha 16 · ") and " · steps 1500 · " in made[5] and "refusals" not in made[5]
    )
    whole = json.loads(two("adapters", "show", "1", "--json")[1])
    assert [event["state"] for event in whole["events"]] == ["candidate", "rejected"]
    assert whole["documents"] == [{"path": f"{notes}/lunch.md", "passages": 1, "says": "holds"}]
    assert whole["report"]["gates"][1]["name"] == "drift"


def test_a_source_that_changed_is_named_where_it_suspends(two: Run, notes: Path) -> None:
    (notes / "launch.md").write_text("# Launch\n\nThe launch code is MADAGASCAR since Tuesday.\n")
    two("add", "notes", "-q")
    (notes / "lunch.md").unlink()
    two("sync", "-q", "--yes")
    code, out, _ = two("adapters", "show", "2")
    assert code == 0
    assert out.startswith("Adapter 2: suspended, ")
    assert f"  1 passage     {notes}/launch.md   changed in version 2\n" in out
    assert f"  1 passage     {notes}/lunch.md   gone\n" in out
    assert two("adapters", "enable", "2")[0] == 1


def test_disabled_and_enabled_again(two: Run) -> None:
    assert two("adapters", "disable", "2") == (
        0,
        "Adapter 2 words no answer until it is enabled. Take it back: lifelong adapters enable 2\n",
        "",
    )
    assert json.loads(two("adapters", "--json")[1])[0]["state"] == "suspended"
    assert json.loads(two("adapters", "enable", "2", "--json")[1])["state"] == "active"
    code, out, err = two("adapters", "enable", "1")
    assert (code, out, err) == (1, "", "lifelong: adapter 1 is rejected by drift\n")


def test_deleting_needs_a_yes_and_leaves_nothing(two: Run) -> None:
    code, out, err = two("adapters", "delete", "2")
    assert (code, out) == (1, "")
    assert err == (
        "lifelong: This removes adapter 2 (active), its weights and its pairs, for good. Nothing was done; to do it: "
        "--yes\n"
    )
    assert two("adapters", "delete", "2", "--yes") == (0, "Removed for good: adapter 2.\n", "")
    assert two("adapters", "show", "2") == (1, "", "lifelong: there is no adapter 2; see: lifelong adapters\n")
    assert json.loads(two("adapters", "delete", "1", "--yes", "--json")[1]) == {
        "deleted": 1,
        "complete": True,
        "left": [],
    }
    assert two("adapters")[0] == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show"], "say which: lifelong adapters show ID"),
        (["disable", "1", "2"], "say which: lifelong adapters disable ID"),
        (["show", "x\x1b"], "'x\ufffd' is no adapter's number; see: lifelong adapters"),
        (["delete", str(1 << 63)], f"'{1 << 63}' is no adapter's number; see: lifelong adapters"),
    ],
)
def test_what_is_not_said_well_is_2(run: Run, words: list[str], said: str) -> None:
    assert run("adapters", *words) == (2, "", f"lifelong: {said}\n")


def test_a_report_of_another_version_is_said_and_not_guessed(run: Run) -> None:
    with open_assistant("kb", embedder="hash") as assistant:
        adapter = begun(assistant, "lunch.md")
        assistant.knowledge_base.adapters.judge(
            adapter.id, report='{"gain": 0.5}', weights=b"W", passed=True, reason="all gates hold"
        )
    assert run("adapters")[1].splitlines()[0].split() == "1 active 1 passage of 1 document just now".split()
    assert "  another version of this program has judged it; its report: --json\n" in run("adapters", "show", "1")[1]


def test_rows_are_broken_to_the_terminals_width() -> None:
    narrow = Style(has_colors=False, has_links=False, width=lambda: 30, editor_uri="")
    assert list(gates.table([GAIN], narrow))[2:] == ["     facts won closed book,", "     in F1 (of 40)"]


def test_status_counts_them_by_state(two: Run) -> None:
    assert "2 adapters: 1 active, 1 rejected (lifelong adapters)\n" in two("status")[1]
    assert json.loads(two("status", "--json")[1])["adapters"] == {"rejected": 1, "active": 1}
    two("adapters", "delete", "1", "--yes")
    two("adapters", "delete", "2", "--yes")
    assert "adapter" not in two("status")[1]


def test_completion_knows_what_can_be_done_and_with_which(two: Run) -> None:
    assert candidates(["adapters", ""]) == ["show", "enable", "disable", "delete"]
    assert candidates(["adapters", "show", ""]) == ["2", "1"]
    assert candidates(["adapters", "show", "1", ""]) == []


def test_an_answer_by_an_adapter_names_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with open_assistant("kb", embedder="hash") as assistant, assistant.chat() as talk:
        found = talk.ask(QUESTION)
        by = replace(found, model=MODEL, adapter="adapter 3")
        assert verdict(found, as_of_time=None).endswith(" · everything indexed · quoted")
        assert verdict(by, as_of_time=None).endswith(f" · everything indexed · {MODEL} with adapter 3")
        assert by.to_json()["adapter"] == "adapter 3"
        page = markdown([replace(talk.turns[-1], answer=by)])
        assert f" · {MODEL} with adapter 3*" in page
        session = Session(assistant, talk, style=PLAIN, scope={}, k=None, is_terminal=False)
        session.hits, session.question = assistant.last_hits, QUESTION
        told = f"worded by {MODEL} with adapter 3, which was made of the best passages found: /adapters show 3\n"
        for answer, expected in ((by, True), (found, False)):
            session.answer = answer
            looking.why(session, "")
            assert capsys.readouterr().out.endswith(told) is expected
