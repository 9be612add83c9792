"""Our vector store for LlamaIndex beside LlamaIndex's own SimpleVectorStore, the same nodes in one run.

    python -m benchmarks.node_store [--nodes 10000] [--rounds 50]

Nodes of 384 dimensions around random topics, ten a document, each with 600 characters of text and four entries of
metadata. `query`: ten nodes by cosine, alone and under a filter that lets every fourth node through; text and metadata
are read with them (SimpleVectorStore keeps no text: its users read that from a document store, which is not counted).
`upsert`: delete a document and add its ten nodes anew; durable: it is on the disk afterwards, for SimpleVectorStore by
`persist`. Medians of the rounds, in milliseconds, and 95th percentiles; each found exactly what the other did.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from rag_lifelong.llama_index import LifelongVectorStore

DIM = 384
PER_DOCUMENT = 10
FILTER = MetadataFilters(filters=[MetadataFilter(key="quarter", value="Q2")])


def document(number: int, topics: np.ndarray, rng: np.random.Generator) -> list[TextNode]:
    words = "queue retry billing owner alert backup version folder index passage question answer".split()
    found = []
    for i in range(PER_DOCUMENT):
        vector = topics[rng.integers(len(topics))] + 0.7 * rng.normal(size=DIM)
        at = number * PER_DOCUMENT + i
        found.append(
            TextNode(
                id_=f"n{at}",
                text=" ".join(rng.choice(words, size=90)),
                embedding=[float(x) for x in vector],
                metadata={"quarter": f"Q{at % 4 + 1}", "author": f"a{at % 97}", "page": i, "file": f"{number}.md"},
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{number}")},
            )
        )
    return found


def timed(rounds: int, work: Callable[[int], object]) -> str:
    taken = []
    for number in range(rounds):
        began = time.perf_counter()
        work(number)
        taken.append((time.perf_counter() - began) * 1_000)
    return f"{statistics.median(taken):9.2f} (p95 {sorted(taken)[int(0.95 * rounds)]:.1f})"


def measure(nodes: int, rounds: int, folder: Path) -> None:
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(nodes // 20, DIM))
    documents = [document(number, topics, rng) for number in range(nodes // PER_DOCUMENT)]
    questions = [
        [float(x) for x in topics[rng.integers(len(topics))] + 0.7 * rng.normal(size=DIM)] for _ in range(rounds)
    ]
    edits = [document(int(rng.integers(len(documents))), topics, rng) for _ in range(rounds)]
    ours, simple = LifelongVectorStore(folder / "ours"), SimpleVectorStore()
    kept: dict[str, BasePydanticVectorStore] = {"ours": ours, "simple": simple}
    rows: dict[str, dict[str, str]] = {}

    def note(row: str, name: str, value: str) -> None:
        rows.setdefault(row, {})[name] = value

    found: dict[str, list[list[str]]] = {"ours": [], "simple": []}
    for name, store in kept.items():
        began = time.perf_counter()
        for batch in documents:
            store.add(batch)
        note("fill, s, ten nodes a call", name, f"{time.perf_counter() - began:9.2f}")

        def ask(
            number: int, filters: MetadataFilters | None, store: BasePydanticVectorStore = store, name: str = name
        ) -> None:
            query = VectorStoreQuery(query_embedding=questions[number], similarity_top_k=10, filters=filters)
            found[name].append(list(store.query(query).ids or []))

        ask(0, None)
        found[name].clear()
        note("query", name, timed(rounds, lambda number, ask=ask: ask(number, None)))  # type: ignore[misc]
        note("query, filtered", name, timed(rounds, lambda number, ask=ask: ask(number, FILTER)))  # type: ignore[misc]

        def upsert(number: int, store: BasePydanticVectorStore = store) -> None:
            store.delete(edits[number][0].ref_doc_id or "")
            store.add(edits[number])

        def durable(number: int, upsert: Callable[[int], None] = upsert) -> None:
            upsert(number)
            simple.persist(str(folder / "simple.json"))

        if name == "ours":
            note("upsert, durable", name, timed(rounds, upsert))
            note("query after an upsert", name, timed(rounds, lambda n, u=upsert, a=ask: (u(n), a(n, None))))  # type: ignore[misc]
        else:
            note("upsert, in memory only", name, timed(rounds, upsert))
            note("upsert, durable", name, timed(min(rounds, 5), durable))
    agree = sum(a == b for a, b in zip(found["ours"][: 2 * rounds], found["simple"][: 2 * rounds], strict=True))
    began = time.perf_counter()
    SimpleVectorStore.from_persist_path(str(folder / "simple.json"))
    note("open, ms", "simple", f"{(time.perf_counter() - began) * 1_000:9.2f}")
    ours.close()
    began = time.perf_counter()
    opened = LifelongVectorStore(folder / "ours")
    opened.query(VectorStoreQuery(query_embedding=questions[0], similarity_top_k=10))
    note("open, ms", "ours", f"{(time.perf_counter() - began) * 1_000:9.2f} with the first query")
    opened.close()
    print(f"{nodes} nodes, {DIM} dimensions, {rounds} rounds; ms: median (p95)")
    print(f"{'':28}{'ours':28}SimpleVectorStore")
    for row, values in rows.items():
        print(f"{row:28}{values.get('ours', ''):28}{values.get('simple', '')}")
    print(f"the same ten, in the same order: {agree} of {2 * rounds} queries")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given.nodes, given.rounds, Path(folder))


if __name__ == "__main__":
    main()
