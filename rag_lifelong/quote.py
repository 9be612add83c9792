"""Answers without any model: the fields and sentences that the evidence supports best, each cited; or none.

Rule: every span is exact source text. A field answers only for the document that the question names. What the
sources do not hold is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from rag_lifelong.questions import Identifier, Kind, Question, take_apart
from rag_lifelong.sentences import Sentence, is_prose, shown, split_sentences
from rag_lifelong.terms import family, query_terms, terms
from rag_lifelong.types import HeaderField, Hit

MAX_SENTENCES = 3
# Cosine + idf-weighted coverage of the question's terms, of the best single passage, below which the sources are
# taken not to hold the answer: chosen on half of the SQuAD articles, topic missing (benchmarks.refusing).
MIN_SUPPORT = 1.02
NEARLY = 0.9  # of MIN_SUPPORT: passages below it are not quoted from
MIN_COVERAGE = 0.7  # of the question's terms where cosines say nothing (no vectors yet, unknown script)
MIN_SENTENCE_COVERAGE = 0.34  # by the sentence quoted and its place; less is a sentence about something else
MIN_NAMED_COVERAGE = 0.75  # within a document the question names, whose topic is therefore no sign
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
_ADDRESS = re.compile(r"\s*(?:<[^<>]*>|\([^()]*@[^()]*\))")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage retrieved and the header of its document.

    fields: with spans in the document's text. header: the text up to the end of its last field, "" if none.
    """

    hit: Hit
    fields: tuple[HeaderField, ...]
    header: str


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
    """An answer; marker [n] in `text` points to `spans[n - 1]`."""

    text: str
    spans: tuple[QuotedSpan, ...]


class TermStatistics(Protocol):
    """How common a term is."""

    def passages(self) -> int:
        """How many passages there are."""

    def passages_with(self, term: str) -> int:
        """In how many of them a term of `terms.terms` stands."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    index: int
    sentence: Sentence
    score: float
    coverage: float


def quote(question: str, evidence: Sequence[Evidence], *, statistics: TermStatistics) -> Quotation | None:
    """The answer the evidence supports; None if the sources do not hold it.

    evidence: best first, about a dozen passages. Cosines are read from the hits where they have them.
    """
    if not evidence:
        return None
    asked = take_apart(question)
    named = _named(asked, evidence)
    if asked.identifiers and not named:
        return None
    if asked.fields and named:
        answer = _fields(asked, evidence, named)
        if answer is not None or _is_only_about_fields(asked, evidence, named):
            return answer
    if asked.kind is Kind.DOCUMENT and not asked.identifiers:
        answer = _document(asked, evidence)
        if answer is not None:
            return answer
    return _sentences(asked, evidence, named, _Weights(asked.content, statistics))


# -- documents that the question names


def _named(asked: Question, evidence: Sequence[Evidence]) -> frozenset[int]:
    """Ids of the documents named: by identifier, by file name, or by all words of the title."""
    for test in (_has_identifier, _has_file_name, _has_title):
        found = frozenset(e.hit.document_id for e in evidence if test(asked, e))
        if found:
            return found
        if asked.identifiers and test is _has_identifier:
            return frozenset()
    return frozenset()


def _has_identifier(asked: Question, evidence: Evidence) -> bool:
    return any(_is_identified(identifier, evidence) for identifier in asked.identifiers)


def _is_identified(identifier: Identifier, evidence: Evidence) -> bool:
    if any(f.name == identifier.word and f.value.lstrip("0") == identifier.number for f in evidence.fields):
        return True
    pattern = re.compile(rf"\b{re.escape(identifier.word)}[\s#_-]{{0,2}}0*{identifier.number}(?!\d)", re.IGNORECASE)
    return bool(pattern.search(evidence.hit.title) or pattern.search(PurePath(evidence.hit.path).stem))


def _has_file_name(asked: Question, evidence: Evidence) -> bool:
    path = PurePath(evidence.hit.path)
    return path.name.lower() in asked.text.lower()


def _has_title(asked: Question, evidence: Evidence) -> bool:
    """All content words of the title (its identifier aside) stand in the question, at least two of them."""
    title = re.sub(r"^[A-Za-z]{2,12}[ -]?\d+\s*[–:-]\s*", "", evidence.hit.title)
    words = query_terms(title)
    return len(words) >= 2 and set(words) <= set(query_terms(asked.text))


# -- header fields


def _fields(asked: Question, evidence: Sequence[Evidence], named: frozenset[int]) -> Quotation | None:
    """The fields asked for, of the document named; None unless it has them all and nothing else is asked."""
    if not _is_only_about_fields(asked, evidence, named):
        return None
    index = next(i for i, e in enumerate(evidence) if e.hit.document_id in named)
    found: list[HeaderField] = []
    for names in asked.fields:
        field = next((f for name in names for f in evidence[index].fields if f.name == name and f.value), None)
        if field is None or field.start is None or field.end is None:
            return None
        found.append(field)
    spans = tuple(
        QuotedSpan(index, f.start, f.end, evidence[index].header[f.start : f.end], "header")
        for f in found
        if f.start is not None and f.end is not None
    )
    parts = [
        f"{_printed_name(span.text)}: {_printed_value(field)} [{number}]"
        for number, (field, span) in enumerate(zip(found, spans, strict=True), start=1)
    ]
    title = evidence[index].hit.title
    return Quotation("\n".join([*([title] if title else []), *parts]), spans)


def _is_only_about_fields(asked: Question, evidence: Sequence[Evidence], named: frozenset[int]) -> bool:
    """Beside the field wordings and the document's name, the question holds nothing; and there is a header to ask."""
    documents = [e for e in evidence if e.hit.document_id in named]
    if not any(sum(f.start is not None for f in e.fields) >= 2 for e in documents):
        return False
    known = {term for e in documents for term in terms(e.hit.title)}
    return all(term in known for term in asked.residual)


def _printed_name(entry: str) -> str:
    return entry.partition(":")[0].strip()


def _printed_value(field: HeaderField) -> str:
    """Without mail addresses, where something is left."""
    without = " ".join(_ADDRESS.sub("", field.value).split()).strip(" ,")
    return without or field.value


def _document(asked: Question, evidence: Sequence[Evidence]) -> Quotation | None:
    """ "Which PEP defines type parameter syntax?": the document whose title has all the words asked for."""
    wanted = set(asked.content) - set(terms("pep rfc proposal paper article report"))
    if not wanted:
        return None
    best: tuple[float, int] | None = None
    for index, e in enumerate(evidence):
        title = set(query_terms(e.hit.title))
        span = _title_span(e)
        if title and span is not None and wanted <= title:
            tightness = len(wanted) / len(title)
            if best is None or tightness > best[0]:
                best = (tightness, index)
    if best is None:
        return None
    index = best[1]
    span = _title_span(evidence[index])
    assert span is not None
    start, end = span
    text = evidence[index].header[start:end] or evidence[index].hit.text[: end - start]
    return Quotation(f"{evidence[index].hit.title} [1]", (QuotedSpan(index, start, end, text, "header"),))


def _title_span(evidence: Evidence) -> tuple[int, int] | None:
    for field in evidence.fields:
        if field.name == "title" and field.start is not None and field.end is not None:
            return field.start, field.end
    return None


# -- sentences


class _Weights:
    """Inverse document frequencies of the question's terms."""

    def __init__(self, content: Sequence[str], statistics: TermStatistics) -> None:
        total = statistics.passages()
        self._weights = {term: math.log((total + 1) / (statistics.passages_with(term) + 0.5)) for term in content}
        self._total = sum(self._weights.values())

    def coverage(self, found: Set[str]) -> float:
        """The share of the question's terms, by weight, that stand in `found`; 1 for a question of none."""
        if self._total <= 0:
            return 1.0
        missing = [term for term in self._weights if term not in found]
        kin = {family(term) for term in found} if missing else set()
        held = sum(weight for term, weight in self._weights.items() if term in found)
        held += sum(self._weights[term] for term in missing if family(term) in kin)
        return held / self._total


def _sentences(
    asked: Question, evidence: Sequence[Evidence], named: frozenset[int], weights: _Weights
) -> Quotation | None:
    usable = [i for i, e in enumerate(evidence) if not asked.identifiers or e.hit.document_id in named]
    if not usable or not asked.content:
        return None
    supporting = _supporting(asked, evidence, usable, weights)
    candidates = [c for i in supporting for c in _candidates(asked, i, evidence[i], weights)]
    if not candidates:
        return None
    best = max(candidates, key=lambda c: (c.score, -c.index, -c.sentence.start))
    if best.coverage < MIN_SENTENCE_COVERAGE:
        return None
    chosen = _companions(best, candidates)
    spans = tuple(
        QuotedSpan(
            c.index,
            evidence[c.index].hit.start + c.sentence.start,
            evidence[c.index].hit.start + c.sentence.end,
            c.sentence.text,
            evidence[c.index].hit.label,
        )
        for c in chosen
    )
    lines = [f"{shown(c.sentence.text)} [{number}]" for number, c in enumerate(chosen, start=1)]
    return Quotation("\n".join(lines), spans)


def _supporting(asked: Question, evidence: Sequence[Evidence], usable: Sequence[int], weights: _Weights) -> list[int]:
    """Those of the usable passages that may be quoted from; none if the sources do not hold the answer."""
    covered = {i: weights.coverage(_passage_terms(evidence[i])) for i in usable}
    if asked.identifiers:
        whole = {term for i in usable for term in _passage_terms(evidence[i])}
        return list(usable) if weights.coverage(whole) >= MIN_NAMED_COVERAGE else []
    if asked.is_unspaced or all(evidence[i].hit.scores.dense is None for i in usable):
        return [i for i in usable if covered[i] >= MIN_COVERAGE]
    supports = {i: (evidence[i].hit.scores.dense or 0.0) + covered[i] for i in usable}
    if max(supports.values()) < MIN_SUPPORT:
        return []
    return [i for i in usable if supports[i] >= NEARLY * MIN_SUPPORT]


def support(question: str, evidence: Sequence[Evidence], *, statistics: TermStatistics) -> float:
    """The greatest cosine + coverage of one passage, in [-1, 2]: what MIN_SUPPORT is compared with."""
    weights = _Weights(take_apart(question).content, statistics)
    return max(((e.hit.scores.dense or 0.0) + weights.coverage(_passage_terms(e)) for e in evidence), default=-1.0)


def _candidates(asked: Question, index: int, evidence: Evidence, weights: _Weights) -> list[_Candidate]:
    place = set(terms(f"{evidence.hit.title} {evidence.hit.label}"))
    sentences = split_sentences(evidence.hit.text)
    own = [set(terms(s.text)) for s in sentences]
    headings: dict[int, set[str]] = {}  # level → terms, of the headings above within the passage
    found = []
    for i, sentence in enumerate(sentences):
        if sentence.heading_level:
            headings = {level: held for level, held in headings.items() if level < sentence.heading_level}
            headings[sentence.heading_level] = own[i]
            continue
        if not is_prose(sentence.text) or len(sentence.text) > MAX_QUOTE_CHARS or not _fits(asked.kind, sentence.text):
            continue
        if len(own[i] - set(asked.content)) == 0 and sentence.text.rstrip().endswith("?"):
            continue  # the question itself
        under = own[i].union(*headings.values())
        around = under.union(*own[max(0, i - 1) : i + 2])
        direct, near = weights.coverage(under), weights.coverage(around | place)
        # rank and place count for little: they break ties between equal sentences
        score = 0.65 * direct + 0.35 * near + 0.3 * (evidence.hit.scores.dense or 0.0) - 0.01 * index - 0.001 * i
        if sentence.text.rstrip().endswith("?"):
            score -= 0.3  # a question seldom answers one
        if len(own[i]) < 3:
            score -= 0.2  # a bare name
        found.append(_Candidate(index, sentence, score, 0.5 * direct + 0.5 * near))
    return found


def _companions(best: _Candidate, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best sentence, and those nearly as good from wherever they stand, best first."""
    chosen = [best]
    seen = {best.sentence.text}
    for candidate in sorted(candidates, key=lambda c: -c.score):
        if len(chosen) == MAX_SENTENCES or candidate.score < 0.85 * best.score:
            break
        if candidate.sentence.text not in seen:
            seen.add(candidate.sentence.text)
            chosen.append(candidate)
    return chosen


def _passage_terms(evidence: Evidence) -> set[str]:
    return set(terms(f"{evidence.hit.title} {evidence.hit.label} {evidence.hit.text}"))


def _fits(kind: Kind, text: str) -> bool:
    """The sentence holds something of the kind asked for."""
    match kind:
        case Kind.NUMBER:
            return bool(_NUMERALS.search(text))
        case Kind.DATE:
            return bool(_DATES.search(text))
        case Kind.PERSON:
            return bool(_NAMES.search(text))
        case _:
            return True
