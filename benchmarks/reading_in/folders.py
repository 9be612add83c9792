"""The folders that are read in.

Rule: every run reads a copy of its own, made before the clock starts.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.replay import Blobs, unpacked

MIXED, PEPS = "mixed", "peps"
MOST_PEPS = 100  # about 3,300 passages: two minutes for one peer on two cores


@dataclass(frozen=True, slots=True)
class Folder:
    """name: MIXED or PEPS. edited, gone: paths below it, of the file that is edited and of the one deleted."""

    name: str
    path: Path
    edited: str
    gone: str


def mixed(data: Path, work: Path, every: int) -> Folder:
    """Of `docs/` every so many files, in order of their paths; besides them the one edited and the one deleted."""
    edited, gone = "unstructured/norwich-city.txt", "unstructured/book-war-and-peace-1p.txt"
    docs = data / "docs"
    if every == 1:
        return Folder(MIXED, docs, edited, gone)
    path = work / "folders" / f"{MIXED}-{every}"
    if not path.exists():
        making = path.with_name(f"{path.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        names = sorted(file.relative_to(docs).as_posix() for file in docs.rglob("*") if file.is_file())
        for name in sorted({*names[::every], edited, gone}):
            (making / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(docs / name, making / name)
        making.replace(path)
    return Folder(MIXED, path, edited, gone)


def peps(data: Path, work: Path, count: int) -> Folder:
    """The first `count` PEPs by name, of the newest commit, each a file."""
    path = work / "folders" / f"{PEPS}-{count}"
    if not path.exists():
        blobs = Blobs(unpacked(data, work))
        tree = {place.rsplit("/", 1)[-1]: blob for place, blob in blobs.tree("HEAD").items()}
        making = path.with_name(f"{path.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for name in sorted(name for name in tree if name.startswith("pep-"))[:count]:
            (making / name).write_bytes(blobs.read(tree[name]))
        making.replace(path)
    names = sorted(file.name for file in path.iterdir())
    by_size = sorted(names, key=lambda name: (path / name).stat().st_size)
    return Folder(PEPS, path, by_size[len(names) // 2], by_size[len(names) // 2 - 1])


def copy(folder: Folder, place: Path) -> Path:
    """Made anew at `place`."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder.path, place, symlinks=False)
    return place


def size_of(folder: Path) -> tuple[int, int]:
    """(files, bytes) in it."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
