"""Whether it is time to distil: by days since the last adapter, or by how much has become stable and used since.

Rule: only what is new counts. Passages that an adapter was made of, or was rejected with, are not tried again by
themselves; nor is an adapter that the user has disabled replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rag_lifelong.adapters import is_disabled
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.recipe import Recipe, is_by
from rag_lifelong.distill.selection import select
from rag_lifelong.generate.keys import hidden
from rag_lifelong.types import Adapter, AdapterState, Json


@dataclass(frozen=True, slots=True)
class Due:
    """Whether something is to be distilled now, and why, in words that end a sentence.

    waiting: passages stable and used that no adapter was made of.
    next_at: when the days will be over, None if it is due, or if nothing waits, or days do not count.
    """

    is_due: bool
    why: str
    waiting: int
    next_at: datetime | None

    def to_json(self) -> Json:
        """Of the JSON of `distill` and `status`."""
        next_at = None if self.next_at is None else self.next_at.isoformat()
        return {"due": self.is_due, "why": self.why, "waiting": self.waiting, "next_at": next_at}


def due(
    assistant: Assistant,
    *,
    model: str,
    every_days: int,
    after_passages: int,
    namespace: Sequence[str] = (),
    recipe: Recipe,
) -> Due:
    """Looks at the adapters of the same documents and model, and at what would be chosen now.

    model: the SPEC that the adapter is for. every_days, after_passages: 0 is never. namespace: globs of paths.
    """
    if not every_days and not after_passages:
        return Due(False, "no setting asks for it: distill_every_days, or distill_after_passages", 0, None)
    if not model.startswith("transformers:"):
        return Due(False, f"adapters are for a transformers: model, and {hidden(model)} is set", 0, None)
    mine = [one for one in assistant.adapters() if (one.namespace, one.model) == (", ".join(namespace), model)]
    newest = max(mine, key=lambda one: one.id, default=None)
    chosen = {one.passage_id for one in select(assistant, namespace=namespace, recipe=recipe).chosen}
    if newest is not None and newest.state is AdapterState.CANDIDATE:
        if not chosen:
            return Due(False, f"{newest.name} was begun, and nothing is stable and used any more", 0, None)
        if is_by(newest, recipe):
            return Due(True, f"{newest.name} was begun and not finished", 0, None)
        why = f"{newest.name} was begun in another way; go on with that, or: lifelong adapters delete {newest.id}"
        return Due(False, why, 0, None)
    off = next((one for one in reversed(mine) if is_disabled(one)), None)
    if off is not None:
        why = f"{off.name} was disabled; enable or delete it, or distil by hand: lifelong distill"
        return Due(False, why, 0, None)
    waiting = _waiting(chosen, newest)
    if not waiting:
        return Due(False, "nothing new is stable and used", 0, None)
    wait = f"{waiting:,} {'passage waits' if waiting == 1 else 'passages wait'}"
    if after_passages and waiting >= after_passages:
        return Due(True, f"{wait}, of {after_passages:,} asked for", waiting, None)
    if not every_days:
        return Due(False, f"{wait}, of {after_passages:,} asked for", waiting, None)
    if newest is None:
        return Due(True, f"{wait}, and no adapter was made yet", waiting, None)
    next_at = newest.made_at + timedelta(days=every_days)
    if assistant.knowledge_base.now() >= next_at:
        days = "a day" if every_days == 1 else f"{every_days:,} days"
        return Due(True, f"{wait}, and {newest.name} was made over {days} ago", waiting, None)
    return Due(False, wait, waiting, next_at)


def _waiting(chosen: set[int], newest: Adapter | None) -> int:
    """How many of the passages that would be chosen are new; all of them where the last adapter lost a source."""
    if newest is None or newest.state is AdapterState.SUSPENDED:
        return len(chosen)
    return len(chosen - {source.passage_id for source in newest.sources})
