"""What a distillation found, as it is kept with its adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rag_lifelong.distill.gates import Arm, GateResult


@dataclass(frozen=True, slots=True)
class Report:
    """gates, arms: as `gates.examine` gives them. writer: who wrote the pairs. notes: what a reader must know.

    passages, facts, pairs, held_out: of what was learned; refused: pairs that the model with the passage did not
    reproduce. others: passages of other documents, for the control, the neighbours and what keeps the adapter in place.
    lessons: by what they are for. steps: of training; loss: at its beginning and end, the mean of a tenth of the steps,
    nats per token. seconds: by stage. peak_bytes: the most memory of the process so far; None where it is not known.
    weights_digest: SHA-256 of the adapter's file.
    """

    gates: tuple[GateResult, ...]
    arms: tuple[Arm, ...]
    writer: str
    notes: tuple[str, ...]
    passages: int
    facts: int
    pairs: int
    held_out: int
    refused: int
    others: int
    lessons: Mapping[str, int]
    steps: int
    loss: tuple[float, float]
    seconds: Mapping[str, float]
    peak_bytes: int | None
    weights_digest: str

    @property
    def failed(self) -> tuple[GateResult, ...]:
        """The gates that do not hold."""
        return tuple(gate for gate in self.gates if not gate.holds)

    def to_json(self) -> str:
        """For `from_json`."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Report:
        """What `to_json` wrote."""
        values = json.loads(text)
        return Report(
            **{
                **values,
                "gates": tuple(GateResult(**gate) for gate in values["gates"]),
                "arms": tuple(Arm(**arm) for arm in values["arms"]),
                "notes": tuple(values["notes"]),
                "loss": tuple(values["loss"]),
            }
        )
