"""The figure: how long until all is searchable, and in how much memory. Tones and style are those of benchmarks.indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reading_in.folders import MIXED, PEPS

OTHERS = "#3f88b5"


def draw(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str], path: Path) -> None:
    """A row of panels for each folder: seconds, with a mark where the first file is found; tokens a second; peak MB."""
    import matplotlib

    from benchmarks.indexes.figures import INK, OURS, STYLE

    matplotlib.use("agg")
    from matplotlib import pyplot

    names = {MIXED: "mixed documents", PEPS: "PEPs"}
    chosen = {
        folder: [row for row in rows if row["folder"] == folder and not row.get("failed")]
        for folder in names
        if any(row["folder"] == folder and not row.get("failed") for row in rows)
    }
    with pyplot.rc_context(STYLE):
        figure, grid = pyplot.subplots(len(chosen), 3, figsize=(9.6, 1.9 * len(chosen) + 0.3), squeeze=False)
        for axes, (folder, measured) in zip(grid, chosen.items(), strict=True):
            labels = [titles[row["name"]] for row in measured]
            tones = [OURS if row["name"] == "ours" else OTHERS for row in measured]
            panels = (
                ("seconds to searchable", [row["searchable_s"] for row in measured]),
                ("tokens a second", [_rate(row) for row in measured]),
                ("peak memory, MB", [row["peak_bytes"] / 1e6 for row in measured]),
            )
            for axis, (title, values) in zip(axes, panels, strict=True):
                bars = axis.barh(labels, values, color=tones, height=0.62)
                axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3, color=INK, fontsize=8)
                axis.set_xlim(0, max(values) * 1.22)
                axis.invert_yaxis()
                axis.set_title(f"{names[folder]}: {title}", fontsize=8)
                axis.tick_params(axis="y", length=0)
                axis.grid(axis="x")
                axis.set_axisbelow(True)
            for number, row in enumerate(measured):
                axes[0].plot([row["first_s"]] * 2, [number - 0.38, number + 0.38], color=INK, linewidth=1.6)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, dpi=160, metadata={"Software": None})
        pyplot.close(figure)


def _rate(row: Mapping[str, Any]) -> float:
    return float(row["tokens"] / (row["searchable_s"] - row["ready_s"]))
