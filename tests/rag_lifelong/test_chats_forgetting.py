"""Letting go of a text reaches the chats: what they quoted of it is gone from the file, the user's words stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoSuchChat
from rag_lifelong.generate import Message
from rag_lifelong.prompt_history import HISTORY_FILE

FIRST = "# Launch\n\nThe launch code is ZANZIBAR since Monday.\n\nThe launch is led by Ana Ruiz.\n"
SECOND = "# Launch\n\nThe launch code is MANDALAY since Friday.\n\nThe launch is led by Ana Ruiz.\n"
CODE = "What is the launch code?"
LEADER = "By whom is the launch led?"


class Repeating:
    """A language model that repeats its whole prompt, as the worst case of what an answer may hold."""

    name = "repeating"
    context_tokens = 8_000

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield f"[1] {messages[-1].content}"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "launch.md").write_text(FIRST)
    (folder / "other.md").write_text("# Lunch\n\nLunch is served at noon in the canteen.\n")
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        opened.add(notes)
        yield opened


def files_hold(assistant: Assistant, *words: str) -> list[str]:
    """Which of the words stand in a file of the knowledge base."""
    data = [path.read_bytes() for path in assistant.knowledge_base.path.rglob("*") if path.is_file()]
    return [word for word in words if any(word.encode() in one for one in data)]


def turns_hold(assistant: Assistant) -> str:
    with assistant.knowledge_base.reading() as connection:
        return str(connection.execute("SELECT * FROM turns").fetchall())


def well(assistant: Assistant) -> bool:
    return all(finding.is_well for finding in assistant.check())


def test_forgetting_everywhere_leaves_the_question_and_no_answer(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        assert "ZANZIBAR" in talk.ask(CODE).text
        assert "noon" in talk.ask("At what time is lunch served in the canteen?").text
        talk.rate(True, "my own note")
    assert files_hold(assistant, "ZANZIBAR") == ["ZANZIBAR"]  # the test can see it
    assert assistant.answers_from(notes / "launch.md") == 1
    gone = assistant.forget_everywhere(notes / "launch.md")
    assert (gone.documents, gone.answers, gone.is_complete) == (1, 1, True)
    assert files_hold(assistant, "ZANZIBAR", "Ana Ruiz") == []
    assert "launch.md" not in turns_hold(assistant)  # the file itself is held, by its name
    first, second = assistant.read_chat(1)
    assert first.question == CODE and first.removed_at is not None
    assert first.answer.text == f"This answer was removed with its source on {first.removed_at.astimezone():%Y-%m-%d}."
    assert first.answer.citations == () and not first.answer.refused
    assert "noon" in second.answer.text and second.removed_at is None
    assert second.rating is not None and second.rating.note == "my own note"
    assert well(assistant)


def test_passages_shown_with_a_refusal_go_too(assistant: Assistant, notes: Path) -> None:
    found = assistant.chat().ask("What is the launch budget of Peru?")
    assert found.refused and any("ZANZIBAR" in hit.text for hit in found.nearest)
    assistant.forget_everywhere(notes / "launch.md")
    assert files_hold(assistant, "ZANZIBAR") == []


def test_a_path_named_as_the_successor_goes_too(assistant: Assistant, notes: Path) -> None:
    (notes / "newcode.md").write_text("# Launch\n\nNothing of the kind.\n")
    assistant.add(notes)
    assistant.supersede(notes / "launch.md", notes / "newcode.md")
    found = assistant.chat().ask(CODE, within=["launch.md"])
    assert [c.standing.superseded_by for c in found.citations] == [str(notes / "newcode.md")]
    assert "newcode.md" in turns_hold(assistant)
    assistant.forget_everywhere(notes / "newcode.md")
    assert assistant.read_chat(1)[0].removed_at is not None
    assert "newcode.md" not in turns_hold(assistant)


def test_pruning_takes_what_stands_nowhere_else(assistant: Assistant, notes: Path) -> None:
    with assistant.chat() as talk:
        talk.ask(CODE)
        talk.ask(LEADER)
    (notes / "launch.md").write_text(SECOND)
    assistant.add(notes)
    planned = assistant.pruning_plan(keep_for="0 days")
    assert (planned.revisions, planned.answers) == (1, 1)
    assert [turn.removed_at for turn in assistant.read_chat(1)] == [None, None]  # a plan does nothing
    assert assistant.prune(planned).answers == 1
    code, leader = assistant.read_chat(1)
    assert code.removed_at is not None
    assert leader.removed_at is None and "Ana Ruiz" in leader.answer.text  # it stands in the text that is kept
    assert files_hold(assistant, "ZANZIBAR", "Monday") == []
    (notes / "launch.md").write_text("# Launch\n\nCancelled.\n")
    assistant.add(notes)
    assert assistant.pruning_plan(keep_for="0 days").answers == 1  # now it stands in that one only
    assistant.prune(keep_for="0 days")
    assert assistant.read_chat(1)[1].removed_at is not None
    assert files_hold(assistant, "Ana Ruiz") == []
    assert well(assistant)


def test_a_model_that_was_told_of_an_answer_loses_its_own_with_it(assistant: Assistant, notes: Path) -> None:
    assistant.use_model(Repeating())
    with assistant.chat() as talk:
        assert "ZANZIBAR" in talk.ask(CODE, within=["launch.md"]).text
        assert "ZANZIBAR" in talk.ask("At what time is lunch served in the canteen?", within=["other.md"]).text
    with assistant.chat() as apart:
        apart.ask("At what time is lunch served in the canteen?", within=["other.md"])
    assert assistant.forget_everywhere(notes / "launch.md").answers == 2
    assert files_hold(assistant, "ZANZIBAR") == []
    assert [turn.removed_at is None for turn in assistant.read_chat(1)] == [False, False]
    assert [turn.removed_at is None for turn in assistant.read_chat(2)] == [True]


def test_what_a_question_carried_over_goes_too(
    assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(  # the worst case of what a rewriting may take from an answer
        "rag_lifelong.conversation.stand_alone",
        lambda question, turns, *, model: f"{question} {turns[-1].answer.text}",
    )
    with assistant.chat() as talk:
        talk.ask(CODE)
        talk.ask("At what time is lunch served in the canteen?", within=["other.md"])
    assert "ZANZIBAR" in assistant.read_chat(1)[1].asked_as
    assistant.forget_everywhere(notes / "launch.md")
    assert files_hold(assistant, "ZANZIBAR") == []
    second = assistant.knowledge_base.chats.read(1)[1]
    assert second.turn.asked_as == second.turn.question and second.turn.answer.asked_as is None
    assert not second.is_case and second.turn.removed_at is None


def test_a_chat_still_open_carries_nothing_over_from_what_went(
    tmp_path: Path, assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(  # the worst case of what a rewriting may take from the turns before
        "rag_lifelong.conversation.stand_alone",
        lambda question, turns, *, model: " ".join([question, *(f"{t.asked_as} {t.answer.text}" for t in turns)]),
    )
    assistant.use_model(Repeating())
    with assistant.chat() as talk:
        talk.ask(CODE)
        talk.ask("At what time is lunch served in the canteen?", within=["other.md"])
        assert "ZANZIBAR" in talk.turns[1].asked_as
        with open_assistant(tmp_path / "kb", embedder="hash") as other:
            other.forget_everywhere(notes / "launch.md")
        third = talk.ask("And where?", within=["other.md"])
    assert "ZANZIBAR" not in f"{third} {talk.turns}"
    assistant.knowledge_base._database.scrub()
    assert files_hold(assistant, "ZANZIBAR") == []


def test_an_answer_on_its_way_to_the_store_is_not_kept_with_what_went_meanwhile(
    tmp_path: Path, assistant: Assistant, notes: Path
) -> None:
    talk = assistant.chat()
    pieces = talk.stream(CODE)
    assert "ZANZIBAR" in next(pieces)
    with open_assistant(tmp_path / "kb", embedder="hash") as other:
        other.forget_everywhere(notes / "launch.md")
    assert list(pieces) == []  # only now it is kept
    (turn,) = assistant.read_chat(1)
    assert turn.removed_at is not None and turn == talk.turns[0]
    assistant.knowledge_base._database.scrub()
    assert files_hold(assistant, "ZANZIBAR") == []
    assert well(assistant)


@pytest.mark.parametrize("is_worded", [False, True])
def test_a_question_on_its_way_carries_nothing_over_from_what_went_meanwhile(
    tmp_path: Path, assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch, is_worded: bool
) -> None:
    monkeypatch.setattr(
        "rag_lifelong.conversation.stand_alone",
        lambda question, turns, *, model: f"{question} {turns[-1].answer.text}",
    )
    lunch = "At what time is lunch served in the canteen?"
    if is_worded:
        assistant.use_model(Repeating())
    with assistant.chat() as talk:
        talk.ask(CODE)
        pieces = talk.stream(lunch, within=["other.md"])
        next(pieces)
        with open_assistant(tmp_path / "kb", embedder="hash") as other:
            other.forget_everywhere(notes / "launch.md")
        list(pieces)  # only now it is kept
        assert talk.turns[1] == assistant.read_chat(1)[1]
    kept = assistant.knowledge_base.chats.read(1)[1]
    assert kept.turn.asked_as == lunch and not kept.is_case
    assert (kept.turn.removed_at is not None) is is_worded  # a quotation holds nothing of what was said before
    assistant.knowledge_base._database.scrub()
    assert files_hold(assistant, "ZANZIBAR") == []


def test_a_deleted_chat_leaves_nothing(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        talk.ask("Is QUESTIONMARKER anywhere?")
        talk.rate(False, "NOTEMARKER")
        talk.ask("Is RETRIEDMARKER anywhere?")
        list(talk.retry())
    assistant.chat().ask("Is KEPTMARKER anywhere?")
    markers = ("QUESTIONMARKER", "NOTEMARKER", "RETRIEDMARKER", "KEPTMARKER")
    assert files_hold(assistant, *markers) == list(markers)
    done = assistant.delete_chat(1)
    assert (done.chats, done.turns, done.is_complete, done.left) == (1, 2, True, ())
    assert files_hold(assistant, *markers) == ["KEPTMARKER"]
    assert [chat.id for chat in assistant.chats()] == [2]
    with pytest.raises(NoSuchChat):
        assistant.read_chat(1)
    with pytest.raises(NoSuchChat, match="there is no chat 1"):
        assistant.delete_chat(2, 1)
    assert [chat.id for chat in assistant.chats()] == [2]  # all or none
    assert assistant.chat().ask("x") and assistant.chats()[0].id == 3  # numbers are never given again


def test_plain_forgetting_keeps_history(assistant: Assistant, notes: Path) -> None:
    found = assistant.chat().ask(CODE)
    assistant.forget(notes / "launch.md")
    assert assistant.read_chat(1)[0].answer == found


def test_a_backup_carries_the_chats(tmp_path: Path, assistant: Assistant) -> None:
    from rag_lifelong import restore

    with assistant.chat() as talk:
        talk.ask(CODE)
        talk.rate(True)
    assistant.backup(tmp_path / "all.lifelong")
    restore(tmp_path / "all.lifelong", tmp_path / "back")
    with open_assistant(tmp_path / "back", embedder="hash") as other:
        assert other.read_chat(1) == assistant.read_chat(1)


def test_an_answer_that_was_removed_takes_no_later_one_along(assistant: Assistant, notes: Path) -> None:
    (notes / "third.md").write_text("# Dinner\n\nDinner is served at eight in the canteen.\n")
    assistant.add(notes)
    assistant.use_model(Repeating())
    with assistant.chat() as talk:
        talk.ask(CODE, within=["launch.md", "other.md"])
        assistant.forget_everywhere(notes / "launch.md")
        talk.ask("At what time is dinner served in the canteen?", within=["third.md"])
    assert [kept.was_told for kept in assistant.knowledge_base.chats.read(1)] == [False, True]
    assert assistant.forget_everywhere(notes / "other.md").answers == 0
    assert [turn.removed_at is None for turn in assistant.read_chat(1)] == [False, True]


def test_what_was_typed_goes_with_its_chat(assistant: Assistant) -> None:
    typed = assistant.knowledge_base.path / HISTORY_FILE
    typed.write_text(
        "\n# 2026-01-01 10:00:00\n+/status\n"
        "\n# 2026-01-01 10:00:01\n+Is TYPEDMARKER @launch.md anywhere?\n"
        "\n# 2026-01-01 10:00:02\n+two lines\n+of one question?\n"
        "\n# 2026-01-01 10:00:03\n+Is it kept?\n"
    )
    with assistant.chat() as talk:
        talk.ask("Is TYPEDMARKER anywhere?")
        talk.ask("two lines\nof one question?")
    assert assistant.delete_chat(1).is_complete
    assert typed.read_text() == "\n# 2026-01-01 10:00:00\n+/status\n\n# 2026-01-01 10:00:03\n+Is it kept?\n"


def test_a_copy_that_a_migration_left_goes_if_it_can_hold_chats(assistant: Assistant) -> None:
    copies = [assistant.knowledge_base.path / f"lifelong.sqlite3.format-{number}" for number in (4, 5)]
    for copy in copies:
        copy.write_bytes(b"")
    assistant.chat().ask(CODE)
    assistant.delete_chat(1)
    assert [copy.exists() for copy in copies] == [True, False]


@pytest.mark.parametrize("name", ["launch.md", "other.md"])
def test_a_model_may_have_taken_from_passages_that_it_does_not_cite(
    assistant: Assistant, notes: Path, name: str
) -> None:
    assistant.use_model(Repeating())
    found = assistant.chat().ask(CODE)
    assert len({citation.path for citation in found.citations}) == 1
    assert "ZANZIBAR" in found.text and "noon" in found.text
    assert assistant.forget_everywhere(notes / name).answers == 1
    assert "ZANZIBAR" not in turns_hold(assistant) and "noon" not in turns_hold(assistant)
