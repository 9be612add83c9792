"""Markers of a model's text: those that point nowhere go, and what has been shown is never taken back."""

from __future__ import annotations

import random

import pytest

from rag_lifelong.markers import Markers


def kept(written: str, *, passages: int, pieces: list[str] | None = None) -> tuple[str, tuple[int, ...], int]:
    markers = Markers()
    markers.begin(passages)
    text = "".join(markers.feed(piece) for piece in pieces or [written]) + markers.end()
    return text, markers.numbers, markers.dropped


CASES = [
    ("Plain.", "Plain.", (), 0),
    ("A [3]. B [9]. C [1][3].", "A [1]. B. C [2][1].", (3, 1), 1),
    ("B [2]. A [1].", "B [1]. A [2].", (2, 1), 0),  # renumbered in order of appearance
    ("A [1], again [1][2].", "A [1], again [1][2].", (1, 2), 0),
    ("No [0], no [4], no [999].", "No, no, no.", (), 3),  # three passages
    ("A list[1] and [x] and [1234].", "A list[1] and [x] and [1234].", (1,), 0),  # no markers but the first
    ("It ends in [", "It ends in [", (), 0),
    ("It ends in [12", "It ends in [12", (), 0),
]


@pytest.mark.parametrize(("written", "text", "numbers", "dropped"), CASES)
def test_markers(written: str, text: str, numbers: tuple[int, ...], dropped: int) -> None:
    assert kept(written, passages=3) == (text, numbers, dropped)


@pytest.mark.parametrize(("written", "text", "numbers", "dropped"), CASES)
def test_pieces_give_what_the_whole_gives(written: str, text: str, numbers: tuple[int, ...], dropped: int) -> None:
    rng = random.Random(1)
    for _ in range(50):
        cuts = sorted(rng.choices(range(len(written) + 1), k=rng.randrange(6)))
        pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
        assert kept(written, passages=3, pieces=pieces) == (text, numbers, dropped), pieces


def test_only_what_may_be_a_marker_is_held_back() -> None:
    markers = Markers()
    markers.begin(3)
    assert [markers.feed(piece) for piece in ("So it is", " [", "2", "], and", " on")] == [
        "So it is",
        "",
        "",
        " [1], and",
        " on",
    ]
