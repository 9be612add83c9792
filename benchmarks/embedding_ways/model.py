"""all-MiniLM-L6-v2 as every way reads it: the same tensors, the same tokens, the same batches.

Rule: a way is handed token ids, and may use one thread a call; what is spread over cores is the batches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_lifelong.embed.bert import Floats
from rag_lifelong.embed.minilm import _batches
from rag_lifelong.embed.weights import find_minilm, read_tensors
from rag_lifelong.embed.wordpiece import WordPiece
from rag_lifelong.types import Vectors

HEADS, DIM, LAYERS, EPSILON, MAX_TOKENS = 12, 384, 6, 1e-12, 256

Forward = Callable[[Sequence[Sequence[int]]], Vectors]
"""Token ids of texts, special ones included → vectors of unit length."""


@dataclass(frozen=True)
class Dense:
    """A linear layer: weight (out, in), bias (out,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Layer:
    """qkv: queries, keys, values one below the other, the queries scaled beforehand. Norms: (weight, bias)."""

    qkv: Dense
    attended: Dense
    attended_norm: tuple[Floats, Floats]
    inner: Dense
    outer: Dense
    outer_norm: tuple[Floats, Floats]


@dataclass(frozen=True)
class Model:
    words: Floats  # (vocabulary, dim)
    places: Floats  # (256, dim), the first text's type added
    norm: tuple[Floats, Floats]
    layers: list[Layer]


def tensors() -> dict[str, Floats]:
    return read_tensors(find_minilm() / "model.safetensors")


def model() -> Model:
    found = tensors()

    def dense(name: str) -> Dense:
        return Dense(found[name + ".weight"], found[name + ".bias"])

    def norm(name: str) -> tuple[Floats, Floats]:
        return found[name + ".weight"], found[name + ".bias"]

    layers = []
    for number in range(LAYERS):
        prefix = f"encoder.layer.{number}."
        scaled = {"query": np.float32((DIM // HEADS) ** -0.5), "key": np.float32(1), "value": np.float32(1)}
        parts = {name: dense(f"{prefix}attention.self.{name}") for name in scaled}
        qkv = Dense(
            np.concatenate([part.weight * scaled[name] for name, part in parts.items()]),
            np.concatenate([part.bias * scaled[name] for name, part in parts.items()]),
        )
        layers.append(
            Layer(
                qkv,
                dense(prefix + "attention.output.dense"),
                norm(prefix + "attention.output.LayerNorm"),
                dense(prefix + "intermediate.dense"),
                dense(prefix + "output.dense"),
                norm(prefix + "output.LayerNorm"),
            )
        )
    places = found["embeddings.position_embeddings.weight"] + found["embeddings.token_type_embeddings.weight"][0]
    words = found["embeddings.word_embeddings.weight"]
    return Model(words, places[:MAX_TOKENS], norm("embeddings.LayerNorm"), layers)


class Tokens:
    def __init__(self) -> None:
        self._word_piece = WordPiece(Path(find_minilm()) / "tokenizer.json")

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._word_piece.ids(text, max_tokens=MAX_TOKENS) for text in texts]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(forward: Forward, ids: Sequence[Sequence[int]], *, begin: Callable[[], None] | None) -> Vectors:
    """Batches of about 1,024 tokens, one thread a core. begin: called once in each."""
    vectors = np.empty((len(ids), DIM), dtype=np.float32)  # (n, dim)

    def fill(rows: slice) -> None:
        vectors[rows] = forward(ids[rows])

    with ThreadPoolExecutor(cores(), initializer=begin) as pool:
        for _ in pool.map(fill, _batches([len(each) for each in ids], cores())):
            pass
    return vectors


def pooled(states: Floats, lengths: Sequence[int]) -> Vectors:
    """The mean of each text's states (tokens, dim), of unit length."""
    sums: Vectors = np.add.reduceat(states, np.cumsum([0, *lengths[:-1]]), axis=0)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    return sums


def per_channel(weight: Floats) -> tuple[np.ndarray, Floats]:
    """(out, in) → int8 of the same shape, and the scale of each output (out,)."""
    scale = (np.abs(weight).max(axis=1) / 127).astype(np.float32)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def some_texts(folder: Path, *, chars: int = 700) -> Iterator[str]:
    """Pieces of the text files in a folder: what ways are calibrated on, and never measured by."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".md", ".py", ".rst", ".txt"} and path.is_file():
            text = path.read_text("utf-8", "ignore")
            for start in range(0, len(text) - chars, chars):
                yield text[start : start + chars]
