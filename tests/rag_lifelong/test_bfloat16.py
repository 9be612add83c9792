"""bfloat16 stands in for single precision where it agrees with it, and nowhere else."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag_lifelong.embed import PROBE, open_embedder
from rag_lifelong.embed import bfloat16 as bfloat16_module
from rag_lifelong.embed import minilm as minilm_module
from rag_lifelong.embed.bert import Bert, Floats
from rag_lifelong.embed.bfloat16 import Bfloat16Bert, has_bfloat16, open_bfloat16
from rag_lifelong.embed.minilm import MiniLM
from rag_lifelong.embed.threads import one_torch_thread

HEADS, EPSILON = 4, 1e-12
needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this CPU does not multiply bfloat16")


def made(*, seed: int, dim: int = 32, vocabulary: int = 50, layers: int = 2) -> dict[str, Floats]:
    """A small encoder of random weights."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Floats:
        return rng.normal(0.0, 0.2, shape).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": some(vocabulary, dim) * 5,
        "embeddings.token_type_embeddings.weight": some(2, dim),
        "embeddings.position_embeddings.weight": some(64, dim),
    }
    shapes = {
        "attention.self.query": (dim, dim),
        "attention.self.key": (dim, dim),
        "attention.self.value": (dim, dim),
        "attention.output.dense": (dim, dim),
        "intermediate.dense": (4 * dim, dim),
        "output.dense": (dim, 4 * dim),
    }
    for layer in range(layers):
        for name, shape in shapes.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = some(*shape)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = some(shape[0])
    norms = [
        "embeddings",
        *(f"encoder.layer.{n}.{part}" for n in range(layers) for part in ("attention.output", "output")),
    ]
    for name in norms:
        tensors[f"{name}.LayerNorm.weight"] = 1 + some(dim)
        tensors[f"{name}.LayerNorm.bias"] = some(dim)
    return tensors


def ids(*, seed: int, count: int = 40) -> list[list[int]]:
    """Texts of 1 to 64 tokens."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 50, size).tolist() for size in (1, 64, *rng.integers(1, 65, count - 2))]


# --- where it stands in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "has"),
    [("fpu avx512f avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx512f avx512_bf16s", False), ("", False)],
)
def test_the_instructions_are_read_from_the_flags(flags: str, has: bool, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: {flags}\nbugs\t\t: amx_bf16\n")
    assert has_bfloat16(file) is has


def test_where_flags_cannot_be_read_there_are_none(tmp_path: Path) -> None:
    assert has_bfloat16(tmp_path / "none") is False


def test_without_torch_numpy_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # how Python is told that there is none
    tensors = made(seed=1)
    bert = Bert(tensors, heads=HEADS, epsilon=EPSILON)
    assert open_bfloat16(bert, tensors, [[1, 2]], heads=HEADS, epsilon=EPSILON) is None


def test_a_torch_without_these_products_leaves_numpy_to_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: object) -> None:  # stands for another version of torch: the operators are not of its public ones
        raise AttributeError("no such operator")

    monkeypatch.setattr(bfloat16_module, "_packed", missing)
    tensors = made(seed=1)
    bert = Bert(tensors, heads=HEADS, epsilon=EPSILON)
    with caplog.at_level(logging.INFO):
        assert open_bfloat16(bert, tensors, [[1, 2]], heads=HEADS, epsilon=EPSILON) is None
    assert "no such operator" in caplog.text


@needs_bfloat16
def test_an_encoder_that_disagrees_on_one_probe_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    tensors = made(seed=1)
    other = {**tensors, "embeddings.word_embeddings.weight": tensors["embeddings.word_embeddings.weight"].copy()}
    other["embeddings.word_embeddings.weight"][7, :16] += 1  # one token's row
    bert = Bert(tensors, heads=HEADS, epsilon=EPSILON)
    fine, touched = [[1, 2, 3], [4]], [[1, 2, 3], [4, 7]]
    assert open_bfloat16(bert, other, fine, heads=HEADS, epsilon=EPSILON) is not None
    with caplog.at_level(logging.WARNING):
        assert open_bfloat16(bert, other, touched, heads=HEADS, epsilon=EPSILON) is None
    assert "agrees only to a cosine of" in caplog.text


# --- what it computes ------------------------------------------------------------------------------


@needs_bfloat16
def test_vectors_are_those_of_single_precision_in_order() -> None:
    tensors, texts = made(seed=2), ids(seed=3)
    exact = Bert(tensors, heads=HEADS, epsilon=EPSILON).embed(texts)
    fast = Bfloat16Bert(tensors, heads=HEADS, epsilon=EPSILON).embed(texts)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), 1.0, atol=1e-6)
    assert np.sum(exact * fast, axis=1).min() >= 0.9999
    assert np.sum(exact * fast[::-1], axis=1).min() < 0.99  # they can be told apart


@needs_bfloat16
def test_no_bit_of_a_vector_depends_on_its_neighbours() -> None:
    bert = Bfloat16Bert(made(seed=4), heads=HEADS, epsilon=EPSILON)
    texts = ids(seed=5)
    together = bert.embed(texts)
    np.testing.assert_array_equal(bert.embed(texts[::-1])[::-1], together)
    np.testing.assert_array_equal(np.concatenate([bert.embed([text]) for text in texts]), together)


def test_a_worker_has_one_torch_thread_and_all_others_keep_theirs() -> None:
    import torch

    def in_a_thread(begin: Callable[[], None]) -> int:
        def run() -> None:
            begin()
            torch.ones(300_000).add_(1)  # large enough to be shared out
            found.append(torch.get_num_threads())

        found: list[int] = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return found[0]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert in_a_thread(one_torch_thread) == 1
        assert (torch.get_num_threads(), in_a_thread(lambda: None)) == (3, 3)
    finally:
        torch.set_num_threads(before)


# --- with the real weights -------------------------------------------------------------------------

MANY = [*PROBE * 42, "", " \n", "x" * 5_000, "日本語" * 200, "a half \ud83d of a pair"]


@pytest.mark.model
@needs_bfloat16
def test_many_texts_have_the_vectors_of_few_as_one_fingerprint_promises() -> None:
    embedder = open_embedder(cache_dir=None)
    many = embedder.embed(MANY)
    few = open_embedder(cache_dir=None).embed(sorted(set(MANY)))
    few = few[[sorted(set(MANY)).index(text) for text in MANY]]
    cosines = np.sum(many * few, axis=1)
    assert cosines.min() >= 0.9999
    assert cosines.min() < 0.999999  # else numpy was compared with itself
    np.testing.assert_array_equal(many[: len(PROBE)], many[len(PROBE) : 2 * len(PROBE)])


@pytest.mark.model
@needs_bfloat16
def test_many_texts_have_the_same_bits_in_every_order_and_process() -> None:
    embedder = open_embedder(cache_dir=None)
    many = embedder.embed(MANY)
    np.testing.assert_array_equal(embedder.embed(MANY[::-1])[::-1], many)
    code = (
        "import hashlib\nfrom rag_lifelong.embed import PROBE, open_embedder\n"
        f"vectors = open_embedder(cache_dir=None).embed({MANY!r})\n"
        "print(hashlib.sha256(vectors.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(many.tobytes()).hexdigest()


@pytest.mark.model
def test_without_the_instructions_many_texts_are_embedded_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_module, "has_bfloat16", lambda: False)
    embedder = open_embedder(cache_dir=None)
    assert isinstance(embedder, MiniLM)
    many = embedder.embed(MANY)
    few = embedder.embed(sorted(set(MANY)))
    few = few[[sorted(set(MANY)).index(text) for text in MANY]]
    np.testing.assert_allclose(many, few, atol=2e-6)


@pytest.mark.model
@needs_bfloat16
def test_torch_is_imported_only_once_many_texts_were_embedded() -> None:
    code = (
        "import sys\nfrom rag_lifelong.embed import PROBE, open_embedder\n"
        "embedder = open_embedder(cache_dir=None)\n"
        "for _ in range(8):\n"  # 3,379 tokens each time: 13,516 after four, 16,895 after five
        "    embedder.embed(PROBE * 8); embedder.embed(['few']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 4 + ["True"] * 4
