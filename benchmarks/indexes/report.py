"""The table for people, out of results.jsonl; the newest row of a peer, phase and size counts."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.indexes import figures, sets
from benchmarks.indexes.peers import DISTRIBUTIONS, PEERS

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("ours", *PEERS)
FIGURES = {
    "recall": "recall@10 against p50, per size",
    "search": "p50 of a search against size",
    "update": "p50 of a durable update against size",
    "memory": "resident memory against size",
    "churn": "recall of old and new topics over ten rounds of churn",
}
CHURN = (
    f"Churn: {sets.CHURN_SIZE:,} vectors of ten topics, {sets.ROUNDS} rounds that each replace a random tenth by vectors of one more topic. "
    "The first two rounds have few queries about new topics. An index in memory is written whole in each round."
)
_STEPS = {  # of updates.py → what is said of them
    "update": "ten passages replaced",
    "commit": "… commit",
    "embed": "… ten vectors by hashing",
    "index": "… index brought along",
    "first_search": "first search after it",
    "search": "any other search",
    "file_read_in": "one file read in",
    "file_compare": "… compare",
    "file_parse": "… parse, cut",
    "file_commit": "… commit",
    "file_counts": "… what is told in the end",
}
DETAIL = 100_000  # the size of the second table

Row = dict[str, Any]
Values = Mapping[str, Any]


def rows(work: Path) -> list[Row]:
    path = work / "results.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def measured(work: Path) -> dict[tuple[str, int], Values]:
    """(peer, size) → what was measured of it, phases together; `failed` names the phase and the reason."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in {(row["peer"], row["phase"], row["size"]): row for row in rows(work)}.values():
        if row["phase"] not in ("build", "search"):
            continue
        values = found.setdefault((row["peer"], row["size"]), {})
        values |= row["values"]
        if row["failed"]:
            values["failed"] = f"{row['phase']}: {row['failed']}"
    for size, through in _through(work).items():  # ours is durable only there
        values = found.get(("ours", size))
        if values is not None and "update_ms" in values:
            values["index_alone_ms"], values["update_ms"] = values["update_ms"], through["update"]["p50"]
    return found


def _through(work: Path) -> dict[int, dict[str, Any]]:
    """Size → what was measured of updates through the store."""
    return {row["size"]: row["values"] for row in rows(work) if row["phase"] == "end_to_end" and not row["failed"]}


def churned(work: Path) -> dict[str, list[Values]]:
    """Peer → what was measured after each round of churn, the state before as the first."""
    found = {}
    for row in rows(work):
        if row["phase"] == "churn":
            rounds = (row["values"].get(f"round_{i}") for i in range(sets.ROUNDS + 1))
            found[row["peer"]] = [values for values in rounds if values is not None]
    return found


def write(work: Path, folder: Path) -> str:
    """Draws the figures into `folder`, and writes the page beside it that shows them; gives the page, as Markdown."""
    everything, churn = measured(work), churned(work)
    sizes = sorted({size for _, size in everything})
    figures.draw(everything, churn, sizes, NAMES, folder)
    images = (
        f"![{what}]({folder.name}/indexes-{file}.svg)"
        for file, what in FIGURES.items()
        if (folder / f"indexes-{file}.svg").exists()
    )
    parts = [
        "# Our index beside its peers",
        "`python -m benchmarks.indexes --work FOLDER --report` wrote this page out of what the same command measured.",
        machine(work),
        by_size(everything, sizes),
        "\\* the update is done, but what it added is not found.",
        _alone(everything, sizes),
        detail(everything, churn, DETAIL),
        CHURN,
        through_the_store(work),
        shortfalls(work),
        *images,
        "How each was used:",
        "\n".join(f"- {name}: {' '.join((PEERS[name].__doc__ or '').split())}" for name in PEERS),
    ]
    page = "\n\n".join(part for part in parts if part) + "\n"
    (folder.parent / "indexes.md").write_text(page, encoding="utf-8")
    return page


def machine(work: Path) -> str:
    system = (
        platform.freedesktop_os_release().get("PRETTY_NAME", "") if hasattr(platform, "freedesktop_os_release") else ""
    )
    pins = [line for line in (ROOT / "benchmarks" / "peers.txt").read_text().splitlines() if "==" in line]
    named = [pin.replace("==", " ") for pin in pins if pin.split("==")[0] in DISTRIBUTIONS.values()]
    days = sorted({row["at"][:10] for row in rows(work)})
    counts = json.loads(sets.describe(work))
    return (
        f"{os.cpu_count()} shared {platform.machine()} cores, no GPU, {system or platform.system()}, Python {platform.python_version()}, "
        f"{' to '.join(sorted({days[0], days[-1]}))}; faiss-cpu {version('faiss-cpu')} for ours; {', '.join(named)}. "
        f"{counts['real']:,} real all-MiniLM-L6-v2 vectors of passages, larger sets drawn around them; "
        f"{counts['questions']} real questions and {counts['passages']} held-out passages as queries, one at a time, "
        "`OMP_NUM_THREADS=1`; builds use both cores where the peer does."
    )


def _alone(everything: Mapping[tuple[str, int], Values], sizes: Sequence[int]) -> str:
    alone = [everything.get(("ours", size), {}).get("index_alone_ms") for size in sizes]
    if None in alone:
        return ""
    shown = ", ".join(_number(value) for value in alone)
    return f"An update of ours is one through the store, without which it is not durable; of the index alone it takes {shown} ms."


def by_size(everything: Mapping[tuple[str, int], Values], sizes: Sequence[int]) -> str:
    """Search and durable update of every size."""
    shown = [f"{size // 1_000:,}k" if size < 10**6 else f"{size // 10**6}M" for size in sizes]
    head = ["p50 ms (recall@10)", *shown, *(f"update, {size}" for size in shown)]
    lines = [
        [
            name,
            *(_speed(everything.get((name, size), {})) for size in sizes),
            *(_update(everything.get((name, size), {})) for size in sizes),
        ]
        for name in NAMES
        if any((name, size) in everything for size in sizes)
    ]
    return _table(head, lines)


def detail(everything: Mapping[tuple[str, int], Values], churn: Mapping[str, Sequence[Values]], size: int) -> str:
    """All else, at one size."""
    head = [
        f"{size:,} vectors", "build s", "disk MB", "open ms", "resident MB after 100 queries: anonymous + files",
        *(f"filter {share} %: ms (recall)" for share in sets.SHARES), "churn: recall of old / new topics, s a round",
    ]  # fmt: skip
    lines = []
    for name in NAMES:
        values = everything.get((name, size))
        if values is None:
            continue
        memory = values.get("searched")
        lines.append(
            [
                name,
                _number(values.get("build_s")),
                _number(values.get("size_bytes", 0) / 1e6 or None),
                _number(values.get("open_ms")),
                f"{memory['anon']:,} + {memory['file']:,}" if memory else "–",
                *(_speed(values.get(f"where_{share}", {})) for share in sets.SHARES),
                _churn(churn.get(name, [])),
            ]
        )
    return _table(head, lines)


def through_the_store(work: Path) -> str:
    """A durable update of our knowledge base, with its parts; what opening it takes; what stays in memory."""
    found = _through(work)
    if not found:
        return ""
    sizes = sorted(found)
    lines = [
        [name, *(_spread(found[size].get(step)) for size in sizes)]
        for step, name in _STEPS.items()
        if any(step in found[size] for size in sizes)
    ]
    for what, name in (("open_ms", "opened"), ("open_and_search_ms", "opened and searched once")):
        lines.append([name, *(_number(found[size].get(what)) for size in sizes)])
    memories = [found[size].get("memory") for size in sizes]
    resident = "resident MB after 100 searches: anonymous + files"
    lines.append([resident, *(f"{m['anon']:,} + {m['file']:,}" if m else "–" for m in memories)])
    head = [
        "ours, through the store: p50 (p95) ms, searches beyond embedding",
        *(f"{size:,} passages" for size in sizes),
    ]
    return _table(head, lines)


def shortfalls(work: Path) -> str:
    """What was not measured, and why; what did not come out right."""
    lines = []
    churn = {row["peer"]: row for row in rows(work) if row["phase"] == "churn"}
    for (name, size), values in sorted(measured(work).items(), key=lambda item: (NAMES.index(item[0][0]), item[0][1])):
        if "failed" in values:
            lines.append(f"- {name}, {size:,}: {values['failed']}")
        if "update_broke" in values:
            lines.append(f"- {name}, {size:,}: {values['update_broke']}")
        elif values.get("new_found", 1.0) < 1.0:
            lines.append(
                f"- {name}, {size:,}: {values['new_found']:.0%} of the vectors just added are found by themselves"
            )
        if values.get("gone_found", 0.0) > 0.0:
            lines.append(f"- {name}, {size:,}: {values['gone_found']:.0%} of the vectors taken away are still found")
    searched = {key for key, values in measured(work).items() if "p50_ms" in values or "failed" in values}
    for size in sorted({size for _, size in searched}):
        if missing := [name for name in NAMES if (name, size) not in searched]:
            lines.append(f"- {size:,}: not run: {', '.join(missing)}")
    for name in NAMES:
        values = measured(work).get((name, DETAIL), {})
        for what in ("cannot_filter", "cannot_update"):
            if what in values:
                lines.append(f"- {name}: {values[what]}")
        row = churn.get(name)
        if row and (row["failed"] or "churn_broke" in row["values"]):
            lines.append(f"- {name}, churn: {row['failed'] or row['values']['churn_broke']}")
    return "\n".join(lines)


def _speed(values: Values) -> str:
    if "p50_ms" not in values:
        return "–"
    return f"{_number(values['p50_ms'])} ({values['recall']:.3f})"


def _update(values: Values) -> str:
    is_wrong = "update_broke" in values or values.get("new_found", 1.0) < 1.0
    return _number(values.get("update_ms")) + (" *" if is_wrong else "")


def _churn(rounds: Sequence[Values]) -> str:
    if len(rounds) < 2:
        return "–"
    last = rounds[-1]
    seconds = sorted(values["round_s"] for values in rounds[1:])[(len(rounds) - 1) // 2]
    old, new = (f"{last[which]['recall']:.3f}" for which in ("old", "new"))
    return f"{old} / {new}, {_number(seconds)}"


def _spread(times: Values | None) -> str:
    return "–" if times is None else f"{_number(times['p50'])} ({_number(times['p95'])})"


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    bold = [[f"**{cell}**" if line[0] == "ours" else cell for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *bold))
