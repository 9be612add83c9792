"""Compound files (old Office formats): whether every chain of sectors in them ends.

Rule: a file whose chains run in circles is damaged; libraries that follow them fill the memory. [MS-CFB], 2.1 to 2.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES = 512
_LAST_SECTOR = 0xFFFFFFFA  # greater numbers are marks: free, end of chain, …
_HEADER_FAT_SECTORS = 109


def is_endless(data: bytes) -> bool:
    """Whether a chain of the file's sectors, of its small sectors or of its table's sectors comes back to itself."""
    if not data.startswith(_SIGNATURE) or len(data) < _HEADER_BYTES:
        return False
    (shift,) = struct.unpack_from("<H", data, 30)
    size = 1 << (12 if shift == 12 else 9)
    (first_small, _, first_more, _, *numbers) = struct.unpack_from(f"<4I{_HEADER_FAT_SECTORS}I", data, 60)
    seen: set[int] = set()
    while first_more <= _LAST_SECTOR:
        if first_more in seen:
            return True
        seen.add(first_more)
        *more, first_more = _sector(data, first_more, size) or (_LAST_SECTOR + 1,)
        numbers += more
    table = [number for n in numbers if n <= _LAST_SECTOR for number in _sector(data, n, size)]
    if _has_circle(table):
        return True
    return _has_circle([number for n in _chain(table, first_small) for number in _sector(data, n, size)])


def _sector(data: bytes, number: int, size: int) -> tuple[int, ...]:
    """The numbers in a sector; fewer, or none, where the file ends."""
    start = (number + 1) * size
    part = data[start : start + size]
    return struct.unpack(f"<{len(part) // 4}I", part[: len(part) // 4 * 4])


def _chain(table: Sequence[int], first: int) -> Iterator[int]:
    """The sectors of a chain. table: without a circle."""
    while first <= _LAST_SECTOR:
        yield first
        first = table[first] if first < len(table) else _LAST_SECTOR + 1


def _has_circle(table: Sequence[int]) -> bool:
    """table: by sector, the next one."""
    count = len(table)
    arrows = [0] * count  # that lead to each
    for target in table:
        if target < count:
            arrows[target] += 1
    free = [i for i in range(count) if not arrows[i]]
    left = count
    while free:  # what nothing leads to lies in no circle
        left -= 1
        target = table[free.pop()]
        if target < count:
            arrows[target] -= 1
            if not arrows[target]:
                free.append(target)
    return left > 0
