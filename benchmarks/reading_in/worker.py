"""One reader and one folder, in a process of its own: prints what it measured, a line of JSON at a time.

    python -m benchmarks.reading_in.worker NAME FOLDER STORE MODEL GIVEN EDITED GONE STARTED THREADS

STARTED: the time at which the parent started it, so that the interpreter's own start counts. FOLDER is changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reading_in.edit import QUESTION, WORD, quoted
from benchmarks.reading_in.edit import edited as with_sentence
from benchmarks.reading_in.reader import FOUND, MAX_TOKENS, FolderReader


def main() -> None:
    name, *places, edited, gone, started, threads = sys.argv[1:]
    folder, store, model, given = map(Path, places)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    out = sys.stdout

    def tell(**values: object) -> None:
        print(json.dumps(values), file=out, flush=True)

    def since() -> float:
        return time.time() - float(started)

    firsts: list[float] = []
    with contextlib.redirect_stdout(sys.stderr):
        reader = reader_of(name)(folder, store, model=model, given=given)
        tell(ready_s=since())
        read = reader.read_in(lambda: firsts.append(since()))
        flush(store)
        tell(searchable_s=since(), first_s=firsts[0] if firsts else None, size_bytes_kept=size_of(store))
        bulk = list(reader.strings)
        if not reader.search(FOUND):
            raise AssertionError("nothing is found after reading in")
        tell(
            read=read.read,
            told=read.told,
            misread=sorted(read.misread),
            places=dict(read.places),
            chunks=read.chunks,
            reading_s=read.reading_s,
        )
        tell(**change(reader, folder, store, edited, gone))
        counted, cut_off = tokens(bulk, model)
        tell(strings=len(bulk), tokens=counted, tokens_cut_off=cut_off)


def reader_of(name: str) -> type[FolderReader]:
    if name == "ours":
        from benchmarks.reading_in.ours import Ours

        return Ours
    from benchmarks.reading_in.peers import PEERS

    return PEERS[name]


def change(reader: FolderReader, folder: Path, store: Path, edited: str, gone: str) -> dict[str, object]:
    """One file edited and one deleted: how long until that is durable, what was embedded, what is found of it."""
    lost = quoted((folder / gone).read_text(encoding="utf-8"))
    was_found = is_there(reader, lost, gone)
    path = folder / edited
    path.write_text(with_sentence(path.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / gone).unlink()
    before = len(reader.strings)
    began = time.perf_counter()
    reader.update(edited, gone)
    flush(store)
    took = time.perf_counter() - began
    again = len(reader.strings) - before
    return {
        "update_s": took,
        "update_strings": again,
        "new_found": any(path == edited and WORD in text.lower() for path, text in reader.search(QUESTION)),
        "gone_was_found": was_found,
        "gone_found": is_there(reader, lost, gone),
    }


def is_there(reader: FolderReader, words: str, path: str) -> bool:
    """Among the best five passages for these words is one of the file."""
    return path in {place for place, _ in reader.search(words)}


def tokens(strings: Sequence[str], model: Path) -> tuple[int, int]:
    """(read by the model, beyond what it reads), special tokens included."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = [len(each.ids) for each in tokenizer.encode_batch(list(strings))]
    return sum(min(n, MAX_TOKENS) for n in lengths), sum(max(0, n - MAX_TOKENS) for n in lengths)


def flush(folder: Path) -> None:
    """To the disk, for those that leave it to the system."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
