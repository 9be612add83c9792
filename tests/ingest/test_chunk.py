"""Chunks: exact, whole, bounded, labelled, and stable under edits."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, Mark, MarkKind
from ingest.chunk import CHARS_PER_TOKEN, split
from ingest.parsers import parse


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def document(text: str, *marks: Mark, title: str = "") -> Document:
    return Document(text, title, None, (), tuple(marks), True, "test", 1)


LAYOUT = st.lists(
    st.one_of(
        st.text(alphabet="ab .!?\n\t", max_size=200),
        st.sampled_from(
            [
                "word " * 300,
                "x" * 5_000,
                "\n\n",
                "# Heading\n",
                "```\ncode\n\n\nmore\n```\n",
                "| a | b |\n",
                "。字" * 90,
            ]
        ),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(LAYOUT, st.integers(40, 250))
def test_chunks_are_exact_whole_and_bounded(text: str, target: int) -> None:
    chunks = split(document(text), count_tokens=count, target_tokens=target)
    at = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert not text[at : chunk.start].strip(), "only blank text lies between chunks"
        assert max(count(chunk.text), len(chunk.text) // CHARS_PER_TOKEN) <= round(target * 1.15) + 40
        at = chunk.end
    assert not text[at:].strip()


def test_a_page_ends_a_chunk() -> None:
    text = "First page.\n\nSecond page."
    marks = (Mark(0, MarkKind.PAGE, "1", 0), Mark(13, MarkKind.PAGE, "2", 0))
    chunks = split(document(text, *marks), count_tokens=count)
    assert [(c.text, c.label, c.page) for c in chunks] == [
        ("First page.", "p. 1", 1),
        ("Second page.", "p. 2", 2),
    ]


def test_labels_and_contexts_name_the_headings_above() -> None:
    body = "word " * 70
    text = f"# Guide\n\n## Setup\n\n{body}\n\n### Keys\n\n{body}\n\n## Use\n\n{body}"
    chunks = split(parse(text.encode(), name="a.md"), count_tokens=count, target_tokens=100)
    assert [c.label for c in chunks] == ["", "Setup > Keys", "Use"]
    assert [c.context for c in chunks] == ["Guide", "Guide > Setup > Keys", "Guide > Use"]


def test_a_context_holds_no_page() -> None:
    chunks = split(document("Text.", Mark(0, MarkKind.PAGE, "7", 0), title="Report"), count_tokens=count)
    assert (chunks[0].label, chunks[0].context) == ("p. 7", "Report")


@pytest.mark.parametrize("place", [0, 10, 25, 49])
def test_an_edit_cuts_only_its_neighbourhood(place: int) -> None:
    rng = random.Random(5)
    paragraphs = [" ".join(f"w{rng.randrange(999)}" for _ in range(rng.randint(10, 60))) + "." for _ in range(50)]
    before = {c.text for c in split(document("\n\n".join(paragraphs)), count_tokens=count, target_tokens=120)}
    edited = [*paragraphs[:place], "One new sentence here.", *paragraphs[place:]]
    after = {c.text for c in split(document("\n\n".join(edited)), count_tokens=count, target_tokens=120)}
    assert len(before) > 10
    assert len(after - before) <= 3


def test_the_same_text_gives_the_same_chunks() -> None:
    text = "\n\n".join(f"Paragraph {i} " + "word " * 30 for i in range(40))
    assert split(document(text), count_tokens=count) == split(document(text), count_tokens=count)


def test_targets_out_of_range_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="target_tokens"):
        split(document("a"), count_tokens=count, target_tokens=10)
    with pytest.raises(ValueError, match="target_tokens"):
        split(document("a"), count_tokens=count, target_tokens=200, max_tokens=100)
