"""A text → a query of its own words, as someone who half remembers it would type them.

Rule: the words stand in the text itself, never only in its path or title.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rag_lifelong.terms import STOPWORDS, terms

MOST_WORDS = 8
LEAST_TERMS = 4  # a text that tells fewer terms stands in too many places to be asked for

_WORD = re.compile(r"[^\W_]+(?:[-_.'’][^\W_]+)*")


def flat(text: str) -> str:
    """`text` on one line, each run of blanks as one space: how lines are compared."""
    return " ".join(text.split())


def query_of(text: str, passages_with: Callable[[str], int]) -> str | None:
    """The MOST_WORDS words of the text that the fewest passages hold, in its order; None if it tells too little.

    passages_with: how many living passages hold a term.
    """
    rarities: dict[str, int] = {}
    distinct: set[str] = set()
    for word in _WORD.findall(text):
        telling = [term for term in terms(word) if term not in STOPWORDS and (len(term) > 1 or not term.isascii())]
        distinct.update(telling)
        if telling and word not in rarities:
            rarities[word] = min(passages_with(term) for term in telling)
    if len(distinct) < LEAST_TERMS:
        return None
    chosen = set(sorted(rarities, key=lambda word: rarities[word])[:MOST_WORDS])
    return " ".join(word for word in rarities if word in chosen)
