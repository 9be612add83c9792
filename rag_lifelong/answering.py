"""A question and the passages found → an answer with citations and a verdict, piece by piece.

Rule: a language model, if there is one, is asked only where the sources support an answer. A marker that points nowhere
is dropped. What a model wrote stays as it was shown; a sentence that its sources do not support is named beside it, and
where they support none, what they say is quoted below. The verdict says what the answer rests on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from ingest.chunk import Places
from rag_lifelong import status
from rag_lifelong.checking import Checked, check
from rag_lifelong.errors import AnswerCut, ModelUnusable
from rag_lifelong.generate import LanguageModel, Message
from rag_lifelong.grounding import says_nothing_is_said
from rag_lifelong.kept_documents import document_of
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.markers import Markers
from rag_lifelong.preferences import Preference, concerning, worded
from rag_lifelong.prompt import build_messages, room_for_answer
from rag_lifelong.quote import Evidence, Quotation, quote
from rag_lifelong.types import Adapter, Answer, Citation, Hit, Standing, Verdict

REFUSAL = "Your sources do not say."
STOPPED = "[stopped]"
GROUNDLESS = "No sentence of this is supported by what it cites. Your sources say:"
Beside = Callable[[LanguageModel, Sequence[int]], tuple[LanguageModel, Adapter | None]]
"""(frozen model, passage ids) → the model to ask, and the adapter beside it."""

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
    markers: Markers | None = None,
    beside: Beside | None = None,
) -> Generator[str, None, Answer]:
    """Yields the text as it comes; gives the whole. model: None quotes. preferences: of the user's, for a model.

    markers: fresh ones, for a caller who wants to know what they mean if the answer is stopped. beside: finds the
    model to ask about now, given the frozen one and the passages that the answer rests on.
    """
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
    shown = _shown(messages, asked.question)
    markers = markers or Markers()
    markers.begin(shown)
    pieces: list[str] = []
    writer, adapter = model, None
    if beside is not None and asked.as_of is None:
        rests = [asked.hits[0].passage_id, *(evidence[s.evidence_index].hit.passage_id for s in quotation.spans)]
        writer, adapter = beside(model, rests)
    name = None if adapter is None else adapter.name
    cut = yield from _written(writer, messages, markers, pieces, max_tokens=room)
    text = "".join(pieces).strip()
    if not markers.numbers and refuses(text):
        if not text:
            yield REFUSAL
        found = _answer(knowledge_base, asked, text or REFUSAL, (), model, is_refused=True)
        return replace(found, cut=cut, adapter=name)
    checked = check(knowledge_base, _whole_words(text, cut), asked.hits[:shown], markers.numbers)
    cited = checked.citations
    if checked.is_groundless:
        said = f"\n\n{GROUNDLESS}\n{_moved(quotation.text, len(cited))}"
        cited += _quoted(knowledge_base, quotation, evidence, after=len(cited))
    else:
        said = "".join(f" [{citation.number}]" for citation in checked.added)
        cited += checked.added
    if said:
        yield said
    found = _answer(knowledge_base, asked, text + said, cited, model, checked=checked, dropped_markers=markers.dropped)
    return replace(found, cut=cut, adapter=name)


def refuses(text: str) -> bool:
    """A model's text says only that the sources do not hold the answer, in the words it was told or in others."""
    return not text or text.startswith(REFUSAL.rstrip(".")) or says_nothing_is_said(text)


def _written(
    model: LanguageModel, messages: Sequence[Message], markers: Markers, pieces: list[str], *, max_tokens: int
) -> Generator[str, None, str | None]:
    """Yields the model's text as it comes, its markers put right, and keeps it in `pieces`.

    Gives why it ends early, None if it is whole.
    """
    stream = model.stream(messages, max_tokens=max_tokens)
    cut: str | None = None
    while True:
        try:
            piece = markers.feed(next(stream))
        except StopIteration as end:
            cut = end.value
            break
        except AnswerCut as broken:  # what there is stands
            cut = str(broken)
            break
        if piece:
            pieces.append(piece)
            yield piece
    rest = markers.end()
    if rest:
        pieces.append(rest)
        yield rest
    if cut is not None and not pieces:
        raise ModelUnusable(f"{model.name} wrote no answer within {cut}; ask again, or take another")
    return cut


def _moved(quoted: str, by: int) -> str:
    """A quotation whose markers, at the ends of its lines, come after `by` others."""

    def later(found: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda number: str(int(number[0]) + by), found[0])

    return re.sub(r"(?:\[\d+\])+$", later, quoted, flags=re.MULTILINE)


def stopped(
    knowledge_base: KnowledgeBase,
    asked: Asked,
    said: str,
    *,
    model: LanguageModel,
    markers: Markers,
    adapter: str | None = None,
) -> Answer:
    """What a model had said when it was stopped, marked so; with what it had cited.

    markers: as `answer` left them. adapter: the name of the one beside the model.
    """
    text = said.strip()
    checked = check(knowledge_base, _whole_words(text, "stopped"), asked.hits, markers.numbers)
    found = _answer(knowledge_base, asked, f"{text} {STOPPED}", checked.citations, model, checked=checked)
    return replace(found, cut="stopped", adapter=adapter)


def _whole_words(text: str, cut: str | None) -> str:
    """Half a word at the end of what was cut says nothing."""
    return text if cut is None else text[: text.rfind(" ") + 1]


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
        fitting = concerning(chosen, [hit.path for hit in asked.hits[: _shown(messages, asked.question)]], roots)
        if fitting == chosen:
            return messages
        chosen = fitting  # ever fewer


def _shown(messages: Sequence[Message], question: str) -> int:
    """How many passages are in a prompt before its question; a fence holds no other."""
    return messages[-1].content.removesuffix(question).count("<passage number=")


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


def _quoted(
    knowledge_base: KnowledgeBase, quotation: Quotation, evidence: Sequence[Evidence], *, after: int = 0
) -> tuple[Citation, ...]:
    """Numbered on from `after`."""
    cited = []
    for number, span in enumerate(quotation.spans, start=after + 1):
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


def _answer(
    knowledge_base: KnowledgeBase,
    asked: Asked,
    text: str,
    citations: tuple[Citation, ...],
    model: LanguageModel | None,
    *,
    is_refused: bool = False,
    checked: Checked | None = None,
    dropped_markers: int = 0,
) -> Answer:
    """checked: what a model wrote; None for a quotation or a refusal."""
    lag = knowledge_base.lag()
    rests = [(c.path, c.document_date, c.standing) for c in citations]
    supporting = rests
    if checked is not None:
        supporting = [(hit.path, hit.document_date, hit.standing) for hit in checked.supporting] or rests
        rests += supporting
    paths = {path for path, _, _ in rests}
    seen = {hit.path: hit.standing for hit in asked.hits if hit.path not in paths}
    return Answer(
        question=asked.question,
        text=text,
        refused=is_refused,
        citations=citations,
        nearest=asked.hits[:NEAREST] if is_refused else (),
        verdict=Verdict(
            newest_evidence=max((date for _, date, _ in supporting if date is not None), default=None),
            stale=any(_is_stale(standing) for _, _, standing in rests),
            superseded=any(_is_superseded(standing) for _, _, standing in rests),
            lag=replace(lag, passages=lag.passages + knowledge_base.unread()),
            supported_share=0.0 if is_refused else 1.0 if checked is None else checked.supported_share,
            pruned=0 if asked.as_of is None else knowledge_base.pruned_at(asked.version),
            unwatched=status.is_unwatched(knowledge_base),
            uncalibrated=None if knowledge_base.is_calibrated else knowledge_base.embedder.name,
            stale_seen=sum(map(_is_stale, seen.values())),
            superseded_seen=sum(map(_is_superseded, seen.values())),
            uncited=0 if checked is None else checked.uncited,
            dropped_markers=dropped_markers,
        ),
        version=asked.version,
        as_of=asked.as_of,
        model=name_of(model),
        adapter=None,
        unsupported=() if checked is None else checked.unsupported,
    )


def _is_stale(standing: Standing) -> bool:
    return standing.stale_since is not None


def _is_superseded(standing: Standing) -> bool:
    return standing.superseded_by is not None or standing.retired is not None
