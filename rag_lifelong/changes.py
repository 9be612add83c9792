"""What can happen to the knowledge base's files, and how one batch of it becomes a version.

Rule: everything here runs inside the caller's transaction, and what is replaced dies in the same one. Insert, then
retire. Paths are never deleted: locations, revisions and passages end with a version and stay for as-of answers.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from ingest import Chunk, Document
from rag_lifelong.store import documents, files, passages, vectors, versions, words
from rag_lifelong.store.documents import Location, PlaceMark, Placement, Revision
from rag_lifelong.store.files import FileState
from rag_lifelong.store.passages import PassageKey
from rag_lifelong.types import HeaderField


@dataclass(frozen=True, slots=True)
class Place:
    """A path below a root, with the file's size and time of last change as read."""

    root_id: int
    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Put:
    """The file at `place` has this text now. digest: of its bytes."""

    place: Place
    digest: bytes
    file_changed_at: datetime
    document: Document
    chunks: Sequence[Chunk]
    chunker_version: int


@dataclass(frozen=True, slots=True)
class Move:
    """The document now stands at `place`, with the same bytes."""

    document_id: int
    place: Place
    digest: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """The file is no longer on disk."""

    root_id: int
    path: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The file could not be read. What it held before stays until it can be read again or is gone."""

    place: Place
    digest: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class Touch:
    """Size or time changed, the bytes did not."""

    place: Place


@dataclass(frozen=True, slots=True)
class Hold:
    """The user took the path out; the file stays on disk."""

    root_id: int
    path: str


Operation = Put | Move | Gone | Fail | Touch | Hold


def string_digest(context: str, text: str) -> bytes:
    """The digest of the exact string embedded (`embedded_string`)."""
    return blake2b(embedded_string(context, text).encode(), digest_size=16).digest()


def embedded_string(context: str, text: str) -> str:
    """What the embedder is given for a passage: its context on a line of its own, then its text."""
    return f"{context}\n{text}" if context else text


def apply(
    connection: sqlite3.Connection,
    operations: Sequence[Operation],
    *,
    at: datetime,
    cause: str,
    embedder_id: int,
) -> int | None:
    """Writes a batch; gives the new version's number, or None if no document changed."""
    makes_version = any(isinstance(operation, Put | Move | Gone | Hold) for operation in operations)
    if not makes_version:
        for operation in operations:
            if isinstance(operation, Fail):
                _fail(connection, operation, at)
            elif isinstance(operation, Touch):
                _touch(connection, operation)
        return None
    number = versions.begin(connection, at=at, cause=cause)
    writer = _Writer(connection, number, embedder_id)
    # Whatever leaves a place does so before anything settles there.
    for operation in operations:
        if isinstance(operation, Move):
            writer.depart(operation)
    for operation in sorted(operations, key=lambda operation: not isinstance(operation, Gone | Hold)):
        match operation:
            case Put():
                writer.put(operation)
            case Move():
                writer.move(operation)
            case Gone():
                writer.gone(operation)
            case Hold():
                writer.hold(operation)
            case Fail():
                _fail(connection, operation, at)
            case Touch():
                _touch(connection, operation)
    versions.finish(connection, number, writer.counts)
    return number


def _fail(connection: sqlite3.Connection, operation: Fail, at: datetime) -> None:
    place = operation.place
    before = files.state(connection, place.root_id, place.path)
    is_same = before is not None and before.failure is not None and before.digest == operation.digest
    files.write(
        connection,
        FileState(
            root_id=place.root_id,
            path=place.path,
            size_bytes=place.size_bytes,
            mtime_ns=place.mtime_ns,
            digest=operation.digest,
            document_id=None if before is None else before.document_id,
            failure=operation.reason,
            failed_at=before.failed_at if is_same and before is not None else at,
            tries=before.tries + 1 if is_same and before is not None else 1,
        ),
    )


def _touch(connection: sqlite3.Connection, operation: Touch) -> None:
    place = operation.place
    files.touch(connection, place.root_id, place.path, size_bytes=place.size_bytes, mtime_ns=place.mtime_ns)


class _Writer:
    """The documents' side of one version, while its transaction is open."""

    def __init__(self, connection: sqlite3.Connection, number: int, embedder_id: int) -> None:
        self.connection = connection
        self.number = number
        self.embedder_id = embedder_id
        self.counts = versions.Counts()

    def put(self, operation: Put) -> None:
        place = operation.place
        before = files.state(self.connection, place.root_id, place.path)
        document_id = None if before is None else before.document_id
        if document_id is not None:
            self.counts.changed += 1
        else:
            self.counts.added += 1
            document_id = self._identity(place.root_id, place.path)
            documents.settle(self.connection, Location(document_id, place.root_id, place.path), self.number)
        self._revise(document_id, operation)
        self._saw(place, operation.digest, document_id)
        files.release(self.connection, place.root_id, place.path)

    def depart(self, operation: Move) -> None:
        at = documents.location_of(self.connection, operation.document_id, self.number)
        if at is not None:
            files.forget(self.connection, at.root_id, at.path)
        documents.leave(self.connection, operation.document_id, self.number)

    def move(self, operation: Move) -> None:
        place = operation.place
        documents.settle(self.connection, Location(operation.document_id, place.root_id, place.path), self.number)
        self._saw(place, operation.digest, operation.document_id)
        self.counts.moved += 1

    def gone(self, operation: Gone) -> None:
        state = files.state(self.connection, operation.root_id, operation.path)
        files.forget(self.connection, operation.root_id, operation.path)
        if state is not None and state.document_id is not None:
            self._retire(state.document_id)

    def hold(self, operation: Hold) -> None:
        state = files.state(self.connection, operation.root_id, operation.path)
        digest = None if state is None else state.digest
        if state is not None and state.document_id is not None:
            self._retire(state.document_id)
            self._saw(Place(operation.root_id, operation.path, state.size_bytes, state.mtime_ns), digest, None)
        files.hold(self.connection, operation.root_id, operation.path, digest=digest, version=self.number)

    def _identity(self, root_id: int, path: str) -> int:
        """A document that left this very path comes back as itself; else a new one."""
        last = documents.last_location(self.connection, root_id, path)
        if last is not None and documents.revision_at(self.connection, last[0], self.number) is None:
            return last[0]
        return documents.new_document(self.connection)

    def _saw(self, place: Place, digest: bytes | None, document_id: int | None) -> None:
        files.write(
            self.connection,
            FileState(
                root_id=place.root_id,
                path=place.path,
                size_bytes=place.size_bytes,
                mtime_ns=place.mtime_ns,
                digest=digest,
                document_id=document_id,
                failure=None,
                failed_at=None,
                tries=0,
            ),
        )

    def _revise(self, document_id: int, operation: Put) -> None:
        connection = self.connection
        old = self._living_revision(document_id)
        known = passages.known(connection, document_id)
        alive = passages.alive_in(connection, document_id)
        seen: Counter[bytes] = Counter()
        placements: list[Placement] = []
        created: list[words.Row] = []
        raised: list[words.Row] = []
        queued: list[tuple[bytes, int]] = []
        for chunk in operation.chunks:
            digest = string_digest(chunk.context, chunk.text)
            key = PassageKey(digest, seen[digest])
            seen[digest] += 1
            passage_id = known.get(key)
            if passage_id is None:
                entry = words.row(0, context=chunk.context, text=chunk.text)
                passage_id = passages.create(connection, document_id, key, terms=entry.length)
                created.append(words.Row(passage_id, entry.context, entry.body))
            elif passage_id not in alive:
                raised.append(words.row(passage_id, context=chunk.context, text=chunk.text))
            if passage_id not in alive:
                queued.append((digest, passage_id))
            placements.append(Placement(passage_id, chunk.start, chunk.end, chunk.label, chunk.page, chunk.context))
        placed = {placement.passage_id for placement in placements}
        died = alive - placed
        words.insert_live(connection, created)
        words.raise_again(connection, raised)
        born = placed - alive
        passages.bear(connection, sorted(born), self.number)
        if old is not None:
            self._bury(old, died)
        vectors.enqueue(connection, self.embedder_id, queued)
        documents.revive(
            connection, self._revision(document_id, operation, tuple(placements)), document_id, self.number
        )
        self.counts.passages_born += len(born)

    def _revision(self, document_id: int, operation: Put, placements: tuple[Placement, ...]) -> int:
        document = operation.document
        made_by = (document.parser, document.parser_version, operation.chunker_version)
        same = documents.same_revision(self.connection, document_id, operation.digest, made_by)
        if same is not None:
            return same
        return documents.write_revision(
            self.connection,
            Revision(
                id=0,
                document_id=document_id,
                digest=operation.digest,
                size_bytes=operation.place.size_bytes,
                file_changed_at=operation.file_changed_at,
                title=document.title,
                dated=document.dated,
                fields=tuple(HeaderField(f.name, f.value, f.start, f.end) for f in document.fields),
                marks=tuple(PlaceMark(m.start, m.kind.value, m.label, m.level) for m in document.marks),
                is_source=document.is_source,
                parser=document.parser,
                parser_version=document.parser_version,
                chunker_version=operation.chunker_version,
                text=document.text,
                placements=placements,
            ),
        )

    def _living_revision(self, document_id: int) -> Revision | None:
        revision_id = documents.revision_at(self.connection, document_id, self.number)
        return None if revision_id is None else documents.read_revision(self.connection, revision_id)

    def _retire(self, document_id: int) -> None:
        revision = self._living_revision(document_id)
        if revision is not None:
            self._bury(revision, passages.alive_in(self.connection, document_id))
        documents.retire(self.connection, document_id, self.number)
        documents.leave(self.connection, document_id, self.number)
        self.counts.removed += 1

    def _bury(self, revision: Revision, passage_ids: set[int]) -> None:
        """These passages of the revision die, and their words leave the living."""
        rows = [
            words.row(p.passage_id, context=p.context, text=revision.text[p.start : p.end])
            for p in revision.placements
            if p.passage_id in passage_ids
        ]
        words.bury(self.connection, rows)
        passages.end(self.connection, sorted(passage_ids), self.number)
        self.counts.passages_died += len(passage_ids)
