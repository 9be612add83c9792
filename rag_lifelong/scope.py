"""Which passages a question is about: those alive at a version, of some documents or of all.

Rule: values in, ids out; what lives comes in as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from sqlite3 import Connection

import numpy as np

from rag_lifelong.alive import Alive
from rag_lifelong.store import passages


@dataclass(frozen=True, slots=True)
class Scope:
    """Which passages may be found: those alive at `version`; of `document_ids` only, unless None.

    is_present: `version` is the newest.
    """

    version: int
    is_present: bool
    document_ids: frozenset[int] | None


def allowed(alive: Alive, scope: Scope) -> Alive:
    """Those of the living that are in scope."""
    if scope.document_ids is None:
        return alive
    inside = np.isin(alive.document_ids, np.fromiter(scope.document_ids, dtype=np.int64))
    return Alive(alive.passage_ids[inside], alive.document_ids[inside], alive.vector_ids[inside], alive.lengths[inside])


def in_scope(
    connection: Connection, found: Collection[int], scope: Scope, alive: Callable[[], Alive]
) -> frozenset[int]:
    """Those of these passages that may be found."""
    if found and not scope.is_present:
        return frozenset(found).intersection(allowed(alive(), scope).passage_ids.tolist())
    if found and scope.document_ids is not None:
        owners = passages.documents_of(connection, sorted(found))
        return frozenset(passage_id for passage_id in found if owners[passage_id] in scope.document_ids)
    return frozenset(found)
