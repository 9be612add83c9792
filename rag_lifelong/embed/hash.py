"""An embedder without weights: signed feature hashing of words and their letter trigrams.

Rule: the same text gives the same bits on every platform, since only integers are summed. Similar
wording gives similar vectors; meaning it does not know. For tests, and where no weights may be had.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.types import Vector, Vectors

_TOKEN = re.compile(r"\w+|[^\w\s]")


class HashEmbedder:
    """Feature hashing (Weinberger et al. 2009, arXiv 0902.2206) into `dim` buckets."""

    def __init__(self, dim: int = 64, *, max_tokens: int = 256) -> None:
        if dim < 1 or max_tokens < 3:
            raise ValueError(f"dim must be at least 1 and max_tokens at least 3, not {dim} and {max_tokens}")
        self.name = f"hash:{dim}"
        self.dim = dim
        self.max_tokens = max_tokens
        self.fingerprint = f"hash-1:{dim}:{max_tokens}"

    def count_tokens(self, text: str) -> int:
        """Words and punctuation marks."""
        return sum(1 for _ in _TOKEN.finditer(text))

    def unknown_share(self, text: str) -> float:
        """0: every word has a hash."""
        return 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dim), in the order of the texts."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)  # (n, dim)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str) -> Vector:
        """Shape (dim,); the first axis for a text without words."""
        tokens = _TOKEN.findall(text.lower())[: self.max_tokens - 2]  # as models do that add two special ones
        sums: NDArray[np.float64] = np.zeros(self.dim)  # whole numbers: exact
        if tokens:
            features = [_features(token, self.dim) for token in tokens]
            buckets = np.concatenate([buckets for buckets, _ in features])
            weights = np.concatenate([weights for _, weights in features])
            sums = np.bincount(buckets, weights, minlength=self.dim).astype(np.float64)
        length = math.sqrt(float(sums @ sums))
        if length == 0.0:
            sums[0] = length = 1.0
        return (sums / length).astype(np.float32)


@lru_cache(maxsize=65_536)
def _features(token: str, dim: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The buckets a token falls into and its signed weight in each: the word, and what it is made of.

    Words of more than three letters weigh more, as rare ones are mostly long, and their trigrams let
    "retry" and "retries" meet.
    """
    weighted = [(token, 2 if len(token) <= 3 else 8)]
    if len(token) > 3:
        edged = f"^{token}$"
        weighted += [("#" + edged[at : at + 3], 1) for at in range(len(edged) - 2)]
    buckets, weights = [], []
    for feature, weight in weighted:
        digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        buckets.append((number >> 1) % dim)
        weights.append(weight if number & 1 else -weight)
    return np.array(buckets, dtype=np.intp), np.array(weights, dtype=np.float64)
