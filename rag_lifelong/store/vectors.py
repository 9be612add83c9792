"""Vectors, shared by equal strings, and the strings that wait for theirs.

Rule: one vector for each embedder and string; a vector's id is its id in the index, and never reused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag_lifelong.store import embedders, versions
from rag_lifelong.store.passages import Ids
from rag_lifelong.types import Vector, Vectors

_STORED = np.dtype("<f2")  # halves the disk; rounding moves a unit vector's cosines by less than 1e-3
_ROWS = 65_536  # read at once


@dataclass(frozen=True, slots=True)
class OfEmbedder:
    """The vectors of one embedder, as an index follows them (live_index.Source)."""

    embedder_id: int
    dim: int

    def last_id(self, connection: sqlite3.Connection) -> int:
        """As `last_id`: of all embedders."""
        return last_id(connection)

    def ids(self, connection: sqlite3.Connection) -> Ids:
        """As `ids`."""
        return ids(connection, self.embedder_id)

    def count(self, connection: sqlite3.Connection) -> int:
        """As `count`."""
        return count(connection, self.embedder_id)

    def read_run(self, connection: sqlite3.Connection, first_id: int, last_id: int) -> tuple[Ids, Vectors]:
        """As `read_run`."""
        return read_run(connection, self.embedder_id, first_id, last_id, self.dim)


def enqueue(connection: sqlite3.Connection, waiting: Iterable[tuple[bytes, int]]) -> None:
    """(digest, passage id) pairs wait for a vector of each embedder kept, unless their string has one."""
    kept = embedders.ids(connection)
    connection.executemany(
        "INSERT OR IGNORE INTO pending (embedder_id, digest, passage_id) SELECT :embedder, :digest, :passage WHERE NOT "
        "EXISTS (SELECT 1 FROM vectors WHERE embedder_id = :embedder AND digest = :digest)",
        [
            {"digest": digest, "passage": passage, "embedder": embedder_id}
            for digest, passage in waiting
            for embedder_id in kept
        ],
    )


def waiting(connection: sqlite3.Connection, embedder_id: int, limit: int) -> list[tuple[bytes, int]]:
    """(digest, passage id) of up to `limit` strings without that embedder's vector, newest first.

    The passage is a living one where there is any.
    """
    rows = connection.execute(
        "SELECT q.digest, coalesce((SELECT max(p.id) FROM passages p JOIN passage_lives l ON l.passage_id = p.id "
        "AND l.died IS NULL WHERE p.digest = q.digest), q.passage_id) FROM pending q WHERE q.embedder_id = ? "
        "ORDER BY q.passage_id DESC LIMIT ?",
        (embedder_id, limit),
    ).fetchall()
    return [(bytes(digest), int(passage_id)) for digest, passage_id in rows]


def count_waiting(connection: sqlite3.Connection, embedder_id: int) -> int:
    """How many strings have no vector of that embedder."""
    row = connection.execute("SELECT count(*) FROM pending WHERE embedder_id = ?", (embedder_id,)).fetchone()
    return int(row[0])


def waiting_digests(connection: sqlite3.Connection, embedder_id: int) -> set[bytes]:
    """The digests of the strings that have no vector of that embedder."""
    rows = connection.execute("SELECT digest FROM pending WHERE embedder_id = ?", (embedder_id,))
    return {bytes(row[0]) for row in rows}


def write(connection: sqlite3.Connection, embedder_id: int, vectors: Mapping[bytes, Vector]) -> int:
    """Keeps vectors by digest and takes them out of the queue; gives how many were new.

    Vectors another process has written meanwhile are left as they are. Of an embedder that another process has dropped
    meanwhile none are kept.
    """
    if connection.execute("SELECT 1 FROM embedders WHERE id = ?", (embedder_id,)).fetchone() is None:
        return 0
    first = last = 0
    new = 0
    for digest, vector in vectors.items():
        cursor = connection.execute(
            # a document may have been erased while its vectors were computed
            "INSERT OR IGNORE INTO vectors (embedder_id, digest, data) SELECT :embedder, :digest, :data "
            "WHERE EXISTS (SELECT 1 FROM passages WHERE digest = :digest)",
            {"embedder": embedder_id, "digest": digest, "data": vector.astype(_STORED).tobytes()},
        )
        if cursor.rowcount == 1:
            last = int(cursor.lastrowid or 0)
            first = first or last
            new += 1
        connection.execute("DELETE FROM pending WHERE embedder_id = ? AND digest = ?", (embedder_id, digest))
    if new:
        versions.log(connection, "vectors", first, last)
    return new


def read_run(
    connection: sqlite3.Connection, embedder_id: int, first_id: int, last_id: int, dim: int
) -> tuple[Ids, Vectors]:
    """(ids, vectors) with ids in [first_id, last_id], ascending; shapes (n,), (n, dim)."""
    # the unary plus keeps SQLite from going by the embedder, which means all its vectors: 11 ms of 100,000
    rows = connection.execute(
        "SELECT id, data FROM vectors WHERE id BETWEEN ? AND ? AND +embedder_id = ? ORDER BY id",
        (first_id, last_id, embedder_id),
    ).fetchall()
    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    data = b"".join(row[1] for row in rows)
    vectors = np.frombuffer(data, dtype=_STORED).astype(np.float32).reshape(-1, dim)  # (n, dim)
    return ids, vectors


def by_passage(connection: sqlite3.Connection, embedder_id: int, passage_ids: Sequence[int]) -> dict[int, Vector]:
    """passage id → vector, of those that have one."""
    # CROSS JOIN keeps the order of the tables: SQLite would else begin with all vectors (135 ms at 25,000)
    rows = connection.execute(
        "SELECT p.id, v.data FROM json_each(?) j CROSS JOIN passages p ON p.id = j.value "
        "CROSS JOIN vectors v ON v.digest = p.digest AND v.embedder_id = ?",
        (json.dumps([int(passage_id) for passage_id in passage_ids]), embedder_id),
    )
    return {int(i): np.frombuffer(data, dtype=_STORED).astype(np.float32) for i, data in rows}


def by_digest(connection: sqlite3.Connection, embedder_id: int, digests: Sequence[bytes]) -> dict[bytes, Vector]:
    """digest of a string → its vector, of those that have one; at most 30,000 at a time."""
    rows = connection.execute(
        f"SELECT digest, data FROM vectors WHERE embedder_id = ? AND digest IN ({','.join('?' * len(digests))})",
        (embedder_id, *digests),
    )
    return {bytes(digest): np.frombuffer(data, dtype=_STORED).astype(np.float32) for digest, data in rows}


def passages_with(connection: sqlite3.Connection, vector_ids: Sequence[int], version: int) -> list[tuple[int, int]]:
    """(vector id, passage id) for the passages alive at `version` that share those vectors, in order of both."""
    rows = connection.execute(
        "SELECT v.id, p.id FROM json_each(:vectors) j CROSS JOIN vectors v ON v.id = j.value "
        "CROSS JOIN passages p ON p.digest = v.digest CROSS JOIN passage_lives l ON l.passage_id = p.id "
        "WHERE l.born <= :version AND (l.died IS NULL OR l.died > :version) ORDER BY j.key, p.id",
        {"vectors": json.dumps([int(vector_id) for vector_id in vector_ids]), "version": version},
    )
    return [(int(vector_id), int(passage_id)) for vector_id, passage_id in rows]


def alive_at(connection: sqlite3.Connection, embedder_id: int, version: int) -> tuple[Ids, Ids, Ids, Ids]:
    """(passage ids, document ids, vector ids or -1, lengths in terms) of those alive at `version`, by passage id.

    Four aligned arrays, shape (n,); about 3 µs a row.
    """
    return _columns(connection.execute(_ALIVE + "ORDER BY l.passage_id", _alive_in(embedder_id, version)))


def alive_among(
    connection: sqlite3.Connection, embedder_id: int, version: int, passage_ids: Sequence[int]
) -> tuple[Ids, Ids, Ids, Ids]:
    """As `alive_at`, of these passages."""
    only = "AND l.passage_id IN (SELECT value FROM json_each(:passages)) ORDER BY l.passage_id"
    chosen = json.dumps([int(i) for i in passage_ids])
    return _columns(connection.execute(_ALIVE + only, {**_alive_in(embedder_id, version), "passages": chosen}))


_ALIVE = (
    "SELECT l.passage_id, p.document_id, coalesce(v.id, -1), p.terms FROM passage_lives l "
    "JOIN passages p ON p.id = l.passage_id "
    "LEFT JOIN vectors v ON v.embedder_id = :embedder AND v.digest = p.digest "
    "WHERE l.born <= :version AND (l.died IS NULL OR l.died > :version) "
)


def _alive_in(embedder_id: int, version: int) -> dict[str, int | str]:
    return {"embedder": embedder_id, "version": version}


def _columns(cursor: sqlite3.Cursor) -> tuple[Ids, Ids, Ids, Ids]:
    # in runs: a million rows as Python's objects are 200 MB
    parts = [np.empty((0, 4), dtype=np.int64)]
    while rows := cursor.fetchmany(_ROWS):
        parts.append(np.asarray(rows, dtype=np.int64))
    table = np.concatenate(parts)  # (n, 4)
    first, second, third, fourth = (np.ascontiguousarray(table[:, column]) for column in range(4))
    return first, second, third, fourth


def passages_of_run(connection: sqlite3.Connection, embedder_id: int, first_id: int, last_id: int) -> tuple[Ids, Ids]:
    """(vector ids, passage ids) of all passages that share vectors with ids in [first_id, last_id]; aligned."""
    rows = connection.execute(
        "SELECT v.id, p.id FROM vectors v CROSS JOIN passages p ON p.digest = v.digest "
        "WHERE v.id BETWEEN ? AND ? AND +v.embedder_id = ?",  # as in `read_run`
        (first_id, last_id, embedder_id),
    ).fetchall()
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 2)  # (n, 2)
    return table[:, 0], table[:, 1]


def ids(connection: sqlite3.Connection, embedder_id: int) -> Ids:
    """Every vector id of that embedder, ascending; shape (n,)."""
    rows = connection.execute("SELECT id FROM vectors WHERE embedder_id = ? ORDER BY id", (embedder_id,)).fetchall()
    return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))


def count(connection: sqlite3.Connection, embedder_id: int) -> int:
    """How many vectors that embedder has."""
    return int(connection.execute("SELECT count(*) FROM vectors WHERE embedder_id = ?", (embedder_id,)).fetchone()[0])


def last_id(connection: sqlite3.Connection) -> int:
    """The greatest vector id given so far."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM vectors").fetchone()[0])


def coverage(connection: sqlite3.Connection, embedder_id: int) -> list[tuple[bytes, bool, bool]]:
    """(digest, has a vector, waits for one) of every string, for that embedder."""
    rows = connection.execute(
        "SELECT d.digest, v.id IS NOT NULL, q.digest IS NOT NULL FROM (SELECT DISTINCT digest FROM passages) d "
        "LEFT JOIN vectors v ON v.digest = d.digest AND v.embedder_id = :embedder "
        "LEFT JOIN pending q ON q.digest = d.digest AND q.embedder_id = :embedder",
        {"embedder": embedder_id},
    )
    return [(bytes(digest), bool(has_vector), bool(waits)) for digest, has_vector, waits in rows]


def drop_unused(connection: sqlite3.Connection) -> int:
    """Deletes the vectors of strings that no passage holds; gives how many."""
    cursor = connection.execute(
        "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM passages p WHERE p.digest = vectors.digest)"
    )
    return cursor.rowcount


def count_unused_without(connection: sqlite3.Connection, passage_ids: Sequence[int]) -> int:
    """How many vectors no passage would use if these passages were gone."""
    row = connection.execute(
        "SELECT count(*) FROM vectors v WHERE NOT EXISTS (SELECT 1 FROM passages p WHERE p.digest = v.digest "
        "AND p.id NOT IN (SELECT value FROM json_each(?)))",
        (json.dumps([int(i) for i in passage_ids]),),
    ).fetchone()
    return int(row[0])
