"""The word index: postings of passages, a cache of the store.

segment.py: postings that never change; word_index.py: the whole. Files are handled as those of the vector index.
"""

from rag_lifelong.word_index.segment import Block, Counts, Ids, Segment, counted, of_rows
from rag_lifelong.word_index.word_index import State, Stopped, WordIndex

__all__ = ["Block", "Counts", "Ids", "Segment", "State", "Stopped", "WordIndex", "counted", "of_rows"]
