"""The doors for LlamaIndex users. Importing this loads LlamaIndex; importing `rag_lifelong` does not.

vector_store.py: caller-made nodes over the incremental index; filters.py: LlamaIndex's metadata filters.
"""

from rag_lifelong.llama_index.vector_store import LifelongVectorStore

__all__ = ["LifelongVectorStore"]
