"""The training of one adapter: the frozen model's answers with the source, from the same model without it.

Rule: what is drawn depends on the seed and the step alone, so a run that was broken off goes on as if it had not been,
to the bit on the same machine. Only the adapter's parameters have gradients.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag_lifelong.distill.lessons import Lesson, Part, divergence, logits_of
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.errors import Stopped
from rag_lifelong.generate.local import TransformersModel

_WARMUP = 0.05  # of all steps
_CLIP = 1.0  # of the gradient's norm
_BETAS = (0.9, 0.98)  # the usual 0.999 remembers a spike for most of a short run
_OUT_RATE = 8.0  # of a LoRA layer's second matrix, which begins at nought, to its first (LoRA+: Hayou et al. 2024)
_LONGER = 1.5  # times the shortest of those side by side


@dataclass(frozen=True, slots=True)
class Trained:
    """losses: the mean divergence of each step's batch, nats per token."""

    steps: int
    losses: tuple[float, ...]


def steps_of(counts: Mapping[Part, int], recipe: Recipe) -> int:
    """How many steps a run takes with so many lessons of each part."""
    know = counts.get(Part.KNOW, 0)
    share = _shares(recipe, {part for part, count in counts.items() if count})[Part.KNOW]
    return min(recipe.steps, math.ceil(recipe.epochs * know / share))


def turns_of(counts: Mapping[Part, int], recipe: Recipe) -> dict[Part, int]:
    """How many lessons of each part such a run draws in all, again and again if there are fewer."""
    steps = steps_of(counts, recipe)
    return {part: steps * share for part, share in _shares(recipe, {p for p, n in counts.items() if n}).items()}


def train(
    student: TransformersModel,
    lessons: Sequence[Lesson],
    recipe: Recipe,
    *,
    checkpoint: bytes | None = None,
    keep: Callable[[bytes], None] | None = None,
    tell: Callable[[int, int, float], None] | None = None,
    is_stopped: Callable[[], bool] | None = None,
) -> Trained:
    """Changes the student's adapter, `TransformersModel.grown`, and nothing else.

    checkpoint: where to go on. keep: takes a checkpoint now and then, and one when it is stopped. tell: called with
    steps done, all, and the loss. Raises Stopped.
    """
    import torch

    by_part = {part: [lesson for lesson in lessons if lesson.part is part] for part in Part}
    total = steps_of({part: len(found) for part, found in by_part.items()}, recipe)
    parameters = [(name, value) for name, value in student.module.named_parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": [value], "pace": _OUT_RATE if "lora_B" in name else 1.0} for name, value in parameters],
        lr=recipe.learning_rate,
        betas=_BETAS,
        weight_decay=0.0,
    )
    losses = [] if checkpoint is None else _restored(checkpoint, parameters, optimizer)
    for step in range(len(losses), total):
        if is_stopped is not None and is_stopped():
            if keep is not None:
                keep(_checkpoint(parameters, optimizer, losses))
            raise Stopped(f"stopped after {step} of {total} steps; they are kept, and the next run goes on from them")
        for group in optimizer.param_groups:
            group["lr"] = group["pace"] * recipe.learning_rate * _pace(step, total)
        batch = drawn(by_part, step, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss, positions = 0.0, sum(len(lesson.answer) + 1 for lesson in batch)
        for alike in _of_like_length(batch):
            rows = logits_of(student.module, [(lesson.prompt, lesson.answer) for lesson in alike])
            part = torch.cat([divergence(row, lesson) for row, lesson in zip(rows, alike, strict=True)]).sum()
            (part / positions).backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach()) / positions
        torch.nn.utils.clip_grad_norm_([value for _, value in parameters], _CLIP)
        optimizer.step()
        losses.append(loss)
        if tell is not None:
            tell(step + 1, total, losses[-1])
        if keep is not None and ((step + 1) % recipe.checkpoint_steps == 0 or step + 1 == total):
            keep(_checkpoint(parameters, optimizer, losses))
    return Trained(total, tuple(losses))


def drawn(by_part: dict[Part, list[Lesson]], step: int, recipe: Recipe) -> list[Lesson]:
    """The lessons of one step: each part's share of the batch, each part in an order of its own, over and over."""
    batch: list[Lesson] = []
    for part, share in _shares(recipe, {part for part, found in by_part.items() if found}).items():
        found = by_part[part]
        for number in range(step * share, (step + 1) * share):
            turn, place = divmod(number, len(found))
            order = random.Random(f"{recipe.seed} {part.value} {turn}").sample(range(len(found)), len(found))
            batch.append(found[order[place]])
    return batch


def _shares(recipe: Recipe, parts: set[Part]) -> dict[Part, int]:
    """How many of a batch are of each part that there is; what is not taken is for KNOW, at least one."""
    wanted = {
        Part.STAY: recipe.locality,
        Part.GENERAL: recipe.general,
        Part.BESIDE: recipe.with_passages,
        Part.REPLAY: recipe.replay,
    }
    shares = {part: max(1, round(share * recipe.batch)) for part, share in wanted.items() if share and part in parts}
    return {Part.KNOW: max(1, recipe.batch - sum(shares.values())), **shares}


def _of_like_length(batch: Sequence[Lesson]) -> list[list[Lesson]]:
    """The batch in parts, so that a question alone is not padded to the length of one with its passages."""
    parts: list[list[Lesson]] = []
    for lesson in sorted(batch, key=_length):
        if not parts or _length(lesson) > _LONGER * _length(parts[-1][0]):
            parts.append([])
        parts[-1].append(lesson)
    return parts


def _length(lesson: Lesson) -> int:
    return len(lesson.prompt) + len(lesson.answer)


def _pace(step: int, total: int) -> float:
    """Linear warm-up, then a cosine to a tenth."""
    warm = max(1, round(_WARMUP * total))
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1.0 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _checkpoint(parameters: Sequence[tuple[str, Any]], optimizer: Any, losses: Sequence[float]) -> bytes:
    from safetensors.torch import save

    tensors = {}
    for name, value in parameters:
        state = optimizer.state[value]
        tensors[f"value {name}"] = value.detach().cpu().contiguous()
        if state:
            tensors[f"first {name}"] = state["exp_avg"].cpu().contiguous()
            tensors[f"second {name}"] = state["exp_avg_sq"].cpu().contiguous()
    return save(tensors, metadata={"losses": json.dumps(list(losses))})


def _restored(checkpoint: bytes, parameters: Sequence[tuple[str, Any]], optimizer: Any) -> list[float]:
    """Puts parameters and optimizer back as they were; the losses until then."""
    import torch
    from safetensors.torch import load

    tensors = load(checkpoint)
    length = int.from_bytes(checkpoint[:8], "little")
    losses: list[float] = json.loads(json.loads(checkpoint[8 : 8 + length])["__metadata__"]["losses"])
    with torch.no_grad():
        for name, value in parameters:
            value.copy_(tensors[f"value {name}"])
            if losses:
                optimizer.state[value] = {
                    "step": torch.tensor(float(len(losses))),
                    "exp_avg": tensors[f"first {name}"].to(value.device),
                    "exp_avg_sq": tensors[f"second {name}"].to(value.device),
                }
    return losses
