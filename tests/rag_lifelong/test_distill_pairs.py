"""Pairs: written by a model and checked, or by templates; what is held out is taught nowhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import save_tiny_model

from rag_lifelong import open_assistant
from rag_lifelong.answering import REFUSAL
from rag_lifelong.distill import Recipe
from rag_lifelong.distill.facts import is_faithful, is_reproduced, normal, prompts_about, stands_in
from rag_lifelong.distill.pairs import Pair, PairKind, Pairs, held_out, settled, write_pairs
from rag_lifelong.distill.prompts import ask_questions, closed, reading
from rag_lifelong.distill.selection import Candidate, select
from rag_lifelong.distill.templates import facts_of
from rag_lifelong.distill.writing import Writer, Written, lines_of, questions_of
from rag_lifelong.generate import Message, ModelSettings, TransformersModel

RECIPE = Recipe(wordings=3, seed=7)
LAUNCH = "The launch code is ZANZIBAR since Monday. The launch is led by Ana Ruiz."
CANTEEN = "The canteen is closed by Otto Lang at 14:30."

Replies = Mapping[str, str | Sequence[str]]


class Told:
    """A language model that says, to what is asked of a text, what it is told; else that the text does not say."""

    name = "told"

    def __init__(self, replies: Replies, *, context_tokens: int = 4_000) -> None:
        self.replies = replies
        self.context_tokens = context_tokens
        self.asked: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Generator[str, None, str | None]:
        asked = messages[-1].content.partition("</text")[2].partition(">")[2].strip()
        told = self.replies.get(asked, REFUSAL)
        said = told if isinstance(told, str) else told[min(self.asked.count(asked), len(told) - 1)]
        self.asked.append(asked)
        yield from (said[at : at + 5] for at in range(0, len(said), 5))
        return "a limit" if said.endswith("…") else None


def passage(number: int, text: str, *, title: str = "", label: str = "", **asked: str) -> Candidate:
    return Candidate(
        passage_id=number,
        document_id=number,
        revision_id=number,
        digest=b"",
        path=f"/docs/{number}.md",
        label=label,
        title=title,
        text=text,
        start=0,
        end=len(text),
        living_since=datetime(2026, 1, 1, tzinfo=UTC),
        versions_unchanged=0,
        found=0,
        cited=0,
        good=0,
        bad=0,
        questions=tuple(asked),
        answers=tuple(asked.values()),
    )


def question(text: str, count: int = 5) -> str:
    """What is asked for questions about a text, behind it."""
    return ask_questions(text, count)[0].content.rpartition(">\n\n")[2]


def wordings(asked: str, count: int = 2) -> str:
    return f"Question: {asked}\n\nAsk the same in {count} other ways, one a line."


def reverse(asked: str, answer: str) -> str:
    return (
        f"Question: {asked}\nAnswer: {answer}\n\nAsk it the other way round: a question whose answer stands in that "
        "question, followed by ' = ' and the answer."
    )


ABOUT_LAUNCH: dict[str, str] = {
    question(LAUNCH): "1. What is the launch code? = ZANZIBAR\n2. Who leads the launch? = Ana Ruiz",
    wordings("What is the launch code?"): "- Which code does the launch have?\n- Tell me the code of the launch.",
    wordings("Who leads the launch?"): "Whom is the launch led by?\nBy whom is the launch led?",
    reverse("What is the launch code?", "ZANZIBAR"): "What is ZANZIBAR? = the launch code",
    reverse("Who leads the launch?", "Ana Ruiz"): "What does Ana Ruiz lead? = the launch",
    "Say this in other words.": "Ana Ruiz leads the launch, whose code since Monday is ZANZIBAR. [1]",
    **dict.fromkeys(
        [
            "Question: What is the launch code?",
            "Question: Which code does the launch have?",
            "Question: Tell me the code of the launch.",
        ],
        "Zanzibar.",
    ),
    **dict.fromkeys(
        [
            "Question: Who leads the launch?",
            "Question: Whom is the launch led by?",
            "Question: By whom is the launch led?",
        ],
        "Ana Ruiz [1]",
    ),
    "Question: What is ZANZIBAR?": "The launch code.",
    "Question: What does Ana Ruiz lead?": "The launch.",
}


def drafts(found: Pairs) -> list[tuple[int, str, str, str, str]]:
    return [(p.fact, p.kind.value, p.prompt, p.answer, p.author) for p in found.pairs]


def test_a_model_writes_questions_wordings_the_reverse_and_a_rewrite() -> None:
    found = write_pairs([passage(5, LAUNCH, title="Launch")], model=Told(ABOUT_LAUNCH), recipe=RECIPE)
    assert drafts(found) == [
        (1, "question", "What is the launch code?", "ZANZIBAR", "model"),
        (1, "question", "Which code does the launch have?", "ZANZIBAR", "model"),
        (1, "question", "Tell me the code of the launch.", "ZANZIBAR", "model"),
        (1, "reverse", "What is ZANZIBAR?", "the launch code", "model"),
        (2, "question", "Who leads the launch?", "Ana Ruiz", "model"),
        (2, "question", "Whom is the launch led by?", "Ana Ruiz", "model"),
        (2, "question", "By whom is the launch led?", "Ana Ruiz", "model"),
        (2, "reverse", "What does Ana Ruiz lead?", "the launch", "model"),
        (3, "rewrite", "What do you know about Launch?", ABOUT_LAUNCH["Say this in other words."][:-4], "model"),
    ]
    for fact in (1, 2):  # a fifth of three wordings is one
        assert [p.kind for p in found.pairs if p.fact == fact and p.is_held_out] == [PairKind.QUESTION]
    assert not found.pairs[-1].is_held_out and {p.passage_id for p in found.pairs} == {5}
    assert (found.refused, found.by_templates, found.notes, found.passages) == (0, False, (), (5,))
    assert found.is_whole


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        pytest.param({"Question: What is ZANZIBAR?": "A town."}, ["What is ZANZIBAR?"], id="reverse"),
        pytest.param(
            {"Question: Which code does the launch have?": "MANDALAY"},
            ["Which code does the launch have?"],
            id="a wording",
        ),
        pytest.param(
            {"Question: Who leads the launch?": "Otto Lang"},
            [
                "Who leads the launch?",
                "Whom is the launch led by?",
                "By whom is the launch led?",
                "What does Ana Ruiz lead?",
            ],
            id="a question, and what follows from it",
        ),
        pytest.param(
            {"Say this in other words.": "Ana Ruiz leads the launch, whose code since Friday is ZANZIBAR."},
            ["What do you know about Launch?"],
            id="a rewrite with another name",
        ),
        pytest.param(
            {"Say this in other words.": "Ana Ruiz leads the 3 launches, whose code since Monday is ZANZIBAR."},
            ["What do you know about Launch?"],
            id="a rewrite with another number",
        ),
        pytest.param(
            {question(LAUNCH): f"{ABOUT_LAUNCH[question(LAUNCH)]}\nWhen is it closed? = At noon"},
            [],
            id="an answer that does not stand there",
        ),
        pytest.param(
            {question(LAUNCH): f"{ABOUT_LAUNCH[question(LAUNCH)]}\nSince when is Monday the day? = Monday"},
            [],
            id="a question that gives its answer away",
        ),
        pytest.param(
            {wordings("What is the launch code?"): "Is the code Zanzibar?\nTell me the code of the launch."},
            ["Which code does the launch have?"],
            id="a wording that gives the answer away",
        ),
        pytest.param(
            {reverse("What is the launch code?", "ZANZIBAR"): "What is the code? = the launch code"},
            ["What is ZANZIBAR?"],
            id="a reverse that does not hold the answer",
        ),
        pytest.param(
            {reverse("What is the launch code?", "ZANZIBAR"): "What is ZANZIBAR, the code? = the code"},
            ["What is ZANZIBAR?"],
            id="a reverse that gives its own answer away",
        ),
        pytest.param(
            {reverse("What is the launch code?", "ZANZIBAR"): "What might ZANZIBAR be? = a pretty town"},
            ["What is ZANZIBAR?"],
            id="a reverse whose answer stands nowhere",
        ),
        pytest.param(
            {reverse("Who leads the launch?", "Ana Ruiz"): "What is ZANZIBAR? = the launch code"},
            ["What does Ana Ruiz lead?"],
            id="a reverse of another fact",
        ),
        pytest.param(
            {"Say this in other words.": "Ana Ruiz leads the launch, whose code since Monday is ZANZIBAR and…"},
            ["What do you know about Launch?"],
            id="a rewrite that is cut off",
        ),
    ],
)
def test_what_the_model_does_not_say_again_is_refused_and_counted(changes: Replies, lost: Sequence[str]) -> None:
    agreeing = {  # so that nothing else refuses these
        "Question: When is it closed?": "At noon",
        "Question: Since when is Monday the day?": "Monday",
        "Question: Is the code Zanzibar?": "ZANZIBAR",
        "Question: What is the code?": "The launch code",
        "Question: What is ZANZIBAR, the code?": "The code",
        "Question: What might ZANZIBAR be?": "A pretty town",
    }
    told = Told({**ABOUT_LAUNCH, **agreeing, **changes})
    whole = write_pairs([passage(5, LAUNCH, title="Launch")], model=Told(ABOUT_LAUNCH), recipe=RECIPE)
    found = write_pairs([passage(5, LAUNCH, title="Launch")], model=told, recipe=RECIPE)
    prompts = [pair.prompt for pair in found.pairs]
    assert [p.prompt for p in whole.pairs if p.prompt not in lost] == prompts
    assert found.refused == 1


def test_two_facts_are_not_turned_into_one_question() -> None:
    turned = "What has the code ZANZIBAR and is led by Ana Ruiz?"
    replies = {
        **ABOUT_LAUNCH,
        reverse("What is the launch code?", "ZANZIBAR"): f"{turned} = the launch",
        reverse("Who leads the launch?", "Ana Ruiz"): f"{turned} = the launch",
        f"Question: {turned}": "the launch",
    }
    found = write_pairs([passage(5, LAUNCH, title="Launch")], model=Told(replies), recipe=RECIPE)
    assert [(p.fact, p.prompt) for p in found.pairs if p.kind is PairKind.REVERSE] == [(1, turned)]
    assert found.refused == 1


def test_what_a_sampling_model_says_otherwise_the_second_time_is_refused() -> None:
    replies: Replies = {**ABOUT_LAUNCH, "Question: Which code does the launch have?": ("ZANZIBAR", "MANDALAY")}
    found = write_pairs([passage(5, LAUNCH, title="Launch")], model=Told(replies), recipe=RECIPE)
    assert "Which code does the launch have?" not in [pair.prompt for pair in found.pairs]
    assert found.refused == 1


def test_no_more_wordings_than_wanted_and_none_twice() -> None:
    replies = {
        **ABOUT_LAUNCH,
        wordings("What is the launch code?"): "WHAT is the launch code\nWho leads the launch?\n"
        "Which code does the launch have?\nwhich code does a launch have??\nTell me the code of the launch.\n"
        "What code has the launch?",
        "Question: What code has the launch?": "ZANZIBAR",
    }
    found = write_pairs([passage(5, LAUNCH, title="Launch")], model=Told(replies), recipe=RECIPE)
    first = [p.prompt for p in found.pairs if p.fact == 1 and p.kind is PairKind.QUESTION]
    assert first == [
        "What is the launch code?",
        "Which code does the launch have?",
        "Tell me the code of the launch.",
    ]


def test_the_users_own_questions_are_facts_that_are_checked_too() -> None:
    own = {
        "At what hour is the canteen closed?": "14:30",
        "Who closes the canteen?": "Otto Lang",
        "Which day?": "Monday",
    }
    replies = {
        wordings("At what hour is the canteen closed?"): "When does the canteen close?",
        "Question: At what hour is the canteen closed?": "14:30",
        "Question: When does the canteen close?": "at 14:30",
        "Question: Who closes the canteen?": "Otto Braun",
        question(CANTEEN): "At what hour is the canteen closed? = at 14:30\nWho shuts the canteen? = Otto Lang",
        "Question: Who shuts the canteen?": "Otto Lang",
    }
    found = write_pairs([passage(1, CANTEEN, **own)], model=Told(replies), recipe=RECIPE)
    assert drafts(found) == [
        (1, "question", "At what hour is the canteen closed?", "14:30", "user"),
        (1, "question", "When does the canteen close?", "14:30", "model"),
        (2, "question", "Who shuts the canteen?", "Otto Lang", "model"),
    ]
    assert found.refused == 1  # the user's own that the model reads otherwise; a refusal is no draft


# -- where a run is broken off


def two() -> list[Candidate]:
    return [passage(5, LAUNCH, title="Launch"), passage(2, CANTEEN, title="Canteen")]


ABOUT_BOTH = {
    **ABOUT_LAUNCH,
    question(CANTEEN): ABOUT_LAUNCH[question(LAUNCH)] + "\nWho closes the canteen? = Otto Lang",
    wordings("Who closes the canteen?"): "By whom is the canteen closed?",
    "Question: Who closes the canteen?": "Otto Lang",
    "Question: By whom is the canteen closed?": "Otto Lang",
}


def test_a_run_that_was_broken_off_goes_on_to_the_same_pairs() -> None:
    whole = write_pairs(two(), model=Told(ABOUT_BOTH), recipe=RECIPE)
    assert {pair.passage_id for pair in whole.pairs} == {5, 2} and whole.refused > 0
    kept: list[Pairs] = []

    def broken_off(done: int, total: int) -> None:
        assert (done, total) == (1, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pairs(two(), model=Told(ABOUT_BOTH), recipe=RECIPE, progress=broken_off, keep=kept.append)
    assert [one.passages for one in kept] == [(5,)] and not kept[0].is_whole
    told = Told(ABOUT_BOTH)
    steps: list[tuple[int, int]] = []
    found = write_pairs(
        two(),
        model=told,
        recipe=RECIPE,
        progress=lambda *step: steps.append(step),
        done=Pairs.from_json(kept[0].to_json()),
    )
    assert found == whole
    assert told.asked.count("Say this in other words.") == 1 and steps == [(1, 2), (2, 2)]
    again = Told({})
    assert write_pairs(two(), model=again, recipe=RECIPE, done=found) == whole and again.asked == []


def test_a_passage_without_pairs_is_not_gone_through_twice() -> None:
    told = Told(ABOUT_LAUNCH)
    kept: list[Pairs] = []
    write_pairs([passage(2, CANTEEN), *two()[:1]], model=told, recipe=RECIPE, keep=kept.append)
    assert kept[0].passages == (2,) and kept[0].pairs == ()
    again = Told(ABOUT_LAUNCH)
    write_pairs([passage(2, CANTEEN), *two()[:1]], model=again, recipe=RECIPE, done=kept[0])
    assert question(CANTEEN) == question(LAUNCH) and again.asked.count(question(LAUNCH)) == 1


def test_pairs_of_passages_that_are_no_candidates_any_more_are_let_go() -> None:
    whole = write_pairs(two(), model=Told(ABOUT_BOTH), recipe=RECIPE)
    found = write_pairs(two()[1:], model=Told(ABOUT_BOTH), recipe=RECIPE, done=whole)
    assert {pair.passage_id for pair in found.pairs} == {2} and found.passages == (2,)
    assert len({pair.fact for pair in found.pairs}) == len({p.fact for p in whole.pairs if p.passage_id == 2})


def test_pairs_are_read_back_as_they_were_and_damage_is_told() -> None:
    whole = write_pairs(two(), model=Told(ABOUT_BOTH), recipe=RECIPE)
    assert Pairs.from_json(whole.to_json()) == whole
    for text in ("{", "[]", '{"pairs": [{"fact": 1}], "refused": 0}'):
        with pytest.raises(ValueError, match=r"Expecting|damaged"):
            Pairs.from_json(text)


# -- what is held out


@given(st.integers(0, 12), st.floats(0.0, 1.0), st.integers(0, 9))
def test_a_share_of_the_wordings_is_held_out_one_at_least_and_never_all(count: int, share: float, seed: int) -> None:
    found = held_out(count, share, random.Random(seed))
    assert found == held_out(count, share, random.Random(seed)) and found <= set(range(count))
    if count < 2 or share == 0.0:
        assert not found
    else:
        assert len(found) == max(1, min(count - 1, round(count * share)))


PROMPTS = st.sampled_from(["Who?", "who", "The who!", "When?", "when"])
KINDS = st.sampled_from(list(PairKind))


@given(
    st.lists(
        st.builds(
            Pair,
            fact=st.integers(1, 3),
            passage_id=st.integers(1, 2),
            kind=KINDS,
            prompt=PROMPTS,
            answer=st.sampled_from(["Ana", "ana.", "Otto"]),
            is_held_out=st.booleans(),
            author=st.just("model"),
        )
    )
)
def test_nothing_held_out_is_taught_and_nothing_is_answered_in_two_ways(pairs: list[Pair]) -> None:
    pairs = [replace(p, is_held_out=p.is_held_out and p.kind is PairKind.QUESTION) for p in pairs]
    found = settled(Pairs(tuple(pairs), 0, False, ()))
    taught = {normal(p.prompt) for p in found.pairs if not p.is_held_out}
    assert not taught & {normal(p.prompt) for p in found.pairs if p.is_held_out}
    answers = {(normal(p.prompt), normal(p.answer)) for p in found.pairs}
    assert len({prompt for prompt, _ in answers}) == len(answers)
    learned = {p.fact for p in found.pairs if not p.is_held_out and p.kind is PairKind.QUESTION}
    assert {p.fact for p in found.pairs if p.is_held_out} <= learned
    # and no more than that is lost
    every = {normal(p.prompt): {normal(q.answer) for q in pairs if normal(q.prompt) == normal(p.prompt)} for p in pairs}
    clear = [p for p in pairs if len(every[normal(p.prompt)]) == 1]
    assert [p for p in found.pairs if not p.is_held_out] == [p for p in clear if not p.is_held_out]
    assert settled(found).pairs == found.pairs


def test_a_wording_held_out_of_one_passage_is_not_taught_of_its_copy() -> None:
    def pair(passage_id: int, prompt: str, *, is_held_out: bool) -> Pair:
        return Pair(passage_id, passage_id, PairKind.QUESTION, prompt, "Ana", is_held_out, "model")

    original = [pair(1, "Who leads it?", is_held_out=True), pair(1, "By whom is it led?", is_held_out=False)]
    copy = [pair(2, "who leads it", is_held_out=False), pair(2, "Who is the leader?", is_held_out=True)]
    found = settled(Pairs((*original, *copy), 0, False, ()))
    assert found.pairs == (original[1], *copy) and found.notes == ()


def test_a_question_that_two_passages_answer_differently_is_left_out_and_said() -> None:
    both = [
        passage(1, "The owner is Ana Ruiz since May.", owner="Ana Ruiz"),
        passage(2, "The owner is Otto Lang.", owner="Otto Lang"),
    ]
    both = [replace(one, questions=("Who owns it?",)) for one in both]
    found = write_pairs(both, model=None, recipe=RECIPE)
    assert "Who owns it?" not in [pair.prompt for pair in found.pairs]
    assert found.notes[-1] == "left out, since passages answer them differently: 1 prompt"


# -- templates


def test_templates_ask_for_entries_definitions_places_and_gaps() -> None:
    text = "Status: Final\n\nA walrus is a subspecies of seal that lives on ice.\n\nIt was seen near Oslo in 1905."
    found = facts_of(passage(1, text, title="Animals", label="Sea"), wordings=5)
    assert [(fact[0].prompt, fact[0].answer, len(fact)) for fact in found] == [
        ("What is the Status of Animals?", "Final", 6),
        ("What is a walrus?", "a subspecies of seal that lives on ice", 6),
        ('Complete: "It was seen near Oslo in ___."', "1905", 5),
    ]
    assert [(d.kind, d.prompt, d.answer) for d in found[0][4:]] == [
        (PairKind.QUESTION, "Tell me the Status of Animals.", "Final"),
        (PairKind.REVERSE, "Which document gives Final as its Status?", "Animals"),
    ]
    assert [(d.kind, d.prompt, d.answer) for d in found[1][4:]] == [
        (PairKind.QUESTION, "In Animals, what is a walrus?", "a subspecies of seal that lives on ice"),
        (PairKind.REVERSE, "What is described as a subspecies of seal that lives on ice?", "a walrus"),
    ]
    assert {d.author for fact in found for d in fact} == {"template"}


def test_a_place_asks_for_its_first_sentence_and_a_gap_for_a_name() -> None:
    text = "## Sea\n\nNobody knew how deep the water was. We met Ana Ruiz at the harbour."
    found = facts_of(passage(1, text, title="Travels", label="Sea"), wordings=2)
    assert [[d.prompt for d in fact] for fact in found] == [
        ["What does Travels say about Sea?", "What does Travels say first about Sea?"],
        ['Complete: "We met ___ at the harbour."', 'Which words are missing here: "We met ___ at the harbour."'],
    ]
    assert [fact[0].answer for fact in found] == ["Nobody knew how deep the water was.", "Ana Ruiz"]


def test_a_form_that_would_give_its_answer_away_is_not_used() -> None:
    assert facts_of(passage(1, "We met Ana at the house of Ana Ruiz.", title="Travels"), wordings=5) == []
    (fact,) = facts_of(passage(1, "Name: Animals of Oslo", title="Animals"), wordings=1)
    assert [(d.kind, d.prompt, d.answer) for d in fact] == [
        (PairKind.QUESTION, "What is the Name of Animals?", "Animals of Oslo")
    ]  # and no reverse, whose answer would be Animals


def test_pronouns_are_not_defined_and_weak_numbers_are_no_gaps() -> None:
    found = facts_of(passage(1, "It is a ship from the north. That was the first of its kind in Oslo."), wordings=1)
    assert [(fact[0].prompt, fact[0].answer) for fact in found] == [
        ('Complete: "That was the first of its kind in ___."', "Oslo")
    ]


def test_a_passage_is_asked_eight_facts_each_once() -> None:
    names = "Anna Boris Carla David Edith Frank Greta Hanno Irene Jakob".split()
    text = " ".join(f"We met {name} at the harbour of the town." for name in ["Anna", *names])
    assert [fact[0].answer for fact in facts_of(passage(1, text), wordings=1)] == ["Anna"]  # one gap, many answers
    text = "\n".join(f"{name}: seen in {1900 + n}" for n, name in enumerate(names))
    assert [fact[0].answer for fact in facts_of(passage(1, text), wordings=1)] == [
        f"seen in {1900 + n}" for n in range(8)
    ]


def test_no_template_gives_its_answer_away_and_each_answer_stands_there() -> None:
    texts = [path.read_text() for path in sorted((Path(__file__).parents[2] / "samples").rglob("*.md"))]
    asked = 0
    for number, text in enumerate(texts):
        for fact in facts_of(passage(number, text, title="Sample", label="Place"), wordings=5):
            for draft in fact:
                asked += 1
                assert not stands_in(draft.answer, draft.prompt)
                assert draft.kind is PairKind.REVERSE or stands_in(draft.answer, text)
    assert asked > 20


def test_without_a_model_templates_and_own_questions_serve_and_it_is_said() -> None:
    kept: list[Pairs] = []
    own = passage(1, CANTEEN, title="Canteen", **{"Who closes the canteen?": "Otto Lang", "What else?": "Nothing"})
    found = write_pairs([own], model=None, recipe=RECIPE, keep=kept.append)
    assert drafts(found) == [
        (1, "question", "Who closes the canteen?", "Otto Lang", "user"),
        *(
            (2, "question", form.format('"The canteen is closed by Otto Lang at ___."'), "14:30", "template")
            for form in ("Complete: {}", "Which words are missing here: {}", "In Canteen, what stands at the gap of {}")
        ),
    ]
    assert [pair.is_held_out for pair in found.pairs].count(True) == 1 and not found.pairs[0].is_held_out
    assert found.by_templates and found.refused == 0
    assert found.notes == (
        "without a model, all is asked by templates and your own questions, whose wordings are much alike; nothing was "
        "checked",
    )


def test_where_a_model_writes_about_too_few_templates_ask_and_the_model_checks() -> None:
    gap = '"The canteen is closed by Otto Lang at ___."'
    three = [*two(), passage(9, "Nobody was there.", title="Empty")]
    replies = {
        **ABOUT_LAUNCH,
        f"Question: Complete: {gap}": "14:30",
        f"Question: Which words are missing here: {gap}": "14:31",
    }
    found = write_pairs(three, model=Told(replies), recipe=RECIPE)
    assert [p.prompt for p in found.pairs if p.passage_id == 2] == [f"Complete: {gap}"]
    assert [p.author for p in found.pairs if p.passage_id == 5 and p.fact == 1] == ["model"] * 4
    assert found.by_templates and found.notes == (
        "told wrote nothing that holds about 2 of 3 passages: there all is asked by templates and your own questions, "
        "whose wordings are much alike",
    )
    again = Told({})
    assert write_pairs(three, model=again, recipe=RECIPE, done=found) == found and again.asked == []
    enough = write_pairs(two(), model=Told(ABOUT_LAUNCH), recipe=RECIPE)
    assert not enough.by_templates and {p.passage_id for p in enough.pairs} == {5}
    assert enough.notes == ("told wrote nothing that holds about 1 of 2 passages",)


def test_a_template_does_not_ask_again_what_the_user_asked() -> None:
    text = "Status: Final\n\nIt was seen near Oslo in 1905."
    own = passage(1, text, title="Animals", **{"what is the status of Animals": "Final", "Which year?": "1905"})
    for model in (None, Told({"Question: what is the status of Animals": "final", "Question: Which year?": "1905"})):
        found = write_pairs([own], model=model, recipe=RECIPE)
        asked = [(p.prompt, p.author) for p in found.pairs if normal(p.prompt) == "what is status of animals"]
        assert asked == [("what is the status of Animals", "user")]
        assert found.by_templates  # what the user asked was not written by the model
        assert ("Which year?", "user") in [(p.prompt, p.author) for p in found.pairs]


def test_a_passage_too_long_for_the_model_is_said() -> None:
    long = passage(2, "A garden by the river. " * 400, title="Gardens")
    found = write_pairs([*two()[:1], long], model=Told(ABOUT_LAUNCH, context_tokens=600), recipe=RECIPE)
    assert {pair.passage_id for pair in found.pairs} == {5}
    assert found.notes == (
        "1 passage had no room in what told reads at once",
        "told wrote nothing that holds about 1 of 2 passages",
    )


def test_prompts_for_all_that_a_passage_says_are_each_of_one_passage() -> None:
    many = [
        passage(1, "One two three four five six seven.", title="Guide", label="Setup > Keys"),
        passage(2, "Eight nine.", title="Guide", label="Setup > Keys"),
        passage(3, "Ten.", title="Guide"),
        passage(4, "Eleven.", label="p. 3"),
    ]
    assert prompts_about(many) == {
        1: 'What does Guide say about Setup > Keys, where it begins "One two three four five six"?',
        2: 'What does Guide say about Setup > Keys, where it begins "Eight nine."?',
        3: "What do you know about Guide?",
        4: "What does 4 say at p. 3?",
    }


# -- what a model wrote, and what counts as the same


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1. Who is it?\n2) Where is it?\n(3) When was it?", ["Who is it?", "Where is it?", "When was it?"]),
        ("- Who is it?\n* Where is it?\n• When was it?", ["Who is it?", "Where is it?", "When was it?"]),
        ("Sure, here are two:\n\na) Who is it?\nQ2: Where is it?", ["Who is it?", "Where is it?"]),
        ('1. "Who is it?" [1]\n**Where is it?**\n“When was it?”', ["Who is it?", "Where is it?", "When was it?"]),
        ("3.5 tons are how much?\n12:30 is when?", ["3.5 tons are how much?", "12:30 is when?"]),
        ('Who wrote "Faust"\nA. Smith is who?\nOk', ['Who wrote "Faust"', "A. Smith is who?"]),
    ],
)
def test_lines_are_read_however_they_are_numbered(text: str, lines: list[str]) -> None:
    assert lines_of(Written(text, True)) == lines
    assert lines_of(Written(text, False)) == [line for line in lines if line != lines[-1] or text.endswith("Ok")]
    assert lines_of(None) == []


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("1. Who is it? = Ana", ("Who is it?", "Ana")),
        ("Who is it? - Ana", ("Who is it?", "Ana")),
        ("Q: Who is it? A: Ana", ("Who is it?", "Ana")),
        ('"Who is it?" = "Ana"', ("Who is it?", "Ana")),
        ("Tell me who it is. = Ana", ("Tell me who it is.", "Ana")),
        ("What is x = 3 called? = an assignment", ("What is x = 3 called?", "an assignment")),
        ("How much is it? = 12.5 percent", ("How much is it?", "12.5 percent")),
        ("Who is it?", None),
        ("There is none.", None),
    ],
)
def test_questions_are_parted_from_their_answers(line: str, pair: tuple[str, str] | None) -> None:
    assert questions_of(Written(line, True)) == ([] if pair is None else [pair])


@pytest.mark.parametrize(
    ("said", "answer", "same"),
    [
        ("The Zanzibar. [1]", "ZANZIBAR", True),
        ("Otto Lang", "Ana Ruiz", False),
        ("Ana Maria Ruiz y Lang", "Ana Maria Ruiz Lang", True),  # F1 8/9
        ("by Ana Ruiz", "Ana Ruiz", True),  # 4/5
        ("led by Ana Ruiz", "Ana Ruiz", False),  # 2/3
        ("since the third Monday in May 2024", "since the third Monday in May 2023", False),  # 5/6, another year
        (REFUSAL, "sources do not say", False),
        ("", "…", False),
    ],
)
def test_an_answer_is_the_same_in_nearly_the_same_words_with_the_same_numbers(
    said: str, answer: str, same: bool
) -> None:
    assert is_reproduced(said, answer) is same


@pytest.mark.parametrize(
    ("rewrite", "faithful"),
    [
        ("Since Monday ZANZIBAR is what the launch uses as its code; Ana Ruiz leads it.", True),
        ("Launches by Ana Ruiz.", True),  # the title is known too
        ("ZANZIBAR is the code, and Ana Ruiz leads the launch with Otto.", False),
        ("ZANZIBAR is the code of the launch since 2024, led by Ana Ruiz.", False),
        ("Yes.", False),
        ("", False),
        (REFUSAL, False),
    ],
)
def test_a_rewrite_has_no_name_or_number_of_its_own_and_tells_enough(rewrite: str, faithful: bool) -> None:
    assert is_faithful(rewrite, passage(1, LAUNCH, title="Launch")) is faithful


@pytest.mark.parametrize(
    ("words", "text", "stands"),
    [
        ("Ana ruiz", "led by Ana  **Ruiz**.", True),
        ("Ana", "Diana is here", False),
        ("the 3", "at 3 o'clock", True),
        ("...", "at ... noon", False),
        ("长城", "他看见长城了", True),
    ],
)
def test_words_stand_in_a_text_as_whole_words(words: str, text: str, stands: bool) -> None:
    assert stands_in(words, text) is stands


# -- with the real parts


def test_from_questions_asked_in_a_chat_to_pairs(tmp_path: Path) -> None:
    time = datetime(2026, 6, 1, 12, tzinfo=UTC)
    now: Callable[[], datetime] = lambda: time  # noqa: E731
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "launch.md").write_text(f"# Launch\n\n{LAUNCH}\n")
    with open_assistant(tmp_path / "kb", embedder="hash", now=now) as assistant:
        assistant.add(tmp_path / "docs")
        with assistant.chat() as talk:
            assert talk.ask("By whom is the launch led?").short == "Ana Ruiz"
        time += timedelta(days=7)
        chosen = select(assistant, namespace=(), recipe=RECIPE).chosen
        found = write_pairs(chosen, model=Told(ABOUT_LAUNCH), recipe=RECIPE)
    assert [(p.prompt, p.answer, p.author) for p in found.pairs][:1] == [
        ("By whom is the launch led?", "Ana Ruiz", "user")
    ]
    assert [(p.prompt, p.author) for p in found.pairs if p.kind is PairKind.REWRITE] == [
        ("What do you know about Launch?", "model")
    ]


@pytest.mark.slow
def test_a_model_on_this_machine_writes_side_by_side_what_it_writes_alone(tmp_path: Path) -> None:
    settings = ModelSettings(device="cpu", dtype="float32", threads=1, context_tokens=0, wait_s=1)
    model = TransformersModel(str(save_tiny_model(tmp_path, context_tokens=64)), settings)
    writer = Writer(model)
    prompts = [closed("the answer"), closed("three attempts of passage retries"), reading("the " * 60, "a")]
    found = writer.write(prompts, max_tokens=8)
    assert not writer.samples and found[2] is None
    for prompt, one in zip(prompts[:2], found, strict=False):
        assert one is not None and one.text == "".join(model.stream(prompt, max_tokens=8)).strip()
