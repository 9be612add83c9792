"""The registry of adapters: what suspends one, what ends one, and which one answers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import AdapterUnusable
from rag_lifelong.types import Adapter, AdapterState, Source

ACTIVE, SUSPENDED = AdapterState.ACTIVE, AdapterState.SUSPENDED
BASE = "b" * 64
SECONDS = itertools.count(1_772_000_000)  # 2026-02-25
LAUNCH = "# Launch\n\nThe launch code is ZANZIBAR since Monday.\n"
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
        opened.add(notes)
        yield opened


def write(path: Path, text: str) -> None:
    """A file whose time of change is one that the clock of the tests has."""
    path.write_text(text)
    seconds = next(SECONDS)
    os.utime(path, (seconds, seconds))


def sources_of(assistant: Assistant, *names: str) -> tuple[Source, ...]:
    """All passages of the documents by these names, as they are now."""
    found: list[Source] = []
    base = assistant.knowledge_base
    with base.reading() as connection:
        for document in base.documents():
            if Path(document.path).name in names:
                rows = connection.execute(
                    "SELECT p.id, p.document_id, r.revision_id, p.digest FROM passages p "
                    "JOIN passage_lives l ON l.passage_id = p.id AND l.died IS NULL "
                    "JOIN revision_lives r ON r.document_id = p.document_id AND r.died IS NULL "
                    "WHERE p.document_id = ?",
                    (document.document_id,),
                )
                found.extend(Source(*row) for row in rows)
    return tuple(found)


def begun(assistant: Assistant, *names: str, namespace: str = "notes") -> Adapter:
    return assistant.knowledge_base.adapters.begin(
        namespace=namespace,
        model="scripted",
        base_digest=BASE,
        settings='{"rank":16}',
        sources=sources_of(assistant, *names),
    )


def promoted(assistant: Assistant, *names: str, namespace: str = "notes", weights: bytes = b"WEIGHTS") -> Adapter:
    adapter = begun(assistant, *names, namespace=namespace)
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
    base.adapters.drop(1, "pairs", "no such part")
    assert base.adapters.part(1, "pairs") is None
    with pytest.raises(ValueError, match="weights"):
        base.adapters.drop(1, "weights")
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
