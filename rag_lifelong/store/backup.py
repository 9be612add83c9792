"""One file that holds a knowledge base, and the way back.

A backup is a zip: manifest.json (what it is, and each member's SHA-256), lifelong.sqlite3, lifelong.toml if there is
one. What can be made again (index, weights) is left out.
Rule: a backup is checked before it gets its name, and checked again before it takes a place. Nothing is overwritten
unless asked for, and what a restored knowledge base replaces is kept beside it. `kill -9` leaves the old or the new.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag_lifelong import __version__
from rag_lifelong.errors import (
    BackupUnusable,
    KnowledgeBaseBusy,
    KnowledgeBaseUnusable,
    StorageFull,
    TargetUnusable,
)
from rag_lifelong.store import files, passages, versions
from rag_lifelong.store.database import APPLICATION_ID, SCHEMA_VERSION
from rag_lifelong.store.glance import FILE_NAME
from rag_lifelong.whole_files import sync_folder

FORMAT = 1
SETTINGS_NAME = "lifelong.toml"
MANIFEST_NAME = "manifest.json"
KIND = "rag-lifelong backup"

Tell = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) while it works."""

_BLOCK = 1 << 20
_PAGES = 1_024  # copied between two calls of Tell: 4 MB
_MANIFEST_MOST = 1 << 20  # bytes; a true one has a few hundred
_STAGING = ".restoring-"
_BUSY_S = 2.0  # `status` and `ask` are done by then; what is still there is a watcher or a conversation


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds. version: the knowledge base's newest. program: which rag-lifelong wrote it."""

    version: int
    documents: int
    passages: int
    program: str
    created_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the folder now; kept: what stood there before, under its new names."""

    folder: Path
    contents: Contents
    kept: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size_bytes: int
    sha256: str


def write(
    connection: sqlite3.Connection, target: Path, *, settings: Path, now: datetime, force: bool, tell: Tell | None
) -> Contents:
    """Writes the state that `connection` sees, which must be a snapshot, to the new file `target`; whole or not at all.

    Others go on writing meanwhile. settings: the knowledge base's lifelong.toml, which need not exist.
    Raises TargetUnusable, KnowledgeBaseUnusable if the store is damaged, StorageFull.
    """
    _refuse_taken(target, force=force)
    told = tell or _untold
    with _writing(target), _folder_beside(target) as beside:
        copy, packed = beside / FILE_NAME, beside / "packed"
        _copy_store(connection, copy, told)
        contents = _settle_copy(copy, now)
        there = [(FILE_NAME, copy)] + ([(SETTINGS_NAME, settings)] if settings.is_file() else [])
        _pack(there, packed, contents, told)
        _refuse_taken(target, force=force)  # another may have been faster
        os.replace(packed, target)
        sync_folder(target.parent)
        size_bytes = target.stat().st_size
    return Contents(contents.version, contents.documents, contents.passages, __version__, now, size_bytes)


def restore(archive: Path, folder: Path, *, force: bool, tell: Tell | None) -> Restored:
    """Makes `folder` the knowledge base that a backup holds; its index is made again when it is opened.

    force: also where a knowledge base stands, which is kept beside the new one under other names.
    Raises BackupUnusable, TargetUnusable, KnowledgeBaseBusy if the one there is in use, StorageFull; then nothing
    has changed.
    """
    with _opened(archive) as (packed, manifest):
        contents, members = _read_manifest(archive, manifest)
        _refuse_others(archive, packed, members)
        _clear_staging(folder)
        _refuse_standing(folder, force=force)
        with _writing(folder), _staging_in(folder) as staging:
            total = sum(member.size_bytes for member in members)
            if total > shutil.disk_usage(staging).free:
                raise StorageFull(f"the disk that holds {folder} has no room for {total:,} bytes; nothing was changed")
            done = 0
            for member in members:
                done = _unpack(archive, packed, member, staging / member.name, done, total, tell or _untold)
            _check_store(archive, staging / FILE_NAME, contents)
            kept = _put_in_place(staging, folder)
    return Restored(folder, contents, kept)


# -- writing one


def _copy_store(connection: sqlite3.Connection, copy: Path, tell: Tell) -> None:
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    # inside a read transaction the pages copied are all of one state, however often others commit meanwhile
    assert connection.in_transaction
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def progress(status: int, remaining: int, total: int) -> None:
        tell((total - remaining) * page, 2 * total * page)  # the second half is packing

    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(copy)) as written:
        connection.backup(written, pages=_PAGES, progress=progress)


def _settle_copy(copy: Path, now: datetime) -> Contents:
    """Nobody follows a copy; it is whole, and one file."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for root in files.roots(connection):
            files.end_lease(connection, root.id)
        connection.execute("COMMIT")
        fault = _fault(connection)
        if fault != "ok":
            raise KnowledgeBaseUnusable(
                f"the store is damaged ({fault}) and was not backed up; keep a copy of it and run: lifelong rebuild"
            )
        documents = connection.execute("SELECT count(*) FROM locations WHERE died IS NULL").fetchone()[0]
        return Contents(
            version=versions.latest_number(connection),
            documents=int(documents),
            passages=passages.count_alive(connection),
            program=__version__,
            created_at=now,
            size_bytes=0,
        )


def _pack(there: list[tuple[str, Path]], packed: Path, contents: Contents, tell: Tell) -> None:
    total = sum(path.stat().st_size for _, path in there)
    done = 0
    members: dict[str, object] = {}
    with packed.open("xb") as file:
        os.chmod(packed, 0o600)
        # texts and vectors are packed or noise already: of 212 Markdown documents' store level 1 leaves 56 %, and
        # level 6, in three times the time, 55 %
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, path in there:
                digest, size_bytes = hashlib.sha256(), 0
                with path.open("rb") as source, archive.open(_entry(name, contents), "w", force_zip64=True) as member:
                    while block := source.read(_BLOCK):
                        member.write(block)
                        digest.update(block)
                        size_bytes += len(block)
                        done += len(block)
                        tell(total + done, 2 * total)
                members[name] = {"size_bytes": size_bytes, "sha256": digest.hexdigest()}
            manifest = {
                "kind": KIND,
                "format": FORMAT,
                "program": contents.program,
                "created": contents.created_at.isoformat(),
                "store_format": SCHEMA_VERSION,
                "version": contents.version,
                "documents": contents.documents,
                "passages": contents.passages,
                "members": members,
            }
            archive.writestr(_entry(MANIFEST_NAME, contents), json.dumps(manifest, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str, contents: Contents) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, max((1980, 1, 1, 0, 0, 0), contents.created_at.timetuple()[:6]))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _refuse_taken(target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise TargetUnusable(f"{target} is a folder; name a file to write the backup to")
    if os.path.lexists(target) and not force:
        raise TargetUnusable(f"{target} is there already; name another file, or overwrite it with --force")


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A private folder on the target's disk, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:100]}.", dir=target.parent) as name:
        yield Path(name)


# -- reading one


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile, Mapping[str, object]]]:
    with ExitStack() as stack:
        with _reading(archive):
            packed = stack.enter_context(zipfile.ZipFile(stack.enter_context(archive.open("rb"))))
            try:
                with packed.open(MANIFEST_NAME) as member:
                    manifest = json.loads(member.read(_MANIFEST_MOST))
            except (KeyError, ValueError, RecursionError):
                manifest = None
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise BackupUnusable(f"{archive} is not a backup of a knowledge base; make one with: lifelong backup FILE")
        yield packed, manifest


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Whatever zipfile says of a file that is no zip, or no longer one."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError: encrypted. NotImplementedError: packed in a way that we never write
        raise BackupUnusable(
            f"{archive} is damaged, or not a backup ({error}); nothing was changed: try another copy of it"
        ) from error
    except OSError as error:
        raise BackupUnusable(f"cannot read {archive}: {error.strerror}; nothing was changed") from error


def _read_manifest(archive: Path, manifest: Mapping[str, object]) -> tuple[Contents, list[_Member]]:
    """Raises BackupUnusable for what a newer program wrote, and for what none did."""
    for name, newest in (("format", FORMAT), ("store_format", SCHEMA_VERSION)):
        number = manifest.get(name)
        if isinstance(number, int) and number > newest:
            raise BackupUnusable(
                f"{archive} was written by a newer rag-lifelong ({manifest.get('program')}, {name} {number}; this one "
                f"reads {newest}); nothing was changed: upgrade rag-lifelong, then restore"
            )
    try:
        members = [
            _Member(str(name), _number(entry["size_bytes"]), str(entry["sha256"]))
            for name, entry in manifest["members"].items()  # type: ignore[attr-defined]
        ]
        contents = Contents(
            version=_number(manifest["version"]),
            documents=_number(manifest["documents"]),
            passages=_number(manifest["passages"]),
            program=str(manifest["program"]),
            created_at=datetime.fromisoformat(str(manifest["created"])),
            size_bytes=archive.stat().st_size,
        )
        if _number(manifest["format"]) < 1:
            raise ValueError(f"format {manifest['format']}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupUnusable(f"{archive} is damaged: its manifest cannot be understood ({error})") from error
    return contents, members


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _refuse_others(archive: Path, packed: zipfile.ZipFile, members: list[_Member]) -> None:
    """Only members we know by name are ever written: none can name a place of its own."""
    named = [member.name for member in members]
    if FILE_NAME not in named or not set(named) <= {FILE_NAME, SETTINGS_NAME}:
        raise BackupUnusable(
            f"{archive} is not a backup: its manifest names {', '.join(map(repr, named)) or 'nothing'}"
        )
    held = sorted(packed.namelist())
    if held != sorted([*named, MANIFEST_NAME]):
        raise BackupUnusable(
            f"{archive} is damaged: it holds {', '.join(map(repr, held[:6]))}, which is not what it says"
        )


def _unpack(
    archive: Path, packed: zipfile.ZipFile, member: _Member, to: Path, done: int, total: int, tell: Tell
) -> int:
    """Writes a member, never more of it than the manifest says; gives the bytes done until now."""
    digest, left = hashlib.sha256(), member.size_bytes
    with ExitStack() as stack:
        with _reading(archive):
            source = stack.enter_context(packed.open(member.name))
        file = stack.enter_context(to.open("xb"))
        os.chmod(to, 0o600)
        while left >= 0:
            with _reading(archive):
                block = source.read(min(_BLOCK, left + 1))
            if not block:
                break
            left -= len(block)
            digest.update(block)
            file.write(block)
            done += len(block)
            tell(done, total)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != member.sha256:
        raise BackupUnusable(
            f"{archive} is damaged: {member.name} in it is not what was backed up; nothing was changed: "
            "try another copy of it"
        )
    return done


def _check_store(archive: Path, store: Path, contents: Contents) -> None:
    """It is a whole store of ours, of a format we know, at the version that the manifest says."""
    try:
        with closing(sqlite3.connect(store, isolation_level=None)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            number = int(connection.execute("PRAGMA user_version").fetchone()[0])
            fault = _fault(connection)
            if number > SCHEMA_VERSION:
                raise BackupUnusable(
                    f"{archive} holds a store of a newer rag-lifelong (format {number}, this one reads "
                    f"{SCHEMA_VERSION}); nothing was changed: upgrade rag-lifelong, then restore"
                )
            if application != APPLICATION_ID or fault != "ok":
                raise BackupUnusable(f"{archive} is damaged: its store is not whole ({fault}); nothing was changed")
            if versions.latest_number(connection) != contents.version:
                raise BackupUnusable(f"{archive} is damaged: its store is not at version {contents.version}")
    except sqlite3.DatabaseError as error:
        raise BackupUnusable(
            f"{archive} is damaged: its store cannot be read ({error}); nothing was changed"
        ) from error


# -- taking the place


def _refuse_standing(folder: Path, *, force: bool) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise TargetUnusable(f"{folder} is a file; name another place with --kb")
    there = {entry.name for entry in folder.iterdir() if not entry.name.startswith(_STAGING)} if folder.is_dir() else ()
    if not there:
        return
    if not {FILE_NAME, SETTINGS_NAME} & set(there):
        raise TargetUnusable(f"{folder} is not empty, and no knowledge base; name another place with --kb")
    if not force:
        raise TargetUnusable(
            f"there is a knowledge base in {folder}; name another place with --kb, or replace it with --force, "
            "which keeps the old one beside the new"
        )


def _clear_staging(folder: Path) -> None:
    """What a killed restore has left; its backup is still where it was."""
    for left in folder.glob(f"{_STAGING}*"):
        pid = left.name.removeprefix(_STAGING)
        if pid.isdecimal() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _staging_in(folder: Path) -> Iterator[Path]:
    """A private folder in `folder`, on its disk; gone afterwards, and so is `folder` if nothing was put there."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    staging = folder / f"{_STAGING}{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder in made:
            os.chmod(folder, 0o700)
        staging.mkdir(mode=0o700)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for place in made:
            try:
                place.rmdir()  # only if it is empty
            except OSError:
                break


def _put_in_place(staging: Path, folder: Path) -> tuple[Path, ...]:
    """Settings first, the store last: until then the folder is what it was, and from then on the new one.

    Gives what stood there, under its new names.
    """
    store, new_settings = folder / FILE_NAME, staging / SETTINGS_NAME
    number = 1
    while any((folder / f"{name}.before-restore-{number}").exists() for name in (FILE_NAME, SETTINGS_NAME)):
        number += 1
    kept: list[Path] = []
    with _alone_with(store) as is_readable:
        for name in ("index", "words"):  # they follow another store
            for old in sorted((folder / name).rglob("*"), reverse=True):
                old.rmdir() if old.is_dir() else old.unlink(missing_ok=True)
        settings = folder / SETTINGS_NAME
        if settings.exists() and not _are_equal(settings, new_settings):
            kept.append(_keep(settings, number, leave=new_settings.exists()))
        if new_settings.exists():
            os.replace(new_settings, settings)
        if store.exists():
            if not is_readable:  # what is in its write-ahead log cannot be brought into it
                for suffix in ("-wal", "-shm"):
                    if (beside := folder / f"{FILE_NAME}{suffix}").exists():
                        os.replace(beside, folder / f"{FILE_NAME}.before-restore-{number}{suffix}")
            kept.append(_keep(store, number, leave=True))
        os.replace(staging / FILE_NAME, store)
        sync_folder(folder)
    return tuple(kept)


def _keep(path: Path, number: int, *, leave: bool) -> Path:
    """Gives a file a second name; leave: it keeps the first until another takes it."""
    kept = path.with_name(f"{path.name}.before-restore-{number}")
    if leave:
        try:
            os.link(path, kept)
            return kept
        except OSError:
            pass  # a disk without links, such as exFAT: for an instant there is none by the first name
    os.replace(path, kept)
    return kept


def _are_equal(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


@contextmanager
def _alone_with(store: Path) -> Iterator[bool]:
    """Nobody else has the store open meanwhile, and it is one file, without a write-ahead log.

    Gives False if there is none, or it is too damaged for that. Raises KnowledgeBaseBusy.
    """
    if not store.exists() or not _can_be_opened(store):
        yield False
        return
    with closing(sqlite3.connect(store, timeout=_BUSY_S, isolation_level=None)) as connection:
        try:
            # only the last one may leave write-ahead logging; `Database` goes back to it when it opens
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            is_readable = True
        except sqlite3.DatabaseError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise KnowledgeBaseBusy(
                    f"the knowledge base in {store.parent} is in use; end `lifelong watch`, `chat` and what else has "
                    "it open, then restore; nothing was changed"
                ) from error
            is_readable = False
            connection.close()  # now: later, it would take the write-ahead log of the new store for its own
        yield is_readable


def _can_be_opened(store: Path) -> bool:
    """Read only: opened for writing, SQLite throws away the write-ahead log of what it takes for no database."""
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return True  # locked, or not to be read without writing: the next step will tell
    except sqlite3.DatabaseError:
        return False
    return True


# -- both ways


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """What the disk of `target` cannot do, in words."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error):
            raise StorageFull(f"the disk that holds {target} is full; nothing was written") from error
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk that holds {target} is full; nothing was written") from error
        raise TargetUnusable(f"cannot write to {target}: {error.strerror}; name another place") from error


def _fault(connection: sqlite3.Connection) -> str:
    """The first thing SQLite finds wrong, in one line; "ok" if nothing."""
    return str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0]).splitlines()[-1]


def _untold(done_bytes: int, total_bytes: int) -> None:
    """Nobody is told."""
