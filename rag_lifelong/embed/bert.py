"""The forward pass of a BERT encoder in numpy, mean pooled and of unit length.

Rule: texts are packed end to end, so nothing is padded and nothing depends on the neighbours in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.types import Vectors

Floats = NDArray[np.float32]

_BLOCK = 16_384
"""Elements per step of elementwise work: 64 KB, so that the passes over it stay in the L2 cache."""


class Bert:
    """A BERT encoder with absolute positions and exact GELU (Devlin et al. 2018, arXiv 1810.04805)."""

    def __init__(self, tensors: Mapping[str, Floats], *, heads: int, epsilon: float) -> None:
        self._words = tensors["embeddings.word_embeddings.weight"]  # (vocabulary, dim)
        self._places = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"])
        self._heads = heads
        self._epsilon = np.float32(epsilon)
        self.dim = int(self._words.shape[1])
        self._layers: list[_Layer] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in tensors:
            prefix = f"encoder.layer.{len(self._layers)}."
            self._layers.append(_Layer(tensors, prefix=prefix, head_dim=self.dim // heads))

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Token ids, special ones included, to vectors of unit length: shape (n, dim), order kept.

        Texts of equal length that stand together share their attention step: sort by length.
        """
        lengths = [len(ids) for ids in texts]
        ids = np.concatenate([np.asarray(ids, dtype=np.intp) for ids in texts])  # (tokens,)
        places = np.concatenate([np.arange(length) for length in lengths])
        x: Floats = self._words[ids]  # (tokens, dim)
        x += self._places[places]
        self._normalise(x, *self._norm)
        runs = [(length, len(list(run))) for length, run in groupby(lengths)]
        for layer in self._layers:
            context = self._attend(x @ layer.qkv.T + layer.qkv_bias, runs)
            attended: Floats = context @ layer.attended.T
            attended += layer.attended_bias
            attended += x
            self._normalise(attended, *layer.attended_norm)
            inner: Floats = attended @ layer.inner.T  # (tokens, 4 × dim)
            inner += layer.inner_bias
            gelu(inner)
            x = inner @ layer.outer.T
            x += layer.outer_bias
            x += attended
            self._normalise(x, *layer.outer_norm)
        starts = np.cumsum([0, *lengths[:-1]])
        pooled = np.add.reduceat(x, starts, axis=0)  # (n, dim); the mean's divisor cancels below
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled

    def _attend(self, qkv: Floats, runs: Sequence[tuple[int, int]]) -> Floats:
        """qkv: (tokens, 3 × dim). Gives (tokens, dim), the heads side by side."""
        context = np.empty((len(qkv), self.dim), dtype=np.float32)
        start = 0
        for length, count in runs:
            end = start + length * count
            shape = (count, length, 3, self._heads, self.dim // self._heads)
            q, k, v = (
                qkv[start:end].reshape(shape).transpose(2, 0, 3, 1, 4)
            )  # each (count, heads, length, head)
            weights = q @ k.swapaxes(-1, -2)  # (count, heads, length, length)
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            mixed = (weights @ v).transpose(0, 2, 1, 3)  # (count, length, heads, head)
            context[start:end] = mixed.reshape(end - start, self.dim)
            start = end
        return context

    def _normalise(self, x: Floats, weight: Floats, bias: Floats) -> None:
        """Layer normalisation of each row, in place."""
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        x *= (1 / np.sqrt(variance + self._epsilon))[:, None]
        x *= weight
        x += bias


class _Layer:
    """One layer's weights; queries, keys and values in one matrix, the queries scaled beforehand."""

    def __init__(self, tensors: Mapping[str, Floats], *, prefix: str, head_dim: int) -> None:
        scale = np.float32(head_dim**-0.5)
        own = prefix + "attention.self."
        self.qkv = np.concatenate(
            [
                tensors[own + "query.weight"] * scale,
                tensors[own + "key.weight"],
                tensors[own + "value.weight"],
            ]
        )
        self.qkv_bias = np.concatenate(
            [tensors[own + "query.bias"] * scale, tensors[own + "key.bias"], tensors[own + "value.bias"]]
        )
        attended = prefix + "attention.output."
        self.attended = tensors[attended + "dense.weight"]
        self.attended_bias = tensors[attended + "dense.bias"]
        self.attended_norm = (tensors[attended + "LayerNorm.weight"], tensors[attended + "LayerNorm.bias"])
        self.inner = tensors[prefix + "intermediate.dense.weight"]
        self.inner_bias = tensors[prefix + "intermediate.dense.bias"]
        self.outer = tensors[prefix + "output.dense.weight"]
        self.outer_bias = tensors[prefix + "output.dense.bias"]
        self.outer_norm = (
            tensors[prefix + "output.LayerNorm.weight"],
            tensors[prefix + "output.LayerNorm.bias"],
        )


def gelu(x: Floats) -> None:
    """x × Φ(x) in place; x: contiguous. The error of Φ is below 1e-6.

    Φ by erf from Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.26:
    erf(z) = 1 - (a1 t + … + a5 t⁵) exp(-z²) with t = 1 / (1 + p z), z ≥ 0, error ≤ 1.5e-7.
    """
    flat = x.reshape(-1)
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        magnitude = np.abs(block)  # = √2 z
        t = magnitude * np.float32(0.3275911 * 0.5**0.5)
        t += 1
        np.reciprocal(t, out=t)
        tail = t * np.float32(0.5 * 1.061405429)
        for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            tail += np.float32(0.5 * coefficient)
            tail *= t
        magnitude *= magnitude
        magnitude *= np.float32(-0.5)
        np.exp(magnitude, out=magnitude)
        tail *= magnitude  # = Φ(-|x|)
        # x Φ(x) = max(x, 0) - |x| Φ(-|x|)
        np.abs(block, out=magnitude)
        tail *= magnitude
        np.maximum(block, 0, out=block)
        block -= tail
