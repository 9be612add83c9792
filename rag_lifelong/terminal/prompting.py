"""What is typed at the prompt: a line editor with history across runs and completion.

Rule: only for a terminal; this is the one place that knows prompt_toolkit. The history is the user's alone (0600).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from rag_lifelong.prompt_history import HISTORY_FILE

MOST = 200  # words offered


@dataclass(frozen=True, slots=True)
class Offers:
    """What Tab offers.

    commands: ("/name ARGUMENT", purpose). words: command → (word, what it is), for the last word typed after it.
    paths: command → paths as shown, for all that is typed after it. named: what may stand after "@" in a question.
    on_disk: commands that take a path on disk.
    """

    commands: Sequence[tuple[str, str]]
    words: Mapping[str, Callable[[], Iterable[tuple[str, str]]]]
    paths: Mapping[str, Callable[[], Iterable[str]]]
    named: Callable[[], Iterable[str]]
    on_disk: frozenset[str]


class Prompt:
    """Reads lines as they are typed."""

    def __init__(self, folder: Path | None, *, offers: Offers, source: Input | None, screen: Output | None) -> None:
        """folder: where the history is kept, None: nowhere. source, screen: None for the terminal."""
        if folder is not None:
            history = folder / HISTORY_FILE
            history.touch(mode=0o600)
            history.chmod(0o600)
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory() if folder is None else FileHistory(str(history)),
            completer=Words(offers),
            complete_while_typing=False,
            key_bindings=_keys(),
            prompt_continuation="  ",
            enable_open_in_editor=True,
            enable_suspend=True,
            input=source,
            output=screen,
        )

    def read(self, prompt: str) -> str | None:
        """The next line, or several that were entered as one; None after ^D. ^C drops what is typed."""
        while True:
            try:
                return self._session.prompt(prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None


class Words(Completer):
    """Commands at the start of a line, then what each takes; after "@" in a question stored paths."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._disk = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        text = document.text_before_cursor
        name, space, rest = text.partition(" ")
        if not name.startswith("/"):
            yield from self._named(text)
        elif not space:
            for entry, purpose in self._offers.commands:
                if entry.startswith(text):
                    word, _, argument = entry.partition(" ")
                    space = " " if argument and not argument.startswith("[") else ""
                    yield Completion(word + space, start_position=-len(text), display=word, display_meta=purpose)
        elif name in self._offers.on_disk:
            yield from self._disk.get_completions(Document(rest, len(rest)), complete_event)
        elif name in self._offers.paths:
            found = [path for path in self._offers.paths[name]() if rest.casefold() in path.casefold()]
            for path in found[:MOST]:
                yield Completion(_typeable(path), start_position=-len(rest), display=path)
        elif name in self._offers.words:
            typed = rest.rpartition(" ")[2]
            for word, purpose in self._offers.words[name]():
                if word.startswith(typed):
                    yield Completion(word, start_position=-len(typed), display_meta=purpose)

    def _named(self, text: str) -> Iterable[Completion]:
        typed = text.rsplit(maxsplit=1)[-1] if text and not text[-1].isspace() else ""
        if not typed.startswith("@"):
            return
        found = [path for path in self._offers.named() if typed[1:].casefold() in path.casefold()]
        for path in found[:MOST]:
            yield Completion("@" + path, start_position=-len(typed), display=path)


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

    @keys.add("enter", filter=Condition(_goes_on))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.delete_before_cursor()
        event.current_buffer.insert_text("\n")

    return keys


def _goes_on() -> bool:
    r"""The cursor stands behind a \ that ends what is typed."""
    buffer = get_app().current_buffer
    return buffer.text.endswith("\\") and buffer.cursor_position == len(buffer.text)
