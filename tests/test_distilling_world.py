"""The made-up world of `benchmarks.distilling`, its language, and what the small model was shown of it."""

from __future__ import annotations

import random
import re
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.distilling import examples, lived, results, tokens, wordings, world
from benchmarks.distilling.wordings import Kind
from benchmarks.distilling.world import Asking, Change, Fact, Note
from rag_lifelong.distill import prompts
from rag_lifelong.generate import Message

KOSVEN = Note(
    path="people/bakfun.md",
    subject="Bakfun",
    kind=Kind.PERSON,
    facts=(
        Fact("Bakfun", "home", "Bektera"),
        Fact("Bakfun", "ship", "Baknuth"),
        Fact("Bakfun", "job", "smith"),
    ),
    told=(0, 1, 2),
)


def test_a_note_tells_its_facts_in_the_sentences_that_were_chosen() -> None:
    assert KOSVEN.text == (
        "# Bakfun\n\nBakfun lives in Bektera. The ship Baknuth belongs to Bakfun. Bakfun earns a living as a smith."
    )
    assert {relation.name for relation in KOSVEN.missing()} == {"birth", "colour", "dish", "guild", "teacher"}


def test_questions_about_a_fact_are_answered_by_it_both_ways() -> None:
    home, ship, _ = KOSVEN.facts
    asked = world.forward(home, is_reserved=False)
    assert asked[0].text == "Where does Bakfun live?"
    assert {(one.answer, one.asking) for one in asked} == {("Bektera", Asking.FORWARD)}
    assert [one.text for one in world.forward(home, is_reserved=True)] == [
        "In which town is the home of Bakfun?",
        "What is the home of Bakfun?",
        "Bakfun has which home?",
    ]
    assert [(one.text, one.answer) for one in world.reverse(ship, is_reserved=True)] == [
        ("To whom does Baknuth belong?", "Bakfun"),
        ("Which person owns the ship Baknuth?", "Bakfun"),
    ]
    assert world.reverse(home, is_reserved=False) == []  # many may live in one town


def test_what_a_note_does_not_tell_is_asked_of_its_subject_and_refused() -> None:
    asked = world.unanswerable(KOSVEN, is_reserved=True)
    assert {one.answer for one in asked} == {"Your sources do not say."}
    texts = [one.text for one in asked]
    assert "Bakfun was born when?" in texts
    assert "Which ship belongs to Bakfun?" not in texts


def test_one_seed_is_one_world() -> None:
    assert world.draw_world(5, people=20, places=8) == world.draw_world(5, people=20, places=8)
    assert world.draw_world(5, people=20, places=8) != world.draw_world(6, people=20, places=8)


def test_the_seed_of_the_test_comes_from_the_code_and_the_run() -> None:
    found = {world.world_seed(digest, number) for digest in ("ab", "ac") for number in (1, 2)}
    assert len(found) == 4
    assert world.world_seed("ab", 1) in found


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_the_other_way_round_has_one_answer(seed: int) -> None:
    drawn = world.draw_world(seed, people=150, places=40)
    for _ in range(world.ROUNDS):
        for name, relation in wordings.BY_NAME.items():
            if relation.reverse:
                values = Counter(fact.value for fact in drawn.facts() if fact.relation == name)
                assert values.most_common(1)[0][1] == 1, name
        drawn = world.edited(drawn)


def test_a_subject_has_one_note_and_a_relation_once() -> None:
    drawn = world.draw_world(4, people=150, places=40)
    assert len({note.path for note in drawn.notes}) == len({note.subject for note in drawn.notes}) == 190
    assert max(Counter((fact.subject, fact.relation) for fact in drawn.facts()).values()) == 1


def test_edits_are_all_that_differs_between_two_rounds() -> None:
    before = world.draw_world(4, people=60, places=20)
    seen: Counter[Change] = Counter()
    for _ in range(world.ROUNDS):
        after = world.edited(before, share=0.1)
        gone = {edit.before for edit in after.edits if edit.before is not None}
        come = {edit.after for edit in after.edits if edit.after is not None}
        assert set(after.facts()) == (set(before.facts()) - gone) | come
        assert gone <= set(before.facts())
        assert not come & set(before.facts())
        for edit in after.edits:
            if edit.change is Change.CHANGED:
                assert edit.before is not None
                assert edit.after is not None
                assert (edit.before.subject, edit.before.relation) == (edit.after.subject, edit.after.relation)
        seen.update(edit.change for edit in after.edits)
        before = after
    # a tenth of 80 notes in the first round, a tenth of what there are then later
    assert seen[Change.CHANGED] >= 40
    assert seen[Change.DELETED] >= 40
    assert seen[Change.NEW] >= 80


def test_written_notes_are_the_world_also_after_an_edit(tmp_path: Path) -> None:
    drawn = world.draw_world(4, people=12, places=5, facts=(1, 1))  # so that a deleted fact takes its note with it
    for each in (drawn, world.edited(drawn, share=0.3)):
        each.write(tmp_path)
        found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.md")}
        assert found == {note.path: note.text + "\n" for note in each.notes}


def _pattern(template: str) -> str:
    return re.escape(template).replace(r"\{s\}", "[A-Z][a-z]+").replace(r"\{v\}", r"\w+")


def test_no_reserved_wording_is_in_what_the_model_is_trained_on() -> None:
    kept = [text for one in wordings.RELATIONS for text in (*one.reserved, *one.reverse_reserved)]
    kept += [text for one in wordings.GENERAL for text in one.reserved]
    pattern = re.compile("|".join(rf"(?:^|\n|: )(?:{_pattern(text)})" for text in kept))
    rng = random.Random(3)
    for is_reserved in (True, False):
        trees = [examples.draw_tree(rng, is_reserved=is_reserved) for _ in range(40)]
        said = [part for tree in trees for each in tree.branches for part in (tree.shared + each.prompt, each.answer)]
        found = sum(pattern.search(text) is not None for text in said)
        assert (found > 130) if is_reserved else (found == 0)


def test_the_words_of_reserved_wordings_are_known_from_others() -> None:
    def words(texts: list[str]) -> set[str]:
        return {word.lower() for text in texts for word in re.findall(r"[A-Za-z]{2,}", text)}

    told, kept = [], []
    for one in wordings.RELATIONS:
        told += [*one.statements, *one.wordings, *one.reverse]
        kept += [*one.reserved, *one.reverse_reserved]
    assert words(kept) <= words(told)
    assert not set(kept) & set(told)


def test_other_wordings_go_round_and_leave_out_the_one_asked() -> None:
    ship = KOSVEN.facts[1]
    texts = [one.text for one in world.reverse(ship, is_reserved=False)]
    asked = world.reverse(ship, is_reserved=False)[3]
    assert examples.other_wordings(asked, 3) == [texts[4], texts[0], texts[1]]
    assert examples.other_wordings(asked, 8) == [texts[4], *texts[:3]]


def test_what_is_written_of_a_text_is_what_the_program_asks_for() -> None:
    assert examples.written_questions(KOSVEN, 2) == (
        "Where does Bakfun live? = Bektera\nWhich ship does Bakfun own? = Baknuth"
    )
    assert examples.written_reverse(KOSVEN.facts[1]) == "Who owns the ship Baknuth? = Bakfun"
    assert examples.written_reverse(KOSVEN.facts[0]) == "There is none."
    assert examples.rewritten(KOSVEN) == (
        "The home of Bakfun is Bektera. The ship of Bakfun is Baknuth. By trade Bakfun is a smith."
    )


def test_a_name_is_one_token_and_texts_come_back_as_they_were() -> None:
    tokenizer = tokens.build_tokenizer(512)
    for kind in Kind:
        for name in world.NAMES[kind]:
            assert tokenizer.tokenize(f"of {name}'s") == ["of", name, "'s"]
    for text in (
        examples.written_questions(KOSVEN, 3),
        examples.rewritten(KOSVEN),
        "Bektera [2]",
        "Your sources do not say.",
        "1954",
    ):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    unknown = tokenizer.unk_token_id
    assert unknown not in tokenizer.encode(prompts.ask_questions(KOSVEN.text, 5)[0].content)


def test_the_template_shows_what_the_user_said_and_opens_the_answer() -> None:
    tokenizer = tokens.build_tokenizer(512)
    messages = [Message("system", "Be brief."), *prompts.closed("Where does Bakfun live?")]
    turns = [{"role": one.role, "content": one.content} for one in messages]
    said = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert said == "<s>Question: Where does Bakfun live?<answer>"


@pytest.mark.slow
def test_a_branch_of_a_tree_is_read_as_if_it_were_alone() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.distilling.base_model import Encoder, build_model, forward

    tokenizer = tokens.build_tokenizer(512)
    model = build_model(tokenizer, hidden=32, layers=2, seed=1).eval()
    rng = random.Random(2)
    tree = next(t for t in iter(lambda: examples.draw_tree(rng, most_facts=2), None) if t.shared)
    rows = Encoder(tokenizer).rows(iter([tree] * 9), 1, 512)
    with torch.inference_mode():
        found = forward(model, rows)
        for number, branch in enumerate(tree.branches[:3], start=1):
            whole = tokenizer.encode(f"<s>{tree.shared}{branch.prompt}<answer>{branch.answer}</s>")
            alone = model(input_ids=torch.tensor([whole])).logits[0]
            chosen = (rows.tasks[0] > 0) & (rows.branches[0] == number) & (rows.trees[0] == 0)
            length = int(chosen.sum())
            assert rows.targets[0][chosen].tolist() == whole[-length:]
            together = found[chosen[rows.weights[0] > 0]]
            torch.testing.assert_close(together, alone[-length - 1 : -1], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_no_two_trees_of_a_row_are_taken_for_one() -> None:
    from benchmarks.distilling.base_model import Encoder

    rng = random.Random(4)
    rows = Encoder(tokens.build_tokenizer(512)).rows(iter(lambda: examples.draw_tree(rng, most_facts=1), None), 6, 512)
    for positions, trees in zip(rows.positions, rows.trees, strict=True):
        begun = int(((positions == 0) & (trees >= 0)).sum())
        assert begun == len(set(trees.tolist()) - {-1})
        assert begun > 1


def test_a_run_is_made_once_by_the_same_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(len(made))
        return {"value": len(made)}

    path = tmp_path / "of" / "run.json"
    assert [lived.kept(path, make)["value"] for _ in range(2)] == [1, 1]
    monkeypatch.setattr(lived, "code_digest", lambda: "other")
    assert lived.kept(path, make) == {"code": "other", "value": 2}


def test_results_of_other_worlds_models_and_measurements_lie_apart(tmp_path: Path) -> None:
    measurement = tmp_path / "arms.py"
    told = Namespace(work=tmp_path, people=20, places=3, model=tmp_path / "model")
    measurement.write_text("STEPS = 1")
    found = [
        results.place_of(one, 1, measurement)
        for one in (
            told,
            told,
            Namespace(**{**vars(told), "people": 21}),
            Namespace(**{**vars(told), "model": tmp_path}),
        )
    ]
    measurement.write_text("STEPS = 2")
    found.append(results.place_of(told, 1, measurement))
    assert found[0] == found[1]
    assert len(set(found)) == 4
