"""The public door, on real files: add, ask, forget, status, show, check, mend; and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import KnowledgeBaseMissing, NoSuchPath, NoSuchVersion
from rag_lifelong.store.database import FILE_NAME

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "ops").mkdir(parents=True)
    (folder / "retries.md").write_text("# Retries\n\nWe agreed on three attempts for retries.\n")
    (folder / "ops" / "queue.md").write_text("# Queue\n\nAna owns the dead-letter queue.\n")
    return folder


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        yield opened


def test_a_question_is_answered_with_an_exact_citation(assistant: Assistant, notes: Path) -> None:
    done = assistant.add(notes)
    assert (done.documents, done.added, len(done.versions)) == (2, 2, 1)
    answer = assistant.ask("How many attempts were agreed for retries?")
    assert (answer.short, answer.text) == ("three", 'three\n\n"We agreed on three attempts for retries." [1]')
    citation = answer.citations[0]
    assert (citation.path, citation.line, citation.label) == (str(notes / "retries.md"), 3, "")
    assert assistant.show(citation.path)[citation.start : citation.end] == citation.quote
    assert answer.verdict.lag.passages == 0
    assert answer.verdict.lag.checked_at is not None
    assert "".join(assistant.stream("How many attempts were agreed for retries?")) == answer.text


def test_adding_again_makes_it_equal_to_the_folder(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes)
    (notes / "ops" / "queue.md").unlink()
    (notes / "new.md").write_text("Tomas watches the disks.\n")
    done = assistant.add(notes)
    assert (done.added, done.removed, done.documents, done.unchanged) == (1, 1, 2, 1)
    assert assistant.add(notes).versions == ()


def test_only_what_compares_a_whole_folder_says_that_it_was_compared(assistant: Assistant, notes: Path) -> None:
    def compared() -> list[bool]:
        return [root.compared_at is not None for root in assistant.knowledge_base.folders.roots()]

    assistant.knowledge_base.folders.ensure_root(str(notes), is_whole=True)
    assistant.add(notes / "retries.md")
    assistant.add(notes / "ops")
    assert compared() == [False]
    assistant.add(notes)
    assert compared() == [True]


def test_text_is_found_before_its_vectors_are_there(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes / "retries.md")
    assistant._stopping.set()  # no background work, as if the process had ended
    assistant.add(notes, wait=False)
    answer = assistant.ask("Who owns the dead-letter queue?")
    assert answer.citations[0].path.endswith("queue.md")
    assert answer.verdict.lag.passages == 1
    assert assistant.status_of(notes / "ops" / "queue.md").state == "waiting"
    assistant._stopping.clear()
    assistant.wait()
    assert assistant.status_of(notes / "ops" / "queue.md").state == "searchable"


def test_what_is_forgotten_stays_forgotten(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes)
    assistant.forget(notes / "retries.md")
    assert assistant.ask("How many attempts were agreed for retries?").refused
    assert assistant.ask("How many attempts were agreed for retries?", as_of=1).short == "three"
    assert assistant.status_of(notes / "retries.md").state == "held"
    assistant.add(notes)  # a sweep does not bring it back
    assert assistant.ask("How many attempts were agreed for retries?").refused
    assert "three attempts" in assistant.show(notes / "retries.md")
    assistant.add(notes / "retries.md")  # naming it does
    assert not assistant.ask("How many attempts were agreed for retries?").refused
    assert (notes / "retries.md").exists()


def test_a_held_file_that_changes_is_read_again(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes)
    assistant.forget(notes / "retries.md")
    (notes / "retries.md").write_text("We agreed on five attempts for retries.\n")
    assistant.add(notes)
    assert "five" in assistant.ask("How many attempts were agreed for retries?").text


def test_one_bad_file_harms_no_other(assistant: Assistant, notes: Path) -> None:
    (notes / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    (notes / "sound.xyz").write_bytes(b"\x89PNG")
    done = assistant.add(notes)
    assert done.documents == 2
    reasons = {Path(f.path).name: f.reason for f in done.failures}
    assert reasons == {
        "bad.pdf": "damaged PDF: open it in a viewer and save or print it anew",
        "sound.xyz": "no parser for .xyz files",
    }
    assert assistant.status_of(notes / "bad.pdf").state == "failed"
    (notes / "bad.pdf").unlink()
    assert {Path(f.path).name for f in assistant.add(notes).failures} == {"sound.xyz"}


def test_a_file_that_becomes_unreadable_keeps_its_last_text_and_says_so(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes)
    (notes / "retries.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    assistant.add(notes)
    answer = assistant.ask("How many attempts were agreed for retries?")
    assert answer.text.startswith("three\n")
    assert answer.verdict.lag.files == 1
    assert "last readable text still answers" in assistant.status_of(notes / "retries.md").message


def test_a_name_that_is_no_utf8_is_recorded_and_harms_no_other(assistant: Assistant, notes: Path) -> None:
    with open(os.fsencode(notes) + b"/caf\xe9.md", "wb") as file:
        file.write(b"Words.")
    done = assistant.add(notes)
    assert done.documents == 2
    assert [(Path(f.path).name, f.reason) for f in done.failures] == [
        ("caf\ufffd.md", "its name is not valid UTF-8: rename it")
    ]


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, notes: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.toml").write_text("max_file_mb = 1\n")
    (notes / "big.txt").write_text("word " * 300_000)
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        (failure,) = assistant.add(notes).failures
    assert failure.reason == "2 MB, the limit is 1 MB: raise max_file_mb in lifelong.toml"


def test_states_of_paths(assistant: Assistant, notes: Path, tmp_path: Path) -> None:
    (notes / ".lifelongignore").write_text("drafts/\n")
    (notes / "drafts").mkdir()
    (notes / "drafts" / "a.md").write_text("Draft.")
    assistant.add(notes)
    assert assistant.status_of(notes / "retries.md").state == "searchable"
    ignored = assistant.status_of(notes / "drafts" / "a.md")
    assert (ignored.state, ignored.message) == ("ignored", f"ignored by {notes / '.lifelongignore'}:1 (drafts/)")
    (tmp_path / "other.md").write_text("x")
    assert assistant.status_of(tmp_path / "other.md").state == "outside"
    unknown = assistant.status_of(notes / "retrie.md")
    assert (unknown.state, unknown.nearest) == ("unknown", (str(notes / "retries.md"),))


def test_the_knowledge_base_inside_a_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Words.")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assert assistant.add(tmp_path).documents == 1
        assert assistant.add(tmp_path).failures == ()


def test_missing_things_are_said_with_what_to_do(assistant: Assistant, notes: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match="check the spelling"):
        assistant.add(tmp_path / "nowhere")
    assistant.add(notes)
    with pytest.raises(NoSuchPath, match=r"did you mean .*retries\.md"):
        assistant.forget(notes / "retrys.md")
    with pytest.raises(NoSuchVersion, match="there is no version 9"):
        assistant.search("x", as_of=9)
    with pytest.raises(NoSuchVersion, match=r"begins at .*--dated \.\.2001-01-01"):
        assistant.search("x", as_of="2001-01-01")
    with pytest.raises(KnowledgeBaseMissing, match="lifelong add"):
        open_assistant(tmp_path / "none", embedder="hash", create=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_recorded(assistant: Assistant, notes: Path) -> None:
    (notes / "retries.md").chmod(0)
    (failure,) = assistant.add(notes).failures
    assert "permission denied" in failure.reason


def test_dates_narrow_a_search(assistant: Assistant, notes: Path) -> None:
    from datetime import date

    (notes / "old.md").write_text("---\ntitle: Old\ndate: 2001-05-05\n---\n\nThe queue was a stack.\n")
    assistant.add(notes)
    hits = assistant.search("queue", dated=(None, date(2001, 12, 31)))
    assert [Path(hit.path).name for hit in hits] == ["old.md"]


def test_check_finds_what_is_wrong_and_rebuild_mends_it(assistant: Assistant, notes: Path) -> None:
    assistant.add(notes)
    assert all(finding.is_well for finding in assistant.check())
    with assistant.knowledge_base._database.transaction() as connection:
        connection.execute("INSERT INTO words_live (words_live) VALUES ('delete-all')")
    faults = [finding for finding in assistant.check() if not finding.is_well]
    assert [(f.subject, f.remedy) for f in faults] == [("words", "lifelong rebuild")]
    assistant.rebuild()
    assert all(finding.is_well for finding in assistant.check())


def test_a_lost_index_is_made_again_at_the_next_search(tmp_path: Path, notes: Path) -> None:
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes)
        assistant.rebuild()  # writes the index
        before = [hit.passage_id for hit in assistant.search("queue attempts")]
    for path in (tmp_path / "kb" / "index").rglob("*.faiss"):
        path.write_bytes(b"garbage")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assert [hit.passage_id for hit in assistant.search("queue attempts")] == before
        assert all(finding.is_well for finding in assistant.check())


def test_a_damaged_store_is_set_aside_and_read_in_again(tmp_path: Path, notes: Path) -> None:
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        for i in range(40):
            (notes / f"{i}.md").write_text(f"Note {i} tells of topic {i}. " * 50)
        assistant.add(notes)
    store = tmp_path / "kb" / FILE_NAME
    data = bytearray(store.read_bytes())
    page = 4_096
    for start in range(len(data) - 40 * page, len(data) - page, 3 * page):  # the last pages: texts and words
        data[start : start + page] = os.urandom(page)
    store.write_bytes(bytes(data))
    with open_assistant(tmp_path / "kb", embedder="hash", create=False, rescue=True) as mended:
        rescued = mended.rescued
        assert rescued is not None
        mended.rebuild()
        assert rescued.kept.read_bytes() == bytes(data), "nothing of it is lost"
        if rescued.folders:
            assert len(mended.documents()) == 42
        assert all(finding.is_well for finding in mended.check())


def test_the_readme_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (SAMPLES.parent / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0]
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(SAMPLES)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert printed[0].startswith("We agreed on three attempts with exponential backoff")
    assert printed[-2].endswith("2026-02-18.md 15 Weekly meeting, 18 February 2026 > Decisions > Retries")


def test_documents_that_are_ignored_now_are_not_lost_ones(assistant: Assistant, notes: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (notes / "ops" / name).write_text(f"Words of {name}.\n")
    assistant.add(notes)
    (notes / ".lifelongignore").write_text("ops/\n")
    assert assistant.sync(notes).removed == 4  # of five, and all of them are on disk
    assert [document.path for document in assistant.documents()] == [str(notes / "retries.md")]


def test_a_former_text_that_is_cut_to_another_size_now_is_found(tmp_path: Path) -> None:
    note = tmp_path / "notes" / "a.md"
    note.parent.mkdir()
    text = "\n\n".join(
        f"Paragraph {i} speaks of harbour number {i} at some length, and of its boats." for i in range(40)
    )
    kb = tmp_path / "kb"
    kb.mkdir()
    for size, written in ((200, text), (200, "Something else.\n"), (60, text)):
        (kb / "lifelong.toml").write_text(f"chunk_tokens = {size}\n")
        note.write_text(written)
        with open_assistant(kb, embedder="hash") as assistant:
            assistant.add(note.parent)
            assert [f for f in assistant.check() if not f.is_well] == []
            assert assistant.search(written[-60:], 1)[0].text in written
            passages = assistant.documents()[0].passages
    assert passages > 8
