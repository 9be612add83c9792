"""The vector store for LlamaIndex: exact over random histories, filtered, durable, and inside LlamaIndex's own pipeline."""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from rag_lifelong import live_index
from rag_lifelong.errors import EmbedderMismatch, KnowledgeBaseMissing, KnowledgeBaseUnusable
from rag_lifelong.index import vector_index
from rag_lifelong.llama_index import LifelongVectorStore
from rag_lifelong.store import nodes
from tests.rag_lifelong.embedding_by_words import WordsEmbedding

DIM = 8
POOL = np.random.default_rng(5).normal(size=(12, DIM)).astype(np.float32)  # few, so that some nodes have equal ones


def node(
    name: str, vector: np.ndarray | int, *, document: str | None = None, text: str = "", **metadata: object
) -> TextNode:
    found = POOL[vector] if isinstance(vector, int) else vector
    source = {} if document is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(
        id_=name, text=text or name, embedding=[float(x) for x in found], metadata=metadata, relationships=source
    )


def asked(vector: np.ndarray, k: int = 5, **more: object) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=[float(x) for x in vector], similarity_top_k=k, **more)  # type: ignore[arg-type]


def names(store: LifelongVectorStore, query: VectorStoreQuery, **more: object) -> list[str]:
    return list(store.query(query, **more).ids or [])


class Reference:
    """All nodes in a list, compared one by one."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, str, np.ndarray]] = []  # name, document, vector; oldest first

    def add(self, given: list[tuple[str, str, np.ndarray]]) -> None:
        last = {one[0]: one for one in given}
        self.nodes = [one for one in self.nodes if one[0] not in last] + list(last.values())

    def best(self, query: np.ndarray, k: int, documents: set[str] | None) -> list[tuple[str, float]]:
        scored = [
            (
                name,
                float(
                    vector.astype(float)
                    @ query.astype(float)
                    / np.linalg.norm(vector.astype(float))
                    / np.linalg.norm(query.astype(float))
                ),
            )
            for name, document, vector in self.nodes
            if documents is None or document in documents
        ]
        return sorted(scored, key=lambda one: -round(one[1], 12))[:k]  # sorted() keeps the older of equal ones first


NAMES, DOCUMENTS = st.integers(0, 30).map("n{}".format), st.integers(0, 5).map("d{}".format)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(NAMES, DOCUMENTS, st.integers(0, len(POOL) - 1)), min_size=1, max_size=12)),
        st.tuples(st.just("delete"), DOCUMENTS),
        st.tuples(st.just("delete_nodes"), st.lists(NAMES, max_size=6)),
        st.tuples(st.just("persist"), st.none()),
        st.tuples(st.just("open"), st.none()),
        st.tuples(st.just("lose the index"), st.none()),
        st.tuples(st.just("clear"), st.none()),
    ),
    min_size=2,
    max_size=14,
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(STEPS, st.integers(0, 2**32 - 1))
def test_any_history_is_searched_as_by_brute_force(steps: list[tuple[str, object]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = vector_index.SEAL_AFTER, live_index._TEND_AFTER_S
    vector_index.SEAL_AFTER, live_index._TEND_AFTER_S = 4, 0.0  # so that segments are sealed and merged
    try:
        with tempfile.TemporaryDirectory() as folder:
            _run(Path(folder) / "store", steps, rng)
    finally:
        vector_index.SEAL_AFTER, live_index._TEND_AFTER_S = before


def _run(folder: Path, steps: list[tuple[str, object]], rng: np.random.Generator) -> None:
    store, beside, reference = LifelongVectorStore(folder), LifelongVectorStore(folder), Reference()
    for step, given_ in steps:
        match step, given_:
            case "add", list(entries):
                made = [(name, document, POOL[at]) for name, document, at in entries]
                store.add([node(name, vector, document=document) for name, document, vector in made])
                reference.add(made)
            case "delete", str(document):
                store.delete(document)
                reference.nodes = [one for one in reference.nodes if one[1] != document]
            case "delete_nodes", list(gone):
                store.delete_nodes(gone)
                reference.nodes = [one for one in reference.nodes if one[0] not in gone]
            case "persist", _:
                store.persist()
            case "open", _:
                store.close()
                store = LifelongVectorStore(folder)
            case "lose the index", _:
                store.close()
                for path in (folder / "index").glob("*"):
                    path.unlink(missing_ok=True)  # a thread may be writing it beside
                store = LifelongVectorStore(folder)
            case "clear", _:
                store.clear()
                reference.nodes = []
        query = rng.normal(size=DIM).astype(np.float32)
        for documents in (None, {"d1", "d3"}):
            expected = reference.best(query, 7, documents)
            for one in (store, beside):  # another open store sees the same at once
                found = one.query(asked(query, 7, doc_ids=None if documents is None else sorted(documents)))
                assert found.ids == [name for name, _ in expected], step
                assert found.similarities == pytest.approx([score for _, score in expected], abs=1e-6)
        assert [one.node_id for one in store.get_nodes()] == [name for name, _, _ in reference.nodes]
        for one in (store, beside):
            with one.client.reading() as connection:
                live = one.client._live_at(connection)
                if live is not None:
                    assert live.at(connection, is_whole=True).ids.tolist() == nodes.ids(connection).tolist(), step
    store.close()
    beside.close()


def test_large_stores_are_searched_by_codes_and_small_masks_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(300, 32))
    vectors = (topics[rng.integers(0, 300, 6_000)] + 0.6 * rng.normal(size=(6_000, 32))).astype(np.float32)
    query = vectors[17] + 0.1
    exact = np.argsort(-(vectors @ query) / np.linalg.norm(vectors, axis=1), kind="stable")
    with LifelongVectorStore(tmp_path / "store") as store:
        store.add([node(f"n{i}", vector, document=f"d{i % 50}") for i, vector in enumerate(vectors)])
        store.persist()
        live = store.client._live
        assert live is not None and live[1]._index is not None and live[1]._index.segments == (6_000,)
        found = names(store, asked(query, 10))
        assert len(set(found) & {f"n{i}" for i in exact[:10]}) >= 9
        assert names(store, asked(query, 10, doc_ids=["d7"])) == [f"n{i}" for i in exact if i % 50 == 7][:10]
    with LifelongVectorStore(tmp_path / "store", is_exact=True) as store:
        assert names(store, asked(query, 10)) == [f"n{i}" for i in exact[:10]]


# -- filters

VALUES = st.one_of(
    st.none(), st.integers(-2, 2), st.sampled_from([0.5, 1.0, -1.5]), st.sampled_from(["", "a", "ab", "É", "é'\"", "true"]),
    st.booleans(), st.lists(st.sampled_from(["a", "ab", "é"]), max_size=2), st.lists(st.integers(0, 2), max_size=2),
)  # fmt: skip
KEYS = ("a", "b.c", "größe", "o'clock")
METADATA = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
_ANY = st.sampled_from(["", "a", "ab", "b", "É", "é", 0, 1, 2, 0.5, 1.0])
_TEXTS = st.sampled_from(["", "a", "ab", "b", "é", "É"])
_LISTS = st.one_of(st.lists(st.sampled_from(["a", "ab", "é"]), max_size=2), st.lists(st.integers(0, 2), max_size=2))
FILTERS = st.one_of(
    st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains"]), _ANY),
    st.tuples(st.sampled_from(["in", "nin", "any", "all", "==", "!="]), _LISTS),
    st.tuples(st.sampled_from(["text_match", "text_match_insensitive"]), _TEXTS),
    st.tuples(st.just("is_empty"), st.none()),
).flatmap(
    lambda one: st.sampled_from(KEYS).map(
        lambda key: MetadataFilter(key=key, value=one[1], operator=FilterOperator(one[0]))
    )
)
NESTED = st.recursive(
    FILTERS,
    lambda inner: st.tuples(st.lists(inner, max_size=3), st.sampled_from([None, *FilterCondition])).map(
        lambda made: MetadataFilters(filters=made[0], condition=made[1])
    ),
    max_leaves=5,
)


def passes(filters: MetadataFilter | MetadataFilters, metadata: dict[str, object]) -> bool:
    """By LlamaIndex's own function for each filter; what that raises for, since the types differ, does not pass."""
    if isinstance(filters, MetadataFilter):
        try:
            return build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[filters]))("")
        except TypeError:
            return False
    inner = [passes(one, metadata) for one in filters.filters]
    if not inner or filters.condition in (FilterCondition.AND, None):
        return all(inner)
    return any(inner) if filters.condition == FilterCondition.OR else not any(inner)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NESTED, st.lists(METADATA, min_size=1, max_size=6))
def test_filters_mean_what_they_mean_to_llama_index(
    one: MetadataFilter | MetadataFilters, kept: list[dict[str, object]]
) -> None:
    filters = one if isinstance(one, MetadataFilters) else MetadataFilters(filters=[one])
    with _filled(kept) as store:
        found = {each.node_id for each in store.get_nodes(filters=filters)}
    assert found == {f"n{i}" for i, metadata in enumerate(kept) if passes(filters, metadata)}


class _filled:  # noqa: N801
    """One store for all examples: to make a file for each takes longer than all else."""

    store: LifelongVectorStore | None = None

    def __init__(self, kept: list[dict[str, object]]) -> None:
        if _filled.store is None:
            _filled.store = LifelongVectorStore(tempfile.mkdtemp())
        self.opened = _filled.store
        self.opened.clear()
        self.opened.add([node(f"n{i}", i, **metadata) for i, metadata in enumerate(kept)])

    def __enter__(self) -> LifelongVectorStore:
        return self.opened

    def __exit__(self, *exc: object) -> None:
        pass


def test_filters_narrow_queries_and_deletions(tmp_path: Path) -> None:
    by_year = MetadataFilters(filters=[MetadataFilter(key="year", value=2024, operator=FilterOperator.GTE)])
    with LifelongVectorStore(tmp_path / "store") as store:
        store.add([node("old", 0, year=2020), node("new", 1, year=2024), node("newer", 2, year=2026)])
        assert sorted(names(store, asked(POOL[0], filters=by_year))) == ["new", "newer"]
        assert names(store, asked(POOL[0], filters=by_year, node_ids=["old", "new"])) == ["new"]
        store.add([node("newest", 3, year=2027)])
        assert sorted(names(store, asked(POOL[0], filters=by_year))) == ["new", "newer", "newest"], "worked out anew"
        store.delete_nodes(["old", "newer"], filters=by_year)
        assert sorted(names(store, asked(POOL[0]))) == ["new", "newest", "old"]
        store.delete_nodes(filters=by_year)
        assert names(store, asked(POOL[0])) == ["old"]


def test_a_value_that_an_operator_cannot_take_is_an_error_that_says_so(tmp_path: Path) -> None:
    with LifelongVectorStore(tmp_path / "store") as store:
        store.add([node("a", 0, tag="x")])
        for operator, value, wanted in (
            ("in", "x", "a list"),
            (">", None, "a number or a string"),
            ("text_match", 1, "a string"),
        ):
            wrong = MetadataFilters(filters=[MetadataFilter(key="tag", value=value, operator=FilterOperator(operator))])
            with pytest.raises(ValueError, match=f"operator '{operator}' takes {wanted}"):
                store.get_nodes(filters=wrong)
        with pytest.raises(ValueError, match="cannot filter by the key"):
            store.get_nodes(filters=MetadataFilters(filters=[MetadataFilter(key='a"b', value=1)]))


# -- what is kept, and what is refused


def test_nodes_come_back_as_they_were(tmp_path: Path) -> None:
    text = node("t", 0, document="d", text="Grüße, 长城", page=3)
    text.start_char_idx, text.end_char_idx = 5, 14
    text.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id="u")
    given_ = [
        text,
        IndexNode(id_="i", text="see t", index_id="t", embedding=POOL[1].tolist()),
        ImageNode(id_="p", text="a picture", image_url="file:p.png", embedding=POOL[2].tolist()),
        Document(id_="whole", text="A document.", embedding=POOL[3].tolist()),
    ]
    with LifelongVectorStore(tmp_path / "store") as store:
        assert store.add(given_) == ["t", "i", "p", "whole"]
    with LifelongVectorStore(tmp_path / "store") as store:
        for one, back in zip(given_, store.get_nodes(["t", "i", "p", "whole", "nobody"]), strict=True):
            assert type(back) is type(one)
            expected = one.model_dump()
            expected["embedding"] = None
            assert back.model_dump() == expected


def test_an_embedding_of_another_length_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    with LifelongVectorStore(tmp_path / "store") as store, LifelongVectorStore(tmp_path / "store") as beside:
        store.add([node("a", 0)])
        with pytest.raises(EmbedderMismatch, match="holds embeddings of 8 dimensions, and node 'c' has one of 3"):
            store.add([node("b", 1), node("c", np.ones(3))])
        with pytest.raises(EmbedderMismatch, match="of 8 dimensions, and the question's has 3"):
            store.query(asked(np.ones(3)))
        assert [one.node_id for one in store.get_nodes()] == ["a"]
        assert names(beside, asked(POOL[0])) == ["a"]
        store.clear()
        assert names(store, asked(np.ones(3))) == []
        store.add([node("c", np.ones(3))])
        assert names(store, asked(np.ones(3))) == ["c"]
        assert names(beside, asked(np.ones(3))) == ["c"], "another process follows"


def test_what_is_no_vector_is_refused(tmp_path: Path) -> None:
    with LifelongVectorStore(tmp_path / "store") as store:
        with pytest.raises(ValueError, match="node 'a' has no embedding"):
            store.add([TextNode(id_="a", text="a")])
        with pytest.raises(ValueError, match="embedding of node 'b' is no vector of finite numbers"):
            store.add([node("b", np.array([1.0, np.nan]))])
        with pytest.raises(ValueError, match="needs query_embedding"):
            store.query(VectorStoreQuery(query_str="a"))
        with pytest.raises(ValueError, match=r"clear\(\) deletes all"):
            store.delete_nodes()
        with pytest.raises(ValueError, match="'svm' is not supported"):
            store.query(asked(POOL[0], mode=VectorStoreQueryMode.SVM))
        store.add([node("zero", np.zeros(2)), node("one", np.array([0.0, 3e30]))])
        found = store.query(asked(np.array([0.0, 2e30])))
        assert (found.ids, found.similarities) == (["one", "zero"], [pytest.approx(1.0), 0.0])


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="no vector store at"):
        LifelongVectorStore(tmp_path / "none", create=False)
    (tmp_path / "nodes.sqlite3").write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(KnowledgeBaseUnusable, match=r"nodes\.sqlite3 is damaged .* add the nodes again"):
        LifelongVectorStore(tmp_path)


# -- words, both, and diversity


def test_words_alone_or_beside_meaning(tmp_path: Path) -> None:
    given_ = [
        node("meant", 0, text="Nothing of it stands here."),
        node("worded", 1, text="The dead-letter queue holds retries."),
        node("neither", 2, text="Lunch is at noon."),
    ]
    question = {"query_str": "Who owns the dead-letter queue?"}
    with LifelongVectorStore(tmp_path / "store") as store:
        store.add(given_)
        by_words = VectorStoreQuery(similarity_top_k=5, mode=VectorStoreQueryMode.TEXT_SEARCH, **question)
        assert names(store, by_words) == ["worded"]
        both = {"mode": VectorStoreQueryMode.HYBRID, **question}
        assert names(store, asked(POOL[0], 1, alpha=1.0, **both)) == ["meant"]
        assert names(store, asked(POOL[0], 1, alpha=0.0, **both)) == ["worded"]
        # cosines scaled: meant 1, the farthest 0; words scaled: worded 1, the others 0
        cosines = {
            name: float(POOL[0] @ POOL[i] / np.linalg.norm(POOL[0]) / np.linalg.norm(POOL[i]))
            for i, name in enumerate(("meant", "worded", "neither"))
        }
        low = min(cosines.values())
        scaled = {name: (cosine - low) / (1 - low) for name, cosine in cosines.items()}
        found = store.query(asked(POOL[0], 3, alpha=0.25, **both))
        expected = {name: 0.25 * scaled[name] + 0.75 * (name == "worded") for name in scaled}
        assert dict(zip(found.ids or [], found.similarities or [], strict=True)) == pytest.approx(expected, abs=1e-6)
        store.delete_nodes(["worded"])
        assert names(store, by_words) == []


def test_diversity_is_llama_indexs_own(tmp_path: Path) -> None:
    vectors = [POOL[0], POOL[0] + 0.01, POOL[1], POOL[2]]
    with LifelongVectorStore(tmp_path / "store") as store:
        store.add([node(f"n{i}", vector) for i, vector in enumerate(vectors)])
        query = asked(POOL[0], 2, mode=VectorStoreQueryMode.MMR)
        for threshold in (0.9, 0.1):
            _, expected = get_top_k_mmr_embeddings(
                POOL[0].tolist(),
                [v.tolist() for v in vectors],
                similarity_top_k=2,
                embedding_ids=[f"n{i}" for i in range(4)],
                mmr_threshold=threshold,
            )
            assert names(store, query, mmr_threshold=threshold) == expected
        assert names(store, query, mmr_threshold=0.1) != ["n0", "n1"], "the near twin gives way"


# -- durability, processes, threads

WRITER = """
import sys
import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from rag_lifelong import live_index
from rag_lifelong.index import vector_index
from rag_lifelong.llama_index import LifelongVectorStore
from rag_lifelong.store import nodes
from llama_index.core.vector_stores.types import VectorStoreQuery
vector_index.SEAL_AFTER, live_index._TEND_AFTER_S = 8, 0.0  # so that a kill falls into sealing and merging too
store = LifelongVectorStore(sys.argv[1])
rng = np.random.default_rng(int(sys.argv[2]))
print("open", flush=True)
for step in range(100_000):
    name = f"d{step % 40}"
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=name)}
    store.delete(name)
    store.add([TextNode(id_=f"{name}-{i}", text=str(step), embedding=rng.normal(size=8).tolist(), relationships=source) for i in range(5)])
    print(step, flush=True)
    store.query(VectorStoreQuery(query_embedding=rng.normal(size=8).tolist(), similarity_top_k=3))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_killed_process_loses_nothing_it_has_said_and_leaves_nothing_half(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(seed)], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0.1, 1.0))
        os.kill(worker.pid, signal.SIGKILL)
        said = [int(line) for line in worker.stdout.read().split("\n")[:-1] if line.isdecimal()]
        worker.wait()
        assert said
        with LifelongVectorStore(tmp_path / "store") as store:
            texts: dict[str, set[str]] = {}
            for one in store.get_nodes():
                texts.setdefault(one.ref_doc_id or "", set()).add(one.get_content())
                assert one.embedding is None
            assert all(len(found) == 1 for found in texts.values()), "the five nodes of a document are of one step"
            for step in said[-39:-1]:  # the newest may be beyond its deletion, and before its addition
                assert texts[f"d{step % 40}"] == {str(step)}
            all_ids = {one.node_id for one in store.get_nodes()}
            assert set(names(store, asked(np.ones(8), 10_000))) == all_ids, "the index has what the store has"
            assert store.client._database.damage() == ()


def test_another_process_reads_what_was_written_and_writes_what_is_read(tmp_path: Path) -> None:
    code = (
        "import sys, pickle; store = pickle.loads(bytes.fromhex(sys.argv[1])); "
        "print(sorted(n.node_id for n in store.get_nodes())); store.delete('d')"
    )
    with LifelongVectorStore(tmp_path / "store", is_exact=True) as store:
        store.add([node("a", 0, document="d"), node("b", 1)])
        assert pickle.loads(pickle.dumps(store)).is_exact
        done = subprocess.run(
            [sys.executable, "-c", code, pickle.dumps(store).hex()], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "['a', 'b']"
        assert names(store, asked(POOL[0])) == ["b"]


def test_the_event_loop_goes_on_while_the_store_waits(tmp_path: Path) -> None:
    async def add_while_another_writes(store: LifelongVectorStore) -> list[str]:
        other = sqlite3.connect(store.client._database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        adding = asyncio.create_task(store.async_add([node("a", 0, document="d")]))
        await asyncio.sleep(0.05)
        assert not adding.done()
        other.execute("ROLLBACK")  # a loop that waits for the writer's lock would never come here
        other.close()
        await adding
        found = (await store.aquery(asked(POOL[0]))).ids or []
        held = await store.aget_nodes(["a"])
        await store.adelete_nodes(["nobody"])
        await store.adelete("d")
        await store.aclear()
        return [*found, held[0].node_id]

    with LifelongVectorStore(tmp_path / "store") as store:
        assert asyncio.run(add_while_another_writes(store)) == ["a", "a"]
        assert store.get_nodes() == []


# -- inside LlamaIndex

TEXTS = {
    "retries.md": "Three attempts with exponential backoff are made. Then the message goes to the dead-letter queue. "
    * 3,
    "lunch.md": "Lunch is served at noon. The kitchen closes at two. " * 3,
    "rota.md": "The rota changes every Monday. Kim is first. " * 3,
}


def documents(texts: dict[str, str]) -> list[Document]:
    return [Document(id_=name, text=text, metadata={"file": name}) for name, text in texts.items()]


def found_in(store: LifelongVectorStore, question: str, model: WordsEmbedding) -> str:
    result = store.query(asked(np.array(model.get_query_embedding(question)), 1))
    return result.nodes[0].ref_doc_id or "" if result.nodes else ""


@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
def test_the_ingestion_pipeline_edits_deletes_and_adds_again(tmp_path: Path, strategy: DocstoreStrategy) -> None:
    model = WordsEmbedding()
    with LifelongVectorStore(tmp_path / "store") as store:
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=40, chunk_overlap=0), model],
            docstore=SimpleDocumentStore(), docstore_strategy=strategy, vector_store=store,
        )  # fmt: skip
        pipeline.run(documents=documents(TEXTS))
        before = {one.node_id for one in store.get_nodes()}
        assert {one.ref_doc_id for one in store.get_nodes()} == set(TEXTS)
        pipeline.run(documents=documents(TEXTS))
        assert {one.node_id for one in store.get_nodes()} == before, "nothing changed"

        edited = {**TEXTS, "lunch.md": "Lunch is served at one. " * 3}
        pipeline.run(documents=documents(edited))
        texts = [one.get_content() for one in store.get_nodes() if one.ref_doc_id == "lunch.md"]
        assert texts and not any("noon" in text for text in texts), "the old text is gone"
        assert found_in(store, "When is lunch served at one?", model) == "lunch.md"

        left = {name: text for name, text in edited.items() if name != "rota.md"}
        pipeline.run(documents=documents(left))
        gone = strategy == DocstoreStrategy.UPSERTS_AND_DELETE
        assert ("rota.md" in {one.ref_doc_id for one in store.get_nodes()}) is not gone

        pipeline.run(documents=documents(edited))
        held = [one.get_content() for one in store.get_nodes() if one.ref_doc_id == "rota.md"]
        assert " ".join(held).split() == TEXTS["rota.md"].split(), "once, whether it had gone or not"
        assert found_in(store, "Who is first on the rota?", model) == "rota.md"
    with LifelongVectorStore(tmp_path / "store") as store:
        assert {one.ref_doc_id for one in store.get_nodes()} == set(TEXTS), "after another opening too"


def test_the_vector_store_index_inserts_refreshes_and_deletes(tmp_path: Path) -> None:
    model = WordsEmbedding()
    with LifelongVectorStore(tmp_path / "store") as store:
        index = VectorStoreIndex.from_vector_store(store, embed_model=model, transformations=[SentenceSplitter()])
        for document in documents(TEXTS):
            index.insert(document)
        retriever = index.as_retriever(similarity_top_k=1)
        assert retriever.retrieve("When is lunch served?")[0].node.ref_doc_id == "lunch.md"
        edited = {**TEXTS, "lunch.md": "Lunch is served at one."}
        assert index.refresh_ref_docs(documents(edited)) == [False, True, False]
        held = [one.get_content() for one in store.get_nodes() if one.ref_doc_id == "lunch.md"]
        assert held == ["Lunch is served at one."]
        index.delete_ref_doc("lunch.md")
        assert {one.ref_doc_id for one in store.get_nodes()} == {"retries.md", "rota.md"}
        assert asyncio.run(retriever.aretrieve("Who is first on the rota?"))[0].node.ref_doc_id == "rota.md"
        index.delete_nodes([one.node_id for one in store.get_nodes() if one.ref_doc_id == "rota.md"])
        assert {one.ref_doc_id for one in store.get_nodes()} == {"retries.md"}
        index.storage_context.persist(persist_dir=str(tmp_path / "storage"))
    with LifelongVectorStore(tmp_path / "store") as store:
        index = VectorStoreIndex.from_vector_store(store, embed_model=model)
        only = MetadataFilters(filters=[MetadataFilter(key="file", value="retries.md")])
        assert index.as_retriever(filters=only).retrieve("queue")[0].node.ref_doc_id == "retries.md"
        by_words = index.as_retriever(vector_store_query_mode=VectorStoreQueryMode.TEXT_SEARCH)
        assert by_words.retrieve("dead-letter queue")[0].node.ref_doc_id == "retries.md"


def test_from_documents_fills_it(tmp_path: Path) -> None:
    with LifelongVectorStore(tmp_path / "store") as store:
        context = StorageContext.from_defaults(vector_store=store)
        VectorStoreIndex.from_documents(documents(TEXTS), storage_context=context, embed_model=WordsEmbedding())
        kinds: list[BaseNode] = store.get_nodes()
        assert {one.ref_doc_id for one in kinds} == set(TEXTS)
