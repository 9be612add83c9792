"""Whether documents still hold at one version: by rules, by what the user confirmed, by their own headers.

Rule: reads one snapshot of the store. A header speaks for its own document only. A document that is superseded by one
that is gone holds again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import date
from functools import lru_cache

from rag_lifelong.places import joined
from rag_lifelong.staleness import (
    DOWN,
    HIDE,
    PAST_DOWN,
    RANK_DOWN,
    Rule,
    Weights,
    day_of,
    freshness,
    rule_for,
    stale_since,
)
from rag_lifelong.store import documents, files, supersessions
from rag_lifelong.store.documents import Bearing
from rag_lifelong.store.supersessions import CONFIRMED
from rag_lifelong.supersession.headers import retired_by_own_header
from rag_lifelong.types import HOLDS, HeaderField, Standing

_MAY_RETIRE = ("status", "-by")  # a header without these words cannot; what keeps most from being read


class Standings:
    """The documents alive at `version`, as they stand on the day `today`, local time."""

    def __init__(self, connection: sqlite3.Connection, rules: Sequence[Rule], *, version: int, today: date) -> None:
        self._connection = connection
        self._rules = rules
        self._version = version
        self.today = today
        self._roots = {root.id: root.path for root in files.roots(connection)}
        self._successors: dict[int, list[int]] = {}
        for found in supersessions.decisions(connection, version):
            if found.decision == CONFIRMED:
                self._successors.setdefault(found.old, []).append(found.new)

    def of(self, document_ids: Collection[int] | None = None) -> dict[int, Standing]:
        """document id → standing, of these living documents; None: of all."""
        return {found.document_id: self._standing(found) for found in self._bearings(document_ids)}

    def successor(self, document_id: int) -> int | None:
        """The living document that supersedes this one, and that its standing names; None: there is none."""
        return next(iter(self._living_successors(document_id)), None)

    def hidden(self) -> frozenset[int]:
        """The living documents that a rule hides, being past their time to live."""
        if not any(rule.past == HIDE for rule in self._rules):
            return frozenset()
        found = set()
        for bearing in self._bearings(None):
            rule = self._rule(bearing)
            if rule is not None and rule.past == HIDE and self._stale_since(bearing, rule) is not None:
                found.add(bearing.document_id)
        return frozenset(found)

    def weights(self, document_ids: Collection[int]) -> Weights:
        """What the scores of these documents' passages are weighed with."""
        factors: dict[int, float] = {}
        successors: dict[int, tuple[int, ...]] = {}
        for bearing in self._bearings(document_ids if self._rules else self._may_be_down(document_ids)):
            standing = self._standing(bearing)
            factor = DOWN if standing.superseded_by is not None or standing.retired is not None else 1.0
            rule = self._rule(bearing)
            if rule is not None:
                factor *= freshness(rule, _since(bearing, rule), self.today)
                if standing.stale_since is not None and rule.past == RANK_DOWN:
                    factor *= PAST_DOWN
            if factor != 1.0:
                factors[bearing.document_id] = factor
        waiting = sorted(document_ids)
        while waiting:  # also by way of documents that were not found themselves
            document_id = waiting.pop()
            if document_id not in successors and (living := self._living_successors(document_id)):
                successors[document_id] = tuple(living)
                waiting.extend(living)
        return Weights(factors, successors)

    def _standing(self, bearing: Bearing) -> Standing:
        rule = self._rule(bearing)
        stale = None if rule is None else self._stale_since(bearing, rule)
        living = self._living_successors(bearing.document_id)
        retired = _retired(bearing.header)
        if stale is None and not living and retired is None:
            return HOLDS
        return Standing(stale, self._path(next(iter(living.values()))) if living else None, retired)

    def _may_be_down(self, document_ids: Collection[int]) -> set[int]:
        """Those that may be superseded, or retired by their own header: what most are not; a fifth of the cost."""
        headed = documents.with_header(self._connection, self._version, document_ids, _MAY_RETIRE)
        return headed | self._successors.keys() & set(document_ids)

    def _living_successors(self, document_id: int) -> dict[int, Bearing]:
        """The documents alive that are confirmed to supersede it; of one that is gone, those that supersede that."""
        found: dict[int, Bearing] = {}
        passed = {document_id}
        waiting = list(self._successors.get(document_id, ()))
        while waiting:
            new = waiting.pop(0)
            if new in passed:
                continue
            passed.add(new)
            living = documents.bearings(self._connection, self._version, [new])
            if living:
                found[new] = living[0]
            else:
                waiting.extend(self._successors.get(new, ()))
        return found

    def _bearings(self, document_ids: Collection[int] | None) -> list[Bearing]:
        return documents.bearings(
            self._connection, self._version, None if document_ids is None else sorted(document_ids)
        )

    def _rule(self, bearing: Bearing) -> Rule | None:
        return rule_for(self._rules, self._roots[bearing.root_id], bearing.path) if self._rules else None

    def _stale_since(self, bearing: Bearing, rule: Rule) -> date | None:
        return stale_since(rule, _since(bearing, rule), self.today)

    def _path(self, bearing: Bearing) -> str:
        return joined(self._roots[bearing.root_id], bearing.path)


def _since(bearing: Bearing, rule: Rule) -> date:
    return day_of(rule, dated=bearing.dated, header=_fields(bearing), file_changed_at=bearing.file_changed_at)


def _fields(bearing: Bearing) -> list[HeaderField]:
    return _parsed(bearing.header)


def _parsed(header: str) -> list[HeaderField]:
    return [HeaderField(*entry) for entry in json.loads(header)]


@lru_cache(maxsize=4_096)
def _retired(header: str) -> str | None:
    """`retired_by_own_header`, of a header as stored; kept, since the same documents are found again and again."""
    if not any(word in header.lower() for word in _MAY_RETIRE):
        return None
    return retired_by_own_header(_parsed(header))
