"""An agent of launchd (macOS)."""

from __future__ import annotations

import plistlib
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rag_lifelong.errors import ServiceUnusable
from rag_lifelong.service.programs import Run, asked
from rag_lifelong.service.supervisor import NICE, Standing

_THROTTLE_S = 300  # between two starts: launchd knows no steps, and never gives up


@dataclass(frozen=True, slots=True)
class Launchd:
    """An agent of launchd (macOS), in the user's graphical session."""

    name: str
    command: tuple[str, ...]
    home: Path
    user_id: int

    @property
    def path(self) -> Path:
        """The property list."""
        return self.home / "Library" / "LaunchAgents" / f"{self.name}.plist"

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """None."""
        return ()

    @property
    def start_by_hand(self) -> str:
        """One command."""
        return f"logged in at the screen, run: {shlex.join(self._bootstrap)}"

    @property
    def stop_by_hand(self) -> str:
        """One command."""
        return shlex.join(("launchctl", "bootout", self._target))

    @property
    def log(self) -> Path:
        """What the agent writes."""
        return self.home / "Library" / "Logs" / f"{self.name}.log"

    def text(self) -> bytes:
        """The property list. Raises ServiceUnusable for a path that none can hold."""
        wanted = {
            "Label": self.name,
            "ProgramArguments": list(self.command),
            "WorkingDirectory": "/",
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": _THROTTLE_S,
            "ProcessType": "Background",
            "Nice": NICE,
            "LowPriorityIO": True,
            "StandardOutPath": str(self.log),
            "StandardErrorPath": str(self.log),
        }
        try:
            text = plistlib.dumps(wanted, sort_keys=False)
            is_whole = plistlib.loads(text) == wanted  # a carriage return becomes a newline
        except ValueError:  # other control characters, and bytes that are no UTF-8
            is_whole = False
        if not is_whole:
            raise ServiceUnusable(f"a property list cannot hold {shlex.join(self.command)!r}; rename that folder")
        return text

    def start(self, run: Run, *, is_updated: bool) -> None:
        """An agent that is loaded cannot be loaded again."""
        is_loaded = self._is_loaded(run)
        if is_loaded and is_updated:
            asked(run, ("launchctl", "bootout", self._target))
            is_loaded = False
        asked(run, ("launchctl", "enable", self._target))
        asked(run, ("launchctl", "kickstart", self._target) if is_loaded else self._bootstrap)

    def stop(self, run: Run) -> None:
        """Ended and unloaded in one."""
        if self._is_loaded(run):
            asked(run, ("launchctl", "bootout", self._target))

    def forget(self, run: Run) -> None:
        """Nothing: launchd reads the folder at the next login."""

    def standing(self, run: Run, *, now: datetime) -> Standing:
        """As `launchctl print` tells it, and `ps` since when."""
        shown = run(("launchctl", "print", self._target))
        if shown.code != 0:
            return Standing(False, "not loaded", None)
        state = re.search(r"^\s*state = (.+)$", shown.out, re.MULTILINE)
        pid = re.search(r"^\s*pid = (\d+)$", shown.out, re.MULTILINE)
        since = None
        if pid is not None:
            age = _age(run(("ps", "-o", "etime=", "-p", pid[1])).out)
            since = None if age is None else now - age
        return Standing(pid is not None, "unknown" if state is None else state[1].strip(), since)

    def logs(self, run: Run, lines: int) -> str:
        """From the agent's own log file."""
        return asked(run, ("tail", "-n", str(lines), str(self.log))) if self.log.exists() else ""

    def _is_loaded(self, run: Run) -> bool:
        return run(("launchctl", "print", self._target)).code == 0

    @property
    def _target(self) -> str:
        return f"gui/{self.user_id}/{self.name}"

    @property
    def _bootstrap(self) -> tuple[str, ...]:
        return ("launchctl", "bootstrap", f"gui/{self.user_id}", str(self.path))


def _age(shown: str) -> timedelta | None:
    """ "[[days-]hours:]minutes:seconds": what ps says of how long a process has run."""
    found = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)", shown.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
