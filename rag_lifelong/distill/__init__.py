"""Stable, used knowledge → an adapter beside the frozen model: optional, gated, revocable."""

from rag_lifelong.distill.distillation import Distilled, Stage, distill
from rag_lifelong.distill.gates import Arm, GateResult, Probe
from rag_lifelong.distill.planning import Plan, plan
from rag_lifelong.distill.recipe import Recipe, Thresholds
from rag_lifelong.distill.report import Report

__all__ = [
    "Arm",
    "Distilled",
    "GateResult",
    "Plan",
    "Probe",
    "Recipe",
    "Report",
    "Stage",
    "Thresholds",
    "distill",
    "plan",
]
