"""What runs in a process of its own: a target fuzzed for some seconds, one input checked, or made smaller.

Fuzzing is guided by coverage where atheris is installed, else blind. Our own modules are imported late, so that
atheris counts their branches.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import zlib
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.fuzz.mutate import Mutator
    from benchmarks.fuzz.target import Trial

MEMORY_BYTES = 1_500_000_000  # beyond what the interpreter and its libraries have when it begins

# The libraries in Python; `json` and `re` are loaded before anything can be counted.
_COUNTED = [
    "ingest", "docx", "pptx", "openpyxl", "oxmsg", "olefile", "markdown_it", "mdurl", "yaml", "mailbox", "csv", "striprtf", "tarfile", "zipfile",
    "defusedxml", "compressed_rtf", "rarfile", "py7zr", "configparser", "quopri",
]  # fmt: skip


def main() -> int:
    """The exit status; what was found is in the work folder, or printed as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz.child")
    parser.add_argument("act", choices=("fuzz", "check", "minimise", "digests"))
    parser.add_argument("target")
    parser.add_argument(
        "path", type=Path, help="the work folder; the input; the description of a fault; a folder of inputs"
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    sys.dont_write_bytecode = True
    if given.act == "fuzz":
        _fuzz(given.target, given.path, seconds=given.seconds, seed=given.seed, is_plain=given.plain)
    elif given.act == "check":
        _check(given.target, given.path)
    elif given.act == "minimise":
        _minimise(given.target, given.path)
    else:
        for path in sorted(given.path.iterdir())[:100]:
            print(path.name, _digest(given.target, path.read_bytes()))
    return 0


def _fuzz(target: str, work: Path, *, seconds: int, seed: int, is_plain: bool) -> None:
    counted: AbstractContextManager[object] = nullcontext()
    is_guided = not is_plain and find_spec("atheris") is not None
    if is_guided:
        import atheris

        counted = atheris.instrument_imports(include=_COUNTED)
    corpus = work / "corpus" / target
    seeds = [path.read_bytes() for path in sorted(corpus.glob("seed-*"))]
    with counted:
        from benchmarks.fuzz.mutate import mutator
        from benchmarks.fuzz.oracle import CANARY
        from benchmarks.fuzz.target import Trial

        trial = Trial(target, work)
        trial.warm(seeds)
    canary = work / "canary.txt"
    canary.write_text(CANARY)
    change = mutator(target, [seed[1:] for seed in seeds], canary=str(canary), url=trial.url)
    _limit_memory()
    if is_guided:
        _guided(trial, change, corpus, seconds=seconds, seed=seed)
    else:
        _blind(trial, change, corpus, seconds=seconds, seed=seed)


def _limit_memory() -> None:
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _guided(trial: Trial, change: Mutator, corpus: Path, *, seconds: int, seed: int) -> None:
    """With atheris; does not come back."""
    import atheris

    from benchmarks.fuzz.mutate import MAX_BYTES

    def mutate(data: bytes, max_bytes: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.15:
            return bytes(atheris.Mutate(data, max_bytes))
        return _changed(change, data, rng)[:max_bytes]

    arguments = [
        sys.argv[0], f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_BYTES}", "-rss_limit_mb=0", "-timeout=300", "-len_control=0",
        f"-artifact_prefix={corpus.parent.parent}/last-", "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    atheris.Setup(arguments, trial.try_it, custom_mutator=mutate)
    atheris.Fuzz()


def _blind(trial: Trial, change: Mutator, corpus: Path, *, seconds: int, seed: int) -> None:
    """Without coverage: each from one that was there, or was kept by chance."""
    pool = [path.read_bytes() for path in sorted(corpus.iterdir())]
    first = len(pool)
    rng = Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        given = _changed(change, rng.choice(pool), rng)
        trial.try_it(given)
        if rng.random() < 0.02 and len(given) < 20_000:
            if len(pool) < first + 300:
                pool.append(given)
            else:
                pool[rng.randrange(first, len(pool))] = given


def _changed(change: Mutator, given: bytes, rng: Random) -> bytes:
    first = given[:1] or b"\x00"
    return (bytes([rng.randrange(256)]) if rng.random() < 0.03 else first) + change.mutated(given[1:], rng)


def _check(target: str, path: Path) -> None:
    from benchmarks.fuzz.inputs import faults_of, seeds

    for given in seeds(target, [])[:3]:
        faults_of(target, given)  # so that imports are not counted as its time
    _limit_memory()
    print(json.dumps([(fault.kind, fault.detail) for fault in faults_of(target, path.read_bytes())]))


def _minimise(target: str, path: Path) -> None:
    """The input beside a description, as small as it can be made while the fault stays."""
    from benchmarks.fuzz.inputs import faults_of
    from benchmarks.fuzz.minimise import minimised
    from benchmarks.fuzz.oracle import Fault
    from benchmarks.fuzz.target import save

    kind = json.loads(path.read_text())["kind"]
    given = path.with_suffix(".input").read_bytes()

    def holds(data: bytes) -> bool:
        return any(fault.kind == kind for fault in faults_of(target, given[:1] + data))

    _limit_memory()
    small = given[:1] + minimised(given[1:], holds, seconds=20)
    if small == given:
        return
    detail = next(fault.detail for fault in faults_of(target, small) if fault.kind == kind)
    save(path.parent, target, small, Fault(kind, detail))
    for old in path.parent.glob(f"{path.stem}.*"):
        old.unlink()


def _digest(target: str, given: bytes) -> int:
    """Of all that a document or reason says."""
    from benchmarks.fuzz.inputs import file_of
    from ingest import IngestError
    from ingest.apart import encoded
    from ingest.parsers import parse

    name, data = file_of(target, given)
    try:
        shown = b"".join(encoded(parse(data, name=name)))
    except IngestError as error:
        shown = str(error).encode()
    return zlib.crc32(shown)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
