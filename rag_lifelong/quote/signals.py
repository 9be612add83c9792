"""What candidates, passages and the reader say → the signals that tell whether the sources answer.

Rule: read here once, for answering and for fitting alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag_lifelong.questions import Question
from rag_lifelong.quote.evidence import Evidence
from rag_lifelong.quote.passages import Candidate
from rag_lifelong.quote.spans import Span
from rag_lifelong.quote.support import MAX_LEAD, Matching, Signals, passage_terms

NO_RIVAL = -10.0  # log odds, where the reader finds no other answer


def read_signals(
    asked: Question,
    evidence: Sequence[Evidence],
    usable: Sequence[int],
    ranked: Sequence[Candidate],
    matching: Matching,
    spans: Sequence[Span],
) -> Signals:
    """What tells whether the best candidate, and the first of the spans, answer. spans: none without a reader."""
    best = ranked[0]
    words = {i: passage_terms(evidence[i]) for i in usable}

    def strength(i: int) -> float:
        return matching.coverage(words[i]) + (0.0 if asked.is_unspaced else evidence[i].hit.scores.dense or 0.0)

    others = [strength(i) for i in usable if best.sentence.text not in evidence[i].hit.text]
    signals = Signals(
        match=best.match,
        cosine=None if asked.is_unspaced else evidence[best.index].hit.scores.dense,
        lead=min(MAX_LEAD, max(map(strength, usable)) - max(others, default=0.0)),
        missing_names=matching.missing_names(asked.text, words[best.index]),
    )
    if not spans:
        return signals
    first = spans[0]
    rivals = (s.features["odds"] for s in spans if s.index != first.index and s.key(evidence) != first.key(evidence))
    return replace(
        signals,
        span=first.features["odds"],
        span_match=first.features["match"],
        sure=max(span.features["odds"] for span in spans),
        rival=max(rivals, default=NO_RIVAL),
    )
