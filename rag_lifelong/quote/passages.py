"""The sentences of the evidence that answer best, and whether they answer at all.

Rule: every sentence is judged by itself, its neighbours and its place; the passage around it only adds its cosine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.questions import Kind, Question
from rag_lifelong.quote.evidence import Evidence
from rag_lifelong.quote.support import Matching, families, place_terms
from rag_lifelong.sentences import Sentence, is_prose, looks_like_code, split_sentences
from rag_lifelong.terms import STOPWORDS, family, fold

MAX_SENTENCES = 3
NEARLY = 0.85  # of the best sentence's score: sentences below it are not quoted beside it
MAX_QUOTE_CHARS = 600

_NUMERALS = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion|"
    r"once|twice|half|none|no|several|many|both)\b|[一二三四五六七八九十百千万亿]",
    re.IGNORECASE,
)
_DATES = re.compile(
    r"\d{4}|\d{1,2}[./-]\d{1,2}|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\bcentury\b|\b\d{2,}\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|年|月|世纪",
    re.IGNORECASE,
)
_NAMES = re.compile(r"[A-ZÀ-ÞА-Я][\w'’.-]+|[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer.

    match: the share of the question's terms it has, its neighbours and its place counting for a third, in [0, 1].
    score: what candidates are ordered by.
    """

    index: int
    sentence: Sentence
    match: float
    score: float


def candidates(
    asked: Question, evidence: Sequence[Evidence], usable: Sequence[int], matching: Matching
) -> list[Candidate]:
    """The sentences that hold something of the kind asked for, best first."""
    found = [candidate for i in usable for candidate in _of_passage(asked, i, evidence[i], matching)]
    return sorted(found, key=lambda c: (-c.score, c.index, c.sentence.start))


def nearly_as_good(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The best sentence, and those nearly as good from wherever they stand, best first."""
    chosen = [ranked[0]]
    for candidate in ranked[1:]:
        if len(chosen) == MAX_SENTENCES or candidate.score < NEARLY * ranked[0].score:
            break
        if all(candidate.sentence.text != other.sentence.text for other in chosen):
            chosen.append(candidate)
    return chosen


def _of_passage(asked: Question, index: int, evidence: Evidence, matching: Matching) -> list[Candidate]:
    place = place_terms(evidence)
    sentences = [s for s in split_sentences(evidence.hit.text) if is_prose(s.text)]
    own = [families(s.text) for s in sentences]
    trail: list[tuple[int, set[str]]] = [(0, families(evidence.hit.label))]
    found = []
    for i, sentence in enumerate(sentences):
        if sentence.heading_level:
            trail = [above for above in trail if 0 < above[0] < sentence.heading_level]
            trail.append((sentence.heading_level, own[i]))
            continue
        if len(sentence.text) > MAX_QUOTE_CHARS or not fits(asked.kind, sentence.text):
            continue
        under = set().union(*(heading for _, heading in trail))
        around = own[i].union(*own[max(0, i - 1) : i + 2])
        direct = matching.coverage(own[i] | under)
        match = 0.65 * direct + 0.35 * matching.coverage(around | under | place)
        if looks_like_code(sentence.text):
            match -= 0.2  # a program's line holds many words by chance
        # Rank and place count for little: the first sentence under a heading before the others.
        score = match + 0.3 * (evidence.hit.scores.dense or 0.0) - 0.01 * index - 0.001 * i
        score -= _faults(asked, sentence.text, own[i])
        found.append(Candidate(index, sentence, match, score))
    return found


def _faults(asked: Question, text: str, own: set[str]) -> float:
    """What speaks against a sentence, whatever it is about."""
    faults = 0.0
    if text.rstrip().endswith(("?", "？")):
        faults += 0.3  # a question seldom answers one
    if not asked.asks_whether and own <= set(map(family, asked.content)) | STOPWORDS:
        faults += 0.3  # it only repeats the question
    if len(own) < 3:
        faults += 0.2  # a bare name
    return faults


def fits(kind: Kind, text: str) -> bool:
    """The text holds something of the kind asked for."""
    match kind:
        case Kind.NUMBER:
            return bool(_NUMERALS.search(text))
        case Kind.DATE:
            return bool(_DATES.search(text))
        case Kind.PERSON:
            return any(fold(name) not in STOPWORDS for name in _NAMES.findall(text))
        case _:
            return True
