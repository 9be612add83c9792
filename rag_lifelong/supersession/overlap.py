"""Documents that share passages: counted by an inverted index, judged by how their names stand to each other.

Rule: near-linear. A string that many hold (a licence, a template) tells nothing of any two, and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from rag_lifelong.supersession.facts import Facts, Kind, Suggestion
from rag_lifelong.supersession.marks import Marks, NameDate
from rag_lifelong.supersession.order import Order, order_of
from rag_lifelong.supersession.relation import Relation, is_source, relate

# Measured by `benchmarks.supersessions` on former texts of PEPs beside the present ones.
_MAX_HOLDERS = 20  # a string held by more documents is common property; and what bounds the time
_FEW_HOLDERS = 3  # what unrelated names share must be held by hardly any other
_MIN_SHARED, _MIN_KEPT, _MIN_JACCARD = 2, 0.5, 0.25  # names of one document
_STRANGE_KEPT, _STRANGE_TRUST = 0.8, 0.8  # names that say nothing of each other; dated
_MIN_TRACE = 0.05  # of the shorter text; with it 98 % of edited PEPs are found by name, after four years


@dataclass(frozen=True, slots=True)
class Overlap:
    """Who shares how much; documents are named by their position.

    sizes: strings that are not common property. shared: of these, by pair, the lesser position first. rare: of those,
    how many hardly another holds.
    """

    sizes: Sequence[int]
    shared: Mapping[tuple[int, int], int]
    rare: Mapping[tuple[int, int], int]

    def is_slight(self, one: int, other: int) -> bool:
        """So little that neither can have been made from the other."""
        return self.between(one, other) < max(1.0, _MIN_TRACE * min(self.sizes[one], self.sizes[other]))

    def between(self, one: int, other: int) -> int:
        """How many strings two documents share."""
        return self.shared.get((min(one, other), max(one, other)), 0)


def measure(documents: Sequence[Facts]) -> Overlap:
    """What each two share. Equal sets of holders are counted once: about 30 µs a document of ten passages."""
    holders: dict[bytes, list[int]] = {}
    for position, facts in enumerate(documents):
        for string in facts.strings:
            holders.setdefault(string, []).append(position)
    sizes = [0] * len(documents)
    groups: Counter[tuple[int, ...]] = Counter()
    for who in holders.values():
        if len(who) <= _MAX_HOLDERS:
            for position in who:
                sizes[position] += 1
            if len(who) > 1:
                groups[tuple(who)] += 1
    shared: Counter[tuple[int, int]] = Counter()
    rare: Counter[tuple[int, int]] = Counter()
    for group, count in groups.items():
        for pair in combinations(group, 2):
            shared[pair] += count
            if len(group) <= _FEW_HOLDERS:
                rare[pair] += count
    return Overlap(sizes, shared, rare)


def near_duplicates(documents: Sequence[Facts], marks: Sequence[Marks], overlap: Overlap) -> list[Suggestion]:
    """Pairs that share most of the older one's passages, where one is clearly newer and the names are no series."""
    sizes = overlap.sizes
    series = _in_series(marks, lambda a, b: overlap.between(a, b) >= max(1, _MIN_KEPT * min(sizes[a], sizes[b])))
    found = []
    for pair, shared in overlap.shared.items():
        i, j = pair
        if shared < _MIN_SHARED or shared < _MIN_KEPT * min(sizes[i], sizes[j]) or (i in series and j in series):
            continue
        newer = _newer(documents, marks, overlap, pair)
        if newer is None:
            continue
        old, new = pair if newer.is_second_newer else (j, i)
        kept = shared / sizes[old]
        union = sizes[i] + sizes[j] - shared
        if kept < _MIN_KEPT or shared < _MIN_JACCARD * union:  # an excerpt, or a collection
            continue
        evidence = f"shares {shared} of {sizes[old]} passages, {newer.reason}"
        score = round((0.4 + 0.5 * kept) * newer.trust, 2)
        ids = documents[old].document_id, documents[new].document_id
        found.append(Suggestion(*ids, Kind.NEAR_DUPLICATE, score, evidence))
    return found


def _newer(documents: Sequence[Facts], marks: Sequence[Marks], overlap: Overlap, pair: tuple[int, int]) -> Order | None:
    """Which of two that share much is newer; None if that is unsure, or if they are two things."""
    i, j = pair
    one, other = documents[i], documents[j]
    if one.strings == other.strings or is_source(one) or is_source(other):  # a copy is a copy
        return None
    relation = relate(marks[i], marks[j])
    if relation in (Relation.FORMATS, Relation.INSTANCES):
        return None
    order = order_of(one, other, (marks[i], marks[j]))
    if relation is Relation.VERSIONS or order is None:
        return order
    rare = overlap.rare.get(pair, 0)
    if rare < _STRANGE_KEPT * max(overlap.sizes[i], overlap.sizes[j]):
        return None
    if one.title and other.title and one.title.casefold() != other.title.casefold():
        return None
    return replace(order, trust=order.trust * _STRANGE_TRUST) if order.trust >= 1.0 else None


def _in_series(marks: Sequence[Marks], are_alike: Callable[[int, int], bool]) -> set[int]:
    """Documents in rows of names that differ by date or version alone, where most neighbours have other texts.

    are_alike: what two positions, neighbours in a row, are to be.
    """
    rows: dict[object, list[tuple[tuple[tuple[NameDate, ...], tuple[int, ...]], int]]] = {}
    for position, own in enumerate(marks):
        if own.dates or own.version:
            rows.setdefault(own.key, []).append(((own.dates, own.version), position))
    found: set[int] = set()
    for row in rows.values():
        ordered = [position for _, position in sorted(row)]
        alike = sum(are_alike(a, b) for a, b in pairwise(ordered))
        if 2 * alike < len(row) - 1:
            found.update(ordered)
    return found
