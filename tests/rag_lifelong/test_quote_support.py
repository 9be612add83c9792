"""What counts as support, worked out by hand, and which documents a question names."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest

from rag_lifelong.questions import take_apart
from rag_lifelong.quote import Evidence, Quotation, quote
from rag_lifelong.quote.named import find_named
from rag_lifelong.quote.passages import candidates
from rag_lifelong.quote.signals import read_signals
from rag_lifelong.quote.support import Matching, Signals, families, log_odds
from rag_lifelong.types import HeaderField, Hit, Scores


class Counted:
    """How often terms stand in 949 passages, so that with the 50 assumed beside them and one more there are 1,000."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts

    def passages(self) -> int:
        return 949

    def passages_with(self, term: str) -> int:
        return self.counts.get(term, 8)


def found(
    text: str, *, document: int = 1, title: str = "", cosine: float | None = 0.6, start: int = 0, **header: str
) -> Evidence:
    fields, lines, at = [], [], 0
    for name, value in header.items():
        line = f"{name}: {value}"
        fields.append(HeaderField(name, value, at, at + len(line)))
        lines.append(line)
        at += len(line) + 1
    hit = Hit(
        passage_id=document, document_id=document, revision_id=document, path=f"/notes/{document}.md", title=title,
        label="", line=1, page=None, text=text, start=start, end=start + len(text), score=1.0,
        scores=Scores(1.0, cosine, None), version=1, document_date=date(2026, 1, 1),
    )  # fmt: skip
    return Evidence(hit, tuple(fields), "\n".join(lines))


def ask(question: str, *evidence: Evidence) -> Quotation | None:
    return quote(question, evidence, statistics=Counted(), cosines_tell=True, reader=None)


def text_of(question: str, *evidence: Evidence) -> str | None:
    answer = ask(question, *evidence)
    return None if answer is None else answer.text


# -- how well


def test_terms_weigh_by_rarity_and_relatives_count() -> None:
    matching = Matching(["decid", "queue"], Counted(decid=0, queue=98))
    decide, queue = math.log(1_000 / 2), math.log(1_000 / 100)
    assert matching.coverage(families("the queue")) == pytest.approx(queue / (decide + queue))
    assert matching.coverage(families("Decisions")) == pytest.approx(decide / (decide + queue))
    assert matching.coverage(families("our decisions on queues")) == pytest.approx(1.0)
    assert matching.coverage(families("nothing of it")) == 0.0
    assert Matching([], Counted()).coverage(set()) == 1.0


def test_names_and_numbers_that_are_missing_count_against() -> None:
    question = "Which team did Marta Ruiz lead in 2019?"
    matching = Matching(take_apart(question).content, Counted())  # team, marta, ruiz, lead, 2019: equal weights
    assert matching.missing_names(question, families("Marta Ruiz led a team")) == pytest.approx(1 / 5)
    assert matching.missing_names(question, families("She led a team in 2019")) == pytest.approx(2 / 5)
    assert Matching(["which"], Counted()).missing_names("Which?", set()) == 0.0, "the first word is no name"


def test_the_log_odds() -> None:
    nothing = Signals(match=0.0, cosine=0.0, lead=0.0, missing_names=0.0)
    assert log_odds(nothing, is_unspaced=False, is_strict=False) == pytest.approx(
        -3.25 - 1.0
    )  # words alone, less their margin
    near = Signals(match=0.5, cosine=0.5, lead=0.1, missing_names=0.2)
    assert log_odds(near, is_unspaced=False, is_strict=False) == pytest.approx(-4.92 + 2.435 + 2.045 + 0.428 - 0.662)
    unknown = Signals(match=0.5, cosine=None, lead=0.1, missing_names=0.2)
    assert log_odds(unknown, is_unspaced=False, is_strict=False) == pytest.approx(-3.25 + 2.865 + 0.405 - 0.824)
    assert log_odds(unknown, is_unspaced=True, is_strict=False) == pytest.approx(-3.23 + 4.32 + 0.54 - 1.952)


def signals(question: str, *evidence: Evidence) -> Signals:
    asked = take_apart(question)
    matching = Matching(asked.content, Counted())
    usable = range(len(evidence))
    return read_signals(asked, evidence, usable, candidates(asked, evidence, usable, matching), matching, ())


def test_the_lead_is_over_passages_that_do_not_hold_the_sentence() -> None:
    best = found("The lake freezes in January.", cosine=0.5)
    copy = found("As noted: The lake freezes in January.", document=2, cosine=0.4)
    rival = found("The lake is deep.", document=3, cosine=0.3)
    # lake, freez: the best holds both, 1 + 0.5; the rival half, 0.5 + 0.3; at most 0.3 counts
    assert signals("When does the lake freeze?", best, rival).lead == 0.3
    assert signals("When does the lake freeze?", best, copy, rival).lead == 0.3
    closer = found("The lake, freezing, is deep.", document=3, cosine=0.45)
    assert signals("When does the lake freeze?", best, copy, closer).lead == pytest.approx(0.05)


def test_without_cosines_words_decide() -> None:
    sure = found("The lake freezes in January.", cosine=None)
    assert text_of("When does the lake freeze?", sure) == "The lake freezes in January. [1]"
    assert text_of("When does the lake overflow its northern dam?", sure) is None


# -- which sentence


def test_a_span_is_counted_in_the_document() -> None:
    answer = ask("When does the lake freeze?", found("Deep. The lake freezes in January. Cold.", start=1_000))
    assert answer is not None
    assert [(s.start, s.end, s.text) for s in answer.spans] == [(1_006, 1_034, "The lake freezes in January.")]


def test_a_sentence_that_only_repeats_the_question_answers_only_whether() -> None:
    passage = found("The lake freezes. It freezes, the lake, on every tenth of January.")
    asked = text_of("How does the lake freeze?", passage)
    assert asked is not None
    assert asked.startswith("It freezes, the lake, on every tenth of January. [1]")
    whether = text_of("Does the lake freeze?", passage)
    assert whether is not None
    assert whether.startswith("The lake freezes. [1]")


def test_headings_are_no_answers_and_lines_of_programs_seldom() -> None:
    passage = found("Maximum line length today\n-------------------------\n\nLimit all lines to 79 characters.")
    assert text_of("What is the maximum line length?", passage) == "Limit all lines to 79 characters. [1]"
    code = found("lake = freezes(day) == {1: [10]}\n\nOur lake freezes on day 10.")
    assert text_of("On which day does the lake freeze?", code) == "Our lake freezes on day 10. [1]"


# -- which document

PEP_8 = found("Style.", document=8, title="PEP 8 – Style Guide", PEP="8", author="Guido", status="Active")
PEP_20 = found("Zen.", document=20, title="PEP 20 – The Zen of Python", PEP="20", author="Tim", status="Final")


def test_each_document_named_is_answered_for() -> None:
    assert text_of("Who wrote PEP 20 and PEP 8?", PEP_8, PEP_20) == (
        "PEP 20 – The Zen of Python\nauthor: Tim [1]\nPEP 8 – Style Guide\nauthor: Guido [2]"
    )
    assert text_of("Who wrote PEP 20 and PEP 9999?", PEP_8, PEP_20) is None, "one of them is not there"


def test_a_number_names_a_document_only_where_documents_are_numbered_so() -> None:
    assert find_named(take_apart("Who wrote PEP 9999?"), [PEP_8]).is_missing
    lake = found("The lake freezes in January, see PEP 8.", title="Lakes")
    assert text_of("When does the lake of PEP 9999 freeze?", lake, PEP_8) is None
    report = found("Apollo 11 landed on the moon in July 1969.", title="Landings")
    named = find_named(take_apart("When did Apollo 11 land on the moon?"), [report])
    assert (named.documents, named.is_missing) == ((), False)
    assert text_of("When did Apollo 11 land on the moon?", report) == "Apollo 11 landed on the moon in July 1969. [1]"


@pytest.mark.parametrize(
    "question", ["PEP 8的作者是谁？", "author of pep-0008", "Who wrote 8.md?", "Who is the author of Style Guide?"]
)
def test_documents_are_named_in_many_ways(question: str) -> None:
    assert text_of(question, PEP_20, PEP_8) == "PEP 8 – Style Guide\nauthor: Guido [1]"


def test_a_field_of_a_document_not_named_never_answers() -> None:
    assert text_of("Who is the author?", PEP_8) is None
    assert text_of("Who wrote the weekly report?", PEP_8) is None
    assert text_of("What is the license of PEP 8?", PEP_8) is None


def test_what_the_reader_found_weighs_in_beside_words_and_cosines() -> None:
    seen = Signals(match=0.5, cosine=0.4, lead=0.1, missing_names=0.0, span=2.0, span_match=0.6, sure=4.0, rival=-1.0)
    by_hand = -3.28 - 0.34 * 0.5 + 2.56 * 0.4 + 2.72 * 0.1 + 0.19 * 2 + 1.91 * 0.6 + 0.09 * 4 + 0.07
    assert log_odds(seen, is_unspaced=False, is_strict=False) == pytest.approx(by_hand)  # words alone say less
    blind = replace(seen, cosine=None)
    by_hand = -2.01 - 0.83 * 0.5 + 3.42 * 0.1 + 0.21 * 2 + 2.26 * 0.6 + 0.09 * 4 + 0.05
    assert log_odds(blind, is_unspaced=False, is_strict=True) == pytest.approx(by_hand)
