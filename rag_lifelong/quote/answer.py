"""A question and its evidence → a quotation, or None."""

from __future__ import annotations

from collections.abc import Sequence

from rag_lifelong.questions import Kind, Question, marked_terms, take_apart
from rag_lifelong.quote.evidence import Evidence, Quotation, Reader, TermStatistics, without_cosine
from rag_lifelong.quote.header import answer_document, answer_fields, asks_only_fields
from rag_lifelong.quote.named import find_named
from rag_lifelong.quote.passages import Candidate, candidates, fits, nearly_as_good
from rag_lifelong.quote.signals import read_signals
from rag_lifelong.quote.spans import Span, agreeing, differing_from, list_of, numbers_around, read_spans
from rag_lifelong.quote.support import Matching, log_odds, passage_terms
from rag_lifelong.quote.wording import Found, differing, worded
from rag_lifelong.sentences import shown

# Within a document that the question names, cosine and lead are no signs. The development half of
# benchmarks.pep_questions is answered alike with the first from 0.5 to 0.9 and the second from 0.2 to 0.5.
MIN_NAMED_COVERAGE = 0.75  # of the question's terms in its passages found
MIN_NAMED_MATCH = 0.34  # of them in the best sentence
MIN_SPAN = -0.5  # log odds from which the reader's words are shown: of 38 % on, see quote/spans.py
_ONE_VALUE = (Kind.NUMBER, Kind.DATE, Kind.PERSON)  # asked of the same thing, two of them cannot both be right


def quote(
    question: str,
    evidence: Sequence[Evidence],
    *,
    statistics: TermStatistics,
    cosines_tell: bool,
    reader: Reader | None,
) -> Quotation | None:
    """The answer the evidence supports; None if the sources do not hold it.

    evidence: best first, about a dozen passages. Cosines are read from the hits where they have them. cosines_tell:
    they are of an embedder that this was measured with; if not, they are left aside, and words must say more. reader:
    finds the words that answer, where the question is in its language; None: whole sentences are quoted.
    """
    if not evidence:
        return None
    if not cosines_tell:
        evidence = [without_cosine(e) for e in evidence]
    asked = take_apart(question)
    named = find_named(asked, evidence)
    if named.is_missing:
        return None
    if asks_only_fields(asked, evidence, named):
        return answer_fields(asked, evidence, named)
    if asked.kind is Kind.DOCUMENT and not named.by_number:
        answer = answer_document(asked, evidence)
        if answer is not None:
            return answer
    usable = [i for i, e in enumerate(evidence) if not named.by_number or e.hit.document_id in named.documents]
    content = [term for term in asked.content if term not in named.terms]
    if not usable or not content:
        return None
    matching = Matching(content, statistics)
    ranked = candidates(asked, evidence, usable, matching)
    if not ranked:
        return None
    spans: list[Span] = []
    if reader is not None and reader.reads(question):
        spans = read_spans(question, evidence, usable, ranked, reader=reader)
    if named.by_number:
        whole = set().union(*(passage_terms(evidence[i]) for i in usable))
        supported = matching.coverage(whole) >= MIN_NAMED_COVERAGE and ranked[0].match >= MIN_NAMED_MATCH
    else:
        signals = read_signals(asked, evidence, usable, ranked, matching, spans)
        supported = log_odds(signals, is_unspaced=asked.is_unspaced, is_strict=not cosines_tell) >= 0
    return _quoted(asked, evidence, ranked, spans) if supported else None


def _quoted(
    asked: Question, evidence: Sequence[Evidence], ranked: Sequence[Candidate], spans: Sequence[Span]
) -> Quotation:
    """The words that answer, in their sentences; the sentences alone where the reader is not sure of words."""
    numbers = {term for term in asked.content if term.isdecimal()}
    is_of_a_name = not set(asked.content) - marked_terms(asked.text)  # "Who is Ana Ruiz?": a sentence on her tells more
    is_for_words = asked.kind is not Kind.DOCUMENT and not is_of_a_name
    spans = [
        span
        for span in (spans if is_for_words else ())
        if fits(asked.kind, span.text(evidence))
        and numbers <= numbers_around(span, evidence)  # "room 7" is not answered by what stands of room 5
    ]
    if not spans or spans[0].log_odds < MIN_SPAN:
        return worded([Found(c.index, c.sentence, "") for c in nearly_as_good(ranked)], evidence)
    best = spans[0]
    whole = list_of(best, evidence) if asked.asks_several else None
    if whole is not None:
        return worded([Found(best.index, whole, "")], evidence)
    if asked.asks_whether:  # "yes" and "no" are not in the sources
        return worded([Found(best.index, best.sentence, "")], evidence)
    others = differing_from(best, spans, evidence) if asked.kind in _ONE_VALUE else []
    found = [
        Found(s.index, s.sentence, shown(s.text(evidence)))
        for s in (best, *(others or agreeing(best, spans, evidence)))
    ]
    return differing(found, evidence) if others else worded(found, evidence)
