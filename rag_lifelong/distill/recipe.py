"""Everything that decides a distillation: what is chosen, how it is trained, and which gates the adapter must pass.

Rule: one value, recorded with every adapter. Two runs with equal recipes, sources and base make equal weights on the
same machine. Thresholds are set before anything is trained, and never from what is measured with them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rag_lifelong.types import Adapter


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The gates. Shares lie in [0, 1]; "at least" and "at most" hold for the value, and for its 95 % bound, if named.

    gain: the lower bound of what is won closed book on held-out wordings, over the base and over the control, in F1.
    beside: what retrieval may lose by the adapter at most, in F1; beside_bound: its 95 % bound.
    unrelated, neighbours: share of prompts answered as the base does, letter for letter, and their bounds.
    probe: what general questions may lose; probe_bound: its bound. refusals: what may be refused less, as a share;
    refusals_bound: its bound. drift: upper bound of the mean KL divergence from the base on general prompts, in nats
    per token. min_items: of fewer, a gate cannot tell, and does not hold.

    The margins of the bounds are as wide as some hundred prompts can tell; the values themselves are the tighter ones.
    """

    gain: float = 0.0
    beside: float = 0.005
    beside_bound: float = 0.05
    unrelated: float = 0.99
    unrelated_bound: float = 0.95
    neighbours: float = 0.95
    neighbours_bound: float = 0.90
    probe: float = 0.01
    probe_bound: float = 0.05
    refusals: float = 0.0
    refusals_bound: float = 0.05
    drift: float = 0.05
    min_items: int = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """Defaults follow what is known to work for adapters that hold knowledge.

    Chosen are passages unchanged for min_age_days or over min_versions versions, found or cited at least min_uses
    times, or said to be good; at most max_passages. wordings: of each fact; held_out: the share of them kept from
    training.

    rank, alpha, layers: of the LoRA layers; `layers` is the share of the layers, from the top. learning_rate: of a
    layer's first matrix; the second one's is higher (`training`). epochs: how often each pair is seen, within `steps`
    steps of `batch` prompts each. top_k: logits of the teacher that are matched. replay: share of a batch from the
    pairs of the adapter before it; locality: from neighbours, the same questions about others, and what passages do not
    answer; general: from general prompts; of both, what the base itself says is the target; with_passages: from pairs
    with retrieved passages before them, as they are asked in use. evidence: how many passages that are. answer_tokens:
    of an answer at most. checkpoint_steps: so many are lost at most when a run is broken off. seed: of all that is
    drawn. Shares and sizes were set by attempts on made-up notes (docs/log.md), not on a large model.
    """

    min_age_days: int = 7
    min_versions: int = 5
    min_uses: int = 2
    max_passages: int = 200
    wordings: int = 5
    held_out: float = 0.2
    rank: int = 16
    alpha: int = 16
    layers: float = 0.5
    learning_rate: float = 2e-4
    epochs: int = 30
    steps: int = 1_500
    batch: int = 16
    evidence: int = 4
    top_k: int = 20
    replay: float = 0.1
    locality: float = 0.45
    general: float = 0.15
    with_passages: float = 0.15
    checkpoint_steps: int = 100
    answer_tokens: int = 48
    seed: int = 7
    thresholds: Thresholds = Thresholds()


DEFAULT = Recipe()


def is_by(adapter: Adapter, recipe: Recipe) -> bool:
    """The adapter was begun by this very recipe."""
    return bool(json.loads(adapter.settings).get("recipe") == asdict(recipe))
