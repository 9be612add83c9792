"""Every parser and the chunker, fuzzed: `python -m benchmarks.fuzz --minutes 60`.

Each target is fuzzed in a process of its own, round after round; one that dies or hangs is started again. Prints a
table of inputs, rates, coverage and what was found; each finding is made as small as it can be and kept in the work
folder: the input, a file to open with the parser, and a description. ^C ends it with the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz.inputs import CHUNKS, seeds, targets
from benchmarks.fuzz.oracle import Fault
from benchmarks.fuzz.target import Slot, save

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "docs"
HANGS_S = 120.0  # without a new input, on a machine with others at work
START_S = 300.0  # until the first: all libraries are read and counted
ROUNDS = 3
RUNNING = frozenset(["image", "office"])  # fuzzed with the programs that they run; the others without, and faster
_COMMAND = [sys.executable, "-m", "benchmarks.fuzz.child"]


@dataclass(slots=True)
class Row:
    """What became of one target."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    branches: int = 0  # and comparisons, as libFuzzer counts them; 0 if not known
    restarts: int = 0
    faults: dict[str, int] = field(default_factory=dict)  # kind → bytes of its smallest input
    unsteady: int = 0  # faults that a fresh process did not show


class _Run:
    """A run over some targets."""

    def __init__(self, work: Path, *, is_plain: bool, seed: int) -> None:
        self._work = work
        self._is_plain = is_plain
        self._seed = seed
        self._children: set[subprocess.Popen[bytes]] = set()
        self._is_ended = False

    def prepare(self, target: str, folders: Sequence[Path]) -> Row:
        """Writes the inputs a target begins with."""
        corpus = self._work / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        for given in seeds(target, folders):
            (corpus / f"seed-{hashlib.sha256(given).hexdigest()[:12]}").write_bytes(given)
        (self._work / "found" / target).mkdir(parents=True, exist_ok=True)
        return Row(target)

    def fuzz(self, row: Row, *, seconds: float, number: int) -> None:
        """One round of a target."""
        slot = Slot(self._work / f"{row.target}.slot")
        before, _, used_us = slot.read_head()
        start = time.monotonic()
        while not self._is_ended and (left := seconds - (time.monotonic() - start)) > 2:
            self._seed += 1
            status = self._watch(slot, row, ["--seconds", str(int(left)), "--seed", str(self._seed * 1000 + number)])
            if status != 0 and not self._is_ended:
                row.restarts += 1
                self._keep_last(row.target, slot, status)
        row.seconds += time.monotonic() - start
        after, _, now_us = slot.read_head()
        row.inputs += after - before
        row.cpu_s += (now_us - used_us) / 1e6

    def _watch(self, slot: Slot, row: Row, options: list[str]) -> int | None:
        """Runs a child; its exit status, None if it hung and was killed."""
        log = self._work / f"{row.target}.log"
        plain = ["--plain"] if self._is_plain else []
        with log.open("wb") as out:
            child = subprocess.Popen(
                [*_COMMAND, "fuzz", row.target, str(self._work), *options, *plain], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=_environment(**({} if row.target in RUNNING else {"PATH": ""})), start_new_session=True,
            )  # fmt: skip
        self._children.add(child)
        try:
            head, since, patience_s = slot.read_head(), time.monotonic(), START_S
            while child.poll() is None:
                time.sleep(0.2)
                if slot.read_head() != head:
                    head, since, patience_s = slot.read_head(), time.monotonic(), HANGS_S
                elif time.monotonic() - since > patience_s:
                    child.kill()
                    child.wait()
                    return None
        finally:
            self._children.discard(child)
        counts = re.findall(rb"\bcov: (\d+)", log.read_bytes())
        row.branches = max(row.branches, int(counts[-1]) if counts else 0)
        return child.returncode

    def _keep_last(self, target: str, slot: Slot, status: int | None) -> None:
        """An input that killed its process, or hung it."""
        kind = "hangs" if status is None else f"dies: status {status}"
        log = (self._work / f"{target}.log").read_bytes()[-400:].decode("utf-8", "replace")
        save(self._work / "found" / target, target, slot.last(), Fault(kind, log))

    def settle(self, row: Row) -> None:
        """Tries each finding in a fresh process; makes those that stay small, and drops the others."""
        folder = self._work / "found" / row.target
        for path in sorted(folder.glob("*.json")):
            kind = str(json.loads(path.read_text())["kind"])
            given = path.with_suffix(".input")
            found = self._kinds(row.target, given)
            if kind not in found and not (found and kind.startswith(("hangs", "dies"))):
                row.unsteady += 1
                path.rename(path.with_suffix(".unsteady"))
            elif not kind.startswith(("hangs", "dies", "slow", "memory")):
                _child("minimise", row.target, path)
        for path in folder.glob("*.json"):
            told = json.loads(path.read_text())
            row.faults[told["kind"]] = min(row.faults.get(told["kind"], 10**9), told["bytes"])
        if row.target != CHUNKS:
            self._compare(row)

    def _kinds(self, target: str, given: Path) -> list[str]:
        done = _child("check", target, given)
        if done is None or done.returncode != 0:
            return ["hangs" if done is None else f"dies: status {done.returncode}"]
        return [kind for kind, _ in json.loads(done.stdout.splitlines()[-1])]

    def _compare(self, row: Row) -> None:
        """The same inputs in two processes with other hashes, places and clocks."""
        corpus = self._work / "corpus" / row.target
        one = _child("digests", row.target, corpus, PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
        two = _child("digests", row.target, corpus, PYTHONHASHSEED="2", TZ="Pacific/Kiritimati", LC_ALL="C.UTF-8")
        if one is None or two is None or one.returncode or two.returncode:
            row.faults["differs: could not be compared"] = 0
            return
        for a, b in zip(one.stdout.splitlines(), two.stdout.splitlines(), strict=True):
            if a != b:
                given = (corpus / a.split()[0].decode()).read_bytes()
                save(self._work / "found" / row.target, row.target, given, Fault("differs: in another process", ""))
                row.faults["differs: in another process"] = len(given)

    def end(self) -> None:
        """Ends the children, of this run only."""
        self._is_ended = True
        for child in list(self._children):
            child.kill()


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", **more}


def _child(act: str, target: str, path: Path, **environment: str) -> subprocess.CompletedProcess[bytes] | None:
    """One short act in a fresh process; None if it took too long."""
    try:
        return subprocess.run(
            [*_COMMAND, act, target, str(path)], cwd=ROOT, env=_environment(**environment), capture_output=True, timeout=120, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| target | inputs | minutes | of CPU | inputs/s of CPU | branches | restarts | unsteady | findings |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        rate = row.inputs / row.cpu_s if row.cpu_s else 0
        shown = "; ".join(f"{kind} ({size} bytes)" for kind, size in sorted(row.faults.items())) or "none"
        yield (
            f"| {row.target} | {row.inputs:,} | {row.seconds / 60:.1f} | {row.cpu_s / 60:.1f} | {rate:.0f} | {row.branches or '–'} | {row.restarts} | {row.unsteady} | {shown} |"
        )
    yield (
        f"| all | {sum(row.inputs for row in rows):,} | {sum(row.seconds for row in rows) / 60:.1f} | "
        f"{sum(row.cpu_s for row in rows) / 60:.1f} | | | "
        f"{sum(row.restarts for row in rows)} | {sum(row.unsteady for row in rows)} | {sum(len(row.faults) for row in rows)} |"
    )


def main() -> int:
    """0 if nothing was found, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="for all targets together, with one job")
    parser.add_argument(
        "--parser", action="append", choices=targets(), metavar="NAME", help=f"one of {', '.join(targets())}"
    )
    parser.add_argument(
        "--seeds", type=Path, action="append", help="a folder of files to begin with, beside our samples"
    )
    parser.add_argument("--work", type=Path, help="where the inputs and findings go; a new folder if not given")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without coverage, as where atheris is not installed")
    given = parser.parse_args()
    names = given.parser or targets()
    work = (given.work or Path(tempfile.mkdtemp(prefix="fuzz-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    own = (SHARED, ROOT / "samples", ROOT / "tests" / "ingest" / "parsers" / "files")
    folders = given.seeds or [folder for folder in own if folder.is_dir()]
    run = _Run(work, is_plain=given.plain, seed=given.seed)
    print(f"{len(names)} targets, {given.minutes:g} minutes, work folder {work}", file=sys.stderr)
    rows = [run.prepare(name, folders) for name in names]
    seconds = given.minutes * 60 * given.jobs / len(rows) / given.rounds
    try:
        with ThreadPoolExecutor(given.jobs) as pool:
            try:
                for number in range(given.rounds):
                    for _ in pool.map(lambda row, number=number: run.fuzz(row, seconds=seconds, number=number), rows):
                        pass
            except BaseException:
                run.end()
                pool.shutdown(cancel_futures=True)
                raise
    except KeyboardInterrupt:
        print("ended", file=sys.stderr)
    for row in rows:
        run.settle(row)
    print("\n".join(_table(rows)))
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
