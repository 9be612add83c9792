"""The conversation: through a pipe, with a model that streams, at a prompt, and in a real terminal."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pexpect
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.generate import Message
from rag_lifelong.prompt_history import HISTORY_FILE
from rag_lifelong.repl import _SLASH, banner, chat, take
from rag_lifelong.session.changing import paths_in
from rag_lifelong.session.guide import ENTRIES, HELP
from rag_lifelong.session.state import Session
from rag_lifelong.terminal.prompting import Offers, Prompt, Words
from rag_lifelong.terminal.style import Style
from rag_lifelong.terminal.wrapping import Wrapping

QUEUE = "# On call\n\n## Ownership\n\nThe dead-letter queue is owned by Ana Ruiz since March.\n"
PLAIN = Style(has_colors=False, has_links=False, width=None, editor_uri="")
QUESTION = "Who owns the dead-letter queue?"


class Talker:
    """A language model that says given pieces; None stands for ^C pressed there."""

    name = "talker"
    context_tokens = 2_000

    def __init__(self, *pieces: str | None) -> None:
        self._pieces = pieces
        self.is_stopped = False

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        try:
            for piece in self._pieces:
                if piece is None:
                    raise KeyboardInterrupt
                yield piece
        finally:
            self.is_stopped = True


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "oncall.md").write_text(QUEUE, encoding="utf-8")
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", llm="quote") as opened:
        opened.add(notes)
        yield opened


@pytest.fixture
def session(assistant: Assistant) -> Session:
    return Session(assistant, assistant.chat(), style=PLAIN, scope={}, k=None, is_terminal=False)


def said(session: Session, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    capsys.readouterr()
    assert take(session, line)
    out, err = capsys.readouterr()
    return (out + err).splitlines()


def test_a_conversation_through_a_pipe_has_no_prompt_and_no_colours(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\n{QUESTION}\n/open 1\n/quit\nnever asked\n"))
    assert chat(assistant, style=PLAIN, scope={}, k=None) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[:3] == ["Ana Ruiz", "", '"The dead-letter queue is owned by Ana Ruiz since March." [1]']
    assert lines[4].startswith(f"[1] {notes}/oncall.md:5")
    assert lines[-2:] == [f"{notes}/oncall.md:5", "The dead-letter queue is owned by Ana Ruiz since March."]
    assert "\x1b" not in out
    assert "never" not in out


def test_the_banner_says_what_there_is_to_talk_to(session: Session) -> None:
    head, todo = banner(session).splitlines()
    assert head == "1 document · version 1 · quoting · /help"
    assert todo.startswith("Ask a question")


def test_sources_and_why_tell_of_the_last_question(
    session: Session, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    assert said(session, capsys, "/sources") == ["Nothing asked yet."]
    assert said(session, capsys, "/why") == ["Nothing asked yet."]
    assert said(session, capsys, "/open 1") == ["Nothing has been cited yet."]
    said(session, capsys, QUESTION)
    assert said(session, capsys, "/sources")[0].startswith(f" 1  {notes}/oncall.md:1")
    where, sentence, of_sentence, of_passage, _ = said(session, capsys, "/why")
    assert where == f"[1] {notes}/oncall.md:5"
    assert sentence == '    "The dead-letter queue is owned by Ana Ruiz since March."'
    assert re.fullmatch(
        r"    this sentence: meaning 0\.\d{3} \(cosine\) · terms: own, dead, letter, deadletter, queue", of_sentence
    )
    assert of_passage.startswith("    its passage: 1 of 1 · score 1.000 · ")
    assert said(session, capsys, "/why 1")[0] == where
    assert said(session, capsys, "/why 2") == ["Which? /why 1 … /why 1, or /why all"]
    first, second = said(session, capsys, "/why all")
    assert first.startswith(f" 1  {notes}/oncall.md:1")
    assert second.endswith("terms: own, dead, letter, deadletter, queue")


def test_open_takes_the_numbers_shown_last(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    said(session, capsys, QUESTION)
    assert said(session, capsys, "/open 2") == ["Which? /open 1"]
    assert said(session, capsys, "/open")[0].endswith("oncall.md:5")  # there is only one
    said(session, capsys, "/search queue")
    assert said(session, capsys, "/open 1")[1:] == QUEUE.splitlines()


def test_add_forget_and_status(session: Session, capsys: pytest.CaptureFixture[str], notes: Path) -> None:
    (notes / "it's new.md").write_text("Zebras sleep standing.", encoding="utf-8")
    assert said(session, capsys, f"/add {notes}/it's new.md") == [f"Version 2: 1 document from {notes}/it's new.md."]
    assert said(session, capsys, f"/status {notes}/it's new.md")[0].startswith(f"{notes}/it's new.md   searchable")
    assert said(session, capsys, f"/forget {notes}/oncall.md")[1] == f"Take it back: /add {notes}/oncall.md"
    assert said(session, capsys, "/status")[0].endswith("1 document, 1 passage, all with vectors")
    assert said(session, capsys, QUESTION)[0] == "Your sources do not say."
    assert said(session, capsys, "/add") == ["Which? /add PATH"]
    assert said(session, capsys, "/forget") == ["Which? /forget PATH"]
    assert said(session, capsys, "/search") == ["What for? /search QUERY"]


def test_what_is_typed_as_on_the_command_line(
    session: Session, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    (notes / "on call 2.md").write_text("Nobody owns the queue.\n", encoding="utf-8")
    said(session, capsys, f"/add {notes}")
    assert [line.split()[0] for line in said(session, capsys, "/versions")] == ["2", "1"]
    assert [line.split()[0] for line in said(session, capsys, "/versions -k 1")] == ["2"]
    assert f"first seen at {notes}/on call 2.md" in said(session, capsys, f"/history {notes}/on call 2.md")[0]
    assert said(session, capsys, "/diff 1 2") == [f"added    {notes}/on call 2.md"]
    assert said(session, capsys, "/rules")[0].startswith("No rule yet; for one: /rules 'news/*'")
    assert "holds for 2 weeks" in said(session, capsys, "/rules 'on call*' --time-to-live '2 weeks'")[0]
    pair = f"'{notes}/on call 2.md' {notes}/oncall.md"
    assert said(session, capsys, f"/conflicts --supersede {pair}")[-1] == "Take it back: /undo"
    assert said(session, capsys, "/conflicts --settled --json")[0] == "["
    assert said(session, capsys, "/adapters")[0] == "No adapter yet. To begin:"
    assert said(session, capsys, "/adapters show 3")[0].startswith("lifelong: there is no adapter 3; see: /adapters")
    take(session, "/history")
    assert "required: PATH" in capsys.readouterr().err
    assert said(session, capsys, "/history --help")[0] == "usage: lifelong history PATH [OPTIONS]"
    assert said(session, capsys, "/versions --as-of 3")[0].startswith("lifelong: versions takes no --as-of")
    assert said(session, capsys, "/history nowhere.md")[0].startswith("lifelong: nothing was ever stored at")


def test_mistakes_are_one_line_and_the_conversation_goes_on(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said(session, capsys, "/soruces") == ["There is no /soruces; did you mean /sources?"]
    assert said(session, capsys, "/xyzzy \x1b[31m") == ["There is no /xyzzy; see /help"]
    assert said(session, capsys, f"/add {tmp_path}/no 'where") == [
        f"lifelong: no file or folder at {tmp_path}/no 'where; check the spelling"
    ]
    assert said(session, capsys, "/model nonsense") == [
        "lifelong: cannot read model 'nonsense'; write quote, transformers:PATH_OR_NAME, ollama:NAME or openai:NAME@BASE_URL"
    ]
    assert said(session, capsys, "/model") == ["model: quote"]


def test_help_names_every_command_on_one_screen_of_24_lines(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(session, capsys, "/help")
    assert len(shown) <= 22  # and the line it was typed on, and the next prompt
    assert max(map(len, shown)) <= 80
    for entry in ENTRIES:
        assert sum(f" {entry.typed} " in line for line in shown) == 1
        assert entry.name in _SLASH or entry.name in ("/help", "/quit")
        assert said(session, capsys, f"/help {entry.name}")[0] == f"{entry.typed}  {entry.purpose}"
    assert {entry.name for entry in ENTRIES} >= set(_SLASH)
    assert said(session, capsys, "/help opne") == ["There is no /opne; did you mean /open?"]


def test_a_model_is_heard_while_it_speaks_and_cannot_drive_the_terminal(
    session: Session, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assistant.use_model(Talker("Ana Ruiz ", "\x1b[2J", "owns it [1]."))
    lines = said(session, capsys, QUESTION)
    assert lines[0] == "Ana Ruiz \ufffd[2Jowns it [1]."
    assert lines[2].startswith("[1] ")
    assert lines[-2].endswith("everything indexed · talker")


def test_stopping_an_answer_stops_the_model_and_not_the_program(
    session: Session, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    session.is_terminal = True
    model = Talker("Ana ", None)
    assistant.use_model(model)
    assert said(session, capsys, QUESTION) == ["Ana", "Stopped; what was said is kept. To ask again: /retry"]
    assert model.is_stopped
    assert [turn.answer.text for turn in session.talk.turns] == ["Ana [stopped]"]
    assert said(session, capsys, "/open 1") == ["Nothing has been cited yet."]
    assistant.use_model(Talker(None))
    assert said(session, capsys, QUESTION) == ["Stopped."]  # before the first word
    assert len(session.talk.turns) == 1
    assistant.use_model("quote")
    assert said(session, capsys, QUESTION)[0] == "Ana Ruiz"


def test_the_model_has_stopped_before_the_prompt_is_back(
    session: Session, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.is_terminal = True
    model = Talker("Ana ", "Ruiz ", "and ", "more")
    assistant.use_model(model)
    seen: list[tuple[str, bool]] = []

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            seen.append((text, model.is_stopped))
            if "Ruiz" in text:
                raise KeyboardInterrupt  # ^C while we print, not while the model thinks
            return len(text)

    monkeypatch.setattr("sys.stdout", Screen())
    assert take(session, QUESTION)
    assert ("Stopped; what was said is kept. To ask again: /retry", True) in seen


@pytest.mark.parametrize("cut", [1, 3, 7, 100])
def test_an_answer_in_pieces_is_broken_between_words(cut: int) -> None:
    text = "alpha beta  gamma\n\n  delta epsilon zeta eta thetathetathetathetatheta iota 漢字漢字漢字漢 end"
    wrapping = Wrapping(lambda: 21)
    pieces = [wrapping.feed(text[i : i + cut]) for i in range(0, len(text), cut)]
    assert "".join([*pieces, wrapping.end()]) == (
        "alpha beta  gamma\n\n  delta epsilon zeta\neta\nthetathetathetathetatheta iota\n漢字漢字漢字漢 end"
    )
    assert Wrapping(None).feed(text) == text


def test_paths_after_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "with space.md").touch()
    assert paths_in("with space.md") == ["with space.md"]
    assert paths_in("'with space.md' b.md") == ["with space.md", "b.md"]
    assert paths_in("it's") == ["it's"]
    assert paths_in("") == []


# -- the prompt


NAMED = ("~/notes/oncall.md", "/n/first day.md")
OFFERS = Offers(
    commands=HELP,
    words={"/asof": lambda: [("12", "add"), ("1", "add")], "/diff": lambda: [("12", "add"), ("1", "add")]},
    paths=dict.fromkeys(("/forget", "/status"), lambda: NAMED),
    named=lambda: ["oncall.md", '"first day.md"'],
    on_disk=frozenset({"/add"}),
)


def typed(folder: Path, keys: str) -> list[str]:
    """The lines that come of keys pressed; ^D ends them."""
    with create_pipe_input() as source:
        source.send_text(keys + "\x04")
        prompt = Prompt(folder, offers=OFFERS, source=source, screen=DummyOutput())
        return list(iter(lambda: prompt.read("› "), None))


def test_lines_are_typed_and_kept_for_the_next_run(tmp_path: Path) -> None:
    assert typed(tmp_path, "first\rsecond\r") == ["first", "second"]
    assert typed(tmp_path, "\x1b[A\x1b[A\r") == ["first"]  # up, up
    history = tmp_path / HISTORY_FILE
    assert history.stat().st_mode & 0o777 == 0o600


def test_a_history_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / HISTORY_FILE).touch(mode=0o644)
    typed(tmp_path, "")
    assert (tmp_path / HISTORY_FILE).stat().st_mode & 0o777 == 0o600


def test_escape_enter_begins_a_new_line_and_control_c_drops_what_is_typed(tmp_path: Path) -> None:
    assert typed(tmp_path, "one\x1b\rtwo\r") == ["one\ntwo"]
    assert typed(tmp_path, "dropped\x03kept\r") == ["kept"]


def test_a_backslash_at_the_end_goes_on_in_a_new_line(tmp_path: Path) -> None:
    assert typed(tmp_path, "one\\\rtwo\r") == ["one\ntwo"]
    assert typed(tmp_path, "one\\\x1b[D\r") == ["one\\"]  # the cursor stands before it


def test_lines_pasted_are_one_question(tmp_path: Path) -> None:
    lines = "\n".join(f"line {number}" for number in range(200))
    assert typed(tmp_path, f"\x1b[200~{lines}\x1b[201~\r") == [lines]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/s", ["/sources", "/save ", "/search ", "/status"]),
        ("/asof 1", ["/asof 12", "/asof 1"]),
        ("/diff 1 12", ["/diff 1 12"]),
        ("/forget ONC", ["/forget ~/notes/oncall.md"]),
        ("/status day", ["/status '/n/first day.md'"]),
        ("/why ", []),
        ("what about oncall", []),
        ("what about @onc", ["what about @oncall.md"]),
        ("what about @day", ['what about @"first day.md"']),
        ("mail ana@onc", []),
    ],
)
def test_what_tab_offers(line: str, expected: list[str]) -> None:
    offered = Words(OFFERS).get_completions(Document(line), CompleteEvent(completion_requested=True))
    assert [line[: len(line) + c.start_position] + c.text for c in offered] == expected


def test_what_tab_offers_after_add_stands_on_disk(notes: Path) -> None:
    line = f"/add {notes}/onc"
    offered = Words(OFFERS).get_completions(Document(line), CompleteEvent(completion_requested=True))
    assert [line[: len(line) + c.start_position] + c.text for c in offered] == [f"/add {notes}/oncall.md"]


# -- a real terminal


@pytest.fixture
def terminal(tmp_path: Path, assistant: Assistant) -> Iterator[pexpect.spawn]:  # type: ignore[type-arg]
    """`lifelong chat` in a pseudo-terminal of 100 columns."""
    yield from spawned(["-m", "rag_lifelong", "chat"], tmp_path)


def spawned(words: list[str], tmp_path: Path) -> Iterator[pexpect.spawn]:  # type: ignore[type-arg]
    environment = {
        "HOME": os.environ["HOME"],
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LIFELONG_KB": str(tmp_path / "kb"),
        "LIFELONG_EMBEDDER": "hash",
        "EDITOR": shutil.which("echo") or "echo",
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers where the cursor is
        "LANG": "C.UTF-8",
    }
    child = pexpect.spawn(
        sys.executable, words, env=environment, cwd=str(Path(__file__).parents[2]), dimensions=(30, 100), encoding="utf-8", timeout=30
    )  # fmt: skip
    try:
        yield child
    finally:
        child.close(force=True)


def test_chat_in_a_terminal(terminal: pexpect.spawn, notes: Path) -> None:  # type: ignore[type-arg]
    terminal.expect_exact("1 document · version 1 · quoting · /help")
    terminal.expect_exact("›")
    terminal.send(QUESTION + "\r")
    terminal.expect_exact('"The dead-letter queue is owned by Ana Ruiz since March." [1]')
    link = f"\x1b]8;;file://{notes}/oncall.md#L5\x1b\\{notes}/oncall.md:5\x1b]8;;\x1b\\"
    terminal.expect_exact(f"[1] {link}")
    terminal.expect_exact("indexed · quoted")  # broken between words before that
    terminal.send("/open 1\r")
    terminal.expect_exact(f"+5 {notes}/oncall.md")  # what the editor, here echo, was given
    terminal.send("half a line\x03")
    terminal.send("/model\r")
    terminal.expect_exact("model: quote")
    terminal.send("\x04")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


SLOW_CHAT = """
import sys, time
from rag_lifelong import open_assistant
from rag_lifelong.repl import chat
from rag_lifelong.terminal.style import Style
from rag_lifelong.terminal.wrapping import Wrapping

class Slow:
    name, context_tokens = "slow", 2_000
    def count_tokens(self, text): return len(text.split())
    def stream(self, messages, *, max_tokens):
        for number in range(1_000):
            yield f"piece{number} "
            time.sleep(0.05)

with open_assistant(sys.argv[1], embedder="hash", llm=Slow()) as assistant:
    sys.exit(chat(assistant, style=Style(has_colors=False, has_links=False, width=None, editor_uri=""), scope={}, k=None))
"""


def test_control_c_stops_the_answer_and_not_the_program(tmp_path: Path, assistant: Assistant) -> None:
    for terminal in spawned(["-c", SLOW_CHAT, str(tmp_path / "kb")], tmp_path):
        terminal.expect_exact("›")
        terminal.send(QUESTION + "\r")
        terminal.expect_exact("piece3 ")
        terminal.sendintr()
        terminal.expect_exact("Stopped; what was said is kept. To ask again: /retry")
        terminal.send("/model\r")
        terminal.expect_exact("model: slow")
        terminal.send("/quit\r")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0


SLOW_ADD = """
import sys, time
import rag_lifelong.assistant
from rag_lifelong.cli import main
from rag_lifelong.embed import HashEmbedder

class Slow(HashEmbedder):
    def embed(self, texts):
        time.sleep(1.0)
        return super().embed(texts)

rag_lifelong.assistant.open_embedder = lambda *given, **named: Slow(64)
sys.exit(main(sys.argv[1:]))
"""


def test_control_c_while_reading_in_says_what_is_kept_and_how_to_go_on(tmp_path: Path, notes: Path) -> None:
    for number in range(300):
        (notes / f"{number}.md").write_text(f"Note {number} is about number {number}.", encoding="utf-8")
    for terminal in spawned(["-c", SLOW_ADD, "add", str(notes)], tmp_path):
        terminal.expect_exact("301/301 files · 301 passages · searchable now")
        terminal.expect("Embedding .*128/301")
        terminal.sendintr()
        terminal.expect_exact("Stopped. All 301 documents answer by words; ")
        terminal.expect(r"(\d+) passages wait for vectors\.")
        assert int(terminal.match[1]) in (301 - 128, 301 - 256)
        terminal.expect_exact(f"Go on with: lifelong add {notes}")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 130
    for terminal in spawned(["-m", "rag_lifelong", "add", str(notes)], tmp_path):
        terminal.expect_exact("Nothing new: 301 documents")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0
    for terminal in spawned(["-m", "rag_lifelong", "status"], tmp_path):
        terminal.expect_exact("301 passages, all with vectors")
