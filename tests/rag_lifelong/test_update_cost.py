"""What a durable update costs: no statement on its way goes through a table that grows with the knowledge base."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_lifelong import sync
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase

SETTINGS = sync.Settings(max_file_bytes=10**6, chunk_tokens=40, batch_s=2.0)
SMALL = {
    "CONSTANT ROW",  # INSERT … SELECT of values
    "roots",
    "supersessions",  # what the user decided, one by one
    "embedders USING COVERING INDEX sqlite_autoindex_embedders_1",
    "files USING INDEX files_failed",
    "adapters USING INDEX adapters_alive",  # those in use, a handful
    # counted by leaves, which hold hundreds of rows each: 0.1 ms of a million
    "passage_lives USING COVERING INDEX passage_lives_born",
    "words_live_docsize",
}


def whole_tables(connection: sqlite3.Connection, work: Callable[[], object]) -> set[str]:
    """What the statements of `work` go through from end to end, of tables that grow."""
    statements: set[str] = set()
    connection.set_trace_callback(statements.add)
    work()
    connection.set_trace_callback(None)
    found: set[str] = set()
    for statement in statements:
        if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement):
            continue
        if re.search(r"FROM '\w+'\.'words_", statement) or "words_live" in statement or "words_past" in statement:
            continue  # FTS5's own
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
            scanned = re.match(r"SCAN (?!.*VIRTUAL TABLE)(.*)", step)
            is_scan = scanned is not None and scanned[1] not in SMALL
            # what is held, and what waits, are few
            of_one = r"(?<!holds USING PRIMARY KEY )(?<!pending_newest )\((embedder_id|root_id)=\?\)"
            is_all_of_one = re.search(of_one, step) is not None
            if is_scan or is_all_of_one:
                found.add(f"{step}: {statement}")
    return found


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"Ferry number {number} leaves at noon.\n\nIt comes back at night.\n")
    return folder


def test_an_update_of_one_file_goes_through_no_table_that_grows(tmp_path: Path, notes: Path) -> None:
    def read_in(path: Path) -> None:
        sync.read_in(base, [path], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)

    def embed() -> None:
        while base.embed_next(10):
            pass

    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        read_in(notes)
        embed()
        for _ in range(3):
            base.search("when does the ferry leave", 3)
        connection = base._database.connection()
        # one that is known, one that is new, one whose bytes are known already
        for name, text in (("1.txt", "Ferry one stays.\n"), ("new.txt", "A boat.\n"), ("copy.txt", "A boat.\n")):
            (notes / name).write_text(text)
            for work in (
                lambda name=name: read_in(notes / name),
                embed,
                base.settle_index,
                lambda: base.search("when does the ferry leave", 3),
                base.lag,
            ):
                assert whole_tables(connection, work) == set()


def test_what_stands_below_a_path_is_no_neighbour_with_a_longer_name(tmp_path: Path) -> None:
    names = ("a/b/c.txt", "a/b.txt", "a/b-c.txt", "a/b!/c.txt", "a/b0.txt", "ab.txt", "a/b/d/e.txt")
    for name in names:
        path = tmp_path / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} is here.\n")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        folder = tmp_path / "notes"
        sync.read_in(base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
        (root,) = base.folders.roots()
        expected = {
            "a/b": ["a/b/c.txt", "a/b/d/e.txt"],
            "a/b.txt": ["a/b.txt"],
            "a": sorted(set(names) - {"ab.txt"}),
            "": sorted(names),
        }
        for path, below in expected.items():
            assert sorted(base.folders.paths_below(root, path)) == below
            assert base.folders.count_documents(root, path) == len(below)


def test_what_goes_through_a_whole_table_is_seen(tmp_path: Path, notes: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(16)) as base:
        connection = base._database.connection()
        assert whole_tables(connection, lambda: connection.execute("SELECT count(*) FROM locations WHERE died > 2"))
