"""What is typed at the prompt: a line editor with history across runs and completion.

Rule: only for a terminal; this is the one place that knows prompt_toolkit. The history is the user's alone (0600).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

PROMPT = "› "
HISTORY_FILE = "chat-history"
_MOST = 200


def typed_lines(
    folder: Path,
    *,
    commands: Sequence[tuple[str, str]],
    stored_paths: Callable[[], Iterable[str]],
    source: Input | None,
    screen: Output | None,
) -> Iterator[str]:
    """Lines as they are typed, until ^D; ^C drops a line.

    folder: where the history is kept. commands: ("/name ARGUMENT", purpose). stored_paths: for completion, as shown.
    source, screen: None for the terminal.
    """
    history = folder / HISTORY_FILE
    history.touch(mode=0o600)
    history.chmod(0o600)
    session: PromptSession[str] = PromptSession(
        PROMPT,
        history=FileHistory(str(history)),
        completer=Words(commands, stored_paths),
        complete_while_typing=False,
        key_bindings=_keys(),
        prompt_continuation="  ",
        enable_open_in_editor=True,
        input=source,
        output=screen,
    )
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


class Words(Completer):
    """Commands at the start of a line; after /add paths on disk, after /forget, /status and /history stored paths."""

    def __init__(self, commands: Sequence[tuple[str, str]], stored_paths: Callable[[], Iterable[str]]) -> None:
        self._commands = commands
        self._stored_paths = stored_paths
        self._disk = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        text = document.text_before_cursor
        name, space, rest = text.partition(" ")
        if not name.startswith("/"):
            return
        if not space:
            for entry, purpose in self._commands:
                if entry.startswith(text):
                    word, _, argument = entry.partition(" ")
                    space = " " if argument and not argument.startswith("[") else ""
                    yield Completion(word + space, start_position=-len(text), display=word, display_meta=purpose)
        elif name == "/add":
            yield from self._disk.get_completions(Document(rest, len(rest)), complete_event)
        elif name in ("/forget", "/status", "/history"):
            found = [path for path in self._stored_paths() if rest.casefold() in path.casefold()]
            for path in found[:_MOST]:
                yield Completion(_typeable(path), start_position=-len(rest), display=path)


def _typeable(path: str) -> str:
    """As a path is to be typed: in quotes if a shell would break it (which keeps no ~)."""
    if shlex.quote(path.removeprefix("~")) == path.removeprefix("~"):
        return path
    return shlex.quote(os.path.expanduser(path))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
