"""Folders followed by the real watcher: real files, the system's own events, and what stands in the knowledge base.

Rule: what is waited for is a condition, and `all_well` closes each test. A sweep is called only where events are off.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from following import SETTLE_MS, Followed, until

import ingest.scan
from ingest.scan import Found, Rules, Unreadable
from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import FolderFollowed, TooManyGone
from rag_lifelong.follow import trouble, watcher
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.types import Vector, Vectors

ROOT = Path(__file__).resolve().parents[2]
LINKS = Rules(uses_gitignore=False, follows_links=True)


class Counting:
    """A HashEmbedder that counts the strings it is given; the border to the model."""

    def __init__(self) -> None:
        self._inner = HashEmbedder(64)
        self.name, self.dim, self.fingerprint = self._inner.name, self._inner.dim, self._inner.fingerprint
        self.max_tokens = self._inner.max_tokens
        self.strings = 0

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def unknown_share(self, text: str) -> float:
        return self._inner.unknown_share(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.strings += len(texts)
        return self._inner.embed(texts)

    def embed_query(self, text: str) -> Vector:
        return self._inner.embed_query(text)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks more often whether a folder is back."""
    monkeypatch.setattr(watcher, "ABSENT_S", 0.1)


# -- one file


def test_a_new_file_is_found(followed: Followed) -> None:
    followed.write("sub/a.md", "zebra crossing")
    followed.until_found("zebra", "sub/a.md")
    assert (followed.paths(), followed.changes()) == (["sub/a.md"], [(1, 0, 0, 0)])
    newest = followed.assistant.versions(1)[0]
    assert (newest.source, newest.cause) == ("watch", f"watch {followed.folder}")
    told = [h for h in followed.told if h.kind == "added"]
    assert [(h.path, h.version, h.born) for h in told] == [(str(followed.folder / "sub/a.md"), 1, 1)]
    followed.all_well()


def test_a_file_edited_in_place_is_the_same_document(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    file.write_text("ocelot")
    followed.until_found("ocelot", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), (0, 1, 0, 0)]
    assert (followed.found("zebra"), followed.found("zebra", as_of=1)) == ([], ["a.md"])
    followed.all_well()


def test_many_flushes_of_one_save_are_one_version(unwatched: Followed) -> None:
    unwatched.start(settle_ms=400)
    with (unwatched.folder / "a.md").open("w") as file:
        for number in range(30):
            file.write(f"line{number} of the save\n")
            file.flush()
            time.sleep(0.01)
    unwatched.until_found("line29", "a.md")
    assert unwatched.changes() == [(1, 0, 0, 0)]
    unwatched.all_well()


def test_a_touched_file_makes_no_version(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    os.utime(file, (1, 1))
    followed.beacon()
    assert followed.changes() == [(1, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1)]
    followed.all_well()


def test_a_file_written_beside_and_put_in_place_keeps_its_history(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    beside = followed.write("a.md.tmp", "ocelot")
    os.replace(beside, file)
    followed.until_found("ocelot", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), (0, 1, 0, 0)]
    assert (followed.found("zebra", as_of=1), followed.assistant.failures()) == (["a.md"], ())
    followed.all_well()


def test_a_file_put_in_place_from_another_folder_keeps_its_history(followed: Followed, tmp_path: Path) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    elsewhere = tmp_path / "elsewhere.md"
    elsewhere.write_text("ocelot")
    os.replace(elsewhere, file)
    followed.until_found("ocelot", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), (0, 1, 0, 0)]
    followed.all_well()


def test_a_file_replaced_again_and_again_is_one_document_with_its_last_text(followed: Followed) -> None:
    """Also while it is being read."""
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    for number in range(60):
        os.replace(followed.write("a.md.tmp", f"ocelot{number}\n\n" * (1 + number % 3 * 5_000)), file)
        time.sleep(0.001 * (number % 50))
    followed.until_found("ocelot59", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert set(followed.changes()[1:]) == {(0, 1, 0, 0)}
    followed.all_well()


def test_vim_saves_one_document(followed: Followed) -> None:
    """As vim does with its defaults: a swap file, a probe, the old text aside as a backup, the new one written."""
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    for number in range(3):
        swap = followed.write(".a.md.swp", "b0VIM")
        probe = followed.write("4913", "")
        probe.unlink()
        file.rename(followed.folder / "a.md~")
        with file.open("w") as new:
            new.write(f"ocelot{number}")
            new.flush()
            os.fsync(new.fileno())
        (followed.folder / "a.md~").unlink()
        swap.unlink()
        followed.until_found(f"ocelot{number}", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), *[(0, 1, 0, 0)] * 3]
    assert (followed.found("zebra", as_of=1), followed.assistant.failures()) == (["a.md"], ())
    followed.all_well()


def test_an_editors_backup_that_stays_is_no_document(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    file.rename(followed.folder / "a.md~")
    file.write_text("ocelot")
    followed.until_found("ocelot", "a.md")
    assert (followed.paths(), followed.id_of("a.md"), followed.found("zebra")) == (["a.md"], document_id, [])
    followed.all_well()


def test_a_file_replaced_as_on_macos_keeps_its_history(followed: Followed) -> None:
    """The old one is renamed aside, the new one moved in, the old one deleted."""
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    new = followed.write("(A Document Being Saved).sb-1/a.md", "ocelot")
    aside = followed.folder / "a.sb-5b2c.md"
    file.rename(aside)
    new.rename(file)
    aside.unlink()
    new.parent.rmdir()
    followed.until_found("ocelot", "a.md")
    assert (followed.paths(), followed.id_of("a.md")) == (["a.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), (0, 1, 0, 0)]
    followed.all_well()


def test_a_deleted_file_is_found_no_more(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    file.unlink()
    followed.until_found("zebra")
    assert (followed.paths(), followed.changes()) == ([], [(1, 0, 0, 0), (0, 0, 0, 1)])
    assert followed.found("zebra", as_of=1) == ["a.md"]
    followed.all_well()


def test_a_file_that_comes_back_is_the_same_document(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    file.unlink()
    followed.until_has()
    followed.write("a.md", "ocelot")
    followed.until_found("ocelot", "a.md")
    assert followed.id_of("a.md") == document_id
    followed.all_well()


def test_a_file_that_becomes_a_folder_and_back(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.write("stays.md", "owl")
    followed.until_has("a.md", "stays.md")
    file.unlink()
    followed.write("a.md/inner.md", "ocelot")
    followed.until_has("a.md/inner.md", "stays.md")
    (file / "inner.md").unlink()
    file.rmdir()
    followed.write("a.md", "lynx")
    followed.until_has("a.md", "stays.md")
    followed.until_found("lynx", "a.md")
    followed.all_well()


def test_a_file_that_grows_slowly_is_read_once_and_delays_no_other(unwatched: Followed) -> None:
    unwatched.start(settle_ms=300)
    stopping = Event()

    def grow() -> None:
        with (unwatched.folder / "big.md").open("w") as file:
            while not stopping.is_set():
                file.write("a line of the copy\n")
                file.flush()
                time.sleep(0.02)
            file.write("walrus\n")

    copy = Thread(target=grow)
    copy.start()
    try:
        unwatched.write("a.md", "zebra")
        until(lambda: unwatched.found("zebra") == ["a.md"])
        assert unwatched.paths() == ["a.md"]
        (unwatched.folder / "a.md").unlink()
        until(unwatched.has())
    finally:
        stopping.set()
        copy.join()
    unwatched.until_found("walrus", "big.md")
    assert unwatched.changes() == [(1, 0, 0, 0), (0, 0, 0, 1), (1, 0, 0, 0)]
    unwatched.all_well()


def test_names_of_any_letters_and_any_length(followed: Followed) -> None:
    names = ["größe – naïve 東京 🦓.md", "n" * 197 + ".md", " spaced .md", "new\nline.md", "e\u0301.md", "\u00e9.md"]
    for number, name in enumerate(names):
        followed.write(name, f"zebra{number}")
    followed.until_has(*names)
    for number, name in enumerate(names):
        assert followed.found(f"zebra{number}") == [name]
    followed.all_well()


def test_a_name_that_is_no_utf8_is_recorded_until_it_is_mended(followed: Followed) -> None:
    place = os.fsencode(followed.folder) + b"/caf\xe9.md"
    with open(place, "wb") as file:
        file.write(b"zebra")
    until(lambda: followed.assistant.failures() != ())
    followed.sweep()
    failure = followed.assistant.failures()[0]
    assert failure.path == str(followed.folder / "caf\ufffd.md")
    assert failure.reason == "its name is not valid UTF-8: rename it"
    assert (followed.paths(), followed.changes()) == ([], [])
    os.rename(place, followed.folder / "café.md")
    followed.until_found("zebra", "café.md")
    assert followed.assistant.failures() == ()
    followed.all_well()


# -- moves


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Followed, Counting]]:
    """A folder that is not watched yet, and how many strings were embedded."""
    embedder = Counting()
    made = Followed(tmp_path, embedder)
    yield made, embedder
    made.assistant.close()


def test_a_renamed_file_is_the_same_document_and_nothing_is_embedded(counted: tuple[Followed, Counting]) -> None:
    followed, embedder = counted
    followed.start()
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id, strings = followed.id_of("a.md"), embedder.strings
    assert strings == 1
    file.rename(followed.folder / "b.md")
    followed.until_found("zebra", "b.md")
    assert (followed.id_of("b.md"), embedder.strings) == (document_id, strings)
    assert followed.changes() == [(1, 0, 0, 0), (0, 0, 1, 0)]
    assert followed.found("zebra", as_of=1) == ["a.md"]  # the path of that day
    assert followed.kinds() == ["added", "moved"]
    moved = next(h for h in followed.told if h.kind == "moved")
    assert (moved.path_before, moved.path) == (str(file), str(followed.folder / "b.md"))
    followed.all_well()


def test_a_file_moved_into_a_folder_just_made_is_the_same_document(counted: tuple[Followed, Counting]) -> None:
    """The new folder is not listened to yet: half of the rename is told, half a second late."""
    followed, embedder = counted
    followed.start()
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    document_id = followed.id_of("a.md")
    (followed.folder / "sub").mkdir()
    file.rename(followed.folder / "sub" / "b.md")
    followed.until_found("zebra", "sub/b.md")
    assert (followed.id_of("sub/b.md"), embedder.strings) == (document_id, 1)
    assert followed.changes() == [(1, 0, 0, 0), (0, 0, 1, 0)]
    followed.all_well()


def test_a_file_moved_to_another_folder_that_is_followed_is_the_same_document(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "a.md").write_text("zebra")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        watcher = assistant.watch(one, two, settle_ms=SETTLE_MS)
        until(lambda: len(assistant.documents()) == 1)
        assert watcher.wait(15.0, for_vectors=True)
        document_id = assistant.documents()[0].document_id
        (one / "a.md").rename(two / "b.md")
        until(lambda: [d.path for d in assistant.documents()] == [str(two / "b.md")])
        assert assistant.documents()[0].document_id == document_id
        newest = assistant.versions(1)[0]
        assert (newest.added, newest.changed, newest.moved, newest.removed) == (0, 0, 1, 0)
        assert [hit.path for hit in assistant.search("zebra", as_of=1)] == [str(one / "a.md")]
        assert watcher.wait(15.0, for_vectors=True)
        assert [finding for finding in assistant.check() if not finding.is_well] == []


def test_a_change_of_case_is_a_move(followed: Followed) -> None:
    file = followed.write("Read.md", "zebra")
    followed.until_found("zebra", "Read.md")
    document_id = followed.id_of("Read.md")
    file.rename(followed.folder / "read.md")
    followed.until_found("zebra", "read.md")
    assert (followed.paths(), followed.id_of("read.md")) == (["read.md"], document_id)
    assert followed.changes() == [(1, 0, 0, 0), (0, 0, 1, 0)]
    followed.all_well()


def test_two_files_that_swap_their_names(followed: Followed) -> None:
    one, two = followed.write("one.md", "zebra"), followed.write("two.md", "ocelot")
    followed.until_has("one.md", "two.md")
    one.rename(followed.folder / "three.md")
    two.rename(one)
    (followed.folder / "three.md").rename(two)
    followed.until_found("zebra", "two.md")
    followed.until_found("ocelot", "one.md")
    assert followed.paths() == ["one.md", "two.md"]
    followed.all_well()


def test_a_copy_is_a_second_document_and_is_not_embedded(counted: tuple[Followed, Counting]) -> None:
    followed, embedder = counted
    followed.start()
    followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    followed.write("b.md", "zebra")
    followed.until_found("zebra", "a.md", "b.md")
    assert followed.id_of("a.md") != followed.id_of("b.md")
    assert (followed.changes(), embedder.strings) == ([(1, 0, 0, 0), (1, 0, 0, 0)], 1)
    followed.all_well()


def test_a_file_renamed_and_edited_at_once(followed: Followed) -> None:
    file = followed.write("a.md", "zebra")
    followed.until_found("zebra", "a.md")
    file.rename(followed.folder / "b.md")
    (followed.folder / "b.md").write_text("ocelot")
    followed.until_found("ocelot", "b.md")
    assert (followed.paths(), followed.found("zebra")) == (["b.md"], [])
    followed.all_well()


@pytest.mark.slow
def test_a_folder_of_600_files_is_renamed_in_one_version(
    counted: tuple[Followed, Counting], record_property: Callable[[str, object], None]
) -> None:
    followed, embedder = counted
    for number in range(600):
        followed.write(f"old/{number % 7}/{number}.md", f"zebra{number} and its herd\n\n" * 3)
    followed.write("stays.md", "owl")
    followed.start()
    ids = {document.path: document.document_id for document in followed.assistant.documents()}
    strings, before = embedder.strings, len(followed.changes())
    began = time.monotonic()
    (followed.folder / "old").rename(followed.folder / "new")
    until(lambda: len(followed.changes()) > before, 60.0)
    seconds = time.monotonic() - began
    record_property("seconds", seconds)
    print(f"a folder of 600 files renamed: {seconds:.2f} s")
    followed.rest()
    assert followed.changes()[before:] == [(0, 0, 600, 0)]
    assert embedder.strings == strings
    assert {d.path.replace("/new/", "/old/"): d.document_id for d in followed.assistant.documents()} == ids
    assert followed.found("zebra599") == [f"new/{599 % 7}/599.md"]
    assert seconds < 15.0
    followed.write("new/6/late.md", "walrus")  # it is watched under its new name
    followed.until_found("walrus", "new/6/late.md")
    followed.all_well()


def test_a_folder_moved_in_and_out_and_in(followed: Followed, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "a.md").write_text("zebra")
    (outside / "deep" / "b.md").write_text("ocelot")
    followed.write("stays.md", "owl")
    followed.until_has("stays.md")
    outside.rename(followed.folder / "in")
    followed.until_has("in/a.md", "in/deep/b.md", "stays.md")
    assert followed.found("ocelot") == ["in/deep/b.md"]
    ids = followed.id_of("in/a.md"), followed.id_of("in/deep/b.md")
    (followed.folder / "in").rename(outside)
    followed.until_has("stays.md")
    (outside / "deep" / "b.md").write_text("changed where nobody follows it")
    outside.rename(followed.folder / "in")
    followed.until_has("in/a.md", "in/deep/b.md", "stays.md")
    assert (followed.id_of("in/a.md"), followed.id_of("in/deep/b.md")) == ids
    followed.write("in/deep/c.md", "walrus")
    followed.until_found("walrus", "in/deep/c.md")
    assert followed.changes()[:3] == [(1, 0, 0, 0), (2, 0, 0, 0), (0, 0, 0, 2)]
    # what is moved out is still heard of, so that the last may come in two rests
    assert [sum(counts) for counts in zip(*followed.changes()[3:], strict=True)] == [3, 0, 0, 0]
    followed.all_well()


def test_a_tree_is_deleted_in_one_version(followed: Followed) -> None:
    for name in ("tree/a.md", "tree/b/c.md", "tree/b/d/e.md", "tree/b/d/f.md", "stays.md"):
        followed.write(name, f"words of {name}")
    followed.until_has("tree/a.md", "tree/b/c.md", "tree/b/d/e.md", "tree/b/d/f.md", "stays.md")
    before = len(followed.changes())
    for folder, _, files in os.walk(followed.folder / "tree", topdown=False):
        for file in files:
            os.unlink(os.path.join(folder, file))
        os.rmdir(folder)
    followed.until_has("stays.md")
    assert (followed.changes()[before:], followed.state().blocked) == ([(0, 0, 0, 4)], None)
    assert "tree/b/d/f.md" in followed.found("words", as_of=before)
    followed.all_well()


# -- links


def link(folder: Path, name: str, target: Path | str) -> None:
    (folder / name).symlink_to(target)


def test_links_are_not_followed_unless_asked_for(unwatched: Followed, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.md").write_text("ocelot")
    unwatched.write("sub/a.md", "zebra")
    link(unwatched.folder, "before", outside)
    unwatched.start()
    link(unwatched.folder, "file.md", unwatched.folder / "sub" / "a.md")
    link(unwatched.folder, "leaves", outside)
    link(unwatched.folder, "leaves.md", outside / "o.md")
    link(unwatched.folder, "loop", unwatched.folder)
    link(unwatched.folder, "self.md", "self.md")
    link(unwatched.folder, "broken.md", "absent.md")
    unwatched.beacon()
    unwatched.sweep()
    assert (unwatched.paths(), unwatched.found("ocelot")) == (["sub/a.md"], [])
    assert unwatched.assistant.failures() == ()
    unwatched.all_well()


def test_links_are_followed_if_asked_for(unwatched: Followed, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.md").write_text("ocelot")
    unwatched.write("sub/a.md", "zebra")
    unwatched.start(rules=LINKS)
    link(unwatched.folder, "file.md", unwatched.folder / "sub" / "a.md")
    link(unwatched.folder, "leaves", outside)
    unwatched.until_has("file.md", "leaves/o.md", "sub/a.md")
    assert unwatched.found("ocelot") == ["leaves/o.md"]
    (unwatched.folder / "leaves").unlink()
    unwatched.until_has("file.md", "sub/a.md")
    unwatched.all_well()


def test_links_that_loop_end_where_they_began(unwatched: Followed) -> None:
    unwatched.write("sub/a.md", "zebra")
    link(unwatched.folder, "before", unwatched.folder)
    link(unwatched.folder, "itself", "itself")
    unwatched.start(rules=LINKS)
    assert unwatched.paths() == ["sub/a.md"]
    link(unwatched.folder, "loop", unwatched.folder)
    link(unwatched.folder, "sub/up", unwatched.folder / "sub")
    link(unwatched.folder, "self.md", "self.md")
    unwatched.beacon()
    assert unwatched.paths() == ["sub/a.md"]
    unwatched.sweep()
    assert unwatched.paths() == ["sub/a.md"]
    unwatched.all_well()


# -- what cannot be read

DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Root goes without the right to read everything, as do the threads it starts meanwhile; others are bound anyway."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    kept, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    if libc.capget(header, kept) or libc.capget(header, less):
        pytest.skip("no capabilities here")
    less[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        libc.capset(header, kept)


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions with Linux capabilities")
def test_permission_denied_then_granted(tmp_path: Path) -> None:
    with bound_by_permissions():
        followed = Followed(tmp_path)
        followed.start()
        file = followed.write("a.md", "zebra")
        followed.write("b.md", "owl")
        followed.until_has("a.md", "b.md")
        file.write_text("ocelot")
        file.chmod(0)
        until(lambda: followed.assistant.failures() != ())
        followed.rest()
        assert followed.assistant.failures()[0].reason == "permission denied: check its permissions"
        assert followed.paths() == ["a.md", "b.md"]
        assert followed.found("zebra") == ["a.md"]  # its last readable text
        assert followed.found("owl") == ["b.md"]
        file.chmod(0o600)
        followed.until_found("ocelot", "a.md")
        assert followed.assistant.failures() == ()
        followed.all_well()
        followed.assistant.close()


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions with Linux capabilities")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_cannot_be_read_keeps_its_documents(tmp_path: Path, mode: int) -> None:
    with bound_by_permissions():
        followed = Followed(tmp_path)
        followed.write("sub/a.md", "zebra")
        followed.write("b.md", "owl")
        followed.start()
        (followed.folder / "sub").chmod(mode)
        followed.sweep()
        followed.beacon()
        assert followed.paths() == ["b.md", "sub/a.md"]
        (followed.folder / "sub").chmod(0o700)
        followed.write("sub/c.md", "lynx")
        followed.until_has("b.md", "sub/a.md", "sub/c.md")
        assert followed.found("zebra") == ["sub/a.md"]
        followed.all_well()
        followed.assistant.close()


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions with Linux capabilities")
def test_a_folder_made_readable_is_read_without_a_sweep(tmp_path: Path) -> None:
    with bound_by_permissions():
        followed = Followed(tmp_path)
        followed.write("sub/a.md", "zebra")
        (followed.folder / "sub").chmod(0)
        followed.start()
        assert followed.paths() == []
        (followed.folder / "sub").chmod(0o700)
        followed.until_found("zebra", "sub/a.md")
        followed.all_well()
        followed.assistant.close()


def test_a_damaged_file_harms_no_other_and_is_mended(followed: Followed) -> None:
    file = followed.folder / "bad.pdf"
    file.write_bytes(b"%PDF-1.4 nothing")
    followed.write("a.md", "zebra")
    followed.until_has("a.md")
    until(lambda: followed.assistant.failures() != ())
    assert [(f.path, f.reason) for f in followed.assistant.failures()] == [
        (str(file), "damaged PDF: open it in a viewer and save or print it anew")
    ]
    tries = followed.assistant.failures()[0].tries
    followed.sweep()
    assert followed.assistant.failures()[0].tries == tries  # not again while it is the same
    file.unlink()
    until(lambda: followed.assistant.failures() == ())
    followed.all_well()


def test_a_disk_that_fails_for_a_moment_does_not_end_the_watching(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = True

    def scan(*arguments: Any, **named: Any) -> Iterator[Found | Unreadable]:
        """The border to the disk, which no test can make fail."""
        if failing:
            raise OSError(errno.EIO, "I/O error")
        return ingest.scan.scan(*arguments, **named)

    monkeypatch.setattr(watcher, "scan", scan)
    monkeypatch.setattr(trouble, "WAIT_S", 0.1)
    followed.write("sub/a.md", "zebra")
    until(lambda: "trouble" in followed.kinds())
    assert next(h.message for h in followed.told if h.kind == "trouble") == f"[Errno {errno.EIO}] I/O error"
    failing = False
    followed.until_found("zebra", "sub/a.md")
    followed.all_well()


# -- folders that are away, or have lost much


def test_an_emptied_folder_keeps_its_documents_until_it_is_believed(followed: Followed) -> None:
    names = [f"{number}.md" for number in range(4)]
    for name in names:
        followed.write(name, f"zebra {name}")
    followed.until_has(*names)
    for name in names:
        (followed.folder / name).unlink()
    until(lambda: followed.state().blocked is not None)
    followed.rest()
    assert followed.state().blocked == (
        f"4 of 4 documents are gone from {followed.folder}; they are kept, in case the drive is away. "
        f"If they are gone for good: lifelong sync --yes {followed.folder}"
    )
    assert (followed.paths(), followed.found("zebra")) == (names, names)
    followed.sweep()
    assert followed.paths() == names
    with pytest.raises(TooManyGone):
        followed.assistant.sync(followed.folder)
    assert followed.assistant.sync(followed.folder, may_retire=True).removed == 4
    assert (followed.paths(), followed.state().blocked) == ([], None)
    followed.write("5.md", "ocelot")  # it is followed as before
    followed.until_found("ocelot", "5.md")
    assert followed.state().blocked is None
    followed.all_well()


@pytest.mark.usefixtures("impatient")
def test_an_emptied_folder_that_is_filled_again_is_no_longer_blocked(followed: Followed, tmp_path: Path) -> None:
    names = [f"{number}.md" for number in range(4)]
    for name in names:
        followed.write(name, f"zebra {name}")
    followed.until_has(*names)
    versions = followed.changes()
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in names:
        (followed.folder / name).rename(aside / name)
    until(lambda: followed.state().blocked is not None)
    for name in names:
        (aside / name).rename(followed.folder / name)
    until(lambda: followed.state().blocked is None)
    followed.rest()
    assert (followed.paths(), followed.changes()) == (names, versions)
    followed.all_well()


@pytest.mark.usefixtures("impatient")
def test_a_folder_that_is_removed_and_back_keeps_its_documents(followed: Followed, tmp_path: Path) -> None:
    followed.write("a.md", "zebra")
    followed.write("b.md", "owl")
    followed.until_has("a.md", "b.md")
    versions = followed.changes()
    followed.folder.rename(tmp_path / "away")
    until(lambda: followed.state().blocked is not None)
    assert followed.state().blocked == f"{followed.folder} is not there; its documents are kept until it is back"
    assert (followed.paths(), followed.found("zebra")) == (["a.md", "b.md"], ["a.md"])
    (tmp_path / "away" / "b.md").write_text("ocelot")
    (tmp_path / "away").rename(followed.folder)
    followed.until_found("ocelot", "b.md")
    until(lambda: followed.state().blocked is None)
    assert followed.changes() == [*versions, (0, 1, 0, 0)]
    followed.write("c.md", "lynx")  # its events are heard again
    followed.until_found("lynx", "c.md")
    followed.all_well()


@pytest.mark.usefixtures("impatient")
def test_a_folder_replaced_by_another_at_once_is_followed_on(followed: Followed, tmp_path: Path) -> None:
    """As when a drive is mounted over it: there was no moment without a folder."""
    followed.write("a.md", "zebra")
    followed.write("b.md", "owl")
    followed.until_has("a.md", "b.md")
    new = tmp_path / "new"
    new.mkdir()
    (new / "a.md").write_text("ocelot")
    (new / "b.md").write_text("owl")
    followed.folder.rename(tmp_path / "old")
    new.rename(followed.folder)
    followed.until_found("ocelot", "a.md")
    followed.write("c.md", "lynx")
    followed.until_found("lynx", "c.md")
    assert followed.paths() == ["a.md", "b.md", "c.md"]
    (tmp_path / "old" / "a.md").write_text("heard of no more")
    followed.beacon()
    assert followed.found("ocelot") == ["a.md"]
    followed.all_well()


def test_what_no_event_told_is_found_by_a_sweep(followed: Followed) -> None:
    for number in range(6):
        followed.write(f"{number}.md", f"zebra{number}")
    followed.until_has(*[f"{number}.md" for number in range(6)])
    document_id, before = followed.id_of("1.md"), len(followed.changes())
    followed.watcher.ignore_events(True)
    followed.write("new.md", "ocelot")
    followed.write("0.md", "walrus")
    (followed.folder / "1.md").rename(followed.folder / "one.md")
    (followed.folder / "2.md").unlink()
    followed.sweep()
    assert followed.paths() == ["0.md", "3.md", "4.md", "5.md", "new.md", "one.md"]
    assert (followed.found("walrus"), followed.found("ocelot"), followed.found("zebra2")) == (["0.md"], ["new.md"], [])
    assert followed.id_of("one.md") == document_id
    assert [sum(c) for c in zip(*followed.changes()[before:], strict=True)] == [1, 1, 1, 1]
    assert len(followed.changes()) == before + 1
    followed.all_well()


def test_a_sweep_that_misses_over_a_fifth_asks(followed: Followed) -> None:
    names = [f"{number}.md" for number in range(10)]
    for name in names:
        followed.write(name, f"zebra {name}")
    followed.until_has(*names)
    followed.watcher.ignore_events(True)
    for name in names[:3]:
        (followed.folder / name).unlink()
    followed.write("9.md", "ocelot")  # the rest goes on
    followed.sweep()
    assert followed.state().blocked == (
        f"3 of 10 documents are gone from {followed.folder}; they are kept, in case the drive is away. "
        f"If they are gone for good: lifelong sync --yes {followed.folder}"
    )
    assert (followed.paths(), followed.found("ocelot")) == (names, ["9.md"])
    assert followed.kinds().count("blocked") == 1
    followed.sweep()
    assert (followed.paths(), followed.kinds().count("blocked")) == (names, 1)
    assert followed.assistant.sync(followed.folder, may_retire=True).removed == 3
    followed.sweep()
    assert (followed.paths(), followed.state().blocked) == (names[3:], None)
    followed.all_well()


def test_a_sweep_that_misses_a_fifth_retires_it(followed: Followed) -> None:
    names = [f"{number:02}.md" for number in range(15)]
    for name in names:
        followed.write(name, f"zebra {name}")
    followed.until_has(*names)
    followed.watcher.ignore_events(True)
    for name in names[:3]:
        (followed.folder / name).unlink()
    followed.sweep()
    assert (followed.paths(), followed.state().blocked) == (names[3:], None)
    followed.all_well()


def test_what_changed_while_nobody_followed_is_found_at_the_start(unwatched: Followed) -> None:
    for number in range(6):
        unwatched.write(f"{number}.md", f"zebra{number}")
    unwatched.start()
    document_id = unwatched.id_of("1.md")
    unwatched.stop()
    unwatched.write("new.md", "ocelot")
    unwatched.write("0.md", "walrus")
    (unwatched.folder / "1.md").rename(unwatched.folder / "one.md")
    (unwatched.folder / "2.md").unlink()
    unwatched.start()
    assert unwatched.paths() == ["0.md", "3.md", "4.md", "5.md", "new.md", "one.md"]
    assert (unwatched.found("walrus"), unwatched.id_of("one.md")) == (["0.md"], document_id)
    assert unwatched.changes() == [(6, 0, 0, 0), (1, 1, 1, 1)]
    unwatched.all_well()


# -- what is ignored


def test_ignore_rules_that_change_are_kept_at_once(followed: Followed) -> None:
    followed.write("drafts/a.md", "zebra")
    followed.write("drafts/b.md", "ocelot")
    followed.write("drafts/c.md", "lynx")
    followed.write("keep.md", "owl")
    followed.until_has("drafts/a.md", "drafts/b.md", "drafts/c.md", "keep.md")
    document_id = followed.id_of("drafts/a.md")
    followed.write(".lifelongignore", "drafts/\n")
    followed.until_has("keep.md")
    assert (followed.found("zebra"), followed.state().blocked) == ([], None)
    followed.write("drafts/d.md", "walrus")
    followed.beacon()
    assert followed.paths() == ["keep.md"]
    followed.write(".lifelongignore", "drafts/b.md\n")
    followed.until_has("drafts/a.md", "drafts/c.md", "drafts/d.md", "keep.md")
    assert followed.id_of("drafts/a.md") == document_id
    (followed.folder / ".lifelongignore").unlink()
    followed.until_has("drafts/a.md", "drafts/b.md", "drafts/c.md", "drafts/d.md", "keep.md")
    followed.all_well()


def test_what_is_ignored_goes_although_much_is_lost(followed: Followed) -> None:
    names = [f"{number}.md" for number in range(9)]
    for name in names:
        followed.write(name, f"zebra {name}")
    followed.until_has(*names)
    followed.watcher.ignore_events(True)
    for name in names[:3]:
        (followed.folder / name).unlink()
    followed.write(".lifelongignore", "8.md\n")
    followed.sweep()
    assert followed.paths() == names[:8]
    assert followed.state().blocked is not None and followed.state().blocked.startswith("3 of 9 documents are gone")
    followed.all_well()


def test_the_folders_own_gitignore_counts_only_on_request(unwatched: Followed) -> None:
    unwatched.write("a.md", "zebra")
    unwatched.write("b.md", "owl")
    unwatched.write(".gitignore", "a.md\n")
    unwatched.start()
    assert unwatched.paths() == ["a.md", "b.md"]
    unwatched.stop()
    unwatched.start(rules=Rules(uses_gitignore=True, follows_links=False))
    unwatched.until_has("b.md")
    unwatched.write(".gitignore", "b.md\n")
    unwatched.until_has("a.md")
    unwatched.all_well()


def test_what_lies_in_an_ignored_folder_or_the_knowledge_base_is_not_read(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.folder = tmp_path  # the knowledge base lies in it
    followed.write("node_modules/a.md", "zebra")
    followed.start()
    followed.write(".git/b.md", "zebra")
    followed.write("node_modules/c/d.md", "zebra")
    followed.write("kb/e.md", "zebra")
    followed.write("f.md.part", "zebra")
    followed.write("g.md", "zebra")
    followed.until_has("g.md")
    followed.beacon()
    assert (followed.paths(), followed.assistant.failures()) == (["g.md"], ())
    followed.all_well()
    followed.assistant.close()


# -- holds

Decide = Callable[[Followed], None]


def forget(followed: Followed) -> None:
    followed.assistant.forget(followed.folder / "a.md")


def undo_an_edit(followed: Followed) -> None:
    followed.write("a.md", "walrus")
    followed.until_found("walrus", "a.md")
    followed.assistant.undo(followed.assistant.versions(1)[0].number)


def undo_an_addition(followed: Followed) -> None:
    followed.write("b.md", "walrus")
    followed.until_found("walrus", "b.md")
    followed.assistant.undo(followed.assistant.versions(1)[0].number)


def undo_a_deletion(followed: Followed) -> None:
    (followed.folder / "a.md").unlink()
    followed.until_found("zebra")
    followed.assistant.undo(followed.assistant.versions(1)[0].number)


def undo_a_move(followed: Followed) -> None:
    (followed.folder / "a.md").rename(followed.folder / "b.md")
    followed.until_found("zebra", "b.md")
    followed.assistant.undo(followed.assistant.versions(1)[0].number)


@pytest.mark.parametrize(
    ("decide", "stands", "held", "mends"),
    [
        pytest.param(forget, {"stays.md": "owl"}, 1, "a.md", id="forget"),
        pytest.param(undo_an_edit, {"a.md": "zebra", "stays.md": "owl"}, 1, "a.md", id="edit"),
        pytest.param(undo_an_addition, {"a.md": "zebra", "stays.md": "owl"}, 1, "b.md", id="addition"),
        pytest.param(undo_a_deletion, {"a.md": "zebra", "stays.md": "owl"}, 1, "a.md", id="deletion"),
        pytest.param(undo_a_move, {"a.md": "zebra", "stays.md": "owl"}, 2, "b.md", id="move"),
    ],
)
def test_what_the_user_decided_holds_until_the_file_changes(
    followed: Followed, decide: Decide, stands: dict[str, str], held: int, mends: str
) -> None:
    followed.write("a.md", "zebra")
    followed.write("stays.md", "owl")
    followed.until_has("a.md", "stays.md")
    decide(followed)

    def as_decided() -> None:
        followed.rest()
        assert followed.paths() == sorted(stands)
        assert {name: followed.found(word) for name, word in stands.items()} == {name: [name] for name in stands}
        assert followed.found("walrus") == []
        assert followed.state().held == held

    as_decided()
    for number in range(2):  # edits elsewhere
        followed.write("other.md", f"lynx{number}")
        followed.until_found(f"lynx{number}", "other.md")
    (followed.folder / "other.md").unlink()
    followed.until_found("lynx1")
    as_decided()
    for name in ("a.md", "b.md"):  # touched, the bytes are the same; or there for a moment, and gone again
        if (followed.folder / name).exists():
            os.utime(followed.folder / name)
        else:
            followed.write(name, "").unlink()
    followed.beacon()
    as_decided()
    followed.sweep()
    as_decided()
    followed.assistant.sync(followed.folder)
    as_decided()
    followed.stop()
    followed.start()
    as_decided()
    followed.all_well()
    followed.write(mends, "capybara")  # other bytes end it
    followed.until_found("capybara", mends)
    assert followed.state().held == held - 1
    followed.sweep()
    assert mends in followed.paths()
    followed.all_well()


def test_a_forgotten_file_that_is_renamed_is_read_as_a_new_one(followed: Followed) -> None:
    """The hold is on a path; a new name is a new file, which the user has not spoken of."""
    file = followed.write("a.md", "zebra")
    followed.until_has("a.md")
    followed.assistant.forget(file)
    file.rename(followed.folder / "b.md")
    followed.until_found("zebra", "b.md")
    followed.sweep()
    assert followed.paths() == ["b.md"]
    followed.all_well()


@pytest.mark.usefixtures("impatient")
def test_a_hold_outlasts_an_absent_drive(followed: Followed, tmp_path: Path) -> None:
    followed.write("a.md", "zebra")
    followed.write("stays.md", "owl")
    followed.until_has("a.md", "stays.md")
    followed.assistant.forget(followed.folder / "a.md")
    followed.folder.rename(tmp_path / "away")
    until(lambda: followed.state().blocked is not None)
    (tmp_path / "away").rename(followed.folder)
    until(lambda: followed.state().blocked is None)
    followed.rest()
    assert (followed.paths(), followed.state().held) == (["stays.md"], 1)
    followed.all_well()


# -- several processes

WATCHING = """
import sys
from rag_lifelong import open_assistant
kb, folder, settle_ms = sys.argv[1:]
with open_assistant(kb, embedder="hash") as assistant:
    def tell(happening):  # by several threads: in one piece, which print() does not promise
        sys.stdout.write(happening.kind + "\\n")
        sys.stdout.flush()

    watcher = assistant.watch(folder, settle_ms=int(settle_ms), tell=tell)
    sys.stdin.read()
"""
READING = """
import json, sys, threading, time
from rag_lifelong import open_assistant
threading.Thread(target=lambda: (sys.stdin.read(), sys.exit), daemon=True).start()
with open_assistant(sys.argv[1], embedder="hash") as assistant:
    seen = -1
    while True:
        newest = assistant.versions(1)
        number = newest[0].number if newest else 0
        if number != seen:
            seen = number
            hits = [hit.text for hit in assistant.search("token", 50)]
            print(json.dumps([number, time.monotonic(), hits]), flush=True)
        time.sleep(0.01)
"""


@contextmanager
def process(source: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def read_until(running: subprocess.Popen[str], wanted: str) -> None:
    assert running.stdout is not None
    patience = threading.Timer(60, running.kill)
    patience.start()
    try:
        for line in running.stdout:
            if line.strip() == wanted:
                return
    finally:
        patience.cancel()
    raise AssertionError(f"the process ended, or was ended after a minute, before {wanted!r}")


def test_a_folder_has_one_follower_and_a_killed_one_is_none(unwatched: Followed, tmp_path: Path) -> None:
    unwatched.write("a.md", "zebra")
    with process(WATCHING, tmp_path / "kb", unwatched.folder, SETTLE_MS) as first:
        read_until(first, "ready")
        assert (unwatched.state().pid, unwatched.state().way) == (first.pid, "events")
        with pytest.raises(FolderFollowed, match=f"is followed already, by process {first.pid} on "):
            unwatched.start()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert unwatched.state().pid is None
    unwatched.write("b.md", "ocelot")
    unwatched.start()
    assert unwatched.paths() == ["a.md", "b.md"]
    assert unwatched.state().pid == os.getpid()
    unwatched.stop()
    assert unwatched.state().pid is None
    unwatched.all_well()


def test_another_folder_of_the_same_knowledge_base_has_its_own_follower(followed: Followed, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "o.md").write_text("ocelot")
    with process(WATCHING, tmp_path / "kb", other, SETTLE_MS) as second:
        read_until(second, "ready")
        followed.write("a.md", "zebra")
        followed.until_found("zebra", "a.md")
        (other / "p.md").write_text("lynx")
        followed.until_found("lynx", "../other/p.md")
        assert {f.path: f.pid for f in followed.assistant.folders()} == {
            str(followed.folder): os.getpid(),
            str(other): second.pid,
        }
        followed.all_well()


@pytest.mark.slow
def test_three_processes_commit_and_see_within_a_second(tmp_path: Path) -> None:
    """One watches a folder that keeps changing, one reads, this one adds, forgets and takes back."""
    followed = Followed(tmp_path)
    single = tmp_path / "single"
    single.mkdir()
    for number in range(40):
        followed.write(f"{number}.md", f"words {number}")
    stopping = Event()

    def edit() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            followed.write(f"{number % 40}.md", f"words {number}\n\n" * 20)
            stopping.wait(0.02)

    editing = Thread(target=edit)
    seen: dict[int, tuple[float, list[str]]] = {}

    def listen(reading: subprocess.Popen[str]) -> None:
        assert reading.stdout is not None
        for line in reading.stdout:
            number, at, hits = json.loads(line)
            seen[number] = at, hits

    def seen_after(number: int, at: float) -> float:
        """Seconds until the reader has seen a version as new as `number`."""
        until(lambda: any(known >= number for known in list(seen)), 5.0)
        return min(when for known, (when, _) in list(seen.items()) if known >= number) - at

    commits: list[float] = []
    sights: list[float] = []
    with (
        process(WATCHING, tmp_path / "kb", followed.folder, SETTLE_MS) as watching,
        process(READING, tmp_path / "kb") as reading,
    ):
        Thread(target=listen, args=(reading,), daemon=True).start()
        read_until(watching, "ready")
        Thread(target=lambda: [None for _ in watching.stdout or ()], daemon=True).start()
        editing.start()
        try:
            for number in range(12):
                file = single / f"{number}.md"
                file.write_text(f"token {number:02} of this round")
                for act in (
                    lambda file=file: followed.assistant.add(file, wait=False).versions[-1],
                    lambda file=file: followed.assistant.forget(file),
                    followed.assistant.undo,
                ):
                    began = time.monotonic()
                    version = act()
                    done = time.monotonic()
                    commits.append(done - began)
                    sights.append(seen_after(version.number, done))
        finally:
            stopping.set()
            editing.join()
        sources = {version.source for version in followed.assistant.versions(1_000)}
        assert sources == {"command", "watch"}
        until(lambda: followed.state().queued == 0 and followed.assistant.status().waiting == 0)
        newest = max(seen)
        assert sorted(text for text in seen[newest][1] if "token" in text) == sorted(
            f"token {number:02} of this round" for number in range(12)
        )
    print(f"commit: worst {max(commits):.3f} s; seen by the reader: worst {max(sights):.3f} s")
    assert max(commits) < 1.0
    assert max(sights) < 1.0
    followed.all_well()
    followed.assistant.close()


def test_a_file_that_was_about_to_be_read_when_its_drive_went_away_is_kept(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.write("a.md", "# A\n\nfirst words\n")
    followed.start()
    followed.stop()
    followed.start(settle_ms=5_000)
    followed.write("a.md", "# A\n\nnewer words\n")  # heard of, and far from settled
    until(lambda: followed.watcher.standing().queued)
    os.rename(followed.folder, tmp_path / "away")
    until(lambda: any(happening.kind == "blocked" for happening in followed.told))
    followed.watcher._heard(str(followed.folder), "a.md", False)  # an event that comes late
    followed.folder.mkdir()  # an empty place where the drive will be
    until(lambda: followed.watcher.standing().queued)  # the sweep misses a.md
    until(lambda: any("gone from" in happening.message for happening in followed.told))
    assert [os.path.basename(d.path) for d in followed.assistant.documents()] == ["a.md"]
    followed.assistant.close()


def test_a_file_that_can_be_read_again_with_its_old_bytes_is_no_version(tmp_path: Path) -> None:
    note = '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["words of a cell"]}], "nbformat": 4}'
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        file = tmp_path / "notes" / "a.ipynb"
        file.parent.mkdir()
        file.write_text(note)
        assistant.add(file.parent)
        file.write_text("{ this is no notebook")
        assistant.add(file.parent)
        assert assistant.status_of(file).state == "failed"
        file.write_text(note)
        assert assistant.add(file.parent).versions == ()
        assert assistant.status_of(file).state == "searchable"


def test_answers_say_that_nobody_watches_what_was_followed_once(tmp_path: Path) -> None:
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "a.md").write_text("Ana owns the queue.\n")
        assistant.add(tmp_path / "notes")
        assert not assistant.ask("Who owns the queue?").verdict.unwatched  # it was never followed
        watcher = assistant.watch()
        assert not assistant.ask("Who owns the queue?").verdict.unwatched
        watcher.stop()
        assert assistant.ask("Who owns the queue?").verdict.unwatched


# -- events that are lost, and those behind links


@pytest.mark.skipif(sys.platform != "linux", reason="inotify's own queue")
def test_when_the_systems_queue_overflows_the_folder_is_compared_at_once(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 20_000:
        pytest.skip(f"a queue of {limit:,} events takes too long to fill")
    reads = InotifyFD.read_events
    may_read = Event()

    def late(self: InotifyFD, **named: Any) -> Any:
        """As of a thread that the system lets wait: watchdog's own reading, once the test says so."""
        found = reads(self, **named)
        may_read.wait()
        return found

    for name in ("gone.md", "stays.md"):
        followed.write(name, f"zebra {name}")
    followed.until_has("gone.md", "stays.md")
    monkeypatch.setattr(InotifyFD, "read_events", late)
    with (followed.folder / "1.skipped").open("w") as one, (followed.folder / "2.skipped").open("w") as two:
        for _ in range(limit // 2 + 4_000):
            for file in (one, two):  # equal events in a row would be one; some are read before the wait
                file.write("x")
                file.flush()
    (followed.folder / "gone.md").unlink()
    followed.write("new.md", "ocelot")
    may_read.set()
    until(lambda: followed.found("ocelot") == ["new.md"], 8.0)  # the next sweep is due in five minutes
    followed.until_has("new.md", "stays.md")
    assert "Inotify queue overflowed" in caplog.text
    followed.write("after.md", "lynx")
    followed.until_found("lynx", "after.md")
    followed.all_well()


def test_what_changes_behind_followed_links_is_told_by_events(unwatched: Followed, tmp_path: Path) -> None:
    """Behind links that were there at the start, that are made later, in folders behind links, and to single files."""
    for name in ("one/o.md", "two/deep/t.md", "three/h.md", "four/f.md", "four/other.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"first {name}")
    unwatched.write("a.md", "zebra")
    link(unwatched.folder, "one", tmp_path / "one")
    link(tmp_path / "one", "three", tmp_path / "three")
    unwatched.start(rules=LINKS)
    unwatched.until_has("a.md", "one/o.md", "one/three/h.md")
    link(unwatched.folder, "two", tmp_path / "two")
    link(unwatched.folder, "f.md", tmp_path / "four" / "f.md")
    unwatched.until_has("a.md", "f.md", "one/o.md", "one/three/h.md", "two/deep/t.md")
    (tmp_path / "one" / "o.md").write_text("ocelot")
    unwatched.until_found("ocelot", "one/o.md")
    (tmp_path / "three" / "h.md").write_text("walrus")
    unwatched.until_found("walrus", "one/three/h.md")
    (tmp_path / "two" / "deep" / "new.md").write_text("lynx")
    unwatched.until_found("lynx", "two/deep/new.md")
    document_id = unwatched.id_of("two/deep/new.md")
    (tmp_path / "two" / "deep").rename(tmp_path / "two" / "deeper")
    unwatched.until_found("lynx", "two/deeper/new.md")
    assert unwatched.id_of("two/deeper/new.md") == document_id
    beside = tmp_path / "four" / "beside"
    beside.write_text("capybara")
    os.replace(beside, tmp_path / "four" / "f.md")
    unwatched.until_found("capybara", "f.md")
    (tmp_path / "three" / "h.md").unlink()
    unwatched.until_has("a.md", "f.md", "one/o.md", "two/deeper/new.md", "two/deeper/t.md")
    (unwatched.folder / "two").unlink()
    unwatched.until_has("a.md", "f.md", "one/o.md")
    unwatched.all_well()


def test_two_links_to_one_folder_are_told_apart(unwatched: Followed, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    unwatched.write("a.md", "zebra")
    for name in ("one", "two"):
        link(unwatched.folder, name, tmp_path / "outside")
    unwatched.start(rules=LINKS)
    (tmp_path / "outside" / "o.md").write_text("ocelot")
    unwatched.until_found("ocelot", "one/o.md", "two/o.md")
    (unwatched.folder / "one").unlink()
    unwatched.until_has("a.md", "two/o.md")
    unwatched.sweep()  # the link is forgotten, the folder that the other leads to is not
    (tmp_path / "outside" / "o.md").write_text("lynx")
    unwatched.until_found("lynx", "two/o.md")
    unwatched.all_well()


def test_ending_leaves_no_errors_in_the_log(unwatched: Followed, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        unwatched.start()
        unwatched.write("a.md", f"zebra{number}")
        unwatched.until_found(f"zebra{number}", "a.md")
        unwatched.write("a.md", f"ocelot{number}")
        unwatched.stop()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("watchdog")] == []


# -- folders that are left

UNFOLLOWING = """
import sys
from rag_lifelong import open_assistant
with open_assistant(sys.argv[1], embedder="hash") as assistant:
    assistant.unfollow(sys.argv[2])
print("unfollowed", flush=True)
"""


@pytest.mark.usefixtures("impatient")
def test_a_folder_that_another_process_unfollows_is_left(followed: Followed, tmp_path: Path) -> None:
    followed.write("a.md", "zebra")
    followed.until_has("a.md")
    with process(UNFOLLOWING, tmp_path / "kb", followed.folder) as other:
        read_until(other, "unfollowed")
    until(lambda: "left" in followed.kinds())
    assert (followed.state().following, followed.state().pid) == ("left", None)
    versions = followed.changes()
    followed.write("b.md", "ocelot")
    followed.watcher.sweep()
    turns = followed.watcher.turns
    until(lambda: followed.watcher.turns > turns + 3)
    assert (followed.paths(), followed.changes()) == (["a.md"], versions)
    other_watcher = followed.watcher
    followed.start()  # others may follow it
    assert followed.paths() == ["a.md", "b.md"]
    other_watcher.stop()
    assert followed.state().pid == os.getpid()
    followed.write("c.md", "lynx")
    followed.until_found("lynx", "c.md")
    followed.all_well()


@pytest.mark.usefixtures("impatient")
def test_one_of_two_folders_is_left(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    told: list[Happening] = []
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.watch(one, two, settle_ms=SETTLE_MS, tell=told.append)
        until(lambda: any(happening.kind == "ready" for happening in told))
        (one / "a.md").write_text("zebra")
        until(lambda: len(assistant.documents()) == 1)
        assistant.unfollow(one)
        (one / "b.md").write_text("ocelot")  # it may come before, or after
        until(lambda: any(happening.kind == "left" for happening in told))
        (one / "c.md").write_text("lynx")
        (two / "d.md").write_text("walrus")
        until(lambda: str(two / "d.md") in [document.path for document in assistant.documents()])
        assert str(one / "c.md") not in [document.path for document in assistant.documents()]
        assert {folder.path: folder.pid for folder in assistant.folders()} == {str(one): None, str(two): os.getpid()}


@pytest.mark.usefixtures("impatient")
def test_watching_ends_when_its_only_folder_was_unfollowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")

    def unfollow() -> None:
        with open_assistant() as other:
            until(lambda: any(folder.pid is not None for folder in other.folders()))
            other.unfollow(notes)

    assert main(["add", "-q", str(notes)]) == 0
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(unfollow)
        assert main(["watch"]) == 0
        done.result()
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith(f"{notes} was unfollowed: it is no longer compared")
    assert err.splitlines()[-1] == "Nothing is followed any more. To follow a folder: lifelong watch FOLDER"
    for command in ("sync", "watch"):
        assert main([command]) == 1
        assert capsys.readouterr().err == (
            f"lifelong: {notes} is no longer followed; to follow again: lifelong watch {notes}; to compare once more, as "
            f"lifelong sync does: lifelong add {notes}\n"
        )
    assert main(["sync", "-q", str(notes)]) == 0
    assert main(["sync", "-q"]) == 0
