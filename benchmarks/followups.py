"""Follow-up questions: as typed, joined to the question before, rewritten, and as they would be asked on their own.

    python -m benchmarks.followups --data FOLDER [--peps FOLDER] [--half development|held-out] [--cache FOLDER]
                                   [--model SPEC] [--show]

FOLDER holds squad_dev.json; that of --peps the PEPs' sources. Dialogues are those of `benchmarks.dialogues`: by hand,
and made. Every paragraph of squad_dev, without its article's title, is a document of a knowledge base made for the run,
and so is every PEP. A dialogue runs as it would for a user: each question is rewritten from the turns so far, with the
answers that the quoting reader gave, right or wrong. recall@5: the paragraph, or the PEP, that answers is among the
first five found. right: of squad_dev, a cited passage holds the answer; of PEPs, every value is in the answer and no
other PEP is cited. Intervals: bootstrap over follow-ups in pairs, 95 %.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath

import numpy as np

from benchmarks import pep_search
from benchmarks.dialogues import Dialogue, Step, by_hand, from_peps, from_squad
from benchmarks.retrieval import CachedEmbedder, TestSet, document, filled, interval, searched
from rag_lifelong import answering
from rag_lifelong.answering import Asked
from rag_lifelong.assistant import EVIDENCE
from rag_lifelong.embed import open_embedder
from rag_lifelong.followup import stand_alone
from rag_lifelong.generate import LanguageModel, open_model
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.types import Answer, Turn

WAYS = ("as typed", "joined", "rewritten", "whole")  # joined: the former question, as typed, before the new one
LEANING = ("follow-up", "pronoun", "described", "dropped", "other")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
FOUND = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way of asking one step gave."""

    text: str
    is_found: bool
    is_right: bool
    is_first: bool  # found at rank 1


@dataclass(frozen=True, slots=True)
class Measured:
    """One step that is not the first of its dialogue."""

    dialogue: Dialogue
    number: int
    step: Step
    outcomes: dict[str, Outcome]
    ms: float  # of the rewriting


class Oracle:
    """A knowledge base that remembers what it was asked: many ways ask the same."""

    def __init__(self, base: KnowledgeBase, depth: int) -> None:
        self._base = base
        self._depth = depth
        self._known: dict[str, tuple[list[int], Answer]] = {}

    def ask(self, question: str) -> tuple[list[int], Answer]:
        """Numbers of the documents found, best first, and the answer quoted from the first passages."""
        if question not in self._known:
            ranked = searched(self._base, question, self._depth)
            hits = self._base.search(question, EVIDENCE)
            asked = Asked(question, hits, version=self._base.version_number(None), as_of=None)
            self._known[question] = ranked, _finished(answering.answer(self._base, asked, model=None))
        return self._known[question]


def _finished(pieces: Iterator[str]) -> Answer:
    """What a generator of pieces gives when it has ended."""
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peps", type=Path, help="adds the PEPs of that folder")
    parser.add_argument("--half", choices=("development", "held-out"), help="both, unless named")
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--model", help="a SPEC: rewrites in place of the rules")
    parser.add_argument("--show", action="store_true", help="print every follow-up of the development half")
    arguments = parser.parse_args()
    model = open_model(arguments.model)
    embedder = open_embedder(None, cache_dir=None)
    cached = embedder if arguments.cache is None else CachedEmbedder(embedder, arguments.cache)
    entries = json.loads((arguments.data / "squad_dev.json").read_text(encoding="utf-8"))
    peps = [] if arguments.peps is None else pep_search.read(arguments.peps)
    dialogues = [*by_hand(entries, peps), *from_squad(entries), *(from_peps(peps) if peps else ())]
    dialogues = [d for d in dialogues if arguments.half in (None, d.half)]
    sets = {"squad": (TestSet("squad", [document("", entry["context"]) for entry in entries], []), 10)}
    if peps:
        sets["peps"] = TestSet("peps", pep_search.cut(peps, cached), []), 50  # type: ignore[arg-type]
    measured: list[Measured] = []
    for source, (test_set, depth) in sets.items():
        with filled(test_set, cached) as base:
            oracle = Oracle(base, depth)
            for dialogue in dialogues:
                if dialogue.source == source:
                    measured += run(dialogue, oracle, model)
    for own in ("development", "held-out"):
        found = [m for m in measured if m.dialogue.half == own]
        if found:
            print(f"\n## {own}\n")
            print("\n".join(report(found)))
    if arguments.show:
        print("\n".join(shown(m) for m in measured if m.dialogue.half == "development"))


def run(dialogue: Dialogue, oracle: Oracle, model: LanguageModel | None) -> Iterator[Measured]:
    """Each step after the first, asked in every way; the turns before it are as a user's would be."""
    turns: list[Turn] = []
    for number, step in enumerate(dialogue.steps, start=1):
        began = time.perf_counter()
        rewritten = stand_alone(step.typed, turns, model=model)
        ms = (time.perf_counter() - began) * 1_000
        answer = oracle.ask(rewritten)[1]
        if turns:
            joined = f"{turns[-1].question} {step.typed}"
            texts = dict(zip(WAYS, (step.typed, joined, rewritten, step.whole), strict=True))
            outcomes = {
                way: _outcome(step, text, oracle, is_pep=dialogue.source == "peps") for way, text in texts.items()
            }
            yield Measured(dialogue, number, step, outcomes, ms)
        turns.append(Turn(number, step.typed, rewritten, answer, EPOCH))


def _outcome(step: Step, text: str, oracle: Oracle, *, is_pep: bool) -> Outcome:
    ranked, answer = oracle.ask(text)
    if step.gold < 0:  # nothing answers
        return Outcome(text, True, answer.refused, True)
    cited = {int(PurePath(citation.path).stem) for citation in answer.citations}
    if is_pep:
        is_right = cited == {step.gold} and all(_flat(value) in _flat(answer.text) for value in step.answers)
    else:
        is_right = any(_flat(step.answers[0]) in _flat(citation.quote) for citation in answer.citations)
    return Outcome(text, step.gold in ranked[:FOUND], is_right, ranked[:1] == [step.gold])


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


# -- figures


def report(measured: Sequence[Measured]) -> Iterator[str]:
    """The tables."""
    yield "| follow-ups | n | measure | " + " | ".join(WAYS) + " | rewritten − as typed | rewritten − joined |"
    yield "|---|--:|---|" + "--:|" * len(WAYS) + "---|---|"
    for origin in ("by hand", "made"):
        for source in ("squad", "peps"):
            mine = [m for m in measured if (m.dialogue.origin, m.dialogue.source) == (origin, source)]
            yield from _rows(f"{source}, {origin}", [m for m in mine if m.step.kind in LEANING])
    yield ""
    yield "| of those made | n | recall@5: " + " | ".join(WAYS) + " | right: " + " | ".join(WAYS) + " |"
    yield "|---|--:|" + "--:|" * 2 * len(WAYS)
    for source in ("squad", "peps"):
        for kind in LEANING:
            for turn in (2, 3):
                of = [
                    m for m in measured if (m.dialogue.origin, m.dialogue.source, m.step.kind) == ("made", source, kind)
                ]
                of = [m for m in of if m.number == turn]
                if of:
                    cells = [_share(of, way, what) for what in ("is_found", "is_right") for way in WAYS]
                    yield f"| {source}, {kind}, turn {turn} | {len(of)} | " + " | ".join(cells) + " |"
    yield ""
    yield (
        "| stands alone | n | unchanged | of those found first as typed | recall@5: as typed | joined | rewritten "
        "| rewritten − as typed | right: as typed | joined | rewritten | rewritten − as typed |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|---|"
    for source in ("squad", "peps"):
        for kind, name in (("alone", "same dialogue, named again"), ("change", "another topic")):
            of = [m for m in measured if (m.dialogue.source, m.step.kind) == (source, kind)]
            if of:
                own = [m for m in of if m.outcomes["as typed"].is_first]
                cells = [_unchanged(of), f"{_unchanged(own)} of {len(own)}"]
                for what in ("is_found", "is_right"):
                    cells += [*(_share(of, way, what) for way in WAYS[:3]), _interval(of, "as typed", what)]
                yield f"| {source}, {name} | {len(of)} | " + " | ".join(cells) + " |"
    leaning = [m for m in measured if m.step.kind in LEANING]
    same = np.mean([m.outcomes["rewritten"].text == m.step.typed for m in leaning])
    yield f"\nfollow-ups left as typed: {same:.1%}; rewriting takes p50 {np.median([m.ms for m in measured]):.2f} ms"


def _rows(name: str, of: Sequence[Measured]) -> Iterator[str]:
    if not of:
        return
    for what, measure in (("is_found", "recall@5"), ("is_right", "right")):
        cells = [_share(of, way, what) for way in WAYS]
        cells += [_interval(of, way, what) for way in ("as typed", "joined")]
        yield f"| {name} | {len(of)} | {measure} | " + " | ".join(cells) + " |"


def _values(of: Sequence[Measured], way: str, what: str) -> np.ndarray:
    return np.array([float(getattr(m.outcomes[way], what)) for m in of])  # (n,)


def _share(of: Sequence[Measured], way: str, what: str) -> str:
    return f"{_values(of, way, what).mean() * 100:.1f}"


def _interval(of: Sequence[Measured], way: str, what: str) -> str:
    difference = _values(of, "rewritten", what) - _values(of, way, what)
    low, high = interval(difference)
    return f"{difference.mean() * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}]"


def _unchanged(of: Sequence[Measured]) -> str:
    return f"{np.mean([m.outcomes['rewritten'].text == m.step.typed for m in of]):.1%}" if of else "–"


def shown(measured: Measured) -> str:
    """A follow-up for reading: what was asked before, and what each way made of it."""
    before = measured.dialogue.steps[measured.number - 2].typed
    marks = " ".join(
        f"{way}:{'F' if o.is_found else '-'}{'R' if o.is_right else '-'}" for way, o in measured.outcomes.items()
    )
    head = f"[{measured.dialogue.source}, {measured.dialogue.origin}, {measured.step.kind}] {marks}"
    texts = (before, measured.step.typed, measured.outcomes["rewritten"].text, measured.step.whole)
    return "\n    ".join((head, *texts))


if __name__ == "__main__":
    main()
