"""Refusing where the sources do not hold the answer: precision and recall, a refusal being the positive class.

    python -m benchmarks.refusing --data FOLDER [--peps-kb KB] [--cache FOLDER] [--most 1200]
    python -m benchmarks.refusing --data FOLDER [--cache FOLDER] --fit

FOLDER holds `squad_dev.json`; KB is a knowledge base with the PEPs, for questions written by hand on every third of
them. Two settings, in each as many questions that have an answer as such that have none: the
topic missing (half of the articles are left out) and the answer missing (only the paragraph that answers). --fit
gives the weights in `quote/support.py` and `quote/spans.py`, from the articles set aside for that; the report is of
others, on which neither the reader nor a threshold was set, and of questions that no weight of the retrieval was chosen
on. The baseline: the best cosine and the share of the question's terms, by rarity, in the best five passages, as one
logistic model fitted on the same articles. Intervals: bootstrap over questions, 95 %.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.answering import ANSWER_MISSING, PRESENT, TOPIC_MISSING, Case, asked_for, gather, gather_peps, opened
from benchmarks.short_answers import overlap
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.questions import take_apart
from rag_lifelong.quote import Reader, quote
from rag_lifelong.quote.passages import candidates
from rag_lifelong.quote.signals import read_signals
from rag_lifelong.quote.spans import read_spans
from rag_lifelong.quote.support import Matching, passage_terms
from rag_lifelong.span_reader import Reading

Row = dict[str, float]
ORDERED = ("odds", "match", "cosine", "rank")


class Remembering:
    """A reader that reads a passage once for a question, however often it is asked."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, tuple[str, str]], tuple[Reading, ...]] = {}

    def reads(self, question: str) -> bool:
        return self._reader.reads(question)

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[tuple[Reading, ...]]:
        new = [passage for passage in passages if (question, passage) not in self._known]
        for passage, found in zip(new, self._reader.read(question, new), strict=True):
            self._known[question, passage] = found
        return [self._known[question, passage] for passage in passages]


@dataclass(frozen=True, slots=True)
class Judged:
    """One case: whether it was refused, and the signals of the baseline."""

    setting: str
    refused: bool
    simple: tuple[float, float]


def main() -> None:
    arguments = asked_for(
        __doc__,
        1_200,
        lambda parser: parser.add_argument(
            "--fit", action="store_true", help="fit the weights on the articles set aside, and stop"
        ),
    )
    cached, reader = opened(arguments.cache)
    remembering = Remembering(reader)
    if arguments.fit:
        fit(arguments.data, cached, remembering, most=arguments.most)
        return
    thresholds = [
        Judged(case.setting, False, simple_signals(base, case))
        for base, case in gather(arguments.data, "thresholds", cached, most=arguments.most, titled=False)
    ]
    squad = gather(arguments.data, "report", cached, most=arguments.most, titled=False)
    report("SQuAD", thresholds, judged(squad, remembering))
    if arguments.peps_kb is not None:
        with KnowledgeBase(arguments.peps_kb, embedder=None, create=False) as base:
            cases = ((base, case) for case in gather_peps(base, most=arguments.most))
            report("PEPs", thresholds, judged(cases, remembering))


def judged(cases: Iterable[tuple[KnowledgeBase, Case]], reader: Reader) -> list[tuple[Judged, bool]]:
    """Each case, and whether it is refused without the reader."""
    found = []
    for base, case in cases:
        said, without = (
            quote(case.question, case.evidence, statistics=base, cosines_tell=True, reader=by) for by in (reader, None)
        )
        found.append((Judged(case.setting, said is None, simple_signals(base, case)), without is None))
    return found


def simple_signals(base: KnowledgeBase, case: Case) -> tuple[float, float]:
    """(the best cosine, the share of the question's terms in the best five passages)."""
    matching = Matching(take_apart(case.question).content, base)
    best = list(case.evidence[:5])
    words = set().union(*(passage_terms(e) for e in best)) if best else set()
    return max((e.hit.scores.dense or 0.0 for e in case.evidence), default=0.0), matching.coverage(words)


def report(name: str, thresholds: Sequence[Judged], found: Sequence[tuple[Judged, bool]]) -> None:
    """Prints precision and recall of each way in each setting."""
    print(f"{name}\n| | questions | precision | recall | answerable refused |\n|---|---|---|---|---|")
    for setting in (TOPIC_MISSING, ANSWER_MISSING):
        simple = fitted_simple(thresholds, setting)
        ways = {
            "best cosine and coverage, one threshold": [simple(judged.simple) for judged, _ in found],
            "quoting without the reader": [without for _, without in found],
            "**default**": [judged.refused for judged, _ in found],
        }
        for way, refused in ways.items():
            missing = np.array([r for r, (j, _) in zip(refused, found, strict=True) if j.setting == setting])
            present = np.array([r for r, (j, _) in zip(refused, found, strict=True) if j.setting == PRESENT])
            figures = [precision_recall(missing, present)]
            rng = np.random.default_rng(0)
            for _ in range(1_000):
                m, p = (a[rng.integers(0, len(a), len(a))] for a in (missing, present))
                figures.append(precision_recall(m, p))
            low, high = np.quantile(np.array(figures[1:]), (0.025, 0.975), axis=0)
            shown = " | ".join(f"{figures[0][i]:.3f} [{low[i]:.3f}, {high[i]:.3f}]" for i in range(2))
            print(f"| {setting}: {way} | {len(missing)} + {len(present)} | {shown} | {present.mean():.1%} |")


def precision_recall(missing: np.ndarray, present: np.ndarray) -> tuple[float, float]:
    """As if half of the questions had no answer."""
    recall, wrong = float(missing.mean()), float(present.mean())
    return recall / max(recall + wrong, 1e-9), recall


def fitted_simple(thresholds: Sequence[Judged], setting: str) -> Callable[[tuple[float, float]], bool]:
    """The baseline: refuses as a logistic model of two signals, fitted for that very setting, says."""
    rows = [j for j in thresholds if j.setting in (setting, PRESENT)]
    weights = logistic(
        [{"cosine": j.simple[0], "coverage": j.simple[1]} for j in rows],
        np.array([j.setting == PRESENT for j in rows]),
        balanced(rows),
    )
    return lambda simple: weighed(weights, {"cosine": simple[0], "coverage": simple[1]}) < 0


def balanced(rows: Sequence[Judged]) -> np.ndarray:
    present = np.array([j.setting == PRESENT for j in rows])
    return np.where(present, 0.5 / present.sum(), 0.5 / (~present).sum()) * len(rows)


# -- fitting


def fit(data: Path, embedder: object, reader: Reader, *, most: int) -> None:
    """Prints the weights of the models: which span answers, and whether the best one does.

    The order of spans is the best of a grid by F1 of the first, where it stands in the paragraph that answers; scaled so
    that it is the log odds of an F1 of a half. The second model weighs both settings alike, and answerable questions as
    much as these together.
    """
    found: list[
        tuple[np.ndarray, np.ndarray]
    ] = []  # of each question with an answer: its spans' features, and their F1
    kept = []
    for base, case in gather(data, "thresholds", embedder, most=most, titled=False):
        asked = take_apart(case.question)
        matching = Matching(asked.content, base)
        usable = range(len(case.evidence))
        ranked = candidates(asked, case.evidence, usable, matching)
        spans = read_spans(case.question, case.evidence, usable, ranked, reader=reader) if ranked else []
        if not spans:
            continue
        kept.append((case, asked, matching, ranked, spans))
        if case.setting == PRESENT:
            golden = [case.evidence[span.index].hit.text == case.gold for span in spans]
            shares = [overlap(span.text(case.evidence), case.answer) for span in spans]
            features = np.array([[span.features[name] for name in ORDERED] for span in spans])
            found.append((features, np.array(shares) * golden))
    grid = [np.array([1.0, *weights]) for weights in itertools.product((4, 6, 8), (0, 3), (-0.5, -1, -2))]
    order = max(grid, key=lambda weights: np.mean([f1[(x @ weights).argmax()] for x, f1 in found]))
    first = [((x @ order).max(), f1[(x @ order).argmax()] >= 0.5) for x, f1 in found]
    scale = logistic(
        [{"score": float(score)} for score, _ in first], np.array([r for _, r in first]), np.ones(len(first))
    )
    of_span = {"constant": scale["constant"], **dict(zip(ORDERED, map(float, order * scale["score"]), strict=True))}
    print("_SPAN =", rounded(of_span))
    rows: list[Row] = []
    for case, asked, matching, ranked, spans in kept:
        ordered = sorted(spans, key=lambda span: -weighed(of_span, span.features))
        signals = read_signals(asked, case.evidence, range(len(case.evidence)), ranked, matching, ordered)
        rows.append({name: value for name, value in signals.features().items() if value is not None})
    settings = [case.setting for case, *_ in kept]
    weights = np.array([(2.0 if s == PRESENT else 1.0) / settings.count(s) for s in settings])
    labels = np.array([s == PRESENT for s in settings])
    for name, left_out in (("_READ", ()), ("_READ_WITHOUT_COSINES", ("cosine",))):
        features = [{n: v for n, v in row.items() if n not in left_out} for row in rows]
        model = logistic(features, labels, weights / weights.mean())
        print(f"{name} =", rounded(model))
        odds = np.array([weighed(model, row) for row in features])
        for at in (-0.5, -0.25, 0.0, 0.25, 0.5):
            refused = {s: f"{np.mean(odds[np.array(settings) == s] < at):.1%}" for s in dict.fromkeys(settings)}
            print(f"   refused below {at:+.2f}: {refused}")


def rounded(weights: Row) -> Row:
    return {name: round(weight, 3) for name, weight in weights.items()}


def logistic(rows: Sequence[Mapping[str, float]], labels: np.ndarray, weights: np.ndarray) -> Row:
    """name → weight, "constant" among them: a logistic regression with a ridge of 1 on standardised features."""
    from sklearn.linear_model import LogisticRegression

    names = list(rows[0])
    x = np.array([[row[name] for name in names] for row in rows])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    model = LogisticRegression(max_iter=1_000).fit((x - mean) / scale, labels, sample_weight=weights)
    slopes = model.coef_[0] / scale
    constant = float(model.intercept_[0] - (slopes * mean).sum())
    return {"constant": constant, **dict(zip(names, map(float, slopes), strict=True))}


def weighed(weights: Row, row: Mapping[str, float]) -> float:
    """The log odds."""
    return weights["constant"] + sum(weight * row[name] for name, weight in weights.items() if name != "constant")


if __name__ == "__main__":
    main()
