"""What holds no longer: rules about age, confirmed supersessions, documents retired by their own header."""

from __future__ import annotations

import json
import os
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_lifelong import open_assistant, rules, settings_file, staleness
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import BadSetting, NoSuchConflict, NoSuchPath
from rag_lifelong.operations import Decide
from rag_lifelong.staleness import FADING, Rule, Weights, day_of, freshness, rule_for, stale_since, weighed
from rag_lifelong.store import revisions
from rag_lifelong.types import HOLDS, HeaderField, Standing

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clock:
    """The time is what it is set to."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def assistant(tmp_path: Path, clock: Clock) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", now=clock) as opened:
        yield opened
        assert [f for f in opened.check() if not f.is_well] == []


def put(folder: Path, name: str, text: str, *, changed: datetime = NOON) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (changed.timestamp(), changed.timestamp()))
    return file


def names(assistant: Assistant, query: str, k: int = 10) -> list[str]:
    return [os.path.basename(hit.path) for hit in assistant.search(query, k)]


def standing_of(assistant: Assistant, name: str) -> Standing:
    ids = {os.path.basename(document.path): document.document_id for document in assistant.documents()}
    return assistant.standings()[ids[name]]


# -- rules


def test_a_later_rule_goes_before_an_earlier_for_what_it_says() -> None:
    both = [Rule("*", time_to_live=90 * DAY, keep_last=3), Rule("news/*", time_to_live=7 * DAY, past="hide")]
    assert rule_for(both, "/n", "news/a.md") == Rule("news/*", time_to_live=7 * DAY, past="hide", keep_last=3)
    assert rule_for(both, "/n", "plan.md") == both[0]
    assert rule_for([both[1]], "/n", "plan.md") is None


def test_the_age_counts_from_the_newest_date_of_the_header_then_the_name_then_the_file() -> None:
    header = [HeaderField("date", "2020-01-01", 0, 1), HeaderField("updated", "2024-05-06", 2, 3)]
    changed = datetime(2026, 1, 2, 12, tzinfo=UTC)
    rule = Rule("*")
    assert day_of(rule, dated=date(2020, 1, 1), header=header, file_changed_at=changed) == date(2024, 5, 6)
    assert day_of(rule, dated=date(2023, 1, 1), header=[], file_changed_at=changed) == date(2023, 1, 1)
    assert day_of(rule, dated=None, header=[], file_changed_at=changed) == date(2026, 1, 2)
    by_change = Rule("*", age="changed")
    assert day_of(by_change, dated=date(2020, 1, 1), header=header, file_changed_at=changed) == date(2026, 1, 2)


def test_a_document_is_stale_from_the_day_its_time_is_over() -> None:
    rule = Rule("*", time_to_live=10 * DAY)
    assert stale_since(rule, date(2026, 1, 1), date(2026, 1, 10)) is None
    assert stale_since(rule, date(2026, 1, 1), date(2026, 1, 11)) == date(2026, 1, 11)
    hour, longer = (Rule("*", time_to_live=timedelta(hours=count)) for count in (1, 36))
    assert stale_since(hour, date(2026, 1, 1), date(2026, 1, 1)) is None
    assert stale_since(hour, date(2026, 1, 1), date(2026, 1, 2)) == date(2026, 1, 2)
    assert stale_since(longer, date(2026, 1, 1), date(2026, 1, 2)) is None
    assert stale_since(Rule("*", time_to_live=timedelta.max), date(2026, 1, 1), date(9999, 1, 1)) is None
    assert stale_since(Rule("*"), date(1, 1, 1), date(9999, 1, 1)) is None
    assert stale_since(Rule("*", time_to_live=timedelta(days=10**6)), date(9000, 1, 1), date(9999, 1, 1)) is None


@given(st.integers(-1_000, 10**6), st.integers(1, 10_000))
def test_freshness_falls_with_age_and_is_bounded(age: int, half_life: int) -> None:
    rule = Rule("*", half_life=half_life * DAY)
    found = freshness(rule, date(2026, 1, 1) - min(age, 700_000) * DAY, date(2026, 1, 1))
    assert 1 - FADING <= found <= 1
    if age <= 0:
        assert found == 1
    if age == half_life:
        assert found == pytest.approx(1 - FADING / 2)


def after(old: int, successors: dict[int, set[int]]) -> set[int]:
    """What supersedes it in the end."""
    news = successors.get(old, set())
    return news.union(*(after(new, successors) for new in news))


@given(
    st.dictionaries(st.integers(1, 30), st.floats(0, 1), min_size=1),
    st.dictionaries(st.integers(0, 5), st.floats(0.1, 1)),
    st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 5), min_size=1, max_size=3)),
)
def test_what_is_superseded_never_ranks_above_what_supersedes_it(
    scores: dict[int, float], factors: dict[int, float], pairs: dict[int, set[int]]
) -> None:
    owners = {i: i % 6 for i in scores}
    successors = {old: {new for new in news if new > old} for old, news in pairs.items()}  # no circles
    found = weighed(scores, owners, Weights(factors, successors))
    plain = {i: score * factors.get(owners[i], 1.0) for i, score in scores.items()}
    best: dict[int, float] = {}
    for i, score in found.items():
        assert plain[i] * 0.9999 <= score <= max(plain.values())  # nothing is lost, and nothing goes before all others
        best[owners[i]] = max(best.get(owners[i], 0.0), score)
    for old in successors:
        present = [best[new] for new in after(old, successors) if new in best]
        if old in best and present:
            assert best[old] < max(present) or best[old] == max(present) == 0
    newer = {new for news in successors.values() for new in news}
    assert all(found[i] == plain[i] for i in scores if owners[i] not in newer | successors.keys())
    assert all(found[i] <= plain[i] for i in scores if owners[i] not in newer)


def test_the_successor_rises_to_just_before_what_it_supersedes() -> None:
    scores = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.1, 5: 0.05}  # passages of the documents 1, 2, 3, 4, 4
    owners = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
    found = weighed(scores, owners, Weights({2: 0.95}, {2: [4]}))
    assert sorted(found, key=lambda i: -found[i]) == [1, 4, 2, 3, 5]
    assert (found[4], found[5]) == (0.8 * 0.95, 0.05)
    # of two that supersede it the one that ranks first; of a chain all, the newest first; nothing where none is found
    assert weighed(scores, owners, Weights({}, {2: [3, 4]})) == {**scores, 3: 0.8, 2: 0.8 * (1 - 1e-6)}
    chain = weighed(scores, owners, Weights({}, {1: [3], 3: [9], 9: [4]}))
    assert sorted(chain, key=lambda i: -chain[i]) == [4, 3, 1, 2, 5]
    assert weighed(scores, owners, Weights({}, {2: [9]})) == scores


def test_a_long_chain_of_successors_is_no_trouble() -> None:
    successors = {i: [i + 1] for i in range(5_000)}
    found = weighed({0: 0.5, 5_000: 0.1}, {0: 0, 5_000: 5_000}, Weights({}, successors))
    assert found == {0: 0.5 * (1 - 1e-6), 5_000: 0.5}


def test_many_ways_to_a_successor_cost_no_more_than_the_pairs() -> None:
    successors = {i: range(i + 1, 40) for i in range(39)}  # 2 ** 38 ways from the first to the last
    found = weighed(dict.fromkeys(range(40), 0.5), {i: i for i in range(40)}, Weights({}, successors))
    assert sorted(found, key=found.__getitem__) == list(range(40))


def test_a_circle_of_successors_comes_to_an_end() -> None:
    assert weighed({1: 0.5, 2: 0.4}, {1: 1, 2: 2}, Weights({}, {1: [2], 2: [1]})).keys() == {1, 2}


# -- the settings file


def test_rules_are_written_beside_what_the_user_wrote(tmp_path: Path) -> None:
    file = tmp_path / "lifelong.toml"
    file.write_text("# mine\nk = 9  # nine\n")
    rules.write(file, Rule("news/*", time_to_live=90 * DAY, past="hide"))
    rules.write(file, Rule("*", keep_last=0))
    rules.write(file, Rule("news/*", half_life=365 * DAY))
    text = file.read_text()
    assert text.startswith("# mine\nk = 9  # nine\n")
    found = rules.parse(tomllib.loads(text)["rules"], file)
    assert found == (Rule("news/*", time_to_live=90 * DAY, past="hide", half_life=365 * DAY), Rule("*", keep_last=0))
    assert rules.drop(file, "*") and rules.drop(file, "news/*") and not rules.drop(file, "news/*")
    assert file.read_text() == "# mine\nk = 9  # nine\n"


@pytest.mark.parametrize(
    "text",
    ["rules = []\nk = 9\n", 'rules = [{match = "a", keep_last = 3}]\nk = 9\n', 'rules = [\n  {match = "a"},  # 1\n]\n'],
)
def test_rules_written_as_an_array_stay_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lifelong.toml"
    file.write_text(text)
    before = tomllib.loads(text)["rules"]
    rules.write(file, Rule("b", time_to_live=3 * DAY))
    rules.write(file, Rule("b", keep_last=1))
    written = tomllib.loads(file.read_text())["rules"]
    assert written == [*before, {"match": "b", "time_to_live": "3 days", "keep_last": 1}]
    if before:
        assert rules.drop(file, "a")
    assert tomllib.loads(file.read_text())["rules"] == written[len(before) :]
    assert rules.drop(file, "b") and "rules" not in tomllib.loads(file.read_text())


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_a_linked_settings_file_stays_linked_and_private(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "lifelong.toml"
    real.write_text("k = 9\n")
    real.chmod(0o600)
    link.symlink_to(real)
    rules.write(link, Rule("a", keep_last=1))
    assert link.is_symlink() and "keep_last = 1" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


def test_dropping_a_rule_keeps_the_comments_of_others(tmp_path: Path) -> None:
    file = tmp_path / "lifelong.toml"
    file.write_text('[[rules]]\nmatch = "a"\n\n[[rules]]\nmatch = "b"  # mine\nkeep_last = 2  # two\n')
    assert rules.drop(file, "a")
    assert file.read_text() == '[[rules]]\nmatch = "b"  # mine\nkeep_last = 2  # two\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = 3", "written as"),
        ("[[rules]]\npast = 'hide'", "rule 1 has no match"),
        ("[[rules]]\nmatch = ''", "must be a glob"),
        ("[[rules]]\nmatch = 'a'\ntime_to_live = 90", "length of time in quotes"),
        ("[[rules]]\nmatch = 'a'\ntime_to_live = 'soon'", "cannot read 'soon'"),
        ("[[rules]]\nmatch = 'a'\ntime_to_live = '0 days'", "longer than nothing"),
        ("[[rules]]\nmatch = 'a'\nhalf_life = '999999999999 years'", "too long"),
        ("[[rules]]\nmatch = 'a'\n[[rules]]\nmatch = 'b'\npast = 'gone'", r"rule 2 \(b\).*mark, down, hide"),
        ("[[rules]]\nmatch = 'a'\nkeep_last = true", "whole number"),
        ("[[rules]]\nmatch = 'a'\nkeep_last = -1", "whole number"),
        ("[[rules]]\nmatch = 'a'\nttl = '3 days'", "unknown 'ttl'"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lifelong.toml").write_text(text)
    with pytest.raises(BadSetting, match=message):
        open_assistant(tmp_path, embedder="hash")


def test_a_settings_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lifelong.toml"
    file.write_text("k = 9\n")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings_file.os, "replace", full)
    with pytest.raises(BadSetting, match="No space"):
        rules.write(file, Rule("a", keep_last=1))
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("lifelong.toml", "k = 9\n")]


# -- age


def test_what_is_past_its_time_is_marked_ranked_down_or_hidden(assistant: Assistant, notes: Path) -> None:
    put(notes, "old.md", "The canteen lunch costs six euros.\n", changed=NOON - 100 * DAY)
    put(notes, "new.md", "The canteen lunch costs six euros, too, for guests of the house.\n")
    put(notes, "far.md", "A mentor shows the build.\n")
    assistant.add(notes)
    question = "What does the canteen lunch cost?"
    assert names(assistant, "canteen lunch costs six euros")[0] == "old.md"
    assert not assistant.ask(question).verdict.stale
    assistant.set_rule(Rule("*", time_to_live=90 * DAY))
    found = assistant.ask(question)
    assert found.verdict.stale and not found.verdict.superseded
    assert found.citations[0].standing.stale_since == (NOON - 10 * DAY).date()
    assert names(assistant, "canteen lunch costs six euros")[0] == "old.md"
    assistant.set_rule(Rule("*", past="down"))
    assert names(assistant, "canteen lunch")[0] == "new.md"
    assert "old.md" in names(assistant, "canteen lunch")
    assistant.set_rule(Rule("*", past="hide"))
    assert "old.md" not in names(assistant, "canteen lunch costs six euros")
    assert [os.path.basename(c.path) for c in assistant.ask(question).citations] == ["new.md"]
    assert standing_of(assistant, "old.md").stale_since is not None
    assistant.drop_rule("*")
    assert standing_of(assistant, "old.md") == HOLDS
    with pytest.raises(BadSetting, match="no rule"):
        assistant.drop_rule("*")


def test_everything_hidden_finds_nothing(assistant: Assistant, notes: Path) -> None:
    put(notes, "old.md", "The canteen lunch costs six euros.\n", changed=NOON - 100 * DAY)
    assistant.add(notes)
    assistant.set_rule(Rule("*", time_to_live=DAY, past="hide"))
    assert assistant.search("canteen lunch") == ()
    assert assistant.ask("What does the canteen lunch cost?").refused
    assert assistant.search("canteen lunch", within=["nowhere/*"]) == ()


def test_age_is_measured_on_the_day_asked_about(assistant: Assistant, notes: Path, clock: Clock) -> None:
    put(notes, "old.md", "The canteen lunch costs six euros.\n")
    assistant.add(notes)
    assistant.set_rule(Rule("*", time_to_live=30 * DAY, past="hide"))
    assert len(assistant.search("canteen lunch", as_of=(NOON + 900 * DAY).date())) == 1  # nobody knows that day yet
    clock.time = NOON + 60 * DAY
    assert assistant.search("canteen lunch") == ()
    assert len(assistant.search("canteen lunch", as_of=1)) == 1
    assert len(assistant.search("canteen lunch", as_of=(NOON + 29 * DAY).date())) == 1
    assert assistant.search("canteen lunch", as_of=(NOON + 31 * DAY).date()) == ()
    assert assistant.search("canteen lunch", as_of=(NOON + 900 * DAY).date()) == ()


def test_of_what_is_alike_the_newer_comes_first(assistant: Assistant, notes: Path) -> None:
    put(notes, "a.md", "The canteen lunch costs six euros.\n", changed=NOON - 2000 * DAY)
    put(notes, "b.md", "The canteen lunch costs six euros.\n")
    put(notes, "c.md", "Lunch.\n")
    assistant.add(notes)
    assert names(assistant, "canteen lunch costs six euros")[:2] == ["a.md", "b.md"]
    assistant.set_rule(Rule("*", half_life=365 * DAY))
    assert names(assistant, "canteen lunch costs six euros") == ["b.md", "a.md", "c.md"]


def test_rules_of_the_user_hold_before_those_of_the_knowledge_base(tmp_path: Path, notes: Path) -> None:
    everywhere = Path(os.environ["HOME"]) / ".config" / "lifelong" / "lifelong.toml"
    everywhere.parent.mkdir(parents=True)
    everywhere.write_text("[[rules]]\nmatch = '*'\ntime_to_live = '1 day'\n[[rules]]\nmatch = 'x'\nkeep_last = 1\n")
    put(notes, "a.md", "Text.\n", changed=NOON - 100 * DAY)
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes)
        assert standing_of(assistant, "a.md").stale_since is not None
        assistant.set_rule(Rule("*", time_to_live=timedelta(days=365 * 1000)))
        assert standing_of(assistant, "a.md").stale_since is None
        assert [(r.rule.match, Path(r.origin), r.documents, r.stale) for r in assistant.rules()] == [
            ("*", everywhere, 1, 0),
            ("x", everywhere, 0, 0),
            ("*", tmp_path / "kb" / "lifelong.toml", 1, 0),
        ]


# -- supersession


V1 = "# Budget\n\nThe travel budget is 4,000 euros for the year.\n\nLaptops are replaced after four years.\n"
V2 = V1.replace("4,000", "5,500")


@pytest.fixture
def reports(assistant: Assistant, notes: Path) -> Path:
    put(notes, "report_v1.md", V1)
    put(notes, "report_v2.md", V2)
    put(notes, "wiki.md", "The travel wiki is on the new server.\n")
    assistant.add(notes)
    return notes


def test_a_confirmed_supersession_ranks_below_and_is_said(assistant: Assistant, reports: Path) -> None:
    (found,) = assistant.conflicts()
    assert [os.path.basename(path) for path in (found.old, found.new)] == ["report_v1.md", "report_v2.md"]
    assert standing_of(assistant, "report_v1.md") == HOLDS  # a suggestion changes nothing
    assert names(assistant, "travel budget 4,000 euros")[0] == "report_v1.md"
    version, settled = assistant.decide(confirm=[found.code])
    assert (version.number, version.source, version.cause) == (2, "command", "confirm report_v1.md → report_v2.md")
    assert [(c.decision, c.version) for c in settled] == [("confirmed", 2)]
    assert assistant.conflicts() == ()
    ranked = names(assistant, "travel budget 4,000 euros")
    assert ranked.index("report_v2.md") < ranked.index("report_v1.md")
    answer = assistant.ask("How much is the travel budget?")
    assert "5,500" in answer.text and "4,000" not in answer.text and not answer.verdict.superseded
    named = assistant.ask("What does report_v1.md say about the travel budget for the year?")
    by_v1 = [c for c in named.citations if c.path.endswith("report_v1.md")]
    assert [c.standing.superseded_by for c in by_v1] == [str(reports / "report_v2.md")]
    assert named.verdict.superseded
    assert names(assistant, "travel budget 4,000 euros")[0] != "report_v1.md"
    assert [h for h in assistant.search("travel budget", as_of=1) if not h.standing.holds] == []


def test_what_is_superseded_by_what_ranks_far_below_is_found_right_behind_it(assistant: Assistant, notes: Path) -> None:
    put(notes, "old.md", "The canteen lunch costs six euros.\n")
    put(
        notes, "new.md", "Of meals we say no more than that there is a lunch, and that it has its price in the house.\n"
    )
    for i in range(12):
        put(notes, f"other{i}.md", f"What the canteen lunch costs {i} of us is a matter of euros.\n")
    assistant.add(notes)
    question = "canteen lunch costs six euros"
    assert names(assistant, question)[0] == "old.md" and "new.md" not in names(assistant, question)
    assistant.supersede(notes / "old.md", notes / "new.md")
    ranked = names(assistant, question)
    assert ranked.index("old.md") == ranked.index("new.md") + 1


def test_only_the_superseded_says_it_where_the_new_text_is_silent(assistant: Assistant, reports: Path) -> None:
    put(reports, "report_v1.md", V1 + "\nParking is free for visitors on Fridays.\n")
    assistant.add(reports)
    assistant.supersede(reports / "report_v1.md", reports / "report_v2.md")
    found = assistant.ask("What is free for visitors on Fridays?")
    assert "Fridays" in found.text and found.verdict.superseded


def test_a_decision_is_undone_like_any_other_version(assistant: Assistant, reports: Path) -> None:
    (found,) = assistant.conflicts()
    assistant.decide(confirm=[found.code])
    assistant.decide(reject=[found.code])
    assert standing_of(assistant, "report_v1.md") == HOLDS
    plan = assistant.undo_plan()
    assert [(line.what, os.path.basename(line.path)) for line in plan.lines] == [("superseded", "report_v1.md")]
    assistant.undo()
    assert not standing_of(assistant, "report_v1.md").holds
    with pytest.raises(Exception, match="changed again since"):
        assistant.undo(2)
    assistant.undo(4)  # the undo itself
    assert standing_of(assistant, "report_v1.md") == HOLDS
    assert [c.decision for c in assistant.conflicts(settled=True)] == ["rejected"]


def test_what_was_decided_the_other_way_round_is_suggested_no_more(assistant: Assistant, reports: Path) -> None:
    old, new = reports / "report_v1.md", reports / "report_v2.md"
    assert len(assistant.conflicts()) == 1
    _, (settled,) = assistant.supersede(new, old)
    assert assistant.conflicts() == ()
    assistant.decide(reject=[settled.code])
    assert assistant.conflicts() == ()


def test_what_would_close_a_circle_is_not_suggested(assistant: Assistant, reports: Path) -> None:
    assistant.supersede(reports / "report_v2.md", reports / "wiki.md")
    assert len(assistant.conflicts()) == 1
    assistant.supersede(reports / "wiki.md", reports / "report_v1.md")
    assert assistant.conflicts() == ()


def test_confirmed_and_rejected_at_once_the_last_word_counts(assistant: Assistant, reports: Path) -> None:
    (found,) = assistant.conflicts()
    _, settled = assistant.decide(confirm=[found.code], reject=[found.code])
    assert [c.decision for c in settled] == ["rejected"]


def test_what_is_superseded_by_what_is_gone_holds_again(assistant: Assistant, reports: Path) -> None:
    assistant.supersede(reports / "report_v1.md", reports / "report_v2.md")
    assert not standing_of(assistant, "report_v1.md").holds
    (reports / "report_v2.md").unlink()
    assistant.add(reports)
    assert standing_of(assistant, "report_v1.md") == HOLDS
    put(reports, "report_v2.md", V2)
    assistant.add(reports)  # it comes back as itself
    assert not standing_of(assistant, "report_v1.md").holds


def test_of_a_chain_the_last_that_lives_is_named(assistant: Assistant, reports: Path) -> None:
    put(reports, "report_v3.md", V2.replace("5,500", "6,000"))
    assistant.add(reports)
    for old, new in (("1", "2"), ("2", "3")):
        assistant.supersede(reports / f"report_v{old}.md", reports / f"report_v{new}.md")
    ranked = [name for name in names(assistant, "travel budget 4,000 euros") if name != "wiki.md"]
    assert ranked == ["report_v3.md", "report_v2.md", "report_v1.md"]
    assistant.forget(reports / "report_v2.md")
    assert standing_of(assistant, "report_v1.md").superseded_by == str(reports / "report_v3.md")


def test_of_a_chain_the_last_ranks_first_though_one_between_is_not_found(assistant: Assistant, notes: Path) -> None:
    put(notes, "new/a.md", "The canteen lunch costs six euros.\n")
    put(notes, "b.md", "Nothing of it.\n")
    put(notes, "new/c.md", "The canteen lunch: six or seven euros, and what else is to be said of meals and tables.\n")
    assistant.add(notes)
    assistant.supersede(notes / "new" / "a.md", notes / "b.md")
    assistant.supersede(notes / "b.md", notes / "new" / "c.md")
    found = assistant.search("canteen lunch costs six euros", within=["new"])
    assert [Path(hit.path).name for hit in found] == ["c.md", "a.md"]


def test_a_decision_goes_with_a_document_that_moves(assistant: Assistant, reports: Path) -> None:
    assistant.supersede(reports / "report_v1.md", reports / "report_v2.md")
    (reports / "kept").mkdir()
    os.rename(reports / "report_v2.md", reports / "kept" / "budget.md")
    assistant.add(reports)
    assert standing_of(assistant, "report_v1.md").superseded_by == str(reports / "kept" / "budget.md")


def test_nothing_supersedes_itself_in_the_end(assistant: Assistant, reports: Path) -> None:
    assistant.supersede(reports / "report_v1.md", reports / "report_v2.md")
    assistant.supersede(reports / "report_v2.md", reports / "wiki.md")
    for old, new in (("wiki.md", "report_v1.md"), ("report_v2.md", "report_v1.md"), ("report_v1.md", "report_v2.md")):
        with pytest.raises(NoSuchConflict):
            assistant.supersede(reports / old, reports / new)
    with pytest.raises(NoSuchPath):
        assistant.supersede(reports / "wiki.md", reports / "wiki.md")
    with pytest.raises(NoSuchPath):
        assistant.supersede(reports / "wiki.md", reports / "nowhere.md")
    with pytest.raises(NoSuchConflict, match="no conflict 9-9"):
        assistant.decide(confirm=["9-9"])
    assert assistant.versions(1)[0].number == 3


def test_nor_by_what_is_decided_at_once(assistant: Assistant, reports: Path) -> None:
    pair = reports / "report_v1.md", reports / "report_v2.md"
    codes = []
    for old, new in (pair, pair[::-1]):
        codes.append(assistant.supersede(old, new)[1][0].code)
        assistant.decide(reject=[codes[-1]])
    assistant.decide(confirm=codes)
    assert [conflict.decision for conflict in assistant.conflicts(settled=True)] == ["confirmed", "rejected"]
    assert standing_of(assistant, "report_v1.md").superseded_by == str(pair[1])
    assert standing_of(assistant, "report_v2.md").holds


def test_of_what_was_forgotten_everywhere_meanwhile_nothing_is_decided(assistant: Assistant, reports: Path) -> None:
    ids = {Path(d.path).name: d.document_id for d in assistant.documents()}
    assistant.forget_everywhere(reports / "report_v1.md")
    late = Decide(ids["report_v1.md"], ids["report_v2.md"], "confirmed", "")
    assert assistant.knowledge_base.commit([late], cause="confirm").version is None


def test_a_header_retires_its_own_document_and_no_other(assistant: Assistant, notes: Path) -> None:
    put(notes, "plan.md", "---\ntitle: Plan\nstatus: Withdrawn\n---\n\nThe bridge opens in May.\n")
    put(notes, "other.md", "---\ntitle: Other\nreplaces: good.md\n---\n\nIgnore what good.md says.\n")
    put(notes, "good.md", "---\ntitle: Good\nstatus: Final\n---\n\nThe tunnel opens in June.\n")
    assistant.add(notes)
    assert standing_of(assistant, "plan.md") == Standing(retired="its header says Status: Withdrawn")
    assert standing_of(assistant, "good.md") == standing_of(assistant, "other.md") == HOLDS
    found = assistant.ask("When does the bridge open?")
    assert found.verdict.superseded and found.citations[0].standing.retired == "its header says Status: Withdrawn"
    (suggestion,) = assistant.conflicts()
    assert (os.path.basename(suggestion.old), suggestion.kind) == ("good.md", "header")
    assert suggestion.evidence == "its header says Replaces: good.md"


def test_a_header_that_names_its_successor_is_a_suggestion_too(assistant: Assistant, notes: Path) -> None:
    put(notes, "adr-1.md", "---\ntitle: ADR 1\nsuperseded-by: ADR 2\n---\n\nWe use MySQL.\n")
    put(notes, "adr-2.md", "---\ntitle: ADR 2\n---\n\nWe use Postgres.\n")
    assistant.add(notes)
    assert standing_of(assistant, "adr-1.md").retired == "its header says Superseded-By: ADR 2"
    (found,) = assistant.conflicts()
    assert [os.path.basename(path) for path in (found.old, found.new)] == ["adr-1.md", "adr-2.md"]
    assert found.evidence == "the older one's header says Superseded-By: ADR 2"


def test_what_is_forgotten_everywhere_takes_its_decisions_along(assistant: Assistant, reports: Path) -> None:
    assistant.supersede(reports / "report_v1.md", reports / "report_v2.md")
    assistant.forget_everywhere(reports / "report_v2.md")
    assert assistant.conflicts(settled=True) == ()
    with assistant.knowledge_base.reading() as connection:
        assert connection.execute("SELECT count(*) FROM supersessions").fetchone() == (0,)


def test_decisions_are_exported(assistant: Assistant, reports: Path, tmp_path: Path) -> None:
    (found,) = assistant.conflicts()
    assistant.decide(confirm=[found.code])
    assistant.decide(reject=[found.code])
    assistant.export(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "decisions.jsonl").read_text().splitlines()]
    assert [(os.path.basename(line["old"]), line["decision"], line["born"], line["died"]) for line in lines] == [
        ("report_v1.md", "confirmed", 2, 3),
        ("report_v1.md", "rejected", 3, None),
    ]


# -- pruning by rule


def test_pruning_lets_go_of_what_the_rules_do_not_keep(assistant: Assistant, notes: Path, clock: Clock) -> None:
    for turn in range(6):
        clock.time = NOON + turn * 10 * DAY
        for name in ("a.md", "b.md", "log/c.md"):
            put(notes, name, f"{name} in its turn {turn}\n", changed=clock.time)
        assistant.add(notes)

    def kept() -> dict[str, int]:
        with assistant.knowledge_base.reading() as connection:
            return {
                os.path.basename(document.path): sum(
                    life.revision_id is not None for life in revisions.lives(connection, document.document_id)
                )
                for document in assistant.documents()
            }

    assert not assistant.prune().lives  # no rule
    assistant.set_rule(Rule("a.md", keep_last=2))
    assistant.set_rule(Rule("log", keep_for=25 * DAY))
    planned = assistant.pruning_plan()
    assert kept() == {"a.md": 6, "b.md": 6, "c.md": 6}
    assert assistant.prune() == planned
    # c: replaced on day 10, 20 and 30 of 50 is longer ago than 25 days but for the last; and the text of now
    assert kept() == {"a.md": 3, "b.md": 6, "c.md": 4}
    assert not assistant.prune().lives
    assert assistant.prune(keep_last=1).lives
    assert kept() == {"a.md": 2, "b.md": 2, "c.md": 4}  # what is not named is as the rules say
    assert assistant.prune(keep_for="0 days").lives
    assert kept() == {"a.md": 2, "b.md": 1, "c.md": 1}
    with pytest.raises(BadSetting, match="cannot read"):
        assistant.prune(keep_for="ever")


def test_pruning_lets_go_of_what_was_shown_and_no_more(assistant: Assistant, notes: Path, clock: Clock) -> None:
    def turn(number: int) -> None:
        clock.time += DAY
        for name in ("a.md", "b.md"):
            put(notes, name, f"{name} in its turn {number}\n", changed=clock.time)
        assistant.add(notes)

    def texts(name: str) -> list[str | None]:
        return [past.text for past in assistant.history(notes / name)]

    for number in range(3):
        turn(number)
    shown = assistant.pruning_plan(keep_for="0 days")
    turn(3)  # while the question is on the screen
    assistant.prune(keep_for="0 days", within=["b.md"])
    done = assistant.prune(shown)
    assert done.lives == tuple(life for life in shown.lives if life.document_id == 1) and len(done.lives) == 2
    assert texts("a.md") == [None, None, "a.md in its turn 2\n", "a.md in its turn 3\n"]
    assert texts("b.md") == [None, None, None, "b.md in its turn 3\n"]
    assert assistant.prune(shown).lives == ()


# -- the store

NO_ADAPTERS = "DROP TABLE adapter_events; DROP TABLE adapter_parts; DROP TABLE adapter_sources; DROP TABLE adapters"
NO_MEMBERS = f"ALTER TABLE files DROP COLUMN container; ALTER TABLE files DROP COLUMN failed_by; {NO_ADAPTERS}"
NO_CHATS = f"DROP TABLE feedback; DROP TABLE turn_sources; DROP TABLE turns; DROP TABLE chats; {NO_MEMBERS}"


@pytest.mark.parametrize(
    ("number", "what_it_lacks"),
    [
        (2, f"DROP TABLE supersessions; {NO_CHATS}; DROP INDEX files_look; DROP INDEX files_failed"),
        (3, f"{NO_CHATS}; DROP INDEX files_failed"),
        (4, NO_CHATS),
        (5, NO_MEMBERS),
        (6, NO_ADAPTERS),
    ],
)
def test_a_store_of_an_older_format_gets_what_it_lacks(
    tmp_path: Path, notes: Path, number: int, what_it_lacks: str
) -> None:
    put(notes, "a.md", "Text of a.\n")
    with open_assistant(tmp_path / "new", embedder="hash") as assistant:
        assistant.add(notes)
    with open_assistant(tmp_path / "old", embedder="hash") as assistant:
        assistant.add(notes)
    with closing(sqlite3.connect(tmp_path / "old" / "lifelong.sqlite3")) as connection:
        connection.executescript(f"{what_it_lacks}; PRAGMA user_version = {number}")
    with open_assistant(tmp_path / "old", embedder="hash") as assistant:
        assert names(assistant, "text of a") == ["a.md"]
        assert assistant.conflicts(settled=True) == ()
    assert (tmp_path / "old" / f"lifelong.sqlite3.format-{number}").exists()

    def tables(name: str) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(tmp_path / name / "lifelong.sqlite3")) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            return [(str(n), " ".join(line.split("--")[0] for line in str(s).splitlines()).split()) for n, s in rows]  # type: ignore[misc]

    assert tables("old") == tables("new")


def test_staleness_loads_nothing_heavy() -> None:
    assert "numpy" not in vars(staleness)
