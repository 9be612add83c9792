"""Packed forwards in torch: single precision, and int8 of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.embedding_ways.model import DIM, EPSILON, HEADS, Dense, Forward, Model, per_channel, pooled

if TYPE_CHECKING:
    import torch

Product = Callable[["torch.Tensor"], "torch.Tensor"]


def packed(model: Model, product: Callable[[Dense], Product]) -> Forward:
    """product: of a linear layer, what multiplies (tokens, in) float32 → (tokens, out) float32."""
    import torch
    from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

    def norm(pair: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(pair[0]), torch.tensor(pair[1])

    first = norm(model.norm)
    layers = [tuple(product(dense) for dense in (one.qkv, one.attended, one.inner, one.outer)) for one in model.layers]
    norms = [(norm(one.attended_norm), norm(one.outer_norm)) for one in model.layers]

    def forward(texts: Sequence[Sequence[int]]) -> np.ndarray:
        lengths = [len(ids) for ids in texts]
        embedded = model.words[np.concatenate([np.asarray(ids) for ids in texts])]
        embedded += model.places[np.concatenate([np.arange(length) for length in lengths])]
        with torch.inference_mode():
            x = layer_norm(torch.from_numpy(embedded), (DIM,), *first, EPSILON)
            for (qkv, attended, inner, outer), (attended_norm, outer_norm) in zip(layers, norms, strict=True):
                context = torch.empty_like(x)
                projected, start = qkv(x), 0
                for length in lengths:
                    end = start + length
                    q, k, v = projected[start:end].view(1, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
                    mixed = scaled_dot_product_attention(q, k, v, scale=1.0)[0]  # (heads, length, head_dim)
                    context[start:end].view(length, HEADS, -1).copy_(mixed.transpose(0, 1))
                    start = end
                x = layer_norm(x + attended(context), (DIM,), *attended_norm, EPSILON)
                x = layer_norm(x + outer(gelu(inner(x))), (DIM,), *outer_norm, EPSILON)
        return pooled(x.numpy(), lengths)

    return forward


def single(dense: Dense) -> Product:
    """As torch multiplies by itself: by MKL."""
    import torch

    weight, bias = torch.tensor(dense.weight), torch.tensor(dense.bias)
    return lambda x: torch.nn.functional.linear(x, weight, bias)


def single_onednn(dense: Dense) -> Product:
    """By oneDNN, which knows the instructions of CPUs that MKL does not."""
    import torch

    weight, bias = torch.tensor(dense.weight), torch.tensor(dense.bias)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "none")


def int8_by_token(dense: Dense, factors: np.ndarray | None = None) -> Product:
    """int8 weights with a scale for each output, int8 activations with a scale for each token.

    factors: (in,), moved from the activations into the weights.
    """
    import torch

    whole, scale = per_channel(dense.weight if factors is None else dense.weight * factors)
    weight, scales, bias = torch.tensor(whole).t(), torch.tensor(scale), torch.tensor(dense.bias)
    inverse = None if factors is None else torch.tensor(1 / factors)

    def multiply(x: torch.Tensor) -> torch.Tensor:
        x = x if inverse is None else x * inverse
        largest = x.abs().amax(1, keepdim=True).clamp_(min=1e-9)
        product = torch._int_mm((x * (127 / largest)).round_().to(torch.int8), weight).float()
        product *= largest / 127
        product *= scales
        product += bias
        return product

    return multiply


def int8_by_batch(dense: Dense) -> Product:
    """torch's dynamic quantisation: a scale for each output, and one for all activations of a batch."""
    import warnings

    import torch

    whole, scale = per_channel(dense.weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on its way out of torch
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        made = torch._make_per_channel_quantized_tensor(torch.tensor(whole), torch.tensor(scale).double(), zeros, 0)
        weight = torch.ops.quantized.linear_prepack(made, torch.tensor(dense.bias))
    return lambda x: torch.ops.quantized.linear_dynamic(x, weight)


def smoothing(model: Model, texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Of every product in order, the factors (in,) that share the spread of activations and weights evenly between both
    (SmoothQuant, Xiao et al. 2023, arXiv 2211.10438, with a half).

    texts: token ids of what it is calibrated on.
    """
    largest: list[np.ndarray] = []
    weights: list[np.ndarray] = []

    def watched(dense: Dense) -> Product:
        number, multiply = len(largest), single(dense)
        largest.append(np.zeros(dense.weight.shape[1], np.float32))
        weights.append(np.abs(dense.weight).max(axis=0))

        def watch(x: torch.Tensor) -> torch.Tensor:
            np.maximum(largest[number], x.abs().amax(0).numpy(), out=largest[number])
            return multiply(x)

        return watch

    forward = packed(model, watched)
    for start in range(0, len(texts), 8):
        forward(texts[start : start + 8])
    return [
        np.sqrt(np.maximum(seen, 1e-3) / np.maximum(weight, 1e-3))
        for seen, weight in zip(largest, weights, strict=True)
    ]
