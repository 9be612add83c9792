"""How well the small model reads, on worlds drawn for the purpose, as the program would ask it: whole prompts, greedy.

    python -m benchmarks.distilling.reading [--model FOLDER] [--seed N] [--count N]

Questions are in reserved wordings. An answer is right if it is the expected one to the letter, its marker included.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from benchmarks.distilling import examples, world
from benchmarks.distilling.world import REFUSAL, Note, Question
from rag_lifelong.distill import prompts
from rag_lifelong.generate import Message
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.prompt import build_messages
from rag_lifelong.types import Hit, Scores, Standing

MODEL = Path(__file__).with_name("model")
ANSWER_TOKENS = 128


def said(model: TransformersModel, messages: Sequence[Message]) -> str:
    """Its whole answer."""
    return "".join(model.stream(messages, max_tokens=ANSWER_TOKENS)).strip()


def hit_of(note: Note, number: int) -> Hit:
    """The note as retrieval would find it."""
    return Hit(
        passage_id=number,
        document_id=number,
        revision_id=number,
        path=f"/notes/{note.path}",
        title=note.subject,
        label="",
        line=1,
        page=None,
        text=note.text,
        start=0,
        end=len(note.text),
        score=1.0,
        scores=Scores(fused=1.0, dense=1.0, words=None, led_by=None),
        version=1,
        document_date=date(2026, 1, number),
        standing=Standing(stale_since=None, superseded_by=None, retired=None),
    )


def measure(model: TransformersModel, *, seed: int, count: int) -> dict[str, float]:
    """For each task the share of right answers, of about `count` (of all there are, for common knowledge)."""
    rng = random.Random(seed)
    tasks: dict[str, list[bool]] = {}
    for task, messages, answer in _asked(model, rng, count):
        tasks.setdefault(task, []).append(said(model, messages) == answer)
    tasks["written questions kept"] = _written(model, rng, count // 4)
    return {task: sum(found) / len(found) for task, found in tasks.items()}


def _asked(model: TransformersModel, rng: random.Random, count: int) -> Iterator[tuple[str, Sequence[Message], str]]:
    for question in rng.sample(known := world.general(is_reserved=True), min(len(known), count)):
        yield "common knowledge", prompts.closed(question.text), question.answer
    for _ in range(count):
        notes = world.draw_notes(rng, people=4, places=2, facts=(2, 6))
        rng.shuffle(notes)
        note, *others = notes
        fact = rng.choice(note.facts)
        asked = rng.choice(world.forward(fact, is_reserved=True))
        yield "text", prompts.reading(note.text, asked.text), asked.answer
        yield "closed book", prompts.closed(asked.text), asked.answer
        yield "closed book refused", prompts.closed(asked.text), REFUSAL
        absent = world.unanswerable(note, is_reserved=True)
        if absent:
            yield "text refused", prompts.reading(note.text, rng.choice(absent).text), REFUSAL
        shown = [note, *others[: rng.randint(1, 3)]]
        rng.shuffle(shown)
        yield "passages", _with(model, asked, shown), f"{asked.answer} [{shown.index(note) + 1}]"
        if absent:
            yield "passages refused", _with(model, rng.choice(absent), shown), REFUSAL
        yield "passages without it", _with(model, asked, others[:3]), REFUSAL
        turned = [one for each in note.facts for one in world.reverse(each, is_reserved=True)]
        if turned:
            back = rng.choice(turned)
            yield "text reverse", prompts.reading(note.text, back.text), back.answer
            yield "passages reverse", _with(model, back, shown), f"{back.answer} [{shown.index(note) + 1}]"
        wordings = world.forward(fact, is_reserved=False)
        first = rng.choice(wordings)
        expected = "\n".join(examples.other_wordings(first, 5))
        yield "wordings written", prompts.ask_wordings(note.text, first.text, 5), expected
        yield (
            "reverse written",
            prompts.ask_reverse(note.text, first.text, first.answer),
            examples.written_reverse(fact),
        )
        yield "rewritten", prompts.ask_rewrite(note.text), examples.rewritten(note)


def _with(model: TransformersModel, asked: Question, shown: Sequence[Note]) -> Sequence[Message]:
    hits = [hit_of(note, number) for number, note in enumerate(shown, start=1)]
    return build_messages(asked.text, hits, model=model, answer_tokens=48)


def _written(model: TransformersModel, rng: random.Random, count: int) -> list[bool]:
    """Of the questions it writes, and those it should have written and did not: it answers them as it wrote."""
    found = []
    for _ in range(count):
        note = world.draw_notes(rng, people=1, places=0, facts=(2, 6))[0]
        lines = said(model, prompts.ask_questions(note.text, len(note.facts))).splitlines()
        pairs = [line.split(prompts.SEPARATOR, 1) for line in lines if prompts.SEPARATOR in line]
        found += [said(model, prompts.reading(note.text, question)) == answer for question, answer in pairs]
        told = {fact.value for fact in note.facts}
        found += [False] * (len(note.facts) - len(told & {answer for _, answer in pairs}))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--seed", type=int, default=2_026)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    model = TransformersModel(str(arguments.model.resolve()))
    begun = time.monotonic()
    for task, share in measure(model, seed=arguments.seed, count=arguments.count).items():
        print(f"{task}: {share:.3f}")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
