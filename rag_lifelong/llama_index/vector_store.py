"""A LlamaIndex vector store over the incremental index: nodes and embeddings that the caller has made.

Rule: what a call has written is on the disk when it returns, all of it or nothing. A node's id is the caller's and
stays; adding it again replaces it. Not a part of a knowledge base: it has a folder of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.live_nodes import LiveNodes
from rag_lifelong.llama_index.filters import condition_of
from rag_lifelong.retrieve import fuse
from rag_lifelong.store import nodes as kept
from rag_lifelong.store.nodes import Condition
from rag_lifelong.terms import terms
from rag_lifelong.types import Vector

_KINDS: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, Node, ImageNode, IndexNode, Document, ImageDocument)
}
_PREFETCH = 4  # of what MMR and the hybrid mode are to choose from, times k
_ALPHA = 0.5  # of the hybrid mode: half of it meaning, half words
_BY_WORDS = (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE)
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.MMR, *_BY_WORDS)

Found = list[tuple[int, float]]  # ids and scores, best first


class LifelongVectorStore(BasePydanticVectorStore):
    """Keeps nodes with their text, metadata and embeddings in `folder`; close it, or leave it to the process's end.

    folder: its own, made where needed. is_exact: compare with every embedding; else a store of over 4,096 finds its
    candidates by codes (recall@10 0.999 at 100,000), and compares those exactly. Any number of processes may read and
    write at once. Raises KnowledgeBaseUnusable where the folder holds something else.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    folder: str
    is_exact: bool = False

    _live: LiveNodes = PrivateAttr()

    def __init__(self, folder: str | Path, *, is_exact: bool = False, create: bool = True, **_: Any) -> None:
        super().__init__(folder=str(folder), is_exact=is_exact)  # type: ignore[call-arg]  # stores_text has its default
        self._live = LiveNodes(Path(folder), create=create, is_exact=is_exact, now=utc_now)

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex calls it in files."""
        return "LifelongVectorStore"

    def __reduce__(self) -> tuple[Callable[[str], LifelongVectorStore], tuple[str]]:
        """Another process opens the same folder."""
        return partial(type(self), is_exact=self.is_exact), (self.folder,)

    @property
    def client(self) -> LiveNodes:
        """What it is made of; no public interface."""
        return self._live

    def close(self) -> None:
        """Lets go of the files; nothing is lost without it."""
        self._live.close()

    def __enter__(self) -> LifelongVectorStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- changing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Keeps nodes that have embeddings, each instead of the one with its id; in one transaction. Their ids.

        Raises ValueError for a node without an embedding, or with one that is no vector of numbers; EmbedderMismatch
        for one of another length than those that are there.
        """
        self._live.write([_as_kept(node) for node in nodes])
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """As `add`."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document; of an unknown one, none."""
        self._live.delete(kept.of_documents([ref_doc_id]))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """As `delete`."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Deletes the nodes with these ids that the filters let through. Raises ValueError if neither is given."""
        condition = _both(node_ids, filters)
        if condition is None:
            raise ValueError("delete_nodes() needs node_ids or filters; clear() deletes all nodes")
        self._live.delete(condition)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """As `delete_nodes`."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Deletes all nodes; embeddings of another model may follow."""
        self._live.clear()

    async def aclear(self) -> None:
        """As `clear`."""
        await asyncio.to_thread(self.clear)

    def persist(self, persist_path: str = "", fs: object = None) -> None:
        """Writes the index's files, so that the next opening is quick. All nodes are on the disk without it.

        persist_path, fs: of LlamaIndex's interface; nothing is written there.
        """
        self._live.save()

    # -- reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids, in their order, or all, oldest first; those that the filters let through."""
        condition = _both(node_ids, filters) or Condition("1", ())
        with self._live.reading() as connection:
            found = kept.read(connection, kept.matching(connection, condition))
        if node_ids is None:
            return [_node(kind, content) for _, kind, content in found.values()]
        by_name = {name: (kind, content) for name, kind, content in found.values()}
        return [_node(*by_name[name]) for name in dict.fromkeys(node_ids) if name in by_name]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """As `get_nodes`."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The best `similarity_top_k` nodes; of equal ones the one added first.

        Modes: DEFAULT, by cosine; MMR (`mmr_threshold`); TEXT_SEARCH and SPARSE, by BM25; HYBRID, `alpha` · cosine +
        (1 - alpha) · BM25, each scaled to [0, 1] among the candidates. Raises ValueError for another mode, or where the
        mode's embedding or text is missing; EmbedderMismatch.
        """
        if query.mode not in _MODES:
            known = ", ".join(mode.value for mode in _MODES)
            raise ValueError(f"query mode {query.mode.value!r} is not supported; there are {known}")
        own = _both(query.node_ids or None, query.filters)  # an index over a store with text asks with an empty list
        condition = kept.all_of(
            [
                *([kept.of_documents(query.doc_ids)] if query.doc_ids else []),
                *([] if own is None else [own]),
            ]
        )
        with self._live.reading() as connection:
            best = self._best(connection, query, condition, kwargs)
            found = kept.read(connection, [node_id for node_id, _ in best])
        shown = [(found[i], score) for i, score in best]
        return VectorStoreQueryResult(
            nodes=[_node(kind, content) for (_, kind, content), _ in shown],
            similarities=[score for _, score in shown],
            ids=[name for (name, _, _), _ in shown],
        )

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """As `query`."""
        return await asyncio.to_thread(self.query, query, **kwargs)

    # -- inside

    def _best(
        self, connection: Any, query: VectorStoreQuery, condition: Condition | None, given: dict[str, Any]
    ) -> Found:
        k = query.similarity_top_k
        if query.mode == VectorStoreQueryMode.DEFAULT:
            return self._live.nearest(connection, _asked(query), k, condition)
        if query.mode == VectorStoreQueryMode.MMR:
            return self._diverse(connection, query, condition, given.get("mmr_threshold", query.mmr_threshold))
        if query.query_str is None:
            raise ValueError(f"query mode {query.mode.value!r} needs query_str")
        if query.mode in _BY_WORDS:
            return self._live.by_words(connection, query.query_str, query.sparse_top_k or k, condition)
        embedding = _asked(query)
        near = self._live.nearest(connection, embedding, _PREFETCH * k, condition)
        worded = self._live.by_words(connection, query.query_str, query.sparse_top_k or _PREFETCH * k, condition)
        either = np.array(sorted({i for i, _ in (*near, *worded)}), dtype=np.int64)
        cosines = self._live.cosines(connection, embedding, either)
        alpha = _ALPHA if query.alpha is None else query.alpha
        fused = fuse(dict(cosines), dict(worded), dense_weight=alpha)
        order = sorted(fused, key=lambda i: (-fused[i].fused, i))
        return [(i, fused[i].fused) for i in order[: query.hybrid_top_k or k]]

    def _diverse(
        self, connection: Any, query: VectorStoreQuery, condition: Condition | None, threshold: float | None
    ) -> Found:
        near = self._live.nearest(connection, _asked(query), _PREFETCH * query.similarity_top_k, condition)
        ids, embeddings = kept.embeddings(connection, [i for i, _ in near])
        scores, chosen = get_top_k_mmr_embeddings(
            query_embedding=_asked(query).tolist(),
            embeddings=embeddings.tolist(),
            similarity_top_k=query.similarity_top_k,
            embedding_ids=ids.tolist(),
            mmr_threshold=threshold,
        )
        return [(int(i), float(score)) for i, score in zip(chosen, scores, strict=True)]


def _both(node_ids: list[str] | None, filters: MetadataFilters | None) -> Condition | None:
    by_filter = condition_of(filters)
    return kept.all_of(
        [
            *([] if node_ids is None else [kept.named(node_ids)]),
            *([] if by_filter is None else [by_filter]),
        ]
    )


def _asked(query: VectorStoreQuery) -> Vector:
    if query.query_embedding is None:
        raise ValueError(f"query mode {query.mode.value!r} needs query_embedding")
    return _vector(query.query_embedding, "the question's embedding")


def _vector(values: Sequence[float], whose: str) -> Vector:
    vector = np.asarray(values, dtype=np.float32)
    if vector.ndim != 1 or not len(vector) or not np.all(np.isfinite(vector)):
        raise ValueError(f"{whose} is no vector of finite numbers")
    return vector


def _as_kept(node: BaseNode) -> kept.Node:
    if node.embedding is None:
        raise ValueError(f"node {node.node_id!r} has no embedding; embed it before it is added")
    metadata = node_to_metadata_dict(node)
    content, kind = str(metadata.pop("_node_content")), str(metadata.pop("_node_type"))
    return kept.Node(
        name=node.node_id,
        ref_doc_id=node.ref_doc_id,
        kind=kind,
        content=content,
        metadata=json.dumps(metadata, ensure_ascii=False),
        terms=" ".join(terms(node.get_content(MetadataMode.NONE))),
        embedding=_vector(node.embedding, f"the embedding of node {node.node_id!r}"),
    )


def _node(kind: str, content: str) -> BaseNode:
    """Of a class that LlamaIndex does not know by that name, what a text node holds of it."""
    return _KINDS.get(kind, TextNode).from_json(content)
