"""Nodes of a vector store: made and embedded by the caller, kept by name, deleted by name, document or condition.

Rule: a node added again is another row under a new id, so that what an index holds under an id never changes. Whatever
changes writes what the index must follow into the change log, in the same transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag_lifelong.store import settings, versions, words
from rag_lifelong.store.database import Kind
from rag_lifelong.store.passages import Ids
from rag_lifelong.types import Vector, Vectors

KIND = Kind(
    name="vector store",
    file_name="nodes.sqlite3",
    application_id=0x4C4C5653,  # "LLVS"
    schema_version=1,
    script="nodes.sql",
    beginning="open it with create=True",
    elsewhere="name another folder",
    remedy="put a copy of it back, or delete the folder and add the nodes again",
)
_STORED = np.dtype("<f4")
_RUNS_LOGGED = 1_000  # of vectors that went; more are told as "any may have gone": to compare costs 20 ms for 100,000


@dataclass(frozen=True, slots=True)
class Node:
    """A node as kept.

    content, metadata: JSON. terms: of its text, a space between. embedding: shape (dim,), float32, as given.
    """

    name: str
    ref_doc_id: str | None
    kind: str
    content: str
    metadata: str
    terms: str
    embedding: Vector


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition over `nodes n`, and its values."""

    sql: str
    values: tuple[str | int | float, ...]


def dim(connection: sqlite3.Connection) -> int | None:
    """How long the embeddings kept are; None while there was none."""
    kept = settings.read(connection, "dim")
    return None if kept is None else int(kept)


def write(connection: sqlite3.Connection, nodes: Sequence[Node], *, at_ms: int) -> None:
    """Keeps nodes, each instead of the one of its name; of two of a name in `nodes`, the last one.

    All embeddings are of the length that `dim` gives, if it gives one.
    """
    last = {node.name: node for node in nodes}
    if not last:
        return
    _delete(connection, _ids(connection, Condition(_IN.format("n.name"), (json.dumps(list(last)),))))
    settings.write(connection, "dim", str(len(nodes[0].embedding)))
    ids = []
    for node in last.values():
        cursor = connection.execute(
            "INSERT INTO nodes (name, ref_doc_id, kind, content, metadata) VALUES (?, ?, ?, ?, ?)",
            (node.name, node.ref_doc_id, node.kind, node.content, node.metadata),
        )
        ids.append(int(cursor.lastrowid or 0))
    given = list(zip(ids, last.values(), strict=True))
    connection.executemany(
        "INSERT INTO embeddings (id, data) VALUES (?, ?)",
        [(i, node.embedding.astype(_STORED).tobytes()) for i, node in given],
    )
    words.insert_live(connection, [words.Row(i, "", node.terms) for i, node in given])
    versions.log(connection, "vectors", ids[0], ids[-1])
    _version(connection, at_ms)


def delete(connection: sqlite3.Connection, condition: Condition, *, at_ms: int) -> int:
    """Deletes the nodes that meet the condition; how many."""
    gone = _ids(connection, condition)
    if len(gone):
        _delete(connection, gone)
        _version(connection, at_ms)
    return len(gone)


def clear(connection: sqlite3.Connection, *, at_ms: int) -> None:
    """Deletes all nodes; embeddings of another length may come then."""
    for table in ("embeddings", "nodes", "words_live"):
        connection.execute(f"DELETE FROM {table}")
    settings.delete(connection, "dim")
    versions.log(connection, "pruned", 0, 0)
    _version(connection, at_ms)


def named(names: Sequence[str]) -> Condition:
    """Of these names."""
    return Condition(_IN.format("n.name"), (json.dumps(list(names)),))


def of_documents(ref_doc_ids: Sequence[str]) -> Condition:
    """From one of these documents."""
    return Condition(_IN.format("n.ref_doc_id"), (json.dumps(list(ref_doc_ids)),))


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """Meets all of them; None where there are none."""
    if not conditions:
        return None
    sql = " AND ".join(f"({condition.sql})" for condition in conditions)
    return Condition(sql, tuple(value for condition in conditions for value in condition.values))


def matching(connection: sqlite3.Connection, condition: Condition) -> Ids:
    """Ids of the nodes that meet it, ascending; shape (n,)."""
    return _ids(connection, condition)


def read(connection: sqlite3.Connection, node_ids: Sequence[int] | Ids) -> dict[int, tuple[str, str, str]]:
    """id → (name, kind, content), of those that are there."""
    rows = connection.execute(
        "SELECT n.id, n.name, n.kind, n.content FROM json_each(?) j CROSS JOIN nodes n ON n.id = j.value",
        (_array(node_ids),),
    )
    return {int(i): (str(name), str(kind), str(content)) for i, name, kind, content in rows}


def embeddings(connection: sqlite3.Connection, node_ids: Sequence[int] | Ids) -> tuple[Ids, Vectors]:
    """(ids, embeddings as given) of those that are there; shapes (n,), (n, dim)."""
    rows = connection.execute(
        "SELECT e.id, e.data FROM json_each(?) j CROSS JOIN embeddings e ON e.id = j.value", (_array(node_ids),)
    ).fetchall()
    return _columns(connection, rows)


def count(connection: sqlite3.Connection) -> int:
    """How many nodes there are."""
    return int(connection.execute("SELECT count(*) FROM nodes").fetchone()[0])


# -- what the index reads (live_index.Source)


def last_id(connection: sqlite3.Connection) -> int:
    """The greatest id of a node that is there."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM nodes").fetchone()[0])


def ids(connection: sqlite3.Connection) -> Ids:
    """Every node's id, ascending; shape (n,)."""
    return _ids(connection, Condition("1", ()))


def read_run(connection: sqlite3.Connection, first_id: int, last_id: int) -> tuple[Ids, Vectors]:
    """(ids, unit vectors) with ids in [first_id, last_id], ascending; shapes (n,), (n, dim)."""
    rows = connection.execute(
        "SELECT id, data FROM embeddings WHERE id BETWEEN ? AND ? ORDER BY id", (first_id, last_id)
    ).fetchall()
    found, given = _columns(connection, rows)
    return found, unit(given)


def unit(vectors: Vectors) -> Vectors:
    """Of unit length, what is zero excepted; shape (n, dim)."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)  # the square of 1e30 is no float32
    return np.asarray(vectors / np.where(lengths == 0.0, 1.0, lengths), dtype=np.float32)


# -- inside

_IN = "{} IN (SELECT value FROM json_each(?))"


def _array(node_ids: Sequence[int] | Ids) -> str:
    return json.dumps([int(i) for i in node_ids])


def _ids(connection: sqlite3.Connection, condition: Condition) -> Ids:
    # SQLite's own lower() knows ASCII only
    connection.create_function("lowered", 1, _lowered, deterministic=True)
    rows = connection.execute(f"SELECT n.id FROM nodes n WHERE {condition.sql} ORDER BY n.id", condition.values)
    return np.array([row[0] for row in rows], dtype=np.int64)


def _columns(connection: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> tuple[Ids, Vectors]:
    found = np.array([row[0] for row in rows], dtype=np.int64)
    data = np.frombuffer(b"".join(row[1] for row in rows), dtype=_STORED).astype(np.float32)
    return found, data.reshape(len(rows), -1 if rows else dim(connection) or 0)


def _delete(connection: sqlite3.Connection, gone: Ids) -> None:
    if not len(gone):
        return
    for table, column in (("words_live", "rowid"), ("embeddings", "id"), ("nodes", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (_array(gone),))
    runs = np.split(gone, np.flatnonzero(np.diff(gone) > 1) + 1)
    if len(runs) > _RUNS_LOGGED:
        versions.log(connection, "pruned", int(gone[0]), int(gone[-1]))
        return
    for run in runs:
        versions.log(connection, "dropped", int(run[0]), int(run[-1]))


def _version(connection: sqlite3.Connection, at_ms: int) -> None:
    connection.execute("INSERT INTO versions (at_ms) VALUES (?)", (at_ms,))


def _lowered(value: str | float | None) -> str | float | None:
    return value.lower() if isinstance(value, str) else value
