"""What a model is asked while its knowledge is distilled: with the text before it, or without.

Rule: a text is data here too, fenced as passages are. It bears no number, so that nobody learns to write markers where
nothing is cited.
"""

from __future__ import annotations

import re

from rag_lifelong.fence import code_of, fenced
from rag_lifelong.generate import Message

SEPARATOR = " = "  # between a question that a model wrote and its answer
_MARKERS = re.compile(r"\s*(?:\[\d+\])+")


def closed(question: str) -> list[Message]:
    """The question alone: closed book."""
    return [Message("user", f"Question: {question}")]


def reading(text: str, question: str) -> list[Message]:
    """The question with the text that holds the answer."""
    return _about(text, f"Question: {question}")


def ask_questions(text: str, count: int) -> list[Message]:
    """For questions with answers, one a line."""
    return _about(
        text,
        f"Write {count} questions that this text answers, one a line, each followed by '{SEPARATOR}' and the answer in "
        "the text's words.",
    )


def ask_wordings(text: str, question: str, count: int) -> list[Message]:
    """For the same question in other words, one a line."""
    return _about(text, f"Question: {question}\n\nAsk the same in {count} other ways, one a line.")


def ask_reverse(text: str, question: str, answer: str) -> list[Message]:
    """For the question whose answer stands in this question, with that answer."""
    return _about(
        text,
        f"Question: {question}\nAnswer: {answer}\n\nAsk it the other way round: a question whose answer stands in that "
        f"question, followed by '{SEPARATOR}' and the answer.",
    )


def ask_rewrite(text: str) -> list[Message]:
    """For the same in other words."""
    return _about(text, "Say this in other words.")


def without_markers(answer: str) -> str:
    """An answer without its "[1]"."""
    return _MARKERS.sub("", answer).strip()


def _about(text: str, asked: str) -> list[Message]:
    border = fenced(text, name="text", code=code_of([text]), attributes=[])
    return [Message("user", f"{border}\n\n{asked}")]
