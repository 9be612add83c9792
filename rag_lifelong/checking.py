"""What a model wrote and the passages it was shown → citations to the sentences that support it, and what nothing does.

Rule: a citation is the exact span that supports what cites it, not the passage around it; byte for byte in the
document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ingest.chunk import Places
from rag_lifelong.grounding import Judged, Source, judge
from rag_lifelong.kept_documents import document_of
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.types import Citation, Hit

MOST_ADDED = 3  # citations added to an answer that has none


@dataclass(frozen=True, slots=True)
class Checked:
    """A model's text, checked.

    citations: of its markers, in order. added: of passages that support it where it has no marker at all; their
    numbers follow. unsupported: sentences, as they stand in the text. claims: how many say something. uncited: how
    many of these have no marker. supporting: the passages that support one.
    """

    citations: tuple[Citation, ...]
    added: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    claims: int
    uncited: int
    supporting: tuple[Hit, ...]

    @property
    def supported_share(self) -> float:
        """Of the sentences that say something; 1.0 if none does."""
        return 1.0 if not self.claims else 1.0 - len(self.unsupported) / self.claims

    @property
    def is_groundless(self) -> bool:
        """It says something, and nothing of it is supported."""
        return bool(self.claims) and len(self.unsupported) == self.claims


def check(knowledge_base: KnowledgeBase, text: str, hits: Sequence[Hit], numbers: Sequence[int]) -> Checked:
    """hits: the passages shown. numbers: marker [n] of the text means the hit of the n-th of these, from 1."""
    cited = [hits[number - 1] for number in numbers]
    sources = [*cited, *(hit for i, hit in enumerate(hits, start=1) if i not in numbers)]
    found = judge(
        text,
        [Source(hit.text, _place(hit)) for hit in sources],
        statistics=knowledge_base,
        embed=knowledge_base.embedder.embed_query if knowledge_base.is_calibrated else None,
    )
    citing = [each for each in found if each.statement.cited]
    without = [each for each in found if not each.statement.cited]
    helping = [place.number for each in without for place in each.places if place.supports]
    added = () if cited else tuple(dict.fromkeys(helping))[:MOST_ADDED]
    supporting = [place.number for each in found for place in each.places if place.supports]
    return Checked(
        citations=tuple(_citation(knowledge_base, n, hit, _span(citing, n)) for n, hit in enumerate(cited, start=1)),
        added=tuple(
            _citation(knowledge_base, i, sources[n - 1], _span(without, n)) for i, n in enumerate(added, start=1)
        ),
        unsupported=tuple(text[s.start : s.end] for s in (each.statement for each in found if not each.is_supported)),
        claims=len(found),
        uncited=len(without),
        supporting=tuple(sources[n - 1] for n in dict.fromkeys(supporting)),
    )


def _place(hit: Hit) -> str:
    """What is known of a passage besides its text."""
    date = "" if hit.document_date is None else hit.document_date.isoformat()
    return "\n".join(part for part in (hit.title, hit.label, PurePath(hit.path).stem, date) if part)


def _span(found: Sequence[Judged], number: int) -> tuple[int, int] | None:
    """From the first to the last sentence of passage `number` that supports one of these, or comes nearest to it."""
    places = [place for each in found for place in each.places if place.number == number]
    chosen = [place for place in places if place.supports] or places
    return (min(p.start for p in chosen), max(p.end for p in chosen)) if chosen else None


def _citation(knowledge_base: KnowledgeBase, number: int, hit: Hit, span: tuple[int, int] | None) -> Citation:
    """span: characters of the hit's text; None: all of it."""
    first, last = (0, len(hit.text)) if span is None else span
    start, end = hit.start + first, hit.start + last
    revision = knowledge_base.revision_of(hit)
    places = Places(document_of(revision))
    return Citation(
        number=number,
        path=hit.path,
        label=places.label(start),
        line=revision.text.count("\n", 0, start) + 1 if revision.is_source else None,
        page=places.page(start),
        start=start,
        end=end,
        quote=revision.text[start:end],
        version=hit.version,
        document_date=hit.document_date,
        standing=hit.standing,
    )
