"""Progress of a distillation, phase by phase: what is over stays as a line, what goes on is redrawn in place.

Rule: as in `progress`: on standard error, in place on a terminal only, else a line every ten seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.progress import bar_of, clock, justified
from rag_lifelong.terminal.style import safe_line
from rag_lifelong.terminal.wrapping import columns_of, cut

if TYPE_CHECKING:
    from rag_lifelong.distill.distillation import Stage

HINT = "^C stops"
_EVERY_S = 10.0
_REDRAW_S = 0.1
_COUNTED = {"pairs": "passage", "lessons": "lesson", "training": "step", "control": "step", "gates": "prompt"}
_ERASE = "\r\x1b[K"


class Stages:
    """Told of each step by `tell`; `close` before anything else is said."""

    def __init__(
        self,
        stream: TextIO,
        *,
        is_drawn: bool,
        columns: Callable[[], int] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """is_drawn: the stream is a terminal that can go back in a line. columns: of it, now; None asks it."""
        self._stream = stream
        self._is_drawn = is_drawn
        self._columns = columns or (lambda: shutil.get_terminal_size().columns)
        self._now = now
        self._stage: Stage | None = None
        self._first = 0  # steps that were done before this run, of one that goes on
        self._began = self._said = now()

    def tell(self, stage: Stage) -> None:
        """One step more, or the first of another phase."""
        now = self._now()
        before = self._stage
        if before is None or stage.name != before.name or stage.done < before.done:
            self._end()
            self._first, self._began = stage.done, now
            if self._is_drawn:
                self._said = float("-inf")
        self._stage = stage
        if not self._is_drawn and stage.done >= stage.total > 0:
            return  # the line of its end comes right after
        if now - self._said >= (_REDRAW_S if self._is_drawn else _EVERY_S):
            self._said = now
            self._write(is_over=False)

    def close(self) -> None:
        """Leaves the last state of the phase that goes on; may be called twice."""
        self._end()
        self._stage = None

    def line(self, width: int, *, is_over: bool) -> str:
        """Training   ━━━━╌╌╌╌ 400/1,500 steps · loss 0.412 · 3:10 left    ^C stops"""
        stage = self._stage
        assert stage is not None  # told
        name, word = safe_line(stage.name).capitalize(), _COUNTED.get(stage.name, "step")
        counts = f"{stage.done:,}/{count_of(stage.total, word)}" if stage.total else count_of(stage.done, word)
        loss = "" if stage.loss is None else f" · loss {stage.loss:.3f}"
        if is_over:
            return justified(f"{name:<9}  {counts}{loss}", clock(self._now() - self._began), width)
        done, passed = stage.done - self._first, self._now() - self._began
        left = ""
        if done > 0 and stage.total > stage.done:
            left = f" · {clock((stage.total - stage.done) * passed / done)} left"
        told = f"{counts}{loss}{left}"
        drawn = bar_of(stage.done, stage.total, width - 12 - len(told) - len(HINT) - 2) if width else ""
        return justified(f"{name:<9}  {drawn}{told}", HINT if width else "", width)

    def _end(self) -> None:
        """The phase is over, or left: its line stays."""
        if self._stage is None:
            return
        if self._is_drawn or self._now() - self._began >= _EVERY_S:
            self._write(is_over=True)

    def _write(self, *, is_over: bool) -> None:
        if not self._is_drawn:
            self._stream.write(self.line(0, is_over=is_over) + "\n")
            self._said = self._now()
        else:
            width = self._columns() - 1
            line = self.line(width, is_over=is_over)
            line = line if columns_of(line) <= width else cut(line, width)
            self._stream.write(f"{_ERASE}{line}" + ("\n" if is_over else ""))
        self._stream.flush()
