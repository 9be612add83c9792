"""Absolute paths ⇄ a folder and the path below it, as stored."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path


def joined(root: str, relative: str) -> str:
    """The absolute path of a path below a root."""
    return str(Path(root, *relative.split("/")))


def relative_to(path: str, root: str) -> str | None:
    """`path` below `root`, "/" between its parts; None if it is not below it. Both absolute."""
    try:
        return Path(path).relative_to(root).as_posix()
    except ValueError:
        return None


def above(relative: str) -> Iterator[str]:
    """The paths that a path below a root is below, itself aside."""
    while "/" in relative:
        relative = relative.rpartition("/")[0]
        yield relative


def file_on_disk(path: Path) -> Path | None:
    """`path` if something is there, else the file that it is in: "a.zip" of "a.zip/notes.txt"; None if neither is."""
    if path.exists():
        return path
    return next((above for above in path.parents if above.is_file()), None)


def matches(pattern: str, root: str, relative: str) -> bool:
    """A glob matches the absolute path, the path below the root, or that with the root's name before it."""
    pattern = os.path.expanduser(pattern)
    candidates = (joined(root, relative), relative, f"{Path(root).name}/{relative}")
    prefix = pattern.rstrip("/")
    return any(
        fnmatch.fnmatchcase(candidate, pattern) or fnmatch.fnmatchcase(candidate, f"{prefix}/*")
        for candidate in candidates
    )
