"""A question asked in a conversation → the question that stands alone, as the sources are asked.

Rule: a question that stands alone comes back as it is. What is carried over was said before, by the user or in an
answer; nothing a former answer says is an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_lifelong.generate import LanguageModel
from rag_lifelong.questions import identifiers
from rag_lifelong.types import Turn

_POINTING = re.compile(r"\b(?:it|its|he|his|him|she|her|they|their|them|this|that|these|those)\b", re.IGNORECASE)
_WHAT_ABOUT = re.compile(r"^\s*(?:and\s+)?(?:what|how) about\s+(.+?)\s*\?*\s*$", re.IGNORECASE)
_LEAD = re.compile(r"^(?:and|but|so)\b[ ,]*", re.IGNORECASE)
_NAME = re.compile(r"(?<=\s)[A-Z0-9][\w'’.-]*(?:\s+[A-Z0-9][\w'’.-]*)*")
_SHORT = 3  # words: "Why?", "In which year?"


def stand_alone(question: str, turns: Sequence[Turn], *, model: LanguageModel | None) -> str:
    """`question` with what it leaves out of the turns before it, oldest first; unchanged if it leaves out nothing."""
    topic = next((name for turn in reversed(turns) if (name := _topic(turn.asked_as))), None)
    if topic is None:
        return question
    about = _WHAT_ABOUT.match(question)
    if about is not None:
        return turns[-1].asked_as.replace(topic, about[1], 1)
    rest = _LEAD.sub("", question.strip())
    rest = rest[:1].upper() + rest[1:]
    if _POINTING.search(rest):
        return _POINTING.sub(topic, rest, count=1)
    if len(rest.split()) <= _SHORT and not _NAME.search(rest):
        return f"{rest.rstrip('?')} ({topic})?"
    return question


def _topic(text: str) -> str | None:
    """What a former question was about: the document it names by number, else its longest name."""
    named = identifiers(text)
    if named:
        found = re.search(rf"\b{named[-1].word}\W{{0,2}}0*{named[-1].number}\b", text, re.IGNORECASE)
        return found[0] if found is not None else None
    return max(_NAME.findall(text), key=len, default=None)
