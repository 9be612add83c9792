"""What can still be read out of a damaged store, and how it is set aside.

Rule: nothing is deleted. The damaged file and its write-ahead log are renamed, so that nothing of them is lost.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from rag_lifelong.store.glance import FILE_NAME


@dataclass(frozen=True, slots=True)
class Rescued:
    """Where the damaged file is now, and the paths that were read in: folders, and single files."""

    kept: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]


def is_damaged(folder: Path) -> bool:
    """SQLite's own check fails on the store, or it is no database at all; a newer format is not damage."""
    path = folder / FILE_NAME
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok")
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return False  # locked, or not to be opened: not damage
    except sqlite3.DatabaseError:
        return True


def set_aside(folder: Path) -> Rescued:
    """Renames the store of a knowledge base, and reads from it what to read in again."""
    path = folder / FILE_NAME
    folders, files = _read(path)
    number = 1
    while (kept := folder / f"{FILE_NAME}.damaged-{number}").exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        if (folder / f"{FILE_NAME}{suffix}").exists():
            os.replace(folder / f"{FILE_NAME}{suffix}", f"{kept}{suffix}")
    os.replace(path, kept)
    return Rescued(kept, folders, files)


def _read(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    except sqlite3.DatabaseError:
        return (), ()
    try:
        roots = connection.execute("SELECT id, path, is_whole FROM roots ORDER BY id").fetchall()
        folders = tuple(str(root[1]) for root in roots if root[2])
        files: list[str] = []
        for root_id, root, is_whole in roots:
            if not is_whole:
                rows = connection.execute("SELECT path FROM files WHERE root_id = ?", (root_id,))
                files.extend(f"{root}/{row[0]}" for row in rows)
        return folders, tuple(files)
    except sqlite3.DatabaseError:
        return (), ()
    finally:
        connection.close()
