"""A made workbook read from the file to finished text, beside two libraries that give the values of its cells.

    python -m benchmarks.sheets [--rows 100000] [--columns 10] [--rounds 3]

Names, dates, percentages, amounts of money, whole numbers and texts, of a fixed seed, written by openpyxl. Each reader
has a process of its own and they take turns; the best of the rounds counts. Linux only: memory is its VmHWM.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents.report import table
from benchmarks.sheets import workbook
from benchmarks.sheets.readers import READERS, SHOWN

ROOT = Path(__file__).resolve().parents[2]
CHECK_ROWS = 25_000  # 10 columns of them are a file of about 2 MB
GIVES = {"ours": "finished text", "python-calamine": "values", "openpyxl": "values (read-only mode)"}
NOTE = (
    "CPU seconds from the import of the reader to the end of the file; the least of the rounds, of memory too. Cells shown "
    "as people see them: those whose text is the one that a spreadsheet program shows, thousands separators aside; of the "
    "libraries, which give values and were not made for this, it is `str` of the value."
)


@dataclass(frozen=True, slots=True)
class Best:
    cpu_s: float
    peak_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sheets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if min(arguments.rows, arguments.rounds) < 1 or arguments.columns < len(workbook.KINDS):
        parser.error(f"at least one row, one round and {len(workbook.KINDS)} columns")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.xlsx"
        workbook.make(path, rows=arguments.rows, count=arguments.columns)
        size = path.stat().st_size
        best = measured(path, rows=arguments.rows + 1, rounds=arguments.rounds)
        rows = min(arguments.rows, CHECK_ROWS)
        workbook.make(path, rows=rows, count=arguments.columns)
        checked = path.stat().st_size
        cells, right = agreement(path, rows=rows, count=arguments.columns)
    print(f"{arguments.rows:,} rows of {arguments.columns} cells, {size / 1e6:.1f} MB:\n")
    print(times(best, arguments.rows))
    print(f"\nCells shown as people see them, of {rows:,} rows ({checked / 1e6:.1f} MB):\n")
    print(shown(cells, right))
    print(f"\n{NOTE}")


def measured(path: Path, *, rows: int, rounds: int) -> dict[str, Best]:
    """The best of the rounds; raises AssertionError if a reader did not read all rows."""
    found: dict[str, list[Best]] = {name: [] for name in READERS}
    for number in range(rounds):
        for name, results in found.items():
            print(f"round {number + 1}: {name}", file=sys.stderr)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.sheets.readers", name, str(path)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                check=True,
            )
            told = json.loads(done.stdout)
            if told["rows"] != rows:
                raise AssertionError(f"{name} read {told['rows']} rows of {rows}")
            results.append(Best(told["cpu_s"], told["peak_bytes"]))
    return {
        name: Best(min(best.cpu_s for best in results), min(best.peak_bytes for best in results))
        for name, results in found.items()
    }


def agreement(
    path: Path,
    *,
    rows: int,
    count: int,
    readers: Mapping[str, Callable[[Path], Iterator[list[str]]]] = SHOWN,
) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """How many cells there are of each kind, and of how many each reader gives the text that is shown."""
    kinds = [kind.name for kind in workbook.columns(count)]
    cells = Counter({name: rows * times for name, times in Counter(kinds).items()})
    right: dict[str, Counter[str]] = {}
    for name, read in readers.items():
        right[name] = Counter()
        for row, found in zip(workbook.cells(rows, count), read(path), strict=True):
            right[name].update(
                kind for kind, (_, wanted), cell in zip(kinds, row, found, strict=True) if cell == wanted
            )
    return cells, right


def times(best: Mapping[str, Best], rows: int) -> str:
    ours = best["ours"].cpu_s
    head = ["reader", "gives", "CPU s", "rows a second", "time of ours", "peak MB"]
    return table(
        head,
        [
            [
                name,
                GIVES[name],
                f"{found.cpu_s:.2f}",
                f"{rows / found.cpu_s:,.0f}",
                f"{ours / found.cpu_s:.2f} ×",
                f"{found.peak_bytes / 1e6:.0f}",
            ]
            for name, found in best.items()
        ],
    )


def shown(cells: Counter[str], right: Mapping[str, Counter[str]]) -> str:
    """A row for each kind, then the sum."""
    rows = [[kind, f"{count:,}", *(f"{own[kind]:,}" for own in right.values())] for kind, count in cells.items()]
    rows.append(["all", f"{cells.total():,}", *(f"{own.total() / cells.total():.1%}" for own in right.values())])
    return table(["kind", "cells", *right], rows)


if __name__ == "__main__":
    main()
