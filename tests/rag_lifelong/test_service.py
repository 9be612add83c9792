"""The service: texts that systemd and launchd read as meant, what is run in which order, and what is said when it fails."""

from __future__ import annotations

import errno
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.errors import ServiceUnusable, TargetUnusable
from rag_lifelong.service import (
    Completed,
    Supervisor,
    install,
    run_program,
    service_name,
    status,
    supervisor_for,
    uninstall,
    watch_command,
)
from rag_lifelong.service.launchd import Launchd
from rag_lifelong.service.supervisor import RESTART_MOST_S, RESTART_S, RESTART_STEPS, STARTS_AN_HOUR
from rag_lifelong.service.systemd import Systemd, exec_line
from rag_lifelong.terminal.completion import candidates

NOW = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
COMMAND = ("/opt/venv/bin/python", "-m", "rag_lifelong", "--kb", "/home/ana/kb", "watch", "--quiet")
NO_BUS = Completed(1, "", "Failed to connect to bus: No medium found\n")
WELL = Completed(0, "", "")

UNIT = """\
# Made by `lifelong service install`, which overwrites it. Your own settings: systemctl --user edit lifelong.service
[Unit]
Description=lifelong watch (lifelong)
StartLimitIntervalSec=3600
StartLimitBurst=20

[Service]
Type=exec
ExecStart=/opt/venv/bin/python -m rag_lifelong --kb /home/ana/kb watch --quiet
WorkingDirectory=/
Restart=on-failure
RestartSec=30
RestartSteps=8
RestartMaxDelaySec=3600
RestartPreventExitStatus=2
Nice=15
IOSchedulingClass=idle
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=default.target
"""


class Told:
    """Stands for the operating system's programs: keeps what it was asked, answers by the words a command holds."""

    def __init__(self, **answers: Completed) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, words: Sequence[str]) -> Completed:
        self.asked.append(" ".join(words))
        return next((answer for word, answer in self.answers.items() if word in words), WELL)


def systemd(tmp_path: Path, command: tuple[str, ...] = COMMAND) -> Systemd:
    return Systemd("lifelong", command, tmp_path / "units")


def launchd(tmp_path: Path, command: tuple[str, ...] = COMMAND) -> Launchd:
    return Launchd("lifelong", command, tmp_path, 501)


SUPERVISORS = [pytest.param(systemd, id="systemd"), pytest.param(launchd, id="launchd")]
Making = Callable[..., Supervisor]


# -- the unit


def test_the_unit_is_this_text(tmp_path: Path) -> None:
    assert systemd(tmp_path).text().decode() == UNIT


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/home/ana/my notes", '"/home/ana/my notes"'),
        ("/home/ana/100%", '"/home/ana/100%%"'),
        ("/home/ana/%h", '"/home/ana/%%h"'),
        ("/home/ana/$HOME", '"/home/ana/$$HOME"'),
        ("/home/ana/${HOME}", '"/home/ana/$${HOME}"'),
        ('/home/ana/the "big" one', '"/home/ana/the \\"big\\" one"'),
        ("/home/ana/it's", '"/home/ana/it\'s"'),
        ("/home/ana/back\\slash", '"/home/ana/back\\\\slash"'),
        ("/home/ana/trailing\\", '"/home/ana/trailing\\\\"'),
        ("/home/ana/;", '"/home/ana/;"'),
        ("/home/ana/~#`*?", '"/home/ana/~#`*?"'),
        ("/home/ana/笔记é", '"/home/ana/笔记é"'),
        ("/home/ana/a\nExecStop=b\t\x7f", '"/home/ana/a\\x0aExecStop=b\\x09\\x7f"'),
        (os.fsdecode(b"/home/ana/\xff"), '"/home/ana/\\xff"'),
        ("/home/ana/a-b_c.d@e+f=g:h,i", "/home/ana/a-b_c.d@e+f=g:h,i"),
    ],
)  # fmt: skip
def test_a_path_is_one_word_whatever_it_holds(path: str, written: str) -> None:
    assert exec_line(("/usr/bin/python", "--kb", path)) == f"/usr/bin/python --kb {written}"


@pytest.mark.parametrize(
    ("python", "written"),
    [
        ("/opt/my env/100%/python", '"/opt/my env/100%%/python" -m'),
        ("/opt/o'brien/python", '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/opt/o\'brien/python" -m'),
        ("/opt/a$b/python", '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/opt/a$$b/python" -m'),
        ("/opt/a\\b/python", '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/opt/a\\\\b/python" -m'),
        ("/opt/a\nb/python", '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/opt/a\\x0ab/python" -m'),
    ],
)
def test_a_program_whose_name_systemd_refuses_is_started_by_the_shell(python: str, written: str) -> None:
    assert exec_line((python, "-m")) == written


def read_by_systemd(line: str) -> list[str]:
    """A slow reference: systemd.syntax(7) "Quoting", then "%%" and "$$"; fails on what would mean something else."""
    raw: list[bytes] = []
    word, place, text = b"", 0, line.encode()
    quoted = False
    escapes = {b"\\": b"\\", b'"': b'"'}
    while place < len(text):
        char = text[place : place + 1]
        if char == b"\\":
            assert quoted, "a backslash outside quotes"
            if text[place + 1 : place + 2] == b"x":
                word += bytes([int(text[place + 2 : place + 4], 16)])
                place += 4
            else:
                word += escapes[text[place + 1 : place + 2]]
                place += 2
            continue
        assert char not in (b"\n", b"\r", b"\0"), "the line ends here"
        if char == b'"':
            assert quoted or place == 0 or text[place - 1 : place] == b" ", "quotes begin a word"
            quoted = not quoted
        elif char == b" " and not quoted:
            raw.append(word)
            word = b""
        else:
            assert quoted or char not in b"'", "a single quote would begin a quotation"
            word += char
        place += 1
    assert not quoted
    raw.append(word)
    whole = []
    for one in raw:
        assert not re.search(rb"(?<!%)(?:%%)*%(?!%)", one), "a specifier"
        whole.append(one.replace(b"%%", b"%"))
    program, *arguments = whole
    for one in arguments:
        assert not re.search(rb"(?<!\$)(?:\$\$)*\$(?!\$)", one), "a variable"
    assert not set(program) & set(b"\"'\\") and min(program) >= 0x20, "no name for a program"
    return [os.fsdecode(one) for one in (program, *(one.replace(b"$$", b"$") for one in arguments))]


WORDS = st.binary(min_size=1, max_size=12).map(lambda made: made.replace(b"\0", b"")).filter(bool) | st.text(
    "ab/\\\"'$%{}; \n\r\t;é笔", min_size=1, max_size=12
).map(str.encode)


@given(st.lists(WORDS, min_size=2, max_size=4))
def test_whatever_the_words_systemd_reads_them_back(made: list[bytes]) -> None:
    words = [os.fsdecode(b"/" + word) for word in made]
    read = read_by_systemd(exec_line(words))
    shell = ["/bin/sh", "-c", 'exec "$0" "$@"']
    assert read == words if read[:3] != shell else read[3:] == words


def verified(unit: Path, runtime: Path) -> str:
    """What systemd itself makes of the unit; its whole dump."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_LOG_LEVEL": "debug"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="surrogateescape")
    if "Command Line:" not in said:
        if unit.name not in said:
            pytest.skip("systemd-analyze cannot verify units here")
        raise AssertionError(said)
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize(
    "folder", ["plain", "with space", "100%h", "${HOME}", "o'brien", 'q"q', "back\\slash", "笔记", "a\nb"]
)
def test_systemd_itself_takes_the_unit_and_sees_the_same_words(tmp_path: Path, folder: str) -> None:
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    unit = systemd(tmp_path, watch_command(str(python), tmp_path / folder / "kb"))
    unit.path.parent.mkdir()
    unit.path.write_bytes(unit.text())
    said = verified(unit.path, tmp_path / "runtime")
    said = "\n".join(
        line for line in said.splitlines() if not re.search("RestartSteps|RestartMaxDelaySec", line)
    )  # 254
    for complaint in ("not executable", "Unknown", "Failed to parse", "ignoring", "special characters"):
        assert not [line for line in said.splitlines() if "lifelong.service" in line and complaint in line]
    (line,) = re.findall(r"Command Line: (.*)", said)
    shown = re.findall(r'"(?:\\.|[^"\\])*"|\S+', line.strip())
    words = [re.sub(r'\\(["\\$`])', r"\1", word.removeprefix('"').removesuffix('"')) for word in shown]
    words = [word.replace("$$", "$").replace("\\n", "\n") for word in words]  # variables are put in when it starts
    assert words[-7:] == list(unit.command)


def test_the_shell_starts_the_program_with_its_own_name(tmp_path: Path) -> None:
    program = tmp_path / "o'b$x \\\"" / "shown"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    words = read_by_systemd(exec_line((str(program), "a b", "$c", "")[:3]))
    assert words[0] == "/bin/sh"
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == f"{program}\na b\n$c\n"


# -- the property list


def test_the_property_list_is_this(tmp_path: Path) -> None:
    command = (*COMMAND[:4], '/home/ana/<é> & "it\'s" 100% $x\\', *COMMAND[5:])
    log = f"{tmp_path}/Library/Logs/lifelong.log"
    assert plistlib.loads(launchd(tmp_path, command).text()) == {
        "Label": "lifelong",
        "ProgramArguments": list(command),
        "WorkingDirectory": "/",
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 300,
        "ProcessType": "Background",
        "Nice": 15,
        "LowPriorityIO": True,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }


@pytest.mark.parametrize("path", ["/a\rb", "/a\x01b", os.fsdecode(b"/\xff")])
def test_a_path_no_property_list_can_hold_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ServiceUnusable, match=r"a property list cannot hold .*; rename that folder"):
        launchd(tmp_path, (*COMMAND[:4], path)).text()


# -- names and places


def test_each_knowledge_base_has_its_own_service(tmp_path: Path) -> None:
    default, work, other = tmp_path / "lifelong", tmp_path / "lifelong-work", tmp_path / "x" / "Work"
    assert service_name(default, default=default) == "lifelong"
    assert re.fullmatch(r"lifelong-work-[0-9a-f]{8}", service_name(work, default=default))
    assert re.fullmatch(r"lifelong-work-[0-9a-f]{8}", service_name(other, default=default))
    assert service_name(work, default=default) != service_name(other, default=default)
    assert re.fullmatch(r"lifelong-[0-9a-f]{8}", service_name(tmp_path / "笔记", default=default))
    assert re.fullmatch(r"lifelong-a-b-[0-9a-f]{8}", service_name(tmp_path / " a %\n b@", default=default))
    assert len(service_name(tmp_path / ("n" * 200), default=default)) == len("lifelong-") + 32 + 1 + 8


def test_one_knowledge_base_has_one_service_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kb")
    names = {service_name(tmp_path / name, default=tmp_path / "d") for name in ("kb", "link")}
    assert len(names) == 1
    assert service_name(tmp_path / "link", default=tmp_path / "kb") == "lifelong"
    assert service_name(tmp_path / "kb", default=tmp_path / "link") == "lifelong"


def placed(platform: str, config_home: str | None = None) -> Supervisor:
    return supervisor_for(
        platform, name="lifelong", command=COMMAND, home=Path("/home/ana"), config_home=config_home, user_id=501
    )


def test_where_the_file_lies() -> None:
    assert placed("linux").path == Path("/home/ana/.config/systemd/user/lifelong.service")
    assert placed("linux", "/etc/ana").path == Path("/etc/ana/systemd/user/lifelong.service")
    assert placed("linux", "").path == placed("linux").path
    assert placed("linux", "relative").path == placed("linux").path  # as the XDG specification has it
    assert placed("darwin").path == Path("/home/ana/Library/LaunchAgents/lifelong.plist")


@pytest.mark.parametrize(
    ("platform", "instead"),
    [("win32", "have the Task Scheduler run at log on"), ("freebsd14", "have cron (@reboot) run")],
)
def test_elsewhere_it_says_what_to_do_instead(platform: str, instead: str) -> None:
    with pytest.raises(ServiceUnusable) as raised:
        placed(platform)
    assert str(raised.value) == (
        f"services are for systemd and launchd, not for {platform}; {instead}: "
        "/opt/venv/bin/python -m rag_lifelong --kb /home/ana/kb watch --quiet"
    )


def test_tries_grow_rare_and_the_limit_is_never_met_by_them() -> None:
    """As systemd counts: steps of equal ratio from the first delay to the longest."""
    ratio = (RESTART_MOST_S / RESTART_S) ** (1 / RESTART_STEPS)
    delays = [RESTART_S * ratio ** min(step, RESTART_STEPS) for step in range(100)]
    starts = [sum(delays[:count]) for count in range(100)]
    busiest = max(sum(at <= other < at + 3600 for other in starts) for at in starts[:80])
    assert (busiest, round(delays[-1])) == (8, 3600)
    assert busiest < STARTS_AN_HOUR
    assert STARTS_AN_HOUR * RESTART_S < 3600  # without steps it is met, so that it ends


# -- install and uninstall


def test_installing_with_systemd_first_again_and_changed(tmp_path: Path) -> None:
    made, run = systemd(tmp_path), Told()
    reload, enable = "systemctl --user daemon-reload", "systemctl --user enable --now lifelong.service"
    reset = "systemctl --user reset-failed lifelong.service"  # one that was given up starts again
    assert install(made, run) == "installed"
    assert run.asked == [reload, reset, enable]
    assert install(made, run) == "already"
    assert run.asked == [reload, reset, enable] * 2
    run.asked.clear()
    changed = systemd(tmp_path, (*COMMAND[:4], "/home/ana/other kb", *COMMAND[5:]))
    assert install(changed, run) == "updated"
    assert run.asked == [
        reload,
        reset,
        "systemctl --user enable lifelong.service",
        "systemctl --user restart lifelong.service",
    ]
    assert made.path.read_bytes() == changed.text()
    assert os.listdir(made.path.parent) == ["lifelong.service"]


def test_installing_with_launchd_first_again_and_changed(tmp_path: Path) -> None:
    made, run = launchd(tmp_path), Told(print=Completed(113, "", "Could not find service\n"))
    look, enable = "launchctl print gui/501/lifelong", "launchctl enable gui/501/lifelong"
    load = f"launchctl bootstrap gui/501 {made.path}"
    assert install(made, run) == "installed"
    assert run.asked == [look, enable, load]
    run = Told()
    assert install(made, run) == "already"
    assert run.asked == [look, enable, "launchctl kickstart gui/501/lifelong"]
    run = Told()
    assert install(launchd(tmp_path, (*COMMAND[:4], "/other", *COMMAND[5:])), run) == "updated"
    assert run.asked == [look, "launchctl bootout gui/501/lifelong", enable, load]


def test_what_systemd_refuses_leaves_the_unit_and_says_what_to_run(tmp_path: Path) -> None:
    made, run = systemd(tmp_path), Told(systemctl=NO_BUS)
    with pytest.raises(ServiceUnusable) as raised:
        install(made, run)
    assert str(raised.value) == (
        f"{made.path} is written, but not started: 'systemctl --user daemon-reload' failed: "
        "Failed to connect to bus: No medium found; run in a session of your own, without sudo: "
        "systemctl --user daemon-reload && systemctl --user enable --now lifelong.service; or, without systemd, at "
        "login: /opt/venv/bin/python -m rag_lifelong --kb /home/ana/kb watch --quiet"
    )
    assert made.path.read_bytes() == made.text()
    assert run.asked == ["systemctl --user daemon-reload"]


def test_what_launchd_refuses_leaves_the_list_and_says_what_to_run(tmp_path: Path) -> None:
    made = launchd(tmp_path)
    run = Told(print=Completed(113, "", ""), bootstrap=Completed(125, "", "Domain does not support specified action\n"))
    with pytest.raises(ServiceUnusable) as raised:
        install(made, run)
    load = f"launchctl bootstrap gui/501 {made.path}"
    assert str(raised.value) == (
        f"{made.path} is written, but not started: '{load}' failed: Domain does not support specified action; "
        f"logged in at the screen, run: {load}"
    )
    assert made.path.exists()


def test_uninstalling_with_systemd(tmp_path: Path) -> None:
    made, run = systemd(tmp_path), Told()
    install(made, run)
    run.asked.clear()
    assert uninstall(made, run)
    assert run.asked == ["systemctl --user disable --now lifelong.service", "systemctl --user daemon-reload"]
    assert not made.path.exists()
    run.asked.clear()
    assert not uninstall(made, run)
    assert run.asked == []


def test_uninstalling_with_launchd(tmp_path: Path) -> None:
    made = launchd(tmp_path)
    install(made, Told())
    run = Told()
    assert uninstall(made, run)
    assert run.asked == ["launchctl print gui/501/lifelong", "launchctl bootout gui/501/lifelong"]
    assert not made.path.exists()
    install(made, Told())
    run = Told(print=Completed(113, "", ""))  # not loaded
    assert uninstall(made, run)
    assert run.asked == ["launchctl print gui/501/lifelong"]


def test_what_cannot_be_stopped_starts_no_more_all_the_same(tmp_path: Path) -> None:
    made = systemd(tmp_path)
    install(made, Told())
    link = made.path.parent / "default.target.wants" / "lifelong.service"
    link.parent.mkdir()
    link.symlink_to(made.path)
    with pytest.raises(ServiceUnusable) as raised:
        uninstall(made, Told(systemctl=NO_BUS))
    assert str(raised.value) == (
        f"{made.path} is removed, but 'systemctl --user disable --now lifelong.service' failed: "
        "Failed to connect to bus: No medium found; should it still run: systemctl --user stop lifelong.service"
    )
    assert not made.path.exists()
    assert not link.is_symlink()


@pytest.mark.parametrize("making", SUPERVISORS)
def test_a_file_of_somebody_else_stays_as_it_is(tmp_path: Path, making: Making) -> None:
    made, run = making(tmp_path), Told()
    made.path.parent.mkdir(parents=True)
    made.path.write_text("[Service]\nExecStart=/usr/bin/other\n", encoding="utf-8")
    for act in (install, uninstall):
        with pytest.raises(TargetUnusable) as raised:
            act(made, run)
        assert str(raised.value) == f"{made.path} is not of lifelong's making; move it away first"
    assert made.path.read_text(encoding="utf-8") == "[Service]\nExecStart=/usr/bin/other\n"
    assert run.asked == []


@pytest.mark.parametrize("making", SUPERVISORS)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, making: Making) -> None:
    made, run = making(tmp_path), Told()
    made.path.parent.parent.mkdir(parents=True, exist_ok=True)
    made.path.parent.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(TargetUnusable, match=re.escape(f"cannot read {made.path}: Not a directory")):
        install(made, run)
    made.path.parent.unlink()
    made.path.mkdir(parents=True)
    with pytest.raises(TargetUnusable, match=re.escape(f"cannot read {made.path}: Is a directory")):
        uninstall(made, run)
    assert run.asked == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    made = Systemd("lifelong", COMMAND, tmp_path / "link" / "user")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(TargetUnusable, match=re.escape(f"cannot write {made.path}: ")):
        install(made, Told())


def test_a_full_disk_leaves_the_former_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, run = systemd(tmp_path), Told()
    install(made, run)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # no disk can be filled here
    with pytest.raises(TargetUnusable, match=re.escape(f"cannot write {made.path}: No space left on device")):
        install(systemd(tmp_path, (*COMMAND, "-v")), run)
    assert os.listdir(made.path.parent) == ["lifelong.service"]
    assert made.path.read_bytes() == made.text()


# -- status and logs


@pytest.mark.parametrize("making", SUPERVISORS)
def test_what_is_not_installed_has_no_standing_and_nothing_is_run(tmp_path: Path, making: Making) -> None:
    run = Told()
    assert status(making(tmp_path), run, now=NOW) is None
    assert run.asked == []


STARTED = datetime(2026, 8, 5, 10, 11, 12).astimezone()
STOPPED = datetime(2026, 8, 4, 9, 0, 0).astimezone()


@pytest.mark.parametrize(
    ("active", "sub", "is_running", "since"),
    [
        ("active", "running", True, STARTED),
        ("inactive", "dead", False, STOPPED),
        ("failed", "failed", False, STOPPED),
        ("activating", "auto-restart", False, None),  # it falls again and again
    ],
)
def test_how_a_unit_stands(tmp_path: Path, active: str, sub: str, is_running: bool, since: datetime | None) -> None:
    made = systemd(tmp_path)
    install(made, Told())
    shown = (
        f"ActiveState={active}\nSubState={sub}\n"
        "ActiveEnterTimestamp=Wed 2026-08-05 10:11:12 CEST\nInactiveEnterTimestamp=Tue 2026-08-04 09:00:00 CEST\n"
    )
    run = Told(show=Completed(0, shown, ""))
    found = status(made, run, now=NOW)
    assert found is not None
    assert (found.is_running, found.state, found.since) == (is_running, f"{active} ({sub})", since)
    assert run.asked == [
        "systemctl --user show lifelong.service "
        "--property=ActiveState,SubState,ActiveEnterTimestamp,InactiveEnterTimestamp"
    ]


def test_a_unit_that_never_ran_stands_since_nobody_knows(tmp_path: Path) -> None:
    made = systemd(tmp_path)
    install(made, Told())
    shown = "ActiveState=inactive\nSubState=dead\nActiveEnterTimestamp=\nInactiveEnterTimestamp=n/a\n"
    found = status(made, Told(show=Completed(0, shown, "")), now=NOW)
    assert found is not None
    assert found.since is None


def test_how_a_unit_stands_that_nobody_can_ask_about(tmp_path: Path) -> None:
    made = systemd(tmp_path)
    install(made, Told())
    with pytest.raises(ServiceUnusable) as raised:
        status(made, Told(show=NO_BUS), now=NOW)
    assert str(raised.value).startswith(f"{made.path} is there, but whether it runs nobody tells: 'systemctl ")
    assert str(raised.value).endswith("failed: Failed to connect to bus: No medium found")


PRINTED = (
    "gui/501/lifelong = {\n\tactive count = 1\n\tstate = running\n\tpid = 4121\n\tsub = {\n\t\tstate = active\n\t}\n}\n"
)


@pytest.mark.parametrize(
    ("age", "since"),
    [
        ("   00:41\n", NOW - timedelta(seconds=41)),
        ("02:03:04\n", NOW - timedelta(hours=2, minutes=3, seconds=4)),
        (" 5-02:03:04\n", NOW - timedelta(days=5, hours=2, minutes=3, seconds=4)),
        ("", None),
    ],
)
def test_how_an_agent_stands(tmp_path: Path, age: str, since: datetime | None) -> None:
    made = launchd(tmp_path)
    install(made, Told())
    run = Told(print=Completed(0, PRINTED, ""), ps=Completed(0, age, ""))
    found = status(made, run, now=NOW)
    assert found is not None
    assert (found.is_running, found.state, found.since) == (True, "running", since)
    assert run.asked == ["launchctl print gui/501/lifelong", "ps -o etime= -p 4121"]


def test_an_agent_that_does_not_run(tmp_path: Path) -> None:
    made = launchd(tmp_path)
    install(made, Told())
    waiting = Told(print=Completed(0, "x = {\n\tstate = waiting\n\tlast exit code = 1\n}\n", ""))
    found = status(made, waiting, now=NOW)
    assert found is not None
    assert (found.is_running, found.state, found.since) == (False, "waiting", None)
    found = status(made, Told(print=Completed(113, "", "Could not find service")), now=NOW)
    assert found is not None
    assert (found.is_running, found.state, found.since) == (False, "not loaded", None)


def test_logs_of_a_unit_come_from_the_journal(tmp_path: Path) -> None:
    run = Told(journalctl=Completed(0, "Aug 05 10:11:12 x lifelong: a\n", ""))
    assert systemd(tmp_path).logs(run, 7) == "Aug 05 10:11:12 x lifelong: a\n"
    assert run.asked == ["journalctl --user --unit=lifelong.service --lines=7 --no-pager --quiet"]


def test_logs_of_an_agent_come_from_its_file(tmp_path: Path) -> None:
    made = launchd(tmp_path)
    assert made.logs(run_program, 2) == ""
    made.log.parent.mkdir(parents=True)
    made.log.write_text("one\ntwo\nthree\n", encoding="utf-8")
    assert made.logs(run_program, 2) == "two\nthree\n"


# -- running programs


def test_how_a_program_ends_is_told_not_raised(tmp_path: Path) -> None:
    said = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert run_program((sys.executable, "-c", said)) == Completed(3, "out\n", "err\n")
    missing = str(tmp_path / "nothing")
    assert run_program((missing,)) == Completed(127, "", f"{missing}: No such file or directory")
    asleep = (sys.executable, "-c", "import time; time.sleep(60)")
    assert run_program(asleep, timeout_s=0.05) == Completed(124, "", "no answer within 0.05 s")


# -- the command


class Machine:
    """A user's machine: a home folder, a knowledge base, and a systemctl that notes what it is asked."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.kb = folder / ".local" / "share" / "lifelong"
        self.unit = folder / "config" / "systemd" / "user" / "lifelong.service"
        self._capsys = capsys
        (folder / "bin").mkdir()
        for name in ("systemctl", "journalctl"):
            program = folder / "bin" / name
            program.write_text(
                f'#!/bin/sh\necho "{name} $*" >> "{folder}/asked"\n'
                f'if [ -e "{folder}/refuses" ]; then cat "{folder}/refuses" >&2; exit 1; fi\n'
                f'if [ -f "{folder}/$2" ]; then cat "{folder}/$2"; fi\n',
                encoding="utf-8",
            )
            program.chmod(0o700)
        self.make(self.kb)

    def make(self, kb: Path) -> None:
        kb.mkdir(parents=True)
        (kb / "lifelong.sqlite3").touch()  # the service is all about the path

    def run(self, *words: str) -> tuple[int, str, str]:
        code = main(["service", *words])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    def answer(self, word: str, text: str) -> None:
        """What its programs say to a command with this second word; "refuses": what they all fail with."""
        (self.folder / word).write_text(text, encoding="utf-8")

    def asked(self) -> list[str]:
        notes = self.folder / "asked"
        asked = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return asked


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    if sys.platform != "linux":
        pytest.skip("the command is tried with systemd's programs")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Machine(tmp_path, capsys)


def test_install_says_what_it_did_where_it_is_and_what_next(machine: Machine) -> None:
    rest = (
        "~/config/systemd/user/lifelong.service   see what it says: lifelong service logs   "
        "take it away: lifelong service uninstall\n"
        "To let it run while you are not logged in: loginctl enable-linger\n"
    )
    runs = "lifelong watch runs now and after each login, for ~/.local/share/lifelong.\n"
    assert machine.run("install") == (0, f"Installed: {runs}{rest}", "")
    assert machine.asked() == [
        "systemctl --user daemon-reload",
        "systemctl --user reset-failed lifelong.service",
        "systemctl --user enable --now lifelong.service",
    ]
    line = f"ExecStart={exec_line(watch_command(sys.executable, machine.kb))}\n"
    assert line in machine.unit.read_text(encoding="utf-8")
    assert machine.run("install") == (0, f"Already installed: {runs}{rest}", "")
    machine.unit.write_text(UNIT, encoding="utf-8")
    assert machine.run("install") == (0, f"Updated: {runs}{rest}", "")
    assert line in machine.unit.read_text(encoding="utf-8")


def test_another_knowledge_base_is_named_in_all_that_is_said(machine: Machine) -> None:
    machine.make(machine.folder / "my kb")
    code, out, _ = machine.run("install", "--kb", str(machine.folder / "my kb"))
    assert code == 0
    assert f"lifelong service logs --kb '{machine.folder}/my kb'" in out
    assert f"lifelong service uninstall --kb '{machine.folder}/my kb'" in out
    (unit,) = os.listdir(machine.unit.parent)
    assert re.fullmatch(r"lifelong-my-kb-[0-9a-f]{8}\.service", unit)
    assert f'--kb "{machine.folder}/my kb" watch' in (machine.unit.parent / unit).read_text(encoding="utf-8")


def test_the_default_is_named_where_the_environment_names_another(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(machine.folder / "other"))
    out = machine.run("install", "--kb", str(machine.kb))[1]
    assert "lifelong service logs --kb ~/.local/share/lifelong " in out
    assert machine.unit.exists()


def test_another_data_folder_has_a_service_of_its_own(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run("install")
    monkeypatch.setenv("XDG_DATA_HOME", str(machine.folder / "elsewhere"))
    machine.make(machine.folder / "elsewhere" / "lifelong")
    assert machine.run("install")[1].startswith("Installed: ")
    names = sorted(os.listdir(machine.unit.parent))
    assert names[1] == "lifelong.service"
    assert re.fullmatch(r"lifelong-lifelong-[0-9a-f]{8}\.service", names[0])


def test_install_without_a_knowledge_base_writes_nothing(machine: Machine) -> None:
    said = "lifelong: no knowledge base at ~/none; begin with: lifelong add FOLDER\n"
    assert machine.run("install", "--kb", str(machine.folder / "none")) == (1, "", said)
    assert not machine.unit.parent.exists()
    assert machine.asked() == []


def test_install_that_systemd_refuses_is_1_and_one_line(machine: Machine) -> None:
    machine.answer("refuses", "Failed to connect to bus: No medium found\nmore\n")
    code, out, err = machine.run("install")
    assert (code, out) == (1, "")
    assert err.startswith(
        f"lifelong: {machine.unit} is written, but not started: 'systemctl --user daemon-reload' failed: "
        "Failed to connect to bus: No medium found; run in a session of your own"
    )
    assert err.count("\n") == 1
    assert machine.unit.exists()


def test_install_without_systemctl_is_1_and_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.folder / "nothing"))
    code, _, err = machine.run("install", "--quiet")
    assert code == 1
    assert "'systemctl --user daemon-reload' failed: systemctl: No such file or directory;" in err
    assert machine.unit.exists()


def test_an_embedder_of_the_environment_is_not_handed_on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELONG_EMBEDDER", "secret-embedder")
    monkeypatch.setenv("LIFELONG_MODEL", "secret-model")
    code, _, err = machine.run("install")
    assert (code, err) == (
        0,
        "LIFELONG_EMBEDDER is not handed on; set embedder in ~/.local/share/lifelong/lifelong.toml\n",
    )
    assert "secret" not in machine.unit.read_text(encoding="utf-8")


def test_status_is_0_running_and_4_if_not(machine: Machine) -> None:
    nothing = "Not installed. To follow folders after a restart: lifelong service install\n"
    assert machine.run("status") == (4, nothing, "")
    machine.run("install")
    since = (datetime.now() - timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S")
    machine.answer("show", f"ActiveState=active\nSubState=running\nActiveEnterTimestamp=Wed {since} UTC\n")
    assert machine.run("status") == (0, f"lifelong: active (running), since {since[:-3]}, 3 hours ago\n", "")
    machine.answer("show", "ActiveState=failed\nSubState=failed\n")
    rest = "What happened: lifelong service logs   start it: lifelong service install\n"
    assert machine.run("status") == (4, f"lifelong: failed (failed)\n{rest}", "")
    machine.answer("refuses", "Failed to connect to bus\n")
    code, out, err = machine.run("status")
    assert (code, out) == (1, "")
    assert err.startswith(f"lifelong: {machine.unit} is there, but whether it runs nobody tells: ")


def test_uninstall_is_0_and_then_4(machine: Machine) -> None:
    machine.run("install")
    machine.asked()
    shutil.rmtree(machine.kb)  # it may be gone
    assert machine.run("uninstall") == (
        0,
        "Removed ~/config/systemd/user/lifelong.service; lifelong watch runs no more. "
        "The knowledge base stays as it is.\n",
        "",
    )
    assert machine.asked() == ["systemctl --user disable --now lifelong.service", "systemctl --user daemon-reload"]
    assert not machine.unit.exists()
    assert machine.run("uninstall") == (4, "Not installed.\n", "")
    assert machine.asked() == []


def test_logs_are_the_last_lines_and_cannot_drive_the_terminal(machine: Machine) -> None:
    assert machine.run("logs", "--json")[:2] == (4, "[]\n")
    machine.asked()
    assert machine.run("logs") == (4, "", "It has said nothing yet.\n")
    assert machine.asked() == ["journalctl --user --unit=lifelong.service --lines=50 --no-pager --quiet"]
    machine.answer("--unit=lifelong.service", "one\nt\x1b[31mwo\n")
    assert machine.run("logs", "-k", "7") == (0, "one\nt\ufffd[31mwo\n", "")
    assert machine.asked() == ["journalctl --user --unit=lifelong.service --lines=7 --no-pager --quiet"]
    assert json.loads(machine.run("logs", "--json")[1]) == ["one", "t\x1b[31mwo"]


def test_as_json(machine: Machine) -> None:
    about = {"kb": str(machine.kb), "name": "lifelong", "file": str(machine.unit)}
    nothing = {"installed": False, "running": False, "state": None, "since": None}

    def shown(*words: str) -> tuple[int, object]:
        code, out, _ = machine.run(*words, "--json")
        return code, json.loads(out)

    assert shown("status") == (4, about | nothing)
    assert shown("install") == (0, about | {"did": "installed"})
    assert shown("install") == (0, about | {"did": "already"})
    machine.answer("show", "ActiveState=active\nSubState=running\nActiveEnterTimestamp=Wed 2026-08-05 10:11:12 UTC\n")
    running = {"installed": True, "running": True, "state": "active (running)", "since": STARTED.isoformat()}
    assert shown("status") == (0, about | running)
    assert shown("uninstall") == (0, about | {"did": "removed"})
    assert shown("uninstall") == (4, about | {"did": "absent"})


def test_an_action_is_one_of_four(machine: Machine) -> None:
    code, out, err = machine.run("begin")
    assert (code, out) == (2, "")
    assert err.startswith("lifelong: argument action: invalid choice: 'begin'")
    assert machine.run()[0] == 2


def test_completion_offers_the_four_actions() -> None:
    assert candidates(["service", ""]) == ["install", "status", "logs", "uninstall"]
    assert candidates(["service", "un"]) == ["uninstall"]


def test_status_tells_of_the_service_where_nobody_watches(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kb, notes = tmp_path / "other", tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("zebra", encoding="utf-8")

    def remark() -> str:
        assert main(["--kb", str(kb), "status"]) == 0
        return capsys.readouterr().err

    with open_assistant(kb, embedder="hash") as assistant:
        (kb / "lifelong.toml").write_text('embedder = "hash"\n', encoding="utf-8")
        assistant.add(notes)
        assert remark() == ""  # it was added, not followed
        watcher = assistant.watch(notes)
        assert remark() == ""
        watcher.stop()
    assert remark() == "To have it go on after login and reboot: lifelong service install --kb ~/other\n"
    assert main(["--kb", str(kb), "service", "install"]) == 0
    capsys.readouterr()
    assert remark() == "The service that should watch does not: lifelong service status --kb ~/other\n"
