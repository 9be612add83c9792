"""Whether an adapter may be used: what it knows, and what it must not have changed.

Rule: all gates hold, with their bounds, or the adapter is rejected. Everything asked here was kept from training: the
held-out wordings, other neighbours and other general prompts than those that kept it in place. Nothing is judged by a
model; intervals are percentile bootstraps, over facts where several wordings ask for one.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag_lifelong.answering import refuses
from rag_lifelong.distill.lessons import batches, logits_of
from rag_lifelong.distill.prompts import without_markers
from rag_lifelong.distill.recipe import Thresholds
from rag_lifelong.evaluate.metrics import Mean, mean
from rag_lifelong.generate import Message
from rag_lifelong.generate.local import TransformersModel

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out wording. closed: alone; beside: with what was retrieved for it."""

    fact: int
    closed: Prompt
    beside: Prompt
    answer: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A general prompt with what is right to answer; None where only what the base says counts."""

    prompt: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Exam:
    """Everything that is asked. neighbours: closed book; unanswerable: with passages that do not hold the answer."""

    held_out: tuple[Question, ...]
    neighbours: tuple[Prompt, ...]
    unrelated: tuple[tuple[Prompt, str | None], ...]
    unanswerable: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate. value, bound: as measured, None where there was nothing to ask; threshold, bound_threshold: as set.

    bound: the end of the 95 % interval that speaks against the adapter. says: in words, with how many were asked.
    """

    name: str
    value: float | None
    bound: float | None
    threshold: float | None
    bound_threshold: float
    holds: bool
    says: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of answering the held-out wordings: mean token F1 with its interval, over facts."""

    name: str
    score: float | None
    low: float | None
    high: float | None
    asked: int


def examine(
    base: TransformersModel,
    adapted: TransformersModel,
    control: TransformersModel,
    exam: Exam,
    *,
    thresholds: Thresholds,
    max_tokens: int,
    seed: int,
    tell: Callable[[int, int], None] | None = None,
) -> tuple[tuple[GateResult, ...], tuple[Arm, ...]]:
    """The gates, in the order that people read them, and the arms. control: an adapter trained on other documents.

    tell: called with prompts answered and all.
    """
    closed = [question.closed for question in exam.held_out]
    beside = [question.beside for question in exam.held_out]
    unrelated = [prompt for prompt, _ in exam.unrelated]
    total = 3 * len(closed) + 2 * (len(beside) + len(exam.neighbours) + len(unrelated) + len(exam.unanswerable))
    facts = [question.fact for question in exam.held_out]
    golds = [question.answer for question in exam.held_out]

    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if tell is not None:
            tell(done, total)

    def said_by(model: TransformersModel, prompts: Sequence[Prompt]) -> list[str]:
        return answers(model, prompts, max_tokens=max_tokens, tell=count)

    def scored(model: TransformersModel, prompts: Sequence[Prompt]) -> list[float]:
        said = said_by(model, prompts)
        return by_fact(facts, [f1(text, gold) for text, gold in zip(said, golds, strict=True)])

    arms = {
        "base": scored(base, closed),
        "adapter": scored(adapted, closed),
        "control": scored(control, closed),
        "retrieval": scored(base, beside),
        "retrieval and adapter": scored(adapted, beside),
    }
    near = [said_by(model, exam.neighbours) for model in (base, adapted)]
    far = [said_by(model, unrelated) for model in (base, adapted)]
    bare = [said_by(model, exam.unanswerable) for model in (base, adapted)]
    known = [i for i, (_, answer) in enumerate(exam.unrelated) if answer is not None]
    right = [[f1(texts[i], exam.unrelated[i][1] or "") for i in known] for texts in far]
    refused = [[float(refuses(text)) for text in texts] for texts in bare]
    judge = _Judge(thresholds.min_items, seed)
    t = thresholds
    results = (
        judge.above("gain", _minus(arms["adapter"], arms["base"]), None, t.gain, "facts won closed book, in F1"),
        judge.above("format", _minus(arms["adapter"], arms["control"]), None, t.gain, "above an adapter of others"),
        judge.at_least(
            "beside",
            _minus(arms["retrieval and adapter"], arms["retrieval"]),
            -t.beside,
            -t.beside_bound,
            "F1 with retrieval, beside retrieval alone",
        ),
        judge.at_least("neighbours", _same(*near), t.neighbours, t.neighbours_bound, "neighbours answered as before"),
        judge.at_least("unrelated", _same(*far), t.unrelated, t.unrelated_bound, "general prompts answered as before"),
        judge.at_least("probe", _minus(right[1], right[0]), -t.probe, -t.probe_bound, "F1 on general questions"),
        judge.at_least(
            "refusals", _minus(refused[1], refused[0]), -t.refusals, -t.refusals_bound, "refused where it must be"
        ),
        judge.at_most("drift", drift(base, adapted, unrelated, max_tokens), t.drift, "nats per token from the base"),
    )
    figures = {name: mean(values, rng=random.Random(seed)) for name, values in arms.items()}
    return results, tuple(Arm(name, found.value, *_ends(found), found.total) for name, found in figures.items())


def f1(said: str, gold: str) -> float:
    """Harmonic mean of the precision and recall of words, order aside, in [0, 1] (SQuAD: Rajpurkar et al. 2016).

    Case, punctuation and articles aside; a refusal scores 0.
    """
    if refuses(said):
        return 0.0
    words, wanted = _words(said), _words(gold)
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2.0 * common / (len(words) + len(wanted)) if common else 0.0


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", without_markers(text)).lower()
    return [word for word in re.findall(r"\w+", plain) if word not in ("a", "an", "the")]


def by_fact(facts: Sequence[int], values: Sequence[float]) -> list[float]:
    """The mean of each fact's values: wordings of one fact do not tell independently."""
    found: dict[int, list[float]] = {}
    for fact, value in zip(facts, values, strict=True):
        found.setdefault(fact, []).append(value)
    return [sum(values) / len(values) for _, values in sorted(found.items())]


def drift(
    base: TransformersModel, adapted: TransformersModel, prompts: Sequence[Prompt], max_tokens: int
) -> list[float]:
    """Of each prompt: mean KL(base ‖ adapted) over the base's own answer and what follows it, nats per token."""
    import torch

    asked = [base.encoded(prompt) for prompt in prompts]
    found: dict[int, float] = {}
    for batch in batches(range(len(asked)), lambda i: len(asked[i]) + max_tokens):
        with torch.inference_mode():
            answers = base.write_all([asked[i] for i in batch], max_tokens=max_tokens)
            rows = [(asked[i], answer) for i, answer in zip(batch, answers, strict=True)]
            pairs = zip(batch, logits_of(base.module, rows), logits_of(adapted.module, rows), strict=True)
            for i, mine, other in pairs:
                first = torch.log_softmax(mine.float(), dim=-1)
                second = torch.log_softmax(other.float(), dim=-1)
                found[i] = float((first.exp() * (first - second)).sum(-1).mean())
    return [max(0.0, found[i]) for i in sorted(found)]


def answers(
    model: TransformersModel,
    prompts: Sequence[Prompt],
    *,
    max_tokens: int,
    tell: Callable[[int], None] | None = None,
) -> list[str]:
    """Greedy, in order. tell: called with how many more are answered."""
    asked = [model.encoded(prompt) for prompt in prompts]
    found: dict[int, str] = {}
    for batch in batches(range(len(asked)), lambda i: len(asked[i]) + max_tokens):
        written = model.write_all([asked[i] for i in batch], max_tokens=max_tokens)
        found.update((i, model.decoded(ids)) for i, ids in zip(batch, written, strict=True))
        if tell is not None:
            tell(len(batch))
    return [found[i] for i in range(len(asked))]


class _Judge:
    """Values → whether a gate holds."""

    def __init__(self, min_items: int, seed: int) -> None:
        self._min_items = min_items
        self._seed = seed

    def above(self, name: str, values: Sequence[float], threshold: float | None, bound: float, says: str) -> GateResult:
        """The lower bound is above `bound`."""
        return self._result(name, values, threshold, bound, says, lambda low, _: low > bound)

    def at_least(self, name: str, values: Sequence[float], threshold: float, bound: float, says: str) -> GateResult:
        return self._result(
            name, values, threshold, bound, says, lambda low, value: value >= threshold and low >= bound
        )

    def at_most(self, name: str, values: Sequence[float], bound: float, says: str) -> GateResult:
        """The upper bound is no more than `bound`."""
        turned = self._result(name, [-v for v in values], None, -bound, says, lambda low, _: low >= -bound)
        value = None if turned.value is None else -turned.value
        end = None if turned.bound is None else -turned.bound
        return GateResult(name, value, end, None, bound, turned.holds, turned.says)

    def _result(
        self,
        name: str,
        values: Sequence[float],
        threshold: float | None,
        bound: float,
        says: str,
        holds: Callable[[float, float], bool],
    ) -> GateResult:
        found = mean(values, rng=random.Random(self._seed))
        says = f"{says} (of {found.total})"
        if found.value is None or found.interval is None or found.total < self._min_items:
            low = None if found.interval is None else found.interval[0]
            return GateResult(name, found.value, low, threshold, bound, False, f"{says}: too few to tell")
        low = found.interval[0]
        return GateResult(name, found.value, low, threshold, bound, holds(low, found.value), says)


def _minus(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def _same(first: Sequence[str], second: Sequence[str]) -> list[float]:
    return [float(a == b) for a, b in zip(first, second, strict=True)]


def _ends(found: Mean) -> tuple[float | None, float | None]:
    return found.interval if found.interval is not None else (None, None)
