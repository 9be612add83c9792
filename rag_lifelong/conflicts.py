"""Documents that another one is likely to supersede: what is suggested, and what the user decided.

Rule: suggestions are worked out anew each time and change nothing. A decision is a version, and can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath
from sqlite3 import Connection

from rag_lifelong.errors import NoSuchConflict, NoSuchPath
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Decide
from rag_lifelong.places import joined
from rag_lifelong.status import absolute, not_stored
from rag_lifelong.store import documents, files, revisions, supersessions, versions
from rag_lifelong.store.supersessions import CONFIRMED, REJECTED
from rag_lifelong.supersession import Facts, suggest
from rag_lifelong.types import Version

Tell = Callable[[int, int], None]
"""Called with documents compared and documents in all."""

_BY_HAND = "you said so"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two living documents of which `new` is likely to supersede `old`; both absolute paths.

    code: names the pair, and stays the same. kind: "header", "name" or "text", what it rests on first; "" once it is
    decided. score: in [0, 1], 1.0 once it is decided. decision: "confirmed", "rejected" or None. version: since when.
    """

    code: str
    old: str
    new: str
    kind: str
    score: float
    evidence: str
    decision: str | None
    version: int | None


def suggested(knowledge_base: KnowledgeBase, *, tell: Tell | None = None) -> tuple[Conflict, ...]:
    """What is likely and not decided yet, neither way round, nor by others, best first.

    Reads the text of every document: about 1 s for 1,000.
    """
    with knowledge_base.reading() as connection:
        facts = _facts(connection, tell)
        now = versions.latest_number(connection)
        decided = supersessions.decisions(connection, now)
        paths = {found.document_id: found.path for found in facts}
        pairs = {frozenset((found.old, found.new)) for found in decided}
        settled = {found.old for found in decided if found.decision == CONFIRMED and found.new in paths}
        return tuple(
            Conflict(f"{s.old}-{s.new}", paths[s.old], paths[s.new], s.kind.value, s.score, s.evidence, None, None)
            for s in suggest(facts)
            if frozenset((s.old, s.new)) not in pairs
            and s.old not in settled
            and not (s.new in settled and supersessions.leads_to(connection, s.new, s.old, now))
        )


def decided(knowledge_base: KnowledgeBase) -> tuple[Conflict, ...]:
    """What the user confirmed or rejected, of documents that live, the newest first."""
    with knowledge_base.reading() as connection:
        now = versions.latest_number(connection)
        roots = {root.id: root.path for root in files.roots(connection)}
        found = []
        for decision in supersessions.decisions(connection, now):
            old, new = (documents.location_of(connection, i, now) for i in (decision.old, decision.new))
            if old is not None and new is not None:
                found.append(
                    Conflict(
                        f"{decision.old}-{decision.new}",
                        joined(roots[old.root_id], old.path),
                        joined(roots[new.root_id], new.path),
                        "",
                        1.0,
                        decision.evidence,
                        decision.decision,
                        decision.born,
                    )
                )
    return tuple(sorted(found, key=lambda conflict: (-(conflict.version or 0), conflict.code)))


def decide(
    knowledge_base: KnowledgeBase, *, confirm: Sequence[str], reject: Sequence[str], tell: Tell | None = None
) -> tuple[Version, tuple[Conflict, ...]]:
    """Confirms and rejects conflicts by their codes; the version made, and the conflicts as they are now.

    Raises NoSuchConflict for a code that names none, or if all was decided so already, or a circle would come of it.
    """
    known = {conflict.code: conflict for conflict in (*suggested(knowledge_base, tell=tell), *decided(knowledge_base))}
    operations = []
    for decision, codes in ((CONFIRMED, confirm), (REJECTED, reject)):
        for code in codes:
            if code not in known:
                raise NoSuchConflict(f"there is no conflict {code}; see: lifelong conflicts --settled")
            old, new = (int(part) for part in code.split("-"))
            operations.append(Decide(old, new, decision, known[code].evidence))
    verbs = [verb for verb, codes in (("confirm", confirm), ("reject", reject)) if codes]
    chosen = [known[code] for code in (*confirm, *reject)]
    return _committed(knowledge_base, operations, chosen, " and ".join(verbs))


def supersede(knowledge_base: KnowledgeBase, old: str | Path, new: str | Path) -> tuple[Version, tuple[Conflict, ...]]:
    """The document at `new` supersedes the one at `old`, because the user says so.

    Raises NoSuchPath where nothing is stored, NoSuchConflict if it is so already or a circle would come of it.
    """
    places = [absolute(old), absolute(new)]
    ids = []
    for place in places:
        found = knowledge_base.document_at(place)
        if found is None:
            raise not_stored(knowledge_base, place, "is")
        ids.append(found.document_id)
    if ids[0] == ids[1]:
        raise NoSuchPath("a document cannot supersede itself; name two")
    chosen = Conflict(f"{ids[0]}-{ids[1]}", places[0], places[1], "", 1.0, _BY_HAND, None, None)
    return _committed(knowledge_base, [Decide(ids[0], ids[1], CONFIRMED, _BY_HAND)], [chosen], "confirm")


def _committed(
    knowledge_base: KnowledgeBase, operations: Sequence[Decide], chosen: Sequence[Conflict], verb: str
) -> tuple[Version, tuple[Conflict, ...]]:
    names = ", ".join(f"{PurePath(c.old).name} → {PurePath(c.new).name}" for c in chosen[:3])
    more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
    version = knowledge_base.commit(operations, cause=f"{verb} {names}{more}").version
    if version is None:
        raise NoSuchConflict("nothing was decided: it is so already, or a document would supersede itself in the end")
    codes = {conflict.code for conflict in chosen}
    return version, tuple(conflict for conflict in decided(knowledge_base) if conflict.code in codes)


def _facts(connection: Connection, tell: Tell | None) -> list[Facts]:
    now = versions.latest_number(connection)
    roots = {root.id: root.path for root in files.roots(connection)}
    living = documents.summaries(connection, now)
    found = []
    for done, summary in enumerate(living, start=1):
        revision_id = revisions.at(connection, summary.document_id, now)
        assert revision_id is not None  # a summary is of a document with a text
        revision = revisions.read(connection, revision_id)
        texts = (revision.text[p.start : p.end].encode() for p in revision.placements)
        found.append(
            Facts(
                document_id=summary.document_id,
                path=joined(roots[summary.root_id], summary.path),
                title=revision.title,
                dated=revision.dated,
                file_changed_at=revision.file_changed_at,
                fields=revision.fields,
                strings=frozenset(blake2b(text, digest_size=16).digest() for text in texts),
            )
        )
        if tell is not None:
            tell(done, len(living))
    return found
