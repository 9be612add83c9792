"""An input → a smaller one with the same fault: delta debugging over the parts of an archive, then lines, then bytes.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: the ddmin there, without its
complements' cache.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.fuzz.mutate import zip_of, zip_parts

Holds = Callable[[bytes], bool]
_Piece = TypeVar("_Piece")


def minimised(data: bytes, holds: Holds, *, seconds: float) -> bytes:
    """The smallest input found in that time for which `holds`; `data` itself if it does not hold there."""
    end = time.monotonic() + seconds

    def is_good(candidate: bytes) -> bool:
        return time.monotonic() < end and holds(candidate)

    if not is_good(data):
        return data
    parts = zip_parts(data) if data[:2] == b"PK" else []
    if parts and is_good(zip_of(parts)):
        parts = _fewer(parts, lambda kept: is_good(zip_of(kept)))
        for i, (name, body) in enumerate(parts):

            def part_holds(smaller: bytes, i: int = i, name: str = name) -> bool:
                return is_good(zip_of([*parts[:i], (name, smaller), *parts[i + 1 :]]))

            parts[i] = (name, _smaller(body, part_holds))
        return zip_of(parts)
    return _smaller(data, is_good)


def _smaller(data: bytes, holds: Holds) -> bytes:
    for pattern in (rb"[^\n]*\n|[^\n]+", rb"<[^<>]*>|\w+|\W", rb"(?s)."):
        pieces = re.findall(pattern, data)
        if 1 < len(pieces) <= 4_000 and b"".join(pieces) == data:
            data = b"".join(_fewer(pieces, lambda kept: holds(b"".join(kept))))
    return data


def _fewer(pieces: Sequence[_Piece], holds: Callable[[Sequence[_Piece]], bool]) -> list[_Piece]:
    """Those of the pieces without any of which it no longer holds, about."""
    kept = list(pieces)
    size = len(kept) // 2 or 1
    while kept:
        i, was = 0, len(kept)
        while i < len(kept):
            candidate = kept[:i] + kept[i + size :]
            if holds(candidate):
                kept = candidate
            else:
                i += size
        if size == 1 and len(kept) == was:
            break
        size = max(1, size // 2)
    return kept
