"""Files that could not be opened: when they are tried again.

Rule: ever more rarely, and not for ever. A file that was opened and could not be read is not tried again until it
changes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ingest.scan import Found
from rag_lifelong.folders import Folders
from rag_lifelong.follow.aside import Key
from rag_lifelong.store.files import FileState, Root

RETRY_S = 5.0  # tried again after this long, four times as long after each failure …
RETRY_MOST_S = 21_600.0  # … at most every six hours …
RETRIES = 10  # … and so often; then only when it changes, or is added by name


def due_again(folders: Folders, root_ids: Collection[int], *, now: datetime) -> list[Key]:
    """The files below some roots whose next try is due; all of them if the clock was set back since the last."""
    due = []
    for state in folders.failures():
        if state.root_id not in root_ids or not _is_closed(state) or state.tried_at is None or state.tries >= RETRIES:
            continue
        waited_s = (now - state.tried_at).total_seconds()
        if waited_s < 0 or waited_s >= min(RETRY_S * 4.0 ** (state.tries - 1), RETRY_MOST_S):
            due.append((state.root_id, state.path))
    return due


def is_given_up(folders: Folders, root: Root, path: str, found: Found | None) -> bool:
    """It could not be opened, looks as it did then, and its next try is left to `due_again`."""
    state = folders.file_states_of(root, [path]).get(path)
    if state is None or not _is_closed(state) or found is None:
        return False
    return (found.size_bytes, found.mtime_ns) == (state.size_bytes, state.mtime_ns)


def _is_closed(state: FileState) -> bool:
    return state.failure is not None and state.digest is None
