"""Another program run for a parser: with limits, and never longer than the one that asked for it lives.

Rule: nothing of it is left. A small supervisor ends the program's whole process group when the time is up or its own
parent is gone (a parser's process is killed, not asked), and in that case removes the program's folder too. It looks
every few hundredths of a second, because not every system tells of a parent's death.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_LOOK_S = 0.03
_TIMED_OUT, _NOT_STARTED = 124, 127  # the supervisor's exit status, as of timeout(1) and of a shell
_BOOT = "import sys; sys.path.append(sys.argv[1]); from ingest.programs import supervise; supervise(sys.argv[2])"


class TimedOut(Exception):
    """The program was ended for the time it took."""


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    memory_bytes: int | None,
    file_bytes: int,
) -> int:
    """The program's exit status; minus the number of the signal that ended it.

    folder: its working folder, removed here if this process dies; else that is the caller's. memory_bytes: of address
    space for each of its processes. file_bytes: of a file that it writes. POSIX only. Raises TimedOut, OSError.
    """
    asked = {
        "command": list(command),
        "folder": str(folder),
        "environment": dict(environment),
        "timeout_s": timeout_s,
        "memory_bytes": memory_bytes,
        "file_bytes": file_bytes,
        "parent": os.getpid(),
    }
    supervisor = [sys.executable, "-I", "-S", "-c", _BOOT, str(Path(__file__).resolve().parents[1]), json.dumps(asked)]
    process = subprocess.Popen(
        supervisor, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        status = process.wait()
    except BaseException:  # ^C
        process.terminate()
        process.wait()
        raise
    if status == _TIMED_OUT:
        raise TimedOut
    if status == _NOT_STARTED:
        raise OSError(f"{command[0]} could not be started")
    return 128 - status if status > 128 else status


def supervise(asked_json: str) -> NoReturn:
    """Runs the program, in the process that leads its group."""
    import resource

    asked = json.loads(asked_json)
    for limit, wanted in ((resource.RLIMIT_AS, asked["memory_bytes"]), (resource.RLIMIT_FSIZE, asked["file_bytes"])):
        hard = resource.getrlimit(limit)[1]
        if wanted is not None:
            with suppress(OSError, ValueError):  # macOS refuses some
                resource.setrlimit(limit, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TIMED_OUT))
    parent, status = asked["parent"], _TIMED_OUT
    process = None
    try:
        process = subprocess.Popen(
            asked["command"], cwd=asked["folder"], env=asked["environment"], process_group=0, stdin=subprocess.DEVNULL
        )
        status = _waited_for(process, parent, time.monotonic() + asked["timeout_s"])
    except OSError:
        status = _NOT_STARTED
    finally:
        if process is not None:
            with suppress(OSError):  # none of the group is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if os.getppid() != parent:
            shutil.rmtree(asked["folder"], ignore_errors=True)
        os._exit(status)


def _waited_for(process: subprocess.Popen[bytes], parent: int, deadline: float) -> int:
    """The exit status, as a shell gives it."""
    while time.monotonic() < deadline and os.getppid() == parent:
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(timeout=_LOOK_S)
            return status if status >= 0 else 128 - status
    return _TIMED_OUT
