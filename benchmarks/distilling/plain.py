"""Plain fine-tuning of an adapter on the same texts: what distillation is compared with."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rag_lifelong.distill.lessons import logits_of
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.generate.local import TransformersModel


def fine_tuned(
    model: TransformersModel, texts: Sequence[str], recipe: Recipe, *, steps: int, go_on: bytes | None = None
) -> bytes:
    """An adapter trained to write the texts, by the loss of their next tokens. go_on: from these weights."""
    import torch

    student = model.grown(rank=recipe.rank, alpha=recipe.alpha, layers=recipe.layers, seed=recipe.seed)
    trained = {name: value for name, value in student.module.named_parameters() if value.requires_grad}
    if go_on is not None:
        known = dict(model.adapted(go_on).module.named_parameters())
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(known[name])
    optimizer = torch.optim.AdamW(list(trained.values()), lr=recipe.learning_rate, weight_decay=0.0)
    rows = [model.encoded_text(text) for text in texts]
    rng = random.Random(recipe.seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * max(0.1, 1.0 - step / steps)
        batch = rng.choices(rows, k=recipe.batch)
        found = logits_of(student.module, [(row[:1], row[1:]) for row in batch])
        losses = [
            torch.nn.functional.cross_entropy(logits[:-1].float(), torch.tensor(row[1:]))
            for logits, row in zip(found, batch, strict=True)
        ]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimizer.step()
    return student.adapter_weights()
