"""BM25 without the store is the store's, at every version: through edits, returns, pruning, openings, crashes and losses."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import Chunk, Document
from ingest.chunk import CHUNKER_VERSION
from rag_lifelong import live_words, passage_words, verify
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.index import files
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Gone, Place, Put
from rag_lifelong.pruning import Limit
from rag_lifelong.store import database, versions, words
from rag_lifelong.word_index import word_index

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOCABULARY = ["harbour", "pilot", "ferry", "tide", "quay", "anchor", "42", "keel"]


def put(root_id: int, number: int, text: str, *, title: str | None = None) -> Put:
    title = f"Note {number}" if title is None else title
    document = Document(text, title, None, (), (), True, "test", 1)
    parts = text.split("\n")
    at, chunks = 0, []
    for part in parts:
        chunks.append(Chunk(at, at + len(part), part, title, "", None))
        at += len(part) + 1
    place = Place(root_id, f"{number}.txt", len(text), 0)
    return Put(place, text.encode(), NOW, document, chunks, CHUNKER_VERSION, by_name=False)


TEXTS = st.lists(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=4
).map("\n".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), TEXTS),
        st.tuples(st.just("put"), st.integers(0, 4), TEXTS),
        st.tuples(st.just("gone"), st.integers(0, 4), st.just("")),
        st.tuples(st.just("write"), st.integers(0, 1), st.just("")),
        st.tuples(st.just("prune"), st.just(0), st.just("")),
        st.tuples(st.just("erase"), st.just(0), st.just("")),
        st.tuples(st.just("open"), st.just(0), st.just("")),
        st.tuples(st.just("kill"), st.just(0), st.just("")),
        st.tuples(st.just("lose"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("other"), st.integers(0, 4), TEXTS),
        st.tuples(st.just("rebuild"), st.just(0), st.just("")),
    ),
    min_size=4,
    max_size=14,
)


def opened(folder: Path) -> KnowledgeBase:
    return KnowledgeBase(folder / "kb", embedder=HashEmbedder(16), now=lambda: NOW + timedelta(days=1))


def write(base: KnowledgeBase) -> None:
    """All that is at hand is in files."""
    live = base._live_words
    live.settle()
    while live._loaded().tend(base.path / "words", live._survey, seal_after=1):
        pass


def scores(found: list[tuple[int, float]] | None) -> list[tuple[float, int]]:
    """To compare by: equal scores in the order of ids."""
    assert found is not None
    return sorted((-round(score, 9), passage_id) for passage_id, score in found)


def compare(base: KnowledgeBase, wanted: list[str], rng: np.random.Generator) -> None:
    """What is found at every version, beside the store's own tables: all of them counted, and FTS5's scores of now."""
    base._live_words.settle()
    with base.reading() as connection:
        assert list(base.word_faults(connection)) == []
        newest = versions.latest_number(connection)
        for version in range(1, newest + 1):
            alive = base._retriever._alive_at(connection, version)
            among = alive.passage_ids[rng.random(len(alive.passage_ids)) < 0.5]
            for only in (None, among):
                for share in (1.0, 0.4):
                    found = base._live_words.search(connection, wanted, 50, alive=alive, among=only, common_share=share)
                    expected = words.search_as_of(
                        connection,
                        wanted,
                        50,
                        alive=alive.passage_ids,
                        lengths=alive.lengths,
                        among=only,
                        common_share=share,
                    )
                    assert scores(found) == scores(expected)
                    if version == newest and share == 1.0:
                        own = None if only is None else frozenset(only.tolist())
                        assert scores(found) == scores(words.search(connection, wanted, 50, among=own))


@pytest.mark.parametrize("at_once", [256, 2, 0])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3, unique=True), st.integers(0, 2**32 - 1))
def test_the_words_found_are_the_stores_at_every_version(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    steps: list[tuple[str, int, str]],
    wanted: list[str],
    seed: int,
) -> None:
    """at_once: how many new passages are read from texts; of more, all words are read from the store's tables."""
    monkeypatch.setattr(word_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(word_index, "SAVE_AFTER", 2)
    monkeypatch.setattr(word_index, "TIER", 2)
    monkeypatch.setattr(live_words, "AT_ONCE", at_once)
    monkeypatch.setattr(live_words, "_RUN", 3)
    monkeypatch.setattr(passage_words, "_BLOCK", 5)
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(seed)
    base, other = opened(folder), opened(folder)
    root = base.folders.ensure_root(str(folder), is_whole=True)
    for what, number, text in steps:
        if what == "put":
            base.commit([put(root.id, number, text)], cause="test")
        elif what == "gone":
            base.commit([Gone(root.id, f"{number}.txt")], cause="test")
        elif what == "other":
            other.commit([put(root.id, number, text)], cause="test")
            compare(other, wanted, rng)
        elif what == "rebuild":
            other.rebuild()
        elif what == "write":
            write(base if number == 0 else other)
        elif what == "prune":
            latest = base.latest()
            limit = Limit(before=0 if latest is None else latest.number, keep_last=0)
            base.prune(base.pruning_plan(lambda _, limit=limit: limit, within=()))  # type: ignore[misc]
        elif what == "erase":
            with base.reading() as connection:
                gone = [i for (i,) in connection.execute("SELECT id FROM documents")]
                now = {i for (i,) in connection.execute("SELECT document_id FROM locations WHERE died IS NULL")}
            base.erase([i for i in gone if i not in now])
        elif what == "lose":
            base.close()
            for path in sorted((folder / "kb" / "words").glob("*.*"))[number : number + 1]:
                cut = path.read_bytes()[:-1]
                path.unlink()  # the other process has it mapped
                path.write_bytes(cut)
            base = opened(folder)
        elif what == "kill":  # nothing is written at the end, and what was being written is left
            base._live_words._stop()
            base._database.close()
            (folder / "kb" / "words").mkdir(exist_ok=True)
            (folder / "kb" / "words" / "9-9.ids").write_bytes(b"half")
            base = opened(folder)
        else:
            base.close()
            base = opened(folder)
        compare(base, wanted, rng)
    compare(other, wanted, rng)
    base.close()
    other.close()


def test_a_common_term_is_left_out_until_it_is_the_only_one(tmp_path: Path) -> None:
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, "harbour " + ("pilot" if i == 3 else "ferry")) for i in range(10)], cause="test")
        with base.reading() as connection:
            alive = base._retriever._alive_at(connection, 1)

            def found(*wanted: str) -> int:
                hits = base._live_words.search(connection, wanted, 20, alive=alive, among=None, common_share=0.2)
                assert hits is not None
                return len(hits)

            assert found("harbour", "pilot") == 1
            assert found("harbour") == 10
            assert found("nowhere") == 0
            assert found("harbour", "nowhere") == 10


def test_a_passage_that_lived_at_no_version_is_found_when_it_comes_back(tmp_path: Path) -> None:
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "harbour"), put(root.id, 1, "ferry")], cause="test")  # in one version
        compare(base, ["harbour"], np.random.default_rng(0))
        base.commit([put(root.id, 1, "harbour")], cause="test")
        compare(base, ["harbour"], np.random.default_rng(0))
        with base.reading() as connection:
            alive = base._retriever._alive_at(connection, 2)
            found = base._live_words.search(connection, ["harbour"], 5, alive=alive, among=None, common_share=1.0)
            assert found is not None and [passage_id for passage_id, _ in found] == [1]


def test_an_older_snapshot_finds_what_lived_then(tmp_path: Path) -> None:
    with opened(tmp_path) as base, opened(tmp_path) as other:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "harbour")], cause="test")
        with base.reading() as older:
            assert versions.latest_number(older) == 1
            other.commit([put(root.id, 2, "harbour"), Gone(root.id, "1.txt")], cause="test")
            write(other)
            base._live_words.load()
            alive = base._retriever._alive_at(older, 1)
            hits = base._live_words.search(older, ["harbour"], 5, alive=alive, among=None, common_share=1.0)
            assert scores(hits) == scores(words.search(older, ["harbour"], 5))


def test_a_snapshot_from_before_words_were_let_go_of_is_left_to_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)  # the snapshot stands in the way of scrubbing
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "harbour"), put(root.id, 2, "harbour")], cause="test")
        base.commit([Gone(root.id, "1.txt")], cause="test")
        write(base)
        with base.reading() as older:
            then = base._retriever._alive_at(older, 1)
            found = base._live_words.search(older, ["harbour"], 5, alive=then, among=None, common_share=1.0)
            assert found is not None and len(found) == 2
            thread = threading.Thread(target=base.erase, args=([1],))
            thread.start()
            thread.join()
            assert base._live_words.search(older, ["harbour"], 5, alive=then, among=None, common_share=1.0) is None
        with base.reading() as newer:
            now = base._retriever._alive_at(newer, 2)
            found = base._live_words.search(newer, ["harbour"], 5, alive=now, among=None, common_share=1.0)
            assert scores(found) == scores(words.search(newer, ["harbour"], 5))


def test_what_was_forgotten_everywhere_is_in_no_file_of_words_not_even_of_another_process(tmp_path: Path) -> None:
    with opened(tmp_path) as base, opened(tmp_path) as other:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "xylophone"), put(root.id, 2, "harbour")], cause="test")
        base._live_words.settle()
        write(other)

        def traces() -> list[str]:
            return [path.name for path in (tmp_path / "kb").rglob("*") if b"xylophon" in _bytes(path)]

        assert any(name.endswith(".terms") for name in traces())
        base.commit([Gone(root.id, "1.txt")], cause="test")
        assert base.erase([1])
        assert traces() == []
        other.commit([put(root.id, 3, "ferry")], cause="test")
        other._live_words.settle()
        write(other)
        assert traces() == []


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_files_of_a_store_that_was_put_back_are_made_again(tmp_path: Path) -> None:
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "harbour")], cause="test")
    store = tmp_path / "kb" / "lifelong.sqlite3"
    before = store.read_bytes()
    with opened(tmp_path) as base:
        base.commit([put(root.id, 2, "ferry")], cause="test")
        base.commit([put(root.id, 3, "ferry")], cause="test")
        write(base)
    store.write_bytes(before)
    with opened(tmp_path) as base:
        base._live_words.load()
        with base.reading() as connection:
            assert list(base.word_faults(connection)) == []
        for number in (4, 5, 6):
            base.commit([put(root.id, number, "quay harbour")], cause="test")
            compare(base, ["harbour", "ferry"], np.random.default_rng(0))
    with opened(tmp_path) as base:
        compare(base, ["harbour", "ferry"], np.random.default_rng(0))


def test_words_are_whole_beside_a_process_that_makes_its_files_again(tmp_path: Path) -> None:
    """Its new files reach less far than those that were there, of which this process has what came after in memory."""
    with opened(tmp_path) as base, opened(tmp_path) as other:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour {i}") for i in range(3)], cause="test")
        write(base)
        other._live_words.drop()
        other._live_words.settle()
        base.commit([put(root.id, i, f"harbour {i}") for i in range(3, 6)], cause="test")
        write(base)
        other._live_words._loaded().tend(other.path / "words", other._live_words._survey, seal_after=1)
        base.commit([put(root.id, i, f"harbour {i}") for i in range(6, 9)], cause="test")
        write(base)
        for one in (base, other):
            compare(one, ["harbour", "4"], np.random.default_rng(0))


@pytest.mark.parametrize("is_copy", [True, False])
def test_words_and_vectors_of_another_store_are_made_again(tmp_path: Path, is_copy: bool) -> None:
    """Of one that was begun elsewhere, and of what came after a copy was made. Also if the change log has come further than theirs before they are opened."""

    def at(folder: str, hours: int) -> KnowledgeBase:
        return KnowledgeBase(tmp_path / folder, embedder=HashEmbedder(16), now=lambda: NOW + timedelta(hours=hours))

    def add(base: KnowledgeBase, *texts: str) -> None:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        for number, text in enumerate(texts):
            base.commit([put(root.id, number, text)], cause="test")
        while base.embed_next(10):
            pass

    with at("kb", 0) as base:
        add(base, "harbour")
    if is_copy:
        shutil.copytree(tmp_path / "kb", tmp_path / "other")
    with at("other", 1) as base:
        add(base, "anchor", "keel", "anchor")
        write(base)
        base.rebuild()
    for name in ("words", "index"):
        shutil.rmtree(tmp_path / "kb" / name, ignore_errors=True)
        shutil.copytree(tmp_path / "other" / name, tmp_path / "kb" / name)
    with at("kb", 2) as base:
        add(base, "ferry", "quay", "ferry", "tide", "tide keel")
        for _ in range(3):  # as it is found, as it is written, and what comes after
            base.settle_index()
            compare(base, ["harbour", "ferry", "keel"], np.random.default_rng(0))
            assert all(finding.is_well for finding in verify.check(base))
            write(base)
            with base.reading() as connection:
                base._sets.now()[0].live_index.save(connection)


def test_while_another_process_writes_its_files_traces_are_left_to_another_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_words, "_PATIENCE_S", 0.1)
    base = opened(tmp_path)
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)
    base.commit([put(root.id, 1, "xylophone")], cause="test")
    write(base)
    base.commit([Gone(root.id, "1.txt")], cause="test")
    with files.writing(tmp_path / "kb" / "words") as is_ours:
        assert is_ours
        assert not base.erase([1])
    base.close()
    with opened(tmp_path) as again, again.reading() as connection:
        assert connection.execute("SELECT count(*) FROM settings WHERE name = 'to scrub'").fetchone() == (0,)


def test_from_the_third_search_on_the_answers_stay_what_they_were(tmp_path: Path) -> None:
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour {VOCABULARY[i % 7]}\nquay {i}") for i in range(30)], cause="test")
        while base.embed_next(50):
            pass
        first = base.search("which ferry is at quay 5", 10)
        base.search("again", 10)
        reading = base._retriever._reading
        assert reading is not None
        reading.join()
        assert base._sets.now()[0].population.is_read()
        later = base.search("which ferry is at quay 5", 10)
        assert [hit.passage_id for hit in later] == [hit.passage_id for hit in first]
        assert [hit.score for hit in later] == pytest.approx([hit.score for hit in first])


def test_searches_go_on_while_passages_come_and_segments_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_index, "SEAL_AFTER", 8)
    errors: list[BaseException] = []
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 0, "harbour")], cause="test")
        is_over = threading.Event()

        def ask() -> None:
            try:
                while not is_over.is_set():
                    with base.reading() as connection:
                        alive = base._retriever._alive_at(connection, versions.latest_number(connection))
                        found = base._live_words.search(
                            connection, ["harbour", "ferry"], 500, alive=alive, among=None, common_share=1.0
                        )
                        if found is not None:
                            assert scores(found) == scores(words.search(connection, ["harbour", "ferry"], 500))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(40):
            base.commit([put(root.id, i % 9, f"harbour {i}\nferry {i}\nquay harbour")], cause="test")
        is_over.set()
        for thread in threads:
            thread.join()
        assert errors == []
        compare(base, ["harbour", "ferry"], np.random.default_rng(0))
        assert any(segment.name for segment in base._live_words._loaded().state.segments)
