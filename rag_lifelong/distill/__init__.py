"""Stable, used knowledge → an adapter beside the frozen model: optional, gated, revocable."""

from rag_lifelong.distill.distillation import Distilled, Stage, distill
from rag_lifelong.distill.gates import Arm, GateResult, Probe
from rag_lifelong.distill.planning import Plan, plan
from rag_lifelong.distill.recipe import Recipe, Thresholds
from rag_lifelong.distill.report import Report
from rag_lifelong.distill.schedule import Due, due

__all__ = [
    "Arm",
    "Distilled",
    "Due",
    "GateResult",
    "Plan",
    "Probe",
    "Recipe",
    "Report",
    "Stage",
    "Thresholds",
    "distill",
    "due",
    "plan",
]
