"""The command: collects vectors, installs the peers, runs each in a process of its own, and reports.

Rule: what was measured is a line in results.jsonl at once; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.indexes import report, sets
from benchmarks.indexes.peers import DISTRIBUTIONS, PEERS

ROOT = Path(__file__).resolve().parents[2]
PHASES = ("build", "search")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexes", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="everything this makes is in here")
    parser.add_argument("--collect", type=Path, nargs="+", help="knowledge bases, .npz or .npy files")
    parser.add_argument("--data", type=Path, help="with --collect: as of benchmarks.retrieval, to tell questions apart")
    parser.add_argument("--queries", type=int, default=500, help="with --collect: how many are held out")
    parser.add_argument("--vectors", type=Path, help="real vectors, .npy: the same as --collect with one file")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--only", nargs="+", choices=["ours", *PEERS], default=["ours", *PEERS])
    parser.add_argument("--limit", type=float, default=480, help="seconds for one peer, size and phase")
    parser.add_argument("--churn", action="store_true", help="ten rounds of replacing a tenth of 50,000")
    parser.add_argument("--end-to-end", action="store_true", help="a durable update through the store")
    parser.add_argument("--filled", type=Path, help="with --end-to-end: where filled stores are kept; WORK/filled")
    parser.add_argument("--again", action="store_true", help="also what was measured already")
    parser.add_argument("--report", action="store_true", help="the table, and the figures in docs/figures")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    if arguments.report:
        print(report.write(work, ROOT / "docs" / "figures"))
        return
    sources = arguments.collect or ([arguments.vectors] if arguments.vectors else None)
    if sources:
        real, queries = sets.collect(work, sources, data=arguments.data, queries=arguments.queries)
        print(f"{real:,} real vectors, {queries} queries")
    if arguments.collect:
        return
    if arguments.end_to_end:
        filled: Path = (arguments.filled or work / "filled").resolve()
        jobs = [("ours", "end_to_end", size) for size in sorted(arguments.sizes)]
        run(work, jobs, {}, limit=arguments.limit, is_again=arguments.again, filled=filled)
        return
    if not (work / "real.npy").exists():
        parser.error("no vectors yet: --collect or --vectors")
    failed = install(work, [name for name in arguments.only if name != "ours"])
    if arguments.churn:
        jobs = [(name, "churn", sets.CHURN_SIZE) for name in arguments.only]
    else:
        jobs = [(name, phase, size) for size in sorted(arguments.sizes) for name in arguments.only for phase in PHASES]
    run(work, jobs, failed, limit=arguments.limit, is_again=arguments.again, filled=None)


def install(work: Path, names: Sequence[str]) -> dict[str, str]:
    """Makes the peers' environment; name → reason of those that could not be installed."""
    done_path = work / "installed.json"
    done: dict[str, str] = json.loads(done_path.read_text()) if done_path.exists() else {}
    lines = (ROOT / "benchmarks" / "peers.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    pins = [pin for pin in pins if done.get(pin) != ""]
    if names and pins:
        if not (work / "env").exists():
            print("making an environment for the peers", file=sys.stderr)
            venv.create(work / "env", with_pip=True)
        for pin in pins:
            print(f"pip install {pin}", file=sys.stderr)
            result = subprocess.run(
                [str(work / "env" / "bin" / "python"), "-m", "pip", "install", "-q", pin],
                capture_output=True,
                text=True,
                check=False,
            )
            last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            done[pin] = "" if result.returncode == 0 else last
            done_path.write_text(json.dumps(done, indent=1))
    broken = {pin.split("==")[0]: reason for pin, reason in done.items() if reason}
    return {name: broken[DISTRIBUTIONS[name]] for name in names if DISTRIBUTIONS[name] in broken}


def run(
    work: Path,
    jobs: Iterable[tuple[str, str, int]],
    failed: dict[str, str],
    *,
    limit: float,
    is_again: bool,
    filled: Path | None,
) -> None:
    """filled: where the knowledge bases of `end_to_end` are kept; those there are used again."""
    # what could not be installed is tried again
    done = {
        (row["peer"], row["phase"], row["size"]): row
        for row in report.rows(work)
        if not str(row["failed"] or "").startswith("not installed")
    }
    for name, phase, size in jobs:
        if (name, phase, size) in done and not is_again and not _is_unbuilt(work, name, phase, size, done):
            continue
        store = work / "stores" / f"{name.replace(' ', '-')}-{phase if phase == 'churn' else size}"
        if filled is not None:
            store = filled / str(size)
        if phase == "search" and not (store / ".built").exists():
            continue  # why it was not built is a row already
        values: dict[str, object] = {}
        reason: str | None = None
        if name in failed:
            reason = f"not installed: {failed[name]}"
        else:
            if filled is not None:  # in a process of its own, for the memory of the next; at once if it is full
                values, reason = one(work, name, "fill", size, store, limit)
            if reason is None:
                measured, reason = one(work, name, phase, size, store, limit)
                values |= measured
        row = {
            "peer": name,
            "phase": phase,
            "size": size,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "failed": reason,
            "values": values,
        }
        with (work / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{name:22} {size:>9,} {phase:10} {reason or _short(values)}", flush=True)
        if filled is None and (phase != "build" or reason):
            shutil.rmtree(store, ignore_errors=True)


def _is_unbuilt(
    work: Path, name: str, phase: str, size: int, done: dict[tuple[str, str, int], dict[str, object]]
) -> bool:
    """It was built in an interrupted run, is gone, and is to be searched."""
    search = done.get((name, "search", size))
    return (
        phase == "build"
        and search is None
        and not done[name, phase, size]["failed"]
        and not (work / "stores" / f"{name.replace(' ', '-')}-{size}" / ".built").exists()
    )


def one(
    work: Path, name: str, phase: str, size: int, store: Path, limit: float
) -> tuple[dict[str, object], str | None]:
    """What a process of its own measured, and why it did not come to its end, if so."""
    if phase in ("fill", "end_to_end"):
        folder = work / "sets" / str(size)
    else:
        folder = sets.prepare_churn(work) if phase == "churn" else sets.prepare(work, size)
        if phase != "search":
            shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True, exist_ok=True)
    python = sys.executable if name == "ours" else str(work / "env" / "bin" / "python")
    words = [python, "-m", "benchmarks.indexes.worker", name, phase, str(folder), str(store), str(work / "queries.npy")]
    environment = dict(os.environ) | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    log = work / "logs" / f"{name.replace(' ', '-')}-{size}-{phase}"
    log.parent.mkdir(exist_ok=True)
    reason = None
    with log.with_suffix(".out").open("w+") as out, log.with_suffix(".err").open("w+") as err:
        try:
            code = subprocess.run(
                words, cwd=ROOT, env=environment, stdout=out, stderr=err, timeout=limit, check=False
            ).returncode
            err.seek(0)
            if code:
                reason = (err.read().strip().splitlines() or [f"exit {code}"])[-1][:300]
        except subprocess.TimeoutExpired:
            reason = f"took more than {limit:.0f} s"
        out.seek(0)
        values: dict[str, object] = {}
        for line in out:
            if line.startswith("{"):
                values |= json.loads(line)
    if phase == "build" and reason is None:
        (store / ".built").touch()
    return values, reason


def _short(values: dict[str, object]) -> str:
    shown = ("build_s", "recall", "p50_ms", "update_ms", "open_ms", "open_and_search_ms")
    parts = [f"{what} {values[what]:.3g}" for what in shown if isinstance(values.get(what), float)]
    spreads = {what: spread for what, spread in values.items() if isinstance(spread, dict) and "p95" in spread}
    return "  ".join([*parts, *(f"{what} {s['p50']:.3g}–{s['p95']:.3g}" for what, s in spreads.items())])


if __name__ == "__main__":
    main()
