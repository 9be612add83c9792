"""Other programs, run to their end.

Rule: whatever runs one takes a `Run`, so that tests need neither systemd nor launchd.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag_lifelong.errors import ServiceUnusable

_TIMEOUT_S = 120  # systemd itself waits for 90 s before it kills what does not stop
_MISSING, _TIMED_OUT = 127, 124  # as a shell, and as timeout(1), say it


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[[Sequence[str]], Completed]


def run_program(words: Sequence[str], *, timeout_s: float = _TIMEOUT_S) -> Completed:
    """Runs a program to its end; one that is missing or hangs ends as a shell would say."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Completed(_TIMED_OUT, "", f"no answer within {timeout_s:g} s")
    except OSError as error:
        return Completed(_MISSING, "", f"{words[0]}: {error.strerror}")
    return Completed(done.returncode, done.stdout, done.stderr)


def asked(run: Run, words: Sequence[str]) -> str:
    """What a program said. Raises ServiceUnusable if it failed."""
    done = run(words)
    if done.code != 0:
        said = (done.err.strip() or done.out.strip() or f"exit code {done.code}").splitlines()[0]
        raise ServiceUnusable(f"'{shlex.join(words)}' failed: {said}")
    return done.out
