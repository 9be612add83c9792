"""A version → what taking it back would do, document by document.

Rule: undo is one more version. It never touches the disk, and never what a later version has changed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rag_lifelong.operations import Decide, Restore
from rag_lifelong.store import documents, revisions, supersessions, versions
from rag_lifelong.store.documents import Location
from rag_lifelong.store.supersessions import CONFIRMED


@dataclass(frozen=True, slots=True)
class Step:
    """One document. what: "take out", "bring back", "former text" or "move back".

    now, then: where it stands, and where it would; None: nowhere. restore: None if it cannot be done, for `obstacle`.
    Of a decision about two documents: what becomes of it ("undecided", "superseded", "rejected"), and where the older
    and the newer one stand.
    """

    what: str
    now: Location | None
    then: Location | None
    restore: Restore | Decide | None
    obstacle: str


def plan(connection: sqlite3.Connection, number: int) -> tuple[Step, ...]:
    """What taking back version `number` would do, in order of document; decisions last."""
    newest = versions.latest_number(connection)
    steps = {
        document_id: _step(connection, document_id, number, newest)
        for document_id in documents.touched(connection, number)
    }
    # A place is free if whoever stands there goes away too; one that stays makes another stay, and so on.
    while True:
        blocked = [
            document_id
            for document_id, step in steps.items()
            if step.restore is not None
            and step.then is not None
            and _is_taken(connection, document_id, step.then, steps, newest)
        ]
        if not blocked:
            return (*steps.values(), *_decisions(connection, number, newest))
        for document_id in blocked:
            steps[document_id] = replace(steps[document_id], restore=None, obstacle="another file stands there now")


def _is_taken(
    connection: sqlite3.Connection, document_id: int, place: Location, steps: Mapping[int, Step], newest: int
) -> bool:
    owner = documents.owner(connection, place.root_id, place.path, newest)
    if owner is None or owner == document_id:
        return False
    step = steps.get(owner)
    return step is None or step.restore is None


def _step(connection: sqlite3.Connection, document_id: int, number: int, newest: int) -> Step:
    now = documents.location_of(connection, document_id, newest)
    then = documents.location_of(connection, document_id, number - 1)
    revision_id = revisions.at(connection, document_id, number - 1)
    last = documents.last_touched(connection, document_id)
    obstacle = ""
    if last > number:
        obstacle = f"changed again in version {last}"
    elif then is not None and revision_id is None:
        obstacle = "its text of then was pruned"
    if then is None:
        what = "take out"
    elif now is None:
        what = "bring back"
    else:
        what = "former text" if (now.root_id, now.path) == (then.root_id, then.path) else "move back"
    return Step(what, now, then, None if obstacle else Restore(document_id, revision_id, then), obstacle)


def _decisions(connection: sqlite3.Connection, number: int, newest: int) -> Iterator[Step]:
    for old, new in supersessions.touched(connection, number):
        before = supersessions.decision_of(connection, old, new, number - 1)
        last = supersessions.last_touched(connection, old, new)
        decide = Decide(old, new, None, "") if before is None else Decide(old, new, before.decision, before.evidence)
        yield Step(
            what={None: "undecided", CONFIRMED: "superseded"}.get(decide.decision, "rejected"),
            now=documents.last_place(connection, old),
            then=documents.last_place(connection, new),
            restore=decide if last == number else None,
            obstacle="" if last == number else f"decided again in version {last}",
        )
