"""Blocks ⇄ docs/terminal.md, and what of it may differ from run to run.

Rule: times, durations, rates, sizes, process ids, dates of the day it ran and scores are masked when two pages are
compared, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.terminal.steps import Block

HEAD = """\
# In the terminal

What a user types and sees, taken from a terminal of 100 columns while a script typed: `python -m benchmarks.terminal`.
A line that the terminal itself has broken is shown whole.
A test drives the same session again and compares every line; only times, durations, rates, sizes, process ids,
scores and the dates of the day may differ. `~/notes` is a copy of `samples/`, the embedder is the default one, and
no language model is set: answers are quotations.
"""

_MASKS: tuple[tuple[str, str], ...] = (
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:[\d.]+\+00:00", "MOMENT"),
    (r"\b(?!2026-0[1-4])20\d\d-\d\d-\d\d\b", "DAY"),  # the samples' own dates are of early 2026
    (r"\b\d?\d:\d\d(:\d\d)?\b", "TIME"),
    (r" · [\d,]+/s", ""),
    (r"\b\d+(\.\d+)? (ms|s|seconds?|minutes?)\b", "SPAN"),
    (r"\bjust now\b", "SPAN ago"),
    (r"\b[\d,]+(\.\d+)? ?(bytes|[kKMG]B)\b", "SIZE"),
    (r"\bpid \d+", "pid N"),
    (r"(score|meaning|words) -?\d+\.\d+", r"\1 X"),
)


def written(blocks: Iterable[Block]) -> str:
    """The page, in Markdown."""
    return HEAD + "".join(_lines(blocks))


def _lines(blocks: Iterable[Block]) -> Iterator[str]:
    title = ""
    for block in blocks:
        if block.title != title:
            title = block.title
            yield f"\n## {title}\n"
        if block.says:
            yield f"\n{block.says}\n"
        yield "\n```\n" + "".join(f"{line}\n" for line in block.lines) + "```\n"


def read(page: str) -> list[tuple[str, ...]]:
    """The lines of each block of a page."""
    return [tuple(found.split("\n")[:-1]) for found in re.findall(r"^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]


def masked(lines: Sequence[str]) -> list[str]:
    """Lines as they are compared: with what may differ masked, and there without regard to how far it is set apart."""
    return [_masked(line) for line in lines]


def _masked(line: str) -> str:
    shown = line
    for pattern, mask in _MASKS:
        shown = re.sub(pattern, mask, shown)
    return re.sub(r" {2,}", "  ", shown) if shown != line else line


def kept(blocks: Sequence[Block], page: str) -> list[Block]:
    """Blocks with the lines of an earlier page where only what may differ does, so that the page changes no more
    than what it tells."""
    before = {tuple(masked(lines)): lines for lines in read(page)}
    return [Block(one.title, one.says, before.get(tuple(masked(one.lines)), one.lines)) for one in blocks]
