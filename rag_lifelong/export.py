"""A knowledge base as plain files that need no program of ours.

    README.txt        what the others are; written last, so that its presence means that all is there
    documents/        the stored text of each living document, a file each
    documents.jsonl   one line each: path, title, dated, version, digest, fields, file
    versions.jsonl    one line a version, oldest first
    history.jsonl     one line for each text a document ever had: path, places, born, died, digest, text
    decisions.jsonl   one line for each decision about one document superseding another
    chats/            each conversation kept, a Markdown file
    chats.jsonl       one line for each question asked in them, with its answer

Adapters are left out: their weights are of no use without our program and the model they are for. A backup has them.
Rule: one state of the knowledge base, read in one snapshot, a text at a time. Names of files are made safe, and each
is made once, also on disks that take "a" and "A", or two ways to write "é", for the same.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rag_lifelong.errors import StorageFull, TargetUnusable
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import joined
from rag_lifelong.store import chats, documents, files, revisions, supersessions, versions
from rag_lifelong.store.values import written
from rag_lifelong.transcript import markdown
from rag_lifelong.types import ChatSummary, Version

if TYPE_CHECKING:
    from sqlite3 import Connection

    from rag_lifelong.store.documents import Summary

Tell = Callable[[int, int], None]
"""Called with (texts written, texts in all)."""

_NAMES = (
    "documents",
    "documents.jsonl",
    "versions.jsonl",
    "history.jsonl",
    "decisions.jsonl",
    "chats",
    "chats.jsonl",
    "README.txt",
)
_NAME_MOST = 180  # bytes of a name; disks take 255, and a number may be added
_FOLDERS_MOST = 2_000  # bytes of the folders' names; the outer ones of more are left out: systems open 4,096 at most
# what Windows forbids in names, controls, direction overrides, and bytes of a name that are no text
_UNSAFE = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # devices on Windows
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # ends of lines to some readers; no UTF-8

_README = """\
An export of a lifelong knowledge base: UTF-8 text, and JSON, one value a line.

documents/        the stored text of each document, a file each
documents.jsonl   path (where the file stood), title, dated, version (since when it has this text), digest
                  (BLAKE2b, 16 bytes, of the file's bytes), fields (its header), file (below this folder)
versions.jsonl    every version of the knowledge base, oldest first: number, at (UTC), cause, what changed
history.jsonl     every text that a document ever had, from version "born" until before version "died" (null: it
                  still has it); "places" tells where it stood meanwhile; text is null where it was pruned
decisions.jsonl   what you decided about one document superseding another, from version "born" until before "died":
                  old, new (where they stand, or stood last), decision, evidence
chats/            each conversation kept, as Markdown, its citations as footnotes
chats.jsonl       one line for each question asked: chat, turn (its number there), at (UTC), question (as typed),
                  asked_as (standing alone), scope, program, rating, removed_at, answer (null: removed with its source)

Version {version}, {documents} documents, {texts} texts in history.jsonl.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. texts: lines of history.jsonl. version: the newest. chats: conversations."""

    folder: Path
    version: int
    documents: int
    texts: int
    chats: int


def export(knowledge_base: KnowledgeBase, folder: Path, *, tell: Tell | None) -> Exported:
    """Writes the state of now, and all of the past, into `folder`, which must be new or empty.

    If it fails or is stopped, what was written is removed. Raises TargetUnusable, StorageFull.
    """
    is_new = not os.path.lexists(folder)
    with _writing(folder):
        if not is_new and not (folder.is_dir() and next(folder.iterdir(), None) is None):
            raise TargetUnusable(f"{folder} is there and not empty; name a new folder, or an empty one")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with knowledge_base.reading() as connection:
                return _written(connection, folder, tell or _untold)
        except BaseException:
            _remove(folder, is_new=is_new)
            raise


def _written(connection: Connection, folder: Path, tell: Tell) -> Exported:
    number = versions.latest_number(connection)
    roots = {root.id: root.path for root in files.roots(connection)}
    living = documents.summaries(connection, number)
    ids = documents.all_ids(connection)
    total = len(living) + len(ids)
    _write_lines(folder / "documents.jsonl", _documents(connection, folder, living, roots, total, tell))
    _write_lines(folder / "versions.jsonl", (_version(v) for v in versions.oldest_first(connection)))
    _write_lines(folder / "decisions.jsonl", _decisions(connection, roots))
    texts = _write_lines(folder / "history.jsonl", _history(connection, ids, roots, len(living), tell))
    talked = chats.summaries(connection)
    _write_lines(folder / "chats.jsonl", _chats(connection, folder, talked))
    readme = _README.format(version=number, documents=len(living), texts=texts)
    (folder / "README.txt").write_text(readme, encoding="utf-8")
    return Exported(folder, number, len(living), texts, len(talked))


def _documents(
    connection: Connection, folder: Path, living: list[Summary], roots: dict[int, str], total: int, tell: Tell
) -> Iterator[dict[str, object]]:
    """Writes the texts, and gives the lines about them."""
    number = versions.latest_number(connection)
    names = _Names()
    tops = {root_id: names.folder((), PurePosixPath(path).name or "root") for root_id, path in roots.items()}
    (folder / "documents").mkdir()
    for done, summary in enumerate(living, start=1):
        revision_id = revisions.at(connection, summary.document_id, number)
        assert revision_id is not None  # a summary is of a document with a text
        revision = revisions.read(connection, revision_id)
        *above, last = summary.path.split("/")
        place = names.below(tops[summary.root_id], _inner(above))
        place = names.file(place, last if revision.is_source else f"{last}.txt")
        file = folder.joinpath("documents", *place)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="") as written:
            written.write(revision.text)
        yield {
            "path": joined(roots[summary.root_id], summary.path),
            "title": revision.title,
            "dated": None if revision.dated is None else revision.dated.isoformat(),
            "version": summary.version,
            "digest": revision.digest.hex(),
            "fields": [{"name": field.name, "value": field.value} for field in revision.fields],
            "file": "/".join(("documents", *place)),
        }
        tell(done, total)


def _history(
    connection: Connection, ids: list[int], roots: dict[int, str], done: int, tell: Tell
) -> Iterator[dict[str, object]]:
    total = done + len(ids)
    for document_id in ids:
        places = documents.places_of(connection, document_id)
        for life in revisions.lives(connection, document_id):
            revision = None if life.revision_id is None else revisions.read(connection, life.revision_id)
            during = [
                {"path": joined(roots[place.root_id], place.path), "born": place.born, "died": place.died}
                for place in places
                if (life.died is None or place.born < life.died) and (place.died is None or place.died > life.born)
            ]
            yield {
                "document": document_id,
                "path": during[0]["path"] if during else None,
                "born": life.born,
                "died": life.died,
                "digest": None if revision is None else revision.digest.hex(),
                "text": None if revision is None else revision.text,
                "places": during,
            }
        done += 1
        tell(done, total)


def _decisions(connection: Connection, roots: dict[int, str]) -> Iterator[dict[str, object]]:
    places = {document: joined(roots[root], path) for document, root, path in documents.last_places(connection)}
    for found in supersessions.all_ever(connection):
        yield {**asdict(found), "old": places[found.old], "new": places[found.new]}


def _chats(connection: Connection, folder: Path, talked: list[ChatSummary]) -> Iterator[dict[str, object]]:
    """Writes each as Markdown, and gives a line for each turn."""
    (folder / "chats").mkdir()
    for summary in sorted(talked, key=lambda one: one.id):
        turns = chats.read(connection, summary.id)
        text = markdown([kept.turn for kept in turns])
        with (folder / "chats" / f"{summary.id}.md").open("x", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        for kept in turns:
            turn = kept.turn
            yield {
                "chat": summary.id,
                "turn": turn.number,
                "at": turn.at.isoformat(),
                "question": turn.question,
                "asked_as": turn.asked_as,
                "scope": json.loads(written(kept.scope)),
                "program": kept.program,
                "rating": None if turn.rating is None else json.loads(written(turn.rating)),
                "removed_at": None if turn.removed_at is None else turn.removed_at.isoformat(),
                "answer": None if turn.removed_at is not None else json.loads(written(turn.answer)),
            }


def _version(version: Version) -> dict[str, object]:
    return {**asdict(version), "at": version.at.isoformat()}


def _write_lines(path: Path, lines: Iterable[dict[str, object]]) -> int:
    """Gives how many."""
    count = 0
    with path.open("x", encoding="utf-8", newline="") as file:
        for line in lines:
            text = json.dumps(line, ensure_ascii=False)
            file.write(_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
            count += 1
    return count


class _Names:
    """Safe names below `documents`, none given twice, nor one to both a file and a folder."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, ...]] = set()
        self._folders: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}

    def folder(self, above: tuple[str, ...], name: str) -> tuple[str, ...]:
        """A folder of its own."""
        return self._free(above, name, has_ending=False)

    def below(self, above: tuple[str, ...], parts: Iterable[str]) -> tuple[str, ...]:
        """The folder for these parts: the same each time."""
        for part in parts:
            known = self._folders.get((above, part))
            if known is None:
                known = self._folders[above, part] = self._free(above, part, has_ending=False)
            above = known
        return above

    def file(self, above: tuple[str, ...], name: str) -> tuple[str, ...]:
        """A file of its own."""
        return self._free(above, name, has_ending=True)

    def _free(self, above: tuple[str, ...], name: str, *, has_ending: bool) -> tuple[str, ...]:
        stem, ending = os.path.splitext(safe_name(name)) if has_ending else (safe_name(name), "")
        number = 1
        while (
            key := _folded((*above, place := f"{stem}{'' if number == 1 else f'-{number}'}{ending}"))
        ) in self._taken:
            number += 1
        self._taken.add(key)
        return (*above, place)


def safe_name(name: str) -> str:
    """A name that any disk takes, of at most 180 bytes, and that goes nowhere but where it is put."""
    name = _UNSAFE.sub("_", name).rstrip(". ")  # Windows drops them
    if not name or _RESERVED.match(name):
        name = f"_{name}"
    stem, ending = os.path.splitext(name)
    if len(ending.encode()) > 20:
        stem, ending = name, ""
    room = _NAME_MOST - len(ending.encode())
    return (stem.encode()[:room].decode(errors="ignore") + ending).rstrip(". ")


def _inner(folders: list[str]) -> list[str]:
    """The innermost of these folders, as many as make no path too long."""
    room = _FOLDERS_MOST
    for number, folder in enumerate(reversed(folders)):
        room -= len(folder.encode(errors="replace")) + 1
        if room < 0:
            return folders[len(folders) - number :]
    return folders


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold()) for part in parts)


def _remove(folder: Path, *, is_new: bool) -> None:
    for name in _NAMES:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if is_new:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk that holds {folder} is full; what was written is removed") from error
        raise TargetUnusable(f"cannot write to {folder}: {error.strerror}; name another place") from error


def _untold(done: int, total: int) -> None:
    """Nobody is told."""
