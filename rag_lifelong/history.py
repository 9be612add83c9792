"""What a document was: every state of it, and what differs between two versions.

Rule: reads one snapshot of the store; a text that was pruned is told as that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from rag_lifelong.places import joined, relative_to
from rag_lifelong.store import documents, files, revisions, supersessions, versions
from rag_lifelong.store.revisions import Revision
from rag_lifelong.types import Version


@dataclass(frozen=True, slots=True)
class Decided:
    """The document at `new` supersedes the one at `old` ("confirmed"), or does not ("rejected").

    Both paths are of now, or the last. is_old: the older one is the document whose past this is of.
    """

    old: str
    new: str
    decision: str
    is_old: bool


@dataclass(frozen=True, slots=True)
class Past:
    """A document at a version. path: absolute, None: it stood nowhere. text: None: it did not live, or was pruned.

    decisions: what the user had decided about it and others.
    """

    document_id: int
    version: Version
    path: str | None
    text: str | None
    decisions: tuple[Decided, ...]


class History:
    """The past at a snapshot. read: gives a revision by its id; it may keep those it read."""

    def __init__(self, connection: sqlite3.Connection, read: Callable[[sqlite3.Connection, int], Revision]) -> None:
        self._connection = connection
        self._read = read
        self._paths = {root.id: root.path for root in files.roots(connection)}

    def of(self, path: str) -> tuple[Past, ...]:
        """Every state of the document that stands, or stood last, at an absolute path; oldest first."""
        now = versions.latest_number(self._connection)
        for root_id, place in self._paths.items():
            relative = relative_to(path, place)
            if relative is None:
                continue
            document_id = documents.owner(self._connection, root_id, relative, now)
            if document_id is None:
                last = documents.last_location(self._connection, root_id, relative)
                document_id = None if last is None else last[0]
            if document_id is not None:
                return self._states(document_id)
        return ()

    def between(self, first: int, last: int) -> tuple[tuple[Past | None, Past | None], ...]:
        """(state at `first`, state at `last`) of each document that differs; None where it did not live.

        A decision makes only the older one of its two documents differ.
        """
        found = []
        decided = supersessions.decided_between(self._connection, first, last)
        for document_id in sorted({*documents.touched_between(self._connection, first, last), *decided}):
            before, after = (_as_old(self._at(document_id, number)) for number in (first, last))
            if before is None and after is None:
                continue
            if before is None or after is None or _said(before) != _said(after):
                found.append((before, after))
        return tuple(found)

    def _states(self, document_id: int) -> tuple[Past, ...]:
        found: list[Past] = []
        decided = supersessions.versions_about(self._connection, document_id)
        for number in sorted({*documents.versions_of(self._connection, document_id), *decided}):
            version = versions.read(self._connection, number)
            if version is None:
                continue
            past = self._at(document_id, number) or Past(document_id, version, None, None, ())
            is_news = not found or _said(found[-1]) != _said(past) or past.text is None
            if is_news:  # else it was cut or labelled anew by a newer parser
                found.append(past)
        return tuple(found)

    def _at(self, document_id: int, number: int) -> Past | None:
        location = documents.location_of(self._connection, document_id, number)
        version = versions.read(self._connection, number)
        if location is None or version is None:
            return None
        revision_id = revisions.at(self._connection, document_id, number)
        text = None if revision_id is None else self._read(self._connection, revision_id).text
        place = joined(self._paths[location.root_id], location.path)
        return Past(document_id, version, place, text, self._decided(document_id, number))

    def _decided(self, document_id: int, number: int) -> tuple[Decided, ...]:
        found = supersessions.about(self._connection, document_id, number)
        return tuple(
            Decided(self._place(one.old), self._place(one.new), one.decision, one.old == document_id) for one in found
        )

    def _place(self, document_id: int) -> str:
        last = documents.last_place(self._connection, document_id)
        return "" if last is None else joined(self._paths[last.root_id], last.path)


def _as_old(past: Past | None) -> Past | None:
    return None if past is None else replace(past, decisions=tuple(one for one in past.decisions if one.is_old))


def _said(past: Past) -> tuple[object, ...]:
    return past.path, past.text, past.decisions
