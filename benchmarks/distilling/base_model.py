"""Trains the small language model that the loop of distillation is measured on, from nothing.

    python -m benchmarks.distilling.base_model --folder DIR

It is a Llama of a few million weights that reads notes of made-up worlds, cites them, refuses what they do not tell,
knows the common knowledge by heart, and writes questions. Weights are kept in bfloat16.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmarks.distilling.examples import READ, TASKS, Tree, draw_tree
from benchmarks.distilling.tokens import ANSWER, BEGIN, END, build_tokenizer, save_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT_TOKENS = 512
ROW_TOKENS = (256, 512)  # of several trees, one after another: attention takes half the time in rows of 512
LONG_FROM = 0.7  # from this share of the steps on, rows are long
PROCESSES = 2  # of one thread each: two threads would wait for each other at every layer
TEXT_WEIGHT = 0.1  # of a token that is no answer


@dataclass(frozen=True, slots=True)
class Rows:
    """Trees side by side. All (rows, length): ids, positions, what comes next, its weight, its task, and which
    tree (-1: none) and branch (0: what all share) a token is of."""

    ids: Tensor
    positions: Tensor
    targets: Tensor
    weights: Tensor
    tasks: Tensor
    trees: Tensor
    branches: Tensor

    def mask(self) -> Tensor:
        """(rows, 1, length, length), True where a token may look: back, in its tree, not at other branches."""
        n = self.ids.shape[1]
        back = torch.ones(n, n, dtype=torch.bool).tril()
        is_same_tree = self.trees[:, :, None] == self.trees[:, None, :]
        is_open = (self.branches[:, None, :] == 0) | (self.branches[:, :, None] == self.branches[:, None, :])
        return (back & is_same_tree & is_open)[:, None]


class Encoder:
    """Trees → rows."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._inner = tokenizer.backend_tokenizer
        self._begin, self._answer, self._end = tokenizer.convert_tokens_to_ids([BEGIN, ANSWER, END])

    def rows(self, trees: Iterator[Tree], count: int, length: int) -> Rows:
        """`count` rows, each filled with trees as they come; the branches that a row has no room for are left out, and
        so are trees that no row has room for."""
        kept: list[list[list[int]]] = []
        row: list[list[int]] = []
        drawn = 0
        while len(kept) < count:
            parts = self._parts(next(trees), number=drawn)
            drawn += 1
            least = sum(map(len, parts[:3]))
            if least > length:
                continue
            if len(row) + least > length:
                kept.append(row)
                row = []
            for part in parts:
                if len(row) + len(part) <= length:
                    row += part
        padding = [0, 0, 0, 0, 0, -1, 0]
        values = torch.tensor([each + [padding] * (length - len(each)) for each in kept])
        ids, positions, targets, weights, tasks, numbers, branches = values.unbind(-1)
        return Rows(ids, positions, targets, weights / 1_000, tasks, numbers, branches)

    def _parts(self, tree: Tree, number: int) -> list[list[list[int]]]:
        """What is shared, then the branches; for each token: id, position, next, weight in thousandths, task, tree,
        branch."""
        texts = [tree.shared, *(part for each in tree.branches for part in (each.prompt, each.answer))]
        encoded = [each.ids for each in self._inner.encode_batch(texts, add_special_tokens=False)]
        shared = [self._begin, *encoded[0]]
        text = round(TEXT_WEIGHT * 1_000)
        # the last shared token is followed by each branch: none is its next one
        parts = [
            [
                [token, at, after, text if at < len(shared) - 1 else 0, 0, number, 0]
                for at, (token, after) in enumerate(zip(shared, [*shared[1:], 0], strict=True))
            ]
        ]
        for index, branch in enumerate(tree.branches):
            prompt, answer = encoded[1 + 2 * index], encoded[2 + 2 * index]
            tokens = [*prompt, self._answer, *answer, self._end]
            task = TASKS.index(branch.task) + 1
            columns = []
            for at, (token, after) in enumerate(itertools.pairwise(tokens)):
                is_answer = at >= len(prompt)
                weight = round(branch.weight * 1_000) if is_answer else text
                columns.append([token, len(shared) + at, after, weight, task if is_answer else 0, number, index + 1])
            parts.append(columns)
        return parts


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, hidden: int, layers: int, heads: int = 4, seed: int
) -> LlamaForCausalLM:
    """With random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    begin, end = tokenizer.convert_tokens_to_ids([BEGIN, END])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 5 // 2,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=end,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def forward(model: LlamaForCausalLM, rows: Rows) -> Tensor:
    """Logits at the tokens that have a next one: (kept, vocabulary)."""
    found = model.model(input_ids=rows.ids, position_ids=rows.positions, attention_mask=rows.mask(), use_cache=False)
    return model.lm_head(found.last_hidden_state[rows.weights > 0])


def measured(model: LlamaForCausalLM, encoder: Encoder, *, seed: int, rows: int, is_reserved: bool) -> dict[str, float]:
    """Of each task, the share of answers that greedy decoding would write to the letter."""
    rng = random.Random(seed)
    right, all_ = defaultdict(int), defaultdict(int)
    for _ in range(0, rows, 8):
        part = encoder.rows(_trees(rng, is_reserved=is_reserved), 8, CONTEXT_TOKENS)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            is_right = torch.zeros_like(part.ids, dtype=torch.bool)
            is_right[part.weights > 0] = forward(model, part).argmax(-1) == part.targets[part.weights > 0]
        for row in range(8):
            keys = part.trees[row] * 1_000 + part.branches[row]
            for key in keys[part.tasks[row] > 0].unique():
                of = (keys == key) & (part.tasks[row] > 0)
                if (part.targets[row][of][-1] != encoder._end).item():
                    continue  # cut at the row's end
                task = TASKS[int(part.tasks[row][of][0]) - 1]
                right[task] += int(is_right[row][of].all())
                all_[task] += 1
    return {task: right[task] / all_[task] for task in TASKS if all_[task]}


def _trees(rng: random.Random, *, is_reserved: bool = False, most_facts: int = 6) -> Iterator[Tree]:
    while True:
        yield draw_tree(rng, is_reserved=is_reserved, most_facts=most_facts)


def train(arguments: argparse.Namespace) -> None:
    """In PROCESSES, each with its share of the rows."""
    store = tempfile.mkdtemp()
    torch.multiprocessing.spawn(_train_share, (arguments, f"{store}/meeting"), nprocs=PROCESSES)


def _train_share(number: int, arguments: argparse.Namespace, meeting: str) -> None:
    """The first process prints a line now and then, measures, and saves."""
    import torch.distributed as processes

    torch.set_num_threads(1)
    processes.init_process_group("gloo", init_method=f"file://{meeting}", rank=number, world_size=PROCESSES)
    tokenizer = save_tokenizer(arguments.folder, CONTEXT_TOKENS) if number == 0 else build_tokenizer(CONTEXT_TOKENS)
    encoder = Encoder(tokenizer)
    model = build_model(
        tokenizer, hidden=arguments.hidden, layers=arguments.layers, heads=arguments.heads, seed=arguments.seed
    )
    if arguments.start:
        found = type(model).from_pretrained(arguments.start, dtype=torch.float32)
        # its matrices have the same shapes with other heads, and mean something else
        if found.config.num_attention_heads != arguments.heads:
            raise ValueError(f"{arguments.start} has {found.config.num_attention_heads} heads, not {arguments.heads}")
        model.load_state_dict(found.state_dict())
    if number == 0:
        print(f"{sum(p.numel() for p in model.parameters()):,} weights, {arguments}", flush=True)
    parameters = list(model.parameters())
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [
        torch.optim.Muon(matrices, lr=arguments.rate * 10, weight_decay=0.01, momentum=0.95, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [group["lr"] for group in groups]
    rng = random.Random(f"{arguments.seed} {number}")
    begun = time.monotonic()
    losses: list[float] = []
    for step in range(1, arguments.steps + 1):
        share = step / arguments.steps
        factor = min(1.0, step / 100) * min(1.0, max(0.02, (1 - share) / arguments.decay))
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * factor
        # short texts, and few, first
        grown = min(1.0, 2 * share)
        trees = _trees(rng, most_facts=1 + int(5 * grown))
        length = ROW_TOKENS[share > LONG_FROM]
        rows = encoder.rows(trees, arguments.rows * ROW_TOKENS[0] // length, length)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = forward(model, rows)
        kept = rows.weights > 0
        each = torch.nn.functional.cross_entropy(logits.float(), rows.targets[kept], reduction="none")
        loss = (each * rows.weights[kept]).sum() / rows.weights[kept].sum()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        gradients = torch.cat([p.grad.view(-1) for p in parameters if p.grad is not None])
        processes.all_reduce(gradients)
        at = 0
        for p in parameters:
            if p.grad is not None:
                p.grad.copy_(gradients[at : at + p.numel()].view_as(p) / PROCESSES)
                at += p.numel()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(each[rows.weights[kept] == READ].mean().item())
        if number == 0 and step % 50 == 0:
            read = sum(losses[-50:]) / 50
            print(f"{step} read {read:.3f} {time.monotonic() - begun:.0f} s", flush=True)
        if number == 0 and (step % arguments.check == 0 or step == arguments.steps):
            for is_reserved in (False, True):
                found = measured(model, encoder, seed=-1 - step, rows=16, is_reserved=is_reserved)
                said = ", ".join(f"{task} {share:.2f}" for task, share in found.items())
                print(f"  {'reserved' if is_reserved else 'trained'} wordings: {said}", flush=True)
            save(model, arguments.folder)
    processes.destroy_process_group()


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """In bfloat16; the model itself stays as it is."""
    import copy

    copy.deepcopy(model).bfloat16().save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of a model of this size to go on from")
    parser.add_argument("--hidden", type=int, default=208)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--rows", type=int, default=12, help="of 256 tokens, in each process")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.4, help="share of the steps in which the rate goes down")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--check", type=int, default=200)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
