"""Ways to embed all-MiniLM-L6-v2 on a CPU: how fast each is, and what its vectors still find.

    pip install -r benchmarks/embedding_ways/requirements.txt
    python -m benchmarks.embedding_ways --data FOLDER [--peps FOLDER] [--cache FOLDER] [--ways NAME …]
                                        [--chunks 48] [--rounds 4] [--speed-only]

FOLDER holds what benchmarks.retrieval reads; --peps adds the PEPs that its hand-written questions are about. Speed is
of pieces of about 200 tokens, beside sentence-transformers' default; the ways take turns, and the best round of each
counts; by CPU time too, since cores are shared. A question is one short one on one thread; it, the loading and the peak of memory (48 pieces) are of a process of
their own. Cosines and the overlap of the ten nearest passages are to single precision; recall@5 / nDCG@10 are by cosine
alone, the paired 95 % interval of the difference to single precision beside each (bootstrap over questions). "asked in
float32": the questions in single precision, only the passages by the way. What gives the vectors of single precision is
not asked again, and a way whose package is missing is left out. What ships is "torch, bfloat16, asked in float32".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.embedding import QUESTION, cut
from benchmarks.embedding_ways import quality
from benchmarks.embedding_ways.quality import Asked, Found, Kept
from benchmarks.embedding_ways.ways import EXACT, THEIRS, WAYS, Missing, Opened, Theirs, opened
from benchmarks.retrieval import interval
from rag_lifelong.embed import open_embedder

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.embedding_ways",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peps", type=Path)
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--chunks", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)  # one way in this process
    options = parser.parse_args()
    chunks = cut(ROOT, open_embedder(cache_dir=None), count=options.chunks)
    if options.alone:
        print(json.dumps(alone(options.alone, chunks)))
        return 0
    if options.data is None and not options.speed_only:
        parser.error("--data FOLDER, or --speed-only")
    names = list(dict.fromkeys([EXACT, *options.ways]))
    ways: dict[str, Opened | Theirs] = {}
    for name in (THEIRS, *names):
        try:
            ways[name] = opened(name)
        except Missing as missing:
            print(f"left out: {name}: {missing}")
    others = show_speed(ways, chunks, rounds=options.rounds)
    if not options.speed_only:
        measured = {name: way for name, way in ways.items() if name == EXACT or name in others}
        show_quality(measured, quality.read(options.data, options.peps), cache=options.cache)
    return 0


def alone(name: str, chunks: Sequence[str]) -> tuple[float, float, float]:
    """Seconds to load, imports and all; ms of a question; MB at the peak."""
    start = time.perf_counter()
    way = opened(name)
    load_s = time.perf_counter() - start
    times = []
    for _ in range(30):
        start = time.perf_counter()
        way.ask(QUESTION)
        times.append(time.perf_counter() - start)
    way.embed(chunks)
    return load_s, float(np.median(times)) * 1_000, peak_mb()


def peak_mb() -> float:
    """Of this process; `ru_maxrss` would be that of the one that began it, if greater."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1_024


def show_speed(ways: Mapping[str, Opened | Theirs], chunks: list[str], *, rounds: int) -> set[str]:
    """Prints the table; the ways whose vectors are not those of single precision to six digits."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            vectors[name] = way.embed(chunks)
            seconds[name].append(time.perf_counter() - start)
            cpu_seconds[name].append(time.process_time() - cpu_start)
    print(
        f"\n| way | chunks/s | × {THEIRS} | chunks per CPU-s | × | a question, ms | load, s | peak, MB | cosine, mean / min |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ways:
        rate = len(chunks) / min(seconds[name])
        ratio = min(seconds[THEIRS]) / min(seconds[name])
        cpu_rate = len(chunks) / min(cpu_seconds[name])
        cpu_ratio = min(cpu_seconds[THEIRS]) / min(cpu_seconds[name])
        cosines = np.sum(vectors[name] * vectors[EXACT], axis=1)
        given = ["--alone", name, "--chunks", str(len(chunks))]
        command = [sys.executable, "-m", "benchmarks.embedding_ways", *given]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
        load_s, question_ms, peak = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {name} | {rate:.1f} | {ratio:.2f} | {cpu_rate:.1f} | {cpu_ratio:.2f} | {question_ms:.1f} | {load_s:.1f} | {peak:.0f} "
            f"| {cosines.mean():.5f} / {cosines.min():.5f} |",
            flush=True,
        )
    return {name for name in ways if np.sum(vectors[name] * vectors[EXACT], axis=1).min() < 0.999999}


def show_quality(ways: Mapping[str, Opened | Theirs], sets: Sequence[Asked], *, cache: Path | None) -> None:
    """Prints the table of the ways, single precision first."""
    found: dict[str, list[Found]] = {}
    exact = {}
    for name, way in ways.items():
        embed = Kept(cache, name, way.embed)
        found[name] = []
        for asked in sets:
            questions, passages = embed(asked.questions), embed(asked.strings)
            found[name].append(quality.ask(asked, questions, passages))
            if name == EXACT:
                exact[asked.name] = questions
            else:
                mixed = quality.ask(asked, exact[asked.name], passages)
                found.setdefault(f"{name}, asked in float32", []).append(mixed)
    print("\n| way | top-10 overlap |" + "".join(f" {one.name}, {len(one.questions)} |" for one in sets))
    print("|---|---|" + "---|" * len(sets))
    for name, of_way in found.items():
        pairs = list(zip(of_way, found[EXACT], strict=True))
        shared = np.mean([quality.overlap(one.nearest, other.nearest) for one, other in pairs])
        cells = []
        for one, other in pairs:
            means = one.figures.mean(axis=0) * 100
            cell = f"{means[0]:.1f} / {means[1]:.1f}"
            if name != EXACT:
                low_high = [interval(one.figures[:, m] - other.figures[:, m]) for m in (0, 1)]
                cell += " (" + " / ".join(f"{low * 100:+.1f} … {high * 100:+.1f}" for low, high in low_high) + ")"
                cell += "".join(" below" for _, high in low_high if high < 0)
            cells.append(cell)
        print(f"| {name} | {shared:.3f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
