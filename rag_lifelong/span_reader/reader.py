"""Passages and a question → the best spans of each passage.

Rule: each passage is read by itself, with its document's title before it; a long one in windows that overlap.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.embed.bert import Bert
from rag_lifelong.embed.threads import ONE_BLAS_THREAD
from rag_lifelong.embed.weights import find_minilm, read_tensors, verify
from rag_lifelong.embed.wordpiece import WordPiece
from rag_lifelong.errors import EmbedderUnusable
from rag_lifelong.span_reader.changes import FILE, Floats, put_together, read_changes

MAX_TOKENS = 256  # question, title, passage and what parts them
MAX_QUESTION_TOKENS = 40
MAX_TITLE_TOKENS = 24
MAX_SPAN_TOKENS = 24
OVERLAP_TOKENS = 48
SPANS = 3  # of a passage
MAX_BROKEN = 0.35  # share of words in pieces: 0.7 % of SQuAD's questions have more, 93 % of XQuAD's German ones
_CLS, _SEP = 101, 102
_GAP = re.compile(r"\n[ \t]*\n")
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """Characters [start, end) of a passage's text, as an answer.

    log_odds: of these words against "nothing here answers"; bigger is surer. share: of all answers in this passage
    that its score outweighs, as a probability within the passage, in [0, 1].
    """

    start: int
    end: int
    log_odds: float
    share: float


@dataclass(frozen=True, slots=True)
class _Window:
    ids: list[int]
    begins: int  # where the passage's tokens begin in ids
    offsets: list[tuple[int, int]]  # of these tokens, in the passage
    blocks: list[int]  # which part of the passage, between blank lines, each of them is in


class SpanReader:
    """all-MiniLM-L6-v2 with the changes of `weights.safetensors`; several threads may read at once."""

    def __init__(self, folder: Path, *, cache_dir: Path | None, changes: Path = FILE) -> None:
        """folder: with the files of all-MiniLM-L6-v2, verified when first used. cache_dir: where that is noted."""
        self._folder = folder
        self._cache_dir = cache_dir
        self._changes = changes

    def reads(self, question: str) -> bool:
        """Whether the question is English, as far as its words tell: it was taught nothing else."""
        return self._tokens.broken_share(question) <= MAX_BROKEN

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[tuple[Reading, ...]]:
        """passages: (title, text) each. Of each the best spans that do not overlap, at most SPANS, the surest first.

        A passage of no words gives none. About 8 ms of a core for a passage of 200 tokens. Raises EmbedderUnusable if
        the weights it builds on are not the published ones.
        """
        asked = self._tokens.pieces(question)[0][:MAX_QUESTION_TOKENS]
        owners: list[int] = []
        windows: list[_Window] = []
        for number, (title, text) in enumerate(passages):
            for window in self._windows(asked, title, text):
                owners.append(number)
                windows.append(window)
        found: list[list[Reading]] = [[] for _ in passages]
        for number, window, scores in zip(owners, windows, self._scores(windows), strict=True):
            found[number].extend(_best(scores, window))
        return [_apart(readings) for readings in found]

    def _windows(self, asked: list[int], title: str, text: str) -> list[_Window]:
        heading = self._tokens.pieces(title)[0][:MAX_TITLE_TOKENS]
        ids, offsets = self._tokens.pieces(text)
        gaps = [gap.start() for gap in _GAP.finditer(text)]
        blocks = [bisect_right(gaps, start) for start, _ in offsets]
        before = [_CLS, *asked, _SEP, *heading]
        room = MAX_TOKENS - len(before) - 1
        starts = range(0, max(1, len(ids) - OVERLAP_TOKENS), room - OVERLAP_TOKENS)
        return [
            _Window([*before, *ids[at : at + room], _SEP], len(before), offsets[at : at + room], blocks[at : at + room])
            for at in starts
            if ids[at : at + room]
        ]

    def _scores(self, windows: Sequence[_Window]) -> list[Floats]:
        """Of each window (tokens, 2): how well each token begins and ends an answer; the first stands for none."""
        ends, bias, bert = self._ends, self._bias, self._bert

        def of(part: Sequence[_Window]) -> list[Floats]:
            if not part:
                return []
            heading = [(window.ids.index(_SEP) + 1, len(window.ids) - 1) for window in part]
            states = bert.states([window.ids for window in part], seconds=heading)
            scores = states @ ends.T + bias  # (tokens, 2)
            return np.split(scores, np.cumsum([len(window.ids) for window in part])[:-1])

        with ONE_BLAS_THREAD.hold():
            if len(windows) < 2 * _THREADS:
                return of(windows)
            size = -(-len(windows) // _THREADS)
            parts = [windows[at : at + size] for at in range(0, len(windows), size)]
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="reader") as pool:
                return [scores for part in pool.map(of, parts) for scores in part]

    @cached_property
    def _tokens(self) -> WordPiece:
        return WordPiece(self._folder / "tokenizer.json")

    @cached_property
    def _own(self) -> dict[str, Floats]:
        return read_changes(self._changes)

    @cached_property
    def _bert(self) -> Bert:
        verify(self._folder, cache_dir=self._cache_dir)
        return Bert(put_together(read_tensors(self._folder / "model.safetensors"), self._own), heads=12, epsilon=1e-12)

    @cached_property
    def _ends(self) -> Floats:
        return self._own["ends.weight"]

    @cached_property
    def _bias(self) -> Floats:
        return self._own["ends.bias"]


def open_span_reader(*, cache_dir: Path | None) -> SpanReader | None:
    """The reader that comes with the package; None where the weights it builds on are not installed.

    cache_dir: where to note that they were verified; None to note it in this process only.
    """
    try:
        return SpanReader(find_minilm(), cache_dir=cache_dir)
    except EmbedderUnusable:
        return None


def _best(scores: Floats, window: _Window) -> list[Reading]:
    """The best spans of a window, the surest first."""
    none = float(scores[0].sum())
    first, last = scores[window.begins : -1, 0], scores[window.begins : -1, 1]
    sums = first[:, None] + last[None, :]  # (tokens, tokens): begins at, ends at
    sums = np.where(_allowed(window.blocks), sums, -np.inf)
    top = float(sums.max())
    chances = np.exp(sums - top)
    chances /= chances.sum()
    found: list[Reading] = []
    for flat in np.argsort(-sums, axis=None)[:20]:
        begin, end = divmod(int(flat), len(first))
        if sums[begin, end] == -np.inf:
            break
        start, stop = window.offsets[begin][0], window.offsets[end][1]
        if all(stop <= other.start or start >= other.end for other in found):
            found.append(Reading(start, stop, float(sums[begin, end]) - none, float(chances[begin, end])))
        if len(found) == SPANS:
            break
    return found


def _allowed(blocks: Sequence[int]) -> NDArray[np.bool_]:
    """(begins at, ends at): not too long, and not over a blank line."""
    block = np.array(blocks)
    square: NDArray[np.bool_] = block[:, None] == block[None, :]
    return np.triu(square) & ~np.triu(square, MAX_SPAN_TOKENS)


def _apart(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The surest that do not overlap: windows share tokens."""
    kept: list[Reading] = []
    for reading in sorted(readings, key=lambda r: -r.log_odds):
        if all(reading.end <= other.start or reading.start >= other.end for other in kept):
            kept.append(reading)
    return tuple(kept[:SPANS])
