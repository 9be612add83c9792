"""`lifelong distill`: what it shows before, whether it asks, how it is stopped, what it ends in; and when it is due."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from pathlib import Path

import pexpect
import pytest
from distilled import DRIFT, GAIN, MODEL, REPORT, begun, judged
from following import until
from played import Played
from scripted import Scripted
from tiny_model import save_tiny_model

from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.distill.distillation import Stage
from rag_lifelong.distill.gates import Probe
from rag_lifelong.distill.lease import alone
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.schedule import Due, due
from rag_lifelong.errors import BadSetting, NotConfirmed
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.terminal.agreement import ask_to_begin
from rag_lifelong.terminal.periodic import Periodic, distilling, is_asked_for
from rag_lifelong.terminal.stages import Stages

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "launch.md").write_text("# Launch\n\nThe launch code is ZANZIBAR since Monday.\n")
    (folder / "lunch.md").write_text("# Lunch\n\nLunch is served at noon in the canteen.\n")
    return folder


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Stands in for the selection, the model and the training, each of which has tests of its own."""
    found = Played("launch.md", "lunch.md")
    monkeypatch.setattr("rag_lifelong.distill.planning.plan", found.plan)
    monkeypatch.setattr("rag_lifelong.distill.distillation.distill", found.distill)
    monkeypatch.setattr("rag_lifelong.distill.schedule.select", found.select)

    def opened(spec: object, settings: object) -> Scripted | None:
        return None if spec == "quote" else Scripted("words")

    monkeypatch.setattr("rag_lifelong.assistant.open_model", opened)
    return found


@pytest.fixture
def run(
    tmp_path: Path, notes: Path, played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `lifelong …` over two notes, with a model set: (exit code, stdout, stderr)."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.setenv("LIFELONG_MODEL", MODEL)
    monkeypatch.chdir(tmp_path)

    def running(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        code = main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    running("add", "notes", "-q")
    return running


def settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "kb" / "lifelong.toml").write_text(text)


# -- before


def test_a_dry_run_shows_what_and_why_not_and_what_it_takes(run: Run, notes: Path, tmp_path: Path) -> None:
    code, out, err = run("distill", "--dry-run")
    assert (code, err) == (0, "Nothing was trained. To do it: lifelong distill\n")
    assert out.splitlines() == [
        "Chosen of all documents: 2 passages of 2 documents.",
        "  passages  unchanged    found  cited   good",
        f"         1    32 days        5      3      1   {notes}/lunch.md",
        f"         1    31 days        4      3      1   {notes}/launch.md",
        "",
        "Passed over: 1,201 passages.",
        "     1,200  of 34 documents: never found",
        "         1  of 1 document: changed today; stable after 7 days",
        "",
        f"Pairs: by {MODEL}, each checked against its passage.",
        "It takes about 13 minutes and 3.1 GB of memory.",
    ]
    assert run("adapters")[0] == 4
    assert f"            {notes}/launch.md.old · p. 2\n" in run("distill", "--dry-run", "-v")[1]
    words = ("notes/l*", "--min-age", "0", "--seed", "3", "-m", "transformers:/a b")
    assert run("distill", "--dry-run", *words)[2].endswith(
        "To do it: lifelong distill 'notes/l*' --min-age 0 --seed 3 -m 'transformers:/a b'\n"
    )
    settings(tmp_path, 'distill_within = "notes"')
    assert run("distill", "--dry-run")[1].startswith("Chosen of notes: 2 passages")


def test_a_dry_run_needs_no_model(run: Run) -> None:
    code, out, err = run("distill", "notes", "--dry-run", "-m", "quote")
    assert code == 0
    assert (
        out.splitlines()[-1] == "An adapter stands beside a model on this machine; with one, this says what it takes."
    )
    assert err == "Nothing was trained. To do it: lifelong distill notes -m transformers:FOLDER\n"
    found = json.loads(run("distill", "--dry-run", "--json", "-m", "quote")[1])
    assert (found["adapter"], found["promoted"], found["due"]) == (None, None, None)
    plan = found["plan"]
    assert [(Path(one["path"]).name, one["found"], one["good"]) for one in plan["chosen"]] == [
        ("launch.md", 4, 1),
        ("lunch.md", 5, 1),
    ]
    assert [(one["why"], one["passages"], len(one["examples"])) for one in plan["passed_over"]] == [
        ("never found", 1_200, 1),
        ("changed today; stable after 7 days", 1, 0),
    ]
    assert (plan["considered"], plan["writer"], plan["seconds"]) == (1_203, "templates", None)


def test_options_are_the_recipe(run: Run, played: Played) -> None:
    run(
        "distill",
        "--dry-run",
        "--min-age",
        "0",
        "--min-uses",
        "5",
        "--max-passages",
        "9",
        "--steps",
        "7",
        "--seed",
        "3",
    )
    assert played.recipes == [replace(Recipe(), min_age_days=0, min_uses=5, max_passages=9, steps=7, seed=3)]


def test_without_a_model_on_this_machine_it_says_how_to_set_one(run: Run) -> None:
    for spec in ("quote", "ollama:llama3"):
        code, out, err = run("distill", "-m", spec)
        assert (code, out) == (1, "")
        assert err == (
            f"lifelong: an adapter stands beside a model on this machine, and {spec} is set; to set one: lifelong models "
            "default transformers:FOLDER, or for this run: lifelong distill -m transformers:FOLDER\n"
        )


def test_nothing_stable_and_used_is_4(run: Run, played: Played) -> None:
    played.names = ()
    for words in (("distill",), ("distill", "--dry-run")):
        code, out, err = run(*words)
        assert code == 4
        assert out.splitlines()[:3] == [
            "Nothing of all documents is stable and used yet.",
            "",
            "Passed over: 1,201 passages.",
        ]
        assert "Pairs" not in out
        assert err.endswith("To ask for less: --min-age DAYS, --min-uses N\n")
    played.is_empty = True
    assert run("distill", "nots/*", "--dry-run") == (4, "", "Nothing is stored in nots/*; see: lifelong list\n")
    assert run("distill", "-q") == (4, "", "")
    assert run("distill") == (4, "", "Nothing is stored yet. To read files in: lifelong add PATH\n")


def test_a_probe_is_read_line_by_line(run: Run, played: Played, tmp_path: Path) -> None:
    (tmp_path / "probe.tsv").write_text(
        "# general\nWhat is 1 + 1?\t2\n\nSay something.\nwhat is 1  + 1?\ttwo\n"  # once: half of them are trained on
    )
    assert run("distill", "--probe", "probe.tsv")[0] == 0
    assert played.probe == (Probe("What is 1 + 1?", "2"), Probe("Say something.", None))


@pytest.mark.parametrize(("typed", "begins"), [("y\n", True), ("YES\n", True), ("\n", False), ("", False)])
def test_only_a_yes_begins_on_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str, begins: bool) -> None:
    class Keys(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Keys()
    monkeypatch.setattr("sys.stdin", Keys(typed))
    monkeypatch.setattr("sys.stderr", screen)
    if begins:
        ask_to_begin(Namespace(yes=False, quiet=False), "12 passages.")
    else:
        with pytest.raises(NotConfirmed):
            ask_to_begin(Namespace(yes=False, quiet=False), "12 passages.")
    assert screen.getvalue() == "12 passages.\nBegin? [y/N] "
    ask_to_begin(Namespace(yes=True, quiet=True), "12 passages.")
    assert screen.getvalue() == "12 passages.\nBegin? [y/N] "


# -- during and after


def test_a_promoted_adapter_ends_in_the_table_of_its_gates(run: Run) -> None:
    code, out, err = run("distill", "notes")
    assert code == 0
    assert err.splitlines() == [
        "Of notes: 2 passages of 2 documents; to see them: --dry-run",
        f"Pairs: by {MODEL}, each checked against its passage.",
        "It takes about 13 minutes and 3.1 GB of memory.",
        "^C stops at a checkpoint, and the same command goes on.",
    ]
    assert out.splitlines() == [
        "Adapter 1 is active: all its gates hold.",
        "                               value    needs     95 %    needs",
        "ok   gain                      0.412        –    0.301    0.000",
        "     facts won closed book, in F1 (of 40)",
        "ok   drift                     0.020        –    0.031    0.050",
        "     nats per token from the base (of 60)",
        "pairs 0:41 · training 3:20",
        "It words answers to questions about what it was made of.",
        "Take it out: lifelong adapters disable 1",
    ]
    assert json.loads(run("adapters", "--json")[1])[0]["namespace"] == "notes"


def test_a_rejected_adapter_is_4_and_names_its_gates(run: Run, played: Played) -> None:
    played.report = replace(REPORT, gates=(replace(GAIN, holds=False), replace(DRIFT, holds=False)))
    code, out, err = run("distill", "-q", "--json")
    assert (code, err) == (4, "")
    found = json.loads(out)
    assert (found["promoted"], found["failed_gates"], found["adapter"]["state"]) == (
        False,
        ["gain", "drift"],
        "rejected",
    )
    code, out, _ = run("distill", "--yes")
    assert code == 4
    assert out.splitlines()[0] == "Adapter 2 is rejected by its gates gain, drift."
    assert out.splitlines()[-2:] == [
        "It words no answer, and the model is as it was.",
        "All about it: lifelong adapters show 2",
    ]


def test_control_c_stops_at_a_checkpoint_and_the_same_command_goes_on(run: Run, played: Played) -> None:
    played.stop_at = 2
    code, out, err = run("distill", "notes")
    assert (code, out) == (130, "")
    assert err.endswith(
        "Stopped. What was done up to the last checkpoint is kept.\nRun it again to go on: lifelong distill notes\n"
    )
    played.stop_at = None
    code, out, err = run("distill", "notes")
    assert code == 0
    assert "It goes on with adapter 1, and the passages chosen then, if all of them stand.\n" in err
    assert "is given up" not in err
    assert out.startswith("Adapter 1 is active")


def test_two_do_not_distil_at_once(run: Run, played: Played, tmp_path: Path) -> None:
    with alone(tmp_path / "kb"):
        code, out, err = run("distill")
    assert (code, out) == (1, "")
    assert err.endswith(
        "lifelong: another process distils already, one at a time; what became of it: lifelong adapters\n"
    )
    assert run("distill", "-q")[0] == 0
    settings(tmp_path, "distill_every_days = 1")
    played.names = ("launch.md",)
    run("adapters", "delete", "1", "--yes")
    with alone(tmp_path / "kb"):
        code, out, err = run("distill", "--if-due", "-q")
    assert (code, err) == (0, "")
    assert out.startswith("Not now: another process distils already")


def test_progress_on_a_terminal_is_a_line_a_phase() -> None:
    screen, seconds, columns = io.StringIO(), [0.0], [100]
    stages = Stages(screen, is_drawn=True, columns=lambda: columns[0], now=lambda: seconds[0])

    def told(stage: Stage, at: float) -> str:
        screen.truncate(0)
        screen.seek(0)
        seconds[0] = at
        stages.tell(stage)
        return screen.getvalue()

    assert told(Stage("pairs", 0, 40), 0.0) == f"\r\x1b[KPairs      {'╌' * 24} 0/40 passages{' ' * 42}^C stops"
    assert told(Stage("pairs", 20, 40), 5.0).startswith(
        f"\r\x1b[KPairs      {'━' * 12}{'╌' * 12} 20/40 passages · 0:05 left"
    )
    assert told(Stage("pairs", 21, 40), 5.01) == ""  # not drawn again so soon
    over, _, begun = told(Stage("training", 600, 1_200, 0.4117), 9.0).partition("\n")
    assert over == f"\r\x1b[KPairs      21/40 passages{' ' * 70}0:09"
    assert begun.startswith(f"\r\x1b[KTraining   {'━' * 12}{'╌' * 12} 600/1,200 steps · loss 0.412  ")
    # it goes on from a checkpoint: 100 steps took ten seconds, not 700
    assert "700/1,200 steps · loss 0.300 · 0:50 left" in told(Stage("training", 700, 1_200, 0.3), 19.0)
    columns[0] = 30
    assert told(Stage("training", 800, 1_200, 0.3), 29.0) == "\r\x1b[KTraining   800/1,200 steps ·…"
    screen.truncate(0)
    stages.close()
    stages.close()
    assert screen.getvalue().count("\n") == 1


def test_progress_where_nobody_watches_is_a_line_every_ten_seconds() -> None:
    screen, seconds = io.StringIO(), [0.0]
    stages = Stages(screen, is_drawn=False, now=lambda: seconds[0])
    for second in range(25):
        seconds[0] = float(second)
        stages.tell(Stage("training", second, 100, 0.5))
    seconds[0] = 40.0
    stages.tell(Stage("training", 100, 100, 0.5))
    stages.close()
    stages.tell(Stage("gates", 0, 9))  # short: nothing is said of it
    stages.close()
    assert screen.getvalue().splitlines() == [
        "Training   10/100 steps · loss 0.500 · 1:30 left",
        "Training   20/100 steps · loss 0.500 · 1:20 left",
        "Training   100/100 steps · loss 0.500 · 0:40",
    ]


# -- when


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_what_is_due_is_what_is_new(tmp_path: Path, notes: Path, played: Played) -> None:
    clock = Clock()
    with open_assistant(tmp_path / "kb", embedder="hash", now=clock) as assistant:
        assistant.add(notes)

        def asked(every_days: int, after_passages: int, model: str = MODEL) -> Due:
            return due(assistant, model=model, every_days=every_days, after_passages=after_passages, recipe=Recipe())

        known = assistant.knowledge_base.adapters
        assert not asked(0, 0).is_due
        assert asked(7, 0, model="quote").why == "adapters are for a transformers: model, and quote is set"
        assert asked(7, 0) == Due(True, "2 passages wait, and no adapter was made yet", 2, None)
        assert asked(0, 3) == Due(False, "2 passages wait, of 3 asked for", 2, None)
        assert asked(0, 2) == Due(True, "2 passages wait, of 2 asked for", 2, None)

        other = begun(assistant, "launch.md", recipe=replace(Recipe(), steps=7))
        assert asked(7, 1).why.startswith("adapter 1 was begun in another way; go on with that, or: lifelong adapters")
        known.delete(other.id)
        first = begun(assistant, "launch.md")
        assert asked(7, 0) == Due(True, "adapter 2 was begun and not finished", 0, None)
        played.names = ()
        assert asked(7, 1) == Due(False, "adapter 2 was begun, and nothing is stable and used any more", 0, None)
        played.names = ("launch.md", "lunch.md")
        judged(assistant, first)
        week = clock.now + timedelta(days=7)
        assert asked(7, 0) == Due(False, "1 passage waits", 1, week)
        assert asked(7, 1).is_due
        clock.now = week
        assert asked(7, 0) == Due(True, "1 passage waits, and adapter 2 was made over 7 days ago", 1, None)

        played.names = ("launch.md",)  # nothing but what the adapter is made of
        assert asked(7, 1) == Due(False, "nothing new is stable and used", 0, None)
        known.disable(2)  # by the user, who does not want it back by itself
        assert not asked(7, 1).is_due
        played.names = ("launch.md", "lunch.md")  # nor replaced, since something new waits
        off = "adapter 2 was disabled; enable or delete it, or distil by hand: lifelong distill"
        assert asked(7, 1) == Due(False, off, 0, None)
        known.enable(2)
        assert asked(7, 1).is_due
        played.names = ("launch.md",)
        (notes / "launch.md").write_text("# Launch\n\nThe launch code is MADAGASCAR since Tuesday.\n")
        assistant.add(notes)
        assert asked(7, 1).is_due  # it lost its source

        rejected = replace(REPORT, gates=(replace(GAIN, holds=False),))
        judged(assistant, begun(assistant, "launch.md"), rejected)
        clock.now += timedelta(days=30)
        assert not asked(7, 1).is_due  # the same would be rejected again


def test_if_due_is_quiet_about_what_is_not(run: Run, tmp_path: Path) -> None:
    assert run("distill", "--if-due") == (
        0,
        "Not due: no setting asks for it: distill_every_days, or distill_after_passages.\n",
        "",
    )
    settings(tmp_path, "distill_after_passages = 3")
    assert run("distill", "--if-due") == (0, "Not due: 2 passages wait, of 3 asked for.\n", "")
    assert "Nothing is to be distilled: 2 passages wait, of 3 asked for\n" in run("status")[1]
    settings(tmp_path, "distill_after_passages = 2")
    assert (
        "To be distilled now: 2 passages wait, of 2 asked for (lifelong watch does it, or lifelong distill)\n"
        in run("status")[1]
    )
    found = json.loads(run("distill", "--if-due", "--yes", "--json", "-q")[1])
    assert (found["due"]["waiting"], found["promoted"]) == (2, True)
    found = json.loads(run("distill", "--if-due", "--json")[1])
    assert (found["due"]["due"], found["plan"], found["adapter"]) == (False, None, None)
    settings(tmp_path, "distill_every_days = 7")
    assert json.loads(run("status", "--json")[1])["distilling"]["why"] == "nothing new is stable and used"
    assert run("distill", "--if-due", "--dry-run")[0] == 2


def test_settings_have_bounds(run: Run, tmp_path: Path) -> None:
    settings(tmp_path, "distill_every_days = -1")
    assert run("status")[2].endswith("distill_every_days must lie between 0 and 3650, not -1\n")


# -- while folders are watched


def child(out: str, code: int, err: str = "", before: str = "true") -> list[str]:
    """A command that says what it is told to, and ends with a code."""
    return ["sh", "-c", f'{before}; printf %s "$1"; printf %s "$2" >&2; exit {code}', "sh", out, err]


def test_the_child_is_started_at_most_hourly_and_its_result_is_an_event() -> None:
    seconds = [0.0]
    told: list[Happening] = []
    adapter = {"id": 3, "sources": [0] * 42}
    out = json.dumps({"adapter": adapter, "promoted": False, "failed_gates": ["beside", "drift"]})
    periodic = Periodic(
        child(out, 4), is_wanted=lambda: True, tell=told.append, utc_now=Clock(), now=lambda: seconds[0]
    )

    def over() -> None:
        assert periodic._running is not None
        periodic._running[0].wait(20)
        periodic.look()

    periodic.look()
    over()
    assert [(h.kind, h.message) for h in told] == [
        ("distilled", "adapter 3 is rejected by beside, drift: lifelong adapters show 3")
    ]
    seconds[0] = 3_599.0
    periodic.look()
    assert periodic._running is None
    seconds[0] = 3_600.0
    periodic.look()
    assert periodic._running is not None
    assert os.getpriority(os.PRIO_PROCESS, periodic._running[0].pid) == max(15, os.getpriority(os.PRIO_PROCESS, 0))
    over()
    assert len(told) == 2
    assert not periodic.is_running


def test_each_time_it_is_asked_whether_a_setting_wants_it(tmp_path: Path) -> None:
    base, marks = tmp_path / "kb", tmp_path / "marks"
    base.mkdir()
    seconds = [0.0]
    told: list[Happening] = []
    command = child('{"adapter": null}', 0, before=f"echo >> '{marks}'")
    periodic = Periodic(
        command,
        is_wanted=lambda: is_asked_for(base),
        tell=told.append,
        utc_now=Clock(),
        now=lambda: seconds[0],
    )

    def starts_in_the_next_hour() -> bool:
        periodic.look()
        has_started = periodic._running is not None
        if periodic._running is not None:
            periodic._running[0].wait(20)
            periodic.look()
        seconds[0] += 3_600.0
        return has_started

    assert not starts_in_the_next_hour(), "no setting asks for it"
    settings(tmp_path, "distill_every_days = 7")
    seconds[0] -= 1.0
    periodic.look()
    assert not periodic.is_running, "the hour is not over"
    seconds[0] += 1.0
    assert starts_in_the_next_hour()
    settings(tmp_path, "distill_after_passages = 5")
    assert starts_in_the_next_hour()
    settings(tmp_path, "distill_after_passages = ")
    assert [starts_in_the_next_hour(), starts_in_the_next_hour()] == [False, False], "what cannot be read asks nothing"
    with pytest.raises(BadSetting) as unreadable:
        is_asked_for(base)
    said = f"whether to distil cannot be looked up: {unreadable.value}"
    assert [(h.kind, h.message) for h in told] == [("trouble", said)]
    settings(tmp_path, "distill_after_passages = 0")
    assert not starts_in_the_next_hour()
    settings(tmp_path, "distill_after_passages = 5")
    assert starts_in_the_next_hour()
    assert marks.read_text() == "\n" * 3


@pytest.mark.parametrize(
    ("out", "code", "err", "said"),
    [
        ('{"adapter": null}', 0, "", []),
        ('{"adapter": null, "why_not": "no questions"}', 4, "", ["nothing was distilled: no questions"]),
        (
            '{"adapter": {"id": 3, "sources": [0]}, "promoted": true}',
            0,
            "",
            ["adapter 3 is active, made of 1 passages"],
        ),
        ("", 1, "note\nlifelong: no model\n", ["distilling failed: no model"]),
        ("", 3, "", ["distilling failed: exit code 3"]),
        ("x", 0, "", ["distilling gave no answer that can be read; see: lifelong distill --dry-run"]),
        ("", 130, "Stopped.", []),
    ],
)
def test_what_the_child_says(out: str, code: int, err: str, said: list[str]) -> None:
    told: list[Happening] = []
    periodic = Periodic(child(out, code, err), is_wanted=lambda: True, tell=told.append, utc_now=Clock(), every_s=0.0)
    for _ in range(2):  # a trouble that goes on is told once
        periodic.look()
        assert periodic._running is not None
        periodic._running[0].wait(20)
        periodic.look()
    assert [h.message for h in told] == (said if code in (1, 3, 4) or not said or out == "x" else said * 2)


def test_the_child_ends_with_the_watcher() -> None:
    told: list[Happening] = []
    sleeping = child("", 0, before="exec sleep 60")
    periodic = Periodic(sleeping, is_wanted=lambda: True, tell=told.append, utc_now=Clock())
    periodic.look()
    assert periodic._running is not None
    process = periodic._running[0]
    periodic.close()
    periodic.close()
    assert process.returncode == -15
    assert told == []


def test_the_command_of_the_child_names_the_knowledge_base_and_the_model(tmp_path: Path) -> None:
    assert distilling(tmp_path, MODEL)[1:] == (
        "-m", "rag_lifelong", "--kb", str(tmp_path), "--model", MODEL, "distill", "--if-due", "--yes", "--json", "--quiet",
    )  # fmt: skip


def test_watch_starts_the_child_only_if_a_setting_asks_for_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "marks"
    command = ("sh", "-c", f"echo >> '{marks}'; printf '%s' '{json.dumps({'adapter': None})}'")
    monkeypatch.setattr("rag_lifelong.terminal.periodic.distilling", lambda *given: command)

    def ended_when(condition: Callable[[], object]) -> threading.Thread:
        def ends() -> None:
            try:
                until(condition)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=ends)
        thread.start()
        return thread

    end = time.monotonic() + 1.0
    compared = ended_when(lambda: time.monotonic() > end)
    assert run("watch", "notes", "-q")[0] == 0
    compared.join()
    assert not marks.exists()
    settings(tmp_path, "distill_every_days = 7")
    started = ended_when(lambda: marks.exists() and marks.read_text())
    assert run("watch", "notes", "-q")[0] == 0
    started.join()
    assert marks.read_text() == "\n"


def test_watch_starts_the_child_once_a_setting_asks_for_it_without_a_restart(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "marks"
    command = ("sh", "-c", f"echo >> '{marks}'; printf '%s' '{json.dumps({'adapter': None})}'")
    looked: list[bool] = []

    def looks(base: Path) -> bool:
        looked.append(is_asked_for(base))
        return looked[-1]

    monkeypatch.setattr("rag_lifelong.terminal.periodic.distilling", lambda *given: command)
    monkeypatch.setattr("rag_lifelong.terminal.periodic.is_asked_for", looks)
    monkeypatch.setattr(Periodic, "__init__", partialmethod(Periodic.__init__, every_s=0.0))  # the hour is over at once

    def sets_and_ends() -> None:
        try:
            until(lambda: looked)
            assert not marks.exists()
            settings(tmp_path, "distill_after_passages = 5")
            until(lambda: marks.exists() and marks.read_text())
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=sets_and_ends)
    thread.start()
    assert run("watch", "notes", "-q")[0] == 0
    thread.join()
    assert not looked[0] and marks.exists()


# -- a real terminal

TALK = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import rag_lifelong.assistant, rag_lifelong.distill.distillation, rag_lifelong.distill.planning
from played import Played
from following import until
from scripted import Scripted
from tiny_model import save_tiny_model
from rag_lifelong.cli import main
played = Played("launch.md", "lunch.md", steps=400)
played.pause_s = 0.01
rag_lifelong.distill.planning.plan = played.plan
rag_lifelong.distill.distillation.distill = played.distill
rag_lifelong.assistant.open_model = lambda spec, settings: None if spec == "quote" else Scripted("words")
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def terminal(run: Run, tmp_path: Path) -> Iterator[pexpect.spawn]:  # type: ignore[type-arg]
    """`lifelong distill` in a pseudo-terminal of 80 columns."""
    environment = {
        "HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8",
        "LIFELONG_KB": str(tmp_path / "kb"), "LIFELONG_EMBEDDER": "hash", "LIFELONG_MODEL": MODEL,
    }  # fmt: skip
    child = pexpect.spawn(
        sys.executable, ["-c", TALK, str(Path(__file__).parent), "distill"], env=environment,
        cwd=str(Path(__file__).parents[2]), dimensions=(30, 80), encoding="utf-8", timeout=30,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.close(force=True)


def test_on_a_terminal_it_asks_and_control_c_stops_it(terminal: pexpect.spawn, run: Run) -> None:  # type: ignore[type-arg]
    terminal.expect_exact("It takes about 13 minutes and 3.1 GB of memory.")
    terminal.expect_exact("Begin? [y/N] ")
    terminal.send("y\r")
    terminal.expect(r"Training   ━+╌+ \d+/400 steps · loss 0\.\d+ · 0:0\d left")
    terminal.sendintr()
    terminal.expect_exact("Stopping at a checkpoint. ^C again leaves at once.")
    terminal.expect(r"Training   \d+/400 steps · loss 0\.\d+ +0:0\d")
    terminal.expect_exact("Run it again to go on: lifelong distill")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert json.loads(run("adapters", "--json")[1])[0]["state"] == "candidate"


# -- with nothing played


@pytest.mark.slow
@pytest.mark.model
def test_a_model_that_writes_nothing_useful_is_not_asked_again_by_itself(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    spec = f"transformers:{save_tiny_model(tmp_path / 'model', context_tokens=1_024)}"
    assert main(["add", str(notes), "-q"]) == 0
    for _ in range(2):
        assert main(["ask", "-q", "What is the launch code?"]) == 0
    capsys.readouterr()
    few = ["--min-age", "0", "--max-passages", "1", "--steps", "2"]
    assert main(["distill", "--dry-run", "--json", "-m", spec, *few]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert [Path(one["path"]).name for one in plan["chosen"]] == ["launch.md"]
    assert (plan["writer"], plan["considered"], plan["continues"]) == (spec, 2, None)
    assert plan["seconds"] > 0 and plan["memory_bytes"] > 0
    assert main(["distill", "-m", spec, *few]) == 4
    said = capsys.readouterr().out
    assert "Nothing was distilled: " in said and "wrote no questions about these passages" in said
    assert main(["adapters"]) == 0
    assert "rejected, since " in " ".join(capsys.readouterr().out.split())
    assert main(["adapters", "show", "1"]) == 0
    assert "  not judged\n" in capsys.readouterr().out
    (tmp_path / "kb" / "lifelong.toml").write_text("distill_after_passages = 1\n")
    assert main(["distill", "--if-due", "-m", spec, *few]) == 0
    assert capsys.readouterr().out == "Not due: nothing new is stable and used.\n"
