"""The index equals exact search by numpy, under every mask; its files survive damage, crashes and other processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rag_lifelong.index import SAVE_AFTER, VectorIndex

DIM = 16


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


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


def test_saving_leaves_one_generation_of_files(tmp_path: Path) -> None:
    index, _, _ = filled()
    for position in (1, 2, 3):
        index.position = position
        index.save(tmp_path)
    assert len(list(tmp_path.glob("flat-*.faiss"))) == 1
    assert not list(tmp_path.glob(".*"))


def test_an_older_process_does_not_replace_a_newer_file(tmp_path: Path) -> None:
    newer, _, _ = filled(20)
    newer.position = 9
    newer.save(tmp_path)
    older, _, _ = filled(10)
    older.position = 3
    assert not older.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, dim=DIM, fingerprint="test")
    assert loaded is not None and loaded.position == 9


@pytest.mark.parametrize(
    "damage", ["truncate", "garble pointer", "remove vectors", "remove pointer", "other embedder", "empty"]
)
def test_a_damaged_file_is_no_index(tmp_path: Path, damage: str) -> None:
    index, _, _ = filled()
    index.save(tmp_path)
    vectors = next(tmp_path.glob("*.faiss"))
    pointer = tmp_path / "current.json"
    if damage == "truncate":
        vectors.write_bytes(vectors.read_bytes()[:-100])
    elif damage == "garble pointer":
        pointer.write_text("{not json")
    elif damage == "remove vectors":
        vectors.unlink()
    elif damage == "remove pointer":
        pointer.unlink()
    elif damage == "empty":
        vectors.write_bytes(b"\0" * vectors.stat().st_size)
    fingerprint = "another" if damage == "other embedder" else "test"
    assert VectorIndex.load(tmp_path, dim=DIM, fingerprint=fingerprint) is None


def test_saving_costs_what_changed_over_time() -> None:
    index, ids, vectors = filled(SAVE_AFTER - 1)
    assert not index.is_worth_saving()
    index.add(np.array([int(ids[-1]) + 1]), vectors[:1])
    assert index.is_worth_saving()


def test_the_pointer_says_what_the_files_are(tmp_path: Path) -> None:
    index, _, _ = filled(5)
    index.position = 7
    index.save(tmp_path)
    entry = json.loads((tmp_path / "current.json").read_text())
    assert (entry["count"], entry["position"], entry["dim"], entry["fingerprint"]) == (5, 7, DIM, "test")
