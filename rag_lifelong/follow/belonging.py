"""Which paths below a root are the root's own: not ignored, and not of a root within it or of the knowledge base.

Rule: what `ingest.scan` would leave out is left out here too, for one path at a time.
"""

from __future__ import annotations

from pathlib import Path

from ingest.scan import Ignore
from rag_lifelong.coverage import rules_of, skipped
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import joined, relative_to
from rag_lifelong.store.files import Root


class Belonging:
    """The rules of some roots, read once until `read_anew`."""

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        self._base = knowledge_base
        self._ignores: dict[int, Ignore] = {}

    def read_anew(self, root: Root) -> None:
        """The rules of that root may have changed."""
        self._ignores.pop(root.id, None)

    def skipped(self, root: Root) -> list[Path]:
        """What a comparison of the root leaves out."""
        return skipped(self._base, root)

    def is_own(self, root: Root, path: str) -> bool:
        """A path below the root is read, going by its name as that of a file."""
        place = joined(root.path, path)
        if self._ignore(root).holds(path):
            return False
        return all(relative_to(place, str(other)) is None for other in self.skipped(root))

    def is_own_folder(self, root: Root, path: str) -> bool:
        """So is what lies in a folder there."""
        return not self._ignore(root).holds(path, is_folder=True)

    def _ignore(self, root: Root) -> Ignore:
        if root.id not in self._ignores:
            self._ignores[root.id] = Ignore(Path(root.path), rules_of(root))
        return self._ignores[root.id]
