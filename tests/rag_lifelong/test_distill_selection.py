"""Which passages are distilled: those that stand, hold and are used; and why the others are not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill import Recipe
from rag_lifelong.distill.neighbours import neighbours
from rag_lifelong.distill.selection import Candidate, Count, Selection, select
from rag_lifelong.operations import Decide
from rag_lifelong.staleness import Rule
from rag_lifelong.store import ages, uses

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RECIPE = Recipe(min_age_days=7, min_versions=3, min_uses=2)
LAUNCH = "# Launch\n\nThe launch code is ZANZIBAR since Monday.\n\nThe launch is led by Ana Ruiz.\n"
CANTEEN = "# Canteen\n\nThe canteen is closed by Otto Lang at noon.\n"
CODE = "What is the launch code?"
LEADER = "By whom is the launch led?"
CLOSED = "By whom is the canteen closed?"


class Clock:
    """The time is what it is set to."""

    time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    (made / "launch.md").write_text(LAUNCH)
    (made / "canteen.md").write_text(CANTEEN)
    return made


@pytest.fixture
def assistant(tmp_path: Path, folder: Path, clock: Clock) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash", now=clock) as opened:
        opened.add(folder)
        yield opened


def ask(assistant: Assistant, question: str, file: str, *, is_good: bool | None = None) -> None:
    """In a chat of its own that is kept, of one document."""
    with assistant.chat() as talk:
        found = talk.ask(question, within=[file])
        assert not found.refused and [os.path.basename(c.path) for c in found.citations] == [file]
        if is_good is not None:
            talk.rate(is_good)


def plan(assistant: Assistant, *namespace: str, recipe: Recipe = RECIPE) -> Selection:
    return select(assistant, namespace=namespace, recipe=recipe)


def files(candidates: Sequence[Candidate]) -> list[str]:
    return [os.path.basename(one.path) for one in candidates]


def reasons(found: Selection) -> dict[str, str]:
    """File → why its only passage is passed over."""
    return {os.path.basename(one.path): why for one, why in found.passed_over}


def test_a_stable_passage_cited_once_is_chosen_with_all_that_is_known_of_it(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    ask(assistant, CODE, "launch.md")
    ask(assistant, LEADER, "launch.md", is_good=True)
    clock.time += 7 * DAY
    found = plan(assistant)
    revision = assistant.knowledge_base.document_at(str(folder / "launch.md"))
    assert revision is not None
    with assistant.knowledge_base.reading() as connection:
        digest = connection.execute(
            "SELECT digest FROM passages WHERE id = ?", (revision.placements[0].passage_id,)
        ).fetchone()[0]
    assert found.chosen == (
        Candidate(
            passage_id=revision.placements[0].passage_id,
            document_id=revision.document_id,
            revision_id=revision.id,
            digest=digest,
            path=str(folder / "launch.md"),
            label="",
            title="Launch",
            text=LAUNCH.strip(),
            start=0,
            end=len(LAUNCH.strip()),
            living_since=NOON,
            versions_unchanged=0,
            found=2,
            cited=2,
            good=1,
            bad=0,
            questions=(LEADER, CODE),
            answers=("Ana Ruiz", "ZANZIBAR"),
        ),
    )
    assert found.counts == (Count("never found; 2 wanted", 1, 1),)
    assert reasons(found) == {"canteen.md": "never found; 2 wanted"}
    assert (found.version, found.considered) == (1, 2)


def test_the_same_from_the_knowledge_base_alone(assistant: Assistant, clock: Clock) -> None:
    ask(assistant, CODE, "launch.md")
    clock.time += 7 * DAY
    found = select(assistant.knowledge_base, namespace=(), recipe=RECIPE)
    assert found == plan(assistant) and files(found.chosen) == ["launch.md"]


def test_stable_is_what_has_lived_for_so_many_days_and_not_an_hour_less(assistant: Assistant, clock: Clock) -> None:
    ask(assistant, CODE, "launch.md")
    assert reasons(plan(assistant))["launch.md"] == "changed today; stable after 7 days"
    clock.time += 7 * DAY - timedelta(hours=1)
    assert reasons(plan(assistant))["launch.md"] == "changed 6 days ago; stable after 7 days"
    clock.time += timedelta(hours=1)
    assert files(plan(assistant).chosen) == ["launch.md"]


def test_a_passage_that_was_gone_meanwhile_begins_anew(assistant: Assistant, folder: Path, clock: Clock) -> None:
    ask(assistant, CODE, "launch.md")
    clock.time += 10 * DAY
    assistant.forget(folder / "launch.md")
    clock.time += DAY
    assistant.undo()
    clock.time += DAY
    assert reasons(plan(assistant))["launch.md"] == "changed 1 day ago; stable after 7 days"


def test_a_passage_that_is_changed_is_another_one_that_nobody_asked_for(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    ask(assistant, CODE, "launch.md")
    clock.time += 10 * DAY
    (folder / "launch.md").write_text(LAUNCH.replace("ZANZIBAR", "MANDALAY"))
    assistant.sync()
    assert reasons(plan(assistant))["launch.md"] == "never found; 2 wanted"


def test_edits_of_its_document_that_leave_it_as_it_is_make_a_passage_stable(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    long = "\n\n".join(f"Paragraph {n} speaks of gardens and of rivers that flow to the sea." for n in range(60))
    for edit in range(4):  # the first is no edit
        (folder / "launch.md").write_text(f"{LAUNCH}\n{long}\n\n## Log\n\nRehearsal {edit} went well.\n")
        (folder / "other.md").write_text(f"Version {edit} of the knowledge base.\n")
        assistant.sync()
        if not edit:
            ask(assistant, CODE, "launch.md")
        chosen = plan(assistant, "launch.md").chosen
        assert [one.text.startswith("# Launch") for one in chosen] == ([True] if edit == 3 else [])
    assert [one.versions_unchanged for one in chosen] == [3]
    for edit in range(5):  # of the knowledge base, not of the document
        (folder / "other.md").write_text(f"Again {edit}.\n")
        assistant.sync()
    assert [one.versions_unchanged for one in plan(assistant, "launch.md").chosen] == [3]


def test_a_document_read_again_by_another_program_was_not_edited(assistant: Assistant, folder: Path) -> None:
    with assistant.knowledge_base.reading() as connection:
        owner = connection.execute("SELECT document_id FROM locations WHERE path = 'launch.md'").fetchone()[0]
    for text in (LAUNCH + "One.\n", LAUNCH + "Two.\n"):
        (folder / "launch.md").write_text(text)
        assistant.sync()
    with assistant.knowledge_base._database.transaction() as connection:
        assert ages.edits(connection)[owner] == [2, 3]
        connection.execute(  # the third has the bytes of the second
            "UPDATE revisions SET digest = (SELECT r.digest FROM revisions r JOIN revision_lives v ON r.id = "
            "v.revision_id WHERE v.document_id = :d AND v.born = 2) WHERE id = "
            "(SELECT revision_id FROM revision_lives WHERE document_id = :d AND born = 3)",
            {"d": owner},
        )
        assert ages.edits(connection)[owner] == [2]


def test_found_counts_once_and_cited_once_more(assistant: Assistant, clock: Clock) -> None:
    clock.time += 7 * DAY
    with assistant.chat() as talk:
        found = talk.ask(CODE)  # looked for in both; only one of them is cited
        assert files_of(found.citations) == ["launch.md"] and len(assistant.last_hits) == 2
    assert reasons(plan(assistant)) == {"canteen.md": "found once; 2 wanted"}
    assert files(plan(assistant).chosen) == ["launch.md"]
    assert reasons(plan(assistant, recipe=Recipe(min_uses=3))) == {
        "canteen.md": "found once; 3 wanted",
        "launch.md": "found once and cited once; 3 wanted",
    }
    with assistant.chat() as talk:
        talk.ask(LEADER)
    assert files(plan(assistant).chosen) == ["launch.md", "canteen.md"]


def files_of(citations: Sequence[object]) -> list[str]:
    return [os.path.basename(str(getattr(one, "path", ""))) for one in citations]


def test_only_the_passage_that_holds_the_words_is_cited(assistant: Assistant, folder: Path) -> None:
    long = "\n\n".join(f"Paragraph {n} speaks of gardens and of rivers that flow to the sea." for n in range(60))
    (folder / "canteen.md").write_text(f"# House\n\n{long}\n\n## Canteen\n\nThe canteen is closed by Otto Lang.\n")
    assistant.sync()
    ask(assistant, CLOSED, "canteen.md")
    holding = [hit.passage_id for hit in assistant.last_hits if "Otto Lang" in hit.text]
    assert len(holding) == 1 and len(assistant.last_hits) > 1
    with assistant.knowledge_base.reading() as connection:
        assert [(one.passage_id, one.quote, one.short) for one in uses.cited(connection)] == [
            (holding[0], "The canteen is closed by Otto Lang.", "Otto Lang")
        ]


def test_only_the_best_hits_count_as_found(assistant: Assistant, folder: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (folder / f"{name}.md").write_text(f"The garden {name} is closed in winter.\n")
    assistant.sync()
    with assistant.chat() as talk:
        assert not talk.ask(CODE).refused
    best = [hit.passage_id for hit in assistant.last_hits[: uses.BEST]]
    assert len(assistant.last_hits) == 6 and uses.BEST == 3
    with assistant.knowledge_base.reading() as connection:
        assert uses.found(connection) == dict.fromkeys(best, 1)


def test_a_refusal_uses_nothing(assistant: Assistant) -> None:
    with assistant.chat() as talk:
        assert talk.ask("What is the launch budget of Peru?").refused and assistant.last_hits
    with assistant.knowledge_base.reading() as connection:
        assert (uses.found(connection), uses.cited(connection)) == ({}, [])


def test_one_answer_said_to_be_good_is_enough(assistant: Assistant, clock: Clock) -> None:
    clock.time += 7 * DAY
    ask(assistant, CODE, "launch.md")
    ask(assistant, CLOSED, "canteen.md", is_good=True)
    assert files(plan(assistant, recipe=Recipe(min_uses=10)).chosen) == ["canteen.md"]


def test_what_the_user_called_wrong_is_passed_over_however_often_it_was_good(
    assistant: Assistant, clock: Clock
) -> None:
    clock.time += 7 * DAY
    ask(assistant, CODE, "launch.md", is_good=False)
    for _ in range(3):
        ask(assistant, LEADER, "launch.md", is_good=True)
    found = plan(assistant)
    assert found.chosen == () and reasons(found)["launch.md"] == "an answer from it was marked /bad once"
    shown = next(one for one, _ in found.passed_over if one.title == "Launch")
    assert (shown.found, shown.cited, shown.good, shown.bad) == (4, 4, 3, 1)
    assert (shown.questions, shown.answers) == ((LEADER,), ("Ana Ruiz",))  # not the one whose answer was wrong


def test_a_question_leaning_on_those_before_counts_as_it_stands_alone(assistant: Assistant, clock: Clock) -> None:
    clock.time += 7 * DAY
    with assistant.chat() as talk:
        talk.ask(CODE, within=["launch.md"])
        assert not talk.ask("And by whom is it led?", within=["launch.md"]).refused
        asked_as = talk.turns[-1].asked_as
    assert "launch" in asked_as  # else the test tells nothing
    (chosen,) = plan(assistant).chosen
    assert dict(zip(chosen.questions, chosen.answers, strict=True)) == {CODE: "ZANZIBAR", asked_as: "Ana Ruiz"}


def test_an_answer_removed_with_its_source_is_no_use_of_another(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    clock.time += 7 * DAY
    with assistant.chat() as talk:
        talk.ask(CODE)
        talk.ask(LEADER)
    assert files(plan(assistant).chosen) == ["launch.md", "canteen.md"]
    assistant.forget_everywhere(folder / "launch.md")
    found = plan(assistant)
    assert (found.chosen, reasons(found)) == ((), {"canteen.md": "never found; 2 wanted"})


def test_what_holds_no_longer_is_passed_over(assistant: Assistant, folder: Path, clock: Clock) -> None:
    (folder / "launch.md").write_text(f"---\ndate: 2026-01-01\n---\n\n{LAUNCH}")
    (folder / "old.md").write_text("# Visits\n\nThe visit is led by Eva Klein.\n")
    (folder / "new.md").write_text("# Visits\n\nThe visit is led by Karl Braun.\n")
    (folder / "gone.md").write_text("---\nStatus: Withdrawn\n---\n\n# Tours\n\nThe tour is led by Ines Sol.\n")
    assistant.sync()
    ask(assistant, LEADER, "launch.md", is_good=True)
    ask(assistant, CLOSED, "canteen.md", is_good=True)
    ask(assistant, "By whom is the visit led?", "old.md", is_good=True)
    ask(assistant, "By whom is the tour led?", "gone.md", is_good=True)
    clock.time += 7 * DAY
    assert sorted(files(plan(assistant).chosen)) == ["canteen.md", "launch.md", "old.md"]
    ids = {os.path.basename(d.path): d.document_id for d in assistant.documents()}
    decision = Decide(old=ids["old.md"], new=ids["new.md"], decision="confirmed", evidence="said so")
    assistant.knowledge_base.commit([decision], cause="supersede")
    assistant.knowledge_base.rules = (Rule("launch.md", time_to_live=60 * DAY),)
    found = plan(assistant)
    assert files(found.chosen) == ["canteen.md"]
    assert reasons(found) == {
        "launch.md": "stale since 2026-03-02",
        "old.md": "superseded by new.md",
        "gone.md": "its header says Status: Withdrawn",
        "new.md": "never found; 2 wanted",
    }


def test_what_was_told_to_the_assistant_stays_in_the_index(assistant: Assistant, clock: Clock, tmp_path: Path) -> None:
    assistant.remember("The password of the printer is OTTER.")
    assistant.remember("always answer in German", always=True)
    with assistant.chat() as talk:
        assert "OTTER" in talk.ask("What is the password of the printer?").text
        talk.rate(True)
    clock.time += 7 * DAY
    found = plan(assistant, str(tmp_path / "kb"))
    assert found.counts == (Count("a note to the assistant; such stay in the index", 1, 1),)
    assert (found.chosen, found.considered) == ((), 1)  # preferences have no passages


def test_only_the_namespace_is_looked_at(assistant: Assistant, folder: Path, clock: Clock) -> None:
    (folder / "peps").mkdir()
    (folder / "peps" / "one.md").write_text("# Guide\n\nThe guide is led by Nina Falk.\n")
    assistant.sync()
    ask(assistant, CODE, "launch.md")
    clock.time += 7 * DAY
    found = plan(assistant, "peps")
    assert (found.chosen, found.considered, reasons(found)) == ((), 1, {"one.md": "never found; 2 wanted"})
    assert files(plan(assistant, "peps", "launch.md").chosen) == ["launch.md"]


def test_of_more_than_fit_the_most_used_are_chosen(assistant: Assistant, folder: Path, clock: Clock) -> None:
    (folder / "guide.md").write_text("# Guide\n\nThe guide is led by Nina Falk.\n")
    assistant.sync()
    for times, question, file in ((1, CODE, "launch.md"), (3, "By whom is the guide led?", "guide.md")):
        for _ in range(times):
            ask(assistant, question, file)
    ask(assistant, CLOSED, "canteen.md", is_good=True)
    clock.time += 7 * DAY
    assert files(plan(assistant).chosen) == ["guide.md", "canteen.md", "launch.md"]
    few = plan(assistant, recipe=Recipe(max_passages=2))
    assert files(few.chosen) == ["guide.md", "canteen.md"]
    assert reasons(few) == {"launch.md": "used less than the 2 that are chosen, which is the most"}


def test_reasons_are_counted_the_most_frequent_first_with_three_examples(assistant: Assistant, folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}.md").write_text(f"The house {number} is empty.\n")
    assistant.sync()
    ask(assistant, CODE, "launch.md")
    found = plan(assistant)
    assert found.counts == (
        Count("never found; 2 wanted", 6, 6),
        Count("changed today; stable after 7 days", 1, 1),
    )
    assert [why for _, why in found.passed_over] == ["never found; 2 wanted"] * 3 + [
        "changed today; stable after 7 days"
    ]


def test_an_empty_knowledge_base_has_nothing_to_select(tmp_path: Path, clock: Clock) -> None:
    with open_assistant(tmp_path / "empty", embedder="hash", now=clock) as opened:
        found = plan(opened)
        assert found == Selection((), (), (), 0, 0)
        assert neighbours(opened, found.chosen, RECIPE) == ()


def test_neighbours_are_the_nearest_outside_other_documents_first_and_no_copies(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    (folder / "copy.md").write_text(LAUNCH.replace("# Launch", "# Launch again"))
    long = "\n\n".join(f"Paragraph {n} of the launch speaks of gardens and rivers." for n in range(60))
    (folder / "launch.md").write_text(f"{LAUNCH}\n{long}\n")
    (folder / "landing.md").write_text("# Landing\n\nThe landing code is TIMBUKTU since Tuesday.\n")
    assistant.sync()
    ask(assistant, CODE, "launch.md")
    clock.time += 7 * DAY
    found = plan(assistant)
    assert [one.start for one in found.chosen] == [0] and files(found.chosen) == ["launch.md"]
    near = neighbours(assistant, found.chosen, RECIPE)
    ranked = [hit for hit in assistant.search(CODE, 12) if hit.passage_id != found.chosen[0].passage_id]
    others = [hit.passage_id for hit in ranked if os.path.basename(hit.path) in ("landing.md", "canteen.md")]
    own = [hit.passage_id for hit in ranked if os.path.basename(hit.path) == "launch.md"]
    assert (len(others), len(own)) == (2, 2) and len(ranked) == 5  # the fifth is the copy
    assert [one.passage_id for one in near] == [*others, *own]
    with assistant.knowledge_base.reading() as connection:
        alive = {p.passage_id: p.since for p in ages.living(connection)}
    assert [one.living_since for one in near] == [alive[one.passage_id] for one in near]


def test_neighbours_are_as_many_as_are_chosen_but_eight_at_least(
    assistant: Assistant, folder: Path, clock: Clock
) -> None:
    names = "Anna Boris Carla David Edith Frank Greta Hanno Irene Jakob Klara Linus Maria Nadja Olga Peter".split()
    for number, name in enumerate(names):
        (folder / f"{number}.md").write_text(f"# House {name}\n\nThe house of {name} is led by {name} Falk.\n")
    assistant.sync()
    ask(assistant, CODE, "launch.md")
    clock.time += 7 * DAY
    assert len(neighbours(assistant, plan(assistant).chosen, RECIPE)) == 8
    for _ in range(2):
        ask(assistant, LEADER, "launch.md")
        ask(assistant, CLOSED, "canteen.md")
    for number in range(7):
        ask(assistant, "By whom is the house led?", f"{number}.md")
    assert len(plan(assistant).chosen) == 9
    assert len(neighbours(assistant, plan(assistant).chosen, RECIPE)) == 9  # of nine more there are
