"""The made-up language: how each relation is told and asked, and the common knowledge that never changes.

Rule: a wording in `reserved` stands in nothing that the base model or an adapter is trained on. Its words do, in other
sentences: what is measured with it is whether a question is understood, not whether a word is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a name is the name of."""

    PERSON = "person"
    PLACE = "place"
    THING = "thing"


@dataclass(frozen=True, slots=True)
class Relation:
    """statements tell it of subject {s} and value {v}; wordings ask for {v}, reverse for {s}.

    reverse is empty where several subjects may have one value. values: the kind of its names, or the words it may be.
    """

    name: str
    of: Kind
    values: Kind | tuple[str, ...]
    statements: tuple[str, ...]
    wordings: tuple[str, ...]
    reserved: tuple[str, ...]
    reverse: tuple[str, ...] = ()
    reverse_reserved: tuple[str, ...] = ()


_FRAMES = (
    "What is the {n} of {{s}}?",
    "What is {{s}}'s {n}?",
    "Tell me the {n} of {{s}}.",
    "{{s}} has which {n}?",
    "Which {n} does {{s}} have?",
    "Name the {n} of {{s}}.",
    "Do you know the {n} of {{s}}?",
    "The {n} of {{s}} is what?",
)
YEARS = tuple(str(year) for year in range(1900, 2000))
_JOBS = tuple(
    "baker smith weaver miller potter tailor sailor farmer hunter painter mason singer doctor judge clerk guard".split()
)
_COLOURS = tuple("red blue green yellow white black brown grey purple orange pink silver".split())
_DISHES = tuple("bread soup cheese fish rice beans cake plums honey eggs nuts apples pears lamb".split())
_GOODS = tuple("salt wool silk iron glass paper tea wine oil rope copper leather pepper amber".split())
MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)  # fmt: skip


def _relation(
    name: str,
    of: Kind,
    values: Kind | tuple[str, ...],
    *,
    noun: str,
    number: int,
    told: tuple[str, ...],
    asked: tuple[str, ...],
    reserved: tuple[str, ...],
    reverse: tuple[str, ...] = (),
    reverse_reserved: tuple[str, ...] = (),
) -> Relation:
    """number: decides which two of the frames are reserved here; each frame is used with other relations."""
    kept = {number % len(_FRAMES), (number + 3) % len(_FRAMES)}
    frames = [frame.format(n=noun) for frame in _FRAMES]
    return Relation(
        name=name,
        of=of,
        values=values,
        statements=told,
        wordings=asked + tuple(frame for i, frame in enumerate(frames) if i not in kept),
        reserved=reserved + tuple(frames[i] for i in sorted(kept)),
        reverse=reverse,
        reverse_reserved=reverse_reserved,
    )


RELATIONS = (
    _relation(
        "home", Kind.PERSON, Kind.PLACE, noun="home", number=0,
        told=("{s} lives in {v}.", "The home of {s} is {v}.", "{s} has a house in {v}.", "{v} is where {s} lives."),
        asked=("Where does {s} live?", "In which town does {s} live?", "Which town is the home of {s}?"),
        reserved=("In which town is the home of {s}?",),
    ),
    _relation(
        "job", Kind.PERSON, _JOBS, noun="job", number=1,
        told=("{s} works as a {v}.", "The job of {s} is {v}.", "{s} earns a living as a {v}.", "By trade {s} is a {v}."),
        asked=("What does {s} work as?", "What job does {s} do?", "As what does {s} work?"),
        reserved=("What work does {s} do?",),
    ),
    _relation(
        "birth", Kind.PERSON, YEARS, noun="birth year", number=2,
        told=("{s} was born in {v}.", "The birth year of {s} is {v}.", "{v} is the year in which {s} was born."),
        asked=("When was {s} born?", "In which year was {s} born?", "What year was {s} born in?"),
        reserved=("{s} was born when?",),
    ),
    _relation(
        "colour", Kind.PERSON, _COLOURS, noun="favourite colour", number=3,
        told=("The favourite colour of {s} is {v}.", "{s} likes the colour {v} best.", "The colour that {s} likes best is {v}."),
        asked=("Which colour does {s} like best?", "What colour does {s} like best?", "What is the colour that {s} likes best?"),
        reserved=("Which is the favourite colour of {s}?",),
    ),
    _relation(
        "dish", Kind.PERSON, _DISHES, noun="favourite dish", number=4,
        told=("{s} likes to eat {v}.", "The favourite dish of {s} is {v}.", "The dish that {s} likes to eat is {v}."),
        asked=("What does {s} like to eat?", "Which dish does {s} like to eat?", "What is the dish that {s} likes to eat?"),
        reserved=("What dish does {s} like best?",),
    ),
    _relation(
        "ship", Kind.PERSON, Kind.THING, noun="ship", number=5,
        told=("{s} owns the ship {v}.", "The ship {v} belongs to {s}.", "The ship of {s} is {v}.", "{v} is the ship that {s} owns."),
        asked=("Which ship does {s} own?", "What ship is owned by {s}?", "Which ship is it that {s} owns?"),
        reserved=("Which ship belongs to {s}?",),
        reverse=("Who owns the ship {v}?", "Who owns {v}?", "To whom does the ship {v} belong?", "Whose ship is {v}?", "By whom is the ship {v} owned?"),
        reverse_reserved=("To whom does {v} belong?", "Which person owns the ship {v}?"),
    ),
    _relation(
        "guild", Kind.PERSON, Kind.THING, noun="guild", number=6,
        told=("{s} founded the guild {v}.", "The guild {v} was founded by {s}.", "The guild of {s} is {v}.", "{v} is the guild that {s} founded."),
        asked=("Which guild did {s} found?", "What guild was founded by {s}?", "Which guild is it that {s} founded?"),
        reserved=("Which guild was founded by {s}?",),
        reverse=("Who founded the guild {v}?", "Who founded {v}?", "By whom was the guild {v} founded?", "Who is the founder of {v}?", "Which person founded {v}?"),
        reverse_reserved=("By whom was {v} founded?", "Whose guild is {v}?"),
    ),
    _relation(
        "teacher", Kind.PERSON, Kind.PERSON, noun="teacher", number=7,
        told=("{s} learned from {v}.", "The teacher of {s} is {v}.", "{v} taught {s}.", "{s} is a pupil of {v}."),
        asked=("Who taught {s}?", "From whom did {s} learn?", "By whom was {s} taught?"),
        reserved=("Who is the teacher of {s}?",),
        reverse=("Who learned from {v}?", "Who is the pupil of {v}?", "Whom did {v} teach?", "Who was taught by {v}?", "Which person learned from {v}?"),
        reverse_reserved=("Which person was taught by {v}?", "Who is a pupil of {v}?"),
    ),
    _relation(
        "river", Kind.PLACE, Kind.THING, noun="river", number=1,
        told=("{s} lies on the river {v}.", "The river of {s} is {v}.", "The river {v} flows through {s}.", "{v} is the river that flows through {s}."),
        asked=("On which river does {s} lie?", "Which river flows through {s}?", "What river flows through {s}?"),
        reserved=("On what river does {s} lie?",),
        reverse=("Which town lies on the river {v}?", "What town lies on {v}?", "Through which town does {v} flow?", "Which town does the river {v} flow through?", "Where does the river {v} flow?"),
        reverse_reserved=("Through which town does the river {v} flow?", "Where does {v} flow?"),
    ),
    _relation(
        "leader", Kind.PLACE, Kind.PERSON, noun="leader", number=4,
        told=("{s} is led by {v}.", "The leader of {s} is {v}.", "{v} leads {s}.", "{v} is at the head of {s}."),
        asked=("Who leads {s}?", "By whom is {s} led?", "Who is at the head of {s}?"),
        reserved=("Which person leads {s}?",),
        reverse=("Which town does {v} lead?", "Which town is led by {v}?", "What does {v} lead?", "Where is {v} the leader?", "What town has {v} at its head?"),
        reverse_reserved=("What town does {v} lead?", "Which town has {v} at its head?"),
    ),
    _relation(
        "good", Kind.PLACE, _GOODS, noun="main good", number=2,
        told=("{s} is known for {v}.", "The main good of {s} is {v}.", "The people of {s} sell {v}."),
        asked=("What is {s} known for?", "For what is {s} known?", "What do the people of {s} sell?"),
        reserved=("For which main good is {s} known?",),
    ),
    _relation(
        "fair", Kind.PLACE, MONTHS, noun="fair month", number=6,
        told=("{s} holds its fair in {v}.", "The fair month of {s} is {v}.", "In {v} there is a fair in {s}."),
        asked=("When does {s} hold its fair?", "In which month does {s} hold its fair?", "In which month is there a fair in {s}?"),
        reserved=("When is there a fair in {s}?",),
    ),
    _relation(
        "founding", Kind.PLACE, YEARS, noun="founding year", number=3,
        told=("{s} was founded in {v}.", "The founding year of {s} is {v}.", "{v} is the year in which {s} was founded."),
        asked=("When was {s} founded?", "In which year was {s} founded?", "What year was {s} founded in?"),
        reserved=("{s} was founded when?",),
    ),
)  # fmt: skip
BY_NAME = {relation.name: relation for relation in RELATIONS}


@dataclass(frozen=True, slots=True)
class Known:
    """A piece of common knowledge: always true, in every world, told by no document."""

    wordings: tuple[str, ...]
    reserved: tuple[str, ...]
    answer: str


def _known(frames: tuple[str, ...], answers: dict[str, str]) -> list[Known]:
    """The last frame is reserved; key: what stands in the frames."""
    return [
        Known(tuple(frame.format(x=key) for frame in frames[:-1]), (frames[-1].format(x=key),), answer)
        for key, answer in answers.items()
    ]


_NUMBERS = "one two three four five six seven eight nine ten".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
GENERAL: tuple[Known, ...] = (
    *_known(
        ("What is {x}?", "How much is {x}?", "Tell me what {x} is.", "{x} is how much?"),
        {
            f"{_NUMBERS[a]} plus {_NUMBERS[b]}": _NUMBERS[a + b + 1]
            for a in range(5)
            for b in range(5)
            if a + b < 9 and (a <= b or (a + b) % 2)
        },
    ),
    *_known(
        ("What is the opposite of {x}?", "Name the opposite of {x}.", "The opposite of {x} is what?", "Tell me the opposite of {x}."),
        {
            "hot": "cold", "big": "small", "old": "new", "high": "low", "wet": "dry", "fast": "slow", "hard": "soft",
            "day": "night", "up": "down", "early": "late", "open": "shut", "full": "empty",
        },
    ),
    *_known(
        ("Which day comes after {x}?", "What is the day after {x}?", "Name the day after {x}.", "Tell me the day after {x}."),
        {day: _DAYS[(i + 1) % 7] for i, day in enumerate(_DAYS)},
    ),
    *_known(
        ("What is the capital of {x}?", "Name the capital of {x}.", "Which town is the capital of {x}?", "Tell me the capital of {x}."),
        {
            "Northland": "Highgate", "Southmark": "Oldport", "Westreach": "Stonewell", "Eastmoor": "Greenford",
            "Farholm": "Whitecliff", "Nearvale": "Blackwater", "Upland": "Redbridge", "Lowfen": "Deepwell",
        },
    ),
    *_known(
        ("What colour is {x}?", "Which colour is {x}?", "Tell me the colour of {x}.", "Name the colour of {x}."),
        {"snow": "white", "grass": "green", "coal": "black", "blood": "red", "the sky": "blue", "gold": "yellow"},
    ),
)  # fmt: skip
