"""A LlamaIndex embedding model without weights, for tests: our feature hashing behind its interface."""

from __future__ import annotations

from llama_index.core.base.embeddings.base import BaseEmbedding

from rag_lifelong.embed import HashEmbedder


class WordsEmbedding(BaseEmbedding):
    """embedded: the texts it was asked for, in order; questions are not counted."""

    dim: int = 64
    embedded: list[str] = []  # noqa: RUF012  # pydantic copies it for each model

    def _get_text_embedding(self, text: str) -> list[float]:
        self.embedded.append(text)
        return self._get_query_embedding(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(value) for value in HashEmbedder(self.dim).embed_query(query)]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)
