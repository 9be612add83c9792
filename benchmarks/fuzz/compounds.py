"""Compound files ([MS-CFB]) made of streams and storages: the container of .msg, .doc, .xls and .ppt files."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

END, FREE, FAT_SECTOR = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
Tree = Mapping[str, Any]
"""Name → bytes of a stream, or the tree of a storage."""


def compound(tree: Tree) -> bytes:
    """A compound file of version 3 with that in it."""
    sectors: list[bytes] = []
    chains: list[tuple[int, int]] = []  # first sector and how many
    mini = b""
    mini_chains: list[tuple[int, int]] = []
    entries: list[list[Any]] = [["Root Entry", 5, FREE, FREE, END, 0]]  # name, kind, right, child, start, size

    def store(data: bytes) -> int:
        start = len(sectors)
        sectors.extend(data[at : at + 512].ljust(512, b"\0") for at in range(0, len(data), 512))
        chains.append((start, len(sectors) - start))
        return start

    def add(children: Tree, parent: int) -> None:
        nonlocal mini
        before = None
        for name, content in children.items():
            entries.append([name, 1, FREE, FREE, END, 0])
            number = len(entries) - 1
            if before is None:
                entries[parent][3] = number
            else:
                entries[before][2] = number
            before = number
            if not isinstance(content, bytes):
                add(content, number)
            else:
                entries[number][1] = 2
                entries[number][5] = len(content)
                if len(content) >= 4096:
                    entries[number][4] = store(content)
                elif content:
                    entries[number][4] = len(mini) // 64
                    mini += content.ljust(-(-len(content) // 64) * 64, b"\0")
                    mini_chains.append((entries[number][4], -(-len(content) // 64)))

    add(tree, 0)
    entries[0][4:] = [store(mini) if mini else END, len(mini)]
    listed = b""
    for name, kind, right, child, start, size in entries:
        wide = name.encode("utf-16-le")
        listed += wide.ljust(64, b"\0") + struct.pack("<HBBIII", len(wide) + 2, kind, 1, FREE, right, child)
        listed += bytes(36) + struct.pack("<IQ", start, size)
    directory = store(listed)
    mini_table = [FREE] * (-(-len(mini) // 64))
    for first, count in mini_chains:
        mini_table[first : first + count] = [*range(first + 1, first + count), END]
    mini_start = store(struct.pack(f"<{len(mini_table)}I", *mini_table)) if mini_table else END
    fats = -(-(len(sectors) + len(sectors) // 128 + 1) // 128)
    table = [FREE] * len(sectors) + [FAT_SECTOR] * fats
    for first, count in chains:
        table[first : first + count] = [*range(first + 1, first + count), END]
    table += [FREE] * (fats * 128 - len(table))
    where = list(range(len(sectors), len(sectors) + fats))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, fats, directory, 0, 4096, mini_start, -(-len(mini_table) // 128), END, 0)
    header += struct.pack("<109I", *where, *[FREE] * (109 - fats))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)
