"""Facts about the knowledge base itself, by name."""

from __future__ import annotations

import sqlite3

TO_SCRUB = "to scrub"  # tells of deleted bytes which the files may still hold


def read(connection: sqlite3.Connection, name: str) -> str | None:
    """The value kept under `name`, or None."""
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def write(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keeps `value` under `name`."""
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


def delete(connection: sqlite3.Connection, name: str) -> None:
    """Nothing is kept under `name` any more."""
    connection.execute("DELETE FROM settings WHERE name = ?", (name,))
