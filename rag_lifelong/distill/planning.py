"""What a distillation would do, and what it would take: told before anything is trained.

Rule: nothing is written. The estimate times the model that is there, on a text that was chosen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.lessons import Part
from rag_lifelong.distill.prompts import reading
from rag_lifelong.distill.recipe import DEFAULT, Recipe, is_by
from rag_lifelong.distill.selection import Selection, select
from rag_lifelong.distill.training import steps_of, turns_of
from rag_lifelong.generate.local import TransformersModel

FACTS = 3  # of a passage, as models write them: between two and five on the texts tried
_TASK_TOKENS = 40  # of a question with its answer
_STAY = 13  # lessons of what is to stay for one of what is to be known, as counted on made-up notes
_BYTES_PER_PARAMETER = 16  # of an adapter while it is trained: value, gradient and two moments, float32


@dataclass(frozen=True, slots=True)
class Plan:
    """selection: what would be distilled. namespace, recipe: as given.

    seconds, memory_bytes: about what it takes, with the model's own weights; None without a model that can be trained.
    writer: who writes the pairs. continues: the adapter of a run that was broken off, which this one goes on with if
    all stand that it was begun with; replaces: one that was begun by another recipe, and is given up for this one.
    """

    namespace: str
    recipe: Recipe
    selection: Selection
    seconds: float | None
    memory_bytes: int | None
    writer: str
    continues: int | None
    replaces: int | None = None


def plan(assistant: Assistant, *, namespace: Sequence[str] = (), recipe: Recipe = DEFAULT) -> Plan:
    """namespace: globs of the documents' paths; none for all. Raises ModelUnusable where no adapter can be trained."""
    selection = select(assistant, namespace=namespace, recipe=recipe)
    name = ", ".join(namespace)
    model = assistant.language_model
    if not isinstance(model, TransformersModel):
        return Plan(name, recipe, selection, None, None, "templates", None)
    unfinished = assistant.knowledge_base.adapters.unfinished(name, model.name, model.base_digest())
    seconds, memory = _estimated(model, selection, recipe)
    if unfinished is None:
        return Plan(name, recipe, selection, seconds, memory, model.name, None)
    continues, replaces = (unfinished.id, None) if is_by(unfinished, recipe) else (None, unfinished.id)
    return Plan(name, recipe, selection, seconds, memory, model.name, continues, replaces)


def _estimated(model: TransformersModel, selection: Selection, recipe: Recipe) -> tuple[float, int]:
    """Seconds and bytes: two adapters are trained, of which one is a control, and both are examined."""
    student = model.grown(rank=recipe.rank, alpha=recipe.alpha, layers=recipe.layers, seed=recipe.seed)
    parameters = sum(p.numel() for p in student.module.parameters() if p.requires_grad)
    base = sum(p.numel() * p.element_size() for p in model.module.parameters())
    if not selection.chosen:
        return 0.0, base
    text = selection.chosen[0].text
    prompt = model.encoded(reading(text, selection.chosen[0].title or text[:40]))
    written, read = _seconds_per_token(model, prompt)
    passages = len(selection.chosen) * 2  # as many of other documents
    facts = FACTS * passages
    writing = passages * (2 + FACTS) * (len(prompt) * read + 60 * written) + facts * recipe.wordings * (
        len(prompt) * read + 12 * written
    )
    know = round(facts / 2 * recipe.wordings * (1.0 - recipe.held_out))
    steps = steps_of(dict.fromkeys(Part, know), recipe)
    short, long = _TASK_TOKENS, recipe.evidence * len(prompt)
    stay = min(_STAY * know, turns_of(dict.fromkeys(Part, know), recipe).get(Part.STAY, 0))
    asked = know * (len(prompt) + long) + stay * (0.4 * short + 0.3 * long + 0.3 * len(prompt))
    lessons = 2 * asked * read + (2 * know + stay) * 8 * written  # answered, and read again with the answer
    batch = recipe.batch * (short + recipe.with_passages * long)
    training = 2 * steps * 3 * batch * read
    exam = facts / 2 * recipe.wordings * recipe.held_out * (5 * short + 2 * long) * (read + written)
    widest = recipe.batch * max(short, round(long))
    width = int(getattr(model.module.config.get_text_config(), "hidden_size", 0) or 0)
    layers = int(getattr(model.module.config.get_text_config(), "num_hidden_layers", 0) or 0)
    activations = widest * width * layers * 34 * 4  # about 34 values for each hidden one (Korthikanti et al. 2022)
    return writing + lessons + training + exam, base + parameters * _BYTES_PER_PARAMETER + activations


def _seconds_per_token(model: TransformersModel, prompt: Sequence[int]) -> tuple[float, float]:
    """(to write one, to read one), by one prompt here and now."""
    began = time.perf_counter()
    model.write_all([prompt], max_tokens=1)
    first = time.perf_counter()
    model.write_all([prompt], max_tokens=9)
    end = time.perf_counter()
    read = (first - began) / max(1, len(prompt))
    return max(0.0, ((end - first) - (first - began)) / 8), read
