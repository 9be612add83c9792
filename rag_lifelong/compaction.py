"""The turns of a conversation → what of them goes into a model's prompt, within a budget of its tokens.

Rule: never more than the budget, nothing cut in mid-sentence; the newest turns are whole, older ones one line each.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag_lifelong.generate import CHARS_PER_TOKEN, LanguageModel
from rag_lifelong.sentences import split_sentences
from rag_lifelong.types import Turn


def remembered(turns: Sequence[Turn], *, model: LanguageModel | None, budget_tokens: int) -> str:
    """What of the turns, oldest first, is worth `budget_tokens`; "" if not even the newest has room.

    The tokens are the model's; without one, estimated from characters.
    """
    lines: list[str] = []
    for turn in reversed(turns):
        for shape in (_whole(turn), _line(turn)):
            if _count("\n\n".join([shape, *lines]), model) <= budget_tokens:
                lines.insert(0, shape)
                break
        else:
            break
    return "\n\n".join(lines)


def _count(text: str, model: LanguageModel | None) -> int:
    return len(text) // CHARS_PER_TOKEN + 1 if model is None else model.count_tokens(text)


def _whole(turn: Turn) -> str:
    return f"Question: {turn.question}\nAnswer: {turn.answer.text}"


def _line(turn: Turn) -> str:
    first = next((sentence.text for sentence in split_sentences(turn.answer.text)), "")
    return f"{turn.asked_as} → {first}"
