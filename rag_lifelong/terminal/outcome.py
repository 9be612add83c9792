"""What a command gives: text for people, JSON for scripts, and an exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from rag_lifelong.assistant import Assistant
from rag_lifelong.terminal.style import Style

DONE, ERROR, NOTHING = 0, 1, 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command gives. text: for people, to stdout. json: the same for scripts. remark: to stderr."""

    text: str
    json: object
    code: int
    remark: str


Command = Callable[[Assistant, Namespace, Style], Outcome]
