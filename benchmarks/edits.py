"""How many strings an edit makes anew: the history of the PEPs, parsed and cut but not embedded.

    python -m benchmarks.edits --data DATA [--commits N] [--since COMMIT] [--tokens N]

DATA holds `peps.git.tar` and `peps_events.jsonl` (see `benchmarks.replay`, which embeds as well and watches a folder;
this takes a minute or two). A string is new if no text was ever embedded with that context before, as in the knowledge
base, where equal strings share a vector. Counted are the commits that only modify, beside the 900-character windows of the new
texts that a line diff touches.

Each new string is of one kind: *touched* (a changed or new line stands in it), *joined* (lines were taken out inside
it), *context* (the former text, below another title or heading), *moved* (the former text of another document, or of this
one in former days, with another context), *border* (nothing changed in it but where it begins or ends).
*least* is how many chunks of the new texts hold a changed line, the fewest that any chunker with these borders could make.
"""

from __future__ import annotations

import argparse
import difflib
import tarfile
import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.replay import SUFFIXES, WINDOW_CHARS, Blobs, Change, Commit, history, touched_windows
from ingest import Chunk, Document
from ingest.chunk import CHUNKER_VERSION
from ingest.parsers import parse
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.operations import as_words, string_digest
from rag_lifelong.reading import cut

KINDS = ("touched", "joined", "context", "moved", "border")


Cut = Callable[[Document], Sequence[Chunk]]


@dataclass(frozen=True, slots=True)
class Text:
    """A file as it stands: its bytes, its document, its chunks."""

    data: bytes
    document: Document
    chunks: tuple[Chunk, ...]


@dataclass(slots=True)
class Counts:
    """What the modifications made. in_header: of the new strings, those that hold header fields.

    without_windows: those of files that only lost lines, so that no window of the new text is touched.
    """

    modifications: int = 0
    windows: int = 0
    least: int = 0
    in_header: int = 0
    without_windows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def strings(self) -> int:
        return sum(self.kinds.values())


class Edits:
    """Goes through commits in order and counts."""

    def __init__(self, cut: Cut) -> None:
        self.counts = Counts()
        self.files: dict[str, Text] = {}
        self._cut = cut
        self._strings: set[bytes] = set()
        self._texts: set[str] = set()

    def apply(self, commit: Commit) -> None:
        """The next commit; counted if it only modifies."""
        is_counted = bool(self.files) and all(change.op == "M" for change in commit.changes)
        for change in commit.changes:
            before = self.files.pop(change.old or change.path, None)
            if change.data is None or not change.path.endswith(SUFFIXES):
                continue
            document = parse(change.data, name=change.path.rsplit("/", 1)[-1])
            text = Text(change.data, document, tuple(self._cut(document)))
            self.files[change.path] = text
            if is_counted and before is not None:
                self._count(before, text, change)
            for chunk in text.chunks:
                self._strings.add(string_digest(chunk.context, chunk.text, chunker_version=CHUNKER_VERSION))
                self._texts.add(as_words(chunk.text))

    def _count(self, before: Text, after: Text, change: Change) -> None:
        counts = self.counts
        counts.modifications += 1
        windows = touched_windows(before.data, after.data)
        counts.windows += windows
        changed, taken_out = changes(before.document.text, after.document.text)
        former = {as_words(chunk.text) for chunk in before.chunks}
        fields_end = max((f.end for f in after.document.fields if f.end is not None), default=0)
        met: set[bytes] = set()
        for chunk in after.chunks:
            is_touched = holds(changed, chunk)
            counts.least += is_touched
            digest = string_digest(chunk.context, chunk.text, chunker_version=CHUNKER_VERSION)
            if digest in self._strings or digest in met:
                continue
            met.add(digest)
            counts.in_header += chunk.start < fields_end
            counts.without_windows += not windows
            text = as_words(chunk.text)
            if text in former:
                counts.kinds["context"] += 1
            elif text in self._texts:
                counts.kinds["moved"] += 1
            elif is_touched:
                counts.kinds["touched"] += 1
            else:
                i = bisect_right(taken_out, chunk.start)
                counts.kinds["joined" if i < len(taken_out) and taken_out[i] < chunk.end else "border"] += 1


def changes(before: str, after: str) -> tuple[list[tuple[int, int]], list[int]]:
    """(spans of `after` that a line diff replaces or inserts, offsets where it takes lines out), both in order."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner = difflib.SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    starts = [0]
    for line in new:
        starts.append(starts[-1] + len(line))
    spans, points = [], []
    for tag, _, _, first, last in inner.get_opcodes():
        if tag in ("replace", "insert"):
            spans.append((starts[head + first], starts[head + last]))
        elif tag == "delete":
            points.append(starts[head + first])
    return spans, points


def holds(spans: Sequence[tuple[int, int]], chunk: Chunk) -> bool:
    """Whether a span of `spans`, which are in order, overlaps the chunk."""
    i = bisect_left(spans, chunk.end, key=lambda span: span[0]) - 1
    return i >= 0 and spans[i][1] > chunk.start


def report(edits: Edits, embedder: Embedder) -> None:
    """Prints all figures."""
    counts = edits.counts
    chunks = [chunk for text in edits.files.values() for chunk in text.chunks]
    print(
        f"{counts.modifications:,} modifications: {counts.strings:,} new strings, {counts.windows:,} windows of {WINDOW_CHARS} "
        f"characters touched: {counts.strings / max(counts.windows, 1):.3f} x; {counts.strings / max(counts.modifications, 1):.2f} a modification"
    )
    for kind in KINDS:
        print(f"  {kind:8} {counts.kinds[kind]:7,} {counts.kinds[kind] / max(counts.strings, 1):6.1%}")
    print(f"  of them in files that only lost lines, where no window counts: {counts.without_windows:,}")
    print(f"  of them with header fields {counts.in_header:,}; least with these borders {counts.least:,}")
    count = embedder.count_tokens
    sizes = [(len(c.text), count(as_words(c.text)), count(as_words(c.context))) for c in chunks]
    chars, tokens, context = (np.asarray(column) for column in zip(*sizes, strict=True))
    print(
        f"the last tree: {len(chunks):,} chunks, mean {chars.mean():.0f} characters, {tokens.mean():.0f} tokens and {context.mean():.1f} of context; "
        f"by character {np.average(chars, weights=chars):.0f} characters; "
        f"longest {(tokens + context).max()} tokens with context"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--commits", type=int, help="only so many")
    parser.add_argument("--since", help="begin with the tree before this commit")
    parser.add_argument("--tokens", type=int, default=DEFAULTS.chunk_tokens, help="of a full chunk, about")
    arguments = parser.parse_args()
    embedder = open_embedder(None, cache_dir=None)
    edits = Edits(partial(cut, embedder=embedder, chunk_tokens=arguments.tokens))
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(arguments.data / "peps.git.tar") as tar:
            tar.extractall(folder, filter="data")
        blobs = Blobs(Path(folder) / "peps.git")
        for commit in history(arguments.data, blobs, arguments.commits, since=arguments.since):
            edits.apply(commit)
    report(edits, embedder)


if __name__ == "__main__":
    main()
