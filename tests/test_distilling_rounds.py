"""What the rounds of edits count: when a fact is true, and the figures of lifelong learning worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.distilling.rounds import NEW, PASSAGES, WAYS, Asked, figures, lives_of, new_of
from benchmarks.distilling.world import ROUNDS, World, draw_world, edited

WAY = WAYS[0]


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """One, and what became of it in each round."""
    found = [draw_world(7, people=60, places=6)]
    for _ in range(ROUNDS):
        found.append(edited(found[-1]))
    return found


def test_people_are_asked_about_from_the_round_on_in_which_they_are_new(worlds: list[World]) -> None:
    asked = [{note.path for note in new_of(worlds, at)} for at in range(ROUNDS + 1)]
    assert len(asked[0]) == PASSAGES
    assert all(len(paths) <= NEW for paths in asked[1:])
    assert sum(map(len, asked)) == len(set().union(*asked)) > PASSAGES  # nobody twice
    assert not asked[2] & {note.path for note in worlds[1].notes}


def test_a_fact_is_true_from_the_round_that_told_it_to_the_one_that_took_it_away(worlds: list[World]) -> None:
    lives = lives_of(worlds)
    followed = {note.path for at in range(ROUNDS + 1) for note in new_of(worlds, at)}
    assert len({life.fact for life in lives}) == len(lives)
    assert {life.gone is None for life in lives} == {True, False}  # some changed, some stayed
    for life in lives:
        for at, world in enumerate(worlds):
            told = any(life.fact in note.facts for note in world.notes if note.path in followed)
            assert told == (life.born <= at and (life.gone is None or at < life.gone))


def asked(at: int, born: int, score: float, gone: int | None = None) -> Asked:
    return Asked(1, at, WAY, born, gone, score)


def test_the_figures_are_those_worked_out_by_hand() -> None:
    # R[t, j], rows t, columns j: of round 0 half is lost in the end, round 1 falls and is regained
    table = [
        [1.0, 0.0, 0.0, 0.25, 0.0, 0.0],
        [1.0, 0.8, 0.0, 0.0, 0.0, 0.0],
        [0.9, 0.6, 0.4, 0.0, 0.0, 0.0],
        [0.7, 0.6, 0.4, 1.0, 0.0, 0.0],
        [0.7, 0.6, 0.4, 1.0, 1.0, 0.5],
        [0.5, 0.9, 0.4, 1.0, 0.8, 1.0],
    ]
    found = [asked(t, j, value) for t, row in enumerate(table) for j, value in enumerate(row)]
    found += [asked(5, 0, 0.2, gone=3), asked(5, 1, 0.0, gone=2), asked(5, 1, 1.0)]  # 0.9 and 1.0: 0.95 of round 1
    found += [Asked(1, 5, WAYS[1], 0, None, 0.0)]  # another way says nothing about this one
    means = {name: None if figure is None else figure[0] for name, figure in figures(found, WAY).items()}
    assert means == {
        "average accuracy": pytest.approx((0.5 + 0.95 + 0.4 + 1.0 + 0.8 + 1.0) / 6),
        "forgetting": pytest.approx((0.5 - 0.15 + 0.0 + 0.0 + 0.2) / 5),
        "backward transfer": pytest.approx((-0.5 + 0.15 + 0.0 + 0.0 - 0.2) / 5),
        "forward transfer": pytest.approx((0.0 + 0.0 + 0.0 + 0.0 + 0.5) / 5),
        "told though no longer true": pytest.approx(0.1),
    }
