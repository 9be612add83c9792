"""Any other sentence-transformers model on this machine."""

from __future__ import annotations

from rag_lifelong.embed.hash import HashEmbedder
from rag_lifelong.errors import EmbedderUnusable


def open_sentence_transformer(spec: str) -> HashEmbedder:
    """Raises EmbedderUnusable if there is no such model on this machine."""
    raise EmbedderUnusable(f"no embedder {spec!r}; use 'all-MiniLM-L6-v2' or 'hash'")
