"""Revisions: a document's text at some versions, with its layout, and when it lived.

Rule: a revision never changes once written, only how it is packed and who is noted to have made it. What lives
(passages) and where it stands (layouts) are two things: an insertion at the top writes a new layout and touches no
other passage.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rag_lifelong.store.clock import from_ms, to_ms
from rag_lifelong.store.documents import ALIVE
from rag_lifelong.store.packing import pack, unpack
from rag_lifelong.types import HeaderField

_WHOLE_EVERY = 32  # revisions of a document between two that are told against no other: what bounds reading an old one


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a passage stands in a revision: characters [start, end) of its text."""

    passage_id: int
    start: int
    end: int
    label: str
    page: int | None
    context: str


@dataclass(frozen=True, slots=True)
class PlaceMark:
    """A place name in a revision's text, as `ingest.Mark`; `kind` is the MarkKind's value."""

    start: int
    kind: str
    label: str
    level: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A document's text at some versions. `digest` and `size_bytes` are of the file's bytes."""

    id: int
    document_id: int
    digest: bytes
    size_bytes: int
    file_changed_at: datetime
    title: str
    dated: date | None
    fields: tuple[HeaderField, ...]
    marks: tuple[PlaceMark, ...]
    is_source: bool
    parser: str
    parser_version: int
    chunker_version: int
    text: str
    placements: tuple[Placement, ...]

    def placement_of(self, passage_id: int) -> Placement:
        """The placement of a passage of this revision; KeyError if it has none here."""
        for placement in self.placements:
            if placement.passage_id == passage_id:
                return placement
        raise KeyError(passage_id)


@dataclass(frozen=True, slots=True)
class Life:
    """A document had one text from version `born` until `died` (None: still). revision_id: None if it was pruned."""

    document_id: int
    revision_id: int | None
    born: int
    died: int | None


def lives(connection: sqlite3.Connection, document_id: int) -> list[Life]:
    """The document's lives, oldest first."""
    rows = connection.execute(
        "SELECT document_id, revision_id, born, died FROM revision_lives WHERE document_id = ? ORDER BY born",
        (document_id,),
    )
    return [Life(*row) for row in rows]


def empty_lives(connection: sqlite3.Connection, document_id: int, born: Collection[int]) -> None:
    """Of the lives born then, it is only known that they were."""
    connection.executemany(
        "UPDATE revision_lives SET revision_id = NULL WHERE document_id = ? AND born = ?",
        [(document_id, number) for number in sorted(born)],
    )


def delete(connection: sqlite3.Connection, revision_id: int) -> None:
    """The revision is no more; those told against it stand on their own from now on."""
    rows = connection.execute("SELECT id FROM revisions WHERE base_id = ?", (revision_id,)).fetchall()
    for (dependent,) in rows:
        make_whole(connection, int(dependent))
    connection.execute("DELETE FROM revisions WHERE id = ?", (revision_id,))


def count_pruned_at(connection: sqlite3.Connection, version: int) -> int:
    """How many documents lived at `version` whose text of then was pruned."""
    row = connection.execute(
        f"SELECT count(*) FROM revision_lives WHERE revision_id IS NULL AND {ALIVE}", {"version": version}
    ).fetchone()
    return int(row[0])


def write(connection: sqlite3.Connection, revision: Revision) -> int:
    """Keeps a revision (its `id` is ignored); gives the id."""
    fields = [[f.name, f.value, f.start, f.end] for f in revision.fields]
    cursor = connection.execute(
        "INSERT INTO revisions (document_id, digest, size_bytes, file_ms, title, dated, fields, marks, is_source, "
        "parser, parser_version, chunker_version, text, layout) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            revision.document_id,
            revision.digest,
            revision.size_bytes,
            to_ms(revision.file_changed_at),
            revision.title,
            None if revision.dated is None else revision.dated.isoformat(),
            _json(fields).decode(),
            pack(_marks_written(revision.marks), None),
            int(revision.is_source),
            revision.parser,
            revision.parser_version,
            revision.chunker_version,
            pack(revision.text.encode(), None),
            pack(_layout_written(revision.placements), None),
        ),
    )
    return int(cursor.lastrowid or 0)


def read(connection: sqlite3.Connection, revision_id: int) -> Revision:
    """Revision `revision_id`, text and layout unpacked (about 0.3 ms for 25 KB, and 0.1 ms for each one between)."""
    row = connection.execute(
        "SELECT id, document_id, digest, size_bytes, file_ms, title, dated, fields, is_source, "
        "parser, parser_version, chunker_version FROM revisions WHERE id = ?",
        (revision_id,),
    ).fetchone()
    if row is None:
        raise KeyError(revision_id)
    marks, text, layout = _unpacked(connection, revision_id)
    return Revision(
        id=row[0],
        document_id=row[1],
        digest=row[2],
        size_bytes=row[3],
        file_changed_at=from_ms(row[4]),
        title=row[5],
        dated=None if row[6] is None else date.fromisoformat(row[6]),
        fields=tuple(HeaderField(*field) for field in json.loads(row[7])),
        marks=_marks_read(marks),
        is_source=bool(row[8]),
        parser=row[9],
        parser_version=row[10],
        chunker_version=row[11],
        text=text.decode(),
        placements=_layout_read(layout),
    )


def tell_against(connection: sqlite3.Connection, old_id: int, new_id: int) -> None:
    """The revision `old_id`, which `new_id` has replaced, is kept as what differs from it.

    No circles: only a revision told against no other becomes a base, and only such a one is given one.
    """
    bases = dict(connection.execute("SELECT id, base_id FROM revisions WHERE id IN (?, ?)", (old_id, new_id)))
    document = "SELECT count(*) FROM revisions WHERE document_id = (SELECT document_id FROM revisions WHERE id = ?)"
    count = int(connection.execute(document, (old_id,)).fetchone()[0])
    if len(bases) < 2 or any(base is not None for base in bases.values()) or count % _WHOLE_EVERY == 0:
        return
    _pack_anew(connection, old_id, _unpacked(connection, old_id), new_id)


def write_parts(
    connection: sqlite3.Connection,
    revision_id: int,
    *,
    marks: Sequence[PlaceMark],
    text: str,
    placements: Sequence[Placement],
) -> None:
    """Packs a revision anew, told against no other; for migrations, which know how it was packed before."""
    parts = (_marks_written(marks), text.encode(), _layout_written(placements))
    _pack_anew(connection, revision_id, parts, None)


def make_whole(connection: sqlite3.Connection, revision_id: int) -> None:
    """The revision is told against no other from now on."""
    row = connection.execute("SELECT base_id FROM revisions WHERE id = ?", (revision_id,)).fetchone()
    if row is not None and row[0] is not None:
        _pack_anew(connection, revision_id, _unpacked(connection, revision_id), None)


_Parts = tuple[bytes, bytes, bytes]


def _unpacked(connection: sqlite3.Connection, revision_id: int) -> _Parts:
    """(marks, text, layout) as bytes."""
    chain: list[_Parts] = []
    next_id: int | None = revision_id
    while next_id is not None:
        row = connection.execute(
            "SELECT marks, text, layout, base_id FROM revisions WHERE id = ?", (next_id,)
        ).fetchone()
        chain.append((row[0], row[1], row[2]))
        next_id = row[3]
    base: _Parts | None = None
    for marks, text, layout in reversed(chain):
        first, second, third = base if base is not None else (None, None, None)
        base = unpack(marks, first), unpack(text, second), unpack(layout, third)
    assert base is not None  # the chain has at least the revision itself
    return base


def _pack_anew(connection: sqlite3.Connection, revision_id: int, parts: _Parts, base_id: int | None) -> None:
    bases: Sequence[bytes | None] = (None, None, None) if base_id is None else _unpacked(connection, base_id)
    packed = [pack(part, base) for part, base in zip(parts, bases, strict=True)]
    connection.execute(
        "UPDATE revisions SET marks = ?, text = ?, layout = ?, base_id = ? WHERE id = ?",
        (*packed, base_id, revision_id),
    )


def _layout_written(placements: Sequence[Placement]) -> bytes:
    """By columns, positions as gaps, so that an edit changes few numbers: what is told against it stays small."""
    contexts = list(dict.fromkeys(p.context for p in placements))
    number = {context: i for i, context in enumerate(contexts)}
    ends = [0, *(p.end for p in placements)]
    return _json(
        {
            "passages": [p.passage_id for p in placements],
            "gaps": [p.start - end for p, end in zip(placements, ends, strict=False)],
            "sizes": [p.end - p.start for p in placements],
            "labels": [p.label for p in placements],
            "pages": [p.page for p in placements] if any(p.page is not None for p in placements) else None,
            "contexts": contexts,
            "context": [number[p.context] for p in placements],
        }
    )


def _layout_read(written: bytes) -> tuple[Placement, ...]:
    columns = json.loads(written)
    pages = columns["pages"] or [None] * len(columns["passages"])
    placements = []
    at = 0
    for passage_id, gap, size, label, page, context in zip(
        columns["passages"],
        columns["gaps"],
        columns["sizes"],
        columns["labels"],
        pages,
        columns["context"],
        strict=True,
    ):
        start = at + gap
        at = start + size
        placements.append(Placement(passage_id, start, at, label, page, columns["contexts"][context]))
    return tuple(placements)


def _marks_written(marks: Sequence[PlaceMark]) -> bytes:
    starts = [0, *(mark.start for mark in marks)]
    return _json([[m.start - before, m.kind, m.label, m.level] for m, before in zip(marks, starts, strict=False)])


def _marks_read(written: bytes) -> tuple[PlaceMark, ...]:
    marks = []
    at = 0
    for gap, kind, label, level in json.loads(written):
        at += gap
        marks.append(PlaceMark(at, kind, label, level))
    return tuple(marks)


def _json(entries: object) -> bytes:
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()


def same(connection: sqlite3.Connection, document_id: int, digest: bytes, made_by: tuple[str, int, int]) -> list[int]:
    """Ids of the document's revisions of those bytes made by that (parser, number, chunker number).

    There are several where the size of chunks was set otherwise meanwhile.
    """
    rows = connection.execute(
        "SELECT id FROM revisions WHERE document_id = ? AND digest = ? AND parser = ? AND parser_version = ? "
        "AND chunker_version = ?",
        (document_id, digest, *made_by),
    )
    return [int(row[0]) for row in rows]


def digest_of(connection: sqlite3.Connection, revision_id: int) -> bytes:
    """The digest of the bytes that a revision was made of."""
    return bytes(connection.execute("SELECT digest FROM revisions WHERE id = ?", (revision_id,)).fetchone()[0])


def revive(connection: sqlite3.Connection, revision_id: int, document_id: int, version: int) -> None:
    """The document has that revision from `version` on, and no other."""
    retire(connection, document_id, version)
    connection.execute(
        "INSERT INTO revision_lives (revision_id, document_id, born) VALUES (?, ?, ?)",
        (revision_id, document_id, version),
    )


def retire(connection: sqlite3.Connection, document_id: int, version: int) -> None:
    """The document has no revision from `version` on."""
    connection.execute(
        "UPDATE revision_lives SET died = ? WHERE document_id = ? AND died IS NULL", (version, document_id)
    )
    connection.execute("DELETE FROM revision_lives WHERE document_id = ? AND born = died", (document_id,))


def at(connection: sqlite3.Connection, document_id: int, version: int) -> int | None:
    """The id of the document's revision at `version`."""
    row = connection.execute(
        f"SELECT revision_id FROM revision_lives WHERE document_id = :document AND revision_id IS NOT NULL AND {ALIVE}",
        {"document": document_id, "version": version},
    ).fetchone()
    return None if row is None else int(row[0])


def titles(connection: sqlite3.Connection, document_ids: Sequence[int], version: int) -> dict[int, str]:
    """document id → its title at `version`, of those that live then."""
    rows = connection.execute(
        "SELECT l.document_id, r.title FROM json_each(:documents) j CROSS JOIN revision_lives l "
        "ON l.document_id = j.value CROSS JOIN revisions r ON r.id = l.revision_id "
        "WHERE l.born <= :version AND (l.died IS NULL OR l.died > :version)",
        {"documents": json.dumps(list(document_ids)), "version": version},
    )
    return {int(document_id): str(title) for document_id, title in rows}


def titles_between(connection: sqlite3.Connection, first_id: int, last_id: int) -> list[str]:
    """The titles of all revisions with ids in [first_id, last_id]."""
    rows = connection.execute("SELECT title FROM revisions WHERE id BETWEEN ? AND ?", (first_id, last_id))
    return [str(row[0]) for row in rows]


def last_id(connection: sqlite3.Connection) -> int:
    """The greatest id of those there are; 0 if there are none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM revisions").fetchone()[0])


def live_with(connection: sqlite3.Connection, digest: bytes, parser_name: str | None) -> int | None:
    """A living revision of exactly those bytes, of whatever document, to copy its text from."""
    # by the document too, which lives are ordered by: SQLite would else go through all lives, for each file read
    row = connection.execute(
        "SELECT r.id FROM revisions r JOIN revision_lives l ON l.document_id = r.document_id "
        "AND l.revision_id = r.id AND l.died IS NULL WHERE r.digest = ? AND r.parser = ? LIMIT 1",
        (digest, parser_name),
    ).fetchone()
    return None if row is None else int(row[0])


def makers(connection: sqlite3.Connection, root_id: int) -> list[tuple[str, tuple[str, int, int]]]:
    """(path, (parser, its number, chunker's number)) of the documents living below a root."""
    rows = connection.execute(
        "SELECT l.path, r.parser, r.parser_version, r.chunker_version FROM locations l "
        "JOIN revision_lives v ON v.document_id = l.document_id AND v.died IS NULL "
        "JOIN revisions r ON r.id = v.revision_id WHERE l.root_id = ? AND l.died IS NULL",
        (root_id,),
    )
    return [(str(row[0]), (str(row[1]), int(row[2]), int(row[3]))) for row in rows]


def note_maker(connection: sqlite3.Connection, revision_id: int, made_by: tuple[str, int, int]) -> None:
    """That (parser, number, chunker number) makes exactly this of the same bytes."""
    connection.execute(
        "UPDATE revisions SET parser = ?, parser_version = ?, chunker_version = ? WHERE id = ?", (*made_by, revision_id)
    )


def made_of(connection: sqlite3.Connection, document_id: int) -> tuple[bytes, tuple[str, int, int]] | None:
    """(digest of the bytes, (parser, its number, chunker's number)) of the document's living revision."""
    row = connection.execute(
        "SELECT r.digest, r.parser, r.parser_version, r.chunker_version FROM revision_lives v "
        "JOIN revisions r ON r.id = v.revision_id WHERE v.document_id = ? AND v.died IS NULL",
        (document_id,),
    ).fetchone()
    return None if row is None else (bytes(row[0]), (str(row[1]), int(row[2]), int(row[3])))


def of_document(connection: sqlite3.Connection, document_id: int) -> list[int]:
    """The document's revisions, oldest first."""
    rows = connection.execute("SELECT id FROM revisions WHERE document_id = ? ORDER BY id", (document_id,))
    return [int(row[0]) for row in rows]


def living(connection: sqlite3.Connection) -> dict[int, int]:
    """document id → revision id, of those alive now."""
    rows = connection.execute("SELECT document_id, revision_id FROM revision_lives WHERE died IS NULL")
    return {int(document_id): int(revision_id) for document_id, revision_id in rows}
