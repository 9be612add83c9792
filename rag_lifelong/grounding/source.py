"""A passage shown to a model, ready to be compared with what it wrote: its sentences, their words, names and values.

Rule: spans are of the passage's text. What is known of it besides (title, label, file name, date) counts as said in
each of its sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rag_lifelong.grounding.polarity import NEGATIONS, Polarity, polarity
from rag_lifelong.grounding.values import Mention, mentions, values
from rag_lifelong.sentences import Sentence, is_prose, split_sentences
from rag_lifelong.terms import STOPWORDS, family, fold, terms

WINDOW = 3  # sentences in a row that may support a statement together
_NAME = re.compile(r"[^\W\d_]*[A-ZÀ-ÞА-ЯΑ-Ω][\w’'&]*(?:[.-][\w’']+)*")
_OPENERS = frozenset(
    "however therefore thus hence also moreover furthermore additionally although though while whereas because since "
    "when where if as after before during within among between despite unlike like according based overall yes today "
    "later then there here both each every some many most several other others another such only even still yet so "
    "given under over per through until upon instead meanwhile currently note see use using".split()
)


@dataclass(frozen=True)
class Text:
    """A piece of text and what it says. Each part is read when it is first asked for."""

    text: str

    @cached_property
    def bare(self) -> str:
        """The text with spaces where its numbers and dates stand."""
        bare = list(self.text)
        for mention in self.mentions:
            if not mention.is_weak:
                bare[mention.start : mention.end] = " " * (mention.end - mention.start)
        return "".join(bare)

    @cached_property
    def words(self) -> dict[str, str]:
        """Family → term, without function words, negations, numbers and dates."""
        left = reversed(terms(self.bare))
        return {family(term): term for term in left if term not in STOPWORDS and term not in NEGATIONS}

    @cached_property
    def mentions(self) -> list[Mention]:
        """Its numbers, dates and times."""
        return mentions(self.text)

    @cached_property
    def values(self) -> frozenset[str]:
        """All that those say."""
        return values(self.mentions)

    @cached_property
    def polarity(self) -> Polarity:
        """What it denies and what it says."""
        return polarity(self.text)

    @cached_property
    def initials(self) -> frozenset[str]:
        """What its capitalised words may be shortened to: National Football League → nfl, nf, fl."""
        found: set[str] = set()
        for run in re.findall(r"(?:[A-Z][\w’'-]*(?:\s+(?:of|the|and|for)\s+|[\s-]+)){1,5}[A-Z][\w’'-]*", self.text):
            first = [word[0].lower() for word in re.split(r"[\s-]+", run) if word[:1].isupper()]
            found |= {"".join(first[a:b]) for a in range(len(first)) for b in range(a + 2, len(first) + 1)}
        return frozenset(found)


def names(text: str) -> Iterator[frozenset[str]]:
    """The words with a capital, each as the families of its terms; the first of the text only if it must be a name."""
    for found in _NAME.finditer(text):
        word = found.group().removesuffix("'s").removesuffix("’s")
        is_first = not any(char.isalnum() for char in text[: found.start()])
        folded = fold(word)
        if folded in STOPWORDS or folded in _OPENERS or len(word) < 2:
            continue
        if is_first and (folded.endswith("ly") or not _goes_on(text[found.end() :], word)):
            continue
        parts = frozenset(family(term) for term in terms(word) if term not in STOPWORDS)
        if parts:
            yield parts


def _goes_on(rest: str, word: str) -> bool:
    """After the first word of a sentence: another name, or it has capitals inside."""
    return bool(re.match(r"\s+[A-ZÀ-Þ][\w’'-]", rest)) or not word[1:].islower()


@dataclass(frozen=True)
class Window:
    """Sentences in a row: characters [start, end) of the passage's text."""

    start: int
    end: int
    said: Text
    sentences: tuple[Text, ...]

    def words(self) -> set[str]:
        """The families of its terms."""
        return set().union(*(sentence.words for sentence in self.sentences))

    def values(self) -> set[str]:
        """All that its numbers and dates say."""
        return set().union(*(sentence.values for sentence in self.sentences))


class Source:
    """A passage: `text`, and `place`, what else is known of it."""

    def __init__(self, text: str, place: str) -> None:
        self.text = text
        self.place = Text(place)

    @cached_property
    def whole(self) -> Text:
        """All of it."""
        return Text(self.text)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """One, two or three sentences in a row."""
        pieces = [piece for piece in split_sentences(self.text) if is_prose(piece.text)]
        return tuple(self._windows(pieces))

    def _windows(self, pieces: list[Sentence]) -> Iterator[Window]:
        texts = [Text(piece.text) for piece in pieces]
        for first, piece in enumerate(pieces):
            yield Window(piece.start, piece.end, texts[first], (texts[first],))
            for last in range(first + 1, min(first + WINDOW, len(pieces))):
                end = pieces[last].end
                yield Window(piece.start, end, Text(self.text[piece.start : end]), tuple(texts[first : last + 1]))
