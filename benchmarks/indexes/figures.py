"""The figures: SVG, without a background, in tones that can be read on white and on black. Ours is the red one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Values = Mapping[str, Any]
Everything = Mapping[tuple[str, int], Values]

INK = "#7d8793"
FAINT = "#7d879340"
OURS = "#e4572e"
TONES = {  # a family, a tone
    "hnswlib": "#3f88b5",
    "usearch": "#3f88b5",
    "FAISS HNSW": "#3f88b5",
    "LanceDB": "#5f9e6e",
    "LanceDB flat": "#5f9e6e",
    "Chroma": "#5f9e6e",
    "sqlite-vec": "#5f9e6e",
    "LlamaIndex FAISS": "#a07fb0",
    "LlamaIndex FAISS map": "#a07fb0",
    "LangChain FAISS": "#a07fb0",
}
STYLE = {
    "svg.hashsalt": "rag-lifelong",
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "grid.color": INK,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.5,
}


def draw(
    everything: Everything,
    churn: Mapping[str, Sequence[Values]],
    sizes: Sequence[int],
    names: Sequence[str],
    folder: Path,
) -> None:
    """Five files in `folder`."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    others_first = [*(name for name in names if name != "ours"), "ours"]
    with pyplot.rc_context(STYLE):
        recall(everything, sizes, others_first, folder / "indexes-recall.svg")
        for what, title, file, value in (
            ("ms", "Search, p50 ms, one query at a time", "search", lambda values: values.get("p50_ms")),
            ("ms", "Durable update: ten vectors out, ten in, p50 ms", "update", _right_update),
            ("MB", "Resident after 100 queries, MB (anonymous and mapped)", "memory", _memory),
        ):
            by_size(everything, sizes, others_first, folder / f"indexes-{file}.svg", title, what, value)
        if churn:
            rounds(churn, others_first, folder / "indexes-churn.svg")


def recall(everything: Everything, sizes: Sequence[int], names: Sequence[str], path: Path) -> None:
    """Recall against time: better is up and to the left."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(sizes), figsize=(4.1 * len(sizes), 4.0), squeeze=False, layout="constrained")
    for axis, size in zip(axes[0], sizes, strict=True):
        points = [
            (everything[name, size]["p50_ms"], everything[name, size]["recall"], name)
            for name in names
            if "p50_ms" in everything.get((name, size), {})
        ]
        axis.set_xscale("log")
        axis.grid(True, which="major")
        for x, y, name in points:
            axis.scatter(x, y, s=60 if name == "ours" else 26, color=_tone(name), zorder=3, linewidths=0)
        lowest = min((y for _, y, _ in points), default=0.9)
        axis.set_ylim(min(0.94, lowest - 0.01), 1.008)
        if points:
            axis.set_xlim(min(p[0] for p in points) / 2, max(p[0] for p in points) * 6)
        axis.set_title(f"{size:,} vectors")
        axis.set_xlabel("p50 ms")
        _number_axis(axis.xaxis)
        _beside(axis, points)
    axes[0][0].set_ylabel("recall@10")
    _save(figure, path)


def by_size(
    everything: Everything,
    sizes: Sequence[int],
    names: Sequence[str],
    path: Path,
    title: str,
    unit: str,
    value: Callable[[Values], float | None],
) -> None:
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7.2, 4.4), layout="constrained")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(True, which="major")
    ends = []
    for name in names:
        points = [(size, value(everything.get((name, size), {}))) for size in sizes]
        drawn = [(size, number) for size, number in points if number is not None]
        if drawn:
            _line(axis, [size for size, _ in drawn], [number for _, number in drawn], name)
            ends.append((*drawn[-1], name))
    axis.set_title(title)
    axis.set_xlabel("vectors")
    axis.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    axis.set_xlim(min(sizes) * 0.8, max(sizes) * 9)
    axis.set_ylabel(unit)
    _number_axis(axis.yaxis)
    _at_ends(axis, ends)
    _save(figure, path)


def rounds(churn: Mapping[str, Sequence[Values]], names: Sequence[str], path: Path) -> None:
    """Recall of topics that were there from the start, and of those that came, after each round."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9.6, 4.2), sharey=True, layout="constrained")
    ends: dict[str, list[tuple[float, float, str]]] = {"old": [], "new": []}
    for axis, which, title in zip(axes, ends, ("Topics there from the start", "Topics that came since"), strict=True):
        for name in names:
            points = [(i, values[which]["recall"]) for i, values in enumerate(churn.get(name, ())) if which in values]
            if len(points) > 1:
                _line(axis, [i for i, _ in points], [y for _, y in points], name)
                ends[which].append((float(points[-1][0]), points[-1][1], name))
        axis.set_title(title)
        axis.set_xlabel("rounds, each replacing a tenth of 50,000")
        axis.set_xticks(range(0, 11, 2))
        axis.set_xlim(-0.2, 17)
        axis.grid(True)
    axes[0].set_ylim(None, 1.02)
    for axis, which in zip(axes, ends, strict=True):  # once both axes have their limits
        _at_ends(axis, ends[which])
    axes[0].set_ylabel("recall@10")
    _save(figure, path)


def _tone(name: str) -> str:
    return OURS if name == "ours" else TONES[name]


def _line(axis: Any, xs: Sequence[float], ys: Sequence[float], name: str) -> None:
    is_ours = name == "ours"
    axis.plot(
        xs, ys, color=_tone(name), linewidth=2.4 if is_ours else 1.1, alpha=1.0 if is_ours else 0.85,
        marker="o", markersize=5 if is_ours else 3, zorder=4 if is_ours else 3,
    )  # fmt: skip


def _at_ends(axis: Any, ends: Sequence[tuple[float, float, str]]) -> None:
    """Names beside the last points, moved apart where they would touch."""
    axis.figure.canvas.draw()
    line = 11.5 * axis.figure.dpi / 72
    placed = []
    for x, y, name in sorted(ends, key=lambda end: end[1]):
        across, up = axis.transData.transform((x, y))
        placed.append([up, across, up, name])
    for i in range(1, len(placed)):
        placed[i][0] = max(placed[i][0], placed[i - 1][0] + line)
    # back down by part of what the pile grew, so that names stay near their points and within the frame
    top = axis.get_window_extent().y1
    for _ in range(60):
        for i, one in enumerate(placed):
            wanted = min(one[0] + 0.3 * (one[2] - one[0]), top)
            lower = placed[i - 1][0] + line if i else -1e9
            upper = placed[i + 1][0] - line if i + 1 < len(placed) else 1e9
            one[0] = min(max(wanted, lower), max(lower, upper))
    for i in range(len(placed) - 1, -1, -1):
        placed[i][0] = min(placed[i][0], top - line * (len(placed) - 1 - i))
    right = max((one[1] for one in placed), default=0)
    for up, across, own, name in placed:
        _label(axis, name, (across, own), (right + 16, up), "left")


def _beside(axis: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Names beside points, each at the first place where it covers nothing."""
    axis.figure.canvas.draw()
    scale = axis.figure.dpi / 72
    spots = [(*axis.transData.transform((x, y)), name) for x, y, name in points]
    frame = axis.get_window_extent()
    taken = [(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale) for x, y, _ in spots]
    tries = [
        (side * (7 + far), step * 11.0)
        for far in (0, 12, 26)
        for step in (0, -1, 1, -2, 2, -3, 3, -4, -5, -6, -7, -8)
        for side in (1, -1)
    ]
    for x, y, name in sorted(spots, key=lambda spot: (spot[2] != "ours", spot[0])):
        width, height = len(name) * 4.9 * scale, 9.5 * scale
        free = []
        for dx, dy in tries:
            place = (x + dx * scale, y + dy * scale)
            left = place[0] - (width if dx < 0 else 0)
            box = (left, place[1] - height / 2, left + width, place[1] + height / 2)
            is_inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
            if is_inside and not any(_overlap(box, other) for other in taken):
                own = _distance(box, (x, y))
                is_doubtful = any(_distance(box, spot[:2]) < own + 2 * scale for spot in spots if spot[2] != name)
                free.append((is_doubtful, len(free), box, place, "left" if dx > 0 else "right"))
        if free:
            _, _, box, place, align = min(free)
            taken.append(box)
            _label(axis, name, (x, y), place, align)


def _label(axis: Any, name: str, point: tuple[float, float], place: tuple[float, float], align: str) -> None:
    is_far = abs(place[1] - point[1]) > 4 * axis.figure.dpi / 72 or abs(place[0] - point[0]) > 30 * axis.figure.dpi / 72
    back = axis.transAxes.inverted()
    if is_far:
        ends = back.transform([point, (place[0] - (3 if align == "left" else -3), place[1])])
        axis.plot(
            ends[:, 0],
            ends[:, 1],
            color=_tone(name),
            linewidth=0.6,
            alpha=0.7,
            linestyle=":",
            transform=axis.transAxes,
            zorder=2,
        )
    x, y = back.transform(place)
    weight = "bold" if name == "ours" else "normal"
    axis.text(
        x, y, name, color=_tone(name), ha=align, va="center", fontsize=8.5, fontweight=weight, transform=axis.transAxes
    )


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _distance(box: tuple[float, float, float, float], point: tuple[float, float]) -> float:
    across = max(box[0] - point[0], 0.0, point[0] - box[2])
    up = max(box[1] - point[1], 0.0, point[1] - box[3])
    return float((across**2 + up**2) ** 0.5)


def _number_axis(axis: Any) -> None:
    """1,000 rather than 10³."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high / low < 60:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _memory(values: Values) -> float | None:
    return float(sum(values["searched"].values())) if "searched" in values else None


def _right_update(values: Values) -> float | None:
    """Only of updates that work: what was added must be found."""
    is_wrong = "update_broke" in values or values.get("new_found", 1.0) < 1.0
    return None if is_wrong else values.get("update_ms")


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
