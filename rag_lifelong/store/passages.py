"""Passages and the versions they live at.

Rule: a passage is (document, text digest, k-th occurrence of that text in it); its liveness is a set of
version intervals. Ids are never reused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
"""Ids, shape (n,), int64, ascending."""

_MAX_VARIABLES = 30_000  # SQLite's limit is 32,766 (3.32+)


@dataclass(frozen=True, slots=True)
class PassageKey:
    """What makes a passage of a document the same one."""

    digest: bytes
    occurrence: int


def known(connection: sqlite3.Connection, document_id: int) -> dict[PassageKey, int]:
    """Every passage the document ever had: key → id."""
    rows = connection.execute("SELECT id, digest, occurrence FROM passages WHERE document_id = ?", (document_id,))
    return {PassageKey(bytes(digest), occurrence): int(passage_id) for passage_id, digest, occurrence in rows}


def create(connection: sqlite3.Connection, document_id: int, key: PassageKey, *, terms: int) -> int:
    """A new passage of the document; gives its id. terms: its length in search terms."""
    cursor = connection.execute(
        "INSERT INTO passages (document_id, digest, occurrence, terms) VALUES (?, ?, ?, ?)",
        (document_id, key.digest, key.occurrence, terms),
    )
    return int(cursor.lastrowid or 0)


def alive_in(connection: sqlite3.Connection, document_id: int) -> set[int]:
    """Ids of the document's passages alive now."""
    rows = connection.execute(
        "SELECT p.id FROM passages p JOIN passage_lives l ON l.passage_id = p.id AND l.died IS NULL "
        "WHERE p.document_id = ?",
        (document_id,),
    )
    return {int(row[0]) for row in rows}


def touched_between(connection: sqlite3.Connection, first: int, last: int) -> Ids:
    """Passages that began or ceased to live after version `first`, until `last`; shape (n,)."""
    rows = connection.execute(
        "SELECT passage_id FROM passage_lives WHERE born > :first AND born <= :last "
        "UNION SELECT passage_id FROM passage_lives WHERE died > :first AND died <= :last ORDER BY 1",
        {"first": first, "last": last},
    ).fetchall()
    return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))


def bear(connection: sqlite3.Connection, passage_ids: Iterable[int], version: int) -> None:
    """They live from `version` on. One that died in this very version goes on as if it had not."""
    for passage_id in passage_ids:
        resumed = connection.execute(
            "UPDATE passage_lives SET died = NULL WHERE passage_id = ? AND died = ?", (passage_id, version)
        ).rowcount
        if not resumed:
            connection.execute("INSERT INTO passage_lives (passage_id, born) VALUES (?, ?)", (passage_id, version))


def end(connection: sqlite3.Connection, passage_ids: Iterable[int], version: int) -> None:
    """They live no more from `version` on. One born in this very version never lived."""
    for passage_id in passage_ids:
        connection.execute(
            "UPDATE passage_lives SET died = ? WHERE passage_id = ? AND died IS NULL", (version, passage_id)
        )
        connection.execute("DELETE FROM passage_lives WHERE passage_id = ? AND born = died", (passage_id,))


def rewrite_lives(
    connection: sqlite3.Connection, document_id: int, stretches: Mapping[int, Sequence[tuple[int, int | None]]]
) -> None:
    """The document's passages live then, and only then: passage id → (born, died), oldest first."""
    connection.execute(
        "DELETE FROM passage_lives WHERE passage_id IN (SELECT id FROM passages WHERE document_id = ?)", (document_id,)
    )
    connection.executemany(
        "INSERT INTO passage_lives (passage_id, born, died) VALUES (?, ?, ?)",
        [(i, born, died) for i, lives in sorted(stretches.items()) for born, died in lives],
    )


def delete(connection: sqlite3.Connection, passage_ids: Sequence[int]) -> None:
    """These passages, which live no more, are gone; a string that waits for others is read from one of them."""
    for passage_id in passage_ids:
        row = connection.execute("SELECT digest FROM passages WHERE id = ?", (passage_id,)).fetchone()
        if row is None:
            continue
        # named by embedder, so that the index on both is used
        waited = connection.execute(
            "SELECT embedder_id FROM pending WHERE embedder_id IN (SELECT id FROM embedders) AND passage_id = ?",
            (passage_id,),
        ).fetchall()
        for (embedder_id,) in waited:
            connection.execute(
                "DELETE FROM pending WHERE embedder_id = ? AND passage_id = ?", (embedder_id, passage_id)
            )
        connection.execute("DELETE FROM passages WHERE id = ?", (passage_id,))
        for (embedder_id,) in waited:
            connection.execute(
                "INSERT INTO pending (embedder_id, digest, passage_id) "
                "SELECT ?, digest, max(id) FROM passages WHERE digest = ? GROUP BY digest",
                (embedder_id, row[0]),
            )


def documents_of(connection: sqlite3.Connection, passage_ids: Sequence[int]) -> dict[int, int]:
    """passage id → document id."""
    found: dict[int, int] = {}
    for run in _runs(passage_ids):
        rows = connection.execute(f"SELECT id, document_id FROM passages WHERE id IN ({_marks(run)})", run)
        found.update((int(passage_id), int(document_id)) for passage_id, document_id in rows)
    return found


def owners_alive(connection: sqlite3.Connection, passage_ids: Sequence[int], version: int) -> list[int]:
    """The documents of those of the passages that live at `version`, in order of id."""
    rows = connection.execute(
        "SELECT DISTINCT p.document_id FROM json_each(?) j CROSS JOIN passages p ON p.id = j.value "
        "JOIN passage_lives l ON l.passage_id = p.id WHERE l.born <= ? AND (l.died IS NULL OR l.died > ?) ORDER BY 1",
        (json.dumps([int(i) for i in passage_ids]), version, version),
    )
    return [int(row[0]) for row in rows]


def digests_of(connection: sqlite3.Connection, passage_ids: Sequence[int]) -> dict[int, bytes]:
    """passage id → digest of the exact string embedded."""
    found: dict[int, bytes] = {}
    for run in _runs(passage_ids):
        rows = connection.execute(f"SELECT id, digest FROM passages WHERE id IN ({_marks(run)})", run)
        found.update((int(passage_id), bytes(digest)) for passage_id, digest in rows)
    return found


def a_version_of(connection: sqlite3.Connection, passage_id: int) -> int | None:
    """Some version at which the passage lives, the newest life first; None if it never did."""
    row = connection.execute("SELECT max(born) FROM passage_lives WHERE passage_id = ?", (passage_id,)).fetchone()
    return None if row[0] is None else int(row[0])


def last_touched(connection: sqlite3.Connection, passage_id: int) -> int:
    """The newest version at which the passage began or ceased to live; 0 if it never did."""
    row = connection.execute(
        "SELECT max(max(born), coalesce(max(died), 0)) FROM passage_lives WHERE passage_id = ?", (passage_id,)
    ).fetchone()
    return int(row[0] or 0)


def births(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[int, int, int | None]]:
    """(id, document id, version at which it lived first, None if it never did) of ids in [first, last], by id."""
    rows = connection.execute(
        "SELECT p.id, p.document_id, (SELECT min(l.born) FROM passage_lives l WHERE l.passage_id = p.id) "
        "FROM passages p WHERE p.id BETWEEN ? AND ? ORDER BY p.id",
        (first, last),
    )
    return [(int(row[0]), int(row[1]), row[2]) for row in rows]


def last_id(connection: sqlite3.Connection) -> int:
    """The greatest id of those there are; 0 if there are none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()[0])


def count_alive(connection: sqlite3.Connection) -> int:
    """How many live now; counts the leaves of two indexes, about 2 ms for a million."""
    # all lives without those that ended: SQLite would look into each row for its `died` (6 ms of 100,000)
    row = connection.execute(
        "SELECT (SELECT count(*) FROM passage_lives) - (SELECT count(*) FROM passage_lives WHERE died IS NOT NULL)"
    ).fetchone()
    return int(row[0])


def alive_ids(connection: sqlite3.Connection) -> set[int]:
    """The passages alive now."""
    return {int(row[0]) for row in connection.execute("SELECT passage_id FROM passage_lives WHERE died IS NULL")}


def all_ids(connection: sqlite3.Connection) -> set[int]:
    """Every passage there ever was."""
    return {int(row[0]) for row in connection.execute("SELECT id FROM passages")}


def _runs(ids: Sequence[int]) -> Iterable[list[int]]:
    values = [int(value) for value in ids]
    for start in range(0, len(values), _MAX_VARIABLES):
        yield values[start : start + _MAX_VARIABLES]


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
