"""The forward pass of a BERT encoder in numpy: a state for each token, or their mean of unit length.

Rule: texts are packed end to end, so nothing is padded, and beyond rounding no vector depends on its
neighbours in the batch. Measured as fast as torch in single precision, and nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.types import Vectors

Floats = NDArray[np.float32]

_BLOCK = 65_536
"""Elements per step of elementwise work: three blocks of 256 KB stay in a core's L2 cache, and numpy's
cost per call vanishes. Measured: 16,384 took 1.2 times as long."""


class Bert:
    """A BERT encoder with absolute positions and exact GELU (Devlin et al. 2018, arXiv 1810.04805)."""

    def __init__(self, tensors: Mapping[str, Floats], *, heads: int, epsilon: float) -> None:
        self._words = tensors["embeddings.word_embeddings.weight"]  # (vocabulary, dim)
        first, second = tensors["embeddings.token_type_embeddings.weight"]
        self._places = tensors["embeddings.position_embeddings.weight"] + first
        self._second = second - first  # (dim,); added where a token is of the second text of a pair
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

        Memory: about 20 KB per token of all the texts together.
        """
        lengths = [len(ids) for ids in texts]
        x = self.states(texts, seconds=())
        starts = np.cumsum([0, *lengths[:-1]])
        pooled = np.add.reduceat(x, starts, axis=0)  # (n, dim); the mean's divisor cancels in the next line
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled

    def states(self, texts: Sequence[Sequence[int]], *, seconds: Sequence[tuple[int, int]]) -> Floats:
        """A state for each token of all texts, end to end: shape (tokens, dim).

        seconds: (start, end) of the second of a pair in each text; empty if there are no pairs. Memory as of `embed`.
        """
        lengths = [len(ids) for ids in texts]
        ids = np.concatenate([np.asarray(ids, dtype=np.intp) for ids in texts])  # (tokens,)
        x: Floats = self._words[ids]  # (tokens, dim)
        x += self._places[np.concatenate([np.arange(length) for length in lengths])]
        at = 0
        for length, (start, end) in zip(lengths, seconds, strict=bool(seconds)):
            x[at + start : at + end] += self._second
            at += length
        self._normalise(x, *self._norm)
        for layer in self._layers:
            qkv = x @ layer.qkv  # (tokens, 3 × dim)
            qkv += layer.qkv_bias
            attended: Floats = self._attend(qkv, lengths) @ layer.attended
            attended += layer.attended_bias
            attended += x
            self._normalise(attended, *layer.attended_norm)
            inner: Floats = attended @ layer.inner  # (tokens, 4 × dim)
            inner += layer.inner_bias
            gelu(inner)
            x = inner @ layer.outer
            x += layer.outer_bias
            x += attended
            self._normalise(x, *layer.outer_norm)
        return x

    def _attend(self, qkv: Floats, lengths: Sequence[int]) -> Floats:
        """qkv: (tokens, 3 × dim). Gives (tokens, dim), the heads side by side."""
        context = np.empty((len(qkv), self.dim), dtype=np.float32)
        head_dim = self.dim // self._heads
        scratch = np.empty(self._heads * max(lengths) ** 2, dtype=np.float32)  # fresh pages cost as much as exp
        ones = np.ones((max(lengths), 1), dtype=np.float32)
        start = 0
        for length in lengths:
            end = start + length
            q, k, v = qkv[start:end].reshape(length, 3, self._heads, head_dim).transpose(1, 2, 0, 3)
            weights = scratch[: self._heads * length**2].reshape(self._heads, length, length)
            np.matmul(q, k.swapaxes(-1, -2), out=weights)
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            mixed = weights @ v  # (heads, length, head_dim)
            mixed /= weights @ ones[:length]  # the softmax's divisor, applied where there is less to divide
            context[start:end] = mixed.transpose(1, 0, 2).reshape(length, self.dim)
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
    """One layer's matrices, each (in, out) and copied so: twice as fast for a short text as a view turned.

    Queries, keys and values are one matrix, the queries scaled beforehand.
    """

    def __init__(self, tensors: Mapping[str, Floats], *, prefix: str, head_dim: int) -> None:
        own = prefix + "attention.self."
        attended = prefix + "attention.output."
        inner = prefix + "intermediate.dense."
        outer = prefix + "output."
        scale = np.float32(head_dim**-0.5)
        scaled = {"query": scale, "key": np.float32(1), "value": np.float32(1)}
        self.qkv = np.concatenate([tensors[f"{own}{n}.weight"].T * by for n, by in scaled.items()], axis=1)
        self.qkv_bias = np.concatenate([tensors[f"{own}{n}.bias"] * by for n, by in scaled.items()])
        self.attended = np.ascontiguousarray(tensors[attended + "dense.weight"].T)
        self.attended_bias = tensors[attended + "dense.bias"]
        self.attended_norm = (tensors[attended + "LayerNorm.weight"], tensors[attended + "LayerNorm.bias"])
        self.inner = np.ascontiguousarray(tensors[inner + "weight"].T)
        self.inner_bias = tensors[inner + "bias"]
        self.outer = np.ascontiguousarray(tensors[outer + "dense.weight"].T)
        self.outer_bias = tensors[outer + "dense.bias"]
        self.outer_norm = (tensors[outer + "LayerNorm.weight"], tensors[outer + "LayerNorm.bias"])


def gelu(x: Floats) -> None:
    """x × Φ(x) in place, to within 1e-6; x must be contiguous.

    Φ by erf from Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.26:
    erf(z) = 1 - (a1 t + … + a5 t⁵) exp(-z²) with t = 1 / (1 + p z) for z ≥ 0, error ≤ 1.5e-7.
    """
    flat = x.reshape(-1)
    size = min(_BLOCK, len(flat))
    magnitude, t, tail = (np.empty(size, dtype=np.float32) for _ in range(3))
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        if len(block) < len(t):
            magnitude, t, tail = magnitude[: len(block)], t[: len(block)], tail[: len(block)]
        np.abs(block, out=magnitude)  # = √2 z
        np.multiply(magnitude, _P, out=t)
        t += _ONE
        np.reciprocal(t, out=t)
        np.multiply(t, _A[0], out=tail)
        for coefficient in _A[1:]:
            tail += coefficient
            tail *= t
        tail *= magnitude
        np.multiply(magnitude, magnitude, out=t)
        t *= -_HALF
        np.exp(t, out=t)
        tail *= t  # = |x| Φ(-|x|)
        block += magnitude
        block *= _HALF  # = max(x, 0)
        block -= tail


_ONE, _HALF = np.float32(1), np.float32(0.5)  # numpy computes in float32 only if the scalars are, too
_P = np.float32(0.3275911 * 0.5**0.5)
_A = [np.float32(0.5 * a) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)]
