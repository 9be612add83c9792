"""The vector index: FAISS, a cache of the store.

files.py: how files are written and named; segment.py: vectors that never change; vector_index.py: the whole.
"""

from rag_lifelong.index.segment import Found, Ids, Segment
from rag_lifelong.index.vector_index import SAVE_AFTER, SEAL_AFTER, VectorIndex

__all__ = ["SAVE_AFTER", "SEAL_AFTER", "Found", "Ids", "Segment", "VectorIndex"]
