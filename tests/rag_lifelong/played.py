"""A distillation without a model: its adapters are kept in the real registry, and nothing is trained."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from distilled import MODEL, REPORT, begun, judged, sources_of

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.distillation import Distilled, Stage
from rag_lifelong.distill.gates import Probe
from rag_lifelong.distill.lease import alone
from rag_lifelong.distill.planning import Plan
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.report import Report
from rag_lifelong.distill.selection import Candidate, Count, Selection
from rag_lifelong.errors import Stopped


class Played:
    """Stands in for what needs a model: a selection by hand, a training of a few steps that changes no weights.

    What it keeps, it keeps in the real registry. steps: of its training; stop_at: ^C is pressed after so many of them.
    is_empty: no passage is there.
    """

    def __init__(self, *names: str, report: Report = REPORT, steps: int = 3) -> None:
        self.names = names
        self.report = report
        self.steps = steps
        self.stop_at: int | None = None
        self.is_empty = False
        self.pause_s = 0.0
        self.recipes: list[Recipe] = []
        self.probe: Sequence[Probe] | None = None

    def select(self, assistant: Assistant, *, namespace: Sequence[str], recipe: Recipe) -> Selection:
        paths = {Path(document.path).name: document.path for document in assistant.documents()}
        chosen = []
        for at, (name, source) in enumerate(zip(self.names, sources_of(assistant, *self.names), strict=True)):
            since = assistant.knowledge_base.now() - timedelta(days=31 + at)
            chosen.append(
                Candidate(
                    passage_id=source.passage_id,
                    document_id=source.document_id,
                    revision_id=source.revision_id,
                    digest=source.digest,
                    path=paths[name],
                    label="Launch",
                    title="",
                    text="",
                    start=0,
                    end=9,
                    living_since=since,
                    versions_unchanged=2,
                    found=4 + at,
                    cited=3,
                    good=1,
                    bad=0,
                    questions=(),
                )
            )
        if self.is_empty:
            return Selection((), (), (), 1, 0)
        counts = (Count("never found", 1_200, 34), Count("changed today; stable after 7 days", 1, 1))
        beyond = tuple((replace(one, path=f"{one.path}.old", label="p. 2"), "never found") for one in chosen[:1])
        return Selection(tuple(chosen), beyond, counts, 1, 1_201 + len(chosen))

    def plan(self, assistant: Assistant, *, namespace: Sequence[str] = (), recipe: Recipe) -> Plan:
        self.recipes.append(recipe)
        selection = self.select(assistant, namespace=namespace, recipe=recipe)
        model = assistant.language_model
        known = assistant.knowledge_base.adapters.unfinished(", ".join(namespace), MODEL, "b" * 64)
        return Plan(
            namespace=", ".join(namespace),
            recipe=recipe,
            selection=selection,
            seconds=None if model is None else 754.0,
            memory_bytes=None if model is None else 3_100_000_000,
            writer="templates" if model is None else MODEL,
            continues=None if known is None else known.id,
        )

    def distill(
        self,
        assistant: Assistant,
        plan: Plan,
        *,
        probe: Sequence[Probe] | None = None,
        tell: Callable[[Stage], None] | None = None,
        is_stopped: Callable[[], bool] | None = None,
    ) -> Distilled:
        self.probe = probe
        with alone(assistant.knowledge_base.path):
            return self._distilled(assistant, plan, tell, is_stopped)

    def _distilled(
        self,
        assistant: Assistant,
        plan: Plan,
        tell: Callable[[Stage], None] | None,
        is_stopped: Callable[[], bool] | None,
    ) -> Distilled:
        known = assistant.knowledge_base.adapters
        if plan.continues is None:
            adapter = begun(assistant, *self.names, namespace=plan.namespace, recipe=plan.recipe)
        else:
            adapter = known.read(plan.continues)
        kept = known.part(adapter.id, "checkpoint")
        for step in range(0 if kept is None else int(kept), self.steps + 1):
            if tell is not None:
                tell(Stage("training", step, self.steps, 1.0 / (step + 1)))
            if step == self.stop_at:
                os.kill(os.getpid(), signal.SIGINT)
            if is_stopped is not None and is_stopped():
                known.keep(adapter.id, "checkpoint", str(step).encode())
                raise Stopped("stopped")
            time.sleep(self.pause_s)
        return Distilled(judged(assistant, adapter, self.report), self.report, b"", b"")
