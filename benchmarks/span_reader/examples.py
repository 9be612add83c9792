"""Paragraphs and questions → examples for a span reader, answerable and not.

Rule: SQuAD's articles are split by a digest of their title: a half teaches, a sixth sets thresholds, a third is reported
on, and nothing of it is seen before. `peps.jsonl` holds questions written by hand while reading PEPs; of PEPs whose
number is divisible by three they are for reports. One of the 1,005 that taught the weights in the package is left out of
it, since its answer is an address.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from rag_lifelong.sentences import split_sentences
from rag_lifelong.terms import family, fold, query_terms, terms

HARD = 6  # of the nearest paragraphs without the answer, one is drawn
_ENTITY = re.compile(r"(?<=[a-z,] )(?:[A-Z][\w'’.-]+(?: (?:of |the )?[A-Z][\w'’.-]+)*|\d[\d,.]*\d|\d)")


PEPS = Path(__file__).with_name("peps.jsonl")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on `paragraphs[gold]`, and its answer as the set gives it: a string, without a place; "" for none."""

    text: str
    answer: str
    gold: int


@dataclass(frozen=True, slots=True)
class Articles:
    """Paragraphs (title, text), and what is asked of them."""

    paragraphs: tuple[tuple[str, str], ...]
    questions: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """answers: (start, end) in the text, each right; none: the text does not answer."""

    question: str
    title: str
    text: str
    answers: tuple[tuple[int, int], ...]


def parts_of(titles: Sequence[str]) -> dict[str, str]:
    """Title → "train", "thresholds" or "report": a half, a sixth and a third of the articles, by digest."""
    ordered = sorted(set(titles), key=lambda title: blake2b(title.encode()).digest())
    report, thresholds = len(ordered) // 3, len(ordered) // 6
    names = ["report"] * report + ["thresholds"] * thresholds
    return {title: names[i] if i < len(names) else "train" for i, title in enumerate(ordered)}


def read_squad(path: Path, part: str) -> Articles:
    """One part of squad_dev.json; "all" for the whole."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    parts = parts_of([row["title"] for row in rows])
    rows = [row for row in rows if part == "all" or parts[row["title"]] == part]
    asked = (Asked(q["question"].strip(), q["answer"], i) for i, row in enumerate(rows) for q in row["questions"])
    return Articles(tuple((row["title"], row["context"]) for row in rows), tuple(asked))


def read_peps(part: str) -> Articles:
    """One part of the questions by hand: "train" or "report"."""
    rows = [json.loads(line) for line in PEPS.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["part"] == part]
    paragraphs = list(dict.fromkeys((f"PEP {row['pep']}", row["context"]) for row in rows))
    number = {paragraph: i for i, paragraph in enumerate(paragraphs)}
    asked = (Asked(row["question"], row["answer"], number[f"PEP {row['pep']}", row["context"]]) for row in rows)
    return Articles(tuple(paragraphs), tuple(asked))


def occurrences(text: str, answer: str) -> tuple[tuple[int, int], ...]:
    """Where the answer stands in the text as a whole word or words."""
    before, after = (r"(?<!\w)" if answer[:1].isalnum() else ""), (r"(?!\w)" if answer[-1:].isalnum() else "")
    pattern = re.compile(before + re.escape(answer) + after)
    return tuple(found.span() for found in pattern.finditer(text))


class Nearest:
    """The paragraphs that share most with a question, by words that count as they are rare."""

    def __init__(self, articles: Articles) -> None:
        self._found = [Counter(map(family, terms(f"{title} {text}"))) for title, text in articles.paragraphs]
        holders = Counter(term for found in self._found for term in found)
        total = len(self._found)
        self._weights = {term: math.log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in holders.items()}
        self._lengths = [sum(found.values()) for found in self._found]
        self._mean = sum(self._lengths) / total

    def best(self, question: str, k: int) -> list[int]:
        """Numbers of the best `k`, best first, by BM25 (k1 1.2, b 0.75)."""
        wanted = [t for t in map(family, query_terms(question)) if t in self._weights]
        scores = []
        for i, found in enumerate(self._found):
            norm = 1.2 * (0.25 + 0.75 * self._lengths[i] / self._mean)
            scores.append(sum(self._weights[t] * found[t] * 2.2 / (found[t] + norm) for t in wanted if t in found))
        return sorted(range(len(scores)), key=lambda i: -scores[i])[:k]


class Source:
    """Examples of one part, drawn anew each epoch."""

    def __init__(self, articles: Articles) -> None:
        self._articles = articles
        nearest = Nearest(articles)
        self._hard: list[list[int]] = []
        self._entities: dict[str, list[str]] = {}
        for asked in articles.questions:
            others = [i for i in nearest.best(asked.text, 40) if i != asked.gold]
            held = fold(asked.answer)
            self._hard.append([i for i in others if not held or held not in fold(articles.paragraphs[i][1])][:HARD])
            title = articles.paragraphs[asked.gold][0]
            self._entities.setdefault(title, []).extend(_ENTITY.findall(asked.text))

    def epoch(self, rng: random.Random) -> Iterator[Example]:
        """Of each question its paragraph, and one text that does not answer: a paragraph near it, its own without the
        answer's sentences, or its own asked about something else."""
        for number, asked in enumerate(self._articles.questions):
            title, text = self._articles.paragraphs[asked.gold]
            if not asked.answer:
                yield Example(asked.text, title, text, ())
                continue
            yield Example(asked.text, title, text, occurrences(text, asked.answer))
            draw = rng.random()
            rest = without_answer(text, asked.answer) if draw < 0.25 else ""
            other = self._about_else(asked, title, text, rng) if 0.25 <= draw < 0.45 else None
            if rest:
                yield Example(asked.text, title, rest, ())
            elif other:
                yield Example(other, title, text, ())
            elif self._hard[number]:
                yield Example(asked.text, *self._articles.paragraphs[rng.choice(self._hard[number])], ())

    def _about_else(self, asked: Asked, title: str, text: str, rng: random.Random) -> str | None:
        """The question with one of its names or numbers in place of another of the article, that the text lacks."""
        own = _ENTITY.findall(asked.text)
        if not own:
            return None
        old = rng.choice(own)
        same = [e for e in self._entities[title] if e[0].isdigit() == old[0].isdigit()]
        others = [e for e in same if e not in asked.text and fold(e) not in fold(text)]
        return asked.text.replace(old, rng.choice(others)) if others else None


def without_answer(text: str, answer: str) -> str:
    """The text less the sentences that hold the answer; "" if less than two stay."""
    sentences = split_sentences(text)
    kept = [s.text for s in sentences if fold(answer) not in fold(s.text)]
    return " ".join(kept) if 2 <= len(kept) < len(sentences) else ""
