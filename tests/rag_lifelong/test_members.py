"""Files in files: each a document at its file's path, a slash and its name, that lives, moves and goes with it."""

from __future__ import annotations

import io
import os
import random
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest
from following import Followed, stood, until

from ingest.parsers import markdown
from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.cli import main
from rag_lifelong.errors import NoSuchPath, TooManyGone
from rag_lifelong.sync import Silent
from rag_lifelong.terminal.style import style_for

Content = str | bytes
KEPT = ("k1.md", "k2.md", "k3.md")


def packed(members: Mapping[str, Content]) -> bytes:
    """A zip archive; equal members give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with files on disk too: a folder that loses all it had is not believed."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in KEPT:
        (folder / name).write_text(f"Kept as {name}.")
    return folder


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as made:
        yield made


def write(file: Path, members: Mapping[str, Content]) -> None:
    """The archive anew, and newer than it was."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_bytes(packed(members))
    os.utime(file, ns=(before + 10**9, before + 10**9))


def texts(assistant: Assistant, notes: Path, as_of: int | None = None) -> dict[str, str]:
    """Path below the folder → text, of what stands in files."""
    found = {}
    for document in assistant.documents(as_of=as_of):
        path = os.path.relpath(document.path, notes)
        stored = assistant.knowledge_base.document_at(document.path)
        if "/" in path and as_of is None:
            assert stored is not None
            found[path] = stored.text
        elif "/" in path:
            found[path] = ""
    return found


def ids(assistant: Assistant, notes: Path) -> dict[str, int]:
    found = {os.path.relpath(d.path, notes): d.document_id for d in assistant.documents()}
    return {path: document_id for path, document_id in found.items() if path not in KEPT}


def holding(assistant: Assistant, word: str, as_of: int | None = None) -> list[str]:
    """The paths of the passages that hold a word."""
    return [hit.path for hit in assistant.search(word, 50, as_of=as_of) if word in hit.text]


def failed(assistant: Assistant, notes: Path) -> dict[str, str]:
    return {os.path.relpath(f.path, notes): f.reason for f in assistant.failures()}


def all_well(assistant: Assistant) -> None:
    assert [finding for finding in assistant.check() if not finding.is_well] == []


def test_each_file_in_an_archive_is_found_by_its_path(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "sub/two.md": "A heron.", "sub/three.bin": b"\0\1\2"})
    assistant.add(notes)
    assert texts(assistant, notes) == {"a.zip/one.md": "An osprey.", "a.zip/sub/two.md": "A heron."}
    hit = assistant.search("heron", 1)[0]
    assert (hit.path, hit.text) == (str(notes / "a.zip/sub/two.md"), "A heron.")
    assert "sub/two.md" in assistant.search("three.bin", 1)[0].text  # the archive's own list
    assert failed(assistant, notes) == {}
    assert assistant.status_of(notes / "a.zip/one.md").message == "searchable since version 1, 1 passage"
    all_well(assistant)


def test_comparing_again_reads_and_changes_nothing(
    assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "inner.zip": packed({"two.md": "A heron."})})
    assistant.add(notes)
    monkeypatch.setattr("ingest.apart.parse", None)
    monkeypatch.setattr("ingest.apart.ParserProcess._answer", None)
    assert assistant.add(notes) is None or len(assistant.versions(10)) == 1
    os.utime(notes / "a.zip", ns=(1, 1))  # other times, the same bytes
    assistant.add(notes)
    assert len(assistant.versions(10)) == 1
    assert len(texts(assistant, notes)) == 3


def test_only_what_differs_in_an_archive_changes(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron.", "three.md": "An islet."})
    assistant.add(notes)
    before = ids(assistant, notes)
    write(
        notes / "a.zip", {"one.md": "An osprey.", "two.md": "A grey heron.", "four.md": "An islet.", "five.md": "New."}
    )
    (version,) = assistant.add(notes).versions
    after = ids(assistant, notes)
    assert after["a.zip/one.md"] == before["a.zip/one.md"]
    assert after["a.zip/two.md"] == before["a.zip/two.md"]
    assert after["a.zip/four.md"] == before["a.zip/three.md"]  # another name: it has moved
    assert "a.zip/three.md" not in after
    # the list of the archive changed, and two.md; five.md is new; their passages alone are
    assert (version.added, version.changed, version.moved, version.removed) == (1, 2, 1, 0)
    assert version.passages_born == 3
    assert set(texts(assistant, notes, as_of=1)) == {"a.zip/one.md", "a.zip/two.md", "a.zip/three.md"}
    all_well(assistant)


def test_what_is_in_an_archive_that_stayed_as_it_was_stays_too(assistant: Assistant, notes: Path) -> None:
    inner = packed({"one.md": "An osprey.", "two.md": "A heron."})
    write(notes / "a.zip", {"in.zip": inner})
    assistant.add(notes)
    before = ids(assistant, notes)
    write(notes / "a.zip", {"in.zip": inner, "three.md": "An islet."})
    assistant.add(notes)
    after = ids(assistant, notes)
    assert after.pop("a.zip/three.md")
    assert after == before
    all_well(assistant)


def test_a_file_with_the_bytes_of_one_that_is_gone_is_still_itself(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    assistant.add(notes)
    before = ids(assistant, notes)
    write(notes / "a.zip", {"two.md": "An osprey."})
    assistant.add(notes)
    assert texts(assistant, notes) == {"a.zip/two.md": "An osprey."}
    assert ids(assistant, notes)["a.zip/two.md"] == before["a.zip/two.md"]
    all_well(assistant)


def test_an_archive_renamed_takes_its_files_along(assistant: Assistant, notes: Path) -> None:
    write(
        notes / "a.zip", {"one.md": "An osprey.", "bad.pdf": b"%PDF-1.4 damaged", "in.zip": packed({"x.md": "Lagoon."})}
    )
    assistant.add(notes)
    before = ids(assistant, notes)
    (notes / "a.zip").rename(notes / "b.zip")
    (version,) = assistant.add(notes).versions
    assert ids(assistant, notes) == {path.replace("a.zip", "b.zip", 1): i for path, i in before.items()}
    assert (version.added, version.moved, version.removed, version.passages_born) == (0, 4, 0, 0)
    assert assistant.failures()[0].tries == 1
    assert list(failed(assistant, notes)) == ["b.zip/bad.pdf"]
    all_well(assistant)
    (notes / "b.zip").unlink()
    assistant.add(notes)
    assert (ids(assistant, notes), failed(assistant, notes)) == ({}, {})
    assert holding(assistant, "osprey") == []
    assert holding(assistant, "osprey", as_of=1) == [str(notes / "a.zip/one.md")]
    all_well(assistant)


def test_files_within_files_within_files(assistant: Assistant, notes: Path) -> None:
    deep = packed({"deepest.md": "A kestrel."})
    for level in range(4):
        deep = packed({f"level{level}.zip": deep, f"note{level}.md": f"Note {level}."})
    write(notes / "a.zip", {"in.zip": deep})
    assistant.add(notes)
    assert "a.zip/in.zip/note3.md" in texts(assistant, notes)
    # a.zip holds in.zip (1) holds level3.zip (2) … level1.zip (4) holds level0.zip (5), whose files would be the sixth
    place = "a.zip/in.zip/level3.zip/level2.zip/level1.zip/level0.zip"
    assert failed(assistant, notes) == {
        place: "files within files more than 5 deep: unpack it, or raise max_nesting in lifelong.toml"
    }
    assert holding(assistant, "kestrel") == []
    all_well(assistant)


@pytest.mark.parametrize(
    ("setting", "place", "reason"),
    [
        (
            "max_members = 3",
            "a.zip/b.zip/b.md",
            "more than 3 files within one: unpack it, or raise max_members in lifelong.toml",
        ),
        (
            "max_unpacked_mb = 1",
            "a.zip/b.zip",
            "the files within one take more than 1 MB: unpack it, or raise max_unpacked_mb in lifelong.toml",
        ),
    ],
)
def test_all_in_a_file_counts_towards_its_limits(
    tmp_path: Path, notes: Path, setting: str, place: str, reason: str
) -> None:
    text = "Lagoon. " * 50_000  # 0.4 MB
    inner = [packed({f"{letter}.md": f"{letter} {text}"}) for letter in "abcd"]
    write(notes / "a.zip", {f"{number}.tar": data for number, data in enumerate(inner[:1])} | {"b.zip": inner[1]})
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.toml").write_text(f"{setting}\n")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes, wait=False)
        found = failed(assistant, notes)
        assert found == {place: reason}
        all_well(assistant)


def test_a_file_in_a_file_that_cannot_be_read_is_told_and_harms_no_other(
    assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes / "a.zip", {"bad.pdf": b"%PDF-1.4 damaged", "good.md": "A heron."})
    assistant.add(notes)
    assert failed(assistant, notes) == {
        "a.zip/bad.pdf": "damaged PDF: open it in a viewer and save or print it anew",
    }
    assert texts(assistant, notes) == {"a.zip/good.md": "A heron."}
    tries = assistant.failures()[0].tries
    assistant.add(notes)
    assert assistant.failures()[0].tries == tries  # nothing is other than it was
    monkeypatch.setattr("ingest.parsers.pdf.VERSION", 99)
    assistant.add(notes)
    assert assistant.failures()[0].tries == tries + 1
    all_well(assistant)


def test_what_an_older_parser_made_of_a_file_in_a_file_is_read_again(
    assistant: Assistant, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "in.zip": packed({"two.md": "A heron."})})
    assistant.add(notes)
    monkeypatch.setattr(markdown, "VERSION", markdown.VERSION + 1)
    assistant.add(notes)
    for path in ("a.zip/one.md", "a.zip/in.zip/two.md"):
        made = assistant.knowledge_base.made_of(ids(assistant, notes)[path])
        assert made is not None and made[1][:2] == ("markdown", markdown.VERSION)


def test_a_file_in_a_file_taken_out_stays_out_until_it_is_named(assistant: Assistant, notes: Path) -> None:
    members = {"one.md": "An osprey.", "two.md": "A heron."}
    write(notes / "a.zip", members)
    assistant.add(notes)
    assistant.forget(notes / "a.zip/one.md")
    write(notes / "a.zip", members | {"three.md": "An islet."})
    assistant.add(notes)
    assert set(texts(assistant, notes)) == {"a.zip/two.md", "a.zip/three.md"}
    assert assistant.status_of(notes / "a.zip/one.md").state == "held"
    assistant.add(notes / "a.zip/one.md")
    assert set(texts(assistant, notes)) == {"a.zip/one.md", "a.zip/two.md", "a.zip/three.md"}
    all_well(assistant)
    with pytest.raises(NoSuchPath, match="no file or folder"):
        assistant.add(notes / "a.zip/nothing.md")
    assistant.forget(notes / "a.zip")  # and all in it
    assert ids(assistant, notes) == {}
    assistant.add(notes)
    assert ids(assistant, notes) == {}
    assistant.add(notes / "a.zip")
    assert len(ids(assistant, notes)) == 4
    all_well(assistant)


def test_a_file_may_be_taken_out_together_with_what_it_is_in(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    assistant.add(notes)
    version = assistant.forget(notes / "a.zip/one.md", notes / "a.zip", notes / "a.zip/one.md")
    assert (version.removed, ids(assistant, notes)) == (3, {})
    assistant.add(notes / "a.zip")
    assert len(ids(assistant, notes)) == 3
    all_well(assistant)


def test_forgetting_everywhere_and_undoing_reach_into_files(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    assistant.add(notes)
    assistant.forget_everywhere(notes / "a.zip/one.md")
    assert holding(assistant, "osprey", as_of=1) == []
    assistant.add(notes)
    assert set(texts(assistant, notes)) == {"a.zip/two.md"}
    write(notes / "b.zip", {"three.md": "An islet."})
    assistant.add(notes)
    assistant.undo()
    assert set(ids(assistant, notes)) == {"a.zip", "a.zip/two.md"}
    assistant.add(notes)
    assert set(ids(assistant, notes)) == {"a.zip", "a.zip/two.md"}
    all_well(assistant)


def test_a_folder_in_place_of_an_archive(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    assistant.add(notes)
    (notes / "a.zip").unlink()
    (notes / "a.zip").mkdir()
    (notes / "a.zip/one.md").write_text("An osprey, unpacked.")
    assistant.add(notes)
    assert texts(assistant, notes) == {"a.zip/one.md": "An osprey, unpacked."}
    assert "a.zip" not in ids(assistant, notes)
    all_well(assistant)
    (notes / "a.zip/one.md").unlink()
    (notes / "a.zip").rmdir()
    write(notes / "a.zip", {"one.md": "An osprey, packed."})
    assistant.add(notes)
    assert texts(assistant, notes) == {"a.zip/one.md": "An osprey, packed."}
    all_well(assistant)


def test_an_archive_unpacked_and_packed_again_loses_nothing(assistant: Assistant, notes: Path) -> None:
    members = {"one.md": "An osprey.", "two.md": "A heron."}
    write(notes / "a.zip", members)
    assistant.add(notes)
    before = ids(assistant, notes)
    (notes / "a.zip").unlink()
    (notes / "a.zip").mkdir()
    for name, text in members.items():
        (notes / "a.zip" / name).write_text(text)
    (version,) = assistant.add(notes).versions
    assert (version.removed, version.passages_born) == (1, 0)
    assert ids(assistant, notes) == {path: i for path, i in before.items() if path != "a.zip"}
    shutil.rmtree(notes / "a.zip")
    write(notes / "a.zip", members)
    (version,) = assistant.add(notes).versions
    assert (version.added, version.removed) == (1, 0)
    assert ids(assistant, notes) == before
    (notes / "a.zip").unlink()  # they go with it
    assistant.add(notes)
    assert ids(assistant, notes) == {}
    all_well(assistant)


def test_a_file_deep_in_others_comes_back_when_it_is_named(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"in.zip": packed({"x.md": "A kestrel.", "y.md": "A wren."})})
    assistant.add(notes)
    everything = set(ids(assistant, notes))
    assistant.forget(notes / "a.zip/in.zip/x.md")
    assistant.add(notes / "a.zip/in.zip/x.md")
    assert set(ids(assistant, notes)) == everything
    assistant.forget(notes / "a.zip/in.zip")
    assistant.add(notes / "a.zip/in.zip/x.md")
    assert set(ids(assistant, notes)) == everything - {"a.zip/in.zip/y.md"}
    all_well(assistant)


@pytest.mark.parametrize("named", ["a.zip", "a.zip/one.md"])
def test_a_file_in_a_file_that_an_undo_holds_is_read_again_when_it_is_named(
    assistant: Assistant, notes: Path, named: str
) -> None:
    write(notes / "a.zip", {"one.md": "An osprey."})
    assistant.add(notes)
    write(notes / "a.zip", {"one.md": "An eagle."})
    assistant.add(notes)
    assistant.undo()
    assistant.add(notes)
    assert texts(assistant, notes) == {"a.zip/one.md": "An osprey."}
    assistant.add(notes / named)
    assert texts(assistant, notes) == {"a.zip/one.md": "An eagle."}
    all_well(assistant)


def test_a_file_that_cannot_be_read_is_still_told_where_it_has_moved(assistant: Assistant, notes: Path) -> None:
    members: dict[str, Content] = {"one.json": "{}", "two.md": "A heron."}
    (notes / "plain.json").write_text("[1]")
    write(notes / "a.zip", members)
    assistant.add(notes)
    (notes / "plain.json").write_bytes(b"%PDF-1.4 damaged")
    write(notes / "a.zip", members | {"one.json": b"%PDF-1.4 damaged too"})
    assistant.add(notes)
    before = failed(assistant, notes)
    assert set(before) == {"plain.json", "a.zip/one.json"}
    for name in ("plain.json", "a.zip"):
        (notes / name).rename(notes / f"new-{name}")
    assistant.add(notes)
    assert failed(assistant, notes) == {f"new-{path}": reason for path, reason in before.items()}
    assert set(ids(assistant, notes)) == {"new-plain.json", "new-a.zip", "new-a.zip/one.json", "new-a.zip/two.md"}
    all_well(assistant)


def test_what_was_taken_out_of_an_archive_stays_out_when_that_is_renamed(assistant: Assistant, notes: Path) -> None:
    members = {"one.md": "An osprey.", "in.zip": packed({"two.md": "A heron."}), "three.md": "An islet."}
    write(notes / "a.zip", members)
    assistant.add(notes)
    for path in ("one.md", "in.zip"):
        assistant.forget(notes / "a.zip" / path)
    (notes / "a.zip").rename(notes / "b.zip")
    assistant.add(notes)
    assert texts(assistant, notes) == {"b.zip/three.md": "An islet."}
    assert assistant.status_of(notes / "b.zip/one.md").state == "held"
    write(notes / "b.zip", members | {"four.md": "New."})
    assistant.add(notes)
    assert set(texts(assistant, notes)) == {"b.zip/three.md", "b.zip/four.md"}
    for path in ("one.md", "in.zip"):
        assistant.add(notes / "b.zip" / path)
    assert len(texts(assistant, notes)) == 5
    (notes / "b.zip").rename(notes / "a.zip")
    assistant.add(notes)
    assert len(texts(assistant, notes)) == 5
    all_well(assistant)


def test_two_copies_of_an_archive_are_two_sets_of_documents(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey."})
    write(notes / "b.zip", {"one.md": "An osprey."})
    assistant.add(notes)
    found = ids(assistant, notes)
    assert set(found) == {"a.zip", "a.zip/one.md", "b.zip", "b.zip/one.md"}
    assert len(set(found.values())) == 4
    all_well(assistant)


def test_one_archive_of_many_files_may_be_deleted_unasked(assistant: Assistant, notes: Path) -> None:
    for number in range(20):
        (notes / f"{number}.md").write_text(f"Note {number}.")
    write(notes / "a.zip", {f"{number}.md": f"Packed {number}." for number in range(200)})
    assistant.add(notes, wait=False)
    (notes / "a.zip").unlink()
    assistant.add(notes, wait=False)
    assert len(ids(assistant, notes)) == 20


def test_files_in_files_do_not_make_up_for_files_that_are_gone(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {f"{number}.md": f"Packed {number}." for number in range(200)})
    assistant.add(notes, wait=False)
    for name in KEPT:  # three of the four files on disk
        (notes / name).unlink()
    with pytest.raises(TooManyGone, match="3 of 4 documents"):
        assistant.add(notes, wait=False)


def test_a_file_without_an_ending_is_read_if_its_bytes_tell(assistant: Assistant, notes: Path) -> None:
    (notes / "packed").write_bytes(packed({"one.md": "An osprey."}))
    (notes / "plain").write_text("Who knows what this is.")
    assistant.add(notes)
    assert texts(assistant, notes) == {"packed/one.md": "An osprey."}
    assert failed(assistant, notes) == {"plain": "no parser for this kind of files"}


def test_a_file_in_a_file_is_named_and_linked_in_the_terminal(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    kb = ["--kb", str(tmp_path / "kb"), "-q"]
    assert main(["add", str(notes), *kb]) == 0
    assert main(["forget", str(notes / "a.zip/one.md"), *kb]) == 0
    assert main(["add", str(notes / "a.zip/one.md"), *kb]) == 0
    assert main(["add", str(notes / "a.zip/three.md"), *kb]) == 1
    assert main(["show", str(notes / "a.zip/one.md"), *kb]) == 0
    assert capsys.readouterr().out.endswith("An osprey.\n")
    style = style_for("always", editor_uri="file://{path}", is_terminal=True, environment={"TERM": "xterm-256color"})
    shown = style.linked_place(str(notes / "a.zip/one.md"), line=7, page=None)
    assert shown.startswith(f"\x1b]8;;file://{notes}/a.zip\x1b\\") and "one.md:7" in shown


def test_what_is_said_of_a_file_that_holds_others_is_of_those_too(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    inner = packed({"one.md": "An osprey.", "bad.pdf": "%PDF-1.4"})
    write(notes / "my a.zip", {"in.zip": inner, "two.md": "A heron.", "bad.pdf": "%PDF-1.4"})
    kb = ["--kb", str(tmp_path / "kb"), "-q"]

    def said(*command: str) -> str:
        assert main([*command, str(notes / "my a.zip"), *kb]) == 0
        return capsys.readouterr().out

    assert "4 documents from" in said("add")
    assert "searchable since version 1, 1 passage; 2 of 5 files in it could not be read" in said("status")
    assert said("forget").endswith(f"Take it back: lifelong add '{notes}/my a.zip'\n")
    assert f"lifelong add '{notes}/my a.zip'" in said("status")


class Counting(Silent):
    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        self.told.append((done_files, total_files, passages))


def test_how_far_it_is_in_a_large_archive_is_told(assistant: Assistant, notes: Path) -> None:
    write(notes / "a.zip", {"one.md": "An osprey.", "two.md": "A heron."})
    counting = Counting()
    assistant.add(notes / "a.zip", progress=counting)
    assert counting.told == [(0, 1, 0), (0, 1, 1), (0, 1, 2), (0, 1, 3), (1, 1, 3)]


def test_an_attachment_is_as_old_as_its_mail(assistant: Assistant, notes: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["Date"] = "ann@example.org", "Thu, 12 Mar 2020 09:00:00 +0000"
    mail.set_content("See the list.")
    mail.add_attachment(packed({"birds.txt": "A heron."}), maintype="application", subtype="zip", filename="list.zip")
    write(notes / "a.zip", {"mail.eml": mail.as_bytes(), "note.md": "An osprey."})
    os.utime(notes / "a.zip", (1_700_000_000, 1_700_000_000))
    assistant.add(notes)
    dates = {os.path.relpath(h.path, notes): h.document_date for h in assistant.search("heron osprey list", 20)}
    assert dates["a.zip/mail.eml/list.zip/birds.txt"] == date(2020, 3, 12)
    assert dates["a.zip/note.md"] == date.fromtimestamp(1_700_000_000)


def test_a_folders_rules_hold_in_archives(assistant: Assistant, notes: Path) -> None:
    (notes / ".lifelongignore").write_text("drafts/\n")
    write(notes / "a.zip", {"drafts/one.md": "An osprey.", "two.md": "A heron."})
    assistant.add(notes)
    assert set(texts(assistant, notes)) == {"a.zip/two.md"}


def test_a_watcher_follows_what_is_in_files(followed: Followed) -> None:
    write(followed.folder / "a.zip", {"one.md": "zebra one", "two.md": "zebra two", "bad.pdf": "%PDF-1.4"})
    followed.until_found("zebra", "a.zip/one.md", "a.zip/two.md")
    write(followed.folder / "a.zip", {"one.md": "zebra one", "two.md": "lynx two", "bad.pdf": "%PDF-1.4"})
    followed.until_found("lynx", "a.zip/two.md")
    assert followed.found("zebra") == ["a.zip/one.md"]
    followed.sweep()
    changes = len(followed.changes())
    followed.sweep()
    assert len(followed.changes()) == changes
    (followed.folder / "a.zip").rename(followed.folder / "b.zip")
    until(lambda: followed.found("zebra") == ["b.zip/one.md"])
    followed.rest()
    assert [h.kind for h in followed.told if h.version == len(followed.changes())] == ["moved"] * 3
    assert min(h.seconds for h in followed.told if h.version is not None) > 0
    (followed.folder / "sub").mkdir()
    (followed.folder / "b.zip").rename(followed.folder / "sub/b.zip")
    until(lambda: followed.found("zebra") == ["sub/b.zip/one.md"])
    followed.rest()
    followed.all_well()
    (followed.folder / "sub/b.zip").unlink()
    until(lambda: followed.paths() == [])
    followed.all_well()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
def test_any_history_of_archives_is_as_if_read_at_once(tmp_path: Path, notes: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = "amber birch cedar delta ember fjord grove heron".split()

    def members(depth: int) -> dict[str, Content]:
        found: dict[str, Content] = {
            f"{rng.choice('abc')}.md": " ".join(rng.choices(words, k=12)) for _ in range(rng.randint(0, 3))
        }
        if depth and rng.random() < 0.5:
            found[f"{rng.choice('xy')}.zip"] = packed(members(depth - 1))
        if rng.random() < 0.2:
            found["bad.pdf"] = b"%PDF-1.4 damaged"
        return found

    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        expected: dict[int, set[str]] = {}
        for step in range(10):
            archives = sorted(notes.glob("*.zip"))
            what = rng.choice(["new", "change", "change", "rename", "copy", "delete"]) if archives else "new"
            one = rng.choice(archives) if archives else notes / "p.zip"
            if what in ("new", "change"):
                write(notes / f"{rng.choice('pqr')}.zip" if what == "new" else one, members(2))
            elif what == "rename":
                one.rename(notes / f"{rng.choice('pqrs')}.zip")
            elif what == "copy":
                (notes / f"{rng.choice('pqrs')}.zip").write_bytes(one.read_bytes())
            else:
                one.unlink()
            assistant.add(notes)
            all_well(assistant)
            expected[assistant.knowledge_base.version_number(None)] = set(ids(assistant, notes))
            with open_assistant(tmp_path / f"clean{step}", embedder="hash") as clean:
                clean.add(notes)
                assert ids(clean, notes).keys() == ids(assistant, notes).keys(), (what, one)
                assert failed(clean, notes) == failed(assistant, notes)
                for document in clean.documents():
                    assert stood(clean, document.path) == stood(assistant, document.path)
        for version, paths in expected.items():
            then = {os.path.relpath(d.path, notes) for d in assistant.documents(as_of=version)}
            assert then - set(KEPT) == paths


def test_status_says_how_a_document_was_read(assistant: Assistant, notes: Path) -> None:
    (notes / "half.xml").write_text("<records><record><name>An osprey</name></record><record><name>A her")
    assistant.add(notes)
    said = assistant.status_of(notes / "half.xml").message
    assert said.startswith("searchable since version 1, 1 passage; ") and "broken" in said
