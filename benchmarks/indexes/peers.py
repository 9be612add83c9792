"""The peers, each behind the same five calls, as their documentation says to use them.

Rule: nothing here imports `rag_lifelong`; this runs in the peers' own environment. A peer that cannot do something
raises `Cannot` with the reason, and that is what the table shows. Queries use one thread, building uses all cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]
Ids = NDArray[np.int64]

M = 16  # links a node of an HNSW graph
EF_BUILD = 128
EF = 96  # candidates an HNSW search keeps


class Cannot(Exception):
    """The peer has no way to do this."""


class Peer(Protocol):
    """Vectors by id, in a folder."""

    def __init__(self, folder: Path, dim: int) -> None: ...

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        """Makes it, on disk too. vectors: shape (n, dim), possibly memory-mapped: read it a block at a time."""

    def open(self) -> None:
        """From disk, in a process that did not build it."""

    def search(self, vector: Vector, k: int) -> Ids:
        """Ids, best first."""

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        """Only those with a tag below `below`, whose ids are `among`, ascending. Raises Cannot."""

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        """Takes away and adds, durably. Raises Cannot."""


def blocks(ids: Ids, tags: Ids, vectors: Matrix, size: int) -> Iterator[tuple[Ids, Ids, Matrix]]:
    for first in range(0, len(ids), size):
        part = slice(first, first + size)
        yield ids[part], tags[part], np.ascontiguousarray(vectors[part])


def flush(*paths: Path) -> None:
    """To the disk, for those that leave it to the system."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Hnswlib:
    """M 16, ef 128 / 96; the whole file is written at each update."""

    def __init__(self, folder: Path, dim: int) -> None:
        import hnswlib

        self._path = folder / "index.bin"
        self._index = hnswlib.Index(space="ip", dim=dim)

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._index.init_index(len(ids), ef_construction=EF_BUILD, M=M, allow_replace_deleted=True)
        for some, _, block in blocks(ids, tags, vectors, 50_000):
            self._index.add_items(block, some)
        self._save()

    def open(self) -> None:
        self._index.load_index(str(self._path), allow_replace_deleted=True)
        self._index.set_ef(EF)
        self._index.set_num_threads(1)

    def search(self, vector: Vector, k: int) -> Ids:
        found: Ids = self._index.knn_query(vector[None], k=k)[0][0].astype(np.int64)
        return found

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        allowed = set(among.tolist()) if self._allowed[0] is not among else self._allowed[1]
        self._allowed = (among, allowed)
        found = self._index.knn_query(vector[None], k=k, num_threads=1, filter=allowed.__contains__)
        ids: Ids = found[0][0].astype(np.int64)
        return ids

    _allowed: tuple[Ids | None, set[int]] = (None, set())

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for i in gone.tolist():
            self._index.mark_deleted(i)
        self._index.add_items(vectors, ids, replace_deleted=True)
        self._save()

    def _save(self) -> None:
        self._index.save_index(str(self._path))
        flush(self._path)


class Usearch:
    """connectivity 16, expansion 128 / 96, f32; searched through a memory-mapped view, written whole."""

    def __init__(self, folder: Path, dim: int) -> None:
        from usearch.index import Index

        self._path = folder / "index.usearch"
        self._kind = Index
        self._index = Index(
            ndim=dim, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_BUILD, expansion_search=EF
        )
        self._is_view = False

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for some, _, block in blocks(ids, tags, vectors, 50_000):
            self._index.add(some, block)
        self._save()

    def open(self) -> None:
        self._index = self._kind.restore(str(self._path), view=True)
        self._index.expansion_search = EF
        self._is_view = True

    def search(self, vector: Vector, k: int) -> Ids:
        found: Ids = np.asarray(self._index.search(vector, k, threads=1).keys).astype(np.int64)
        return found

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        raise Cannot("the Python binding has no filter")

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        if self._is_view:  # a view cannot be changed
            self._index = self._kind.restore(str(self._path), view=False)
            self._index.expansion_search = EF
            self._is_view = False
        self._index.remove(gone)
        self._index.add(ids, vectors, threads=1)
        self._save()

    def _save(self) -> None:
        self._index.save(str(self._path))
        flush(self._path)


class FaissHnsw:
    """IndexHNSWFlat, M 16, ef 128 / 96; it cannot remove: what is gone is masked; written whole."""

    def __init__(self, folder: Path, dim: int) -> None:
        import faiss

        self._faiss = faiss
        self._folder = folder
        self._index = faiss.IndexHNSWFlat(dim, M, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = EF_BUILD
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._alive = np.empty(0, dtype=bool)
        self._masks: dict[int, tuple[Ids, Any]] = {}

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._faiss.omp_set_num_threads(os.cpu_count() or 1)
        for _, _, block in blocks(ids, tags, vectors, 50_000):
            self._index.add(block)
        self._faiss.omp_set_num_threads(1)
        self._ids, self._alive = ids.copy(), np.ones(len(ids), dtype=bool)
        self._save()

    def open(self) -> None:
        self._faiss.omp_set_num_threads(1)
        self._index = self._faiss.read_index(str(self._folder / "index.faiss"))
        self._ids, self._alive = np.load(self._folder / "ids.npy"), np.load(self._folder / "alive.npy")

    def search(self, vector: Vector, k: int) -> Ids:
        return self._search(vector, k, None if self._alive.all() else self._alive)

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        return self._search(vector, k, self._alive & np.isin(self._ids, among, assume_unique=True))

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._alive[np.isin(self._ids, gone)] = False
        self._index.add(vectors)
        self._ids = np.concatenate([self._ids, ids])
        self._alive = np.concatenate([self._alive, np.ones(len(ids), dtype=bool)])
        self._save()

    def _search(self, vector: Vector, k: int, mask: NDArray[np.bool_] | None) -> Ids:
        parameters = self._faiss.SearchParametersHNSW(efSearch=EF)
        if mask is not None:
            packed = np.packbits(mask, bitorder="little")
            selector = self._faiss.IDSelectorBitmap(len(mask), self._faiss.swig_ptr(packed))
            parameters = self._faiss.SearchParametersHNSW(efSearch=EF, sel=selector)
        found = self._index.search(vector[None], k, params=parameters)[1][0]
        ids: Ids = self._ids[found[found >= 0]]  # FAISS pads with -1
        return ids

    def _save(self) -> None:
        np.save(self._folder / "ids.npy", self._ids)
        np.save(self._folder / "alive.npy", self._alive)
        self._faiss.write_index(self._index, str(self._folder / "index.faiss"))
        flush(*(self._folder / name for name in ("ids.npy", "alive.npy", "index.faiss")))


class Lance:
    """LanceDB without an index, as it is until one asks for one: every vector is compared."""

    def __init__(self, folder: Path, dim: int) -> None:
        import lancedb
        import pyarrow

        self._arrow = pyarrow
        self._database = lancedb.connect(str(folder))
        self._dim = dim

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        batches = (self._batch(*part) for part in blocks(ids, tags, vectors, 20_000))
        self._table = self._database.create_table("vectors", data=batches, schema=self._schema())

    def open(self) -> None:
        self._table = self._database.open_table("vectors")

    def search(self, vector: Vector, k: int) -> Ids:
        return self._ids(self._query(vector), k)

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        return self._ids(self._query(vector).where(f"tag < {below}", prefilter=True), k)

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._table.delete(f"id IN ({','.join(map(str, gone.tolist()))})")
        self._table.add(self._arrow.Table.from_batches([self._batch(ids, tags, vectors)]))

    def _query(self, vector: Vector) -> Any:
        return self._table.search(vector).distance_type("dot")

    def _ids(self, query: Any, k: int) -> Ids:
        ids: Ids = query.select(["id", "_distance"]).limit(k).to_arrow()["id"].to_numpy()
        return ids

    def _schema(self) -> Any:
        kind = self._arrow.list_(self._arrow.float32(), self._dim)
        return self._arrow.schema([("id", self._arrow.int64()), ("tag", self._arrow.int64()), ("vector", kind)])

    def _batch(self, ids: Ids, tags: Ids, vectors: Matrix) -> Any:
        column = self._arrow.FixedSizeListArray.from_arrays(self._arrow.array(vectors.ravel()), self._dim)
        columns = [self._arrow.array(ids), self._arrow.array(tags), column]
        return self._arrow.RecordBatch.from_arrays(columns, schema=self._schema())


class LanceIndexed(Lance):
    """LanceDB with IVF_HNSW_SQ, its suggested index, 20 probes, refined 4 times; new rows are compared one by one."""

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        super().build(ids, tags, vectors)
        self._table.create_index("vector", config=_lance_index())
        self._table.create_scalar_index("tag")

    def _query(self, vector: Vector) -> Any:
        return super()._query(vector).nprobes(20).refine_factor(4)


def _lance_index() -> Any:
    from lancedb.index import HnswSq

    return HnswSq(distance_type="dot")


class Chroma:
    """A persistent client, space ip, its other values as they come."""

    def __init__(self, folder: Path, dim: int) -> None:
        import chromadb
        from chromadb.config import Settings

        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._collection = self._client.create_collection(
            "vectors", metadata={"hnsw:space": "ip"}, embedding_function=None
        )
        for part in blocks(ids, tags, vectors, 5_000):
            self._add(*part)

    def open(self) -> None:
        self._collection = self._client.get_collection("vectors", embedding_function=None)

    def search(self, vector: Vector, k: int) -> Ids:
        return self._search(vector, k, None)

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        return self._search(vector, k, {"tag": {"$lt": below}})

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for first in range(0, len(gone), 5_000):
            self._collection.delete(ids=[str(i) for i in gone[first : first + 5_000]])
        for part in blocks(ids, tags, vectors, 5_000):
            self._add(*part)

    def _search(self, vector: Vector, k: int, where: Any) -> Ids:
        found = self._collection.query(query_embeddings=vector[None], n_results=k, where=where, include=[])
        return np.array([int(i) for i in found["ids"][0]], dtype=np.int64)

    def _add(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        names, kept = [str(i) for i in ids], [{"tag": tag} for tag in tags.tolist()]
        self._collection.add(ids=names, embeddings=vectors, metadatas=kept)


class SqliteVec:
    """A vec0 table with the tag as a metadata column; every vector is compared."""

    def __init__(self, folder: Path, dim: int) -> None:
        import sqlite_vec

        self._database = _sqlite().connect(str(folder / "vectors.db"))
        self._database.enable_load_extension(True)
        sqlite_vec.load(self._database)
        self._dim = dim

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            f"CREATE VIRTUAL TABLE v USING vec0(id INTEGER PRIMARY KEY, tag INTEGER, e FLOAT[{self._dim}] distance_metric=cosine)"
        )
        for part in blocks(ids, tags, vectors, 10_000):
            self._add(*part)
            self._database.commit()

    def open(self) -> None:
        self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def search(self, vector: Vector, k: int) -> Ids:
        return self._ids("SELECT id FROM v WHERE e MATCH ? AND k = ? ORDER BY distance", (vector.tobytes(), k))

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        query = "SELECT id FROM v WHERE e MATCH ? AND k = ? AND tag < ? ORDER BY distance"
        return self._ids(query, (vector.tobytes(), k, below))

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        with self._database:
            self._database.executemany("DELETE FROM v WHERE id = ?", [(i,) for i in gone.tolist()])
            self._add(ids, tags, vectors)

    def _ids(self, query: str, values: tuple[object, ...]) -> Ids:
        return np.array([row[0] for row in self._database.execute(query, values)], dtype=np.int64)

    def _add(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        rows = zip(ids.tolist(), tags.tolist(), (row.tobytes() for row in vectors), strict=True)
        self._database.executemany("INSERT INTO v (id, tag, e) VALUES (?, ?, ?)", rows)


def _sqlite() -> Any:
    """Python's own, or one that can load extensions."""
    import sqlite3

    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return sqlite3
    import pysqlite3

    return pysqlite3


class LlamaIndex:
    """LlamaIndex's FaissVectorStore over IndexFlatIP; ids are rows."""

    def __init__(self, folder: Path, dim: int) -> None:
        import faiss
        from llama_index.vector_stores.faiss import FaissVectorStore

        faiss.omp_set_num_threads(1)
        self._path = folder / "default__vector_store.json"
        self._kind: Any = FaissVectorStore
        self._store: Any = self._empty(faiss, dim)

    def _empty(self, faiss: Any, dim: int) -> Any:
        return self._kind(faiss_index=faiss.IndexFlatIP(dim))

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for part in blocks(ids, tags, vectors, 5_000):
            self._add(*part)
        self._save()

    def open(self) -> None:
        self._store = self._kind.from_persist_path(str(self._path))

    def search(self, vector: Vector, k: int) -> Ids:
        return self._names(vector, k) + 1  # rows begin at 0

    def _names(self, vector: Vector, k: int) -> Ids:
        from llama_index.core.vector_stores.types import VectorStoreQuery

        found = self._store.query(VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k))
        return np.array([int(i) for i in found.ids], dtype=np.int64)

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        raise Cannot("filters raise ValueError")

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        raise Cannot("delete raises NotImplementedError")

    def _add(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        from llama_index.core.schema import TextNode

        self._store.add(
            [TextNode(id_=str(i), text="", embedding=row.tolist()) for i, row in zip(ids, vectors, strict=True)]
        )

    def _save(self) -> None:
        self._store.persist(str(self._path))
        flush(*(path for path in self._path.parent.iterdir() if path.is_file()))


class LlamaIndexMap(LlamaIndex):
    """LlamaIndex's FaissMapVectorStore over IndexIDMap2(IndexFlatIP); two files are written whole, in place.

    It numbers what is added by how many there are: after a delete that is the id of another one.
    """

    def _empty(self, faiss: Any, dim: int) -> Any:
        from llama_index.vector_stores.faiss import FaissMapVectorStore

        self._kind = FaissMapVectorStore
        return self._kind(faiss_index=faiss.IndexIDMap2(faiss.IndexFlatIP(dim)))

    def search(self, vector: Vector, k: int) -> Ids:
        return self._names(vector, k)

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._store.delete_nodes([str(i) for i in gone])
        self._add(ids, tags, vectors)
        self._save()


class LangChain:
    """LangChain's FAISS over IndexFlatIP; index and pickle are written whole; filters look at what was found before."""

    def __init__(self, folder: Path, dim: int) -> None:
        import faiss
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS
        from langchain_community.vectorstores.utils import DistanceStrategy

        faiss.omp_set_num_threads(1)
        self._folder = folder
        self._kind = FAISS
        self._strategy = DistanceStrategy.MAX_INNER_PRODUCT
        self._store = FAISS(_no_text, faiss.IndexFlatIP(dim), InMemoryDocstore(), {}, distance_strategy=self._strategy)

    def build(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        for part in blocks(ids, tags, vectors, 5_000):
            self._add(*part)
        self._save()

    def open(self) -> None:
        self._store = self._kind.load_local(
            str(self._folder), _no_text, allow_dangerous_deserialization=True, distance_strategy=self._strategy
        )

    def search(self, vector: Vector, k: int) -> Ids:
        return self._ids(self._store.similarity_search_by_vector(vector.tolist(), k))

    def search_where(self, vector: Vector, k: int, *, below: int, among: Ids) -> Ids:
        # it filters the best `fetch_k`: three times what is needed on average
        fetch = min(3 * k * 100 // below, len(self._store.index_to_docstore_id))
        found = self._store.similarity_search_by_vector(
            vector.tolist(), k, filter=lambda metadata: metadata["tag"] < below, fetch_k=fetch
        )
        return self._ids(found)

    def replace(self, gone: Ids, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        self._store.delete([str(i) for i in gone])
        self._add(ids, tags, vectors)
        self._save()

    def _ids(self, found: Any) -> Ids:
        return np.array([int(document.id) for document in found], dtype=np.int64)

    def _add(self, ids: Ids, tags: Ids, vectors: Matrix) -> None:
        kept = [{"tag": tag} for tag in tags.tolist()]
        self._store.add_embeddings([("", row.tolist()) for row in vectors], kept, [str(i) for i in ids])

    def _save(self) -> None:
        self._store.save_local(str(self._folder))
        flush(*(path for path in self._folder.iterdir() if path.is_file()))


def _no_text(text: str) -> list[float]:
    raise ValueError("vectors are given, texts are not embedded")


PEERS: dict[str, type[Peer]] = {
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "FAISS HNSW": FaissHnsw,
    "LanceDB": LanceIndexed,
    "LanceDB flat": Lance,
    "Chroma": Chroma,
    "sqlite-vec": SqliteVec,
    "LlamaIndex FAISS": LlamaIndex,
    "LlamaIndex FAISS map": LlamaIndexMap,
    "LangChain FAISS": LangChain,
}
DISTRIBUTIONS = {  # what each is installed as
    "hnswlib": "hnswlib",
    "usearch": "usearch",
    "FAISS HNSW": "faiss-cpu",
    "LanceDB": "lancedb",
    "LanceDB flat": "lancedb",
    "Chroma": "chromadb",
    "sqlite-vec": "sqlite-vec",
    "LlamaIndex FAISS": "llama-index-vector-stores-faiss",
    "LlamaIndex FAISS map": "llama-index-vector-stores-faiss",
    "LangChain FAISS": "langchain-community",
}
