"""Hints as the operating system really gives them, and when a path rests: real inotify, and a clock of our own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.watch import GONE_PATIENCE_S, YOUNG_S, Events, Settling

SETTLE_MS = 300
SETTLE_S = 0.3

Disk = dict[str, int]
"""path → what is seen there; a path that is not in it is gone."""


@pytest.fixture
def settling() -> Settling[str, int]:
    return Settling(settle_ms=SETTLE_MS)


def test_a_path_rests_once_it_has_looked_the_same_for_settle_ms(settling: Settling[str, int]) -> None:
    disk: Disk = {"a": 1}
    settling.hint(["a"], 10.0)
    assert settling.at_rest(disk.get, 10.0) == {}
    assert settling.at_rest(disk.get, 10.29) == {}
    assert settling.at_rest(disk.get, 10.31) == {"a": 1}
    assert (len(settling), settling.at_rest(disk.get, 10.4)) == (0, {})


def test_a_change_begins_the_wait_anew(settling: Settling[str, int]) -> None:
    disk: Disk = {"a": 1}
    settling.hint(["a"], 0.0)
    for step in range(20):
        disk["a"] = step
        assert settling.at_rest(disk.get, step * 0.2) == {}
    assert settling.at_rest(disk.get, 3.8 + SETTLE_S + 0.01) == {"a": 19}


def test_a_second_hint_does_not_prolong_the_wait(settling: Settling[str, int]) -> None:
    settling.hint(["a"], 0.0)
    settling.at_rest({"a": 1}.get, 0.0)
    settling.hint(["a"], 0.2)
    assert settling.at_rest({"a": 1}.get, 0.31) == {"a": 1}


def test_the_wait_counts_from_the_first_look_not_from_the_hint(settling: Settling[str, int]) -> None:
    settling.hint(["a"], 0.0)
    assert settling.at_rest({"a": 1}.get, 5.0) == {}
    assert settling.at_rest({"a": 1}.get, 5.31) == {"a": 1}


def test_a_path_that_is_gone_rests_as_none(settling: Settling[str, int]) -> None:
    settling.hint(["a"], 0.0)
    settling.at_rest({}.get, 0.0)
    assert settling.at_rest({}.get, 0.31) == {"a": None}


def test_half_of_a_rename_waits_for_the_other(settling: Settling[str, int]) -> None:
    disk: Disk = {}
    settling.hint(["old"], 0.0)
    settling.at_rest(disk.get, 0.0)
    disk["new"] = 7
    settling.hint(["new"], 0.25)
    settling.at_rest(disk.get, 0.25)
    assert settling.at_rest(disk.get, 0.4) == {}  # old rests, new does not
    assert settling.at_rest(disk.get, 0.56) == {"old": None, "new": 7}


def test_what_vanished_waits_for_others_only_so_long(settling: Settling[str, int]) -> None:
    disk: Disk = {}
    settling.hint(["gone", "growing"], 0.0)
    at = 0.0
    while (rested := settling.at_rest(disk.get, at)) == {}:
        disk["growing"] = disk.get("growing", 0) + 1
        at += 0.1
    assert rested == {"gone": None}
    assert at == pytest.approx(SETTLE_S + GONE_PATIENCE_S, abs=0.11)


def test_a_file_that_grows_slowly_delays_no_other(settling: Settling[str, int]) -> None:
    disk: Disk = {"growing": 0, "a": 1}
    settling.hint(["growing", "a"], 0.0)
    settling.at_rest(disk.get, 0.0)
    disk["growing"] = 1
    assert settling.at_rest(disk.get, 0.31) == {"a": 1}


def test_a_file_that_has_grown_for_long_delays_no_departure(settling: Settling[str, int]) -> None:
    disk: Disk = {"growing": 0}
    settling.hint(["growing"], 0.0)
    late = YOUNG_S + SETTLE_S + 1.0
    settling.at_rest(disk.get, late)
    settling.hint(["gone"], late)
    disk["growing"] = 1
    settling.at_rest(disk.get, late)
    disk["growing"] = 2
    assert settling.at_rest(disk.get, late + SETTLE_S + 0.01) == {"gone": None}


def test_a_path_that_was_dropped_is_not_looked_at(settling: Settling[str, int]) -> None:
    settling.hint(["a", "b"], 0.0)
    settling.drop("a")
    settling.drop("never hinted at")
    assert settling.waiting() == ["b"]
    settling.at_rest({"a": 1, "b": 2}.get, 0.0)
    assert settling.at_rest({"a": 1, "b": 2}.get, 0.31) == {"b": 2}


def test_the_next_look_is_due_when_the_first_could_rest(settling: Settling[str, int]) -> None:
    assert settling.next_at(0.0) is None
    settling.hint(["a"], 1.0)
    settling.at_rest({"a": 1}.get, 1.0)
    settling.hint(["b"], 1.2)
    assert settling.next_at(1.2) == pytest.approx(1.3)
    assert settling.next_at(9.0) == pytest.approx(9.01)  # never in the past


# -- events of the system

Heard = list[tuple[str, bool]]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """(path below tmp_path/notes, merely touched), in the order they came."""
    folder = tmp_path / "notes"
    folder.mkdir()
    told: Heard = []
    events = Events(lambda root, path, is_touch: told.append((path, is_touch)))
    assert events.follow(folder) == ""
    yield told
    events.close()


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def paths(heard: Heard) -> set[str]:
    return {path for path, is_touch in heard if not is_touch}


def test_files_made_changed_and_deleted_are_hinted_at(tmp_path: Path, heard: Heard) -> None:
    file = tmp_path / "notes" / "ä b.md"
    file.write_text("one")
    until(lambda: "ä b.md" in paths(heard))
    heard.clear()
    with file.open("a") as more:
        more.write("two")
    until(lambda: "ä b.md" in paths(heard))
    heard.clear()
    file.unlink()
    until(lambda: "ä b.md" in paths(heard))
    assert paths(heard) == {"ä b.md"}


def test_reading_is_no_hint(tmp_path: Path, heard: Heard) -> None:
    file = tmp_path / "notes" / "a.md"
    file.write_text("one")
    until(lambda: "a.md" in paths(heard))
    (tmp_path / "notes" / "b.md").write_text("")
    until(lambda: "b.md" in paths(heard))
    heard.clear()
    file.read_text()
    os.listdir(tmp_path / "notes")
    (tmp_path / "notes" / "c.md").write_text("")
    until(lambda: "c.md" in paths(heard))
    assert "a.md" not in paths(heard)


def test_both_sides_of_a_rename_are_hinted_at(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "notes" / "old").mkdir()
    (tmp_path / "notes" / "old" / "a.md").write_text("one")
    until(lambda: "old/a.md" in paths(heard))
    heard.clear()
    (tmp_path / "notes" / "old").rename(tmp_path / "notes" / "new")
    until(lambda: {"old", "new"} <= paths(heard))


def test_the_outer_side_of_a_move_is_no_hint(tmp_path: Path, heard: Heard) -> None:
    outside = tmp_path / "notes-elsewhere"  # begins with the root's own name
    outside.mkdir()
    (outside / "a.md").write_text("one")
    (outside / "a.md").rename(tmp_path / "notes" / "a.md")
    until(lambda: "a.md" in paths(heard))
    heard.clear()
    (tmp_path / "notes" / "a.md").rename(outside / "b.md")
    until(lambda: "a.md" in paths(heard))
    assert paths(heard) == {"a.md"}


def test_a_name_that_is_no_utf8_is_hinted_at_as_it_is_shown(tmp_path: Path, heard: Heard) -> None:
    with open(os.fsencode(tmp_path / "notes") + b"/caf\xe9.md", "wb") as file:
        file.write(b"Words.")
    until(lambda: "caf\ufffd.md" in paths(heard))


def test_a_folder_that_is_not_there_gives_a_reason(tmp_path: Path) -> None:
    events = Events(lambda root, path, is_touch: None)
    assert events.follow(tmp_path / "absent") == "the system gives no events here (no such file or directory)"
    events.close()


def test_after_leave_nothing_is_heard_and_other_folders_are(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    told: list[str] = []
    events = Events(lambda root, path, is_touch: told.append(f"{Path(root).name}/{path}"))
    try:
        assert (events.follow(one), events.follow(two)) == ("", "")
        events.leave(one)
        (one / "a.md").write_text("")
        (two / "b.md").write_text("")
        until(lambda: "two/b.md" in told)
        assert not [hint for hint in told if hint.startswith("one/")]
    finally:
        events.close()
