"""Five rounds of new, changed and deleted facts: what is still known, what is told though it is no longer true.

    python -m benchmarks.distilling.rounds --work FOLDER

Each round the notes are edited, read in, some people more are asked about, and ten days later it is distilled again;
then every fact that was ever true of the people asked about is asked of each way of answering, in a reserved wording.
Plain fine-tuning goes on from its own weights, with the notes of these people as they are now. Accuracy of a round's facts is followed from round to
round: R[t, j] of those that came in round j, asked after round t. Average accuracy is the mean of R[T, j]; forgetting
the mean of the best R[t, j] minus R[T, j] (Chaudhry et al. 2018); backward transfer the mean of R[T, j] - R[j, j];
forward transfer the mean of R[j - 1, j], of what was not told yet (Lopez-Paz and Ranzato 2017).
"""

from __future__ import annotations

import random
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.distilling.arms import probes
from benchmarks.distilling.frozen import RECIPE, code_digest
from benchmarks.distilling.lived import Clock, ask_about, kept, opened, options, read_in, settled
from benchmarks.distilling.plain import fine_tuned
from benchmarks.distilling.results import place_of
from benchmarks.distilling.world import ROUNDS, Fact, Kind, Note, World, draw_world, edited, forward, world_seed
from rag_lifelong.distill import distill, plan
from rag_lifelong.distill.gates import answers, f1
from rag_lifelong.distill.prompts import closed
from rag_lifelong.evaluate.metrics import mean
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.types import AdapterState

PASSAGES, STEPS, RATE = 8, 600, 6e-4  # of an adapter: three seeds by six take a while
NEW = 4  # people asked about from one round on
TEXTS = 8  # of a step of plain fine-tuning: about as many tokens as one of distillation


@dataclass(frozen=True, slots=True)
class Event:
    """before: adapters, their states and reasons once the round's edits were read in. on: answers by an adapter."""

    run: int
    round: int
    before: tuple[tuple[int, str, str], ...]
    reason: str
    passages: int
    on: int
    seconds: float


WAYS = ("retrieval", "retrieval + routed adapter", "newest adapter, closed book", "fine-tuned in sequence, closed book")


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer. born: the round the fact came in; gone: the round from which on it is no longer true, None if it is.

    score: F1 with the value; of a fact that is gone, 1 is a wrong answer.
    """

    run: int
    round: int
    way: str
    born: int
    gone: int | None
    score: float


@dataclass(slots=True)
class Life:
    """A fact, and when it was true."""

    fact: Fact
    born: int
    gone: int | None = None


def run(number: int, *, model: Path, work: Path, people: int, places: int) -> tuple[list[Asked], list[Event]]:
    """All answers of one seed, and what became of the adapters in each round."""
    folder = work / f"rounds-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    worlds = [draw_world(world_seed(code_digest(), 100 + number), people=people, places=places)]
    for _ in range(ROUNDS):
        worlds.append(edited(worlds[-1]))
    lives = lives_of(worlds)
    questions = [forward(life.fact, is_reserved=True)[0].text for life in lives]
    recipe = replace(RECIPE, seed=number, max_passages=PASSAGES, steps=STEPS, learning_rate=RATE)
    clock = Clock()
    found: list[Asked] = []
    events: list[Event] = []
    tuned: bytes | None = None
    paths: set[str] = set()
    for at, world in enumerate(worlds):
        paths.update(note.path for note in new_of(worlds, at))
        if at:
            read_in(folder, world, clock)
        else:
            settled(folder, world, clock)
        with opened(folder, clock, model=model) as assistant:
            before = tuple((one.id, one.state.value, one.reason) for one in assistant.adapters())
        ask_about(folder, new_of(worlds, at), clock)
        clock.pass_days(10)
        with opened(folder, clock, model=model) as assistant:
            base = assistant.language_model
            assert isinstance(base, TransformersModel)
            began = time.perf_counter()
            done = distill(assistant, plan(assistant, namespace=["people/*"], recipe=recipe), probe=probes())
            spent = time.perf_counter() - began
            texts = [note.text for note in world.notes if note.path in paths]
            tuned = fine_tuned(base, texts, replace(recipe, batch=TEXTS), steps=done.report.steps, go_on=tuned)
            alone = [tuple(closed(question)) for question in questions]
            routed = [assistant.ask(question, k=recipe.evidence) for question in questions]
            is_active = done.adapter.state is AdapterState.ACTIVE
            if is_active:
                assistant.disable_adapter(done.adapter.id)
            retrieved = [assistant.ask(question, k=recipe.evidence) for question in questions]
            if is_active:
                assistant.enable_adapter(done.adapter.id)
        on = sum(answer.adapter is not None for answer in routed)
        events.append(Event(number, at, before, done.adapter.reason, done.report.passages, on, spent))
        said = (
            [first_line(answer.text) for answer in retrieved],
            [first_line(answer.text) for answer in routed],
            answers(base.adapted(done.weights), alone, max_tokens=recipe.answer_tokens),
            answers(base.adapted(tuned), alone, max_tokens=recipe.answer_tokens),
        )
        for way, texts in zip(WAYS, said, strict=True):
            for life, text in zip(lives, texts, strict=True):
                gone = None if life.gone is None or life.gone > at else life.gone
                found.append(Asked(number, at, way, life.born, gone, f1(text, life.fact.value)))
    return found, events


def new_of(worlds: Sequence[World], at: int) -> list[Note]:
    """The people that somebody begins to ask about in a round: PASSAGES of the first, then NEW of those that are new."""
    known = {note.path for note in worlds[at - 1].notes} if at else set()
    new = [note for note in worlds[at].notes if note.kind is Kind.PERSON and note.path not in known]
    return new[: NEW if at else PASSAGES]


def lives_of(worlds: Sequence[World]) -> list[Life]:
    """Every fact that was ever true of the people asked about, with the rounds between which it was."""
    paths: set[str] = set()
    lives: dict[Fact, Life] = {}
    for at, world in enumerate(worlds):
        paths.update(note.path for note in new_of(worlds, at))
        now = {fact for note in world.notes if note.path in paths for fact in note.facts}
        for fact in sorted(now, key=lambda fact: (fact.subject, fact.relation)):
            lives.setdefault(fact, Life(fact, at))
        for fact, life in lives.items():
            if life.gone is None and fact not in now:
                life.gone = at
    return list(lives.values())


def first_line(text: str) -> str:
    """An answer without what is quoted below it."""
    return text.split("\n", 1)[0]


def figures(asked: Sequence[Asked], way: str) -> dict[str, tuple[float, float, float] | None]:
    """Each figure's mean and 95 % interval, by bootstrap over runs and rounds."""
    by: dict[tuple[int, int, int], list[float]] = defaultdict(list)
    stale: list[float] = []
    for one in asked:
        if one.way != way:
            continue
        if one.gone is None:
            by[one.run, one.round, one.born].append(one.score)
        else:
            stale.append(one.score)
    r = {key: sum(values) / len(values) for key, values in by.items()}
    pairs = sorted({(i, j) for i, t, j in r if t == ROUNDS})
    past = [(i, j) for i, j in pairs if j < ROUNDS]
    return {
        "average accuracy": spread([r[i, ROUNDS, j] for i, j in pairs]),
        "forgetting": spread([max(r[i, t, j] for t in range(j, ROUNDS)) - r[i, ROUNDS, j] for i, j in past]),
        "backward transfer": spread([r[i, ROUNDS, j] - r[i, j, j] for i, j in past]),
        "forward transfer": spread([r[i, j - 1, j] for i, j in pairs if j]),
        "told though no longer true": spread(stale),
    }


def spread(values: Sequence[float]) -> tuple[float, float, float] | None:
    """(mean, low, high)."""
    found = mean(values, rng=random.Random(0))
    return None if found.value is None or found.interval is None else (found.value, *found.interval)


def table(asked: Sequence[Asked]) -> list[str]:
    """Ways by figures, in percent, in Markdown."""
    columns = list(figures(asked, WAYS[0]))
    lines = [f"| way of answering | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for way in WAYS:
        cells = [
            "" if found is None else f"{100 * found[0]:.1f} ({100 * found[1]:.1f}–{100 * found[2]:.1f})"
            for found in figures(asked, way).values()
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def as_kept(asked: Sequence[Asked], events: Sequence[Event]) -> dict[str, Any]:
    """For JSON."""
    return {"asked": [asdict(one) for one in asked], "events": [asdict(one) for one in events]}


def main() -> None:
    """Prints the table; runs that lie in the folder already are taken from there."""
    arguments = options(__doc__ or "", people=120, places=20)
    asked: list[Asked] = []
    events: list[Event] = []
    for number in arguments.runs:
        one = partial(
            run, number, model=arguments.model, work=arguments.work, people=arguments.people, places=arguments.places
        )
        found = kept(place_of(arguments, number, Path(__file__)), lambda one=one: as_kept(*one()))  # type: ignore[misc]
        asked += [Asked(**values) for values in found["asked"]]
        became = [Event(**values) for values in found["events"]]
        for event in became:
            print(event, flush=True)
        events += became
    print("\n".join([f"code {code_digest()}", "", *table(asked)]))


if __name__ == "__main__":
    main()
