"""Versions over time: undo, history, as-of ranking, pruning, and forgetting everywhere."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong import open_assistant, retrieve
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import KnowledgeBaseBusy, NoSuchVersion, NothingToUndo, TooManyGone
from rag_lifelong.history import Past
from rag_lifelong.store import database, versions, words
from rag_lifelong.store.packing import pack, unpack
from rag_lifelong.when import moment, span


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        yield opened
        assert [f for f in opened.check() if not f.is_well] == []


def texts(assistant: Assistant) -> dict[str, str]:
    return {os.path.basename(d.path): assistant.show(d.path) for d in assistant.documents()}


# -- undo


def test_undo_of_an_edit_brings_the_former_text_back_and_holds(assistant: Assistant, notes: Path) -> None:
    note = notes / "a.md"
    note.write_text("three attempts\n")
    assistant.add(notes)
    note.write_text("five attempts\n")
    assistant.add(notes)
    assistant.undo()
    assert texts(assistant) == {"a.md": "three attempts\n"}
    assert note.read_text() == "five attempts\n"
    assistant.add(notes)  # a sweep does not bring the edit back
    assert texts(assistant) == {"a.md": "three attempts\n"}
    assert assistant.status_of(note).state == "held"
    note.write_text("seven attempts\n")
    assistant.add(notes)  # the bytes are others now
    assert texts(assistant) == {"a.md": "seven attempts\n"}


def test_a_file_named_by_hand_is_read_although_an_undo_holds_it(assistant: Assistant, notes: Path) -> None:
    note = notes / "a.md"
    note.write_text("three\n")
    assistant.add(notes)
    note.write_text("five\n")
    assistant.add(notes)
    assistant.undo()
    assistant.add(note)
    assert texts(assistant) == {"a.md": "five\n"}
    assert assistant.status_of(note).state == "searchable"


def test_undo_of_an_addition_takes_out_and_undo_of_that_brings_back(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("one\n")
    assistant.add(notes)
    (notes / "b.md").write_text("two\n")
    assistant.add(notes)
    undone = assistant.undo()
    assert texts(assistant) == {"a.md": "one\n"}
    assistant.sync()
    assert texts(assistant) == {"a.md": "one\n"}
    assistant.undo(undone.number)
    assert texts(assistant) == {"a.md": "one\n", "b.md": "two\n"}
    assert assistant.status_of(notes / "b.md").state == "searchable"


def test_undo_of_a_removal_keeps_the_document_without_its_file(assistant: Assistant, notes: Path) -> None:
    for name in "abc":
        (notes / f"{name}.md").write_text(f"text of {name}\n")
    assistant.add(notes)
    (notes / "b.md").unlink()
    assistant.add(notes)
    assert sorted(texts(assistant)) == ["a.md", "c.md"]
    assistant.undo()
    assistant.sync()
    assert sorted(texts(assistant)) == ["a.md", "b.md", "c.md"]
    (notes / "b.md").write_text("text of b again\n")
    assistant.sync()
    assert texts(assistant)["b.md"] == "text of b again\n"


def test_undo_of_a_move_and_of_files_that_changed_places(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("alpha\n")
    (notes / "b.md").write_text("beta\n")
    assistant.add(notes)
    ids = {d.document_id: os.path.basename(d.path) for d in assistant.documents()}
    os.rename(notes / "a.md", notes / "x")
    os.rename(notes / "b.md", notes / "a.md")
    os.rename(notes / "x", notes / "b.md")
    for name in "ab":  # a rename within one size and second is seen by its inode's times only
        os.utime(notes / f"{name}.md", ns=(1, 1_700_000_000_000_000_000 + ord(name)))
    assistant.add(notes)
    assert texts(assistant) == {"a.md": "beta\n", "b.md": "alpha\n"}
    assistant.undo()
    assert {d.document_id: os.path.basename(d.path) for d in assistant.documents()} == ids
    assert texts(assistant) == {"a.md": "alpha\n", "b.md": "beta\n"}
    assistant.sync()
    assert texts(assistant) == {"a.md": "alpha\n", "b.md": "beta\n"}


def test_what_changed_again_is_left_alone(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("one\n")
    assistant.add(notes)
    (notes / "a.md").write_text("two\n")
    assistant.add(notes)
    plan = assistant.undo_plan(1)
    assert [line.obstacle for line in plan.lines] == ["changed again in version 2"]
    with pytest.raises(NothingToUndo):
        assistant.undo(1)
    assert texts(assistant) == {"a.md": "two\n"}


def test_bare_undo_goes_back_through_commands_one_by_one(assistant: Assistant, notes: Path) -> None:
    for name in "abc":
        (notes / f"{name}.md").write_text(f"text of {name}\n")
        assistant.add(notes)
    assert assistant.undo().undoes == 3
    assert assistant.undo().undoes == 2
    assert assistant.undo().undoes == 1
    with pytest.raises(NothingToUndo):
        assistant.undo()
    assert texts(assistant) == {}


def test_bare_undo_goes_on_where_an_undo_was_undone(assistant: Assistant, notes: Path) -> None:
    for name in "ab":
        (notes / f"{name}.md").write_text(f"text of {name}\n")
        assistant.add(notes)
    assistant.supersede(notes / "a.md", notes / "b.md")
    assistant.undo()  # 4
    assistant.undo(4)
    assert assistant.undo().undoes == 5
    assistant.undo(6)
    assert assistant.undo().undoes == 7
    assert assistant.conflicts(settled=True) == ()
    assistant.undo(2)  # 9
    assistant.undo(9)
    assert texts(assistant) == {"a.md": "text of a\n", "b.md": "text of b\n"}
    assert [assistant.undo().undoes for _ in range(2)] == [10, 1]
    with pytest.raises(NothingToUndo, match="no command"):
        assistant.undo()
    assert texts(assistant) == {}


def test_random_undos_leave_a_sound_store_and_restore_exactly(assistant: Assistant, notes: Path) -> None:
    rng = random.Random(7)
    states = [texts(assistant)]
    for _ in range(25):
        name = notes / f"{rng.choice('abcde')}.md"
        if name.exists() and rng.random() < 0.3:
            assistant.forget(name) if str(name) in {d.path for d in assistant.documents()} else name.write_text("x\n")
        else:
            name.write_text(f"# {rng.random()}\n\n{rng.choice(['red', 'green'])} {rng.randint(0, 9)}\n")
        try:
            done = assistant.add(name) if name.exists() else None
        except TooManyGone:
            continue
        if done is not None and done.versions and rng.random() < 0.5:
            before = len(assistant.versions(1000))
            wanted = {os.path.basename(p.path or ""): p.text for p in _state(assistant, before - 1)}
            assistant.undo(before)
            assert texts(assistant) == wanted
        states.append(texts(assistant))
    assert [f for f in assistant.check() if not f.is_well] == []


def _state(assistant: Assistant, number: int) -> list[Past]:
    base = assistant.knowledge_base
    return [after for _, after in base.changed_between(0, number) if after is not None]


# -- holds


def test_adding_a_forgotten_folder_again_takes_it_back_and_a_sweep_does_not(assistant: Assistant, notes: Path) -> None:
    drafts = notes / "drafts"
    drafts.mkdir()
    for name in "ab":
        (drafts / f"{name}.md").write_text(f"draft {name}\n")
    (notes / "kept.md").write_text("kept\n")
    assistant.add(notes)
    assistant.forget(drafts)
    assistant.add(notes)
    assert sorted(texts(assistant)) == ["kept.md"]
    assistant.add(drafts)
    assert sorted(texts(assistant)) == ["a.md", "b.md", "kept.md"]


def test_a_folder_that_lost_over_a_fifth_is_not_believed_until_told(assistant: Assistant, notes: Path) -> None:
    for i in range(10):
        (notes / f"{i}.md").write_text(f"note {i}\n")
    assistant.add(notes)
    for i in range(3):
        (notes / f"{i}.md").unlink()
    (notes / "new.md").write_text("new\n")
    with pytest.raises(TooManyGone, match="no longer on disk"):
        assistant.sync()
    assert len(texts(assistant)) == 11  # the rest was done
    assistant.sync(may_retire=True)
    assert len(texts(assistant)) == 8


# -- as of


def test_words_as_of_the_newest_version_score_as_the_words_of_now(assistant: Assistant, notes: Path) -> None:
    rng = random.Random(3)
    vocabulary = [f"word{i}" for i in range(30)]
    for step in range(6):
        for i in range(12):
            (notes / f"{i}.md").write_text(" ".join(rng.choices(vocabulary, k=rng.randint(3, 40))) + f" {step}\n")
        assistant.add(notes)
    base = assistant.knowledge_base
    with base.reading() as connection:
        alive = base._retriever._alive_at(connection, versions.latest_number(connection))
        for query in (["word1"], ["word2", "word3", "word29"], ["absent", "word7"]):
            now = words.search(connection, query, 50)
            then = words.search_as_of(connection, query, 50, alive=alive.passage_ids, lengths=alive.lengths)
            assert [i for i, _ in then] == [i for i, _ in now]
            assert [s for _, s in then] == pytest.approx([s for _, s in now], abs=1e-12)


def test_words_as_of_a_version_score_as_they_did_then(assistant: Assistant, notes: Path) -> None:
    rng = random.Random(4)
    vocabulary = [f"word{i}" for i in range(20)]
    scores = []
    for step in range(5):
        for i in range(8):
            (notes / f"{i}.md").write_text(" ".join(rng.choices(vocabulary, k=rng.randint(3, 40))) + f" {step}\n")
        assistant.add(notes)
        scores.append([(h.path, h.scores.words) for h in assistant.search("word1 word2 word3", 8)])
    for number, wanted in enumerate(scores, start=1):
        found = [(h.path, h.scores.words) for h in assistant.search("word1 word2 word3", 8, as_of=number)]
        assert [path for path, _ in found] == [path for path, _ in wanted]
        assert [s or 0 for _, s in found] == pytest.approx([s or 0 for _, s in wanted], abs=1e-12)


def test_a_long_history_ranks_as_a_knowledge_base_built_in_one_go(
    assistant: Assistant, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieve, "COMMON_FROM", 5)  # frequent terms are left out, as in a large knowledge base
    rng = random.Random(8)
    vocabulary = [f"word{i}" for i in range(40)]
    for step in range(8):
        for i in range(15):
            frequent = " ".join(rng.choices(["cobalt", "nickel"], k=rng.randint(0, 1)))
            (notes / f"{i}.md").write_text(f"{frequent} {' '.join(rng.choices(vocabulary, k=5))} step{step}\n")
        assistant.add(notes)
    with open_assistant(tmp_path / "fresh", embedder="hash") as fresh:
        fresh.add(notes)
        for query in ("cobalt word1 word2", "nickel word3 cobalt", "step7 word0 nickel", "absent cobalt word6"):
            wanted = [(h.path, h.scores) for h in fresh.search(query, 8)]
            for as_of in (None, 8):
                found = assistant.search(query, 8, as_of=as_of)
                assert [h.path for h in found] == [path for path, _ in wanted]
                assert [h.score for h in found] == pytest.approx([s.fused for _, s in wanted], abs=1e-6)


NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", 15),
        ("yesterday", 14),
        ("3 days ago", 12),
        ("3d ago", 12),
        ("a week ago", 8),
        ("1w ago", 8),
        ("2026-03-02", 2),
        ("2026-03", 31),
    ],
)
def test_a_bare_day_means_its_end(text: str, day: int) -> None:
    found = moment(text, now=NOW)
    assert isinstance(found, datetime)
    local = found.astimezone()
    assert (local.month, local.day, local.hour, local.minute) == (3, day, 23, 59)


def test_hours_are_exact_and_numbers_are_versions() -> None:
    assert moment("2 hours ago", now=NOW) == NOW - timedelta(hours=2)
    assert moment("17", now=NOW) == 17
    with pytest.raises(NoSuchVersion, match="3 weeks ago"):
        moment("some day", now=NOW)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("90 days", 90), ("90d", 90), ("90 D", 90), ("2w", 14), ("3mo", 90), ("3 mos", 90), ("1y", 365), ("a year", 365),
        ("48h", 2), ("48 hours", 2), ("1440min", 1), ("86400s", 1), ("86400 sec", 1),
    ],
)  # fmt: skip
def test_lengths_of_time(text: str, days: int) -> None:
    assert span(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "90", "5m", "soon", "-3d", "1.5y", "3mo2d", "d"])
def test_lengths_of_time_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="give 90 days, 2w, 6mo or 1 year"):
        span(text)


# -- history


def test_history_follows_a_document_through_moves_and_names_each_text(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("one\n")
    assistant.add(notes)
    os.rename(notes / "a.md", notes / "b.md")
    assistant.add(notes)
    (notes / "b.md").write_text("two\n")
    assistant.add(notes)
    found = [(p.version.number, os.path.basename(p.path or ""), p.text) for p in assistant.history(notes / "b.md")]
    assert found == [(1, "a.md", "one\n"), (2, "b.md", "one\n"), (3, "b.md", "two\n")]


def test_a_long_history_reads_back_every_text_and_costs_little(assistant: Assistant, notes: Path) -> None:
    rng = random.Random(5)
    lines = [f"line {i}: " + " ".join(rng.choices(["alpha", "beta", "gamma", "delta"], k=9)) for i in range(300)]
    wanted = []
    for step in range(70):
        lines[rng.randrange(300)] = f"edited in step {step}"
        wanted.append("\n".join(lines) + "\n")
        (notes / "a.txt").write_text(wanted[-1])
        assistant.add(notes)
    assert [assistant.show(notes / "a.txt", as_of=i + 1) for i in range(70)] == wanted
    with assistant.knowledge_base.reading() as connection:
        row = connection.execute(
            "SELECT sum(length(text)), max(length(text)), count(base_id) FROM revisions"
        ).fetchone()
    whole = len(pack(wanted[-1].encode(), None))
    assert row[2] == 67  # the living one, and the two that every 32nd is kept whole
    assert row[0] < 3.2 * whole + 70 * 150


def test_packing_gives_back_what_was_packed() -> None:
    rng = random.Random(6)
    base = rng.randbytes(300_000)
    for data in (b"", b"x", base, base[:1000] + b"new" + base[5000:], rng.randbytes(10)):
        for against in (None, b"", base):
            assert unpack(pack(data, against), against) == data
    assert len(pack(base[:150_000] + b"new" + base[150_000:], base)) < 500
    with pytest.raises(ValueError, match="damaged"):
        unpack(b"not packed", None)


# -- pruning


def edited(assistant: Assistant, notes: Path, count: int) -> None:
    for step in range(count):
        (notes / "a.md").write_text(f"# A\n\nvalue {step}, once unique{step}\n")
        (notes / "b.md").write_text("# B\n\nnever changes\n")
        assistant.add(notes)


def test_prune_does_what_the_dry_run_said_and_the_rest_stays(assistant: Assistant, notes: Path) -> None:
    edited(assistant, notes, 6)
    said = assistant.pruning_plan(keep_last=2)
    assert (said.documents, said.revisions, said.passages, said.vectors) == (1, 3, 3, 3)
    assert assistant.show(notes / "a.md", as_of=1) == "# A\n\nvalue 0, once unique0\n"  # nothing was done
    done = assistant.prune(keep_last=2)
    assert done == said
    assert [f for f in assistant.check() if not f.is_well] == []
    with assistant.knowledge_base.reading() as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone()[0] == 4
        assert connection.execute("SELECT count(*) FROM revisions").fetchone()[0] == 4
    assert [p.text is None for p in assistant.history(notes / "a.md")] == [True, True, True, False, False, False]
    assert assistant.show(notes / "a.md", as_of=4) == "# A\n\nvalue 3, once unique3\n"
    assert {os.path.basename(h.path) for h in assistant.search("value", 5, as_of=1)} == {"b.md"}
    assert assistant.ask("What is the value?", as_of=1).verdict.pruned == 1
    assert "unique5" in assistant.search("value", 1)[0].text


def test_a_text_that_came_back_is_needed_still(assistant: Assistant, notes: Path) -> None:
    for text in ("first words here\n", "second words here\n", "first words here\n"):
        (notes / "a.md").write_text(text)
        assistant.add(notes)
    assert assistant.prune(keep_last=0).passages == 1
    assert texts(assistant) == {"a.md": "first words here\n"}
    assert assistant.search("first", 1, as_of=1) == ()  # that it lived in version 1 is pruned with its life
    assert len(assistant.search("first", 1)) == 1


def test_keep_for_counts_from_the_clock_of_the_versions(tmp_path: Path, notes: Path) -> None:
    with open_assistant(tmp_path / "kb2", embedder="hash") as assistant:
        clock = [datetime(2020, 1, 1, tzinfo=UTC)]
        assistant.knowledge_base._now = lambda: clock[0]
        for year in range(2020, 2025):
            clock[0] = datetime(year, 6, 1, tzinfo=UTC)
            (notes / "a.md").write_text(f"text of {year}\n")
            assistant.add(notes)
        assert assistant.pruning_plan(keep_for="2 years").revisions == 2  # replaced in June 2021 and June 2022
        assert assistant.prune(keep_for="10 years").lives == ()


def test_a_document_forgotten_everywhere_is_nowhere_in_the_files(tmp_path: Path, notes: Path) -> None:
    token = "zqxtokenthatisnowhereelse"
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        (notes / "a.md").write_text(f"# Title {token}\n\nBody with {token} and other words.\n")
        (notes / "b.md").write_text("# B\n\nother words stay\n")
        assistant.add(notes)
        (notes / "a.md").write_text(f"# Title {token}\n\nBody with {token} and newer words.\n")
        assistant.add(notes)
        os.rename(notes / "a.md", notes / "c.md")
        assistant.add(notes)
        assert _holds(tmp_path / "kb", token)
        done = assistant.forget_everywhere(notes / "c.md")
        assert (done.documents, done.is_complete) == (1, True)
        assert not _holds(tmp_path / "kb", token)
        assert [f for f in assistant.check() if not f.is_well] == []
        assistant.sync(may_retire=True)  # the file still lies there, and is held
        assert sorted(texts(assistant)) == ["b.md"]
        for number in (1, 2, 3, None):
            assert all(token not in hit.text for hit in assistant.search(token, 5, as_of=number))
    assert not _holds(tmp_path / "kb", token)


def test_a_reader_that_stands_in_the_way_makes_it_pending_and_the_next_opening_ends_it(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    token = "zqxtokenthatisnowhereelse"
    (notes / "a.md").write_text(f"# {token}\n\n{token}\n")
    (notes / "b.md").write_text("other\n")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes)
        with open_assistant(tmp_path / "kb", embedder="hash") as reader, reader.knowledge_base.reading():
            reader.knowledge_base.documents()
            assert not assistant.forget_everywhere(notes / "a.md").is_complete

    with open_assistant(tmp_path / "kb", embedder="hash"):
        pass
    assert not _holds(tmp_path / "kb", token)


def _holds(folder: Path, token: str) -> bool:
    return any(token.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_what_lives_cannot_be_erased(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("one\n")
    assistant.add(notes)
    living = [document.document_id for document in assistant.documents()]
    with pytest.raises(KnowledgeBaseBusy):
        assistant.knowledge_base.erase(living)
    assert texts(assistant) == {"a.md": "one\n"}


# -- a move whose halves are told apart


def id_of(assistant: Assistant, name: str) -> int:
    return next(d.document_id for d in assistant.documents() if os.path.basename(d.path) == name)


def test_a_file_that_is_back_elsewhere_a_moment_later_is_the_same_document(tmp_path: Path, notes: Path) -> None:
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    with open_assistant(tmp_path / "kb", embedder="hash", now=lambda: clock[0]) as assistant:
        for name in ("a.md", "b.md", "stays.md"):
            (notes / name).write_text("the same words\n" if name != "stays.md" else "others\n")
        assistant.add(notes)
        first = {name: id_of(assistant, name) for name in ("a.md", "b.md")}
        for name in first:
            (notes / name).unlink()
        assistant.add(notes)
        clock[0] += timedelta(minutes=9)
        (notes / "far").mkdir()
        for name in ("b.md", "c.md", "d.md"):  # one more than went
            (notes / "far" / name).write_text("the same words\n")
        done = assistant.add(notes)
        assert (done.added, done.moved) == (1, 2)
        assert id_of(assistant, "b.md") == first["b.md"]  # its name goes before
        assert {id_of(assistant, "c.md"), id_of(assistant, "d.md")} > {first["a.md"]}
        states = assistant.history(notes / "far" / "b.md")
        assert [past.path and os.path.relpath(past.path, notes) for past in states] == ["b.md", None, "far/b.md"]
        assert [os.path.basename(h.path) for h in assistant.search("same words", as_of=1, k=2)] == ["a.md", "b.md"]
        assert assistant.knowledge_base.lag().passages == 0
        assert [f for f in assistant.check() if not f.is_well] == []


def test_a_file_that_is_back_elsewhere_much_later_is_another_document(tmp_path: Path, notes: Path) -> None:
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    with open_assistant(tmp_path / "kb", embedder="hash", now=lambda: clock[0]) as assistant:
        for name in ("a.md", "stays.md"):
            (notes / name).write_text(f"words of {name}\n")
        assistant.add(notes)
        former = id_of(assistant, "a.md")
        (notes / "a.md").unlink()
        assistant.add(notes)
        clock[0] += timedelta(minutes=11)
        (notes / "b.md").write_text("words of a.md\n")
        assert assistant.add(notes).added == 1
        assert id_of(assistant, "b.md") != former


def test_a_copy_of_what_was_forgotten_is_another_document(assistant: Assistant, notes: Path) -> None:
    (notes / "a.md").write_text("words of a\n")
    assistant.add(notes)
    former = id_of(assistant, "a.md")
    assistant.forget(notes / "a.md")
    (notes / "copy.md").write_text("words of a\n")
    assistant.add(notes)
    assert id_of(assistant, "copy.md") != former
    assert assistant.status_of(notes / "a.md").state == "held"
