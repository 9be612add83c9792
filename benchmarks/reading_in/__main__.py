"""Reading folders in beside the peers: installs them, runs each in a process of its own, and reports.

    python -m benchmarks.reading_in --work FOLDER [--data DATA] [--every N] [--peps N] [--only NAME …]
                                    [--folders mixed peps] [--again] [--report docs/reading_in.md]

Two folders: DATA/docs as it lies, or one in so many of its files, and the first N PEPs of `peps.git.tar` by name. Each reader works on a copy of its own,
on two cores, without network, all with the weights of all-MiniLM-L6-v2 from one folder; then one file is edited and
one deleted. What was measured is kept in --work; an interrupted run goes on where it stopped. --report writes the page,
with its figure beside it in figures/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.reading_in import environments, folders, ours, report
from benchmarks.reading_in.folders import Folder
from benchmarks.reading_in.memory import Peak
from rag_lifelong.embed.weights import find_minilm

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reading_in",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, required=True, help="everything this makes is in here")
    parser.add_argument("--data", type=Path, default=DATA, help="holds docs/ and peps.git.tar; beside the checkout")
    parser.add_argument("--every", type=int, default=1, help="of DATA/docs, one in so many files by path")
    parser.add_argument("--peps", type=int, default=folders.MOST_PEPS, help="how many PEPs")
    parser.add_argument("--only", nargs="+", choices=report.NAMES, default=report.NAMES)
    parser.add_argument(
        "--folders", nargs="+", choices=[folders.MIXED, folders.PEPS], default=[folders.MIXED, folders.PEPS]
    )
    parser.add_argument("--threads", type=int, default=2, help="cores for each")
    parser.add_argument("--limit", type=float, default=1_800, help="seconds for one reader and folder")
    parser.add_argument("--again", action="store_true", help="also what was measured already")
    parser.add_argument("--report", type=Path, help="writes the page")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    data: Path = arguments.data.resolve()
    for name in arguments.folders:
        is_mixed = name == folders.MIXED
        folder = folders.mixed(data, work, arguments.every) if is_mixed else folders.peps(data, work, arguments.peps)
        measure(
            work, folder, arguments.only, threads=arguments.threads, limit=arguments.limit, is_again=arguments.again
        )
    rows = report.load(work)
    print(report.write(rows, arguments.report) if arguments.report else report.page(rows))


def measure(work: Path, folder: Folder, names: Sequence[str], *, threads: int, limit: float, is_again: bool) -> None:
    """Each reader on the folder, one after another, unless it was measured on just so many files."""
    files, size_bytes = folders.size_of(folder.path)
    given = work / "given" / f"{folder.path.name}.jsonl"
    for name in names:
        place = report.place(work, folder.name, name)
        kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        if kept.get("files") == files and not kept.get("failed") and not is_again:
            continue
        reason = environments.install(work, name)
        row: report.Row = {
            "name": name,
            "folder": folder.name,
            "files": files,
            "size_bytes": size_bytes,
            "offered": sorted(
                path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*") if path.is_file()
            ),
            "threads": threads,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "load_before": os.getloadavg(),
        }
        if reason is not None:
            row["failed"] = f"not installed: {reason}"
        else:
            if name in report.GIVEN:
                began = time.perf_counter()
                ours.give(folder, given)
                row["given_s"] = time.perf_counter() - began
            row |= one(work, folder, name, given, threads=threads, limit=limit)
        row["load_after"] = os.getloadavg()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")
        print(f"{folder.name:6} {name:12} {row.get('failed') or report.short(row)}", file=sys.stderr, flush=True)


def one(work: Path, folder: Folder, name: str, given: Path, *, threads: int, limit: float) -> report.Row:
    """What a process of its own measured; `failed` says why it did not come to its end, if so."""
    own = work / "runs" / f"{folder.name}-{name}"
    shutil.rmtree(own, ignore_errors=True)
    (own / "store").mkdir(parents=True)
    copied = folders.copy(folder, own / "folder")
    python = environments.python_of(work, name)
    places = [copied, own / "store", find_minilm(), given]
    words = [str(python), "-m", "benchmarks.reading_in.worker", name, *map(str, places), folder.edited, folder.gone]
    row: report.Row = {}
    with (own / "stderr").open("w+", encoding="utf-8", errors="replace") as err:
        started = time.time()
        process = subprocess.Popen(
            [*words, str(started), str(threads)],
            cwd=ROOT,
            env=environments.variables(ROOT, threads),
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            encoding="utf-8",
        )
        timer = threading.Timer(limit, process.kill)
        timer.start()
        assert process.stdout is not None
        with Peak(process.pid) as peak:
            for line in process.stdout:
                row |= json.loads(line)
                if "searchable_s" in row:
                    row.setdefault("peak_bytes", peak.peak_bytes)
        code = process.wait()
        timer.cancel()
        if code:
            err.seek(0)
            last = (err.read().strip().splitlines() or [f"exit {code}"])[-1][:300]
            row["failed"] = f"took more than {limit:.0f} s" if time.time() - started > limit else last
    shutil.rmtree(own / "store", ignore_errors=True)
    shutil.rmtree(copied, ignore_errors=True)
    return row


if __name__ == "__main__":
    main()
