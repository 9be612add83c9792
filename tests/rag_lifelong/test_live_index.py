"""The index searched is exact search over the store: at every version, through seals, merges, drops, openings, takeovers."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_lifelong import live_index, open_assistant, sync, verify
from rag_lifelong.calibration import UNMEASURED
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import KnowledgeBaseUnusable
from rag_lifelong.index import VectorIndex, vector_index
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.live_index import LiveIndex
from rag_lifelong.meaning import Meaning, Query, Searched
from rag_lifelong.operations import Gone
from rag_lifelong.pruning import Limit
from rag_lifelong.scope import Scope
from rag_lifelong.store import vectors, versions
from tests.rag_lifelong.test_live_words import NOW, TEXTS, put

DIM = 16
DIMS = (16, 24, 32)  # of embedders that take over from each other
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), TEXTS),
        st.tuples(st.just("gone"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("embed"), st.integers(1, 12), st.just("")),
        st.tuples(st.just("prune"), st.just(0), st.just("")),
        st.tuples(st.just("open"), st.just(0), st.just("")),
        st.tuples(st.just("kill"), st.just(0), st.just("")),
        st.tuples(st.just("lose"), st.just(0), st.just("")),
        st.tuples(st.just("change"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("rebuild"), st.just(0), st.just("")),
        st.tuples(st.just("write"), st.just(0), st.just("")),
    ),
    min_size=4,
    max_size=16,
)


def opened(folder: Path, dim: int | None = DIM) -> KnowledgeBase:
    """dim: of the embedder wanted; None: the one it was built with."""
    embedder = None if dim is None else HashEmbedder(dim)
    return KnowledgeBase(folder / "kb", embedder=embedder, now=lambda: NOW + timedelta(days=1))


def written(base: KnowledgeBase) -> bool:
    """All that is in memory of the set in use is in files now."""
    with base.reading() as connection:
        return base._sets.now()[0].live_index.save(connection)


def compare(base: KnowledgeBase, rng: np.random.Generator) -> None:
    """What vector search finds in each set at every version, beside all vectors stored compared one by one."""
    base.settle_index()
    with base.reading() as connection:
        assert list(base.index_faults()) == []
        newest = versions.latest_number(connection)
        for one in base._sets.at(connection):
            query = rng.normal(size=one.embedder.dim).astype(np.float32)
            query /= np.linalg.norm(query)
            index = one.live_index.at(connection)
            ids, held = vectors.read_run(connection, one.embedder_id, 0, 2**62, one.embedder.dim)
            for among in (None, ids[rng.random(len(ids)) < 0.5]):
                all_found = index.search(query, 10_000, among=among)
                expected = {i: float(v @ query) for i, v in zip(ids.tolist(), held, strict=True)}
                inside = set(ids.tolist() if among is None else among.tolist())
                assert dict(zip(all_found.ids.tolist(), all_found.scores.tolist(), strict=True)) == pytest.approx(
                    {i: cosine for i, cosine in expected.items() if i in inside}, abs=1e-5
                )
            for version in range(1, newest + 1):
                alive = one.population.at(connection, version)
                stored = vectors.by_passage(connection, one.embedder_id, alive.passage_ids.tolist())
                scope = Scope(version, version == newest, None)
                expected = {i: float(vector @ query) for i, vector in stored.items()}
                for at_hand in (None, alive):
                    asked = Searched(
                        embedder_id=one.embedder_id,
                        index=index,
                        query=Query(query, 0.0),
                        alive=lambda alive=alive: alive,  # type: ignore[misc]
                        alive_at_hand=lambda at_hand=at_hand: at_hand,  # type: ignore[misc]
                        calibration=UNMEASURED,
                    )
                    meaning = Meaning(connection, [asked], scope)
                    assert meaning.best() == pytest.approx(expected, abs=1e-5)
                    assert meaning.cosines(alive.passage_ids.tolist()) == pytest.approx(expected, abs=1e-5)
    check = {finding.subject: finding.message for finding in verify.check(base) if not finding.is_well}
    assert check == {}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(0, 2**32 - 1))
def test_the_index_searched_is_exact_search_over_the_store(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, int, str]],
    seed: int,
) -> None:
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    monkeypatch.setattr(vector_index, "SAVE_AFTER", 2)
    monkeypatch.setattr(live_index, "_RUN", 3)
    monkeypatch.setattr(live_index, "_HEAD_LIMIT", 4)
    monkeypatch.setattr(live_index, "_AT_ONCE", 5)
    folder = tmp_path_factory.mktemp("live")
    rng = np.random.default_rng(seed)
    base = opened(folder)
    reader = opened(folder, None)  # another process: what is pruned has tombstones in its segments
    root = base.folders.ensure_root(str(folder), is_whole=True)
    for what, number, text in steps:
        reader.search("harbour ferry", 3)  # may begin to read in the background
        if what == "put":
            base.commit([put(root.id, number, text)], cause="test")
        elif what == "gone":
            base.commit([Gone(root.id, f"{number}.txt")], cause="test")
        elif what == "embed":
            base.embed_next(number)
        elif what == "prune":
            latest = base.latest()
            limit = Limit(before=0 if latest is None else latest.number, keep_last=0)
            base.prune(base.pruning_plan(lambda _, limit=limit: limit, within=()))  # type: ignore[misc]
        elif what == "lose":
            base.close()
            for path in (folder / "kb" / "index").rglob("*.f16"):
                path.unlink()
            base = opened(folder, None)
        elif what == "rebuild":  # by the other process
            reader.rebuild()
        elif what == "write":
            written(reader)
        elif what == "change":
            base.close()
            base = opened(folder, DIMS[number])
        elif what == "kill":  # nothing is written at the end, and what was being written is left
            place = base._sets.now()[0].live_index._folder
            for one in base._sets.now():
                one.live_index._stop_tending()
            base._database.close()
            place.mkdir(parents=True, exist_ok=True)
            (place / ".9-9.f16.1").write_bytes(b"half")
            base = opened(folder, None)
        else:
            base.close()
            base = opened(folder, None)
        compare(base, rng)
        compare(reader, rng)
    base.close()
    reader.close()


def test_two_processes_seal_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    rng = np.random.default_rng(0)
    with opened(tmp_path) as one, opened(tmp_path) as two:
        root = one.folders.ensure_root(str(tmp_path), is_whole=True)
        for number in range(12):
            own, other = (one, two) if number % 2 else (two, one)
            own.commit([put(root.id, number, f"harbour {number}\nferry {number}\nquay {number}")], cause="test")
            own.embed_next(10)
            for base in (own, other):
                compare(base, rng)
                base._sets.now()[0].live_index._stop_tending()
        assert one._sets.now()[0].live_index._index is not None and one._sets.now()[0].live_index._index.segments


def test_vectors_are_whole_beside_a_process_that_makes_its_files_again(tmp_path: Path) -> None:
    """Its new files reach less far than those that were there, of which this process has what came after in its head."""
    with opened(tmp_path) as base, opened(tmp_path) as other:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)

        def grow(number: int) -> None:
            base.commit([put(root.id, number, f"harbour {number}\nferry {number}")], cause="test")
            base.embed_next(10)
            base.settle_index()

        grow(1)
        written(base)
        other._sets.now()[0].live_index.drop()
        other.settle_index()
        grow(2)
        written(base)
        index = other._sets.now()[0].live_index._index
        assert index is not None and index.save(other._sets.now()[0].live_index._folder)
        grow(3)
        written(base)
        for one in (base, other):
            compare(one, np.random.default_rng(0))


def test_a_damaged_index_is_written_again(tmp_path: Path) -> None:
    base = opened(tmp_path)
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)
    base.commit([put(root.id, 1, "harbour\nferry")], cause="test")
    base.embed_next(10)
    assert written(base)
    base.close()
    (lost,) = (tmp_path / "kb" / "index").rglob("*.f16")
    lost.unlink()
    with opened(tmp_path) as base:
        assert written(base)
        found = VectorIndex.load(base._sets.now()[0].live_index._folder, dim=DIM, fingerprint=base.embedder.fingerprint)
        assert found is not None and len(found) == 2


def test_an_index_that_may_not_be_deleted_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path) as base:
        place = base._sets.now()[0].live_index._folder
        (place / "1-1.f16").mkdir(parents=True)  # what `unlink` cannot delete, whoever runs it
        with pytest.raises(KnowledgeBaseUnusable, match=r"cannot delete the index in .*; check its permissions"):
            base.rebuild()


def test_a_head_that_outlived_a_merge_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The merge writes the position of the change log as it is then, while the head is in no file."""
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    monkeypatch.setattr(LiveIndex, "_tend", lambda self, index: None)
    base = opened(tmp_path)
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)

    def grow(number: int, passages: int) -> VectorIndex:
        base.commit([put(root.id, number, "\n".join(f"harbour {number} {i}" for i in range(passages)))], cause="test")
        base.embed_next(10)
        base.settle_index()
        assert base._sets.now()[0].live_index._index is not None
        return base._sets.now()[0].live_index._index

    for number in range(4):
        assert grow(number, 4).tend(base._sets.now()[0].live_index._folder)
    index = grow(4, 1)
    assert index.segments == (4, 4, 4, 4)
    assert index.tend(base._sets.now()[0].live_index._folder)
    assert index.segments == (16,)
    base._database.close()
    base = opened(tmp_path)
    compare(base, np.random.default_rng(0))
    base.close()


def test_what_was_pruned_elsewhere_has_a_tombstone_in_each_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader neither seals nor merges: of its segments nothing goes, and what is gone is found no more."""
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    base = opened(tmp_path)
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)
    for number in range(12):
        base.commit([put(root.id, number, f"harbour {number}\nferry {number}")], cause="test")
    while base.embed_next(50):
        pass
    base.rebuild()  # writes all of it
    base.close()
    monkeypatch.setattr(LiveIndex, "_tend", lambda self, index: None)
    with opened(tmp_path, None) as reader, opened(tmp_path, None) as writer:
        compare(reader, np.random.default_rng(0))
        for number in (1, 5, 6):
            writer.commit([Gone(root.id, f"{number}.txt")], cause="test")
        latest = writer.latest()
        assert latest is not None
        writer.prune(writer.pruning_plan(lambda _: Limit(before=latest.number, keep_last=0), within=()))
        reader.settle_index()
        index = reader._sets.now()[0].live_index._index
        assert index is not None and len(index._state.dead) == 6
        compare(reader, np.random.default_rng(1))
        compare(writer, np.random.default_rng(1))


def test_a_large_index_that_is_lost_is_made_again_while_words_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    monkeypatch.setattr(live_index, "_RUN", 4)
    monkeypatch.setattr(live_index, "_HEAD_LIMIT", 8)
    monkeypatch.setattr(live_index, "_AT_ONCE", 10)
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"The harbour pilot is number{i}.") for i in range(30)], cause="test")
        while base.embed_next(50):
            pass
        base.settle_index()
        base.rebuild()
        place = base._sets.now()[0].live_index._folder
    for path in place.iterdir():
        path.unlink()
    may_read = threading.Event()
    read_run = vectors.read_run

    def waiting(*arguments: object) -> object:
        if threading.current_thread().name == "fill":
            may_read.wait()
        return read_run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(vectors, "read_run", waiting)
    with open_assistant(tmp_path / "kb", now=lambda: NOW + timedelta(days=1)) as assistant:
        base = assistant.knowledge_base
        hit = assistant.search("number7", 1)[0]
        assert (Path(hit.path).name, hit.scores.dense) == ("7.txt", None)
        assert assistant.status().unread == 30
        assert assistant.ask("Who is number7?").verdict.lag.passages == 30
        may_read.set()
        filling = base._sets.now()[0].live_index._filling
        assert filling is not None
        filling.join()
        assert assistant.search("number7", 1)[0].scores.dense is not None
        assert (assistant.status().unread, assistant.ask("Who is number7?").verdict.lag.passages) == (0, 0)
        compare(base, np.random.default_rng(0))
        base._sets.now()[0].live_index._stop_tending()
        assert base._sets.now()[0].live_index._index.segments  # type: ignore[union-attr]


def test_who_has_embedded_much_waits_for_the_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each short process would begin it anew, and none would end it."""
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 4)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    monkeypatch.setattr(sync, "_MANY", 30)
    monkeypatch.setattr(sync, "EMBED_BATCH", 4)
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour {i}") for i in range(30)], cause="test")
        tend = vector_index.VectorIndex.tend

        def slow(self: VectorIndex, *arguments: object, **named: object) -> bool:
            time.sleep(0.05)
            return tend(self, *arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(vector_index.VectorIndex, "tend", slow)
        sync.embed_all(base, progress=sync.Silent(), is_stopped=lambda: False)
        index = base._sets.now()[0].live_index._index
        assert index is not None and not index.is_due()
        assert sum(index.segments) >= 27
