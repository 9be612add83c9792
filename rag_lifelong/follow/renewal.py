"""Files of which an older parser or chunker made the document, or could make none, read again a few at a time.

Rule: nobody waits for it. A file that is no longer as known is left to whoever compares, and is then read by the parser
of now anyhow. What is still to do is asked of the store, so that it goes on after a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ingest.scan import Found
from rag_lifelong.follow.aside import Key
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store.files import Root

CAUSE = "read again by a newer parser"
FILES = 16  # read in one go …
PAUSE_S = 1.0  # … and then nothing for so long: 50,000 an hour at most


class Renewal:
    """What is to be read again below some roots."""

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        self._base = knowledge_base
        self._paths: dict[int, list[str]] = {}
        self.due_at: float | None = None  # on the monotonic clock; None: nothing is left

    def look_over(self, root: Root, paths: Collection[str]) -> None:
        """These files below a root are to be read again."""
        self._paths[root.id] = sorted(paths, reverse=True)
        if self._paths[root.id] and self.due_at is None:
            self.due_at = time.monotonic()

    def drop(self, root_id: int) -> None:
        """Nothing below that root, for now."""
        self._paths.pop(root_id, None)

    def portion(self, root: Root, look: Callable[[Key], Found | None]) -> list[Found]:
        """The next few files of a root, which are as known; the next portion is due after a pause."""
        found: list[Found] = []
        paths = self._paths.get(root.id, [])
        while paths and len(found) < FILES:
            path = paths.pop()
            state = self._base.folders.file_states_of(root, [path]).get(path)
            seen = look((root.id, path))
            if state is None or seen is None:
                continue
            if (seen.size_bytes, seen.mtime_ns) == (state.size_bytes, state.mtime_ns):
                found.append(seen)
        self.due_at = time.monotonic() + PAUSE_S if any(self._paths.values()) else None
        return found
