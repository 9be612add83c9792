"""What the user decided about one document taking the place of another, and since which version.

Rule: a decision is never changed, only ended and followed by another. It counts while both documents live.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rag_lifelong.store.documents import ALIVE

CONFIRMED, REJECTED = "confirmed", "rejected"
_COLUMNS = "old_id, new_id, decision, evidence, born, died"


@dataclass(frozen=True, slots=True)
class Decision:
    """Document `new` supersedes document `old` ("confirmed"), or does not ("rejected"), since version `born`.

    died: the version that decided otherwise, None: none did.
    """

    old: int
    new: int
    decision: str
    evidence: str
    born: int
    died: int | None


def decide(
    connection: sqlite3.Connection, old: int, new: int, decision: str | None, evidence: str, version: int
) -> None:
    """What was decided about the pair ends; `decision` holds from `version` on, or nothing if it is None."""
    connection.execute(
        "UPDATE supersessions SET died = ? WHERE old_id = ? AND new_id = ? AND died IS NULL", (version, old, new)
    )
    connection.execute("DELETE FROM supersessions WHERE old_id = ? AND new_id = ? AND born = died", (old, new))
    if decision is not None:
        connection.execute(
            "INSERT INTO supersessions (old_id, new_id, decision, evidence, born) VALUES (?, ?, ?, ?, ?)",
            (old, new, decision, evidence, version),
        )


def decisions(connection: sqlite3.Connection, version: int) -> list[Decision]:
    """All that held at `version`, in order of the pair."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM supersessions WHERE {ALIVE} ORDER BY old_id, new_id",
        {"version": version},
    )
    return [Decision(*row) for row in rows]


def all_ever(connection: sqlite3.Connection) -> list[Decision]:
    """Every decision there was, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM supersessions ORDER BY born, old_id, new_id")
    return [Decision(*row) for row in rows]


def decision_of(connection: sqlite3.Connection, old: int, new: int, version: int) -> Decision | None:
    """What held of a pair at `version`."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM supersessions WHERE old_id = :old AND new_id = :new AND {ALIVE}",
        {"old": old, "new": new, "version": version},
    ).fetchone()
    return None if row is None else Decision(*row)


def about(connection: sqlite3.Connection, document_id: int, version: int) -> list[Decision]:
    """What held at `version` of pairs that a document is one of, in order of the pair."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM supersessions WHERE (old_id = :d OR new_id = :d) AND {ALIVE} ORDER BY old_id, new_id",
        {"d": document_id, "version": version},
    )
    return [Decision(*row) for row in rows]


def versions_about(connection: sqlite3.Connection, document_id: int) -> list[int]:
    """The versions that decided about pairs that a document is one of, in order."""
    rows = connection.execute(
        "SELECT born FROM supersessions WHERE old_id = :d OR new_id = :d "
        "UNION SELECT died FROM supersessions WHERE (old_id = :d OR new_id = :d) AND died IS NOT NULL ORDER BY 1",
        {"d": document_id},
    )
    return [int(row[0]) for row in rows]


def decided_between(connection: sqlite3.Connection, first: int, last: int) -> list[int]:
    """The older documents of the pairs decided about after version `first`, up to `last`, in order."""
    rows = connection.execute(
        "SELECT DISTINCT old_id FROM supersessions "
        "WHERE (born > :a AND born <= :b) OR (died > :a AND died <= :b) ORDER BY 1",
        {"a": first, "b": last},
    )
    return [int(row[0]) for row in rows]


def touched(connection: sqlite3.Connection, version: int) -> list[tuple[int, int]]:
    """The pairs that a version decided about, (old, new), in order."""
    rows = connection.execute(
        "SELECT DISTINCT old_id, new_id FROM supersessions WHERE born = :v OR died = :v ORDER BY 1, 2", {"v": version}
    )
    return [(int(old), int(new)) for old, new in rows]


def last_touched(connection: sqlite3.Connection, old: int, new: int) -> int:
    """The newest version that decided about a pair; 0 if none did."""
    row = connection.execute(
        "SELECT max(max(born), coalesce(max(died), 0)) FROM supersessions WHERE old_id = ? AND new_id = ?", (old, new)
    ).fetchone()
    return int(row[0] or 0)


def leads_to(connection: sqlite3.Connection, start: int, goal: int, version: int) -> bool:
    """`goal` is `start`, or supersedes it, or what supersedes it, and so on."""
    successors: dict[int, list[int]] = {}
    for found in decisions(connection, version):
        if found.decision == CONFIRMED:
            successors.setdefault(found.old, []).append(found.new)
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            waiting.extend(successors.get(here, ()))
    return False


def erase(connection: sqlite3.Connection, document_id: int) -> None:
    """Nothing was ever decided about a document."""
    connection.execute("DELETE FROM supersessions WHERE old_id = :d OR new_id = :d", {"d": document_id})
