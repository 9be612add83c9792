"""A knowledge base built in one go, in a temporary folder, from the texts that another one stores.

Rule: it has no past. Texts are cut anew, vectors are copied and never computed; the other one and the disk's files are
only read, and nothing stays behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.chunk import CHUNKER_VERSION
from rag_lifelong.kept_documents import copied, made_by_older
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Decide, Place, Put
from rag_lifelong.places import joined
from rag_lifelong.preferences import is_name
from rag_lifelong.reading import cut
from rag_lifelong.store import documents, files, revisions, supersessions
from rag_lifelong.store.revisions import Revision

if TYPE_CHECKING:
    from sqlite3 import Connection

_BATCH = 100  # documents in one commit


@dataclass(frozen=True, slots=True)
class Fresh:
    """The knowledge base built. older: (root's path, path below it) of documents cut as they were by an older program.

    waiting: strings that have no vector in the one it was built from.
    """

    knowledge_base: KnowledgeBase
    older: frozenset[tuple[str, str]]
    waiting: int


@contextmanager
def built_fresh(
    source: KnowledgeBase, connection: Connection, *, version: int, chunk_tokens: int, step: Callable[[], None]
) -> Iterator[Fresh]:
    """One with the documents that live in `source` at `version`; it is removed afterwards, also after ^C.

    connection: a snapshot of `source`. step: called after each document.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lifelong-evaluate-", ignore_cleanup_errors=True) as folder,
        KnowledgeBase(Path(folder) / "kb", embedder=source.embedder, now=source.now, rules=source.rules) as made,
        source.searching_exactly(),
        made.searching_exactly(),
    ):
        older = _filled(made, source, connection, version, chunk_tokens, step)
        _decide_alike(made, connection, version)
        waiting = made.take_vectors(source)
        made.settle_index()
        yield Fresh(made, older, waiting)


def _filled(
    made: KnowledgeBase,
    source: KnowledgeBase,
    connection: Connection,
    version: int,
    chunk_tokens: int,
    step: Callable[[], None],
) -> frozenset[tuple[str, str]]:
    """Puts every document; gives those cut as they were."""
    known = {root.id: root for root in files.roots(connection)}
    roots = {i: made.folders.ensure_root(root.path, is_whole=root.is_whole) for i, root in known.items()}
    older = set()
    batch: list[Put] = []
    for location in documents.locations(connection, version):
        revision_id = revisions.at(connection, location.document_id, version)
        if revision_id is not None:
            revision = revisions.read(connection, revision_id)
            place = Place(roots[location.root_id].id, location.path, revision.size_bytes, 0)
            if made_by_older(revision.parser, revision.parser_version, revision.chunker_version):
                older.add((known[location.root_id].path, location.path))
            batch.append(_put(revision, place, source, chunk_tokens))
        if len(batch) == _BATCH:
            made.commit(batch, cause="evaluate")
            batch = []
        step()
    if batch:
        made.commit(batch, cause="evaluate")
    return frozenset(older)


def _decide_alike(made: KnowledgeBase, connection: Connection, version: int) -> None:
    """What the user decided about documents that live holds in both."""
    roots = {root.id: root.path for root in files.roots(connection)}
    twins = {}
    for found in documents.locations(connection, version):
        twin = made.document_at(joined(roots[found.root_id], found.path))
        if twin is not None:
            twins[found.document_id] = twin.document_id
    made.commit(
        [
            Decide(twins[found.old], twins[found.new], found.decision, found.evidence)
            for found in supersessions.decisions(connection, version)
            if found.old in twins and found.new in twins
        ],
        cause="evaluate",
    )


def _put(revision: Revision, place: Place, source: KnowledgeBase, chunk_tokens: int) -> Put:
    """Cut anew, unless an older program made the document, whose cuts this one cannot make."""
    document, chunks = copied(revision)
    chunker_version = revision.chunker_version
    holds_preferences = is_name(place.path.rsplit("/", 1)[-1]) and not revision.placements
    if not made_by_older(revision.parser, revision.parser_version, revision.chunker_version) and not holds_preferences:
        chunks = cut(document, source.embedder, chunk_tokens=chunk_tokens)
        chunker_version = CHUNKER_VERSION
    return Put(place, revision.digest, revision.file_changed_at, document, chunks, chunker_version, by_name=False)
