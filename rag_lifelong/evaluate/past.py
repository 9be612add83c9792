"""Does it still know what was true then, and does it keep that to itself now?

Rule: the changes are those of the history itself. What is asked for is a line that only one side of a change holds, and
no other document of then, so that neither another version nor another document can pass for the answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rag_lifelong.errors import StaleIndex
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.evaluate.queries import flat, query_of
from rag_lifelong.evaluate.report import Retention
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store import documents, passages, revisions, words
from rag_lifelong.store.revisions import Revision
from rag_lifelong.terms import query_terms

if TYPE_CHECKING:
    from sqlite3 import Connection

DEPTH = 5  # hits among which a line is looked for
_TRIED = 8  # lines of one side of a change: what many documents hold changes in many lines

Step = Callable[[], None]
"""Told that one more piece of work is done."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A document had one text until before `version`, and another from then on; ids of the revisions."""

    version: int
    document_id: int
    before_id: int
    after_id: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line as `flat` gives it, and the query that asks for it."""

    text: str
    query: str


@dataclass(frozen=True, slots=True)
class Change:
    """A turn with a line that only its former text holds, and one that only the new one does; one may be None."""

    turn: Turn
    former: Line | None
    new: Line | None


def turns(connection: Connection) -> list[Turn]:
    """Every change of a document's text that is still stored, by version."""
    found = []
    for document_id in documents.all_ids(connection):
        for a, b in pairwise(revisions.lives(connection, document_id)):
            if a.revision_id is None or b.revision_id is None or a.died != b.born or a.revision_id == b.revision_id:
                continue
            found.append(Turn(b.born, document_id, a.revision_id, b.revision_id))
    return sorted(found, key=lambda turn: (turn.version, turn.document_id))


def lines_only_in(revision: Revision, other: Revision) -> list[str]:
    """The lines of a revision, flat, that the other nowhere holds, also not wrapped otherwise; in order.

    Only those that lie whole in one passage.
    """
    elsewhere = flat(other.text)
    lines = dict.fromkeys(flat(line) for line in revision.text.splitlines())
    candidates = [line for line in lines if line and line not in elsewhere]
    pieces = [flat(revision.text[p.start : p.end]) for p in revision.placements] if candidates else []
    return [line for line in candidates if any(line in piece for piece in pieces)]


def changes(
    connection: Connection, drawn: Sequence[Turn], passages_with: Callable[[str], int], *, rng: random.Random
) -> Iterator[Change | None]:
    """For each turn what can be asked about it; None where no line will do. Which line, is drawn by `rng`.

    passages_with: how many living passages hold a term.
    """
    for turn in drawn:
        before, after = (revisions.read(connection, i) for i in (turn.before_id, turn.after_id))
        lines = []
        for version, revision, other in ((turn.version - 1, before, after), (turn.version, after, before)):
            candidates = lines_only_in(revision, other)
            lines.append(_line(connection, rng.sample(candidates, len(candidates)), revision, version, passages_with))
        yield None if lines == [None, None] else Change(turn, *lines)


def _line(
    connection: Connection,
    candidates: Sequence[str],
    revision: Revision,
    version: int,
    passages_with: Callable[[str], int],
) -> Line | None:
    """The first that tells enough, and that no other document held at that version."""
    for text in candidates[:_TRIED]:
        query = query_of(text, passages_with)
        if query is not None and not _is_elsewhere(connection, text, query, revision.document_id, version):
            return Line(text, query)
    return None


def _is_elsewhere(connection: Connection, text: str, query: str, document_id: int, version: int) -> bool:
    holding = words.holding_all(connection, query_terms(query))
    for owner in passages.owners_alive(connection, holding, version):
        revision_id = revisions.at(connection, owner, version)
        if owner == document_id or revision_id is None:
            continue
        if text in flat(revisions.read(connection, revision_id).text):
            return True
    return False


def retention(
    knowledge_base: KnowledgeBase,
    connection: Connection,
    sampled: Sequence[Change],
    *,
    version: int,
    in_history: int,
    passed_over: int,
    step: Step,
) -> Retention:
    """Asks about each change as of before, as of after, and at `version`, which is now."""
    former, new, stale = [], [], []
    stale_queries = []
    dead = _held_nowhere(connection, {c.former.text for c in sampled if c.former is not None}, version)
    for change in sampled:
        turn = change.turn
        if change.former is not None:
            former.append(_is_found(knowledge_base, change.former, turn.document_id, turn.version - 1))
            if change.former.text in dead:
                stale.append(_is_shown(knowledge_base, change.former, version))
                if stale[-1]:
                    stale_queries.append(change.former.query)
        if change.new is not None:
            new.append(_is_found(knowledge_base, change.new, turn.document_id, turn.version))
        step()
    return Retention(
        former=Share(sum(former), len(former)),
        new=Share(sum(new), len(new)),
        stale=Share(sum(stale), len(stale)),
        depth=DEPTH,
        changes=in_history,
        sampled=len(sampled),
        passed_over=passed_over,
        stale_queries=tuple(stale_queries),
    )


def _is_found(knowledge_base: KnowledgeBase, line: Line, document_id: int, version: int) -> bool:
    """The line is in a hit of that document, as of that version."""
    try:
        hits = knowledge_base.search(line.query, DEPTH, as_of=version)
    except StaleIndex:
        return False
    return any(hit.document_id == document_id and line.text in flat(hit.text) for hit in hits)


def _is_shown(knowledge_base: KnowledgeBase, line: Line, version: int) -> bool:
    """A hit about now shows the line; or a passage that lives no more was come upon, which a search refuses to show."""
    try:
        hits = knowledge_base.search(line.query, DEPTH, as_of=version)
    except StaleIndex:
        return True
    return any(line.text in flat(hit.text) for hit in hits)


def _held_nowhere(connection: Connection, lines: set[str], version: int) -> set[str]:
    """Those of `lines` that no document alive at `version` holds, read from the texts stored."""
    left = set(lines)
    for location in documents.locations(connection, version):
        revision_id = revisions.at(connection, location.document_id, version)
        if revision_id is not None and left:
            text = flat(revisions.read(connection, revision_id).text)
            left = {line for line in left if line not in text}
    return left
