"""What is embedded for a passage: words, whatever the marks between them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import Chunk, Document
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Place, Put, as_words, embedded_string
from rag_lifelong.terms import terms
from rag_lifelong.verify import check

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Title\n=====\n\nTwo  words\n", "Title Two words"),
        ("``retry(times=3)`` is *not* **safe**", "retry(times=3) is not safe"),
        ("| a | b |\n+---+---+\n", "a b + + +"),
        ("x == y and --flag", "x == y and --flag"),
        ("__init__ and ____", "__init__ and ____"),
        ("-----\n", "-----\n"),  # nothing else in it
        ("", ""),
    ],
)
def test_marks_of_markup_are_not_embedded(text: str, words: str) -> None:
    assert as_words(text) == words


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["---", "==", "`", "**", "|", "...", "’’’", "--", "-", "'", "\u0301", "\x1c", "\n", "。。。", "…"]
            ),
            st.text(max_size=4),
            st.sampled_from(["pep-0572", "don't", "snake_case", "CamelCase", "长城", "ﬁne", "e.g."]),
        ),
        max_size=12,
    ).map("".join)
)
def test_texts_embedded_alike_have_the_same_terms(text: str) -> None:
    assert terms(as_words(text)) == terms(text)


def test_passages_of_the_first_chunker_were_embedded_as_they_stand() -> None:
    assert embedded_string("A `b`", "c\n---\nd", chunker_version=1) == "A `b`\nc\n---\nd"
    assert embedded_string("A `b`", "c\n---\nd", chunker_version=2) == "A b\nc d"
    assert embedded_string("", "c\nd", chunker_version=2) == "c d"


def put(root_id: int, text: str, *, chunker_version: int) -> Put:
    document = Document(text, "Guide", None, (), (), True, "text", 1)
    chunk = Chunk(0, len(text), text, "Guide", "", None)
    return Put(
        Place(root_id, "a.txt", len(text), 0), text.encode(), NOW, document, [chunk], chunker_version, by_name=False
    )


def test_a_paragraph_filled_anew_is_the_same_passage_and_cited_as_it_stands(
    base: KnowledgeBase, tmp_path: Path
) -> None:
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)
    base.commit([put(root.id, "three attempts,\nthen the queue", chunker_version=2)], cause="test")
    assert base.embed_next(10) == 1
    refilled = base.commit([put(root.id, "three\nattempts, then *the* queue", chunker_version=2)], cause="test")
    assert [(o.born, o.died, o.kept) for o in refilled.outcomes] == [(0, 0, 1)]
    assert base.lag().passages == 0
    assert base.search("attempts", 1)[0].text == "three\nattempts, then *the* queue"
    assert base.search("attempts", 1, as_of=1)[0].text == "three attempts,\nthen the queue"
    base.commit([put(root.id, "gone", chunker_version=2)], cause="test")
    assert [finding for finding in check(base) if not finding.is_well] == []


def test_a_store_cut_by_the_first_chunker_stays_well_and_is_brought_up_to_date(
    base: KnowledgeBase, tmp_path: Path
) -> None:
    root = base.folders.ensure_root(str(tmp_path), is_whole=True)
    text = "three `attempts`"
    base.commit([put(root.id, text, chunker_version=1)], cause="test")
    assert base.embed_next(10) == 1
    assert [finding for finding in check(base) if not finding.is_well] == []
    renewed = base.commit([put(root.id, text, chunker_version=2)], cause="test")
    assert [(o.born, o.died, o.kept) for o in renewed.outcomes] == [(1, 1, 0)]
    assert base.embed_next(10) == 1
    assert [finding for finding in check(base) if not finding.is_well] == []
