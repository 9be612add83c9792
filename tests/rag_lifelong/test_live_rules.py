"""Rules about age that another process sets or drops, as open processes notice them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from distilled import begun, judged

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.config import rules_of
from rag_lifelong.errors import BadSetting
from rag_lifelong.live_rules import LiveRules
from rag_lifelong.staleness import Rule
from rag_lifelong.types import AdapterState

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD = NOON - 100 * DAY
BROKEN = "[[rules]]\nmatch = '*'\ntime_to_li"
MONTH, YEAR = Rule("*", time_to_live=30 * DAY), Rule("*", time_to_live=365 * DAY)


def text_of(days: int) -> str:
    return f"[[rules]]\nmatch = '*'\ntime_to_live = '{days} days'\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    file = folder / "launch.md"
    file.write_text("# Launch\n\nThe launch code is ZANZIBAR since Monday.\n")
    os.utime(file, (OLD.timestamp(), OLD.timestamp()))
    return folder


Opened = Callable[[], Assistant]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens the knowledge base once more, as another process would."""
    found: list[Assistant] = []

    def opens() -> Assistant:
        found.append(open_assistant(tmp_path / "kb", embedder="hash", now=lambda: NOON))
        return found[-1]

    yield opens
    for assistant in found:
        assistant.close()


def stale(assistant: Assistant) -> list[bool]:
    """Whether each document is stale."""
    return [not standing.holds for standing in assistant.standings().values()]


def test_a_rule_that_another_process_sets_or_drops_holds_from_the_next_question(opened: Opened, notes: Path) -> None:
    mine, other = opened(), opened()
    mine.add(notes)
    question = "What is the launch code?"
    assert (stale(mine), mine.ask(question).verdict.stale) == ([False], False)
    other.set_rule(Rule("*", time_to_live=30 * DAY))
    assert (stale(mine), mine.ask(question).verdict.stale) == ([True], True)
    other.set_rule(Rule("*", past="hide"))
    assert mine.search("launch code") == ()
    other.drop_rule("*")
    assert stale(mine) == [False]
    assert [hit.path for hit in mine.search("launch code")] == [str(notes / "launch.md")]


def test_adapters_are_suspended_by_the_rules_of_now(opened: Opened, notes: Path) -> None:
    other = opened()
    other.add(notes)
    other.set_rule(Rule("*", time_to_live=200 * DAY))
    mine = opened()  # with that rule
    adapter = judged(mine, begun(mine, "launch.md"))
    other.set_rule(Rule("*", time_to_live=30 * DAY))
    other.drop_rule("*")  # before it was looked at
    assert mine.knowledge_base.adapters.settle() == ()
    assert mine.adapter(adapter.id)[0].state is AdapterState.ACTIVE
    other.set_rule(Rule("*", time_to_live=30 * DAY))
    assert mine.knowledge_base.adapters.settle() == (adapter.id,)


def test_no_adapter_is_suspended_by_a_rule_that_exists_no_longer(opened: Opened, notes: Path) -> None:
    times = [NOON]
    other = opened()
    other.add(notes)
    other.set_rule(Rule("*", time_to_live=200 * DAY))
    with open_assistant(other.knowledge_base.path, embedder="hash", now=lambda: times[0]) as mine:
        adapter = judged(mine, begun(mine, "launch.md"))
        other.drop_rule("*")
        times[0] += 150 * DAY  # by the rule, the document would be stale now
        mine.add(notes)
        assert mine.adapter(adapter.id)[0].state is AdapterState.ACTIVE


def test_rules_are_read_again_where_a_file_differs_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, users = tmp_path / "lifelong.toml", Path(os.environ["HOME"]) / ".config" / "lifelong" / "lifelong.toml"
    read: list[int] = []

    def reads(path: Path) -> tuple[tuple[Rule, str], ...]:
        read.append(1)
        return rules_of(path)

    monkeypatch.setattr("rag_lifelong.live_rules.rules_of", reads)
    rules = LiveRules(tmp_path, ())
    assert (rules.now(), rules.now(), len(read)) == ((), (), 1)
    own.write_text(text_of(30))
    assert (rules.now(), rules.now(), len(read)) == ((MONTH,), (MONTH,), 2)
    users.parent.mkdir(parents=True)
    users.write_text(text_of(365))
    assert (rules.now(), rules.now(), len(read)) == ((YEAR, MONTH), (YEAR, MONTH), 3)
    beside = tmp_path / "beside"
    beside.write_text(text_of(31))  # as long as it was, and as old
    times = own.stat().st_mtime_ns
    os.utime(beside, ns=(times, times))
    os.replace(beside, own)
    assert rules.now() == (YEAR, Rule("*", time_to_live=31 * DAY))
    own.unlink()
    assert (rules.now(), rules.now(), len(read)) == ((YEAR,), (YEAR,), 5)


def test_a_file_that_cannot_be_read_leaves_the_rules_as_they_were_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "lifelong.toml"
    rules = LiveRules(tmp_path, (YEAR,))
    file.write_text(BROKEN)
    assert (rules.now(), rules.now()) == ((YEAR,), (YEAR,)), "those that it was opened with"
    file.write_text(text_of(30))
    assert rules.now() == (MONTH,)
    file.write_text(BROKEN)
    assert (rules.now(), rules.now()) == ((MONTH,), (MONTH,))
    file.write_text("[[rules]]\nmatch = 3\n")
    assert rules.now() == (MONTH,)
    file.unlink()
    file.mkdir()  # cannot even be read
    assert rules.now() == (MONTH,)
    file.rmdir()
    file.write_text(text_of(365))
    assert rules.now() == (YEAR,)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    head = "the rules about age hold as they were last read: "
    broken = f"{head}{file} is not valid TOML: "
    assert [one.startswith(broken) for one in said] == [True, True, False, False]
    assert said[2:] == [f'{head}{file}: rule 1 has no match = "GLOB"', f"{head}cannot read {file}: Is a directory"]


def test_an_open_knowledge_base_outlasts_a_broken_file(opened: Opened, notes: Path, tmp_path: Path) -> None:
    mine = opened()
    mine.add(notes)
    mine.set_rule(Rule("*", time_to_live=30 * DAY))
    file = tmp_path / "kb" / "lifelong.toml"
    file.write_text(BROKEN)
    assert (stale(mine), len(mine.search("launch code"))) == ([True], 1)
    with pytest.raises(BadSetting):
        mine.rules()  # who asks for the rules is told
    file.write_text(text_of(365))
    assert stale(mine) == [False]


def test_rules_that_are_set_from_python_hold_until_one_is_set_in_the_file(
    opened: Opened, notes: Path, tmp_path: Path
) -> None:
    mine = opened()
    mine.add(notes)
    mine.knowledge_base.rules = [MONTH]
    (tmp_path / "kb" / "lifelong.toml").write_text(text_of(365))
    assert (mine.knowledge_base.rules, stale(mine)) == ((MONTH,), [True])
    mine.set_rule(Rule("*", half_life=DAY))
    assert stale(mine) == [False]
    (tmp_path / "kb" / "lifelong.toml").write_text(text_of(30))
    assert (mine.knowledge_base.rules, stale(mine)) == ((MONTH,), [True])


def test_many_threads_see_one_set_of_rules_or_the_other_and_all_the_last(tmp_path: Path) -> None:
    file = tmp_path / "lifelong.toml"
    file.write_text(text_of(30))
    rules = LiveRules(tmp_path, ())
    seen: list[set[tuple[Rule, ...]]] = [set() for _ in range(4)]
    last: list[tuple[Rule, ...]] = []
    is_over = threading.Event()

    def looks(mine: set[tuple[Rule, ...]]) -> None:
        while not is_over.is_set():
            mine.add(rules.now())
        last.append(rules.now())

    threads = [threading.Thread(target=looks, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for number in range(200):
        beside = tmp_path / "beside"
        beside.write_text(text_of(30 if number % 2 else 365))
        os.replace(beside, file)
    beside.write_text(text_of(365))
    os.replace(beside, file)
    is_over.set()
    for thread in threads:
        thread.join()
    assert set.union(*seen) <= {(MONTH,), (YEAR,)}
    assert last == [(YEAR,)] * 4
