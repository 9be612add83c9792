"""Versions, and the change log that the index follows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rag_lifelong.store.clock import from_ms, to_ms
from rag_lifelong.types import Version


@dataclass(slots=True)
class Counts:
    """What one version changed, counted while it is written."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    passages_born: int = 0
    passages_died: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the change log; ids are inclusive."""

    position: int
    kind: str
    first_id: int
    last_id: int


def begin(connection: sqlite3.Connection, *, at: datetime, cause: str, source: str, undoes: int | None) -> int:
    """Opens the next version inside the running transaction; its counts follow with `finish`.

    source: "command" or "watch". undoes: the version that it takes back. at: where the clock was set back, the time of
    the version before counts instead, so that times never run backwards.
    """
    cursor = connection.execute(
        "INSERT INTO versions (at_ms, cause, source, undoes, added, changed, moved, removed, passages_born, "
        "passages_died) VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0)",
        (to_ms(not_before_newest(connection, at)), cause, source, undoes),
    )
    number = int(cursor.lastrowid or 0)
    log(connection, "version", number, number)
    return number


def not_before_newest(connection: sqlite3.Connection, at: datetime) -> datetime:
    """`at`, or the newest version's time if that is later: the clock was set back since.

    Versions made until it has caught up bear one time; their numbers tell them apart. A clock that fell to 1970 thus
    dates nothing before what it follows.
    """
    newest = read(connection, latest_number(connection))
    return at if newest is None else max(at, newest.at)


def finish(connection: sqlite3.Connection, number: int, counts: Counts) -> None:
    """Writes what version `number` changed."""
    connection.execute(
        "UPDATE versions SET added = ?, changed = ?, moved = ?, removed = ?, passages_born = ?, passages_died = ? "
        "WHERE id = ?",
        (
            counts.added,
            counts.changed,
            counts.moved,
            counts.removed,
            counts.passages_born,
            counts.passages_died,
            number,
        ),
    )


def latest_number(connection: sqlite3.Connection) -> int:
    """The number of the newest version; 0 before the first."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM versions").fetchone()[0])


def read(connection: sqlite3.Connection, number: int) -> Version | None:
    """Version `number`, or None."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM versions WHERE id = ?", (number,)).fetchone()
    return None if row is None else _version(row)


def newest(connection: sqlite3.Connection, limit: int) -> list[Version]:
    """The `limit` newest versions, newest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM versions ORDER BY id DESC LIMIT ?", (limit,))
    return [_version(row) for row in rows]


def oldest_first(connection: sqlite3.Connection) -> Iterator[Version]:
    """Every version, oldest first."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM versions ORDER BY id"):
        yield _version(row)


def number_at(connection: sqlite3.Connection, moment: datetime) -> int:
    """The version that was newest at `moment`; 0 if none was yet.

    Of versions with one time the last counts (`not_before_newest`). In a store written before times were kept in
    order they may run backwards: the highest number not later than `moment` counts.
    """
    row = connection.execute("SELECT max(id) FROM versions WHERE at_ms <= ?", (to_ms(moment),)).fetchone()
    return int(row[0] or 0)


def log(connection: sqlite3.Connection, kind: str, first_id: int, last_id: int) -> int:
    """Appends to the change log; gives the new position."""
    cursor = connection.execute(
        "INSERT INTO changes (kind, first_id, last_id) VALUES (?, ?, ?)", (kind, first_id, last_id)
    )
    return int(cursor.lastrowid or 0)


def log_position(connection: sqlite3.Connection) -> int:
    """The newest position of the change log; 0 if it is empty."""
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM changes").fetchone()[0])


def log_after(connection: sqlite3.Connection, position: int) -> list[LogEntry]:
    """The entries after `position`, in order."""
    rows = connection.execute(
        "SELECT position, kind, first_id, last_id FROM changes WHERE position > ? ORDER BY position",
        (position,),
    )
    return [LogEntry(*row) for row in rows]


def mark(connection: sqlite3.Connection) -> str:
    """What tells the store as it is now from any other, also from a copy that went another way; "" while it is empty.

    The newest entry of the change log, and the newest version with its time.
    """
    row = connection.execute(
        "SELECT c.position, c.kind, c.first_id, c.last_id, v.id, v.at_ms FROM changes c LEFT JOIN versions v "
        "ON v.id = (SELECT max(id) FROM versions) WHERE c.position = (SELECT max(position) FROM changes)"
    ).fetchone()
    return "" if row is None else " ".join(map(str, row))


def is_of(connection: sqlite3.Connection, marked: str) -> bool:
    """Whether this store was as `mark` told, now or before."""
    parts = marked.split()
    if len(parts) != 6:
        return not parts
    position, kind, first, last, version, at_ms = parts
    row = connection.execute(
        "SELECT c.kind, c.first_id, c.last_id, v.at_ms FROM changes c "
        "LEFT JOIN versions v ON v.id = CAST(? AS INTEGER) WHERE c.position = CAST(? AS INTEGER)",
        (version, position),
    ).fetchone()
    return row is not None and [str(part) for part in row] == [kind, first, last, at_ms]


def to_undo(connection: sqlite3.Connection) -> int | None:
    """The newest version that a command made and that holds: not taken back, or its undo was taken back.

    Of the latter the last undo of an undo, which made it hold again. Undoing is not undone by itself.
    """
    is_command = "source = 'command' AND undoes IS NULL"
    taken_back = "(SELECT undoes FROM versions WHERE undoes IS NOT NULL)"
    rows = connection.execute("SELECT undoes, max(id) FROM versions WHERE undoes IS NOT NULL GROUP BY undoes")
    undo_of = {int(row[0]): int(row[1]) for row in rows}
    holding = [0]
    for (first,) in connection.execute(f"SELECT id FROM versions WHERE {is_command} AND id IN {taken_back}"):
        last, holds = int(first), True
        while last in undo_of:
            last, holds = undo_of[last], not holds
        if holds:
            holding.append(last)
    row = connection.execute(f"SELECT max(id) FROM versions WHERE {is_command} AND id NOT IN {taken_back}").fetchone()
    return max(*holding, int(row[0] or 0)) or None


_COLUMNS = "id, at_ms, cause, source, undoes, added, changed, moved, removed, passages_born, passages_died"


def _version(row: tuple[int, int, str, str, int | None, int, int, int, int, int, int]) -> Version:
    return Version(row[0], from_ms(row[1]), *row[2:])
