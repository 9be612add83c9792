"""A model writes, side by side where it can; and what it wrote, line by line.

Rule: greedy, so that the same model writes the same again. Lines are read however they are numbered; what introduces
them is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.answering import refuses
from rag_lifelong.distill.lessons import batches
from rag_lifelong.distill.prompts import SEPARATOR, without_markers
from rag_lifelong.errors import AnswerCut
from rag_lifelong.generate import LanguageModel, Message, TransformersModel, prompt_tokens

_LEAD = re.compile(
    r"(?:[-*+•>#]+\s+|\(?\d{1,3}[.):]\s+|\(?[a-z]\)\s+|\**(?:Q|Question|Wording)\s*\d*\s*[:.)]\**\s*)+", re.IGNORECASE
)
_MARKS = ("**", "__", '"', "'", "`", "“", "”", "„", "‘", "’", "«", "»")
_ASKED = re.compile(
    r"(?P<question>[^?？]*[?？])[\"”’*]*\s*(?:=>?|-+>|-(?=\s)|→|—|–|:|(?:A|Answer)\s*[:.])?\s*(?P<answer>\S.*)", re.I
)


@dataclass(frozen=True, slots=True)
class Written:
    """A model's text. is_whole: it came to its end."""

    text: str
    is_whole: bool


class Writer:
    """samples: the model may say something else when asked again, so what is checked is asked twice."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.samples = not isinstance(model, TransformersModel)

    def count_tokens(self, text: str) -> int:
        """The text's length in the model's tokens."""
        return self._model.count_tokens(text)

    def write(self, prompts: Sequence[Sequence[Message]], *, max_tokens: int) -> list[Written | None]:
        """An answer to each; None where prompt and answer have no room in the model's context. Raises ModelUnusable."""
        if isinstance(self._model, TransformersModel):
            return _side_by_side(self._model, prompts, max_tokens)
        return [self._streamed(self._model, prompt, max_tokens) for prompt in prompts]

    def _streamed(self, model: LanguageModel, prompt: Sequence[Message], max_tokens: int) -> Written | None:
        if prompt_tokens(model, prompt) + max_tokens > model.context_tokens:
            return None
        stream = model.stream(prompt, max_tokens=max_tokens)
        pieces: list[str] = []
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                return Written("".join(pieces).strip(), end.value is None)
            except AnswerCut:
                return Written("".join(pieces).strip(), False)


def _side_by_side(
    model: TransformersModel, prompts: Sequence[Sequence[Message]], max_tokens: int
) -> list[Written | None]:
    asked = [model.encoded(prompt) for prompt in prompts]
    fitting = [i for i, ids in enumerate(asked) if len(ids) + max_tokens <= model.context_tokens]
    found: list[Written | None] = [None] * len(asked)
    for batch in batches(fitting, lambda i: len(asked[i]) + max_tokens):
        answers = model.write_all([asked[i] for i in batch], max_tokens=max_tokens)
        for i, answer in zip(batch, answers, strict=True):
            found[i] = Written(model.decoded(answer), len(answer) < max_tokens)
    return found


def lines_of(written: Written | None) -> list[str]:
    """The lines, without numbers, bullets and quotation marks; without one that is cut off, or only introduces.

    A refusal has none.
    """
    if written is None or refuses(written.text):
        return []
    lines = [line for line in written.text.splitlines() if line.strip()]
    if not written.is_whole:
        lines = lines[:-1]
    bare = [_bare(_without_lead(without_markers(line).strip())) for line in lines]
    return [line for line in bare if len(line.split()) > 1 and not line.endswith((":", "："))]


def questions_of(written: Written | None) -> list[tuple[str, str]]:
    """(question, answer) of each line that has both, as SEPARATOR or a question mark parts them."""
    found = []
    for line in lines_of(written):
        parted = _ASKED.fullmatch(line)
        question, separator, answer = line.partition(SEPARATOR)
        if parted is not None:
            question, answer = parted["question"], parted["answer"]
        elif not separator:
            continue
        found.append((_bare(question.strip()).lstrip('"“„*'), _bare(answer.strip())))
    return [(question, answer) for question, answer in found if question and answer]


def _bare(line: str) -> str:
    """Without the marks that stand around the whole of it."""
    for mark in _MARKS:
        for end in _MARKS:
            inner = line[len(mark) : -len(end)].strip()
            is_around = line.startswith(mark) and line.endswith(end) and mark not in inner and end not in inner
            if inner and is_around:
                return _bare(inner)
    return line


def _without_lead(line: str) -> str:
    found = _LEAD.match(line)
    return line if found is None else line[found.end() :]
