"""The program of the operating system that runs services: what each must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rag_lifelong.service.programs import Run

RESTART_S = 30  # what was in the way for a moment delays little …
RESTART_MOST_S = 3600  # … and what stays in the way costs little: after RESTART_STEPS failures, one try an hour
RESTART_STEPS = 8
STARTS_AN_HOUR = 20  # where a supervisor knows no steps; then it gives up, and says so
NICE = 15  # of 19: what a person waits for goes first


@dataclass(frozen=True, slots=True)
class Standing:
    """How an installed service stands. state: in its supervisor's words. since: None where nobody knows."""

    is_running: bool
    state: str
    since: datetime | None


class Supervisor(Protocol):
    """The program of the operating system that runs one service."""

    @property
    def name(self) -> str:
        """What the service is called there."""

    @property
    def path(self) -> Path:
        """The file that describes the service."""

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """What else lies on the disk if `stop` was refused."""

    @property
    def start_by_hand(self) -> str:
        """For people: how to do what `start` could not."""

    @property
    def stop_by_hand(self) -> str:
        """The same for `stop`."""

    def text(self) -> bytes:
        """What the file is to hold."""

    def start(self, run: Run, *, is_updated: bool) -> None:
        """Starts the service, now and from the next login on. is_updated: the file has replaced another."""

    def stop(self, run: Run) -> None:
        """Ends the service, and starts it no more."""

    def forget(self, run: Run) -> None:
        """Takes note that the file is gone."""

    def standing(self, run: Run, *, now: datetime) -> Standing:
        """Whether it runs."""

    def logs(self, run: Run, lines: int) -> str:
        """The last lines it wrote."""
