"""Inputs tried one after another, in a process that one of them may kill.

Rule: an input is written to a file shared with the parent before it is tried, so that one that kills or hangs the
process is known; all other faults are written down here, one input a kind, and it goes on.
"""

from __future__ import annotations

import json
import mmap
import re
import resource
import select
import socket
import struct
import time
import zlib
from pathlib import Path

from benchmarks.fuzz.inputs import faults_of, file_of
from benchmarks.fuzz.mutate import MAX_BYTES
from benchmarks.fuzz.oracle import Fault

MAX_GROWTH_BYTES = 400_000_000  # of resident memory, over one input
_HEAD = struct.Struct("<QQQ")  # inputs begun, bytes of the last, CPU time in all in µs
SLOT_BYTES = _HEAD.size + 2 * MAX_BYTES


class Slot:
    """The number of inputs begun and the last of them, where the parent sees them."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != SLOT_BYTES:
            path.write_bytes(bytes(SLOT_BYTES))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), SLOT_BYTES)
        self._before_us = self.read_head()[2]  # of processes before this one

    def begin(self, given: bytes) -> int:
        """Writes an input down; how many there were before it."""
        number, _, _ = self.read_head()
        self._memory[_HEAD.size : _HEAD.size + len(given)] = given
        used_us = self._before_us + int(time.process_time() * 1e6)
        _HEAD.pack_into(self._memory, 0, number + 1, len(given), used_us)
        return number

    def read_head(self) -> tuple[int, int, int]:
        """(inputs begun, bytes of the last one, CPU time of all in µs, of our processes alone)"""
        number, size, used_us = _HEAD.unpack_from(self._memory, 0)
        return int(number), int(size), int(used_us)

    def last(self) -> bytes:
        """The input tried last."""
        return bytes(self._memory[_HEAD.size : _HEAD.size + self.read_head()[1]])


class Trial:
    """Tries inputs one after another and writes down what is wrong."""

    def __init__(self, target: str, work: Path) -> None:
        self._target = target
        self._slot = Slot(work / f"{target}.slot")
        self._found = work / "found" / target
        self._found.mkdir(parents=True, exist_ok=True)
        self._kinds = {json.loads(path.read_text())["kind"] for path in self._found.glob("*.json")}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/a.dtd"
        self._peak = 0

    def warm(self, seeds: list[bytes]) -> None:
        """Reads some inputs, so that all is imported."""
        for given in seeds:
            faults_of(self._target, given, is_twice=False)

    def try_it(self, given: bytes) -> None:
        """Asks the oracle, and whether anybody called, and whether memory grew."""
        given = bytes(given[: 2 * MAX_BYTES])
        number = self._slot.begin(given)
        try:
            found = faults_of(self._target, given, is_twice=zlib.crc32(given) % 4 == 0)
        except MemoryError:
            found = [Fault("memory: more than there is", f"{len(given)} bytes")]
        if select.select([self._listener], [], [], 0)[0]:
            self._listener.accept()[0].close()
            found.append(Fault("outside: it asked an address", ""))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if number > 50 and self._peak and peak > self._peak + MAX_GROWTH_BYTES:
            found.append(Fault("memory: grew", f"by {(peak - self._peak) / 1e6:.0f} MB for {len(given)} bytes"))
        self._peak = peak
        for fault in found:
            if fault.kind not in self._kinds:
                self._kinds.add(fault.kind)
                save(self._found, self._target, given, fault)


def save(folder: Path, target: str, given: bytes, fault: Fault) -> Path:
    """Writes an input and what is wrong with it beside each other; the path of the description."""
    name, data = file_of(target, given)
    stem = f"{re.sub(r'[^A-Za-z0-9]+', '-', fault.kind)[:60]}-{zlib.crc32(given):08x}"
    (folder / f"{stem}.input").write_bytes(given)
    (folder / f"{stem}{name[1:]}").write_bytes(data)
    path = folder / f"{stem}.json"
    path.write_text(json.dumps({"kind": fault.kind, "detail": fault.detail, "bytes": len(given)}, indent=1))
    return path
