"""What `benchmarks.retrieval` measured → a page in Markdown and a figure.

Rule: every number is of the run that writes the page; the words around them say what they mean, and are kept true by
hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import retrieval
from benchmarks.retrieval import ACROSS, MEASURES, MULTIHOP, PEERS, PEPS, SETS, STEPS, Candidates, Question, Values

Rows = Mapping[str, Sequence[tuple[Question, Candidates]]]

TITLES = {
    "squad_dev": "SQuAD, paragraphs",
    "squad_titled": "SQuAD, paragraphs with titles",
    "hotpotqa": "HotpotQA, two hops",
    "musique": "MuSiQue, two to four hops",
    "xquad.en": "XQuAD, English",
    "xquad.de": "XQuAD, German",
    "xquad.es": "XQuAD, Spanish",
    "xquad.zh": "XQuAD, Chinese",
    "peps.natural": "PEPs, questions by hand",
    "peps.made": "PEPs, made questions",
    "xquad.en-on-de": "English on German",
    "xquad.en-on-es": "English on Spanish",
    "xquad.en-on-zh": "English on Chinese",
    "xquad.de-on-en": "German on English",
}
SHOWN = ("words", "vectors", "fused", "default")
_HEAD = """\
# What is found

Made by

    python -m benchmarks.retrieval --data DATA --peps PEPS/peps --report docs/retrieval.md
    python -m benchmarks.dilution --data DATA --figure docs/figures/dilution.svg

in per cent, of the reporting half of the questions; weights were chosen on the other. `words` is BM25 (stemmed), `vectors` the default
embedder alone (all-MiniLM-L6-v2), `equal RRF` their fusion by rank, `0.7 / 0.3` a fixed convex mix with 0.7 of the
cosine, `fused` the mix with weights that go by the question, `default` what `search` gives: with titles that the
question names, and the second hop. The sets, and what is a hit in them, are described in `benchmarks/retrieval.py` and
`benchmarks/pep_search.py`. Brackets: 95 % bootstrap intervals over questions.

![nDCG@10 of each set](figures/retrieval.svg)
"""
_MADE = """\
The made PEP questions are words of the documents themselves, names and dates among them; nothing finds these better
than words alone. 0.6 of the 3.0 points of nDCG@10 that the default is behind there are wanted: withdrawn and superseded
documents rank lower, and the questions do not know it.
"""
_HOP = """
## More than one hop

A question about the birthplace of a film's director is answered where the director is written about. The names in the
text of the three best passages are looked up among the titles of other documents, and what is so reached is raised, but
not above the passage that led to it. No language model takes part. HippoRAG, which has a graph drawn by one, gains 5 to
30 points of recall@5 over its own retriever.

The rules of the hop (which names, how many documents of one name) were found with both halves of these two sets in
view, 100 questions each; only the three weights named below are cross-fitted. On other sets expect somewhat less.
"""
_LANGUAGES = """
## Languages

Words work in every script. The default embedder was trained on English: it knows the words of German and Spanish in
pieces and hardly any Chinese, and the weight of its cosine falls accordingly, so that it does no harm: in one language,
questions in German, Spanish and Chinese are answered as well as in English.

**Across languages do not rely on it.** A question in English finds a German or Spanish text by names and loan words,
in the table among 240 paragraphs only; a Chinese one rarely. A question in German on English texts is worse than with a
fixed weight, since its own words are hardly known. Who keeps texts in several languages and asks in one sets `embedder`
to a multilingual model.
"""
_DILUTION = """
## As the knowledge base grows

The same 1,000 questions, and ever more passages of the same encyclopedia around those that answer them.

![recall@5 as the knowledge base grows](figures/dilution.svg)
"""


def write(page: Path, halves: Rows, embedding_ms: tuple[float, float], hops: Sequence[str]) -> None:
    """The page, and its figure in figures/ beside it. hops: what cross-fitting gave."""
    values = retrieval.all_figures(halves)
    lines = [*_lines(halves, values, embedding_ms, hops)]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_HEAD + "\n".join(lines) + "\n" + _DILUTION.lstrip("\n"), encoding="utf-8")
    draw(values, page.parent / "figures" / "retrieval.svg")


def _lines(halves: Rows, values: Values, embedding_ms: tuple[float, float], hops: Sequence[str]) -> Iterator[str]:
    own = [name for name in halves if name not in ACROSS]
    yield "\n## Is the default ever worse?\n"
    yield "Paired differences, default less the other; *below* is beyond the interval, on recall@5 or nDCG@10.\n"
    yield _MADE
    yield "| default less | below on | recall@5, sets pooled | nDCG@10, sets pooled |"
    yield "|---|---|---|---|"
    within = {way: {name: of_way[name] for name in own} for way, of_way in values.items()}
    for peer in (*PEERS, "fused"):
        below, pooled = retrieval.beside(within, peer)
        cells = [f"{mean * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}]" for mean, low, high in pooled]
        yield f"| {peer} | {', '.join(below) or '–'} | " + " | ".join(cells) + " |"
    yield "\n## recall@5 / nDCG@10\n"
    yield "| | questions | " + " | ".join(values) + " |"
    yield "|---|---:|" + "---:|" * len(values)
    for name in own:
        yield _row(TITLES[name], len(halves[name]), [of_way[name].mean(axis=0) for of_way in values.values()])
    pooled_means = [np.mean([of_way[name].mean(axis=0) for name in own], axis=0) for of_way in values.values()]
    yield _row("**each set alike**", sum(len(halves[name]) for name in own), pooled_means)
    yield _HOP
    yield "Both halves, the weights of each chosen on the other:\n"
    yield from hops
    yield _LANGUAGES
    yield "| recall@5 / nDCG@10 | words | vectors | default |"
    yield "|---|---:|---:|---:|"
    for name in [name for name in halves if name.startswith("xquad.")]:
        means = [values[way][name].mean(axis=0) for way in ("words", "vectors", "default")]
        yield f"| {TITLES[name]} | " + " | ".join(f"{mean[2] * 100:.1f} / {mean[4] * 100:.1f}" for mean in means) + " |"
    yield "\n## All measures\n"
    for name in halves:
        yield f"\n**{TITLES[name]}** (`{name}`)\n"
        yield "| | " + " | ".join(MEASURES) + " |"
        yield "|---|" + "---:|" * len(MEASURES)
        for way in SHOWN:
            cells = []
            for measure in range(len(MEASURES)):
                column = values[way][name][:, measure]
                low, high = retrieval.interval(column)
                cells.append(f"{column.mean() * 100:.1f} [{low * 100:.1f}, {high * 100:.1f}]")
            yield f"| {way} | " + " | ".join(cells) + " |"
    yield "\n## What each step costs\n"
    yield "Milliseconds, median and 95th percentile, one question at a time, on two cores shared with other work, in the"
    yield "run that made the tables. Of the PEPs, 23,000 passages, fifty are asked for, else ten.\n"
    yield "| | " + " | ".join(STEPS) + " | search in all |"
    yield "|---|" + "---:|" * (len(STEPS) + 1)
    for name in [name for name in ("squad_dev", "musique", *PEPS[:1]) if name in halves]:
        found = [candidates for _, candidates in halves[name]]
        columns = [[c.steps[step] for c in found] for step in STEPS] + [[c.ms for c in found]]
        cells = ["{:.1f} / {:.1f}".format(*np.quantile(column, (0.5, 0.95))) for column in columns]
        yield f"| {TITLES[name]} | " + " | ".join(cells) + " |"
    yield f"\nThe question's own vector: {embedding_ms[0]:.1f} / {embedding_ms[1]:.1f}, before all this.\n"


def _row(title: str, count: int, means: Sequence[np.ndarray]) -> str:
    best = max(round(mean[4] * 100, 1) for mean in means)
    cells = []
    for mean in means:
        cell = f"{mean[2] * 100:.1f} / {mean[4] * 100:.1f}"
        cells.append(f"**{cell}**" if round(mean[4] * 100, 1) == best else cell)
    return f"| {title} | {count:,} | " + " | ".join(cells) + " |"


def draw(values: Values, file: Path) -> None:
    """A row a set: nDCG@10 of words, vectors and the default, with the default's interval."""
    import matplotlib

    from benchmarks.indexes.figures import FAINT, INK, OURS, STYLE

    matplotlib.use("svg")
    from matplotlib import pyplot

    order = [*SETS[:1], *(name for name in values["default"] if name in ("squad_titled", *MULTIHOP, *PEPS)), *SETS[3:]]
    names = [name for name in order if name in values["default"]][::-1]
    tones = {"words": "#5f9e6e", "vectors": "#3f88b5", "equal RRF": INK, "default": OURS}
    with pyplot.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(7.2, 0.36 * len(names) + 1.0), layout="constrained")
        for y, name in enumerate(names):
            at = {way: float(values[way][name][:, 4].mean()) * 100 for way in tones}
            axis.plot([min(at.values()), max(at.values())], [y, y], color=FAINT, linewidth=3, zorder=1)
            low, high = retrieval.interval(values["default"][name][:, 4])
            axis.plot([low * 100, high * 100], [y, y], color=OURS, linewidth=1.2, zorder=2)
            for way, x in at.items():
                is_ours = way == "default"
                axis.scatter(x, y, s=46 if is_ours else 22, color=tones[way], linewidths=0, zorder=4 if is_ours else 3)
        top = names[-1]
        for way, tone in tones.items():
            x = float(values[way][top][:, 4].mean()) * 100
            place = {"words": (4, -15), "vectors": (-14, 8), "equal RRF": (-6, 8), "default": (14, 8)}[way]
            axis.annotate(
                way, (x, len(names) - 1), xytext=place, textcoords="offset points", color=tone, ha="center", fontsize=8
            )
        axis.set_yticks(range(len(names)), [TITLES[name] for name in names])
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.set_ylim(-0.6, len(names) - 0.3)
        axis.set_xlim(20, 101)
        axis.grid(axis="x")
        axis.set_title("nDCG@10, %", pad=14)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None}, transparent=True)
        pyplot.close(figure)
