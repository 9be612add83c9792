"""Follow-ups in Chinese: pronouns, and "X 呢?", by characters alone.

Rule: the topic of a question is its first name, or what stands before its first particle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_lifelong.followup.mentions import names, numbered
from rag_lifelong.types import Turn

_SCRIPT = re.compile("[\u3400-\u9fff]")
_PRONOUN = re.compile(
    "(?:它|他|她)们?|那里|那儿|这里|这儿|该[^\u3400-\u9fff]|这个|那个|此人|其(?!他|它|余|中|实)|那(?=是|有|在)|这(?=是|有|在)"
)
_OTHER = re.compile(r"^\s*(?:那么?|那)?\s*(.+?)\s*呢\s*[?？]?\s*$")
_PARTICLES = re.compile("是|的|在|有|于|被|把|和|与|为什么|什么|哪|谁|何|几|多少|怎|如何|吗|呢|[?？,，。\\s]")


def is_unspaced(text: str) -> bool:
    """Whether it is written in Chinese characters."""
    return _SCRIPT.search(text) is not None


def rewritten(question: str, turns: Sequence[Turn]) -> str:
    """The question with what it leans on put in; unchanged if nothing is found."""
    topic = next((found for turn in reversed(turns) if (found := _topic(turn.asked_as))), None)
    if topic is None:
        return question
    other = _OTHER.match(question)
    if other is not None and not _PRONOUN.search(other[1]):
        return turns[-1].asked_as.replace(_topic(turns[-1].asked_as) or topic, other[1], 1)
    return _PRONOUN.sub(topic, question, count=1)


def _topic(text: str) -> str | None:
    named = [*numbered(text), *(mention for mention in names(text) if not _SCRIPT.search(mention.text))]
    if named:
        return named[0].text
    return next((run for run in _PARTICLES.split(text) if len(run) > 1), None) if is_unspaced(text) else None
