"""Which supersessions are suggested among PEPs, beside what the PEPs' own headers say.

    python -m benchmarks.supersessions --peps FOLDER [--former FOLDER] [--show]

Headers: `Replaces:` alone is given; the truth is `Superseded-By:`, which the suggestions never see. Names and texts:
all headers are hidden, and every suggestion is false, as no two PEPs are versions of one document (each bears its
creation date, so that one of two is always newer). Former texts, with --former, a checkout of long ago: each PEP that has
changed since stands beside its former text, undated and without header, once as "pep-0572.rst" and "pep-0572 (1).rst" a
month later, once as "pep-0572_v1.rst" and "pep-0572_v2.rst" of one day. Time: 10,000 made-up documents of ten passages, a fifth of them in rows of versions.
The headers are read here on their own, apart from the project's parsers.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from benchmarks.pep_questions import read_headers
from ingest.parsers import parse
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.reading import cut
from rag_lifelong.supersession import Facts, Kind, Suggestion, suggest
from rag_lifelong.types import HeaderField

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Pair = tuple[int, int]  # old, new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peps", type=Path, required=True)
    parser.add_argument("--former", type=Path, help="the PEPs of an earlier day")
    parser.add_argument("--show", action="store_true", help="print what was missed and what was wrong")
    arguments = parser.parse_args()
    headers = {number: (file, header) for number, file, header in read_headers(arguments.peps)}
    embedder = open_embedder(cache_dir=Path(tempfile.gettempdir()))
    peps = {
        number: facts_of(number, next(arguments.peps.rglob(file)), embedder) for number, (file, _) in headers.items()
    }
    report_headers(peps, {number: header for number, (_, header) in headers.items()}, show=arguments.show)
    report_false(peps, show=arguments.show)
    if arguments.former:
        report_former(peps, arguments.former, embedder, show=arguments.show)
    report_time()


def report_headers(peps: dict[int, Facts], headers: dict[int, dict[str, str]], *, show: bool) -> None:
    truth = {(n, new) for n, header in headers.items() for new in numbers(header, "superseded-by")}
    claimed = {(old, n) for n, header in headers.items() for old in numbers(header, "replaces")}
    given = [
        replace(facts, fields=tuple(field for field in facts.fields if field.name == "replaces"))
        for facts in peps.values()
    ]
    found = {(s.old, s.new) for s in suggest(given) if s.kind is Kind.HEADER}
    print(
        f"PEPs: {len(peps)}; Superseded-By names {len(truth)} pairs, Replaces {len(claimed)}, both {len(truth & claimed)}"
    )
    print(
        f"  Replaces read as it stands: {len(found & claimed)} of {len(claimed)} found, {len(found - claimed)} others"
    )
    print_shares("  against Superseded-By", found, truth)
    print_shares("  against Superseded-By, of pairs that both name", found & truth, truth & claimed)
    if show:
        print("    missed:", sorted(truth - found))
        print("    found, and not in Superseded-By:", sorted(found - truth))


def report_false(peps: dict[int, Facts], *, show: bool) -> None:
    found = suggest([replace(facts, fields=()) for facts in peps.values()])
    print(f"names and texts alone: {len(found)} suggestions, each of them false")
    if show:
        show_all(found, {facts.document_id: facts for facts in peps.values()})


def report_former(peps: dict[int, Facts], folder: Path, embedder: Embedder, *, show: bool) -> None:
    before = {path.stem: path for suffix in (".txt", ".rst") for path in folder.rglob(f"pep-[0-9]*{suffix}")}
    earlier = NOW - timedelta(days=30)
    pairs: dict[int, tuple[Facts, Facts]] = {}
    for number, facts in peps.items():
        stem = Path(facts.path).stem
        if stem in before:
            old = replace(facts_of(number, before[stem], embedder), document_id=number + 1_000_000, path=facts.path)
            if old.strings != facts.strings:
                pairs[number] = old, facts
    truth = {(old.document_id, new.document_id) for old, new in pairs.values()}
    for names, old_at in ((("", " (1)"), earlier), (("_v1", "_v2"), NOW)):
        documents = [facts for number, facts in peps.items() if number not in pairs]
        for old, new in pairs.values():
            documents += [
                replace(old, path=renamed(old.path, names[0]), file_changed_at=old_at),
                replace(new, path=renamed(new.path, names[1])),
            ]
        documents = [replace(facts, fields=(), dated=None) for facts in documents]
        found = suggest(documents)
        made = {(s.old, s.new) for s in found}
        print_shares(
            f"former texts, named {names[0] or 'plainly'} and {names[1]} ({len(documents)} documents)", made, truth
        )
        if show:
            for old, new in pairs.values():
                if (old.document_id, new.document_id) not in made:
                    kept, size = len(old.strings & new.strings), len(old.strings)
                    print(f"    missed: {new.document_id}, {kept} of {size} passages kept, {len(new.strings)} now")
            show_all([s for s in found if (s.old, s.new) not in truth], {d.document_id: d for d in documents})


def renamed(path: str, end: str) -> str:
    return path.removesuffix(".rst") + end + ".rst"


def report_time() -> None:
    documents = made_up(10_000)
    began = time.perf_counter()
    found = suggest(documents)
    print(f"{len(documents):,} made-up documents: {time.perf_counter() - began:.2f} s, {len(found)} suggestions")


def print_shares(what: str, found: set[Pair], truth: set[Pair]) -> None:
    right = len(found & truth)
    print(
        f"{what}: precision {right}/{len(found)} = {right / max(len(found), 1):.1%}, recall {right}/{len(truth)} = {right / max(len(truth), 1):.1%}"
    )


def show_all(found: list[Suggestion], by_id: dict[int, Facts]) -> None:
    for s in found:
        names = " -> ".join(Path(by_id[i].path).name for i in (s.old, s.new))
        print(f"    {s.score:.2f} {s.kind.value:7} {names}: {s.evidence}")


def facts_of(number: int, path: Path, embedder: Embedder) -> Facts:
    document = parse(path.read_bytes(), name=path.name)
    chunks = cut(document, embedder, chunk_tokens=DEFAULTS.chunk_tokens)
    return Facts(
        document_id=number,
        path=str(path.resolve()),
        title=document.title,
        dated=document.dated,
        file_changed_at=NOW,
        fields=tuple(HeaderField(f.name, f.value, f.start, f.end) for f in document.fields),
        strings=frozenset(digest(chunk.text) for chunk in chunks),
    )


def made_up(count: int) -> list[Facts]:
    """Every tenth document is the first of a row of two versions that share eight of ten passages; all hold a licence."""
    documents = []
    for i in range(count):
        subject = i - 1 if i % 10 == 1 else i
        strings = [f"{subject} {k}" for k in range(8)] + [f"own {i} {k}" for k in range(2)] + ["licence"]
        name = f"subject {subject}_v{i - subject + 1}" if i % 10 < 2 else f"subject {subject}"
        documents.append(
            Facts(
                document_id=i + 1,
                path=f"/home/ana/documents/{i // 100}/{name}.md",
                title=name,
                dated=None,
                file_changed_at=NOW + timedelta(hours=i * 5 % 9973),
                fields=(HeaderField("author", "Ana", None, None),),
                strings=frozenset(digest(string) for string in strings),
            )
        )
    return documents


def numbers(header: dict[str, str], name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", header.get(name, ""))]


def digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


if __name__ == "__main__":
    main()
