"""The whole index: a small head in memory, and immutable segments on disk that are merged by tier.

Rule: ids are the store's vector ids, ascending, never `ntotal`. The store commits first, then the index follows;
the head is not written, it is replayed from the store. What is on disk is told by one small file (files.POINTER),
swapped in last: a crash at any instant leaves the old index or the new one, and files that are missing, damaged, ahead
or of another embedder are no index. Only the process that holds the writer's lock writes.

Reading needs no lock: a search works on the state it began with. One thread at a time adds and removes, and one tends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.index import files
from rag_lifelong.index.segment import BLOCK, Found, Halves, Ids, Segment, Stopped, top
from rag_lifelong.types import Vector, Vectors

logger = logging.getLogger(__name__)

_FORMAT = 2
SEAL_AFTER = 4_096  # vectors in the head: 0.3 ms of each search
SAVE_AFTER = 2_048  # vectors that the next open would replay: about 20 ms
DEAD_SHARE = 0.2  # of a segment: beyond it, or …
_MOST_DEAD = 10_000  # … so many, which the pointer lists, it is written anew
TIER = 4  # neighbours of about one size are merged; each vector is written about log4(n / SEAL_AFTER) times


@dataclass(frozen=True, slots=True)
class _State:
    """What a search sees. head_ids, head: of which `count` rows are filled; they are never written again.

    dead: ids in segments that may not be found, ascending.
    """

    segments: tuple[Segment, ...]
    head_ids: Ids
    head: NDArray[np.float32]
    count: int
    dead: Ids

    @property
    def newest(self) -> int:
        """The greatest id; 0 if there is none."""
        if self.count:
            return int(self.head_ids[self.count - 1])
        return int(self.segments[-1].ids[-1]) if self.segments else 0


class VectorIndex:
    """Unit vectors by id, searched by inner product."""

    def __init__(self, *, dim: int, fingerprint: str, seal_after: int | None = None) -> None:
        self.dim = dim
        self.fingerprint = fingerprint
        self.position = 0  # of the store's change log: what was dropped until then is dropped here
        self.mark = ""  # of the store that it follows (store.versions), at that position or shortly before
        self._seal_after = SEAL_AFTER if seal_after is None else seal_after
        self._changing = threading.Lock()
        self._generation = 0  # of the files on disk that the segments are
        self._drops = 0
        self._tried_at = 0  # it could not be written: not tried again before so much is in the head
        self.is_exact = False  # look at every vector, where large segments are otherwise searched by their codes
        self.is_stopping = False  # whoever tends stops soon, and leaves the old index
        self.is_behind = False  # another process has sealed or merged: `adopt`
        self._state = _State((), np.empty(0, np.int64), np.empty((0, dim), np.float32), 0, np.empty(0, np.int64))

    def __len__(self) -> int:
        state = self._state
        return sum(len(segment) for segment in state.segments) + state.count - len(state.dead)

    @property
    def newest(self) -> int:
        """The greatest id added; 0 if there is none."""
        return self._state.newest

    @property
    def ids(self) -> Ids:
        """The ids held, ascending; shape (n,)."""
        state = self._state
        ids = np.concatenate([*(segment.ids for segment in state.segments), state.head_ids[: state.count]])
        return ids[~np.isin(ids, state.dead)] if len(state.dead) else ids

    @property
    def segments(self) -> tuple[int, ...]:
        """How many vectors each segment holds, oldest first; the head's are not counted."""
        return tuple(len(segment) for segment in self._state.segments)

    def vectors(self) -> Vectors:
        """All vectors held, in order of their ids; shape (n, dim)."""
        state = self._state
        parts: list[Vectors] = []
        for segment in state.segments:
            kept = ~np.isin(segment.ids, state.dead)
            parts.append(np.asarray(segment.vectors[kept], dtype=np.float32))
        return np.concatenate([*parts, state.head[: state.count]])

    # -- changing

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Adds vectors; ids, shape (n,), must ascend and be greater than all before.

        vectors: as the store keeps them, that is, of half precision. Raises ValueError for ids out of order, or if the
        vectors' shape is not (n, dim).
        """
        if vectors.shape != (len(ids), self.dim):
            raise ValueError(f"vectors of shape {vectors.shape}, expected {(len(ids), self.dim)}")
        with self._changing:
            state = self._state
            if len(ids) and (np.any(np.diff(ids) <= 0) or int(ids[0]) <= state.newest):
                raise ValueError("ids must ascend and never be reused")
            total = state.count + len(ids)
            head_ids, head = state.head_ids, state.head
            if total > len(head_ids):
                room = max(total, 2 * state.count, 1_024)
                head_ids, head = np.empty(room, np.int64), np.empty((room, self.dim), np.float32)
                head_ids[: state.count], head[: state.count] = state.head_ids[: state.count], state.head[: state.count]
            head_ids[state.count : total], head[state.count : total] = ids, vectors
            self._state = replace(state, head_ids=head_ids, head=head, count=total)

    def keep(self, ids: Ids) -> None:
        """Drops all but these, ascending."""
        self.drop(np.setdiff1d(self.ids, ids, assume_unique=True))

    def drop(self, ids: Ids) -> None:
        """They are found no more; ascending. `save` takes them out of the files."""
        with self._changing:
            self._drops += 1
            state = self._state
            kept = ~np.isin(state.head_ids[: state.count], ids)
            inside = [segment.ids[segment.rows_of(ids)] for segment in state.segments]
            self._state = replace(
                state,
                head_ids=state.head_ids[: state.count][kept],
                head=state.head[: state.count][kept],
                count=int(np.count_nonzero(kept)),
                dead=np.union1d(state.dead, np.concatenate([*inside, np.empty(0, np.int64)])),
            )

    # -- searching

    def search(self, vector: Vector, k: int, *, among: Ids | None = None) -> Found:
        """About the best `k` by cosine, best first, ties by id; fewer if fewer may be found. The cosines are exact.

        vector: shape (dim,), unit length. among: the ids that may be found, ascending; None: all.
        """
        state = self._state
        if k <= 0:
            return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        query = np.ascontiguousarray(vector, dtype=np.float32)
        mask = _mask(state, among)
        found = [_in_head(state, query, k, mask)]
        for segment in state.segments:
            allowed = None if mask is None else mask[segment.ids]
            found.append(segment.search(query, k, allowed=allowed, is_exact=self.is_exact))
        ids = np.concatenate([part.ids for part in found])
        scores = np.concatenate([part.scores for part in found])
        best = np.lexsort((ids, -scores))[:k]
        return Found(ids[best], scores[best])

    def scores_of(self, vector: Vector, ids: Ids) -> dict[int, float]:
        """id → cosine with `vector`, for those of `ids` the index holds."""
        state = self._state
        wanted = np.setdiff1d(ids, state.dead)
        query = np.ascontiguousarray(vector, dtype=np.float32)
        found: dict[int, float] = {}
        for segment in state.segments:
            held, cosines = segment.scores_of(query, wanted)
            found.update(zip(held.tolist(), cosines.tolist(), strict=True))
        inside = np.isin(state.head_ids[: state.count], wanted)
        cosines = np.einsum("ij,j->i", state.head[: state.count][inside], query)
        found.update(zip(state.head_ids[: state.count][inside].tolist(), cosines.tolist(), strict=True))
        return found

    # -- files

    def is_worth_saving(self) -> bool:
        """So much is in the head that the next open would feel it."""
        return self._state.count >= SAVE_AFTER

    def is_due(self) -> bool:
        """`tend` has something to do, and has not just failed to."""
        state = self._state
        return state.count >= self._tried_at and self._job(state, self._seal_after) is not None

    def save(self, folder: Path) -> bool:
        """Writes all that is not written; what was dropped is then in no file, and no other process puts it there.

        False if another process is writing, or has written and is to be followed first (`adopt`), or it cannot be
        written.
        """
        while not self._is_written(folder):
            if not self.tend(folder, seal_after=1):
                return False
        return True

    def _is_written(self, folder: Path) -> bool:
        """Also that it was dropped until `position`: others, which go by the pointer, then look at the store first."""
        pointer, state = files.read_pointer(folder), self._state
        if pointer is None or state.count or len(state.dead) or _generation_of(pointer) != self._generation:
            return False
        return pointer.get("fingerprint") == self.fingerprint and pointer.get("position") == self.position

    def tend(self, folder: Path, *, seal_after: int | None = None) -> bool:
        """One step of what is due: a segment without its many dead, the head sealed, or four segments merged into one.

        seal_after: how many vectors make a head worth sealing; at 1, few dead count too, and something is written in
        any case. Searches and additions go on.
        False if nothing was done: nothing is due, another process is writing, or it cannot be written: it is a cache,
        and stays in memory.
        """
        try:
            with files.writing(folder) as is_ours:
                return is_ours and self._tend(folder, self._seal_after if seal_after is None else seal_after)
        except Stopped:
            return False
        except FileNotFoundError:
            return False  # the folder was deleted meanwhile, since another embedder has taken over
        except (OSError, RuntimeError, ValueError) as error:  # FAISS raises RuntimeError
            logger.warning("the index in %s cannot be written: %s", folder, error)
            self._tried_at = self._state.count + self._seal_after
            return False

    def _tend(self, folder: Path, seal_after: int) -> bool:
        pointer = files.read_pointer(folder)
        if pointer is not None and self._is_newer(pointer) and self._other(folder, pointer) is not None:
            self.is_behind = True
            return False
        with self._changing:
            state, position, mark, drops = self._state, self.position, self.mark, self._drops
        job = self._job(state, seal_after, is_all=seal_after == 1)
        if job is None:
            if seal_after > 1:
                return False
            job = ()  # that nothing is new is written too
        parts: list[tuple[Ids, NDArray[np.floating]]] = [(segment.ids, segment.vectors) for segment in job]
        if not job and state.count:
            parts = [(state.head_ids[: state.count], state.head[: state.count])]
        generation = max(self._generation, _generation_of(pointer)) + 1
        made: list[Segment] = []
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in parts)])
        ids = ids[~np.isin(ids, state.dead)]
        if len(ids):
            name, runs = f"{generation}-{len(ids)}", _runs(parts, state.dead)
            made = [Segment.write(folder, name, ids, runs, dim=self.dim, is_stopped=lambda: self.is_stopping)]
        last = state.newest
        with self._changing:
            now = self._state
            if drops != self._drops and not job:
                return True  # what was sealed is not what is kept: again
            segments = list(now.segments)
            if job:
                first = segments.index(job[0])
                segments[first : first + len(job)] = made
                now = replace(now, dead=now.dead[np.isin(now.dead, _all_ids(segments))])
            else:
                beyond = int(np.searchsorted(now.head_ids[: now.count], last, side="right")) if state.count else 0
                now = replace(
                    now,
                    head_ids=now.head_ids[beyond : now.count].copy(),
                    head=now.head[beyond : now.count].copy(),
                    count=now.count - beyond,
                )
                segments += made
            self._state = replace(now, segments=tuple(segments))
            self._generation = generation
            self._tried_at = 0
        entries = [segment.entry for segment in segments]
        files.write_pointer(
            folder,
            {
                "format": _FORMAT,
                "fingerprint": self.fingerprint,
                "dim": self.dim,
                "generation": generation,
                "position": position,
                "mark": mark,
                "segments": entries,
                "dead": now.dead.tolist(),
            },
        )
        files.sweep(folder, frozenset(name for entry in entries for name in Segment.names(entry)))
        return True

    def _job(self, state: _State, seal_after: int, *, is_all: bool = False) -> tuple[Segment, ...] | None:
        """Segments to make into one, none for the head; None: nothing is due. is_all: also few dead are."""
        if len(state.dead):
            for segment in state.segments:
                dead = len(segment.rows_of(state.dead))
                if dead > (0 if is_all else min(_MOST_DEAD, int(DEAD_SHARE * len(segment)))):
                    return (segment,)
        if state.count >= max(1, seal_after):
            return ()
        tiers = [max(0, int(np.log2(max(1, len(s) / self._seal_after)) / 2)) for s in state.segments]
        for first in range(len(tiers) - TIER, -1, -1):
            if len(set(tiers[first : first + TIER])) == 1:
                return state.segments[first : first + TIER]
        return None

    def _is_newer(self, pointer: dict[str, object]) -> bool:
        return (pointer.get("format"), pointer.get("fingerprint"), pointer.get("dim")) == (
            _FORMAT,
            self.fingerprint,
            self.dim,
        ) and _generation_of(pointer) > self._generation

    def adopt(self, folder: Path) -> None:
        """Takes over what another process has sealed or merged; of the head stays what is not in that."""
        self.is_behind = False
        pointer = files.read_pointer(folder)
        if pointer is None or not self._is_newer(pointer):
            return
        other = self._other(folder, pointer)
        if other is None:
            return
        with self._changing:
            state, theirs = self._state, other._state
            if state.segments and int(state.segments[-1].ids[-1]) > theirs.newest:
                # the head begins behind what was sealed here; theirs ends before that, after a `drop`
                state = replace(state, count=0)
            beyond = int(np.searchsorted(state.head_ids[: state.count], theirs.newest, side="right"))
            held = _all_ids(theirs.segments)
            self._state = _State(
                theirs.segments,
                state.head_ids[beyond : state.count].copy(),
                state.head[beyond : state.count].copy(),
                state.count - beyond,
                np.union1d(state.dead[np.isin(state.dead, held)], theirs.dead),
            )
            self._generation = other._generation
            self.position = min(self.position, other.position)  # what was dropped since may be in its segments

    def _other(self, folder: Path, pointer: dict[str, object]) -> VectorIndex | None:
        """What another process has written; None if that is damaged."""
        return VectorIndex._opened(folder, pointer, dim=self.dim, fingerprint=self.fingerprint)

    @classmethod
    def load(cls, folder: Path, *, dim: int, fingerprint: str) -> Self | None:
        """The index on disk, or None where there is none that can be used as it is."""
        pointer = files.read_pointer(folder)
        while pointer is not None:
            index = cls._opened(folder, pointer, dim=dim, fingerprint=fingerprint)
            again = None if index is not None else files.read_pointer(folder)
            if index is not None or again == pointer:
                return index
            pointer = again  # another process has merged meanwhile, and deleted what it merged
        return None

    @classmethod
    def _opened(cls, folder: Path, pointer: dict[str, object], *, dim: int, fingerprint: str) -> Self | None:
        index = cls(dim=dim, fingerprint=fingerprint)
        if not index._is_newer(pointer):
            return None
        try:
            entries = pointer["segments"]
            if not isinstance(entries, list):
                return None
            segments = tuple(Segment.open(folder, entry, dim=dim) for entry in entries)
            index.position = int(str(pointer["position"]))
            index.mark = str(pointer["mark"])
            dead = np.array(pointer["dead"], dtype=np.int64)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError):  # FAISS raises RuntimeError
            return None
        index._generation = _generation_of(pointer)
        index._state = replace(index._state, segments=segments, dead=dead)
        return index


def _generation_of(pointer: dict[str, object] | None) -> int:
    found = None if pointer is None else pointer.get("generation")
    return found if isinstance(found, int) else 0


def _mask(state: _State, among: Ids | None) -> NDArray[np.bool_] | None:
    """By id, whether it may be found; None: all may."""
    if among is None and not len(state.dead):
        return None
    mask = np.full(state.newest + 1, among is None)
    if among is not None:
        mask[among[: np.searchsorted(among, state.newest, side="right")]] = True
    mask[state.dead] = False
    return mask


def _in_head(state: _State, vector: Vector, k: int, mask: NDArray[np.bool_] | None) -> Found:
    ids, vectors = state.head_ids[: state.count], state.head[: state.count]
    if mask is not None:
        allowed = mask[ids]
        ids, vectors = ids[allowed], vectors[allowed]
    if not len(ids):
        return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    cosines = np.einsum("ij,j->i", vectors, vector)  # not BLAS, which would use every core
    best = top(cosines, k)
    return Found(ids[best], cosines[best])


def _runs(parts: list[tuple[Ids, NDArray[np.floating]]], dead: Ids) -> Iterator[Halves]:
    """The vectors of those that are not dead, in runs of up to BLOCK."""
    for ids, vectors in parts:
        for first in range(0, len(ids), BLOCK):
            at = slice(first, first + BLOCK)
            yield vectors[at][~np.isin(ids[at], dead)].astype(np.float16)


def _all_ids(segments: tuple[Segment, ...] | list[Segment]) -> Ids:
    return np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in segments)])
