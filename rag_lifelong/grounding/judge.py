"""A model's text and the passages it was shown → which of its sentences they support, and where.

Rule: a sentence is judged by what it cites, and by all that was shown if it cites nothing. Nothing is changed in the
text; what is not supported is only named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag_lifelong.grounding.source import Source, Text, Window
from rag_lifelong.grounding.statements import Statement, split_statements
from rag_lifelong.grounding.support import Signals, Weights, best_window, log_odds, signals, with_cosine
from rag_lifelong.quote.evidence import TermStatistics
from rag_lifelong.types import Vector

# Function words of English that are no words of its neighbours; about three in ten words of its prose.
_TELLING = frozenset(
    "the of and to are for that with by from which were this it be or have not their they its been than who".split()
)
# And those of its neighbours that are no words of English.
_ELSEWHERE = frozenset(
    "der das und ist nicht ein eine dem den von mit für auf im zu zum zur bei seit wird le la les une est pas dans "
    "pour sur et el los las una es en por que del y il di che per gli um uma não os het een van voor niet op".split()
)
_FEWEST_WORDS = 6
_SOME, _NONE = 0.12, 0.04  # shares: at least so many of its own where a text is in a language, at most of another's


@dataclass(frozen=True, slots=True)
class Place:
    """Characters [start, end) of the text of passage `number`, from 1. supports: it does, alone or with the others."""

    number: int
    start: int
    end: int
    supports: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence that says something.

    places: of each passage it cites, where it is supported best; if it cites none, of the one that supports it best.
    log_odds: of being supported.
    """

    statement: Statement
    is_supported: bool
    places: tuple[Place, ...]
    log_odds: float


def judge(
    text: str, sources: Sequence[Source], *, statistics: TermStatistics, embed: Callable[[str], Vector] | None
) -> list[Judged]:
    """Every sentence of an answer that says something, in order.

    sources: the passages shown; marker [n] means the n-th. embed: None if the embedder's cosines do not tell.
    """
    weights = Weights(statistics)
    is_foreign = speaks_otherwise(text, [source.text for source in sources])
    kept = None if embed is None else lru_cache(maxsize=None)(embed)
    found = []
    for statement in split_statements(text):
        if statement.needs_support:
            found.append(_judged(statement, sources, weights, kept, is_foreign=is_foreign))
    return found


def speaks_otherwise(text: str, sources: Sequence[str]) -> bool:
    """The text is English and its sources are not, or the other way round, as far as function words tell."""
    own, theirs = re.findall(r"[^\W\d_]+", text), re.findall(r"[^\W\d_]+", " ".join(sources))
    if len(own) < _FEWEST_WORDS or len(theirs) < _FEWEST_WORDS:
        return False
    english, other = sorted((own, theirs), key=lambda words: -_share(words, _TELLING))
    is_elsewhere = _share(other, _ELSEWHERE) >= _SOME or sum(not w.isascii() for w in other) > len(other) / 2
    return _share(english, _TELLING) >= _SOME and _share(other, _TELLING) <= _NONE and is_elsewhere


def _share(words: Sequence[str], among: frozenset[str]) -> float:
    return sum(word.lower() in among for word in words) / len(words)


def _judged(
    statement: Statement,
    sources: Sequence[Source],
    weights: Weights,
    embed: Callable[[str], Vector] | None,
    *,
    is_foreign: bool,
) -> Judged:
    """is_foreign: words cannot be compared, so that only numbers and dates tell."""
    said = Text(statement.text)
    numbers = [number for number in statement.cited if 1 <= number <= len(sources)]
    best: list[tuple[int, Window, Signals]] = []
    for number in numbers or range(1, len(sources) + 1):
        window = best_window(said, sources[number - 1], weights)
        if window is not None:
            best.append((number, *window))

    def odds(found: Signals, window: str) -> float:
        if is_foreign:
            return -1.0 if found.passage_values else 0.0
        ask = None if embed is None else lambda bare: with_cosine(bare, said.text, window, embed)
        return log_odds(found, ask=ask)

    if not best:
        return Judged(statement, False, (), float("-inf"))
    if not numbers:
        best = [max(best, key=lambda each: log_odds(each[2], ask=None))]
    alone = [odds(found, window.said.text) for _, window, found in best]
    top = max(alone)
    if top < 0 and len(best) > 1:  # none alone: together?
        together = Text("\n".join(window.said.text for _, window, _ in best))
        cited = [sources[number - 1] for number, _, _ in best]
        sentences = [sentence for _, window, _ in best for sentence in window.sentences]
        jointly = odds(signals(said, together, sentences, cited, weights), together.text)
        if jointly > top:
            top, alone = jointly, [jointly] * len(best)
    places = tuple(
        Place(number, window.start, window.end, own >= 0) for (number, window, _), own in zip(best, alone, strict=True)
    )
    return Judged(statement, top >= 0, places, top)
