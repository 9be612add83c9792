"""Absolute paths ⇄ a folder and the path below it, as stored."""

from __future__ import annotations

import fnmatch
import os
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


def matches(pattern: str, root: str, relative: str) -> bool:
    """A glob matches the absolute path, the path below the root, or that with the root's name before it."""
    pattern = os.path.expanduser(pattern)
    candidates = (joined(root, relative), relative, f"{Path(root).name}/{relative}")
    prefix = pattern.rstrip("/")
    return any(
        fnmatch.fnmatchcase(candidate, pattern) or fnmatch.fnmatchcase(candidate, f"{prefix}/*")
        for candidate in candidates
    )
