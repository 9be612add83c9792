"""The conversation: through a pipe, with a model that streams, at a prompt, and in a real terminal."""

from __future__ import annotations

import io
import os
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
from rag_lifelong.repl import HELP, Conversation, chat, paths_in
from rag_lifelong.terminal.prompting import HISTORY_FILE, Words, typed_lines
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
def conversation(assistant: Assistant) -> Conversation:
    return Conversation(assistant, style=PLAIN, scope={}, k=None)


def said(conversation: Conversation, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    capsys.readouterr()
    assert conversation.take(line)
    return capsys.readouterr().out.splitlines()


def test_a_conversation_through_a_pipe_has_no_prompt_and_no_colours(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\n{QUESTION}\n/open 1\n/quit\nnever asked\n"))
    assert chat(assistant, style=PLAIN, scope={}, k=None) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "The dead-letter queue is owned by Ana Ruiz since March. [1]"
    assert lines[2].startswith(f"[1] {notes}/oncall.md:5")
    assert lines[-2:] == [f"{notes}/oncall.md:5", "The dead-letter queue is owned by Ana Ruiz since March."]
    assert "\x1b" not in out
    assert "never" not in out


def test_the_banner_says_what_there_is_to_talk_to(conversation: Conversation) -> None:
    assert conversation.banner() == "1 document · version 1 · quoting · /help"


def test_sources_and_why_tell_of_the_last_question(
    conversation: Conversation, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    assert said(conversation, capsys, "/sources") == ["Nothing asked yet."]
    assert said(conversation, capsys, "/why") == ["Nothing asked yet."]
    assert said(conversation, capsys, "/open 1") == ["Nothing has been cited yet."]
    said(conversation, capsys, QUESTION)
    assert said(conversation, capsys, "/sources")[0].startswith(f" 1  {notes}/oncall.md:1")
    first, second = said(conversation, capsys, "/why")
    assert first.startswith(f" 1  {notes}/oncall.md:1")
    assert second.endswith("terms: own, dead, letter, deadletter, queue")


def test_open_takes_the_numbers_shown_last(conversation: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    said(conversation, capsys, QUESTION)
    assert said(conversation, capsys, "/open 2") == ["Which? /open 1"]
    assert said(conversation, capsys, "/open") == ["Which? /open 1"]
    said(conversation, capsys, "/search queue")
    assert said(conversation, capsys, "/open 1")[1:] == QUEUE.splitlines()


def test_add_forget_and_status(conversation: Conversation, capsys: pytest.CaptureFixture[str], notes: Path) -> None:
    (notes / "it's new.md").write_text("Zebras sleep standing.", encoding="utf-8")
    assert said(conversation, capsys, f"/add {notes}/it's new.md") == [
        f"Version 2: 1 document from {notes}/it's new.md."
    ]
    assert said(conversation, capsys, f"/status {notes}/it's new.md")[0].startswith(f"{notes}/it's new.md   searchable")
    assert said(conversation, capsys, f"/forget {notes}/oncall.md")[1] == f"Take it back: /add {notes}/oncall.md"
    assert said(conversation, capsys, "/status")[0].endswith("1 document, 1 passage, all with vectors")
    assert said(conversation, capsys, QUESTION)[0] == "Your sources do not say."
    assert said(conversation, capsys, "/add") == ["Which? /add PATH"]
    assert said(conversation, capsys, "/forget") == ["Which? /forget PATH"]
    assert said(conversation, capsys, "/search") == ["What for? /search QUERY"]


def test_what_is_typed_as_on_the_command_line(
    conversation: Conversation, capsys: pytest.CaptureFixture[str], notes: Path
) -> None:
    (notes / "on call 2.md").write_text("Nobody owns the queue.\n", encoding="utf-8")
    said(conversation, capsys, f"/add {notes}")
    assert [line.split()[0] for line in said(conversation, capsys, "/versions")] == ["2", "1"]
    assert [line.split()[0] for line in said(conversation, capsys, "/versions -k 1")] == ["2"]
    assert f"first seen at {notes}/on call 2.md" in said(conversation, capsys, f"/history {notes}/on call 2.md")[0]
    assert said(conversation, capsys, "/diff 1 2") == [f"added    {notes}/on call 2.md"]
    assert said(conversation, capsys, "/rules")[0].startswith("No rule yet; for one: /rules 'news/*'")
    assert "holds for 2 weeks" in said(conversation, capsys, "/rules 'on call*' --time-to-live '2 weeks'")[0]
    pair = f"'{notes}/on call 2.md' {notes}/oncall.md"
    assert said(conversation, capsys, f"/conflicts --supersede {pair}")[-1] == "Take it back: /undo"
    assert said(conversation, capsys, "/conflicts --settled --json")[0] == "["
    conversation.take("/history")
    assert "required: PATH" in capsys.readouterr().err
    assert said(conversation, capsys, "/history --help")[0] == "usage: lifelong history PATH [OPTIONS]"
    assert said(conversation, capsys, "/versions --as-of 3") == []
    assert said(conversation, capsys, "/history nowhere.md")[0].startswith("lifelong: nothing was ever stored at")


def test_mistakes_are_one_line_and_the_conversation_goes_on(
    conversation: Conversation, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said(conversation, capsys, "/soruces") == ["There is no /soruces; did you mean /sources?"]
    assert said(conversation, capsys, "/xyzzy \x1b[31m") == ["There is no /xyzzy; see /help"]
    assert said(conversation, capsys, f"/add {tmp_path}/no 'where") == [
        f"lifelong: no file or folder at {tmp_path}/no 'where; check the spelling"
    ]
    assert said(conversation, capsys, "/model nonsense") == [
        "lifelong: cannot read model 'nonsense'; write quote, transformers:PATH_OR_NAME, ollama:NAME or openai:NAME@BASE_URL"
    ]
    assert said(conversation, capsys, "/model") == ["model: quote"]
    assert [line.split()[0] for line in said(conversation, capsys, "/help")[:-1]] == [
        entry.split()[0] for entry, _ in HELP
    ]


def test_a_model_is_heard_while_it_speaks_and_cannot_drive_the_terminal(
    conversation: Conversation, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    assistant.use_model(Talker("Ana Ruiz ", "\x1b[2J", "owns it [1]."))
    lines = said(conversation, capsys, QUESTION)
    assert lines[0] == "Ana Ruiz \ufffd[2Jowns it [1]."
    assert lines[2].startswith("[1] ")
    assert lines[-2].endswith("everything indexed · talker")


def test_stopping_an_answer_stops_the_model_and_not_the_program(
    conversation: Conversation, assistant: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Talker("Ana ", None)
    assistant.use_model(model)
    assert said(conversation, capsys, QUESTION) == ["Ana", "Stopped."]  # a space may belong to a marker
    assert model.is_stopped
    assert said(conversation, capsys, "/open 1") == ["Nothing has been cited yet."]
    assistant.use_model("quote")
    assert said(conversation, capsys, QUESTION)[0].startswith("The dead-letter queue is owned by")


def test_the_model_has_stopped_before_the_prompt_is_back(
    conversation: Conversation, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert conversation.take(QUESTION)
    assert ("\nStopped.", True) in seen


@pytest.mark.parametrize("cut", [1, 3, 7, 100])
def test_an_answer_in_pieces_is_broken_between_words(cut: int) -> None:
    text = "alpha beta  gamma\n\n  delta epsilon zeta eta thetathetathetathetatheta iota 漢字漢字漢字漢 end"
    wrapping = Wrapping(lambda: 21)
    pieces = [wrapping.feed(text[i : i + cut]) for i in range(0, len(text), cut)]
    assert "".join([*pieces, wrapping.end()]) == (
        "alpha beta  gamma\n\n  delta epsilon zeta\neta\nthetathetathetathetatheta\niota 漢字漢字漢字漢\nend"
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


def typed(folder: Path, keys: str) -> list[str]:
    """The lines that come of keys pressed; ^D ends them."""
    with create_pipe_input() as source:
        source.send_text(keys + "\x04")
        return list(typed_lines(folder, commands=HELP, stored_paths=list, source=source, screen=DummyOutput()))


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/s", ["/sources", "/search ", "/status"]),
        ("/forget ONC", ["/forget ~/notes/oncall.md"]),
        ("/status day", ["/status '/n/first day.md'"]),
        ("/why ", []),
        ("what about oncall", []),
    ],
)
def test_what_tab_offers(line: str, expected: list[str]) -> None:
    words = Words(HELP, lambda: ["~/notes/oncall.md", "/n/first day.md"])
    offered = words.get_completions(Document(line), CompleteEvent(completion_requested=True))
    assert [line[: len(line) + c.start_position] + c.text for c in offered] == expected


def test_what_tab_offers_after_add_stands_on_disk(notes: Path) -> None:
    line = f"/add {notes}/onc"
    offered = Words(HELP, list).get_completions(Document(line), CompleteEvent(completion_requested=True))
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
    terminal.expect_exact("The dead-letter queue is owned by Ana Ruiz since March. [1]")
    link = f"\x1b]8;;file://{notes}/oncall.md#L5\x1b\\{notes}/oncall.md:5\x1b]8;;\x1b\\"
    terminal.expect_exact(f"[1] {link}")
    terminal.expect_exact("everything indexed · quoted")
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
        terminal.expect_exact("Stopped.")
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
