"""What would be distilled, and what is passed over and why: for people, and as JSON.

Rule: as in `render`: strings only, every text from outside made safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rag_lifelong.distill.planning import Plan
from rag_lifelong.distill.selection import Candidate, Selection
from rag_lifelong.terminal.overview import count_of, size
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import Json

_DOCUMENTS = 20  # shown, unless all are asked for


def in_full(planned: Plan, style: Style, *, where: str, now: datetime, shows_all: bool) -> Iterator[str]:
    """By document, by reason, and what it takes. shows_all: all documents, and examples of what is passed over."""
    selection = planned.selection
    if selection.chosen:
        yield style.bold(f"Chosen of {where}: {made_of(selection.chosen)}.")
        yield from _by_document(
            selection.chosen, style, now=now, most=len(selection.chosen) if shows_all else _DOCUMENTS
        )
    elif selection.considered:
        yield style.bold(f"Nothing of {where} is stable and used yet.")
    if selection.counts:
        passages = sum(count.passages for count in selection.counts)
        yield from ("", style.bold(f"Passed over: {count_of(passages, 'passage')}."))
        yield from _by_reason(selection, style, shows_all=shows_all)
    if selection.chosen:
        yield from ("", how(planned))


def in_short(planned: Plan, *, where: str) -> str:
    """The same in a few lines, before it begins."""
    return (
        f"Of {where}: {made_of(planned.selection.chosen)}; to see them: --dry-run\n{how(planned)}\n"
        "^C stops at a checkpoint, and the same command goes on."
    )


def how(planned: Plan) -> str:
    """Who writes the pairs, what it takes, and whether it goes on with something."""
    if planned.seconds is None:
        return "An adapter stands beside a model on this machine; with one, this says what it takes."
    pairs = f"Pairs: by {safe_line(planned.writer)}, each checked against its passage."
    memory = "" if planned.memory_bytes is None else f" and {size(planned.memory_bytes)} of memory"
    parts = [pairs, f"It takes about {_about(planned.seconds)}{memory}."]
    if planned.continues is not None:
        parts.append(
            f"It goes on with adapter {planned.continues}, and the passages chosen then, if all of them stand."
        )
    if planned.replaces is not None:
        parts.append(f"Adapter {planned.replaces}, which was begun in another way, is given up for it.")
    return "\n".join(parts)


def as_json(planned: Plan) -> Json:
    """The plan's part of the JSON of `distill`."""
    return {
        "chosen": [_candidate(one) for one in planned.selection.chosen],
        "considered": planned.selection.considered,
        "version": planned.selection.version,
        "passed_over": [
            {
                "why": count.reason,
                "passages": count.passages,
                "documents": count.documents,
                "examples": [_candidate(one) for one, why in planned.selection.passed_over if why == count.reason],
            }
            for count in planned.selection.counts
        ],
        "writer": planned.writer,
        "seconds": planned.seconds,
        "memory_bytes": planned.memory_bytes,
        "continues": planned.continues,
        "replaces": planned.replaces,
    }


def made_of(chosen: Sequence[Candidate]) -> str:
    """ "42 passages of 7 documents"."""
    documents = len({candidate.document_id for candidate in chosen})
    return f"{count_of(len(chosen), 'passage')} of {count_of(documents, 'document')}"


# -- inside


def _by_document(chosen: Sequence[Candidate], style: Style, *, now: datetime, most: int) -> Iterator[str]:
    """One row each, the most used first. unchanged: of its passages the one that changed last."""
    grouped: dict[int, list[Candidate]] = {}
    for candidate in chosen:
        grouped.setdefault(candidate.document_id, []).append(candidate)
    rows = [
        (
            len(same),
            min((now - one.living_since).days for one in same),
            sum(one.found for one in same),
            sum(one.cited for one in same),
            sum(one.good for one in same),
            same[0].path,
        )
        for same in grouped.values()
    ]
    rows.sort(key=lambda row: (-(row[2] + row[3] + row[4]), row[5]))
    yield style.dim("  passages  unchanged    found  cited   good")
    for passages, days, found, cited, good, path in rows[:most]:
        unchanged = count_of(days, "day")
        yield f"  {passages:>8,}  {unchanged:>9}  {found:>7,}{cited:>7,}{good:>7,}   {short_path(path)}"
    if len(rows) > most:
        yield style.dim(f"  … and {count_of(len(rows) - most, 'document')} more: -v")


def _by_reason(selection: Selection, style: Style, *, shows_all: bool) -> Iterator[str]:
    """The most frequent first; shows_all: with examples."""
    for count in selection.counts:
        yield f"  {count.passages:>8,}  of {count_of(count.documents, 'document')}: {safe_line(count.reason)}"
        for one, why in selection.passed_over if shows_all else ():
            if why == count.reason:
                label = f" · {safe_line(one.label)}" if one.label else ""
                yield style.dim(f"            {short_path(one.path)}{label}")


def _candidate(one: Candidate) -> Json:
    return {
        "path": one.path,
        "label": one.label,
        "start": one.start,
        "end": one.end,
        "since": one.living_since.isoformat(),
        "versions_unchanged": one.versions_unchanged,
        "found": one.found,
        "cited": one.cited,
        "good": one.good,
        "bad": one.bad,
    }


def _about(seconds: float) -> str:
    """As one would say it."""
    for length, most, word in ((1, 90, "second"), (60, 90, "minute"), (3_600, 36, "hour")):
        if seconds < length * most:
            return count_of(max(1, round(seconds / length)), word)
    return count_of(round(seconds / 86_400), "day")
