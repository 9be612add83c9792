"""Folders and the files in them, as last seen on disk: what is followed, what failed, what is held.

Rule: a note of the disk, never the truth about it; who reads it compares before acting on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from rag_lifelong.store import files, settings
from rag_lifelong.store.database import Database
from rag_lifelong.store.files import FileState, Held, Lease, Root

_NOTES = "notes"  # the setting that tells which folder is that


class Folders:
    """The folders of a knowledge base. Safe to use from several threads."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    # -- writing

    def ensure_root(self, path: str, *, is_whole: bool) -> Root:
        """The root at an absolute path, made if it is new."""
        with self._database.transaction() as connection:
            return files.ensure_root(connection, path, is_whole=is_whole)

    def follow(self, root: Root, following: str, *, uses_gitignore: bool, follows_links: bool) -> None:
        """How a folder is followed ("added", "followed" or "left"), and by which rules it is read."""
        with self._database.transaction() as connection:
            files.follow(connection, root.id, following, uses_gitignore=uses_gitignore, follows_links=follows_links)

    def compared(self, root: Root) -> None:
        """Notes that the root was compared with the disk just now."""
        with self._database.transaction() as connection:
            files.compared(connection, root.id, self._now())

    def block(self, root: Root, reason: str | None) -> None:
        """Notes why a folder is not made equal to the disk; None: it is."""
        if root.blocked != reason:
            with self._database.transaction() as connection:
                files.block(connection, root.id, reason)

    def queue(self, root: Root, count: int) -> None:
        """Notes how many files of a folder were seen to change and are not yet read."""
        with self._database.transaction() as connection:
            files.queue(connection, root.id, count)

    def rename_root(self, root: Root, path: str) -> None:
        """The folder stands at another absolute path, with all that is in it."""
        with self._database.transaction() as connection:
            files.rename_root(connection, root.id, path)

    def note_lease(self, lease: Lease | None, root: Root) -> None:
        """Writes down who follows a folder; None: nobody."""
        with self._database.transaction() as connection:
            if lease is None:
                files.end_lease(connection, root.id)
            else:
                files.lease(connection, lease)

    def note_notes(self, root: Root) -> None:
        """The folder is that of the notes in the knowledge base's own, and goes where that goes."""
        with self._database.transaction() as connection:
            settings.write(connection, _NOTES, str(root.id))

    # -- reading

    def notes(self) -> Root | None:
        """The folder of the notes in the knowledge base's own, None before the first one."""
        with self._database.snapshot() as connection:
            number = settings.read(connection, _NOTES)
            return next((root for root in files.roots(connection) if str(root.id) == number), None)

    def roots(self) -> tuple[Root, ...]:
        """The folders known, in the order they were given."""
        with self._database.snapshot() as connection:
            return tuple(files.roots(connection))

    def leases(self) -> dict[int, Lease]:
        """root id → who follows it, as last written; whether that process still lives, `follow` knows."""
        with self._database.snapshot() as connection:
            return files.leases(connection)

    def file_states(self, root: Root) -> dict[str, FileState]:
        """Relative path → state of the files known below a root."""
        with self._database.snapshot() as connection:
            return files.states(connection, root.id)

    def file_states_of(self, root: Root, paths: Sequence[str]) -> dict[str, FileState]:
        """Relative path → state, of those of `paths` that are known."""
        with self._database.snapshot() as connection:
            found = {path: files.state(connection, root.id, path) for path in paths}
            return {path: state for path, state in found.items() if state is not None}

    def members(self, root: Root, path: str) -> tuple[FileState, ...]:
        """The files in the file at `path`, and in those."""
        with self._database.snapshot() as connection:
            return tuple(files.members(connection, root.id, path))

    def containers(self, root: Root) -> dict[str, str]:
        """Relative path of a file in a file → that file on disk."""
        with self._database.snapshot() as connection:
            return files.containers(connection, root.id)

    def paths_below(self, root: Root, path: str) -> tuple[str, ...]:
        """The files on disk known at `path` or below it, relative to the root."""
        with self._database.snapshot() as connection:
            return tuple(files.paths_below(connection, root.id, path))

    def documents_looking(self, root: Root, signs: Collection[tuple[int, int]]) -> tuple[str, ...]:
        """The documents below a root whose file had one of these (size in bytes, mtime in ns) when seen last."""
        with self._database.snapshot() as connection:
            return tuple(files.documents_looking(connection, root.id, signs))

    def count_documents(self, root: Root, below: str, *, on_disk: bool = False) -> int:
        """How many documents stand below a root, at `below` or below it; "" is all of it.

        on_disk: without those that are in another file.
        """
        with self._database.snapshot() as connection:
            return files.count_documents(connection, root.id, below, on_disk=on_disk)

    def holds(self, root: Root) -> dict[str, Held]:
        """Relative path → what is held below a root."""
        with self._database.snapshot() as connection:
            return files.holds(connection, root.id)

    def failures(self) -> tuple[FileState, ...]:
        """The files that could not be read."""
        with self._database.snapshot() as connection:
            return tuple(files.failures(connection))
