"""The files in a file (of an archive, a mailbox, a mail) → operations; each becomes a document of its own.

Rule: a member stands at the path of its file, "/" and its name. A file is read whole: what of it is known and no longer
in it is gone, what is in it as before is not read again, and what only has another name has moved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from hashlib import blake2b
from typing import Protocol

from ingest import Chunk, Document, IngestError, Limits, Member, TooLarge
from ingest.chunk import CHUNKER_VERSION
from ingest.parsers import HOLDING, parser_for, unsupported
from ingest.recognise import has_signature
from ingest.scan import Ignore
from rag_lifelong.operations import Fail, Gone, Move, Operation, Place, Put
from rag_lifelong.store.files import FileState, Held

_NOON = time(12)  # of Greenwich: the same day nearly everywhere
_FIRST_YEAR = 1970  # before it, a clock that was never set


class MemberReader(Protocol):
    """Reads one file's bytes, and knows what was read before."""

    @property
    def readers(self) -> str:
        """What can be read now."""

    def is_made_of(self, state: FileState, digest: bytes) -> bool:
        """The document's living text was made of these bytes, by the parser and chunker of now."""

    def copied(self, digest: bytes, name: str) -> tuple[Document, Sequence[Chunk]] | None:
        """From a document with the same bytes, if there is one, and no files are in it."""

    def parsed(self, data: bytes, name: str) -> tuple[Document, Sequence[Chunk]]:
        """Raises IngestError."""


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk that holds others. place, changed_at: its own. known: what was in it when it was last read.

    holds: below its root. released: paths whose holds end, since the user named them.
    """

    place: Place
    changed_at: datetime
    known: Sequence[FileState]
    holds: Mapping[str, Held]
    released: frozenset[str]


@dataclass(frozen=True, slots=True)
class _New:
    """A member that is not as it was. read: what its parser made of it, where that had to be known at once."""

    place: Place
    name: str
    changed_at: datetime
    member: Member
    digest: bytes
    read: tuple[Document, Sequence[Chunk]] | None


class Members:
    """Reads what is in one file."""

    def __init__(self, reader: MemberReader, file: File, *, ignore: Ignore, limits: Limits) -> None:
        self._reader = reader
        self._file = file
        self._ignore = ignore
        self._limits = limits
        self._known = {state.path: state for state in file.known}
        self._paths = sorted(self._known)
        self._seen: set[str] = set()
        self._members_left = limits.max_members
        self._bytes_left = limits.max_unpacked_bytes

    def operations(self, document: Document) -> Iterator[Operation]:
        """What the members of the file's document, and the files in those, come to; last those that are gone."""
        new: list[_New] = []
        for found in self._walk(document, self._file.place.path, self._file.changed_at, 1):
            if isinstance(found, _New):
                new.append(found)
            else:
                yield found
        gone = {path: state for path, state in self._known.items() if path not in self._seen}
        origins = {state.digest: state for state in gone.values() if state.digest and state.document_id is not None}
        for one in new:
            state = self._known.get(one.place.path)
            origin = origins.pop(one.digest, None) if state is None or state.document_id is None else None
            if origin is not None and origin.document_id is not None:
                del gone[origin.path]
                yield Move(origin.document_id, origin.root_id, origin.path, one.place, one.digest)
            else:
                yield self._put(one)
        yield from (Gone(state.root_id, path) for path, state in gone.items())

    def _walk(self, document: Document, above: str, changed_at: datetime, depth: int) -> Iterator[Operation | _New]:
        """The members of one file, each followed by those in it. An attachment is no younger than its mail."""
        if document.dated is not None and document.dated.year >= _FIRST_YEAR:
            changed_at = min(changed_at, datetime.combine(document.dated, _NOON, UTC))
        for member in document.members:
            path = f"{above}/{member.name}"
            if self._ignore.rule_for(path) is not None:
                continue
            self._seen.add(path)
            place = replace(self._file.place, path=path, size_bytes=len(member.data), container=self._file.place.path)
            digest = blake2b(member.data, digest_size=16).digest()
            is_holding = parser_for(member.name) in HOLDING or has_signature(member.data)
            try:
                self._count(member)
                within = self._known_within(path) if is_holding else ()
                if self._is_as_known(path, digest, within):
                    self._seen.update(known.path for known in within)
                    continue
                name = member.name.rsplit("/", 1)[-1]
                if parser_for(name) is None and not has_signature(member.data):
                    raise unsupported(name)
                read = self._reader.parsed(member.data, name) if is_holding else None
                if read and read[0].members and depth >= self._limits.max_nesting:
                    raise TooLarge(
                        f"files within files more than {self._limits.max_nesting} deep: unpack it, "
                        "or raise max_nesting in lifelong.toml"
                    )
            except IngestError as error:
                yield Fail(place, digest, str(error), self._reader.readers)
                continue
            yield _New(place, name, changed_at, replace(member, data=b"") if read else member, digest, read)
            if read:
                yield from self._walk(read[0], path, changed_at, depth + 1)

    def _count(self, member: Member) -> None:
        """Raises TooLarge where all in the file, and in the files in it, is too much."""
        self._members_left -= 1
        self._bytes_left -= len(member.data)
        if self._members_left < 0:
            raise TooLarge(
                f"more than {self._limits.max_members:,} files within one: unpack it, "
                "or raise max_members in lifelong.toml"
            )
        if self._bytes_left < 0:
            limit = self._limits.max_unpacked_bytes / 1e6
            raise TooLarge(
                f"the files within one take more than {limit:.0f} MB: unpack it, "
                "or raise max_unpacked_mb in lifelong.toml"
            )

    def _known_within(self, path: str) -> Sequence[FileState]:
        """What is known in the member at `path`: one run of all the paths, since "0" comes after "/"."""
        run = slice(bisect_left(self._paths, f"{path}/"), bisect_left(self._paths, f"{path}0"))
        return [self._known[known] for known in self._paths[run]]

    def _is_as_known(self, path: str, digest: bytes, within: Sequence[FileState]) -> bool:
        """Nothing is to be read: the user took out these bytes, or they are read already, and all within them."""
        held, state = self._file.holds.get(path), self._known.get(path)
        if path in self._file.released:
            return False
        if held is not None:
            return held.digest == digest
        if state is None or state.digest != digest:
            return False
        return all(self._is_current(known) for known in (state, *within))

    def _is_current(self, state: FileState) -> bool:
        """What was read of a file, or could not be, would be so today."""
        if state.failure is not None:
            return state.failed_by == self._reader.readers
        return state.document_id is None or state.digest is None or self._reader.is_made_of(state, state.digest)

    def _put(self, new: _New) -> Operation:
        try:
            read = (
                new.read or self._reader.copied(new.digest, new.name) or self._reader.parsed(new.member.data, new.name)
            )
        except IngestError as error:
            return Fail(new.place, new.digest, str(error), self._reader.readers)
        document, chunks = read
        by_name = new.place.path in self._file.released
        return Put(new.place, new.digest, new.changed_at, document, chunks, CHUNKER_VERSION, by_name)
