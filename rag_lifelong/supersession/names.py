"""Names that say it themselves: report_v1 and report_v2, report-draft and report-final, old/report and report.

Rule: in one folder, or one put away in it. Versions are chained, each followed by the next. A name that another date
distinguishes is no version of it: minutes, invoices and daily notes are rows of different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath

from rag_lifelong.supersession.facts import Facts, Kind, Suggestion
from rag_lifelong.supersession.marks import Marks
from rag_lifelong.supersession.order import compare_names
from rag_lifelong.supersession.overlap import Overlap
from rag_lifelong.supersession.relation import is_source

_SCORE = 0.6
_SCORE_SHARING = 0.7  # some text is the same, too
# Of so short texts an edit may leave no passage as it was; longer ones that share none are parts of a row, as NEWS.old
# and NEWS.
_FEW_PASSAGES = 3
_FIRST, _LAST = (-1,), (10**6,)  # before and after every version

_Place = tuple[tuple[int, ...], int]
"""(version, stage): documents of one name in order."""


def named_versions(documents: Sequence[Facts], marks: Sequence[Marks], overlap: Overlap) -> list[Suggestion]:
    """Each document whose name says that another one follows, with the next one."""
    groups: dict[object, list[int]] = {}
    for position, own in enumerate(marks):
        if not own.is_copy and not own.is_leading and not own.copy:
            groups.setdefault((own.folder, own.words, own.dates), []).append(position)
    found = []
    for group in groups.values():
        places = _places(group, marks) if len(group) > 1 else {}
        by_place: dict[_Place, list[int]] = {}
        for position in group:
            if position in places:
                by_place.setdefault(places[position], []).append(position)
        order = sorted(by_place)
        for here, there in pairwise(order):
            for old in by_place[here]:
                new = min(
                    by_place[there],
                    key=lambda p: (marks[p].suffix != marks[old].suffix, documents[p].path, documents[p].document_id),
                )
                if _is_believed(documents, marks, overlap, (old, new)):
                    found.append(_suggestion(documents[old], documents[new], marks[old], overlap.between(old, new)))
    return found


def _places(group: Sequence[int], marks: Sequence[Marks]) -> dict[int, _Place]:
    """Where each stands; those without a version at the ends, or before version 2, or nowhere if that is unsure."""
    versions = {position: marks[position].version for position in group if marks[position].version}
    if len({marks[position].family for position in versions}) > 1 or any(marks[p].family == "." for p in versions):
        return {}
    stages = {position: -1 if marks[position].put_away else marks[position].stage for position in group}
    places: dict[int, _Place] = {}
    for position, stage in stages.items():
        if position in versions:
            places[position] = versions[position], stage
        elif len(set(stages.values())) == 1 or not stage:
            if all(version > (1,) for version in versions.values()):
                places[position] = (1,), stage
        elif stage < 0:
            places[position] = _FIRST, stage
        elif not any(stages[other] > 0 for other in versions):
            places[position] = _LAST, stage
    return places


def _is_believed(documents: Sequence[Facts], marks: Sequence[Marks], overlap: Overlap, pair: tuple[int, int]) -> bool:
    """Nothing speaks against what the names say."""
    old, new = (documents[position] for position in pair)
    if compare_names(marks[pair[0]], marks[pair[1]]) not in (0, 1):  # the old one is put away, as a greater version
        return False
    if old.dated is not None and new.dated is not None and new.dated < old.dated:
        return False
    if is_source(old) or is_source(new):
        return False
    if not overlap.is_slight(*pair):
        is_put_away = marks[pair[0]].put_away != marks[pair[1]].put_away
        return not is_put_away or old.strings != new.strings  # a copy in another folder is a copy
    if not marks[pair[0]].words or marks[pair[0]].put_away or marks[pair[1]].put_away:
        return False  # such names are too common to be believed alone
    is_told_apart = min(overlap.sizes[position] for position in pair) >= _FEW_PASSAGES
    return not is_told_apart or marks[pair[0]].suffix != marks[pair[1]].suffix


def _suggestion(old: Facts, new: Facts, marks: Marks, shared: int) -> Suggestion:
    name, former = PurePath(new.path).name, PurePath(old.path).name
    evidence = f"{name} follows {former}"
    if marks.put_away:
        evidence = f"{name} follows {former} in a folder named {marks.put_away}"
    return Suggestion(old.document_id, new.document_id, Kind.NAME, _SCORE_SHARING if shared else _SCORE, evidence)
