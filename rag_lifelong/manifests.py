"""Whether what an adapter was made from still stands: each passage, character for character, in a document that holds.

Rule: reads one snapshot, about now. A passage is kept through changes of markup and white space, which weights may have
learnt; so its exact text is compared too, once for each new text of its document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from rag_lifelong.places import joined
from rag_lifelong.staleness import Rule
from rag_lifelong.standings import Standings
from rag_lifelong.store import adapters, documents, files, passages, revisions, versions
from rag_lifelong.store.revisions import Placement
from rag_lifelong.types import Source, Standing

if TYPE_CHECKING:
    from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an adapter may not be used, for people. named_id: a document that the reason names and that is no source."""

    reason: str
    named_id: int | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """Every source stands. seen: (document, passage, revision) of those found, as they are, in another text."""

    seen: tuple[tuple[int, int, int], ...]


class Manifests:
    """What adapters were made from, as it stands in a snapshot on the day `today`, local time."""

    def __init__(self, connection: Connection, rules: Sequence[Rule], *, today: date) -> None:
        self._connection = connection
        self._standings = Standings(connection, rules, version=versions.latest_number(connection), today=today)
        self._known: dict[int, Standing] = {}
        self._digests: dict[int, Mapping[int, bytes]] = {}

    def check(self, adapter_id: int) -> Sound | Fault:
        """Whether every source lives, is as it was, and holds."""
        dead = adapters.dead_source(self._connection, adapter_id)
        if dead is not None:
            return Fault(self._ended(*dead))
        seen: list[tuple[int, int, int]] = []
        for (document_id, revision_id), sources in adapters.unseen(self._connection, adapter_id).items():
            now = self._exact(revision_id)
            for passage_id, exact in sources:
                if now.get(passage_id) != exact:
                    changed = documents.last_touched(self._connection, document_id)
                    return Fault(f"{self._path(document_id)} changed in version {changed}")
                seen.append((document_id, passage_id, revision_id))
        document_ids = adapters.documents_of(self._connection, adapter_id)
        unknown = [i for i in document_ids if i not in self._known]
        if unknown:
            self._known.update(self._standings.of(unknown))
        for document_id in document_ids:
            if not self._known[document_id].holds:
                return self._spent(document_id, self._known[document_id])
        return Sound(tuple(seen))

    def damage(self, adapter_id: int) -> str | None:
        """What a commit should have noticed of one in use; what time makes stale is no damage."""
        dead = adapters.dead_source(self._connection, adapter_id)
        if dead is not None:
            return self._ended(*dead)
        for document_id, passage_id, exact in adapters.exact_sources(self._connection, adapter_id):
            if self._exact(self._living[document_id]).get(passage_id) != exact:
                return f"passage {passage_id} is not the text it was made from"
        return None

    def exact(self, source: Source) -> bytes | None:
        """The digest of a source's exact text, as its revision has it; None if that has no such passage."""
        if source.revision_id not in revisions.of_document(self._connection, source.document_id):
            return None
        return self._exact(source.revision_id).get(source.passage_id)

    def place(self, source: Source) -> str:
        """The absolute path where a source's document stands, or stood last."""
        return self._path(source.document_id)

    @cached_property
    def _living(self) -> Mapping[int, int]:
        return revisions.living(self._connection)

    def _exact(self, revision_id: int) -> Mapping[int, bytes]:
        if revision_id not in self._digests:
            revision = revisions.read(self._connection, revision_id)
            self._digests[revision_id] = {p.passage_id: _digest(revision.text, p) for p in revision.placements}
        return self._digests[revision_id]

    def _ended(self, passage_id: int, document_id: int) -> str:
        path = self._path(document_id)
        if not documents.lives_now(self._connection, document_id):
            return f"{path} was taken out in version {documents.last_touched(self._connection, document_id)}"
        return f"{path} changed in version {passages.last_touched(self._connection, passage_id)}"

    def _spent(self, document_id: int, standing: Standing) -> Fault:
        path = self._path(document_id)
        if standing.superseded_by is not None:
            successor = self._standings.successor(document_id)
            return Fault(f"{path} is superseded by {standing.superseded_by}", successor)
        if standing.retired is not None:
            return Fault(f"{path} is no longer in force, as its own header says")
        return Fault(f"{path} is stale since {standing.stale_since}")

    def _path(self, document_id: int) -> str:
        place = documents.last_place(self._connection, document_id)
        if place is None:
            return f"document {document_id}"
        roots = {root.id: root.path for root in files.roots(self._connection)}
        return joined(roots[place.root_id], place.path)


def _digest(text: str, placement: Placement) -> bytes:
    exact = f"{placement.context}\0{text[placement.start : placement.end]}"
    return blake2b(exact.encode("utf-8", "surrogatepass"), digest_size=16).digest()
