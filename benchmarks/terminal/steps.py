"""What a user does, step by step, and the block that each step leaves on the page.

A step types a line at a shell's or a chat's prompt, or presses keys, and ends when a prompt is back or a line shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.terminal.tmux import Tmux

SHELL = r"^\$$"
CHAT = r"^(?:[^›]* )?›$"
READY = rf"(?:{SHELL})|(?:{CHAT})"


@dataclass(frozen=True, slots=True)
class Press:
    """A key, by tmux's name."""

    key: str


@dataclass(frozen=True, slots=True)
class Await:
    """Until a line matches."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Paste:
    """Text from the clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Another size of the window."""

    columns: int
    rows: int


Action = str | Press | Await | Paste | Resize


@dataclass(frozen=True, slots=True)
class Step:
    """does: what is typed, pressed and waited for, in order; Enter is pressed after text that nothing else follows.

    says: the sentence above the block. until: what the last line matches when it is over. window: where.
    is_shown: False for what only prepares.
    """

    does: Sequence[Action]
    says: str = ""
    until: str = READY
    window: str = "main"
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Scene:
    """A title, and the steps under it."""

    title: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Block:
    """What a step has left on the screen."""

    title: str
    says: str
    lines: tuple[str, ...] = field(default=())


def line(text: str, says: str = "", **how: str | bool) -> Step:
    """A line typed, and Enter."""
    return Step((text,), says=says, **how)  # type: ignore[arg-type]


def drive(tmux: Tmux, scenes: Sequence[Scene]) -> Iterator[Block]:
    """Does every step, and gives what is to be seen."""
    for scene in scenes:
        for step in scene.steps:
            lines = _done(tmux, step)
            if step.is_shown:
                yield Block(scene.title, step.says, tuple(lines))


def _done(tmux: Tmux, step: Step) -> list[str]:
    window = step.window
    for number, action in enumerate(step.does):
        if isinstance(action, str):
            tmux.type(window, action)
            follows = step.does[number + 1] if number + 1 < len(step.does) else None
            if follows is None or isinstance(follows, Await):
                _await_typed(tmux, window, action)
                tmux.press(window, "Enter")
        elif isinstance(action, Press):
            tmux.press(window, action.key)
        elif isinstance(action, Paste):
            tmux.paste(window, action.text)
        elif isinstance(action, Resize):
            tmux.resize(window, action.columns, action.rows)
        else:
            tmux.wait_for(window, action.pattern)
    is_over = re.compile(step.until)
    is_line = any(isinstance(action, str) or action == Press("Enter") for action in step.does)

    def is_done(lines: list[str]) -> bool:
        """A prompt alone on the screen is the one that the line was typed at."""
        is_begun = len(lines) > 1 or not is_line or not re.search(READY, "".join(lines))
        return bool(lines) and is_begun and is_over.search(lines[-1]) is not None

    shown = tmux.wait(window, is_done, what=repr(step.until))
    if re.search(READY, shown[-1]):
        _clear(tmux, window)
        return shown[:-1]
    return shown


def _await_typed(tmux: Tmux, window: str, text: str) -> None:
    """A terminal breaks long lines anywhere, so spaces do not count."""
    wanted = re.sub(r"\s", "", text)[-60:]
    tmux.wait(window, lambda lines: re.sub(r"\s", "", "".join(lines)).endswith(wanted), what=repr(text))


def _clear(tmux: Tmux, window: str) -> None:
    """A fresh screen: only the prompt is left."""
    tmux.press(window, "C-l")
    tmux.wait(window, lambda lines: len(lines) == 1, what="a cleared screen")
