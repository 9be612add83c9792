"""What flows out of `rag_lifelong`: versions, hits, citations, answers.

Rule: frozen values only. `score` is bigger-is-better everywhere. Offsets count characters of
the document's text as stored. Times are UTC-aware.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Json = dict[str, object]
"""What `json.dumps` takes, and `--json` prints: the keys of the public contract."""

Vector = NDArray[np.float32]
"""One embedding, shape (dim,), float32, unit length."""

Vectors = NDArray[np.float32]
"""Embeddings, shape (n, dim), float32, each of unit length."""


@dataclass(frozen=True, slots=True)
class Version:
    """The knowledge base after its n-th change: its number, when, why, and how much changed.

    source: "command", asked for by a person, or "watch", seen on disk. undoes: the version it took back, or None.
    """

    number: int
    at: datetime
    cause: str
    source: str
    undoes: int | None
    added: int
    changed: int
    moved: int
    removed: int
    passages_born: int
    passages_died: int


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One entry of a document's header, as `ingest.Field`, read back from the store."""

    name: str
    value: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Scores:
    """How a hit was found; None where that way did not find it.

    fused: what hits are ordered by. dense: cosine of question and passage. words: BM25. led_by: the name in a better
    passage that stands in the title of this one's document, as search terms, if that is what raised it.
    """

    fused: float
    dense: float | None
    words: float | None
    led_by: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a document still holds, at the time asked about.

    stale_since: the day its time to live was over, None: it is not, or has none. superseded_by: absolute path of the
    document that takes its place, as the user confirmed. retired: what its own header says ("Status: Withdrawn").
    """

    stale_since: date | None = None
    superseded_by: str | None = None
    retired: str | None = None

    @property
    def holds(self) -> bool:
        """Nothing speaks against it."""
        return self.stale_since is None and self.superseded_by is None and self.retired is None

    def to_json(self) -> Json:
        """The keys that every entry of `--json` has that can hold no longer."""
        return {
            "stale_since": _day(self.stale_since),
            "superseded_by": self.superseded_by,
            "retired": self.retired,
        }


HOLDS = Standing()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found: `text` is characters [start, end) of the document's text at `version`.

    It goes on to the end of a header entry that was asked for and begins in it.

    path: absolute, as the file was known at `version`. title: the document's own, or "".
    line: 1-based line of `start` in the file, or None where the text is not the file's own.
    page: page, slide or cell number, where the format has such.
    document_date: the date the document itself bears, else its file's date.
    """

    passage_id: int
    document_id: int
    revision_id: int
    path: str
    title: str
    label: str
    line: int | None
    page: int | None
    text: str
    start: int
    end: int
    score: float
    scores: Scores
    version: int
    document_date: date | None
    standing: Standing = HOLDS


@dataclass(frozen=True, slots=True)
class Citation:
    """Marker `number` in an answer's text → file, place, and the exact span quoted.

    `quote` is characters [start, end) of the document's text at `version`.
    """

    number: int
    path: str
    label: str
    line: int | None
    page: int | None
    start: int
    end: int
    quote: str
    version: int
    document_date: date | None
    standing: Standing = HOLDS

    def to_json(self) -> Json:
        """One of the JSON of `ask`. Offsets count characters of the document's text as stored."""
        return {
            "number": self.number,
            "path": self.path,
            "label": self.label,
            "line": self.line,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "version": self.version,
            "document_date": _day(self.document_date),
            **self.standing.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Lag:
    """What is known to have changed and cannot be found yet.

    files: changed on disk as last seen, not committed. passages: committed, without a vector, or one that is not in the
    index yet (they are found by words). checked_at: when the folders were last compared, None if never.
    """

    files: int
    passages: int
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Takeover:
    """Another embedder takes over. done, waiting: strings with and without its vector."""

    before: str
    after: str
    done: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer rests on.

    newest_evidence: date of the newest document that supports it. stale: one it rests on is past its time to live.
    superseded: one it rests on is superseded, or retired by its own header; the citations say which. supported_share:
    the share of the answer's sentences that their passages support, 1.0 for quotations, 0.0 for a refusal.
    pruned: documents that lived at the version asked about, whose text of then is gone.
    unwatched: folders are followed, and nobody watches one of them now.
    uncalibrated: the embedder, if what its cosines tell was not measured; then more is refused.
    stale_seen, superseded_seen: documents found for the question, on which the answer does not rest, that hold no
    longer. uncited: sentences without a marker. dropped_markers: those that pointed to no passage.
    """

    newest_evidence: date | None
    stale: bool
    superseded: bool
    lag: Lag
    supported_share: float
    pruned: int
    unwatched: bool
    uncalibrated: str | None
    stale_seen: int = 0
    superseded_seen: int = 0
    uncited: int = 0
    dropped_markers: int = 0

    def to_json(self) -> Json:
        """Of the JSON of `ask`."""
        checked = self.lag.checked_at
        return {
            "newest_evidence": _day(self.newest_evidence),
            "stale": self.stale,
            "superseded": self.superseded,
            "lag_files": self.lag.files,
            "lag_passages": self.lag.passages,
            "checked_at": None if checked is None else checked.isoformat(),
            "supported_share": self.supported_share,
            "pruned": self.pruned,
            "unwatched": self.unwatched,
            "uncalibrated": self.uncalibrated,
            "stale_seen": self.stale_seen,
            "superseded_seen": self.superseded_seen,
            "uncited": self.uncited,
            "dropped_markers": self.dropped_markers,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Text with numbered markers "[1]", its citations, and its verdict.

    refused: the sources do not hold the answer; `text` says so and `nearest` shows what is close.
    as_of: the version asked about, None for the present. adapter: its name, None for the base.
    cut: why the text ends early, None if it is whole.
    asked_as: the question as the sources were asked, standing alone; None if it was asked as it is.
    short: the fewest words that answer, where they are quoted and known.
    unsupported: the sentences of a model that the passages they cite do not support, as they stand in `text`.
    """

    question: str
    text: str
    refused: bool
    citations: tuple[Citation, ...]
    nearest: tuple[Hit, ...]
    verdict: Verdict
    version: int
    as_of: int | None
    model: str
    adapter: str | None
    cut: str | None = None
    asked_as: str | None = None
    short: str | None = None
    unsupported: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The JSON of `ask`, as `--json` prints it."""
        return {
            "question": self.question,
            "text": self.text,
            "refused": self.refused,
            "citations": [citation.to_json() for citation in self.citations],
            "unsupported": list(self.unsupported),
            "verdict": self.verdict.to_json(),
            "version": self.version,
            "as_of": self.as_of,
            "model": self.model,
            "adapter": self.adapter,
            "cut": self.cut,
            "asked_as": self.asked_as,
            "short": self.short,
        }


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which part of the knowledge base a question was asked of, as it can be asked of it again.

    as_of: a version, or a moment; None for the present. within, dated: as in `Assistant.search`. k: how many passages,
    None for as many as usual.
    """

    as_of: int | datetime | None = None
    within: tuple[str, ...] = ()
    dated: tuple[date | None, date | None] | None = None
    k: int | None = None


@dataclass(frozen=True, slots=True)
class Rating:
    """What the user said of an answer. note: "" if nothing more."""

    is_good: bool
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, as remembered in a conversation.

    number: 1, 2, … within it. question: as typed. asked_as: standing alone, as the sources were asked; equal to
    `question` if nothing was carried over. removed_at: when the answer went, with the source that it was from; then
    `answer` says only so.
    """

    number: int
    question: str
    asked_as: str
    answer: Answer
    at: datetime
    rating: Rating | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """A conversation as listed. title: its first question. last: when its last question was asked."""

    id: int
    title: str
    begun: datetime
    last: datetime
    turns: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as listed: where it stands, and how much of it can be found.

    dated: the date it bears itself; document_date: that, else its file's. version: since when it has this text.
    """

    document_id: int
    path: str
    title: str
    dated: date | None
    document_date: date
    version: int
    passages: int
    without_vectors: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not become a document, why, and since when."""

    path: str
    reason: str
    at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `check`: what was looked at, whether it is well, and the command that mends it."""

    subject: str
    is_well: bool
    message: str
    remedy: str


class AdapterState(Enum):
    """Where an adapter is in its life; only an active one is used."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an adapter was made from. digest: of the string embedded, 16 bytes, as the passage's."""

    passage_id: int
    document_id: int
    revision_id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class AdapterEvent:
    """What became of an adapter, when, and why. version: the knowledge base's newest then."""

    at: datetime
    version: int
    state: AdapterState
    reason: str

    def to_json(self) -> Json:
        """One entry of the JSON of an adapter."""
        return {
            "at": self.at.isoformat(),
            "version": self.version,
            "state": self.state.value,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Adapter:
    """Small weights beside a frozen model, and what they were made from.

    namespace: where its sources were chosen from. model, base_digest: what it is for. reason: why it is in its state,
    since `changed_at`. version: the knowledge base's when its sources were taken. passed: it met all its gates once.
    settings, report: JSON, of how it was made and how it was judged; report is None until then. size_bytes: of its
    weights, 0 while there are none.
    """

    id: int
    namespace: str
    model: str
    base_digest: str
    state: AdapterState
    reason: str
    made_at: datetime
    changed_at: datetime
    version: int
    passed: bool
    settings: str
    report: str | None
    sources: tuple[Source, ...]
    size_bytes: int

    @property
    def name(self) -> str:
        """What answers call it."""
        return f"adapter {self.id}"

    def to_json(self) -> Json:
        """One entry of the JSON of `adapters`."""
        return {
            "id": self.id,
            "namespace": self.namespace,
            "model": self.model,
            "base_digest": self.base_digest,
            "state": self.state.value,
            "reason": self.reason,
            "made_at": self.made_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
            "version": self.version,
            "passed": self.passed,
            "settings": json.loads(self.settings),
            "report": None if self.report is None else json.loads(self.report),
            "sources": [
                {
                    "passage_id": source.passage_id,
                    "document_id": source.document_id,
                    "revision_id": source.revision_id,
                    "digest": source.digest.hex(),
                }
                for source in self.sources
            ],
            "size_bytes": self.size_bytes,
        }


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
