"""A segment: the words of a stretch of passage ids, term by term, never changed; in memory or in mapped files.

Rule: terms ascend by their bytes, and so do the ids of each term. What passages hold never changes while they exist, so
a segment holds the dead and the living alike: who counts is told by whoever asks.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]
Counts = NDArray[np.uint16]
Places = NDArray[np.int64]

_Number = TypeVar("_Number", np.uint32, np.uint16)

MOST_COUNTED = 65_535  # of one term in one passage; BM25 tells more no further apart
_BLOCK = 1_000_000  # postings handled at once: about 30 MB
_HEADER = 3  # numbers before the table of terms: how many terms, bytes of terms, postings


@dataclass(frozen=True, slots=True)
class Block:
    """The postings of some terms, ascending: `sizes[i]` of `terms[i]`, one after another in `ids` and `counts`."""

    terms: Sequence[bytes]
    sizes: Places  # (terms,)
    ids: Ids  # (n,)
    counts: Counts  # (n,), how often the term stands in the passage


@dataclass(frozen=True, slots=True)
class Segment:
    """Searched by any number of threads at once.

    name: of its files, "" in memory. newest: the greatest passage id looked at. passages: how many, about.
    """

    name: str
    newest: int
    passages: int
    starts: Places  # (terms + 1,) where the bytes of each term begin
    letters: memoryview  # the bytes of the terms
    offsets: Places  # (terms + 1,) where the postings of each term begin
    ids: Ids  # (n,)
    counts: Counts  # (n,)

    def postings(self, term: bytes) -> tuple[Ids, Counts]:
        """(passage ids that hold the term, how often); aligned, ascending; empty if none does."""
        first, last = 0, len(self.starts) - 1
        starts, letters = self.starts, self.letters
        while first < last:
            middle = (first + last) // 2
            if bytes(letters[starts[middle] : starts[middle + 1]]) < term:
                first = middle + 1
            else:
                last = middle
        if first == len(starts) - 1 or bytes(letters[starts[first] : starts[first + 1]]) != term:
            return self.ids[:0], self.counts[:0]
        at = slice(self.offsets[first], self.offsets[first + 1])
        return self.ids[at], self.counts[at]

    def terms(self) -> Iterator[bytes]:
        """The terms, ascending."""
        for first in range(0, len(self.starts) - 1, 10_000):
            bounds = self.starts[first : first + 10_001].tolist()
            yield from (bytes(self.letters[a:b]) for a, b in pairwise(bounds))

    # -- files

    @property
    def entry(self) -> dict[str, object]:
        """What the pointer keeps of it."""
        sizes = [len(self.starts) - 1, len(self.letters), len(self.ids)]
        return {"name": self.name, "newest": self.newest, "passages": self.passages, "sizes": sizes}

    @staticmethod
    def names(entry: dict[str, object]) -> tuple[str, ...]:
        """Its files."""
        return tuple(f"{entry['name']}.{kind}" for kind in ("terms", "ids", "counts"))

    @classmethod
    def write(cls, folder: Path, name: str, blocks: Iterable[Block], *, newest: int, passages: int) -> Segment:
        """Writes and opens a segment; the caller holds the writer's lock, and no pointer names it yet.

        Raises OSError where it cannot be written.
        """
        terms, ids, counts = (folder / file for file in cls.names({"name": name}))
        for path in (terms, ids, counts):
            path.unlink(missing_ok=True)  # where the pointer was lost, another process may have one of that name mapped
        found: list[bytes] = []
        sizes: list[Places] = [np.empty(0, np.int64)]
        with ids.open("wb") as id_file, counts.open("wb") as count_file:
            for block in blocks:
                found.extend(block.terms)
                sizes.append(block.sizes)
                id_file.write(block.ids.data)
                count_file.write(block.counts.data)
            for file in (id_file, count_file):
                file.flush()
                os.fsync(file.fileno())
        starts, offsets = _places([len(term) for term in found]), _places(np.concatenate(sizes))
        letters = b"".join(found)
        with terms.open("wb") as term_file:
            header = [len(found), len(letters), int(offsets[-1])]
            term_file.write(np.concatenate([np.array(header), starts, offsets]).data)
            term_file.write(letters)
            term_file.flush()
            os.fsync(term_file.fileno())
        entry: dict[str, object] = {"name": name, "newest": newest, "passages": passages, "sizes": header}
        return cls.open(folder, entry)

    @classmethod
    def open(cls, folder: Path, entry: dict[str, object]) -> Segment:
        """Maps its files. Raises OSError or ValueError if they are not what the entry says."""
        sizes = entry["sizes"]
        if not isinstance(sizes, list):
            raise ValueError("a segment without sizes")
        many, size, postings = (int(str(number)) for number in sizes)
        table = 8 * (_HEADER + 2 * (many + 1))
        paths = [folder / file for file in cls.names(entry)]
        if [path.stat().st_size for path in paths] != [table + size, 4 * postings, 2 * postings]:
            raise ValueError(f"segment {entry['name']} has files of another size")
        mapped = np.memmap(paths[0], dtype=np.uint8, mode="r").view(np.ndarray)
        numbers = mapped[:table].view(np.int64)
        if numbers[:_HEADER].tolist() != sizes:
            raise ValueError(f"segment {entry['name']} has other terms")
        starts = numbers[_HEADER : _HEADER + many + 1]
        return cls(
            name=str(entry["name"]),
            newest=int(str(entry["newest"])),
            passages=int(str(entry["passages"])),
            starts=starts,
            letters=mapped[table:].data,
            offsets=numbers[_HEADER + many + 1 :],
            ids=_mapped(paths[1], postings, np.uint32),
            counts=_mapped(paths[2], postings, np.uint16),
        )


def of_rows(rows: Iterable[tuple[int, Sequence[str]]], *, newest: int) -> Segment:
    """A segment in memory of (passage id, its terms with repeats), ids ascending."""
    number: dict[str, int] = {}
    found: list[int] = []
    passages, lengths = [], []
    for passage_id, terms in rows:
        found.extend([number.setdefault(term, len(number)) for term in terms])
        passages.append(passage_id)
        lengths.append(len(terms))
    ordered = sorted(number)
    rank = np.empty(len(ordered), np.int64)
    rank[[number[term] for term in ordered]] = np.arange(len(ordered))
    ids = np.repeat(np.array(passages, np.int64), lengths)
    block = counted([term.encode() for term in ordered], rank[np.array(found, np.int64)], ids)
    return in_memory([block], newest=newest, passages=len(passages))


def counted(terms: Sequence[bytes], numbers: Places, ids: Places) -> Block:
    """Occurrences, in any order, as a block. numbers: positions in `terms`, which ascend; ids: of passages; aligned.

    Every term must occur.
    """
    beyond = int(ids.max()) + 1 if len(ids) else 1
    keys, counts = np.unique(numbers * beyond + ids, return_counts=True)  # (n,)
    sizes = np.bincount(keys // beyond, minlength=len(terms)).astype(np.int64)
    return Block(terms, sizes, (keys % beyond).astype(np.uint32), np.minimum(counts, MOST_COUNTED).astype(np.uint16))


def in_memory(blocks: Iterable[Block], *, newest: int, passages: int) -> Segment:
    """A segment in memory."""
    every = list(blocks)
    terms = [term for block in every for term in block.terms]
    return Segment(
        name="",
        newest=newest,
        passages=passages,
        starts=_places([len(term) for term in terms]),
        letters=memoryview(b"".join(terms)),
        offsets=_places(np.concatenate([np.empty(0, np.int64), *(block.sizes for block in every)])),
        ids=np.concatenate([np.empty(0, np.uint32), *(block.ids for block in every)]),
        counts=np.concatenate([np.empty(0, np.uint16), *(block.counts for block in every)]),
    )


def merged(segments: Sequence[Segment], *, kept: NDArray[np.bool_] | None = None, after: int = 0) -> Iterator[Block]:
    """The postings of segments whose ids ascend from one to the next.

    kept: by passage id, what is kept; None: all. after: passages up to this id are left out.
    """
    streams = [_numbered(segment, number) for number, segment in enumerate(segments)]
    offsets = [segment.offsets for segment in segments]
    terms: list[bytes] = []
    held: list[list[int]] = [[] for _ in segments]  # of each segment: to which of `terms` its next ones belong
    begins = [0] * len(segments)
    size = 0
    for term, number, i in heapq.merge(*streams):
        if not terms or terms[-1] != term:
            if size >= _BLOCK:
                yield _block(terms, segments, held, begins, kept, after)
                begins = [begin + len(own) for begin, own in zip(begins, held, strict=True)]
                terms, held, size = [], [[] for _ in segments], 0
            terms.append(term)
        held[number].append(len(terms) - 1)
        size += int(offsets[number][i + 1] - offsets[number][i])
    if terms:
        yield _block(terms, segments, held, begins, kept, after)


def _numbered(segment: Segment, number: int) -> Iterator[tuple[bytes, int, int]]:
    """(term, number of its segment, its own number there)."""
    for i, term in enumerate(segment.terms()):
        yield term, number, i


def _block(
    terms: list[bytes],
    segments: Sequence[Segment],
    held: Sequence[Sequence[int]],
    begins: Sequence[int],
    kept: NDArray[np.bool_] | None,
    after: int,
) -> Block:
    numbers, ids, counts = [], [], []
    for segment, own, begin in zip(segments, held, begins, strict=True):
        bounds = segment.offsets[begin : begin + len(own) + 1]
        at = slice(int(bounds[0]), int(bounds[-1]))
        number = np.repeat(np.array(own, np.int64), np.diff(bounds))
        inside = segment.ids[at] > after
        if kept is not None:
            inside &= is_kept(segment.ids[at], kept)
        numbers.append(number[inside])
        ids.append(segment.ids[at][inside])
        counts.append(segment.counts[at][inside])
    number = np.concatenate(numbers)
    order = np.argsort(number, kind="stable")
    sizes = np.bincount(number, minlength=len(terms)).astype(np.int64)
    left = [term for term, size in zip(terms, sizes.tolist(), strict=True) if size]
    return Block(left, sizes[sizes > 0], np.concatenate(ids)[order], np.concatenate(counts)[order])


def is_kept(ids: Ids, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each is; ids beyond `kept` are not. Aligned with `ids`."""
    found = np.zeros(len(ids), dtype=np.bool_)
    inside = ids < len(kept)
    found[inside] = kept[ids[inside]]
    return found


def _places(sizes: Sequence[int] | Places) -> Places:
    """Where each begins, and where the last ends."""
    places = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=places[1:])
    return places


def _mapped(path: Path, count: int, dtype: type[_Number]) -> NDArray[_Number]:
    if not count:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,)).view(np.ndarray)
