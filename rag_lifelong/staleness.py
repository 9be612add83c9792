"""Rules about the age of documents: how long they hold, how gently they fade, what of their past is kept.

Rule: pure. Recency is decided by dates, versions and what the user set, never by a model. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from ingest.header import newest_date
from rag_lifelong.places import matches

if TYPE_CHECKING:  # completion, which must be quick, reads settings, and `types` brings numpy
    from rag_lifelong.types import HeaderField

FADING = 0.3  # of its score a document loses at most by its half-life: a tie-breaker, that never hides the only answer
DOWN = (
    0.95  # … times this if it is superseded, or retired by its own header: with 0.8, 3 % of 200 passages asked for by
)
# their own words were no longer among the first five (`lifelong evaluate` on the PEPs, a tenth of them retired)
PAST_DOWN = 0.5  # … times this if it is past its time to live and the rule says "down"

MARK, RANK_DOWN, HIDE = "mark", "down", "hide"
PAST = (MARK, RANK_DOWN, HIDE)
DATED, CHANGED = "dated", "changed"
AGES = (DATED, CHANGED)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the documents whose path matches `match`, a glob or a folder; None: nothing is said of it.

    time_to_live: of that age a document is stale. past: what then happens: "mark" it, rank it "down", or "hide" it.
    half_life: of that age a document has lost half of what fading takes. age: counted from the newest date that the
    document itself bears, else its file's ("dated"), or from the file's last change ("changed").
    keep_last: so many former texts of a document are kept by `prune`; keep_for: for so long.
    """

    match: str
    time_to_live: timedelta | None = None
    past: str | None = None
    half_life: timedelta | None = None
    age: str | None = None
    keep_last: int | None = None
    keep_for: timedelta | None = None


def rule_for(rules: Sequence[Rule], root: str, relative: str) -> Rule | None:
    """What all rules that match say together, a later one before an earlier; None if none matches."""
    found: Rule | None = None
    for rule in rules:
        if matches(rule.match, root, relative):
            said = {f.name: value for f in fields(rule) if (value := getattr(rule, f.name)) is not None}
            found = rule if found is None else replace(found, **said)
    return found


def day_of(rule: Rule, *, dated: date | None, header: Iterable[HeaderField], file_changed_at: datetime) -> date:
    """The day that a document's age is counted from, local time."""
    changed = file_changed_at.astimezone().date()
    if rule.age == CHANGED:
        return changed
    own = [day for day in (dated, newest_date((f.name, f.value) for f in header)) if day is not None]
    return max(own, default=changed)


def stale_since(rule: Rule, since: date, today: date) -> date | None:
    """The day the time to live was over; None while it is not. since: as `day_of` gives it.

    Ages are counted in days, so that part of one counts as a whole: what is to hold for an hour holds today.
    """
    if rule.time_to_live is None:
        return None
    try:
        end = since + timedelta(days=-(-rule.time_to_live // timedelta(days=1)))
    except OverflowError:
        return None
    return end if today >= end else None


def freshness(rule: Rule, since: date, today: date) -> float:
    """A factor for scores, in [1 - FADING, 1]: 1 for a new document, halfway to 1 - FADING at its half-life.

    Exponential decay of the weight of what is old, as in time-aware ranking (Li and Croft 2003, Time-Based Language
    Models), bounded below so that age orders what is alike and outweighs nothing.
    """
    if rule.half_life is None:
        return 1.0
    lives = max((today - since) / rule.half_life, 0.0)
    return 1.0 - FADING * (1.0 - float(0.5**lives))


@dataclass(frozen=True, slots=True)
class Weights:
    """How documents stand to each other: id → factor for its scores, 1.0 if absent; id → those that supersede it."""

    factors: Mapping[int, float]
    successors: Mapping[int, Collection[int]]


def weighed(scores: Mapping[int, float], owners: Mapping[int, int], weights: Weights) -> dict[int, float]:
    """passage id → score, faded; the best of what supersedes a document rises to just above the best of that.

    So the old is found where it was, with the new before it, however far down that would be. What supersedes a
    superseded document goes before all; of several that supersede one, the one that ranks first rises. Where none was
    found, the old stays alone. scores: passage id → score, at least 0. owners: passage id → document id.
    """
    found = {i: score * weights.factors.get(owners[i], 1.0) for i, score in scores.items()}
    if not weights.successors:
        return found
    try:
        newest_first = list(TopologicalSorter(weights.successors).static_order())
    except CycleError:  # no decision closes one
        return found
    best: dict[int, int] = {}
    mine: dict[int, list[int]] = {}
    for i, score in sorted(found.items()):
        mine.setdefault(owners[i], []).append(i)
        if score > found.get(best.get(owners[i], -1), -1.0):
            best[owners[i]] = i
    above: dict[int, set[int]] = {}  # the documents found that supersede it, also by way of others that were not
    for document_id in newest_first:
        news = weights.successors.get(document_id, ())
        above[document_id] = {one for new in news for one in ((new,) if new in best else above[new])}
    pairs = [old for old in newest_first if old in best and above[old]]
    for old in reversed(pairs):
        new = max(above[old], key=lambda document_id: (found[best[document_id]], -document_id))
        found[best[new]] = max(found[best[new]], found[best[old]])
    for old in pairs:
        limit = max(found[best[new]] for new in above[old]) * (1.0 - 1e-6)
        found.update((i, min(found[i], limit)) for i in mine[old])
    return found
