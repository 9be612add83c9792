"""A question and its evidence → a quotation, or None."""

from __future__ import annotations

from collections.abc import Sequence

from rag_lifelong.questions import Kind, Question, take_apart
from rag_lifelong.quote.evidence import Evidence, Quotation, TermStatistics, without_cosine
from rag_lifelong.quote.header import answer_document, answer_fields, asks_only_fields
from rag_lifelong.quote.named import Named, find_named
from rag_lifelong.quote.passages import candidates, quotation, read_signals
from rag_lifelong.quote.support import Matching, log_odds, passage_terms

# Within a document that the question names, cosine and lead are no signs. The development half of
# benchmarks.pep_questions is answered alike with the first from 0.5 to 0.9 and the second from 0.2 to 0.5.
MIN_NAMED_COVERAGE = 0.75  # of the question's terms in its passages found
MIN_NAMED_MATCH = 0.34  # of them in the best sentence


def quote(
    question: str, evidence: Sequence[Evidence], *, statistics: TermStatistics, cosines_tell: bool
) -> Quotation | None:
    """The answer the evidence supports; None if the sources do not hold it.

    evidence: best first, about a dozen passages. Cosines are read from the hits where they have them. cosines_tell:
    they are of an embedder that this was measured with; if not, they are left aside, and words must say more.
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
    return _from_sentences(asked, evidence, named, statistics, is_strict=not cosines_tell)


def _from_sentences(
    asked: Question, evidence: Sequence[Evidence], named: Named, statistics: TermStatistics, *, is_strict: bool
) -> Quotation | None:
    usable = [i for i, e in enumerate(evidence) if not named.by_number or e.hit.document_id in named.documents]
    content = [term for term in asked.content if term not in named.terms]
    if not usable or not content:
        return None
    matching = Matching(content, statistics)
    ranked = candidates(asked, evidence, usable, matching)
    if not ranked:
        return None
    if named.by_number:
        whole = set().union(*(passage_terms(evidence[i]) for i in usable))
        supported = matching.coverage(whole) >= MIN_NAMED_COVERAGE and ranked[0].match >= MIN_NAMED_MATCH
    else:
        found = read_signals(asked, evidence, usable, ranked, matching)
        supported = log_odds(found, is_unspaced=asked.is_unspaced, is_strict=is_strict) >= 0
    return quotation(ranked, evidence) if supported else None
