"""The assistant's answers as a LlamaIndex query engine.

Rule: what it answers is what `assistant.ask` answers; a refusal is told by `metadata["refused"]`, and what is cited are
the response's source nodes, each the exact span.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_lifelong.llama_index.pieces import awaited
from rag_lifelong.llama_index.retriever import LifelongRetriever
from rag_lifelong.llama_index.sources import metadata_of, sources_of
from rag_lifelong.retriever import Dates
from rag_lifelong.when import AsOf

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant


@dataclass(slots=True)
class _Told:
    """An answer, once its pieces have ended."""

    text: str = ""
    nodes: list[NodeWithScore] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


class LifelongQueryEngine(BaseQueryEngine):
    """Answers with citations, for several threads and tasks; the assistant stays open meanwhile.

    Its language model, if any, is the assistant's.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
        streaming: bool = False,
    ) -> None:
        """streaming: `query` gives a StreamingResponse, and `aquery` an AsyncStreamingResponse, whose source nodes and
        metadata are there once the text has ended. Other arguments as `Assistant.ask`."""
        super().__init__(None)
        self._assistant = assistant
        self._k, self._as_of, self._within, self._dated = k, as_of, tuple(within), dated
        self._streaming = streaming

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The passages that a retriever with the same arguments finds."""
        retriever = LifelongRetriever(
            self._assistant, k=self._k, as_of=self._as_of, within=self._within, dated=self._dated
        )
        return retriever.retrieve(query_bundle)

    def _query(self, query_bundle: QueryBundle) -> Response | StreamingResponse:
        told = _Told()
        pieces = self._pieces(query_bundle, told)
        if self._streaming:
            return StreamingResponse(pieces, told.nodes, told.metadata)
        return _whole(pieces, told)

    async def _aquery(self, query_bundle: QueryBundle) -> Response | AsyncStreamingResponse:
        told = _Told()
        pieces = self._pieces(query_bundle, told)
        if self._streaming:
            return AsyncStreamingResponse(awaited(pieces), told.nodes, told.metadata)
        return await asyncio.to_thread(_whole, pieces, told)

    def _pieces(self, query_bundle: QueryBundle, told: _Told) -> Generator[str, None, None]:
        """The text as it comes; then `told` is filled."""
        asking = copy(self._assistant)  # with a last answer and last hits of its own, since others may be asking too
        yield from asking.stream(
            query_bundle.query_str, k=self._k, as_of=self._as_of, within=self._within, dated=self._dated
        )
        found = asking.last_answer
        assert found is not None  # stream() sets it when it ends
        told.text = found.text
        told.nodes.extend(sources_of(asking.knowledge_base, found, asking.last_hits))
        told.metadata.update(metadata_of(found))


def _whole(pieces: Generator[str, None, None], told: _Told) -> Response:
    for _ in pieces:
        pass
    return Response(told.text, told.nodes, told.metadata)
