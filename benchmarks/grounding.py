"""Whether a model's sentence that its source does not support is noticed, beside word overlap and cosine alone.

    python -m benchmarks.grounding --data FOLDER [--most 400] [--fit] [--examples N] [--cache FILE]

FOLDER holds `squad_dev.json`. Statements are made by rule from its paragraphs (`grounding_cases`) and judged by the
code that judges answers, one paragraph cited by each, with the article's title as its title. Half of the articles chose
the weights (`--fit` prints them), the other half is reported. "Unsupported" is the positive class. Precision is given
for as many unsupported sentences as supported ones, each kind counting alike; intervals: Wilson's of a share, and the
bootstrap over articles of a mean, 95 %.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.grounding_cases import (
    APART,
    NOT_SUPPORTED,
    SUPPORTED,
    Case,
    Paragraph,
    cases,
    tuning_titles,
)
from rag_lifelong.embed import open_embedder
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.grounding import Source, judge
from rag_lifelong.grounding.source import Text
from rag_lifelong.grounding.support import Signals, Weights, best_window, with_cosine
from rag_lifelong.terms import family, query_terms, terms
from rag_lifelong.types import Vector

SEED = 5
RESAMPLES = 1_000


@dataclass(frozen=True)
class Scored:
    """A case, and what each way makes of it; bigger is more supported."""

    case: Case
    signals: Signals
    judged: float
    without_meaning: float
    overlap: float
    cosine: float


class Counted:
    """How common terms are among the paragraphs."""

    def __init__(self, paragraphs: Sequence[Paragraph]) -> None:
        self._total = len(paragraphs)
        self._with = Counter(term for paragraph in paragraphs for term in set(terms(paragraph.text)))

    def passages(self) -> int:
        return self._total

    def passages_with(self, term: str) -> int:
        return self._with[term]


class Embedding:
    """Vectors of texts, each made once, and kept between runs in a file if one is named."""

    def __init__(self, file: Path | None) -> None:
        self._embedder = open_embedder(None, cache_dir=None)
        self._file = file
        self._known: dict[str, Vector] = {}
        if file is not None and file.is_file():
            kept = np.load(file)
            self._known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))

    def __call__(self, text: str) -> Vector:
        if text not in self._known:
            self._known[text] = self._embedder.embed_query(text)
        return self._known[text]

    def keep(self) -> None:
        if self._file is not None:
            np.savez(self._file, texts=np.array(list(self._known)), vectors=np.array(list(self._known.values())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--most", type=int, default=400, help="statements of a kind in each half")
    parser.add_argument("--fit", action="store_true", help="fit the weights on the tuning half, print them, and stop")
    parser.add_argument("--examples", type=int, default=0, help="show so many mistakes of each kind")
    parser.add_argument("--cache", type=Path, help="an .npz file that keeps vectors between runs")
    arguments = parser.parse_args()
    entries = json.loads((arguments.data / "squad_dev.json").read_text(encoding="utf-8"))
    paragraphs = [
        Paragraph(e["title"], e["context"], tuple((q["question"], q["answer"]) for q in e["questions"]))
        for e in entries
    ]
    statistics = Counted(paragraphs)
    embed = Embedding(arguments.cache)
    chosen = tuning_titles(paragraph.title for paragraph in paragraphs)
    halves = []
    try:
        for is_tuning in (True, False)[: 1 if arguments.fit else 2]:
            half = [paragraph for paragraph in paragraphs if (paragraph.title in chosen) == is_tuning]
            made = cases(half, rng=random.Random(SEED), most=arguments.most)
            halves.append([scored(case, statistics, embed, judges=not arguments.fit) for case in made])
    finally:
        embed.keep()
    if arguments.fit:
        fit(halves[0])
        return
    report(*halves)
    examples(halves[0], arguments.examples)  # of the half that may be looked at
    print(
        f"\n{cost(halves[1], statistics):.1f} ms of CPU to judge an answer of five sentences, of five passages (mean)"
    )


def scored(case: Case, statistics: Counted, embed: Embedding, *, judges: bool) -> Scored:
    """judges: else only the signals, for the fit."""
    source = Source(case.paragraph.text, case.paragraph.title)
    said = Text(case.statement)
    weights = Weights(statistics)
    found = best_window(said, source, weights)
    assert found is not None  # every paragraph has a sentence
    window, signals = found
    full = with_cosine(signals, case.statement, window.said.text, embed)
    if not judges:
        return Scored(case, full, 0.0, 0.0, 0.0, 0.0)
    marked = f"{case.statement} [1]"
    with_meaning = judge(marked, [source], statistics=statistics, embed=embed)
    without = judge(marked, [source], statistics=statistics, embed=None)
    mine, whole = set(map(family, query_terms(case.statement))), set(map(family, terms(case.paragraph.text)))
    return Scored(
        case=case,
        signals=full,
        judged=min((each.log_odds for each in with_meaning), default=0.0),
        without_meaning=min((each.log_odds for each in without), default=0.0),
        overlap=len(mine & whole) / len(mine),
        cosine=max(
            float(embed(case.statement) @ embed(each.said.text)) for each in source.windows if len(each.sentences) == 1
        ),
    )


# -- choosing


def fit(tuning: Sequence[Scored]) -> None:
    """Logistic regressions by Newton's method, each class and each kind in it counting alike; a little ridge."""
    usable = [each for each in tuning if each.case.kind not in APART]
    counts = Counter(each.case.kind for each in usable)
    kinds = {True: len(SUPPORTED), False: len(NOT_SUPPORTED)}
    weights = np.array([1 / (counts[e.case.kind] * kinds[e.case.is_supported]) for e in usable]) * len(usable) / 2
    truth = np.array([float(each.case.is_supported) for each in usable])
    kept: dict[str, NDArray[np.float64]] = {}
    for name, skipped in (("WORDS_ALONE", ("cosine",)), ("WITH_COSINE", ())):
        names = [field.name for field in fields(Signals) if field.name not in skipped]
        rows = np.array(
            [[1.0, *(float(getattr(e.signals, n) or 0.0) for n in names)] for e in usable]
        )  # (n, 1 + signals)
        found = newton(rows, truth, weights)
        odds = rows @ found
        shift = best_border(odds, truth, weights)
        found[0] -= shift
        kept[name] = odds - shift
        said = ", ".join(f"{n}={w:.2f}" for n, w in zip(["constant", *names], found, strict=True))
        print(f"{name} = Model({said})")
        print(f"  F1 of unsupported {f1(kept[name], truth, weights):.4f}; border moved by {shift:.2f}")
    for low in (-6.0, -4.0, -3.0, -2.0, -1.5, -1.0):  # where to ask for the cosine
        for high in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0):
            is_open = (kept["WORDS_ALONE"] > low) & (kept["WORDS_ALONE"] < high)
            odds = np.where(is_open, kept["WITH_COSINE"], kept["WORDS_ALONE"])
            print(f"OPEN = ({low}, {high}): F1 {f1(odds, truth, weights):.4f}, asked of {is_open.mean():.0%}")


def newton(rows: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros(rows.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        gradient = rows.T @ (weights * (truth - p)) - found
        hessian = (rows * (weights * p * (1 - p))[:, None]).T @ rows + np.eye(rows.shape[1])
        found += np.linalg.solve(hessian, gradient)
    return found


def f1(odds: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    flagged = odds < 0
    hits = weights[flagged & (truth == 0)].sum()
    return float(2 * hits / (weights[flagged].sum() + weights[truth == 0].sum()))


def best_border(odds: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    borders = np.quantile(odds, np.linspace(0.02, 0.98, 193))
    return float(max(borders, key=lambda border: f1(odds - border, truth, weights)))


# -- reporting


def report(tuning: Sequence[Scored], reported: Sequence[Scored]) -> None:
    ways = {"judge": 0.0, "without meaning": 0.0}
    for name in ("overlap", "cosine"):
        usable = [each for each in tuning if each.case.kind not in APART]
        counts = Counter(each.case.kind for each in usable)
        kinds = {True: len(SUPPORTED), False: len(NOT_SUPPORTED)}
        weights = np.array([1 / (counts[e.case.kind] * kinds[e.case.is_supported]) for e in usable])
        truth = np.array([float(each.case.is_supported) for each in usable])
        ways[name] = best_border(np.array([getattr(e, name) for e in usable]), truth, weights)
    flagged = {way: [value_of(each, way) < border for each in reported] for way, border in ways.items()}
    print(f"{len(reported)} statements on {len({e.case.paragraph.title for e in reported})} articles\n")
    print(f"| {'flagged as unsupported':<22} | n | " + " | ".join(ways) + " |")
    for kind in (*SUPPORTED, *NOT_SUPPORTED, *APART):
        chosen = [i for i, each in enumerate(reported) if each.case.kind == kind]
        cells = [share([flagged[way][i] for i in chosen]) for way in ways]
        print(f"| {kind:<22} | {len(chosen)} | " + " | ".join(cells) + " |")
    columns = [intervals(reported, flagged[way]) for way in ways]
    for name, cells in zip(("precision", "recall", "F1"), zip(*columns, strict=True), strict=True):
        print(f"| {name:<22} | | " + " | ".join(cells) + " |")


def value_of(each: Scored, way: str) -> float:
    return {
        "judge": each.judged,
        "without meaning": each.without_meaning,
        "overlap": each.overlap,
        "cosine": each.cosine,
    }[way]


def share(flags: Sequence[bool]) -> str:
    found = Share(sum(flags), len(flags))
    if found.value is None or found.interval is None:
        return "–"
    return f"{100 * found.value:.1f} % ({100 * found.interval[0]:.1f}–{100 * found.interval[1]:.1f})"


def counted(reported: Sequence[Scored], flags: Sequence[bool]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many statements there are, and how many are flagged: (articles, kinds) each."""
    titles = sorted({each.case.paragraph.title for each in reported})
    kinds = [*NOT_SUPPORTED, *SUPPORTED]
    total, flagged = np.zeros((len(titles), len(kinds))), np.zeros((len(titles), len(kinds)))
    for each, flag in zip(reported, flags, strict=True):
        if each.case.kind not in APART:
            at = titles.index(each.case.paragraph.title), kinds.index(each.case.kind)
            total[at] += 1
            flagged[at] += flag
    return total, flagged


def measured(total: NDArray[np.float64], flagged: NDArray[np.float64]) -> tuple[float, float, float]:
    """Precision, recall and F1 of "unsupported", each kind counting alike and both classes as large."""
    shares = flagged.sum(axis=0) / np.maximum(1, total.sum(axis=0))
    right, wrong = shares[: len(NOT_SUPPORTED)].mean(), shares[len(NOT_SUPPORTED) :].mean()
    p = right / (right + wrong)
    return float(p), float(right), float(2 * p * right / (p + right))


def intervals(reported: Sequence[Scored], flags: Sequence[bool]) -> list[str]:
    """Precision, recall and F1, each with its interval."""
    total, flagged = counted(reported, flags)
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(total), len(total))
        drawn.append(measured(total[chosen], flagged[chosen]))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)  # (3,)
    values = measured(total, flagged)
    return [f"{value:.3f} ({a:.3f}–{b:.3f})" for value, a, b in zip(values, low, high, strict=True)]


def examples(found: Sequence[Scored], most: int) -> None:
    shown: Counter[str] = Counter()
    for each in found:
        if (each.judged >= 0) != each.case.is_supported and shown[each.case.kind] < most:
            shown[each.case.kind] += 1
            print(f"\n{each.case.kind} · {each.judged:.1f} · {each.signals}\n  {each.case.statement}")


def cost(found: Sequence[Scored], statistics: Counted) -> float:
    """Mean milliseconds of CPU for an answer of five sentences of all kinds, each citing another passage; nothing cached."""
    embedder = open_embedder(None, cache_dir=None)
    embedder.embed_query("warm")
    rng = random.Random(SEED)
    taken = []
    for _ in range(30):
        some = rng.sample(found, 5)
        sources = [Source(each.case.paragraph.text, each.case.paragraph.title) for each in some]
        text = " ".join(f"{each.case.statement} [{i}]" for i, each in enumerate(some, start=1))
        began = time.process_time()
        judge(text, sources, statistics=statistics, embed=embedder.embed_query)
        taken.append((time.process_time() - began) * 1_000)
    return float(np.mean(taken))


if __name__ == "__main__":
    main()
