"""Conversations: kept, gone on with, rated, deleted; never at the cost of an answer."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoSuchChat, NothingAsked
from rag_lifelong.generate import Message
from rag_lifelong.store.values import read, written
from rag_lifelong.types import (
    Answer,
    Citation,
    Hit,
    Lag,
    Narrowed,
    Scores,
    Standing,
    Verdict,
)

RETRIES = "# Retries\n\nRetries: three attempts are made, then the dead letter queue.\n"
QUEUE = "# Queue\n\nThe dead letter queue is owned by Ana Ruiz since March.\n"
ASKED = "How many attempts are made for retries?"


class Talkative:
    """A language model that says what it was asked and cites the first passage. It keeps the Protocol."""

    name = "talkative"
    context_tokens = 4_000

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.prompts.append(messages[-1].content)
        yield f"Answer {len(self.prompts)}"
        yield " [1]"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "retries.md").write_text(RETRIES)
    (folder / "queue.md").write_text(QUEUE)
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        opened.add(notes)
        yield opened


def rows(assistant: Assistant, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(assistant.knowledge_base.path / "lifelong.sqlite3")) as connection:
        return connection.execute(query).fetchall()


def test_a_turn_is_kept_whole_and_read_back(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        assert talk.id is None and talk.turns == ()
        found = talk.ask(ASKED, within=["*.md"], k=5)
    assert not found.refused and "three attempts" in found.text
    assert talk.id == 1
    (turn,) = assistant.read_chat(1)
    assert (turn.number, turn.question, turn.asked_as, turn.answer) == (1, ASKED, ASKED, found)
    (summary,) = assistant.chats()
    assert (summary.id, summary.title, summary.turns) == (1, ASKED, 1)
    (kept,) = assistant.knowledge_base.chats.read(1)
    assert kept.scope == Narrowed(as_of=None, within=("*.md",), dated=None, k=5)
    assert [(hit.path, hit.start, hit.end, hit.scores, hit.text) for hit in kept.hits] == [
        (hit.path, hit.start, hit.end, hit.scores, "") for hit in assistant.last_hits
    ]
    assert rows(assistant, "SELECT version, model FROM turns") == [(1, "quote")]


def test_the_moment_meant_is_kept_not_the_words(assistant: Assistant) -> None:
    assistant.chat().ask(ASKED, as_of="now")
    (kept,) = assistant.knowledge_base.chats.read(1)
    assert isinstance(kept.scope.as_of, datetime) and kept.scope.as_of.tzinfo is UTC
    assert kept.turn.answer.as_of == 1


def test_a_conversation_is_gone_on_with(assistant: Assistant) -> None:
    assistant.chat().ask(ASKED)
    assistant.chat().ask("Who owns the dead letter queue?")
    with assistant.chat("last") as talk:
        assert talk.id == 2 and len(talk.turns) == 1
        talk.ask(ASKED)
    with assistant.chat(1) as talk:
        talk.ask("Who owns the queue?")
    assert [(one.id, one.turns) for one in assistant.chats()] == [(1, 2), (2, 2)]
    assert [turn.number for turn in assistant.read_chat(2)] == [1, 2]
    for unknown in (3, 0):
        with pytest.raises(NoSuchChat, match=f"there is no chat {unknown}; see: lifelong chats"):
            assistant.chat(unknown)


def test_there_is_no_last_conversation_before_the_first(assistant: Assistant) -> None:
    with pytest.raises(NoSuchChat, match="begin one: lifelong chat"):
        assistant.chat("last")


def test_nothing_is_kept_that_is_not_to_be(tmp_path: Path, notes: Path, assistant: Assistant) -> None:
    with assistant.chat(keep=False) as talk:
        talk.ask(ASKED)
        talk.rate(True)
        assert talk.id is None and len(talk.turns) == 1
    (tmp_path / "kb" / "lifelong.toml").write_text("keep_chats = false\n")
    with open_assistant(tmp_path / "kb", embedder="hash") as other, other.chat() as talk:
        talk.ask(ASKED)
    assert assistant.chats() == ()
    assistant.ask(ASKED)  # each for itself
    assert assistant.chats() == ()


def test_the_last_turn_is_asked_again_and_replaced(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        talk.ask("Who owns the dead letter queue?")
        talk.ask(ASKED, within=["*.md"], k=3)
        talk.rate(False, "outdated")
        (notes / "retries.md").write_text(RETRIES.replace("three", "five"))
        assistant.add(notes)
        assert "five attempts" in "".join(talk.retry())
    first, second = assistant.read_chat(1)
    assert (second.number, second.question, second.rating) == (2, ASKED, None)
    assert "five attempts" in second.answer.text and talk.turns == (first, second)
    assert assistant.knowledge_base.chats.read(1)[1].scope == Narrowed(within=("*.md",), k=3)


def test_a_retry_that_is_stopped_leaves_the_turn(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask(ASKED)
        pieces = talk.retry()
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]  # ^C
        assert len(talk.turns) == 1
    assert len(assistant.read_chat(1)) == 1


def test_before_the_first_question_there_is_nothing_to_rate_or_retry(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        with pytest.raises(NothingAsked):
            talk.rate(True)
        with pytest.raises(NothingAsked):
            next(talk.retry())


def test_what_is_said_of_an_answer_is_kept_last(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask(ASKED)
        talk.rate(False, "no")
        talk.rate(True, "yes, it is right")
    (turn,) = assistant.read_chat(1)
    assert turn.rating is not None and (turn.rating.is_good, turn.rating.note) == (True, "yes, it is right")
    assert turn == talk.turns[0]


def test_a_follow_up_is_asked_as_it_stands_alone(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask("Who is Ana Ruiz?")
        found = talk.ask("What does she own?")
    assert found.question == "What does she own?"
    assert found.asked_as is not None and "Ana Ruiz" in found.asked_as
    assert [(turn.question, turn.asked_as) for turn in assistant.read_chat(1)] == [
        ("Who is Ana Ruiz?", "Who is Ana Ruiz?"),
        ("What does she own?", found.asked_as),
    ]
    assert assistant.read_chat(1)[1].answer == found


def test_a_model_is_told_of_the_turns_before(tmp_path: Path, notes: Path, assistant: Assistant) -> None:
    model = Talkative()
    assistant.use_model(model)
    with assistant.chat() as talk:
        talk.ask(ASKED)
        talk.ask("Who owns the dead letter queue?")
    assert "<chat" not in model.prompts[0]
    assert model.prompts[-1].startswith("<chat ") and "Answer: Answer 1" in model.prompts[-1]
    assert [kept.was_told for kept in assistant.knowledge_base.chats.read(1)] == [False, True]


@pytest.mark.parametrize("how", ["edited", "forgotten"])
def test_a_model_is_not_told_what_the_sources_no_longer_say(assistant: Assistant, notes: Path, how: str) -> None:
    model = Talkative()
    with assistant.chat() as talk:
        talk.ask(ASKED)
        assert "three attempts" in talk.turns[0].answer.text
        if how == "edited":
            (notes / "retries.md").write_text(RETRIES.replace("three", "five"))
            assistant.add(notes)
        else:
            assistant.forget(notes / "retries.md")
        assistant.use_model(model)
        talk.ask("Who owns the dead letter queue?")
        assert ASKED in model.prompts[-1]
        assert not any("three attempts" in prompt for prompt in model.prompts)
        assert "three attempts" in talk.turns[0].answer.text  # history stays
        talk.ask("Who owns the dead letter queue of then?", as_of=1)
        assert "three attempts" in model.prompts[-1]  # it stood so at the version asked about


def test_a_busy_store_costs_no_answer(
    tmp_path: Path, assistant: Assistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rag_lifelong.chats.WAIT_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "kb" / "lifelong.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        talk = assistant.chat()
        with caplog.at_level(logging.WARNING):
            assert "three attempts" in talk.ask(ASKED).text
            talk.ask("Who owns the dead letter queue?")
        assert [record.message for record in caplog.records] == [
            f"this chat is not kept: another process is writing to {tmp_path / 'kb'}; try again when it is done"
        ]
        other.execute("ROLLBACK")
    assert assistant.chats() == () and talk.id is None
    talk.close()  # tries once more
    assert [turn.question for turn in assistant.read_chat(1)] == [ASKED, "Who owns the dead letter queue?"]


def test_a_store_that_can_only_be_read_costs_no_answer(assistant: Assistant, caplog: pytest.LogCaptureFixture) -> None:
    assistant.knowledge_base._database.connection().execute("PRAGMA query_only = ON")
    with caplog.at_level(logging.WARNING):
        assert "three attempts" in assistant.chat().ask(ASKED).text
    (record,) = caplog.records
    assert record.message.startswith("this chat is not kept: cannot write to ")


def test_a_conversation_deleted_by_another_process_is_begun_anew(tmp_path: Path, assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask(ASKED)
        with open_assistant(tmp_path / "kb", embedder="hash") as other:
            other.delete_chat(1)
        talk.ask("Who owns the dead letter queue?")
    assert talk.id == 2
    assert [turn.question for turn in assistant.read_chat(2)] == ["Who owns the dead letter queue?"]


def test_a_turn_of_another_process_has_its_own_number(tmp_path: Path, assistant: Assistant) -> None:
    assistant.chat().ask("first")
    with assistant.chat(1) as here, open_assistant(tmp_path / "kb", embedder="hash") as other, other.chat(1) as there:
        here.ask("second")
        there.ask("third")
        here.ask("fourth")
    assert [(t.number, t.question) for t in assistant.read_chat(1)] == [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (4, "fourth"),
    ]


def test_bytes_that_are_no_text_are_kept_as_far_as_they_are(assistant: Assistant) -> None:
    assistant.chat().ask("What is caf\udce9?")
    assert [turn.question for turn in assistant.read_chat(1)] == ["What is caf??"]


# -- what flows, as JSON and back


def test_what_flows_is_read_back_equal() -> None:
    hit = Hit(
        passage_id=1,
        document_id=2,
        revision_id=3,
        path="/a/\udce9.md",
        title="Täglich",
        label="x",
        line=None,
        page=4,
        text='"quoted"\n',
        start=0,
        end=9,
        score=0.25,
        scores=Scores(0.25, None, 3.5, "name"),
        version=1,
        document_date=date(2026, 1, 2),
        standing=Standing(date(2026, 1, 3), "/b", None),
    )
    citation = Citation(1, "/a", "x", 3, None, 0, 4, "text", 1, None)
    answer = Answer(
        question="q",
        text="t",
        refused=False,
        citations=(citation, citation),
        nearest=(hit,),
        verdict=Verdict(date(2026, 1, 2), True, False, Lag(1, 2, datetime(2026, 1, 1, tzinfo=UTC)), 0.5, 0, True, "e"),
        version=1,
        as_of=None,
        model="m",
        adapter="a",
        asked_as="q?",
    )
    assert read(written(answer), Answer) == answer
    narrowed = Narrowed(datetime(2026, 1, 1, 5, tzinfo=UTC), ("a", "b"), (None, date(2026, 1, 1)), 3)
    assert read(written(narrowed), Narrowed) == narrowed
    assert read(written(replaced := Narrowed(as_of=7)), Narrowed) == replaced


def test_what_an_older_or_newer_program_wrote_is_read() -> None:
    assert read('{"within":["a"],"unknown":{"x":1}}', Narrowed) == Narrowed(within=("a",))
    with pytest.raises(ValueError, match="damaged Lag in the store"):
        read('{"files":1}', Lag)


class Wordy(Talkative):
    """Answers at length, and keeps the minutes when it is asked to."""

    context_tokens = 900

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.prompts.append(messages[-1].content)
        is_minutes = messages[-1].content.endswith("The minutes, extended:")
        yield (
            "they spoke of retries."
            if is_minutes
            else "Three attempts are made for retries, " + "as said " * 25 + "[1]."
        )


def test_of_a_long_chat_a_model_is_told_the_minutes_it_kept(assistant: Assistant) -> None:
    model = Wordy()
    assistant.use_model(model)
    with assistant.chat(keep=False) as talk:
        for _ in range(7):
            talk.ask(ASKED)
    minutes = [prompt for prompt in model.prompts if prompt.endswith("The minutes, extended:")]
    assert len(minutes) == 1  # of the first four turns, once
    told = [prompt for prompt in model.prompts if "they spoke of retries." in prompt]
    assert told and all(prompt.startswith("<chat ") for prompt in told)
