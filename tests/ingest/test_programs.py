"""Real programs of every POSIX system, run, ended and orphaned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.programs import TimedOut, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
ROOT = Path(__file__).resolve().parents[2]


def shell(
    script: str, folder: Path, timeout_s: float = 20, memory_bytes: int | None = None, file_bytes: int = 1_000_000
) -> int:
    return run(
        ["/bin/sh", "-c", script],
        folder=folder,
        environment={"PATH": os.defpath, "GIVEN": "given"},
        timeout_s=timeout_s,
        memory_bytes=memory_bytes,
        file_bytes=file_bytes,
    )


def is_gone(pid: int, within_s: float = 5) -> bool:
    """Whether the process ends; one that nobody waits for counts as ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_it_runs_in_its_folder_with_the_environment_given_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "secret")
    assert shell('echo "$GIVEN$SECRET $(pwd)" > out; exit 3', tmp_path) == 3
    assert (tmp_path / "out").read_text() == f"given {tmp_path.resolve()}\n"


def test_the_signal_that_ended_it_is_told(tmp_path: Path) -> None:
    assert shell("kill -SEGV $$", tmp_path) == -signal.SIGSEGV


def test_after_the_time_all_it_started_is_gone(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        shell("sleep 60 & echo $! > child; trap '' TERM INT; wait; sleep 60", tmp_path, timeout_s=0.5)
    assert is_gone(int((tmp_path / "child").read_text()))


def test_what_it_leaves_running_is_ended_with_it(tmp_path: Path) -> None:
    assert shell("sleep 60 & echo $! > child", tmp_path) == 0
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_file_that_grows_too_much_ends_it(tmp_path: Path) -> None:
    assert shell("head -c 9000 /dev/zero > big; exit $?", tmp_path, file_bytes=4096) != 0
    assert (tmp_path / "big").stat().st_size <= 4096


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no limit of address space")
def test_memory_is_limited(tmp_path: Path) -> None:
    ask = f"{sys.executable} -I -S -c 'bytearray({{}}000000)'"
    assert shell(ask.format(900), tmp_path, memory_bytes=500_000_000) == 1  # a MemoryError
    assert shell(ask.format(100), tmp_path, memory_bytes=500_000_000) == 0


def test_a_program_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^/no/such could not be started$"):
        run(["/no/such"], folder=tmp_path, environment={}, timeout_s=5, memory_bytes=None, file_bytes=1000)


def test_it_and_its_folder_go_with_the_process_that_asked(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from ingest.programs import run; "
        f"run(['/bin/sh', '-c', 'sleep 60 & echo $! > ../child.new; mv ../child.new ../child; wait'], folder=Path({json.dumps(str(folder))}), "
        "environment={'PATH': '/usr/bin:/bin'}, timeout_s=50, memory_bytes=None, file_bytes=1000)"
    )
    asking = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while not (tmp_path / "child").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int((tmp_path / "child").read_text())
    assert not is_gone(child, within_s=0.1)
    asking.kill()
    asking.wait()
    assert is_gone(child)
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()
