"""Folder → knowledge base: compare, read, commit, embed. Where the two packages meet.

Rule: the whole comparison comes before any decision, so that a file moved is one document moved. One file that
cannot be read harms no other, and is recorded with its reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from ingest import Chunk, Document, Field, IngestError, Mark, MarkKind, MissingFile, TooLarge, UnsupportedFile
from ingest.chunk import CHUNKER_VERSION, split
from ingest.parsers import parse, parser_for, parser_version
from ingest.scan import Difference, Found, Ignore, Unreadable, compare, look, scan
from rag_lifelong.changes import Fail, Gone, Move, Operation, Place, Put, Touch
from rag_lifelong.errors import NoSuchPath
from rag_lifelong.knowledge_base import KnowledgeBase, joined, relative_to
from rag_lifelong.store.documents import Revision
from rag_lifelong.store.files import FileState, Root
from rag_lifelong.types import Failure, Version

BATCH_S = 5.0  # a batch is committed after this long, so that ^C and a crash lose little
BATCH_FILES = 2_000  # … or this many files, so that a batch fits in memory
EMBED_BATCH = 64  # strings between two commits of vectors, and what ^C and close() may have to wait for


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


@dataclass(frozen=True, slots=True)
class Settings:
    """How files are read. chunk_tokens: the mean chunk aimed at."""

    max_file_bytes: int
    chunk_tokens: int


@dataclass(frozen=True, slots=True)
class _Target:
    """What is read in one go: a root, and a subfolder or one file of it."""

    root: Root
    below: str
    file: str | None


def read_in(knowledge_base: KnowledgeBase, paths: Sequence[Path], *, settings: Settings, progress: Progress) -> ReadIn:
    """Makes the knowledge base equal to the files at `paths` (folders, or single files), text and words.

    Commits in batches; a KeyboardInterrupt commits what was read and goes on its way. Paths named here are
    released from holds. Raises NoSuchPath, MissingFile.
    """
    reader = _Reader(knowledge_base, settings, progress)
    targets = [_target(knowledge_base, path) for path in paths]
    made: list[Version] = []
    unchanged = 0
    for target, path in zip(targets, paths, strict=True):
        difference = reader.difference(target)
        unchanged += difference.unchanged
        made.extend(reader.bring(target, difference, cause=f"add {_shown(path)}"))
        knowledge_base.compared(target.root)
    progress.readable(knowledge_base.passages())
    places = [joined(t.root.path, t.file or t.below) if t.file or t.below else t.root.path for t in targets]
    return ReadIn(
        paths=tuple(places),
        versions=tuple(made),
        failures=tuple(f for f in failures(knowledge_base) if any(_is_at(f.path, p) for p in places)),
        documents=sum(_standing(knowledge_base, target) for target in targets),
        unchanged=unchanged,
        added=sum(v.added for v in made),
        changed=sum(v.changed for v in made),
        moved=sum(v.moved for v in made),
        removed=sum(v.removed for v in made),
        waiting=knowledge_base.lag().passages,
    )


def _standing(knowledge_base: KnowledgeBase, target: _Target) -> int:
    """How many documents stand in what was read."""
    place = target.file or target.below
    states = knowledge_base.file_states(target.root).values()
    return sum(state.document_id is not None and (not place or _is_at(state.path, place)) for state in states)


def embed_all(knowledge_base: KnowledgeBase, *, progress: Progress, is_stopped: Callable[[], bool]) -> None:
    """Computes the vectors that wait, batch by batch; stops between two if `is_stopped` says so."""
    total = knowledge_base.lag().passages
    done = 0
    if total:
        progress.embedding(0, total)
    while not is_stopped():
        count = knowledge_base.embed_next(EMBED_BATCH)
        if count == 0:
            break
        done += count
        progress.embedding(min(done, total), total)
    knowledge_base.settle_index()


def failures(knowledge_base: KnowledgeBase) -> tuple[Failure, ...]:
    """The files that could not be read, with their reasons."""
    roots = {root.id: root.path for root in knowledge_base.roots()}
    return tuple(
        Failure(joined(roots[s.root_id], s.path), s.failure, s.failed_at, s.tries)
        for s in knowledge_base.failures()
        if s.failure is not None and s.failed_at is not None
    )


def ignored_by(root: Root, path: str) -> str | None:
    """Why a path below a root is not read, for people; None if it is."""
    rule = Ignore(Path(root.path)).rule_for(path)
    if rule is None:
        return None
    where = f"{rule.source}:{rule.line}" if rule.line else "the default rules"
    return f"ignored by {where} ({rule.pattern})"


class _Reader:
    """Reads the files that differ, and turns them into operations."""

    def __init__(self, knowledge_base: KnowledgeBase, settings: Settings, progress: Progress) -> None:
        self.knowledge_base = knowledge_base
        self.settings = settings
        self.progress = progress

    def difference(self, target: _Target) -> Difference:
        """How the disk differs from what is known, below the target."""
        root = target.root
        states = self.knowledge_base.file_states(root)
        held = self.knowledge_base.holds(root)
        if target.file is not None:
            found: list[Found | Unreadable] = [
                entry for entry in [look(Path(root.path), target.file)] if entry is not None
            ]
            states = {path: state for path, state in states.items() if path == target.file}
        else:
            others = [Path(other.path) for other in self.knowledge_base.roots() if other.id != root.id]
            inner = [path for path in others if relative_to(str(path), root.path) is not None]
            found = list(scan(Path(root.path), below=target.below, skip=[*inner, self.knowledge_base.path]))
        known = {
            path: (-1, -1) if self._is_outdated(state) else (state.size_bytes, state.mtime_ns)
            for path, state in states.items()
        }
        for path in held:
            if path == target.file:
                known.pop(path, None)  # named one by one: the user wants it back
        return compare(known, found, below=target.file or target.below)

    def bring(self, target: _Target, difference: Difference, *, cause: str) -> Iterator[Version]:
        """Commits the difference in batches; the versions made."""
        root = target.root
        states = self.knowledge_base.file_states(root)
        vanished = {
            digest: state
            for path in difference.vanished
            if (digest := (state := states[path]).digest) is not None and state.document_id is not None
        }
        gone = set(difference.vanished)
        todo = [*difference.new, *difference.changed]
        operations: list[Operation] = []
        started = time.monotonic()
        passages = self.knowledge_base.passages()
        self.progress.reading(0, len(todo), passages)
        try:
            for done, found in enumerate(todo, start=1):
                operation = self._read(root, found, states.get(found.path), vanished, target)
                if isinstance(operation, Move):
                    gone.discard(next(s.path for s in states.values() if s.document_id == operation.document_id))
                if isinstance(operation, Put):
                    passages += len(operation.chunks)
                if operation is not None:
                    operations.append(operation)
                self.progress.reading(done, len(todo), passages)
                if time.monotonic() - started > BATCH_S or len(operations) >= BATCH_FILES:
                    yield from self._commit(operations, cause)
                    operations, started = [], time.monotonic()
        except KeyboardInterrupt:
            yield from self._commit(operations, cause)
            raise
        operations.extend(Gone(root.id, path) for path in sorted(gone))
        yield from self._commit(operations, cause)

    def _commit(self, operations: Sequence[Operation], cause: str) -> Iterator[Version]:
        if operations:
            version = self.knowledge_base.commit(operations, cause=cause)
            if version is not None:
                yield version

    def _read(
        self,
        root: Root,
        found: Found,
        state: FileState | None,
        vanished: dict[bytes, FileState],
        target: _Target,
    ) -> Operation | None:
        place = Place(root.id, found.path, found.size_bytes, found.mtime_ns)
        digest: bytes | None = None
        try:
            if parser_for(found.path.rsplit("/", 1)[-1]) is None:
                raise UnsupportedFile(f"no parser for {Path(found.path).suffix or 'this kind of file'} files")
            data = self._bytes(Path(root.path) / found.path, found.size_bytes)
            digest = blake2b(data, digest_size=16).digest()
            held = self.knowledge_base.holds(root)
            if found.path in held and target.file is None and held[found.path] in (None, digest):
                return Touch(place)
            if self._is_same(state, digest):
                return Touch(place)
            mover = vanished.pop(digest, None)
            if mover is not None and mover.document_id is not None and state is None:
                return Move(mover.document_id, place, digest)
            document, chunks = self._text(data, digest, found.path)
        except IngestError as error:
            return Fail(place, digest, str(error))
        changed_at = datetime.fromtimestamp(found.mtime_ns / 1e9, UTC)
        return Put(place, digest, changed_at, document, chunks, CHUNKER_VERSION)

    def _bytes(self, path: Path, size_bytes: int) -> bytes:
        limit = self.settings.max_file_bytes
        if size_bytes > limit:
            raise TooLarge(
                f"{size_bytes / 1e6:.0f} MB, the limit is {limit / 1e6:.0f} MB: raise max_file_mb in lifelong.toml"
            )
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            if "\ufffd" in str(path):
                raise MissingFile("its name is not valid UTF-8: rename it") from error
            raise MissingFile(f"{(error.strerror or str(error)).lower()}: check its permissions") from error
        if len(data) > limit:
            raise TooLarge(f"over the limit of {limit / 1e6:.0f} MB: raise max_file_mb in lifelong.toml")
        return data

    def _text(self, data: bytes, digest: bytes, path: str) -> tuple[Document, Sequence[Chunk]]:
        """Parsed and cut, or taken from a document with the same bytes."""
        name = path.rsplit("/", 1)[-1]
        twin = self.knowledge_base.copy_of(digest, parser_for(name))
        if twin is not None and not _made_by_older(twin):
            return _copied(twin)
        document = parse(data, name=name)
        chunks = split(
            document,
            count_tokens=self.knowledge_base.embedder.count_tokens,
            target_tokens=self.settings.chunk_tokens,
        )
        return document, chunks

    def _is_same(self, state: FileState | None, digest: bytes) -> bool:
        return (
            state is not None
            and state.digest == digest
            and state.document_id is not None
            and state.failure is None
            and not self._is_outdated(state)
        )

    def _is_outdated(self, state: FileState) -> bool:
        """A failure is tried again when a newer parser might read it; until then, when the file changes."""
        return state.failure is not None and state.digest is None


def _made_by_older(revision: Revision) -> bool:
    return (revision.parser_version, revision.chunker_version) != (
        parser_version(revision.parser),
        CHUNKER_VERSION,
    )


def document_of(revision: Revision) -> Document:
    """The document a revision was made from."""
    return Document(
        text=revision.text,
        title=revision.title,
        dated=revision.dated,
        fields=tuple(Field(f.name, f.value, f.start, f.end) for f in revision.fields),
        marks=tuple(Mark(m.start, MarkKind(m.kind), m.label, m.level) for m in revision.marks),
        is_source=revision.is_source,
        parser=revision.parser,
        parser_version=revision.parser_version,
    )


def _copied(revision: Revision) -> tuple[Document, Sequence[Chunk]]:
    document = document_of(revision)
    chunks = [
        Chunk(p.start, p.end, revision.text[p.start : p.end], p.context, p.label, p.page) for p in revision.placements
    ]
    return document, chunks


def _target(knowledge_base: KnowledgeBase, path: Path) -> _Target:
    """The root that covers `path`, or a new one."""
    absolute = Path(os.path.abspath(path.expanduser()))
    if not absolute.exists():
        raise NoSuchPath(f"no file or folder at {absolute}; check the spelling")
    if relative_to(str(knowledge_base.path), str(absolute)) == ".":
        raise NoSuchPath(f"{absolute} is the knowledge base itself; name a folder with documents")
    is_folder = absolute.is_dir()
    covering = [
        (root, relative)
        for root in knowledge_base.roots()
        if root.is_whole and (relative := relative_to(str(absolute), root.path)) is not None
    ]
    if covering:
        root, relative = max(covering, key=lambda pair: len(pair[0].path))
        below = "" if relative == "." else relative
        return _Target(root, below, None) if is_folder else _Target(root, "", below)
    if is_folder:
        return _Target(knowledge_base.ensure_root(str(absolute), is_whole=True), "", None)
    root = knowledge_base.ensure_root(str(absolute.parent), is_whole=False)
    return _Target(root, "", absolute.name)


def _is_at(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _shown(path: Path) -> str:
    """An absolute path, the home folder as ~."""
    absolute = os.path.abspath(path.expanduser())
    home = os.path.expanduser("~")
    return "~" + absolute[len(home) :] if absolute.startswith(home + "/") else absolute
