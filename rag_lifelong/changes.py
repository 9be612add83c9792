"""How one batch of operations becomes a version.

Rule: everything here runs inside the caller's transaction, and what is replaced dies in the same one. Insert, then
retire. Paths are never deleted: locations, revisions and passages end with a version and stay for as-of answers.
An operation was decided on outside the lock: one that no longer fits what another process has written meanwhile is
left out, since the folder will be compared again.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ingest import Document
from rag_lifelong.operations import (
    Applied,
    Carry,
    Decide,
    Fail,
    Gone,
    Hold,
    Move,
    Operation,
    Outcome,
    Place,
    Put,
    Restore,
    Touch,
    string_digest,
)
from rag_lifelong.store import documents, files, passages, revisions, supersessions, vectors, versions, words
from rag_lifelong.store.documents import Location
from rag_lifelong.store.files import FileState, Held
from rag_lifelong.store.passages import PassageKey
from rag_lifelong.store.revisions import PlaceMark, Placement, Revision
from rag_lifelong.types import HeaderField

LATE = timedelta(minutes=10)  # the halves of one move are no further apart, however slow the disk


def apply(
    connection: sqlite3.Connection,
    operations: Sequence[Operation],
    *,
    at: datetime,
    cause: str,
    source: str,
    undoes: int | None,
) -> Applied:
    """Writes a batch, as one version if any document changes. source, undoes: as of `store.versions.begin`."""
    leaving = {(o.root_id, o.path) for o in operations if isinstance(o, Move | Gone)}
    fitting = [operation for operation in operations if _fits(connection, operation, leaving)]
    outcomes: list[Outcome] = []
    changing: list[Operation] = []
    for operation in fitting:
        if isinstance(operation, Fail):
            outcomes.append(_fail(connection, operation, at))
        elif isinstance(operation, Touch):
            _touch(connection, operation)
        elif not isinstance(operation, Put) or not _is_made_alike(connection, operation):
            changing.append(operation)
    if all(isinstance(operation, Carry) for operation in changing):  # what they are in has not moved after all
        return Applied(None, tuple(outcomes))
    number = versions.begin(connection, at=at, cause=cause, source=source, undoes=undoes)
    writer = _Writer(connection, number, at)
    # Whatever leaves a place does so before anything settles there.
    for operation in changing:
        if isinstance(operation, Move):
            writer.depart(operation)
        elif isinstance(operation, Restore):
            writer.vacate(operation)
    for operation in sorted(changing, key=lambda operation: not isinstance(operation, Gone | Hold)):
        match operation:
            case Put():
                outcomes.append(writer.put(operation))
            case Move():
                outcomes.append(writer.move(operation))
            case Carry():
                writer.carry(operation)
            case Gone():
                outcomes.append(writer.gone(operation))
            case Hold():
                outcomes.append(writer.hold(operation))
            case Restore():
                outcomes.append(writer.restore(operation))
            case Decide(old=old, new=new, decision=decision, evidence=evidence):
                if not _closes_circle(connection, operation, number):  # with others of this batch
                    supersessions.decide(connection, old, new, decision, evidence, number)
    versions.finish(connection, number, writer.counts)
    return Applied(number, tuple(outcomes))


def _fits(connection: sqlite3.Connection, operation: Operation, leaving: set[tuple[int, str]]) -> bool:
    """What the operation rests on still holds."""
    match operation:
        case Put(place=place, digest=digest, by_name=by_name):
            held = files.held(connection, place.root_id, place.path)
            if held is not None and held.digest == digest and not by_name:
                return False
            return not _is_read_already(connection, operation)
        case Move(root_id=root_id, path=path, place=place, document_id=document_id, digest=digest):
            origin = files.state(connection, root_id, path)
            if origin is None or origin.document_id != document_id or origin.digest != digest:
                return False
            target = files.state(connection, place.root_id, place.path)
            held = files.held(connection, place.root_id, place.path)
            is_free = target is None or target.document_id is None or (place.root_id, place.path) in leaving
            return is_free and (held is None or held.digest != digest)
        case Carry(root_id=root_id, path=path, place=place):
            known = files.state(connection, root_id, path)
            target = files.state(connection, place.root_id, place.path)
            is_free = target is None or target.document_id is None or (place.root_id, place.path) in leaving
            return is_free and known is not None and known.document_id is None
        case Gone(root_id=root_id, path=path):
            known = files.state(connection, root_id, path)
            return known is not None and files.held(connection, root_id, path) is None
        case Decide(old=old, new=new, decision=decision):
            now = versions.latest_number(connection)
            before = supersessions.decision_of(connection, old, new, now)
            if (None if before is None else before.decision) == decision:
                return False
            is_known = all(documents.is_known(connection, i) for i in (old, new))  # or forgotten everywhere meanwhile
            return is_known and not _closes_circle(connection, operation, now)
        case Hold(root_id=root_id, path=path):
            state = files.state(connection, root_id, path)
            return state is not None and state.document_id is not None
        case _:
            return True


def _closes_circle(connection: sqlite3.Connection, operation: Decide, version: int) -> bool:
    """A document would supersede itself in the end."""
    return operation.decision == supersessions.CONFIRMED and supersessions.leads_to(
        connection, operation.new, operation.old, version
    )


def _is_read_already(connection: sqlite3.Connection, operation: Put) -> bool:
    state = files.state(connection, operation.place.root_id, operation.place.path)
    if state is None or state.document_id is None or state.digest != operation.digest or state.failure is not None:
        return False
    if state.container != operation.place.container:  # an archive in place of a folder, or the other way round
        return False
    document = operation.document
    made_by = (document.parser, document.parser_version, operation.chunker_version)
    same = revisions.same(connection, state.document_id, operation.digest, made_by)
    now = versions.latest_number(connection)
    return revisions.at(connection, state.document_id, now) in same


def _is_made_alike(connection: sqlite3.Connection, operation: Put) -> bool:
    """A newer parser makes of the same bytes what the document has already: that is noted, and no version."""
    state = files.state(connection, operation.place.root_id, operation.place.path)
    now = versions.latest_number(connection)
    revision_id = (
        None if state is None or state.document_id is None else revisions.at(connection, state.document_id, now)
    )
    if revision_id is None or revisions.digest_of(connection, revision_id) != operation.digest:
        return False
    old, document = revisions.read(connection, revision_id), operation.document
    is_alike = (old.text, old.title, old.dated, old.fields, old.marks, old.is_source) == (
        document.text,
        document.title,
        document.dated,
        _fields_of(document),
        _marks_of(document),
        document.is_source,
    ) and [
        (
            p.start,
            p.end,
            p.label,
            p.page,
            p.context,
            _embedded(old.chunker_version, p.context, old.text[p.start : p.end]),
        )
        for p in old.placements
    ] == [
        (c.start, c.end, c.label, c.page, c.context, _embedded(operation.chunker_version, c.context, c.text))
        for c in operation.chunks
    ]
    if is_alike:
        made_by = (document.parser, document.parser_version, operation.chunker_version)
        revisions.note_maker(connection, revision_id, made_by)
        place = operation.place
        files.release(connection, place.root_id, place.path)
        _touch(connection, Touch(place, operation.digest))
    return is_alike


def _embedded(chunker_version: int, context: str, text: str) -> bytes:
    return string_digest(context, text, chunker_version=chunker_version)


def _fields_of(document: Document) -> tuple[HeaderField, ...]:
    return tuple(HeaderField(f.name, f.value, f.start, f.end) for f in document.fields)


def _marks_of(document: Document) -> tuple[PlaceMark, ...]:
    return tuple(PlaceMark(m.start, m.kind.value, m.label, m.level) for m in document.marks)


def _fail(connection: sqlite3.Connection, operation: Fail, at: datetime) -> Outcome:
    place = operation.place
    before = files.state(connection, place.root_id, place.path)
    is_same = before is not None and before.failure is not None and before.digest == operation.digest
    document_id = None if before is None else before.document_id
    files.write(
        connection,
        FileState(
            root_id=place.root_id,
            path=place.path,
            size_bytes=place.size_bytes,
            mtime_ns=place.mtime_ns,
            digest=operation.digest,
            document_id=document_id,
            failure=operation.reason,
            failed_at=before.failed_at if is_same and before is not None else at,
            tries=before.tries + 1 if is_same and before is not None else 1,
            tried_at=at,
            container=place.container,
            failed_by=operation.readers,
        ),
    )
    return Outcome("failed", place.root_id, place.path, document_id, None, 0, 0, 0, operation.reason)


def _touch(connection: sqlite3.Connection, operation: Touch) -> None:
    place = operation.place
    files.touch(
        connection,
        place.root_id,
        place.path,
        size_bytes=place.size_bytes,
        mtime_ns=place.mtime_ns,
        digest=operation.digest,
        container=place.container,
    )


class _Writer:
    """The documents' side of one version, while its transaction is open."""

    def __init__(self, connection: sqlite3.Connection, number: int, at: datetime) -> None:
        self.connection = connection
        self.number = number
        self.at = at
        self.counts = versions.Counts()
        self._unread: dict[int, FileState] = {}  # documents that move, whose file could not be read
        self._stood: dict[int, Location] = {}  # where documents to be restored stood before this batch

    def put(self, operation: Put) -> Outcome:
        place = operation.place
        before = files.state(self.connection, place.root_id, place.path)
        document_id = None if before is None else before.document_id
        old = None if document_id is None else self._living_revision(document_id)
        path_before: str | None = None
        if (
            document_id is not None
            and old is not None
            and (old.digest, old.text)
            == (
                operation.digest,
                operation.document.text,
            )
        ):
            kind = "renewed"  # cut or labelled anew; what it says has not changed
        elif document_id is not None:
            kind = "changed"
            self.counts.changed += 1
        else:
            kind = "added"
            document_id = self._back_at(place.root_id, place.path)
            if document_id is None:
                document_id, path_before = self._back_elsewhere(place.path, operation.digest)
            if path_before is not None:
                kind = "moved"
                self.counts.moved += 1
            else:
                self.counts.added += 1
            document_id = document_id or documents.new_document(self.connection)
            documents.settle(self.connection, Location(document_id, place.root_id, place.path), self.number)
        born, died, kept = self._revise(document_id, operation, old)
        self._saw(place, operation.digest, document_id)
        files.release(self.connection, place.root_id, place.path)
        return Outcome(kind, place.root_id, place.path, document_id, path_before, born, died, kept, "")

    def depart(self, operation: Move) -> None:
        state = files.state(self.connection, operation.root_id, operation.path)
        if state is not None and state.failure is not None:
            self._unread[operation.document_id] = state
        files.forget(self.connection, operation.root_id, operation.path)
        documents.leave(self.connection, operation.document_id, self.number)

    def move(self, operation: Move) -> Outcome:
        place = operation.place
        documents.settle(self.connection, Location(operation.document_id, place.root_id, place.path), self.number)
        self._saw(place, operation.digest, operation.document_id)
        unread = self._unread.get(operation.document_id)
        if unread is not None:  # its bytes cannot be read here either
            there = replace(unread, root_id=place.root_id, path=place.path, container=place.container)
            files.write(self.connection, replace(there, size_bytes=place.size_bytes, mtime_ns=place.mtime_ns))
        files.release(self.connection, place.root_id, place.path)
        self.counts.moved += 1
        return Outcome("moved", place.root_id, place.path, operation.document_id, operation.path, 0, 0, 0, "")

    def carry(self, operation: Carry) -> None:
        place = operation.place
        state = files.state(self.connection, operation.root_id, operation.path)
        held = files.held(self.connection, operation.root_id, operation.path)
        assert state is not None  # _fits
        files.forget(self.connection, operation.root_id, operation.path)
        there = replace(state, root_id=place.root_id, path=place.path, container=place.container)
        files.write(self.connection, replace(there, mtime_ns=place.mtime_ns))
        if held is not None:
            files.release(self.connection, operation.root_id, operation.path)
            named = operation.named if held.named else ""
            held = replace(held, path=place.path, named=named)
            files.hold(self.connection, place.root_id, held, version=self.number)

    def gone(self, operation: Gone) -> Outcome:
        state = files.state(self.connection, operation.root_id, operation.path)
        files.forget(self.connection, operation.root_id, operation.path)
        document_id = None if state is None else state.document_id
        died = 0 if document_id is None else self._retire(document_id)
        return Outcome("removed", operation.root_id, operation.path, document_id, None, 0, died, 0, "")

    def hold(self, operation: Hold) -> Outcome:
        state = files.state(self.connection, operation.root_id, operation.path)
        assert state is not None and state.document_id is not None  # _fits
        held = files.held(self.connection, operation.root_id, operation.path)
        digest = held.digest if held is not None else state.digest  # a document kept by an undo: what is on disk
        died = self._retire(state.document_id)
        place = Place(operation.root_id, operation.path, state.size_bytes, state.mtime_ns, state.container)
        self._saw(place, digest, None)
        held = Held(operation.path, digest, operation.named, "forget")
        files.hold(self.connection, operation.root_id, held, version=self.number)
        return Outcome("removed", operation.root_id, operation.path, state.document_id, None, 0, died, 0, "")

    def vacate(self, operation: Restore) -> None:
        document_id = operation.document_id
        now = documents.location_of(self.connection, document_id, self.number)
        if now is not None:
            self._stood[document_id] = now
            if operation.location != now:
                documents.leave(self.connection, document_id, self.number)

    def restore(self, operation: Restore) -> Outcome:
        """Stands and reads as it did; every path concerned is held as the disk has it."""
        document_id = operation.document_id
        now = self._stood.get(document_id)
        if operation.revision_id is None or operation.location is None:
            assert now is not None  # undo.plan
            died = self._retire(document_id)
            self._stand(now.root_id, now.path, None, None)
            return Outcome("removed", now.root_id, now.path, document_id, None, 0, died, 0, "")
        born, died = self._live_as(document_id, operation.revision_id)
        there = operation.location
        if now is not None and now != there:
            stands = files.state(self.connection, now.root_id, now.path)
            if stands is None or stands.document_id == document_id:  # nobody has come back to it in this batch
                self._stand(now.root_id, now.path, None, None)
            self.counts.moved += 1
        if now != there:
            documents.settle(self.connection, there, self.number)
        digest = revisions.digest_of(self.connection, operation.revision_id)
        self._stand(there.root_id, there.path, document_id, digest)
        if now is None:
            self.counts.added += 1
        elif born or died:
            self.counts.changed += 1
        path_before = None if now is None or now.path == there.path else now.path
        return Outcome("restored", there.root_id, there.path, document_id, path_before, born, died, 0, "")

    def _stand(self, root_id: int, path: str, document_id: int | None, digest: bytes | None) -> None:
        """The document (or none) stands at a path; its path is held unless its bytes lie there."""
        state = files.state(self.connection, root_id, path)
        held = files.held(self.connection, root_id, path)
        # what lies there, as last seen; the digest of a row without a file is None
        on_disk = held.digest if held is not None else (None if state is None else state.digest)
        if state is not None or document_id is not None:
            place = (
                Place(root_id, path, -1, 0)
                if state is None
                else Place(root_id, path, state.size_bytes, state.mtime_ns, state.container)
            )
            self._saw(place, on_disk, document_id)
        if document_id is not None and on_disk == digest:
            files.release(self.connection, root_id, path)
        else:
            files.hold(self.connection, root_id, Held(path, on_disk, "", "undo"), version=self.number)

    def _live_as(self, document_id: int, revision_id: int) -> tuple[int, int]:
        """The document has a revision it had before; (passages born, died)."""
        revision = revisions.read(self.connection, revision_id)
        old = self._living_revision(document_id)
        if old is not None and old.id == revision_id:
            return 0, 0
        alive = passages.alive_in(self.connection, document_id)
        placed = {p.passage_id: p for p in revision.placements}
        raised = [
            words.row(i, context=p.context, text=revision.text[p.start : p.end])
            for i, p in sorted(placed.items())
            if i not in alive
        ]
        words.raise_again(self.connection, raised)
        born, died = placed.keys() - alive, alive - placed.keys()
        passages.bear(self.connection, sorted(born), self.number)
        if old is not None:
            self._bury(old, died)
        digests = passages.digests_of(self.connection, sorted(born))
        vectors.enqueue(self.connection, [(digests[i], i) for i in sorted(born)])
        self._succeed(document_id, None if old is None else old.id, revision_id)
        self.counts.passages_born += len(born)
        return len(born), len(died)

    def _succeed(self, document_id: int, old_id: int | None, new_id: int) -> None:
        """The living revision is packed whole, the one before it as what differs."""
        revisions.make_whole(self.connection, new_id)
        revisions.revive(self.connection, new_id, document_id, self.number)
        if old_id is not None and old_id != new_id:
            revisions.tell_against(self.connection, old_id, new_id)

    def _back_at(self, root_id: int, path: str) -> int | None:
        """The document that left this very path, if it stands nowhere: it comes back as itself."""
        last = documents.last_location(self.connection, root_id, path)
        if last is not None and revisions.at(self.connection, last[0], self.number) is None:
            return last[0]
        return None

    def _back_elsewhere(self, path: str, digest: bytes) -> tuple[int | None, str | None]:
        """(document, path it left) of one with these bytes that went a moment ago: the late half of a slow move.

        Of several the one with that file name, then the last to go. What a person took out does not come back so.
        """
        since = versions.number_at(self.connection, self.at - LATE) + 1
        found = documents.gone_since(self.connection, digest, since)
        places = [place for place in found if files.held(self.connection, place.root_id, place.path) is None]
        if not places:
            return None, None
        name = path.rsplit("/", 1)[-1]
        chosen = next((place for place in places if place.path.rsplit("/", 1)[-1] == name), places[0])
        return chosen.document_id, chosen.path

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
                tried_at=None,
                container=place.container,
                failed_by=None,
            ),
        )

    def _revise(self, document_id: int, operation: Put, old: Revision | None) -> tuple[int, int, int]:
        """(passages born, died, kept). old: the document's living revision."""
        connection = self.connection
        known = passages.known(connection, document_id)
        alive = passages.alive_in(connection, document_id)
        seen: Counter[bytes] = Counter()
        placements: list[Placement] = []
        created: list[words.Row] = []
        raised: list[words.Row] = []
        queued: list[tuple[bytes, int]] = []
        for chunk in operation.chunks:
            digest = string_digest(chunk.context, chunk.text, chunker_version=operation.chunker_version)
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
        vectors.enqueue(connection, queued)
        new_id = self._revision(document_id, operation, tuple(placements))
        self._succeed(document_id, None if old is None else old.id, new_id)
        self.counts.passages_born += len(born)
        return len(born), len(died), len(placed & alive)

    def _revision(self, document_id: int, operation: Put, placements: tuple[Placement, ...]) -> int:
        document = operation.document
        made_by = (document.parser, document.parser_version, operation.chunker_version)
        for same in revisions.same(self.connection, document_id, operation.digest, made_by):
            if revisions.read(self.connection, same).placements == placements:
                return same
        return revisions.write(
            self.connection,
            Revision(
                id=0,
                document_id=document_id,
                digest=operation.digest,
                size_bytes=operation.place.size_bytes,
                file_changed_at=operation.file_changed_at,
                title=document.title,
                dated=document.dated,
                fields=_fields_of(document),
                marks=_marks_of(document),
                is_source=document.is_source,
                parser=document.parser,
                parser_version=document.parser_version,
                chunker_version=operation.chunker_version,
                text=document.text,
                placements=placements,
            ),
        )

    def _living_revision(self, document_id: int) -> Revision | None:
        revision_id = revisions.at(self.connection, document_id, self.number)
        return None if revision_id is None else revisions.read(self.connection, revision_id)

    def _retire(self, document_id: int) -> int:
        """The document lives no more; gives how many passages died."""
        revision = self._living_revision(document_id)
        died = passages.alive_in(self.connection, document_id)
        if revision is not None:
            self._bury(revision, died)
        revisions.retire(self.connection, document_id, self.number)
        documents.leave(self.connection, document_id, self.number)
        self.counts.removed += 1
        return len(died)

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
