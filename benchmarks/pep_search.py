"""The PEPs as a set for `benchmarks.retrieval`: which of them answers?

Two kinds of questions, both with the numbers of the PEPs that answer them. `natural`: a hundred questions of a Python
user, written by hand before any search saw them (`pep_natural.tsv`). `made`: from the PEPs' own headers, titles,
headings and sentences, by fixed rules; words are put in another order and common ones, and of sentences a third of the
others, left out.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pep_questions import read_headers
from ingest import Chunk, Document, MarkKind
from ingest.parsers import parse
from rag_lifelong import reading
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder

EACH = 60  # questions of each made kind
RARE_SHARE = 0.1  # a word in more than this share of the PEPs is common
_WORD = re.compile(r"[A-Za-z_][\w.]*\w")
_SENTENCE = re.compile(r"(?<!\w)[A-Z][^.!?\n]*(?:\n[^.!?\n]+)*[.!?](?=\s)")
_COMMON_HEADINGS = 3  # a heading that more PEPs have names none


@dataclass(frozen=True, slots=True)
class Pep:
    number: int
    title: str
    header: dict[str, str]
    document: Document


def read(folder: Path) -> list[Pep]:
    """Every PEP of the folder, by number."""
    return [
        Pep(number, header["title"], header, parse((folder / name).read_bytes(), name=name))
        for number, name, header in sorted(read_headers(folder))
    ]


def cut(peps: Sequence[Pep], embedder: Embedder) -> list[tuple[Document, Sequence[Chunk]]]:
    """Each PEP in passages, as a knowledge base cuts it."""
    return [(pep.document, reading.cut(pep.document, embedder, chunk_tokens=DEFAULTS.chunk_tokens)) for pep in peps]


def natural(peps: Sequence[Pep]) -> Iterator[tuple[str, frozenset[int]]]:
    """(question, positions in `peps` of those that answer it), as written by hand."""
    at = {pep.number: i for i, pep in enumerate(peps)}
    for line in (Path(__file__).with_name("pep_natural.tsv")).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            numbers, question = line.split("\t")
            yield question, frozenset(at[int(number)] for number in numbers.split())


def made(peps: Sequence[Pep]) -> Iterator[tuple[str, frozenset[int]]]:
    """(question, positions in `peps` of those that answer it), by rule; the same for the same PEPs."""
    rng = random.Random(0)
    order = rng.sample(range(len(peps)), len(peps))
    yield from _by_author(peps, order)
    words_of = [{word.lower() for word in _WORD.findall(pep.document.text)} for pep in peps]
    holding = Counter(word for words in words_of for word in words)

    def telling(text: str) -> list[str]:
        words = dict.fromkeys(word for word in _WORD.findall(text) if len(word) > 2)
        return [word for word in words if holding[word.lower()] <= RARE_SHARE * len(peps)]

    titled = [i for i in order if len(telling(peps[i].title)) >= 3][:EACH]
    for i in titled:
        yield f"Which proposal is about {_mixed(telling(peps[i].title), rng)}?", frozenset([i])
    headings = Counter(label for pep in peps for label in {_heading(mark.label) for mark in _headings(pep)})
    begun = 0
    for i in order:
        own = [mark for mark in _headings(peps[i]) if headings[_heading(mark.label)] < _COMMON_HEADINGS]
        own = [mark for mark in own if len(_long(_heading(mark.label))) >= 3]
        if own and begun < EACH:
            begun += 1
            yield f"Where is this discussed: {_mixed(_long(_heading(rng.choice(own).label)), rng)}?", frozenset([i])
    begun = 0
    for i in order:
        sentences = [m.group() for m in _SENTENCE.finditer(peps[i].document.text) if len(m.group()) <= 400]
        sentences = [sentence for sentence in sentences if len(telling(sentence)) >= 6]
        if sentences and begun < EACH:
            begun += 1
            words = _mixed(telling(rng.choice(sentences)), rng).split()
            yield " ".join(words[: len(words) * 2 // 3]), frozenset([i])


def _by_author(peps: Sequence[Pep], order: Sequence[int]) -> Iterator[tuple[str, frozenset[int]]]:
    """What someone proposed in a year, if that was one or two things."""
    wrote: dict[tuple[str, str], set[int]] = {}
    for i, pep in enumerate(peps):
        year = re.search(r"\d{4}", pep.header.get("created", ""))
        for author in re.sub(r"<[^>]*>|\([^)]*\)", "", pep.header.get("author", "")).split(","):
            name = " ".join(author.split())
            if year and " " in name:
                wrote.setdefault((name, year.group()), set()).add(i)
    seen: set[frozenset[int]] = set()
    for i in order:
        for (name, year), found in sorted(wrote.items()):
            gold = frozenset(found)
            if i in found and len(found) <= 2 and gold not in seen and len(seen) < EACH:
                seen.add(gold)
                yield f"What did {name} propose in {year}?", gold
                break


def _headings(pep: Pep) -> list:
    return [mark for mark in pep.document.marks if mark.kind is MarkKind.HEADING]


def _heading(label: str) -> str:
    return label.rsplit(" > ", 1)[-1]


def _long(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if len(word) > 3]


def _mixed(words: Sequence[str], rng: random.Random) -> str:
    """The words in another order."""
    return " ".join(rng.sample(list(words), len(words)))
