"""The words of the evidence that answer, as the reader finds them, each in its sentence.

Rule: which of them answers best, and whether it answers at all, is one logistic model of what the reader says and of
what words, names and cosines say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from rag_lifelong.quote.evidence import Evidence, Reader
from rag_lifelong.quote.passages import MAX_SENTENCES, Candidate
from rag_lifelong.sentences import Sentence, list_around, split_sentences
from rag_lifelong.terms import fold, terms

MAX_LIST_CHARS = 800
READ = 8  # passages, best first
AGREEING_MATCH = 0.5  # of the best answer's: a name that stands in a sentence on something else supports nothing
# Of an answer that is to contradict another: on the articles set aside ...
DIFFERING_ODDS = 2.0
DIFFERING_SHARE = 0.3
DIFFERING_MATCH = 0.8  # of the best answer's share of the question's terms: else it may speak of something else
_BORDER = re.compile(r"\n[ \t]*(?:\n|#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]|\|)")
_OUTSIDE_WORDS = re.compile(r"^\W+|\W+$")
_ARTICLE = re.compile(r"^(?:the|a|an)\s+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the text of `evidence[index]`'s passage, in their sentence.

    features: what the models below weigh. log_odds: that these words answer.
    """

    index: int
    sentence: Sentence
    start: int
    end: int
    features: Mapping[str, float]
    log_odds: float

    def text(self, evidence: Sequence[Evidence]) -> str:
        """The words themselves."""
        return evidence[self.index].hit.text[self.start : self.end]

    def key(self, evidence: Sequence[Evidence]) -> str:
        """Equal for answers that say the same: without case, outer marks and a leading article."""
        return answer_key(self.text(evidence))


def answer_key(text: str) -> str:
    """An answer as it is compared with others."""
    return _ARTICLE.sub("", _OUTSIDE_WORDS.sub("", " ".join(fold(text).split())))


def read_spans(
    question: str,
    evidence: Sequence[Evidence],
    usable: Sequence[int],
    ranked: Sequence[Candidate],
    *,
    reader: Reader,
) -> list[Span]:
    """What the reader finds in the best passages, the likeliest answer first."""
    chosen = list(usable)[:READ]
    found = reader.read(question, [(evidence[i].hit.title, evidence[i].hit.text) for i in chosen])
    matches = {(c.index, c.sentence.start): c.match for c in ranked}
    spans: list[Span] = []
    for rank, (index, readings) in enumerate(zip(chosen, found, strict=True)):
        text = evidence[index].hit.text
        sentences = split_sentences(text)
        for reading in readings:
            if _BORDER.search(text, reading.start, reading.end):
                continue  # no words are one answer across a paragraph, a heading, an entry of a list
            sentence = _holding(sentences, text, reading.start, reading.end)
            features = {
                "odds": reading.log_odds,
                "share": reading.share,
                "match": max((m for (i, at), m in matches.items() if i == index and _in(at, sentence)), default=0.0),
                "cosine": evidence[index].hit.scores.dense or 0.0,
                "rank": math.log1p(rank),
            }
            spans.append(Span(index, sentence, reading.start, reading.end, features, 0.0))
    return sorted((replace(s, log_odds=span_log_odds(s.features)) for s in spans), key=lambda s: -s.log_odds)


def agreeing(best: Span, spans: Sequence[Span], evidence: Sequence[Evidence]) -> list[Span]:
    """Other sentences that hold the same answer, the likeliest first; at most MAX_SENTENCES with the best."""
    key, seen, found = best.key(evidence), {best.sentence.text}, []
    least = AGREEING_MATCH * best.features["match"]
    for span in spans:
        says_the_same = span.key(evidence) == key and span.features["odds"] >= 0 and span.features["match"] >= least
        if says_the_same and span.sentence.text not in seen:
            seen.add(span.sentence.text)
            found.append(span)
    return found[: MAX_SENTENCES - 1]


def differing_from(best: Span, spans: Sequence[Span], evidence: Sequence[Evidence]) -> list[Span]:
    """The best answer of each other document that says something else of what is asked, and holds as much of the
    question in its sentence; at most MAX_SENTENCES with the best."""
    documents = {evidence[best.index].hit.document_id}
    keys = [best.key(evidence)]
    found = []
    for span in spans:
        key, document_id = span.key(evidence), evidence[span.index].hit.document_id
        is_else = key and all(key not in known and known not in key for known in keys)
        if (
            document_id in documents
            or span.features["odds"] < DIFFERING_ODDS
            or span.features["share"] < DIFFERING_SHARE
        ):
            continue
        documents.add(document_id)
        if is_else and span.features["match"] >= DIFFERING_MATCH * max(best.features["match"], DIFFERING_MATCH):
            keys.append(key)
            found.append(span)
    return found[: MAX_SENTENCES - 1]


def numbers_around(span: Span, evidence: Sequence[Evidence]) -> set[str]:
    """The numbers, as terms, of the span's sentence, the one before it, and what these stand under."""
    hit = evidence[span.index].hit
    before = split_sentences(hit.text[: span.sentence.start])[-1:]
    text = " ".join([hit.title, hit.label, PurePath(hit.path).name, *(s.text for s in before), span.sentence.text])
    return {term for term in terms(text) if term.isdecimal()}


def list_of(span: Span, evidence: Sequence[Evidence]) -> Sentence | None:
    """The whole list that the span stands in an entry of; None if it stands in none of two entries or more."""
    text = evidence[span.index].hit.text
    sentences = split_sentences(text)
    number = next((i for i, s in enumerate(sentences) if s.start == span.sentence.start), None)
    entries = () if number is None else list_around(sentences, number)
    if len(entries) < 2:
        return None
    start, end = entries[0].start, entries[-1].end
    return Sentence(start, end, text[start:end], 0) if end - start <= MAX_LIST_CHARS else None


def span_log_odds(features: Mapping[str, float]) -> float:
    """That a span answers."""
    return sum(weight * features.get(name, 1.0) for name, weight in _SPAN.items())


# The order by odds + 6 match + 3 cosine - rank: the best of a grid by F1 of the first answer on the articles set aside
# (0.580; by the odds alone 0.565). Scaled so that it is the log odds of a right one there:
# python -m benchmarks.refusing --fit.
_SPAN = {"constant": -1.5, "odds": 0.155, "match": 0.927, "cosine": 0.464, "rank": -0.155}


def _in(at: int, sentence: Sentence) -> bool:
    return sentence.start <= at < sentence.end


def _holding(sentences: Sequence[Sentence], text: str, start: int, end: int) -> Sentence:
    """The sentence around characters [start, end), or those they run through, as one."""
    inside = [s for s in sentences if s.start < end and s.end > start]
    if not inside:
        return Sentence(start, end, text[start:end], 0)
    first, last = min(inside[0].start, start), max(inside[-1].end, end)
    return Sentence(first, last, text[first:last], inside[0].heading_level)
