"""Statements that a paragraph supports, and ones that it does not, made by rule from SQuAD's paragraphs and questions.

Supported: the sentence with the answer as it stands; two sentences joined by "and"; its first phrase put last; passive made active; common words
replaced by synonyms; shortened; its dates and numbers written otherwise; a question and its answer as a statement.
Not supported: a number, date or name replaced by another of its kind from the same article; a denial put in or taken
out; a true sentence of another paragraph; a question with the answer to another of the same kind. Apart from these:
two names of the sentence exchanged, which changes no word.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

from rag_lifelong.grounding.values import mentions
from rag_lifelong.sentences import split_sentences
from rag_lifelong.terms import STOPWORDS, fold, terms

SUPPORTED = ("as it stands", "first phrase last", "passive to active", "synonyms", "shortened", "written otherwise", "two joined",
             "question and answer")  # fmt: skip
NOT_SUPPORTED = ("number swapped", "date swapped", "name swapped", "denied", "wrong passage", "wrong answer")
APART = ("names exchanged",)
_SYNONYMS = dict(
    pair.split("/")
    for pair in (
        "began/started started/began large/big big/large located/situated situated/located created/made made/produced "
        "built/constructed constructed/built founded/established established/founded area/region region/area "
        "called/named named/called known/recognized often/frequently frequently/often many/numerous numerous/many "
        "important/significant significant/important received/got obtained/got became/turned several/various "
        "various/several used/employed employed/used near/close help/assist show/demonstrate shows/demonstrates "
        "showed/demonstrated large-scale/extensive famous/well-known popular/well-liked city/town country/nation "
        "people/persons war/conflict died/deceased wrote/authored job/work buy/purchase bought/purchased end/finish "
        "ended/finished entire/whole whole/entire main/principal primary/main principal/main largest/biggest "
        "biggest/largest smaller/littler required/needed needed/required allowed/permitted permitted/allowed "
        "currently/presently usually/commonly commonly/usually mainly/mostly mostly/mainly approximately/about"
    ).split()
)
_NAME = re.compile(r"(?:[A-ZÀ-Þ][\w’'-]+)(?:\s+(?:of\s+(?:the\s+)?)?[A-ZÀ-Þ][\w’'-]+)*")
_FIRST_PHRASE = re.compile(
    r"^((?:In|On|At|By|During|After|Before|From|Since|For|With|Under|Until|Despite|Among)\s[^,.;]{3,60}), (.+)\.$"
)
_PASSIVE = re.compile(r"^(.{3,90}?) (?:was|were) (\w+ed) by ([^,.;]{3,60})\.$")
_AUXILIARY = re.compile(r"\b(is|are|was|were|has|had|have|can|could|will|would|did|does|should|must|may)\b(?! not)")
_NOT = re.compile(r"\b(?:not|never) ")
_ASIDE = re.compile(r"\s*\([^()]*\)|, (?:which|who|whose|where|including|such as)\b[^,.;]*(?=[,.;])")
_MONTHS = "January February March April May June July August September October November December".split()


@dataclass(frozen=True)
class Paragraph:
    title: str
    text: str
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Case:
    """kind: as above. paragraph: what the statement cites."""

    kind: str
    statement: str
    paragraph: Paragraph

    @property
    def is_supported(self) -> bool:
        return self.kind in SUPPORTED


def tuning_titles(titles: Iterable[str]) -> frozenset[str]:
    """Half of the articles, by a hash of their titles: they choose, the others report."""
    ordered = sorted(set(titles), key=lambda title: blake2b(title.encode(), digest_size=8).digest())
    return frozenset(ordered[: len(ordered) // 2])


def cases(paragraphs: Sequence[Paragraph], *, rng: random.Random, most: int) -> list[Case]:
    """Up to `most` of each kind; the same paragraph gives one case of a kind."""
    articles: dict[str, list[Paragraph]] = defaultdict(list)
    for paragraph in paragraphs:
        articles[paragraph.title].append(paragraph)
    found: dict[str, list[Case]] = defaultdict(list)
    for paragraph in rng.sample(paragraphs, len(paragraphs)):
        for kind, statement in _of(paragraph, articles[paragraph.title], rng):
            if len(found[kind]) < most:
                found[kind].append(Case(kind, statement, paragraph))
    return [case for kind in (*SUPPORTED, *NOT_SUPPORTED, *APART) for case in found[kind]]


def _of(paragraph: Paragraph, article: Sequence[Paragraph], rng: random.Random) -> Iterator[tuple[str, str]]:
    sentences = [s.text for s in split_sentences(paragraph.text) if 30 < len(s.text) < 400]
    if not sentences or not paragraph.questions:
        return
    answer = rng.choice(paragraph.questions)[1]
    gold = next((s for s in sentences if answer in s), sentences[0])
    gold = " ".join(gold.split())
    yield "as it stands", gold
    for kind, made in (
        ("first phrase last", _first_phrase_last), ("passive to active", _active), ("synonyms", _with_synonyms),
        ("shortened", _shortened), ("written otherwise", _written_otherwise),
    ):  # fmt: skip
        for sentence in rng.sample(sentences, len(sentences)):
            other = made(" ".join(sentence.split()))
            if other is not None and other != sentence:
                yield kind, other
                break
    pairs = rng.sample(paragraph.questions, len(paragraph.questions))
    stated = ((q, a, as_statement(q, a)) for q, a in pairs)
    first = next((each for each in stated if each[2] is not None), None)
    if first is not None:
        yield "question and answer", first[2] or ""
        wrong = _another_answer(first[1], paragraph, article, rng)
        other = None if wrong is None else as_statement(first[0], wrong)
        if other is not None:
            yield "wrong answer", other
    text = " ".join(other.text for other in article)
    for kind, swapped in (
        ("number swapped", _number_swapped),
        ("date swapped", _date_swapped),
        ("name swapped", _name_swapped),
    ):
        for sentence in rng.sample(sentences, len(sentences)):
            other = swapped(" ".join(sentence.split()), text, rng)
            if other is not None:
                yield kind, other
                break
    denied = _denied(gold)
    if denied is not None:
        yield "denied", denied
    elsewhere = [other for other in article if other is not paragraph and other.questions]
    if elsewhere:
        other = rng.choice(elsewhere)
        theirs = [s.text for s in split_sentences(other.text) if 40 < len(s.text) < 400]
        if theirs:
            yield "wrong passage", " ".join(rng.choice(theirs).split())
    joined = _joined(sentences)
    if joined is not None:
        yield "two joined", joined
    exchanged = _exchanged(gold, rng)
    if exchanged is not None:
        yield "names exchanged", exchanged


# -- what is still supported


def _first_phrase_last(sentence: str) -> str | None:
    found = _FIRST_PHRASE.match(sentence)
    if found is None:
        return None
    phrase, rest = found.groups()
    return f"{rest[0].upper()}{rest[1:]} {phrase[0].lower()}{phrase[1:]}."


def _active(sentence: str) -> str | None:
    found = _PASSIVE.match(sentence)
    if found is None:
        return None
    what, verb, who = found.groups()
    return f"{who[0].upper()}{who[1:]} {verb} {what[0].lower()}{what[1:]}."


def _with_synonyms(sentence: str) -> str | None:
    replaced = 0

    def other(found: re.Match[str]) -> str:
        nonlocal replaced
        word = _SYNONYMS.get(found.group())
        if word is None or replaced == 3:
            return found.group()
        replaced += 1
        return word

    made = re.sub(r"\b[a-z][a-z-]+\b", other, sentence)
    return made if replaced else None


def _shortened(sentence: str) -> str | None:
    made = _ASIDE.sub("", sentence)
    return made if len(sentence) > len(made) > 40 else None


def _joined(sentences: Sequence[str]) -> str | None:
    for first, second in pairwise(sentences):
        if (
            max(len(first), len(second)) < 160
            and first.endswith(".")
            and re.match(r"(?:The|It|He|She|They|In|This|A)\s", second)
        ):
            return " ".join(f"{first[:-1]}, and {second[0].lower()}{second[1:]}".split())
    return None


def _written_otherwise(sentence: str) -> str | None:
    """Month D, YYYY as YYYY-MM-DD, D Month as Month D, 12,000 as 12000, three as 3, percent as %."""
    small = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
             "ten": "10", "twelve": "12", "twenty": "20"}  # fmt: skip
    months = "|".join(_MONTHS)
    made = re.sub(rf"\b({months}) (\d{{1,2}}), (\d{{4}})\b",
                  lambda m: f"{m[3]}-{_MONTHS.index(m[1]) + 1:02}-{int(m[2]):02}", sentence)  # fmt: skip
    made = re.sub(rf"\b(\d{{1,2}}) ({months})\b(?! \d)", r"\2 \1", made)
    made = re.sub(r"(?<=\d),(?=\d{3}\b)", "", made)
    made = re.sub(r"(?<=\d) percent\b", "%", made)
    made = re.sub(r"(?<=\d)%", " percent", made) if made == sentence else made
    made = re.sub(
        rf"(?<!-)\b({'|'.join(small)})\b(?![- ](?:\w+ty|hundred|thousand|million|billion|one|two|three|four|five|six|seven|eight|nine)\b)",
        lambda m: small[m[1]],
        made,
    )
    return None if made == sentence else made


_WHO = re.compile(r"^(?:Who|What|Which [\w' -]+?) ((?:was|were|is|are|has|had)\b.*|(?!did\b)\w+(?:ed|s|t)\b .*)\?$")
_HOW_MANY = re.compile(r"^How many ([\w' -]+?) (?:(are|were|is|was|have|had|can) (.+)|(did|do|does) (.+))\?$")
_WHEN = re.compile(r"^When (was|were|did) (.+)\?$")
_WHERE = re.compile(r"^Where (is|are|was|were) (.+?)( located| held| born| found)?\?$")
_PARTICIPLE = re.compile(r"^(.+?) (\w+(?:ed|en|wn|lt|nd|ld|ught|un|orn|ut|id|de))( .+)?$")


def as_statement(question: str, answer: str) -> str | None:
    """ "Who designed X?", "Y" → "Y designed X."; None where no rule fits."""
    answer = answer.strip().rstrip(".")
    question = " ".join(question.split())
    found = _WHO.match(question)
    if found is not None and not re.match(r"(?:do|does)\b|.*\b(?:called|known as|stand for|mean)$", found[1]):
        subject = answer if answer[0].isupper() or answer[0].isdigit() else answer[0].upper() + answer[1:]
        return f"{subject} {found[1]}."
    found = _HOW_MANY.match(question)
    if found is not None:
        count = answer if answer.lower().endswith(found[1].lower()) else f"{answer} {found[1]}"
        return f"{count} {found[2]} {found[3]}." if found[2] else f"{found[5][0].upper()}{found[5][1:]} {count}."
    found = _WHEN.match(question)
    if found is not None:
        when = answer if re.match(r"(?:in|on|at|by|since|from|after|before|during)\b", answer, re.I) else f"in {answer}"
        if found[1] == "did":
            return f"{found[2][0].upper()}{found[2][1:]} {when}."
        parted = _PARTICIPLE.match(found[2])
        if parted is not None:
            return f"{parted[1][0].upper()}{parted[1][1:]} {found[1]} {parted[2]}{parted[3] or ''} {when}."
    found = _WHERE.match(question)
    if found is not None:
        where = answer if re.match(r"(?:in|on|at|near|along|around)\b", answer, re.I) else f"in {answer}"
        return f"{found[2][0].upper()}{found[2][1:]} {found[1]}{found[3] or ''} {where}."
    return None


# -- what is not


def _kind_of(answer: str) -> str:
    found = mentions(answer)
    if any("-" in reading for mention in found for reading in mention.readings):
        return "date"
    if re.fullmatch(r"\D{0,8}\d{4}", answer.strip()):
        return "year"
    if found and not all(mention.is_weak for mention in found):
        return "number"
    return "name" if _NAME.match(answer) else "phrase"


def _another_answer(answer: str, paragraph: Paragraph, article: Sequence[Paragraph], rng: random.Random) -> str | None:
    """The answer to another question: of the same paragraph if one is of that kind, else of the article."""
    kind = _kind_of(answer)
    mine = set(terms(answer))
    for where in ([paragraph], [other for other in article if other is not paragraph]):
        others = sorted({a for p in where for _, a in p.questions if _kind_of(a) == kind and not mine & set(terms(a))})
        if others:
            return rng.choice(others)
    return None


def _number_swapped(sentence: str, article: str, rng: random.Random) -> str | None:
    numbers = [m for m in mentions(sentence) if not m.is_weak and re.fullmatch(r"[\d,.]+", sentence[m.start : m.end])]
    if not numbers:
        return None
    one = rng.choice(numbers)
    old = sentence[one.start : one.end]
    is_year = re.fullmatch(r"1\d{3}|20\d\d", old) is not None
    here = {reading for m in mentions(sentence) for reading in m.readings | m.implied}
    others = sorted(
        {
            article[m.start : m.end]
            for m in mentions(article)
            if re.fullmatch(r"[\d,.]*\d", article[m.start : m.end])
            and (re.fullmatch(r"1\d{3}|20\d\d", article[m.start : m.end]) is not None) == is_year
            and not m.readings & here
        }
    )
    return None if not others else sentence[: one.start] + rng.choice(others) + sentence[one.end :]


def _date_swapped(sentence: str, article: str, rng: random.Random) -> str | None:
    def dated(text: str) -> list[tuple[str, frozenset[str], int, int]]:
        found = [(text[m.start : m.end], m.readings, m.start, m.end) for m in mentions(text)]
        return [each for each in found if any(re.match(r"(?:\d{4}|-)-\d\d", reading) for reading in each[1])]

    mine = dated(sentence)
    if not mine:
        return None
    _, readings, start, end = rng.choice(mine)
    shape = [re.sub(r"\d", "9", reading) for reading in readings]
    others = sorted(
        {
            text
            for text, other, _, _ in dated(article)
            if not other & readings and [re.sub(r"\d", "9", r) for r in other] == shape
        }
    )
    return None if not others else sentence[:start] + rng.choice(others) + sentence[end:]


def _names_in(sentence: str) -> list[re.Match[str]]:
    return [m for m in _NAME.finditer(sentence) if m.start() > 0 and fold(m.group()) not in STOPWORDS]


def _name_swapped(sentence: str, article: str, rng: random.Random) -> str | None:
    mine = _names_in(sentence)
    if not mine:
        return None
    one = rng.choice(mine)
    here = set(terms(sentence))
    others = sorted(
        {m.group() for s in split_sentences(article) for m in _names_in(s.text) if not set(terms(m.group())) & here}
    )
    others = [o for o in others if o.count(" ") == one.group().count(" ")] or others
    return None if not others else sentence[: one.start()] + rng.choice(others) + sentence[one.end() :]


def _denied(sentence: str) -> str | None:
    if _NOT.search(sentence):
        return _NOT.sub("", sentence, count=1)
    found = _AUXILIARY.search(sentence)
    return None if found is None else f"{sentence[: found.end()]} not{sentence[found.end() :]}"


def _exchanged(sentence: str, rng: random.Random) -> str | None:
    mine = _names_in(sentence)
    if len(mine) < 2:
        return None
    first, second = sorted(rng.sample(mine, 2), key=lambda m: m.start())
    if first.group() == second.group():
        return None
    return (
        sentence[: first.start()] + second.group() + sentence[first.end() : second.start()]
        + first.group() + sentence[second.end() :]
    )  # fmt: skip
