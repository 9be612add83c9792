"""What stands on disk as last seen: roots, files, failures, and paths the user has taken out (holds)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from rag_lifelong.store.clock import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Root:
    """A folder given by the user; `is_whole`: everything below it, else only files named one by one.

    following: "added", "followed" (it was watched once) or "left" (`unfollow`). blocked: why a comparison was not
    carried out. queued: files its watcher has seen change and not yet read.
    """

    id: int
    path: str
    is_whole: bool
    compared_at: datetime | None
    following: str
    uses_gitignore: bool
    follows_links: bool
    blocked: str | None
    queued: int


@dataclass(frozen=True, slots=True)
class Held:
    """A path left as it is. digest: of the bytes on disk, None if there was no file. named: what `forget` was given."""

    path: str
    digest: bytes | None
    named: str
    cause: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Which process follows a root, since when, and how it hears of changes."""

    root_id: int
    pid: int
    host: str
    since: datetime
    way: str


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as last seen. digest: of its bytes, None if unreadable. document_id: None if it is no document.

    container: the file on disk that it is in; None: it stands there itself, at `path`. failed_by: what could not read
    it (`ingest.parsers.readers`).
    """

    root_id: int
    path: str
    size_bytes: int
    mtime_ns: int
    digest: bytes | None
    document_id: int | None
    failure: str | None
    failed_at: datetime | None
    tries: int
    tried_at: datetime | None
    container: str | None
    failed_by: str | None


def roots(connection: sqlite3.Connection) -> list[Root]:
    """All roots, in the order they were given."""
    rows = connection.execute(f"{_ROOT} ORDER BY id")
    return [_root(row) for row in rows]


def ensure_root(connection: sqlite3.Connection, path: str, *, is_whole: bool) -> Root:
    """The root at `path`, made if new; one of single files becomes whole if asked to."""
    connection.execute("INSERT OR IGNORE INTO roots (path, is_whole) VALUES (?, ?)", (path, int(is_whole)))
    if is_whole:
        connection.execute("UPDATE roots SET is_whole = 1 WHERE path = ?", (path,))
    row = connection.execute(f"{_ROOT} WHERE path = ?", (path,)).fetchone()
    return _root(row)


def compared(connection: sqlite3.Connection, root_id: int, at: datetime) -> None:
    """The root was compared with the disk, and is as it is there."""
    connection.execute("UPDATE roots SET compared_ms = ?, blocked = NULL WHERE id = ?", (to_ms(at), root_id))


def block(connection: sqlite3.Connection, root_id: int, reason: str | None) -> None:
    """Why the root is not made equal to the disk; None: it is."""
    connection.execute("UPDATE roots SET blocked = ? WHERE id = ?", (reason, root_id))


def follow(
    connection: sqlite3.Connection, root_id: int, following: str, *, uses_gitignore: bool, follows_links: bool
) -> None:
    """How the root is followed, and by which rules it is read."""
    connection.execute(
        "UPDATE roots SET following = ?, uses_gitignore = ?, follows_links = ? WHERE id = ?",
        (following, int(uses_gitignore), int(follows_links), root_id),
    )


def queue(connection: sqlite3.Connection, root_id: int, count: int) -> None:
    """So many files below the root were seen to change and are not yet read."""
    connection.execute("UPDATE roots SET queued = ? WHERE id = ?", (count, root_id))


def rename_root(connection: sqlite3.Connection, root_id: int, path: str) -> None:
    """The folder stands at another path; all below it goes with it."""
    connection.execute("UPDATE roots SET path = ? WHERE id = ?", (path, root_id))


def lease(connection: sqlite3.Connection, lease: Lease) -> None:
    """That process follows the root now."""
    connection.execute(
        "INSERT OR REPLACE INTO leases (root_id, pid, host, since_ms, way) VALUES (?, ?, ?, ?, ?)",
        (lease.root_id, lease.pid, lease.host, to_ms(lease.since), lease.way),
    )


def end_lease(connection: sqlite3.Connection, root_id: int) -> None:
    """Nobody follows the root."""
    connection.execute("DELETE FROM leases WHERE root_id = ?", (root_id,))
    connection.execute("UPDATE roots SET queued = 0 WHERE id = ?", (root_id,))


def leases(connection: sqlite3.Connection) -> dict[int, Lease]:
    """root id → who follows it, as last written; whether that process still lives is another question."""
    rows = connection.execute("SELECT root_id, pid, host, since_ms, way FROM leases")
    return {int(row[0]): Lease(row[0], row[1], row[2], from_ms(row[3]), row[4]) for row in rows}


def states(connection: sqlite3.Connection, root_id: int) -> dict[str, FileState]:
    """path → state, of the files known below a root."""
    rows = connection.execute(f"{_SELECT} WHERE root_id = ?", (root_id,))
    return {state.path: state for state in map(_state, rows)}


def state(connection: sqlite3.Connection, root_id: int, path: str) -> FileState | None:
    """One file's state."""
    row = connection.execute(f"{_SELECT} WHERE root_id = ? AND path = ?", (root_id, path)).fetchone()
    return None if row is None else _state(row)


def paths_below(connection: sqlite3.Connection, root_id: int, path: str) -> list[str]:
    """The files on disk known at `path` or below it; "" is the root."""
    where, values = _below(root_id, path)
    rows = connection.execute(f"SELECT path FROM files WHERE {where} AND container IS NULL", values)
    return [str(row[0]) for row in rows]


def members(connection: sqlite3.Connection, root_id: int, path: str) -> list[FileState]:
    """The files in the file at `path`, and in those."""
    where, values = _below(root_id, path)
    rows = connection.execute(f"{_SELECT} WHERE {where} AND container = :path ORDER BY path", {**values, "path": path})
    return [_state(row) for row in rows]


def containers(connection: sqlite3.Connection, root_id: int) -> dict[str, str]:
    """path of a file in a file below a root → that file on disk."""
    rows = connection.execute(
        "SELECT path, container FROM files WHERE root_id = ? AND container IS NOT NULL", (root_id,)
    )
    return {str(path): str(container) for path, container in rows}


def documents_looking(connection: sqlite3.Connection, root_id: int, signs: Collection[tuple[int, int]]) -> list[str]:
    """The paths of documents whose file had one of these (size in bytes, mtime in ns) when it was seen last."""
    # the unary plus keeps SQLite from going by the root, which means all its files: 11 ms of 100,000
    rows = connection.execute(
        "SELECT f.path FROM json_each(:signs) s CROSS JOIN files f INDEXED BY files_look "
        "ON f.mtime_ns = json_extract(s.value, '$[1]') AND f.size_bytes = json_extract(s.value, '$[0]') "
        "WHERE +f.root_id = :root AND f.document_id IS NOT NULL AND f.container IS NULL",
        {"root": root_id, "signs": json.dumps([list(sign) for sign in signs])},
    )
    return [str(row[0]) for row in rows]


def count_documents(connection: sqlite3.Connection, root_id: int, below: str, *, on_disk: bool) -> int:
    """How many documents stand at `below` or below it. on_disk: without those in other files."""
    where, values = _below(root_id, below)
    where += " AND document_id IS NOT NULL" + (" AND container IS NULL" if on_disk else "")
    row = connection.execute(f"SELECT count(*) FROM files WHERE {where}", values).fetchone()
    return int(row[0])


def failures(connection: sqlite3.Connection) -> list[FileState]:
    """The files that did not become documents, or not anew, by root and path."""
    return [_state(row) for row in connection.execute(f"{_SELECT} WHERE failure IS NOT NULL ORDER BY root_id, path")]


def write(connection: sqlite3.Connection, state: FileState) -> None:
    """Keeps a file's state."""
    connection.execute(
        "INSERT OR REPLACE INTO files (root_id, path, size_bytes, mtime_ns, digest, document_id, failure, failed_ms, "
        "tries, tried_ms, container, failed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            None if state.tried_at is None else to_ms(state.tried_at),
            state.container,
            state.failed_by,
        ),
    )


def touch(
    connection: sqlite3.Connection,
    root_id: int,
    path: str,
    *,
    size_bytes: int,
    mtime_ns: int,
    digest: bytes | None,
    container: str | None,
) -> None:
    """The file has that size and time now, is in that file, can be read, and its document is of these bytes.

    digest None: of those known.
    """
    connection.execute(
        "UPDATE files SET size_bytes = ?, mtime_ns = ?, digest = coalesce(?, digest), failure = NULL, "
        "failed_ms = NULL, failed_by = NULL, tries = 0, container = ? WHERE root_id = ? AND path = ?",
        (size_bytes, mtime_ns, digest, container, root_id, path),
    )


def count_unread_changes(connection: sqlite3.Connection) -> int:
    """How many documents' files have changed into something that could not be read."""
    row = connection.execute("SELECT count(*) FROM files WHERE failure IS NOT NULL AND document_id IS NOT NULL")
    return int(row.fetchone()[0])


def forget(connection: sqlite3.Connection, root_id: int, path: str) -> None:
    """The file is no longer known."""
    connection.execute("DELETE FROM files WHERE root_id = ? AND path = ?", (root_id, path))


def hold(connection: sqlite3.Connection, root_id: int, held: Held, *, version: int) -> None:
    """The path is left as it is while the bytes on disk stay the same."""
    connection.execute(
        "INSERT OR REPLACE INTO holds (root_id, path, digest, named, cause, version) VALUES (?, ?, ?, ?, ?, ?)",
        (root_id, held.path, held.digest, held.named, held.cause, version),
    )


def release(connection: sqlite3.Connection, root_id: int, path: str) -> None:
    """The path is read again."""
    connection.execute("DELETE FROM holds WHERE root_id = ? AND path = ?", (root_id, path))


def holds(connection: sqlite3.Connection, root_id: int) -> dict[str, Held]:
    """path → what is held, below a root."""
    rows = connection.execute("SELECT path, digest, named, cause FROM holds WHERE root_id = ?", (root_id,))
    return {str(row[0]): Held(*row) for row in rows}


def held(connection: sqlite3.Connection, root_id: int, path: str) -> Held | None:
    """What is held at one path."""
    row = connection.execute(
        "SELECT path, digest, named, cause FROM holds WHERE root_id = ? AND path = ?", (root_id, path)
    ).fetchone()
    return None if row is None else Held(*row)


def _below(root_id: int, path: str) -> tuple[str, dict[str, int | str]]:
    """(SQL, values): at `path` of a root, or below it; "" is the root. One run of the table's rows."""
    if not path:
        return "root_id = :root", {"root": root_id}
    # "0" comes after "/"; what begins with `path` and goes on with a sign before "/" lies between, and is not below
    run = "root_id = :root AND path >= :path AND path < :path || '0' AND (path = :path OR path >= :path || '/')"
    return run, {"root": root_id, "path": path}


_ROOT = "SELECT id, path, is_whole, compared_ms, following, uses_gitignore, follows_links, blocked, queued FROM roots"
_SELECT = (
    "SELECT root_id, path, size_bytes, mtime_ns, digest, document_id, failure, failed_ms, tries, tried_ms, container, "
    "failed_by FROM files"
)


def _root(row: tuple[int, str, int, int | None, str, int, int, str | None, int]) -> Root:
    compared_at = None if row[3] is None else from_ms(row[3])
    return Root(row[0], row[1], bool(row[2]), compared_at, row[4], bool(row[5]), bool(row[6]), row[7], row[8])


def _state(
    row: tuple[
        int, str, int, int, bytes | None, int | None, str | None, int | None, int, int | None, str | None, str | None
    ],
) -> FileState:
    failed_at, tried_at = (None if ms is None else from_ms(ms) for ms in (row[7], row[9]))
    return FileState(*row[:7], failed_at, row[8], tried_at, row[10], row[11])
