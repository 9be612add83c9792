"""Files that differ from what is known → operations on the knowledge base, in batches.

Rule: the whole comparison comes before any decision, so that a file moved is one document moved. One file that
cannot be read harms no other, and is recorded with its reason. What the user decided otherwise (holds) stays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from ingest import Chunk, Document, IngestError, Limits, MissingFile, TooLarge
from ingest.apart import ParserProcess, is_apart
from ingest.chunk import CHUNKER_VERSION, split
from ingest.limits import DEFAULT
from ingest.parsers import HOLDING, parser_for, readers, unsupported
from ingest.recognise import SIGNATURE_BYTES, has_signature
from ingest.scan import Difference, Found, Ignore, Unreadable, compare, look, scan
from rag_lifelong.coverage import rules_of, skipped
from rag_lifelong.embed import Embedder
from rag_lifelong.kept_documents import copied, made_by_older
from rag_lifelong.knowledge_base import Committed, KnowledgeBase
from rag_lifelong.members import File, Members
from rag_lifelong.operations import Carry, Fail, Gone, Move, Operation, Place, Put, Touch, as_words
from rag_lifelong.places import joined, relative_to
from rag_lifelong.preferences import is_preferences
from rag_lifelong.store.files import FileState, Held, Root

BATCH_FILES = 2_000  # a batch is committed after this many files, so that it fits in memory
MOST_GONE = 0.2  # of a folder's documents may go in one comparison without being asked for …
FEW_GONE = 2  # … or this many, however small the folder
_TRIES = 3  # for a file that is written while it is read


class Unsettled(IngestError):
    """The file was written while it was read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How files are read. chunk_tokens: of a full chunk, about. batch_s: of reading between two commits.

    note_folders: where preferences stand, absolute. limits: of reading one file.
    """

    max_file_bytes: int
    chunk_tokens: int
    batch_s: float
    note_folders: frozenset[str] = frozenset()
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True)
class Part:
    """What is compared in one go: a root, and a subfolder or one file of it.

    released: the paths below it whose holds end because the user named them, and what those are in.
    """

    root: Root
    below: str
    file: str | None
    released: frozenset[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit did, and after how many files of how many. unsettled: (root id, path) of files still written."""

    committed: Committed
    done: int
    total: int
    seconds: float
    unsettled: tuple[tuple[int, str], ...]


Counted = Callable[[int, int, int], None]
"""Told (files done, files in all, passages cut) after each file, and after each in a file."""

MayRetire = Callable[[Root, Sequence[str], int], bool]
"""Asked with (root, documents lost, documents in what was compared) where many are lost from the disk, or all."""


Later = Callable[[Root, Found], None]
"""Takes a file to be read aside."""


class Reader:
    """Reads the files that differ, and commits them; close it when done."""

    def __init__(self, knowledge_base: KnowledgeBase, settings: Settings) -> None:
        self.knowledge_base = knowledge_base
        self.settings = settings
        self._parser = ParserProcess(settings.limits)
        self._cut_more = _unheard

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process that parses."""
        self._parser.close()

    def cancel(self) -> None:
        """Gives up the file that another thread reads with it: that raises ingest.apart.Cancelled."""
        self._parser.cancel()

    def operations(self, root: Root, found: Found) -> tuple[Operation, ...]:
        """What one file and those in it come to, on its own; none: nothing. Raises Unsettled if it is being written."""
        part = Part(root, "", None, frozenset())
        state = self.knowledge_base.folders.file_states_of(root, [found.path]).get(found.path)
        holds = self.knowledge_base.folders.holds(root)
        return tuple(self._read(part, found, state=state, holds=holds, origins={}, later=None))

    def difference(self, part: Part, *, renews: bool) -> Difference:
        """How the disk differs from what is known. Raises MissingFile if the folder cannot be listed.

        renews: documents that an older parser or chunker made differ too.
        """
        root = part.root
        rules = rules_of(root)
        # what is known before what is there: a file that another process reads in meanwhile has not vanished
        if part.file is not None:
            states = _on_disk(self.knowledge_base.folders.file_states_of(root, [part.file]))
            seen = look(Path(root.path), part.file, rules=rules)
            found: list[Found | Unreadable] = [] if seen is None else [seen]
        else:
            states = _on_disk(self.knowledge_base.folders.file_states(root))
            skip = skipped(self.knowledge_base, root)
            found = list(scan(Path(root.path), below=part.below, skip=skip, rules=rules))
        outdated: frozenset[str] = frozenset()
        if renews and part.file is None:
            outdated = self.outdated(root)
        elif renews:
            outdated = frozenset(path for path, state in states.items() if self._is_outdated(root, state))
        known = {
            path: (-1, -1) if _wants_another_try(state) or path in outdated else (state.size_bytes, state.mtime_ns)
            for path, state in states.items()
        }
        for path in part.released:
            known.pop(path, None)
        held = self.knowledge_base.folders.holds(root).keys() - part.released
        difference = compare(known, found, below=part.file or part.below)
        vanished = tuple(path for path in difference.vanished if path not in held)
        return replace(difference, vanished=vanished)

    def outdated(self, root: Root) -> frozenset[str]:
        """The files on disk of which, or of one in which, an older parser or chunker made the document, or failed."""
        folders = self.knowledge_base.folders
        within = folders.containers(root)
        failed = (state for state in folders.failures() if state.root_id == root.id)
        paths = self.knowledge_base.outdated(root, made_by_older) | {s.path for s in failed if self._may_be_read(s)}
        return frozenset(within.get(path, path) for path in paths)

    def _is_outdated(self, root: Root, state: FileState) -> bool:
        """So of one file."""
        for one in (state, *self.knowledge_base.folders.members(root, state.path)):
            made = None if one.document_id is None else self.knowledge_base.made_of(one.document_id)
            if self._may_be_read(one) or (made is not None and made_by_older(*made[1])):
                return True
        return False

    def _may_be_read(self, state: FileState) -> bool:
        """It could not be, by the parsers or limits of then."""
        return state.failure is not None and state.digest is not None and state.failed_by != self.readers

    @cached_property
    def readers(self) -> str:
        """What can be read now (`ingest.parsers.readers`)."""
        return readers(self.settings.limits)

    def bring(
        self,
        differences: Sequence[tuple[Part, Difference]],
        *,
        cause: str,
        source: str,
        counted: Counted,
        may_retire: MayRetire,
        later: Later | None = None,
    ) -> Iterator[Batch]:
        """Commits the differences of several roots, in batches; what vanished comes last, after all moves are known.

        may_retire: asked where many documents would go; False leaves them. later: takes the files whose parser may take
        long, where they are no move and no copy; None: they are read here.
        A KeyboardInterrupt commits what was read and goes on its way. The cost is that of the differences.
        """
        roots = {part.root.id: part.root for part, _ in differences}
        known = {part.root.id: self._known(part.root, difference) for part, difference in differences}
        holds = {part.root.id: self.knowledge_base.folders.holds(part.root) for part, _ in differences}
        left = {
            (part.root.id, path): known[part.root.id][path]
            for part, difference in differences
            for path in difference.vanished
            if path in known[part.root.id]
        }
        origins = {
            s.digest: s
            for (root_id, path), s in left.items()
            if s.digest is not None and s.document_id is not None and not self._is_preferences(roots[root_id], path)
        }
        todo = [(part, found) for part, difference in differences for found in (*difference.new, *difference.changed)]
        operations: list[Operation] = []
        unsettled: list[tuple[int, str]] = []
        settled: set[tuple[int, str]] = set()  # where a document stays, perhaps in another file
        done = 0
        began = started = time.monotonic()
        passages = 0
        counted(0, len(todo), passages)

        def cut_more(count: int) -> None:
            nonlocal passages
            passages += count
            counted(done - 1, len(todo), passages)

        def commit() -> Batch:
            committed = Committed(None, ())
            if operations:
                committed = self.knowledge_base.commit(operations, cause=cause, source=source)
            return Batch(committed, done, len(todo), time.monotonic() - began, tuple(unsettled))

        self._cut_more = cut_more
        try:
            for done, (part, found) in enumerate(todo, start=1):
                try:
                    state = known[part.root.id].get(found.path)
                    read = self._read(part, found, state=state, holds=holds[part.root.id], origins=origins, later=later)
                except Unsettled:
                    unsettled.append((part.root.id, found.path))
                    read = []
                for operation in read:
                    if isinstance(operation, Move):
                        left.pop((operation.root_id, operation.path), None)
                    if isinstance(operation, Move | Carry):
                        place = (operation.place.root_id, operation.place.path)
                        if left.pop(place, None) is not None:  # a folder stood where the archive stands now
                            operations.append(Gone(*place))
                    if isinstance(operation, Put | Touch):
                        settled.add((operation.place.root_id, operation.place.path))
                operations.extend(read)
                counted(done, len(todo), passages)
                is_long = time.monotonic() - started > self.settings.batch_s and not _may_be_moves(operations)
                if is_long or len(operations) >= BATCH_FILES:
                    yield commit()
                    operations, started = [], time.monotonic()
        except KeyboardInterrupt:
            if operations:
                commit()
            raise
        operations.extend(self._departures(differences, left, settled, may_retire))
        yield commit()

    def _departures(
        self,
        differences: Sequence[tuple[Part, Difference]],
        left: Mapping[tuple[int, str], FileState],
        settled: AbstractSet[tuple[int, str]],
        may_retire: MayRetire,
    ) -> Iterator[Gone]:
        """What went, and what was in it. settled: where a document stays, in a file or on disk."""
        for part, _ in differences:
            root = part.root
            going = sorted(path for root_id, path in left.keys() - settled if root_id == root.id)
            # what is there and no longer wanted was never lost: an ignore rule that changed
            lost = {path for path in going if look(Path(root.path), path, rules=rules_of(root)) is None}
            documents = [path for path in going if path in lost and left[root.id, path].document_id is not None]
            folders = self.knowledge_base.folders
            standing = folders.count_documents(root, part.file or part.below, on_disk=True) if documents else 0
            is_much = len(documents) > FEW_GONE and len(documents) > MOST_GONE * standing
            is_all = part.file is None and 0 < len(documents) == standing
            is_believed = not (is_much or is_all) or may_retire(root, documents, standing)
            for path in going:
                if is_believed or path not in lost:
                    yield Gone(root.id, path)
                    for member in folders.members(root, path):
                        if (root.id, member.path) not in settled:
                            yield Gone(root.id, member.path)

    def _known(self, root: Root, difference: Difference) -> dict[str, FileState]:
        """path → state of the paths that differ."""
        paths = [*(f.path for f in difference.new), *(f.path for f in difference.changed), *difference.vanished]
        return self.knowledge_base.folders.file_states_of(root, paths)

    def _read(
        self,
        part: Part,
        found: Found,
        *,
        state: FileState | None,
        holds: Mapping[str, Held],
        origins: dict[bytes, FileState],
        later: Later | None,
    ) -> list[Operation]:
        """What a file on disk comes to, and then those in it."""
        root = part.root
        place = Place(root.id, found.path, found.size_bytes, found.mtime_ns)
        held = holds.get(found.path)
        digest: bytes | None = None
        by_name = found.path in part.released
        try:
            name = found.path.rsplit("/", 1)[-1]
            if parser_for(name) is None and not self._is_recognised(Path(root.path) / found.path, name):
                raise unsupported(name)
            data = self._bytes(Path(root.path) / found.path, found.size_bytes)
            digest = blake2b(data, digest_size=16).digest()
            if held is not None and not by_name and held.digest == digest:
                return [Touch(place, None)]
            if not by_name and held is None and self._is_same(root, state, digest):
                return [Touch(place, digest)]
            is_preference = self._is_preferences(root, found.path)
            origin = None if is_preference else origins.get(digest)
            if origin is not None and origin.document_id is not None and (state is None or state.document_id is None):
                del origins[digest]
                return [*self._moved(origin, place, digest)]
            copied = self.copied(digest, name)
            if copied is None and later is not None and is_apart(name, data):
                later(root, found)
                return []
            document, chunks = copied or self.parsed(data, name)
            if is_preference:
                chunks = ()  # no evidence: never found, never quoted
        except Unsettled:
            raise
        except IngestError as error:
            return [Fail(place, digest, str(error), self.readers)]
        changed_at = datetime.fromtimestamp(found.mtime_ns / 1e9, UTC)
        put = Put(place, digest, changed_at, document, chunks, CHUNKER_VERSION, by_name)
        within = self.knowledge_base.folders.members(root, found.path)
        if not document.members and not within:
            return [put]
        file = File(place, changed_at, within, holds, part.released)
        ignore = Ignore(Path(root.path), rules_of(root))
        members = Members(self, file, ignore=ignore, limits=self.settings.limits)
        return [put, *members.operations(document)]

    def _is_recognised(self, path: Path, name: str) -> bool:
        """A file without an ending that begins like one of a known format."""
        if "." in name.strip("."):
            return False
        try:
            with path.open("rb") as file:
                return has_signature(file.read(SIGNATURE_BYTES))
        except OSError:
            return False

    def _moved(self, origin: FileState, place: Place, digest: bytes) -> Iterator[Operation]:
        """A document, and those in its file, at another path."""
        assert origin.document_id is not None
        yield Move(origin.document_id, origin.root_id, origin.path, place, digest)
        roots = {root.id: root for root in self.knowledge_base.folders.roots()}
        root, new_root = roots[origin.root_id], roots[place.root_id]
        holds = self.knowledge_base.folders.holds(root)
        for member in self.knowledge_base.folders.members(root, origin.path):
            path = place.path + member.path.removeprefix(origin.path)
            there = Place(place.root_id, path, member.size_bytes, place.mtime_ns, place.path)
            if member.document_id is not None and member.digest is not None:
                yield Move(member.document_id, member.root_id, member.path, there, member.digest)
            else:
                held = holds.get(member.path)
                inner = None if held is None else relative_to(held.named, joined(root.path, origin.path))
                new = joined(new_root.path, place.path)
                yield Carry(member.root_id, member.path, there, new if inner is None else joined(new, inner))

    def _bytes(self, path: Path, size_bytes: int) -> bytes:
        limit = self.settings.max_file_bytes
        if size_bytes > limit:
            raise TooLarge(
                f"{size_bytes / 1e6:.0f} MB, the limit is {limit / 1e6:.0f} MB: raise max_file_mb in lifelong.toml"
            )
        try:
            for _ in range(_TRIES):
                with path.open("rb") as file:
                    before = os.fstat(file.fileno())
                    data = file.read(limit + 1)
                    after = os.fstat(file.fileno())
                there = os.stat(path)
                if _mark(before) == _mark(after) == _mark(there):
                    break
            else:
                raise Unsettled("still being written")
        except OSError as error:
            if "\ufffd" in str(path):
                raise MissingFile("its name is not valid UTF-8: rename it") from error
            raise MissingFile(f"{(error.strerror or str(error)).lower()}: check its permissions") from error
        if len(data) > limit:
            raise TooLarge(f"over the limit of {limit / 1e6:.0f} MB: raise max_file_mb in lifelong.toml")
        return data

    def copied(self, digest: bytes, name: str) -> tuple[Document, Sequence[Chunk]] | None:
        """From a document with the same bytes, if there is one, and no files are in it."""
        parser = parser_for(name)
        twin = None if parser in HOLDING else self.knowledge_base.copy_of(digest, parser)
        if twin is None or made_by_older(twin.parser, twin.parser_version, twin.chunker_version):
            return None
        if not twin.placements:  # preferences, which elsewhere are a document
            return None
        document, chunks = copied(twin)
        self._cut_more(len(chunks))
        return document, chunks

    def parsed(self, data: bytes, name: str) -> tuple[Document, Sequence[Chunk]]:
        """Raises IngestError."""
        document = self._parser.parse(data, name=name)
        chunks = cut(document, self.knowledge_base.embedder, chunk_tokens=self.settings.chunk_tokens)
        self._cut_more(len(chunks))
        return document, chunks

    def _is_preferences(self, root: Root, path: str) -> bool:
        """The file at a path below a root holds preferences."""
        return is_preferences(joined(root.path, path), self.settings.note_folders)

    def _is_same(self, root: Root, state: FileState | None, digest: bytes) -> bool:
        """The file's living text was made of these bytes, and all in it, by the parsers and chunker of now."""
        if state is None or state.container is not None:  # one of an archive that a folder stands for now
            return False
        return self.is_made_of(state, digest) and not self._is_outdated(root, state)

    def is_made_of(self, state: FileState, digest: bytes) -> bool:
        """The document's living text was made of these bytes, by the parser and chunker of now."""
        if state.document_id is None:
            return False
        made = self.knowledge_base.made_of(state.document_id)
        return made is not None and made[0] == digest and not made_by_older(*made[1])


def _unheard(count: int) -> None:
    """Nobody is told how many passages were cut."""


def cut(document: Document, embedder: Embedder, *, chunk_tokens: int) -> list[Chunk]:
    """The chunks of a document, measured by what the embedder is given of them."""
    return split(document, count_tokens=lambda text: embedder.count_tokens(as_words(text)), target_tokens=chunk_tokens)


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _may_be_moves(operations: Sequence[Operation]) -> bool:
    """A row of moves is cheap to write, and one move of a folder is one version."""
    return bool(operations) and all(isinstance(operation, Move | Touch) for operation in operations)


def _on_disk(states: Mapping[str, FileState]) -> dict[str, FileState]:
    """Those that are in no other file."""
    return {path: state for path, state in states.items() if state.container is None}


def _wants_another_try(state: FileState) -> bool:
    """What could not even be opened is tried again at each comparison; else only when the file changes, or we do."""
    return state.failure is not None and state.digest is None
