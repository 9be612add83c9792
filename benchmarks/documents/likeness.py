"""How alike two texts are, by their words.

Rule: measured as ROUGE does (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"): recall and precision
of single words, counted with their repetitions (ROUGE-1), and for order the longest common subsequence (ROUGE-L), here
as a share of the words that both have, so that it says nothing twice. Markup and punctuation are no words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Likeness:
    """recall: of the expected words, those found. precision: of the words found, those expected.

    order: of the words in both, those that also follow one another alike. words: how many are expected. A share of
    nothing is 1.
    """

    recall: float
    precision: float
    order: float
    words: int


def words(text: str) -> list[str]:
    """Runs of letters and digits, without case, in compatibility form (NFKC)."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def likeness(expected: str, found: str) -> Likeness:
    wanted, got = words(expected), words(found)
    both = sum((Counter(wanted) & Counter(got)).values())
    return Likeness(
        recall=both / len(wanted) if wanted else 1.0,
        precision=both / len(got) if got else 1.0,
        order=common_subsequence(wanted, got) / both if both else 1.0,
        words=len(wanted),
    )


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for a word of `first` (Hyyrö 2004, algorithm 1)."""
    places: dict[str, int] = {}
    for position, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << position
    full = (1 << len(first)) - 1
    open_places = full  # a zero: a longer subsequence ends here
    for word in second:
        matched = open_places & places.get(word, 0)
        open_places = ((open_places + matched) | (open_places - matched)) & full
    return len(first) - open_places.bit_count()
