"""What a person takes back, takes out, or lets go for good: undo, forget, prune.

Rule: never touches the disk. Undo and forget are versions, and hold the paths concerned; only pruning and forgetting
everywhere are for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from rag_lifelong.coverage import is_at
from rag_lifelong.errors import BadSetting, NoSuchPath, NothingToUndo
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Decide, Hold, Restore
from rag_lifelong.places import joined
from rag_lifelong.prompt_history import forget_typed
from rag_lifelong.pruning import Limit, Pruning
from rag_lifelong.staleness import Rule
from rag_lifelong.status import absolute, not_stored
from rag_lifelong.types import Version
from rag_lifelong.when import span


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed for good. version: the one that took it out of answers, None if nothing of it still lived.

    answers: of conversations, which rested on it. adapters: the numbers of those that were made from it.
    is_complete: False while a reader keeps old pages in the files; that is finished at a later opening.
    left: copies of damaged stores, which may hold it still.
    """

    documents: int
    version: Version | None
    answers: int
    adapters: tuple[int, ...]
    is_complete: bool
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was removed of conversations, for good. turns: questions. is_complete, left: as `Erased`."""

    chats: int
    turns: int
    is_complete: bool
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdapterDeleted:
    """An adapter that was removed for good, by its number. is_complete, left: as `Erased`."""

    id: int
    is_complete: bool
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UndoLine:
    """One document that an undo concerns: what, where it stands and would stand; obstacle: why not, or ""."""

    what: str
    path: str
    path_then: str
    obstacle: str


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What taking back a version would do."""

    version: Version
    lines: tuple[UndoLine, ...]
    restores: tuple[Restore | Decide, ...]


def forget(knowledge_base: KnowledgeBase, paths: Sequence[str | Path]) -> Version:
    """Takes documents out of every answer about now; their files stay on disk and are not read again.

    A folder means all documents in it. Raises NoSuchPath if nothing is stored at a path.
    """
    roots = {root.id: root for root in knowledge_base.folders.roots()}
    operations: dict[tuple[int, str], Hold] = {}  # each once; what is named with its folder goes by that
    for place in sorted({absolute(path) for path in paths}, key=len, reverse=True):
        found = [
            Hold(root.id, relative, place)
            for root in roots.values()
            for relative, state in knowledge_base.folders.file_states(root).items()
            if state.document_id is not None and is_at(joined(root.path, relative), place)
        ]
        if not found:
            raise not_stored(knowledge_base, place, "is")
        operations.update(((hold.root_id, hold.path), hold) for hold in found)
    version = knowledge_base.commit(
        list(operations.values()), cause="forget " + " ".join(str(p) for p in paths)
    ).version
    if version is None:  # another process was first
        raise NoSuchPath(f"nothing is stored at {', '.join(absolute(path) for path in paths)} any more")
    return version


def forget_everywhere(knowledge_base: KnowledgeBase, paths: Sequence[str | Path]) -> Erased:
    """Removes every document that ever stood at these paths from all versions, for good; the files stay on disk.

    They are not read again while they stay as they are. Raises NoSuchPath if nothing ever stood at a path.
    """
    found = _ever_at(knowledge_base, paths)
    roots = {root.id: root for root in knowledge_base.folders.roots()}
    # documents that have moved away go too, wherever they stand now: what they said here is in all their texts
    living = [
        Hold(root.id, relative, joined(root.path, relative))
        for root in roots.values()
        for relative, state in knowledge_base.folders.file_states(root).items()
        if state.document_id in found
    ]
    version = knowledge_base.commit(living, cause=f"forget {len(found)} everywhere").version if living else None
    answers, adapters = knowledge_base.answers_from(found), knowledge_base.adapters.made_from(found)
    is_clean = knowledge_base.erase(found)
    return Erased(len(found), version, answers, adapters, is_complete=is_clean, left=_copies_left(knowledge_base))


def answers_from(knowledge_base: KnowledgeBase, paths: Sequence[str | Path]) -> int:
    """How many answers of conversations `forget_everywhere` would remove. Raises NoSuchPath as that."""
    return knowledge_base.answers_from(_ever_at(knowledge_base, paths))


def adapters_from(knowledge_base: KnowledgeBase, paths: Sequence[str | Path]) -> tuple[int, ...]:
    """The numbers of the adapters that `forget_everywhere` would delete. Raises NoSuchPath as that."""
    return knowledge_base.adapters.made_from(_ever_at(knowledge_base, paths))


def delete_adapter(knowledge_base: KnowledgeBase, adapter_id: int) -> AdapterDeleted:
    """Removes an adapter for good, in whatever state it is. Raises NoSuchAdapter."""
    is_clean = knowledge_base.adapters.delete(adapter_id)
    return AdapterDeleted(adapter_id, is_complete=is_clean, left=_copies_left(knowledge_base))


def delete_chats(knowledge_base: KnowledgeBase, chat_ids: Sequence[int]) -> Deleted:
    """Removes conversations for good, from the store and from what was typed. Raises NoSuchChat; then none is."""
    chosen = list(dict.fromkeys(chat_ids))
    asked = [kept.turn.question for chat_id in chosen for kept in knowledge_base.chats.read(chat_id)]
    is_clean = knowledge_base.delete_chats(chosen)
    try:
        forget_typed(knowledge_base.path, asked)
    except OSError:
        is_clean = False
    return Deleted(len(chosen), len(asked), is_complete=is_clean, left=_copies_left(knowledge_base))


def _ever_at(knowledge_base: KnowledgeBase, paths: Sequence[str | Path]) -> list[int]:
    """The documents that ever stood at these paths. Raises NoSuchPath."""
    found: dict[int, None] = {}
    for path in paths:
        here = knowledge_base.documents_ever_at(absolute(path))
        if not here:
            raise NoSuchPath(f"nothing was ever stored at {absolute(path)}")
        found.update(dict.fromkeys(here))
    return list(found)


def pruning_plan(
    knowledge_base: KnowledgeBase, *, keep_for: str | None, keep_last: int | None, within: Sequence[str]
) -> Pruning:
    """The former texts that would go; nothing is done.

    keep_for: a span such as "1 year": what was replaced or taken out longer ago goes. keep_last: of each document, so
    many former texts stay. What is None is as the document's rule says; where neither says anything, nothing goes.
    within: globs of paths. Raises BadSetting for a span that cannot be read.
    """
    try:
        length = None if keep_for is None else span(keep_for)
    except ValueError as error:
        raise BadSetting(str(error)) from error
    newest = knowledge_base.version_number(None)

    def limit(rule: Rule | None) -> Limit | None:
        longest, last = length, keep_last
        if rule is not None:
            longest = rule.keep_for if longest is None else longest
            last = rule.keep_last if last is None else last
        if longest is None and last is None:
            return None
        return Limit(newest if longest is None else at(longest), last or 0)

    @cache
    def at(ago: timedelta) -> int:
        try:
            return knowledge_base.number_at(knowledge_base.now() - ago)
        except OverflowError:  # longer ago than there are dates
            return 0

    return knowledge_base.pruning_plan(limit, within=within)


def undo_plan(knowledge_base: KnowledgeBase, version: int | None) -> UndoPlan:
    """What `undo` would do; nothing is done. Raises NothingToUndo, NoSuchVersion."""
    if version is None:
        chosen = knowledge_base.version_to_undo()
    else:
        chosen = knowledge_base.version(knowledge_base.version_number(version))
    if chosen is None:
        raise NothingToUndo("no command has changed anything that could be taken back; see: lifelong versions")
    roots = {root.id: root.path for root in knowledge_base.folders.roots()}
    steps = knowledge_base.undo_plan(chosen.number)
    return UndoPlan(
        version=chosen,
        lines=tuple(
            UndoLine(
                what=step.what,
                path="" if step.now is None else joined(roots[step.now.root_id], step.now.path),
                path_then="" if step.then is None else joined(roots[step.then.root_id], step.then.path),
                obstacle=step.obstacle,
            )
            for step in steps
        ),
        restores=tuple(step.restore for step in steps if step.restore is not None),
    )


def undo(knowledge_base: KnowledgeBase, version: int | None) -> Version:
    """Takes back a version, by default the newest that a command made and that still holds.

    One more version; the disk is not touched, and its files are not read again until they change. What a later
    version has changed again stays. Raises NothingToUndo, NoSuchVersion.
    """
    plan = undo_plan(knowledge_base, version)
    number = plan.version.number
    if not plan.restores:
        reason = "all of it has changed again since" if plan.lines else "its documents were removed for good"
        hint = "" if version is not None else "; another: lifelong undo VERSION, of lifelong versions"
        raise NothingToUndo(f"nothing of version {number} can be taken back: {reason}{hint}")
    done = knowledge_base.commit(plan.restores, cause=f"undo {number}", undoes=number).version
    if done is None:  # another process was first
        raise NothingToUndo(f"nothing of version {number} can be taken back any more")
    return done


def _copies_left(knowledge_base: KnowledgeBase) -> tuple[str, ...]:
    """Files beside the store that hold what it once held, and that only the user may delete."""
    return tuple(
        sorted(
            str(path)
            for pattern in ("damaged", "before-restore")
            for path in knowledge_base.path.glob(f"lifelong.sqlite3.{pattern}-*")
        )
    )
