"""What was measured, as Markdown tables: a column for each reader."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reading_in import environments, figure
from benchmarks.reading_in.folders import MIXED, PEPS

Row = dict[str, Any]

TITLES = {"ours": "ours", "llama_index": "LlamaIndex", "langchain": "LangChain", "chroma": "Chroma", "txtai": "txtai"}
NAMES = tuple(TITLES)
_FINDS_ITSELF = {
    "ours": "yes",
    "llama_index": "reads all again",
    "langchain": "reads all again",
    "chroma": "must be told",
    "txtai": "must be told",
}
_DISTRIBUTIONS = {
    "llama_index": "llama-index-core",
    "langchain": "langchain-community",
    "chroma": "chromadb",
    "txtai": "txtai",
}
GIVEN = ("chroma",)  # read no files


def place(work: Path, folder: str, name: str) -> Path:
    return work / "results" / f"{folder}-{name}.json"


def load(work: Path) -> list[Row]:
    """In the order of NAMES, the mixed folder first."""
    places = [place(work, folder, name) for folder in (MIXED, PEPS) for name in NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in places if path.exists()]


def write(rows: Sequence[Row], path: Path) -> str:
    """Writes the page, and its figure into figures/ beside it; gives the page."""
    image = path.parent / "figures" / "reading_in.png"
    figure.draw(rows, TITLES, image)
    text = page(rows, f"![Seconds to searchable and peak memory]({image.parent.name}/{image.name})")
    path.write_text(text + "\n", encoding="utf-8")
    return text


def page(rows: Sequence[Row], image: str = "") -> str:
    parts = ["# Reading in, beside the peers", machine(rows), image]
    for name in (MIXED, PEPS):
        chosen = [row for row in rows if row["folder"] == name]
        if chosen:
            parts += [f"## {heading(chosen[0])}", table(chosen)]
    parts += [NOTES, used()]
    return "\n\n".join(part for part in parts if part)


def heading(row: Row) -> str:
    what = "documents of many formats" if row["folder"] == MIXED else "PEPs, the first by name"
    return f"{row['files']:,} {what}, {row['size_bytes'] / 1e6:.1f} MB"


def machine(rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing was measured yet."
    days = sorted({row["at"][:10] for row in rows})
    loads = [row["load_before"][0] for row in rows]
    named = ", ".join(f"{each} {environments.version(name, each)}" for name, each in _DISTRIBUTIONS.items())
    return (
        f"`python -m benchmarks.reading_in --work FOLDER`, {' to '.join(sorted({days[0], days[-1]}))}: all-MiniLM-L6-v2 from one "
        f"folder for all, {rows[0]['threads']} of {os.cpu_count()} shared {platform.machine()} cores, no GPU, no network, one after "
        f"another, each in a process of its own; load average before each {min(loads):.1f} to {max(loads):.1f}. {named}, with sentence-transformers "
        f"{environments.version('chroma', 'sentence-transformers')} and torch {environments.version('chroma', 'torch')}."
    )


def table(rows: Sequence[Row]) -> str:
    """A line for each measure. What failed says so in its first line."""
    lines = [["", *(TITLES[row["name"]] for row in rows)], ["---", *["---:"] * len(rows)]]
    for what, value in _MEASURES:
        lines.append([what, *(_cell(row, value) for row in rows)])
    failed = [f"{TITLES[row['name']]} failed: {row['failed']}" for row in rows if row.get("failed")]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + (["", *failed] if failed else []))


def _cell(row: Row, value: Callable[[Row], str]) -> str:
    try:
        return value(row)
    except (KeyError, TypeError):  # it did not come so far
        return "–"


def outcomes(row: Row) -> dict[str, int]:
    """Of the files offered: read, empty, misread, told as unreadable, and passed over in silence; and files in them."""
    offered = set(row["offered"])
    read: dict[str, int] = {}
    inner = 0
    for path, chars in row["read"].items():
        outer = _outer(path, offered)
        inner += path != outer
        read[outer] = read.get(outer, 0) + chars
    misread = {_outer(path, offered) for path in row["misread"]}
    told = {path for path in row["told"] if path in offered} - read.keys()
    return {
        "read": sum(1 for path, chars in read.items() if chars and path not in misread),
        "empty": sum(1 for chars in read.values() if not chars),
        "misread": len(misread),
        "told": len(told),
        "silent": len(offered) - len(read) - len(told),
        "inner": inner,
    }


def _outer(path: str, offered: set[str]) -> str:
    """The file that was offered, of the path of a file in it."""
    while path not in offered and "/" in path:
        path = path.rpartition("/")[0]
    return path


def working_s(row: Row) -> float:
    """From ready, libraries loaded, to searchable."""
    return float(row["searchable_s"] - row["ready_s"])


def short(row: Row) -> str:
    return f"searchable {row['searchable_s']:.1f} s, {row['tokens'] / working_s(row):,.0f} tokens/s, peak {row['peak_bytes'] / 1e6:,.0f} MB"


def _places(row: Row) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(row["places"].items()) if count) or "none"


def _told(row: Row) -> str:
    return "–" if row["name"] in GIVEN else f"{outcomes(row)['told']}"


def _silent(row: Row) -> str:
    return "not given" if row["name"] in GIVEN else f"{outcomes(row)['silent']}"


def _reading(row: Row) -> str:
    return f"given (made in {row['given_s']:.1f})" if "given_s" in row else f"{row['reading_s']:.1f}"


def _change(row: Row) -> str:
    found = "found" if row["new_found"] else "**not found**"
    gone = "**still found**" if row["gone_found"] else "gone" if row["gone_was_found"] else "gone (not found before)"
    return f"{found}, {gone}"


_MEASURES: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("files read, with text", lambda row: f"{outcomes(row)['read']}"),
    ("… without text", lambda row: f"{outcomes(row)['empty']}"),
    ("… as text, though they are none", lambda row: f"{outcomes(row)['misread']}"),
    ("files that failed, and the user is told", _told),
    ("files left out in silence", _silent),
    ("files found in files", lambda row: f"{outcomes(row)['inner']}"),
    ("characters of text, thousand", lambda row: f"{sum(row['read'].values()) / 1e3:,.0f}"),
    ("passages", lambda row: f"{row['chunks']:,}"),
    ("strings embedded", lambda row: f"{row['strings']:,}"),
    ("tokens embedded, thousand", lambda row: f"{row['tokens'] / 1e3:,.0f}"),
    ("tokens cut off, thousand", lambda row: f"{row['tokens_cut_off'] / 1e3:,.1f}"),
    ("s to start (libraries, weights)", lambda row: f"{row['ready_s']:.1f}"),
    ("s to read the files", _reading),
    ("**s until the first file is found**", lambda row: f"{row['first_s']:.1f}"),
    ("**s until all is searchable, on disk**", lambda row: f"{row['searchable_s']:.1f}"),
    ("passages a second, once started", lambda row: f"{row['chunks'] / working_s(row):.1f}"),
    ("**tokens a second, once started**", lambda row: f"{row['tokens'] / working_s(row):,.0f}"),
    ("MB of files a second, once started", lambda row: f"{row['size_bytes'] / 1e6 / working_s(row):.3f}"),
    ("**peak memory, MB**", lambda row: f"{row['peak_bytes'] / 1e6:,.0f}"),
    ("on disk, MB", lambda row: f"{row['size_bytes_kept'] / 1e6:.1f}"),
    ("files whose passages say where they stand", _places),
    ("one file edited, one deleted: s", lambda row: f"{row['update_s']:.2f}"),
    ("… strings embedded again", lambda row: f"{row['update_strings']:,}"),
    ("… then", _change),
    ("… finds the change itself", lambda row: _FINDS_ITSELF[row["name"]]),
)

NOTES = (
    "All seconds are from the start of the process. Once started: without loading libraries and, where that is done at "
    "the start, weights; ours loads them with the first batch. Memory is resident memory of the process and its "
    "children, which for txtai are LibreOffice's, and for ours the process that parses. A rate of passages compares little, "
    "since each cuts them in its own size; tokens are counted by the model's tokenizer, up to the 256 that it reads. "
    "What ours takes to read the files includes keeping them, so that all is found by words. Ours is found by words at once, and its vectors follow: the second bold line is when all have theirs. In the figure "
    "a mark shows when the first file is found, and a rate is that once started."
)


def used() -> str:
    """How each was used, in the words of its class."""
    from benchmarks.reading_in.ours import Ours
    from benchmarks.reading_in.peers import PEERS

    kinds: Mapping[str, type] = {"ours": Ours, **PEERS}
    lines = [f"- {TITLES[name]}: {' '.join((kinds[name].__doc__ or '').split())}" for name in NAMES]
    return "How each was used:\n\n" + "\n".join(lines)
