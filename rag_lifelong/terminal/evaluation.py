"""An evaluation → a table for people, and what `evaluate --json` prints.

Rule: as in `render`: strings only, every text from outside made safe. Each figure says what it means, of how many, and
how far it can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag_lifelong.evaluate import Difference, Dilution, Equality, Evaluation, Ranks, Retention
from rag_lifelong.evaluate.metrics import Mean, Share
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import Style, safe_line, short_path

REMEDY = "lifelong rebuild"
_SHOWN = 5  # differences, documents or queries named
_NAMES, _VALUES = 36, 8  # columns

_TOLD = {
    "document": "{} unlike what the text stored gives now.",
    "index": "the indexes do not hold what the store does.",
    "ranking": "{} unlike those of a fresh build.",
}

Json = dict[str, object]


def as_text(found: Evaluation, style: Style) -> str:
    """The table, then, loudly, what is not well and what mends it."""
    head = f"version {found.version:,}, {count_of(found.documents, 'document')}, {count_of(found.passages, 'passage')}"
    lines = [style.bold(head), "", style.bold("The past: is what was true found as of then, and kept out of now?")]
    if found.retention is None:
        lines.append("  no change in the history yet; this part needs documents that changed since they were added")
    else:
        lines.extend(_retention(found.retention, style))
    lines += ["", style.bold("The present: does the past bend it?"), *_dilution(found.dilution, style)]
    lines += ["", style.bold("Incremental or built in one go: the same?"), *_equality(found.equality, style)]
    if not found.is_well:
        lines += ["", *_faults(found, style)]
    return "\n".join(lines)


def as_json(found: Evaluation) -> Json:
    """The JSON of `evaluate`. Shares are of 1; what could not be measured is null."""
    past = found.retention
    return {
        "version": found.version,
        "documents": found.documents,
        "passages": found.passages,
        "well": found.is_well,
        "remedy": None if found.is_well else REMEDY,
        "past": None
        if past is None
        else {
            "changes": past.changes,
            "sampled": past.sampled,
            "passed_over": past.passed_over,
            "k": past.depth,
            "former_line_as_of_before": _share_json(past.former),
            "new_line_as_of_after": _share_json(past.new),
            "stale_now": _share_json(past.stale),
            "stale_queries": list(past.stale_queries),
        },
        "present": {
            "k": found.dilution.depth,
            "mrr_k": found.dilution.looked_at,
            "passed_over": found.dilution.passed_over,
            "here": _ranks_json(found.dilution.here),
            "fresh": _ranks_json(found.dilution.fresh),
            "recall_difference": _mean_json(found.dilution.recall_difference),
            "mrr_difference": _mean_json(found.dilution.mrr_difference),
        },
        "rebuilt": {
            "documents_equal": _share_json(found.equality.documents),
            "rankings_equal": _share_json(found.equality.rankings),
            "rankings_tied": found.equality.tied,
            "differences": [
                {"kind": one.kind, "name": one.name, "message": one.message} for one in found.equality.differences
            ],
            "made_by_older": list(found.equality.older),
            "strings_without_vector": found.equality.waiting,
        },
    }


def _retention(past: Retention, style: Style) -> Iterator[str]:
    top = f"the first {past.depth}"
    yield _row("former line, as of just before", *_share(past.former))
    yield style.dim(f"    a line that a change took out is in a hit of its document among {top}, asked as of before")
    yield _row("new line, as of just after", *_share(past.new))
    yield style.dim("    a line that a change brought in, asked as of after")
    yield _row("stale now (must be 0)", *_share(past.stale))
    yield style.dim("    asked about now, a line is shown that no living document holds any more")
    drawn = f"{past.sampled:,} of {count_of(past.changes, 'change')}, drawn by chance"
    yield style.dim(f"    {drawn}; {past.passed_over:,} more had no line that only one side and one document holds")


def _dilution(present: Dilution, style: Style) -> Iterator[str]:
    k, depth = present.depth, present.looked_at
    yield _row(f"recall@{k} here", *_share(present.here.recall))
    yield _row("  … in one without a past", *_share(present.fresh.recall))
    yield _row("  … difference", *_mean(present.recall_difference, is_signed=True))
    yield style.dim(f"    a living passage is among the first {k} for words of one of its sentences")
    yield _row(f"MRR@{depth} here", *_mean(present.here.mrr))
    yield _row("  … in one without a past", *_mean(present.fresh.mrr))
    yield _row("  … difference", *_mean(present.mrr_difference, is_signed=True))
    yield style.dim("    the mean of 1 / its rank; below 0, what was forgotten or replaced pushes it down")


def _equality(equality: Equality, style: Style) -> Iterator[str]:
    yield _row("documents equal", *_share(equality.documents))
    yield style.dim("    text, spans, labels and headings are those of a knowledge base made now of the texts stored")
    yield _row("rankings equal", *_share(equality.rankings))
    yield style.dim("    the same query finds the same places, in the same order, with the same scores")
    if equality.tied:
        yield style.dim(f"    {equality.tied:,} of them but for the order of equal scores")
    if equality.waiting:
        yield f"  {count_of(equality.waiting, 'text')} without a vector yet, compared by words alone: lifelong sync"
    if equality.older:
        shown = ", ".join(short_path(path) for path in equality.older[:_SHOWN])
        yield (
            f"  {count_of(len(equality.older), 'document')} cut by an older version of this program, compared as cut "
            f"then; lifelong sync cuts anew: {shown}{_more(equality.older)}"
        )


def _faults(found: Evaluation, style: Style) -> Iterator[str]:
    past = found.retention
    if past is not None and past.stale.count:
        yield style.bold(f"NOT WELL: {past.stale.count:,} of {past.stale.total:,} answers about now are stale.")
        yield from (f"  {safe_line(query)}" for query in past.stale_queries[:_SHOWN])
    different = found.equality.differences
    for kind, told in _TOLD.items():
        some = [one for one in different if one.kind == kind]
        if some:
            yield style.bold(f"NOT WELL: {told.format(count_of(len(some), kind))}")
            yield from (f"  {_named(one)}: {safe_line(one.message)}" for one in some[:_SHOWN])
            if len(some) > _SHOWN:
                yield f"  … and {len(some) - _SHOWN:,} more: lifelong evaluate --json"
    yield f"To mend it: {REMEDY}"
    if any(one.kind == "document" for one in different):
        yield (
            "Documents stay cut as they are until their files change: were they read in with another chunk_tokens? "
            "Else: lifelong check"
        )


def _named(one: Difference) -> str:
    return short_path(one.name) if one.kind == "document" else safe_line(one.name)


def _more(paths: Sequence[str]) -> str:
    return f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""


def _row(name: str, value: str, rest: str) -> str:
    return f"  {name:<{_NAMES}}{value:>{_VALUES}}   {rest}".rstrip()


def _share(share: Share) -> tuple[str, str]:
    if share.value is None or share.interval is None:
        return "–", "nothing to ask"
    low, high = share.interval
    return f"{share.value:.1%}", f"{share.count:,} of {share.total:,}   95 %: {low:.1%} to {high:.1%}"


def _mean(mean: Mean, *, is_signed: bool = False) -> tuple[str, str]:
    if mean.value is None or mean.interval is None:
        return "–", "nothing to ask"
    sign = "+" if is_signed else ""
    low, high = mean.interval
    return f"{mean.value:{sign}.3f}", f"of {mean.total:,}   95 %: {low:{sign}.3f} to {high:{sign}.3f}"


def _share_json(share: Share) -> Json:
    return {"count": share.count, "total": share.total, "value": share.value, "interval_95": _pair(share.interval)}


def _mean_json(mean: Mean) -> Json:
    return {"value": mean.value, "total": mean.total, "interval_95": _pair(mean.interval)}


def _ranks_json(ranks: Ranks) -> Json:
    return {"recall": _share_json(ranks.recall), "mrr": _mean_json(ranks.mrr)}


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
