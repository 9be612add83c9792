"""How long passages have stood as they are, and how often their documents were edited around them.

Rule: a passage's age is that of its life now: one that was gone meanwhile begins anew. A document read again by another
program was not edited.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from rag_lifelong.store.clock import from_ms


class Aged(NamedTuple):
    """A living passage: since which version without a break, and when that was made, in milliseconds since 1970."""

    passage_id: int
    document_id: int
    born: int
    born_ms: int

    @property
    def since(self) -> datetime:
        """Aware, UTC."""
        return from_ms(self.born_ms)


def living(connection: sqlite3.Connection, document_ids: Collection[int] | None = None) -> list[Aged]:
    """Every passage alive now, of these documents only unless None, by id; about 2 µs each."""
    only = "" if document_ids is None else "AND p.document_id IN (SELECT value FROM json_each(:documents)) "
    rows = connection.execute(
        "SELECT p.id, p.document_id, l.born, v.at_ms FROM passages p "
        "JOIN passage_lives l ON l.passage_id = p.id AND l.died IS NULL JOIN versions v ON v.id = l.born "
        f"WHERE true {only}ORDER BY p.id",
        {"documents": json.dumps(sorted(document_ids or ()))},
    )
    return [Aged(*row) for row in rows]


def edits(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """document id → the versions at which its file's bytes became others, ascending; of the living, without the first.

    A text that was pruned counts as another one: what it was is not known any more.
    """
    rows = connection.execute(
        "SELECT document_id, born FROM (SELECT v.document_id, v.born, v.revision_id, r.digest, "
        "row_number() OVER life AS number, lag(r.digest) OVER life AS before "
        "FROM revision_lives v LEFT JOIN revisions r ON r.id = v.revision_id "
        "WHERE v.document_id IN (SELECT document_id FROM revision_lives WHERE died IS NULL) "
        "WINDOW life AS (PARTITION BY v.document_id ORDER BY v.born)) "
        "WHERE number > 1 AND (digest IS NULL OR digest IS NOT before) ORDER BY document_id, born"
    )
    found: dict[int, list[int]] = {}
    for document_id, born in rows:
        found.setdefault(int(document_id), []).append(int(born))
    return found
