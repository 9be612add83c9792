"""A user unit of systemd (Linux).

Rule: a path is one word of ExecStart= whatever characters it holds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag_lifelong.service.programs import Run, asked
from rag_lifelong.service.supervisor import (
    NICE,
    RESTART_MOST_S,
    RESTART_S,
    RESTART_STEPS,
    STARTS_AN_HOUR,
    Standing,
)

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}
# systemd refuses quotes, backslashes and controls in the name of a program, and leaves a doubled $ doubled there
# (config_parse_exec in src/core/load-fragment.c); bytes that are no UTF-8 are kept away from it too
_UNFIT = re.compile(r"[\"'\\$\x00-\x1f\x7f\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Systemd:
    """A user unit of systemd. folder: where the user's units lie."""

    name: str
    command: tuple[str, ...]
    folder: Path

    @property
    def path(self) -> Path:
        """The unit."""
        return self.folder / self._unit

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """The link by which the unit is enabled."""
        return (self.folder / "default.target.wants" / self._unit,)

    @property
    def start_by_hand(self) -> str:
        """In a session of one's own, or without systemd."""
        return (
            "run in a session of your own, without sudo: systemctl --user daemon-reload && "
            f"systemctl --user enable --now {self._unit}; or, without systemd, at login: {shlex.join(self.command)}"
        )

    @property
    def stop_by_hand(self) -> str:
        """One command."""
        return f"systemctl --user stop {self._unit}"

    def text(self) -> bytes:
        """The unit. Nothing in it hides the home folder: that is where the documents are.

        Restarts grow rare by RestartSteps= (systemd 254 and later; older ones skip the line with a warning, and give up
        after StartLimitBurst= starts an hour, which the steps never reach).
        """
        return f"""\
# Made by `lifelong service install`, which overwrites it. Your own settings: systemctl --user edit {self._unit}
[Unit]
Description=lifelong watch ({self.name})
StartLimitIntervalSec=3600
StartLimitBurst={STARTS_AN_HOUR}

[Service]
Type=exec
ExecStart={exec_line(self.command)}
WorkingDirectory=/
Restart=on-failure
RestartSec={RESTART_S}
RestartSteps={RESTART_STEPS}
RestartMaxDelaySec={RESTART_MOST_S}
RestartPreventExitStatus=2
Nice={NICE}
IOSchedulingClass=idle
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=default.target
""".encode()

    def start(self, run: Run, *, is_updated: bool) -> None:
        """`enable --now` leaves a running service as it is, so an updated one is started again.

        One that was given up starts again.
        """
        asked(run, ("systemctl", "--user", "daemon-reload"))
        run(("systemctl", "--user", "reset-failed", self._unit))  # fails for one that never ran
        if is_updated:
            asked(run, ("systemctl", "--user", "enable", self._unit))
            asked(run, ("systemctl", "--user", "restart", self._unit))
        else:
            asked(run, ("systemctl", "--user", "enable", "--now", self._unit))

    def stop(self, run: Run) -> None:
        """Stopped and disabled in one."""
        asked(run, ("systemctl", "--user", "disable", "--now", self._unit))

    def forget(self, run: Run) -> None:
        """Reads the units again."""
        asked(run, ("systemctl", "--user", "daemon-reload"))

    def standing(self, run: Run, *, now: datetime) -> Standing:
        """As `systemctl show` tells it."""
        names = "ActiveState,SubState,ActiveEnterTimestamp,InactiveEnterTimestamp"
        shown = asked(run, ("systemctl", "--user", "show", self._unit, f"--property={names}"))
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        state = found.get("ActiveState", "unknown")
        entered = {"active": "ActiveEnterTimestamp", "inactive": "InactiveEnterTimestamp"}
        since = _local_time(found.get(entered.get("inactive" if state == "failed" else state, ""), ""))
        return Standing(state == "active", f"{state} ({found.get('SubState', 'unknown')})", since)

    def logs(self, run: Run, lines: int) -> str:
        """From the journal."""
        return asked(run, ("journalctl", "--user", f"--unit={self._unit}", f"--lines={lines}", "--no-pager", "--quiet"))

    @property
    def _unit(self) -> str:
        return f"{self.name}.service"


def exec_line(command: Sequence[str]) -> str:
    """The value of ExecStart= that runs just this command.

    A program's name that systemd would refuse or change is given to /bin/sh, which takes it as it is.
    """
    words = list(command)
    if _UNFIT.search(words[0]):
        words = ["/bin/sh", "-c", 'exec "$0" "$@"', *words]
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    """One word of ExecStart=: systemd.syntax(7) "Quoting", systemd.service(5) "Command lines", systemd.unit(5) "%%"."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + "".join(_escaped(character) for character in word) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no UTF-8, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    return _ESCAPES.get(character, character)


def _local_time(shown: str) -> datetime | None:
    """ "Wed 2026-08-05 10:11:12 CEST": systemctl's, in this machine's time zone; None if there is none."""
    found = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown)
    return None if found is None else datetime.fromisoformat(found[0]).astimezone()
