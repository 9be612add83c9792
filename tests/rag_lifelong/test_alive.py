"""The population brought along = read anew, after every step and at any version; what was handed out stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from sqlite3 import Connection

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import Document
from ingest.chunk import CHUNKER_VERSION, split
from rag_lifelong import alive
from rag_lifelong.alive import Alive, Population
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Gone, Place, Put
from rag_lifelong.pruning import Limit
from rag_lifelong.store import vectors, versions

LINES = st.lists(st.sampled_from(["ferry", "harbour", "quay", "boat", "tide"]), min_size=1, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), LINES),
        st.tuples(st.just("put"), st.integers(0, 4), LINES),
        st.tuples(st.just("gone"), st.integers(0, 4), st.none()),
        st.tuples(st.just("embed"), st.integers(1, 5), st.none()),
        st.tuples(st.just("prune"), st.just(0), st.none()),
        st.tuples(st.just("leave"), st.just(0), st.none()),  # several steps at once
        st.tuples(st.just("open"), st.just(0), st.none()),  # what died before is not known
    ),
    min_size=1,
    max_size=20,
)


def put(root_id: int, number: int, lines: list[str]) -> Put:
    text = "".join(f"{line} " * 45 + "\n\n" for line in lines)  # a chunk each
    document = Document(text, "", None, (), (), True, "text", 1)
    chunks = split(document, count_tokens=lambda part: len(part.split()), target_tokens=40)
    digest = blake2b(text.encode(), digest_size=16).digest()
    place = Place(root_id, f"{number}.txt", len(text), number)
    return Put(place, digest, datetime(2024, 1, 1, tzinfo=UTC), document, chunks, CHUNKER_VERSION, by_name=False)


def columns(found: Alive) -> list[list[int]]:
    return [c.tolist() for c in (found.passage_ids, found.document_ids, found.vector_ids, found.lengths)]


def stored(connection: Connection, embedder_id: int, version: int) -> list[list[int]]:
    return [column.tolist() for column in vectors.alive_at(connection, embedder_id, version)]


@pytest.mark.parametrize("is_tight", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 99))
def test_brought_along_it_is_what_is_read_anew(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    is_tight: bool,
    steps: list[tuple[str, int, list[str]]],
    seed: int,
) -> None:
    if is_tight:  # the columns are soon full, and soon made anew without the dead: else that takes thousands of rows
        monkeypatch.setattr(alive, "_SPARE_ROWS", 1)
        monkeypatch.setattr(alive, "_FEW_ROWS", 3)
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("alive")
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder(16)) as base:
        root = base.folders.ensure_root(str(folder), is_whole=True)
        population = Population(base._sets.now()[0].embedder_id)
        handed_out: list[tuple[Alive, list[list[int]]]] = []
        for what, number, lines in steps:
            match what:
                case "put":
                    base.commit([put(root.id, number, lines)], cause="test")
                case "gone":
                    base.commit([Gone(root.id, f"{number}.txt")], cause="test")
                case "embed":
                    base.embed_next(number)
                case "prune":
                    base.prune(base.pruning_plan(lambda _: Limit(10**9, 0), within=()))
                case "open":
                    population = Population(base._sets.now()[0].embedder_id)
                case _:
                    continue
            with base.reading() as connection:
                newest = versions.latest_number(connection)
                for version in (newest, *rng.integers(0, newest + 1, size=int(rng.integers(3))).tolist()):
                    found = population.at(connection, version)
                    expected = stored(connection, base._sets.now()[0].embedder_id, version)
                    assert len(found) == len(expected[0])
                    if rng.random() < 0.5:  # the others are first looked at when others have come
                        assert columns(found) == expected
                    handed_out.append((found, expected))
        for found, expected in handed_out:
            assert columns(found) == expected


def test_an_older_snapshot_and_an_older_version_are_as_they_were(tmp_path: Path) -> None:
    with (
        KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base,
        KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as other,
    ):
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, ["ferry"])], cause="test")
        base.commit([put(root.id, 2, ["boat", "tide"])], cause="test")
        population = Population(base._sets.now()[0].embedder_id)
        with base.reading() as older:
            assert columns(population.at(older, 2))[0] == [1, 2, 3]
            other.embed_next(10)
            other.commit([put(root.id, 1, ["harbour"])], cause="test")
            with other.reading() as newer:
                assert columns(population.at(newer, 3)) == stored(newer, 1, 3)
                assert columns(population.at(newer, 2)) == [[1, 2, 3], [1, 2, 2], [3, 2, 1], [45, 45, 45]]
            assert columns(population.at(older, 2)) == [[1, 2, 3], [1, 2, 2], [-1, -1, -1], [45, 45, 45]]
            assert columns(population.at(older, 1)) == [[1], [1], [-1], [45]]


def test_what_an_earlier_version_adds_to_the_columns_is_not_alive_now(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, ["ferry"])], cause="test")
        base.commit([put(root.id, 2, ["boat"])], cause="test")
        base.commit([Gone(root.id, "2.txt")], cause="test")
        population = Population(base._sets.now()[0].embedder_id)
        with base.reading() as connection:
            assert population.at(connection, 3).passage_ids.tolist() == [1]
            assert population.at(connection, 2).passage_ids.tolist() == [1, 2]
        base.commit([put(root.id, 3, ["tide"])], cause="test")
        with base.reading() as connection:
            assert population.at(connection, 4).passage_ids.tolist() == [1, 3]
