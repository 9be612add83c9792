"""How well a knowledge base keeps what it was told: measured on itself, without labels and without a model."""

from rag_lifelong.evaluate.asked import Fate, Replay, Replayed, replay
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.evaluate.own import SAMPLES, evaluate
from rag_lifelong.evaluate.reasons import Reason
from rag_lifelong.evaluate.report import Difference, Dilution, Equality, Evaluation, Ranks, Retention

__all__ = [
    "SAMPLES",
    "Difference",
    "Dilution",
    "Equality",
    "Evaluation",
    "Fate",
    "Ranks",
    "Reason",
    "Replay",
    "Replayed",
    "Retention",
    "Share",
    "evaluate",
    "replay",
]
