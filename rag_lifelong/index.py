"""The vector index: FAISS, a cache of the store that carries the change-log position it was built at.

Rule: ids are the store's vector ids, ascending, never `ntotal`. The store commits first, then the index follows
the change log; a file that is missing, damaged, ahead or of another embedder is made again from the store.
Only the process that holds the lock writes index files; the others replay in memory.

Search is exact, under a mask of the ids that may be found.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.types import Vector, Vectors

if TYPE_CHECKING:
    from filelock import FileLock

logger = logging.getLogger(__name__)

Ids = NDArray[np.int64]

_FORMAT = 1
_POINTER = "current.json"
SAVE_AFTER = 2_048  # vectors replayed at an open before the file is written anew: about 20 ms of replay
SAVE_SHARE = 0.1  # … or this share of the index, so that writing stays O(change) over time


@dataclass(frozen=True, slots=True)
class Found:
    """Vector ids and their cosines with the query, best first; ties by id."""

    ids: Ids  # (n,)
    scores: NDArray[np.float32]  # (n,)


class VectorIndex:
    """Unit vectors by id, searched by inner product. Not for use by two threads at once."""

    def __init__(self, *, dim: int, fingerprint: str) -> None:
        self.dim = dim
        self.fingerprint = fingerprint
        self.position = 0  # of the store's change log
        self._saved = 0  # how many vectors the file on disk holds
        self._faiss = _load_faiss()
        self._flat = self._faiss.IndexFlatIP(dim)
        self._ids: Ids = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> Ids:
        """The ids held, ascending; shape (n,)."""
        return self._ids

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Adds vectors; ids, shape (n,), must ascend and be greater than all before.

        Raises ValueError otherwise, or if the vectors' shape is not (n, dim).
        """
        if vectors.shape != (len(ids), self.dim):
            raise ValueError(f"vectors of shape {vectors.shape}, expected {(len(ids), self.dim)}")
        joined = np.concatenate([self._ids[-1:], ids])
        if np.any(np.diff(joined) <= 0):
            raise ValueError("ids must ascend and never be reused")
        self._flat.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._ids = np.concatenate([self._ids, ids])

    def search(self, vector: Vector, k: int, *, among: Ids | None = None) -> Found:
        """The best `k` by cosine, best first; fewer if fewer may be found.

        vector: shape (dim,), unit length. among: the ids that may be found, ascending; None: all.
        """
        positions = None if among is None else np.flatnonzero(np.isin(self._ids, among, assume_unique=True))
        available = len(self._ids) if positions is None else len(positions)
        if available == 0 or k <= 0:
            return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        parameters = None
        selector = None
        if positions is not None and available < len(self._ids):
            bits = np.zeros(len(self._ids), dtype=bool)
            bits[positions] = True
            packed = np.packbits(bits, bitorder="little")
            # FAISS keeps pointers only: `packed` and `selector` must outlive the search
            selector = self._faiss.IDSelectorBitmap(len(self._ids), self._faiss.swig_ptr(packed))
            parameters = self._faiss.SearchParameters(sel=selector)
        self._faiss.omp_set_num_threads(1)  # two threads beside a busy process cost 25 times as much
        scores, found = self._flat.search(vector.reshape(1, -1), min(k, available), params=parameters)
        del selector
        kept = found[0] >= 0  # FAISS pads with -1
        ids, values = self._ids[found[0][kept]], scores[0][kept]
        order = np.lexsort((ids, -values))
        return Found(ids[order], values[order])

    def scores_of(self, vector: Vector, ids: Ids) -> dict[int, float]:
        """id → cosine with `vector`, for those of `ids` the index holds."""
        at = np.searchsorted(self._ids, ids)
        inside = at < len(self._ids)
        inside[inside] = self._ids[at[inside]] == ids[inside]
        rows = np.stack([self._flat.reconstruct(int(i)) for i in at[inside]]) if inside.any() else None
        if rows is None:
            return {}
        cosines = rows @ vector  # (n,)
        return {int(i): float(c) for i, c in zip(ids[inside], cosines, strict=True)}

    def vectors(self) -> Vectors:
        """All vectors held, in order of their ids; shape (n, dim)."""
        return np.asarray(self._flat.reconstruct_n(0, len(self._ids)), dtype=np.float32).reshape(-1, self.dim)

    def is_worth_saving(self) -> bool:
        """So much was added since the file was written that the next open would feel it."""
        added = len(self._ids) - self._saved
        return added >= max(SAVE_AFTER, int(self._saved * SAVE_SHARE))

    def save(self, folder: Path) -> bool:
        """Writes the index beside, then swaps it in; False if another process is writing, or it cannot be written.

        A crash at any instant leaves the old file or the new one. It is a cache: on a full disk, or in a folder that
        can only be read, it stays in memory, and is tried again once much more was added.
        """
        try:
            return self._save(folder)
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError
            logger.warning("the index in %s cannot be written: %s", folder, error)
            self._saved = len(self._ids)
            return False

    def _save(self, folder: Path) -> bool:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(folder)
        if not _acquired(lock):
            return False
        try:
            pointer = _read_pointer(folder)
            if pointer is not None and cast(int, pointer.get("position", -1)) > self.position:
                return False  # another process has written a newer one
            name = f"flat-{self.position}-{len(self._ids)}.faiss"
            _write_through(folder / name, lambda path: self._faiss.write_index(self._flat, str(path)))
            ids_name = f"{name}.ids.npy"
            _write_through(folder / ids_name, lambda path: _save_array(path, self._ids))
            entry = {
                "format": _FORMAT,
                "fingerprint": self.fingerprint,
                "dim": self.dim,
                "count": len(self._ids),
                "position": self.position,
                "vectors": name,
                "ids": ids_name,
                "sizes": [(folder / name).stat().st_size, (folder / ids_name).stat().st_size],
            }
            _write_through(folder / _POINTER, lambda path: _write_text(path, json.dumps(entry)))
            self._saved = len(self._ids)
            for old in folder.glob("flat-*"):
                if old.name not in (name, ids_name):
                    old.unlink(missing_ok=True)
            return True
        finally:
            lock.release()

    @classmethod
    def load(cls, folder: Path, *, dim: int, fingerprint: str) -> VectorIndex | None:
        """The index on disk, or None where there is none that can be used as it is."""
        entry = _read_pointer(folder)
        if entry is None or (entry.get("format"), entry.get("fingerprint"), entry.get("dim")) != (
            _FORMAT,
            fingerprint,
            dim,
        ):
            return None
        index = cls(dim=dim, fingerprint=fingerprint)
        try:
            paths = [folder / str(entry["vectors"]), folder / str(entry["ids"])]
            if [path.stat().st_size for path in paths] != entry["sizes"]:
                return None
            index._flat = index._faiss.read_index(str(paths[0]))
            index._ids = np.load(paths[1], allow_pickle=False)
            index.position = int(cast(int, entry["position"]))
        except (OSError, KeyError, ValueError, RuntimeError, EOFError):  # FAISS raises RuntimeError
            return None
        if index._flat.ntotal != len(index._ids) or index._flat.d != dim or len(index._ids) != entry["count"]:
            return None
        index._saved = len(index._ids)
        return index


def _load_faiss() -> Any:
    import faiss

    return faiss


def _lock(folder: Path) -> FileLock:
    from filelock import FileLock

    return FileLock(str(folder / "writer.lock"))


def _acquired(lock: FileLock) -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _read_pointer(folder: Path) -> dict[str, object] | None:
    try:
        entry = json.loads((folder / _POINTER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def _save_array(path: Path, array: Ids) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_through(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside, flushes to the disk, and swaps in."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
