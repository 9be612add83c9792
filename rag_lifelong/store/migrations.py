"""An older store → this program's format, one number at a time, each inside one transaction.

Rule: `schema.sql` is what a new store gets; a store that went through every step here has the same tables and columns.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import zlib
from collections.abc import Callable

from rag_lifelong.store import documents, revisions
from rag_lifelong.store.revisions import PlaceMark, Placement

Migration = tuple[int, Callable[[sqlite3.Connection], None]]


def to_2(connection: sqlite3.Connection) -> None:
    """Following folders, undo, revisions told against the next, lives whose text was pruned (2026-11)."""
    for statement in _TO_2.split(";"):
        connection.execute(statement)
    for document_id in documents.all_ids(connection):
        ids = revisions.of_document(connection, document_id)
        for revision_id in ids:
            row = connection.execute(
                "SELECT marks, text, layout FROM revisions WHERE id = ?", (revision_id,)
            ).fetchone()
            marks, text, layout = (zlib.decompress(part) for part in row)
            revisions.write_parts(
                connection,
                revision_id,
                marks=tuple(PlaceMark(*entry) for entry in json.loads(marks)),
                text=text.decode(),
                placements=tuple(Placement(*entry) for entry in json.loads(layout)),
            )
        for old_id, new_id in itertools.pairwise(ids):
            revisions.tell_against(connection, old_id, new_id)


_TO_2 = """
ALTER TABLE versions ADD COLUMN source TEXT NOT NULL DEFAULT 'command' CHECK (source IN ('command', 'watch'));
ALTER TABLE versions ADD COLUMN undoes INTEGER REFERENCES versions (id);
ALTER TABLE roots ADD COLUMN following TEXT NOT NULL DEFAULT 'added' CHECK (following IN ('added', 'followed', 'left'));
ALTER TABLE roots ADD COLUMN uses_gitignore INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roots ADD COLUMN follows_links INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roots ADD COLUMN blocked TEXT;
ALTER TABLE roots ADD COLUMN queued INTEGER NOT NULL DEFAULT 0;
CREATE TABLE leases (
    root_id  INTEGER PRIMARY KEY REFERENCES roots (id),
    pid      INTEGER NOT NULL,
    host     TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    way      TEXT NOT NULL
);
ALTER TABLE files ADD COLUMN tried_ms INTEGER;
ALTER TABLE holds RENAME TO holds_1;
CREATE TABLE holds (
    root_id INTEGER NOT NULL REFERENCES roots (id),
    path    TEXT NOT NULL,
    digest  BLOB,
    named   TEXT NOT NULL,
    cause   TEXT NOT NULL CHECK (cause IN ('forget', 'undo')),
    version INTEGER NOT NULL REFERENCES versions (id),
    PRIMARY KEY (root_id, path)
) WITHOUT ROWID;
INSERT INTO holds SELECT h.root_id, h.path, h.digest, r.path || '/' || h.path, 'forget', h.version
    FROM holds_1 h JOIN roots r ON r.id = h.root_id;
DROP TABLE holds_1;
ALTER TABLE revisions ADD COLUMN base_id INTEGER REFERENCES revisions (id);
CREATE INDEX revisions_base ON revisions (base_id) WHERE base_id IS NOT NULL;
ALTER TABLE revision_lives RENAME TO revision_lives_1;
CREATE TABLE revision_lives (
    revision_id INTEGER REFERENCES revisions (id),
    document_id INTEGER NOT NULL REFERENCES documents (id),
    born        INTEGER NOT NULL REFERENCES versions (id),
    died        INTEGER REFERENCES versions (id),
    PRIMARY KEY (document_id, born)
) WITHOUT ROWID;
INSERT INTO revision_lives SELECT revision_id, document_id, born, died FROM revision_lives_1;
DROP TABLE revision_lives_1;
CREATE VIRTUAL TABLE words_live_at USING fts5vocab (words_live, 'instance');
CREATE VIRTUAL TABLE words_past_at USING fts5vocab (words_past, 'instance')
"""


def to_3(connection: sqlite3.Connection) -> None:
    """What the user decides about one document superseding another; files by their look (2026-11)."""
    for statement in _TO_3.split(";"):
        connection.execute(statement)


_TO_3 = """
CREATE TABLE supersessions (
    old_id   INTEGER NOT NULL REFERENCES documents (id),
    new_id   INTEGER NOT NULL REFERENCES documents (id),
    decision TEXT NOT NULL CHECK (decision IN ('confirmed', 'rejected')),
    evidence TEXT NOT NULL,
    born     INTEGER NOT NULL REFERENCES versions (id),
    died     INTEGER REFERENCES versions (id),
    PRIMARY KEY (old_id, new_id, born)
) WITHOUT ROWID;
CREATE INDEX supersessions_born ON supersessions (born);
CREATE INDEX supersessions_new ON supersessions (new_id);
CREATE INDEX files_look ON files (mtime_ns, size_bytes)
"""


def to_4(connection: sqlite3.Connection) -> None:
    """Strings wait for the vectors of one embedder or of two; files that failed, by an index (2026-11)."""
    for statement in _TO_4.split(";"):
        connection.execute(statement)


_TO_4 = """
ALTER TABLE pending RENAME TO pending_3;
DROP INDEX pending_newest;
CREATE TABLE pending (
    embedder_id INTEGER NOT NULL REFERENCES embedders (id),
    digest      BLOB NOT NULL,
    passage_id  INTEGER NOT NULL REFERENCES passages (id),
    PRIMARY KEY (embedder_id, digest)
) WITHOUT ROWID;
CREATE INDEX pending_newest ON pending (embedder_id, passage_id DESC);
INSERT INTO pending SELECT CAST(s.value AS INTEGER), q.digest, q.passage_id
    FROM pending_3 q JOIN settings s ON s.name = 'embedder_id';
DROP TABLE pending_3;
CREATE INDEX files_failed ON files (root_id, path) WHERE failure IS NOT NULL
"""


def to_5(connection: sqlite3.Connection) -> None:
    """Conversations, what their answers are from, and what the user said of them (2026-11)."""
    for statement in _TO_5.split(";"):
        connection.execute(statement)


_TO_5 = """
CREATE TABLE chats (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    title    TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL
);
CREATE INDEX chats_last ON chats (last_ms);
CREATE TABLE turns (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id    INTEGER NOT NULL REFERENCES chats (id),
    number     INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    question   TEXT NOT NULL,
    asked_as   TEXT NOT NULL,
    scope      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    model      TEXT NOT NULL,
    embedder   TEXT NOT NULL,
    program    TEXT NOT NULL,
    was_told   INTEGER NOT NULL,
    answer     TEXT,
    hits       TEXT NOT NULL,
    removed_ms INTEGER,
    is_case    INTEGER NOT NULL,
    UNIQUE (chat_id, number)
);
CREATE TABLE turn_sources (
    id          INTEGER PRIMARY KEY,
    turn_id     INTEGER NOT NULL REFERENCES turns (id),
    document_id INTEGER NOT NULL REFERENCES documents (id),
    revision_id INTEGER REFERENCES revisions (id),
    start       INTEGER NOT NULL,
    end         INTEGER NOT NULL,
    is_said     INTEGER NOT NULL
);
CREATE INDEX turn_sources_turn ON turn_sources (turn_id);
CREATE INDEX turn_sources_document ON turn_sources (document_id, revision_id);
CREATE INDEX turn_sources_revision ON turn_sources (revision_id);
CREATE TABLE feedback (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    is_good INTEGER NOT NULL,
    note    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
)
"""


def to_6(connection: sqlite3.Connection) -> None:
    """Files in files, and which parsers could not read one (2026-11)."""
    for statement in _TO_6.split(";"):
        connection.execute(statement)


_TO_6 = """
DROP INDEX files_look;
DROP INDEX files_failed;
ALTER TABLE files RENAME TO files_5;
CREATE TABLE files (
    root_id     INTEGER NOT NULL REFERENCES roots (id),
    path        TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    digest      BLOB,
    document_id INTEGER REFERENCES documents (id),
    failure     TEXT,
    failed_ms   INTEGER,
    tried_ms    INTEGER,
    tries       INTEGER NOT NULL DEFAULT 0,
    container   TEXT,
    failed_by   TEXT,
    PRIMARY KEY (root_id, path)
) WITHOUT ROWID;
INSERT INTO files SELECT root_id, path, size_bytes, mtime_ns, digest, document_id, failure, failed_ms, tried_ms, tries,
    NULL, NULL FROM files_5;
DROP TABLE files_5;
CREATE INDEX files_look ON files (mtime_ns, size_bytes);
CREATE INDEX files_failed ON files (root_id, path) WHERE failure IS NOT NULL
"""


def to_7(connection: sqlite3.Connection) -> None:
    """Adapters, what they were made from, and what became of them (2026-11)."""
    for statement in _TO_7.split(";"):
        connection.execute(statement)


_TO_7 = """
CREATE TABLE adapters (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace   TEXT NOT NULL,
    model       TEXT NOT NULL,
    base_digest TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('candidate', 'active', 'suspended', 'rejected', 'retired')),
    reason      TEXT NOT NULL,
    made_ms     INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL,
    version     INTEGER NOT NULL REFERENCES versions (id),
    passed      INTEGER NOT NULL,
    settings    TEXT NOT NULL,
    report      TEXT
);
CREATE INDEX adapters_alive ON adapters (id) WHERE state IN ('candidate', 'active');
CREATE TABLE adapter_sources (
    adapter_id  INTEGER NOT NULL REFERENCES adapters (id),
    passage_id  INTEGER NOT NULL REFERENCES passages (id),
    document_id INTEGER NOT NULL REFERENCES documents (id),
    revision_id INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    text_digest BLOB NOT NULL,
    PRIMARY KEY (adapter_id, passage_id)
) WITHOUT ROWID;
CREATE INDEX adapter_sources_passage ON adapter_sources (passage_id);
CREATE INDEX adapter_sources_document ON adapter_sources (document_id);
CREATE TABLE adapter_parts (
    adapter_id INTEGER NOT NULL REFERENCES adapters (id),
    name       TEXT NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (adapter_id, name)
);
CREATE TABLE adapter_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    adapter_id  INTEGER NOT NULL REFERENCES adapters (id),
    at_ms       INTEGER NOT NULL,
    version     INTEGER NOT NULL REFERENCES versions (id),
    state       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    named_id    INTEGER
);
CREATE INDEX adapter_events_adapter ON adapter_events (adapter_id);
CREATE INDEX adapter_events_named ON adapter_events (named_id) WHERE named_id IS NOT NULL
"""


MIGRATIONS: tuple[Migration, ...] = ((2, to_2), (3, to_3), (4, to_4), (5, to_5), (6, to_6), (7, to_7))
"""(number, change) in order: `change` brings a file from number - 1 to number, inside a transaction."""
