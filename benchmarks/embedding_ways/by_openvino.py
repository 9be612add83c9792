"""The graph in OpenVINO's operators: single precision, bfloat16, and int8 weights with activations rounded in groups.

Rule: one text a run, so that nothing is padded and nothing stands beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.embedding_ways.model import DIM, EPSILON, HEADS, Dense, Forward, Model, cores, per_channel


def compiled(
    model: Model,
    *,
    is_int8: bool,
    hints: Mapping[str, object],
    smooth: Sequence[np.ndarray] | None = None,
) -> Forward:
    """smooth: of every product in order, factors (in,) moved from the activations into the weights."""
    import openvino

    given = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": cores(),
        "INFERENCE_NUM_THREADS": cores(),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # cores are shared
        **hints,
    }
    network = openvino.Core().compile_model(_graph(model, is_int8, smooth), "CPU", given)
    own = threading.local()

    def forward(texts: Sequence[Sequence[int]]) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = network.create_infer_request()
        return np.concatenate([own.request.infer([np.asarray(ids, np.int32)])[0].copy() for ids in texts])

    return forward


def _graph(model: Model, is_int8: bool, smooth: Sequence[np.ndarray] | None) -> object:
    from openvino import Model as Graph
    from openvino import PartialShape, Type, opset13

    def constant(array: np.ndarray) -> object:
        return opset13.constant(np.ascontiguousarray(array, dtype=np.float32))

    def whole(*numbers: int) -> object:
        return opset13.constant(np.array(numbers, np.int32))

    zero = opset13.constant(np.int32(0))
    ids = opset13.parameter(PartialShape([-1]), Type.i32, name="ids")

    def norm(x: object, pair: tuple[np.ndarray, np.ndarray]) -> object:
        centred = opset13.mvn(x, whole(2), True, EPSILON, "inside_sqrt")
        return opset13.add(opset13.multiply(centred, constant(pair[0])), constant(pair[1]))

    def dense(x: object, layer: Dense, number: int, part: int) -> object:
        weight = layer.weight
        if is_int8:
            if smooth is not None:
                factors = smooth[4 * number + part]
                x = opset13.multiply(x, constant(1 / factors))
                weight = weight * factors
            values, scale = per_channel(weight)
            matrix = opset13.multiply(opset13.convert(opset13.constant(values), "f32"), constant(scale[:, None]))
        else:
            matrix = constant(weight)
        return opset13.add(opset13.matmul(x, matrix, False, True), constant(layer.bias))

    def heads_of(x: object) -> object:
        return opset13.transpose(opset13.reshape(x, whole(0, 0, HEADS, DIM // HEADS), True), whole(0, 2, 1, 3))

    length = opset13.squeeze(opset13.shape_of(ids, output_type="i32"), zero)
    places = opset13.range(zero, length, opset13.constant(np.int32(1)), output_type="i32")
    x = opset13.add(
        opset13.gather(constant(model.words), ids, zero), opset13.gather(constant(model.places), places, zero)
    )
    x = norm(opset13.unsqueeze(x, zero), model.norm)  # (1, tokens, dim)
    for number, layer in enumerate(model.layers):
        parts = [Dense(layer.qkv.weight[i : i + DIM], layer.qkv.bias[i : i + DIM]) for i in range(0, 3 * DIM, DIM)]
        q, k, v = (heads_of(dense(x, part, number, 0)) for part in parts)
        mixed = opset13.scaled_dot_product_attention(q, k, v, scale=opset13.constant(np.float32(1)))
        context = opset13.reshape(opset13.transpose(mixed, whole(0, 2, 1, 3)), whole(0, 0, DIM), True)
        x = norm(opset13.add(x, dense(context, layer.attended, number, 1)), layer.attended_norm)
        inner = opset13.gelu(dense(x, layer.inner, number, 2), "ERF")
        x = norm(opset13.add(x, dense(inner, layer.outer, number, 3)), layer.outer_norm)
    mean = opset13.reduce_mean(x, whole(1), False)
    return Graph([opset13.normalize_l2(mean, whole(1), 1e-12, "add")], [ids], "minilm")
