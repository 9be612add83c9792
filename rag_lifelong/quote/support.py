"""How well the evidence supports an answer: shares of the question's terms, weighed by rarity, beside cosines.

Rule: whether it answers is a logistic model of a few signals, fitted on articles of SQuAD that nothing is reported on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields

from rag_lifelong.quote.evidence import Evidence, TermStatistics
from rag_lifelong.terms import family, terms

_PRIOR_PASSAGES = 50  # rarity in a handful of notes says little: counts are shrunk as if so many more passages …
_PRIOR_COUNT = 2.0  # … held each term this often
_PROPER = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]*|\d[\d,.]*\d|\d")  # names and numbers; not the question's first word


@dataclass(frozen=True, slots=True)
class Signals:
    """What tells whether the evidence answers.

    match: the share of the question's terms that the best sentence has, see `passages.Candidate`. cosine: of its
    passage, None if unknown or meaningless. lead: by how much that passage is better than the best that does not hold
    the sentence, at most MAX_LEAD. missing_names: the share, by weight, of the question's names and numbers it lacks.
    Of what the reader found, None without a reader: span: the log odds that it gives the answer chosen; span_match: the
    match of that answer's sentence; sure: the best log odds of any span; rival: the best of another answer elsewhere.
    """

    match: float
    cosine: float | None
    lead: float
    missing_names: float
    span: float | None = None
    span_match: float | None = None
    sure: float | None = None
    rival: float | None = None

    def features(self) -> dict[str, float | None]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# Logistic regressions on 1,800 cases from half of SQuAD's articles: 600 questions with their paragraph, 600 with it
# left out, 600 on articles left out; the last two count for half. The constants put the border at p = 0.45, where on
# that half 95 % of other topics, 66 % of the left out and 12 % of the answerable are refused.
_WITH_COSINES = {"constant": -4.92, "match": 4.87, "cosine": 4.09, "lead": 4.28, "missing_names": -3.31}
_WORDS_ALONE = {"constant": -3.25, "match": 5.73, "lead": 4.05, "missing_names": -4.12}
# The same of XQuAD's Chinese half (1,286 cases): 92 % of other topics, 78 % of the left out, 10 % of the answerable.
_UNSPACED = {"constant": -3.23, "match": 8.64, "lead": 5.40, "missing_names": -9.76}
# With what the reader found; `python -m benchmarks.refusing --data DATA --fit`, on the articles set aside for that. The
# constants put the border at log odds of 0.25; with _WORDS_MARGIN_READ, 93 % of other topics, 76 % of the left out and
# 15 % of the answerable are refused on these.
_READ = {
    "constant": -3.28,
    "match": -0.34,
    "cosine": 2.56,
    "lead": 2.72,
    "missing_names": -2.72,
    "span": 0.19,
    "span_match": 1.91,
    "sure": 0.09,
    "rival": -0.07,
}
_READ_WITHOUT_COSINES = {
    "constant": -2.01,
    "match": -0.83,
    "lead": 3.42,
    "missing_names": -2.84,
    "span": 0.21,
    "span_match": 2.26,
    "sure": 0.09,
    "rival": -0.05,
}
# A passage on several things has low cosines with each: words alone may decide, if by so much. On the fitting half this
# moved no share by more than 0.8 points.
_WORDS_MARGIN = 1.0
# Also against a reader that finds no words: "Who is Ana Ruiz?" is answered by any sentence on her. On the articles set
# aside this takes 1 point from the answerable refused and 2 to 3 from the others.
_WORDS_MARGIN_READ = 2.0
MAX_LEAD = 0.3  # in a handful of notes nearly every lead is large and says nothing; SQuAD's median is 0.1


def log_odds(signals: Signals, *, is_unspaced: bool, is_strict: bool) -> float:
    """The log odds that the evidence answers; from 0 on it is taken to.

    is_unspaced: the question is in a script without spaces, whose terms are pairs of characters.
    is_strict: the cosines are of an embedder that was not measured.
    """
    if is_unspaced:
        return _weighed(_UNSPACED, signals)
    if signals.span is not None:
        read = _weighed(_READ_WITHOUT_COSINES if signals.cosine is None else _READ, signals)
        return max(read, _weighed(_WORDS_ALONE, signals) - _WORDS_MARGIN_READ)
    if is_strict:
        return _weighed(_WORDS_ALONE, signals) - _WORDS_MARGIN
    if signals.cosine is None:
        return _weighed(_WORDS_ALONE, signals)
    return max(_weighed(_WITH_COSINES, signals), _weighed(_WORDS_ALONE, signals) - _WORDS_MARGIN)


def _weighed(model: Mapping[str, float], signals: Signals) -> float:
    values = signals.features()
    return model["constant"] + sum(w * (values[name] or 0.0) for name, w in model.items() if name != "constant")


class Matching:
    """The question's terms, weighed by how rare they are, and how much of them a text has.

    Texts come as `families` of terms: "decisions" answers "decide".
    """

    def __init__(self, content: Sequence[str], statistics: TermStatistics) -> None:
        total = statistics.passages() + _PRIOR_PASSAGES
        self._weights: dict[str, float] = {}
        for term in content:
            weight = math.log((total + 1) / (statistics.passages_with(term) + _PRIOR_COUNT))
            self._weights[family(term)] = max(weight, self._weights.get(family(term), 0.0))
        self._total = sum(self._weights.values())

    def coverage(self, found: Set[str]) -> float:
        """The share of the question's terms, by weight, that stand in `found`; 1 for a question of none."""
        if self._total <= 0:
            return 1.0
        return sum(weight for term, weight in self._weights.items() if term in found) / self._total

    def missing_names(self, question: str, found: Set[str]) -> float:
        """The share, by weight, of the question's names and numbers that `found` lacks."""
        if self._total <= 0:
            return 0.0
        names = {term for match in _PROPER.finditer(question) for term in families(match.group())}
        return sum(self._weights[term] for term in names if term in self._weights and term not in found) / self._total


def families(text: str) -> set[str]:
    """The terms of a text, each as its family."""
    return set(map(family, terms(text)))


def place_terms(evidence: Evidence) -> set[str]:
    """What a passage stands under: its document's title and its label."""
    return families(f"{evidence.hit.title} {evidence.hit.label}")


def passage_terms(evidence: Evidence) -> set[str]:
    """What stands in a passage and above it."""
    return place_terms(evidence) | families(evidence.hit.text)
