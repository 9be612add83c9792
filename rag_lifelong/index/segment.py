"""A segment: vectors that never change, in memory-mapped files.

Rule: candidates come from codes of two bits a dimension (product quantization in inverted lists, scanned in registers:
André et al., VLDB 2015), scores from the vectors themselves in half precision, as the store has them: what is found has
its exact cosine. Where few are allowed, all of them are looked at. Measured beside other codes in docs/log.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.index.files import write_through
from rag_lifelong.types import Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Ids = NDArray[np.int64]
Halves = NDArray[np.float16]

CODED_FROM = 4_096  # fewer vectors are scanned as they are
PROBED_WHOLE = 300_000  # up to so many, every list is scanned: 0.4 ms for 100,000, and masks cost no recall
GATHER_SHARE = 0.02  # of a segment: if no more are allowed, they are compared exactly
GATHER_ALWAYS = 2_000  # … or so many
REFINED = (2, 40)  # k → 2 k + 40 candidates get their exact cosine: recall@10 0.998 at 100,000 …
REFINED_DIM = 384  # … of 384 dimensions; of fewer, more, since their codes are shorter
SOUGHT_RECALL = 0.98  # of what scanning every list finds of the 10 best, when the number of lists to scan is chosen
_PROBE_SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 10, 1 / 7, 1 / 5, 1 / 3)
_SAMPLE_QUERIES = 64
_QUERY_COSINE = 0.5  # of a sample query with the vector it is drawn around: questions are about so far from answers
_POINTS_PER_LIST = 96  # for training …
_MOST_POINTS = 80_000  # … in all: 120 MB of 384 dimensions …
_LEAST_POINTS = 40  # … unless that is less than FAISS asks for, a list
BLOCK = 16_384  # vectors handled at once: 25 MB of 384 dimensions


@dataclass(frozen=True, slots=True)
class Found:
    """Vector ids and their cosines with the query, best first; ties by id."""

    ids: Ids  # (n,)
    scores: NDArray[np.float32]  # (n,)


class Stopped(Exception):
    """What was being written is left, since the knowledge base closes."""


def never() -> bool:
    """Nothing is stopped."""
    return False


class Segment:
    """Searched by any number of threads at once."""

    def __init__(self, name: str, ids: Ids, vectors: Halves, codes: Any | None, probes: int) -> None:
        self.name = name
        self.ids = ids  # (n,), ascending
        self.vectors = vectors  # (n, dim)
        self._codes = codes
        self._probes = probes

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, vector: Vector, k: int, *, allowed: NDArray[np.bool_] | None, is_exact: bool) -> Found:
        """The best `k`, in no order.

        vector: shape (dim,), float32. allowed: shape (n,), which may be found; None: all. is_exact: look at all.
        """
        count = len(self) if allowed is None else int(np.count_nonzero(allowed))
        if count == 0:
            return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        few = max(GATHER_ALWAYS, int(GATHER_SHARE * len(self)))
        if self._codes is None or is_exact or (allowed is not None and count <= few):
            rows = None if allowed is None else np.flatnonzero(allowed)
        else:
            rows = self._candidates(vector, min(count, _refined(k, self.vectors.shape[1])), allowed, count)
        return self._best(vector, k, rows)

    def scores_of(self, vector: Vector, ids: Ids) -> tuple[Ids, NDArray[np.float32]]:
        """(ids, cosines) of those of `ids`, ascending, that it holds."""
        rows = self.rows_of(ids)
        return self.ids[rows], _cosines(self.vectors[rows], vector)

    def rows_of(self, ids: Ids) -> Ids:
        """Where those of `ids`, ascending, that it holds stand; ascending."""
        at = np.minimum(np.searchsorted(self.ids, ids), len(self) - 1)
        rows: Ids = at[self.ids[at] == ids]
        return rows

    def _candidates(self, vector: Vector, count: int, allowed: NDArray[np.bool_] | None, many: int) -> Ids:
        """Rows of about the best `count` by their codes, ascending."""
        faiss = load_faiss()
        assert self._codes is not None
        probes = self._probes
        selector = None
        if allowed is not None:
            packed = np.packbits(allowed, bitorder="little")
            # FAISS keeps pointers only: `packed` and `selector` must outlive the search
            selector = faiss.IDSelectorBitmap(len(self), faiss.swig_ptr(packed))
            probes = min(self._codes.nlist, -(-probes * len(self) // many))
        parameters = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        faiss.omp_set_num_threads(1)  # two threads beside a busy process cost 25 times as much
        _, found = self._codes.search(vector.reshape(1, -1), count, params=parameters)
        del selector
        rows: Ids = found[0][found[0] >= 0]  # FAISS pads with -1
        rows.sort()
        return rows

    def _best(self, vector: Vector, k: int, rows: Ids | None) -> Found:
        ids: list[Ids] = []
        scores: list[NDArray[np.float32]] = []
        total = len(self) if rows is None else len(rows)
        for first in range(0, total, BLOCK):
            at = slice(first, first + BLOCK)
            chosen = at if rows is None else rows[at]
            cosines = _cosines(self.vectors[chosen], vector)
            best = top(cosines, k)
            ids.append(self.ids[chosen][best])
            scores.append(cosines[best])
        return Found(np.concatenate(ids), np.concatenate(scores))

    # -- files

    @property
    def entry(self) -> dict[str, object]:
        """What the pointer keeps of it."""
        return {"name": self.name, "count": len(self), "probes": self._probes, "is_coded": self._codes is not None}

    @staticmethod
    def names(entry: dict[str, object]) -> tuple[str, ...]:
        """Its files."""
        name = str(entry["name"])
        return (f"{name}.ids", f"{name}.f16", *((f"{name}.faiss",) if entry["is_coded"] else ()))

    @classmethod
    def write(
        cls,
        folder: Path,
        name: str,
        ids: Ids,
        vectors: Iterable[Halves],
        *,
        dim: int,
        is_stopped: Callable[[], bool] = never,
    ) -> Segment:
        """Makes and writes a segment; the caller holds the writer's lock.

        vectors: of `ids`, in runs of shape (m, dim), which go to the file one by one: a million are 768 MB.
        Raises OSError or RuntimeError (FAISS) where it cannot be written, Stopped soon after `is_stopped` says so; what
        was written by then is swept by the next one.
        """
        write_through(folder / f"{name}.ids", lambda path: np.asarray(ids, dtype="<i8").tofile(path))
        write_through(folder / f"{name}.f16", lambda path: _write_runs(path, vectors, is_stopped))
        mapped = np.memmap(folder / f"{name}.f16", dtype="<f2", mode="r", shape=(len(ids), dim)).view(np.ndarray)
        codes, probes = _coded(mapped, is_stopped) if len(ids) >= CODED_FROM else (None, 0)
        if codes is not None:
            faiss = load_faiss()
            write_through(folder / f"{name}.faiss", lambda path: faiss.write_index(codes, str(path)))
        entry: dict[str, object] = {
            "name": name,
            "count": len(ids),
            "probes": probes,
            "is_coded": codes is not None,
        }
        return cls.open(folder, entry, dim=dim)

    @classmethod
    def open(cls, folder: Path, entry: dict[str, object], *, dim: int) -> Segment:
        """Maps its files. Raises OSError, ValueError or RuntimeError (FAISS) if they are not what the entry says."""
        name, count = str(entry["name"]), int(str(entry["count"]))
        sizes = [(folder / file).stat().st_size for file in cls.names(entry)]
        if sizes[:2] != [8 * count, 2 * dim * count]:
            raise ValueError(f"segment {name} has files of another size")
        ids = np.memmap(folder / f"{name}.ids", dtype="<i8", mode="r", shape=(count,))
        vectors = np.memmap(folder / f"{name}.f16", dtype="<f2", mode="r", shape=(count, dim))
        codes = None
        if entry["is_coded"]:
            faiss = load_faiss()
            codes = faiss.read_index(str(folder / f"{name}.faiss"), faiss.IO_FLAG_MMAP_IFC)
            if codes.ntotal != count or codes.d != dim:
                raise ValueError(f"segment {name} has codes of other vectors")
        return cls(name, ids.view(np.ndarray), vectors.view(np.ndarray), codes, int(str(entry["probes"])))


def _refined(k: int, dim: int) -> int:
    """How many candidates by code get their exact cosine, to find the best `k`."""
    return round((REFINED[0] * k + REFINED[1]) * max(1.0, REFINED_DIM / dim))


def top(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of the best `k`, in no order, with all that equal the last of them."""
    if k >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= least)


def _cosines(vectors: Halves, vector: Vector) -> NDArray[np.float32]:
    # einsum, not @: BLAS would use every core for a product as small as this
    cosines: NDArray[np.float32] = np.einsum("ij,j->i", vectors.astype(np.float32), vector)
    return cosines


def _write_runs(path: Path, runs: Iterable[Halves], is_stopped: Callable[[], bool]) -> None:
    with path.open("wb") as file:
        for run in runs:
            if is_stopped():
                raise Stopped
            np.asarray(run, dtype="<f2").tofile(file)


def _coded(vectors: Halves, is_stopped: Callable[[], bool]) -> tuple[Any, int]:
    """(FAISS index of one-bit codes, lists to scan)."""
    faiss = load_faiss()
    faiss.omp_set_num_threads(1)
    count, dim = vectors.shape
    lists = 16 if count < 20_000 else 64 if count <= PROBED_WHOLE else round(2 * count**0.5)
    kind = f"PQ{dim // 2}x4fs" if dim % 2 == 0 else "RaBitQfs"
    codes = faiss.index_factory(dim, f"IVF{lists},{kind}", faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(0)
    points = min(lists * _POINTS_PER_LIST, max(_MOST_POINTS, lists * _LEAST_POINTS))
    sample = np.sort(rng.permutation(count)[:points])
    codes.train(vectors[sample].astype(np.float32))
    for block in _blocks(vectors, is_stopped):
        codes.add(block)
    return codes, lists if count <= PROBED_WHOLE else _probes(codes, vectors, lists, rng, is_stopped)


def _probes(codes: Any, vectors: Halves, lists: int, rng: np.random.Generator, is_stopped: Callable[[], bool]) -> int:
    """The fewest lists in which SOUGHT_RECALL is found of what all find, of the best ten of sample queries.

    Not of the best ten themselves: codes miss some of those however many lists are scanned, which a share of all
    lists cannot mend.
    """
    faiss = load_faiss()
    count, dim = vectors.shape
    around = vectors[np.sort(rng.integers(0, count, _SAMPLE_QUERIES))].astype(np.float32)
    noise = rng.normal(size=around.shape).astype(np.float32)
    noise -= np.einsum("ij,ij->i", noise, around)[:, None] * around
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    queries = _QUERY_COSINE * around + (1 - _QUERY_COSINE**2) ** 0.5 * noise
    exact = np.empty((_SAMPLE_QUERIES, 0), dtype=np.float32)
    rows = np.empty((_SAMPLE_QUERIES, 0), dtype=np.int64)
    for number, block in enumerate(_blocks(vectors, is_stopped)):
        scores, found = faiss.knn(queries, block, 10, metric=faiss.METRIC_INNER_PRODUCT)
        exact, rows = np.hstack([exact, scores]), np.hstack([rows, found + number * BLOCK])
    best = np.take_along_axis(rows, np.argsort(-exact, axis=1)[:, :10], axis=1)

    def hits(probes: int) -> int:
        parameters = faiss.SearchParametersIVF(nprobe=probes)
        _, found = codes.search(queries, _refined(10, dim), params=parameters)
        return sum(len(np.intersect1d(a, b)) for a, b in zip(best, found, strict=True))

    most = hits(lists)
    for share in _PROBE_SHARES:
        probes = max(1, round(share * lists))
        if hits(probes) >= SOUGHT_RECALL * most:
            return probes
    return lists


def _blocks(vectors: Halves, is_stopped: Callable[[], bool]) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(vectors), BLOCK):
        if is_stopped():
            raise Stopped
        yield np.ascontiguousarray(vectors[first : first + BLOCK], dtype=np.float32)


def load_faiss() -> Any:
    """FAISS, when it is needed: its import takes 0.1 s."""
    import faiss

    return faiss
