"""Texts → vectors of unit length. The default, all-MiniLM-L6-v2, needs no network.

Rule: one text has one vector, whatever stood beside it in the batch, and whichever runtime computed it: to a cosine of
0.9999 (`probe`). `Embedder.fingerprint` names that agreement and is stored with every vector set.
"""

from rag_lifelong.embed.embedder import DEFAULT, Embedder, open_embedder
from rag_lifelong.embed.hash import HashEmbedder
from rag_lifelong.embed.probe import PROBE

__all__ = ["DEFAULT", "PROBE", "Embedder", "HashEmbedder", "open_embedder"]
