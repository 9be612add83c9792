"""Made-up worlds: invented people and towns, what is true of them, the notes that tell it, and questions about it.

Rule: a seed decides everything. What is true of a name is drawn afresh in each world, so nobody can know a world
without having read it. The world of the test is drawn from a seed that depends on the
code that distils (`world_seed`): it is there only once that code is frozen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b
from pathlib import Path

from benchmarks.distilling.wordings import BY_NAME, GENERAL, RELATIONS, Kind, Relation

REFUSAL = "Your sources do not say."
FOLDERS = {Kind.PERSON: "people", Kind.PLACE: "towns"}
ROUNDS = 5


_NEVER = frozenset("dik fuk kok nak sek sex suk".split())  # names are read by people


_EACH = 300  # names of a kind


def _names() -> dict[Kind, tuple[str, ...]]:
    """All names of the language, of two syllables; the last one tells the kind."""
    rng = random.Random(1)  # of no world: the language is one
    consonants, vowels = "bdfgjklmnprstvz", "aeiou"
    # "h" and "w" begin no name: most words of questions do, and a name must not be a part of one
    starts = [c.upper() + v + e for c in consonants for v in vowels for e in "lnrskm"]
    ends = [c + v for c in consonants for v in vowels]
    tails = {Kind.PERSON: ("k", "n"), Kind.PLACE: ("ra", "sta"), Kind.THING: ("x", "th")}
    found = {}
    for kind, endings in tails.items():
        whole = [
            start + end + tail
            for start in starts
            for end in ends
            for tail in endings
            if start.lower() not in _NEVER and end + tail not in _NEVER
        ]
        found[kind] = tuple(sorted(rng.sample(whole, _EACH)))
    return found


NAMES = _names()


@dataclass(frozen=True, slots=True)
class Fact:
    """relation: its name in `wordings`."""

    subject: str
    relation: str
    value: str

    def told(self, wording: int) -> str:
        """In one of the relation's sentences."""
        sentences = BY_NAME[self.relation].statements
        return sentences[wording % len(sentences)].format(s=self.subject, v=self.value)


@dataclass(frozen=True, slots=True)
class Note:
    """A Markdown file about one subject. told: a sentence's number for each fact; lines: one fact a line."""

    path: str
    subject: str
    kind: Kind
    facts: tuple[Fact, ...]
    told: tuple[int, ...]
    is_in_lines: bool = False

    @property
    def text(self) -> str:
        """As it stands in the file, without the newline at its end."""
        sentences = [fact.told(wording) for fact, wording in zip(self.facts, self.told, strict=True)]
        between = "\n" if self.is_in_lines else " "
        return f"# {self.subject}\n\n{between.join(sentences)}"

    def missing(self) -> list[Relation]:
        """What it does not tell of its subject."""
        told = {fact.relation for fact in self.facts}
        return [relation for relation in RELATIONS if relation.of is self.kind and relation.name not in told]


class Change(Enum):
    """What an edit does."""

    CHANGED = "changed"
    DELETED = "deleted"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Edit:
    """before is None for what is new, after for what is deleted."""

    change: Change
    path: str
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True, slots=True)
class World:
    """notes: one a subject. round: 0 as drawn, one more for each time it was edited; edits: those that led to it."""

    seed: int
    round: int
    notes: tuple[Note, ...]
    edits: tuple[Edit, ...] = ()

    def facts(self) -> Iterator[Fact]:
        """All that is true, in the notes' order."""
        for note in self.notes:
            yield from note.facts

    def write(self, folder: Path) -> None:
        """The notes as files, and no other Markdown file in the folders of notes."""
        paths = {folder / note.path: note for note in self.notes}
        for name in FOLDERS.values():
            (folder / name).mkdir(parents=True, exist_ok=True)
            for path in (folder / name).glob("*.md"):
                if path not in paths:
                    path.unlink()
        for path, note in paths.items():
            text = note.text + "\n"
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")


class Asking(Enum):
    """What a question is for."""

    FORWARD = "forward"
    REVERSE = "reverse"
    UNANSWERABLE = "unanswerable"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Question:
    """answer: REFUSAL where no note tells it. is_reserved: in a wording that nothing is trained on."""

    text: str
    answer: str
    asking: Asking
    fact: Fact | None
    is_reserved: bool


def world_seed(code_digest: str, number: int) -> int:
    """The seed of the test's world. code_digest: of the code that distils; number: of the run, so that runs differ."""
    digest = blake2b(f"{code_digest} {number}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


class Names:
    """Names that nobody bears yet."""

    def __init__(self, rng: random.Random, taken: Sequence[str] = ()) -> None:
        self._rng = rng
        self._taken = set(taken)

    def new(self, kind: Kind) -> str:
        """Raises ValueError when there are none left."""
        free = [name for name in NAMES[kind] if name not in self._taken]
        if not free:
            raise ValueError(f"a world holds at most {len(NAMES[kind])} names of a kind")
        name = self._rng.choice(free)
        self._taken.add(name)
        return name


def draw_world(seed: int, *, people: int, places: int, facts: tuple[int, int] = (2, 6)) -> World:
    """facts: of a note, at least and at most; a town has no more than its relations.

    What can be asked the other way round has one answer there too: its values are given once. A person's home is a town
    of this world; a teacher or leader is a person of this world who teaches or leads nobody else.
    """
    rng = random.Random(seed)
    return World(seed, 0, tuple(draw_notes(rng, people=people, places=places, facts=facts)))


def draw_notes(rng: random.Random, *, people: int, places: int, facts: tuple[int, int]) -> list[Note]:
    """The notes of a world."""
    names = Names(rng)
    persons = [names.new(Kind.PERSON) for _ in range(people)]
    towns = [names.new(Kind.PLACE) for _ in range(places)]
    free = {name: rng.sample(persons, len(persons)) for name in ("teacher", "leader")}
    notes = []
    for kind, subjects in ((Kind.PERSON, persons), (Kind.PLACE, towns)):
        possible = [relation for relation in RELATIONS if relation.of is kind]
        for subject in subjects:
            count = min(rng.randint(*facts), len(possible))
            found = []
            for relation in rng.sample(possible, count):
                value = _value(relation, subject, rng, names=names, towns=towns, free=free)
                found.append(Fact(subject, relation.name, value))
            notes.append(_note(subject, kind, found, rng))
    return notes


def _value(
    relation: Relation,
    subject: str,
    rng: random.Random,
    *,
    names: Names,
    towns: Sequence[str],
    free: dict[str, list[str]],
) -> str:
    """free: who teaches or leads nobody yet."""
    if not isinstance(relation.values, Kind):
        return rng.choice(relation.values)
    if relation.values is Kind.PLACE and towns:
        return rng.choice(towns)
    others = [name for name in free.get(relation.name, ()) if name != subject]
    if relation.values is Kind.PERSON and others:
        free[relation.name].remove(others[0])
        return others[0]
    return names.new(relation.values)


def _note(subject: str, kind: Kind, facts: Sequence[Fact], rng: random.Random) -> Note:
    told = tuple(rng.randrange(len(BY_NAME[fact.relation].statements)) for fact in facts)
    return Note(f"{FOLDERS[kind]}/{subject.lower()}.md", subject, kind, tuple(facts), told, rng.random() < 0.3)


def edited(world: World, *, share: float = 0.1) -> World:
    """The world one round later: of its notes, `share` with a changed fact, as many with a deleted one, as many new.

    A note that loses its last fact goes. What was changed gets a value that it never had.
    """
    rng = random.Random(f"{world.seed} {world.round + 1}")
    taken = {name for fact in world.facts() for name in (fact.subject, fact.value)}
    names = Names(rng, sorted(taken))
    towns = [note.subject for note in world.notes if note.kind is Kind.PLACE]
    count = max(1, round(share * len(world.notes)))
    touched = rng.sample(range(len(world.notes)), min(2 * count, len(world.notes)))
    notes: list[Note | None] = list(world.notes)
    edits = []
    for turn, index in enumerate(touched):
        note = world.notes[index]
        at = rng.randrange(len(note.facts))
        before = note.facts[at]
        if turn < count:
            after = replace(before, value=_other_value(before, rng, names=names, towns=towns))
            notes[index] = replace(note, facts=(*note.facts[:at], after, *note.facts[at + 1 :]))
            edits.append(Edit(Change.CHANGED, note.path, before, after))
        else:
            rest = (*note.facts[:at], *note.facts[at + 1 :])
            told = (*note.told[:at], *note.told[at + 1 :])
            notes[index] = replace(note, facts=rest, told=told) if rest else None
            edits.append(Edit(Change.DELETED, note.path, before, None))
    for _ in range(count):
        kind = rng.choice(tuple(FOLDERS))
        subject = names.new(kind)
        possible = [relation for relation in RELATIONS if relation.of is kind]
        chosen = rng.sample(possible, rng.randint(2, len(possible) - 1))
        found = [
            Fact(subject, one.name, _value(one, subject, rng, names=names, towns=towns, free={})) for one in chosen
        ]
        note = _note(subject, kind, found, rng)
        notes.append(note)
        edits += [Edit(Change.NEW, note.path, None, fact) for fact in found]
    return World(world.seed, world.round + 1, tuple(note for note in notes if note is not None), tuple(edits))


def _other_value(fact: Fact, rng: random.Random, *, names: Names, towns: Sequence[str]) -> str:
    values = BY_NAME[fact.relation].values
    if not isinstance(values, Kind):
        return rng.choice([value for value in values if value != fact.value])
    others = [town for town in towns if town != fact.value]
    return rng.choice(others) if values is Kind.PLACE and others else names.new(values)


def forward(fact: Fact, *, is_reserved: bool) -> list[Question]:
    """All wordings of it, reserved or not."""
    relation = BY_NAME[fact.relation]
    wordings = relation.reserved if is_reserved else relation.wordings
    return [Question(each.format(s=fact.subject), fact.value, Asking.FORWARD, fact, is_reserved) for each in wordings]


def reverse(fact: Fact, *, is_reserved: bool) -> list[Question]:
    """None where several subjects may share the value."""
    relation = BY_NAME[fact.relation]
    wordings = relation.reverse_reserved if is_reserved else relation.reverse
    return [Question(each.format(v=fact.value), fact.subject, Asking.REVERSE, fact, is_reserved) for each in wordings]


def unanswerable(note: Note, *, is_reserved: bool) -> list[Question]:
    """About what the note does not tell of its subject."""
    return [
        Question(each.format(s=note.subject), REFUSAL, Asking.UNANSWERABLE, None, is_reserved)
        for relation in note.missing()
        for each in (relation.reserved if is_reserved else relation.wordings)
    ]


def general(*, is_reserved: bool) -> list[Question]:
    """About common knowledge, answered closed book."""
    return [
        Question(each, known.answer, Asking.GENERAL, None, is_reserved)
        for known in GENERAL
        for each in (known.reserved if is_reserved else known.wordings)
    ]
