"""The registry of adapters: what suspends one, what ends one, and which one answers."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong import open_assistant, restore
from rag_lifelong.answering import Asked, answer
from rag_lifelong.assistant import Assistant
from rag_lifelong.cli import main
from rag_lifelong.errors import AdapterUnusable, NoSuchAdapter, SourcesChanged
from rag_lifelong.generate import LanguageModel
from rag_lifelong.staleness import Rule
from rag_lifelong.store import passages
from rag_lifelong.types import Adapter, AdapterState, Hit, Source
from tests.rag_lifelong.scripted import Scripted, ScriptedBase

ACTIVE, SUSPENDED = AdapterState.ACTIVE, AdapterState.SUSPENDED
BASE = "b" * 64
SECONDS = itertools.count(1_772_000_000)  # 2026-02-25
LAUNCH = "# Launch\n\nThe launch code is ZANZIBAR since Monday.\n"
FILLER = " ".join(f"Word{i} of another matter." for i in range(60))
LONG = f"# Launch\n\n## Before\n\n{FILLER}\n\n## Code\n\nThe launch code is ZANZIBAR since Monday.\n"
LUNCH = "# Lunch\n\nLunch is served at noon in the canteen.\n"


class Clock:
    """A clock that is set, and goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    write(folder / "launch.md", LAUNCH)
    write(folder / "lunch.md", LUNCH)
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path, time: Clock) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", now=time) as opened:
        opened.knowledge_base.reader = None  # half a second to load, and nothing of it is tested here
        opened.add(notes)
        yield opened


def write(path: Path, text: str) -> None:
    """A file whose time of change is one that the clock of the tests has."""
    path.write_text(text)
    seconds = next(SECONDS)
    os.utime(path, (seconds, seconds))


def sources_of(assistant: Assistant, *names: str, holding: str = "") -> tuple[Source, ...]:
    """The passages of the documents by these names, as they are now, that hold some words."""
    found: list[Source] = []
    for document in assistant.documents():
        revision = assistant.knowledge_base.document_at(document.path)
        assert revision is not None
        with assistant.knowledge_base.reading() as connection:
            digests = passages.digests_of(connection, [p.passage_id for p in revision.placements])
        found.extend(
            Source(p.passage_id, document.document_id, revision.id, digests[p.passage_id])
            for p in revision.placements
            if Path(document.path).name in names and holding in revision.text[p.start : p.end]
        )
    return tuple(found)


def begun(assistant: Assistant, *names: str, namespace: str = "notes", holding: str = "") -> Adapter:
    return assistant.knowledge_base.adapters.begin(
        namespace=namespace,
        model="scripted",
        base_digest=BASE,
        settings='{"rank":16}',
        sources=sources_of(assistant, *names, holding=holding),
    )


def promoted(
    assistant: Assistant, *names: str, namespace: str = "notes", holding: str = "", weights: bytes = b"WEIGHTS"
) -> Adapter:
    adapter = begun(assistant, *names, namespace=namespace, holding=holding)
    return assistant.knowledge_base.adapters.judge(
        adapter.id, report='{"gain":0.5}', weights=weights, passed=True, reason="all gates hold"
    )


def state_of(assistant: Assistant, adapter: Adapter) -> tuple[AdapterState, str]:
    """As stored: nothing is noticed by looking."""
    with assistant.knowledge_base.reading() as connection:
        row = connection.execute("SELECT state, reason FROM adapters WHERE id = ?", (adapter.id,)).fetchone()
    return AdapterState(row[0]), row[1]


def test_a_candidate_is_kept_whole_and_read_back(assistant: Assistant, time: Clock) -> None:
    base = assistant.knowledge_base
    sources = sources_of(assistant, "launch.md")
    adapter = base.adapters.begin(
        namespace="notes", model="scripted", base_digest=BASE, settings='{"rank":16}', sources=sources
    )
    assert adapter == base.adapters.read(1) == base.adapters.unfinished("notes", "scripted", BASE)
    assert (adapter.state, adapter.reason, adapter.passed, adapter.report) == (
        AdapterState.CANDIDATE,
        "begun",
        False,
        None,
    )
    assert (adapter.sources, adapter.version, adapter.size_bytes) == (sources, 1, 0)
    assert len(sources) == 1
    base.adapters.keep(1, "pairs", b"[1]")
    base.adapters.keep(1, "pairs", b"[1,2]")
    base.adapters.keep(1, "checkpoint", b"c")
    assert base.adapters.part(1, "pairs") == b"[1,2]"
    assert base.adapters.part(1, "no such part") is None
    assert base.adapters.unfinished("notes", "scripted", "other") is None
    assert base.adapters.unfinished("other", "scripted", BASE) is None


def test_one_that_passes_takes_the_place_of_the_former(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    first = promoted(assistant, "launch.md")
    other = promoted(assistant, "launch.md", namespace="other")
    third = begun(assistant, "launch.md")
    base.adapters.keep(third.id, "pairs", b"p")
    base.adapters.keep(third.id, "checkpoint", b"c")
    judged = base.adapters.judge(
        third.id, report='{"gain":1}', weights=b"12345", passed=True, reason="ok", settings='{"rank":8}'
    )
    assert (judged.state, judged.passed, judged.size_bytes) == (ACTIVE, True, 5)
    assert (judged.report, judged.settings) == ('{"gain":1}', '{"rank":8}')
    assert [base.adapters.part(3, name) for name in ("pairs", "checkpoint", "weights")] == [b"p", None, b"12345"]
    assert [(a.id, a.state) for a in base.adapters.all()] == [
        (first.id, AdapterState.RETIRED),
        (other.id, ACTIVE),
        (third.id, ACTIVE),
    ]
    assert [(e.state.value, e.reason) for e in base.adapters.events(first.id)] == [
        ("candidate", "begun"),
        ("active", "all gates hold"),
        ("retired", "adapter 3 took its place"),
    ]
    with pytest.raises(AdapterUnusable, match="adapter 1 is retired: adapter 3 took its place"):
        base.adapters.enable(first.id)


def test_one_that_does_not_pass_keeps_its_report_and_no_weights(assistant: Assistant) -> None:
    registry = assistant.knowledge_base.adapters
    former = promoted(assistant, "launch.md")
    bad = begun(assistant, "launch.md")
    judged = registry.judge(bad.id, report='{"gain":0}', weights=b"BAD", passed=False, reason="gain: 0, not over 0.1")
    assert (judged.state, judged.reason, judged.report) == (
        AdapterState.REJECTED,
        "gain: 0, not over 0.1",
        '{"gain":0}',
    )
    assert registry.part(bad.id, "weights") is None
    assert state_of(assistant, former)[0] is ACTIVE  # a rejected one takes nobody's place
    with pytest.raises(AdapterUnusable, match=r"adapter 2 is rejected: gain: 0, not over 0\.1"):
        registry.enable(bad.id)
    with pytest.raises(AdapterUnusable, match="adapter 2 is not in use: it is rejected"):
        registry.disable(bad.id)
    with pytest.raises(AdapterUnusable, match="adapter 1 is no candidate: it is active"):
        registry.judge(former.id, report="{}", weights=b"", passed=True, reason="again")
    with pytest.raises(AdapterUnusable, match="adapter 1 is no candidate: it is active"):
        registry.keep(former.id, "weights", b"others")


def test_one_given_up_is_rejected_unjudged_and_keeps_its_pairs(assistant: Assistant) -> None:
    registry = assistant.knowledge_base.adapters
    former, given_up = promoted(assistant, "launch.md"), begun(assistant, "launch.md")
    registry.keep(given_up.id, "pairs", b"p")
    registry.keep(given_up.id, "checkpoint", b"c")
    found = registry.give_up(given_up.id, "rejected, since nothing could be told")
    assert (found.state, found.reason, found.report, found.passed) == (
        AdapterState.REJECTED, "rejected, since nothing could be told", None, False,
    )  # fmt: skip
    assert [registry.part(given_up.id, name) for name in ("pairs", "checkpoint")] == [b"p", None]
    assert state_of(assistant, former)[0] is ACTIVE
    assert all(finding.is_well for finding in assistant.check())
    with pytest.raises(AdapterUnusable, match="adapter 2 is rejected, since nothing could be told"):
        registry.enable(given_up.id)
    with pytest.raises(AdapterUnusable, match="adapter 1 is no candidate: it is active"):
        registry.give_up(former.id, "rejected")


def test_what_is_not_there_is_named(assistant: Assistant) -> None:
    registry = assistant.knowledge_base.adapters
    for call in (registry.read, registry.events, registry.enable, registry.disable, registry.delete):
        with pytest.raises(NoSuchAdapter, match="there is no adapter 7; see: lifelong adapters"):
            call(7)
    with pytest.raises(NoSuchAdapter):
        registry.keep(7, "pairs", b"")
    assert registry.part(7, "weights") is None


def test_sources_that_do_not_stand_begin_nothing(assistant: Assistant, notes: Path) -> None:
    registry = assistant.knowledge_base.adapters
    (source,) = sources_of(assistant, "launch.md")

    def begin(*sources: Source) -> Adapter:
        return registry.begin(namespace="n", model="m", base_digest=BASE, settings="{}", sources=sources)

    with pytest.raises(ValueError, match="each once"):
        begin(source, source)
    with pytest.raises(ValueError, match="needs sources"):
        begin()
    with pytest.raises(SourcesChanged):
        begin(replace(source, digest=b"0" * 16))
    with pytest.raises(SourcesChanged):
        begin(replace(source, revision_id=99))
    write(notes / "launch.md", LAUNCH.replace("ZANZIBAR", "MANDALAY"))
    assistant.add(notes)
    with pytest.raises(SourcesChanged, match=r"launch\.md changed in version 2; select passages again"):
        begin(source)
    assert registry.all() == ()


def test_what_cannot_be_kept_is_refused(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = assistant.knowledge_base.adapters
    with pytest.raises(ValueError, match="Expecting"):
        registry.begin(
            namespace="n", model="m", base_digest=BASE, settings="{", sources=sources_of(assistant, "launch.md")
        )
    adapter = begun(assistant, "launch.md")
    with pytest.raises(ValueError, match="Expecting"):
        registry.judge(adapter.id, report="{", weights=b"", passed=True, reason="ok")
    monkeypatch.setattr("rag_lifelong.adapters._PART_MOST", 3)
    registry.keep(adapter.id, "checkpoint", b"123")
    with pytest.raises(AdapterUnusable, match="the checkpoint of adapter 1 would take 4 bytes"):
        registry.keep(adapter.id, "checkpoint", b"1234")
    with pytest.raises(AdapterUnusable, match="the weights of adapter 1 would take 4 bytes"):
        registry.judge(adapter.id, report="{}", weights=b"1234", passed=True, reason="ok")
    assert registry.read(adapter.id) == adapter
    assert registry.part(adapter.id, "checkpoint") == b"123"


# -- what suspends one


def change_text(assistant: Assistant, notes: Path) -> None:
    write(notes / "launch.md", LAUNCH.replace("ZANZIBAR", "MANDALAY"))
    assistant.add(notes)


def change_markup(assistant: Assistant, notes: Path) -> None:
    write(notes / "launch.md", LAUNCH.replace("ZANZIBAR", "*ZANZIBAR*"))
    assistant.add(notes)


def delete_file(assistant: Assistant, notes: Path) -> None:
    (notes / "launch.md").unlink()
    assistant.add(notes, may_retire=True)


def forget(assistant: Assistant, notes: Path) -> None:
    assistant.forget(notes / "launch.md")


def undo(assistant: Assistant, notes: Path) -> None:
    assistant.undo()


def supersede(assistant: Assistant, notes: Path) -> None:
    assistant.supersede(notes / "launch.md", notes / "lunch.md")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_text, "{}/launch.md changed in version 2"),
        (change_markup, "{}/launch.md changed in version 2"),
        (delete_file, "{}/launch.md was taken out in version 2"),
        (forget, "{}/launch.md was taken out in version 2"),
        (undo, "{}/launch.md was taken out in version 2"),
        (supersede, "{}/launch.md is superseded by {}/lunch.md"),
    ],
)
def test_a_commit_suspends_what_rests_on_what_it_changes(
    assistant: Assistant, notes: Path, change: Callable[[Assistant, Path], None], reason: str
) -> None:
    registry = assistant.knowledge_base.adapters
    active = promoted(assistant, "launch.md")
    both = promoted(assistant, "launch.md", "lunch.md", namespace="both")
    candidate = begun(assistant, "launch.md", namespace="third")
    apart = promoted(assistant, "lunch.md", namespace="apart")
    passages = [source.passage_id for source in active.sources]
    assert registry.route(passages, BASE) == both
    change(assistant, notes)
    told = reason.format(*[notes] * reason.count("{}"))
    assert state_of(assistant, active) == (SUSPENDED, told)
    assert state_of(assistant, both)[0] is SUSPENDED
    assert state_of(assistant, candidate) == (SUSPENDED, told)
    assert state_of(assistant, apart)[0] is (SUSPENDED if change is undo else ACTIVE)
    assert registry.route(passages, BASE) is None
    event = registry.events(active.id)[-1]
    assert (event.version, event.state, event.reason) == (2, SUSPENDED, told)
    with pytest.raises(AdapterUnusable, match=f"adapter 1 stays off: {told}; distil again: lifelong distill"):
        registry.enable(active.id)
    with pytest.raises(SourcesChanged, match="adapter 3 is suspended"):
        registry.keep(candidate.id, "checkpoint", b"")
    with pytest.raises(SourcesChanged, match="adapter 3 is suspended"):
        registry.judge(candidate.id, report="{}", weights=b"w", passed=True, reason="ok")
    with pytest.raises(AdapterUnusable, match="adapter 3 never passed its gates"):
        registry.enable(candidate.id)
    assert registry.unfinished("third", "scripted", BASE) is None


def test_what_moves_goes_on(assistant: Assistant, notes: Path) -> None:
    write(notes / "launch.md", LONG)
    assistant.add(notes)
    adapter = promoted(assistant, "launch.md", holding="ZANZIBAR")
    assert len(adapter.sources) == 1 < len(sources_of(assistant, "launch.md"))
    write(notes / "launch.md", LONG.replace("## Before", "## First\n\nOne more line.\n\n## Before"))
    assistant.add(notes)  # the passage stands elsewhere in its document
    (notes / "launch.md").rename(notes / "moved.md")
    assistant.add(notes)  # and the document elsewhere
    assistant.move_folder(notes, notes.parent / "elsewhere")
    assert [version.moved for version in assistant.versions(2)] == [1, 0]
    assert state_of(assistant, adapter)[0] is ACTIVE
    found = assistant.knowledge_base.adapters.route([adapter.sources[0].passage_id], BASE)
    assert found is not None and found.id == adapter.id
    assert found.sources == sources_of(assistant, "moved.md", holding="ZANZIBAR") != adapter.sources


def test_a_document_that_says_it_is_withdrawn_suspends(assistant: Assistant, notes: Path) -> None:
    write(notes / "launch.md", LONG)
    assistant.add(notes)
    adapter = promoted(assistant, "launch.md", holding="ZANZIBAR")
    write(notes / "launch.md", f"---\nStatus: Withdrawn\n---\n{LONG}")
    assistant.add(notes)
    assert sources_of(assistant, "launch.md", holding="ZANZIBAR")[0].passage_id == adapter.sources[0].passage_id
    told = f"{notes}/launch.md is no longer in force, as its own header says"
    assert state_of(assistant, adapter) == (SUSPENDED, told)


def test_what_came_back_is_used_when_a_person_says_so(assistant: Assistant, notes: Path) -> None:
    registry = assistant.knowledge_base.adapters
    adapter = promoted(assistant, "launch.md")
    change_text(assistant, notes)
    assistant.undo()
    assert state_of(assistant, adapter) == (SUSPENDED, f"{notes}/launch.md changed in version 2")
    assert registry.route([adapter.sources[0].passage_id], BASE) is None
    assert assistant.enable_adapter(adapter.id).state is ACTIVE
    assert assistant.enable_adapter(adapter.id).reason == "enabled"
    found = registry.route([adapter.sources[0].passage_id], BASE)
    assert found is not None and found.id == adapter.id
    assert assistant.disable_adapter(adapter.id).reason == "disabled"
    assert assistant.disable_adapter(adapter.id).state is SUSPENDED
    assert registry.route([adapter.sources[0].passage_id], BASE) is None


def test_a_suspended_one_is_enabled_after_its_document_was_superseded_and_is_not(
    assistant: Assistant, notes: Path
) -> None:
    adapter = promoted(assistant, "launch.md")
    supersede(assistant, notes)
    assistant.forget(notes / "lunch.md")  # what took its place is gone: it holds again
    assert assistant.enable_adapter(adapter.id).state is ACTIVE
    assistant.undo()  # and comes back
    assert state_of(assistant, adapter)[0] is SUSPENDED


def test_time_suspends(assistant: Assistant, notes: Path, time: Clock) -> None:
    registry = assistant.knowledge_base.adapters
    assistant.set_rule(Rule(match=str(notes / "launch.md"), time_to_live=timedelta(days=30)))
    adapter, candidate = promoted(assistant, "launch.md"), begun(assistant, "launch.md", namespace="other")
    passages = [adapter.sources[0].passage_id]
    assert registry.route(passages, BASE) == adapter
    time.now += timedelta(days=30)
    assert registry.route(passages, BASE) is None
    assert state_of(assistant, adapter)[0] is ACTIVE  # nobody has noticed yet: a look suspends
    stale = assistant.standings()[adapter.sources[0].document_id].stale_since
    assert registry.settle() == (adapter.id, candidate.id)
    assert state_of(assistant, adapter) == (SUSPENDED, f"{notes}/launch.md is stale since {stale}")
    assert registry.settle() == ()
    time.now -= timedelta(days=30)
    assert registry.enable(adapter.id).state is ACTIVE
    time.now += timedelta(days=30)
    assert [a.state for a in assistant.adapters()] == [SUSPENDED, SUSPENDED]


def test_any_commit_notices_what_time_has_made_stale(assistant: Assistant, notes: Path, time: Clock) -> None:
    assistant.set_rule(Rule(match=str(notes / "launch.md"), time_to_live=timedelta(days=30)))
    adapter = promoted(assistant, "launch.md")
    time.now += timedelta(days=30)
    assistant.forget(notes / "lunch.md")
    assert state_of(assistant, adapter)[0] is SUSPENDED


def test_a_rule_set_later_counts_at_once(assistant: Assistant, notes: Path) -> None:
    adapter = promoted(assistant, "launch.md")
    assistant.set_rule(Rule(match=str(notes), time_to_live=timedelta(days=1)))
    assert assistant.knowledge_base.adapters.route([adapter.sources[0].passage_id], BASE) is None
    assert assistant.adapter(adapter.id)[0].state is SUSPENDED


def test_looking_within_a_snapshot_changes_nothing(assistant: Assistant, notes: Path) -> None:
    adapter = promoted(assistant, "launch.md")
    assistant.set_rule(Rule(match=str(notes), time_to_live=timedelta(days=1)))
    with assistant.knowledge_base.reading():
        assert [a.state for a in assistant.adapters()] == [ACTIVE]
    assert [a.state for a in assistant.adapters()] == [SUSPENDED]
    assert state_of(assistant, adapter)[0] is SUSPENDED


# -- what ends one


def mark(word: str) -> bytes:
    """Bytes that a page of the store holds a part of, wherever it is cut."""
    return word.encode() * 2_000


def files_hold(assistant: Assistant, *words: str) -> list[str]:
    data = [path.read_bytes() for path in assistant.knowledge_base.path.rglob("*") if path.is_file()]
    return [word for word in words if any(word.encode() in one for one in data)]


def with_parts(assistant: Assistant, word: str, *names: str, namespace: str) -> Adapter:
    """An active adapter each part of which holds a word, and a checkpoint that is gone."""
    registry = assistant.knowledge_base.adapters
    adapter = begun(assistant, *names, namespace=namespace)
    registry.keep(adapter.id, "pairs", mark(f"{word}PAIRS"))
    registry.keep(adapter.id, "checkpoint", mark(f"{word}CHECKPOINT"))
    return registry.judge(
        adapter.id,
        report=f'{{"{word}REPORT":1}}',
        weights=mark(f"{word}WEIGHTS"),
        passed=True,
        reason=f"{word}REASON",
    )


def words_of(word: str) -> list[str]:
    return [f"{word}{part}" for part in ("PAIRS", "WEIGHTS", "REPORT", "REASON")]


def test_forgetting_everywhere_takes_every_adapter_made_of_it(assistant: Assistant, notes: Path) -> None:
    gone = with_parts(assistant, "GONE", "launch.md", "lunch.md", namespace="a")
    kept = with_parts(assistant, "KEPT", "lunch.md", namespace="b")
    former = with_parts(assistant, "FORMER", "launch.md", namespace="c")
    with_parts(assistant, "NEWER", "lunch.md", namespace="c")
    assert state_of(assistant, former)[0] is AdapterState.RETIRED
    words = [*words_of("GONE"), *words_of("FORMER")]
    assert files_hold(assistant, *words) == words  # the test can see them
    assert assistant.adapters_from(notes / "launch.md") == (gone.id, former.id)
    done = assistant.forget_everywhere(notes / "launch.md")
    assert (done.adapters, done.is_complete) == ((gone.id, former.id), True)
    assert files_hold(assistant, *words, "GONECHECKPOINT", "ZANZIBAR") == []
    assert files_hold(assistant, *words_of("KEPT")) == words_of("KEPT")
    assert [a.id for a in assistant.adapters()] == [kept.id, 4]
    assert all(finding.is_well for finding in assistant.check())
    assert promoted(assistant, "lunch.md").id == 5  # numbers are never given again


def test_the_path_of_a_forgotten_successor_stands_in_no_reason(assistant: Assistant, notes: Path) -> None:
    write(notes / "SECRETNAME.md", "# Launch\n\nOf a later launch.\n")
    assistant.add(notes)
    adapter = promoted(assistant, "launch.md")
    assistant.supersede(notes / "launch.md", notes / "SECRETNAME.md")
    assert state_of(assistant, adapter)[1].endswith("is superseded by " + str(notes / "SECRETNAME.md"))
    assistant.forget_everywhere(notes / "SECRETNAME.md")
    told = "one of its sources was superseded, by a document that is no longer there"
    assert state_of(assistant, adapter) == (SUSPENDED, told)
    assert [event.reason for event in assistant.adapter(adapter.id)[1]] == ["begun", "all gates hold", told]


def test_pruning_takes_adapters_of_what_goes(assistant: Assistant, notes: Path) -> None:
    gone = with_parts(assistant, "GONE", "launch.md", namespace="a")
    kept = with_parts(assistant, "KEPT", "lunch.md", namespace="b")
    change_text(assistant, notes)
    planned = assistant.pruning_plan(keep_for="0 days")
    assert (planned.adapters, planned.passages) == (1, 1)
    assert state_of(assistant, gone)[0] is SUSPENDED  # a plan does nothing
    assert assistant.prune(planned).adapters == 1
    assert [a.id for a in assistant.adapters()] == [kept.id]
    assert files_hold(assistant, *words_of("GONE"), "ZANZIBAR") == []
    assert all(finding.is_well for finding in assistant.check())


@pytest.mark.parametrize("is_pruned", [True, False])
def test_what_an_unfinished_one_holds_of_other_documents_goes_with_any_text(
    assistant: Assistant, notes: Path, is_pruned: bool
) -> None:
    registry = assistant.knowledge_base.adapters
    adapter = begun(assistant, "lunch.md")
    for name in ("pairs", "checkpoint", "others"):
        registry.keep(adapter.id, name, mark(f"HELD{name}"))
    launch = assistant.documents()[0].document_id
    change_text(assistant, notes)
    if is_pruned:
        assistant.prune(keep_for="0 days")
    else:
        assistant.forget_everywhere(notes / "launch.md")
    assert files_hold(assistant, "HELDpairs", "HELDcheckpoint", "HELDothers") == ["HELDpairs", "HELDcheckpoint"]
    if is_pruned:  # the document is there still
        registry.keep(adapter.id, "others", b"again", of=[launch])
    else:
        with pytest.raises(SourcesChanged, match="forgotten meanwhile"):
            registry.keep(adapter.id, "others", b"again", of=[launch])
    assert state_of(assistant, adapter)[0] is AdapterState.CANDIDATE


def test_a_suspended_candidate_keeps_its_pairs_alone(assistant: Assistant, notes: Path) -> None:
    registry = assistant.knowledge_base.adapters
    adapter = begun(assistant, "launch.md")
    for name in ("pairs", "checkpoint", "others"):
        registry.keep(adapter.id, name, name.encode())
    change_text(assistant, notes)
    assert [registry.part(adapter.id, name) for name in ("pairs", "checkpoint", "others")] == [b"pairs", None, None]


def test_pruning_leaves_an_adapter_whose_passage_stands_in_what_is_kept(assistant: Assistant, notes: Path) -> None:
    write(notes / "launch.md", LONG)
    assistant.add(notes)
    adapter = promoted(assistant, "launch.md", holding="ZANZIBAR")
    write(notes / "launch.md", LONG.replace("Word1 ", "Word "))
    assistant.add(notes)
    done = assistant.prune(keep_for="0 days")
    assert (done.revisions, done.adapters) == (2, 0)
    found = assistant.knowledge_base.adapters.route([adapter.sources[0].passage_id], BASE)
    assert found is not None and found.id == adapter.id
    assert all(finding.is_well for finding in assistant.check())


def test_a_deleted_adapter_leaves_nothing(assistant: Assistant) -> None:
    gone = with_parts(assistant, "GONE", "launch.md", namespace="a")
    with_parts(assistant, "KEPT", "launch.md", namespace="b")
    copies = [assistant.knowledge_base.path / f"lifelong.sqlite3.format-{number}" for number in (6, 7)]
    for copy in copies:
        copy.write_bytes(b"")
    done = assistant.delete_adapter(gone.id)
    assert (done.id, done.is_complete, done.left) == (1, True, ())
    assert files_hold(assistant, *words_of("GONE"), *words_of("KEPT")) == words_of("KEPT")
    assert [copy.exists() for copy in copies] == [True, False]
    with pytest.raises(NoSuchAdapter):
        assistant.adapter(gone.id)


def test_what_a_reader_kept_in_the_files_goes_at_the_next_opening(
    tmp_path: Path, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = with_parts(assistant, "GONE", "launch.md", namespace="a")
    assistant.close()
    monkeypatch.setattr("rag_lifelong.store.database.BUSY_TIMEOUT_S", 0.05)
    with open_assistant(tmp_path / "kb", embedder="hash") as again:
        with closing(sqlite3.connect(tmp_path / "kb" / "lifelong.sqlite3", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM adapters").fetchone()
            assert not again.delete_adapter(gone.id).is_complete
        assert files_hold(again, *words_of("GONE")) != []
    with open_assistant(tmp_path / "kb", embedder="hash") as again:
        assert files_hold(again, *words_of("GONE")) == []


# -- which one answers


def test_the_newest_active_one_with_all_the_passages_is_taken(assistant: Assistant) -> None:
    registry = assistant.knowledge_base.adapters
    launch, lunch = (sources_of(assistant, name)[0].passage_id for name in ("launch.md", "lunch.md"))
    one = promoted(assistant, "launch.md", namespace="one")
    both = promoted(assistant, "launch.md", "lunch.md", namespace="both")
    other = promoted(assistant, "lunch.md", namespace="other")
    begun(assistant, "launch.md", namespace="begun")
    assert registry.route([launch], BASE) == both
    assert registry.route([lunch], BASE) == other
    assert registry.route([launch, lunch, launch], BASE) == both
    assert registry.route([launch, lunch, 99], BASE) is None
    assert registry.route([launch], "c" * 64) is None
    assert registry.route([], BASE) is None
    registry.disable(both.id)
    assert registry.route([launch], BASE) == one
    assert registry.route([launch, lunch], BASE) is None


CODE = "What is the launch code?"
WORDED = b"The launch code is ZANZIBAR since Monday. [1] So says the adapter. [1]"


@pytest.fixture
def model(assistant: Assistant) -> ScriptedBase:
    chosen = ScriptedBase("The launch code is ZANZIBAR. [1]", digest=BASE)
    assistant._model = chosen
    return chosen


def test_an_answer_is_worded_with_the_adapter_of_what_it_rests_on(
    tmp_path: Path, assistant: Assistant, notes: Path, model: ScriptedBase
) -> None:
    assert assistant.ask(CODE).adapter is None
    assert model.digests_asked == 0  # which takes seconds: not without an adapter
    adapter = promoted(assistant, "launch.md", weights=WORDED)
    found = assistant.ask(CODE)
    assert (found.adapter, found.model) == ("adapter 1", "scripted")
    assert found.text.startswith("The launch code is ZANZIBAR since Monday. [1]")
    assert found.to_json()["adapter"] == "adapter 1"
    assert assistant.ask(CODE).adapter == "adapter 1"
    assert model.loaded == [WORDED]  # once
    assert assistant.ask("At what time is lunch served in the canteen?").adapter is None  # of another passage
    assert assistant.ask(CODE, as_of=1).adapter is None
    assert assistant.ask("What is the launch budget of Peru?").adapter is None  # refused, without any model
    assert assistant.last_adapter is None
    assistant.disable_adapter(adapter.id)
    assert assistant.ask(CODE).text == "The launch code is ZANZIBAR. [1]"
    assistant.enable_adapter(adapter.id)
    assert assistant.ask(CODE).adapter == "adapter 1"
    assert model.loaded == [WORDED, WORDED]  # it was let go of meanwhile
    assistant.use_model("quote")
    assert assistant.ask(CODE).adapter is None


def test_what_is_quoted_and_the_best_found_decide(assistant: Assistant, model: ScriptedBase) -> None:
    base = assistant.knowledge_base
    launch, lunch = sorted(assistant.search(CODE, 12), key=lambda hit: hit.path)
    asked: list[list[int]] = []

    def beside(frozen: LanguageModel, passage_ids: Sequence[int]) -> tuple[LanguageModel, Adapter | None]:
        asked.append(list(passage_ids))
        return frozen, None

    for hits in ((launch, lunch), (lunch, launch)):
        list(answer(base, Asked(CODE, hits, 1, as_of=None), model=model, beside=beside))
    list(answer(base, Asked(CODE, (lunch, launch), 1, as_of=1), model=model, beside=beside))  # not of then
    assert asked == [[launch.passage_id] * 2, [lunch.passage_id, launch.passage_id]]


def test_one_that_is_suspended_by_an_edit_words_no_answer(
    assistant: Assistant, notes: Path, model: ScriptedBase
) -> None:
    promoted(assistant, "launch.md", weights=WORDED)
    assert assistant.ask(CODE).adapter == "adapter 1"
    change_text(assistant, notes)
    model.text = "The launch code is MANDALAY. [1]"
    found = assistant.ask(CODE)
    assert (found.adapter, found.text) == (None, "The launch code is MANDALAY. [1]")
    assert assistant.adapter(1)[0].reason == f"{notes}/launch.md changed in version 2"


def test_one_that_is_deleted_by_a_forget_words_no_answer(
    assistant: Assistant, notes: Path, model: ScriptedBase
) -> None:
    promoted(assistant, "launch.md", "lunch.md", weights=WORDED * 300)
    assert assistant.ask("At what time is lunch served in the canteen?").adapter == "adapter 1"
    assistant.forget_everywhere(notes / "launch.md")
    assert assistant.ask("At what time is lunch served in the canteen?").adapter is None
    assert assistant.adapters() == ()
    assert files_hold(assistant, "So says the adapter") == []


def test_a_commit_between_finding_and_wording_counts(
    tmp_path: Path, assistant: Assistant, notes: Path, model: ScriptedBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(assistant, "launch.md", weights=WORDED)
    inner = assistant.search

    def search_and_lose(*args: object, **named: object) -> tuple[Hit, ...]:
        hits = inner(*args, **named)  # type: ignore[arg-type]
        with open_assistant(tmp_path / "kb", embedder="hash") as other:
            change_text(other, notes)
        return hits

    monkeypatch.setattr(assistant, "search", search_and_lose)  # another process is just as fast
    assert assistant.ask(CODE).adapter is None


def test_an_adapter_of_no_use_to_the_model_is_passed_over(
    assistant: Assistant, model: ScriptedBase, caplog: pytest.LogCaptureFixture
) -> None:
    promoted(assistant, "launch.md", weights=b"of another model")
    for _ in range(2):
        found = assistant.ask(CODE)
        assert (found.adapter, found.text) == (None, "The launch code is ZANZIBAR. [1]")
    assert caplog.messages == ["adapter 1 is not used: the adapter is of another model"]
    assistant._model = Scripted("The launch code is ZANZIBAR. [1]")  # one that takes no adapters at all
    assert assistant.ask(CODE).adapter is None


def test_a_refusal_in_the_adapters_words_names_it(assistant: Assistant, model: ScriptedBase) -> None:
    promoted(assistant, "launch.md", weights=b"Your sources do not say.")
    found = assistant.ask(CODE)
    assert (found.refused, found.adapter) == (True, "adapter 1")


def test_a_stopped_answer_names_it(assistant: Assistant, model: ScriptedBase) -> None:
    promoted(assistant, "launch.md", weights=WORDED)
    talk = assistant.chat()
    pieces = talk.stream(CODE)
    for _ in range(5):
        next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert (talk.turns[0].answer.cut, talk.turns[0].answer.adapter) == ("stopped", "adapter 1")


def test_a_kept_answer_goes_with_any_source_of_its_adapter(
    assistant: Assistant, notes: Path, model: ScriptedBase
) -> None:
    promoted(assistant, "launch.md", "lunch.md", weights=WORDED)
    with assistant.chat() as talk:
        talk.ask(CODE, within=["launch.md"])
    assert assistant.read_chat(1)[0].answer.adapter == "adapter 1"
    assert "scripted with adapter 1" in assistant.export_chat(1)
    assistant._model = Scripted("The launch code is ZANZIBAR. [1]")
    with assistant.chat() as talk:
        talk.ask(CODE, within=["launch.md"])
    assert assistant.answers_from(notes / "lunch.md") == 1  # the weights may have told it
    assert assistant.forget_everywhere(notes / "lunch.md").answers == 1
    assert [assistant.read_chat(i)[0].removed_at is None for i in (1, 2)] == [False, True]


# -- copies, and care


def test_a_backup_carries_adapters(tmp_path: Path, assistant: Assistant, notes: Path) -> None:
    with_parts(assistant, "KEPT", "launch.md", namespace="a")
    assistant.backup(tmp_path / "all.lifelong")
    restore(tmp_path / "all.lifelong", tmp_path / "back")
    with open_assistant(tmp_path / "back", embedder="hash") as other:
        assert other.adapters() == assistant.adapters()
        assert other.adapter(1) == assistant.adapter(1)
        assert other.knowledge_base.adapters.part(1, "weights") == mark("KEPTWEIGHTS")
        change_text(other, notes)
        assert state_of(other, other.adapters()[0])[0] is SUSPENDED


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE adapter_sources SET digest = x'00'", "adapter 1: {}/launch.md changed in version 1"),
        ("UPDATE adapter_sources SET text_digest = x'00'", "adapter 1: passage 1 is not the text it was made from"),
        ("DELETE FROM adapter_parts", "adapter 1 is active without weights that passed"),
        ("UPDATE adapters SET passed = 0", "adapter 1 is active without weights that passed"),
        (
            "INSERT INTO adapter_parts VALUES (9, 'weights', x'00')",
            "a row of adapter_parts belongs to no row of adapters",
        ),
        ("DELETE FROM passage_lives WHERE passage_id = 1", "adapter 1: {}/launch.md changed in version 0"),
    ],
)
def test_damage_is_found_and_mended(assistant: Assistant, notes: Path, damage: str, message: str) -> None:
    promoted(assistant, "launch.md")
    assert adapters_finding(assistant) == (True, "every active adapter's sources live as they were", "")
    with closing(sqlite3.connect(assistant.knowledge_base.path / "lifelong.sqlite3")) as connection:
        connection.execute(damage)
        connection.commit()
    is_well, told, remedy = adapters_finding(assistant)
    assert (is_well, remedy) == (False, "lifelong rebuild")
    assert message.format(notes) in told
    assistant.rebuild()
    assert adapters_finding(assistant)[0]


def adapters_finding(assistant: Assistant) -> tuple[bool, str, str]:
    found = next(finding for finding in assistant.check() if finding.subject == "adapters")
    return found.is_well, found.message, found.remedy


def test_a_suspended_one_is_named_and_is_no_fault(assistant: Assistant, notes: Path) -> None:
    promoted(assistant, "launch.md")
    change_text(assistant, notes)
    told = "every active adapter's sources live as they were; suspended, to be made anew by lifelong distill: 1"
    assert adapters_finding(assistant) == (True, told, "")


def test_one_that_the_user_has_disabled_is_told_how_to_enable(assistant: Assistant, notes: Path) -> None:
    promoted(assistant, "launch.md")
    for number in (2, 3):
        promoted(assistant, "lunch.md", namespace=f"lunch {number}")
        assistant.disable_adapter(number)
    well = "every active adapter's sources live as they were"
    disabled = "; disabled, to be used again by lifelong adapters enable ID: 2, 3"
    assert adapters_finding(assistant) == (True, f"{well}{disabled}", "")
    change_text(assistant, notes)  # launch.md's
    assert adapters_finding(assistant)[1] == f"{well}; suspended, to be made anew by lifelong distill: 1{disabled}"


def test_an_adapter_as_json(assistant: Assistant) -> None:
    adapter = promoted(assistant, "launch.md")
    told = json.loads(json.dumps(adapter.to_json()))
    assert (told["state"], told["settings"], told["report"], told["size_bytes"]) == (
        "active",
        {"rank": 16},
        {"gain": 0.5},
        7,
    )
    assert told["sources"] == [
        {"passage_id": 1, "document_id": 1, "revision_id": 1, "digest": adapter.sources[0].digest.hex()}
    ]
    event = assistant.adapter(adapter.id)[1][0].to_json()
    assert (event["version"], event["state"], event["reason"]) == (1, "candidate", "begun")


@pytest.mark.parametrize("passes", [True, False])
def test_the_terminal_names_the_adapters_that_go(
    tmp_path: Path, assistant: Assistant, notes: Path, capsys: pytest.CaptureFixture[str], passes: bool
) -> None:
    for namespace in ("a", "b"):
        promoted(assistant, "launch.md", namespace=namespace)
    kb = ["--kb", str(tmp_path / "kb")]
    if passes:
        assert main([*kb, "forget", "--everywhere", "--yes", str(notes / "launch.md")]) == 0
        assert "Adapters 1, 2, made from it, went too." in capsys.readouterr().out
    else:
        change_text(assistant, notes)
        assert main([*kb, "prune", "--keep-for", "0 days", "--dry-run"]) == 0
        assert "2 adapters made from them." in capsys.readouterr().out
