"""What an embedder is, and the table from a spec to one.

Rule: opening reads what it must to know *which* embedder this is; weights are loaded by the first
text embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rag_lifelong.embed.hash import HashEmbedder
from rag_lifelong.embed.minilm import NAMES, open_minilm
from rag_lifelong.errors import BadSetting
from rag_lifelong.types import Vector, Vectors

DEFAULT = "all-MiniLM-L6-v2"


class Embedder(Protocol):
    """Turns texts into vectors of unit length, whose dot product is their cosine."""

    @property
    def name(self) -> str:
        """As the user named it."""

    @property
    def fingerprint(self) -> str:
        """Equal for runtimes that agree to a cosine of 0.9999 on `PROBE`; stored with every vector set."""

    @property
    def dim(self) -> int:
        """The length of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens the model reads of a text, special tokens included; the rest is ignored."""

    def count_tokens(self, text: str) -> int:
        """The text's tokens, without special ones and without truncation; exact."""

    def unknown_share(self, text: str) -> float:
        """The share of the text's tokens that the model does not know, 0 to 1; 0 for an empty text."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages to vectors: shape (n, dim), in the order of the texts."""

    def embed_query(self, text: str) -> Vector:
        """One question to a vector: shape (dim,); on one thread, without torch where the model allows."""


def open_embedder(spec: str | None = None, *, cache_dir: Path | None) -> Embedder:
    """The embedder a spec names.

    spec: None for the default; "all-MiniLM-L6-v2"; "hash" or "hash:DIM", which needs no weights and
    is meant for tests; else the folder or the name of a sentence-transformers model on this machine.
    cache_dir: where to note that weights were verified; None to note it in this process only.

    Raises EmbedderUnusable if the weights are missing or not the ones named, BadSetting for a
    malformed spec.
    """
    spec = DEFAULT if spec is None else spec
    if spec == "hash" or spec.startswith("hash:"):
        dim = spec.partition(":")[2] or "64"
        if not (dim.isascii() and dim.isdigit() and 1 <= int(dim) <= 65_536):
            raise BadSetting(f"embedder {spec!r}: the dimension must be 1 to 65536, as in 'hash:64'")
        return HashEmbedder(int(dim))
    if spec in NAMES:
        return open_minilm(spec, cache_dir=cache_dir)
    from rag_lifelong.embed.sentence import open_sentence_model

    return open_sentence_model(spec, cache_dir=cache_dir)
