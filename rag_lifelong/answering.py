"""A question and the passages found → an answer with citations and a verdict, piece by piece.

Rule: a language model, if there is one, is asked only where the sources support an answer. A marker that points nowhere
is dropped. The verdict says what the answer rests on.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from ingest.chunk import Places
from rag_lifelong import status
from rag_lifelong.generate import LanguageModel
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.prompt import build_messages, kept_markers
from rag_lifelong.quote import Evidence, Quotation, quote
from rag_lifelong.reading import document_of
from rag_lifelong.types import Answer, Citation, Hit, Verdict

REFUSAL = "Your sources do not say."
NEAREST = 3  # passages shown with a refusal
ANSWER_TOKENS = 512  # a language model may write this many


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the passages found for it, best first.

    version: the one they are from. as_of: the same if it was asked for, None for the present.
    """

    question: str
    hits: tuple[Hit, ...]
    version: int
    as_of: int | None


def name_of(model: LanguageModel | None) -> str:
    """Who words the answers; "quote" without a model."""
    return "quote" if model is None else model.name


def answer(knowledge_base: KnowledgeBase, asked: Asked, *, model: LanguageModel | None) -> Generator[str, None, Answer]:
    """Yields the text as it comes; gives the whole. model: None quotes."""
    evidence = [evidence_of(knowledge_base, hit) for hit in asked.hits]
    quotation = _quotation(knowledge_base, asked.question, evidence)
    if quotation is None:
        yield REFUSAL
        return _answer(knowledge_base, asked, REFUSAL, (), model, is_refused=True)
    if model is None:
        yield quotation.text
        return _answer(knowledge_base, asked, quotation.text, _quoted(knowledge_base, quotation, evidence), model)
    messages = build_messages(asked.question, asked.hits, model=model, answer_tokens=ANSWER_TOKENS)
    pieces: list[str] = []
    for piece in model.stream(messages, max_tokens=ANSWER_TOKENS):
        pieces.append(piece)
        yield piece
    shown = sum(message.content.count("<passage number=") for message in messages)  # a fence holds no other
    text, numbers = kept_markers("".join(pieces).strip(), shown)
    is_refused = not text or text.startswith(REFUSAL.rstrip("."))
    cited = () if is_refused else tuple(_whole(i, asked.hits[n - 1]) for i, n in enumerate(numbers, start=1))
    return _answer(knowledge_base, asked, text or REFUSAL, cited, model, is_refused=is_refused)


def _quotation(knowledge_base: KnowledgeBase, question: str, evidence: Sequence[Evidence]) -> Quotation | None:
    """From what holds, if it is enough; a text whose successor is at hand too speaks only where that does not."""
    found = {e.hit.path for e in evidence}
    holds = [
        i
        for i, e in enumerate(evidence)
        if e.hit.standing.superseded_by not in found or PurePath(e.hit.path).name.lower() in question.lower()
    ]
    if len(holds) < len(evidence):
        first = _quote(knowledge_base, question, [evidence[i] for i in holds])
        if first is not None:
            spans = tuple(replace(span, evidence_index=holds[span.evidence_index]) for span in first.spans)
            return replace(first, spans=spans)
    return _quote(knowledge_base, question, evidence)


def _quote(knowledge_base: KnowledgeBase, question: str, evidence: Sequence[Evidence]) -> Quotation | None:
    return quote(
        question,
        evidence,
        statistics=knowledge_base,
        cosines_tell=knowledge_base.is_calibrated,
        reader=knowledge_base.reader,
    )


def evidence_of(knowledge_base: KnowledgeBase, hit: Hit) -> Evidence:
    """The hit with its document's header."""
    revision = knowledge_base.revision_of(hit)
    end = max((field.end for field in revision.fields if field.end is not None), default=0)
    return Evidence(hit=hit, fields=revision.fields, header=revision.text[:end])


def _quoted(knowledge_base: KnowledgeBase, quotation: Quotation, evidence: Sequence[Evidence]) -> tuple[Citation, ...]:
    cited = []
    for number, span in enumerate(quotation.spans, start=1):
        hit = evidence[span.evidence_index].hit
        revision = knowledge_base.revision_of(hit)
        places = Places(document_of(revision))
        cited.append(
            Citation(
                number=number,
                path=hit.path,
                label=places.label(span.start),
                line=revision.text.count("\n", 0, span.start) + 1 if revision.is_source else None,
                page=places.page(span.start),
                start=span.start,
                end=span.end,
                quote=revision.text[span.start : span.end],
                version=hit.version,
                document_date=hit.document_date,
                standing=hit.standing,
            )
        )
    return tuple(cited)


def _whole(number: int, hit: Hit) -> Citation:
    return Citation(
        number=number,
        path=hit.path,
        label=hit.label,
        line=hit.line,
        page=hit.page,
        start=hit.start,
        end=hit.end,
        quote=hit.text,
        version=hit.version,
        document_date=hit.document_date,
        standing=hit.standing,
    )


def _answer(
    knowledge_base: KnowledgeBase,
    asked: Asked,
    text: str,
    citations: tuple[Citation, ...],
    model: LanguageModel | None,
    *,
    is_refused: bool = False,
) -> Answer:
    lag = knowledge_base.lag()
    dates = [c.document_date for c in citations if c.document_date is not None]
    return Answer(
        question=asked.question,
        text=text,
        refused=is_refused,
        citations=citations,
        nearest=asked.hits[:NEAREST] if is_refused else (),
        verdict=Verdict(
            newest_evidence=max(dates, default=None),
            stale=any(c.standing.stale_since is not None for c in citations),
            superseded=any(c.standing.superseded_by is not None or c.standing.retired is not None for c in citations),
            lag=replace(lag, passages=lag.passages + knowledge_base.unread()),
            supported_share=0.0 if is_refused else 1.0,
            pruned=0 if asked.as_of is None else knowledge_base.pruned_at(asked.version),
            unwatched=status.is_unwatched(knowledge_base),
            uncalibrated=None if knowledge_base.is_calibrated else knowledge_base.embedder.name,
        ),
        version=asked.version,
        as_of=asked.as_of,
        model=name_of(model),
        adapter=None,
    )
