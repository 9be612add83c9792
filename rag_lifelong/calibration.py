"""What was measured of an embedder's cosines, by its fingerprint: how much they count, and whether they tell an answer.

Rule: a weight or threshold belongs to the fingerprint it was measured for. For any other, cosines count half, and
whether the sources answer is judged by words alone, more strictly.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """dense_weight: of the cosine in the convex mix with BM25, both min-max scaled. is_measured: its cosines tell
    whether a passage answers."""

    dense_weight: float
    is_measured: bool


UNMEASURED = Calibration(dense_weight=0.5, is_measured=False)

# By the first part of the fingerprint: the rest tells files apart, and those were verified (embed/minilm.py).
_MEASURED = {
    # dense_weight: benchmarks.retrieval, tuning half; the model of answers: quote/support.py
    "all-MiniLM-L6-v2": Calibration(dense_weight=0.6, is_measured=True),
}


def calibration_of(fingerprint: str) -> Calibration:
    """What is known of the embedder with that fingerprint."""
    return _MEASURED.get(fingerprint.partition(":")[0], UNMEASURED)
