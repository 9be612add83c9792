"""Absolute paths ⇄ a folder and the path below it, as stored."""

from __future__ import annotations

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
