"""The words that answer, with a reader that says what the test wants it to: what is shown, agrees, differs, is listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from rag_lifelong.quote import Evidence, Quotation, quote
from rag_lifelong.quote.spans import answer_key
from rag_lifelong.span_reader import Reading, open_span_reader
from tests.rag_lifelong.test_quote import Statistics, evidence

RETRIES = "We agreed on three attempts with exponential backoff, then the dead-letter queue. Mei will write it down."
FIVE = "For retries we agreed on five attempts with exponential backoff since the audit."
QUESTION = "How many attempts for retries were agreed on with exponential backoff?"


class Pointing:
    """A reader that finds given words, each with its log odds, wherever they stand."""

    def __init__(self, *found: tuple[str, float], is_english: bool = True) -> None:
        self._found = found
        self._is_english = is_english
        self.read_texts: list[str] = []

    def reads(self, question: str) -> bool:
        return self._is_english

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[tuple[Reading, ...]]:
        self.read_texts.extend(text for _, text in passages)
        return [
            tuple(
                Reading(text.index(words), text.index(words) + len(words), odds, 0.9 if odds > 1 else 0.05)
                for words, odds in self._found
                if words in text
            )
            for _, text in passages
        ]


def dated(text: str, day: str, *, document: int) -> Evidence:
    found = evidence(text, document=document)
    return replace(found, hit=replace(found.hit, document_date=date.fromisoformat(day)))


def ask(question: str, reader: Pointing, *found: Evidence) -> Quotation:
    answer = quote(question, found, statistics=Statistics(), cosines_tell=True, reader=reader)
    assert answer is not None
    for span in answer.spans:
        hit = found[span.evidence_index].hit
        assert hit.text[span.start - hit.start : span.end - hit.start] == span.text
    return answer


def test_the_shortest_answer_comes_first_then_its_sentence() -> None:
    found = ask("What was agreed on for attempts with backoff?", Pointing(("three attempts", 5.0)), evidence(RETRIES))
    assert found.short == "three attempts"
    assert found.text == (
        'three attempts\n\n"We agreed on three attempts with exponential backoff, then the dead-letter queue." [1]'
    )


def test_words_that_are_nearly_the_whole_sentence_are_not_said_twice() -> None:
    words = "three attempts with exponential backoff, then the dead-letter queue"
    found = ask("What was agreed on for attempts with backoff?", Pointing((words, 5.0)), evidence(RETRIES))
    assert found.short is None
    assert found.text == "We agreed on three attempts with exponential backoff, then the dead-letter queue. [1]"


def test_a_reader_that_is_not_sure_leaves_the_sentence() -> None:
    found = ask("What was agreed on for attempts with backoff?", Pointing(("Mei", 0.5)), evidence(RETRIES))
    assert found.short is None
    assert found.text == "We agreed on three attempts with exponential backoff, then the dead-letter queue. [1]"


def test_a_question_in_another_language_is_not_read() -> None:
    reader = Pointing(("three attempts", 5.0), is_english=False)
    assert ask("What was agreed on for attempts with backoff?", reader, evidence(RETRIES)).short is None
    assert reader.read_texts == []


def test_a_question_to_be_answered_by_yes_or_no_gets_the_sentence() -> None:
    found = ask("Was exponential backoff agreed on for attempts?", Pointing(("three attempts", 5.0)), evidence(RETRIES))
    assert found.short is None
    assert found.text.startswith("We agreed on three attempts")


def test_several_documents_that_agree_are_all_cited() -> None:
    again = evidence("With exponential backoff, three attempts were agreed on for retries.", document=2)
    found = ask(QUESTION, Pointing(("three attempts", 5.0)), evidence(RETRIES), again)
    assert found.short == "three attempts"
    assert {span.evidence_index for span in found.spans} == {0, 1}


def test_documents_that_differ_stand_side_by_side_the_newest_first() -> None:
    old = dated("For retries we agreed on three attempts with exponential backoff.", "2026-02-18", document=1)
    new = dated(FIVE, "2026-03-01", document=2)
    found = ask(QUESTION, Pointing(("three attempts", 6.0), ("five attempts", 5.0)), old, new)
    assert found.text.split("\n")[:3] == [
        "Your sources differ, the newest first:",
        "2026-03-01: five attempts [1]",
        "2026-02-18: three attempts [2]",
    ]
    assert found.short == "five attempts"
    assert [span.evidence_index for span in found.spans] == [1, 0]


def test_another_value_in_the_same_document_is_no_contradiction() -> None:
    one = evidence("For retries we agreed on three attempts with exponential backoff.", document=1)
    two = evidence(FIVE, document=1, start=400)
    assert not ask(QUESTION, Pointing(("three attempts", 6.0), ("five attempts", 5.0)), one, two).text.startswith(
        "Your sources differ"
    )


def test_a_sentence_on_something_else_is_no_contradiction() -> None:
    other = evidence("The printer was repaired after five attempts in the basement.", document=2)
    found = ask(QUESTION, Pointing(("three attempts", 6.0), ("five attempts", 5.0)), evidence(RETRIES), other)
    assert found.text.startswith("three attempts\n\n")
    assert [span.evidence_index for span in found.spans] == [0]


def test_a_name_in_a_sentence_on_something_else_agrees_with_nothing() -> None:
    other = evidence("Lunch was brought by three attempts of the caterer.", document=2)
    found = ask(QUESTION, Pointing(("three attempts", 6.0)), evidence(RETRIES), other)
    assert [span.evidence_index for span in found.spans] == [0]


def test_a_list_is_given_whole() -> None:
    text = "Supported editors for the plugin:\n\n- Vim\n- Emacs\n- Nano\n\nAll others are not tested."
    found = ask("Which editors are supported for the plugin?", Pointing(("Emacs", 6.0)), evidence(text))
    assert found.text == "- Vim\n- Emacs\n- Nano [1]"
    assert found.spans[0].text == "- Vim\n- Emacs\n- Nano"


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("the Denver Broncos", "Denver Broncos.", True),
        ("Café", "cafe", True),
        ("three", "3", False),
        ("March  4", "march 4", True),
    ],
)
def test_answers_that_say_the_same(one: str, other: str, are_equal: bool) -> None:
    assert (answer_key(one) == answer_key(other)) is are_equal


def test_words_across_two_paragraphs_are_no_answer() -> None:
    text = "The alarm code is PLUGH-12\n\nThe other alarm code is XYZZY-13"
    found = ask("What is the alarm code?", Pointing(("PLUGH-12\n\nThe other", 6.0)), evidence(text))
    assert "\n\nThe other" not in (found.short or "")
    assert found.short is None


def test_what_stands_of_another_number_is_no_answer() -> None:
    text = "The printer in room 5 is an Epson 300.\n\nThe copier on the stairs of room 7 is broken, as is its printer."
    reader = Pointing(("an Epson 300", 6.0))
    assert ask("Which printer is in room 5?", reader, evidence(text)).short == "an Epson 300"
    assert ask("Which printer is in room 7?", reader, evidence(text)).short is None


def test_the_reader_reads_no_words_over_a_blank_line() -> None:
    """Notes often end without a full stop."""
    reader = open_span_reader(cache_dir=None)
    assert reader is not None, "the default model comes with the package's requirements"
    text = "## 10:00\n\nThe alarm code is PLUGH-12\n\n## 11:00\n\nThe alarm code is XYZZY-13 now"
    (readings,) = reader.read("What is the alarm code?", [("Notes", text)])
    said = [text[reading.start : reading.end] for reading in readings]
    assert {"PLUGH-12", "XYZZY-13"} <= set(said)
    assert not any("\n" in words for words in said)


def test_who_somebody_is_is_told_by_a_sentence() -> None:
    reader = Pointing(("Mei Chen", 6.0))
    found = ask("Who is Ana Ruiz?", reader, evidence("Ana Ruiz leads the platform team. Mei Chen works on billing."))
    assert found.short is None
    assert found.text.startswith("Ana Ruiz leads the platform team. [1]")
