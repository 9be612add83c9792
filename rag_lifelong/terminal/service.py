"""`lifelong service`: what it says of installing, removing and looking at the service of one knowledge base.

Rule: only the knowledge base's path is needed; it is not opened, and may be gone for all but `install`.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from rag_lifelong import service
from rag_lifelong.config import FILE_NAME, is_knowledge_base, knowledge_base_path
from rag_lifelong.errors import KnowledgeBaseMissing, ServiceUnusable
from rag_lifelong.status import Status
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.overview import ago, command
from rag_lifelong.terminal.style import safe, safe_line, short_path

_DONE = {"installed": "Installed", "updated": "Updated", "already": "Already installed"}
_LINES = 50
_USUAL = {"linux": ".local/share/lifelong", "darwin": "Library/Application Support/lifelong"}
"""Where a knowledge base lies that needs no name; XDG_DATA_HOME, which another shell may lack, does not count."""


def serve(options: Namespace) -> Outcome:
    """Does what `options.action` says with this user's service for the knowledge base."""
    path = knowledge_base_path(options.kb)
    found = _supervisor(path)
    is_plain = found.name == "lifelong" and path == knowledge_base_path()  # LIFELONG_KB may be unset next time
    named = [] if is_plain else [str(path)]
    if options.action == "install":
        return _install(found, path, named)
    if options.action == "status":
        return _status(found, path, named)
    if options.action == "logs":
        return _logs(found, options.k or _LINES)
    return _uninstall(found, path)


def advice(status: Status) -> str:
    """How to have folders followed for good, where they are followed and nobody watches; else ""."""
    if all(folder.following != "followed" or folder.pid is not None for folder in status.folders):
        return ""
    path = Path(status.path)
    try:
        is_installed = _supervisor(path).path.exists()
    except ServiceUnusable:
        return ""
    named = [] if path == knowledge_base_path() else [str(path)]
    if is_installed:
        return f"The service that should watch does not: {_again('status', named)}"
    return f"To have it go on after login and reboot: {_again('install', named)}"


def _supervisor(path: Path) -> service.Supervisor:
    """Raises ServiceUnusable where there is none."""
    home = Path.home()
    return service.supervisor_for(
        sys.platform,
        name=service.service_name(path, default=home / _USUAL.get(sys.platform, "")),
        command=service.watch_command(sys.executable, path),
        home=home,
        config_home=os.environ.get("XDG_CONFIG_HOME"),
        user_id=os.getuid() if hasattr(os, "getuid") else 0,
    )


def _install(found: service.Supervisor, path: Path, named: list[str]) -> Outcome:
    if not is_knowledge_base(path):
        raise KnowledgeBaseMissing(f"no knowledge base at {short_path(str(path))}; begin with: lifelong add FOLDER")
    did = service.install(found, service.run_program)
    lines = [
        f"{_DONE[did]}: lifelong watch runs now and after each login, for {short_path(str(path))}.",
        f"{short_path(str(found.path))}   see what it says: {_again('logs', named)}   "
        f"take it away: {_again('uninstall', named)}",
    ]
    if sys.platform == "linux":
        lines.append("To let it run while you are not logged in: loginctl enable-linger")
    remark = ""
    if os.environ.get("LIFELONG_EMBEDDER"):
        remark = f"LIFELONG_EMBEDDER is not handed on; set embedder in {short_path(str(path / FILE_NAME))}"
    return Outcome("\n".join(lines), as_json.service_done(found, kb=path, did=did), DONE, remark)


def _status(found: service.Supervisor, path: Path, named: list[str]) -> Outcome:
    now = datetime.now(UTC)
    standing = service.status(found, service.run_program, now=now)
    if standing is None:
        text = f"Not installed. To follow folders after a restart: {_again('install', named)}"
    else:
        since = "" if standing.since is None else f", since {_moment(standing.since)}, {ago(standing.since, now)}"
        text = f"{found.name}: {safe_line(standing.state)}{since}"
        if not standing.is_running:
            text += f"\nWhat happened: {_again('logs', named)}   start it: {_again('install', named)}"
    is_running = standing is not None and standing.is_running
    return Outcome(text, as_json.service_standing(found, standing, kb=path), DONE if is_running else NOTHING, "")


def _logs(found: service.Supervisor, lines: int) -> Outcome:
    shown = found.logs(service.run_program, lines).removesuffix("\n")
    text = safe(shown)
    return Outcome(
        text,
        shown.split("\n") if shown else [],
        DONE if shown else NOTHING,
        "" if shown else "It has said nothing yet.",
    )


def _uninstall(found: service.Supervisor, path: Path) -> Outcome:
    if not service.uninstall(found, service.run_program):
        return Outcome("Not installed.", as_json.service_done(found, kb=path, did="absent"), NOTHING, "")
    text = f"Removed {short_path(str(found.path))}; lifelong watch runs no more. The knowledge base stays as it is."
    return Outcome(text, as_json.service_done(found, kb=path, did="removed"), DONE, "")


def _again(action: str, named: list[str]) -> str:
    return command(f"lifelong service {action}" + (" --kb" if named else ""), named)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
