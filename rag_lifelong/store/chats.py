"""Conversations: what was asked, what was answered, from which texts, and what the user said of it.

Rule: a turn is whole or not there. What it holds of a source's text goes when that text is let go (`let_go`); the
user's own words stay. A turn remembers its sources as spans of revisions, so that an answer goes only if what it holds
stands in no text that is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rag_lifelong.store import revisions
from rag_lifelong.store.clock import from_ms, to_ms
from rag_lifelong.store.values import read as value_of
from rag_lifelong.store.values import written
from rag_lifelong.types import HOLDS, Answer, ChatSummary, Hit, Lag, Narrowed, Rating, Turn, Verdict


@dataclass(frozen=True, slots=True)
class Source:
    """A text that a turn holds something of: characters [start, end) of a revision.

    revision_id: None if only the document's path is named. is_said: the answer may hold it; else it was only found.
    """

    document_id: int
    revision_id: int | None
    start: int
    end: int
    is_said: bool


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A turn, with what asking it again and letting go of its sources need.

    chat_id: None while it is not kept. hits: what it was looked for in; read back, without their text and standing.
    embedder: its fingerprint. program: the version of this program. was_told: a model worded the answer and was told
    of the turns before. is_case: it can be asked again. carried: what the turns before hold, if the question or a model
    may have taken something over from them; known until the turn is kept.
    """

    turn: Turn
    chat_id: int | None
    scope: Narrowed
    hits: tuple[Hit, ...]
    sources: tuple[Source, ...]
    embedder: str
    program: str
    was_told: bool
    is_case: bool = True
    carried: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hits:
    hits: tuple[Hit, ...]


# -- writing


def begin(connection: sqlite3.Connection, title: str, at: datetime) -> int:
    """A new conversation without a turn; gives its id."""
    cursor = connection.execute(
        "INSERT INTO chats (title, begun_ms, last_ms) VALUES (?, ?, ?)", (_storable(title), to_ms(at), to_ms(at))
    )
    return int(cursor.lastrowid or 0)


def is_known(connection: sqlite3.Connection, chat_id: int) -> bool:
    """Whether there is such a conversation."""
    return connection.execute("SELECT 1 FROM chats WHERE id = ?", (chat_id,)).fetchone() is not None


def append(connection: sqlite3.Connection, chat_id: int, kept: KeptTurn, *, at: datetime) -> Turn:
    """Adds a turn at the end of a conversation; gives it as it is kept.

    at: now; if a source that its answer holds was let go since it was found, the answer is removed at once, and so is
    what the question carried over from a turn whose source was.
    """
    row = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM turns WHERE chat_id = ?", (chat_id,)).fetchone()
    turn = replace(kept.turn, number=int(row[0]))
    there = [source for source in kept.sources if _is_there(connection, source)]
    gone = {source.revision_id for source in kept.sources} - {source.revision_id for source in there}
    is_uprooted = not all(_is_there(connection, source) for source in kept.carried)
    is_lost = any(source.is_said for source in set(kept.sources) - set(there)) or (is_uprooted and kept.was_told)
    answer = turn.answer
    hits = tuple(replace(hit, text="", standing=HOLDS) for hit in kept.hits if hit.revision_id not in gone)
    is_alone = _storable(turn.asked_as) == _storable(turn.question)
    cursor = connection.execute(
        "INSERT INTO turns (chat_id, number, at_ms, question, asked_as, scope, version, model, embedder, program, "
        "was_told, answer, hits, removed_ms, is_case) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            chat_id,
            turn.number,
            to_ms(turn.at),
            _storable(turn.question),
            _storable(turn.question if is_lost or is_uprooted else turn.asked_as),
            written(kept.scope),
            answer.version,
            answer.model,
            kept.embedder,
            kept.program,
            int(kept.was_told),
            None if is_lost else written(replace(answer, asked_as=None)),  # it has a column of its own
            written(_Hits(hits)),
            to_ms(at) if is_lost else None,
            int(kept.is_case and (is_alone or not (is_lost or is_uprooted))),
        ),
    )
    turn_id = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO turn_sources (turn_id, document_id, revision_id, start, end, is_said) VALUES (?, ?, ?, ?, ?, ?)",
        [(turn_id, s.document_id, s.revision_id, s.start, s.end, int(s.is_said and not is_lost)) for s in there],
    )
    connection.execute("UPDATE chats SET last_ms = ? WHERE id = ?", (to_ms(turn.at), chat_id))
    if turn.rating is not None:  # said before it could be kept
        rate(connection, chat_id, turn.number, turn.rating)
    if is_uprooted and not is_lost:
        return replace(turn, asked_as=turn.question, answer=replace(answer, asked_as=None))
    if not is_lost:
        return turn
    removed = _removed(turn.question, answer.version, answer.model, at)
    return replace(turn, asked_as=turn.question, answer=removed, removed_at=from_ms(to_ms(at)))


def rate(connection: sqlite3.Connection, chat_id: int, number: int, rating: Rating) -> bool:
    """Keeps what the user said of a turn, in place of what was said before; False if there is no such turn."""
    turn_id = _turn_id(connection, chat_id, number)
    if turn_id is None:
        return False
    connection.execute(
        "INSERT OR REPLACE INTO feedback (turn_id, is_good, note, at_ms) VALUES (?, ?, ?, ?)",
        (turn_id, int(rating.is_good), _storable(rating.note), to_ms(rating.at)),
    )
    return True


def delete_turn(connection: sqlite3.Connection, chat_id: int, number: int) -> None:
    """The turn was never there."""
    turn_id = _turn_id(connection, chat_id, number)
    if turn_id is not None:
        _delete_turns(connection, [turn_id])


def delete(connection: sqlite3.Connection, chat_id: int) -> bool:
    """The conversation was never there; False if it was not."""
    rows = connection.execute("SELECT id FROM turns WHERE chat_id = ?", (chat_id,)).fetchall()
    _delete_turns(connection, [int(row[0]) for row in rows])
    return connection.execute("DELETE FROM chats WHERE id = ?", (chat_id,)).rowcount > 0


# -- reading


def summaries(connection: sqlite3.Connection) -> list[ChatSummary]:
    """Every conversation, the one talked in last first."""
    rows = connection.execute(
        "SELECT c.id, c.title, c.begun_ms, c.last_ms, count(t.id) FROM chats c LEFT JOIN turns t ON t.chat_id = c.id "
        "GROUP BY c.id ORDER BY c.last_ms DESC, c.id DESC"
    )
    return [ChatSummary(row[0], row[1], from_ms(row[2]), from_ms(row[3]), row[4]) for row in rows]


def last_id(connection: sqlite3.Connection) -> int | None:
    """The conversation talked in last, None before the first."""
    row = connection.execute("SELECT id FROM chats ORDER BY last_ms DESC, id DESC LIMIT 1").fetchone()
    return None if row is None else int(row[0])


def count(connection: sqlite3.Connection) -> tuple[int, int]:
    """(conversations, turns)."""
    row = connection.execute("SELECT (SELECT count(*) FROM chats), (SELECT count(*) FROM turns)").fetchone()
    return int(row[0]), int(row[1])


def read(connection: sqlite3.Connection, chat_id: int) -> list[KeptTurn]:
    """The turns of a conversation, in order; empty if there is none such."""
    return list(_turns(connection, "WHERE t.chat_id = ? ORDER BY t.number", (chat_id,)))


def newest_first(connection: sqlite3.Connection) -> Iterator[KeptTurn]:
    """Every turn of every conversation, the newest first."""
    return _turns(connection, "ORDER BY t.at_ms DESC, t.id DESC", ())


def _turns(connection: sqlite3.Connection, which: str, values: tuple[int, ...]) -> Iterator[KeptTurn]:
    rows = connection.execute(
        "SELECT t.id, t.chat_id, t.number, t.at_ms, t.question, t.asked_as, t.scope, t.version, t.model, t.embedder, "
        "t.program, t.was_told, t.answer, t.hits, t.removed_ms, t.is_case, f.is_good, f.note, f.at_ms "
        f"FROM turns t LEFT JOIN feedback f ON f.turn_id = t.id {which}",
        values,
    ).fetchall()
    for row in rows:
        removed_at = None if row[14] is None else from_ms(row[14])
        if row[12] is None:
            answer = _removed(row[4], row[7], row[8], removed_at)
        else:
            answer = replace(value_of(row[12], Answer), asked_as=row[5] if row[5] != row[4] else None)
        yield KeptTurn(
            turn=Turn(
                number=row[2],
                question=row[4],
                asked_as=row[5],
                answer=answer,
                at=from_ms(row[3]),
                rating=None if row[16] is None else Rating(bool(row[16]), row[17], from_ms(row[18])),
                removed_at=removed_at,
            ),
            chat_id=row[1],
            scope=value_of(row[6], Narrowed),
            hits=value_of(row[13], _Hits).hits,
            sources=_sources(connection, row[0]),
            embedder=row[9],
            program=row[10],
            was_told=bool(row[11]),
            is_case=bool(row[15]),
        )


def _removed(question: str, version: int, model: str, at: datetime | None) -> Answer:
    """What stands in the place of an answer whose source is gone."""
    when = "" if at is None else f" on {at.astimezone():%Y-%m-%d}"
    return Answer(
        question=question,
        text=f"This answer was removed with its source{when}.",
        refused=False,
        citations=(),
        nearest=(),
        verdict=Verdict(None, False, False, Lag(0, 0, None), 0.0, 0, False, None),
        version=version,
        as_of=None,
        model=model,
        adapter=None,
    )


# -- letting go


def answers_resting_on(connection: sqlite3.Connection, going: Mapping[int, Collection[int]]) -> int:
    """How many answers `let_go` would remove. going: document id → the revisions of it that go."""
    lost: set[int] = set()
    for document_id, revision_ids in going.items():
        lost |= _said_by(connection, document_id, revision_ids)[0]
    return len(_with_told(connection, lost))


def answers_naming(connection: sqlite3.Connection, document_ids: Sequence[int]) -> int:
    """How many answers `let_go_all` would remove."""
    lost: set[int] = set()
    for document_id in document_ids:
        lost |= _ids(connection, "document_id = ? AND is_said = 1", (document_id,))
    return len(_with_told(connection, lost))


def let_go(connection: sqlite3.Connection, document_id: int, revision_ids: Collection[int], *, at: datetime) -> None:
    """These revisions of a document go: so does what turns hold of them and no kept text of the document holds.

    Call it while the revisions are still there.
    """
    lost, moved = _said_by(connection, document_id, revision_ids)
    connection.executemany("UPDATE turn_sources SET revision_id = ?, start = ?, end = ? WHERE id = ?", moved)
    holding: set[int] = set()
    for revision_id in revision_ids:
        holding |= _ids(connection, "revision_id = ?", (revision_id,))
        connection.execute("DELETE FROM turn_sources WHERE revision_id = ?", (revision_id,))
    for turn_id in sorted(holding):
        _drop_hits(connection, turn_id, lambda hit: hit.revision_id in revision_ids)
    _remove_answers(connection, lost, at)


def let_go_all(connection: sqlite3.Connection, document_id: int, *, at: datetime) -> None:
    """The document goes from every version: so does all that turns hold of it, and its path."""
    lost = _ids(connection, "document_id = ? AND is_said = 1", (document_id,))
    for turn_id in sorted(_ids(connection, "document_id = ?", (document_id,))):
        _drop_hits(connection, turn_id, lambda hit: hit.document_id == document_id)
    connection.execute("DELETE FROM turn_sources WHERE document_id = ?", (document_id,))
    _remove_answers(connection, lost, at)


def _said_by(
    connection: sqlite3.Connection, document_id: int, going: Collection[int]
) -> tuple[set[int], list[tuple[int, int, int, int]]]:
    """(turns whose answers hold what only goes, (revision, start, end, id) of sources that stand elsewhere too)."""
    found = connection.execute(
        "SELECT id, turn_id, revision_id, start, end FROM turn_sources WHERE document_id = ? AND is_said = 1",
        (document_id,),
    )
    rows = [row for row in found.fetchall() if row[2] in going]
    if not rows:
        return set(), []
    kept = [i for i in reversed(revisions.of_document(connection, document_id)) if i not in going]
    texts = {i: revisions.read(connection, i).text for i in {*kept, *(row[2] for row in rows)}}
    lost: set[int] = set()
    moved: list[tuple[int, int, int, int]] = []
    for source_id, turn_id, revision_id, start, end in rows:
        said = texts[revision_id][start:end]
        other = next((i for i in kept if said in texts[i]), None)
        if other is None:
            lost.add(int(turn_id))
        else:
            begin = texts[other].index(said)
            moved.append((other, begin, begin + len(said), source_id))
    return lost, moved


def _with_told(connection: sqlite3.Connection, turn_ids: Collection[int]) -> set[int]:
    """And the later turns whose answers a model worded that was told of these; without those removed before."""
    later = "t.chat_id = s.chat_id AND t.number > s.number AND t.was_told = 1"
    found: set[int] = set()
    for turn_id in turn_ids:
        rows = connection.execute(
            f"SELECT t.id FROM turns s JOIN turns t ON t.id = s.id OR ({later}) "
            "WHERE s.id = ? AND t.answer IS NOT NULL",
            (turn_id,),
        )
        found.update(int(row[0]) for row in rows)
    return found


def _remove_answers(connection: sqlite3.Connection, lost: Collection[int], at: datetime) -> None:
    """And what later questions of the same conversation may have carried over from them."""
    for turn_id in sorted(_with_told(connection, lost)):
        connection.execute("UPDATE turns SET answer = NULL, removed_ms = ? WHERE id = ?", (to_ms(at), turn_id))
        connection.execute("UPDATE turn_sources SET is_said = 0 WHERE turn_id = ?", (turn_id,))
        connection.execute(
            "UPDATE turns SET asked_as = question, is_case = 0 WHERE asked_as <> question AND id IN "
            "(SELECT t.id FROM turns s JOIN turns t ON t.chat_id = s.chat_id AND t.number > s.number WHERE s.id = ?)",
            (turn_id,),
        )


def _drop_hits(connection: sqlite3.Connection, turn_id: int, is_going: Callable[[Hit], bool]) -> None:
    row = connection.execute("SELECT hits FROM turns WHERE id = ?", (turn_id,)).fetchone()
    kept = tuple(hit for hit in value_of(row[0], _Hits).hits if not is_going(hit))
    connection.execute("UPDATE turns SET hits = ? WHERE id = ?", (written(_Hits(kept)), turn_id))


# -- checking


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """What is not as it should be."""
    for table in ("turns", "turn_sources", "feedback"):
        for row in connection.execute(f"PRAGMA foreign_key_check({table})").fetchall():
            yield f"row {row[1]} of {table} belongs to no row of {row[2]}"
    for chat_id, turns, last in connection.execute(
        "SELECT c.id, count(t.id), coalesce(max(t.number), 0) FROM chats c LEFT JOIN turns t ON t.chat_id = c.id "
        "GROUP BY c.id HAVING count(t.id) = 0 OR count(t.id) <> max(t.number)"
    ):
        yield f"conversation {chat_id} has {turns} turns, the last is number {last}"
    for chat_id, number in connection.execute(
        "SELECT chat_id, number FROM turns WHERE (answer IS NULL) <> (removed_ms IS NOT NULL) "
        "OR NOT json_valid(coalesce(answer, '{}')) OR NOT json_valid(hits) OR NOT json_valid(scope)"
    ):
        yield f"turn {number} of conversation {chat_id} cannot be read"


# -- inside


def _sources(connection: sqlite3.Connection, turn_id: int) -> tuple[Source, ...]:
    rows = connection.execute(
        "SELECT document_id, revision_id, start, end, is_said FROM turn_sources WHERE turn_id = ? ORDER BY id",
        (turn_id,),
    )
    return tuple(Source(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows)


def _is_there(connection: sqlite3.Connection, source: Source) -> bool:
    table, wanted = ("revisions", source.revision_id) if source.revision_id else ("documents", source.document_id)
    return connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (wanted,)).fetchone() is not None


def _ids(connection: sqlite3.Connection, which: str, values: tuple[int, ...]) -> set[int]:
    rows = connection.execute(f"SELECT DISTINCT turn_id FROM turn_sources WHERE {which}", values)
    return {int(row[0]) for row in rows}


def _turn_id(connection: sqlite3.Connection, chat_id: int, number: int) -> int | None:
    row = connection.execute("SELECT id FROM turns WHERE chat_id = ? AND number = ?", (chat_id, number)).fetchone()
    return None if row is None else int(row[0])


def _delete_turns(connection: sqlite3.Connection, turn_ids: Sequence[int]) -> None:
    for turn_id in turn_ids:
        connection.execute("DELETE FROM feedback WHERE turn_id = ?", (turn_id,))
        connection.execute("DELETE FROM turn_sources WHERE turn_id = ?", (turn_id,))
        connection.execute("DELETE FROM turns WHERE id = ?", (turn_id,))


def _storable(text: str) -> str:
    """Bytes of a command line that are no text would be refused."""
    return text.encode("utf-8", "replace").decode()
