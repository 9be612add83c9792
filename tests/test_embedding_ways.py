"""What `benchmarks.embedding_ways` reports by: figures worked out by hand, vectors that are kept, whole numbers for weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.embedding_ways import quality
from benchmarks.embedding_ways.model import per_channel, pooled
from benchmarks.embedding_ways.quality import Asked, Kept


def test_a_document_counts_with_its_first_passage() -> None:
    passages = np.array([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]], np.float32)
    asked = Asked(
        "made", ["a", "b", "c", "d"], np.array([7, 7, 8, 9]), ["one", "other"], [frozenset([8]), frozenset([7])]
    )
    found = quality.ask(asked, np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), passages)
    np.testing.assert_array_equal(found.nearest, [[0, 1, 2, 3], [3, 2, 1, 0]])
    # document 8 comes second for the one, document 7 third for the other
    np.testing.assert_allclose(found.figures, [[1, 1 / np.log2(3)], [1, 1 / np.log2(4)]])


def test_overlap_is_the_mean_share_that_both_name() -> None:
    assert (
        quality.overlap(np.array([[1, 2, 3, 4], [1, 2, 3, 4]]), np.array([[4, 3, 2, 1], [1, 5, 6, 7]]))
        == (1 + 0.25) / 2
    )


def test_vectors_that_are_kept_are_not_made_again(tmp_path: Path) -> None:
    made: list[str] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        made.extend(texts)
        return np.array([[len(text), 0] for text in texts], np.float32)

    np.testing.assert_array_equal(Kept(tmp_path, "a, way", embed)(["one", "three", "one"])[:, 0], [3, 5, 3])
    np.testing.assert_array_equal(Kept(tmp_path, "a, way", embed)(["three", "four"])[:, 0], [5, 4])
    Kept(tmp_path, "another", embed)(["one"])
    assert sorted(made) == ["four", "one", "one", "three"]


def test_weights_are_whole_numbers_by_output() -> None:
    values, scale = per_channel(np.array([[1.27, -0.5, 0.004], [0.0, 12.7, -6.36]], np.float32))
    np.testing.assert_array_equal(values, [[127, -50, 0], [0, 127, -64]])
    np.testing.assert_allclose(scale, [0.01, 0.1], rtol=1e-6)


def test_texts_are_pooled_apart() -> None:
    states = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 2.0]], np.float32)
    np.testing.assert_allclose(pooled(states, [2, 1]), [[0.6, 0.8], [0.0, 1.0]])
