"""The index equals exact search by numpy, under every mask; its files survive damage, crashes and other processes."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_lifelong.index import SAVE_AFTER, Segment, VectorIndex, files

DIM = 16


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)  # as the store keeps them


def filled(n: int = 200, *, seed: int = 0) -> tuple[VectorIndex, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = np.cumsum(rng.integers(1, 5, size=n)).astype(np.int64)  # with gaps, as after deletions
    vectors = unit(rng, n)
    index = VectorIndex(dim=DIM, fingerprint="test")
    index.add(ids, vectors)
    return index, ids, vectors


def exact(ids: np.ndarray, vectors: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    scores = vectors @ query
    return [int(ids[i]) for i in np.lexsort((ids, -scores))[:k]]


@pytest.mark.parametrize("share", [0.0, 0.005, 0.01, 0.1, 0.5, 0.995, 1.0])
def test_search_under_a_mask_is_exact(share: float) -> None:
    index, ids, vectors = filled()
    rng = np.random.default_rng(7)
    for _ in range(20):
        inside = np.sort(rng.permutation(len(ids))[: round(share * len(ids))])
        query = unit(rng, 1)[0]
        found = index.search(query, 10, among=ids[inside])
        assert found.ids.tolist() == exact(ids[inside], vectors[inside], query, 10)
        assert np.all(np.diff(found.scores) <= 0)


def test_every_allowed_vector_can_be_found() -> None:
    index, ids, vectors = filled(50)
    allowed = ids[::3]
    for i in range(0, 50, 3):
        assert index.search(vectors[i], 1, among=allowed).ids.tolist() == [int(ids[i])]


def test_without_a_mask_all_are_searched() -> None:
    index, ids, vectors = filled()
    query = unit(np.random.default_rng(1), 1)[0]
    assert index.search(query, 500).ids.tolist() == exact(ids, vectors, query, 500)


def test_ids_are_never_reused_or_unordered() -> None:
    index, ids, vectors = filled(10)
    with pytest.raises(ValueError, match="never be reused"):
        index.add(ids[-1:], vectors[-1:])
    with pytest.raises(ValueError, match="shape"):
        index.add(np.array([10_000]), vectors[:2])


def test_scores_of_are_cosines_of_those_held() -> None:
    index, ids, vectors = filled(30)
    found = index.scores_of(vectors[4], np.array([ids[4], ids[9], 99_999]))
    assert set(found) == {int(ids[4]), int(ids[9])}
    assert found[int(ids[9])] == pytest.approx(float(vectors[9] @ vectors[4]), abs=1e-6)


def test_a_saved_index_is_the_same_index(tmp_path: Path) -> None:
    index, ids, vectors = filled()
    index.position = 42
    assert index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None
    assert loaded.position == 42
    assert loaded.ids.tolist() == ids.tolist()
    assert np.array_equal(loaded.vectors(), vectors)


def test_an_older_process_does_not_replace_newer_files_and_takes_them_over(tmp_path: Path) -> None:
    newer, ids, vectors = filled(20)
    older = VectorIndex(dim=DIM, fingerprint="test")
    older.add(ids[:10], vectors[:10])
    newer.save(tmp_path)
    assert not older.save(tmp_path)
    assert older.is_behind
    older.adopt(tmp_path)
    assert older.ids.tolist() == ids.tolist()
    older.add(ids[-1:] + 1, vectors[:1])
    assert older.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None and loaded.ids.tolist() == [*ids.tolist(), int(ids[-1]) + 1]


@pytest.mark.parametrize(
    "damage",
    ["truncate", "truncate ids", "garble pointer", "remove vectors", "remove pointer", "other embedder", "no codes"],
)
def test_a_damaged_file_is_no_index(tmp_path: Path, damage: str) -> None:
    index, _, _ = filled(5_000)
    index.save(tmp_path)
    vectors = next(tmp_path.glob("*.f16"))
    pointer = tmp_path / "current.json"
    if damage == "truncate":
        vectors.write_bytes(vectors.read_bytes()[:-100])
    elif damage == "truncate ids":
        vectors.with_suffix(".ids").write_bytes(b"")
    elif damage == "garble pointer":
        pointer.write_text("{not json")
    elif damage == "remove vectors":
        vectors.unlink()
    elif damage == "remove pointer":
        pointer.unlink()
    elif damage == "no codes":
        codes = vectors.with_suffix(".faiss")
        codes.write_bytes(b"\0" * codes.stat().st_size)
    fingerprint = "another" if damage == "other embedder" else "test"
    assert VectorIndex.load(tmp_path, dim=DIM, fingerprint=fingerprint) is None


def test_what_an_open_would_replay_is_worth_saving() -> None:
    index, ids, vectors = filled(SAVE_AFTER - 1)
    assert not index.is_worth_saving()
    index.add(np.array([int(ids[-1]) + 1]), vectors[:1])
    assert index.is_worth_saving()


def test_the_pointer_says_what_the_files_are(tmp_path: Path) -> None:
    index, _, _ = filled(5)
    index.position = 7
    index.save(tmp_path)
    entry = json.loads((tmp_path / "current.json").read_text())
    assert (entry["position"], entry["dim"], entry["fingerprint"]) == (7, DIM, "test")
    assert [segment["count"] for segment in entry["segments"]] == [5]


# -- segments

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 40)),
        st.tuples(st.just("drop"), st.integers(0, 9)),
        st.tuples(st.just("tend"), st.integers(1, 3)),
        st.tuples(st.just("open"), st.just(0)),
    ),
    min_size=3,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(0, 2**32 - 1))
def test_through_seals_merges_drops_and_openings_it_is_exact_search(steps: list[tuple[str, int]], seed: int) -> None:
    """The store is played by arrays; opening forgets the head, which is then replayed from them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(seed)
        index = VectorIndex(dim=DIM, fingerprint="test", seal_after=16)
        ids, vectors, newest = np.empty(0, np.int64), np.empty((0, DIM), np.float32), 0
        for what, amount in steps:
            if what == "add":
                made = newest + np.cumsum(rng.integers(1, 4, size=amount))
                newest = int(made[-1])
                ids, vectors = np.concatenate([ids, made]), np.concatenate([vectors, unit(rng, amount)])
                index.add(ids[-amount:], vectors[-amount:])
            elif what == "drop":
                kept = rng.random(len(ids)) > amount / 10
                ids, vectors = ids[kept], vectors[kept]
                index.keep(ids)
            elif what == "tend":
                for _ in range(amount):
                    index.tend(folder)
            else:
                loaded = VectorIndex.load(folder, dim=DIM, fingerprint="test")
                index = VectorIndex(dim=DIM, fingerprint="test", seal_after=16) if loaded is None else loaded
                index._seal_after = 16
                index.keep(ids)
                behind = ids > index.newest
                index.add(ids[behind], vectors[behind])
            assert index.ids.tolist() == ids.tolist()
            assert np.array_equal(index.vectors(), vectors)
            query = unit(rng, 1)[0]
            allowed = ids[rng.random(len(ids)) > rng.random()]
            inside = np.isin(ids, allowed)
            assert index.search(query, 5).ids.tolist() == exact(ids, vectors, query, 5)
            assert index.search(query, 5, among=allowed).ids.tolist() == exact(allowed, vectors[inside], query, 5)


def test_what_was_dropped_is_out_of_the_files(tmp_path: Path) -> None:
    index, ids, vectors = filled(300)
    index.save(tmp_path)
    index.keep(np.delete(ids, 7))
    secret = vectors[7].astype("<f2").tobytes()
    assert any(secret in path.read_bytes() for path in tmp_path.iterdir())
    assert index.save(tmp_path)
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())
    assert not index.is_due()


def test_a_position_is_written_with_what_was_dropped_until_then(tmp_path: Path) -> None:
    """A crash between two steps loses no drop."""
    index, ids, _vectors = filled(300)
    index.save(tmp_path)
    index.add(ids[-1] + 1 + np.arange(300), unit(np.random.default_rng(1), 300))
    index.save(tmp_path)
    index.keep(ids[10:290])
    index.position = 9
    assert index.tend(tmp_path)  # one of two segments
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None and (loaded.position, loaded.ids.tolist()[:280]) == (9, ids[10:290].tolist())
    assert index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None and loaded.position == 9 and loaded.ids.tolist() == ids[10:290].tolist()


def test_segments_are_few_and_each_vector_is_rarely_written_again(tmp_path: Path) -> None:
    index = VectorIndex(dim=DIM, fingerprint="test", seal_after=10)
    rng = np.random.default_rng(0)
    written = 0
    for first in range(0, 2_000, 10):
        index.add(np.arange(first, first + 10) + 1, unit(rng, 10))
        while index.tend(tmp_path):
            entry = json.loads((tmp_path / "current.json").read_text())
            newest = max(entry["segments"], key=lambda segment: int(segment["name"].split("-")[0]))
            written += newest["count"]
    assert len(index.segments) <= 3 * 4
    assert written <= 2_000 * 5  # log4(200) + 1
    assert len(list(tmp_path.glob("*.f16"))) == len(index.segments)


def test_what_cannot_be_written_is_not_tried_at_every_search(tmp_path: Path) -> None:
    place = tmp_path / "index"
    place.write_text("in the way")
    index = VectorIndex(dim=DIM, fingerprint="test", seal_after=10)
    rng = np.random.default_rng(0)
    index.add(np.arange(1, 13), unit(rng, 12))
    assert index.is_due()
    assert not index.tend(place)
    assert not index.is_due()
    index.add(np.arange(13, 23), unit(rng, 10))
    assert index.is_due()
    place.unlink()
    assert index.tend(place)


def test_files_merged_away_while_they_are_opened_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, ids, _ = filled(30)
    index.save(tmp_path)
    old = files.read_pointer(tmp_path)
    index.drop(ids[:3])
    index.save(tmp_path)
    new = files.read_pointer(tmp_path)
    told = iter([old, new, new, new])
    monkeypatch.setattr(files, "read_pointer", lambda folder: next(told))
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None and loaded.ids.tolist() == ids[3:].tolist()


def clustered(rng: np.random.Generator, n: int, dim: int = 384) -> np.ndarray:
    centres = np.random.default_rng(99).normal(size=(50, dim))
    vectors = (centres[rng.integers(0, 50, n)] + 0.7 * rng.normal(size=(n, dim))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2, 0.5, 1.0])
def test_coded_segments_find_nearly_all_under_every_mask_with_exact_cosines(tmp_path: Path, share: float) -> None:
    rng = np.random.default_rng(3)
    vectors = clustered(rng, 12_000)
    ids = np.arange(1, 12_001)
    index = VectorIndex(dim=384, fingerprint="test")
    for first in (0, 6_000):
        index.add(ids[first : first + 6_000], vectors[first : first + 6_000])
        assert index.tend(tmp_path)
    assert len(index.segments) == 2 and len(list(tmp_path.glob("*.faiss"))) == 2
    allowed = ids[rng.random(12_000) < share]
    queries = clustered(rng, 50)
    hits = 0
    for query in queries:
        found = index.search(query, 10, among=allowed)
        assert set(found.ids.tolist()) <= set(allowed.tolist())
        assert found.scores == pytest.approx(vectors[found.ids - 1] @ query, abs=1e-5)
        hits += len(set(found.ids.tolist()) & set(exact(allowed, vectors[allowed - 1], query, 10)))
    assert hits >= 0.95 * 50 * min(10, len(allowed))
    index.is_exact = True
    for query in queries[:5]:
        assert index.search(query, 10, among=allowed).ids.tolist() == exact(allowed, vectors[allowed - 1], query, 10)


def test_searches_run_beside_additions_seals_and_merges(tmp_path: Path) -> None:
    """Whatever a search sees is a state that was: a prefix of the additions."""
    rng = np.random.default_rng(0)
    vectors = unit(rng, 4_000)
    index = VectorIndex(dim=DIM, fingerprint="test", seal_after=64)
    index.add(np.array([1]), vectors[:1])
    done, wrong = threading.Event(), []

    def look() -> None:
        own = np.random.default_rng(threading.get_ident() % 1_000)
        while not done.is_set():
            query = unit(own, 1)[0]
            before = index.newest
            found = index.search(query, 10).ids.tolist()
            states = range(before, index.newest + 1)
            if not any(found == exact(np.arange(1, n + 1), vectors[:n], query, 10) for n in states):
                wrong.append(before)

    def tend() -> None:
        while not done.is_set():
            index.tend(tmp_path)

    threads = [threading.Thread(target=look), threading.Thread(target=look), threading.Thread(target=tend)]
    for thread in threads:
        thread.start()
    for n in range(1, 1_500):
        index.add(np.array([n + 1]), vectors[n : n + 1])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    while index.tend(tmp_path):
        pass
    assert index.ids.tolist() == list(range(1, 1_501))


def test_a_segment_of_large_size_scans_as_many_lists_as_sample_queries_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_lifelong.index.segment.PROBED_WHOLE", 5_000)
    rng = np.random.default_rng(5)
    vectors = clustered(rng, 8_000)
    segment = Segment.write(tmp_path, "one", np.arange(8_000), [vectors.astype(np.float16)], dim=vectors.shape[1])
    assert 1 <= segment._probes < segment._codes.nlist
    hits = 0
    for query in clustered(rng, 50):
        found = segment.search(query, 10, allowed=None, is_exact=False)
        best = found.ids[np.lexsort((found.ids, -found.scores))][:10]
        hits += len(set(best.tolist()) & set(exact(np.arange(8_000), vectors, query, 10)))
    assert hits >= 0.9 * 500  # lists were counted with queries drawn otherwise


def test_what_the_codes_miss_does_not_make_every_list_be_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_lifelong.index.segment.PROBED_WHOLE", 5_000)
    monkeypatch.setattr("rag_lifelong.index.segment._refined", lambda k, dim: k)  # codes alone: many are missed
    vectors = clustered(np.random.default_rng(5), 8_000)
    segment = Segment.write(tmp_path, "one", np.arange(8_000), [vectors.astype(np.float16)], dim=vectors.shape[1])
    assert 1 <= segment._probes < segment._codes.nlist
