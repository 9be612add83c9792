"""The model that is to know a passage writes the questions about it, and answers each with the passage before it.

Rule: what the model does not say again when it is asked, is no pair: it would be taught something else than it was
asked. The user's own questions are checked like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.answering import refuses
from rag_lifelong.distill.facts import Draft, Fact, PairKind, is_faithful, is_reproduced, normal, stands_in
from rag_lifelong.distill.prompts import ask_questions, ask_reverse, ask_rewrite, ask_wordings, reading, without_markers
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.distill.writing import Writer, lines_of, questions_of

QUESTIONS = 5  # asked for, of a passage of about a page; distillation baselines ask in rounds of five (D2L)
_LINE_TOKENS = 40  # of a question with a short answer
_REWRITE_SHARE, _REWRITE_TOKENS = 1.5, 32  # of the passage's length, and so many more


@dataclass(frozen=True, slots=True)
class Authored:
    """Of one passage. refused: drafts that the model with the passage did not say again, or that give themselves away.

    fits: the passage has room in the model's context.
    """

    facts: tuple[Fact, ...]
    refused: int
    fits: bool


def authored(passage: Candidate, about: str, *, writer: Writer, recipe: Recipe) -> Authored:
    """All that the model writes about a passage, checked. about: the prompt that its rewrite answers."""
    return _Author(passage, writer, recipe).written(about)


def checked(passage: Candidate, facts: Sequence[Fact], *, writer: Writer, recipe: Recipe) -> Authored:
    """Facts that others wrote, without what the model with the passage does not say again."""
    author = _Author(passage, writer, recipe)
    drafts = [draft for fact in facts for draft in fact]
    good = set(author.reproduced(drafts))
    kept = tuple(fact for fact in (tuple(d for d in fact if d in good) for fact in facts) if fact)
    return Authored(kept, author.refused, author.fits)


def asked_by_user(passage: Candidate) -> list[Draft]:
    """The user's own questions, with the words that answered them, where these stand in the passage."""
    return [
        Draft(PairKind.QUESTION, question, answer, "user")
        for question, answer in zip(passage.questions, passage.answers, strict=False)
        if is_fit(passage, question, answer)
    ]


def is_fit(passage: Candidate, question: str, answer: str) -> bool:
    """The answer stands in the passage, and not in the question."""
    return stands_in(answer, passage.text) and not stands_in(answer, question)


class _Author:
    def __init__(self, passage: Candidate, writer: Writer, recipe: Recipe) -> None:
        self._passage = passage
        self._text = passage.text
        self._writer = writer
        self._recipe = recipe
        self.refused = 0
        self.fits = True

    def written(self, about: str) -> Authored:
        facts = self._with_reverse(self._with_wordings(self._questions()))
        rewrite = self._rewrite(about)
        return Authored((*facts, *((rewrite,) if rewrite else ())), self.refused, self.fits)

    def reproduced(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Those whose answer the model says again, twice where it samples."""
        left = list(drafts)
        for _ in range(2 if self._writer.samples else 1):
            asked = [reading(self._text, draft.prompt) for draft in left]
            said = self._writer.write(asked, max_tokens=self._recipe.answer_tokens) if asked else []
            self.fits &= None not in said
            good = [
                draft
                for draft, one in zip(left, said, strict=True)
                if one is not None and is_reproduced(one.text, draft.answer)
            ]
            self.refused += len(left) - len(good)
            left = good
        return left

    def _questions(self) -> list[Draft]:
        """The user's first; each once."""
        asked = self._writer.write([ask_questions(self._text, QUESTIONS)], max_tokens=QUESTIONS * _LINE_TOKENS)
        self.fits &= asked[0] is not None
        drafts = {normal(draft.prompt): draft for draft in asked_by_user(self._passage)}
        for question, answer in questions_of(asked[0]):
            if not is_fit(self._passage, question, answer):
                self.refused += 1
            elif normal(question):
                drafts.setdefault(normal(question), Draft(PairKind.QUESTION, question, answer, "model"))
        return self.reproduced(list(drafts.values()))

    def _with_wordings(self, questions: Sequence[Draft]) -> list[Fact]:
        count = self._recipe.wordings - 1
        if count < 1 or not questions:
            return [(draft,) for draft in questions]
        asked = [ask_wordings(self._text, draft.prompt, count) for draft in questions]
        said = self._writer.write(asked, max_tokens=count * _LINE_TOKENS)
        taken = {normal(draft.prompt) for draft in questions}
        drafts: list[list[Draft]] = []
        for draft, one in zip(questions, said, strict=True):
            new: dict[str, Draft] = {}
            for line in lines_of(one):
                if stands_in(draft.answer, line):
                    self.refused += 1
                elif normal(line) and normal(line) not in taken and len(new) < count:
                    new.setdefault(normal(line), Draft(PairKind.QUESTION, line, draft.answer, "model"))
            taken |= new.keys()
            drafts.append(list(new.values()))
        good = set(self.reproduced([draft for new in drafts for draft in new]))
        return [(draft, *(one for one in new if one in good)) for draft, new in zip(questions, drafts, strict=True)]

    def _with_reverse(self, facts: Sequence[Fact]) -> list[Fact]:
        if not facts:
            return []
        asked = [ask_reverse(self._text, fact[0].prompt, fact[0].answer) for fact in facts]
        said = self._writer.write(asked, max_tokens=2 * _LINE_TOKENS)
        taken = {normal(draft.prompt) for fact in facts for draft in fact}
        turned: list[Draft | None] = []
        for fact, one in zip(facts, said, strict=True):
            found = next(iter(questions_of(one)), None)
            draft = None if found is None else Draft(PairKind.REVERSE, *found, "model")
            if draft is not None and (normal(draft.prompt) in taken or not self._is_reverse(draft, fact[0])):
                self.refused += 1
                draft = None
            if draft is not None:
                taken.add(normal(draft.prompt))
            turned.append(draft)
        good = set(self.reproduced([draft for draft in turned if draft is not None]))
        return [
            (*fact, draft) if draft is not None and draft in good else fact
            for fact, draft in zip(facts, turned, strict=True)
        ]

    def _is_reverse(self, draft: Draft, of: Draft) -> bool:
        """It holds the answer of the question, asks for what stands in that question, and does not answer itself."""
        return (
            stands_in(of.answer, draft.prompt)
            and (stands_in(draft.answer, of.prompt) or stands_in(draft.answer, self._text))
            and not stands_in(draft.answer, draft.prompt)
        )

    def _rewrite(self, about: str) -> Fact | None:
        most = round(_REWRITE_SHARE * self._writer.count_tokens(self._text)) + _REWRITE_TOKENS
        said = self._writer.write([ask_rewrite(self._text)], max_tokens=most)[0]
        self.fits &= said is not None
        text = "" if said is None else without_markers(said.text)
        if said is None or not said.is_whole or not is_faithful(text, self._passage):
            self.refused += said is not None and not refuses(text)
            return None
        return (Draft(PairKind.REWRITE, about, text, "model"),)
