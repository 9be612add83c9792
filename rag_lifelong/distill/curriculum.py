"""Pairs → what an adapter is taught, and what it is asked at its gates.

Rule: nothing is in both. What is asked are held-out wordings, and questions of other neighbours and other general
prompts than those that keep the adapter in place while it is trained.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from rag_lifelong.distill.facts import normal
from rag_lifelong.distill.gates import Exam, Probe, Question
from rag_lifelong.distill.lessons import Part, Task
from rag_lifelong.distill.pairs import Pair, PairKind
from rag_lifelong.distill.probes import halves, parted
from rag_lifelong.distill.prompts import closed, reading
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.generate import LanguageModel, Message
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.prompt import build_messages, room_for_answer
from rag_lifelong.types import Hit

_NAME_CHARS = 3  # of a title that is looked for in questions, at least
_SWAPS = 4  # others that each question is asked about, one of them mentioned in what is taught
_LOOKED_AT = 3  # times as many hits as are shown, so that enough are left without a document


class Curriculum:
    """What is taught of some passages, and asked of them, with what is retrieved from the knowledge base now."""

    def __init__(
        self,
        base: KnowledgeBase,
        model: LanguageModel,
        recipe: Recipe,
        *,
        texts: Mapping[int, Candidate],
        others: Sequence[Pair],
        probes: Sequence[Probe],
        titles: Mapping[int, str],
    ) -> None:
        """texts: passage id → the passage, of all pairs. others: pairs of passages outside the selection.

        titles: document id → title, of documents outside the selection.
        """
        self._base = base
        self._model = model
        self._recipe = recipe
        self._texts = texts
        self._found: dict[str, tuple[Hit, ...]] = {}
        self._kept_probes, self._asked_probes = parted(probes, recipe.seed)
        self._kept, self._asked = self._parted([pair for pair in others if pair.kind is not PairKind.REWRITE])
        asked = {texts[pair.passage_id].document_id for pair in self._asked}
        self._titles = {*titles.values(), *(one.title for one in texts.values())}
        self._strange_things = sorted(set(_things(self._kept).values()))
        self._strangers = [title for i, title in sorted(titles.items()) if i not in asked and len(title) >= _NAME_CHARS]

    def know(self, part: Part, pairs: Sequence[Pair]) -> list[Task]:
        """What the base says with the passage before it, to be said without: of all wordings but those held out."""
        return [
            Task(
                part,
                tuple(reading(self._texts[pair.passage_id].text, pair.prompt)),
                tuple(closed(pair.prompt)),
                pair.answer if pair.kind is PairKind.REWRITE else None,
            )
            for pair in pairs
            if not pair.is_held_out
        ]

    def beside(self, pairs: Sequence[Pair]) -> list[Task]:
        """The questions that are taught, with what is retrieved for them: as the base answers them."""
        return [
            _as_it_is(Part.BESIDE, self._with_passages(pair.prompt))
            for pair in pairs
            if not pair.is_held_out and pair.kind is not PairKind.REWRITE
        ]

    def stay(self) -> list[Task]:
        """Neighbours closed book, and with passages that do not hold the answer: as the base answers them."""
        return [
            _as_it_is(Part.STAY, prompt)
            for pair in self._kept
            for prompt in (tuple(closed(pair.prompt)), self._without_source(pair))
        ]

    def swapped(self, pairs: Sequence[Pair]) -> list[Task]:
        """The questions that are taught, about somebody else: the title of the document in them is another's.

        Of a question the other way round it is what the fact's answer was. What nothing was told of is to be answered
        as the base answers it, alone and with what is retrieved; else an adapter learns that such questions have such
        answers, whoever they are about.
        """
        things = _things(pairs)
        taught = [self._texts[passage_id].text for passage_id in dict.fromkeys(pair.passage_id for pair in pairs)]
        mentioned = [title for title in self._strangers if any(title in text for text in taught)]
        found: list[Task] = []
        for pair in pairs:
            named, others = self._texts[pair.passage_id].title, self._strangers
            if pair.kind is PairKind.REVERSE:
                named = things.get(pair.fact, "")
                others = self._strangers if named in self._titles else self._strange_things
            if (
                pair.is_held_out
                or pair.kind is PairKind.REWRITE
                or len(named) < _NAME_CHARS
                or named not in pair.prompt
            ):
                continue
            rng = random.Random(f"swapped {self._recipe.seed} {pair.fact} {pair.prompt}")
            drawn = rng.sample(others, min(_SWAPS, len(others)))
            if mentioned and others is self._strangers:  # known by name, which must not be enough
                drawn = [*drawn[1:], rng.choice(mentioned)]
            asked = [pair.prompt.replace(named, other) for other in dict.fromkeys(drawn)]
            found += [_as_it_is(Part.STAY, tuple(closed(prompt))) for prompt in asked]
            found += [_as_it_is(Part.STAY, self._with_passages(prompt)) for prompt in asked[:1]]
        return found

    def absent(self, pairs: Sequence[Pair]) -> list[Task]:
        """What the taught documents do not tell: asked closed book, to be refused as the base does with the passage.

        What is asked of one document is asked of the next, by its title; of each passage as often as of others about
        what it tells. Else an adapter learns that whoever it knows has an answer to everything.
        """
        templates = sorted({sides for pair in (*pairs, *self._kept) if (sides := self._around_title(pair))})
        own: dict[int, list[Pair]] = {}
        for pair in pairs:
            own.setdefault(pair.passage_id, []).append(pair)
        told = {normal(pair.prompt) for pair in pairs}
        found: list[Task] = []
        for passage_id, its in own.items():
            one = self._texts[passage_id]
            if len(one.title) < _NAME_CHARS:
                continue
            asked = [about for left, right in templates if normal(about := left + one.title + right) not in told]
            rng = random.Random(f"absent {self._recipe.seed} {passage_id}")
            for number, prompt in enumerate(rng.sample(asked, min(_SWAPS * len(its), len(asked)))):
                as_read, alone = tuple(reading(one.text, prompt)), tuple(closed(prompt))
                found.append(Task(Part.STAY, as_read, alone, must_refuse=True))
                if number % _SWAPS == 0:
                    beside = self._with_passages(prompt)
                    found.append(Task(Part.STAY, beside, beside, must_refuse=True))
        return found

    def _around_title(self, pair: Pair) -> tuple[str, str] | None:
        """What stands in a question that is taught, before and behind the title of its document; None without one."""
        title = self._texts[pair.passage_id].title
        if pair.is_held_out or pair.kind is not PairKind.QUESTION or len(title) < _NAME_CHARS:
            return None
        left, found, right = pair.prompt.partition(title)
        return (left, right) if found else None

    def general(self) -> list[Task]:
        """The general prompts that are not asked, as the base answers them."""
        return [_as_it_is(Part.GENERAL, tuple(closed(probe.prompt))) for probe in self._kept_probes]

    def exam(self, pairs: Sequence[Pair]) -> Exam:
        """What the adapter is asked. pairs: those it was taught of."""
        held_out = [pair for pair in pairs if pair.is_held_out and pair.kind is not PairKind.REWRITE]
        return Exam(
            held_out=tuple(
                Question(pair.fact, tuple(closed(pair.prompt)), self._with_passages(pair.prompt), pair.answer)
                for pair in held_out
            ),
            neighbours=tuple(tuple(closed(pair.prompt)) for pair in self._asked),
            unrelated=tuple((tuple(closed(probe.prompt)), probe.answer) for probe in self._asked_probes),
            unanswerable=tuple(self._without_source(pair) for pair in self._asked),
        )

    def _parted(self, others: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
        """(those that keep it in place, those that are asked): of different documents, of one of different passages."""
        owners = {pair.passage_id: self._texts[pair.passage_id].document_id for pair in others}
        if len(set(owners.values())) < 2:
            owners = {passage_id: passage_id for passage_id in owners}
        kept, _ = halves(sorted(set(owners.values())), f"others {self._recipe.seed}")
        return (
            [pair for pair in others if owners[pair.passage_id] in kept],
            [pair for pair in others if owners[pair.passage_id] not in kept],
        )

    def _without_source(self, pair: Pair) -> tuple[Message, ...]:
        return self._with_passages(pair.prompt, without=self._texts[pair.passage_id].document_id)

    def _with_passages(self, question: str, *, without: int | None = None) -> tuple[Message, ...]:
        """The question as it is asked in a chat. without: a document that holds the answer, which is left out."""
        if question not in self._found:
            self._found[question] = self._base.search(question, _LOOKED_AT * self._recipe.evidence)
        hits = [hit for hit in self._found[question] if hit.document_id != without][: self._recipe.evidence]
        room = room_for_answer(self._model, self._recipe.answer_tokens)
        return tuple(build_messages(question, hits, model=self._model, answer_tokens=room))


def _as_it_is(part: Part, prompt: tuple[Message, ...]) -> Task:
    return Task(part, prompt, prompt)


def _things(pairs: Sequence[Pair]) -> dict[int, str]:
    """fact → its answer, of the facts that are asked the other way round too."""
    turned = {pair.fact for pair in pairs if pair.kind is PairKind.REVERSE}
    return {pair.fact: pair.answer for pair in pairs if pair.fact in turned and pair.kind is PairKind.QUESTION}
