"""Runs a notebook's cells, with what they print and the figures they leave; and writes both into the file.

    python -m tests.notebook notebooks/*.ipynb

Rule: what is kept in a notebook is what running it gives, so that a web page shows it as a reader would see it.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def cells(path: Path) -> list[dict[str, Any]]:
    """Those of code, in order."""
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def code(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def printed(outputs: list[dict[str, Any]]) -> str:
    """What a cell wrote."""
    return "".join("".join(one["text"]) for one in outputs if one["output_type"] == "stream")


def figures(outputs: list[dict[str, Any]]) -> list[bytes]:
    """The figures a cell left, as PNG."""
    return [base64.b64decode(one["data"]["image/png"]) for one in outputs if one["output_type"] == "display_data"]


def run(path: Path) -> list[list[dict[str, Any]]]:
    """The outputs of each cell of code, run in the notebook's folder from top to bottom, without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = cells(path)
    names: dict[str, Any] = {"__name__": "__main__"}
    outputs = []
    with contextlib.chdir(path.parent):
        for number, cell in enumerate(found, start=1):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(code(cell), f"{path.name}[{number}]", "exec"), names)
            made: list[dict[str, Any]] = []
            if said.getvalue():
                lines = said.getvalue().splitlines(keepends=True)
                made.append({"name": "stdout", "output_type": "stream", "text": lines})
            for figure_number in pyplot.get_fignums():
                drawn = io.BytesIO()
                pyplot.figure(figure_number).savefig(drawn, format="png", dpi=80, metadata={"Software": None})
                image = base64.b64encode(drawn.getvalue()).decode()
                data = {"image/png": image, "text/plain": ["<Figure>"]}
                made.append({"data": data, "metadata": {}, "output_type": "display_data"})
            pyplot.close("all")
            outputs.append(made)
    return outputs


def write(path: Path) -> None:
    """Runs it, and keeps its outputs in it."""
    whole = read(path)
    outputs = iter(run(path))
    number = 0
    for cell in whole["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            cell["execution_count"], cell["outputs"] = number, next(outputs)
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
