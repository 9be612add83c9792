"""Which passages have proven themselves: they stand unchanged, they hold, and they are used.

Rule: one snapshot, no model, nothing written. What the user called wrong is passed over, whatever else speaks for it.
What is passed over is counted by its reason, so that a plan over 100,000 passages is read on one screen.

Stable is what has lived unbroken for `min_age_days`, or what `min_versions` edits of its own document have left as it
is. Edits of the document, not versions of the knowledge base: a folder that is followed makes dozens of those a day
that say nothing of this text, while whoever edits the document has it before their eyes.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.note_folder import folders_of
from rag_lifelong.places import joined
from rag_lifelong.preferences import is_preferences
from rag_lifelong.retriever import documents_matching
from rag_lifelong.standings import Standings
from rag_lifelong.store import ages, documents, files, passages, revisions, uses, versions
from rag_lifelong.types import HOLDS, Standing

if TYPE_CHECKING:
    from sqlite3 import Connection

EXAMPLES = 3  # passages shown of each reason …
REASONS_SHOWN = 40  # … of so many, the most frequent: each example is read from its document (0.3 ms)
_NOTE_PAGE = re.compile(r"\d{4}-\d\d-\d\d(?:-\d+)?\.md\Z")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be distilled: `text` is characters [start, end) of its document's text now.

    digest: of the exact string embedded. path: absolute. label: its place, for people. living_since: without a break.
    versions_unchanged: edits of its document since then. found: answered turns that have it among their best hits.
    cited, good, bad: answers that cite it, and those of them that the user called so. questions: the user's own, each
    answered from it; answers: the words then quoted, aligned with them.
    """

    passage_id: int
    document_id: int
    revision_id: int
    digest: bytes
    path: str
    label: str
    title: str
    text: str
    start: int
    end: int
    living_since: datetime
    versions_unchanged: int
    found: int
    cited: int
    good: int
    bad: int
    questions: tuple[str, ...]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """So many passages, of so many documents, are passed over for one reason."""

    reason: str
    passages: int
    documents: int


@dataclass(frozen=True, slots=True)
class Selection:
    """chosen: the most used first. passed_over: examples with their reasons, EXAMPLES of each at most.

    counts: all that are passed over, by reason, the most frequent first. version: of the knowledge base, 0: none yet.
    considered: living passages in the namespace; chosen and counts add up to it.
    """

    chosen: tuple[Candidate, ...]
    passed_over: tuple[tuple[Candidate, str], ...]
    counts: tuple[Count, ...]
    version: int
    considered: int


@dataclass(frozen=True, slots=True)
class _Use:
    found: int = 0
    cited: int = 0
    good: int = 0
    bad: int = 0
    asked: tuple[uses.Cited, ...] = ()

    @property
    def count(self) -> int:
        """A citation counts on top of having been found: one answer that cites a passage is two uses of it."""
        return self.found + self.cited


_UNUSED = _Use()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one snapshot says, of all living passages."""

    connection: Connection
    version: int
    now: datetime
    edits: Mapping[int, Sequence[int]]
    uses: Mapping[int, _Use]
    paths: Mapping[int, str]  # document id → absolute path

    def versions_unchanged(self, passage: ages.Aged) -> int:
        """Edits of its document that left it as it is."""
        born = self.edits.get(passage.document_id, ())
        return len(born) - bisect_right(born, passage.born)


def select(source: Assistant | KnowledgeBase, *, namespace: Sequence[str], recipe: Recipe) -> Selection:
    """What would be distilled of the namespace now; under a second for 100,000 passages.

    namespace: globs of paths, as `within` of a search; empty: all. The time is the knowledge base's own clock's.
    """
    base, notes = _opened(source)
    with base.reading() as connection:
        seen = _seen(base, connection)
        inside = documents_matching(connection, seen.version, namespace, None)
        standing = Standings(connection, base.rules, version=seen.version, today=seen.now.astimezone().date()).of(
            inside
        )
        unfit = {i: why for i in standing if (why := _unfit(standing[i], seen.paths[i], notes)) is not None}
        chosen: list[ages.Aged] = []
        reasons: dict[str, list[ages.Aged]] = {}
        considered = 0
        for passage in ages.living(connection, inside):
            considered += 1
            why = unfit.get(passage.document_id) or _untried(passage, seen, recipe)
            if why is None:
                chosen.append(passage)
            else:
                reasons.setdefault(why, []).append(passage)
        chosen.sort(key=lambda p: _rank(seen.uses.get(p.passage_id, _UNUSED), p))
        beyond = chosen[recipe.max_passages :]
        if beyond:
            reasons[f"used less than the {recipe.max_passages:,} that are chosen, which is the most"] = beyond
        counts = sorted(
            (Count(why, len(those), len({p.document_id for p in those})) for why, those in reasons.items()),
            key=lambda count: (-count.passages, count.reason),
        )
        shown = [(p, c.reason) for c in counts[:REASONS_SHOWN] for p in reasons[c.reason][:EXAMPLES]]
        found = _candidates(seen, chosen[: recipe.max_passages])
        examples = _candidates(seen, [p for p, _ in shown])
        return Selection(
            chosen=tuple(found),
            passed_over=tuple(zip(examples, (why for _, why in shown), strict=True)),
            counts=tuple(counts),
            version=seen.version,
            considered=considered,
        )


def candidates_of(source: Assistant | KnowledgeBase, passage_ids: Sequence[int]) -> tuple[Candidate, ...]:
    """These passages with all that is known of them, in this order, without those that do not live now."""
    base, _ = _opened(source)
    with base.reading() as connection:
        owners = set(passages.documents_of(connection, passage_ids).values())
        living = {p.passage_id: p for p in ages.living(connection, owners)}
        there = [living[i] for i in passage_ids if i in living]
        return tuple(_candidates(_seen(base, connection), there))


def _opened(source: Assistant | KnowledgeBase) -> tuple[KnowledgeBase, tuple[str, ...]]:
    """The knowledge base, and the folders in which notes to the assistant stand."""
    if isinstance(source, Assistant):
        return source.knowledge_base, folders_of(source.knowledge_base, source.config.notes_folder)
    return source, folders_of(source, "")


def _seen(base: KnowledgeBase, connection: Connection) -> _Seen:
    version = versions.latest_number(connection)
    roots = {root.id: root.path for root in files.roots(connection)}
    return _Seen(
        connection=connection,
        version=version,
        now=versions.not_before_newest(connection, base.now()),
        edits=ages.edits(connection),
        uses=_uses(connection),
        paths={p.document_id: joined(roots[p.root_id], p.path) for p in documents.locations(connection, version)},
    )


def _uses(connection: Connection) -> dict[int, _Use]:
    """passage id → its uses, of those that have any."""
    found = uses.found(connection)
    by: dict[int, list[uses.Cited]] = {}
    for one in uses.cited(connection):
        by.setdefault(one.passage_id, []).append(one)
    return {
        i: _Use(
            found=found.get(i, 0),
            cited=len(by.get(i, ())),
            good=sum(one.is_good is True for one in by.get(i, ())),
            bad=sum(one.is_good is False for one in by.get(i, ())),
            asked=tuple(by.get(i, ())),
        )
        for i in found.keys() | by.keys()
    }


def _unfit(standing: Standing, path: str, notes: Collection[str]) -> str | None:
    """Why nothing of a document is distilled; None if that is not so."""
    if standing != HOLDS:
        if standing.superseded_by is not None:
            return f"superseded by {os.path.basename(standing.superseded_by)}"
        if standing.stale_since is not None:
            return f"stale since {standing.stale_since.isoformat()}"
        return standing.retired
    is_note = os.path.dirname(path) in notes and _NOTE_PAGE.match(os.path.basename(path)) is not None
    if is_note or is_preferences(path, notes):  # these have no passages, unless they were read as something else before
        return "a note to the assistant; such stay in the index"
    return None


def _untried(passage: ages.Aged, seen: _Seen, recipe: Recipe) -> str | None:
    """Why the passage has not proven itself; None if it has. Whether it is used comes first: most are not."""
    use = seen.uses.get(passage.passage_id, _UNUSED)
    if use.bad:
        return f"an answer from it was marked /bad {_times(use.bad)}"
    if not use.good and use.count < recipe.min_uses:
        return f"{_used(use)}; {recipe.min_uses} wanted"
    age = seen.now - passage.since
    if age < recipe.min_age_days * _DAY and seen.versions_unchanged(passage) < recipe.min_versions:
        return f"changed {_ago(age)}; stable after {_days(recipe.min_age_days)}"
    return None


def _used(use: _Use) -> str:
    if not use.count:
        return "never found"
    return f"found {_times(use.found)}" + (f" and cited {_times(use.cited)}" if use.cited else "")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _days(count: int) -> str:
    return f"{count:,} day" if count == 1 else f"{count:,} days"


def _ago(age: timedelta) -> str:
    days = age // _DAY
    return "today" if not days else f"{_days(days)} ago"


def _rank(use: _Use, passage: ages.Aged) -> tuple[int, int, int, int]:
    """The most used first, then what was called good, then the oldest; ids, so that the order is one."""
    return -use.count, -use.good, passage.born, passage.passage_id


def _candidates(seen: _Seen, living: Sequence[ages.Aged]) -> list[Candidate]:
    """Aligned with `living`. Each document's text is unpacked once."""
    digests = passages.digests_of(seen.connection, [p.passage_id for p in living])
    by_document: dict[int, list[ages.Aged]] = {}
    for passage in living:
        by_document.setdefault(passage.document_id, []).append(passage)
    found: dict[int, Candidate] = {}
    for document_id, those in by_document.items():
        revision_id = revisions.at(seen.connection, document_id, seen.version)
        assert revision_id is not None  # its passages live
        revision = revisions.read(seen.connection, revision_id)
        placed = {p.passage_id: p for p in revision.placements}
        for passage in those:
            place, use = placed[passage.passage_id], seen.uses.get(passage.passage_id, _UNUSED)
            asked = _asked(use.asked)
            found[passage.passage_id] = Candidate(
                passage_id=passage.passage_id,
                document_id=document_id,
                revision_id=revision_id,
                digest=digests[passage.passage_id],
                path=seen.paths[document_id],
                label=place.label,
                title=revision.title,
                text=revision.text[place.start : place.end],
                start=place.start,
                end=place.end,
                living_since=passage.since,
                versions_unchanged=seen.versions_unchanged(passage),
                found=use.found,
                cited=use.cited,
                good=use.good,
                bad=use.bad,
                questions=tuple(asked),
                answers=tuple(asked.values()),
            )
    return [found[p.passage_id] for p in living]


def _asked(cited: Sequence[uses.Cited]) -> dict[str, str]:
    """Question → the words that answered it last; of those that stand alone, and were not called wrong."""
    found: dict[str, str] = {}
    for one in cited:  # the newest first
        if one.is_case and one.is_good is not False:
            is_short = one.short is not None and one.short in one.quote
            found.setdefault(" ".join(one.asked_as.split()), one.short if is_short and one.short else one.quote)
    return found
