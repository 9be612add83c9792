"""What the kept conversations say of passages: how often each was found, and which answers cite it.

Rule: counted in turns that were answered and whose answer is still there; one that was refused, or removed with its
source, used nothing. Read set by set, never passage by passage.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

BEST = 3  # hits of a turn that count as found
# An answer is looked for in 12, the last of which fit hardly better than any other passage: with all of them, two
# questions would make each passage of a small knowledge base a used one.


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer cites a passage.

    asked_as: the question, standing alone. is_case: it can be asked again as it is.
    quote: the words cited, as stored. short: the fewest words that answer, None where that is not known. is_good: what
    the user said of the answer, None: nothing.
    """

    passage_id: int
    turn_id: int
    asked_as: str
    is_case: bool
    quote: str
    short: str | None
    is_good: bool | None


def found(connection: sqlite3.Connection) -> dict[int, int]:
    """passage id → in how many answered turns it was among the BEST hits."""
    rows = connection.execute(
        "SELECT json_extract(h.value, '$.passage_id') AS passage_id, count(DISTINCT t.id) "
        "FROM turns t, json_each(t.hits, '$.hits') h "
        f"WHERE {_ANSWERED} AND h.key < ? GROUP BY passage_id",
        (BEST,),
    )
    return {int(passage_id): int(count) for passage_id, count in rows}


def cited(connection: sqlite3.Connection) -> list[Cited]:
    """Each (answer, passage) once, by its first citation; the newest turn first.

    A citation is of the passage found in the same turn that holds its first character; one of a header that is in no
    passage is of none.
    """
    rows = connection.execute(
        "SELECT json_extract(h.value, '$.passage_id'), t.id, t.asked_as, t.is_case, "
        "json_extract(c.value, '$.quote'), json_extract(t.answer, '$.short'), f.is_good "
        "FROM turns t CROSS JOIN json_each(t.answer, '$.citations') c CROSS JOIN json_each(t.hits, '$.hits') h "
        "LEFT JOIN feedback f ON f.turn_id = t.id "
        f"WHERE {_ANSWERED} AND json_extract(h.value, '$.path') = json_extract(c.value, '$.path') "
        "AND json_extract(c.value, '$.start') >= json_extract(h.value, '$.start') "
        "AND json_extract(c.value, '$.start') < json_extract(h.value, '$.end') "
        "ORDER BY t.at_ms DESC, t.id DESC, c.key, h.key"
    )
    seen: dict[tuple[int, int], Cited] = {}
    for passage_id, turn_id, asked_as, is_case, quote, short, is_good in rows:
        one = Cited(
            int(passage_id),
            int(turn_id),
            str(asked_as),
            bool(is_case),
            str(quote),
            None if short is None else str(short),
            None if is_good is None else bool(is_good),
        )
        seen.setdefault((one.turn_id, one.passage_id), one)
    return list(seen.values())


_ANSWERED = "t.answer IS NOT NULL AND json_extract(t.answer, '$.refused') = 0"
