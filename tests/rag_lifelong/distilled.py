"""Adapters in the real registry without a training: sources as they stand, figures by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.gates import Arm, GateResult
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.report import Report
from rag_lifelong.types import Adapter, Source

MODEL = "transformers:~/models/small"
GAIN = GateResult("gain", 0.412, 0.301, None, 0.0, True, "facts won closed book, in F1 (of 40)")
DRIFT = GateResult("drift", 0.02, 0.031, None, 0.05, True, "nats per token from the base (of 60)")
REPORT = Report(
    gates=(GAIN, DRIFT),
    arms=(Arm("base", 0.021, 0.0, 0.05, 40), Arm("adapter", 0.433, 0.32, 0.55, 40)),
    writer="templates",
    notes=("Written by templates: this model writes no questions.",),
    passages=1,
    facts=40,
    pairs=210,
    held_out=42,
    refused=7,
    others=30,
    lessons={"know": 168},
    steps=1_200,
    loss=(2.5, 0.041),
    seconds={"pairs": 41.0, "training": 200.4},
    peak_bytes=3_100_000_000,
    weights_digest="c" * 64,
)


def sources_of(assistant: Assistant, *names: str) -> tuple[Source, ...]:
    """The first passage of each of the documents by these names."""
    base = assistant.knowledge_base
    paths = {Path(document.path).name: document for document in base.documents()}
    found = []
    with base.reading() as connection:
        for name in names:
            row = connection.execute(
                "SELECT p.id, p.document_id, r.revision_id, p.digest FROM passages p "
                "JOIN passage_lives l ON l.passage_id = p.id AND l.died IS NULL "
                "JOIN revision_lives r ON r.document_id = p.document_id AND r.died IS NULL "
                "WHERE p.document_id = ?",
                (paths[name].document_id,),
            ).fetchone()
            found.append(Source(*row))
    return tuple(found)


def begun(assistant: Assistant, *names: str, namespace: str = "", recipe: Recipe | None = None) -> Adapter:
    """A candidate, made of these documents."""
    return assistant.knowledge_base.adapters.begin(
        namespace=namespace,
        model=MODEL,
        base_digest="b" * 64,
        settings=json.dumps({"recipe": asdict(recipe or Recipe())}, sort_keys=True),
        sources=sources_of(assistant, *names),
    )


def judged(assistant: Assistant, adapter: Adapter, report: Report = REPORT) -> Adapter:
    """Promoted if all gates hold, as a distillation does it."""
    failed = ", ".join(gate.name for gate in report.failed)
    return assistant.knowledge_base.adapters.judge(
        adapter.id,
        report=report.to_json(),
        weights=b"W" * 2_000,
        passed=not failed,
        reason=f"rejected by {failed}" if failed else "all gates hold",
    )
