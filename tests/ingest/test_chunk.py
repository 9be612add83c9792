"""Chunks: exact, whole, bounded, labelled, and stable under edits."""

from __future__ import annotations

import random
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, Mark, MarkKind
from ingest.chunk import CHARS_PER_TOKEN, LARGEST, MAX_OUTLINE, MAX_PART_CHARS, split
from ingest.parsers import parse


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def document(text: str, *marks: Mark, title: str = "") -> Document:
    return Document(text, title, None, (), tuple(marks), True, "test", 1)


def document_of_markdown(text: str) -> Document:
    return parse(text.encode(), name="a.md")


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
        assert count(chunk.context) + count(chunk.text) <= round(target * LARGEST)
        assert len(chunk.text) // CHARS_PER_TOKEN <= round(target * LARGEST) + 40  # blank text between its parts
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


def test_no_two_neighbours_fit_into_one_chunk() -> None:
    rng = random.Random(7)
    text = "\n\n".join("word " * rng.randint(3, 90) for _ in range(60))
    sizes = [count(c.text) for c in split(document(text), count_tokens=count, target_tokens=100)]
    assert len(sizes) > 20
    assert all(a + b > 127 for a, b in pairwise(sizes))
    assert max(sizes) <= 127


def test_small_sections_join_their_siblings_before_the_next_chapter() -> None:
    chapter = "# {0}\n\n## {0} one\n\n{1}\n\n## {0} two\n\n{1}\n\n"
    text = "".join(chapter.format(name, "word " * 20) for name in ("Alpha", "Beta", "Gamma"))
    chunks = split(document_of_markdown(text), count_tokens=count, target_tokens=100)
    assert [c.text.splitlines()[0] for c in chunks] == ["# Alpha", "# Beta", "# Gamma"]


def test_most_edits_of_one_word_make_one_new_chunk() -> None:
    rng = random.Random(3)
    words = [f"w{rng.randrange(999)}" for _ in range(4_000)]
    ends = sorted(rng.sample(range(4_000), 120))

    def text(changed: int | None) -> str:
        marked = ["edited" if i == changed else word for i, word in enumerate(words)]
        parts = [" ".join(marked[a:b]) for a, b in zip([0, *ends], [*ends, None], strict=True)]
        return ".\n\n".join(parts)

    before = {c.text for c in split(document(text(None)), count_tokens=count)}
    new = [len({c.text for c in split(document(text(i)), count_tokens=count)} - before) for i in range(0, 4_000, 100)]
    assert min(new) == 1
    assert sum(new) <= 1.2 * len(new)


def test_the_same_text_gives_the_same_chunks() -> None:
    text = "\n\n".join(f"Paragraph {i} " + "word " * 30 for i in range(40))
    assert split(document(text), count_tokens=count) == split(document(text), count_tokens=count)


def test_targets_out_of_range_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="target_tokens"):
        split(document("a"), count_tokens=count, target_tokens=10)
    with pytest.raises(ValueError, match="target_tokens"):
        split(document("a"), count_tokens=count, target_tokens=200, max_tokens=100)


def took_s(document: Document) -> float:
    start = time.process_time()
    chunks = split(document, count_tokens=count)
    took = time.process_time() - start
    assert "".join("".join(c.text.split()) for c in chunks) == "".join(document.text.split())
    return took


@pytest.mark.parametrize("word", ["\n\x0b", "\n\u2028", "\n- ", "a.\n", "\n1", ". "])
def test_time_does_not_grow_with_the_square_of_the_lines(word: str) -> None:
    """ "\\n\\v" took 9 s for 50 kB: each line end looked for an item behind all that follow."""
    assert took_s(document("a" + word * (50_000 // len(word)) + "b")) < 2


def test_headings_a_thousand_deep_are_named_by_the_highest_and_the_last() -> None:
    """800 took over 15 s: each part of an outline was left out one by one, and the rest counted anew."""
    deep = [Mark(i * 6, MarkKind.HEADING, f"head {i}", i + 1) for i in range(1_000)]
    text = "h\n\nx\n\n" * 1_000
    assert took_s(document(text, *deep)) < 3
    last = split(document(text, *deep), count_tokens=count)[-1]
    own = last.start // 6  # the heading it begins with
    assert last.label.split(" > ") == ["head 0", *(f"head {i}" for i in range(own - MAX_OUTLINE + 2, own + 1))]


def test_a_heading_or_title_of_any_length_is_not_repeated_in_full() -> None:
    long = "word " * 10_000
    marks = [Mark(0, MarkKind.HEADING, long.strip(), 1)]
    chunks = split(document("One two. " * 2_000, *marks, title="Title " + long), count_tokens=count)
    assert len(chunks) > 10
    assert {c.label for c in chunks} == {long[:MAX_PART_CHARS] + "…"}
    assert all(c.context.startswith("Title word word") for c in chunks)
