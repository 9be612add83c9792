"""Another embedder takes over: in the background, through restarts, in every process; until then both answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_lifelong import open_assistant, vector_sets, verify
from rag_lifelong.embed import Embedder, HashEmbedder
from rag_lifelong.errors import EmbedderMismatch, EmbedderUnusable
from rag_lifelong.index import files as index_files
from rag_lifelong.index.segment import Segment
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Gone
from rag_lifelong.pruning import Limit
from rag_lifelong.scope import Scope
from rag_lifelong.store import embedders, vectors, versions
from rag_lifelong.types import Takeover, Vector, Vectors
from tests.rag_lifelong.test_live_words import NOW, put

OLD, NEW = "hash:16", "hash:24"


def opened(
    folder: Path, spec: str | None = None, opener: Callable[[str | None], Embedder] | None = None
) -> KnowledgeBase:
    wanted = None if spec is None else HashEmbedder(int(spec.partition(":")[2]))
    return KnowledgeBase(folder / "kb", embedder=wanted, now=lambda: NOW, opener=opener)


def filled(folder: Path, count: int = 6) -> KnowledgeBase:
    """A knowledge base of OLD with `count` passages, all with vectors."""
    base = opened(folder, OLD)
    root = base.folders.ensure_root(str(folder), is_whole=True)
    base.commit([put(root.id, i, f"harbour pilot number{i}") for i in range(count)], cause="test")
    embed_all(base)
    return base


def embed_all(base: KnowledgeBase) -> int:
    done = 0
    while count := base.embed_next(2):
        done += count
    return done


def kept(base: KnowledgeBase) -> dict[str, int]:
    """name → vectors, of every embedder the store has a trace of."""
    with base.reading() as connection:
        rows = connection.execute("SELECT id, name FROM embedders ORDER BY id").fetchall()
        return {str(name): vectors.count(connection, int(i)) for i, name in rows}


def paths(base: KnowledgeBase, question: str) -> list[str]:
    return [Path(hit.path).name for hit in base.search(question, 3)]


def well(base: KnowledgeBase) -> bool:
    return all(finding.is_well for finding in verify.check(base))


def test_the_old_answers_until_the_new_is_complete_and_is_then_dropped(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        assert base.takeover() == Takeover(OLD, NEW, done=0, waiting=6)
        assert (base.embedder.name, base.lag().passages) == (OLD, 0)
        assert paths(base, "number3")[0] == "3.txt"
        assert base.embed_next(4) == 4
        assert base.takeover() == Takeover(OLD, NEW, done=4, waiting=2)
        assert kept(base) == {OLD: 6, NEW: 4}
        assert paths(base, "number3")[0] == "3.txt" and well(base)
        assert embed_all(base) == 2
        assert base.takeover() is None
        assert (base.embedder.name, kept(base)) == (NEW, {NEW: 6})
        assert paths(base, "number3")[0] == "3.txt" and well(base)
        base.rebuild()
        assert sorted(path.name for path in (tmp_path / "kb" / "index").iterdir()) == ["2"]


def test_it_goes_on_after_a_restart_whoever_opens_it(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        base.embed_next(4)
    with opened(tmp_path) as base:  # names none
        assert base.takeover() == Takeover(OLD, NEW, done=4, waiting=2)
        assert embed_all(base) == 2
    with opened(tmp_path) as base:
        assert base.embedder.name == NEW and base.takeover() is None


def test_naming_the_old_one_again_ends_it(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        base.embed_next(4)
    with opened(tmp_path, OLD) as base:
        assert base.takeover() is None
        assert embed_all(base) == 0  # and what is left of the other goes
        assert (base.embedder.name, kept(base)) == (OLD, {OLD: 6})
        assert well(base)


def test_a_third_takes_the_place_of_the_second(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        base.embed_next(4)
    with opened(tmp_path, "hash:32") as base:
        assert base.takeover() == Takeover(OLD, "hash:32", done=0, waiting=6)
        assert embed_all(base) == 6
        assert kept(base) == {"hash:32": 6} and well(base)


def test_what_comes_in_meanwhile_gets_both_vectors_the_old_first(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 9, "harbour pilot number9")], cause="test")
        assert base.lag().passages == 1
        assert base.embed_next(10) == 1
        assert (base.lag().passages, kept(base)) == (0, {OLD: 7, NEW: 0})
        assert embed_all(base) == 7
        assert kept(base) == {NEW: 7} and well(base)


def test_a_process_that_was_open_before_follows(tmp_path: Path) -> None:
    with filled(tmp_path) as first, opened(tmp_path, NEW) as second:
        assert first.takeover() == second.takeover() == Takeover(OLD, NEW, done=0, waiting=6)
        assert first.embed_next(2) == 2  # whoever embeds takes its part
        assert embed_all(second) == 4
        assert first.embedder.name == second.embedder.name == NEW
        assert paths(first, "number3") == paths(second, "number3")
        assert well(first) and well(second)
        root = first.folders.ensure_root(str(tmp_path), is_whole=True)
        first.commit([put(root.id, 9, "harbour pilot number9")], cause="test")
        assert embed_all(first) == 1
        assert kept(second) == {NEW: 7}


def test_a_question_asked_while_another_process_finishes_is_answered(tmp_path: Path) -> None:
    with filled(tmp_path) as first, opened(tmp_path, NEW) as second:
        second.embed_next(1)
        asked = first._sets.asked("number3")  # the question is embedded before the state that is searched is fixed
        assert embed_all(second) == 5
        with first.reading() as connection:
            scope = Scope(versions.latest_number(connection), True, None)
            assert len(first._sets.meaning(connection, "number3", asked, scope).best()) == 6


def test_without_vectors_there_is_nothing_to_take_over_from(tmp_path: Path) -> None:
    with opened(tmp_path, OLD) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour number{i}") for i in range(3)], cause="test")
    with opened(tmp_path, NEW) as base:
        assert (base.takeover(), base.embedder.name, base.lag().passages) == (None, NEW, 3)
        assert embed_all(base) == 3
        assert kept(base) == {NEW: 3} and well(base)


def unusable(spec: str | None) -> Embedder:
    raise EmbedderUnusable(f"no embedding model {spec!r} on this machine")


def test_vectors_of_a_model_that_is_gone_are_replaced_and_words_answer_meanwhile(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with pytest.raises(EmbedderUnusable, match=r"'hash:16', by which .*: no embedding model.*name another embedder"):
        opened(tmp_path, opener=unusable)
    with opened(tmp_path, NEW, unusable) as base:
        assert base.embedder.name == NEW
        assert paths(base, "number3")[0] == "3.txt"
        assert base.search("number3", 1)[0].scores.dense is None
        assert embed_all(base) == 6
        assert base.search("number3", 1)[0].scores.dense is not None
        assert kept(base) == {NEW: 6} and well(base)


def test_a_model_replaced_under_its_name_is_not_mixed_with_the_old_one(tmp_path: Path) -> None:
    filled(tmp_path).close()

    def replaced(spec: str | None) -> Embedder:
        return HashEmbedder(32)

    with pytest.raises(EmbedderMismatch, match=r"'hash:16' is not the model any more .* embedder = 'hash:16'"):
        opened(tmp_path, opener=replaced)


def test_erasing_while_one_takes_over_leaves_no_vector_of_either(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        base.embed_next(4)
        base.close()
    with open_assistant(tmp_path / "kb", now=lambda: NOW) as assistant:
        assistant.forget_everywhere(tmp_path / "3.txt")
        base = assistant.knowledge_base
        assert sum(kept(base).values()) <= 5 + 4
        assert kept(base)[OLD] == 5 and well(base)
        embed_all(base)
        assert kept(base) == {NEW: 5} and well(base)


class Meanwhile:
    """A HashEmbedder, and something that happens the next time it embeds."""

    def __init__(self, dim: int) -> None:
        self._inner = HashEmbedder(dim)
        self.passages: Callable[[], object] | None = None
        self.question: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def embed(self, texts: Sequence[str]) -> Vectors:
        happens, self.passages = self.passages, None
        if happens is not None:
            happens()
        return self._inner.embed(texts)

    def embed_query(self, text: str) -> Vector:
        happens, self.question = self.question, None
        if happens is not None:
            happens()
        return self._inner.embed_query(text)


def opened_with(folder: Path, embedder: object) -> KnowledgeBase:
    return KnowledgeBase(folder / "kb", embedder=cast(Embedder, embedder), now=lambda: NOW)


def finish_with(folder: Path, spec: str) -> None:
    """Another process that names an embedder, and sees it take over."""
    with opened(folder, spec) as other:
        while other.takeover() is not None:
            other.embed_next(10)


def test_vectors_of_an_embedder_dropped_while_they_were_computed_are_not_kept(tmp_path: Path) -> None:
    filled(tmp_path).close()
    embedder = Meanwhile(24)
    with opened_with(tmp_path, embedder) as base:
        embedder.passages = lambda: finish_with(tmp_path, "hash:32")
        assert base.embed_next(4) == 4
        assert embed_all(base) == 0
        assert kept(base) == {"hash:32": 6} and well(base)


def test_an_embedder_named_again_while_its_vectors_are_dropped_has_no_more_in_its_index_than_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_sets, "_DROPPED", 2)
    with filled(tmp_path) as base:
        base.rebuild()  # its index is in files
    dropping, calls = embedders.drop_others, iter([False, True])

    def killed(connection: sqlite3.Connection, limit: int) -> int:
        if next(calls):
            raise KeyboardInterrupt
        return dropping(connection, limit)

    monkeypatch.setattr(embedders, "drop_others", killed)
    base = opened(tmp_path, NEW)
    with pytest.raises(KeyboardInterrupt):
        embed_all(base)
    monkeypatch.setattr(embedders, "drop_others", dropping)
    with opened(tmp_path, OLD) as again:
        assert again.takeover() == Takeover(NEW, OLD, done=4, waiting=2)
        assert well(again)
        assert embed_all(again) == 2
        assert kept(again) == {OLD: 6} and well(again)
    base.close()


def test_a_question_embedded_just_before_another_took_over_is_embedded_again(tmp_path: Path) -> None:
    filled(tmp_path).close()
    embedder = Meanwhile(16)
    with opened_with(tmp_path, embedder) as base:
        embedder.question = lambda: finish_with(tmp_path, NEW)
        assert base.search("number3", 1)[0].scores.dense is not None


@pytest.mark.parametrize("failing", ["the old", "the new"])
def test_of_two_embedders_one_that_fails_is_left_out(tmp_path: Path, failing: str) -> None:
    def gone() -> None:
        raise EmbedderUnusable("its weights are gone")

    filled(tmp_path).close()
    embedder = Meanwhile(24)
    with opened_with(tmp_path, embedder) as base:
        assert base.embed_next(4) == 4
        if failing == "the old":
            base._sets._sets[1] = replace(base._sets._sets[1], embedder=cast(Embedder, Meanwhile(16)))
        (embedder if failing == "the new" else cast(Meanwhile, base._sets._sets[1].embedder)).question = gone
        assert paths(base, "number3")[0] == "3.txt"
        assert embed_all(base) == 2
        embedder.question = gone
        with pytest.raises(EmbedderUnusable, match="weights are gone"):
            base.search("number3", 1)


@pytest.mark.parametrize(
    ("vectors_made", "message"),
    [(np.ones((2, 5), np.float32), r"shape \(2, 5\) .* not vectors of 24"), (np.full((2, 24), np.nan), "no numbers")],
)
def test_what_is_not_a_vector_is_not_kept(tmp_path: Path, vectors_made: Vectors, message: str) -> None:
    class Odd(Meanwhile):
        def embed(self, texts: Sequence[str]) -> Vectors:
            return vectors_made

    filled(tmp_path).close()
    with opened_with(tmp_path, Odd(24)) as base:
        with pytest.raises(EmbedderUnusable, match=message):
            base.embed_next(2)
        assert paths(base, "number3")[0] == "3.txt" and well(base)


def traces(base: KnowledgeBase, gone: list[bytes]) -> list[str]:
    """The files that hold one of these vectors."""
    held = [path for path in base.path.rglob("*") if path.is_file()]
    return [str(path.relative_to(base.path)) for path in held if any(one in path.read_bytes() for one in gone)]


def vectors_of(base: KnowledgeBase, document_id: int) -> list[bytes]:
    query = "SELECT v.data FROM vectors v JOIN passages p ON p.digest = v.digest WHERE p.document_id = ?"
    with base.reading() as connection:
        return [bytes(row[0]) for row in connection.execute(query, (document_id,))]


def take_out_last(base: KnowledgeBase) -> None:
    """Document 6 lives no more."""
    root = base.folders.ensure_root(str(base.path.parent), is_whole=True)
    base.commit([Gone(root.id, "5.txt")], cause="test")


def test_erased_vectors_are_in_no_file_of_an_embedder_that_cannot_be_opened(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with opened(tmp_path, NEW) as base:
        base.embed_next(4)
        gone = vectors_of(base, 6)
        base.rebuild()
        assert {"index/1/1-6.f16", "index/2/1-4.f16"} < set(traces(base, gone))

    def only_old(spec: str | None) -> Embedder:
        return HashEmbedder(16) if spec == OLD else unusable(spec)

    with opened(tmp_path, opener=only_old) as base:
        take_out_last(base)
        assert base.erase([6])
        assert traces(base, gone) == []
    with opened(tmp_path) as base:
        assert base.takeover() == Takeover(OLD, NEW, done=3, waiting=2) and well(base)


@pytest.mark.parametrize("forever", ["erased", "pruned"])
def test_while_another_process_writes_the_index_vectors_are_left_to_another_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forever: str
) -> None:
    monkeypatch.setattr(vector_sets, "_PATIENCE_S", 0.1)
    base = filled(tmp_path)
    gone = vectors_of(base, 6)
    base.rebuild()
    take_out_last(base)
    with index_files.writing(base.path / "index" / "1") as is_ours:
        assert is_ours
        if forever == "erased":
            assert not base.erase([6])
        else:
            base.prune(base.pruning_plan(lambda _: Limit(before=2, keep_last=0), within=()))
        assert "index/1/1-6.f16" in traces(base, gone)
        base.close()
        monkeypatch.setattr(vector_sets, "_PATIENCE_S", 60.0)
        began = time.monotonic()
        opened(tmp_path).close()  # which waits for nobody
        assert time.monotonic() - began < 30
    with opened(tmp_path) as base:
        assert traces(base, gone) == [] and well(base)


def test_vectors_erased_while_another_process_seals_them_are_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, other = filled(tmp_path), opened(tmp_path)
    gone = vectors_of(base, 6)
    take_out_last(base)
    other.search("pilot", 1)
    writing, waiting = Segment.write, threading.Event()

    def slowly(*args: object, **named: object) -> object:
        monkeypatch.setattr(Segment, "write", writing)
        waiting.set()
        time.sleep(0.3)
        return writing(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Segment, "write", slowly)
    with other.reading() as connection:
        index = other._sets.now()[0].live_index.at(connection)
    sealing = threading.Thread(target=index.save, args=(base.path / "index" / "1",))
    sealing.start()
    assert waiting.wait(5)
    assert base.erase([6])
    sealing.join()
    assert traces(base, gone) == [] and well(base) and well(other)
    other.close()
    base.close()


def test_an_index_deleted_while_it_is_written_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its embedder's successor is complete, and another process has deleted it."""
    writing = index_files.write_through

    def deleted(path: Path, write: Callable[[Path], object]) -> None:
        rmtree(path.parent)
        writing(path, write)

    with filled(tmp_path) as base:
        monkeypatch.setattr(index_files, "write_through", deleted)
        with base.reading() as connection:
            assert not base._sets.now()[0].live_index.save(connection)
        monkeypatch.setattr(index_files, "write_through", writing)
        assert caplog.messages == [] and well(base)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), st.sampled_from(["harbour", "pilot", "harbour\nferry", "tide"])),
        st.tuples(st.just("embed"), st.integers(1, 4), st.just("")),
        st.tuples(st.just("open"), st.integers(-1, 2), st.just("")),
    ),
    min_size=3,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_through_any_changes_of_mind_what_is_kept_is_whole(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, str]]
) -> None:
    """At most two embedders have strings waiting; when nothing waits, one has all vectors and no other has any."""
    folder = tmp_path_factory.mktemp("sets")
    base = opened(folder, OLD)
    root = base.folders.ensure_root(str(folder), is_whole=True)
    for what, number, text in acts:
        if what == "put":
            base.commit([put(root.id, number, text)], cause="test")
        elif what == "embed":
            base.embed_next(number)
        else:
            base.close()
            base = opened(folder, None if number < 0 else f"hash:{16 + 8 * number}")
        assert well(base)
    embed_all(base)
    with base.reading() as connection:
        strings = connection.execute("SELECT count(DISTINCT digest) FROM passages").fetchone()[0]
        current = embedders.in_use(connection)
        assert current is not None and embedders.ids(connection) == (current.id,)
    assert kept(base) == {current.name: strings}
    assert well(base)
    base.close()


def test_a_store_of_the_format_before_keeps_what_waits(tmp_path: Path) -> None:
    with opened(tmp_path, OLD) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour number{i}") for i in range(3)], cause="test")
        base.embed_next(1)
    with closing(sqlite3.connect(tmp_path / "kb" / "lifelong.sqlite3")) as connection:
        connection.executescript(
            "DROP TABLE adapter_events; DROP TABLE adapter_parts; DROP TABLE adapter_sources; DROP TABLE adapters; "
            "DROP TABLE feedback; DROP TABLE turn_sources; DROP TABLE turns; DROP TABLE chats; "
            "ALTER TABLE files DROP COLUMN container; ALTER TABLE files DROP COLUMN failed_by; "
            "DROP INDEX files_failed; ALTER TABLE pending RENAME TO pending_4; DROP INDEX pending_newest; "
            "CREATE TABLE pending (digest BLOB PRIMARY KEY, passage_id INTEGER NOT NULL REFERENCES passages (id)) "
            "WITHOUT ROWID; CREATE INDEX pending_newest ON pending (passage_id DESC); "
            "INSERT INTO pending SELECT digest, passage_id FROM pending_4; DROP TABLE pending_4; "
            "PRAGMA user_version = 3"
        )
    with opened(tmp_path) as base:
        assert base.lag().passages == 2 and well(base)
        assert embed_all(base) == 2
        assert kept(base) == {OLD: 3}
    assert (tmp_path / "kb" / "lifelong.sqlite3.format-3").exists()
