"""A watcher whose disk is full, whose knowledge base can only be read, or whose clock is wrong, goes on for years."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from following import Followed, until

from rag_lifelong import live_index
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import NoSuchVersion
from rag_lifelong.follow import trouble, watcher
from rag_lifelong.follow.trouble import Trouble
from rag_lifelong.index import vector_index
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Fail, Place
from rag_lifelong.store import database


class Disk:
    """The disk that the store lies on, as SQLite finds it: a pragma makes it full, or closed to writing."""

    def __init__(self) -> None:
        self.connections: list[sqlite3.Connection] = []
        self._pragmas: Sequence[str] = ()
        self._connect = database._connect

    def connect(self, path: Path) -> sqlite3.Connection:
        made = self._connect(path)
        self.connections.append(made)
        for pragma in self._pragmas:
            made.execute(f"PRAGMA {pragma}")
        return made

    def tell(self, *pragmas: str) -> None:
        """Every connection, also those to come."""
        self._pragmas = pragmas
        for connection in self.connections:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(database, "_connect", made.connect)
    return made


@pytest.fixture
def followed(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Followed]:
    """A folder on a disk that may fail."""
    monkeypatch.setattr(trouble, "WAIT_S", 0.02)
    monkeypatch.setattr(trouble, "WAIT_MOST_S", 0.1)
    made = Followed(tmp_path)
    made.start()
    yield made
    made.assistant.close()


def long_text(seed: int) -> str:
    """Words of which no page is free: about 100 KB."""
    rng = random.Random(seed)
    return "\n\n".join(" ".join(f"w{rng.randrange(10**9)}" for _ in range(50)) for _ in range(200))


FULL = (["max_page_count = 1"], ["max_page_count = 4294967294"], "is full; nothing was changed")
READ_ONLY = (["query_only = ON"], ["query_only = OFF"], "check its permissions and free space")


@pytest.mark.parametrize(("close", "open_again", "said"), [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_store_that_cannot_be_written_is_said_once_and_caught_up_with(
    followed: Followed, disk: Disk, tmp_path: Path, close: list[str], open_again: list[str], said: str
) -> None:
    for number in range(6):
        followed.write(f"{number}.md", f"zebra{number}")
    followed.until_has(*[f"{number}.md" for number in range(6)])
    document_id = followed.id_of("5.md")
    disk.tell(*close)
    followed.write("new.md", long_text(1))
    until(lambda: "trouble" in followed.kinds())
    assert said in followed.watcher.standing().trouble
    followed.write("0.md", long_text(2) + " ocelot")
    for number in range(1, 5):  # told by events, although over a fifth: nothing is asked once there is room
        (followed.folder / f"{number}.md").unlink()
    (followed.folder / "5.md").rename(followed.folder / "five.md")
    beats = followed.watcher.turns
    until(lambda: followed.watcher.turns >= beats + 8)
    assert followed.kinds().count("trouble") == 1
    assert followed.paths() == [f"{number}.md" for number in range(6)]
    disk.tell(*open_again)
    until(lambda: followed.found("ocelot") == ["0.md"])
    followed.until_has("0.md", "five.md", "new.md")
    assert followed.id_of("five.md") == document_id
    until(lambda: "recovered" in followed.kinds())
    assert (followed.watcher.standing().trouble, followed.state().blocked) == ("", None)
    assert (followed.kinds().count("trouble"), followed.kinds().count("recovered")) == (1, 1)
    followed.write("last.md", "lynx")
    followed.until_found("lynx", "last.md")
    followed.equals_a_clean_build(tmp_path / "clean")
    followed.all_well()


def test_a_store_that_takes_a_note_says_of_its_folders_why_they_wait(followed: Followed, disk: Disk) -> None:
    disk.tell("max_page_count = 1")  # a note in a row that is there needs no page
    followed.write("new.md", long_text(1))
    until(lambda: followed.state().blocked is not None)
    assert "is full; nothing was changed: make room and try again" in (followed.state().blocked or "")
    disk.tell("max_page_count = 4294967294")
    followed.until_has("new.md")
    until(lambda: followed.state().blocked is None)


def test_trouble_is_said_once_and_tried_ever_more_rarely() -> None:
    said: list[tuple[str, str]] = []
    met = Trouble(lambda kind, message: said.append((kind, message)))
    full = OSError("full")
    assert [met.met(full) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    assert met.met(OSError("busy")) == 5
    assert (met.is_over(), met.is_over(), met.message) == (True, False, "")
    assert met.met(full) == 5
    assert said == [("trouble", "full"), ("trouble", "busy"), ("recovered", "over: busy"), ("trouble", "full")]


def test_an_index_that_cannot_be_written_stays_in_memory(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "SEAL_AFTER", 1)
    monkeypatch.setattr(live_index, "_TEND_AFTER_S", 0.0)
    place = followed.assistant.knowledge_base.path / "index"
    if place.exists():
        place.rename(place.with_name("aside"))
    place.write_text("in the way of the folder")
    followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    until(lambda: "embedded" in [happening.kind for happening in followed.told])
    assert [kind for kind in followed.kinds() if kind != "added"] == []
    place.unlink()
    followed.write("b.md", "ocelot")
    followed.until_found("ocelot", "b.md")
    until((place / "1" / "current.json").exists)
    followed.all_well()


# -- a clock that is wrong


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


@pytest.fixture
def dated(tmp_path: Path) -> Iterator[tuple[KnowledgeBase, Clock]]:
    """A knowledge base whose clock a test sets."""
    clock = Clock(NOON)
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(64), now=clock) as base:
        yield base, clock


Read = Callable[[str], int]


@pytest.fixture
def read(dated: tuple[KnowledgeBase, Clock], tmp_path: Path) -> Read:
    """Writes the one file, reads it in, and gives the version's number."""
    from rag_lifelong import sync

    folder = tmp_path / "notes"
    folder.mkdir()

    def write(text: str) -> int:
        (folder / "a.md").write_text(text)
        done = sync.read_in(
            dated[0],
            [folder],
            settings=sync.Settings(10**6, 40, 2.0),
            progress=sync.Silent(),
            verb="add",
            rules=None,
            may_retire=True,
        )
        return done.versions[-1].number

    return write


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(days=1), timedelta(days=365 * 56)])
def test_a_clock_set_back_dates_no_version_before_the_one_it_follows(
    dated: tuple[KnowledgeBase, Clock], read: Read, back: timedelta
) -> None:
    base, clock = dated
    assert read("zebra") == 1
    clock.at = NOON + timedelta(hours=1)
    assert read("zebra ocelot") == 2
    clock.at = NOON + timedelta(hours=1) - back
    assert read("zebra ocelot lynx") == 3
    assert read("zebra ocelot lynx walrus") == 4
    assert [base.version_number(when) for when in ("now", "today", None)] == [4, 4, 4]
    clock.at = NOON + timedelta(hours=2)
    assert read("zebra ocelot lynx walrus owl") == 5
    times = [version.at - NOON for version in reversed(base.versions(9))]
    assert times == [timedelta(hours=hours) for hours in (0, 1, 1, 1, 2)]
    asked = {minutes: base.number_at(NOON + timedelta(minutes=minutes)) for minutes in (-1, 0, 30, 60, 90, 120)}
    assert asked == {-1: 0, 0: 1, 30: 1, 60: 4, 90: 4, 120: 5}
    assert base.version_number(NOON + timedelta(minutes=30)) == 1
    with pytest.raises(NoSuchVersion, match="begins at"):
        base.version_number(date(1970, 1, 1))


def test_a_failed_file_is_tried_again_although_the_clock_was_set_back(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = followed.assistant.knowledge_base
    file = followed.write("a.md", "zebra")
    found = file.stat()
    followed.until_has("a.md")
    monkeypatch.setattr(watcher, "RETRY_S", 0.05)
    root = base.folders.roots()[0]
    place = Place(root.id, "a.md", found.st_size, found.st_mtime_ns)
    monkeypatch.setattr(base, "_now", lambda: datetime(2100, 1, 1, tzinfo=UTC))
    base.commit([Fail(place, None, "permission denied", "")], cause="test")
    assert len(followed.assistant.failures()) == 1
    monkeypatch.setattr(base, "_now", lambda: NOON)
    followed.watcher._retry_at = 0.0
    followed.beacon()
    until(lambda: followed.assistant.failures() == ())
    followed.all_well()


@pytest.mark.parametrize(
    "seconds", [0, -(10**9), 4 * 10**9, 15_000_000_000, 253_402_300_800], ids=["1970", "1938", "2096", "2445", "10000"]
)
def test_files_of_any_time_are_read_and_found_unchanged(followed: Followed, seconds: int) -> None:
    file = followed.write("a.md", "zebra")
    try:
        os.utime(file, ns=(0, seconds * 10**9))
    except OSError:
        pytest.skip("this file system knows no such time")
    followed.until_found("zebra", "a.md")
    followed.beacon()
    versions = len(followed.changes())
    followed.sweep()
    assert (followed.paths(), len(followed.changes())) == (["a.md"], versions)
    newest = followed.assistant.versions(1)[0]
    assert abs(newest.at - datetime.now(UTC)) < timedelta(minutes=5)  # the file's time dates no version
    followed.all_well()
