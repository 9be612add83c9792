"""The notes of a restored knowledge base, written back as files.

A backup holds texts, and the notes folder in the knowledge base's own is among them. Rule: what was forgotten or taken
back does not return. Nothing is overwritten: notes that stood there are kept beside, under another name. A path from a
backup leads nowhere but into that folder.
"""

from __future__ import annotations

import errno
import os
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from rag_lifelong.coverage import NOTES
from rag_lifelong.errors import StorageFull, TargetUnusable
from rag_lifelong.folders import Folders
from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.store import documents, files, revisions, versions
from rag_lifelong.store.database import Database
from rag_lifelong.whole_files import create_whole


def write_back(folder: Path) -> Path | None:
    """Writes the living notes of the knowledge base in `folder` as files; where others that stood there are kept.

    Nobody else has it open. Raises TargetUnusable, StorageFull.
    """
    place = folder / NOTES
    database = Database(folder, create=False)
    try:
        root = Folders(database, now=utc_now).notes()
        pages = [] if root is None else _pages(database, root.id)
        if root is not None and root.path != str(place):
            with database.transaction() as connection:
                files.rename_root(connection, root.id, str(place))
    finally:
        database.close()
    try:
        kept = None if _is_as(place, pages) else _set_aside(place)
        for path, data, mtime_ns in pages:
            target = place / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if create_whole(target, data):
                os.utime(target, ns=(mtime_ns, mtime_ns))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{folder} is restored, but the disk is full: not all notes are in {place}") from error
        raise TargetUnusable(f"{folder} is restored, but its notes are not: {place}: {error.strerror}") from error
    return kept


Page = tuple[PurePosixPath, bytes, int]
"""Where a note stands in the folder, its bytes, and when it was changed (mtime in ns)."""


def _pages(database: Database, root_id: int) -> list[Page]:
    """The living notes that are text; an encoding other than UTF-8 is not kept."""
    found = []
    with database.snapshot() as connection:
        number = versions.latest_number(connection)
        for location in documents.locations(connection, number):
            path = PurePosixPath(location.path)
            if location.root_id != root_id or path.is_absolute() or ".." in path.parts or "\x00" in location.path:
                continue
            revision_id = revisions.at(connection, location.document_id, number)
            revision = None if revision_id is None else revisions.read(connection, revision_id)
            if revision is None or not revision.is_source:
                continue
            data = revision.text.encode()
            state = files.state(connection, root_id, location.path)
            is_same = state is not None and state.digest == blake2b(data, digest_size=16).digest()
            mtime_ns = int(revision.file_changed_at.timestamp() * 1e9)
            found.append((path, data, state.mtime_ns if is_same and state is not None else mtime_ns))
    return found


def _is_as(place: Path, pages: list[Page]) -> bool:
    """Nothing stands there, or nothing but what is to be written."""
    wanted = {str(path): data for path, data, _ in pages}
    there = [path for path in place.rglob("*") if not path.is_dir() or path.is_symlink()]
    return not place.is_symlink() and all(
        path.is_file() and wanted.get(path.relative_to(place).as_posix()) == path.read_bytes() for path in there
    )


def _set_aside(place: Path) -> Path:
    number = 1
    while os.path.lexists(kept := place.with_name(f"{place.name}.before-restore-{number}")):
        number += 1
    os.replace(place, kept)
    return kept
