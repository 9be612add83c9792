"""Dialogues for `benchmarks.followups`: by hand, and made from squad_dev and from the headers of PEPs.

Made ones begin with whole questions and take out of the later ones what they share with the first: a run of words that
both have is replaced by a pronoun, by a noun for the article, or left out; of two questions that differ in one place,
only that is asked. Nothing here is shared with the rules that put things back: what is taken out is found by comparing
two questions, which the rules never see both whole; the pronoun is the one that the *paragraph* uses after the name,
and the nouns are a table by hand. The PEPs' wordings are a list of its own. Articles and PEPs are split in two by a
digest of their title or number: rules were made on the development half alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pep_questions
from benchmarks.pep_questions import half
from benchmarks.pep_search import Pep

BY_HAND = Path(__file__).with_name("dialogues_by_hand.txt")
EACH_ARTICLE = 20  # dialogues at most, so that long articles do not outweigh others
PEP_DIALOGUES = 260
SEED = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: what is typed, the same asked on its own, and what answers it.

    kind: how the typed one leans on those before it; "first", "alone" (the topic goes on, named again) and "change"
    (another topic) do not. gold: number of the document. answers: all must be in what is answered or cited.
    """

    typed: str
    whole: str
    kind: str
    gold: int
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """source: "squad" or "peps". origin: "by hand" or "made"."""

    source: str
    origin: str
    half: str
    steps: tuple[Step, ...]


# -- by hand


def by_hand(entries: Sequence[Mapping[str, object]], peps: Sequence[Pep]) -> Iterator[Dialogue]:
    """The dialogues of dialogues_by_hand.txt, whose head says how it is read."""
    paragraphs: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        paragraphs.setdefault(str(entry["title"]), []).append(number)
    numbers = {f"PEP {pep.number}": i for i, pep in enumerate(peps)}
    for block in re.split(r"^== ", BY_HAND.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        place, *lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
        is_pep = place in numbers
        if place.startswith("PEP ") and not is_pep:
            continue  # the PEPs were not given
        name = place.partition(" | ")[0]
        first = place
        steps: list[Step] = []
        for line in lines:
            if line.startswith("-- "):
                place = line[3:]
                continue
            title, _, at = place.partition(" | ")
            gold = numbers[place] if is_pep else paragraphs[title][int(at)]
            typed, _, rest = line.partition(" => ")
            answer, _, whole = rest.partition(" <= ")
            alone = "first" if not steps else "alone" if place == first else "change"
            kind = "follow-up" if whole else alone
            answers = tuple(part.strip() for part in answer.split(";")) if is_pep else (answer.strip(),)
            steps.append(Step(typed, whole or typed, kind, gold, answers))
        source = "peps" if is_pep else "squad"
        yield Dialogue(source, "by hand", half(name.removeprefix("PEP ")), tuple(steps))


# -- from squad_dev

# What one would call the thing an article is about, and its pronoun; by hand, from the titles.
NOUNS = {
    "Super Bowl 50": "the game",
    "Warsaw": "the city",
    "Normans": "those people",
    "Nikola Tesla": "the inventor",
    "Computational complexity theory": "the theory",
    "Teacher": "the profession",
    "Martin Luther": "the reformer",
    "Southern California": "the region",
    "Sky (United Kingdom)": "the company",
    "Victoria (Australia)": "the state",
    "Huguenot": "those Protestants",
    "Steam engine": "the machine",
    "Oxygen": "the element",
    "1973 oil crisis": "the crisis",
    "Apollo program": "the program",
    "European Union law": "that law",
    "Amazon rainforest": "the forest",
    "Ctenophora": "these animals",
    "Fresno, California": "the city",
    "Packet switching": "the technique",
    "Black Death": "the plague",
    "Geology": "this science",
    "Newcastle upon Tyne": "the town",
    "Victoria and Albert Museum": "the museum",
    "American Broadcasting Company": "the network",
    "Genghis Khan": "the ruler",
    "Pharmacy": "the field",
    "Immune system": "the system",
    "Civil disobedience": "this form of protest",
    "Construction": "the industry",
    "Private school": "such schools",
    "Harvard University": "the university",
    "Jacksonville, Florida": "the city",
    "Economic inequality": "this problem",
    "Doctor Who": "the show",
    "University of Chicago": "the school",
    "Yuan dynasty": "the dynasty",
    "Kenya": "the country",
    "Intergovernmental Panel on Climate Change": "the panel",
    "Chloroplast": "these organelles",
    "Prime number": "such numbers",
    "Rhine": "the river",
    "Scottish Parliament": "the parliament",
    "Islamism": "the movement",
    "Imperialism": "this policy",
    "United Methodist Church": "the church",
    "French and Indian War": "the war",
    "Force": "this quantity",
}
PEOPLE = ("Nikola Tesla", "Martin Luther", "Genghis Khan")
PRONOUNS = (("he", "him", "his"), ("she", "her", "her"), ("it", "it", "its"), ("they", "them", "their"))
_PREPOSITIONS = ("in", "of", "at", "by", "for", "from", "to", "on", "with", "about", "during", "within")
_AUXILIARIES = ("did", "does", "do", "is", "was", "were", "are", "has", "had", "have", "can", "could", "will", "would")
_WORD = re.compile(r"\w[\w'’.–-]*\w|\w")
_EDGES = frozenset(
    "the a an of in on at by for from to with and or is are was were do does did has have had be been what which who "
    "when where why how many much that this as it its his her their he she they during about s".split()
)


def from_squad(entries: Sequence[Mapping[str, object]]) -> Iterator[Dialogue]:
    """Two- and three-turn dialogues on one paragraph each, and the same with the last turn whole, or on other things."""
    rng = random.Random(SEED)
    found: dict[str, list[Dialogue]] = {}
    articles: dict[str, _Article] = {}
    for entry in entries:
        article = articles.setdefault(str(entry["title"]), _Article(str(entry["title"]), [], set()))
        article.paragraphs.append(str(entry["context"]))
        article.people.update(
            word
            for question, answer in _questions(entry)
            if question.lower().startswith("who ")
            for word in re.findall(r"[A-Z]\w+", answer)
        )
    by_half: dict[str, list[tuple[str, Step]]] = {"development": [], "held-out": []}
    for number, entry in enumerate(entries):
        title = str(entry["title"])
        for asked in _questions(entry):
            step = Step(asked[0], asked[0], "change", number, (asked[1],))
            by_half[half(title)].append((title, step))
    for number, entry in enumerate(entries):
        title = str(entry["title"])
        article = articles[title]
        steps = [Step(question, question, "first", number, (answer,)) for question, answer in _questions(entry)]
        for i in range(len(steps) - 1):
            second = _leaning(steps[i], steps[i + 1], article, rng)
            if second is None:
                continue
            turns = [steps[i], second]
            third = _leaning(steps[i], steps[i + 2], article, rng) if i + 2 < len(steps) else None
            if third is not None and third.kind != "other":
                turns.append(third)
            draw = rng.random()
            if draw < 0.2:
                others = [step for other, step in rng.sample(by_half[half(title)], 30) if other != title]
                turns[-1:] = [others[0]] if len(turns) > 2 else [turns[-1], others[0]]
            elif draw < 0.35:
                whole = steps[i + len(turns) - 1]
                turns[-1] = Step(whole.typed, whole.typed, "alone", number, whole.answers)
            found.setdefault(title, []).append(Dialogue("squad", "made", half(title), tuple(turns)))
    for dialogues in found.values():
        yield from rng.sample(dialogues, min(EACH_ARTICLE, len(dialogues)))


def _questions(entry: Mapping[str, object]) -> list[tuple[str, str]]:
    asked = entry["questions"]
    assert isinstance(asked, list)
    return [(str(each["question"]).strip(), str(each["answer"])) for each in asked]


@dataclass(frozen=True, slots=True)
class _Article:
    """people: words of the answers to its questions that begin with "Who"."""

    title: str
    paragraphs: list[str]
    people: set[str]


def _leaning(first: Step, step: Step, article: _Article, rng: random.Random) -> Step | None:
    """The step without what it shares with the first; None if they share no name."""
    other = _other(first.typed, step.typed)
    if other is not None:
        typed = rng.choice(("What about {}?", "And {}?", "How about {}?", "And what about {}?")).format(other)
        return Step(typed, step.whole, "other", step.gold, step.answers)
    span = _shared(first.typed, step.typed, article.title)
    if span is None:
        return None
    wordings = list(_wordings(step.typed, *span, article=article))
    kind, typed = rng.choice(wordings)
    lead = rng.choice(("", "", "", "And ", "Okay, and ", "Then "))
    if lead:
        is_name = len(typed.split()[0]) == 1 or typed[:2].isupper()
        typed = lead + (typed if is_name else typed[0].lower() + typed[1:])
    return Step(typed, step.whole, kind, step.gold, step.answers)


def _other(first: str, second: str) -> str | None:
    """Where two questions differ in one place only: what the second has there."""
    a, b = first.rstrip("? ").split(), second.rstrip("? ").split()
    head = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x.lower() != y.lower()), None)
    if head is None or head < 3:
        return None
    tail = next(
        (i for i, (x, y) in enumerate(zip(reversed(a), reversed(b), strict=False)) if x.lower() != y.lower()), 0
    )
    mine = b[head : len(b) - tail]
    if not 1 <= len(mine) <= 4 or len(a) - head - tail > 4 or len(a) - tail <= head or len(mine) + 3 > len(b):
        return None
    return " ".join(mine)


def _shared(first: str, second: str, title: str) -> tuple[int, int] | None:
    """Characters of the second: the longest run of words that the first has too, with a name or the title in it."""
    words, mine = [m.group().lower().removesuffix("'s") for m in _WORD.finditer(first)], list(_WORD.finditer(second))
    best: tuple[int, int] | None = None
    for i in range(len(mine)):
        for j in range(len(mine), i, -1):
            run = [m.group().lower().removesuffix("'s") for m in mine[i:j]]
            if run[0] in _EDGES or run[-1] in _EDGES:
                continue
            if not any(words[k : k + len(run)] == run for k in range(len(words))):
                continue
            text = second[mine[i].start() : mine[j - 1].end()]
            if (
                text[-1].isdigit()
                or not _is_whole(second, mine, i, j)
                or not (any(c.isupper() for c in text) or title.lower().startswith(" ".join(run).rstrip("s")))
            ):
                continue
            if best is None or len(run) > best[1] - best[0]:
                best = i, j
            break
    if best is None or best[1] - best[0] > 6 or len(mine) - (best[1] - best[0]) < 3:
        return None
    return mine[best[0]].start(), mine[best[1] - 1].end()


def _is_whole(question: str, words: Sequence[re.Match[str]], i: int, j: int) -> bool:
    """Words [i, j) of the question are, as far as their neighbours tell, all of a noun phrase."""
    before = [m.group().lower() for m in words[:i] if m.group().lower() != "the"]
    if not before or before[-1] not in (*_PREPOSITIONS, *_AUXILIARIES):
        return False
    if question[words[j - 1].start() : words[j - 1].end()].endswith(("'s", "’s")):
        return True
    if before[-1] in _AUXILIARIES and j < len(words):
        return not words[j].group()[0].isupper()
    return j == len(words) or words[j].group().lower() in _EDGES or question[words[j - 1].end()] in ",?;"


def _wordings(question: str, start: int, end: int, *, article: _Article) -> Iterator[tuple[str, str]]:
    """(kind, the question without characters [start, end)), in each way that goes."""
    name = re.sub(r"['’]s$", "", question[start:end])
    is_owner = name != question[start:end]
    after = question[end:]
    before = re.sub(r"\bthe\s+$", "", question[:start], flags=re.IGNORECASE)
    subject, thing, owner = _pronoun(name, article)
    is_subject = before.split()[-1].lower() in _AUXILIARIES
    yield "pronoun", before + (owner if is_owner else subject if is_subject else thing) + after
    short = re.sub(r"\s*[(,].*", "", article.title).lower()
    if name.lower().removesuffix("s") in (short.removesuffix("s"), short):
        yield "described", before + NOUNS[article.title] + ("'s" if is_owner else "") + after
    last = before.split()[-1:]
    if not is_owner and last and last[0].lower() in _PREPOSITIONS and not after.strip(" ?") and len(before.split()) > 4:
        yield "dropped", before.rstrip()[: -len(last[0])].rstrip() + "?"


def _pronoun(name: str, article: _Article) -> tuple[str, str, str]:
    """The pronoun that the article uses most in the 150 characters after each mention of the name; else "it".

    "he" and "she" only of what answers a question for a person somewhere, or what the article is named after.
    """
    near = [text[m.end() : m.end() + 150] for text in article.paragraphs for m in re.finditer(re.escape(name), text)]
    counts = [sum(len(re.findall(rf"\b{form}\b", " ".join(near).lower())) for form in set(forms)) for forms in PRONOUNS]
    is_title = name.lower() in article.title.lower()
    is_person = name.rsplit(maxsplit=1)[-1] in article.people and counts[0] + counts[1] > 0 and not is_title
    if is_person or (is_title and article.title in PEOPLE):
        return PRONOUNS[counts[1] > counts[0]]
    is_plural = name[-1] == "s" and name.rsplit(maxsplit=1)[-1].islower()
    return PRONOUNS[3 if is_plural or counts[3] > counts[2] else 2]


# -- from the headers of PEPs

_FOLLOWING = {
    "author": ("Who wrote it?", "And who wrote that?", "Who is its author?", "And the author?", "Who wrote this PEP?"),
    "status": ("What is its status?", "And the current status?", "And what status does it have?", "Its status?"),
    "created": (
        "And when was it created?",
        "When was that PEP created?",
        "What is its creation date?",
        "Created when?",
    ),
    "python-version": ("Which Python version does it target?", "And for which version of Python is it?"),
    "delegate": ("Who was the delegate?", "And its delegate?", "Who acted as delegate for it?"),
}
_ANOTHER = (
    "What about PEP {n}?",
    "And PEP {n}?",
    "How about PEP {n}?",
    "And for PEP {n}?",
    "PEP {n}?",
    "And what about {n}?",
)
_FOLLOWING_ANOTHER = {
    "author": ("And who wrote that one?", "Who is the author of it?"),
    "status": ("What is the status of that one?", "And its status?"),
    "created": ("When was that one created?", "And when was it created?"),
    "python-version": ("Which Python version is that one for?", "And which Python version does it target?"),
    "delegate": ("Who was the delegate of that one?", "And who was its delegate?"),
}


def from_peps(peps: Sequence[Pep]) -> Iterator[Dialogue]:
    """Two- and three-turn dialogues on header fields, some with another PEP or another topic in the last turn."""
    rng = random.Random(SEED)
    halves = {
        name: [i for i, p in enumerate(peps) if half(str(p.number)) == name] for name in ("development", "held-out")
    }
    for n in range(PEP_DIALOGUES):
        own = rng.choice(("development", "held-out"))
        i, j = rng.sample(halves[own], 2)
        kinds = [kind for kind in pep_questions.WORDINGS if pep_questions.field(peps[i].header, kind)]
        if len(kinds) < 2:
            continue
        a, b = rng.sample(kinds, 2)
        steps = [_asked(peps, i, a, rng.choice(pep_questions.WORDINGS[a]), "first")]
        steps.append(_asked(peps, i, b, rng.choice(_FOLLOWING[b]), "pronoun"))
        if pep_questions.field(peps[j].header, b):
            kind = ("another", "alone", "change")[n % 4 % 3]
            if kind == "another":
                steps.append(_asked(peps, j, b, rng.choice(_ANOTHER), "other"))
                theirs = [c for c in pep_questions.WORDINGS if c != b and pep_questions.field(peps[j].header, c)]
                if n % 2:  # the other PEP at once, and then something else of it
                    del steps[1]
                    if pep_questions.field(peps[j].header, a):
                        steps[1] = _asked(peps, j, a, rng.choice(_ANOTHER), "other")
                        theirs = [c for c in theirs if c != a]
                    if theirs:
                        c = rng.choice(theirs)
                        steps.append(_asked(peps, j, c, rng.choice(_FOLLOWING_ANOTHER[c]), "pronoun"))
            elif kind == "alone":
                steps.append(_asked(peps, j, b, rng.choice(pep_questions.WORDINGS[b]), "alone"))
            else:
                topic = pep_questions.OTHER_TOPICS[n % len(pep_questions.OTHER_TOPICS)]
                steps.append(Step(topic, topic, "change", -1, ()))
        yield Dialogue("peps", "made", own, tuple(steps))


def _asked(peps: Sequence[Pep], i: int, kind: str, wording: str, step: str) -> Step:
    pep = peps[i]
    values = pep_questions.values(kind, pep_questions.field(pep.header, kind) or "")
    whole = pep_questions.WORDINGS[kind][0].format(n=pep.number)
    typed = wording.format(n=pep.number, title=pep.title)
    return Step(typed, typed if step in ("first", "alone") else whole, step, i, values)
