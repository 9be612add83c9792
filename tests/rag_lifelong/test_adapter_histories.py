"""Adapters in random histories: after every step only those answer whose sources stand, byte for byte; killed processes.

The reference knows no passage: it reads the living texts, and looks in them for what each adapter was made from.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from rag_lifelong import open_assistant, retraction, verify
from rag_lifelong.assistant import Assistant
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import AdapterUnusable, BadSetting, NoSuchConflict, NothingToUndo, SourcesChanged
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.staleness import Rule
from rag_lifelong.store import documents, passages, revisions
from rag_lifelong.types import AdapterState, Source

CANDIDATE, ACTIVE, SUSPENDED = AdapterState.CANDIDATE, AdapterState.ACTIVE, AdapterState.SUSPENDED
WORDS = "amber birch cedar delta ember".split()
NAMES = "abcd"
BASE = "base"

NAME = st.sampled_from(NAMES)
NUMBER = st.integers(0, 9)
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)
STEP = st.one_of(
    st.tuples(st.just("write"), NAME, TEXT),
    st.tuples(st.just("write"), NAME, TEXT),
    st.tuples(st.just("mark up"), NAME, st.sampled_from(WORDS)),
    st.tuples(st.just("withdraw"), NAME, st.none()),
    st.tuples(st.just("move"), NAME, NAME),
    st.tuples(st.just("delete"), NAME, st.none()),
    st.tuples(st.just("forget"), NAME, st.none()),
    st.tuples(st.just("undo"), st.none(), st.none()),
    st.tuples(st.just("undo"), st.none(), st.none()),
    st.tuples(st.just("supersede"), NAME, NAME),
    st.tuples(st.just("rule"), NAME, st.integers(2, 5)),
    st.tuples(st.just("no rule"), NAME, st.none()),
    st.tuples(st.just("days pass"), st.integers(1, 4), st.none()),
    st.tuples(st.just("prune"), st.none(), st.none()),
    st.tuples(st.just("everywhere"), NAME, st.none()),
    st.tuples(st.just("begin"), NUMBER, st.sampled_from(["one", "two"])),
    st.tuples(st.just("distil"), NUMBER, st.sampled_from(["one", "two"])),
    st.tuples(st.just("distil"), NUMBER, st.sampled_from(["one", "two"])),
    st.tuples(st.just("judge"), NUMBER, st.booleans()),
    st.tuples(st.just("enable"), NUMBER, st.none()),
    st.tuples(st.just("enable"), NUMBER, st.none()),
    st.tuples(st.just("disable"), NUMBER, st.none()),
    st.tuples(st.just("erase adapter"), NUMBER, st.none()),
    st.tuples(st.just("reopen"), st.none(), st.none()),
)
Step = tuple[str, object, object]
BEGINNING: list[Step] = [
    ("write", "a", WORDS[:2]),
    ("write", "b", WORDS[2:4]),
    ("rule", "a", 3),
    ("distil", 3, "one"),
    ("distil", 1, "two"),
]


@dataclass
class Made:
    """An adapter as the reference knows it. texts: (document, context, text) of each source, as they were."""

    id: int
    namespace: str
    sources: tuple[Source, ...]
    texts: frozenset[tuple[int, str, str]]
    state: AdapterState
    passed: bool = False

    @property
    def mark(self) -> str:
        return f"WEIGHTS{self.id:04}Q"


def plain(document_id: int, context: str, text: str) -> tuple[int, str, str]:
    """Passages that differ in markup only are one."""
    return document_id, context.replace("*", ""), " ".join(text.replace("*", "").split())


class History:
    """A folder, a knowledge base, and what must be of each adapter."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.kb = folder / "kb"
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.ticks = 0
        self.made: dict[int, Made] = {}
        self.gone: list[str] = []
        self.assistant = self.opened()

    def clock(self) -> datetime:
        self.ticks += 1
        return self.now + timedelta(milliseconds=self.ticks)

    def opened(self) -> Assistant:
        assistant = open_assistant(self.kb, embedder="hash", now=self.clock)
        assistant.knowledge_base.reader = None
        return assistant

    # -- the reference

    def placed(self, revision_id: int) -> dict[int, tuple[str, str]]:
        """passage id → (context, text) as a revision has it."""
        with self.assistant.knowledge_base.reading() as connection:
            found = revisions.read(connection, revision_id)
        return {p.passage_id: (p.context, found.text[p.start : p.end]) for p in found.placements}

    def standing(self) -> set[tuple[int, str, str]]:
        """(document, context, text) of all that can be found now, in documents that hold."""
        standings = self.assistant.standings()
        with self.assistant.knowledge_base.reading() as connection:
            living = revisions.living(connection)
        return {
            (document_id, *one)
            for document_id, revision_id in living.items()
            if standings[document_id].holds
            for one in self.placed(revision_id).values()
        }

    def stored(self) -> set[tuple[int, str, str]]:
        """(document, context, text) of all that is kept of the present and the past, without what markup is here."""
        with self.assistant.knowledge_base.reading() as connection:
            kept = [
                (document_id, revision_id)
                for document_id in documents.all_ids(connection)
                for revision_id in revisions.of_document(connection, document_id)
            ]
        return {plain(d, *one) for d, revision_id in kept for one in self.placed(revision_id).values()}

    # -- the steps

    def put(self, name: str, text: str) -> None:
        path = self.notes / f"{name}.md"
        path.write_text(text)
        self.ticks += 1
        ns = int(self.now.timestamp()) * 10**9 + self.ticks * 1_000_000
        os.utime(path, ns=(ns, ns))
        self.read_in()

    def read_in(self) -> None:
        self.assistant.add(self.notes, may_retire=True, wait=True)

    def is_stored(self, name: str) -> bool:
        return str(self.notes / f"{name}.md") in {document.path for document in self.assistant.documents()}

    def step(self, what: str, one: object, other: object) -> None:
        getattr(self, what.replace(" ", "_"))(one, other)

    def write(self, name: str, words: list[str]) -> None:
        self.put(name, "\n\n".join(" ".join(f"{word}{i}" for i in range(150)) for word in words) + "\n")

    def mark_up(self, name: str, word: str) -> None:
        path = self.notes / f"{name}.md"
        if path.exists():
            self.put(name, path.read_text().replace(f" {word}7 ", f" *{word}7* "))

    def withdraw(self, name: str, _: None) -> None:
        path = self.notes / f"{name}.md"
        if path.exists() and not path.read_text().startswith("---"):
            self.put(name, f"---\nStatus: Withdrawn\n---\n\n{path.read_text()}")

    def move(self, name: str, to: str) -> None:
        path, target = self.notes / f"{name}.md", self.notes / f"{to}.md"
        if path.exists() and not target.exists():
            path.rename(target)
            self.read_in()

    def delete(self, name: str, _: None) -> None:
        (self.notes / f"{name}.md").unlink(missing_ok=True)
        self.read_in()

    def forget(self, name: str, _: None) -> None:
        if self.is_stored(name):
            self.assistant.forget(self.notes / f"{name}.md")

    def undo(self, _: None, __: None) -> None:
        with suppress(NothingToUndo):
            self.assistant.undo()

    def supersede(self, old: str, new: str) -> None:
        if old != new and self.is_stored(old) and self.is_stored(new):
            with suppress(NoSuchConflict):
                self.assistant.supersede(self.notes / f"{old}.md", self.notes / f"{new}.md")

    def rule(self, name: str, days: int) -> None:
        self.assistant.set_rule(Rule(match=str(self.notes / f"{name}.md"), time_to_live=timedelta(days=days)))

    def no_rule(self, name: str, _: None) -> None:
        with suppress(BadSetting):
            self.assistant.drop_rule(str(self.notes / f"{name}.md"))

    def days_pass(self, days: int, _: None) -> None:
        self.now += timedelta(days=days)

    def prune(self, _: None, __: None) -> None:
        planned = self.assistant.pruning_plan(keep_for="0 days")
        assert self.assistant.prune(planned).adapters == planned.adapters
        there, stored = {adapter.id for adapter in self.assistant.adapters()}, self.stored()
        gone = {i for i, made in self.made.items() if not {plain(*one) for one in made.texts} <= stored}
        assert there == self.made.keys() - gone  # what is told by a text that stands nowhere, and nothing else
        assert len(gone) == planned.adapters
        self.lose(gone)

    def everywhere(self, name: str, _: None) -> None:
        path = str(self.notes / f"{name}.md")
        going = set(self.assistant.knowledge_base.documents_ever_at(path))
        if not going:
            return
        gone = {i for i, made in self.made.items() if going & {document_id for document_id, *_ in made.texts}}
        assert set(self.assistant.adapters_from(path)) == gone
        done = retraction.forget_everywhere(self.assistant.knowledge_base, [path])
        assert (set(done.adapters), done.is_complete) == (gone, True)
        self.lose(gone)

    def begin(self, number: int, namespace: str) -> Made | None:
        """From one document, or several, all or some of its passages."""
        base, rng = self.assistant.knowledge_base, random.Random(number)
        with base.reading() as connection:
            living = revisions.living(connection)
        offered = [(d, r, i, *one) for d, r in living.items() for i, one in self.placed(r).items()]
        chosen = [one for one in offered if rng.random() < 0.6] or offered[:1]
        with base.reading() as connection:
            digests = passages.digests_of(connection, [one[2] for one in chosen])
        sources = tuple(Source(i, d, r, digests[i]) for d, r, i, _, _ in chosen)
        texts = frozenset((d, context, text) for d, _, _, context, text in chosen)
        if not sources:
            return None
        try:
            begun = base.adapters.begin(
                namespace=namespace, model="m", base_digest=BASE, settings="{}", sources=sources
            )
        except SourcesChanged:
            assert not texts <= self.standing()
            return None
        assert texts <= self.standing()
        self.made[begun.id] = Made(begun.id, namespace, sources, texts, CANDIDATE)
        base.adapters.keep(begun.id, "checkpoint", f"CHECKPOINT{begun.id:04}Q".encode() * 300)
        base.adapters.keep(begun.id, "pairs", f"PAIRS{begun.id:04}Q".encode() * 300)
        return self.made[begun.id]

    def distil(self, number: int, namespace: str) -> None:
        made = self.begin(number, namespace)
        if made is not None:
            self.judged(made, passed=True)

    def judge(self, number: int, passed: bool) -> None:
        waiting = [made for made in self.made.values() if made.state is CANDIDATE]
        if waiting:
            self.judged(waiting[number % len(waiting)], passed=passed)

    def judged(self, made: Made, *, passed: bool) -> None:
        registry, stands = self.assistant.knowledge_base.adapters, made.texts <= self.standing()
        try:
            registry.judge(made.id, report="{}", weights=made.mark.encode() * 300, passed=passed, reason="judged")
        except SourcesChanged:
            assert not stands
            made.state = SUSPENDED
            return
        assert stands
        made.state, made.passed = (ACTIVE if passed else AdapterState.REJECTED), passed
        if passed:
            for other in self.made.values():
                if other is not made and other.namespace == made.namespace and other.state in (ACTIVE, SUSPENDED):
                    other.state = AdapterState.RETIRED

    def enable(self, number: int, _: None) -> None:
        made = self.any_of(number)
        if made is None:
            return
        may = made.state is ACTIVE or (made.state is SUSPENDED and made.passed and made.texts <= self.standing())
        try:
            self.assistant.enable_adapter(made.id)
        except AdapterUnusable:
            assert not may
        else:
            assert may
            made.state = ACTIVE

    def disable(self, number: int, _: None) -> None:
        made = self.any_of(number)
        if made is not None and made.state in (ACTIVE, SUSPENDED):
            self.assistant.disable_adapter(made.id)
            made.state = SUSPENDED

    def erase_adapter(self, number: int, _: None) -> None:
        made = self.any_of(number)
        if made is not None:
            assert self.assistant.delete_adapter(made.id).is_complete
            self.lose({made.id})

    def reopen(self, _: None, __: None) -> None:
        self.assistant.close()
        self.assistant = self.opened()

    def any_of(self, number: int) -> Made | None:
        there = sorted(self.made)
        return self.made[there[number % len(there)]] if there else None

    def lose(self, adapter_ids: set[int]) -> None:
        for adapter_id in adapter_ids:
            made = self.made.pop(adapter_id)
            self.gone += [made.mark, f"CHECKPOINT{made.id:04}Q", f"PAIRS{made.id:04}Q"]

    # -- what must hold

    def verify(self, what: str) -> None:
        standing = self.standing()
        registry = self.assistant.knowledge_base.adapters
        for made in self.made.values():
            if made.state in (CANDIDATE, ACTIVE) and not made.texts <= standing:
                made.state = SUSPENDED
        everything = {source.passage_id for made in self.made.values() for source in made.sources}
        asked = [[passage_id] for passage_id in sorted(everything)]
        asked += [[source.passage_id for source in made.sources] for made in self.made.values()]
        for wanted in asked:  # before anyone has looked at the list, which notices what time has done
            may = [
                made.id
                for made in self.made.values()
                if made.state is ACTIVE and set(wanted) <= {source.passage_id for source in made.sources}
            ]
            found = registry.route(wanted, BASE)
            assert (None if found is None else found.id) == max(may, default=None), what
        if what not in ("days pass", "rule", "no rule"):  # of those, looking is what notices
            with self.assistant.knowledge_base.reading() as connection:
                kept = dict(connection.execute("SELECT id, state FROM adapters").fetchall())
            assert kept == {made.id: made.state.value for made in self.made.values()}, what
        adapters = self.assistant.adapters()
        assert {a.id: a.state for a in adapters} == {m.id: m.state for m in self.made.values()}, what
        if what in ("prune", "everywhere", "erase adapter"):
            data = b"".join(path.read_bytes() for path in self.kb.rglob("*") if path.is_file())
            assert [mark for mark in self.gone if mark.encode() in data] == [], what
            assert [made.mark for made in self.made.values() if made.passed and made.mark.encode() not in data] == []
        if what in ("prune", "everywhere", "erase adapter", "reopen", "undo"):
            assert [finding for finding in self.assistant.check() if not finding.is_well] == [], what


def assert_history_holds(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        try:
            for what, one, other in [*BEGINNING, *steps]:
                history.step(what, one, other)
                history.verify(what)
        finally:
            history.assistant.close()


NOTHING = (None, None)


@settings(max_examples=8, deadline=None)
@example([("mark up", "a", "amber"), ("enable", 0, None), ("undo", *NOTHING), ("enable", 0, None)])
@example([("supersede", "a", "b"), ("undo", *NOTHING), ("enable", 0, None), ("write", "a", []), ("prune", *NOTHING)])
@example([("days pass", 3, None), ("no rule", "a", None), ("enable", 0, None), ("erase adapter", 1, None)])
@example([("move", "a", "c"), ("everywhere", "a", None), ("withdraw", "b", None), ("reopen", *NOTHING)])
@given(st.lists(STEP, min_size=6, max_size=12))
def test_only_adapters_whose_sources_stand_answer(steps: list[Step]) -> None:
    assert_history_holds(steps)


@pytest.mark.slow
@settings(
    max_examples=200, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # shrinking takes an hour
@given(st.lists(STEP, min_size=20, max_size=60))
def test_only_adapters_whose_sources_stand_answer_in_long_histories(steps: list[Step]) -> None:
    assert_history_holds(steps)


WORKER = """
import json, os, random, signal, sys
from pathlib import Path
from rag_lifelong import adapters, retraction, sync
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store import passages, revisions
from rag_lifelong.types import Source
kb, notes, rng, dies = sys.argv[1], Path(sys.argv[2]), random.Random(int(sys.argv[3])), sys.argv[4]
base = KnowledgeBase(Path(kb), embedder=HashEmbedder(32))
def read_in():
    return sync.read_in(base, [notes], settings=sync.Settings(10**6, 40, 2.0), progress=sync.Silent(), verb="add", rules=None, may_retire=True)
def write(step):
    path = notes / f"{rng.randrange(4)}.md"
    path.write_text("\\n\\n".join(" ".join(f"{rng.choice('uvwxyz')}{i}" for i in range(30)) for _ in range(rng.randrange(1, 4))))
    os.utime(path, ns=((step + 1) * 10**9, (step + 1) * 10**9))
def promote():
    with base.reading() as connection:
        found = [(d, r, p, revisions.read(connection, r).text[p.start:p.end]) for d, r in revisions.living(connection).items() for p in revisions.read(connection, r).placements]
        digests = passages.digests_of(connection, [p.passage_id for _, _, p, _ in found])
    chosen = [one for one in found if rng.random() < 0.5] or found[:1]
    if chosen:
        sources = [Source(p.passage_id, d, r, digests[p.passage_id]) for d, r, p, _ in chosen]
        made = base.adapters.begin(namespace=str(rng.randrange(3)), model="m", base_digest="base", settings="{}", sources=sources)
        base.adapters.keep(made.id, "pairs", json.dumps([(d, p.context, text) for d, _, p, text in chosen]).encode())
        base.adapters.judge(made.id, report="{}", weights=b"w" * 9_000, passed=True, reason="ok")
        print("promoted", flush=True)
if dies:  # in the transaction that changes a source, before or after the adapter is suspended in it
    if not (notes / "0.md").exists():
        write(0), read_in(), promote()
    inner = adapters.Adapters.settle_in
    def settle_in(self, connection):
        if dies == "after":
            inner(self, connection)
        print("dying", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    adapters.Adapters.settle_in = settle_in
    for path in notes.iterdir():
        path.write_text("Something else.")
    read_in()
print("open", flush=True)
for step in range(10_000):
    chance = rng.random()
    if chance < 0.35:
        promote()
    elif chance < 0.37 and base.documents():
        retraction.forget_everywhere(base, [rng.choice(base.documents()).path])
        print("gone", flush=True)
    else:
        write(step)
        for version in read_in().versions:
            print(version.number, flush=True)
"""


def work(tmp_path: Path, seed: int, dies: str = "") -> subprocess.Popen[str]:
    (tmp_path / "notes").mkdir(exist_ok=True)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / "kb"), str(tmp_path / "notes"), str(seed), dies],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    return worker


def used(tmp_path: Path) -> list[tuple[int, bool]]:
    """(adapter in use, whether all that it was made from stands in living texts), as the files have it now."""
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(32)) as base, base.reading() as connection:
        standing = {
            (document_id, placement.context, found.text[placement.start : placement.end])
            for document_id, revision_id in revisions.living(connection).items()
            for found in [revisions.read(connection, revision_id)]
            for placement in found.placements
        }
        rows = connection.execute(
            "SELECT a.id, p.data FROM adapters a JOIN adapter_parts p ON p.adapter_id = a.id AND p.name = 'pairs' "
            "WHERE a.state IN ('candidate', 'active') ORDER BY a.id"
        ).fetchall()
        assert [finding for finding in verify.check(base) if not finding.is_well] == []
        return [(adapter_id, {tuple(one) for one in json.loads(data)} <= standing) for adapter_id, data in rows]


def assert_no_adapter_outlives_a_change(tmp_path: Path, *, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for i in range(kills):
        worker = work(tmp_path, seed * 1_000 + i)
        assert worker.stdout is not None
        said: list[str] = []
        while len(said) < 12 or said[-1] != "promoted\n":  # so much is done, however busy the machine is
            said.append(worker.stdout.readline())
            assert said[-1]
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        assert [adapter_id for adapter_id, stands in used(tmp_path) if not stands] == []


def test_killed_processes_leave_no_adapter_active_past_a_change_of_its_source(tmp_path: Path) -> None:
    assert_no_adapter_outlives_a_change(tmp_path, kills=2, seed=1)


@pytest.mark.slow
def test_many_killed_processes_leave_no_adapter_active_past_a_change_of_its_source(tmp_path: Path) -> None:
    assert_no_adapter_outlives_a_change(tmp_path, kills=60, seed=2)


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_change_and_what_it_suspends_are_one(tmp_path: Path, dies: str) -> None:
    worker = work(tmp_path, 1, dies)
    said, _ = worker.communicate(timeout=60)
    assert (said, worker.returncode) == ("promoted\ndying\n", -signal.SIGKILL)
    assert used(tmp_path) == [(1, True)]  # neither is there
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(32)) as base:
        assert base.version_number(None) == 1
