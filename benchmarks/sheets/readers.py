"""One reader and one workbook, in a process of its own: prints what it measured as a line of JSON.

    python -m benchmarks.sheets.readers NAME FILE

Each is measured from its import to the end of the file: ours gives a finished text, the others the values of cells.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.sheets import workbook


def main() -> None:
    name, file = sys.argv[1:]
    began = time.process_time()
    rows = READERS[name](Path(file))
    print(json.dumps({"cpu_s": time.process_time() - began, "peak_bytes": peak_bytes(), "rows": rows}))


def peak_bytes() -> int:
    """The most memory that this process ever held, as Linux counts it (VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not say how much memory was used")


# -- what is measured: how many rows were read, the header included


def read_by_ours(path: Path) -> int:
    return len(_text(path).splitlines())


def read_by_calamine(path: Path) -> int:
    return sum(1 for _ in _calamine_rows(path))


def read_by_openpyxl(path: Path) -> int:
    return sum(1 for _ in _openpyxl_rows(path))


READERS: dict[str, Callable[[Path], int]] = {
    "ours": read_by_ours,
    "python-calamine": read_by_calamine,
    "openpyxl": read_by_openpyxl,
}


def _text(path: Path) -> str:
    from ingest.limits import DEFAULT
    from ingest.parsers.sheet import parse

    return parse(path.read_bytes(), name=path.name, limits=DEFAULT).text


def _calamine_rows(path: Path) -> Iterator[Sequence[object]]:
    import python_calamine

    return iter(python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows())


def _openpyxl_rows(path: Path) -> Iterator[Sequence[object]]:
    import openpyxl

    sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    return iter(sheet.iter_rows(values_only=True))


# -- what is compared: the cells below the header, as text


def shown_by_ours(path: Path) -> Iterator[list[str]]:
    """The cells of the finished text, without the names of their columns."""
    _, *lines = _text(path).splitlines()
    names = [f"{name}: " for name in workbook.header(len(lines[0].split(" | ")))]
    for line in lines:
        yield [cell.removeprefix(name) for name, cell in zip(names, line.split(" | "), strict=True)]


def shown_by_calamine(path: Path) -> Iterator[list[str]]:
    return _as_str(_calamine_rows(path))


def shown_by_openpyxl(path: Path) -> Iterator[list[str]]:
    return _as_str(_openpyxl_rows(path))


SHOWN: dict[str, Callable[[Path], Iterator[list[str]]]] = {
    "ours": shown_by_ours,
    "python-calamine": shown_by_calamine,
    "openpyxl": shown_by_openpyxl,
}


def _as_str(rows: Iterator[Sequence[object]]) -> Iterator[list[str]]:
    next(rows)
    return ([str(value) for value in row] for row in rows)


if __name__ == "__main__":
    main()
