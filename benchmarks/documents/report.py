"""What became of the files, as Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.documents.expected import Pair
from benchmarks.documents.likeness import Likeness
from benchmarks.documents.outcomes import Kept, Outcome


@dataclass(frozen=True, slots=True)
class Compared:
    """found: None where the file failed or, with a reason, its reference could not be read."""

    pair: Pair
    found: Likeness | None
    reason: str


def by_format(outcomes: Sequence[Outcome], compared: Sequence[Compared]) -> str:
    """A row for each kind and suffix, then the sum."""
    head = [
        "recognised as",
        "suffix",
        "files",
        "documents",
        "with marks",
        "files in them",
        "failures",
        "median ms",
        "expected text: recall / precision / order",
    ]
    rows = []
    for kind, suffix in sorted({(o.kind, o.suffix) for o in outcomes}):
        own = [o for o in outcomes if (o.kind, o.suffix) == (kind, suffix)]
        paths = {o.path for o in own}
        rows.append(
            [kind or "nothing", suffix or "none", *_counted(own, [c for c in compared if c.pair.file in paths])]
        )
    rows.append(["all", "", *_counted(outcomes, compared)])
    return table(head, rows)


def _counted(outcomes: Sequence[Outcome], compared: Sequence[Compared]) -> list[str]:
    documents = [o for o in outcomes if o.text is not None]
    marked = Counter(kind for o in documents for kind in o.marks)
    reasons = Counter(o.reason.replace(o.path.rsplit("/", 1)[-1], f"*{o.suffix}") for o in outcomes if o.text is None)
    return [
        f"{len(outcomes)}",
        f"{len(documents)}",
        _marks(documents, marked),
        f"{sum(o.members for o in documents) or ''}",
        _reasons(reasons),
        f"{median(o.ms for o in outcomes):.1f}",
        _means(
            [c.found for c in compared if c.found is not None], [c for c in compared if c.pair.is_whole and c.found]
        ),
    ]


def _marks(documents: Sequence[Outcome], marked: Mapping[str, int]) -> str:
    """How many have any mark, and how many each kind."""
    any_at_all = sum(bool(o.marks) for o in documents)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(marked.items()))
    return f"{any_at_all}: {kinds}" if kinds else ""


def _reasons(reasons: Mapping[str, int]) -> str:
    if len(reasons) > 5:  # of all formats together
        return f"{sum(reasons.values())}"
    return "; ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items()))


def _means(found: Sequence[Likeness], whole: Sequence[Compared]) -> str:
    if not found:
        return ""
    precision = f"{fmean(c.found.precision for c in whole if c.found):.3f}" if whole else "–"
    return f"{fmean(f.recall for f in found):.3f} / {precision} / {fmean(f.order for f in found):.3f} ({len(found)})"


def by_file(compared: Sequence[Compared]) -> str:
    """What was compared with what; a reference beside its file goes by its name alone."""
    rows = []
    for c in compared:
        folder = c.pair.file.rpartition("/")[0] + "/"
        against = f"“{c.pair.reference[:40]}…”" if c.pair.how == "words" else c.pair.reference.removeprefix(folder)
        cells = ["", "", "", "", c.reason]
        if c.found is not None:
            precision = f"{c.found.precision:.3f}" if c.pair.is_whole else "holds more"
            cells = [f"{c.found.words:,}", f"{c.found.recall:.3f}", precision, f"{c.found.order:.3f}", ""]
        rows.append([c.pair.file, against, c.pair.how, *cells])
    return table(["file", "beside", "read as", "words", "recall", "precision", "order", "not compared because"], rows)


def pages(outcomes: Sequence[Outcome], stated: Mapping[str, int]) -> str:
    """Whether the last page that a mark names is the last one there is."""
    known = [o for o in outcomes if o.path in stated and o.text is not None]
    wrong = [f"{o.path} ({o.last_page} of {stated[o.path]})" for o in known if o.last_page != stated[o.path]]
    told = f"{len(known) - len(wrong)} of {len(known)} PDFs whose number of pages is stated and that were read have a mark for the last page"
    return told + (f"; not so: {', '.join(wrong)}." if wrong else ".")


def in_knowledge_base(kept: Kept, outcomes: Sequence[Outcome]) -> str:
    """How the knowledge base differs from the parser alone."""
    own = {o.path for o in outcomes}
    inner = len(kept.documents - own), len(kept.failures.keys() - own)
    apart = {o.path for o in outcomes if o.text is not None}
    differ = sorted((kept.documents & own) ^ apart)
    told = (
        f"In a knowledge base: {len(kept.documents & own)} of {len(own)} files are documents and "
        f"{len(kept.failures.keys() & own)} recorded failures; of the files in them {inner[0]} are documents and {inner[1]} failures."
    )
    return told + (f" It differs from the parser at {', '.join(differ)}." if differ else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
