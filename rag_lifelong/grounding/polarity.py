"""Whether two sentences say the same of the same words, or one denies what the other says.

Rule: a word is denied if a negation stands before it in its clause, by so few words that it can only mean it. Opposites
("accepted", "rejected") count as a denial only where one sentence has the one and the other the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rag_lifelong.terms import STOPWORDS, family, terms

_REACH = 2  # content words after a negation that it denies
_TOKEN = re.compile(r"[\w’']+|[.,;:!?()—–]")
NEGATIONS = frozenset(
    (
        "not never no none neither nor without cannot nobody nothing nowhere hardly barely failed fails fail unable "
        "refused nicht kein keine keinen keiner keinem nie ohne nunca sin ni ningún ninguna ne pas jamais sans aucun "
        "aucune"
    ).split()
)
_NOT_SO = frozenset("only just merely necessarily solely".split())  # "not only": no denial
_OPPOSITES = (
    "accepted/rejected adopted/rejected approved/rejected approved/denied allowed/forbidden permitted/forbidden "
    "increased/decreased rose/fell rising/falling grew/shrank gained/lost won/lost before/after earlier/later "
    "more/less more/fewer higher/lower larger/smaller longer/shorter faster/slower above/below over/under "
    "maximum/minimum most/least first/last oldest/newest best/worst highest/lowest largest/smallest always/never "
    "enabled/disabled included/excluded required/optional open/closed opened/closed began/ended started/stopped "
    "success/failure succeeded/failed true/false public/private north/south east/west northern/southern "
    "eastern/western left/right all/none before/since supported/opposed agreed/refused agreed/disagreed"
)


@dataclass(frozen=True, slots=True)
class Polarity:
    """The word families a text denies, and those it does not."""

    denied: frozenset[str]
    said: frozenset[str]


def polarity(text: str) -> Polarity:
    """What `text` denies and what it says."""
    denied: set[str] = set()
    said: set[str] = set()
    reach = 0
    tokens = [token.lower().replace("’", "'") for token in _TOKEN.findall(text)]
    for i, token in enumerate(tokens):
        if not token[0].isalnum():
            reach = 0
        elif _is_negation(token, tokens[i + 1] if i + 1 < len(tokens) else ""):
            reach = _REACH
        else:
            for term in _content(token):
                (denied if reach else said).add(term)
                reach = max(0, reach - 1)
    return Polarity(frozenset(denied), frozenset(said))


def contradictions(first: Polarity, second: Polarity) -> int:
    """How many words the one denies and the other says, and how many opposites there are between them."""
    both = first.denied & second.denied
    found = len((first.denied & second.said) - second.denied - both)
    found += len((second.denied & first.said) - first.denied - both)
    mine, theirs = first.said | first.denied, second.said | second.denied
    for one, other in _opposites():
        if one in mine and other in theirs and one not in theirs and other not in mine:
            found += (one in first.denied) == (other in second.denied)
    return found


def _is_negation(token: str, following: str) -> bool:
    if token in NEGATIONS:
        return following not in _NOT_SO and not (token == "no" and following == ".")
    return token.endswith("n't")


def _content(token: str) -> Iterator[str]:
    for term in terms(token):
        if term not in STOPWORDS:
            yield family(term)


@lru_cache(maxsize=1)
def _opposites() -> tuple[tuple[str, str], ...]:
    """Both ways round."""
    found = []
    for pair in _OPPOSITES.split():
        one, other = (_first(_content(word)) for word in pair.split("/"))
        if one and other:
            found += [(one, other), (other, one)]
    return tuple(found)


def _first(found: Iterator[str]) -> str:
    return next(found, "")
