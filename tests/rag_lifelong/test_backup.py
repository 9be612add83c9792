"""A backup is one state, whole; restoring gives it back or changes nothing; an export holds the stored texts."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_lifelong import open_assistant, sync, verify
from rag_lifelong.cli import main
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import BackupUnusable, KnowledgeBaseBusy, KnowledgeBaseUnusable, StorageFull, TargetUnusable
from rag_lifelong.export import safe_name
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store import backup
from rag_lifelong.store.files import Lease
from rag_lifelong.terminal.progress import Meter

Texts = dict[str, str]


def opened(folder: Path) -> KnowledgeBase:
    return KnowledgeBase(folder, embedder=HashEmbedder(32))


def read_in(base: KnowledgeBase, notes: Path) -> None:
    settings = sync.Settings(10**6, 40, 2.0)
    sync.read_in(base, [notes], settings=settings, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    base.embed_next(1_000)


def texts_of(base: KnowledgeBase, as_of: int | None = None) -> Texts:
    found = {d.path: base.document_at(d.path, as_of=as_of) for d in base.documents(as_of=as_of)}
    return {path: revision.text for path, revision in found.items() if revision is not None}


def write_backup(base: KnowledgeBase, target: Path, tell: backup.Tell | None = None) -> backup.Contents:
    with base.reading() as connection:
        return backup.write(
            connection, target, settings=base.path / "lifelong.toml", now=base.now(), force=False, tell=tell
        )


def faults(base: KnowledgeBase) -> list[object]:
    return [finding for finding in verify.check(base) if not finding.is_well]


def state_of(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("---\ntitle: Retries\ndate: 2026-02-03\n---\nThree attempts.\n", encoding="utf-8")
    (folder / "b.md").write_text("The queue is owned by Ana.\n", encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, notes: Path) -> Path:
    """A knowledge base of two versions and settings of its own; closed."""
    folder = tmp_path / "kb"
    with opened(folder) as base:
        read_in(base, notes)
        (notes / "b.md").write_text("The queue is owned by Bo.\n", encoding="utf-8")
        os.utime(notes / "b.md", ns=(1, 1))
        read_in(base, notes)
    (folder / "lifelong.toml").write_text("k = 5\n", encoding="utf-8")
    return folder


@pytest.fixture
def packed(kb: Path, tmp_path: Path) -> Path:
    target = tmp_path / "kept.lifelong"
    with opened(kb) as base:
        write_backup(base, target)
    return target


def repacked(packed: Path, to: Path, change: Callable[[dict[str, bytes], dict[str, object]], None]) -> Path:
    """A backup with other contents, the manifest written anew."""
    with zipfile.ZipFile(packed) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(members, manifest)
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(manifest))
    return to


def with_store(data: bytes) -> Callable[[dict[str, bytes], dict[str, object]], None]:
    """Another store, with digest and size to match."""

    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        members["lifelong.sqlite3"] = data
        named = manifest["members"]
        assert isinstance(named, dict)
        named["lifelong.sqlite3"] = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    return change


def restore(packed: Path, folder: Path, *, force: bool = False) -> backup.Restored:
    return backup.restore(packed, folder, force=force, tell=None)


# -- backup


def test_a_restored_backup_is_the_knowledge_base_it_was_made_of(kb: Path, packed: Path, tmp_path: Path) -> None:
    place = tmp_path / "far" / "kb"
    done = restore(packed, place)
    assert (done.contents.version, done.contents.documents, done.kept) == (2, 2, ())
    assert sorted(os.listdir(place)) == ["lifelong.sqlite3", "lifelong.toml"]
    assert (place / "lifelong.toml").read_text() == "k = 5\n"
    assert [stat.S_IMODE(os.stat(p).st_mode) for p in (place, place / "lifelong.sqlite3", packed)] == [
        0o700,
        0o600,
        0o600,
    ]
    with opened(kb) as old, opened(place) as new:
        assert not faults(new)
        for version in (1, 2):
            assert texts_of(new, version) == texts_of(old, version)
        assert new.versions(9) == old.versions(9)
        found = [(hit.path, hit.score) for hit in new.search("who owns the queue", 5)]
        assert found == [(hit.path, hit.score) for hit in old.search("who owns the queue", 5)]


def test_the_manifest_tells_what_is_in_it(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        held = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in manifest["members"]}
    assert (manifest["format"], manifest["version"], manifest["documents"]) == (1, 2, 2)
    assert {name: entry["sha256"] for name, entry in manifest["members"].items()} == held
    assert set(held) == {"lifelong.sqlite3", "lifelong.toml"}


def test_a_backup_beside_a_writer_is_exactly_one_version(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_PAGES", 2)  # so that many commits fall between two steps
    kb = tmp_path / "kb"
    rng = random.Random(7)
    said: dict[int, Texts] = {}
    stop, wrote = threading.Event(), threading.Event()
    with opened(kb) as base:

        def writing() -> None:
            step = 0
            while not stop.is_set():
                step += 1
                path = notes / f"{rng.randrange(8)}.md"
                path.write_text(f"# {step}\n\n" + f"Paragraph {step} " * rng.randrange(5, 200), encoding="utf-8")
                os.utime(path, ns=(step * 10**9, step * 10**9))
                read_in(base, notes)
                said[base.version_number(None)] = texts_of(base)
                wrote.set()

        writer = threading.Thread(target=writing)
        writer.start()
        try:
            for i in range(4):
                wrote.wait(10)
                before = base.version_number(None)
                meanwhile: list[int] = []

                def slowly(done: int, total: int, meanwhile: list[int] = meanwhile) -> None:
                    if len(meanwhile) < 20:
                        wrote.clear()
                        wrote.wait(0.05)
                        meanwhile.append(max(said))

                found = write_backup(base, tmp_path / f"{i}.zip", slowly)
                assert before <= found.version <= before + 1
                assert meanwhile[-1] > found.version, "nothing was committed meanwhile: this tests nothing"
        finally:
            stop.set()
            writer.join()
    for i in range(4):
        restored = restore(tmp_path / f"{i}.zip", tmp_path / f"kb-{i}")
        with opened(tmp_path / f"kb-{i}") as copy:
            assert not faults(copy)
            assert copy.version_number(None) == restored.contents.version
            assert texts_of(copy) == said[restored.contents.version]


def test_nobody_follows_a_copy(kb: Path, tmp_path: Path) -> None:
    with opened(kb) as base:
        root = base.folders.roots()[0]
        base.folders.note_lease(Lease(root.id, os.getpid(), "here", base.now(), "events"), root)
        base.folders.queue(root, 3)
        write_backup(base, tmp_path / "b.zip")
        assert list(base.folders.leases()) == [root.id]
        assert base.folders.roots()[0].queued == 3
    restore(tmp_path / "b.zip", tmp_path / "copy")
    with opened(tmp_path / "copy") as copy:
        assert copy.folders.leases() == {}
        assert [root.queued for root in copy.folders.roots()] == [0]
        assert not faults(copy)


def test_a_file_that_is_there_is_overwritten_only_if_asked_to(kb: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.zip"
    target.write_text("mine")
    with open_assistant(kb, embedder=HashEmbedder(32)) as assistant:
        with pytest.raises(TargetUnusable, match="is there already"):
            assistant.backup(target)
        assert target.read_text() == "mine"
        assistant.backup(target, force=True)
        with pytest.raises(TargetUnusable, match="is a folder"):
            assistant.backup(tmp_path, force=True)
        with pytest.raises(TargetUnusable, match="No such file or directory"):
            assistant.backup(tmp_path / "missing" / "b.zip")
    assert restore(target, tmp_path / "copy").contents.version == 2


def test_a_backup_that_is_stopped_leaves_nothing(kb: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))

    def stopped(done: int, total: int) -> None:
        if done * 10 >= total * 9:
            raise KeyboardInterrupt

    with opened(kb) as base, pytest.raises(KeyboardInterrupt):
        write_backup(base, tmp_path / "b.zip", stopped)
    assert sorted(os.listdir(tmp_path)) == before


def test_progress_ends_at_all_of_it(kb: Path, tmp_path: Path) -> None:
    for work in ("backup", "restore"):
        told: list[tuple[int, int]] = []
        if work == "backup":
            with opened(kb) as base:
                write_backup(base, tmp_path / "b.zip", lambda done, total, told=told: told.append((done, total)))
        else:
            backup.restore(
                tmp_path / "b.zip",
                tmp_path / "copy",
                force=False,
                tell=lambda done, total, told=told: told.append((done, total)),
            )
        assert told[-1][0] == told[-1][1] > 0
        assert [done for done, _ in told] == sorted(done for done, _ in told)


def damage(store: Path) -> None:
    """Two tables on the same page: every statement still works, for now."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'pending') "
            "WHERE name = 'holds'"
        )
    connection.close()


def test_a_damaged_store_is_not_backed_up(kb: Path, tmp_path: Path) -> None:
    damage(kb / "lifelong.sqlite3")
    with opened(kb) as base, pytest.raises(KnowledgeBaseUnusable, match=r"is damaged .* lifelong rebuild"):
        write_backup(base, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_another_who_was_faster_is_not_overwritten(kb: Path, tmp_path: Path) -> None:
    def slowly(done: int, total: int) -> None:
        (tmp_path / "b.zip").write_text("mine")

    with opened(kb) as base, pytest.raises(TargetUnusable, match="is there already"):
        write_backup(base, tmp_path / "b.zip", slowly)
    assert (tmp_path / "b.zip").read_text() == "mine"


# -- what is refused, and changes nothing


def test_a_knowledge_base_is_replaced_only_if_asked_to_and_kept(kb: Path, packed: Path, notes: Path) -> None:
    (notes / "c.md").write_text("Later.\n", encoding="utf-8")
    with opened(kb) as base:
        read_in(base, notes)
        base.rebuild()
        newer = texts_of(base)
    (kb / "lifelong.toml").write_text("k = 9\n", encoding="utf-8")
    before = state_of(kb)
    with pytest.raises(TargetUnusable, match="--force"):
        restore(packed, kb)
    assert state_of(kb) == before
    done = restore(packed, kb, force=True)
    assert {path.name for path in done.kept} == {
        "lifelong.toml.before-restore-1",
        "lifelong.sqlite3.before-restore-1",
    }
    assert (kb / "lifelong.toml.before-restore-1").read_text() == "k = 9\n"
    assert (kb / "lifelong.toml").read_text() == "k = 5\n"
    with opened(kb) as base:
        assert base.version_number(None) == 2
        assert not faults(base)
    shutil.copyfile(kb / "lifelong.sqlite3.before-restore-1", (kb.parent / "old").with_suffix(".sqlite3"))
    (kb.parent / "old").mkdir()
    os.replace(kb.parent / "old.sqlite3", kb.parent / "old" / "lifelong.sqlite3")
    with opened(kb.parent / "old") as old:
        assert texts_of(old) == newer
    assert len(restore(packed, kb, force=True).kept) == 1  # the settings are the same now
    assert (kb / "lifelong.sqlite3.before-restore-2").exists()


def test_an_index_of_another_store_does_not_outlive_it(kb: Path, packed: Path, notes: Path) -> None:
    """Same length, same position in the change log, other texts: only its removal can tell."""
    other = kb.parent / "other"
    shutil.copytree(kb, other)
    for folder, words in ((kb, "alpha beta"), (other, "gamma delta")):
        (notes / "b.md").write_text(words, encoding="utf-8")
        os.utime(notes / "b.md", ns=(5, 5))
        with opened(folder) as base:
            read_in(base, notes)
            base.rebuild()
    with opened(other) as base:
        write_backup(base, kb.parent / "other.zip")
    assert (kb / "index").is_dir() and os.listdir(kb / "index")
    restore(kb.parent / "other.zip", kb, force=True)
    with opened(kb) as base:
        assert not faults(base)


def test_a_folder_of_other_things_is_never_taken(packed: Path, notes: Path, tmp_path: Path) -> None:
    for force in (False, True):
        with pytest.raises(TargetUnusable, match="no knowledge base"):
            restore(packed, notes, force=force)
    with pytest.raises(TargetUnusable, match="is a file"):
        restore(packed, notes / "a.md", force=True)
    assert sorted(os.listdir(notes)) == ["a.md", "b.md"]


def test_a_knowledge_base_in_use_is_not_replaced(kb: Path, packed: Path) -> None:
    with opened(kb) as base:
        before = {name: data for name, data in state_of(kb).items() if not name.endswith("-shm")}
        with pytest.raises(KnowledgeBaseBusy, match="is in use"):
            restore(packed, kb, force=True)
        assert {name: data for name, data in state_of(kb).items() if not name.endswith("-shm")} == before
        assert base.version_number(None) == 2


def test_a_damaged_knowledge_base_is_replaced_and_kept(kb: Path, packed: Path) -> None:
    (kb / "lifelong.sqlite3").write_bytes(b"no database" * 1_000)
    (kb / "lifelong.sqlite3-wal").write_bytes(b"what it was")
    restore(packed, kb, force=True)
    assert (kb / "lifelong.sqlite3.before-restore-1").read_bytes() == b"no database" * 1_000
    assert (kb / "lifelong.sqlite3.before-restore-1-wal").read_bytes() == b"what it was"
    with opened(kb) as base:
        assert not faults(base)
        assert base.version_number(None) == 2


def cut(packed: Path, to: Path) -> None:
    to.write_bytes(packed.read_bytes()[:-100])


def flipped(packed: Path, to: Path) -> None:
    """Where it tells: a flipped bit may unpack to the same bytes, as another way to say as many zeros."""
    data = packed.read_bytes()
    for i in range(len(data) // 3, len(data)):
        to.write_bytes(data[:i] + bytes([data[i] ^ 0x40]) + data[i + 1 :])
        if _unpacks_to_other_bytes(packed, to):
            return


def _unpacks_to_other_bytes(packed: Path, spoilt: Path) -> bool:
    with zipfile.ZipFile(packed) as whole, zipfile.ZipFile(spoilt) as other:
        try:
            return any(whole.read(name) != other.read(name) for name in whole.namelist())
        except (zipfile.BadZipFile, zlib.error, KeyError):
            return True


def no_zip(packed: Path, to: Path) -> None:
    to.write_text("Dear diary")


def no_backup(packed: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")


def no_kind(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: manifest.update(kind="photos"))


def newer(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: manifest.update(format=2, program="3.0"))


def newer_store(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: manifest.update(store_format=99, program="3.0"))


def newer_inside(packed: Path, to: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        to.write_bytes(archive.read("lifelong.sqlite3"))
    connection = sqlite3.connect(to)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    repacked(packed, to, with_store(to.read_bytes()))


def other_bytes(packed: Path, to: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        members["lifelong.toml"] = b"k = 6\n"  # as long as before

    repacked(packed, to, change)


def longer(packed: Path, to: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        members["lifelong.toml"] += b"#" * 10_000_000

    repacked(packed, to, change)


def no_store(packed: Path, to: Path) -> None:
    repacked(packed, to, with_store(b"This is no database, whatever its digest says. " * 100))


def not_ours(packed: Path, to: Path) -> None:
    connection = sqlite3.connect(to)
    connection.execute("CREATE TABLE photos (a)")
    connection.commit()
    connection.close()
    repacked(packed, to, with_store(to.read_bytes()))


def torn_store(packed: Path, to: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        data = archive.read("lifelong.sqlite3")
    repacked(packed, to, with_store(data[: len(data) // 2]))


def damaged_store(packed: Path, to: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        to.write_bytes(archive.read("lifelong.sqlite3"))
    damage(to)
    repacked(packed, to, with_store(to.read_bytes()))


def other_version(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: manifest.update(version=7))


def climbing(packed: Path, to: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        named = manifest["members"]
        assert isinstance(named, dict)
        members["../escaped"] = b"k = 5\n"
        named["../escaped"] = named["lifelong.toml"]

    repacked(packed, to, change)


def with_more(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: members.update({"/tmp/more": b"x"}))


def twice(packed: Path, to: Path) -> None:
    shutil.copyfile(packed, to)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(to, "a") as archive:
        archive.writestr("lifelong.toml", "k = 6\n")


def no_counts(packed: Path, to: Path) -> None:
    repacked(packed, to, lambda members, manifest: manifest.update(version="two"))


def deep(packed: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w") as archive:
        archive.writestr("manifest.json", "[" * 500_000)


SPOILT: dict[Callable[[Path, Path], None], str] = {
    cut: "is damaged, or not a backup",
    flipped: "is damaged",
    no_zip: "not a backup",
    no_backup: "is not a backup",
    no_kind: "is not a backup",
    newer: r"newer rag-lifelong \(3.0, format 2; this one reads 1\).*upgrade rag-lifelong, then restore",
    newer_store: r"newer rag-lifelong \(3.0, store_format 99; .*upgrade rag-lifelong, then restore",
    newer_inside: "newer rag-lifelong .format 99.*upgrade rag-lifelong, then restore",
    other_bytes: "lifelong.toml in it is not what was backed up",
    longer: "lifelong.toml in it is not what was backed up",
    no_store: "its store cannot be read",
    not_ours: "its store is not whole",
    torn_store: "its store",
    damaged_store: r"its store is not whole \(2nd reference to page \d+\)",
    other_version: "not at version 7",
    climbing: "its manifest names",
    with_more: "is not what it says",
    twice: "is not what it says",
    no_counts: "its manifest cannot be understood",
    deep: "is not a backup",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_backup_says_so_and_changes_nothing(
    spoil: Callable[[Path, Path], None], kb: Path, packed: Path, tmp_path: Path
) -> None:
    bad, place = tmp_path / "bad.zip", tmp_path / "new" / "kb"
    spoil(packed, bad)
    before = state_of(kb)
    with pytest.raises(BackupUnusable, match=SPOILT[spoil]) as raised:
        restore(bad, kb, force=True)
    assert "\n" not in str(raised.value)
    assert state_of(kb) == before
    with pytest.raises(BackupUnusable):
        restore(bad, place)
    assert not place.parent.exists()
    assert not (tmp_path / "escaped").exists()


def test_every_single_flipped_byte_is_seen_or_harmless(packed: Path, tmp_path: Path) -> None:
    data = packed.read_bytes()
    right = state_of_restored(packed, tmp_path / "right")
    rng = random.Random(3)
    for i in range(60):
        bad = bytearray(data)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        (tmp_path / "bad.zip").write_bytes(bad)
        try:
            found = state_of_restored(tmp_path / "bad.zip", tmp_path / f"{i}")
        except BackupUnusable:
            assert not (tmp_path / f"{i}").exists()
        else:
            assert found == right  # it was in a date, or a field nobody reads


def state_of_restored(packed: Path, folder: Path) -> dict[str, bytes]:
    restore(packed, folder)
    return state_of(folder)


def test_a_backup_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="No such file"):
        restore(tmp_path / "none.zip", tmp_path / "kb")
    with pytest.raises(BackupUnusable, match="Is a directory"):
        restore(tmp_path, tmp_path / "kb")


def test_a_disk_without_room_is_seen_before_anything_is_written(packed: Path, tmp_path: Path) -> None:
    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        named = manifest["members"]
        assert isinstance(named, dict)
        named["lifelong.toml"]["size_bytes"] = 10**18

    repacked(packed, tmp_path / "huge.zip", change)
    with pytest.raises(StorageFull, match="no room"):
        restore(tmp_path / "huge.zip", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_restore_that_is_stopped_changes_nothing(kb: Path, packed: Path, tmp_path: Path) -> None:
    def stopped(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = state_of(kb)
    for place in (kb, tmp_path / "new" / "kb"):
        with pytest.raises(KeyboardInterrupt):
            backup.restore(packed, place, force=True, tell=stopped)
    assert state_of(kb) == before
    assert not (tmp_path / "new").exists()


# -- kill -9

KILLER = """
import json, os, shutil, signal, sys
from pathlib import Path
from rag_lifelong.store import backup
packed, template, work = (Path(word) for word in sys.argv[1:])
fatal = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod", "open", "sqlite3.connect", "os.rmdir")
for n in range(1_000):
    place = work / str(n)
    if template.is_dir():
        shutil.copytree(template, place)
    child = os.fork()  # nothing else runs in this process
    if child == 0:
        seen = 0
        def hook(event, arguments):
            global seen
            if event in fatal:
                seen += 1
                if seen > n:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        backup.restore(packed, place, force=True, tell=None)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(n)
        break
"""


@pytest.mark.parametrize("has_old", [True, False])
def test_a_restore_killed_at_any_step_leaves_the_old_or_the_new(
    has_old: bool, kb: Path, packed: Path, notes: Path, tmp_path: Path
) -> None:
    (notes / "c.md").write_text("Later.\n", encoding="utf-8")
    with opened(kb) as base:
        read_in(base, notes)
        base.rebuild()  # an index on disk, which must not be taken for the new one's
    work = tmp_path / "work"
    work.mkdir()
    template = kb if has_old else tmp_path / "missing"
    shown = subprocess.run(
        [sys.executable, "-c", KILLER, str(packed), str(template), str(work)],
        capture_output=True,
        text=True,
        check=True,
    )
    steps = int(shown.stdout)
    assert steps > 10
    found = []
    for n in range(steps + 1):
        place = work / str(n)
        if has_old or (place / "lifelong.sqlite3").exists():
            with opened(place) as base:
                found.append(base.version_number(None))
                assert not faults(base)
                kept = {2: 1, 3: 0}[found[-1]] if has_old else 0
                assert len(list(place.glob("lifelong.sqlite3.before-restore-*"))) >= kept
                with base.reading() as connection:
                    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        else:
            found.append(0)
        assert restore(packed, place, force=True).contents.version == 2  # goes on, whatever was left
        assert not list(place.glob(".restoring-*"))
    old = 3 if has_old else 0
    assert found == sorted(found, reverse=has_old)
    assert (found[0], found[-1]) == (old, 2)
    assert set(found) == {old, 2}


# -- export


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_an_export_holds_every_stored_text_and_all_history(kb: Path, notes: Path, tmp_path: Path) -> None:
    (notes / "b.md").rename(notes / "moved.md")
    with open_assistant(kb, embedder=HashEmbedder(32)) as assistant:
        assistant.add(notes)
        (notes / "moved.md").write_text("The queue is owned by Cy.\n", encoding="utf-8")
        os.utime(notes / "moved.md", ns=(2, 2))
        assistant.add(notes)
        assistant.forget(notes / "a.md")
        (notes / "crlf.md").write_bytes(b"One\r\ntwo \xe2\x80\xa8 three\r\n")
        assistant.add(notes)
        stored = texts_of(assistant.knowledge_base)
        versions = assistant.versions(99)
        done = assistant.export(tmp_path / "out")
        history = lines_of(tmp_path / "out" / "history.jsonl")
        for version in versions:  # each version's texts can be had from history alone
            alive = [
                (place["path"], line["text"])
                for line in history
                for place in line["places"]  # type: ignore[attr-defined]
                if all(
                    span["born"] <= version.number and (span["died"] is None or span["died"] > version.number)
                    for span in (line, place)
                )
            ]
            assert sorted(alive) == sorted(texts_of(assistant.knowledge_base, version.number).items())
    listed = lines_of(tmp_path / "out" / "documents.jsonl")
    assert {d["path"]: (tmp_path / "out" / str(d["file"])).read_bytes().decode() for d in listed} == stored
    assert sorted(str(d["file"]) for d in listed) == ["documents/notes/crlf.md", "documents/notes/moved.md"]
    assert [v["number"] for v in lines_of(tmp_path / "out" / "versions.jsonl")] == sorted(v.number for v in versions)
    assert (done.documents, done.texts, done.version) == (len(listed), len(history), versions[0].number)
    first = next(line for line in history if line["path"] == str(notes / "b.md") and line["born"] == 1)
    assert (first["text"], first["died"]) == ("The queue is owned by Ana.\n", 2)
    moves = [
        [(place["path"], place["born"], place["died"]) for place in line["places"]]  # type: ignore[attr-defined]
        for line in history
        if line["document"] == first["document"]
    ]
    before, after = (str(notes / "b.md"), 1, 3), (str(notes / "moved.md"), 3, None)
    assert moves == [[before], [before, after], [after]]  # Ana; Bo, moved meanwhile; Cy
    assert f"Version {done.version}, 2 documents, {len(history)} texts" in (tmp_path / "out/README.txt").read_text()


def test_an_exported_document_tells_its_header(kb: Path, notes: Path, tmp_path: Path) -> None:
    with open_assistant(kb, embedder=HashEmbedder(32)) as assistant:
        assistant.export(tmp_path / "out")
    one = lines_of(tmp_path / "out" / "documents.jsonl")[0]
    assert one["dated"] == "2026-02-03"
    assert one["title"] == "Retries"
    assert {"name": "title", "value": "Retries"} in one["fields"]  # type: ignore[operator]
    assert one["digest"] == hashlib.blake2b((notes / "a.md").read_bytes(), digest_size=16).hexdigest()
    assert (one["version"], one["path"]) == (1, str(notes / "a.md"))


def test_names_that_a_disk_could_take_for_one_are_kept_apart(tmp_path: Path) -> None:
    names = ["Note.md", "note.md", "caf\u00e9.md", "cafe\u0301.md", "NUL.md", "a:b.md", "a?b.md", "x" * 240 + ".md"]
    one, other = tmp_path / "1" / "notes", tmp_path / "2" / "notes"
    for folder in (one, other):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"The text of {folder} {name}\n", encoding="utf-8")
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(32)) as assistant:
        assistant.add(one, other)
        stored = texts_of(assistant.knowledge_base)
        assistant.export(tmp_path / "out")
    listed = lines_of(tmp_path / "out" / "documents.jsonl")
    assert {d["path"]: (tmp_path / "out" / str(d["file"])).read_text(encoding="utf-8") for d in listed} == stored
    files = [str(d["file"]) for d in listed]
    alike = {unicodedata.normalize("NFC", name.casefold()) for name in files}
    assert len(alike) == len(files) == 2 * len(names)
    assert {"documents/notes/_NUL.md", "documents/notes/a_b.md", "documents/notes/a_b-2.md"} <= set(files)
    assert {name.split("/")[1] for name in files} == {"notes", "notes-2"}
    assert max(len(name.split("/")[2]) for name in files) == 180


def test_a_text_that_is_not_the_files_own_is_named_so_and_deep_ones_can_be_written(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    deep = notes.joinpath(*(f"{i:02}{'d' * 150}" for i in range(16)))
    deep.mkdir(parents=True)
    (notes / "page.html").write_text("<title>Hi</title><p>One &amp; two", encoding="utf-8")
    (deep / "a.md").write_text("Deep.\n", encoding="utf-8")
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(32)) as assistant:
        assistant.add(notes)
        assistant.export(tmp_path / "out")
    lines = lines_of(tmp_path / "out" / "documents.jsonl")
    files = {Path(str(d["path"])).name: str(d["file"]) for d in lines}
    assert files["page.html"] == "documents/notes/page.html.txt"
    assert files["a.md"].split("/")[2:] == [*(f"{i:02}{'d' * 150}" for i in range(3, 16)), "a.md"]
    assert (tmp_path / "out" / files["a.md"]).read_text() == "Deep.\n"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.md", "notes.md"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        (".hidden", ".hidden"),
        ("end. ", "end"),
        ("con", "_con"),
        ("Com1.txt", "_Com1.txt"),
        ("console.txt", "console.txt"),
        ("a/b\\c\nd", "a_b_c_d"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("長" * 100, "長" * 60),
    ],
)
def test_a_safe_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_an_export_goes_only_into_a_new_or_empty_folder_that_nobody_reads(
    kb: Path, notes: Path, tmp_path: Path
) -> None:
    with open_assistant(kb, embedder=HashEmbedder(32)) as assistant:
        with pytest.raises(TargetUnusable, match="not empty"):
            assistant.export(kb)
        with pytest.raises(TargetUnusable, match="not empty"):
            assistant.export(kb / "lifelong.toml")
        with pytest.raises(TargetUnusable, match="whose files are read in"):
            assistant.export(notes / "out")
        (tmp_path / "empty").mkdir()
        assert assistant.export(tmp_path / "empty").documents == 2
        (notes / ".lifelongignore").write_text("out/\n", encoding="utf-8")
        assert assistant.export(notes / "out").documents == 2  # ignored there


def test_an_export_that_is_stopped_leaves_nothing(kb: Path, tmp_path: Path) -> None:
    def stopped(done: int, total: int) -> None:
        if done > 2:
            raise KeyboardInterrupt

    (tmp_path / "empty").mkdir()
    with open_assistant(kb, embedder=HashEmbedder(32)) as assistant:
        for name in ("new", "empty"):
            with pytest.raises(KeyboardInterrupt):
                assistant.export(tmp_path / name, tell=stopped)
    assert not (tmp_path / "new").exists()
    assert os.listdir(tmp_path / "empty") == []


# -- the command line


def test_exit_codes_and_what_is_said(
    kb: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(kb))
    with sqlite3.connect(kb / "lifelong.sqlite3") as connection:
        connection.execute("DELETE FROM settings WHERE name = 'embedder_id'")  # the command line's is another width
        connection.execute("DELETE FROM vectors")
        connection.execute("DELETE FROM embedders")
    connection.close()
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    file = str(tmp_path / "b.zip")
    assert main(["backup", file]) == 0
    assert capsys.readouterr().out.endswith(f"To have it back: lifelong restore {file}\n")
    assert main(["backup", file]) == 1
    assert "is there already; name another file, or overwrite it with --force\n" in capsys.readouterr().err
    assert main(["backup", file, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 2
    assert main(["backup", str(notes / "b.zip")]) == 0
    assert "better keep it on another disk" in capsys.readouterr().err
    assert main(["restore", file]) == 1
    assert "which keeps the old one beside the new" in capsys.readouterr().err
    assert main(["restore", file, "--kb", str(tmp_path / "copy")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/copy: version 2, 2 documents, as backed up on ")
    assert main(["restore", file, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == [str(kb / "lifelong.sqlite3.before-restore-1")]
    assert main(["restore", str(notes / "a.md"), "--force"]) == 1
    assert "not a backup" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out: 2 documents of version 2, and 3 texts")
    assert main(["export", str(tmp_path / "out")]) == 1
    assert main(["restore"]) == 2
    assert main(["--kb", str(tmp_path / "none"), "backup", str(tmp_path / "c.zip")]) == 1
    assert "no knowledge base" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_an_interrupt_ends_with_130_and_nothing_left(kb: Path, packed: Path, tmp_path: Path) -> None:
    """A real ^C, to a real process, as soon as it works."""
    code = (
        "import os, signal, sys\n"
        "from rag_lifelong.store import backup\n"
        "from rag_lifelong.cli import main\n"
        "sys.addaudithook(lambda event, words: os.kill(os.getpid(), signal.SIGINT)"
        " if event == 'os.mkdir' and '.restoring-' in str(words[0]) else None)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [sys.executable, "-c", code, "restore", str(packed), "--kb", str(tmp_path / "copy")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped. Nothing was left behind.\n")
    assert not (tmp_path / "copy").exists()


def test_a_meter_draws_in_place_once_it_takes_long() -> None:
    import io

    stream, now = io.StringIO(), 0.0
    meter = Meter(stream, "Backing up", shown=str, is_drawn=True, now=lambda: now)
    meter.tell(1, 100)
    assert stream.getvalue() == ""
    now = 1.5
    meter.tell(50, 100)
    assert stream.getvalue() == "\rBacking up  " + "━" * 12 + "╌" * 12 + " 50 of 100"
    meter.close()
    meter.close()
    assert stream.getvalue().endswith("50 of 100\r" + " " * 46 + "\r")
    lines = io.StringIO()
    meter = Meter(lines, "Backing up", shown=str, is_drawn=False, now=lambda: now)
    now = 20.0
    meter.tell(3, 9)
    meter.tell(4, 9)
    meter.close()
    assert lines.getvalue() == "Backing up  3 of 9\n"
