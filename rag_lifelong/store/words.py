"""The word index: BM25 over the terms of living passages, and of dead ones apart.

Rule: only the living shape the statistics of a search about now. A row of these contentless tables is
deleted by telling its exact content, so `terms.ANALYZER_VERSION` and the tables must agree (knowledge_base.py).
"""

from __future__ import annotations

import heapq
import math
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.store.passages import Ids
from rag_lifelong.terms import terms

CONTEXT_WEIGHT = 1.0
BODY_WEIGHT = 1.0
_K1, _B = 1.2, 0.75  # FTS5's own


@dataclass(frozen=True, slots=True)
class Row:
    """One passage as the word index holds it."""

    passage_id: int
    context: str  # terms joined by spaces
    body: str

    @property
    def length(self) -> int:
        """Number of terms."""
        return len(self.context.split()) + len(self.body.split())


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


def delete_past(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Takes rows out of the past; each must be exactly what was inserted."""
    connection.executemany(
        "INSERT INTO words_past (words_past, rowid, context, body) VALUES ('delete', ?, ?, ?)",
        [(r.passage_id, r.context, r.body) for r in rows],
    )


def optimize(connection: sqlite3.Connection) -> None:
    """Merges both tables into one piece each; until then, FTS5 keeps the words of rows that were deleted."""
    for table in ("words_live", "words_past"):
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")


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
) -> list[tuple[int, float]]:
    """(passage id, BM25) of up to `k` living passages with any of the terms, best first, ties by id.

    among: only these passages (the statistics stay those of all the living).
    """
    if not query_terms:
        return []
    table = "words_live"
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


def search_as_of(
    connection: sqlite3.Connection,
    query_terms: Sequence[str],
    k: int,
    *,
    alive: Ids,
    lengths: Ids,
    among: Ids | None = None,
    common_share: float = 1.0,
) -> list[tuple[int, float]]:
    """As `search`, of the passages alive at some version, with the statistics of exactly those.

    alive: their ids, ascending, shape (n,); lengths: in terms, aligned. among: only these, ascending.
    common_share: a term in a larger share of them is left out if others are left.
    The same formula as FTS5's bm25 (Robertson's, k1 1.2, b 0.75, idf at least 1e-6), over both tables.
    """
    if not query_terms or not len(alive):
        return []
    found = [_postings(connection, term, alive) for term in query_terms]
    telling = [posting for posting in found if len(posting[0]) <= common_share * len(alive)]
    scores = np.zeros(len(alive))  # (n,)
    by_length = norms(lengths)
    for at, counts in telling if any(len(posting[0]) for posting in telling) else found:
        scores[at] += idf(len(alive), len(at)) * saturated(counts, by_length[at])
    if among is not None:
        scores[~np.isin(alive, among, assume_unique=True)] = 0.0
    hit = np.flatnonzero(scores)
    best = hit[np.lexsort((alive[hit], -scores[hit]))][:k]
    return [(int(alive[i]), float(scores[i])) for i in best]


def idf(total: int, holding: int) -> float:
    """The weight of a term that `holding` of `total` passages hold: Robertson's, at least 1e-6, as in FTS5."""
    return max(math.log((total - holding + 0.5) / (holding + 0.5)), 1e-6)


def norms(lengths: Ids) -> NDArray[np.float64]:
    """What BM25's k1 becomes by the length of each passage; shape (n,)."""
    return np.asarray(_K1 * (1 - _B + _B * lengths / max(float(lengths.mean()), 1e-9)), dtype=np.float64)


def saturated(counts: NDArray[Any], norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """BM25's share of how often a term stands in each passage; aligned."""
    parts: NDArray[np.float64] = counts * (_K1 + 1) / (counts + norms)
    return parts


def occurrences(connection: sqlite3.Connection, after: str) -> Iterator[tuple[str, str]]:
    """(term, ids of the passages that hold it, a comma between, one for each time it stands there), terms ascending.

    Of the living and the dead; a term of both comes twice. after: only terms beyond it. SQLite makes the lists (0.3 µs
    an occurrence, 1.2 µs as rows), and meanwhile other threads run.
    """
    query = "SELECT term, group_concat(doc) FROM {} WHERE term > ? GROUP BY term"
    runs = [connection.execute(query.format(table), (after,)) for table in ("words_live_at", "words_past_at")]
    return heapq.merge(*runs, key=itemgetter(0))


def term_counts(connection: sqlite3.Connection) -> Iterator[tuple[str, int, int]]:
    """(term, living passages that hold it, how often it stands in them), terms ascending."""
    for term, documents, count in connection.execute("SELECT term, doc, cnt FROM words_live_terms"):
        yield str(term), int(documents), int(count)


def _postings(connection: sqlite3.Connection, term: str, alive: Ids) -> tuple[Ids, Ids]:
    """(positions in `alive`, how often the term stands there), aligned."""
    rows = connection.execute(
        "SELECT doc, count(*) FROM words_live_at WHERE term = :term GROUP BY doc "
        "UNION ALL SELECT doc, count(*) FROM words_past_at WHERE term = :term GROUP BY doc",
        {"term": term},
    ).fetchall()
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 2)  # (m, 2)
    at = np.minimum(np.searchsorted(alive, table[:, 0]), len(alive) - 1)
    inside = alive[at] == table[:, 0]
    return at[inside], table[inside, 1]


def in_context(connection: sqlite3.Connection, phrase: Sequence[str], limit: int, *, past: bool) -> list[int]:
    """Passages whose context (title, headings) holds these terms side by side, in order of id; past: dead ones."""
    quoted = " ".join(term.replace('"', "") for term in phrase)
    table = "words_past" if past else "words_live"
    rows = connection.execute(
        f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rowid LIMIT ?",
        (f'context : "{quoted}"', limit),
    )
    return [int(row[0]) for row in rows]


def holding_all(connection: sqlite3.Connection, wanted: Sequence[str]) -> list[int]:
    """Every passage, living or dead, that holds all of these terms."""
    expression = " AND ".join('"' + term.replace('"', '""') + '"' for term in wanted)
    rows = connection.execute(
        "SELECT rowid FROM words_live WHERE words_live MATCH :all "
        "UNION ALL SELECT rowid FROM words_past WHERE words_past MATCH :all",
        {"all": expression},
    )
    return [int(row[0]) for row in rows]


def count_live(connection: sqlite3.Connection) -> int:
    """How many passages live; counts the leaves of a small table, under 1 ms for 100,000."""
    return int(connection.execute("SELECT count(*) FROM words_live_docsize").fetchone()[0])


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
