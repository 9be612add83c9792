"""The notebooks run from top to bottom with real weights, use the public API only, and hold what running them gives."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path

import pytest

from tests import notebook

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# What each must print, worked out by hand from the files that it reads, moves and deletes; and how many figures it draws.
EXPECTED: dict[str, tuple[int, tuple[str, ...]]] = {
    "distilling.ipynb": (
        3,
        (
            "112 notes, ",  # a hundred people and twelve towns
            "10 passages are chosen",  # of ten people asked about
            "adapter 1 is active: all gates hold",
            "What work does Gikdon do? singer [1]\n  by adapter 1; the adapter is active",
            "What work does Gikdon do? singer [1]\n  by the frozen model; the adapter is suspended",
            "adapters left: 0\nthe frozen model is the same to the bit: True",
        ),
    ),
    "quickstart.ipynb": (
        1,
        (
            "8 documents",  # samples/
            "We agreed on three attempts with exponential backoff, then the dead-letter queue. [1]",
            "[1] 2026-02-18.md:15 · Weekly meeting, 18 February 2026 > Decisions > Retries",
            "True Your sources do not say.",
            "> And who owns the billing service?\nMei Chen\n",
            "1 conversation kept, of 2 questions",
            "now:       We agreed on five attempts",
            "version 1: We agreed on three attempts",
            "Ana Ruiz owns the dead-letter queue since March. · oncall.md · refused: False",
        ),
    ),
    "folder_through_time.ipynb": (
        2,
        (
            "3 documents, 17 passages",  # fifteen services, one of them with the title; retries; rota
            "      3  19 Jan    0/1/0/0      1/1   another number of tries",
            "      4  26 Jan    0/0/2/0      0/0   a folder renamed",
            "      5  02 Feb    0/0/0/1      0/1   the rota deleted",
            "2026-01-06  version 1: three\n",
            "now         version 9: five\n",
            "2026-01-06  version 1: Ana Ruiz\n",
            "now         version 9: Mei Chen\n",
            "2026-01-06  version 1: Priya Nair\n",
            "2026-02-10  version 6: Your sources do not say.",
            "now         version 9: Jonas Weber\n",
            "3 ops · A message is tried five times",
            "4 platform · A message is tried five times",
            "  rota.md → -\n  - → review.md",
            "documents [3, 3, 3, 3, 2, 3, 3, 3, 4]",
            "new passages   [17, 1, 1, 0, 0, 4, 1, 0, 1]",
            "whole files    [17, 15, 1, 16, 0, 4, 15, 13, 1]",
            "before: Your sources do not say.\nafter:  Jonas Weber\n",
            "version 10 takes back version 8",
            "The kitchen serves soup on Thursdays.",
        ),
    ),
    "measuring_your_knowledge.ipynb": (
        4,
        (
            "24 documents",  # samples/ and sixteen visits
            "recall@3: 48 of 48",
            "unanswerable: 16 of 16 refused",
            "shown now though gone (0 is right)     0 of",
            "documents as if built in one go       22 of 22",
            "Who owns the dead-letter queue?    same",
            "What was found in Jena?            changed",
            "What was found in Faro?            refused",
            "What was found in Siena?           same",
            "of the answers rated good, 1 of 3 are as they were",
        ),
    ),
}


def by_name(path: Path) -> str:
    return path.name


def test_each_notebook_has_its_figures_and_values() -> None:
    assert {path.name for path in NOTEBOOKS} == set(EXPECTED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_only_the_public_door_is_used(path: Path) -> None:
    code = "\n".join(notebook.code(cell) for cell in notebook.cells(path))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("rag_lifelong", "ingest")):
            assert node.module == "rag_lifelong"
        if isinstance(node, ast.Import):
            assert not [one.name for one in node.names if one.name.startswith(("rag_lifelong", "ingest"))]
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_what_it_holds_names_no_place_of_a_machine(path: Path) -> None:
    text = "".join(notebook.printed(cell["outputs"]) for cell in notebook.cells(path))
    assert text
    assert tempfile.gettempdir() not in text
    assert not re.search(r"/(home|Users|root|tmp|work)/", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_it_holds_what_it_must_say(path: Path) -> None:
    figures, values = EXPECTED[path.name]
    outputs = [one for cell in notebook.cells(path) for one in cell["outputs"]]
    said = notebook.printed(outputs)
    for value in values:
        assert value in said
    drawn = notebook.figures(outputs)
    assert len(drawn) == figures
    assert all(one.startswith(b"\x89PNG") for one in drawn)


@pytest.mark.model
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_running_it_gives_what_it_holds(path: Path) -> None:
    """After a change that is meant: python -m tests.notebook notebooks/*.ipynb"""
    pytest.importorskip("matplotlib")
    held = [cell["outputs"] for cell in notebook.cells(path)]
    made = notebook.run(path)
    assert [notebook.printed(outputs) for outputs in made] == [notebook.printed(outputs) for outputs in held]
    assert [len(notebook.figures(outputs)) for outputs in made] == [len(notebook.figures(outputs)) for outputs in held]
