"""The dialogues of `benchmarks.followups`: what is said to answer does, halves are apart, and nothing is left to chance."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import dialogues
from benchmarks.dialogues import by_hand, from_peps, from_squad
from benchmarks.pep_questions import half
from benchmarks.pep_search import Pep
from ingest import Document

ENTRIES = [
    {
        "title": "Warsaw",
        "context": "Warsaw is the capital of Poland. It has 18 districts. Its zoo opened in 1928.",
        "questions": [
            {"question": "How many districts are there in Warsaw?", "answer": "18"},
            {"question": "When did the zoo open in Warsaw?", "answer": "1928"},
            {"question": "Of what is Warsaw the capital?", "answer": "Poland"},
        ],
    }
]


def pep(number: int, **header: str) -> Pep:
    return Pep(number, f"Title {number}", header, Document("", "", None, (), (), True, "test", 1))


def test_dialogues_by_hand_are_answered_by_the_paragraphs_they_name(shared: Path) -> None:
    entries = json.loads((shared / "squad_dev.json").read_text(encoding="utf-8"))
    found = list(by_hand(entries, []))
    for dialogue in found:
        assert len(dialogue.steps) >= 2
        for step in dialogue.steps:
            assert step.answers[0] in entries[step.gold]["context"], step
            assert dialogue.half == half(entries[step.gold]["title"]), "a dialogue keeps to one half"
    assert sum(step.kind == "follow-up" for dialogue in found for step in dialogue.steps) >= 60


def test_a_shared_name_is_taken_out_of_later_questions() -> None:
    [dialogue] = [d for d in from_squad(ENTRIES) if len(d.steps) > 1][:1]
    first, second = dialogue.steps[:2]
    assert (first.typed, first.kind) == ("How many districts are there in Warsaw?", "first")
    assert second.whole == "When did the zoo open in Warsaw?" and "Warsaw" not in second.typed
    assert second.answers == ("1928",) and second.gold == 0


def test_the_pronoun_is_the_paragraphs_own() -> None:
    article = dialogues._Article("Warsaw", [ENTRIES[0]["context"]], set())  # type: ignore[list-item]
    assert dialogues._pronoun("Warsaw", article) == ("it", "it", "its")
    people = dialogues._Article("X", ["Ada Lovelace wrote notes. She sold her house."], {"Lovelace"})
    assert dialogues._pronoun("Ada Lovelace", people) == ("she", "her", "her")


def test_where_two_questions_differ_only_that_is_asked() -> None:
    assert (
        dialogues._other("Which team stood for the AFC at the game?", "Which team stood for the NFC at the game?")
        == "NFC"
    )
    assert dialogues._other("Who wrote it?", "When was it written in Rome?") is None


def test_peps_in_a_dialogue_are_of_one_half_and_values_are_their_own() -> None:
    peps = [pep(n, author=f"Author {n}", status="Final", created=f"0{n % 9 + 1}-May-2001") for n in range(1, 40)]
    found = list(from_peps(peps))
    assert found == list(from_peps(peps)), "the same for the same PEPs"
    assert any(step.kind == "other" for d in found for step in d.steps)
    for dialogue in found:
        for step in dialogue.steps:
            if step.gold >= 0:
                assert half(str(peps[step.gold].number)) == dialogue.half
                assert step.answers[0] in peps[step.gold].header.values()
                assert (
                    f"PEP {peps[step.gold].number}?" in step.whole
                    or f"Title {peps[step.gold].number}" in step.whole
                    or (
                        f"PEP {peps[step.gold].number} " in step.whole or f"PEP {peps[step.gold].number}." in step.whole
                    )
                )
