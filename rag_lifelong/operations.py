"""What can happen to the knowledge base's files, as values: decided outside the lock, written by `changes`.

Rule: an operation says what it rests on, so that it can be left out where that no longer holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from ingest import Chunk, Document
from rag_lifelong.store.documents import Location


@dataclass(frozen=True, slots=True)
class Place:
    """A path below a root, with the file's size and time of last change as read.

    container: the file on disk that it is in; None: it stands there itself.
    """

    root_id: int
    path: str
    size_bytes: int
    mtime_ns: int
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """The file at `place` has this text now. digest: of its bytes. by_name: asked for by its path, so a hold ends."""

    place: Place
    digest: bytes
    file_changed_at: datetime
    document: Document
    chunks: Sequence[Chunk]
    chunker_version: int
    by_name: bool


@dataclass(frozen=True, slots=True)
class Move:
    """The document that stood at `path` below `root_id` now stands at `place`, with the same bytes."""

    document_id: int
    root_id: int
    path: str
    place: Place
    digest: bytes


@dataclass(frozen=True, slots=True)
class Carry:
    """What is known of a file that is no document (it could not be read, or was taken out) now holds at `place`.

    named: what a hold of it then goes by, as in Hold.
    """

    root_id: int
    path: str
    place: Place
    named: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The file is no longer on disk."""

    root_id: int
    path: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The file could not be read. What it held before stays until it can be read again or is gone.

    readers: which parsers and limits tried (`ingest.parsers.readers`).
    """

    place: Place
    digest: bytes | None
    reason: str
    readers: str


@dataclass(frozen=True, slots=True)
class Touch:
    """Size or time changed, the bytes did not; or the file can be read again. digest: of them, None: as known."""

    place: Place
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Hold:
    """The user took the path out, naming it or a folder above it (`named`, absolute); the file stays on disk."""

    root_id: int
    path: str
    named: str


@dataclass(frozen=True, slots=True)
class Restore:
    """The document stands where it did, with the text it had, at an earlier version; nowhere if it did not live."""

    document_id: int
    revision_id: int | None
    location: Location | None


@dataclass(frozen=True, slots=True)
class Decide:
    """The user says that document `new` supersedes document `old` ("confirmed"), or does not; None: says nothing."""

    old: int
    new: int
    decision: str | None
    evidence: str


Operation = Put | Move | Carry | Gone | Fail | Touch | Hold | Restore | Decide


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation did to a document. kind: added, changed, renewed, moved, removed, restored or failed.

    renewed: the same bytes and text, cut or labelled anew. root_id, path: where it stands now, or stood last.
    path_before: below the same or another root, if it moved.
    born, died, kept: passages.
    """

    kind: str
    root_id: int
    path: str
    document_id: int | None
    path_before: str | None
    born: int
    died: int
    kept: int
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did. version: its number, None if no document changed."""

    version: int | None
    outcomes: tuple[Outcome, ...]


_AS_WORDS_SINCE = 2
_RULE = re.compile(r"([!-/:-@\[-^{-~])\1\1+")  # no underscore: it stands in words


def string_digest(context: str, text: str, *, chunker_version: int) -> bytes:
    """The digest of the exact string embedded (`embedded_string`)."""
    string = embedded_string(context, text, chunker_version=chunker_version)
    return blake2b(string.encode(), digest_size=16).digest()


def embedded_string(context: str, text: str, *, chunker_version: int) -> str:
    """What the embedder is given for a passage: its context on a line of its own, then its text, both as words.

    chunker_version: of the chunker that cut the passage; the first one's texts were embedded as they stand.
    """
    if chunker_version >= _AS_WORDS_SINCE:
        context, text = as_words(context), as_words(text)
    return f"{context}\n{text}" if context else text


def as_words(text: str) -> str:
    """`text` on one line, without rules, backticks, asterisks and bars; unchanged if nothing else is in it.

    These are 17 % of the tokens of the PEPs. Texts that are equal so have the same search terms (`terms.terms`), so
    that one passage can stand for all of them; and white space tells BERT nothing: a paragraph filled anew has the
    vector it had.
    """
    plain = text.replace("`", " ").replace("*", " ").replace("|", " ")
    return " ".join(_RULE.sub(" ", plain).split()) or text
