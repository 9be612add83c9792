"""An adapter learns what the frozen model says with a text, and the frozen model stays what it was."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_model import save_tiny_model

from rag_lifelong.distill.lessons import Lesson, Part, Task, divergence, lessons, logits_of
from rag_lifelong.distill.prompts import closed, reading
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.training import drawn, steps_of, train, turns_of
from rag_lifelong.errors import ModelUnusable, Stopped
from rag_lifelong.generate import ModelSettings
from rag_lifelong.generate.local import TransformersModel

RECIPE = Recipe(
    rank=4,
    alpha=8,
    layers=1.0,
    learning_rate=5e-4,
    epochs=30,
    batch=4,
    locality=0.3,
    checkpoint_steps=5,
    answer_tokens=6,
)
TEXTS = ("retries : three attempts", "the passage of attempts", "a question of retries", "answer the question : 1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("model"))
    settings = ModelSettings(device="cpu", dtype="float32", threads=0, context_tokens=0, wait_s=1)
    return TransformersModel(str(folder), settings)


def tasks() -> list[Task]:
    know = [Task(Part.KNOW, tuple(reading(text, "attempts")), tuple(closed(f"attempts {text}"))) for text in TEXTS]
    stay = [Task(Part.STAY, prompt, prompt) for prompt in (tuple(closed("passage")), tuple(closed("the answer")))]
    return [*know, *stay]


def taught(model: TransformersModel) -> list[Lesson]:
    return lessons(model, tasks(), top_k=5, max_tokens=RECIPE.answer_tokens)


def mean_divergence(model: TransformersModel, found: list[Lesson], part: Part) -> float:
    chosen = [lesson for lesson in found if lesson.part is part]
    with torch.inference_mode():
        rows = logits_of(model.module, [(lesson.prompt, lesson.answer) for lesson in chosen])
        values = [float(divergence(row, lesson).mean()) for row, lesson in zip(rows, chosen, strict=True)]
    return sum(values) / len(values)


def test_side_by_side_and_one_by_one_give_the_same_logits(model: TransformersModel) -> None:
    rows = [([1, 5, 6, 7, 9], [4, 8]), ([1, 3], [5, 6, 7, 8]), ([1, 5, 9], [])]
    with torch.inference_mode():
        together = logits_of(model.module, rows)
        for (prompt, answer), found in zip(rows, together, strict=True):
            alone = model.module(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 :]
            assert found.shape == (len(answer) + 1, alone.shape[-1])
            assert torch.allclose(found, alone, atol=1e-5)


def test_the_divergence_is_the_one_worked_out_by_hand() -> None:
    teacher = torch.tensor([[0.5, 0.3, 0.1, 0.1]])
    student = torch.tensor([[0.25, 0.25, 0.25, 0.25]])
    best = teacher.log().topk(2)
    lesson = Lesson(Part.KNOW, (1,), (), best.indices, best.values)
    wanted = 0.5 * math.log(0.5 / 0.25) + 0.3 * math.log(0.3 / 0.25) + 0.2 * math.log(0.2 / 0.5)
    assert float(divergence(student.log(), lesson)) == pytest.approx(wanted, abs=1e-6)
    assert float(divergence(teacher.log(), lesson)) == pytest.approx(0.0, abs=1e-6)


def test_a_lesson_holds_what_the_frozen_model_says_with_the_text(model: TransformersModel) -> None:
    first = taught(model)[0]
    prompt = model.encoded(reading(TEXTS[0], "attempts"))
    assert list(first.answer) == model.write_all([prompt], max_tokens=RECIPE.answer_tokens)[0]
    assert list(first.prompt) == model.encoded(closed(f"attempts {TEXTS[0]}"))
    with torch.inference_mode():
        follows = torch.log_softmax(model.module(input_ids=torch.tensor([prompt])).logits[0, -1], dim=-1)
    assert first.best[0].tolist() == follows.topk(5).indices.tolist()
    assert torch.allclose(first.log_probs[0], follows.topk(5).values, atol=1e-5)


def test_where_it_must_be_refused_nothing_else_is_a_lesson(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [replace(task, must_refuse=task.part is Part.KNOW) for task in tasks()]
    said: list[str] = []

    def refuses_the_first(text: str) -> bool:
        said.append(text)
        return len(said) == 1

    monkeypatch.setattr("rag_lifelong.distill.lessons.refuses", refuses_the_first)
    told: list[tuple[int, int]] = []
    kept = lessons(model, alike, top_k=5, max_tokens=4, tell=lambda done, total: told.append((done, total)))
    assert Counter(one.part for one in kept) == {Part.KNOW: 1, Part.STAY: 2}
    assert len(said) == len(TEXTS)
    assert told[-1] == (len(alike), len(alike))


def test_what_is_too_long_for_the_model_is_left_out(model: TransformersModel) -> None:
    long = Task(Part.KNOW, tuple(reading("retries " * 400, "attempts")), tuple(closed("attempts")))
    assert lessons(model, [long], top_k=5, max_tokens=6) == []


def test_an_adapter_learns_and_the_frozen_model_stays(model: TransformersModel) -> None:
    before = model.digest()
    found = taught(model)
    student = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    assert mean_divergence(student, found, Part.KNOW) == pytest.approx(
        mean_divergence(model, found, Part.KNOW), abs=1e-6
    )  # a fresh adapter changes nothing
    done = train(student, found, RECIPE)
    adapted = model.adapted(student.adapter_weights())
    assert done.steps == steps_of({Part.KNOW: 4, Part.STAY: 2}, RECIPE) == math.ceil(30 * 4 / 3)
    assert mean_divergence(adapted, found, Part.KNOW) < 0.2 * mean_divergence(model, found, Part.KNOW)
    assert mean_divergence(adapted, found, Part.STAY) < 0.2 * mean_divergence(
        adapted_without_stay(model, found), found, Part.STAY
    )
    assert model.digest() == before
    assert adapted.base_digest() == before


def adapted_without_stay(model: TransformersModel, found: list[Lesson]) -> TransformersModel:
    student = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    train(student, [lesson for lesson in found if lesson.part is Part.KNOW], RECIPE)
    return student


def test_a_run_broken_off_goes_on_as_if_it_had_not_been(model: TransformersModel) -> None:
    found = taught(model)
    whole = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    losses = train(whole, found, RECIPE).losses
    kept: list[bytes] = []
    seen: list[int] = []
    broken = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    with pytest.raises(Stopped, match="after 13 of 40 steps"):
        train(
            broken,
            found,
            RECIPE,
            keep=kept.append,
            tell=lambda done, total, loss: seen.append(done),
            is_stopped=lambda: len(seen) == 13,
        )
    again = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    done = train(again, found, RECIPE, checkpoint=kept[-1])
    assert done.losses == losses
    assert again.adapter_weights() == whole.adapter_weights()
    assert model.grown(rank=4, alpha=8, layers=1.0, seed=8).adapter_weights() != whole.adapter_weights()


def test_every_lesson_has_its_turn_and_parts_have_their_shares(model: TransformersModel) -> None:
    found = taught(model)
    by_part = {part: [lesson for lesson in found if lesson.part is part] for part in Part}
    recipe = Recipe(batch=5, locality=0.4, with_passages=0.25, replay=0.1)
    steps = [drawn(by_part, step, recipe) for step in range(8)]
    assert all([lesson.part for lesson in batch] == [Part.KNOW] * 3 + [Part.STAY] * 2 for batch in steps)
    counts = Counter(lesson.prompt for batch in steps for lesson in batch if lesson.part is Part.KNOW)
    assert sorted(counts.values()) == [6, 6, 6, 6]  # 24 draws of 4
    assert drawn(by_part, 5, recipe) == steps[5]


def test_every_token_of_a_step_weighs_the_same(model: TransformersModel) -> None:
    found = taught(model)
    by_part = {part: [lesson for lesson in found if lesson.part is part] for part in Part}
    batch = [replace(one, answer=one.answer[: number + 1]) for number, one in enumerate(drawn(by_part, 0, RECIPE))]
    short = [
        replace(one, best=one.best[: len(one.answer) + 1], log_probs=one.log_probs[: len(one.answer) + 1])
        for one in batch
    ]
    student = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    with torch.no_grad():
        for name, value in student.module.named_parameters():
            if "lora_B" in name:
                value.fill_(0.02)  # so that there is something to learn
        rows = logits_of(student.module, [(lesson.prompt, lesson.answer) for lesson in short])
        each = torch.cat([divergence(row, lesson) for row, lesson in zip(rows, short, strict=True)])
    whole = replace(RECIPE, steps=1, batch=len(short), locality=0.25)
    alike = [replace(one, part=Part.KNOW) for one in short]
    done = train(student, alike, whole)
    assert len({len(one.answer) for one in short}) > 1
    assert done.losses[0] == pytest.approx(float(each.mean()), rel=1e-4)


def test_the_second_matrix_moves_eight_times_as_far(model: TransformersModel) -> None:
    student = model.grown(rank=4, alpha=8, layers=1.0, seed=7)
    with torch.no_grad():
        for name, value in student.module.named_parameters():
            if "lora_B" in name:
                value.fill_(0.02)
    before = {n: v.detach().clone() for n, v in student.module.named_parameters() if v.requires_grad}
    train(student, taught(model), replace(RECIPE, steps=1))
    moved: dict[bool, float] = {}
    for name, value in student.module.named_parameters():
        if value.requires_grad:
            far = float((value.detach() - before[name]).abs().max())
            moved["lora_B" in name] = max(moved.get("lora_B" in name, 0.0), far)
    assert moved[True] == pytest.approx(8 * RECIPE.learning_rate, rel=1e-2)  # Adam's first step is the rate itself
    assert moved[False] == pytest.approx(RECIPE.learning_rate, rel=1e-2)


def test_turns_are_what_all_steps_together_draw(model: TransformersModel) -> None:
    found = taught(model)
    counts = Counter(lesson.part for lesson in found)
    recipe = replace(RECIPE, epochs=3, locality=0.5)
    by_part = {part: [lesson for lesson in found if lesson.part is part] for part in Part}
    in_all = [one.part for step in range(steps_of(counts, recipe)) for one in drawn(by_part, step, recipe)]
    assert turns_of(counts, recipe) == Counter(in_all)


def test_weights_of_another_model_are_refused(model: TransformersModel, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=19, hidden_size=32, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2
    )
    folder = save_tiny_model(tmp_path)
    LlamaForCausalLM(config).save_pretrained(folder)
    other = TransformersModel(str(folder))
    weights = other.grown(rank=4, alpha=8, layers=1.0, seed=1).adapter_weights()
    with pytest.raises(ModelUnusable, match=r"cannot be used with this model|of another model"):
        model.adapted(weights)
    with pytest.raises(ModelUnusable, match="cannot be used"):
        model.adapted(b"not an adapter")


def test_a_model_in_half_precision_or_eight_bits_is_refused_with_what_to_set(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path)
    for dtype in ("float16", "int8"):
        settings = ModelSettings(device="cpu", dtype=dtype, threads=0, context_tokens=0, wait_s=1)
        with pytest.raises(ModelUnusable, match='model_dtype = "float32"'):
            TransformersModel(str(folder), settings).grown(rank=2, alpha=2, layers=1.0, seed=1)
