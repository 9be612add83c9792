"""The embedders whose vectors are kept: the one in use and, while another takes over, the one to come.

Rule: of no other embedder are vectors kept. Which one is in use is read in the transaction that goes by it, since
another process may have changed it. The one to come is in use once no string waits for a vector of its.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rag_lifelong.store import settings, versions

_IN_USE = "embedder_id"
_TO_COME = "embedder_to_come_id"


@dataclass(frozen=True, slots=True)
class Kept:
    """An embedder that vectors are kept of. name: the SPEC that opened it."""

    id: int
    name: str
    fingerprint: str
    dim: int


def in_use(connection: sqlite3.Connection) -> Kept | None:
    """The embedder whose vectors are complete, but for what waits; None in a new store."""
    return _named(connection, _IN_USE)


def to_come(connection: sqlite3.Connection) -> Kept | None:
    """The embedder that takes over once its vectors are complete."""
    return _named(connection, _TO_COME)


def ids(connection: sqlite3.Connection) -> tuple[int, ...]:
    """The one in use, then the one to come."""
    return tuple(int(i) for i in (settings.read(connection, name) for name in (_IN_USE, _TO_COME)) if i is not None)


def register(connection: sqlite3.Connection, *, name: str, fingerprint: str, dim: int) -> int:
    """The id kept for that fingerprint, made if it is new."""
    connection.execute(
        "INSERT INTO embedders (name, fingerprint, dim) VALUES (?, ?, ?) "
        "ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name",
        (name, fingerprint, dim),
    )
    row = connection.execute("SELECT id FROM embedders WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return int(row[0])


def use(connection: sqlite3.Connection, embedder_id: int) -> None:
    """From now on it is the one in use, and none is to come."""
    settings.write(connection, _IN_USE, str(embedder_id))
    settings.delete(connection, _TO_COME)


def begin(connection: sqlite3.Connection, embedder_id: int) -> None:
    """It is the one to come: every string waits for its vector, unless it has one.

    The change log says that vectors went: it may have been one before, of whose vectors some were dropped since.
    """
    settings.write(connection, _TO_COME, str(embedder_id))
    connection.execute(
        "INSERT OR IGNORE INTO pending (embedder_id, digest, passage_id) "
        "SELECT :embedder, digest, max(id) FROM passages p WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.embedder_id = :embedder AND v.digest = p.digest) GROUP BY digest",
        {"embedder": embedder_id},
    )
    versions.log(connection, "pruned", 0, 0)


def is_complete(connection: sqlite3.Connection) -> bool:
    """One is to come, and no string waits for it."""
    coming = to_come(connection)
    if coming is None:
        return False
    row = connection.execute("SELECT 1 FROM pending WHERE embedder_id = ? LIMIT 1", (coming.id,)).fetchone()
    return row is None


def others(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Embedders that are neither in use nor to come, and whose vectors are still here."""
    kept = ids(connection)
    return tuple(int(row[0]) for row in connection.execute("SELECT id FROM embedders") if int(row[0]) not in kept)


def drop_others(connection: sqlite3.Connection, limit: int) -> int:
    """Deletes up to `limit` vectors of such embedders, and those that have none left; gives how many vectors."""
    for embedder_id in others(connection):
        gone = connection.execute(
            "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors WHERE embedder_id = ? LIMIT ?)",
            (embedder_id, limit),
        ).rowcount
        if gone:
            return gone
        connection.execute("DELETE FROM pending WHERE embedder_id = ?", (embedder_id,))
        connection.execute("DELETE FROM embedders WHERE id = ?", (embedder_id,))
    return 0


def _named(connection: sqlite3.Connection, name: str) -> Kept | None:
    kept = settings.read(connection, name)
    if kept is None:
        return None
    row = connection.execute("SELECT id, name, fingerprint, dim FROM embedders WHERE id = ?", (int(kept),)).fetchone()
    return None if row is None else Kept(int(row[0]), str(row[1]), str(row[2]), int(row[3]))
