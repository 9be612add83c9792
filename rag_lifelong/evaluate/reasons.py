"""Why a question has another answer than it had: read from versions, never guessed.

Rule: what befell the sources of then comes first, then what is new among those of now, then who looked and who wrote.
Where nothing of it is so, it says that it is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag_lifelong import __version__
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import joined
from rag_lifelong.store import documents, files, revisions, versions
from rag_lifelong.store.chats import KeptTurn
from rag_lifelong.types import Answer, Hit, Standing

if TYPE_CHECKING:
    from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Reason:
    """What happened since.

    kind: "changed", "forgotten", "gone", "moved", "superseded", "retired", "stale", "new", "removed", "model",
    "embedder", "program", "chat", "vectors", "others" or "unknown". path: of the document concerned, version: that did
    it, where there are such. message: for people.
    """

    kind: str
    path: str | None
    version: int | None
    message: str


def reasons(base: KnowledgeBase, kept: KeptTurn, now: Answer, *, hits: Sequence[Hit]) -> tuple[Reason, ...]:
    """What happened between a kept answer and the one of now, that was looked for in `hits`."""
    standings = base.standings(as_of=now.as_of)
    with base.reading() as connection:
        found = [*_of_sources(connection, kept, now), *_of_standings(connection, kept, standings)]
        known = {reason.path for reason in found}
        found.extend(reason for reason in _of_news(connection, kept, now, hits) if reason.path not in known)
    found.extend(_of_makers(base, kept, now))
    if not found:
        found.append(_of_the_rest(kept, now))
    return tuple(dict.fromkeys(found))


def _of_sources(connection: Connection, kept: KeptTurn, now: Answer) -> Iterator[Reason]:
    """What befell the texts that the answer of then held."""
    if kept.turn.removed_at is not None:
        day = f"{kept.turn.removed_at.astimezone():%Y-%m-%d}"
        yield Reason("removed", None, None, f"its source was let go for good on {day}")
    then = kept.turn.answer.version
    for source in kept.sources:
        if not source.is_said or source.revision_id is None:
            continue
        said = revisions.read(connection, source.revision_id).text[source.start : source.end]
        change = _first_without(connection, source.document_id, said, after=then, until=now.version)
        before = _path_at(connection, source.document_id, then)
        if change is not None:
            yield _lost(connection, source.document_id, before, change)
            continue
        path = _path_at(connection, source.document_id, now.version)
        if path != before:
            stays = documents.places_of(connection, source.document_id)
            born = max(stay.born for stay in stays if stay.born <= now.version)
            yield Reason("moved", before, born, f"{before} moved to {path} in version {born}")


def _lost(connection: Connection, document_id: int, path: str, change: int) -> Reason:
    if revisions.at(connection, document_id, change) is not None:
        return Reason("changed", path, change, f"{path} changed in version {change}")
    version = versions.read(connection, change)
    if version is not None and version.cause.startswith("forget"):
        return Reason("forgotten", path, change, f"{path} was forgotten in version {change}")
    return Reason("gone", path, change, f"{path} is gone since version {change}")


def _first_without(connection: Connection, document_id: int, said: str, *, after: int, until: int) -> int | None:
    """The version after `after` since which a text is not in the document; None if it is there at `until`."""

    def holds(number: int) -> bool:
        revision_id = revisions.at(connection, document_id, number)
        return revision_id is not None and said in revisions.read(connection, revision_id).text

    if until <= after or holds(until):
        return None
    lives = revisions.lives(connection, document_id)
    turns = {number for life in lives for number in (life.born, life.died) if number is not None}
    last = until
    for number in sorted((n for n in turns if after < n <= until), reverse=True):
        if holds(number):
            break
        last = number
    return last


def _of_standings(connection: Connection, kept: KeptTurn, standings: dict[int, Standing]) -> Iterator[Reason]:
    """What speaks against the documents cited then that did not."""
    then = kept.turn.answer
    for citation in then.citations:
        for document_id in {s.document_id for s in kept.sources if s.is_said}:
            if _path_at(connection, document_id, citation.version) != citation.path or document_id not in standings:
                continue
            standing, before = standings[document_id], citation.standing
            if standing.superseded_by is not None and before.superseded_by is None:
                message = f"{citation.path} is superseded by {standing.superseded_by}"
                yield Reason("superseded", citation.path, None, message)
            if standing.retired is not None and before.retired is None:
                yield Reason("retired", citation.path, None, f"{citation.path} says of itself: {standing.retired}")
            if standing.stale_since is not None and before.stale_since is None:
                message = f"{citation.path} is stale since {standing.stale_since}"
                yield Reason("stale", citation.path, None, message)


def _of_news(connection: Connection, kept: KeptTurn, now: Answer, hits: Sequence[Hit]) -> Iterator[Reason]:
    """What the answer of now cites and did not stand in the sources then."""
    then = kept.turn.answer.version
    by_path = {hit.path: hit.document_id for hit in hits}
    for citation in now.citations:
        document_id = by_path.get(citation.path)
        if document_id is None or now.version <= then:
            continue
        revision_id = revisions.at(connection, document_id, then) if then else None
        if revision_id is not None and citation.quote in revisions.read(connection, revision_id).text:
            continue
        born = _since(connection, document_id, citation.quote, now.version)
        what = "is new" if revision_id is None else "says so"
        yield Reason("new", citation.path, born, f"{citation.path} {what} since version {born}")


def _since(connection: Connection, document_id: int, said: str, version: int) -> int:
    """Since when, without a break, a text stands in the document that holds it at `version`."""
    since: int | None = None
    for life in reversed(revisions.lives(connection, document_id)):
        if life.born > version:
            continue
        is_unbroken = since is None or life.died == since
        if not is_unbroken or life.revision_id is None:
            break
        if said not in revisions.read(connection, life.revision_id).text:
            break
        since = life.born
    return version if since is None else since


def _of_makers(base: KnowledgeBase, kept: KeptTurn, now: Answer) -> Iterator[Reason]:
    """Who looked and who wrote, then and now."""
    then = kept.turn.answer
    if then.model != now.model:
        yield Reason("model", None, None, f"worded by {now.model}, then by {then.model}")
    if kept.embedder != base.embedder.fingerprint:
        yield Reason("embedder", None, None, f"found by another embedder, now {base.embedder.name}")
    if kept.program != __version__:
        yield Reason("program", None, None, f"found by rag-lifelong {__version__}, then by {kept.program}")
    if kept.was_told:
        yield Reason("chat", None, None, "the model knew of the chat before it, and was now asked without")
    if kept.turn.removed_at is None and then.verdict.lag.passages:
        waited = then.verdict.lag.passages
        yield Reason("vectors", None, None, f"{waited:,} passages were found by words only then, waiting for vectors")


def _of_the_rest(kept: KeptTurn, now: Answer) -> Reason:
    then = kept.turn.answer.version
    if now.version > then:
        since = f"version {now.version}" if now.version == then + 1 else f"versions {then + 1} to {now.version}"
        return Reason("others", None, now.version, f"its sources are as they were; others changed in {since}")
    return Reason("unknown", None, None, "not known: the sources are as they were")


def _path_at(connection: Connection, document_id: int, version: int) -> str:
    """Where the document stood at a version, else where it stood last."""
    place = documents.location_of(connection, document_id, version) or documents.last_place(connection, document_id)
    if place is None:
        return ""
    roots = {root.id: root.path for root in files.roots(connection)}
    return joined(roots[place.root_id], place.path)
