"""A quick look into a knowledge base without opening it: for shell completion.

Rule: standard library only; whatever is wrong gives an empty answer.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

FILE_NAME = "lifelong.sqlite3"


def paths_below(folder: Path, prefix: str, *, limit: int) -> list[str]:
    """Absolute paths of living documents that begin with `prefix`, in order."""
    return _column(
        folder,
        "SELECT r.path || '/' || l.path AS whole FROM locations l JOIN roots r ON r.id = l.root_id "
        "WHERE l.died IS NULL AND substr(whole, 1, length(?)) = ? ORDER BY whole LIMIT ?",
        (prefix, prefix, limit),
    )


def version_numbers(folder: Path, *, limit: int) -> list[str]:
    """The newest versions' numbers, newest first."""
    return _column(folder, "SELECT id FROM versions ORDER BY id DESC LIMIT ?", (limit,))


def chat_ids(folder: Path, *, limit: int) -> list[str]:
    """The numbers of the conversations, the one talked in last first."""
    return _column(folder, "SELECT id FROM chats ORDER BY last_ms DESC, id DESC LIMIT ?", (limit,))


def adapter_ids(folder: Path, *, limit: int) -> list[str]:
    """The numbers of the adapters, newest first."""
    return _column(folder, "SELECT id FROM adapters ORDER BY id DESC LIMIT ?", (limit,))


def _column(folder: Path, query: str, values: tuple[str | int, ...]) -> list[str]:
    path = folder / FILE_NAME
    if not path.exists():
        return []
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.05)
        try:
            return [str(row[0]) for row in connection.execute(query, values)]
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeError):  # damaged, busy, or a word that is no text
        return []
