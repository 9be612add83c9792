"""Two sets of vectors as one: ranks are mixed by how much of the old the new one has, on the old one's scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag_lifelong.calibration import UNMEASURED, calibration_of
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.index import VectorIndex
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.meaning import Meaning, Query, Searched
from rag_lifelong.scope import Scope
from rag_lifelong.store import embedders, vectors, versions
from tests.rag_lifelong.test_live_words import NOW, put

AXIS = np.array([1.0, 0.0], dtype=np.float32)


def at(cosine: float) -> np.ndarray:
    """A unit vector with that cosine to AXIS."""
    return np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32)


def mixed(folder: Path, old: list[float], new: list[float | None], *, unknown: tuple[float, float] = (0, 0)) -> Meaning:
    """Passages 1, 2, … with these cosines in two sets; None: no vector there yet."""
    base = KnowledgeBase(folder / "kb", embedder=HashEmbedder(2), now=lambda: NOW)
    root = base.folders.ensure_root(str(folder), is_whole=True)
    base.commit([put(root.id, i, f"word{i}") for i in range(len(old))], cause="test")
    with base._database.transaction() as connection:
        digests = [bytes(row[0]) for row in connection.execute("SELECT digest FROM passages ORDER BY id")]
        second = embedders.register(connection, name="b", fingerprint="b", dim=2)
        ids = (base._sets.now()[0].embedder_id, second)
        for embedder_id, cosines in zip(ids, (old, new), strict=True):
            made = {d: at(c) for d, c in zip(digests, cosines, strict=True) if c is not None}
            vectors.write(connection, embedder_id, made)
    connection = base._database.connection()
    connection.execute("BEGIN")
    sets = []
    for embedder_id, share in zip(ids, unknown, strict=True):
        index = VectorIndex(dim=2, fingerprint="")
        index.add(*vectors.read_run(connection, embedder_id, 0, vectors.last_id(connection), 2))
        alive = vectors.alive_at(connection, embedder_id, 1)
        sets.append(
            Searched(embedder_id, index, Query(AXIS, share), lambda alive=alive: alive, lambda: None, UNMEASURED)
        )  # type: ignore[misc,arg-type]
    return Meaning(connection, sets, Scope(versions.latest_number(connection), True, None))


def test_of_one_set_the_cosines_are_its_own(tmp_path: Path) -> None:
    found = mixed(tmp_path, [0.9, 0.5], [None, None]).best()
    assert list(found) == [1, 2]
    assert list(found.values()) == pytest.approx([0.9, 0.5], abs=1e-3)


def test_half_filled_the_ranks_count_half_and_are_stretched(tmp_path: Path) -> None:
    """The new set has passages 3 and 4, in that order: of four, ranks 0 and 2, which in the old set are 0.9 and 0.5."""
    found = mixed(tmp_path, [0.9, 0.7, 0.5, 0.3], [None, None, 0.2, 0.1]).best()
    assert found == pytest.approx({1: 0.9, 2: 0.7, 3: (0.5 + 0.9) / 2, 4: (0.3 + 0.5) / 2}, abs=1e-3)


def test_complete_the_order_is_the_new_ones_on_the_old_scale(tmp_path: Path) -> None:
    found = mixed(tmp_path, [0.9, 0.7, 0.5, 0.3], [0.1, 0.2, 0.3, 0.4]).best()
    assert list(found) == [4, 3, 2, 1]
    assert list(found.values()) == pytest.approx([0.9, 0.7, 0.5, 0.3], abs=1e-3)


def test_the_weight_goes_over_from_one_embedder_to_the_other(tmp_path: Path) -> None:
    """A quarter filled, the first knowing half of the question and the second nothing of it."""
    meaning = mixed(tmp_path, [0.9, 0.7, 0.5, 0.3], [0.5, None, None, None], unknown=(0.5, 1.0))
    assert meaning.weight == pytest.approx(0.75 * 0.5 * 0.5)


def test_weights_belong_to_the_embedder_they_were_measured_for() -> None:
    minilm = calibration_of("all-MiniLM-L6-v2:53aa51172d142c89:be50c3628f2bf5bb:mean:unit:256")
    assert minilm.is_measured and minilm.dense_weight == 0.6
    assert calibration_of("sentence-transformers:0123:unit") is UNMEASURED
    assert not UNMEASURED.is_measured
