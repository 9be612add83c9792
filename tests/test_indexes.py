"""What `benchmarks.indexes` compares by: exact search, drawn vectors, our side of the five calls, the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.indexes import report, sets
from benchmarks.indexes.ours import Ours


def unit_vectors(count: int, dim: int, rng: np.random.Generator) -> sets.Matrix:
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_exact_search_gives_the_ids_with_the_largest_products_over_blocks() -> None:
    rng = np.random.default_rng(1)
    vectors, queries = unit_vectors(45_000, 4, rng), unit_vectors(3, 4, rng)
    rows = np.flatnonzero(rng.random(45_000) < 0.9)  # 3 blocks
    scores = queries @ vectors[rows].T
    expected = rows[np.argsort(-scores, axis=1)[:, :10]] + 1
    assert sets.exact(queries, vectors, rows + 1, 10, rows=rows).tolist() == expected.tolist()


def test_a_larger_set_holds_every_real_vector_and_others_near_one_or_a_mix_of_two() -> None:
    rng = np.random.default_rng(2)
    real = unit_vectors(100, 64, rng)
    near = sets.exact(real, real, np.arange(100), 16)[:, 1:]
    drawn = np.empty((600, 64), dtype=np.float32)
    sets.Drawing(real, near).fill(drawn, np.arange(100), rng)
    assert np.allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    cosines = drawn @ real.T
    is_real = cosines.max(axis=1) > 0.9999
    assert is_real.sum() == 100
    assert set(cosines[is_real].argmax(axis=1).tolist()) == set(range(100))
    # of a mix of two the cosine to the nearer is at least √½ of that to the mix
    assert cosines[~is_real].max(axis=1).min() > 0.8 * 0.5**0.5 - 0.05
    assert cosines[~is_real].max(axis=1).max() < 0.95


def test_our_index_finds_what_came_and_not_what_went_also_when_opened_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = unit_vectors(60, 16, rng)
    ids, tags = np.arange(1, 61), np.arange(60) % 100
    (tmp_path / "index").mkdir()
    ours = Ours(tmp_path / "index", 16)
    ours.build(ids[:50], tags[:50], vectors[:50])
    again = Ours(tmp_path / "index", 16)
    again.open()
    assert again.search(vectors[7], 1).tolist() == [8]
    assert again.search_where(vectors[7], 2, below=2, among=np.array([1, 2])).size == 2
    again.replace(ids[:10], ids[50:], tags[50:], vectors[50:])
    assert again.search(vectors[55], 1).tolist() == [56]
    assert 8 not in again.search(vectors[7], 60).tolist()
    assert again.search(vectors[7], 60).size == 50


def test_an_update_after_which_the_new_is_not_found_is_marked_in_the_table() -> None:
    good = {"p50_ms": 0.1234, "recall": 0.98765, "update_ms": 12.3, "new_found": 1.0}
    table = report.by_size({("ours", 10_000): good, ("hnswlib", 10_000): good | {"new_found": 0.05}}, [10_000])
    assert table.splitlines() == [
        "| p50 ms (recall@10) | 10k | update, 10k |",
        "| --- | --- | --- |",
        "| **ours** | **0.123 (0.988)** | **12.3** |",
        "| hnswlib | 0.123 (0.988) | 12.3 * |",
    ]
