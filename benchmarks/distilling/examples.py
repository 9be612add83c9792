"""What the small model learns from: prompts as the program words them, and the answers a good reader would give.

Rule: every example is about people and towns drawn for it alone, so that reading is learned and nothing is remembered
but the common knowledge. No reserved wording stands in an example. Several questions about one text share it: a `Tree`
is the text and its branches, which do not see each other, so each is what it would be alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks.distilling.tokens import NOT_ONE
from benchmarks.distilling.wordings import BY_NAME
from benchmarks.distilling.world import (
    REFUSAL,
    Fact,
    Note,
    Question,
    draw_notes,
    forward,
    general,
    reverse,
    unanswerable,
)
from rag_lifelong.distill import prompts
from rag_lifelong.fence import code_of, fenced
from rag_lifelong.generate import Message


@dataclass(frozen=True, slots=True)
class Branch:
    """prompt: what follows the shared text, up to the answer. weight: of a token of the answer in the loss."""

    task: str
    prompt: str
    answer: str
    weight: float


@dataclass(frozen=True, slots=True)
class Tree:
    """shared: the beginning of all branches' prompts; "" for closed book."""

    shared: str
    branches: tuple[Branch, ...]


READ, WRITE = 1.0, 0.3  # answers that are read are a few tokens, those that are written some dozen


def draw_tree(rng: random.Random, *, is_reserved: bool = False, most_facts: int = 6) -> Tree:
    """One example. is_reserved: in reserved wordings, to measure with. most_facts: of a note.

    One note at a time: with several, models of this size take the answer by what is asked for, not by who is meant, and
    learn to refuse instead.
    """
    way = rng.random()
    if way < 0.1:
        return _closed_tree(rng, is_reserved=is_reserved)
    note = rng.choice(draw_notes(rng, people=1, places=2, facts=(1, most_facts)))
    if way < 0.6:
        return _text_tree(rng, [note], is_reserved=is_reserved)
    return _passages_tree(rng, [note], [note], is_reserved=is_reserved)


def _closed_tree(rng: random.Random, *, is_reserved: bool) -> Tree:
    """Common knowledge, and questions about what nobody told."""
    known = rng.sample(general(is_reserved=is_reserved), 8)
    notes = draw_notes(rng, people=2, places=1, facts=(2, 6))
    asked = rng.sample([q for note in notes for fact in note.facts for q in _about(fact, rng, is_reserved)], 4)
    branches = [_whole("closed", prompts.closed(one.text), one.answer, READ) for one in known]
    branches += [_whole("ignorance", prompts.closed(one.text), REFUSAL, READ) for one in asked]
    return Tree("", tuple(branches))


def _text_tree(rng: random.Random, notes: Sequence[Note], *, is_reserved: bool) -> Tree:
    """A text without a number: read, and written from."""
    note = notes[0]
    text = note.text if rng.random() < 0.9 else note.text.split("\n\n", 1)[1]
    asked = _questions(rng, [note], notes, is_reserved=is_reserved)
    made = [_whole(task, prompts.reading(text, one.text), one.answer, READ) for task, one, _ in asked]
    fact = rng.choice(note.facts)
    count = rng.randint(1, 8)
    made.append(_whole("questions", prompts.ask_questions(text, count), written_questions(note, count), WRITE))
    question = rng.choice(_about(fact, rng, False))
    count = rng.randint(1, 8)
    said = "\n".join(other_wordings(question, count))
    made.append(_whole("wordings", prompts.ask_wordings(text, question.text, count), said, WRITE))
    asking = rng.choice(forward(fact, is_reserved=False))
    made.append(_whole("reverse", prompts.ask_reverse(text, asking.text, asking.answer), written_reverse(fact), WRITE))
    if rng.random() < 0.5:
        made.append(_whole("rewrite", prompts.ask_rewrite(text), rewritten(note), WRITE))
    shared = prompts.reading(text, "")[0].content.removesuffix("Question: ")
    rng.shuffle(made)  # a row may have no room for the last
    return Tree(shared, tuple(_after(shared, branch) for branch in made))


def _passages_tree(rng: random.Random, shown: Sequence[Note], notes: Sequence[Note], *, is_reserved: bool) -> Tree:
    """Numbered passages, as a chat shows them."""
    texts = [note.text if rng.random() < 0.95 else note.text.split("\n\n", 1)[1] for note in shown]
    code = code_of(texts)
    blocks = []
    for number, (note, text) in enumerate(zip(shown, texts, strict=True), start=1):
        attributes = [("number", str(number)), ("place", note.subject if rng.random() < 0.9 else "")]
        if rng.random() < 0.8:
            attributes.append(("date", (date(2020, 1, 1) + timedelta(rng.randrange(4_000))).isoformat()))
        blocks.append(fenced(text, name="passage", code=code, attributes=attributes))
    shared = "\n\n".join(blocks) + "\n\n"
    branches = []
    for task, one, at in _questions(rng, shown, notes, is_reserved=is_reserved, most=10):
        answer = one.answer if at is None else f"{one.answer} [{at}]"
        branches.append(Branch(f"passages {task}", f"Question: {one.text}", answer, READ))
    rng.shuffle(branches)
    return Tree(shared, tuple(branches))


def _questions(
    rng: random.Random, shown: Sequence[Note], notes: Sequence[Note], *, is_reserved: bool, most: int = 8
) -> list[tuple[str, Question, int | None]]:
    """What it is for, the question, and the number of the note that answers it; None if none does."""
    told = [(fact, number) for number, note in enumerate(shown, start=1) for fact in note.facts]
    found: list[tuple[str, Question, int | None]] = []
    for fact, number in rng.sample(told, min(most - 3, len(told))):
        found.append(("forward", rng.choice(forward(fact, is_reserved=is_reserved)), number))
    turned = [(fact, number) for fact, number in told if BY_NAME[fact.relation].reverse]
    for fact, number in rng.sample(turned, min(2, len(turned))):
        found.append(("backward", rng.choice(reverse(fact, is_reserved=is_reserved)), number))
    absent = [one for note in shown for one in unanswerable(note, is_reserved=is_reserved)]
    if absent:
        found.append(("absent", rng.choice(absent), None))
    others = [fact for note in notes if note not in shown for fact in note.facts]
    if others:
        fact = rng.choice(others)
        one = rng.choice(_about(fact, rng, is_reserved))
        found.append(("elsewhere", Question(one.text, REFUSAL, one.asking, None, is_reserved), None))
    if rng.random() < 0.15:
        one = rng.choice(general(is_reserved=is_reserved))
        found.append(("elsewhere", Question(one.text, REFUSAL, one.asking, None, is_reserved), None))
    return found


def _about(fact: Fact, rng: random.Random, is_reserved: bool) -> list[Question]:
    turned = reverse(fact, is_reserved=is_reserved)
    return turned if turned and rng.random() < 0.25 else forward(fact, is_reserved=is_reserved)


def written_questions(note: Note, count: int) -> str:
    """The first wording for each of the first facts, in the text's order."""
    asked = [forward(fact, is_reserved=False)[0] for fact in note.facts[:count]]
    return "\n".join(f"{one.text}{prompts.SEPARATOR}{one.answer}" for one in asked)


def other_wordings(question: Question, count: int) -> list[str]:
    """Those that follow it in the list of wordings, which goes round; fewer if there are fewer."""
    assert question.fact is not None
    same = reverse if question.text in {q.text for q in reverse(question.fact, is_reserved=False)} else forward
    texts = [q.text for q in same(question.fact, is_reserved=False)]
    at = texts.index(question.text)
    return [*texts[at + 1 :], *texts[:at]][:count]


def written_reverse(fact: Fact) -> str:
    """The first reverse wording with its answer; NOT_ONE where there is none."""
    turned = reverse(fact, is_reserved=False)
    return f"{turned[0].text}{prompts.SEPARATOR}{turned[0].answer}" if turned else NOT_ONE


def rewritten(note: Note) -> str:
    """Each fact in the sentence that follows the one it was told in."""
    return " ".join(fact.told(wording + 1) for fact, wording in zip(note.facts, note.told, strict=True))


def _whole(task: str, messages: Sequence[Message], answer: str, weight: float) -> Branch:
    return Branch(task, messages[-1].content, answer, weight)


def _after(shared: str, branch: Branch) -> Branch:
    assert branch.prompt.startswith(shared)
    return Branch(branch.task, branch.prompt.removeprefix(shared), branch.answer, branch.weight)


TASKS = (
    *("forward backward absent elsewhere closed ignorance questions wordings reverse rewrite".split()),
    *(f"passages {task}" for task in "forward backward absent elsewhere".split()),
)
