"""Prompts and the answers to them: what an adapter is taught of its passages, and what it is asked.

Rule: nothing that is held out is taught, in whatever case or punctuation. What two passages answer differently is
neither, for nobody could know it without a passage. Equal passages, model and recipe make equal pairs, also where the
writing was broken off and went on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from rag_lifelong.distill import templates
from rag_lifelong.distill.authoring import asked_by_user, authored, checked
from rag_lifelong.distill.facts import Fact, PairKind, normal, prompts_about
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.distill.writing import Writer
from rag_lifelong.generate import LanguageModel

ENOUGH = 0.5  # of the passages: where a model wrote questions about fewer, templates ask about the others

__all__ = ["ENOUGH", "Pair", "PairKind", "Pairs", "held_out", "settled", "write_pairs"]


@dataclass(frozen=True, slots=True)
class Pair:
    """fact: a number shared by all that asks for one fact, its wordings and the other way round.

    author: "model", "template" or "user". is_held_out: asked at the gates, never taught.
    """

    fact: int
    passage_id: int
    kind: PairKind
    prompt: str
    answer: str
    is_held_out: bool
    author: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """refused: written, and not said again by the model with the passage, or giving themselves away.

    by_templates: the model, if there is one, wrote about too few. notes: what a reader must know. passages: ids of
    those that were gone through, also where nothing came of it. is_whole: nothing is left to write.
    """

    pairs: tuple[Pair, ...]
    refused: int
    by_templates: bool
    notes: tuple[str, ...]
    passages: tuple[int, ...] = ()
    is_whole: bool = False

    def to_json(self) -> str:
        """One line."""
        pairs = [{**asdict(pair), "kind": pair.kind.value} for pair in self.pairs]
        return json.dumps(
            {
                "pairs": pairs,
                "refused": self.refused,
                "by_templates": self.by_templates,
                "notes": self.notes,
                "passages": self.passages,
                "is_whole": self.is_whole,
            },
            ensure_ascii=False,
        )

    @staticmethod
    def from_json(text: str) -> Pairs:
        """Raises ValueError for what is none."""
        try:
            value = json.loads(text)
            return Pairs(
                pairs=tuple(Pair(**{**pair, "kind": PairKind(pair["kind"])}) for pair in value["pairs"]),
                refused=int(value["refused"]),
                by_templates=bool(value["by_templates"]),
                notes=tuple(value["notes"]),
                passages=tuple(value["passages"]),
                is_whole=bool(value["is_whole"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"damaged pairs: {error}") from error


EMPTY = Pairs((), 0, False, ())
_WAYS = "all is asked by templates and your own questions, whose wordings are much alike"


def write_pairs(
    candidates: Sequence[Candidate],
    *,
    model: LanguageModel | None,
    recipe: Recipe,
    progress: Callable[[int, int], None] | None = None,
    done: Pairs | None = None,
    keep: Callable[[Pairs], None] | None = None,
) -> Pairs:
    """The pairs of these passages, in their order. model: None asks by templates.

    progress: called with passages done and all. done: what `keep` was given last, or a former result, to go on with;
    of passages that are no candidates any more nothing is taken over. keep: called after each passage with all so far.
    Raises ModelUnusable.
    """
    if done is not None and done.is_whole and set(done.passages) == {one.passage_id for one in candidates}:
        return done
    work = _Work(candidates, recipe, done or EMPTY)
    notes: list[str] = []
    if model is None:
        for one in work.left(progress):
            work.add(one, [(draft,) for draft in asked_by_user(one)], 0)
            work.add(one, _by_templates(one, recipe, asked=work.prompts_of(one)), 0)
        notes.append(f"without a model, {_WAYS}; nothing was checked")
        return settled(work.so_far(by_templates=True, notes=notes, is_whole=True))
    writer = Writer(model)
    about = prompts_about(candidates)
    too_long = 0
    for one in work.left(progress):
        found = authored(one, about[one.passage_id], writer=writer, recipe=recipe)
        work.add(one, found.facts, found.refused)
        too_long += not found.fits
        if keep is not None:
            keep(work.so_far())
    if too_long:
        notes.append(f"{_passages(too_long)} had no room in what {model.name} reads at once")
    written = work.asked_by("model")
    without = [one for one in candidates if one.passage_id not in written]
    is_enough = len(written) >= ENOUGH * len(candidates)
    if not is_enough:
        notes.append(f"{model.name} wrote nothing that holds about {_of(without, candidates)}: there {_WAYS}")
        for one in without:
            left = _by_templates(one, recipe, asked=work.prompts_of(one))
            kept = checked(one, left, writer=writer, recipe=recipe)
            work.add(one, kept.facts, kept.refused)
    elif without:
        notes.append(f"{model.name} wrote nothing that holds about {_of(without, candidates)}")
    return settled(work.so_far(by_templates=not is_enough, notes=notes, is_whole=True))


def held_out(count: int, share: float, rng: random.Random) -> frozenset[int]:
    """Which of `count` wordings are kept from training: the share of them, one at least, and never the only one."""
    if count < 2 or share <= 0.0:
        return frozenset()
    return frozenset(rng.sample(range(count), min(count - 1, max(1, round(count * share)))))


def settled(found: Pairs) -> Pairs:
    """Without what two passages answer differently, what is taught as well as held out, and what is held out alone."""
    answers: dict[str, set[str]] = {}
    for pair in found.pairs:
        answers.setdefault(normal(pair.prompt), set()).add(normal(pair.answer))
    pairs = [pair for pair in found.pairs if len(answers[normal(pair.prompt)]) == 1]
    taught = {normal(pair.prompt) for pair in pairs if not pair.is_held_out}
    facts = {pair.fact for pair in pairs if not pair.is_held_out and pair.kind is PairKind.QUESTION}
    kept = [p for p in pairs if not p.is_held_out or (normal(p.prompt) not in taught and p.fact in facts)]
    unclear = sum(len(those) > 1 for those in answers.values())
    notes = found.notes
    if unclear:
        notes += (f"left out, since passages answer them differently: {unclear:,} prompt{'s' * (unclear > 1)}",)
    return replace(found, pairs=tuple(kept), notes=notes)


class _Work:
    """What was written so far, and what is left."""

    def __init__(self, candidates: Sequence[Candidate], recipe: Recipe, done: Pairs) -> None:
        self._candidates = candidates
        self._recipe = recipe
        ids = {one.passage_id for one in candidates}
        self._pairs = [pair for pair in done.pairs if pair.passage_id in ids]
        self._passages = dict.fromkeys(i for i in done.passages if i in ids)
        self._refused = done.refused
        self._next = max((pair.fact for pair in done.pairs), default=0) + 1

    def left(self, progress: Callable[[int, int], None] | None) -> Iterator[Candidate]:
        """The passages that were not gone through; each is, once the next one is asked for."""
        for number, one in enumerate(self._candidates, start=1):
            if one.passage_id not in self._passages:
                yield one
            if progress is not None:
                progress(number, len(self._candidates))

    def add(self, passage: Candidate, facts: Sequence[Fact], refused: int) -> None:
        """The passage was gone through, with these facts."""
        for fact in facts:
            self._pairs.extend(self._numbered(passage, fact))
            self._next += 1
        self._passages[passage.passage_id] = None
        self._refused += refused

    def asked_by(self, author: str) -> set[int]:
        """The passages that an author has asked about."""
        return {p.passage_id for p in self._pairs if p.author == author and p.kind is PairKind.QUESTION}

    def prompts_of(self, passage: Candidate) -> set[str]:
        """What is asked of the passage, as `normal` gives it."""
        return {normal(pair.prompt) for pair in self._pairs if pair.passage_id == passage.passage_id}

    def so_far(self, *, by_templates: bool = False, notes: Sequence[str] = (), is_whole: bool = False) -> Pairs:
        """All of it, as it was written."""
        return Pairs(tuple(self._pairs), self._refused, by_templates, tuple(notes), tuple(self._passages), is_whole)

    def _numbered(self, passage: Candidate, fact: Fact) -> Iterator[Pair]:
        """Drawn by what is asked, not in the order of writing: going on draws the same."""
        wordings = [draft for draft in fact if draft.kind is PairKind.QUESTION]
        rng = random.Random(f"{self._recipe.seed} {passage.passage_id} {normal(fact[0].prompt)}")
        out = held_out(len(wordings), self._recipe.held_out, rng)
        kept = {wordings[i] for i in out}
        for draft in fact:
            yield Pair(
                fact=self._next,
                passage_id=passage.passage_id,
                kind=draft.kind,
                prompt=draft.prompt,
                answer=draft.answer,
                is_held_out=draft in kept,
                author=draft.author,
            )


def _by_templates(passage: Candidate, recipe: Recipe, *, asked: Collection[str]) -> list[Fact]:
    """asked: prompts, as `normal` gives them, that are asked already."""
    found = templates.facts_of(passage, wordings=recipe.wordings)
    return [fact for fact in found if normal(fact[0].prompt) not in asked]


def _of(some: Sequence[Candidate], all_of_them: Sequence[Candidate]) -> str:
    return f"{len(some):,} of {_passages(len(all_of_them))}"


def _passages(count: int) -> str:
    return f"{count:,} passage{'' if count == 1 else 's'}"
