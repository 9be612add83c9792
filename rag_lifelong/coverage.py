"""What of the disk is read below a root, and why the rest is not.

Rule: a path is read below one root only; of the knowledge base's own folder, only the notes are.
"""

from __future__ import annotations

import os
from pathlib import Path

from ingest.scan import Ignore, Rules
from rag_lifelong.errors import NoSuchPath
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import relative_to
from rag_lifelong.store.files import Root

NOTES = "notes"  # the one folder in the knowledge base's own that is read: what the user told it to remember


def skipped(knowledge_base: KnowledgeBase, root: Root) -> list[Path]:
    """What a comparison of a root leaves out: folders within it known on their own, and the knowledge base."""
    others = [other.path for other in knowledge_base.folders.roots() if other.id != root.id]
    return [Path(path) for path in (*others, str(knowledge_base.path)) if relative_to(path, root.path) is not None]


def covered(knowledge_base: KnowledgeBase, root: Root, place: str) -> str | None:
    """The path below a root that all is read of, "." for itself; None if an absolute path is not of it.

    A folder that holds the knowledge base's own does not read the notes in there, which are a root of their own.
    """
    own = str(knowledge_base.path)
    if not root.is_whole or (relative_to(own, root.path) is not None and relative_to(place, own) is not None):
        return None
    return relative_to(place, root.path)


def refuse_own(knowledge_base: KnowledgeBase, place: str) -> None:
    """Raises NoSuchPath if an absolute path is in the knowledge base's own folder, of which only the notes are read."""
    own = os.path.realpath(knowledge_base.path)
    relative = relative_to(os.path.realpath(place), own)
    if relative is not None and relative.split("/")[0] != NOTES:
        what = "is the knowledge base itself" if relative == "." else "belongs to the knowledge base itself"
        raise NoSuchPath(f"{place} {what}; name a folder with documents")


def rules_of(root: Root) -> Rules:
    """By which rules a root is read."""
    return Rules(uses_gitignore=root.uses_gitignore, follows_links=root.follows_links)


def ignored_by(root: Root, path: str) -> str | None:
    """Why a path below a root is not read, for people; None if it is."""
    rule = Ignore(Path(root.path), rules_of(root)).rule_for(path)
    if rule is None:
        return None
    where = f"{rule.source}:{rule.line}" if rule.line else "the default rules"
    return f"ignored by {where} ({rule.pattern})"


def is_at(path: str, place: str) -> bool:
    """`path` is `place`, or below it; everything is below ""."""
    return not place or path == place or path.startswith(place.rstrip("/") + "/")
