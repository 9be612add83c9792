"""A fact as it is asked for, and when an answer counts as the same: what all who write pairs share.

Rule: pure. No question gives its own answer away; an answer stands in the passage, word for word; numbers are never
nearly right.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from rag_lifelong.answering import refuses
from rag_lifelong.distill.gates import f1
from rag_lifelong.distill.prompts import without_markers
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.grounding.source import Text, names
from rag_lifelong.grounding.values import holds
from rag_lifelong.sentences import split_sentences
from rag_lifelong.terms import STOPWORDS, family, terms

ALIKE = 0.8  # token F1 from which on an answer is the same one, its numbers being equal
_TOLD = 0.25  # of a passage's telling words: what says fewer is no rewrite of it
_CUE_WORDS = 6
_FLAT = re.compile(r"(?:p\.|slide|cell|row) \d")  # a label that names a place and no matter
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_ARTICLES = frozenset(("a", "an", "the"))


class PairKind(Enum):
    """What a pair asks for: an answer, the other way round, or all that a passage says."""

    QUESTION = "question"
    REVERSE = "reverse"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt and the answer to it. author: "model", "template" or "user"."""

    kind: PairKind
    prompt: str
    answer: str
    author: str


Fact = tuple[Draft, ...]
"""What asks for one fact: its wordings, then what asks for it the other way round."""


def normal(text: str) -> str:
    """Equal for texts that differ in case, punctuation, blanks and articles only."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(word for word in re.findall(r"\w+", plain) if word not in _ARTICLES)


def stands_in(words: str, text: str) -> bool:
    """Whether whole words of `text`, in a row, are those of `words`."""
    wanted, there = normal(words), normal(text)
    if not wanted:
        return False
    return f" {wanted} " in f" {there} " or (_UNSPACED.search(words) is not None and wanted in there)


def is_reproduced(said: str, answer: str) -> bool:
    """What a model says is the answer: the same words, or nearly, with the same numbers and dates."""
    said = without_markers(said)
    if refuses(said):
        return False
    if normal(said) == normal(answer):
        return True
    mine = Text(said)
    return f1(said, answer) >= ALIKE and all(
        holds(mention, mine.values) for mention in Text(answer).mentions if not mention.is_weak
    )


def is_faithful(rewrite: str, passage: Candidate) -> bool:
    """Each number, date and name of a rewrite stands in the passage, its title or its place; and it tells enough."""
    if refuses(rewrite):
        return False
    known = Text(f"{passage.title}\n{passage.label}\n{passage.text}")
    words = {family(term) for term in terms(known.text)}
    if not all(holds(mention, known.values) for mention in Text(rewrite).mentions if not mention.is_weak):
        return False
    for sentence in split_sentences(rewrite):
        if any(not name <= words for name in names(Text(sentence.text).bare)):
            return False
    return len(_telling(rewrite)) >= _TOLD * len(_telling(passage.text))


def subject_of(passage: Candidate) -> str:
    """What the document is called: its title, else its file's name without the ending."""
    return passage.title or PurePath(passage.path).stem


def prompts_about(passages: Sequence[Candidate]) -> dict[int, str]:
    """passage id → a prompt for all that the passage says. Where two would be alike, its first words are given too."""
    plain = {one.passage_id: _about(one) for one in passages}
    count = Counter(normal(prompt) for prompt in plain.values())
    for one in passages:
        prompt = plain[one.passage_id]
        if count[normal(prompt)] > 1:
            cue = " ".join(one.text.split()[:_CUE_WORDS])
            plain[one.passage_id] = f'{prompt.removesuffix("?")}, where it begins "{cue}"?'
    return plain


def _about(passage: Candidate) -> str:
    if not passage.label:
        return f"What do you know about {subject_of(passage)}?"
    place = f"at {passage.label}" if _FLAT.match(passage.label) else f"about {passage.label}"
    return f"What does {subject_of(passage)} say {place}?"


def _telling(text: str) -> set[str]:
    return {family(term) for term in terms(text) if term not in STOPWORDS}
