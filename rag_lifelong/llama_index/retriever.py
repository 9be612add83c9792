"""The assistant's search as a LlamaIndex retriever.

Rule: what it finds is what `assistant.search` finds, in that order and with those scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_lifelong.llama_index.sources import node_of
from rag_lifelong.retriever import Dates
from rag_lifelong.when import AsOf

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant


class LifelongRetriever(BaseRetriever):
    """Passages of a knowledge base, best first, for several threads and tasks; the assistant stays open meanwhile."""

    def __init__(
        self,
        assistant: Assistant,
        *,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> None:
        """Arguments as `Assistant.search`; a span such as "3 weeks ago" counts from each question."""
        super().__init__()
        self._base = assistant.knowledge_base
        self._k = assistant.config.k if k is None else k
        self._as_of = as_of
        self._within = tuple(within)
        self._dated = dated

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._base.search(
            query_bundle.query_str, self._k, as_of=self._as_of, within=self._within, dated=self._dated
        )
        return [node_of(self._base, hit) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)
