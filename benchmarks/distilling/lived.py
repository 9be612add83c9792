"""A knowledge base over a made-up world, as somebody would have it who has asked about a part of it for a while."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.distilling.frozen import RUNS, code_digest
from benchmarks.distilling.world import Kind, Note, World, forward
from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant

BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
SETTINGS = 'model_dtype = "float32"\nmodel_device = "cpu"\n'  # near ties do not depend on how weights are rounded


def options(says: str, *, people: int, places: int) -> argparse.Namespace:
    """What a measurement is told at the command line. people, places: of a world, by default."""
    parser = argparse.ArgumentParser(description=says, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("model"))
    parser.add_argument("--work", type=Path, required=True, help="a folder for knowledge bases and what was said")
    parser.add_argument("--people", type=int, default=people)
    parser.add_argument("--places", type=int, default=places)
    parser.add_argument("--runs", type=int, nargs="*", default=list(RUNS))
    return parser.parse_args()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = BEGAN) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=10)  # no two things happen at once
        return self.at

    def pass_days(self, count: int) -> None:
        self.at += timedelta(days=count)


@contextmanager
def opened(folder: Path, clock: Clock, *, model: Path | None) -> Iterator[Assistant]:
    """folder: of `settled`. model: None quotes."""
    spec = "quote" if model is None else f"transformers:{model}"
    with open_assistant(folder / "kb", llm=spec, now=clock) as assistant:
        yield assistant


def settled(folder: Path, world: World, clock: Clock) -> None:
    """The world's notes are read in; no question was asked yet."""
    kb = folder / "kb"
    kb.mkdir(parents=True)
    (kb / "lifelong.toml").write_text(SETTINGS, encoding="utf-8")
    read_in(folder, world, clock)


def read_in(folder: Path, world: World, clock: Clock) -> None:
    """The folder is as the world is now, and the knowledge base as the folder."""
    world.write(folder / "notes")
    with opened(folder, clock, model=None) as assistant:
        assistant.add(folder / "notes", may_retire=True)


def used(world: World, share: float = 0.1) -> tuple[Note, ...]:
    """The people that somebody asks about: the first of them, which are in no order."""
    people = [note for note in world.notes if note.kind is Kind.PERSON]
    return tuple(people[: round(share * len(people))])


def ask_about(folder: Path, notes: Sequence[Note], clock: Clock) -> int:
    """Two questions about each note, in wordings that may be trained on, each asked by itself; how many were answered."""
    answered = 0
    with opened(folder, clock, model=None) as assistant:
        for note in notes:
            for fact in note.facts[:2]:
                with assistant.chat() as chat:
                    answer = chat.ask(forward(fact, is_reserved=False)[0].text)
                answered += any(note.subject.lower() in Path(cited.path).name for cited in answer.citations)
    return answered


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a former call has made and written there, by the same code; else what `make` gives, written for the next."""
    code = code_digest()
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["code"] == code:
            return found
    made = {"code": code, **make()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made), encoding="utf-8")
    return made
