"""Documents, where they stand, and their revisions with text and layout.

Rule: a revision never changes once written. What lives (passages) and where it stands (layouts) are
two things: an insertion at the top writes a new layout and touches no other passage.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import dataclass
from datetime import date, datetime

from rag_lifelong.store.clock import from_ms, to_ms
from rag_lifelong.types import HeaderField

ALIVE = "born <= :version AND (died IS NULL OR died > :version)"
"""SQL: alive at :version."""


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
class Location:
    """Where a document stands: a root, and a path relative to it."""

    document_id: int
    root_id: int
    path: str


def new_document(connection: sqlite3.Connection) -> int:
    """A new identity."""
    return int(connection.execute("INSERT INTO documents DEFAULT VALUES").lastrowid or 0)


def settle(connection: sqlite3.Connection, location: Location, version: int) -> None:
    """The document stands at `location` from `version` on, and nowhere else."""
    leave(connection, location.document_id, version)
    connection.execute(
        "INSERT INTO locations (document_id, root_id, path, born) VALUES (?, ?, ?, ?)",
        (location.document_id, location.root_id, location.path, version),
    )


def leave(connection: sqlite3.Connection, document_id: int, version: int) -> None:
    """The document stands nowhere from `version` on."""
    connection.execute("UPDATE locations SET died = ? WHERE document_id = ? AND died IS NULL", (version, document_id))
    # born and gone within one version: it never stood there
    connection.execute("DELETE FROM locations WHERE document_id = ? AND born = died", (document_id,))


def location_of(connection: sqlite3.Connection, document_id: int, version: int) -> Location | None:
    """Where the document stood at `version`."""
    row = connection.execute(
        f"SELECT document_id, root_id, path FROM locations WHERE document_id = :document AND {ALIVE}",
        {"document": document_id, "version": version},
    ).fetchone()
    return None if row is None else Location(*row)


def locations(connection: sqlite3.Connection, version: int) -> list[Location]:
    """Where every document stood at `version`, by root and path."""
    rows = connection.execute(
        f"SELECT document_id, root_id, path FROM locations WHERE {ALIVE} ORDER BY root_id, path",
        {"version": version},
    )
    return [Location(*row) for row in rows]


def write_revision(connection: sqlite3.Connection, revision: Revision) -> int:
    """Keeps a revision (its `id` is ignored); gives the id."""
    layout = [[p.passage_id, p.start, p.end, p.label, p.page, p.context] for p in revision.placements]
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
            json.dumps(fields, ensure_ascii=False, separators=(",", ":")),
            _packed([[m.start, m.kind, m.label, m.level] for m in revision.marks]),
            int(revision.is_source),
            revision.parser,
            revision.parser_version,
            revision.chunker_version,
            zlib.compress(revision.text.encode(), 6),
            _packed(layout),
        ),
    )
    return int(cursor.lastrowid or 0)


def read_revision(connection: sqlite3.Connection, revision_id: int) -> Revision:
    """Revision `revision_id`, text and layout unpacked (about 0.3 ms for 25 KB)."""
    row = connection.execute(
        "SELECT id, document_id, digest, size_bytes, file_ms, title, dated, fields, marks, is_source, "
        "parser, parser_version, chunker_version, text, layout FROM revisions WHERE id = ?",
        (revision_id,),
    ).fetchone()
    if row is None:
        raise KeyError(revision_id)
    return Revision(
        id=row[0],
        document_id=row[1],
        digest=row[2],
        size_bytes=row[3],
        file_changed_at=from_ms(row[4]),
        title=row[5],
        dated=None if row[6] is None else date.fromisoformat(row[6]),
        fields=tuple(HeaderField(*field) for field in json.loads(row[7])),
        marks=tuple(PlaceMark(*entry) for entry in json.loads(zlib.decompress(row[8]))),
        is_source=bool(row[9]),
        parser=row[10],
        parser_version=row[11],
        chunker_version=row[12],
        text=zlib.decompress(row[13]).decode(),
        placements=tuple(Placement(*entry) for entry in json.loads(zlib.decompress(row[14]))),
    )


def _packed(entries: object) -> bytes:
    return zlib.compress(json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode(), 6)


def same_revision(
    connection: sqlite3.Connection, document_id: int, digest: bytes, made_by: tuple[str, int, int]
) -> int | None:
    """The id of the document's revision of those bytes made by that (parser, number, chunker number)."""
    row = connection.execute(
        "SELECT id FROM revisions WHERE document_id = ? AND digest = ? AND parser = ? AND parser_version = ? "
        "AND chunker_version = ?",
        (document_id, digest, *made_by),
    ).fetchone()
    return None if row is None else int(row[0])


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


def revision_at(connection: sqlite3.Connection, document_id: int, version: int) -> int | None:
    """The id of the document's revision at `version`."""
    row = connection.execute(
        f"SELECT revision_id FROM revision_lives WHERE document_id = :document AND {ALIVE}",
        {"document": document_id, "version": version},
    ).fetchone()
    return None if row is None else int(row[0])


def live_revision_with(connection: sqlite3.Connection, digest: bytes, parser_name: str | None) -> int | None:
    """A living revision of exactly those bytes, of whatever document, to copy its text from."""
    row = connection.execute(
        "SELECT r.id FROM revisions r JOIN revision_lives l ON l.revision_id = r.id AND l.died IS NULL "
        "WHERE r.digest = ? AND r.parser = ? LIMIT 1",
        (digest, parser_name),
    ).fetchone()
    return None if row is None else int(row[0])


def last_location(connection: sqlite3.Connection, root_id: int, path: str) -> tuple[int, int] | None:
    """(document id, version it left) of the document that stood last at a path where none stands now."""
    row = connection.execute(
        "SELECT document_id, died FROM locations WHERE root_id = ? AND path = ? AND died IS NOT NULL "
        "ORDER BY died DESC LIMIT 1",
        (root_id, path),
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


@dataclass(frozen=True, slots=True)
class Summary:
    """A living document, without its text. version: since when it has this text."""

    document_id: int
    root_id: int
    path: str
    title: str
    dated: date | None
    file_changed_at: datetime
    size_bytes: int
    version: int


def summaries(connection: sqlite3.Connection, version: int) -> list[Summary]:
    """The documents alive at `version`, by root and path."""
    rows = connection.execute(
        "SELECT l.document_id, l.root_id, l.path, r.title, r.dated, r.file_ms, r.size_bytes, v.born "
        "FROM locations l JOIN revision_lives v ON v.document_id = l.document_id "
        "AND v.born <= :version AND (v.died IS NULL OR v.died > :version) "
        "JOIN revisions r ON r.id = v.revision_id "
        "WHERE l.born <= :version AND (l.died IS NULL OR l.died > :version) ORDER BY l.root_id, l.path",
        {"version": version},
    )
    return [
        Summary(a, b, c, title, None if d is None else date.fromisoformat(d), from_ms(ms), size, born)
        for a, b, c, title, d, ms, size, born in rows
    ]


def all_ids(connection: sqlite3.Connection) -> list[int]:
    """Every document there ever was."""
    return [int(row[0]) for row in connection.execute("SELECT id FROM documents ORDER BY id")]


def revision_ids(connection: sqlite3.Connection, document_id: int) -> list[int]:
    """The document's revisions, oldest first."""
    rows = connection.execute("SELECT id FROM revisions WHERE document_id = ? ORDER BY id", (document_id,))
    return [int(row[0]) for row in rows]


def owner(connection: sqlite3.Connection, root_id: int, path: str, version: int) -> int | None:
    """The id of the document that stood at a path at `version`."""
    row = connection.execute(
        f"SELECT document_id FROM locations WHERE root_id = :root AND path = :path AND {ALIVE}",
        {"root": root_id, "path": path, "version": version},
    ).fetchone()
    return None if row is None else int(row[0])


def living_revisions(connection: sqlite3.Connection) -> dict[int, int]:
    """document id → revision id, of those alive now."""
    rows = connection.execute("SELECT document_id, revision_id FROM revision_lives WHERE died IS NULL")
    return {int(document_id): int(revision_id) for document_id, revision_id in rows}


def owners_of_files(connection: sqlite3.Connection) -> set[int]:
    """The documents that the list of files on disk names."""
    rows = connection.execute("SELECT document_id FROM files WHERE document_id IS NOT NULL")
    return {int(row[0]) for row in rows}
