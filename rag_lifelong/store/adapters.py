"""Adapters, what they were made from, what they consist of, and what became of them.

Rule: rows only; whether sources still stand is `manifests`'. Ids are never reused, and weights never change once they
are there. An adapter that is deleted takes all its rows along.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_lifelong.store.clock import from_ms, to_ms
from rag_lifelong.types import Adapter, AdapterEvent, AdapterState, Source

WEIGHTS, PAIRS = "weights", "pairs"
OF_OTHERS = ("others", "control")  # pairs of other documents, and what is trained on them to compare with
_IN_USE = "state IN ('candidate', 'active')"  # as the index adapters_alive says it
_PARTS = ("adapter_parts", "adapter_sources", "adapter_events")


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an adapter. version: the newest. named_id: a document, no source, that the reason names."""

    state: AdapterState
    reason: str
    version: int
    at: datetime
    named_id: int | None = None


# -- writing


def begin(
    connection: sqlite3.Connection,
    *,
    namespace: str,
    model: str,
    base_digest: str,
    settings: str,
    sources: Sequence[tuple[Source, bytes]],
    change: Change,
) -> int:
    """A new adapter; gives its id. sources: each with the digest of its exact text."""
    at = to_ms(change.at)
    cursor = connection.execute(
        "INSERT INTO adapters (namespace, model, base_digest, state, reason, made_ms, changed_ms, version, passed, "
        "settings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (namespace, model, base_digest, change.state.value, change.reason, at, at, change.version, settings),
    )
    adapter_id = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO adapter_sources (adapter_id, passage_id, document_id, revision_id, digest, text_digest) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(adapter_id, s.passage_id, s.document_id, s.revision_id, s.digest, exact) for s, exact in sources],
    )
    _note(connection, adapter_id, change)
    return adapter_id


def turn(connection: sqlite3.Connection, adapter_id: int, change: Change) -> None:
    """The adapter is in another state from now on, and why."""
    connection.execute(
        "UPDATE adapters SET state = ?, reason = ?, changed_ms = ? WHERE id = ?",
        (change.state.value, change.reason, to_ms(change.at), adapter_id),
    )
    _note(connection, adapter_id, change)


def judge(connection: sqlite3.Connection, adapter_id: int, *, report: str, settings: str | None, passed: bool) -> None:
    """Keeps the figures of its gates; settings: None leaves those there are."""
    connection.execute(
        "UPDATE adapters SET report = ?, settings = coalesce(?, settings), passed = ? WHERE id = ?",
        (report, settings, int(passed), adapter_id),
    )


def keep(connection: sqlite3.Connection, adapter_id: int, name: str, data: bytes) -> None:
    """Keeps a part, in place of the one by that name."""
    connection.execute("INSERT OR REPLACE INTO adapter_parts VALUES (?, ?, ?)", (adapter_id, name, data))


def drop(connection: sqlite3.Connection, adapter_id: int, names: Collection[str]) -> None:
    """These parts are gone; one that is not there is none."""
    for name in names:
        connection.execute("DELETE FROM adapter_parts WHERE adapter_id = ? AND name = ?", (adapter_id, name))


def drop_of_others(connection: sqlite3.Connection) -> None:
    """What candidates hold of documents that are none of their sources: it is written again where it is needed."""
    for name in OF_OTHERS:
        connection.execute("DELETE FROM adapter_parts WHERE name = ?", (name,))


def drop_all_but(connection: sqlite3.Connection, adapter_id: int, names: Collection[str]) -> None:
    """The other parts are gone."""
    held = connection.execute("SELECT name FROM adapter_parts WHERE adapter_id = ?", (adapter_id,)).fetchall()
    drop(connection, adapter_id, [name for (name,) in held if name not in names])


def note_revision(connection: sqlite3.Connection, document_id: int, passage_id: int, revision_id: int) -> None:
    """The source was seen, as it is, in another text of its document."""
    connection.execute(
        "UPDATE adapter_sources SET revision_id = ? WHERE document_id = ? AND passage_id = ? "
        f"AND adapter_id IN (SELECT id FROM adapters WHERE {_IN_USE})",
        (revision_id, document_id, passage_id),
    )


def delete(connection: sqlite3.Connection, adapter_ids: Collection[int]) -> None:
    """These adapters were never there."""
    for adapter_id in adapter_ids:
        for table in _PARTS:
            connection.execute(f"DELETE FROM {table} WHERE adapter_id = ?", (adapter_id,))
        connection.execute("DELETE FROM adapters WHERE id = ?", (adapter_id,))


def delete_orphans(connection: sqlite3.Connection) -> None:
    """Rows that belong to no adapter, as only damage leaves them."""
    for table in _PARTS:
        connection.execute(f"DELETE FROM {table} WHERE adapter_id NOT IN (SELECT id FROM adapters)")


def unname(connection: sqlite3.Connection, document_id: int, words: str) -> None:
    """No reason names the document any more; `words` stand there. Its own adapters are gone already."""
    rows = connection.execute(
        "SELECT id, adapter_id, reason FROM adapter_events WHERE named_id = ?", (document_id,)
    ).fetchall()
    for event_id, adapter_id, reason in rows:
        connection.execute("UPDATE adapter_events SET reason = ?, named_id = NULL WHERE id = ?", (words, event_id))
        connection.execute("UPDATE adapters SET reason = ? WHERE id = ? AND reason = ?", (words, adapter_id, reason))


def _note(connection: sqlite3.Connection, adapter_id: int, change: Change) -> None:
    connection.execute(
        "INSERT INTO adapter_events (adapter_id, at_ms, version, state, reason, named_id) VALUES (?, ?, ?, ?, ?, ?)",
        (adapter_id, to_ms(change.at), change.version, change.state.value, change.reason, change.named_id),
    )


# -- reading


def read(connection: sqlite3.Connection, adapter_id: int) -> Adapter | None:
    """The adapter, None if there is none by that id."""
    row = connection.execute(
        "SELECT id, namespace, model, base_digest, state, reason, made_ms, changed_ms, version, passed, settings, "
        "report, coalesce((SELECT length(p.data) FROM adapter_parts p WHERE p.adapter_id = a.id AND p.name = ?), 0) "
        "FROM adapters a WHERE id = ?",
        (WEIGHTS, adapter_id),
    ).fetchone()
    if row is None:
        return None
    found = connection.execute(
        "SELECT passage_id, document_id, revision_id, digest FROM adapter_sources WHERE adapter_id = ? "
        "ORDER BY passage_id",
        (adapter_id,),
    )
    return Adapter(
        id=row[0],
        namespace=row[1],
        model=row[2],
        base_digest=row[3],
        state=AdapterState(row[4]),
        reason=row[5],
        made_at=from_ms(row[6]),
        changed_at=from_ms(row[7]),
        version=row[8],
        passed=bool(row[9]),
        settings=row[10],
        report=row[11],
        sources=tuple(Source(a, b, c, bytes(digest)) for a, b, c, digest in found),
        size_bytes=row[12],
    )


def part(connection: sqlite3.Connection, adapter_id: int, name: str) -> bytes | None:
    """A part's bytes, None if there is none by that name."""
    row = connection.execute(
        "SELECT data FROM adapter_parts WHERE adapter_id = ? AND name = ?", (adapter_id, name)
    ).fetchone()
    return None if row is None else bytes(row[0])


def events(connection: sqlite3.Connection, adapter_id: int) -> list[AdapterEvent]:
    """What became of it, oldest first."""
    rows = connection.execute(
        "SELECT at_ms, version, state, reason FROM adapter_events WHERE adapter_id = ? ORDER BY id", (adapter_id,)
    )
    return [AdapterEvent(from_ms(at), version, AdapterState(state), reason) for at, version, state, reason in rows]


def all_ids(connection: sqlite3.Connection) -> list[int]:
    """Every adapter, oldest first."""
    return [int(row[0]) for row in connection.execute("SELECT id FROM adapters ORDER BY id")]


def in_use(connection: sqlite3.Connection) -> list[int]:
    """The candidates and the active, oldest first."""
    return [int(row[0]) for row in connection.execute(f"SELECT id FROM adapters WHERE {_IN_USE} ORDER BY id")]


def active(connection: sqlite3.Connection) -> list[int]:
    """The active, oldest first."""
    rows = connection.execute(f"SELECT id FROM adapters WHERE {_IN_USE} AND state = 'active' ORDER BY id")
    return [int(row[0]) for row in rows]


def candidates(connection: sqlite3.Connection, *, namespace: str, model: str, base_digest: str) -> list[int]:
    """Those begun and not yet judged, the newest first."""
    rows = connection.execute(
        f"SELECT id FROM adapters WHERE {_IN_USE} AND state = 'candidate' AND namespace = ? AND model = ? "
        "AND base_digest = ? ORDER BY id DESC",
        (namespace, model, base_digest),
    )
    return [int(row[0]) for row in rows]


def others_of(connection: sqlite3.Connection, adapter_id: int) -> list[int]:
    """The active and suspended ones of the same namespace and model."""
    rows = connection.execute(
        "SELECT o.id FROM adapters a JOIN adapters o ON o.namespace = a.namespace AND o.model = a.model "
        "WHERE a.id = ? AND o.id <> a.id AND o.state IN ('active', 'suspended') ORDER BY o.id",
        (adapter_id,),
    )
    return [int(row[0]) for row in rows]


def active_with(connection: sqlite3.Connection, passage_ids: Collection[int], base_digest: str) -> list[int]:
    """The active ones for a base that have all these passages among their sources, the newest first."""
    wanted = sorted(set(passage_ids))
    rows = connection.execute(
        f"SELECT id FROM adapters a WHERE {_IN_USE} AND state = 'active' AND base_digest = ? AND ? = "
        "(SELECT count(*) FROM json_each(?) j "
        "JOIN adapter_sources s ON s.adapter_id = a.id AND s.passage_id = j.value) "
        "ORDER BY id DESC",
        (base_digest, len(wanted), json.dumps(wanted)),
    )
    return [int(row[0]) for row in rows]


def of_documents(connection: sqlite3.Connection, document_ids: Collection[int]) -> list[int]:
    """The adapters, in any state, with a source in one of these documents."""
    rows = connection.execute(
        "SELECT DISTINCT s.adapter_id FROM json_each(?) j JOIN adapter_sources s ON s.document_id = j.value ORDER BY 1",
        (json.dumps(sorted(document_ids)),),
    )
    return [int(row[0]) for row in rows]


def of_passages(connection: sqlite3.Connection, passage_ids: Collection[int]) -> list[int]:
    """The adapters, in any state, with one of these passages among their sources."""
    rows = connection.execute(
        "SELECT DISTINCT s.adapter_id FROM json_each(?) j JOIN adapter_sources s ON s.passage_id = j.value ORDER BY 1",
        (json.dumps(sorted(passage_ids)),),
    )
    return [int(row[0]) for row in rows]


def documents_of(connection: sqlite3.Connection, adapter_id: int) -> list[int]:
    """The documents that its sources are of."""
    rows = connection.execute(
        "SELECT DISTINCT document_id FROM adapter_sources WHERE adapter_id = ? ORDER BY 1", (adapter_id,)
    )
    return [int(row[0]) for row in rows]


def dead_source(connection: sqlite3.Connection, adapter_id: int) -> tuple[int, int] | None:
    """(passage id, document id) of a source that does not live now, or is another passage; None if all do."""
    row = connection.execute(
        "SELECT s.passage_id, s.document_id FROM adapter_sources s WHERE s.adapter_id = ? AND NOT EXISTS "
        "(SELECT 1 FROM passage_lives l JOIN passages p ON p.id = l.passage_id WHERE l.passage_id = s.passage_id "
        "AND l.died IS NULL AND p.document_id = s.document_id AND p.digest = s.digest) ORDER BY 1 LIMIT 1",
        (adapter_id,),
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def unseen(connection: sqlite3.Connection, adapter_id: int) -> dict[tuple[int, int], list[tuple[int, bytes]]]:
    """(document id, its living revision) → [(passage id, digest of its exact text)], not seen in that revision yet."""
    rows = connection.execute(
        "SELECT d.document_id, l.revision_id, s.passage_id, s.text_digest "
        "FROM (SELECT DISTINCT document_id FROM adapter_sources WHERE adapter_id = :id) d "
        "CROSS JOIN revision_lives l ON l.document_id = d.document_id AND l.died IS NULL "
        "JOIN adapter_sources s ON s.adapter_id = :id AND s.document_id = d.document_id "
        "AND s.revision_id <> l.revision_id ORDER BY 1, 3",
        {"id": adapter_id},
    )
    found: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
    for document_id, revision_id, passage_id, exact in rows:
        found.setdefault((int(document_id), int(revision_id)), []).append((int(passage_id), bytes(exact)))
    return found


def exact_sources(connection: sqlite3.Connection, adapter_id: int) -> list[tuple[int, int, bytes]]:
    """(document id, passage id, digest of its exact text) of each source."""
    rows = connection.execute(
        "SELECT document_id, passage_id, text_digest FROM adapter_sources WHERE adapter_id = ? ORDER BY 1, 2",
        (adapter_id,),
    )
    return [(int(document_id), int(passage_id), bytes(exact)) for document_id, passage_id, exact in rows]


# -- checking


def unfit(connection: sqlite3.Connection) -> list[int]:
    """The active ones without weights that passed, without sources, or beside a newer active one of the same kind."""
    rows = connection.execute(
        "SELECT id FROM adapters a WHERE state = 'active' AND (passed = 0 "
        "OR NOT EXISTS (SELECT 1 FROM adapter_parts p WHERE p.adapter_id = a.id AND p.name = ?) "
        "OR NOT EXISTS (SELECT 1 FROM adapter_sources s WHERE s.adapter_id = a.id) "
        "OR EXISTS (SELECT 1 FROM adapters b WHERE b.namespace = a.namespace AND b.model = a.model "
        "AND b.state = 'active' AND b.id > a.id)) ORDER BY id",
        (WEIGHTS,),
    )
    return [int(row[0]) for row in rows]


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """What is not as it should be, but for whether sources stand."""
    for table in _PARTS:
        for row in connection.execute(f"PRAGMA foreign_key_check({table})").fetchall():
            yield f"a row of {table} belongs to no row of {row[2]}"
    for adapter_id in unfit(connection):
        yield f"adapter {adapter_id} is active without weights that passed, without sources, or beside a newer one"
