"""The word index: BM25 over the terms of living passages, and of dead ones apart.

Rule: only the living shape the statistics of a search about now. A row of these contentless tables is
deleted by telling its exact content, so `terms.ANALYZER_VERSION` and the tables must agree (knowledge_base.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rag_lifelong.terms import terms

CONTEXT_WEIGHT = 1.0
BODY_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One passage as the word index holds it."""

    passage_id: int
    context: str  # terms joined by spaces
    body: str

    @property
    def length(self) -> int:
        """Number of terms."""
        return self.context.count(" ") + self.body.count(" ") + 2


def row(passage_id: int, *, context: str, text: str) -> Row:
    """The row of a passage."""
    return Row(passage_id, " ".join(terms(context)), " ".join(terms(text)))


def insert_live(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Adds to the living."""
    connection.executemany(
        "INSERT INTO words_live (rowid, context, body) VALUES (?, ?, ?)",
        [(r.passage_id, r.context, r.body) for r in rows],
    )


def bury(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Moves rows from the living to the past; each must be exactly what was inserted."""
    values = [(r.passage_id, r.context, r.body) for r in rows]
    connection.executemany(
        "INSERT INTO words_live (words_live, rowid, context, body) VALUES ('delete', ?, ?, ?)", values
    )
    connection.executemany("INSERT INTO words_past (rowid, context, body) VALUES (?, ?, ?)", values)


def raise_again(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Moves rows from the past to the living; each must be exactly what was inserted."""
    values = [(r.passage_id, r.context, r.body) for r in rows]
    connection.executemany(
        "INSERT INTO words_past (words_past, rowid, context, body) VALUES ('delete', ?, ?, ?)", values
    )
    connection.executemany("INSERT INTO words_live (rowid, context, body) VALUES (?, ?, ?)", values)


def clear(connection: sqlite3.Connection) -> None:
    """Empties both tables."""
    connection.execute("INSERT INTO words_live (words_live) VALUES ('delete-all')")
    connection.execute("INSERT INTO words_past (words_past) VALUES ('delete-all')")


def insert_past(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Adds to the dead."""
    connection.executemany(
        "INSERT INTO words_past (rowid, context, body) VALUES (?, ?, ?)",
        [(r.passage_id, r.context, r.body) for r in rows],
    )


def search(
    connection: sqlite3.Connection,
    query_terms: Sequence[str],
    k: int,
    *,
    among: Collection[int] | None = None,
    past: bool = False,
) -> list[tuple[int, float]]:
    """(passage id, BM25) of up to `k` passages with any of the terms, best first, ties by id.

    among: only these passages (the statistics stay those of the whole table). past: of the dead instead.
    """
    if not query_terms:
        return []
    table = "words_past" if past else "words_live"
    expression = " OR ".join('"' + term.replace('"', '""') + '"' for term in query_terms)
    rows = connection.execute(
        f"SELECT rowid, -bm25({table}, {CONTEXT_WEIGHT}, {BODY_WEIGHT}) AS score FROM {table} "
        f"WHERE {table} MATCH ? ORDER BY score DESC, rowid" + ("" if among is not None else " LIMIT ?"),
        (expression,) if among is not None else (expression, k),
    )
    if among is None:
        return [(int(a), float(b)) for a, b in rows]
    allowed = among if isinstance(among, (set, frozenset)) else set(among)
    found: list[tuple[int, float]] = []
    for passage_id, score in rows:
        if passage_id in allowed:
            found.append((int(passage_id), float(score)))
            if len(found) == k:
                break
    return found


def in_context(connection: sqlite3.Connection, phrase: Sequence[str], limit: int) -> list[int]:
    """Living passages whose context (title, headings) holds these terms side by side, in order of id."""
    quoted = " ".join(term.replace('"', "") for term in phrase)
    rows = connection.execute(
        "SELECT rowid FROM words_live WHERE words_live MATCH ? ORDER BY rowid LIMIT ?",
        (f'context : "{quoted}"', limit),
    )
    return [int(row[0]) for row in rows]


def passages_with(connection: sqlite3.Connection, term: str) -> int:
    """How many living passages hold the term."""
    found = connection.execute("SELECT doc FROM words_live_terms WHERE term = ?", (term,)).fetchone()
    return 0 if found is None else int(found[0])


def damage(connection: sqlite3.Connection) -> str | None:
    """What FTS5's own check finds wrong with its structures, or None."""
    for table in ("words_live", "words_past"):
        try:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            return f"{table}: {error}"
    return None


def rowids(connection: sqlite3.Connection, *, past: bool) -> set[int]:
    """The passages that have a row."""
    table = "words_past" if past else "words_live"
    return {int(found[0]) for found in connection.execute(f"SELECT id FROM {table}_docsize")}
