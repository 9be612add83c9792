"""Every gate holds, or the adapter is rejected: values, bounds, and who is asked what."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_model import save_tiny_model

from rag_lifelong.distill.gates import Exam, Question, by_fact, drift, examine, f1
from rag_lifelong.distill.lessons import logits_of
from rag_lifelong.distill.probes import general, halves, read
from rag_lifelong.distill.prompts import closed, reading
from rag_lifelong.distill.recipe import Thresholds
from rag_lifelong.errors import BadSetting
from rag_lifelong.generate import ModelSettings
from rag_lifelong.generate.local import TransformersModel

WORDS = ("retries", "attempts", "passage", "question")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("model"))
    settings = ModelSettings(device="cpu", dtype="float32", threads=0, context_tokens=0, wait_s=1)
    return TransformersModel(str(folder), settings)


def disturbed(model: TransformersModel, size: float) -> TransformersModel:
    """With an adapter that was never trained: noise."""
    other = model.grown(rank=4, alpha=8, layers=1.0, seed=3)
    torch.manual_seed(5)
    for parameter in other.module.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data + size * torch.randn(parameter.shape)
    return model.adapted(other.adapter_weights())


def exam(golds: dict[str, str]) -> Exam:
    held_out = tuple(
        Question(fact, tuple(closed(word)), tuple(reading("a passage", word)), golds[word])
        for fact, word in enumerate(golds)
    )
    return Exam(
        held_out,
        neighbours=tuple(tuple(closed(f"the {word}")) for word in WORDS),
        unrelated=tuple((tuple(closed(f"a {word}")), "three") for word in WORDS),
        unanswerable=tuple(tuple(reading("three", word)) for word in WORDS),
    )


def said(model: TransformersModel, word: str) -> str:
    return model.decoded(model.write_all([model.encoded(closed(word))], max_tokens=4)[0])


@pytest.mark.parametrize(
    ("answer", "gold", "wanted"),
    [
        ("Osk", "Osk", 1.0),
        ("The Osk. [2]", "osk", 1.0),
        ("in Osk", "Osk", 2 / 3),
        ("Mira Tolven", "Tolven of Osk", 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
        ("Osk Osk", "Osk", 2 / 3),
        ("Velm", "Osk", 0.0),
        ("", "Osk", 0.0),
        ("Your sources do not say.", "your sources", 0.0),
    ],
)
def test_f1_counts_words_without_case_articles_and_markers(answer: str, gold: str, wanted: float) -> None:
    assert f1(answer, gold) == pytest.approx(wanted)


def test_wordings_of_one_fact_count_as_one() -> None:
    assert by_fact([4, 2, 4, 4], [1.0, 0.5, 0.0, 0.5]) == [0.5, 0.5]


def test_the_drift_is_the_divergence_of_all_tokens(model: TransformersModel) -> None:
    other = disturbed(model, 0.3)
    prompt = tuple(closed("retries"))
    ids = model.encoded(prompt)
    answer = model.write_all([ids], max_tokens=4)[0]
    with torch.inference_mode():
        rows = [torch.log_softmax(logits_of(m.module, [(ids, answer)])[0], dim=-1) for m in (model, other)]
    wanted = sum(float(sum(p.exp() * (p - q))) for p, q in zip(*rows, strict=True)) / len(rows[0])
    assert drift(model, other, [prompt], 4) == [pytest.approx(wanted, abs=1e-5)]
    assert drift(model, model, [prompt], 4) == [0.0]


def test_what_says_nothing_new_is_not_promoted(model: TransformersModel) -> None:
    golds = {word: said(model, word) for word in WORDS}
    thresholds = Thresholds(min_items=4)
    gates, arms = examine(model, model, model, exam(golds), thresholds=thresholds, max_tokens=4, seed=1)
    found = {gate.name: gate for gate in gates}
    assert [gate.name for gate in gates] == "gain format beside neighbours unrelated probe refusals drift".split()
    assert {name for name, gate in found.items() if not gate.holds} == {"gain", "format"}
    assert (found["gain"].value, found["gain"].bound, found["gain"].bound_threshold) == (0.0, 0.0, 0.0)
    assert (found["unrelated"].value, found["unrelated"].threshold) == (1.0, 0.99)
    assert [(arm.name, arm.score) for arm in arms][:2] == [("base", 1.0), ("adapter", 1.0)]


def test_what_knows_more_but_talks_otherwise_is_rejected_by_name(model: TransformersModel) -> None:
    other = disturbed(model, 1.5)
    golds = {word: said(other, word) for word in WORDS}
    assert all(golds[word] != said(model, word) for word in WORDS)
    thresholds = Thresholds(min_items=4, drift=0.005)  # all that this model says is nearly as likely as anything else
    gates, _ = examine(model, other, model, exam(golds), thresholds=thresholds, max_tokens=4, seed=1)
    found = {gate.name: gate for gate in gates}
    assert found["gain"].holds
    assert found["format"].holds
    assert not found["unrelated"].holds
    assert not found["neighbours"].holds
    assert not found["drift"].holds
    assert found["drift"].bound is not None
    assert found["drift"].bound > found["drift"].bound_threshold


def test_of_too_few_a_gate_cannot_tell(model: TransformersModel) -> None:
    golds = {word: said(model, word) for word in WORDS}
    gates, _ = examine(model, model, model, exam(golds), thresholds=Thresholds(min_items=5), max_tokens=4, seed=1)
    assert not any(gate.holds for gate in gates)
    assert all(gate.says.endswith("too few to tell") for gate in gates)


def test_the_general_prompts_are_a_hundred_with_answers_and_part_in_halves() -> None:
    probes = general()
    assert (len(probes), len({probe.prompt for probe in probes})) == (100, 100)
    assert all(probe.answer for probe in probes)
    first, second = halves(probes, "7")
    assert (len(first), len(second)) == (50, 50)
    assert set(first) | set(second) == set(probes)
    assert halves(probes, "7") == (first, second)
    assert halves(probes, "8") != (first, second)


def test_general_prompts_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "probes.tsv"
    path.write_text("# mine\nWho are you?\n\nWhat is two plus two?\tfour\n", encoding="utf-8")
    assert [(p.prompt, p.answer) for p in read(path)] == [("Who are you?", None), ("What is two plus two?", "four")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read {}: No such file or directory"),
        ("# nothing\n\n", "{} holds no question"),
        ("What is 1 + 1?\t2\n\tleft alone\n", "{}, line 2: write a question, a tab, and its answer"),
    ],
)
def test_a_probe_that_cannot_be_used(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "probe.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSetting) as told:
        read(path)
    assert str(told.value) == said.format(path)
