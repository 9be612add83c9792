"""Stable, used knowledge → an adapter beside the frozen model: optional, gated, revocable."""

from rag_lifelong.distill.recipe import Recipe, Thresholds

__all__ = ["Recipe", "Thresholds"]
