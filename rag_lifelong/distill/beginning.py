"""What an adapter is made of: as a run that was broken off had begun it, or anew.

Rule: a run goes on with the passages that it was begun with, whatever was read in and asked since, as long as all of
them stand; the user goes on living meanwhile. Under the lease, since what a plan has seen may be over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from rag_lifelong.adapters import is_disabled, stands
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.neighbours import neighbours
from rag_lifelong.distill.pairs import Pair, Pairs
from rag_lifelong.distill.planning import Plan
from rag_lifelong.distill.recipe import is_by
from rag_lifelong.distill.selection import Candidate, candidates_of
from rag_lifelong.errors import NoSuchAdapter, NothingToDistil
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store.adapters import PAIRS
from rag_lifelong.types import HOLDS, Adapter, AdapterState, Source

_CHOSEN, _BESIDE = "chosen", "beside"  # passages that a candidate was begun with, in its settings


@dataclass(frozen=True, slots=True)
class Begun:
    """A candidate and its passages.

    chosen: those that pairs are written about. replayed: those of `former`, the pairs of the adapter before it, which
    it would else not know. others: beside these, where the model is to stay as it is.
    """

    adapter: Adapter
    chosen: tuple[Candidate, ...]
    replayed: tuple[Candidate, ...]
    former: tuple[Pair, ...]
    others: tuple[Candidate, ...]

    @property
    def sources(self) -> tuple[Candidate, ...]:
        """What it is made of."""
        return (*self.chosen, *self.replayed)


def begin(assistant: Assistant, model: TransformersModel, plan: Plan) -> Begun:
    """The run that the plan goes on with, else a new one.

    Raises NothingToDistil where there is nothing to compare with, or where that run was finished meanwhile;
    SourcesChanged.
    """
    _refuse_what_was_finished(assistant.knowledge_base, plan)
    return _gone_on(assistant, model, plan) or _anew(assistant, model, plan)


def former_of(
    base: KnowledgeBase, model: TransformersModel, plan: Plan, chosen: Sequence[Candidate]
) -> tuple[tuple[Pair, ...], tuple[Candidate, ...]]:
    """(pairs, their passages) of the adapter before this one that it would else not know: those that hold still.

    None of one that the user has disabled, and nothing that was called wrong since.
    """
    place = (plan.namespace, model.name, model.base_digest())
    alike = [one for one in base.adapters.all() if one.passed and (one.namespace, one.model, one.base_digest) == place]
    is_wanted = bool(alike) and bool(plan.recipe.replay) and not is_disabled(alike[-1])
    kept = base.adapters.part(alike[-1].id, PAIRS) if is_wanted else None
    if kept is None:
        return (), ()
    new = {one.passage_id for one in chosen}
    standings = base.standings()
    pairs = [pair for pair in Pairs.from_json(kept.decode()).pairs if pair.passage_id not in new]
    living = candidates_of(base, sorted({pair.passage_id for pair in pairs}))
    replayed = tuple(one for one in living if standings.get(one.document_id) == HOLDS and not one.bad)
    ids = {one.passage_id for one in replayed}
    return tuple(pair for pair in pairs if pair.passage_id in ids), replayed


# -- inside


def _refuse_what_was_finished(base: KnowledgeBase, plan: Plan) -> None:
    """What the plan was to go on with may be in use by now."""
    if plan.continues is None:
        return
    with suppress(NoSuchAdapter):
        planned = base.adapters.read(plan.continues)
        if planned.state in (AdapterState.ACTIVE, AdapterState.REJECTED, AdapterState.RETIRED):
            raise NothingToDistil(f"{planned.name}, which it was to go on with, is {stands(planned)}")


def _gone_on(assistant: Assistant, model: TransformersModel, plan: Plan) -> Begun | None:
    """None if there is none by this recipe, or not all that it is made of is to be had: then that one is given up."""
    base = assistant.knowledge_base
    known = base.adapters.unfinished(plan.namespace, model.name, model.base_digest())
    if known is None:
        return None
    settings = json.loads(known.settings)
    chosen = _standing(base, settings.get(_CHOSEN, []))
    if is_by(known, plan.recipe) and chosen and not any(one.bad for one in chosen):
        former, replayed = former_of(base, model, plan, chosen)
        found = Begun(known, chosen, replayed, former, _standing(base, settings.get(_BESIDE, [])))
        if {source.passage_id for source in known.sources} == {one.passage_id for one in found.sources}:
            return found if found.others else replace(found, others=_beside(assistant, found.sources, plan))
    base.adapters.delete(known.id)
    return None


def _anew(assistant: Assistant, model: TransformersModel, plan: Plan) -> Begun:
    """Of what is chosen now."""
    base, chosen = assistant.knowledge_base, plan.selection.chosen
    former, replayed = former_of(base, model, plan, chosen)
    sources = (*chosen, *replayed)
    others = _beside(assistant, sources, plan)
    begun_with = {_CHOSEN: chosen, _BESIDE: others}
    settings = {name: [one.passage_id for one in passages] for name, passages in begun_with.items()}
    adapter = base.adapters.begin(
        namespace=plan.namespace,
        model=model.name,
        base_digest=model.base_digest(),
        settings=json.dumps({"recipe": asdict(plan.recipe), **settings}, sort_keys=True),
        sources=tuple(Source(one.passage_id, one.document_id, one.revision_id, one.digest) for one in sources),
    )
    return Begun(adapter, chosen, replayed, former, others)


def _beside(assistant: Assistant, sources: Sequence[Candidate], plan: Plan) -> tuple[Candidate, ...]:
    found = neighbours(assistant, sources, plan.recipe)
    if not found:
        raise NothingToDistil("there are no other passages to compare with; choose a part of them, by a glob")
    return found


def _standing(base: KnowledgeBase, passage_ids: Sequence[int]) -> tuple[Candidate, ...]:
    """These passages; () if not all of them live and hold."""
    found, standings = candidates_of(base, passage_ids), base.standings()
    is_whole = len(found) == len(passage_ids) and all(standings[one.document_id] == HOLDS for one in found)
    return found if is_whole else ()
