"""Folder → knowledge base, once: compare, read, commit, embed.

Rule: what stands on disk is the truth, but a folder that has lost much is not believed without being asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.scan import Rules
from rag_lifelong.coverage import covered, is_at, refuse_own
from rag_lifelong.errors import NoSuchPath, TooManyGone
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import above, file_on_disk, joined, relative_to
from rag_lifelong.reading import Part, Reader, Settings
from rag_lifelong.store.files import Held, Root
from rag_lifelong.types import Failure, Version

EMBED_BATCH = 64  # strings between two commits of vectors, and what ^C and close() may have to wait for
_MANY = 4_096  # strings embedded: the index has something to seal


class Progress(Protocol):
    """Who is told how far a long work is."""

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        """So many of the files that differ are read, with so many passages in the knowledge base."""

    def readable(self, passages: int) -> None:
        """Reading is over: all text can be found by words."""

    def embedding(self, done: int, total: int) -> None:
        """So many of the strings that waited have their vector."""


class Silent:
    """Progress that nobody watches."""

    def reading(self, done_files: int, total_files: int, passages: int) -> None: ...

    def readable(self, passages: int) -> None: ...

    def embedding(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadIn:
    """What reading folders in has done. documents: how many stand in them now."""

    paths: tuple[str, ...]
    versions: tuple[Version, ...]
    failures: tuple[Failure, ...]
    documents: int
    unchanged: int
    added: int
    changed: int
    moved: int
    removed: int
    waiting: int


def read_in(
    knowledge_base: KnowledgeBase,
    paths: Sequence[Path],
    *,
    settings: Settings,
    progress: Progress,
    verb: str,
    rules: Rules | None,
    may_retire: bool,
) -> ReadIn:
    """Makes the knowledge base equal to the files at `paths` (folders, or single files), text and words.

    Commits in batches; a KeyboardInterrupt commits what was read and goes on its way. Paths named here are
    released from holds. verb: "add" or "sync", for the versions' cause. rules: for these folders from now on; None
    leaves them. may_retire: documents may go although they are over a fifth of the folder.
    Raises NoSuchPath, MissingFile, TooManyGone (after all else was done).
    """
    parts = [_part(knowledge_base, path, rules) for path in paths]
    made: list[Version] = []
    unchanged = 0
    refused: list[tuple[Root, int, int]] = []

    def retire(root: Root, going: Sequence[str], standing: int) -> bool:
        if not may_retire:
            refused.append((root, len(going), standing))
        return may_retire

    stored = knowledge_base.passages()

    def counted(done: int, total: int, passages: int) -> None:
        progress.reading(done, total, stored + passages)

    with Reader(knowledge_base, settings) as reader:
        for part, path in zip(parts, paths, strict=True):
            difference = reader.difference(part, renews=True)
            unchanged += difference.unchanged
            batches = reader.bring(
                [(part, difference)],
                cause=f"{verb} {_shown(path)}",
                source="command",
                counted=counted,
                may_retire=retire,
            )
            made.extend(batch.committed.version for batch in batches if batch.committed.version is not None)
            if not refused and _is_all(part):
                knowledge_base.folders.compared(part.root)
    progress.readable(stored + sum(version.passages_born - version.passages_died for version in made))
    for root, going, standing in refused:
        raise TooManyGone(
            f"{going:,} of {standing:,} documents in {root.path} are no longer on disk; none of them was retired, "
            "in case the drive is away"
        )
    places = [joined(p.root.path, p.file or p.below) if p.file or p.below else p.root.path for p in parts]
    return ReadIn(
        paths=tuple(places),
        versions=tuple(made),
        failures=tuple(f for f in failures(knowledge_base) if any(is_at(f.path, p) for p in places)),
        documents=sum(_standing(knowledge_base, part) for part in parts),
        unchanged=unchanged,
        added=sum(v.added for v in made),
        changed=sum(v.changed for v in made),
        moved=sum(v.moved for v in made),
        removed=sum(v.removed for v in made),
        waiting=knowledge_base.lag().passages,
    )


def _is_all(part: Part) -> bool:
    """All of its root was compared; of a root of single files, the one that was named."""
    return not part.root.is_whole or (part.file is None and not part.below)


def _standing(knowledge_base: KnowledgeBase, part: Part) -> int:
    """How many documents stand in what was read, those in a file too."""
    return knowledge_base.folders.count_documents(part.root, part.file or part.below)


def embed_all(knowledge_base: KnowledgeBase, *, progress: Progress, is_stopped: Callable[[], bool]) -> None:
    """Computes the vectors that wait, batch by batch; stops between two if `is_stopped` says so."""
    takeover = knowledge_base.takeover()
    total = knowledge_base.lag().passages + (0 if takeover is None else takeover.waiting)
    done = 0
    if total:
        progress.embedding(0, total)
    while not is_stopped():
        count = knowledge_base.embed_next(EMBED_BATCH)
        if count == 0:
            break
        done += count
        progress.embedding(min(done, total), total)
    if done >= _MANY and not is_stopped():
        knowledge_base.finish_index()  # else a merge would be begun anew by each short process, and never be done
    else:
        knowledge_base.settle_index()


def failures(knowledge_base: KnowledgeBase) -> tuple[Failure, ...]:
    """The files that could not be read, with their reasons."""
    roots = {root.id: root.path for root in knowledge_base.folders.roots()}
    return tuple(
        Failure(joined(roots[s.root_id], s.path), s.failure, s.failed_at, s.tries)
        for s in knowledge_base.folders.failures()
        if s.failure is not None and s.failed_at is not None
    )


def _part(knowledge_base: KnowledgeBase, path: Path, rules: Rules | None) -> Part:
    """What `path` covers of a root that is known, or of a new one."""
    named = Path(os.path.abspath(path.expanduser()))
    absolute = file_on_disk(named)
    if absolute is None or (absolute != named and not _is_known(knowledge_base, named)):
        raise NoSuchPath(f"no file or folder at {named}; check the spelling")
    refuse_own(knowledge_base, str(absolute))
    is_folder = absolute.is_dir()
    covering = [
        (root, relative)
        for root in knowledge_base.folders.roots()
        if (relative := covered(knowledge_base, root, str(absolute))) is not None
    ]
    if covering:
        root, relative = max(covering, key=lambda pair: len(pair[0].path))
        inner = "" if relative == "." else relative
    else:
        root = knowledge_base.folders.ensure_root(str(absolute if is_folder else absolute.parent), is_whole=is_folder)
        inner = "" if is_folder else absolute.name
    if is_folder and not inner:
        root = _remembered(knowledge_base, root, rules)
    below, file = (inner, None) if is_folder else ("", inner)
    return Part(root, below, file, _released(knowledge_base, root, str(named), file))


def _is_known(knowledge_base: KnowledgeBase, path: Path) -> bool:
    """A file in a file was read, or was taken out."""
    below = [(root, relative_to(str(path), root.path)) for root in knowledge_base.folders.roots()]
    return any(relative and knowledge_base.folders.file_states_of(root, [relative]) for root, relative in below)


def _remembered(knowledge_base: KnowledgeBase, root: Root, rules: Rules | None) -> Root:
    """A folder named again after `unfollow` is one of the folders again, and takes the rules given."""
    wanted = rules or Rules(uses_gitignore=root.uses_gitignore, follows_links=root.follows_links)
    following = "added" if root.following == "left" else root.following
    if (following, wanted) != (root.following, Rules(root.uses_gitignore, root.follows_links)):
        knowledge_base.folders.follow(
            root, following, uses_gitignore=wanted.uses_gitignore, follows_links=wanted.follows_links
        )
    return next(known for known in knowledge_base.folders.roots() if known.id == root.id)


def _released(knowledge_base: KnowledgeBase, root: Root, named: str, file: str | None) -> frozenset[str]:
    """The holds that end because the user names a file, or again the folder that was forgotten, or one in it.

    With the paths that those are below, since a file in a file is read with that one.
    """
    relative = relative_to(named, root.path) or ""

    def is_named(held: Held) -> bool:
        if held.named and is_at(named, held.named) and is_at(joined(root.path, held.path), named):
            return True
        # what an undo holds: a file, or one in it, or all in it
        return file is not None and (held.path == file or (not held.named and is_at(held.path, relative)))

    released = [held.path for held in knowledge_base.folders.holds(root).values() if is_named(held)]
    return frozenset(path for one in released for path in (one, *above(one)))


def _shown(path: Path) -> str:
    """An absolute path, the home folder as ~."""
    absolute = os.path.abspath(path.expanduser())
    home = os.path.expanduser("~")
    return "~" + absolute[len(home) :] if absolute.startswith(home + "/") else absolute
