"""How many strings an edit makes new, over a real history; no embedding, so that a chunker is judged in a minute.

    python -m benchmarks.edits --data DATA --work FOLDER [--sample N]

DATA as for `benchmarks.replay`. Each file of every commit is parsed and cut; a string (context and text, as embedded) is
new if it was in no text before. Reported for modifications: new strings beside the 900-character windows of the new
text that a line diff touches, and why they are new: the edit touches them; only their context is another; or they
were cut elsewhere than before although the edit does not touch them. --sample N takes every N-th file.
"""

from __future__ import annotations

import argparse
import difflib
import time
import zlib
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.replay import WINDOW_CHARS, Blobs, history, touched_windows, unpacked
from ingest import Chunk, Document
from ingest.chunk import split
from ingest.parsers import parse
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.operations import string_digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the repository is unpacked, and kept")
    parser.add_argument("--sample", type=int, default=1)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    embedder = open_embedder(cache_dir=arguments.work)
    report(arguments.data, Blobs(unpacked(arguments.data, arguments.work)), embedder, sample=arguments.sample)


def report(data: Path, blobs: Blobs, embedder: Embedder, *, sample: int) -> None:
    seen: set[bytes] = set()
    texts: dict[str, bytes] = {}
    cut: dict[str, list[Chunk]] = {}
    why: Counter[str] = Counter()
    windows = touched = 0
    sizes: list[tuple[int, int]] = []
    began = time.monotonic()
    for number, commit in enumerate(history(data, blobs, None)):
        for change in commit.changes:
            old_path = change.old if change.op == "R" and change.old else change.path
            before, former = texts.pop(old_path, None), cut.pop(old_path, [])
            if change.data is None or zlib.crc32(Path(change.path).name.encode()) % sample:
                continue
            document = parse(change.data, name=Path(change.path).name)
            chunks = split(document, count_tokens=embedder.count_tokens, target_tokens=DEFAULTS.chunk_tokens)
            texts[change.path], cut[change.path] = change.data, chunks
            new = [c for c in chunks if string_digest(c.context, c.text) not in seen]
            seen.update(string_digest(c.context, c.text) for c in chunks)
            if number == 0:
                sizes.extend((c.end - c.start, embedder.count_tokens(c.text)) for c in chunks)
            elif change.op == "M" and before is not None:
                windows += touched_windows(before, change.data)
                edited = _edited(before, document)
                touched += sum(_is_touched(c, edited) for c in chunks)
                known = {c.text for c in former}
                for chunk in new:
                    if _is_touched(chunk, edited):
                        why["touched by the edit"] += 1
                    else:
                        why["another context" if chunk.text in known else "cut elsewhere"] += 1
    total = sum(why.values())
    chars, tokens = np.array(sizes).T
    print(f"first tree: {len(sizes):,} chunks, mean {chars.mean():.0f} characters, {tokens.mean():.0f} tokens")
    print(f"modifications: {total:,} new strings / {windows:,} windows of {WINDOW_CHARS} = {total / windows:.3f} x")
    print(f"  chunks an edit touches: {touched:,} = {touched / windows:.3f} x")
    for reason, count in why.most_common():
        print(f"  new, {reason}: {count:,} = {count / windows:.3f} x")
    print(f"{time.monotonic() - began:.0f} s")


def _edited(before: bytes, document: Document) -> list[tuple[int, int]]:
    """The characters [start, end) of the new text in lines that differ; where lines went, the place between."""
    old, new = before.decode(errors="replace").splitlines(True), document.text.splitlines(True)
    starts = [0]
    for line in new:
        starts.append(starts[-1] + len(line))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [(starts[first], starts[last]) for tag, _, _, first, last in matcher.get_opcodes() if tag != "equal"]


def _is_touched(chunk: Chunk, edited: list[tuple[int, int]]) -> bool:
    at = bisect_right(edited, (chunk.end, -1))
    return any(start < chunk.end and end >= chunk.start for start, end in edited[max(0, at - 3) : at + 1])


if __name__ == "__main__":
    main()
