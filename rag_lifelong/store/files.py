"""What stands on disk as last seen: roots, files, failures, and paths the user has taken out (holds)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from rag_lifelong.store.clock import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Root:
    """A folder given by the user; `is_whole`: everything below it, else only files named one by one."""

    id: int
    path: str
    is_whole: bool
    compared_at: datetime | None


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as last seen. digest: of its bytes, None if unreadable. document_id: None if it is no document."""

    root_id: int
    path: str
    size_bytes: int
    mtime_ns: int
    digest: bytes | None
    document_id: int | None
    failure: str | None
    failed_at: datetime | None
    tries: int


def roots(connection: sqlite3.Connection) -> list[Root]:
    """All roots, in the order they were given."""
    rows = connection.execute("SELECT id, path, is_whole, compared_ms FROM roots ORDER BY id")
    return [_root(row) for row in rows]


def ensure_root(connection: sqlite3.Connection, path: str, *, is_whole: bool) -> Root:
    """The root at `path`, made if new; one of single files becomes whole if asked to."""
    connection.execute("INSERT OR IGNORE INTO roots (path, is_whole) VALUES (?, ?)", (path, int(is_whole)))
    if is_whole:
        connection.execute("UPDATE roots SET is_whole = 1 WHERE path = ?", (path,))
    row = connection.execute("SELECT id, path, is_whole, compared_ms FROM roots WHERE path = ?", (path,)).fetchone()
    return _root(row)


def compared(connection: sqlite3.Connection, root_id: int, at: datetime) -> None:
    """The root was compared with the disk."""
    connection.execute("UPDATE roots SET compared_ms = ? WHERE id = ?", (to_ms(at), root_id))


def states(connection: sqlite3.Connection, root_id: int) -> dict[str, FileState]:
    """path → state, of the files known below a root."""
    rows = connection.execute(f"{_SELECT} WHERE root_id = ?", (root_id,))
    return {state.path: state for state in map(_state, rows)}


def state(connection: sqlite3.Connection, root_id: int, path: str) -> FileState | None:
    """One file's state."""
    row = connection.execute(f"{_SELECT} WHERE root_id = ? AND path = ?", (root_id, path)).fetchone()
    return None if row is None else _state(row)


def failures(connection: sqlite3.Connection) -> list[FileState]:
    """The files that did not become documents, or not anew, by root and path."""
    return [_state(row) for row in connection.execute(f"{_SELECT} WHERE failure IS NOT NULL ORDER BY root_id, path")]


def write(connection: sqlite3.Connection, state: FileState) -> None:
    """Keeps a file's state."""
    connection.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.root_id,
            state.path,
            state.size_bytes,
            state.mtime_ns,
            state.digest,
            state.document_id,
            state.failure,
            None if state.failed_at is None else to_ms(state.failed_at),
            state.tries,
        ),
    )


def touch(connection: sqlite3.Connection, root_id: int, path: str, *, size_bytes: int, mtime_ns: int) -> None:
    """The file has that size and time now, and the same bytes."""
    connection.execute(
        "UPDATE files SET size_bytes = ?, mtime_ns = ? WHERE root_id = ? AND path = ?",
        (size_bytes, mtime_ns, root_id, path),
    )


def count_unread_changes(connection: sqlite3.Connection) -> int:
    """How many documents' files have changed into something that could not be read."""
    row = connection.execute("SELECT count(*) FROM files WHERE failure IS NOT NULL AND document_id IS NOT NULL")
    return int(row.fetchone()[0])


def forget(connection: sqlite3.Connection, root_id: int, path: str) -> None:
    """The file is no longer known."""
    connection.execute("DELETE FROM files WHERE root_id = ? AND path = ?", (root_id, path))


def hold(connection: sqlite3.Connection, root_id: int, path: str, *, digest: bytes | None, version: int) -> None:
    """The path is not read again while its bytes stay the same (digest None: whatever they are)."""
    connection.execute("INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?)", (root_id, path, digest, version))


def release(connection: sqlite3.Connection, root_id: int, path: str) -> None:
    """The path is read again."""
    connection.execute("DELETE FROM holds WHERE root_id = ? AND path = ?", (root_id, path))


def holds(connection: sqlite3.Connection, root_id: int) -> dict[str, bytes | None]:
    """path → digest held, below a root."""
    rows = connection.execute("SELECT path, digest FROM holds WHERE root_id = ?", (root_id,))
    return {str(path): digest for path, digest in rows}


_SELECT = "SELECT root_id, path, size_bytes, mtime_ns, digest, document_id, failure, failed_ms, tries FROM files"


def _root(row: tuple[int, str, int, int | None]) -> Root:
    return Root(row[0], row[1], bool(row[2]), None if row[3] is None else from_ms(row[3]))


def _state(
    row: tuple[int, str, int, int, bytes | None, int | None, str | None, int | None, int],
) -> FileState:
    return FileState(*row[:7], None if row[7] is None else from_ms(row[7]), row[8])
