"""Kept questions asked again: what became of each answer, and the reason as the versions have it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoSuchVersion
from rag_lifelong.evaluate import Fate, Replay, replay
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.staleness import Rule

RETRIES = "# Retries\n\nRetries: three attempts are made, then the dead letter queue.\n"
QUEUE = "# Queue\n\nThe dead letter queue is owned by Ana Ruiz since March.\n"
ATTEMPTS = "How many attempts are made for retries?"
OWNER = "Who owns the dead letter queue?"
LUNCH = "At what time is lunch served in the canteen?"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "retries.md").write_text(RETRIES)
    (folder / "queue.md").write_text(QUEUE)
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def assistant(tmp_path: Path, notes: Path, clock: Clock) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", now=clock) as opened:
        opened.add(notes)
        yield opened


def put(assistant: Assistant, notes: Path, name: str, text: str) -> None:
    (notes / name).write_text(text)
    assistant.add(notes)


def told(found: Replay) -> list[tuple[str, str, list[str]]]:
    return [(case.question, case.fate.value, [reason.message for reason in case.reasons]) for case in found.cases]


def test_nothing_changed_nothing_told(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask(ATTEMPTS)
        talk.ask("What is the airspeed of a swallow?")
    found = replay(assistant)
    assert told(found) == [("What is the airspeed of a swallow?", "same", []), (ATTEMPTS, "same", [])]
    assert (found.version, found.model, found.not_asked) == (1, "quote", 0)
    assert len(assistant.chats()) == 1 and assistant.chats()[0].turns == 2  # it keeps nothing


def test_the_version_that_changed_a_source_is_named(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(ATTEMPTS)
    put(assistant, notes, "other.md", "# Other\n\nSomething else.\n")
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five"))
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five") + "\nAnd more.\n")
    (case,) = replay(assistant).cases
    assert case.fate is Fate.CHANGED
    assert ("three" in case.before.text, "five" in case.now.text) == (True, True)
    assert [(r.kind, r.path, r.version) for r in case.reasons] == [("changed", str(notes / "retries.md"), 3)]


def test_a_source_that_was_forgotten_and_one_that_is_gone(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        talk.ask(ATTEMPTS)
        talk.ask("By whom is the dead letter queue owned since March?")
    assistant.forget(notes / "retries.md")
    (notes / "queue.md").unlink()
    assistant.add(notes, may_retire=True)
    second, first = replay(assistant).cases
    assert (first.fate, second.fate) == (Fate.REFUSED, Fate.REFUSED)
    assert [r.message for r in first.reasons] == [f"{notes / 'retries.md'} was forgotten in version 2"]
    assert [r.message for r in second.reasons] == [f"{notes / 'queue.md'} is gone since version 3"]


def test_new_evidence_answers_what_was_refused(assistant: Assistant, notes: Path) -> None:
    assert assistant.chat().ask(LUNCH).refused
    put(assistant, notes, "lunch.md", "# Lunch\n\nLunch is served at noon in the canteen.\n")
    assert told(replay(assistant)) == [(LUNCH, "answered", [f"{notes / 'lunch.md'} is new since version 2"])]


def test_a_line_that_a_known_document_got_is_new_evidence(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(LUNCH)
    put(assistant, notes, "queue.md", QUEUE + "\nLunch is served at noon in the canteen.\n")
    put(assistant, notes, "queue.md", QUEUE + "\nLunch is served at noon in the canteen.\n\nBye.\n")
    assert told(replay(assistant)) == [(LUNCH, "answered", [f"{notes / 'queue.md'} says so since version 2"])]


def test_the_same_words_at_another_place(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(ATTEMPTS)
    put(assistant, notes, "retries.md", "A new first paragraph.\n\n" + RETRIES)
    (notes / "retries.md").rename(notes / "attempts.md")
    assistant.add(notes)
    (case,) = replay(assistant).cases
    assert case.fate is Fate.MOVED and case.is_kept
    assert [r.message for r in case.reasons] == [
        f"{notes / 'retries.md'} moved to {notes / 'attempts.md'} in version 3"
    ]


def test_what_was_superseded_and_what_went_stale(assistant: Assistant, notes: Path, clock: Clock) -> None:
    first = assistant.chat().ask(ATTEMPTS)
    assert first.citations[0].standing.holds
    put(assistant, notes, "newer.md", "# Retries\n\nRetries: seven attempts are made, then the dead letter queue.\n")
    assistant.supersede(notes / "retries.md", notes / "newer.md")
    (case,) = replay(assistant).cases
    assert case.fate is Fate.CHANGED and "seven" in case.now.text
    assert [r.kind for r in case.reasons] == ["superseded", "new"]
    assert case.reasons[0].message == f"{notes / 'retries.md'} is superseded by {notes / 'newer.md'}"
    assistant.undo()
    assistant.set_rule(Rule(match="*", time_to_live=timedelta(days=30), past="hide"))
    clock.time += timedelta(days=4_000)
    (case,) = replay(assistant).cases
    assert case.fate is Fate.REFUSED
    assert [r.kind for r in case.reasons] == ["stale"]


def test_an_answer_removed_with_its_source(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(ATTEMPTS)
    assistant.forget_everywhere(notes / "retries.md")
    found = replay(assistant)
    (case,) = found.cases
    assert case.fate is Fate.REMOVED and case.now.refused
    assert [r.kind for r in case.reasons] == ["removed"]
    assert found.kept(None) == Share(0, 0)  # there is nothing to compare with


def test_ratings_are_counted_apart(assistant: Assistant, notes: Path) -> None:
    for question, is_good in ((ATTEMPTS, True), ("Who is Ana Ruiz?", True), (LUNCH, False), ("What is X?", None)):
        talk = assistant.chat()
        talk.ask(question)
        if is_good is not None:
            talk.rate(is_good)
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five"))
    found = replay(assistant)
    assert [found.kept(True), found.kept(False), found.kept(None)] == [Share(1, 2), Share(1, 1), Share(1, 1)]
    assert [case.question for case in replay(assistant, ratings=[False]).cases] == [LUNCH]
    assert [case.question for case in replay(assistant, ratings=[True]).cases] == ["Who is Ana Ruiz?", ATTEMPTS]
    assert [case.question for case in replay(assistant, newest=2).cases] == ["What is X?", LUNCH]


def test_a_question_asked_twice_is_one_case_as_it_was_rated(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        talk.ask(ATTEMPTS)
        talk.rate(True)
        talk.ask(ATTEMPTS, within=["queue.md"])  # another question: of other documents
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five"))
    assistant.chat().ask(ATTEMPTS)
    found = replay(assistant)
    assert [(case.chat_id, case.number, case.fate) for case in found.cases] == [
        (1, 2, Fate.SAME),
        (1, 1, Fate.CHANGED),
    ]


def test_the_past_is_asked_of_the_past(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        talk.ask(ATTEMPTS, as_of=1)
        talk.ask("Who is Ana Ruiz?", within=["queue.md"])
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five"))
    put(assistant, notes, "queue.md", QUEUE.replace("Ana Ruiz", "Ana Ruiz, of Lima,"))
    assert [case.fate for case in replay(assistant).cases] == [Fate.CHANGED, Fate.SAME]
    assert [case.fate for case in replay(assistant, as_of=2).cases] == [Fate.SAME, Fate.CHANGED]
    assert [case.now.as_of for case in replay(assistant, as_of=2).cases] == [2, 2]
    with pytest.raises(NoSuchVersion):
        replay(assistant, as_of=9)


def test_a_follow_up_is_asked_as_it_stood_alone(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask("Who is Ana Ruiz?")
        talk.ask("What does she own?")
    case = replay(assistant).cases[0]
    assert case.question == "What does she own?" and case.asked_as == talk.turns[1].asked_as != case.question
    assert case.fate is Fate.SAME


def test_another_embedder_or_program_is_a_reason(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(ATTEMPTS)
    put(assistant, notes, "retries.md", RETRIES.replace("three", "five"))
    with assistant.knowledge_base._database.transaction() as connection:
        connection.execute("UPDATE turns SET embedder = 'other', program = '0.0.9', model = 'quote'")
    (case,) = replay(assistant).cases
    assert [r.kind for r in case.reasons] == ["changed", "embedder", "program"]


def test_where_nothing_is_known_it_says_so(assistant: Assistant, notes: Path) -> None:
    assistant.chat().ask(ATTEMPTS)
    with assistant.knowledge_base._database.transaction() as connection:
        connection.execute("UPDATE turns SET answer = replace(answer, 'three attempts', 'four attempts')")
    assert [r.kind for r in replay(assistant).cases[0].reasons] == ["unknown"]
    put(assistant, notes, "other.md", "# Other\n\nSomething else.\n")
    assert [r.message for r in replay(assistant).cases[0].reasons] == [
        "its sources are as they were; others changed in version 2"
    ]
