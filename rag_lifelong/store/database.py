"""One SQLite file: opened, migrated, read in snapshots, written in transactions.

Rule: the only module that knows how SQLite fails. Every error leaves as a LifelongError that says
what to do; a transaction is whole or not there, also after `kill -9` or a full disk.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rag_lifelong.errors import (
    KnowledgeBaseBusy,
    KnowledgeBaseMissing,
    KnowledgeBaseUnusable,
    StorageFull,
)
from rag_lifelong.store.glance import FILE_NAME
from rag_lifelong.store.migrations import MIGRATIONS, Migration

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 7
APPLICATION_ID = 0x4C4C4B42  # "LLKB": tells our files from other SQLite databases
BUSY_TIMEOUT_S = 10.0  # a batch of the writer takes well under a second; ten says it hangs


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is: how it is told from others, made, and spoken of.

    name: for people. script: the schema's file beside this module. beginning, elsewhere, remedy: what to do where there
    is none, where another file or nothing can be written there, and where it is damaged.
    """

    name: str
    file_name: str
    application_id: int
    schema_version: int
    script: str
    beginning: str
    elsewhere: str
    remedy: str


KNOWLEDGE_BASE = Kind(
    name="knowledge base",
    file_name=FILE_NAME,
    application_id=APPLICATION_ID,
    schema_version=SCHEMA_VERSION,
    script="schema.sql",
    beginning="begin with: lifelong add FOLDER",
    elsewhere="name another folder with --kb",
    remedy="keep a copy of it and run: lifelong rebuild",
)


class Database:
    """A SQLite file of one kind: a connection for each thread, one writer at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        create: bool,
        migrations: Sequence[Migration] = MIGRATIONS,
        kind: Kind = KNOWLEDGE_BASE,
    ) -> None:
        """Opens the file in `folder`, making or migrating it where needed.

        migrations: of that kind. Raises KnowledgeBaseMissing (without `create`), KnowledgeBaseUnusable,
        KnowledgeBaseBusy, StorageFull.
        """
        self.folder = folder
        self.kind = kind
        self.path = folder / kind.file_name
        self._local = threading.local()
        self._write_lock = threading.RLock()
        self._open_lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._closed = False
        if not self.path.exists():
            if not create:
                raise KnowledgeBaseMissing(f"no {kind.name} at {folder}; {kind.beginning}")
            _make_private_folder(folder, kind)
        with self._translated():
            _prepare(self.connection(), self.path, migrations, kind)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection; reads outside a snapshot see each the newest commit."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            if self._closed:
                raise ValueError(f"the {self.kind.name} is closed")
            found = _connect(self.path)
            self._local.connection = found
            with self._open_lock:
                self._connections.append(found)
        return found

    def release(self) -> None:
        """Closes this thread's connection, and so gives back its page cache; the next call opens another."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        with self._open_lock:
            if found is not None and not self._closed:
                self._local.connection = None
                self._connections.remove(found)
                found.close()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Reads inside see one state, whatever is committed meanwhile; nests, also inside a write."""
        connection = self.connection()
        with self._translated():
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self, *, wait_s: float | None = None) -> Iterator[sqlite3.Connection]:
        """Writes inside are committed together, or none of them. Does not nest.

        wait_s: how long another process may write before this one gives up, None: BUSY_TIMEOUT_S.
        Raises KnowledgeBaseBusy, StorageFull.
        """
        with self._write_lock, self._translated():
            connection = self.connection()
            self._begin(connection, BUSY_TIMEOUT_S if wait_s is None else wait_s)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _begin(self, connection: sqlite3.Connection, wait_s: float) -> None:
        connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")

    def data_version(self) -> int:
        """Changes whenever another connection has committed; compare within one thread only."""
        with self._translated():
            return int(self.connection().execute("PRAGMA data_version").fetchone()[0])

    def scrub(self) -> bool:
        """Writes the file anew without its free pages, and empties the write-ahead log.

        False if a reader or writer stood in the way: what was deleted may still be read out of the files.
        """
        try:
            with self._write_lock:
                connection = self.connection()
                connection.execute("VACUUM")
                blocked = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                return not blocked
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                return False
            raise _explained(error, self.folder, self.kind) from error

    def damage(self) -> tuple[str, ...]:
        """What SQLite's own integrity check finds wrong; empty if nothing. Reads the whole file."""
        try:
            rows = self.connection().execute("PRAGMA integrity_check(5)").fetchall()
        except sqlite3.DatabaseError as error:
            return (str(error),)
        return tuple(row[0] for row in rows if row[0] != "ok")

    def close(self) -> None:
        """Closes the connections of all threads; the caller sees to it that none is in use."""
        with self._open_lock:
            self._closed = True
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.folder, self.kind) from error


def _connect(path: Path) -> sqlite3.Connection:
    # check_same_thread off: close() closes the connections of threads that have ended
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    # The log is flushed at every commit, so that what was committed outlives `kill -9` and a power cut; NORMAL would
    # keep the former only. At 1,000 pages it goes into the file, with the commit that fills it: 20 ms, once in 12.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")  # KiB; the default of 2 MB thrashes on FTS5 merges
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration], kind: Kind) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    newest = max([kind.schema_version, *(number for number, _ in migrations)])
    if tables == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        script = resources.files("rag_lifelong.store").joinpath(kind.script).read_text(encoding="utf-8")
        # One transaction: a crash leaves an empty file, which the next open fills. A second process may be first.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {kind.application_id};\n"
            f"PRAGMA user_version = {kind.schema_version};\nCOMMIT;"
        )
        os.chmod(path, 0o600)
        version = kind.schema_version
    elif int(connection.execute("PRAGMA application_id").fetchone()[0]) != kind.application_id:
        raise KnowledgeBaseUnusable(f"{path} is not a {kind.name}; {kind.elsewhere}")
    if version > newest:
        raise KnowledgeBaseUnusable(
            f"{path} was written by a newer rag-lifelong (format {version}, this one reads {newest}); "
            "it is left unchanged: upgrade rag-lifelong"
        )
    connection.execute("PRAGMA journal_mode = WAL")  # it is, unless a restore was killed
    if any(number > version for number, _ in migrations):
        _copy_aside(connection, path, version)
    for number, change in migrations:
        if number > version:
            connection.execute("BEGIN IMMEDIATE")
            if int(connection.execute("PRAGMA user_version").fetchone()[0]) >= number:
                connection.execute("ROLLBACK")  # another process was first
                continue
            try:
                change(connection)
                connection.execute(f"PRAGMA user_version = {number}")
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise


def _copy_aside(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """The store as it was, beside it: the way back to the program that wrote it."""
    kept = path.with_name(f"{path.name}.format-{version}")
    if kept.exists():
        return
    beside = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(beside)) as copy:
            connection.backup(copy)
        os.chmod(beside, 0o600)
        os.replace(beside, kept)
    finally:
        beside.unlink(missing_ok=True)
    logger.warning("%s has an older format (%d): copied to %s and brought up to date", path, version, kept.name)


def _make_private_folder(folder: Path, kind: Kind) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    except OSError as error:
        raise KnowledgeBaseUnusable(
            f"cannot make the {kind.name} in {folder}: {error.strerror}; {kind.elsewhere}"
        ) from error


def _explained(error: sqlite3.DatabaseError, folder: Path, kind: Kind) -> Exception:
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return KnowledgeBaseBusy(f"another process is writing to {folder}; try again when it is done")
    if "full" in reason:
        return StorageFull(f"the disk that holds {folder} is full; nothing was changed: make room and try again")
    if "malformed" in reason or "not a database" in reason or "disk I/O" in reason or "corrupt" in reason:
        return KnowledgeBaseUnusable(f"{folder / kind.file_name} is damaged ({reason}); {kind.remedy}")
    if "readonly" in reason or "unable to open" in reason:
        return KnowledgeBaseUnusable(f"cannot write to {folder} ({reason}); check its permissions and free space")
    return error
