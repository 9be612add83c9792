"""How well a passage supports a statement: what of its words, names and values stands there, and whether it is denied.

Rule: whether it is supported is a logistic model of these signals, fitted on one half of SQuAD's articles
(benchmarks.grounding). The embedder is asked only where words leave it open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace

import numpy as np

from rag_lifelong.grounding.polarity import contradictions
from rag_lifelong.grounding.source import Source, Text, Window, names
from rag_lifelong.grounding.values import Mention, holds
from rag_lifelong.quote.evidence import TermStatistics
from rag_lifelong.terms import fold, terms
from rag_lifelong.types import Vector

_PRIOR_PASSAGES = 50  # as in quote/support.py: rarity in a handful of notes says little
_PRIOR_COUNT = 2.0
_COMMON_WEIGHT = 0.3  # of a word that says little wherever it stands; a few notes cannot tell by their counts
_COMMON = frozenset(
    terms(
        "more most many much also other others another some any each every both all such same only even still "
        "just very too than then now here there again ever often always usually generally typically mainly "
        "especially particularly however therefore thus while although though since because due during after "
        "before between among through over under within without upon against per via along across around into "
        "out up down off further additionally including included includes include based according related "
        "various several certain specific different one ones first second use used uses using make made makes "
        "making take taken takes took get gets got give given gives become became becomes come comes came go "
        "goes went see seen say says said state states stated mention mentions mentioned describe describes "
        "described call called known like may might must shall would could being having doing done well way ways "
        "thing things part parts kind kinds number total overall new main"
    )
)
_LONGER = 0.1  # of the score of a window, for each sentence more
_WITH_VALUES = 0.15  # for all of the statement's numbers and dates
_MOST = 3  # missing names or values that count


@dataclass(frozen=True, slots=True)
class Signals:
    """What tells whether a window of a passage supports a statement.

    words, sentence_words, passage_words: the share of the statement's words, by rarity, in the window, in one sentence
    of it and in the passage. rarest: how
    rare the rarest word is that the window lacks, in [0, 1]. names, passage_names, values, passage_values: how many of
    the statement's names, and numbers or dates, are missing there, 3 at most. denials: words that one of them denies
    and the other says, 3 at most. cosine: of statement and window, None where it was not asked or does not tell.
    """

    words: float
    sentence_words: float
    passage_words: float
    rarest: float
    names: int
    passage_names: int
    values: int
    passage_values: int
    denials: int
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Model:
    """Weights of the signals; log odds from 0 on mean supported."""

    constant: float
    words: float
    sentence_words: float
    passage_words: float
    rarest: float
    names: float
    passage_names: float
    values: float
    passage_values: float
    denials: float
    cosine: float = 0.0

    def log_odds(self, signals: Signals) -> float:
        """Of being supported."""
        total = self.constant
        for field in fields(Signals):
            total += getattr(self, field.name) * (getattr(signals, field.name) or 0.0)
        return total


# Logistic regressions on 1,600 statements from half of SQuAD's articles, supported and not alike, each kind alike:
# python -m benchmarks.grounding --data DATA --most 120 --fit. The border is where F1 of "unsupported" is best there:
# 0.936 by words, 0.944 with the cosine, and as good where only one statement in five asks for it.
WORDS_ALONE = Model(
    constant=-1.96, words=1.23, sentence_words=2.83, passage_words=0.24, rarest=-1.57, names=-1.72, passage_names=-1.67,
    values=-3.85, passage_values=-2.54, denials=-3.25,
)  # fmt: skip
WITH_COSINE = Model(
    constant=-2.89, words=0.02, sentence_words=1.43, passage_words=-0.68, rarest=-1.60, names=-1.76,
    passage_names=-1.73, values=-3.86, passage_values=-2.60, denials=-3.27, cosine=4.89,
)  # fmt: skip
OPEN = (-1.0, 1.5)  # log odds by words between which the cosine is asked


class Weights:
    """How much a word counts, by how rare it is."""

    def __init__(self, statistics: TermStatistics) -> None:
        self._statistics = statistics
        self._total = statistics.passages() + _PRIOR_PASSAGES
        self._known: dict[str, float] = {}

    @property
    def most(self) -> float:
        """Of a word that stands nowhere."""
        return math.log((self._total + 1) / _PRIOR_COUNT)

    def of(self, term: str) -> float:
        """Larger for rarer ones."""
        if term not in self._known:
            count = self._statistics.passages_with(term)
            weight = max(0.1, math.log((self._total + 1) / (count + _PRIOR_COUNT)))
            self._known[term] = weight * (_COMMON_WEIGHT if term in _COMMON else 1.0)
        return self._known[term]

    def share(self, words: Mapping[str, str], found: Set[str]) -> float:
        """The share of `words` (family → term), by weight, whose family is in `found`; 1 of none."""
        weighed = [(self.of(term), word in found) for word, term in words.items()]
        total = sum(weight for weight, _ in weighed)
        return 1.0 if total <= 0 else sum(weight for weight, is_there in weighed if is_there) / total


def best_window(statement: Text, source: Source, weights: Weights) -> tuple[Window, Signals] | None:
    """Where in a passage a statement is supported best, and how well; None if the passage has no sentence."""
    best: tuple[float, Window] | None = None
    wanted = _required(statement)
    for window in source.windows:
        found = window.words().union(source.place.words)
        score = weights.share(statement.words, found) - _LONGER * (len(window.sentences) - 1)
        if wanted:
            said = source.place.values.union(window.values())
            score += _WITH_VALUES * sum(holds(mention, said) for mention in wanted) / len(wanted)
        if best is None or score > best[0]:
            best = score, window
    if best is None:
        return None
    return best[1], signals(statement, best[1].said, best[1].sentences, [source], weights)


def signals(
    statement: Text, window: Text, sentences: Sequence[Text], sources: Sequence[Source], weights: Weights
) -> Signals:
    """Of a statement and a text from one passage, or put together from several; and the sentences it is made of."""
    none: frozenset[str] = frozenset()
    place = none.union(*(source.place.words for source in sources))
    whole = place.union(*(source.whole.words for source in sources))
    here = place.union(window.words)
    missing = [weights.of(term) for word, term in statement.words.items() if word not in here]
    place_values = none.union(*(source.place.values for source in sources))
    whole_values = place_values.union(*(source.whole.values for source in sources))
    initials = window.initials.union(*(source.place.initials for source in sources))
    named = list(names(statement.bare))
    wanted = _required(statement)
    return Signals(
        words=weights.share(statement.words, here),
        sentence_words=max(weights.share(statement.words, place.union(each.words)) for each in sentences),
        passage_words=weights.share(statement.words, whole),
        rarest=max(missing, default=0.0) / weights.most,
        names=_missing_names(named, here | initials),
        passage_names=_missing_names(named, whole.union(*(source.whole.initials for source in sources))),
        values=min(_MOST, sum(not holds(mention, window.values | place_values) for mention in wanted)),
        passage_values=min(_MOST, sum(not holds(mention, whole_values) for mention in wanted)),
        denials=min(_MOST, contradictions(statement.polarity, window.polarity)),
        cosine=None,
    )


def with_cosine(found: Signals, statement: str, window: str, embed: Callable[[str], Vector]) -> Signals:
    """The same, with the cosine of the two texts."""
    return replace(found, cosine=float(np.dot(embed(statement), embed(window))))


def log_odds(found: Signals, *, ask: Callable[[Signals], Signals] | None) -> float:
    """Of being supported. ask: adds the cosine; None where cosines do not tell."""
    by_words = WORDS_ALONE.log_odds(found)
    if ask is None or not OPEN[0] < by_words < OPEN[1]:
        return by_words
    return WITH_COSINE.log_odds(ask(found))


def _required(statement: Text) -> list[Mention]:
    return [mention for mention in statement.mentions if not mention.is_weak]


def _missing_names(named: Sequence[frozenset[str]], found: Set[str]) -> int:
    return min(_MOST, sum(not parts & found and fold("".join(parts)) not in found for parts in named))
