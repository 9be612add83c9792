"""What the steps of a search take, measured by standing before the functions that make them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Places = Mapping[str, tuple[object, str]]
"""step → (module or class, name of the function in it)."""


@contextmanager
def timed(places: Places) -> Iterator[dict[str, float]]:
    """step → milliseconds it has taken so far, while it is open."""
    taken = dict.fromkeys(places, 0.0)
    originals = {step: getattr(owner, name) for step, (owner, name) in places.items()}

    def watched(step: str) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return originals[step](*arguments, **named)
            finally:
                taken[step] += (time.perf_counter() - began) * 1_000

        return call

    for step, (owner, name) in places.items():
        setattr(owner, name, watched(step))
    try:
        yield taken
    finally:
        for step, (owner, name) in places.items():
            setattr(owner, name, originals[step])
