"""Documents, and where they stand; their texts are in `revisions`.

Rule: an identity is kept through moves and edits, and never reused. A path is (root, relative path) with versions of
its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rag_lifelong.store.clock import from_ms

ALIVE = "born <= :version AND (died IS NULL OR died > :version)"
"""SQL: alive at :version."""

_RUN = 10_000  # ids in one statement; SQLite takes 32,766 variables (3.32+)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a document stands: a root, and a path relative to it."""

    document_id: int
    root_id: int
    path: str


def erase(connection: sqlite3.Connection, document_id: int) -> None:
    """The document never stood anywhere; its revisions are gone already."""
    connection.execute("DELETE FROM revision_lives WHERE document_id = ?", (document_id,))
    connection.execute("DELETE FROM locations WHERE document_id = ?", (document_id,))
    connection.execute("UPDATE files SET document_id = NULL WHERE document_id = ?", (document_id,))
    connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))


def ever_at(connection: sqlite3.Connection, root_id: int, path: str) -> list[int]:
    """Every document that ever stood at `path` below a root, or below it."""
    rows = connection.execute(
        "SELECT DISTINCT document_id FROM locations WHERE root_id = :root AND (:path = '' OR path = :path "
        "OR (path >= :path || '/' AND path < :path || '0')) ORDER BY 1",
        {"root": root_id, "path": path},
    )
    return [int(row[0]) for row in rows]


def new_document(connection: sqlite3.Connection) -> int:
    """A new identity."""
    return int(connection.execute("INSERT INTO documents DEFAULT VALUES").lastrowid or 0)


def touched(connection: sqlite3.Connection, version: int) -> list[int]:
    """The documents whose place or text a version changed, in order of id."""
    rows = connection.execute(
        "SELECT document_id FROM locations WHERE born = :v OR died = :v "
        "UNION SELECT document_id FROM revision_lives WHERE born = :v OR died = :v ORDER BY 1",
        {"v": version},
    )
    return [int(row[0]) for row in rows]


def touched_between(connection: sqlite3.Connection, first: int, last: int) -> list[int]:
    """The documents whose place or text changed after version `first`, up to `last`, in order of id."""
    rows = connection.execute(
        "SELECT document_id FROM locations WHERE (born > :a AND born <= :b) OR (died > :a AND died <= :b) UNION "
        "SELECT document_id FROM revision_lives WHERE (born > :a AND born <= :b) OR (died > :a AND died <= :b) "
        "ORDER BY 1",
        {"a": first, "b": last},
    )
    return [int(row[0]) for row in rows]


def versions_of(connection: sqlite3.Connection, document_id: int) -> list[int]:
    """The versions that changed the document's place or text, in order."""
    rows = connection.execute(
        "SELECT born FROM locations WHERE document_id = :d UNION SELECT died FROM locations WHERE document_id = :d "
        "UNION SELECT born FROM revision_lives WHERE document_id = :d "
        "UNION SELECT died FROM revision_lives WHERE document_id = :d ORDER BY 1",
        {"d": document_id},
    )
    return [int(row[0]) for row in rows if row[0] is not None]


def is_known(connection: sqlite3.Connection, document_id: int) -> bool:
    """The document was there once, and was not erased."""
    return connection.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone() is not None


def lives_now(connection: sqlite3.Connection, document_id: int) -> bool:
    """The document stands somewhere, or has a text."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM locations WHERE document_id = :d AND died IS NULL) OR "
        "EXISTS (SELECT 1 FROM revision_lives WHERE document_id = :d AND died IS NULL)",
        {"d": document_id},
    ).fetchone()
    return bool(row[0])


def last_touched(connection: sqlite3.Connection, document_id: int) -> int:
    """The newest version that changed the document's place or text."""
    row = connection.execute(
        "SELECT max(max(born), coalesce(max(died), 0)) FROM (SELECT born, died FROM locations WHERE document_id = :d "
        "UNION ALL SELECT born, died FROM revision_lives WHERE document_id = :d)",
        {"d": document_id},
    ).fetchone()
    return int(row[0] or 0)


def settle(connection: sqlite3.Connection, location: Location, version: int) -> None:
    """The document stands at `location` from `version` on, and nowhere else."""
    leave(connection, location.document_id, version)
    connection.execute(
        "INSERT INTO locations (document_id, root_id, path, born) VALUES (?, ?, ?, ?)",
        (location.document_id, location.root_id, location.path, version),
    )


def leave(connection: sqlite3.Connection, document_id: int, version: int) -> None:
    """The document stands nowhere from `version` on."""
    connection.execute("UPDATE locations SET died = ? WHERE document_id = ? AND died IS NULL", (version, document_id))
    # born and gone within one version: it never stood there
    connection.execute("DELETE FROM locations WHERE document_id = ? AND born = died", (document_id,))


def location_of(connection: sqlite3.Connection, document_id: int, version: int) -> Location | None:
    """Where the document stood at `version`."""
    row = connection.execute(
        f"SELECT document_id, root_id, path FROM locations WHERE document_id = :document AND {ALIVE}",
        {"document": document_id, "version": version},
    ).fetchone()
    return None if row is None else Location(*row)


def locations(connection: sqlite3.Connection, version: int) -> list[Location]:
    """Where every document stood at `version`, by root and path."""
    rows = connection.execute(
        f"SELECT document_id, root_id, path FROM locations WHERE {ALIVE} ORDER BY root_id, path",
        {"version": version},
    )
    return [Location(*row) for row in rows]


def alive_at(connection: sqlite3.Connection, version: int) -> list[int]:
    """The documents that stood somewhere at `version`."""
    rows = connection.execute(f"SELECT document_id FROM locations WHERE {ALIVE}", {"version": version})
    return [int(row[0]) for row in rows]


def last_location(connection: sqlite3.Connection, root_id: int, path: str) -> tuple[int, int] | None:
    """(document id, version it left) of the document that stood last at a path where none stands now."""
    row = connection.execute(
        "SELECT document_id, died FROM locations WHERE root_id = ? AND path = ? AND died IS NOT NULL "
        "ORDER BY died DESC LIMIT 1",
        (root_id, path),
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def gone_since(connection: sqlite3.Connection, digest: bytes, version: int) -> list[Location]:
    """The documents that stand nowhere and had text of these bytes when they went, in `version` or later: where from.

    The last to go first.
    """
    rows = connection.execute(
        "SELECT l.document_id, l.root_id, l.path FROM revisions r "
        "JOIN revision_lives v ON v.document_id = r.document_id AND v.revision_id = r.id AND v.died >= :version "
        "JOIN locations l ON l.document_id = r.document_id AND l.died = v.died "
        "WHERE r.digest = :digest AND NOT EXISTS "
        "(SELECT 1 FROM locations n WHERE n.document_id = r.document_id AND n.died IS NULL) "
        "ORDER BY l.died DESC, l.document_id",
        {"digest": digest, "version": version},
    )
    return [Location(*row) for row in rows]


def last_places(connection: sqlite3.Connection) -> list[tuple[int, int, str]]:
    """(document id, root id, path) where each document stands, or stood last."""
    rows = connection.execute("SELECT document_id, root_id, path, max(born) FROM locations GROUP BY document_id")
    return [(int(row[0]), int(row[1]), str(row[2])) for row in rows]


def last_place(connection: sqlite3.Connection, document_id: int) -> Location | None:
    """Where the document stands, or stood last."""
    row = connection.execute(
        "SELECT document_id, root_id, path FROM locations WHERE document_id = ? ORDER BY born DESC LIMIT 1",
        (document_id,),
    ).fetchone()
    return None if row is None else Location(*row)


@dataclass(frozen=True, slots=True)
class Summary:
    """A living document, without its text. version: since when it has this text."""

    document_id: int
    root_id: int
    path: str
    title: str
    dated: date | None
    file_changed_at: datetime
    size_bytes: int
    version: int


def summaries(connection: sqlite3.Connection, version: int) -> list[Summary]:
    """The documents alive at `version`, by root and path."""
    rows = connection.execute(
        "SELECT l.document_id, l.root_id, l.path, r.title, r.dated, r.file_ms, r.size_bytes, v.born "
        "FROM locations l JOIN revision_lives v ON v.document_id = l.document_id "
        "AND v.born <= :version AND (v.died IS NULL OR v.died > :version) "
        "JOIN revisions r ON r.id = v.revision_id "
        "WHERE l.born <= :version AND (l.died IS NULL OR l.died > :version) ORDER BY l.root_id, l.path",
        {"version": version},
    )
    return [
        Summary(a, b, c, title, None if d is None else date.fromisoformat(d), from_ms(ms), size, born)
        for a, b, c, title, d, ms, size, born in rows
    ]


@dataclass(frozen=True, slots=True)
class Stay:
    """A document stood at a path below a root from version `born` on, until before `died`; None: it still does."""

    root_id: int
    path: str
    born: int
    died: int | None


def places_of(connection: sqlite3.Connection, document_id: int) -> list[Stay]:
    """Where the document stood, oldest first."""
    rows = connection.execute(
        "SELECT root_id, path, born, died FROM locations WHERE document_id = ? ORDER BY born", (document_id,)
    )
    return [Stay(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Bearing:
    """What tells a living document's age. header: JSON [[name, value, …], …], as stored."""

    document_id: int
    root_id: int
    path: str
    dated: date | None
    file_changed_at: datetime
    header: str


def bearings(connection: sqlite3.Connection, version: int, document_ids: Sequence[int] | None) -> list[Bearing]:
    """Of the documents alive at `version`, of these only unless None; in order of id."""
    found: list[Bearing] = []
    runs = [None] if document_ids is None else list(_runs(sorted(document_ids)))
    for run in runs:
        chosen = "" if run is None else f"AND l.document_id IN ({','.join('?' * len(run))}) "
        rows = connection.execute(
            "SELECT l.document_id, l.root_id, l.path, r.dated, r.file_ms, r.fields FROM locations l "
            "JOIN revision_lives v ON v.document_id = l.document_id AND v.born <= ? AND (v.died IS NULL OR v.died > ?) "
            f"JOIN revisions r ON r.id = v.revision_id WHERE l.born <= ? AND (l.died IS NULL OR l.died > ?) {chosen}"
            "ORDER BY l.document_id",
            (version, version, version, version, *(run or ())),
        )
        found.extend(
            Bearing(a, b, c, None if d is None else date.fromisoformat(d), from_ms(ms), header)
            for a, b, c, d, ms, header in rows
        )
    return found


def with_header(
    connection: sqlite3.Connection, version: int, document_ids: Collection[int], words: Sequence[str]
) -> set[int]:
    """Of these documents those alive at `version` whose header, as stored, holds one of some lower-case words."""
    holding = " OR ".join("r.fields LIKE ?" for _ in words)
    rows = connection.execute(
        "SELECT v.document_id FROM json_each(?) j CROSS JOIN revision_lives v ON v.document_id = j.value "
        "CROSS JOIN revisions r ON r.id = v.revision_id "
        f"WHERE v.born <= ? AND (v.died IS NULL OR v.died > ?) AND r.fields <> '[]' AND ({holding})",
        (json.dumps(sorted(document_ids)), version, version, *(f"%{word}%" for word in words)),
    )
    return {int(row[0]) for row in rows}


def _runs(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _RUN):
        yield ids[start : start + _RUN]


def all_ids(connection: sqlite3.Connection) -> list[int]:
    """Every document there ever was."""
    return [int(row[0]) for row in connection.execute("SELECT id FROM documents ORDER BY id")]


def owner(connection: sqlite3.Connection, root_id: int, path: str, version: int) -> int | None:
    """The id of the document that stood at a path at `version`."""
    row = connection.execute(
        f"SELECT document_id FROM locations WHERE root_id = :root AND path = :path AND {ALIVE}",
        {"root": root_id, "path": path, "version": version},
    ).fetchone()
    return None if row is None else int(row[0])


def owners_of_files(connection: sqlite3.Connection) -> set[int]:
    """The documents that the list of files on disk names."""
    rows = connection.execute("SELECT document_id FROM files WHERE document_id IS NOT NULL")
    return {int(row[0]) for row in rows}
