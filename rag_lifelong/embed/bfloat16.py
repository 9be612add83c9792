"""The forward pass of `bert` once more, its matrix products in bfloat16 by torch: for many texts, if the CPU can.

Rule: it stands in for the numpy one only where it was seen, in this process, to agree with it as a shared fingerprint
demands; where torch or the instructions are missing there is none, and numpy goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_lifelong.embed.bert import Bert, Floats
from rag_lifelong.embed.probe import AGREEMENT
from rag_lifelong.embed.threads import before_torch
from rag_lifelong.types import Vectors

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

_ROWS, _LENGTHS = 64, 16
"""What the rows of a batch and the tokens of a text are filled up to: oneDNN keeps 3 MB of code for each number of rows
and 1 MB for each length that it meets. Measured without: 370 MB more after 60 batches, and growing; with: 40 MB."""
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
"""Flags of Linux on x86-64. Without them torch computes bfloat16 slower than single precision."""


class Bfloat16Bert:
    """A BERT encoder whose weights and matrix products are bfloat16; sums, normalisation and softmax are float32.

    Rule: as in `Bert`, texts are packed end to end. No bit of a vector depends on its neighbours in the batch.
    """

    def __init__(self, tensors: Mapping[str, Floats], *, heads: int, epsilon: float) -> None:
        """Raises AttributeError, RuntimeError or NotImplementedError if this torch has no such products."""
        self._words = tensors["embeddings.word_embeddings.weight"]  # (vocabulary, dim)
        self._places = (
            tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(tensors, "embeddings.LayerNorm")
        self._heads = heads
        self._epsilon = epsilon
        self._layers: list[_Layer] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in tensors:
            prefix = f"encoder.layer.{len(self._layers)}."
            self._layers.append(_Layer(tensors, prefix=prefix, head_dim=self._words.shape[1] // heads))

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Token ids, special ones included, to vectors of unit length: shape (n, dim), order kept. On this thread's
        number of torch threads.

        Memory: about 20 KB per token of all the texts together.
        """
        import torch
        from torch.nn.functional import layer_norm

        lengths = [len(ids) for ids in texts]
        tokens = sum(lengths)
        packed = np.zeros((_rounded(tokens, _ROWS), self._words.shape[1]), dtype=np.float32)  # (rows, dim)
        packed[:tokens] = self._words[np.concatenate([np.asarray(ids, dtype=np.intp) for ids in texts])]
        packed[:tokens] += self._places[np.concatenate([np.arange(length) for length in lengths])]
        dim = (packed.shape[1],)
        with torch.inference_mode():
            x = layer_norm(torch.from_numpy(packed), dim, *self._norm, self._epsilon)
            for layer in self._layers:
                qkv = _linear(x.bfloat16(), layer.qkv)  # (rows, 3 × dim)
                attended = _linear(self._attend(qkv, lengths), layer.attended)
                x = layer_norm(x + attended, dim, *layer.attended_norm, self._epsilon)
                inner = _linear(x.bfloat16(), layer.inner, then="gelu")  # (rows, 4 × dim)
                x = layer_norm(x + _linear(inner, layer.outer), dim, *layer.outer_norm, self._epsilon)
        states: Floats = x[:tokens].numpy()
        pooled = np.add.reduceat(states, np.cumsum([0, *lengths[:-1]]), axis=0)  # (n, dim)
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled

    def _attend(self, qkv: Tensor, lengths: Sequence[int]) -> Tensor:
        """qkv: (rows, 3 × dim). Gives (rows, dim), the heads side by side."""
        import torch

        heads, dim = self._heads, qkv.shape[1] // 3
        context = torch.zeros((len(qkv), heads, dim // heads), dtype=torch.bfloat16)
        widest = _rounded(max(lengths), _LENGTHS)
        parts_of = torch.empty(
            3 * widest * dim, dtype=torch.bfloat16
        )  # scratch: fresh pages cost as much as the softmax
        scores_of = torch.empty(heads * widest**2, dtype=torch.bfloat16)
        weights_of = torch.empty(heads * widest**2)
        start = 0
        for length in lengths:
            end, width = start + length, _rounded(length, _LENGTHS)
            parts = parts_of[: 3 * width * dim].view(3, heads, width, dim // heads)
            parts[:, :, :length] = qkv[start:end].view(length, 3, heads, dim // heads).permute(1, 2, 0, 3)
            parts[:, :, length:] = 0
            q, k, v = parts
            scores = scores_of[: heads * width**2].view(heads, width, width)
            weights = weights_of[: heads * width**2].view(heads, width, width)
            torch.bmm(q, k.transpose(1, 2), out=scores)
            weights.copy_(scores)
            weights[:, :, length:] = -torch.inf
            torch.softmax(weights, -1, out=weights)
            context[start:end] = torch.bmm(scores.copy_(weights), v)[:, :length].transpose(0, 1)
            start = end
        return context.view(len(qkv), dim)


def _rounded(number: int, step: int) -> int:
    """Up to a multiple of the step."""
    return -(-number // step) * step


class _Layer:
    """One layer's matrices in bfloat16, laid out for the products; queries are scaled beforehand."""

    def __init__(self, tensors: Mapping[str, Floats], *, prefix: str, head_dim: int) -> None:
        own = prefix + "attention.self."
        scale = np.float32(head_dim**-0.5)
        scaled = {"query": scale, "key": np.float32(1), "value": np.float32(1)}
        self.qkv = _packed(
            np.concatenate([tensors[f"{own}{name}.weight"] * by for name, by in scaled.items()]),
            np.concatenate([tensors[f"{own}{name}.bias"] * by for name, by in scaled.items()]),
        )
        self.attended = _dense(tensors, prefix + "attention.output.dense")
        self.attended_norm = _norm(tensors, prefix + "attention.output.LayerNorm")
        self.inner = _dense(tensors, prefix + "intermediate.dense")
        self.outer = _dense(tensors, prefix + "output.dense")
        self.outer_norm = _norm(tensors, prefix + "output.LayerNorm")


def _dense(tensors: Mapping[str, Floats], name: str) -> tuple[Tensor, Tensor]:
    return _packed(tensors[name + ".weight"], tensors[name + ".bias"])


def _packed(weight: Floats, bias: Floats) -> tuple[Tensor, Tensor]:
    """weight: (out, in). As oneDNN wants it: one tenth faster than laid out anew at each product."""
    import torch

    rows = 1_024  # of the other factor, for which the layout is chosen
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(torch.tensor(weight).bfloat16(), rows)
    return packed, torch.tensor(bias).bfloat16()


def _norm(tensors: Mapping[str, Floats], name: str) -> tuple[Tensor, Tensor]:
    import torch

    return torch.tensor(tensors[name + ".weight"]), torch.tensor(tensors[name + ".bias"])


def _linear(x: Tensor, dense: tuple[Tensor, Tensor], *, then: str = "none") -> Tensor:
    """x: (tokens, in), bfloat16; summed in float32, and `then` is done before the sum is rounded."""
    import torch

    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, *dense, then, [], "none")
    return product


def has_bfloat16(flags_from: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16, as far as this can be told without torch: on Linux with x86-64."""
    try:
        with flags_from.open(encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return not _INSTRUCTIONS.isdisjoint(flags.split())


def open_bfloat16(
    bert: Bert, tensors: Mapping[str, Floats], probe: Sequence[Sequence[int]], *, heads: int, epsilon: float
) -> Bfloat16Bert | None:
    """The encoder of the same tensors as `bert`; None if it cannot be had, or does not agree with it on the probe.

    Imports torch: 1 to 2 s. probe: token ids of texts.
    """
    try:
        before_torch()
        made = Bfloat16Bert(tensors, heads=heads, epsilon=epsilon)
        cosines = np.sum(made.embed(probe) * bert.embed(probe), axis=1)
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        logger.info("texts are embedded by numpy: torch has no bfloat16 products here (%s)", error)
        return None
    if not cosines.min() >= AGREEMENT:
        logger.warning("texts are embedded by numpy: bfloat16 agrees only to a cosine of %.5f", cosines.min())
        return None
    return made
