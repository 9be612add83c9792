"""What `quote` takes and gives: evidence, quotations, and how common terms are.

Rule: values only; a span is exact characters of a document's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rag_lifelong.span_reader import Reading
from rag_lifelong.types import HeaderField, Hit


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage retrieved and the header of its document.

    fields: with spans in the document's text. header: the text up to the end of its last field, "" if none.
    """

    hit: Hit
    fields: tuple[HeaderField, ...]
    header: str


def without_cosine(evidence: Evidence) -> Evidence:
    """As if the passage had no vector yet."""
    hit = evidence.hit
    return replace(evidence, hit=replace(hit, scores=replace(hit.scores, dense=None)))


@dataclass(frozen=True, slots=True)
class QuotedSpan:
    """Characters [start, end) of the text of `evidence[evidence_index]`'s document."""

    evidence_index: int
    start: int
    end: int
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Quotation:
    """An answer; marker [n] in `text` points to `spans[n - 1]`.

    short: the fewest words that answer, None where they are not known.
    """

    text: str
    spans: tuple[QuotedSpan, ...]
    short: str | None = None


class TermStatistics(Protocol):
    """How common a term is."""

    def passages(self) -> int:
        """How many passages there are."""

    def passages_with(self, term: str) -> int:
        """In how many of them a term of `terms.terms` stands."""


class Reader(Protocol):
    """Finds the words of passages that answer a question."""

    def reads(self, question: str) -> bool:
        """Whether the question is in a language that it was taught."""

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[tuple[Reading, ...]]:
        """passages: (title, text) each; of each the best spans, the surest first."""
