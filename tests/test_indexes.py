"""What `benchmarks.indexes` compares by: exact search, drawn vectors, our side of the five calls, the table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.indexes import report, sets, updates
from benchmarks.indexes.ours import Ours
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase


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


def test_updates_of_a_filled_store_are_measured_step_by_step_and_leave_its_size(tmp_path: Path) -> None:
    updates.fill(tmp_path, 100)
    updates.fill(tmp_path, 120)
    measured: dict[str, object] = {}
    for values in updates.measure(tmp_path, rounds=3):
        measured |= values
    assert report._STEPS.keys() < measured.keys()
    assert measured.keys() - report._STEPS.keys() == {
        "open_ms", "open_and_search_ms", "memory", "file_embed", "file_index"
    }  # fmt: skip
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(384)) as base:
        assert [root.path for root in base.folders.roots()] == [str(tmp_path / "files")]
        assert base.folders.count_documents(base.folders.roots()[0], "") == 12
        assert len(base.versions(100)) == 2 + 3 + 3
        assert base.lag().passages == 0


def test_the_table_of_updates_has_a_column_for_each_size_and_what_was_not_measured_is_left_open(tmp_path: Path) -> None:
    rows = [
        {"update": {"p50": 7.04, "p95": 12.3}, "open_ms": 1.5, "memory": {"anon": 50, "file": 1234}},
        {"update": {"p50": 8.15, "p95": 120.4}, "index": {"p50": 0.251, "p95": 0.3}},
    ]
    with (tmp_path / "results.jsonl").open("w") as file:
        for size, values in zip((10_000, 1_000_000), rows, strict=True):
            row = {"peer": "ours", "phase": "end_to_end", "size": size, "failed": None, "values": values}
            file.write(json.dumps(row) + "\n")
    assert report.through_the_store(tmp_path).splitlines()[2:] == [
        "| ten passages replaced | 7.04 (12.3) | 8.15 (120) |",
        "| … index brought along | – | 0.251 (0.3) |",
        "| opened | 1.5 | – |",
        "| opened and searched once | – | – |",
        "| resident MB after 100 searches: anonymous + files | 50 + 1,234 | – |",
    ]
