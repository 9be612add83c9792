"""BM25 in memory is the store's: through edits, removals and returns, under masks, for terms common and rare."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Chunk, Document
from ingest.chunk import CHUNKER_VERSION
from rag_lifelong.alive import Population
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.live_words import LiveWords
from rag_lifelong.operations import Gone, Place, Put
from rag_lifelong.store import vectors, versions, words

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOCABULARY = ["harbour", "pilot", "ferry", "tide", "quay", "anchor", "42", "keel"]


def put(root_id: int, number: int, text: str) -> Put:
    document = Document(text, f"Note {number}", None, (), (), True, "test", 1)
    parts = text.split("\n")
    at, chunks = 0, []
    for part in parts:
        chunks.append(Chunk(at, at + len(part), part, f"Note {number}", "", None))
        at += len(part) + 1
    place = Place(root_id, f"{number}.txt", len(text), 0)
    return Put(place, text.encode(), NOW, document, chunks, CHUNKER_VERSION, by_name=False)


TEXTS = st.lists(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=4
).map("\n".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), TEXTS),
        st.tuples(st.just("gone"), st.integers(0, 4), st.just("")),
        st.tuples(st.just("embed"), st.integers(1, 5), st.just("")),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3, unique=True), st.floats(0.1, 1.0))
def test_the_living_and_their_words_in_memory_are_those_of_the_store(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]], wanted: list[str], share: float
) -> None:
    folder = tmp_path_factory.mktemp("words")
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder(16)) as base:
        root = base.folders.ensure_root(str(folder), is_whole=True)
        population, live = Population(base._embedder_id), LiveWords(base._words_of)
        rng = np.random.default_rng(0)
        for what, number, text in steps:
            if what == "put":
                base.commit([put(root.id, number, text)], cause="test")
            elif what == "gone":
                base.commit([Gone(root.id, f"{number}.txt")], cause="test")
            else:
                base.embed_next(number)
            with base.reading() as connection:
                version = versions.latest_number(connection)
                alive = population.at(connection, version)
                stored = vectors.alive_at(connection, base._embedder_id, version)
                columns = (alive.passage_ids, alive.document_ids, alive.vector_ids, alive.lengths)
                assert [column.tolist() for column in columns] == [column.tolist() for column in stored]
                among = alive.passage_ids[rng.random(len(alive.passage_ids)) < share]
                for only in (None, among):
                    found = live.search(
                        connection, wanted, 5, version=version, alive=alive, among=only, common_share=1.0
                    )
                    own = None if only is None else frozenset(only.tolist())
                    expected = words.search(connection, wanted, 5, among=own)
                    assert found is not None
                    assert [round(score, 9) for _, score in found] == [round(score, 9) for _, score in expected]
                    assert sorted(i for i, _ in found) == sorted(i for i, _ in expected)


def test_a_common_term_is_left_out_until_it_is_the_only_one(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, "harbour " + ("pilot" if i == 3 else "ferry")) for i in range(10)], cause="test")
        live = LiveWords(base._words_of)
        with base.reading() as connection:
            alive = Population(base._embedder_id).at(connection, 1)

            def found(*wanted: str) -> int:
                hits = live.search(connection, wanted, 20, version=1, alive=alive, among=None, common_share=0.2)
                assert hits is not None
                return len(hits)

            assert found("harbour", "pilot") == 1
            assert found("harbour") == 10
            assert found("nowhere") == 0


def test_an_older_snapshot_is_left_to_the_store(tmp_path: Path) -> None:
    with (
        KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base,
        KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as other,
    ):
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, 1, "harbour")], cause="test")
        population, live = Population(base._embedder_id), LiveWords(base._words_of)
        with base.reading() as older:
            assert versions.latest_number(older) == 1
            other.commit([put(root.id, 2, "harbour")], cause="test")
            with other.reading() as newer:
                alive = population.at(newer, 2)
                hits = live.search(newer, ["harbour"], 5, version=2, alive=alive, among=None, common_share=1.0)
                assert hits is not None and len(hits) == 2
            alive = population.at(older, 1)
            assert len(alive.passage_ids) == 1
            assert live.search(older, ["harbour"], 5, version=1, alive=alive, among=None, common_share=1.0) is None


def test_from_the_third_search_on_the_answers_stay_what_they_were(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, f"harbour {VOCABULARY[i % 7]}\nquay {i}") for i in range(30)], cause="test")
        while base.embed_next(50):
            pass
        first = base.search("which ferry is at quay 5", 10)
        base.search("again", 10)
        reading = base._reading_population
        assert reading is not None
        reading.join()
        assert base._population.is_read()
        later = base.search("which ferry is at quay 5", 10)
        assert [hit.passage_id for hit in later] == [hit.passage_id for hit in first]
        assert [hit.score for hit in later] == pytest.approx([hit.score for hit in first])
