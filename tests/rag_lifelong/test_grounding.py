"""Whether a sentence is supported by what it cites: numbers, dates, names, denials, words, and meaning."""

from __future__ import annotations

import numpy as np
import pytest

from rag_lifelong.grounding import Judged, Source, judge, says_nothing_is_said
from rag_lifelong.grounding.polarity import contradictions, polarity
from rag_lifelong.grounding.source import Text, names
from rag_lifelong.grounding.statements import split_statements
from rag_lifelong.grounding.values import holds, mentions, values
from rag_lifelong.types import Vector


class Alike:
    """Terms that are all equally common."""

    def passages(self) -> int:
        return 0

    def passages_with(self, term: str) -> int:
        return 0


def judged(text: str, *passages: str, place: str = "", embed: object = None) -> list[Judged]:
    return judge(text, [Source(passage, place) for passage in passages], statistics=Alike(), embed=embed)  # type: ignore[arg-type]


def supported(statement: str, passage: str, **named: str) -> bool:
    (one,) = judged(f"{statement} [1]", passage, **named)
    return one.is_supported


# -- numbers, dates and times


@pytest.mark.parametrize(
    "same",
    [
        ("28-Feb-2018", "February 28, 2018", "2018-02-28", "28 February 2018", "Feb. 28th, 2018", "2018/02/28",
         "28. Februar 2018", "28 de febrero de 2018", "2018年2月28日", "28.02.2018", "2018-02-28T10:00"),
        ("1,200", "1200", "twelve hundred", "1.2 thousand", "1 200".replace(" ", "\u00a0"), "1’200"),
        ("three", "3", "03"),
        ("fifty percent", "50 percent", "50%", "50 per cent"),
        ("1.5 million", "1,500,000", "1.5M"),
        ("the 19th century", "the nineteenth century"),
        ("2:30 pm", "14:30", "2.30".replace(".", ":") + " p.m."),
        ("twenty-one", "21", "twenty one"),
        ("two hundred and five thousand", "205,000"),
    ],
)  # fmt: skip
def test_writings_of_one_value_are_equal(same: tuple[str, ...]) -> None:
    read = [mentions(writing) for writing in same]
    assert [len(found) for found in read] == [1] * len(same)
    for found in read:
        for other in read:
            assert holds(found[0], values(other)), (found, other)


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("in 2018", "on 28 February 2018"),
        ("in February 2018", "2018-02-28"),
        ("on 28 February", "2018-02-28"),
        ("in the 1980s", "in 1984"),
        ("in the 19th century", "in 1854"),
        ("50", "50%"),
        ("about 1.2 million", "1,234,567"),
        ("more than 500", "512"),
        ("2018-02-28", "In 2018 there were three; the last came on February 28"),
        ("02/03/2018", "2018-03-02"),
        ("02/03/2018", "2018-02-03"),
    ],
)
def test_what_a_source_implies_holds(statement: str, source: str) -> None:
    (mention,) = mentions(statement)
    assert holds(mention, values(mentions(source)))


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("2018-02-28", "2018-02-27"),
        ("28 February 2018", "in 2018"),
        ("50%", "50"),
        ("3.10", "3.1"),
        ("1.2 million", "1,234,567"),  # not "about"
        ("about 2 million", "1,234,567"),
        ("in the 1980s", "in 1994"),
        ("14:30", "14:31"),
        ("3.11.2", "3.11.3"),
    ],
)
def test_what_a_source_does_not_say_does_not_hold(statement: str, source: str) -> None:
    (mention,) = mentions(statement)
    assert not holds(mention, values(mentions(source)))


def test_mentions_are_where_they_stand_and_one_is_mostly_no_number() -> None:
    text = "One of the 3 was made on 28 Feb 2018."
    assert [(text[m.start : m.end], m.is_weak) for m in mentions(text)] == [
        ("One", True),
        ("3", False),
        ("28 Feb 2018", False),
    ]


# -- denials


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("It was adopted.", "It was adopted.", 0),
        ("It was not adopted.", "It was adopted.", 1),
        ("It was adopted.", "It was never adopted.", 1),
        ("It wasn’t adopted.", "It was not adopted.", 0),
        ("It was not only adopted but praised.", "It was adopted and praised.", 0),
        ("The PEP was rejected.", "The PEP was accepted.", 1),
        ("The PEP was not rejected.", "The PEP was accepted.", 0),
        ("It came before the war.", "It came after the war.", 1),
        ("Nobody adopted it.", "Everybody adopted it.", 1),
    ],
)
def test_denials(first: str, second: str, count: int) -> None:
    assert contradictions(polarity(first), polarity(second)) == count
    assert contradictions(polarity(second), polarity(first)) == count


# -- names


def test_names_are_words_with_a_capital_but_not_every_first_word() -> None:
    found = [sorted(parts) for parts in names("Programmers met Guido van Rossum at PyCon in Dallas.")]
    assert found == [["guido"], ["rossum"], ["con", "py", "pycon"], ["dalla"]]
    assert [sorted(parts) for parts in names("Ana Ruiz left.")] == [["ana"], ["ruiz"]]
    assert list(names("However, it did.")) == []


def test_initials_are_known() -> None:
    assert "nfl" in Text("the National Football League (founded)").initials


# -- sentences of an answer


def test_markers_belong_to_the_sentence_they_follow() -> None:
    text = "In summary:\n- Three attempts [1]. Then the queue. [2] [3] Ana owns it.\nDr. Who does not [1][2]."
    found = [(s.text, s.cited, s.needs_support) for s in split_statements(text)]
    assert found == [
        ("In summary:", (), False),
        ("Three attempts.", (1,), True),
        ("Then the queue.", (2, 3), True),
        ("Ana owns it.", (), True),
        ("Dr. Who does not.", (1, 2), True),
    ]
    assert [text[s.start : s.end] for s in split_statements(text)][2] == "Then the queue. [2] [3]"


def test_escapes_and_invisible_characters_are_no_words() -> None:
    (one,) = split_statements("Ana \x1b[2Jowns\u200b the \x1b]8;;http://x\x07queue\x1b]8;;\x07 [1].")
    assert one.text == "Ana owns the queue."
    assert one.cited == (1,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("In summary:", False),
        ("Here is what I found.", False),
        ("Is it so?", False),
        ("## Retries", False),
        ("1.", False),
        ("Yes.", False),
        ("Your sources do not say who owns it.", False),
        ("I hope this helps!", False),
        ("The answer is forty-two.", True),
        ("Here are 3 reasons:", True),
        ("## Retries: 5 attempts", True),
        ("Ana owns it.", True),
    ],
)
def test_what_says_something(text: str, says: bool) -> None:
    assert [s.needs_support for s in split_statements(text)] == [says]


def test_a_refusal_in_other_words() -> None:
    assert says_nothing_is_said("The passages do not mention who owns the queue.")
    assert says_nothing_is_said("I could not find it.")
    assert not says_nothing_is_said("The passages do not mention Ana. Bob owns the queue.")
    assert not says_nothing_is_said("Hello!")


# -- support

PASSAGE = (
    "The retry policy was adopted on February 28, 2018 by Ana Ruiz and her team. It allows 1,200 attempts a day. "
    "The queue was not renamed. Bob Stone proposed another limit of five in 2016, which was rejected."
)


@pytest.mark.parametrize(
    "statement",
    [
        "The retry policy was adopted on 2018-02-28.",
        "Ana Ruiz and her team adopted the retry policy in 2018.",
        "It allows 1200 attempts a day.",
        "The policy allows twelve hundred attempts.",
        "The queue was never renamed.",
        "In 2016, Bob Stone proposed a limit of five.",
        "Ana Ruiz adopted the policy, and the queue was not renamed.",
    ],
)
def test_what_a_passage_says_is_supported(statement: str) -> None:
    assert supported(statement, PASSAGE)


@pytest.mark.parametrize(
    "statement",
    [
        "The retry policy was adopted on 2018-02-27.",
        "Carl Jung and his team adopted the retry policy in 2018.",
        "It allows 1300 attempts a day.",
        "It allows five attempts a day.",
        "The queue was renamed.",
        "The retry policy was not adopted.",
        "Bob Stone proposed another limit of five in 2018.",
        "The limit of five was accepted.",
        "The capital of France is Paris.",
    ],
)
def test_what_a_passage_does_not_say_is_not_supported(statement: str) -> None:
    assert not supported(statement, PASSAGE)


def test_title_and_label_count_as_said() -> None:
    assert supported(
        "PEP 572 was accepted by Guido.", "It was accepted by Guido.", place="PEP 572 – Assignment\nStatus"
    )
    assert not supported("PEP 572 was accepted by Guido.", "It was accepted by Guido.")


def test_only_what_is_cited_counts_and_several_count_together() -> None:
    first, second = "Ana owns the dead-letter queue.", "The audit takes place in March 2026."
    right, wrong = judged("Ana owns the dead-letter queue [1]. Ana owns the dead-letter queue [2].", first, second)
    assert (right.is_supported, wrong.is_supported) == (True, False)
    (both,) = judged("Ana owns the dead-letter queue, and the audit is in March 2026 [1][2].", first, second)
    assert both.is_supported
    assert [place.number for place in both.places] == [1, 2]


def test_without_a_marker_all_that_was_shown_counts() -> None:
    (one,) = judged("Ana owns the dead-letter queue.", "The audit is in March.", "So Ana owns the dead-letter queue.")
    assert one.is_supported
    assert one.statement.cited == ()
    assert [place.number for place in one.places] == [2]


def test_the_place_is_the_sentence_that_says_it() -> None:
    (one,) = judged("The queue was never renamed [1].", PASSAGE)
    (place,) = one.places
    assert PASSAGE[place.start : place.end] == "The queue was not renamed."


def test_the_embedder_is_asked_only_where_words_leave_it_open() -> None:
    asked: list[str] = []

    def embed(text: str) -> Vector:
        asked.append(text)
        return np.array([1.0, 0.0], dtype=np.float32)

    judged("Entirely different things were cooked in 1999 by Zed Omega [1].", PASSAGE, embed=embed)
    assert asked == []
    judged("Ana Ruiz and her group adopted the retry policy [1].", PASSAGE, embed=embed)
    assert asked[0] == "Ana Ruiz and her group adopted the retry policy."


def test_nothing_shown_supports_nothing() -> None:
    (one,) = judged("Ana owns the queue [1].")
    assert not one.is_supported
    assert one.places == ()


# -- another language than the source's


ENGLISH = "The limit for the retries of the workers is three attempts, and it was set on 28 February 2018 by the team."


@pytest.mark.parametrize(
    ("statement", "is_supported"),
    [
        ("Die Grenze liegt seit dem 2018-02-28 bei drei Versuchen.", True),  # its words cannot be compared
        ("Die Grenze liegt seit dem 2019-02-28 bei drei Versuchen.", False),  # its date can
        ("A green limit was painted above every worker in spring.", False),  # English, and of something else
    ],
)
def test_in_another_language_only_numbers_and_dates_tell(statement: str, is_supported: bool) -> None:
    assert supported(statement, ENGLISH) is is_supported
