"""The texts of passages and revisions, as stored; the ones read last are kept unpacked.

Rule: text comes from revisions alone, cut where a layout says.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from sqlite3 import Connection

from rag_lifelong.operations import embedded_string
from rag_lifelong.store import passages, revisions
from rag_lifelong.store.revisions import Placement, Revision

_KEPT = 256  # unpacked texts: about 10 MB for documents of 25 KB


class StoredTexts:
    """For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revisions: OrderedDict[int, Revision] = OrderedDict()

    def forget(self) -> None:
        """Nothing is kept in memory any more."""
        with self._lock:
            self._revisions.clear()

    def revision(self, connection: Connection, revision_id: int) -> Revision:
        """A revision with its text and layout."""
        with self._lock:
            found = self._revisions.get(revision_id)
            if found is not None:
                self._revisions.move_to_end(revision_id)
                return found
        found = revisions.read(connection, revision_id)
        with self._lock:
            self._revisions[revision_id] = found
            while len(self._revisions) > _KEPT:
                self._revisions.popitem(last=False)
        return found

    def text_of(self, connection: Connection, passage_id: int) -> str:
        """A passage's text; "" if it is gone."""
        placed = self._placed(connection, passage_id)
        if placed is None:
            return ""
        revision, placement = placed
        return revision.text[placement.start : placement.end]

    def string_of(self, connection: Connection, passage_id: int) -> str:
        """The exact string that is embedded for a passage: its title and headings, then its text; "" if it is gone."""
        placed = self._placed(connection, passage_id)
        if placed is None:
            return ""
        revision, placement = placed
        text = revision.text[placement.start : placement.end]
        return embedded_string(placement.context, text, chunker_version=revision.chunker_version)

    def _placed(self, connection: Connection, passage_id: int) -> tuple[Revision, Placement] | None:
        """Where a passage stands or stood last; None if it is gone."""
        owner = passages.documents_of(connection, [passage_id])[passage_id]
        born = passages.a_version_of(connection, passage_id)
        revision_id = None if born is None else revisions.at(connection, owner, born)
        if revision_id is None:
            return None
        revision = self.revision(connection, revision_id)
        return revision, revision.placement_of(passage_id)
