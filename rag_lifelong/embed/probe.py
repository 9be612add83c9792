"""Texts by which it is told whether two runtimes of a model are one.

Rule: they may share a fingerprint if their vectors of each of these agree to a cosine of at least 0.9999.
"""

from __future__ import annotations

PROBE: tuple[str, ...] = (
    "Retries are capped at five, with a jittered back-off of 200 ms.",
    "what did we decide about the database migration?",
    "def cosine(a, b):\n    return float(a @ b)  # both of unit length",
    "Die Straßenbahn fährt um 7:45 Uhr von Gleis 3; naïve café façade.",
    "東京都の人口は約1400万人です。",
    "| host | port |\n|---|---|\n| db-1.example.org | 5432 |",
    "see https://example.org/a/b?c=d&e=%20f#g and mail ops+oncall@example.org",
    "yes",
    "In the first year the committee met eleven times, in the second only twice, and of the "
    "minutes kept by its secretary, which filled three volumes, one has since been lost. " * 8,
)
"""Short texts in several styles, and a long one."""
AGREEMENT = 0.9999
"""The least cosine of one fingerprint."""
