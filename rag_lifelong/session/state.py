"""The state of a chat in the terminal: what was asked and shown last, and what part of the knowledge base is asked.

Rule: what was shown last is at hand for /open, what was found last for /sources and /why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.conversation import Conversation
from rag_lifelong.terminal.style import Style, short_path
from rag_lifelong.types import Answer, Citation, Hit


@dataclass(slots=True)
class Session:
    """One chat in the terminal.

    talk: the conversation. keeps: whether the next one is kept. is_terminal: somebody sits at it; else lines come
    through a pipe. scope: what questions are narrowed to. shown: what /open counts in. hits: what the last question was
    looked for in. question: the last asked or searched for, standing alone. answer: the last, None before the first,
    or if nothing of it was kept. said: its text, as far as it came. failed, refused: whether a line met an error, and
    whether the sources did not say, for the exit code of a pipe.
    """

    assistant: Assistant
    talk: Conversation
    style: Style
    scope: Narrowing
    k: int | None
    is_terminal: bool
    keeps: bool = True
    shown: Sequence[Citation | Hit] = ()
    hits: Sequence[Hit] = ()
    question: str = ""
    answer: Answer | None = None
    said: str = ""
    failed: bool = False
    refused: bool = False

    def begin(self, talk: Conversation) -> None:
        """Talks in another conversation from here on; what was said last in it is at hand."""
        self.talk.close()
        self.talk = talk
        self.question, self.hits, self.shown, self.answer, self.said = "", (), (), None, ""
        if talk.turns:
            last = talk.turns[-1]
            self.question, self.answer, self.said = last.asked_as, last.answer, last.answer.text
            self.shown = last.answer.citations

    def hear(self, piece: str) -> None:
        """A piece of the answer has come."""
        self.said += piece

    def prompt(self) -> str:
        """What stands before the cursor: the part of the knowledge base asked, if not all of it as it is now."""
        parts = []
        if self.scope.get("as_of") is not None:
            parts.append(f"as of {self.scope['as_of']}")
        if self.scope.get("within"):
            parts.append("in " + ", ".join(short_path(glob) for glob in self.scope["within"]))
        return " · ".join(parts) + (" " if parts else "") + "› "
