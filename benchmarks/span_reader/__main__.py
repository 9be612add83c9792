"""Trains the span reader: low-rank changes to all-MiniLM-L6-v2 and a head for the two ends of a span.

    python -m benchmarks.span_reader --data FOLDER --out FIRST --epochs 3
    python -m benchmarks.span_reader --data FOLDER --out FILE --start FIRST --peps --epochs 2 --rate 7e-4 --seed 2

So were the weights made that come with the package, in 50 and 20 minutes of two cores, the first three epochs in batches
of other shapes. FOLDER holds `squad_dev.json`. The weights of MiniLM stay as they are; each matrix W of its layers gets B A beside it
(LoRA, Hu et al. 2021, arXiv 2106.09685), and biases and norms get their own. What does not answer points to the first
token (Devlin et al. 2018 as for SQuAD 2.0). Every string equal to the answer counts as right (Clark and Gardner 2018).
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertModel

from benchmarks.span_reader.examples import (
    Articles,
    Asked,
    Example,
    Nearest,
    Source,
    occurrences,
    read_peps,
    read_squad,
)
from rag_lifelong.embed.weights import find_minilm

MAX_TOKENS = 256  # as the embedder reads
WINDOW_TOKENS = (112, 192)  # of an example to learn from, drawn at random: passages are cut anyhow, and time is short
BATCH_TOKENS = 6_144
MAX_SPAN = 24


class LowRank(nn.Module):
    """A frozen linear layer with B A beside it, and its own bias."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(frozen.weight.detach().bfloat16(), requires_grad=False)
        self.bias = nn.Parameter(frozen.bias.detach().clone())
        self.down = nn.Parameter(torch.empty(rank, frozen.in_features))
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        x = x.bfloat16()
        beside = nn.functional.linear(nn.functional.linear(x, self.down.bfloat16()), self.up.bfloat16())
        return nn.functional.linear(x, self.weight) + beside + self.bias.bfloat16()


class Reader(nn.Module):
    def __init__(self, folder: Path, rank: int) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(folder, attn_implementation="sdpa", add_pooling_layer=False)
        self.bert.requires_grad_(False)
        for layer in self.bert.encoder.layer:
            attention = layer.attention
            for owner, name in (
                (attention.self, "query"),
                (attention.self, "key"),
                (attention.self, "value"),
                (attention.output, "dense"),
                (layer.intermediate, "dense"),
                (layer.output, "dense"),
            ):
                setattr(owner, name, LowRank(getattr(owner, name), rank))
        for name, parameter in self.bert.named_parameters():
            if "LayerNorm" in name or "token_type" in name:
                parameter.requires_grad_(True)
        self.ends = nn.Linear(self.bert.config.hidden_size, 2)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """(batch, tokens, 2): how well each token begins and ends the answer."""
        states = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        found = self.ends(states)
        may = (types == 1) & (mask == 1)
        may[:, 0] = True
        return found.float().masked_fill(~may[:, :, None], -1e4)


class Encoded:
    """One example as tokens; ends: (first, last) of each right span, (0, 0) where nothing answers."""

    def __init__(self, tokenizer: Tokenizer, example: Example, rng: random.Random, *, max_tokens: int) -> None:
        question = tokenizer.encode(example.question, add_special_tokens=False).ids[:40]
        text = f"{example.title}\n" if rng.random() < 0.5 else ""
        shift = len(text)
        whole = tokenizer.encode(text + example.text, add_special_tokens=False)
        room = max_tokens - 3 - len(question)
        spans = [token_span(whole.offsets, start + shift, end + shift) for start, end in example.answers]
        spans = [span for span in spans if span is not None]
        begin = 0
        if len(whole.ids) > room:
            if spans:
                first, last = rng.choice(spans)
                begin = rng.randint(max(0, last + 1 - room), max(0, min(first, len(whole.ids) - room)))
            else:
                begin = rng.randint(0, len(whole.ids) - room)
        kept = whole.ids[begin : begin + room]
        self.ids = [101, *question, 102, *kept, 102]
        self.text_at = len(question) + 2
        inside = [(first - begin, last - begin) for first, last in spans if begin <= first and last < begin + len(kept)]
        self.ends = [(first + self.text_at, last + self.text_at) for first, last in inside] or [(0, 0)]
        self.offsets = [(a - shift, b - shift) for a, b in whole.offsets[begin : begin + room]]
        self.is_lost = bool(example.answers) and not inside


Check = tuple[Asked, str, Encoded, Encoded]  # a question, its paragraph, that encoded, and the nearest other one


def token_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    inside = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
    return (inside[0], inside[-1]) if inside else None


def padded(batch: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
    longest = max(rounded_length(e) for e in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        mask[row, : len(e.ids)] = 1
        types[row, e.text_at : len(e.ids) - 1] = 1
    return ids, mask, types


def loss_of(found: Tensor, batch: Sequence[Encoded]) -> Tensor:
    """The negative log of what right spans get together, for each end."""
    chances = found.log_softmax(dim=1)
    rows = []
    for row, e in enumerate(batch):
        first = torch.tensor(sorted({f for f, _ in e.ends}))
        last = torch.tensor(sorted({end for _, end in e.ends}))
        rows.append(-(chances[row, first, 0].logsumexp(0) + chances[row, last, 1].logsumexp(0)) / 2)
    return torch.stack(rows).mean()


def batches(examples: Sequence[Encoded], rng: random.Random) -> list[list[Encoded]]:
    """Examples of like length together, in random order; of few shapes, since each new one costs a compilation."""
    rows: dict[int, list[Encoded]] = {}
    for e in examples:
        rows.setdefault(rounded_length(e), []).append(e)
    found = []
    for length, row in rows.items():
        rng.shuffle(row)
        size = BATCH_TOKENS // length
        found += [row[at : at + size] for at in range(0, len(row), size)]
    rng.shuffle(found)
    return [batch for batch in found if len(batch) > 1]


def rounded_length(example: Encoded) -> int:
    return -(-len(example.ids) // 16) * 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rank", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peps", action="store_true", help="the questions on PEPs too")
    parser.add_argument("--start", type=Path, help="weights to begin with")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)
    folder = find_minilm()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    reader = Reader(folder, arguments.rank)
    if arguments.start:
        load(reader, arguments.start)
    own = [p for p in reader.parameters() if p.requires_grad]
    print(f"{sum(p.numel() for p in own):,} weights are trained", flush=True)
    sources = [Source(read_squad(arguments.data / "squad_dev.json", "train"))]
    if arguments.peps:
        sources.append(Source(read_peps("train")))
    checks = checks_of(read_squad(arguments.data / "squad_dev.json", "thresholds"), tokenizer)
    optimizer = torch.optim.AdamW(own, lr=arguments.rate, weight_decay=0.01, betas=(0.9, 0.98))
    steps, total, begun = 0, None, time.monotonic()
    for epoch in range(arguments.epochs):
        encoded = [
            Encoded(tokenizer, e, rng, max_tokens=rng.randint(*WINDOW_TOKENS))
            for source in sources
            for e in source.epoch(rng)
        ]
        order = batches([e for e in encoded if not e.is_lost], rng)
        total = total or len(order) * arguments.epochs
        reader.train()
        losses = []
        for batch in order:
            share = steps / total
            for group in optimizer.param_groups:
                group["lr"] = (
                    arguments.rate * min(1.0, steps / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * min(1, share))))
                )
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = reader(*padded(batch))
            loss = loss_of(found, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            losses.append(loss.item())
            steps += 1
            if steps % 20 == 0:
                print(
                    f"  {steps}/{total} loss {np.mean(losses[-20:]):.3f} {time.monotonic() - begun:.0f} s", flush=True
                )
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}; {measured(reader, checks)}", flush=True)
        save(reader, arguments.out)


def save(reader: Reader, path: Path) -> None:
    kept = {n: p.detach().half().contiguous() for n, p in reader.named_parameters() if p.requires_grad}
    save_file(kept, str(path))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


def load(reader: Reader, path: Path) -> None:
    from safetensors.torch import load_file

    reader.load_state_dict({n: t.float() for n, t in load_file(str(path)).items()}, strict=False)


def checks_of(articles: Articles, tokenizer: Tokenizer) -> list[Check]:
    """(question, answer, encoded gold, encoded nearest other) of a sample."""
    rng = random.Random(0)
    nearest = Nearest(articles)
    found = []
    for asked in rng.sample(list(articles.questions), min(500, len(articles.questions))):
        title, text = articles.paragraphs[asked.gold]
        other = next(i for i in nearest.best(asked.text, 5) if i != asked.gold)
        otitle, otext = articles.paragraphs[other]
        gold = Encoded(
            tokenizer, Example(asked.text, title, text, occurrences(text, asked.answer)), rng, max_tokens=MAX_TOKENS
        )
        near = Encoded(tokenizer, Example(asked.text, otitle, otext, ()), rng, max_tokens=MAX_TOKENS)
        found.append((asked, text, gold, near))
    return found


def best_span(found: np.ndarray, text_at: int, length: int) -> tuple[float, int, int]:
    """(score beyond that of no answer, first, last)."""
    start, end = found[text_at : length - 1, 0], found[text_at : length - 1, 1]
    n = len(start)
    sums = start[:, None] + end[None, :]
    allowed = np.triu(np.ones((n, n), bool)) & ~np.triu(np.ones((n, n), bool), MAX_SPAN)
    sums = np.where(allowed, sums, -1e9)
    at = int(sums.argmax())
    return float(sums.flat[at] - found[0, 0] - found[0, 1]), at // n, at % n


def measured(reader: Reader, checks: Sequence[Check]) -> str:
    """Exact match and F1 where the paragraph answers, and how often it is surer there than in the nearest other one."""
    from benchmarks.short_answers import exact, overlap

    reader.eval()
    em, f1, gold_scores, near_scores = [], [], [], []
    with torch.inference_mode():
        for at in range(0, len(checks), 24):
            part = checks[at : at + 24]
            for which in (2, 3):
                rows = [c[which] for c in part]
                found = reader(*padded(rows)).numpy()
                for c, e, f in zip(part, rows, found, strict=True):
                    score, first, last = best_span(f, e.text_at, len(e.ids))
                    if which == 2:
                        said = c[1][max(0, e.offsets[first][0]) : e.offsets[last][1]]
                        em.append(exact(said, c[0].answer))
                        f1.append(overlap(said, c[0].answer))
                        gold_scores.append(score)
                    else:
                        near_scores.append(score)
    gold, near = np.array(gold_scores), np.array(near_scores)
    auroc = float((gold[:, None] > near[None, :]).mean())
    return f"EM {np.mean(em):.3f} F1 {np.mean(f1):.3f} AUROC {auroc:.3f}"


if __name__ == "__main__":
    main()
