"""What is kept of the past, and how the rest is let go for good.

Rule: only what nothing living needs. What goes is worked out first (`plan`) and then done exactly so (`carry_out`);
that a document was there stays known, unless it is forgotten everywhere. Runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_lifelong.store import adapters, chats, documents, passages, revisions, supersessions, vectors, versions, words
from rag_lifelong.store.revisions import Life


@dataclass(frozen=True, slots=True)
class Pruning:
    """What would go. lives: stretches of versions with one text each; documents: how many have such.

    revisions, passages, vectors: how many of each. text_bytes: of the revisions, as they were read. answers: of
    conversations, which hold something that would stand nowhere else. adapters: made from one of the passages.
    """

    lives: tuple[Life, ...]
    documents: int
    revisions: int
    passages: int
    vectors: int
    text_bytes: int
    answers: int
    adapters: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What was replaced or taken out in version `before` or earlier goes; the `keep_last` newest former texts stay."""

    before: int
    keep_last: int


def plan(connection: sqlite3.Connection, limits: Mapping[int, Limit]) -> Pruning:
    """The former texts that go. limits: document id → what goes of it; of others nothing does."""
    chosen: list[Life] = []
    for document_id, limit in sorted(limits.items()):
        ended = [life for life in revisions.lives(connection, document_id) if life.died is not None]
        spared = {life.born for life in ended[len(ended) - limit.keep_last :]} if limit.keep_last else set()
        chosen.extend(
            life
            for life in ended
            if life.revision_id is not None
            and life.died is not None
            and life.died <= limit.before
            and life.born not in spared
        )
    return _counted(connection, chosen)


def still_there(connection: sqlite3.Connection, planned: Pruning) -> Pruning:
    """Of what was planned what can still go: another process may have let go of some of it meanwhile.

    What has ended since stays, since nobody was shown that it would go.
    """
    ids = {life.document_id for life in planned.lives}
    there = {life for document_id in ids for life in revisions.lives(connection, document_id)}
    return _counted(connection, [life for life in planned.lives if life in there])


def carry_out(connection: sqlite3.Connection, pruning: Pruning, *, at: datetime) -> None:
    """Deletes what was planned: texts, passages, words, vectors, adapters, and what conversations hold of them."""
    for document_id in sorted({life.document_id for life in pruning.lives}):
        mine = {life.born for life in pruning.lives if life.document_id == document_id}
        _let_go(connection, document_id, mine, at=at)
    dropped = vectors.drop_unused(connection)
    if pruning.lives or dropped:
        versions.log(connection, "pruned", 0, 0)


def erase(connection: sqlite3.Connection, document_ids: Sequence[int], *, at: datetime) -> None:
    """The documents, which live no more, were never there: no text, no words, no vectors, no places, no versions.

    Nor in an answer that was given from them, nor in an adapter that was made from them.
    """
    for document_id in document_ids:
        adapters.unname(
            connection, document_id, "one of its sources was superseded, by a document that is no longer there"
        )
        chats.let_go_all(connection, document_id, at=at)
        _let_go(connection, document_id, {life.born for life in revisions.lives(connection, document_id)}, at=at)
        supersessions.erase(connection, document_id)
        documents.erase(connection, document_id)
    vectors.drop_unused(connection)
    versions.log(connection, "pruned", 0, 0)


def _counted(connection: sqlite3.Connection, chosen: Sequence[Life]) -> Pruning:
    revision_count = passage_count = text_bytes = 0
    going: set[int] = set()
    revisions_going: dict[int, set[int]] = {}
    by_document: dict[int, set[int]] = {}
    for life in chosen:
        by_document.setdefault(life.document_id, set()).add(life.born)
    for document_id, born in by_document.items():
        revision_ids, passage_ids = _orphans(connection, document_id, born)
        revision_count += len(revision_ids)
        passage_count += len(passage_ids)
        going |= passage_ids
        revisions_going[document_id] = revision_ids
        text_bytes += sum(len(revisions.read(connection, i).text.encode()) for i in revision_ids)
    return Pruning(
        lives=tuple(chosen),
        documents=len(by_document),
        revisions=revision_count,
        passages=passage_count,
        vectors=vectors.count_unused_without(connection, sorted(going)),
        text_bytes=text_bytes,
        answers=chats.answers_resting_on(connection, revisions_going),
        adapters=len(adapters.of_passages(connection, going)),
    )


def _orphans(connection: sqlite3.Connection, document_id: int, born: set[int]) -> tuple[set[int], set[int]]:
    """(revisions, passages) of the document that nothing needs once the lives born then are gone."""
    lives = revisions.lives(connection, document_id)
    kept = {life.revision_id for life in lives if life.born not in born and life.revision_id is not None}
    going = {life.revision_id for life in lives if life.born in born and life.revision_id is not None} - kept
    needed = {p.passage_id for i in kept for p in revisions.read(connection, i).placements}
    return going, set(passages.known(connection, document_id).values()) - needed


def _let_go(connection: sqlite3.Connection, document_id: int, born: set[int], *, at: datetime) -> None:
    revision_ids, passage_ids = _orphans(connection, document_id, born)
    chats.let_go(connection, document_id, revision_ids, at=at)
    rows: dict[int, words.Row] = {}
    for revision_id in revision_ids:
        revision = revisions.read(connection, revision_id)
        for p in revision.placements:
            if p.passage_id in passage_ids and p.passage_id not in rows:
                rows[p.passage_id] = words.row(p.passage_id, context=p.context, text=revision.text[p.start : p.end])
    words.delete_past(connection, list(rows.values()))
    revisions.empty_lives(connection, document_id, born)
    for revision_id in revision_ids:
        revisions.delete(connection, revision_id)
    # a passage lives where a text that is kept holds it
    stretches: dict[int, list[tuple[int, int | None]]] = {}
    for life in revisions.lives(connection, document_id):
        if life.revision_id is None:
            continue
        for passage_id in {p.passage_id for p in revisions.read(connection, life.revision_id).placements}:
            before = stretches.setdefault(passage_id, [])
            if before and before[-1][1] == life.born:
                before[-1] = (before[-1][0], life.died)
            else:
                before.append((life.born, life.died))
    adapters.delete(connection, adapters.of_passages(connection, passage_ids))
    adapters.drop_of_others(connection)
    passages.rewrite_lives(connection, document_id, stretches)
    passages.delete(connection, sorted(passage_ids))
