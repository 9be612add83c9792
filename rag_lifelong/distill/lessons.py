"""What an adapter is to learn: prompts, and how the frozen model answers where it knows.

Rule: the teacher is the frozen model itself. With the source before it, its answer is what is to be known without
(context distillation: Askell et al. 2021, Snell et al. 2022); with the same prompt as the student's, what is to stay as
it is. Of each position the teacher's best tokens are kept, and how likely all others are together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from rag_lifelong.answering import refuses
from rag_lifelong.generate import Message
from rag_lifelong.generate.local import TransformersModel

if TYPE_CHECKING:
    import torch

_TOKENS_AT_ONCE = 4_096  # of prompts side by side, padding counted
_ROWS_AT_ONCE = 32


class Part(Enum):
    """What a lesson is for."""

    KNOW = "know"  # the source's facts without the source
    BESIDE = "beside"  # as before, with retrieved passages
    STAY = "stay"  # as before: neighbours, the same questions about others, what cannot be answered
    GENERAL = "general"  # as before: what is of no document
    REPLAY = "replay"  # what the adapter before it knew


@dataclass(frozen=True, slots=True)
class Task:
    """teacher, student: how each is asked. answer: what the teacher says; None: it is asked.

    must_refuse: it is a lesson only where the teacher says that it cannot tell.
    """

    part: Part
    teacher: tuple[Message, ...]
    student: tuple[Message, ...]
    answer: str | None = None
    must_refuse: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """prompt, answer: token ids, as the student reads and is to write them.

    best: (len(answer) + 1, k) token ids, the teacher's best at each position, the last one behind the answer.
    log_probs: (len(answer) + 1, k), how likely they are to it.
    """

    part: Part
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    best: torch.Tensor
    log_probs: torch.Tensor


def lessons(
    model: TransformersModel,
    tasks: Sequence[Task],
    *,
    top_k: int,
    max_tokens: int,
    tell: Callable[[int, int], None] | None = None,
) -> list[Lesson]:
    """One for each task, in their order, without those too long for the model's context, and those not refused that
    must be. model: the frozen one.

    max_tokens: of an answer. tell: called with lessons done and all.
    """
    import torch

    found: dict[int, Lesson] = {}
    done = 0
    asked = {i: (model.encoded(task.teacher), model.encoded(task.student)) for i, task in enumerate(tasks)}
    room = {i: max(map(len, prompts)) + max_tokens + 1 for i, prompts in asked.items()}
    fitting = [i for i in asked if room[i] <= model.context_tokens]
    for batch in batches(fitting, room.__getitem__):
        told = [i for i in batch if tasks[i].answer is None]
        written = dict(zip(told, _written(model, [asked[i][0] for i in told], max_tokens), strict=True))
        answers = {i: written[i] if i in written else model.encoded_text(tasks[i].answer or "") for i in batch}
        done += len(batch)
        batch = [i for i in batch if not tasks[i].must_refuse or refuses(model.decoded(answers[i]))]
        answers = {i: answers[i][:max_tokens] for i in batch}
        if tell is not None:
            tell(done, len(fitting))
        if not batch:
            continue
        with torch.no_grad():  # not inference mode: gradients will pass by what is kept
            rows = logits_of(model.module, [(asked[i][0], answers[i]) for i in batch])
            for i, row in zip(batch, rows, strict=True):
                best = torch.log_softmax(row.float(), dim=-1).topk(min(top_k, row.shape[-1]), dim=-1)
                found[i] = Lesson(
                    tasks[i].part,
                    tuple(asked[i][1]),
                    tuple(answers[i]),
                    best.indices.cpu().clone(),
                    best.values.cpu().clone(),
                )
    return [found[i] for i in sorted(found)]


def divergence(logits: torch.Tensor, lesson: Lesson) -> torch.Tensor:
    """KL(teacher ‖ student) at each position, in nats, (len(answer) + 1,); logits: (len(answer) + 1, vocabulary).

    Over the teacher's best tokens and one class of all others, which is a lower bound of the whole divergence.
    """
    import torch

    best, teacher = lesson.best.to(logits.device), lesson.log_probs.to(logits.device)
    student = torch.log_softmax(logits.float(), dim=-1).gather(-1, best)  # (positions, k)
    matched = (teacher.exp() * (teacher - student)).sum(-1)
    rest, others = _rest(teacher), _rest(student)
    return matched + rest * (rest.log() - others.log())


def _rest(log_probs: torch.Tensor) -> torch.Tensor:
    """How likely all other tokens are together, (positions,), never quite zero."""
    rest: torch.Tensor = (1.0 - log_probs.exp().sum(-1)).clamp_min(1e-6)
    return rest


def logits_of(module: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[torch.Tensor]:
    """Of each (prompt, answer): (len(answer) + 1, vocabulary), what follows the prompt and each token of the answer."""
    import torch

    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    deepest = max(len(answer) for _, answer in rows) + 1
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, (prompt, answer) in enumerate(rows):  # they end side by side, so that few logits are needed
        size = len(prompt) + len(answer)
        ids[number, width - size :] = torch.tensor([*prompt, *answer])
        mask[number, width - size :] = 1
    takes = inspect.signature(module.forward).parameters
    extra: dict[str, Any] = {}
    if "position_ids" in takes:
        extra["position_ids"] = (mask.cumsum(-1) - 1).clamp_min(0).to(module.device)
    if "logits_to_keep" in takes:
        extra["logits_to_keep"] = deepest
    logits = module(
        input_ids=ids.to(module.device), attention_mask=mask.to(module.device), use_cache=False, **extra
    ).logits[:, -deepest:]
    return [row[deepest - len(answer) - 1 :] for row, (_, answer) in zip(logits, rows, strict=True)]


def batches(numbers: Sequence[int], size: Callable[[int], int]) -> Iterator[list[int]]:
    """The numbers, of like sizes side by side, within what is computed at once; the longest first."""
    batch: list[int] = []
    for i in sorted(numbers, key=lambda i: (-size(i), i)):
        if batch and (len(batch) == _ROWS_AT_ONCE or (len(batch) + 1) * size(batch[0]) > _TOKENS_AT_ONCE):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _written(model: TransformersModel, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
    return model.write_all(prompts, max_tokens=max_tokens) if prompts else []
