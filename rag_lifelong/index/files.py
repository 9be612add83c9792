"""Files of the index: written beside, flushed, swapped in; one process writes at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lifelong.errors import KnowledgeBaseUnusable

POINTER = "current.json"
_LOCK = "writer.lock"


@contextmanager
def writing(folder: Path) -> Iterator[bool]:
    """Holds the writer's lock meanwhile; False if another process has it.

    Raises OSError where the folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(str(folder / _LOCK))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def read_pointer(folder: Path) -> dict[str, object] | None:
    """What the folder's index is made of; None where there is none, or it cannot be read."""
    try:
        entry = json.loads((folder / POINTER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def write_pointer(folder: Path, entry: dict[str, object]) -> None:
    """From now on the index is this."""
    write_through(folder / POINTER, lambda path: path.write_text(json.dumps(entry), encoding="utf-8"))


def write_through(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside, flushes to the disk, and swaps in: a crash leaves the old file or the new one."""
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


def delete_all(folder: Path) -> None:
    """Deletes the index; the file that writers lock stays. Raises KnowledgeBaseUnusable where it may not."""
    try:
        for path in folder.glob("*"):
            if path.name != _LOCK:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise KnowledgeBaseUnusable(
            f"cannot delete the index in {folder}: {error.strerror}; check its permissions"
        ) from error


def sweep(folder: Path, kept: frozenset[str]) -> None:
    """Deletes what no index uses any more, and what a crash left beside. The writer's lock is held.

    A process that still reads a file keeps it mapped; where that forbids deleting it, it goes another time.
    """
    for path in folder.iterdir():
        if path.name not in kept and path.name not in (POINTER, _LOCK):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue
