"""What the user tells the assistant to remember: notes, and preferences.

Rule: only the user's own words go in, by `remember`; nothing that a document says or a model writes does. A note is a
file first: it is on the disk before it is in the store, and stays there whatever is undone or forgotten. A file that
was taken out, or taken back, is left alone, and what comes next goes into one beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag_lifelong import note_folder, notes, preferences, sync
from rag_lifelong.coverage import covered
from rag_lifelong.errors import LifelongError, NoteUnusable, TargetUnusable
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.notes import Page
from rag_lifelong.preferences import Preference
from rag_lifelong.reading import Settings
from rag_lifelong.types import Version

_FILES_MOST = 200  # beside each other, of one day or of preferences


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was remembered, as written; where, absolute; and the version that knows it."""

    text: str
    path: str
    version: Version


def remember(
    knowledge_base: KnowledgeBase, text: str, *, folders: Sequence[str], settings: Settings, at: datetime
) -> Remembered:
    """Writes a note into the file of the day and reads it in. The text is in the store when this returns.

    folders: as of `note_folder.folders_of`. at: the day and time that it bears are those of this moment, local. With a
    clock set back it goes to the end of an earlier day's file; versions go on in the order of what was done.
    Raises NoteUnusable, TargetUnusable, StorageFull, KnowledgeBaseBusy.
    """
    kept, local = notes.clean(text), at.astimezone()

    def compose(page: Page) -> bytes | None:
        added = notes.addition(page, kept, local)
        return None if added is None else page.to_bytes(page.text + added)

    path, version = _added(
        knowledge_base,
        lambda number: notes.name_of(local.date(), number),
        compose,
        folder=folders[0],
        settings=settings,
    )
    return Remembered(kept, path, version)


def prefer(
    knowledge_base: KnowledgeBase,
    text: str,
    *,
    within: Sequence[str],
    folders: Sequence[str],
    settings: Settings,
    at: datetime,
) -> Remembered:
    """Writes a preference and reads it in. within: globs of the passages it is for; none: for all answers.

    Raises as `remember`.
    """
    kept = preferences.one_line(notes.clean(text))
    item = preferences.written(kept, within=within, since=at.astimezone().date())

    def compose(page: Page) -> bytes | None:
        gap = "" if page.text.endswith("\n") else "\n"
        added = f"{gap}{item}" if page.text.strip() else f"{preferences.HEAD}{item}"
        text = page.text.replace("\r\n", "\n") + added
        is_read = any(one.text == kept and one.end == len(text) for one in preferences.read([("", text)]))
        return page.to_bytes(page.text + page.in_newlines(added)) if is_read else None  # the page ends in a comment

    path, version = _added(knowledge_base, preferences.name_of, compose, folder=folders[0], settings=settings)
    return Remembered(kept, path, version)


def in_force(knowledge_base: KnowledgeBase, folders: Sequence[str]) -> tuple[Preference, ...]:
    """Those in force: that stand in the preferences' files as stored now, which undo and forget reach."""
    pages = []
    for folder in folders:
        root = note_folder.root_over(knowledge_base, folder)
        below = None if root is None else covered(knowledge_base, root, folder)
        if root is None or below is None:
            continue
        prefix = "" if below == "." else f"{below}/"
        names = [preferences.name_of(number) for number in range(1, _FILES_MOST + 1)]
        states = knowledge_base.folders.file_states_of(root, [prefix + name for name in names])
        for name in names:
            state = states.get(prefix + name)
            path = os.path.join(folder, name)
            found = None if state is None or state.document_id is None else knowledge_base.document_at(path)
            if found is not None:
                pages.append((path, found.text))
    return preferences.read(pages)


def drop(knowledge_base: KnowledgeBase, number: int, *, folders: Sequence[str], settings: Settings) -> Remembered:
    """Takes a preference out of its file, and out of force. number: as of `in_force`.

    Raises NoteUnusable if there is none of that number, or its file is held; and as `remember`.
    """
    with note_folder.one_at_a_time(knowledge_base):
        going = _of_number(in_force(knowledge_base, folders), number)
        path = Path(going.path)
        root = note_folder.prepared(knowledge_base, os.path.dirname(going.path))
        if note_folder.is_held(knowledge_base, root, path):
            raise NoteUnusable(
                f"{path} is left as it is since something in it was taken back or forgotten; to take out all that it "
                f"says: lifelong forget {path}"
            )
        _brought(knowledge_base, path, "sync", settings)

        def compose(page: Page) -> bytes | None:
            text = page.text.replace("\r\n", "\n")
            for one in preferences.read([(going.path, text)]):
                if (one.text, one.within, one.since) == (going.text, going.within, going.since):
                    return page.to_bytes(page.in_newlines(text[: one.start] + text[one.end :]))
            return None

        if not note_folder.write(root, path, compose):
            raise NoteUnusable(f"{path} has changed meanwhile; see: lifelong remember --list")
        return Remembered(going.text, going.path, _read_in(knowledge_base, path, "remember --drop", settings))


def _of_number(found: Sequence[Preference], number: int) -> Preference:
    if not 1 <= number <= len(found):
        are = "there is none" if not found else "there is 1" if len(found) == 1 else f"there are {len(found)}"
        raise NoteUnusable(f"there is no preference {number}, {are}; see: lifelong remember --list")
    return found[number - 1]


def _added(
    knowledge_base: KnowledgeBase,
    name_of: Callable[[int], str],
    compose: Callable[[Page], bytes | None],
    *,
    folder: str,
    settings: Settings,
) -> tuple[str, Version]:
    """(path, version) of the first file that what `compose` adds can go into."""
    with note_folder.one_at_a_time(knowledge_base):
        root = note_folder.prepared(knowledge_base, folder)
        for number in range(1, _FILES_MOST + 1):
            path = Path(folder, name_of(number))
            if note_folder.is_held(knowledge_base, root, path):
                continue
            if path.is_file() and not path.is_symlink():
                _brought(knowledge_base, path, "sync", settings)  # so that an undo takes back this note alone
            if note_folder.write(root, path, compose):
                return str(path), _read_in(knowledge_base, path, "remember", settings)
    raise TargetUnusable(f"none of {_FILES_MOST} files such as {folder}/{name_of(1)} can be written to")


def _read_in(knowledge_base: KnowledgeBase, path: Path, verb: str, settings: Settings) -> Version:
    """The version that knows what was just written: ours, or that of a watcher that was faster."""
    try:
        done = _brought(knowledge_base, path, verb, settings)
    except LifelongError as error:
        raise type(error)(f"it is written in {path}, but not read in yet: {error}; then: lifelong sync") from error
    if done.failures:
        raise TargetUnusable(f"it is written in {path}, but that cannot be read in: {done.failures[0].reason}")
    return done.versions[-1] if done.versions else knowledge_base.history(str(path))[-1].version


def _brought(knowledge_base: KnowledgeBase, path: Path, verb: str, settings: Settings) -> sync.ReadIn:
    return sync.read_in(
        knowledge_base, [path], settings=settings, progress=sync.Silent(), verb=verb, rules=None, may_retire=False
    )
