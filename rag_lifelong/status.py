"""How things stand: the knowledge base, its folders, and one file of them.

Rule: reads only, and says which command mends what it finds.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rag_lifelong import sync
from rag_lifelong.coverage import ignored_by, is_at
from rag_lifelong.errors import NoSuchPath
from rag_lifelong.follow.leases import follower_of
from rag_lifelong.history import Past
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import matches, relative_to
from rag_lifelong.staleness import HIDE, Rule, rule_for
from rag_lifelong.store.files import Root
from rag_lifelong.types import AdapterState, Failure, HeaderField, Standing, Takeover, Version


@dataclass(frozen=True, slots=True)
class Folder:
    """A root as shown: its path, how many documents stand in it, when it was last compared with the disk.

    following: "added", "followed", "left" or "files" (single files of it were added). pid: of the process that follows
    it now, None if none does. way: how that hears of changes. held: paths left as they are by forget and undo.
    """

    path: str
    documents: int
    checked_at: datetime | None
    following: str
    pid: int | None
    way: str
    blocked: str | None
    queued: int
    held: int


@dataclass(frozen=True, slots=True)
class Status:
    """What is in the knowledge base. waiting: passages without a vector. size_bytes: of its folder.

    unread: vectors that are not in the index yet, since that is being made again.

    is_calibrated: what the embedder's cosines tell was measured. takeover: of another embedder, None if none is to.
    chats, turns: conversations kept, and questions in them. adapters: how many are in each state that one is in.
    """

    path: str
    version: Version | None
    documents: int
    passages: int
    waiting: int
    unread: int
    failures: tuple[Failure, ...]
    folders: tuple[Folder, ...]
    embedder: str
    is_calibrated: bool
    takeover: Takeover | None
    model: str
    chats: int
    turns: int
    adapters: Mapping[AdapterState, int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule about the age of documents. origin: the file it stands in. documents: it concerns; stale: of these."""

    rule: Rule
    origin: str
    documents: int
    stale: int


@dataclass(frozen=True, slots=True)
class PathStatus:
    """All about one file. state: searchable, waiting, hidden, failed, ignored, held, moved, gone, outside or unknown.

    hidden: left out of answers by a rule. moved: it stands elsewhere. gone: its document lives no more.
    """

    path: str
    state: str
    message: str
    nearest: tuple[str, ...]


def status(knowledge_base: KnowledgeBase, *, model_name: str) -> Status:
    """What is in the knowledge base, what failed, what waits."""
    documents = knowledge_base.documents()
    chats, turns = knowledge_base.chats.count()
    return Status(
        path=str(knowledge_base.path),
        version=knowledge_base.latest(),
        documents=len(documents),
        passages=sum(document.passages for document in documents),
        waiting=knowledge_base.lag().passages,
        unread=knowledge_base.unread(),
        failures=sync.failures(knowledge_base),
        folders=folders(knowledge_base),
        embedder=knowledge_base.embedder.name,
        is_calibrated=knowledge_base.is_calibrated,
        takeover=knowledge_base.takeover(),
        model=model_name,
        chats=chats,
        turns=turns,
        adapters=Counter(adapter.state for adapter in knowledge_base.adapters.all()),
        size_bytes=_size_bytes(knowledge_base.path),
    )


def folders(knowledge_base: KnowledgeBase) -> tuple[Folder, ...]:
    """The folders known, who follows them, and how they stand."""
    documents = knowledge_base.documents()
    found = []
    for root in knowledge_base.folders.roots():
        lease = follower_of(knowledge_base, root)
        found.append(
            Folder(
                path=root.path,
                documents=sum(is_at(document.path, root.path) for document in documents),
                checked_at=root.compared_at,
                following=root.following if root.is_whole else "files",
                pid=None if lease is None else lease.pid,
                way="" if lease is None else lease.way,
                blocked=root.blocked,
                queued=root.queued if lease is not None else 0,
                held=len(knowledge_base.folders.holds(root)),
            )
        )
    return tuple(found)


def rules(knowledge_base: KnowledgeBase, known: Sequence[tuple[Rule, str]]) -> tuple[RuleInForce, ...]:
    """Each of the known (rule, file it stands in), and what it concerns now."""
    roots = knowledge_base.folders.roots()
    with knowledge_base.reading():  # others may add and remove meanwhile
        standings = knowledge_base.standings()
        documents = knowledge_base.documents()
    found = []
    for rule, origin in known:
        mine = [d for d in documents if _is_matched(rule, d.path, roots)]
        stale = sum(rule.time_to_live is not None and standings[d.document_id].stale_since is not None for d in mine)
        found.append(RuleInForce(rule, origin, len(mine), stale))
    return tuple(found)


def _is_matched(rule: Rule, path: str, roots: Sequence[Root]) -> bool:
    below = [(root.path, relative) for root in roots if (relative := relative_to(path, root.path)) is not None]
    return any(matches(rule.match, root, relative) for root, relative in below)


def path_status(knowledge_base: KnowledgeBase, path: str | Path) -> PathStatus:
    """Why a file is, or is not, found."""
    place = absolute(path)
    covering = [
        (root, relative)
        for root in knowledge_base.folders.roots()
        if (relative := relative_to(place, root.path)) is not None
    ]
    for root, relative in sorted(covering, key=lambda pair: -len(pair[0].path)):
        found = _state_below(knowledge_base, root, relative, place)
        if found is not None:
            return found
    past = () if os.path.exists(place) else knowledge_base.history(place)
    if past and past[-1].path != place:
        return _left(past, place)
    nearest = nearest_paths(knowledge_base, place)
    if os.path.exists(place):
        return PathStatus(place, "outside", f"not read in yet; add it with: lifelong add {place}", nearest)
    return PathStatus(place, "unknown", "no such file, on disk or in the knowledge base", nearest)


def is_unwatched(knowledge_base: KnowledgeBase) -> bool:
    """Folders are followed, and nobody watches one of them now."""
    followed = [root for root in knowledge_base.folders.roots() if root.following == "followed"]
    return any(follower_of(knowledge_base, root) is None for root in followed)


def none_followed(knowledge_base: KnowledgeBase) -> NoSuchPath:
    """The error where no folder is followed: none is known, or those that are were unfollowed."""
    left = [root.path for root in knowledge_base.folders.roots() if root.following == "left"]
    if not left:
        return NoSuchPath("no folder is known yet; begin with: lifelong add FOLDER, or lifelong watch FOLDER")
    are = "is" if len(left) == 1 else "are"
    return NoSuchPath(
        f"{', '.join(left)} {are} no longer followed; to follow again: lifelong watch {left[0]}; to compare once more, "
        f"as lifelong sync does: lifelong add {left[0]}"
    )


def not_stored(knowledge_base: KnowledgeBase, place: str, verb: str) -> NoSuchPath:
    """The error for a path where nothing is stored ("is"), or ever was ("was ever"), with the nearest name."""
    nearest = nearest_paths(knowledge_base, place)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return NoSuchPath(f"nothing {verb} stored at {place}{hint}")


def nearest_paths(knowledge_base: KnowledgeBase, place: str) -> tuple[str, ...]:
    """Up to three stored paths whose file names are like that of `place`."""
    import difflib

    known = [document.path for document in knowledge_base.documents()]
    by_name = {os.path.basename(path): path for path in known}
    names = difflib.get_close_matches(os.path.basename(place), by_name, n=3, cutoff=0.6)
    return tuple(by_name[name] for name in names)


def absolute(path: str | Path) -> str:
    """As the user means it, from the home folder or from here."""
    return os.path.abspath(os.path.expanduser(path))


def _state_below(knowledge_base: KnowledgeBase, root: Root, relative: str, place: str) -> PathStatus | None:
    held = knowledge_base.folders.holds(root).get(relative)
    if held is not None:
        message = (
            f"held by {held.cause}: left as it is until the file changes; "
            f"to read what is on disk: lifelong add {shlex.quote(place)}"
        )
        return PathStatus(place, "held", message, ())
    state = knowledge_base.folders.file_states_of(root, [relative]).get(relative)
    if state is not None and state.failure is not None:
        kept = "; its last readable text still answers" if state.document_id is not None else ""
        return PathStatus(place, "failed", f"{state.failure}{kept}", ())
    if state is not None and state.document_id is not None:
        found = _searchable(
            knowledge_base, state.document_id, rule_for(knowledge_base.rules, root.path, relative), place
        )
        members = knowledge_base.folders.members(root, relative)
        unread = sum(member.failure is not None for member in members)
        if not unread:
            return found
        return replace(found, message=f"{found.message}; {unread:,} of {len(members):,} files in it could not be read")
    if not root.is_whole or relative == ".":
        return None
    ignored = ignored_by(root, relative)
    if ignored is not None:
        return PathStatus(place, "ignored", ignored, ())
    if os.path.isfile(place):
        message = f"not read yet; read it in with: lifelong add {root.path}"
        return PathStatus(place, "waiting", message, ())
    return None


def _searchable(knowledge_base: KnowledgeBase, document_id: int, rule: Rule | None, place: str) -> PathStatus:
    with knowledge_base.reading():  # others may add and remove meanwhile
        found = next(d for d in knowledge_base.documents() if d.document_id == document_id)
        standing = knowledge_base.standings()[document_id]
    if rule is not None and rule.past == HIDE and standing.stale_since is not None:
        message = f"left out of answers by a rule, being stale since {standing.stale_since}; see: lifelong rules"
        return PathStatus(place, "hidden", message, ())
    read = knowledge_base.document_at(place)
    notes = () if read is None else tuple(_of_reading(read.fields))
    why = "".join(f"; {reason}" for reason in (*notes, *_against(standing)))
    if found.without_vectors:
        message = (
            f"found by words since version {found.version}; "
            f"{found.without_vectors} of {found.passages} passages wait for vectors{why}"
        )
        return PathStatus(place, "waiting", message, ())
    if not found.passages:
        message = f"kept since version {found.version}; it has no passages, and is never quoted{why}"
        return PathStatus(place, "searchable", message, ())
    passages = f"{found.passages} passage{'' if found.passages == 1 else 's'}"
    return PathStatus(place, "searchable", f"searchable since version {found.version}, {passages}{why}", ())


def _of_reading(fields: Sequence[HeaderField]) -> Iterator[str]:
    """What a reader should know of how a document became text."""
    for field in fields:
        if field.name == "read-by":
            yield f"read by {field.value}"
        elif field.name == "not-read":
            yield f"not read: {field.value}"
        elif field.name == "warning":
            yield field.value


def _against(standing: Standing) -> Iterator[str]:
    """Why a document holds no longer."""
    if standing.superseded_by is not None:
        yield f"superseded by {standing.superseded_by}, which is found before it"
    if standing.retired is not None:
        yield f"{standing.retired}, so it ranks lower"
    if standing.stale_since is not None:
        yield f"stale since {standing.stale_since}"


def _left(past: Sequence[Past], place: str) -> PathStatus:
    """Of a path that its document has left: since when, and for where. past: of the document, oldest first."""
    after = past[max(i for i, state in enumerate(past) if state.path == place) + 1]
    now, gone = past[-1], ""
    if now.path is None:
        gone = f"gone since version {now.version.number} ({now.version.cause}); its text: lifelong show {place}"
        if after.path is None:
            return PathStatus(place, "gone", gone, ())
    moved = f"moved in version {after.version.number}"
    return PathStatus(place, "moved", f"{moved}; {gone or f'it stands at {now.path} now'}", ())


def _size_bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # an index file that was just replaced
            total += file.stat().st_size if file.is_file() else 0
    return total
