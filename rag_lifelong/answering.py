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
from rag_lifelong.errors import AnswerCut, ModelUnusable
from rag_lifelong.generate import LanguageModel, Message
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.preferences import Preference, concerning, worded
from rag_lifelong.prompt import build_messages, kept_markers, room_for_answer
from rag_lifelong.quote import Evidence, Quotation, quote
from rag_lifelong.reading import document_of
from rag_lifelong.types import Answer, Citation, Hit, Verdict

REFUSAL = "Your sources do not say."
STOPPED = "[stopped]"
NEAREST = 3  # passages shown with a refusal
ANSWER_TOKENS = 512  # a language model may write this many


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the passages found for it, best first.

    version: the one they are from. as_of: the same if it was asked for, None for the present. told: what was said
    before in a conversation, for a model.
    """

    question: str
    hits: tuple[Hit, ...]
    version: int
    as_of: int | None
    told: str = ""


def name_of(model: LanguageModel | None) -> str:
    """Who words the answers; "quote" without a model."""
    return "quote" if model is None else model.name


def answer(
    knowledge_base: KnowledgeBase,
    asked: Asked,
    *,
    model: LanguageModel | None,
    preferences: Sequence[Preference] = (),
) -> Generator[str, None, Answer]:
    """Yields the text as it comes; gives the whole. model: None quotes. preferences: of the user's, for a model."""
    evidence = [evidence_of(knowledge_base, hit) for hit in asked.hits]
    quotation = _quotation(knowledge_base, asked.question, evidence)
    if quotation is None:
        yield REFUSAL
        return _answer(knowledge_base, asked, REFUSAL, (), model, is_refused=True)
    if model is None:
        yield quotation.text
        cited = _quoted(knowledge_base, quotation, evidence)
        return replace(_answer(knowledge_base, asked, quotation.text, cited, model), short=quotation.short)
    room = room_for_answer(model, ANSWER_TOKENS)
    messages = _messages(knowledge_base, asked, model, preferences, answer_tokens=room)
    pieces: list[str] = []
    cut = yield from _written(model, messages, pieces, max_tokens=room)
    text, numbers = kept_markers("".join(pieces).strip(), _shown(messages))
    is_refused = not text or text.startswith(REFUSAL.rstrip("."))
    cited = () if is_refused else tuple(_whole(i, asked.hits[n - 1]) for i, n in enumerate(numbers, start=1))
    found = _answer(knowledge_base, asked, text or REFUSAL, cited, model, is_refused=is_refused)
    return replace(found, cut=cut)


def _written(
    model: LanguageModel, messages: Sequence[Message], pieces: list[str], *, max_tokens: int
) -> Generator[str, None, str | None]:
    """Yields the model's text as it comes and keeps it in `pieces`; gives why it ends early, None if it is whole."""
    stream = model.stream(messages, max_tokens=max_tokens)
    while True:
        try:
            piece = next(stream)
        except StopIteration as end:
            cut: str | None = end.value
            if cut is not None and not pieces:
                raise ModelUnusable(f"{model.name} wrote no answer within {cut}; ask again, or take another") from None
            return cut
        except AnswerCut as broken:  # what there is stands
            return str(broken)
        pieces.append(piece)
        yield piece


def stopped(knowledge_base: KnowledgeBase, asked: Asked, said: str, *, model: LanguageModel) -> Answer:
    """What a model had said when it was stopped, marked so; with the passages that it had cited."""
    text, numbers = kept_markers(said.strip(), len(asked.hits))
    cited = tuple(_whole(i, asked.hits[n - 1]) for i, n in enumerate(numbers, start=1))
    return replace(_answer(knowledge_base, asked, f"{text} {STOPPED}", cited, model), cut="stopped")


def _messages(
    knowledge_base: KnowledgeBase,
    asked: Asked,
    model: LanguageModel,
    preferences: Sequence[Preference],
    *,
    answer_tokens: int,
) -> list[Message]:
    """The prompt, with the preferences for all answers and those for a passage that is in it."""
    roots = [root.path for root in knowledge_base.folders.roots()] if preferences else []
    chosen = concerning(preferences, [hit.path for hit in asked.hits], roots)
    while True:
        messages = build_messages(
            asked.question,
            asked.hits,
            model=model,
            answer_tokens=answer_tokens,
            told=asked.told,
            preferences=[worded(one) for one in chosen],
        )
        fitting = concerning(chosen, [hit.path for hit in asked.hits[: _shown(messages)]], roots)
        if fitting == chosen:
            return messages
        chosen = fitting  # ever fewer


def _shown(messages: Sequence[Message]) -> int:
    """How many passages are in a prompt; a fence holds no other."""
    return sum(message.content.count("<passage number=") for message in messages)


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
