"""The reader's own weights beside MiniLM's: read, and put together.

Rule: nothing of MiniLM is written to; a changed matrix is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.embed.weights import read_tensors

Floats = NDArray[np.float32]

FILE = Path(__file__).with_name("weights.safetensors")
_PREFIX = "bert."


def put_together(frozen: Mapping[str, Floats], own: Mapping[str, Floats]) -> dict[str, Floats]:
    """The encoder's tensors: W + B A where `own` holds A as W's `down` and B as its `up` (Hu et al. 2021, LoRA, arXiv
    2106.09685), and own biases and norms in place of the frozen ones."""
    found = dict(frozen)
    for name, tensor in own.items():
        if not name.startswith(_PREFIX):
            continue
        plain = name.removeprefix(_PREFIX)
        if plain.endswith(".down"):
            matrix = plain.removesuffix("down")
            found[matrix + "weight"] = frozen[matrix + "weight"] + own[f"{_PREFIX}{matrix}up"] @ tensor
        elif not plain.endswith(".up"):
            found[plain] = tensor
    return found


def read_changes(path: Path) -> dict[str, Floats]:
    """The reader's own tensors."""
    return read_tensors(path)
