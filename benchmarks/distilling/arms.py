"""Seven ways of answering, asked the same: which knows what, and what each has lost.

    python -m benchmarks.distilling.arms --work FOLDER

Each run draws a world from a seed that depends on the code that distils, reads its notes in, asks about a tenth of the
people, lets ten days pass and distils what was used, through the program's own doors. Then all arms are asked in
reserved wordings. The adapter of other documents is the control of the run itself. Intervals: percentile bootstrap over
facts, the runs pooled.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.distilling.frozen import RECIPE, code_digest
from benchmarks.distilling.lived import Clock, ask_about, kept, opened, options, settled, used
from benchmarks.distilling.plain import fine_tuned
from benchmarks.distilling.results import place_of
from benchmarks.distilling.world import (
    Kind,
    Note,
    Question,
    World,
    draw_world,
    forward,
    general,
    reverse,
    unanswerable,
    world_seed,
)
from rag_lifelong.answering import refuses
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill import Probe, distill, plan
from rag_lifelong.distill.gates import answers, f1
from rag_lifelong.distill.prompts import closed
from rag_lifelong.distill.report import Report
from rag_lifelong.evaluate.metrics import mean
from rag_lifelong.generate import Message
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.prompt import build_messages, room_for_answer
from rag_lifelong.types import Hit

SETS = ("unseen wordings", "reverse", "neighbours", "unrelated", "unanswerable")
ARMS = (
    "base",
    "base + retrieval",
    "base + the right passage",
    "adapter",
    "adapter + retrieval",
    "adapter of other documents",
    "plain fine-tuning",
)
NEIGHBOURS = 40  # people, of those that were not distilled
CLOSED = {"base", "adapter", "adapter of other documents", "plain fine-tuning"}


@dataclass(frozen=True, slots=True)
class Item:
    """One question. cluster: what is resampled together. document: the path that answers it, "" for none."""

    set: str
    cluster: str
    question: str
    answer: str
    document: str


@dataclass(frozen=True, slots=True)
class Said:
    """What an arm said to an item. score: F1; share refused of what cannot be answered. same: as the base, closed book."""

    run: int
    arm: str
    set: str
    cluster: str
    score: float
    same: bool
    text: str


def items(world: World, taught: Sequence[Note]) -> list[Item]:
    """Everything that is asked, in reserved wordings. taught: the notes that were distilled."""
    known = {note.path for note in taught}
    strange = [note.path for note in world.notes if note.kind is Kind.PERSON and note.path not in known]
    near = set(random.Random(world.seed).sample(strange, min(NEIGHBOURS, len(strange))))
    found: list[Item] = []

    def ask(name: str, questions: Sequence[Question], note: Note) -> None:
        for one in questions:
            fact = one.fact
            cluster = f"{note.path} {fact.relation if fact else one.text}"
            found.append(Item(name, cluster, one.text, one.answer, note.path))

    for note in world.notes:
        for fact in note.facts:
            if note.path in known:
                ask("unseen wordings", forward(fact, is_reserved=True), note)
                ask("reverse", reverse(fact, is_reserved=True), note)
            elif note.path in near:
                ask("neighbours", forward(fact, is_reserved=True), note)
        if note.path in known:
            ask("unanswerable", unanswerable(note, is_reserved=True), note)
    found += [Item("unrelated", one.text, one.text, one.answer, "") for one in general(is_reserved=True)]
    return found


def probes() -> tuple[Probe, ...]:
    """The made-up language's common knowledge, in wordings that are not asked here."""
    return tuple(Probe(one.text, one.answer) for one in general(is_reserved=False))


def scored(item: Item, text: str) -> float:
    """F1; of what cannot be answered, whether that was said."""
    return float(refuses(text)) if item.set == "unanswerable" else f1(text, item.answer)


@dataclass(frozen=True, slots=True)
class Run:
    """One world: what all arms said, and what it took. routed: share of each set's questions that the adapter is on for."""

    number: int
    seed: int
    said: tuple[Said, ...]
    routed: dict[str, float]
    report: Report
    state: str
    answered: int
    seconds: float
    is_bit_identical: bool

    def to_dict(self) -> dict[str, Any]:
        """For `from_dict`, by way of JSON."""
        return {**asdict(self), "report": self.report.to_json()}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Run:
        """What `to_dict` gave."""
        own = {field.name: values[field.name] for field in fields(Run)}
        said = tuple(Said(**one) for one in own["said"])
        return Run(**{**own, "said": said, "report": Report.from_json(own["report"])})


def run(number: int, *, model: Path, work: Path, people: int, places: int) -> Run:
    """Everything of one seed, in a folder of its own."""
    began = time.perf_counter()
    seed = world_seed(code_digest(), number)
    folder = work / f"run-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    world = draw_world(seed, people=people, places=places)
    clock = Clock()
    settled(folder, world, clock)
    asked_about = used(world)
    count = ask_about(folder, asked_about, clock)
    clock.pass_days(10)
    with opened(folder, clock, model=model) as assistant:
        base = assistant.language_model
        assert isinstance(base, TransformersModel)
        before = base.digest()
        recipe = replace(RECIPE, seed=number)
        planned = plan(assistant, namespace=["people/*"], recipe=recipe)
        chosen = tuple(one.path for one in planned.selection.chosen)  # also what was found for others' questions
        taught = [note for note in world.notes if any(path.endswith(f"/{note.path}") for path in chosen)]
        done = distill(assistant, planned, probe=probes())
        plain = fine_tuned(base, [note.text for note in taught], recipe, steps=done.report.steps)
        asked = items(world, taught)
        search = assistant.knowledge_base.search
        shown = {item: search(item.question, recipe.evidence) for item in asked}
        right = {item: search(item.question, 1, within=[item.document]) for item in asked if item.document}
        models = {
            "base": base,
            "base + retrieval": base,
            "base + the right passage": base,
            "adapter": base.adapted(done.weights),
            "adapter + retrieval": base.adapted(done.weights),
            "adapter of other documents": base.adapted(done.control),
            "plain fine-tuning": base.adapted(plain),
        }
        said: list[Said] = []
        alone: list[str] = []
        for arm in ARMS:
            hits = dict.fromkeys(asked, ()) | right if arm == "base + the right passage" else shown
            prompts = [tuple(prompt_of(arm, item, hits[item], models[arm], recipe.answer_tokens)) for item in asked]
            texts = answers(models[arm], prompts, max_tokens=recipe.answer_tokens)
            alone = alone or texts
            said += [
                Said(number, arm, item.set, f"{number} {item.cluster}", scored(item, text), text == first, text)
                for item, text, first in zip(asked, texts, alone, strict=True)
            ]
        routed = {name: routing(assistant, base, [i for i in asked if i.set == name], shown) for name in SETS}
        is_identical = base.digest() == before
    return Run(
        number,
        seed,
        tuple(said),
        routed,
        done.report,
        done.adapter.state.value,
        count,
        time.perf_counter() - began,
        is_identical,
    )


def prompt_of(arm: str, item: Item, hits: Sequence[Hit], model: TransformersModel, answer_tokens: int) -> list[Message]:
    """As each arm is asked."""
    if arm in CLOSED:
        return closed(item.question)
    room = room_for_answer(model, answer_tokens)
    return build_messages(item.question, hits, model=model, answer_tokens=room)


def routing(
    assistant: Assistant, base: TransformersModel, asked: Sequence[Item], shown: dict[Item, tuple[Hit, ...]]
) -> float:
    """The share of the questions that the adapter is on for, by their best hit."""
    adapters = assistant.knowledge_base.adapters
    on = [bool(shown[i]) and adapters.route([shown[i][0].passage_id], base.base_digest()) is not None for i in asked]
    return sum(on) / max(1, len(on))


def table(runs: Sequence[Run]) -> list[str]:
    """Arms by sets, in Markdown: the mean and its 95 % interval, over facts."""
    lines = [
        f"| arm | {' | '.join(SETS)} | neighbours as before | unrelated as before |",
        "|---" * (len(SETS) + 3) + "|",
    ]
    for arm in ARMS:
        cells = [cell(runs, arm, name, lambda one: one.score) for name in SETS]
        cells += [
            cell(runs, arm, name, lambda one: float(one.same)) if arm in CLOSED else ""
            for name in ("neighbours", "unrelated")
        ]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    asked = [len([s for run in runs for s in run.said if s.arm == "base" and s.set == name]) for name in SETS]
    lines.append(f"| asked | {' | '.join(f'{count:,}' for count in asked)} | | |")
    return lines


def cell(runs: Sequence[Run], arm: str, name: str, value: Callable[[Said], float]) -> str:
    """ "81.2 (79.0–83.3)", in percent."""
    clusters: dict[str, list[float]] = {}
    for found in (one for run in runs for one in run.said):
        if (found.arm, found.set) == (arm, name):
            clusters.setdefault(found.cluster, []).append(value(found))
    of = mean([sum(values) / len(values) for values in clusters.values()], rng=random.Random(0))
    if of.value is None or of.interval is None:
        return ""
    low, high = of.interval
    return f"{100 * of.value:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def attempts(runs: Sequence[Run]) -> list[str]:
    """Each run's gates and cost, in Markdown."""
    names = [gate.name for gate in runs[0].report.gates]
    lines = [f"| run | seed of the world | state | {' | '.join(names)} | steps | seconds | peak MB |"]
    lines.append("|---" * (len(names) + 6) + "|")
    for one in runs:
        gates = [
            "–"
            if gate.bound is None or gate.value is None
            else f"{'' if gate.holds else '**'}{gate.value:.3f} ({gate.bound:.3f}){'' if gate.holds else '**'}"
            for gate in one.report.gates
        ]
        spent = sum(one.report.seconds.values())
        peak = "" if one.report.peak_bytes is None else f"{one.report.peak_bytes / 1e6:,.0f}"
        lines.append(
            f"| {one.number} | {one.seed} | {one.state} | {' | '.join(gates)} | {one.report.steps:,} | {spent:,.0f} | {peak} |"
        )
    return lines


def main() -> None:
    """Prints the tables; runs that lie in the folder already are taken from there."""
    arguments = options(__doc__ or "", people=200, places=30)
    runs = []
    for number in arguments.runs:
        one = partial(
            run, number, model=arguments.model, work=arguments.work, people=arguments.people, places=arguments.places
        )
        found = kept(place_of(arguments, number, Path(__file__)), lambda one=one: one().to_dict())  # type: ignore[misc]
        runs.append(Run.from_dict(found))
        print(
            f"run {number}: {runs[-1].state}, {runs[-1].seconds:.0f} s, base unchanged: {runs[-1].is_bit_identical}",
            flush=True,
        )
    print("\n".join([f"code {code_digest()}", "", *table(runs), "", *attempts(runs), ""]))
    print(
        "adapter on, by set: "
        + "; ".join(f"{name} " + ", ".join(f"{100 * one.routed[name]:.1f} %" for one in runs) for name in SETS)
    )


if __name__ == "__main__":
    main()
