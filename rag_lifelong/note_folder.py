"""The folder of the notes: which it is, whether it may be written to, and one file of it, written safely.

Rule: nothing is written through a link, nor onto a disk that stands in for one that is away, nor over what another
program has just written. One process writes at a time; of an editor that saves in the same instant, between the last
look and the change of names, the system gives no way to know.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lifelong.coverage import NOTES, covered, ignored_by
from rag_lifelong.errors import BadSetting, KnowledgeBaseBusy, StorageFull, TargetUnusable
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.notes import EMPTY, Page, page_of
from rag_lifelong.places import relative_to
from rag_lifelong.store.files import Root
from rag_lifelong.whole_files import clear_beside, create_whole, replace_whole

_PATIENCE_S = 10.0  # another process writes a note in some hundredths of a second
_TRIES = 5  # against a program that writes the same file again and again


def folders_of(knowledge_base: KnowledgeBase, chosen: str) -> tuple[str, ...]:
    """Where notes are: first the folder that new ones go to, then that in the knowledge base's own, if it is another.

    chosen: the setting `notes_folder`; "" for the latter. Absolute paths. Raises BadSetting.
    """
    own = str(knowledge_base.path / NOTES)
    if not chosen.strip():
        return (own,)
    place = os.path.expanduser(chosen)
    if not os.path.isabs(place):
        raise BadSetting(f"notes_folder must be a whole path, such as ~/vault/notes, not {chosen!r}")
    place = os.path.normpath(place)
    if place != own and relative_to(os.path.realpath(place), os.path.realpath(knowledge_base.path)) is not None:
        raise BadSetting(f"notes_folder is {place}, in the knowledge base's own folder; only {own} can be there")
    return tuple(dict.fromkeys((place, own)))


def settle(knowledge_base: KnowledgeBase) -> None:
    """The notes in the knowledge base's own folder are known where that stands now, wherever it stood before."""
    root, place = knowledge_base.folders.notes(), str(knowledge_base.path / NOTES)
    if root is None or os.path.realpath(root.path) == os.path.realpath(place):
        return
    if not any(other.path == place for other in knowledge_base.folders.roots()):
        knowledge_base.folders.rename_root(root, place)


def prepared(knowledge_base: KnowledgeBase, folder: str) -> Root:
    """The root that reads the folder: one that it lies in, else its own, which is made; and so is the folder, if new.

    Raises TargetUnusable, StorageFull.
    """
    is_own = folder == str(knowledge_base.path / NOTES)
    root = root_over(knowledge_base, folder)
    if os.path.islink(folder):
        real = os.path.realpath(folder)
        hint = f'to keep them there, say notes_folder = "{real}" in lifelong.toml'
        raise TargetUnusable(f"{folder} is a link to {real}, and notes are not written through a link; {hint}")
    is_new = not os.path.isdir(folder)
    if is_new:
        if os.path.lexists(folder):
            raise TargetUnusable(f"{folder} is no folder; move it away, or name another place: notes_folder")
        _make(knowledge_base, folder, root, is_own=is_own)
    if root is None:
        root = knowledge_base.folders.ensure_root(folder, is_whole=True)
        if is_new:
            knowledge_base.folders.compared(root)  # with nothing
    if is_own and getattr(knowledge_base.folders.notes(), "id", None) != root.id:
        knowledge_base.folders.note_notes(root)
    return root


def root_over(knowledge_base: KnowledgeBase, folder: str) -> Root | None:
    """The root that reads an absolute folder: the innermost; None if none does."""
    covering = [root for root in knowledge_base.folders.roots() if covered(knowledge_base, root, folder) is not None]
    return max(covering, key=lambda root: len(root.path), default=None)


def is_held(knowledge_base: KnowledgeBase, root: Root, path: Path) -> bool:
    """What the file says was taken out or taken back, and is left as it is: what is added to it would bring it back."""
    return _below(root, path) in knowledge_base.folders.holds(root)


def write(root: Root, path: Path, compose: Callable[[Page], bytes | None]) -> bool:
    """The file of a root holds what `compose` makes of it; False, and nothing is done, where that is None.

    compose: given the page that is there, or an empty one. Raises TargetUnusable, StorageFull.
    """
    ignored = ignored_by(root, _below(root, path))
    if ignored is not None:
        raise TargetUnusable(f"{path} would not be found: it is {ignored}; mend that, or choose another notes_folder")
    if path.is_symlink():
        raise TargetUnusable(
            f"{path} is a link to {os.path.realpath(path)}, and notes are not written through a link; put the file "
            "itself there, or take the link away"
        )
    with _writing(path):
        for _ in range(_TRIES):
            data = _read(path)
            page = EMPTY if data is None else page_of(data)
            new = None if page is None else compose(page)
            if new is None:
                return False
            clear_beside(path)
            if create_whole(path, new) if data is None else replace_whole(path, new, is_still=_still(path, data)):
                return True
    raise TargetUnusable(f"{path} is being written by another program all the time; nothing was written, try again")


@contextmanager
def one_at_a_time(knowledge_base: KnowledgeBase) -> Iterator[None]:
    """No other process writes notes of this knowledge base meanwhile. Raises KnowledgeBaseBusy."""
    from filelock import FileLock, Timeout

    folder = knowledge_base.path / "leases"
    with _writing(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = FileLock(str(folder / "notes.lock"), is_singleton=False, thread_local=False)
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise KnowledgeBaseBusy("another process is writing a note; nothing was written, try again") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the disk cannot do, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk that holds {path} is full; nothing was written") from error
        raise TargetUnusable(f"cannot write {path}: {error.strerror or error}; nothing was written") from error


def _make(knowledge_base: KnowledgeBase, folder: str, root: Root | None, *, is_own: bool) -> None:
    """A folder outside is made where it is new, never where one was: its drive may be away."""
    relative = None if root is None else covered(knowledge_base, root, folder)
    below = "" if relative == "." else relative
    was_there = root is not None and below is not None and bool(knowledge_base.folders.paths_below(root, below))
    if not is_own and (was_there or not os.path.isdir(os.path.dirname(folder))):
        raise TargetUnusable(
            f"there is no folder at {folder}; if its drive is away, bring it back, else make the folder; nothing was "
            "written"
        )
    with _writing(Path(folder)):
        os.mkdir(folder, 0o700 if is_own else 0o777)


def _below(root: Root, path: Path) -> str:
    relative = relative_to(str(path), root.path)
    assert relative is not None  # `prepared` gave the root
    return relative


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _still(path: Path, data: bytes) -> Callable[[], bool]:
    return lambda: not path.is_symlink() and _read(path) == data
