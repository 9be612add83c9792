"""What a chat in the terminal does with documents named, narrower scopes, kept chats, stops and pipes."""

from __future__ import annotations

import io
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from test_repl import PLAIN, QUESTION, SLOW_CHAT, Talker, said, spawned

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoSuchPath
from rag_lifelong.repl import chat, joined
from rag_lifelong.session.naming import narrowed, shortest
from rag_lifelong.session.state import Session
from rag_lifelong.terminal.clipboard import OSC_52_MOST, copy
from rag_lifelong.terminal.waiting import Waiting
from rag_lifelong.terminal.wrapping import columns_of, folded


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "ops").mkdir(parents=True)
    (folder / "ops" / "oncall.md").write_text(
        "The dead-letter queue is owned by Ana Ruiz since March.\n", encoding="utf-8"
    )
    (folder / "old plan.md").write_text("The dead-letter queue is owned by Mei Chen until March.\n", encoding="utf-8")
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", llm="quote") as opened:
        opened.add(notes)
        yield opened


@pytest.fixture
def session(assistant: Assistant) -> Session:
    return Session(assistant, assistant.chat(), style=PLAIN, scope={}, k=None, is_terminal=False)


# -- documents named in a question


@pytest.mark.parametrize(
    ("typed", "asked", "within"),
    [
        ("who owns the queue? @oncall.md", "who owns the queue?", ("*/oncall.md",)),
        ("@ops/oncall.md who owns it?", "who owns it?", ("ops/oncall.md",)),
        ("what does @oncall.md, as of now, say?", "what does oncall.md, as of now, say?", ("*/oncall.md",)),
        ("who owned it, says @oncall.md?", "who owned it, says?", ("*/oncall.md",)),
        ('who owned it? @"old plan.md" @oncall.md', "who owned it? old plan.md", ("old plan.md", "*/oncall.md")),
        ("who is @ana, and what is ana@example.com?", "who is @ana, and what is ana@example.com?", None),
        ("@ops who owns it?", "who owns it?", ("ops",)),
    ],
)
def test_a_document_named_in_a_question_is_asked_alone(
    assistant: Assistant, typed: str, asked: str, within: tuple[str, ...] | None
) -> None:
    scope = {} if within is None else {"within": within}
    assert narrowed(assistant, typed, {}) == (asked, scope)


def test_a_name_that_looks_like_a_path_and_is_not_stored_is_an_error(assistant: Assistant) -> None:
    with pytest.raises(NoSuchPath, match=r"@onkall.md; did you mean @oncall.md\?"):
        narrowed(assistant, "who? @onkall.md", {})


def test_the_shortest_name_is_the_fewest_parts_that_no_other_document_ends_in() -> None:
    paths = ["/n/a/x.md", "/n/b/x.md", "/n/b/the y.md"]
    assert [shortest(path, paths) for path in paths] == ["a/x.md", "b/x.md", '"the y.md"']


def test_only_the_document_named_answers(session: Session, capsys: pytest.CaptureFixture[str], notes: Path) -> None:
    lines = said(session, capsys, f'{QUESTION} @"old plan.md"')
    assert lines[:2] == [f"in {notes}/old plan.md", "Mei Chen"]
    assert said(session, capsys, "/in ops")[0] == "Asking 1 document in ops. All again: /in"
    assert session.prompt() == "in ops › "
    assert said(session, capsys, QUESTION)[0] == "Ana Ruiz"
    assert said(session, capsys, "/in nowhere")[0].startswith("No document is stored in nowhere")
    assert session.scope["within"] == ("ops",)
    assert said(session, capsys, "/in") == ["Asking all documents."]
    assert said(session, capsys, "/dated ..1999-01-01") == ["Asking documents dated ..1999-01-01. All again: /dated"]
    assert said(session, capsys, QUESTION)[0] == "Your sources do not say."
    assert said(session, capsys, "/dated x")[0].startswith("lifelong: cannot read --dated 'x'")
    assert said(session, capsys, "/asof 1")[0].startswith("Asking as of version 1 (")
    assert session.prompt() == "as of 1 › "


# -- chats


def test_a_chat_goes_on_is_left_and_is_gone_back_to(
    session: Session, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(session, capsys, "/retry") == ["Nothing has been asked in this chat yet."]
    assert said(session, capsys, "/resume") == ["There is no other chat yet."]
    assert said(session, capsys, "/good") == ["lifelong: nothing has been asked in this conversation yet"]
    said(session, capsys, QUESTION)
    said(session, capsys, "/asof 1")
    assert said(session, capsys, "/retry")[0] == f"again: {QUESTION}"
    assert len(session.talk.turns) == 1
    assert said(session, capsys, "/bad no") == ["Noted: bad."]
    assert said(session, capsys, "/good") == ["Noted: good. Say why, if you like: /good NOTE"]
    rating = assistant.read_chat(1)[0].rating
    assert rating is not None and (rating.is_good, rating.note) == (True, "")
    assert said(session, capsys, "/new") == ["Saved as chat 1; back to it: /resume 1. A new chat."]
    said(session, capsys, "And another\nquestion about nothing?")
    shown = said(session, capsys, "/resume")
    assert shown[:2] == ["Going on with chat 1: 1 question.", f"› {QUESTION}"]
    assert said(session, capsys, "/open 1")[0].endswith(":1")  # what was cited then is at hand
    assert said(session, capsys, "/resume 2")[1] == "› And another question about nothing?"
    assert said(session, capsys, "/resume 7")[0].startswith("lifelong: there is no chat 7")
    assert session.talk.id == 2
    assert said(session, capsys, "/resume x") == ["Which? /resume ID, as /chats lists them"]


def test_save_writes_a_new_file_and_over_an_old_one_only_if_told(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path, notes: Path
) -> None:
    page = tmp_path / "my chat.md"
    assert said(session, capsys, f"/save '{page}'") == ["Nothing has been asked in this chat yet."]
    said(session, capsys, QUESTION)
    assert said(session, capsys, f"/save '{page}'") == [f"Saved 1 question to {page}"]
    assert page.read_text(encoding="utf-8").startswith(f"# {QUESTION}\n")
    said(session, capsys, QUESTION)
    assert said(session, capsys, f"/save '{page}'")[0].startswith(f"{page} is there already.")
    assert said(session, capsys, f"/save --force '{page}'") == [f"Saved 2 questions to {page}"]
    assert said(session, capsys, f"/save {notes}/chat.md")[1].startswith(f"It lies in {notes}, which is read in")
    assert said(session, capsys, f"/save {tmp_path}/none/chat.md")[0].startswith("lifelong: ")
    assert said(session, capsys, "/save") == ["Where to? /save FILE"]


def test_an_answer_that_was_stopped_is_kept_as_far_as_it_came_with_what_it_cites(
    session: Session, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    session.is_terminal = True
    assistant.use_model(Talker("Ana owns it [1], ", "and ", None))
    said(session, capsys, QUESTION)
    (turn,) = assistant.read_chat(1)
    assert (turn.answer.text, turn.answer.cut) == ("Ana owns it [1], and [stopped]", "stopped")
    assert len(turn.answer.citations) == 1
    assert list(session.shown) == list(turn.answer.citations)
    assistant.use_model(Talker("Mei ", None))
    said(session, capsys, "/retry")
    assert assistant.read_chat(1)[0].answer.text == "Ana owns it [1], and [stopped]"  # another half is no better


# -- a pipe


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([QUESTION], 0),
        ([QUESTION, "Who sings in the choir?"], 4),
        (["Who sings in the choir?", "/forget nowhere.md", QUESTION], 1),
        (["/xyzzy"], 1),
        (["/versions --as-of 1"], 1),
        ([], 0),
    ],
)
def test_the_exit_code_of_a_pipe_tells_of_all_its_lines(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch, lines: list[str], code: int
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    assert chat(assistant, style=PLAIN, scope={}, k=None) == code


def test_lines_that_end_in_a_backslash_are_one() -> None:
    assert list(joined(iter(["a\\", "b", "", "c\\"]))) == ["a\nb", "", "c"]


# -- what is drawn


def test_the_wheel_turns_while_it_waits_and_leaves_no_trace() -> None:
    screen = io.StringIO()
    drawn = threading.Event()

    def doing() -> str:
        drawn.set()
        return "searching…"

    with Waiting(screen, doing, style=str) as wheel:
        assert drawn.wait(10)
        wheel.end()
        assert screen.getvalue().startswith("\r\x1b[K⠋ searching…")
        assert screen.getvalue().endswith("\r\x1b[K")
        before = screen.getvalue()
    assert screen.getvalue() == before
    quick = io.StringIO()
    with Waiting(quick, doing, style=str):
        pass
    assert quick.getvalue() == ""


def test_lines_are_folded_by_the_columns_they_take() -> None:
    assert folded("ab cd efghij", 16, indent="  ") == "  ab cd efghij"
    assert folded("alpha beta gamma delta", 16, indent="    ") == "    alpha beta\n    gamma delta"
    assert folded("長城是中国古代的軍事", 16, indent="    ") == "    長城是中国古\n    代的軍事"
    assert folded("a" * 30 + " b", 16, indent="") == "a" * 30 + "\nb"
    assert columns_of("e\u0301漢") == 3


def test_copying_says_which_way_it_went() -> None:
    screen = io.StringIO()
    assert copy("Ana é", screen, environment={}) == "through the terminal (OSC 52), where it allows that"
    assert screen.getvalue() == "\x1b]52;c;QW5hIMOp\x07"
    with pytest.raises(ValueError, match="too long"):
        copy("x" * (OSC_52_MOST + 1), screen, environment={"TMUX": "", "PATH": ""})


# -- a real terminal


def test_a_terminal_that_closes_loses_no_answer_that_was_finished(tmp_path: Path, assistant: Assistant) -> None:
    for terminal in spawned(["-c", SLOW_CHAT, str(tmp_path / "kb")], tmp_path):
        terminal.expect_exact("›")
        terminal.send("/model quote\r")
        terminal.expect_exact("model: quote")
        terminal.send(QUESTION + "\r")
        terminal.expect_exact("everything indexed")
        terminal.expect_exact("›")
        terminal.send("/help\r")
        terminal.expect_exact("^C stops")
        terminal.kill(signal.SIGHUP)
        terminal.expect(pexpect.EOF)
    assert [turn.question for turn in assistant.read_chat(1)] == [QUESTION]


def test_what_is_typed_during_an_answer_stands_at_the_next_prompt(tmp_path: Path, assistant: Assistant) -> None:
    program = SLOW_CHAT.replace("range(1_000)", "range(20)")
    for terminal in spawned(["-c", program, str(tmp_path / "kb")], tmp_path):
        terminal.expect_exact("›")
        terminal.send(QUESTION + "\r")
        terminal.expect_exact("piece3 ")
        terminal.send("/model")
        terminal.expect_exact("piece19")
        assert "/model" not in terminal.before
        terminal.expect_exact("›")
        terminal.expect_exact("/model")
        terminal.send("\r")
        terminal.expect_exact("model: slow")
        terminal.send("\x04")
        terminal.expect(r"Saved as chat 1\. Go on with: lifelong chat -c")
        terminal.expect(pexpect.EOF)


def test_control_c_pressed_again_and_again_stops_the_answer_and_never_ends_the_chat(
    tmp_path: Path, assistant: Assistant
) -> None:
    for terminal in spawned(["-c", SLOW_CHAT, str(tmp_path / "kb")], tmp_path):
        terminal.expect_exact("›")
        for _ in range(3):
            terminal.sendintr()
        terminal.send(QUESTION + "\r")
        for _ in range(30):
            terminal.sendintr()  # also while the prompt ends, while it searches, and twice in a row
            terminal.sendintr()
            if terminal.expect([r"Stopped\.|Stopped; ", pexpect.TIMEOUT], timeout=1) == 0:
                break
        terminal.send("/model\r")
        terminal.expect_exact("model: slow")
        terminal.send("\x04")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0


def test_a_question_of_ten_thousand_characters_and_one_of_two_hundred_lines(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"{QUESTION} " + "word " * 2_000
    assert said(session, capsys, long)
    lines = "\n".join(f"line {number} about the dead-letter queue" for number in range(200))
    assert said(session, capsys, lines)
    assert re.fullmatch(r"again: line 0 .*", said(session, capsys, "/retry")[0])
