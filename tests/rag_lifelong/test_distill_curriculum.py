"""What is taught and what is asked have nothing in common, and who is not meant is not spoken for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.curriculum import Curriculum
from rag_lifelong.distill.gates import Probe
from rag_lifelong.distill.lessons import Part
from rag_lifelong.distill.pairs import Pair, PairKind
from rag_lifelong.distill.prompts import closed, reading
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.selection import Candidate, candidates_of
from rag_lifelong.generate import Message

TOWNS = {"Osk": "salt", "Velm": "wool", "Tarn": "glass", "Ruvo": "paper", "Lind": "tea", "Mosk": "rope"}
CHOSEN = ("Osk", "Velm")
PROBES = tuple(Probe(f"What is {word}?", word) for word in ("one", "two", "three", "four"))


class Words:
    """A language model's counting; nothing is written here."""

    name = "words"
    context_tokens = 4_000

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: object, *, max_tokens: int) -> Iterator[str]:
        raise AssertionError("nothing is written")


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    folder = tmp_path / "towns"
    folder.mkdir()
    for town, good in TOWNS.items():
        (folder / f"{town.lower()}.md").write_text(
            f"# {town}\n\nThe main good of {town} is {good}.\n", encoding="utf-8"
        )
    with open_assistant(tmp_path / "kb", llm="quote", embedder="hash") as opened:
        opened.add(folder)
        yield opened


def passage_of(assistant: Assistant, town: str) -> Candidate:
    hit = next(hit for hit in assistant.search(f"main good of {town}", k=12) if hit.title == town)
    return candidates_of(assistant, [hit.passage_id])[0]


def pairs_of(one: Candidate, fact: int) -> list[Pair]:
    answer = TOWNS[one.title]
    wordings = (f"What is {one.title} known for?", f"What do they sell in {one.title}?", f"The good of {one.title}?")
    asked = [
        Pair(fact, one.passage_id, PairKind.QUESTION, prompt, answer, number == 2, "model")
        for number, prompt in enumerate(wordings)
    ]
    turned = f"Which town is known for {answer}?"
    return [
        *asked,
        Pair(fact, one.passage_id, PairKind.REWRITE, f"Tell of {one.title}.", f"{answer}!", False, "model"),
        Pair(fact, one.passage_id, PairKind.REVERSE, turned, one.title, False, "model"),
    ]


@pytest.fixture
def taught(assistant: Assistant) -> tuple[Curriculum, list[Pair], dict[int, Candidate]]:
    passages = {town: passage_of(assistant, town) for town in TOWNS}
    own = [pair for number, town in enumerate(CHOSEN) for pair in pairs_of(passages[town], number)]
    others = [pair for n, town in enumerate(TOWNS) if town not in CHOSEN for pair in pairs_of(passages[town], n)]
    texts = {one.passage_id: one for one in passages.values()}
    titles = {one.document_id: town for town, one in passages.items() if town not in CHOSEN}
    curriculum = Curriculum(
        assistant.knowledge_base, Words(), Recipe(seed=3), texts=texts, others=others, probes=PROBES, titles=titles
    )
    return curriculum, own, texts


def words_of(prompt: tuple[Message, ...]) -> str:
    return prompt[-1].content


def towns_asked(prompts: list[str]) -> set[str]:
    """Named in the questions, which are what stands last."""
    return {town for prompt in prompts for town in TOWNS if town in prompt.rsplit("Question: ", 1)[1]}


Taught = tuple[Curriculum, list[Pair], dict[int, Candidate]]


def test_what_is_known_is_taught_with_the_text_and_asked_without(taught: Taught) -> None:
    curriculum, own, texts = taught
    tasks = curriculum.know(Part.KNOW, own)
    assert [words_of(task.student) for task in tasks] == [
        words_of(tuple(closed(pair.prompt))) for pair in own if not pair.is_held_out
    ]
    first = own[0]
    assert tasks[0].teacher == tuple(reading(texts[first.passage_id].text, first.prompt))
    assert [task.answer for task in tasks] == [None, None, "salt!", None, None, None, "wool!", None]


def test_nothing_that_is_asked_is_taught(taught: Taught) -> None:
    curriculum, own, _ = taught
    exam = curriculum.exam(own)
    tasks = [*curriculum.know(Part.KNOW, own), *curriculum.beside(own), *curriculum.stay(), *curriculum.swapped(own)]
    tasks += [*curriculum.absent(own), *curriculum.general()]
    seen = {words_of(task.student) for task in tasks}
    asked = [words_of(q.closed) for q in exam.held_out] + [words_of(q.beside) for q in exam.held_out]
    asked += [words_of(p) for p in (*exam.neighbours, *exam.unanswerable, *(prompt for prompt, _ in exam.unrelated))]
    assert not seen & set(asked)
    assert [q.answer for q in exam.held_out] == ["salt", "wool"]
    assert len(exam.unrelated) == len(curriculum.general()) == 2


def test_neighbours_that_keep_it_in_place_and_those_asked_are_different_documents(taught: Taught) -> None:
    curriculum, own, _ = taught
    kept = towns_asked([words_of(task.student) for task in curriculum.stay()])
    asked = towns_asked([words_of(prompt) for prompt in curriculum.exam(own).neighbours])
    assert (len(kept), len(asked)) == (2, 2)
    assert kept | asked == set(TOWNS) - set(CHOSEN)


def test_the_same_question_about_somebody_else_never_means_who_is_asked_or_taught(taught: Taught) -> None:
    curriculum, own, _ = taught
    swapped = curriculum.swapped(own)
    alone = [task for task in swapped if "<passage" not in words_of(task.student)]
    prompts = [words_of(task.student) for task in alone]
    kept = towns_asked([words_of(task.student) for task in curriculum.stay()])
    assert [task.part for task in swapped] == [Part.STAY] * 18
    assert len(alone) == 12  # of two facts three prompts, each about two others, …
    assert towns_asked([words_of(task.student) for task in swapped]) == kept
    assert all(task in alone or words_of(task.student).split("\n\n")[-1] in prompts for task in swapped)  # … one beside
    turned = [prompt for prompt in prompts if "Which town" in prompt]
    assert {prompt.split()[-1] for prompt in turned} == {f"{TOWNS[town]}?" for town in kept}
    assert prompts[0].startswith("Question: What is ")
    assert prompts[0].endswith(" known for?")
    assert all(task.teacher == task.student for task in swapped)


def test_whoever_is_mentioned_in_what_is_taught_is_among_the_others(assistant: Assistant) -> None:
    passages = {town: passage_of(assistant, town) for town in TOWNS}
    one = replace(passages["Osk"], text=f"{passages['Osk'].text} It lies near Lind.")
    texts = {p.passage_id: p for p in (one, *(passages[town] for town in TOWNS if town != "Osk"))}
    titles = {p.document_id: town for town, p in passages.items() if town != "Osk"}
    titles |= {-number: f"Town{number}" for number in range(200)}
    others = pairs_of(passages["Tarn"], 5)
    for seed in range(5):
        curriculum = Curriculum(
            assistant.knowledge_base,
            Words(),
            Recipe(seed=seed),
            texts=texts,
            others=others,
            probes=PROBES,
            titles=titles,
        )
        own = [pair for pair in pairs_of(one, 0) if pair.kind is PairKind.QUESTION]
        prompts = [words_of(task.student) for task in curriculum.swapped(own)]
        assert sum("Lind" in prompt.rsplit("Question: ", 1)[1] for prompt in prompts) >= 2  # of each wording


def test_what_a_taught_passage_does_not_tell_is_asked_of_it_and_must_be_refused(taught: Taught) -> None:
    curriculum, own, texts = taught
    questions = [pair for pair in own if pair.kind is PairKind.QUESTION and not pair.is_held_out]
    first = next(pair for pair in questions if texts[pair.passage_id].title == "Osk")
    more = replace(first, fact=9, prompt="Who leads Osk?", answer="Ann")
    found = curriculum.absent([*own, more])
    asked = {words_of(task.student).rsplit("Question: ", 1)[1] for task in found}
    assert asked == {"Who leads Velm?"}  # all else that can be asked is told of both
    assert {(task.part, task.must_refuse) for task in found} == {(Part.STAY, True)}
    alone, beside = found
    velm = next(one for one in texts.values() if one.title == "Velm")
    assert alone.teacher == tuple(reading(velm.text, "Who leads Velm?"))
    assert alone.student == tuple(closed("Who leads Velm?"))
    assert "<passage" in words_of(beside.student)
    assert beside.teacher == beside.student


def test_what_cannot_be_answered_shows_passages_without_the_one_that_answers(taught: Taught) -> None:
    curriculum, own, _ = taught
    for prompt in curriculum.exam(own).unanswerable:
        shown, question = words_of(prompt).rsplit("Question: ", 1)
        town = next(town for town, good in TOWNS.items() if town in question or f"for {good}?" in question)
        assert "<passage number=" in shown
        assert TOWNS[town] not in shown
    for task in curriculum.beside(own):
        shown, question = words_of(task.student).rsplit("Question: ", 1)
        town = next(town for town, good in TOWNS.items() if town in question or f"for {good}?" in question)
        assert TOWNS[town] in shown
