"""What files in files cost: a mailbox and an archive of many small files, read in, compared again, changed, renamed.

    python -m benchmarks.members [--count 5000]

Text and words only, with the hash embedder; seconds of one run, in one process and the one that parses.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rag_lifelong import open_assistant

WORDS = (
    "amber birch cedar delta ember fjord grove heron islet juniper kestrel lagoon meadow nectar osprey poplar".split()
)


def body(number: int) -> str:
    """Some hundred words, other ones for each number."""
    return " ".join(f"{WORDS[(number * 7 + k * k) % len(WORDS)]}{(number + k) % 97}" for k in range(100))


def mailbox(numbers: Sequence[int]) -> bytes:
    """A message for each number."""
    parts = [
        f"From ana@example.org Thu Nov 26 10:00:00 2026\nFrom: Ana Ruiz <ana@example.org>\nTo: all@example.org\n"
        f"Date: Thu, 26 Nov 2026 10:00:00 +0000\nSubject: Note {number}\nMessage-ID: <{number}@example.org>\n\n"
        f"{body(number)}\n\n"
        for number in numbers
    ]
    return "".join(parts).encode()


def archive(numbers: Sequence[int]) -> bytes:
    """A Markdown file for each number."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in numbers:
            packed.writestr(zipfile.ZipInfo(f"{number:05}.md"), f"# Note {number}\n\n{body(number)}\n")
    return out.getvalue()


def measured(name: str, make: Callable[[Sequence[int]], bytes], count: int) -> list[tuple[str, float]]:
    """(what, seconds), in order."""
    rows: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        notes, other = Path(folder) / "notes", Path(folder) / "notes" / f"other {name}"
        notes.mkdir()
        (notes / "beside.md").write_text("Beside it.\n", encoding="utf-8")
        file = notes / name
        file.write_bytes(make(range(count)))
        with open_assistant(Path(folder) / "kb", embedder="hash") as assistant:

            def add(what: str) -> None:
                start = time.perf_counter()
                assistant.add(notes, wait=False)
                rows.append((what, time.perf_counter() - start))

            add("read in")
            add("compared again")
            file.write_bytes(make([*range(1, count), count]))
            add("one changed")
            file.rename(other)
            add("renamed")
            assert len(assistant.documents()) == count + 2
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members", description=__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="files in each")
    count = parser.parse_args().count
    print(f"| {count:,} files in one | a mailbox | a zip of Markdown |")
    print("|---|---|---|")
    columns = [measured("box.mbox", mailbox, count), measured("notes.zip", archive, count)]
    for (what, mails), (_, files) in zip(*columns, strict=True):
        print(f"| {what} | {mails:.2f} s | {files:.2f} s |")


if __name__ == "__main__":
    main()
