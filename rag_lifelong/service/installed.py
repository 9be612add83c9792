"""Installing the service of one knowledge base, removing it, and seeing how it stands.

Rule: a file that does not run this program is neither overwritten nor removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import Path

from rag_lifelong.errors import ServiceUnusable, TargetUnusable
from rag_lifelong.service.launchd import Launchd
from rag_lifelong.service.programs import Run
from rag_lifelong.service.supervisor import Standing, Supervisor
from rag_lifelong.service.systemd import Systemd

_PACKAGE = "rag_lifelong"


def supervisor_for(
    platform: str, *, name: str, command: tuple[str, ...], home: Path, config_home: str | None, user_id: int
) -> Supervisor:
    """The one of that platform (as in `sys.platform`). config_home: XDG_CONFIG_HOME; ignored unless absolute.

    Raises ServiceUnusable where there is none.
    """
    if platform == "linux":
        config = Path(config_home) if config_home and os.path.isabs(config_home) else home / ".config"
        return Systemd(name, command, config / "systemd" / "user")
    if platform == "darwin":
        return Launchd(name, command, home, user_id)
    if platform == "win32":
        by_hand = f"have the Task Scheduler run at log on: {subprocess.list2cmdline(command)}"
    else:
        by_hand = f"have cron (@reboot) run: {shlex.join(command)}"
    raise ServiceUnusable(f"services are for systemd and launchd, not for {platform}; {by_hand}")


def watch_command(python: str, knowledge_base: Path) -> tuple[str, ...]:
    """What the service runs."""
    return (python, "-m", _PACKAGE, "--kb", str(knowledge_base), "watch", "--quiet")


def service_name(knowledge_base: Path, *, default: Path) -> str:
    """ "lifelong", or for any but the default knowledge base "lifelong-NAME-DIGEST": one each, however it is named."""
    place = os.path.realpath(knowledge_base)
    if place == os.path.realpath(default):
        return "lifelong"
    readable = re.sub(r"[^a-z0-9]+", "-", os.path.basename(place).lower().removeprefix("lifelong-"))[:32].strip("-")
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
    return "-".join(part for part in ("lifelong", readable, digest) if part)


def install(supervisor: Supervisor, run: Run) -> str:
    """Writes the file where it differs, and starts the service: "installed", "updated", or "already" there.

    Raises TargetUnusable if the file cannot be written, ServiceUnusable if the service could not be started; then the
    file is there, and the message says what to run.
    """
    text = supervisor.text()
    before = _ours(supervisor.path)
    if before != text:
        _write(supervisor.path, text)
    done = "already" if before == text else "installed" if before is None else "updated"
    try:
        supervisor.start(run, is_updated=done == "updated")
    except ServiceUnusable as error:
        raise ServiceUnusable(
            f"{supervisor.path} is written, but not started: {error}; {supervisor.start_by_hand}"
        ) from error
    return done


def uninstall(supervisor: Supervisor, run: Run) -> bool:
    """Stops the service and removes its file; whether there was one.

    Raises TargetUnusable if the file cannot be removed, ServiceUnusable if the file is gone but the service may run.
    """
    if _ours(supervisor.path) is None:
        return False
    try:
        supervisor.stop(run)
    except ServiceUnusable as error:
        _remove(supervisor)
        raise ServiceUnusable(
            f"{supervisor.path} is removed, but {error}; should it still run: {supervisor.stop_by_hand}"
        ) from error
    _remove(supervisor)
    supervisor.forget(run)
    return True


def status(supervisor: Supervisor, run: Run, *, now: datetime) -> Standing | None:
    """How it stands; None if it is not installed. Raises ServiceUnusable if nobody can tell."""
    if not supervisor.path.exists():
        return None
    try:
        return supervisor.standing(run, now=now)
    except ServiceUnusable as error:
        raise ServiceUnusable(f"{supervisor.path} is there, but whether it runs nobody tells: {error}") from error


def _ours(path: Path) -> bytes | None:
    """What the file holds; None if there is none. Raises TargetUnusable if it is somebody else's."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetUnusable(f"cannot read {path}: {error.strerror}") from error
    if _PACKAGE.encode() not in text:
        raise TargetUnusable(f"{path} is not of lifelong's making; move it away first")
    return text


def _write(path: Path, text: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise TargetUnusable(f"cannot write {path}: {error.strerror}") from error


def _remove(supervisor: Supervisor) -> None:
    try:
        for path in (supervisor.path, *supervisor.leftovers):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise TargetUnusable(f"cannot remove {supervisor.path}: {error.strerror}") from error
