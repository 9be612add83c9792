"""all-MiniLM-L6-v2, the default: 384 dimensions, 256 tokens, mean pooling, from a PyPI package.

Rule: a question loads neither torch nor sentence-transformers, nor do a few passages. Many are embedded by torch, in
bfloat16, where that is faster; the fingerprint is the same, since the vectors agree as it promises (`probe`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.embed.bert import Bert
from rag_lifelong.embed.bfloat16 import Bfloat16Bert, has_bfloat16, open_bfloat16
from rag_lifelong.embed.probe import PROBE
from rag_lifelong.embed.threads import ONE_BLAS_THREAD, one_torch_thread
from rag_lifelong.embed.weights import DIGESTS, find_minilm, read_tensors, verify
from rag_lifelong.embed.wordpiece import WordPiece
from rag_lifelong.types import Vector, Vectors

NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")

_BATCH_TOKENS = 1_024
"""Tokens per forward pass and thread, about 20 MB. Measured: 512 is 5 % slower, 4,096 is 7 % slower."""

MANY_TOKENS = 16_384
"""So many tokens are embedded by numpy before torch is imported for more: on two cores they take about as long as the
import does, so that few texts never wait for it and many wait little."""
_HEADS, _EPSILON = 12, 1e-12

# Of the words of a question, those in several pieces: at most 0.22 in 95 of 100 English ones, in the middle 0.5 to 0.62
# in Spanish and German ones, for which the cosine counts best at about half its weight (benchmarks.retrieval, tuning
# half of SQuAD, HotpotQA, MuSiQue and XQuAD).
BROKEN_IN_ENGLISH = 0.2
BROKEN_ELSEWHERE = 0.5
FOREIGN_SHARE = 0.5


class MiniLM:
    """all-MiniLM-L6-v2 from the files of `folder`, which were verified."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.dim = 384
        self.max_tokens = 256  # sentence_bert_config.json; tokenizer.json says 128, which is not what is read
        weights, tokens = (digest[:16] for digest in DIGESTS.values())
        self.fingerprint = f"all-MiniLM-L6-v2:{weights}:{tokens}:mean:unit:{self.max_tokens}"
        self._folder = folder
        self._tokens_by_numpy = 0  # of passages

    def count_tokens(self, text: str) -> int:
        """Exact, and additive over white space."""
        return self._tokens.count(text)

    def unknown_share(self, text: str) -> float:
        """The share of [UNK] or, if greater, how foreign the words are: 0 for English, up to FOREIGN_SHARE.

        It was trained on English: words of other languages, and identifiers, fall into many pieces of its vocabulary.
        """
        beyond = self._tokens.broken_share(text) - BROKEN_IN_ENGLISH
        foreign = FOREIGN_SHARE * min(1.0, max(0.0, beyond / (BROKEN_ELSEWHERE - BROKEN_IN_ENGLISH)))
        return max(self._tokens.unknown_share(text), foreign)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dim), in the order of the texts.

        The first `MANY_TOKENS` of a process are embedded by numpy, and what comes in small numbers; all others in
        bfloat16 where the CPU has it.
        """
        ids = [self._tokens.ids(text, max_tokens=self.max_tokens) for text in texts]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)  # (n, dim)
        threads = min(_cores(), len(texts))
        lengths = [len(each) for each in ids]
        batches = _batches(lengths, threads)
        bert = self._bert  # loaded here, by one thread
        fast = self._fast_bert if self._are_many(sum(lengths)) else None

        def fill(rows: slice) -> None:
            vectors[rows] = (fast or bert).embed(ids[rows])

        if fast is None and len(batches) <= 1:
            with ONE_BLAS_THREAD.hold():
                for rows in batches:
                    fill(rows)
            return vectors
        begin, held = (None, ONE_BLAS_THREAD.hold()) if fast is None else (one_torch_thread, nullcontext())
        with held, ThreadPoolExecutor(threads, thread_name_prefix="embed", initializer=begin) as pool:
            for _ in pool.map(fill, batches):  # both leave the interpreter free while they compute
                pass
        return vectors

    def _are_many(self, tokens: int) -> bool:
        """Whether so many in one call are too many for numpy, after those before."""
        if tokens >= _BATCH_TOKENS and self._tokens_by_numpy + tokens > MANY_TOKENS:
            return True
        self._tokens_by_numpy += tokens
        return False

    def embed_query(self, text: str) -> Vector:
        """Shape (dim,)."""
        ids = self._tokens.ids(text, max_tokens=self.max_tokens)
        with ONE_BLAS_THREAD.hold():
            vector: Vector = self._bert.embed([ids])[0]
        return vector

    @cached_property
    def _tokens(self) -> WordPiece:
        return WordPiece(self._folder / "tokenizer.json")

    @cached_property
    def _tensors(self) -> dict[str, NDArray[np.float32]]:
        return read_tensors(self._folder / "model.safetensors")

    @cached_property
    def _bert(self) -> Bert:
        return Bert(self._tensors, heads=_HEADS, epsilon=_EPSILON)

    @cached_property
    def _fast_bert(self) -> Bfloat16Bert | None:
        """For many texts; None where numpy is as fast or nothing else agrees with it."""
        if not has_bfloat16():
            return None
        probe = [self._tokens.ids(text, max_tokens=self.max_tokens) for text in PROBE]
        return open_bfloat16(self._bert, self._tensors, probe, heads=_HEADS, epsilon=_EPSILON)


def open_minilm(name: str, *, cache_dir: Path | None) -> MiniLM:
    """Raises EmbedderUnusable if the weights are missing or not the published ones."""
    folder = find_minilm()
    verify(folder, cache_dir=cache_dir)
    return MiniLM(name, folder)


def _batches(lengths: Sequence[int], threads: int) -> list[slice]:
    """Neighbouring rows, at most _BATCH_TOKENS tokens or one row, in a number that keeps the threads busy."""
    if not lengths:
        return []
    total = sum(lengths)
    count = -(-total // _BATCH_TOKENS)
    count += -count % threads
    batches = []
    first, tokens = 0, 0
    for row, length in enumerate(lengths):
        if row > first and (tokens + length > _BATCH_TOKENS or tokens * count >= total):
            batches.append(slice(first, row))
            first, tokens = row, 0
        tokens += length
    return [*batches, slice(first, len(lengths))]


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
