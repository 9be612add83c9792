"""The doors for LlamaIndex users. Importing this loads LlamaIndex; importing `rag_lifelong` does not.

retriever.py, query_engine.py, chat_engine.py: an assistant as LlamaIndex knows it (`assistant.as_retriever()` …);
sources.py: hits and citations as nodes · vector_store.py: caller-made nodes over the incremental index; filters.py.
"""

from rag_lifelong.llama_index.chat_engine import LifelongChatEngine
from rag_lifelong.llama_index.query_engine import LifelongQueryEngine
from rag_lifelong.llama_index.retriever import LifelongRetriever
from rag_lifelong.llama_index.vector_store import LifelongVectorStore

__all__ = ["LifelongChatEngine", "LifelongQueryEngine", "LifelongRetriever", "LifelongVectorStore"]
