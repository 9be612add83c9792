"""Evaluating a knowledge base on its own history: figures worked out by hand, and damage that the right one shows."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.cli import main
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.errors import NothingToEvaluate
from rag_lifelong.evaluate import Evaluation, evaluate, own
from rag_lifelong.evaluate.metrics import Mean, Share, difference, mean, recalled, reciprocal
from rag_lifelong.evaluate.past import lines_only_in, turns
from rag_lifelong.evaluate.present import dilution
from rag_lifelong.evaluate.queries import query_of
from rag_lifelong.index import VectorIndex
from rag_lifelong.staleness import Rule
from rag_lifelong.store import documents, revisions, versions, words
from rag_lifelong.store.revisions import Revision
from rag_lifelong.terminal import evaluation
from rag_lifelong.terminal.style import Style

TOPICS = "harbour glacier orchard violin kiln lantern meadow quarry saddle tunnel".split()


def page(topic: str, edition: str) -> str:
    """A document of three sections; what an edition says of its topic stands nowhere else."""
    filler = f"The {topic} chapter keeps general remarks about {topic} keeping, seasons, visitors and repairs.\n"
    return (
        f"# {topic.title()}\n\n## Ownership\n\nThe {topic} ledger of edition {edition} is signed by warden {edition}{topic}.\n\n"
        f"## Remarks\n\n{filler * 12}\n## Closing\n\nEvery {topic} report ends with thanks to volunteers, neighbours and clerks.\n"
    )


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path, place: Path) -> Iterator[Assistant]:
    """Ten documents; every second one was edited twice."""
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(64)) as opened:
        for edition in ("first", "second", "third"):
            for i, topic in enumerate(TOPICS):
                if edition == "first" or i % 2 == 0:
                    (notes / f"{topic}.md").write_text(page(topic, edition), encoding="utf-8")
            opened.add(notes)
        yield opened


def test_rules_and_decisions_rank_alike_in_one_built_in_go(assistant: Assistant, notes: Path) -> None:
    assistant.set_rule(Rule("h*", half_life=timedelta(days=30)))
    assistant.set_rule(Rule("glacier.md", time_to_live=timedelta(days=1), past="down"))
    old = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    for name in ("harbour.md", "glacier.md"):
        (notes / name).write_text(page(name[:-3], "fourth"), encoding="utf-8")
        os.utime(notes / name, (old, old))
    assistant.add(notes)
    assistant.supersede(notes / "orchard.md", notes / "violin.md")
    found = evaluate(assistant)
    assert found.equality.rankings.count == found.equality.rankings.total > 0
    assert found.equality.documents.count == 10
    assert found.equality.tied * 4 < found.equality.rankings.total  # without them nearly all had other scores


def names(found: Evaluation, kind: str) -> list[str]:
    return [Path(one.name).name for one in found.equality.differences if one.kind == kind]


# -- figures


def test_wilsons_interval_as_tables_have_it() -> None:
    assert Share(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Share(0, 10).interval == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert Share(10, 10).interval == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert (Share(0, 0).value, Share(0, 0).interval) == (None, None)


def test_means_and_paired_differences_with_their_intervals() -> None:
    assert mean([0.5] * 7, rng=random.Random(0)) == Mean(0.5, (0.5, 0.5), 7)
    assert mean([], rng=random.Random(0)) == Mean(None, None, 0)
    found = mean([0.0, 1.0] * 200, rng=random.Random(0))
    assert found.interval == pytest.approx((0.451, 0.549), abs=0.01)  # 0.5 ± 1.96 · 0.5 / √400
    assert difference([1.0, 0.5], [0.5, 0.5], rng=random.Random(0)).value == 0.25


def test_recall_and_reciprocal_rank_by_hand() -> None:
    assert [recalled(rank, 5) for rank in (1, 5, 6, None)] == [1.0, 1.0, 0.0, 0.0]
    assert [reciprocal(rank) for rank in (1, 4, None)] == [1.0, 0.25, 0.0]


def test_dilution_compares_the_same_queries() -> None:
    found = dilution([1, 6, None, 2], [1, 2, 4, 2], passed_over=0, seed=0)
    assert (found.here.recall, found.fresh.recall) == (Share(2, 4), Share(4, 4))
    assert found.here.mrr.value == pytest.approx((1 + 1 / 6 + 0 + 1 / 2) / 4)
    assert found.recall_difference.value == -0.5
    assert found.mrr_difference.value == pytest.approx((1 / 6 - 1 / 2 - 1 / 4) / 4)


# -- what is asked


def test_a_query_takes_the_rarest_words_in_their_order() -> None:
    rarity = {word: count for count, word in enumerate("zeta eta theta iota kappa lambda mu nu xi omicron".split())}
    text = "The omicron, xi, nu and zeta of lambda; eta theta iota kappa mu!"
    assert query_of(text, lambda term: rarity.get(term, 0)) == "nu zeta lambda eta theta iota kappa mu"
    assert query_of("It is the omicron of xi and of nu.", lambda term: 1) is None


def test_a_line_wrapped_otherwise_is_no_change(assistant: Assistant, notes: Path) -> None:
    note = notes / "harbour.md"
    note.write_text("alpha beta\ngamma delta\nold words\n", encoding="utf-8")
    assistant.add(notes)
    note.write_text("alpha beta gamma\ndelta\nnew  words\n", encoding="utf-8")
    assistant.add(notes)
    with assistant.knowledge_base.reading() as connection:
        last = turns(connection)[-1]
        before, after = (revisions.read(connection, i) for i in (last.before_id, last.after_id))
    assert lines_only_in(before, after) == ["old words"]
    assert lines_only_in(after, before) == ["new words"]


# -- a knowledge base that is well


def test_a_sound_one_knows_what_was_and_equals_a_fresh_one(assistant: Assistant) -> None:
    found = evaluate(assistant)
    assert found.retention is not None
    assert (found.retention.changes, found.retention.sampled, found.retention.passed_over) == (10, 10, 0)
    assert (found.retention.former, found.retention.new, found.retention.stale) == (
        Share(10, 10),
        Share(10, 10),
        Share(0, 10),
    )
    assert found.equality.documents == Share(10, 10)
    assert found.equality.rankings.value == 1.0 and found.equality.rankings.total > 20
    assert (found.equality.differences, found.equality.older, found.equality.waiting) == ((), (), 0)
    assert found.dilution.recall_difference.value == 0.0
    assert found.dilution.here == found.dilution.fresh
    assert found.is_well
    assert evaluate(assistant) == found  # the same seed draws the same


def test_random_histories_equal_a_fresh_build(tmp_path: Path, notes: Path) -> None:
    rng = random.Random(7)
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(64)) as assistant:
        for turn in range(12):
            for topic in rng.sample(TOPICS, 3):
                note = notes / f"{topic}.md"
                if note.exists() and rng.random() < 0.3:
                    note.unlink()
                else:
                    note.write_text(page(topic, rng.choice("abcd") * 4) + f"\nTurn {turn}.\n", encoding="utf-8")
            if any(notes.iterdir()):
                assistant.add(notes, may_retire=True)
            if turn % 4 == 3:
                assistant.undo()
        found = evaluate(assistant, samples=20, seed=1)
    assert found.equality.differences == ()
    assert found.retention is not None and found.retention.stale.count == 0


def test_without_a_change_the_past_is_not_measured(tmp_path: Path, notes: Path) -> None:
    (notes / "a.md").write_text(page("harbour", "first"), encoding="utf-8")
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(64)) as assistant:
        assistant.add(notes)
        found = evaluate(assistant)
    assert found.retention is None and found.is_well
    assert found.equality.documents == Share(1, 1)


def test_an_empty_one_says_how_to_begin(tmp_path: Path) -> None:
    with open_assistant(tmp_path / "kb", embedder=HashEmbedder(64)) as assistant:
        with pytest.raises(NothingToEvaluate, match="lifelong add FOLDER"):
            evaluate(assistant)
        with pytest.raises(ValueError, match="at least 1"):
            evaluate(assistant, samples=0)


def test_nothing_is_written_and_nothing_stays(assistant: Assistant, place: Path) -> None:
    def dump() -> list[str]:
        with assistant.knowledge_base.reading() as connection:
            return list(connection.iterdump())

    def files() -> dict[str, int]:
        folder = assistant.knowledge_base.path
        return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}

    before = dump(), files()
    evaluate(assistant)
    assert (dump(), files()) == before
    assert list(place.iterdir()) == []


def test_after_an_interrupt_nothing_stays_either(assistant: Assistant, place: Path) -> None:
    seen = []

    def stop(done: int, total: int) -> None:
        seen.extend(place.iterdir())
        if seen and done > total - 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(assistant, tell=stop)
    assert seen
    assert list(place.iterdir()) == []


def test_what_waits_for_vectors_is_compared_by_words_and_not_embedded(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    with base._database.transaction() as connection:
        connection.execute("DELETE FROM vectors")
        connection.execute(
            "INSERT INTO pending (embedder_id, digest, passage_id) SELECT ?, digest, max(id) FROM passages GROUP BY digest",
            (base._sets.now()[0].embedder_id,),
        )
        versions.log(connection, "pruned", 0, 0)
    found = evaluate(assistant)
    assert found.equality.waiting == found.passages
    assert found.is_well
    assert base.lag().passages > 0


def test_what_an_older_parser_made_is_named_and_no_fault(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    with base._database.transaction() as connection:
        connection.execute("UPDATE revisions SET parser_version = 0 WHERE id = ?", (living(assistant, "kiln.md").id,))
    found = evaluate(assistant)
    assert [Path(path).name for path in found.equality.older] == ["kiln.md"]
    assert found.is_well


# -- damage


def living(assistant: Assistant, name: str) -> Revision:
    with assistant.knowledge_base.reading() as connection:
        for location in documents.locations(connection, versions.latest_number(connection)):
            if location.path == name:
                found = revisions.living(connection)[location.document_id]
                return revisions.read(connection, found)
    raise AssertionError(name)


def test_a_dead_passage_among_the_living_words_is_stale(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    with base.reading() as connection:
        turn = next(turn for turn in turns(connection) if turn.document_id == living(assistant, "kiln.md").document_id)
        former = revisions.read(connection, turn.before_id)
    now = {p.passage_id for p in living(assistant, "kiln.md").placements}
    dead = next(p for p in former.placements if p.passage_id not in now)
    with base._database.transaction() as connection:
        row = words.row(dead.passage_id, context=dead.context, text=former.text[dead.start : dead.end])
        words.raise_again(connection, [row])
    found = evaluate(assistant)
    assert found.retention is not None
    # both questions about the kiln's former editions come upon it, unless the living are at hand by then
    assert found.retention.stale in (Share(1, 10), Share(2, 10))
    assert all(query.startswith("kiln ledger edition") for query in found.retention.stale_queries)
    assert names(found, "index") == ["words"]  # rankings are by the words of what lives
    assert found.equality.documents == Share(10, 10)
    assert not found.is_well


def test_a_placement_off_by_one_is_a_document_that_differs(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    revision = living(assistant, "violin.md")
    first, *others = revision.placements
    with base._database.transaction() as connection:
        shifted = (replace(first, end=first.end - 1), *others)
        revisions.write_parts(connection, revision.id, marks=revision.marks, text=revision.text, placements=shifted)
    found = evaluate(assistant)
    assert names(found, "document") == ["violin.md"]
    assert found.equality.differences[0].message == "1 of 2 passages are cut otherwise than they would be now"
    assert found.equality.documents == Share(9, 10)
    assert not found.is_well


def test_a_wrong_label_is_a_document_that_differs(assistant: Assistant) -> None:
    base = assistant.knowledge_base
    revision = living(assistant, "violin.md")
    wrong = tuple(replace(p, label="Elsewhere") for p in revision.placements)
    with base._database.transaction() as connection:
        revisions.write_parts(connection, revision.id, marks=revision.marks, text=revision.text, placements=wrong)
    found = evaluate(assistant)
    assert [one.message for one in found.equality.differences if one.kind == "document"] == ["other labels"]


def test_wrong_vectors_in_the_index_are_rankings_that_differ(tmp_path: Path, notes: Path, assistant: Assistant) -> None:
    folder = assistant.knowledge_base.path
    assistant.rebuild()
    assistant.close()
    embedder = HashEmbedder(64)
    place = folder / "index" / "1"
    index = VectorIndex.load(place, dim=64, fingerprint=embedder.fingerprint)
    assert index is not None
    wrong = VectorIndex(dim=64, fingerprint=embedder.fingerprint)
    wrong.add(index.ids, np.roll(index.vectors(), 1, axis=0))
    wrong.position = index.position
    (place / "current.json").unlink()
    assert wrong.save(place)
    with open_assistant(folder, embedder=embedder) as damaged:
        found = evaluate(damaged)
        assert names(found, "index") == ["vectors"]
        assert found.equality.rankings.count < found.equality.rankings.total
        assert not found.is_well
        damaged.rebuild()
        assert evaluate(damaged).is_well


def test_a_former_passage_that_was_lost_lowers_what_is_found_as_of_then(assistant: Assistant) -> None:
    with assistant.knowledge_base._database.transaction() as connection:
        connection.execute("DELETE FROM passage_lives WHERE died IS NOT NULL")
    found = evaluate(assistant)
    assert found.retention is not None
    assert found.retention.former == Share(0, 10)
    assert found.retention.new == Share(5, 10)  # the second edition is a former one too


# -- the command


def filled(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "own"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    for edition in ("first", "second"):
        (notes / "kiln.md").write_text(page("kiln", edition), encoding="utf-8")
        assert main(["-q", "add", str(notes)]) == 0
    return tmp_path / "own"


def test_the_command_prints_a_table_and_json(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path, notes, monkeypatch)
    capsys.readouterr()
    assert main(["-q", "evaluate"]) == 0
    out, err = capsys.readouterr()
    assert "  former line, as of just before        100.0%   1 of 1   95 %: 20.7% to 100.0%\n" in out
    assert "  stale now (must be 0)                   0.0%   0 of 1   95 %: 0.0% to 79.3%\n" in out
    assert "  documents equal                       100.0%   1 of 1" in out
    assert "NOT WELL" not in out
    assert err == ""
    assert main(["evaluate", "--json", "-k", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["well"] is True and found["remedy"] is None
    assert found["past"]["former_line_as_of_before"]["count"] == 1
    assert found["rebuilt"]["differences"] == []


def test_the_command_says_loudly_what_is_not_well_and_what_mends_it(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kb = filled(tmp_path, notes, monkeypatch)
    with open_assistant(kb) as assistant, assistant.knowledge_base._database.transaction() as connection:
        words.clear(connection)
    capsys.readouterr()
    assert main(["evaluate"]) == 1
    out = capsys.readouterr().out
    assert "NOT WELL: the indexes do not hold what the store does.\n  words: hold 0 dead passages, and lack" in out
    assert "\nTo mend it: lifelong rebuild" in out
    assert main(["-q", "rebuild"]) == 0
    assert main(["-q", "evaluate"]) == 0


def test_the_command_without_a_history_and_without_anything(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "own"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    assert main(["evaluate"]) == 1
    assert "begin with: lifelong add FOLDER" in capsys.readouterr().err
    (notes / "kiln.md").write_text(page("kiln", "first"), encoding="utf-8")
    main(["-q", "add", str(notes)])
    capsys.readouterr()
    assert main(["evaluate"]) == 0
    assert "no change in the history yet" in capsys.readouterr().out
    main(["-q", "forget", str(notes)])
    capsys.readouterr()
    assert main(["evaluate"]) == 1
    assert "lifelong: the knowledge base holds no document to ask for" in capsys.readouterr().err


def test_an_interrupt_of_the_command_leaves_nothing(
    tmp_path: Path, notes: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path, notes, monkeypatch)

    def interrupted(*args: object, **kwargs: object) -> str:
        assert list(place.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(own, "ranking_differs", interrupted)
    capsys.readouterr()
    assert main(["evaluate"]) == 130
    assert capsys.readouterr().err == "Stopped. Nothing was left behind.\n"
    assert list(place.iterdir()) == []


def test_what_a_document_says_cannot_drive_the_terminal(assistant: Assistant) -> None:
    found = evaluate(assistant)
    assert found.retention is not None
    hostile = replace(found, retention=replace(found.retention, stale=Share(1, 10), stale_queries=("\x1b[31mred",)))
    plain = Style(has_colors=False, has_links=False, width=None, editor_uri="")
    assert "\x1b" not in evaluation.as_text(hostile, plain)
