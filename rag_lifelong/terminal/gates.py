"""What an adapter was judged by, as a table: each gate with its value, the end of its interval, and what they must be.

Rule: as in `render`: strings only, every text from outside made safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag_lifelong.distill.gates import Arm, GateResult
from rag_lifelong.distill.report import Report
from rag_lifelong.terminal.progress import clock
from rag_lifelong.terminal.style import Style, safe_line
from rag_lifelong.terminal.wrapping import folded

GAIN = "gain"
_NAMES, _FIGURES = 22, 9  # columns


def table(gates: Sequence[GateResult], style: Style) -> Iterator[str]:
    """A head, then each gate with what it says below. needs: of the value, and of the end of its interval."""
    heads = "".join(f"{head:>{_FIGURES}}" for head in ("value", "needs", "95 %", "needs"))
    yield style.dim(f"     {'':<{_NAMES}}{heads}")
    for gate in gates:
        mark = "ok " if gate.holds else style.bold("BAD")
        values = (gate.value, gate.threshold, gate.bound, gate.bound_threshold)
        yield f"{mark}  {safe_line(gate.name):<{_NAMES}}{''.join(f'{_figure(value):>{_FIGURES}}' for value in values)}"
        yield from below(gate.says, style)


def arms(found: Sequence[Arm], style: Style) -> Iterator[str]:
    """Each way of answering, with its interval."""
    for arm in found:
        between = "" if arm.low is None or arm.high is None else f"   95 %: {arm.low:.3f} to {arm.high:.3f}"
        yield f"     {safe_line(arm.name):<{_NAMES}}{_figure(arm.score):>{_FIGURES}}{between}"


def gain(report: Report) -> str:
    """ "gain +0.41"; "" if it was not measured."""
    found = next((gate.value for gate in report.gates if gate.name == GAIN), None)
    return "" if found is None else f"{GAIN} {found:+.2f}"


def took(report: Report) -> str:
    """ "pairs 0:41 · training 3:20"."""
    return " · ".join(f"{safe_line(name)} {clock(seconds)}" for name, seconds in report.seconds.items())


def below(text: str, style: Style) -> Iterator[str]:
    """A remark under a row, in from its name, broken to the width."""
    line, indent = safe_line(text), " " * 5
    shown = f"{indent}{line}" if style.width is None else folded(line, style.width() - 1, indent=indent)
    yield from (style.dim(row) for row in shown.split("\n") if row.strip())


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 3) + 0.0:.3f}"  # no -0.000
