"""The store's file: private, migrated, refused, rolled back, damaged, full, busy."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import (
    KnowledgeBaseBusy,
    KnowledgeBaseMissing,
    KnowledgeBaseUnusable,
    StorageFull,
)
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store import database
from rag_lifelong.store.database import FILE_NAME, SCHEMA_VERSION, Database


def test_the_folder_is_private(tmp_path: Path) -> None:
    Database(tmp_path / "kb", create=True).close()
    assert stat.S_IMODE(os.stat(tmp_path / "kb").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "kb" / FILE_NAME).st_mode) == 0o600


def test_durability_is_set(tmp_path: Path) -> None:
    opened = Database(tmp_path, create=True)
    with opened.snapshot() as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "auto_vacuum", "foreign_keys", "user_version")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "auto_vacuum": 2,  # INCREMENTAL
        "foreign_keys": 1,
        "user_version": SCHEMA_VERSION,
    }


def test_none_is_made_unless_asked_for(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseMissing, match="begin with: lifelong add"):
        Database(tmp_path / "kb", create=False)
    assert not (tmp_path / "kb").exists()


def test_a_newer_format_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    Database(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(KnowledgeBaseUnusable, match="newer rag-lifelong"):
        Database(tmp_path, create=True)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_some_other_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(KnowledgeBaseUnusable, match="not a knowledge base"):
        Database(tmp_path, create=True)


def test_migrations_run_in_order_each_in_a_transaction(tmp_path: Path) -> None:
    Database(tmp_path, create=True).close()
    first = SCHEMA_VERSION + 1

    def add_table(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE extra (x)")

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO extra VALUES (1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Database(tmp_path, create=True, migrations=[(first, add_table), (first + 1, fail)])
    opened = Database(tmp_path, create=True, migrations=[(first, add_table)])
    with opened.snapshot() as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == first
        assert connection.execute("SELECT count(*) FROM extra").fetchone()[0] == 0


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    opened = Database(tmp_path, create=True)

    def fail() -> None:
        with opened.transaction() as connection:
            connection.execute("INSERT INTO settings VALUES ('a', '1')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with opened.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM settings").fetchone()[0] == 0


def test_a_snapshot_sees_one_state(tmp_path: Path) -> None:
    opened = Database(tmp_path, create=True)
    written = threading.Event()

    def write() -> None:
        with opened.transaction() as connection:
            connection.execute("INSERT INTO settings VALUES ('a', '1')")
        written.set()

    with opened.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM settings").fetchone()[0] == 0
        threading.Thread(target=write).start()
        assert written.wait(10)
        assert connection.execute("SELECT count(*) FROM settings").fetchone()[0] == 0
    with opened.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM settings").fetchone()[0] == 1


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    opened = Database(tmp_path, create=True)
    pages = opened.connection().execute("PRAGMA page_count").fetchone()[0]
    opened.connection().execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFull, match="make room and try again"), opened.transaction() as connection:
        connection.executemany("INSERT INTO settings VALUES (?, ?)", [(str(i), "x" * 4_000) for i in range(50)])
    opened.connection().execute("PRAGMA max_page_count = 1000000")
    with opened.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM settings").fetchone()[0] == 0


def test_another_writer_that_does_not_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    first, second = Database(tmp_path, create=True), Database(tmp_path, create=True)
    with first.transaction(), pytest.raises(KnowledgeBaseBusy, match="another process"), second.transaction():
        pass


@pytest.mark.parametrize("damage", ["header", "middle", "text"])
def test_a_damaged_file_is_said_with_what_to_do(tmp_path: Path, damage: str) -> None:
    with KnowledgeBase(tmp_path, embedder=HashEmbedder(8)) as base:
        base.folders.ensure_root("/x", is_whole=True)
    path = tmp_path / FILE_NAME
    data = bytearray(path.read_bytes())
    if damage == "text":
        path.write_text("hello " * 1_000)
    else:
        start, end = (0, 100) if damage == "header" else (4_096, len(data))
        data[start:end] = os.urandom(end - start)
        path.write_bytes(bytes(data))
    for rest in tmp_path.glob("*-wal"):
        rest.unlink()
    with pytest.raises(KnowledgeBaseUnusable, match=r"lifelong rebuild|not a knowledge base"):
        KnowledgeBase(tmp_path, embedder=HashEmbedder(8)).documents()
