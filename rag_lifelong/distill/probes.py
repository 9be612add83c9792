"""General prompts: what an adapter must leave as it was.

Rule: they are of no document. Half of them keep the adapter in place while it is trained, the other half are asked at
its gates.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

from rag_lifelong.distill.gates import Probe
from rag_lifelong.errors import BadSetting

_FILE = Path(__file__).with_name("probes.tsv")
_One = TypeVar("_One", bound=Hashable)


def general() -> tuple[Probe, ...]:
    """A hundred questions of common knowledge, with their answers."""
    return read(_FILE)


def read(path: Path) -> tuple[Probe, ...]:
    """Of a file of one prompt a line, after a tab the right answer, if there is one; "#" begins a remark.

    A prompt that stands there twice counts once. Raises BadSetting.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadSetting(f"cannot read {path}: {reason}") from error
    found: dict[str, Probe] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        prompt, _, answer = (part.strip() for part in line.partition("\t"))
        if not prompt:
            raise BadSetting(f"{path}, line {number}: write a question, a tab, and its answer")
        found.setdefault(" ".join(prompt.casefold().split()), Probe(prompt, answer or None))
    if not found:
        raise BadSetting(f"{path} holds no question")
    return tuple(found.values())


def parted(values: Sequence[Probe], seed: int) -> tuple[tuple[Probe, ...], tuple[Probe, ...]]:
    """(those that keep the adapter in place, those that are asked at its gates)."""
    return halves(values, f"probes {seed}")


def halves(values: Sequence[_One], seed: str) -> tuple[tuple[_One, ...], tuple[_One, ...]]:
    """Two parts of equal size, drawn with the seed, each in the order given; the second has the odd one."""
    first = set(random.Random(seed).sample(range(len(values)), len(values) // 2))
    return (
        tuple(value for i, value in enumerate(values) if i in first),
        tuple(value for i, value in enumerate(values) if i not in first),
    )
