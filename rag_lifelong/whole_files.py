"""Files of the user's that this program writes: replaced whole or not at all, also through a crash.

Rule: what is new is written beside, brought to the disk, and given its name in one step.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BESIDE = ".tmp"  # an ending that no followed folder is read by (`ingest.scan.DEFAULT_IGNORE`)


def replace_whole(path: Path, data: bytes, *, is_still: Callable[[], bool] | None = None) -> bool:
    """The file at `path` holds `data`; who may read it stays so.

    is_still: asked last of all whether what is there may be replaced; False leaves it and gives False. Raises OSError.
    """
    with _beside(path, data) as beside:
        if is_still is not None and not is_still():
            return False
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    sync_folder(path.parent)
    return True


def create_whole(path: Path, data: bytes) -> bool:
    """The new file at `path` holds `data`; False if there is one by now, which stays. Raises OSError."""
    with _beside(path, data) as beside:
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        except OSError:  # a disk without links, such as exFAT
            if os.path.lexists(path):
                return False
            os.replace(beside, path)
    sync_folder(path.parent)
    return True


def clear_beside(path: Path) -> None:
    """What a killed process has left beside `path` goes; nobody else may be writing it."""
    for left in path.parent.glob(f".{path.name}.*{_BESIDE}"):
        left.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """New names in it outlive a power cut; not every system can do that for a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside `path` with these bytes, on the disk; gone afterwards unless it was given another name."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_BESIDE}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)
