"""The graph in ONNX Runtime's own fused operators: single precision, and int8 of two kinds.

Rule: one text a run, so that nothing is padded and a scale for all its tokens is the text's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.embedding_ways.model import DIM, EPSILON, HEADS, Dense, Forward, Model, per_channel

_OWN = "com.microsoft"


def session(model: Model, kind: str) -> Forward:
    """kind: "single"; "dynamic": int8 weights with a scale for each output, activations with one for a text;
    "blocks": MatMulNBits, int8 weights and activations with a scale for each 32 of a row."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(_graph(model, kind), options, providers=["CPUExecutionProvider"])

    def forward(texts: Sequence[Sequence[int]]) -> np.ndarray:
        rows = [made.run(None, {"ids": np.asarray([ids], np.int64)})[0].mean(axis=1) for ids in texts]
        vectors = np.concatenate(rows)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    return forward


def _graph(model: Model, kind: str) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(constants)}"))
        return f"c{len(constants) - 1}"

    def node(operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: object) -> str:
        names = [f"n{len(nodes)}_{i}" for i in range(outputs)]
        nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0]

    def dense(x: str, layer: Dense, *, has_bias: bool = True) -> str:
        if kind == "single":
            product = node("MatMul", x, constant(layer.weight.T))
        elif kind == "dynamic":
            values, scale = per_channel(layer.weight)
            given = (constant(values.T), constant(scale))
            product = node("DynamicQuantizeMatMul", x, *given, domain=_OWN)
        else:
            outputs, inputs = layer.weight.shape
            blocks = layer.weight.reshape(outputs, inputs // 32, 32)
            scale = np.abs(blocks).max(axis=2, keepdims=True) / 127
            values = (np.rint(blocks / scale) + 128).astype(np.uint8)
            given = (constant(values), constant(scale[:, :, 0].astype(np.float32)))
            sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": 32, "accuracy_level": 4}
            product = node("MatMulNBits", x, *given, domain=_OWN, **sizes)
        return node("Add", product, constant(layer.bias)) if has_bias else product

    def add_and_norm(x: str, skip: str, pair: tuple[np.ndarray, np.ndarray]) -> str:
        weights = (constant(pair[0]), constant(pair[1]))
        return node("SkipLayerNormalization", x, skip, *weights, domain=_OWN, epsilon=EPSILON)

    length = node("Slice", node("Shape", "ids"), *(constant(np.array([n])) for n in (1, 2)))
    places = node("Slice", constant(model.places), constant(np.array([0])), length)
    x = node("Add", node("Gather", constant(model.words), "ids"), places)
    x = node("LayerNormalization", x, *(constant(part) for part in model.norm), axis=-1, epsilon=EPSILON)
    for layer in model.layers:
        parts = [Dense(layer.qkv.weight[i : i + DIM], layer.qkv.bias[i : i + DIM]) for i in range(0, 3 * DIM, DIM)]
        q, k, v = (dense(x, part) for part in parts)
        context = node("MultiHeadAttention", q, k, v, domain=_OWN, num_heads=HEADS, scale=1.0)
        x = add_and_norm(dense(context, layer.attended), x, layer.attended_norm)
        inner = node("BiasGelu", dense(x, layer.inner, has_bias=False), constant(layer.inner.bias), domain=_OWN)
        x = add_and_norm(dense(inner, layer.outer), x, layer.outer_norm)
    graph = helper.make_graph(
        nodes,
        "minilm",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, "tokens", DIM])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_OWN, 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return bytes(made.SerializeToString())
