"""What fuzzing asks for an hour (`python -m benchmarks.fuzz`), in a few seconds: every parser of the table, sound samples
changed where their format has joints, and the same oracle.

A parser without a sample fails here: none is forgotten.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz import inputs, oracle
from benchmarks.fuzz.inputs import CHUNKS, document_of, faults_of, file_of, input_of, targets
from benchmarks.fuzz.minimise import minimised
from benchmarks.fuzz.mutate import Mutator, mutator, zip_of, zip_parts
from benchmarks.fuzz.oracle import ANY, CANARY, faults, of_chunks, of_document
from benchmarks.fuzz.samples import by_parser, samples
from benchmarks.fuzz.words import words_of
from ingest import Document, Field, IngestError, Mark, MarkKind, Member, UnreadableFile
from ingest.limits import Limits
from ingest.parsers import SUFFIXES, parse

PARSERS = sorted(set(SUFFIXES.values()))
SLOW = frozenset(["image", "office"])  # they run other programs
FEW, MANY = 30, 500  # changed inputs of each target


def changed(target: str, count: int, canary: Path) -> Iterator[bytes]:
    """Inputs for a target, the same each time."""
    begun = inputs.seeds(target, [])
    canary.write_text(CANARY, encoding="utf-8")
    change: Mutator = mutator(target, [seed[1:] for seed in begun], canary=str(canary), url="http://127.0.0.1:9/a")
    for number in range(count):
        rng = Random(number)
        given = begun[number % len(begun)]
        yield given[:1] + change.mutated(given[1:], rng)


def found(target: str, given: bytes) -> list[str]:
    """The faults, each with the input that shows it."""
    return [f"{fault} {file_of(target, given)!r:.600}" for fault in faults_of(target, given)]


@pytest.mark.parametrize("parser", PARSERS)
def test_every_parser_has_a_sample_that_it_reads(parser: str) -> None:
    own = by_parser(parser)
    assert own, f"no sample in benchmarks/fuzz/samples.py goes to the parser {parser}"
    for name, data in own.items() if parser not in SLOW else ():
        assert faults(parser, data, name=name) == []
        document = parse(data, name=name)
        assert document.text.strip() or document.members


@pytest.mark.parametrize("target", [target for target in targets() if target not in SLOW])
def test_changed_samples_are_documents_or_reasons(target: str, tmp_path: Path) -> None:
    for given in changed(target, FEW, tmp_path / "canary"):
        assert found(target, given) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", targets())
def test_many_changed_samples_are_documents_or_reasons(target: str, tmp_path: Path) -> None:
    for given in changed(target, FEW if target in SLOW else MANY, tmp_path / "canary"):
        assert found(target, given) == []


# -- what fuzzing found, each fixed since


@pytest.mark.parametrize(
    ("parser", "name", "data"),
    [
        ("source", "a.py", b"0 a"),  # looked for a file named <unknown> to show the wrong line of
        ("markdown", "a.md", b"---\ntitle: One\x0eTwo\xc2\x85Three\n---\n"),  # a title of two lines
        ("restructured", "a.rst", b"PEP: 1\x0b2\nTitle: One\x0bTwo\n\nText.\n"),  # the same
        ("org", "a.org", "#+AUTHOR: Ana\x0bBo\u2028Cy\n\nText.\n".encode()),
        ("text", "a.txt", "Subject: One\u2028Two\nFrom: A\n\nText.\n".encode()),
        ("restructured", "a.rst", "\u2028".encode() * 2_000 + b"x\n=====\n"),  # a label of nothing but blanks
        ("restructured", "a.rst", b"[1]_\n====\n"),
        ("archive", "a.zip", zip_of([("", b"x")])),  # IndexError at an empty name
        ("docx", "a.docx", zip_of([*zip_parts(samples()["a.docx"]), ("", b"x")])),  # the same
    ],
)
def test_what_was_found_stays_fixed(parser: str, name: str, data: bytes) -> None:
    assert faults(parser, data, name=name) == []


@pytest.mark.parametrize(
    ("parser", "name", "head", "word"),
    [
        ("text", "a.txt", "a", "\x0c"),
        ("markdown", "a.md", "# ", "!["),
        ("markdown", "a.md", "# a", "\u2028"),
        ("markdown", "a.md", "# a", "<"),
        ("restructured", "a.rst", "=====\n", "``"),
        ("xml", "a.xml", "# ", " "),
        ("source", "a.sh", "f() {\n", '\\"'),
        ("source", "a.js", "class A {\n", "\\`"),
        ("source", "a.js", 'class A {\n"""', "\\u0000"),  # each backslash doubled the time
        ("source", "a.py", "def f(:\n", "=a\n"),
        ("source", "a.lua", "function f()\n", "--[[\n"),
        ("source", "a.sql", "create table a (\n", "/*\n"),
    ],
)
def test_time_does_not_grow_with_the_square_of_the_length(parser: str, name: str, head: str, word: str) -> None:
    """Each took over 5 s a 200 kB, and four times as long for twice as much."""
    data = (head + word * (200_000 // len(word)) + "\n=====\n").encode()
    read = import_module(f"ingest.parsers.{parser}").parse
    start = time.process_time()
    read(data, name=name, limits=oracle.LIMITS)
    assert time.process_time() - start < 2


def test_html_that_nests_in_any_block_is_refused_before_it_is_slow() -> None:
    for tag in "header footer pre main nav figure details address".split():
        reason = "damaged HTML: over 10000 elements inside each other"
        with pytest.raises(UnreadableFile, match=f"^{reason}$"):
            parse(f"<{tag}>".encode() * 20_000 + b"x", name="a.html")


@pytest.mark.slow
@pytest.mark.parametrize("parser", sorted(set(PARSERS) - SLOW))
def test_no_word_of_a_format_repeated_takes_long(parser: str, tmp_path: Path) -> None:
    """Words that open what nothing closes: a pattern that looks for the end anew from each takes minutes."""
    words = [
        word for word in words_of(parser, canary=str(tmp_path / "none"), url="http://127.0.0.1:9/a") if len(word) < 99
    ]
    words += [*b"( [ { < & ` * _ | : # = - $ \" ' \\ !".split(), b"a ", b"a\n", b"a: b\n", b"=a\n", b"--[[\n", b"<!--"]
    rng = Random(7)
    words += [b"".join(rng.sample(words, 2)) for _ in range(100)]
    heads = [sample[: rng.randrange(min(len(sample), 400))] for sample in by_parser(parser).values()]
    for word in words:
        for name, sample in list(by_parser(parser).items())[:3]:
            for head in (sample[: len(sample) // 2], rng.choice(heads)):
                data = head + word * (60_000 // len(word)) + rng.choice((b"", b"x", b"\nx\n"))
                start = time.process_time()
                with suppress(IngestError):
                    import_module(f"ingest.parsers.{parser}").parse(data, name=name, limits=oracle.LIMITS)
                assert time.process_time() - start < 2, (name, head[-40:], word)


# -- the oracle sees what it is there for


def document(text: str = "Text.", **given: object) -> Document:
    empty: dict[str, object] = {"title": "", "dated": None, "fields": (), "marks": (), "is_source": True}
    return Document(text, **{**empty, "parser": "text", "parser_version": 1, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (document("a\rb"), "text: a carriage return"),
        (document("a\x00b"), "text: a NUL"),
        (document("a\ud800b"), "text: a lone surrogate"),
        (document(title="a\nb"), "title: not one line"),
        (document(parser="markdown"), "parser: another's name or number"),
        (document(marks=(Mark(3, MarkKind.PAGE, "1", 0), Mark(2, MarkKind.PAGE, "2", 0))), "marks: not in order"),
        (document(marks=(Mark(6, MarkKind.PAGE, "1", 0),)), "marks: outside the text"),
        (document(marks=(Mark(0, MarkKind.HEADING, "a\nb", 1),)), "marks: the label of a heading is not one line"),
        (document(marks=(Mark(0, MarkKind.HEADING, "a", 0),)), "marks: the level of a heading"),
        (document(marks=(Mark(0, MarkKind.PAGE, "one", 0),)), "marks: the number of a page"),
        (document(marks=(Mark(0, MarkKind.TIME, "12", 0),)), "marks: a time"),
        (document(fields=(Field("A b", "x", None, None),)), "fields: a name"),
        (document(fields=(Field("a", "x", 4, 9),)), "fields: a span outside the text"),
        (document(fields=(Field("a", "x", 0, 4),)), "fields: a span that begins with something else"),
        (document(members=(Member("a", b""), Member("a", b""))), "members: a name twice"),
        (document(members=(Member("../a", b""),)), "members: a name that leads elsewhere"),
        (document(members=(Member("a\u202eb", b""),)), "members: a name not safe to show"),
        (document(members=tuple(Member(str(i), b"") for i in range(201))), "members: too many"),
        (document(members=(Member("a", bytes(4_000_001)),)), "members: over the limit"),
        (document(CANARY), "outside: it holds what another file says"),
    ],
)
def test_a_wrong_document_is_a_fault(wrong: Document, kind: str) -> None:
    assert kind in [fault.kind for fault in of_document("text", wrong, oracle.LIMITS)]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        ("return [][0]", "raises IndexError at test_fuzz.py:wrong"),
        ("raise UnreadableFile('Damaged')", "reason: no small letter first: Damaged"),
        ("raise UnreadableFile('a\\nb')", "reason: not one line: a\nb"),
        ("raise UnreadableFile('see /tmp/a/b')", "reason: a path: see /tmp/a/b"),
        ("raise UnreadableFile('a' * 201)", f"reason: too long: {'a' * 60}"),
        ("open('/etc/hostname')", "outside: open"),
        ("import subprocess; subprocess.run(['true'])", "outside: subprocess.Popen"),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "outside: socket.connect"),
        ("seen.append(0); raise UnreadableFile(str(len(seen)))", "differs: the same bytes read twice"),
        ("import time; [0 for _ in iter(lambda: time.process_time() < end, False)]", "slow"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the acts are those of a Unix system")
def test_a_parser_that_does_wrong_is_a_fault(act: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(oracle, "_SECONDS", 0.05)
    end = time.process_time() + 0.15

    def wrong(data: bytes, *, name: str, limits: Limits) -> Document:
        scope = {"UnreadableFile": UnreadableFile, "seen": seen, "end": end}
        exec(act if not act.startswith("return") else act.removeprefix("return "), scope)
        raise UnreadableFile("damaged")

    monkeypatch.setattr("ingest.parsers.text.parse", wrong)
    assert kind in [fault.kind for fault in faults("text", b"x", name="a.txt")]


def test_a_wrong_chunk_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from ingest.chunk import split

    text = document("One two three. " * 80)
    assert of_chunks(text) == []
    for change, kind in (
        ({"text": "other"}, "chunks: another text than at its place"),
        ({"start": 3}, "chunks: another text than at its place"),
        ({"label": "a\nb"}, "chunks: a label or context of two lines"),
        ({"context": "word " * 80}, "chunks: too large"),
        ({"page": 0}, "chunks: a page"),
    ):
        monkeypatch.setattr(oracle, "split", lambda *a, c=change, **k: [replace(x, **c) for x in split(*a, **k)])
        assert kind in [fault.kind for fault in of_chunks(text)]
    monkeypatch.setattr(oracle, "split", lambda *a, **k: split(*a, **k)[1:])
    assert [fault.kind for fault in of_chunks(text)] == ["chunks: text between them"]
    monkeypatch.setattr(oracle, "split", lambda *a, **k: [*split(*a, **k), split(*a, **k)[0]])
    assert "chunks: overlap" in [fault.kind for fault in of_chunks(text)]


# -- the fuzzer's own parts


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    for target in ("archive", "docx", "markdown"):
        assert list(changed(target, 5, tmp_path / "canary")) == list(changed(target, 5, tmp_path / "canary"))


def test_an_input_is_a_file_with_its_ending() -> None:
    assert file_of("source", input_of("source", "b.go", b"package a")) == ("a.go", b"package a")
    assert file_of(ANY, input_of(ANY, "b.pdf", b"%PDF-")) == ("a.pdf", b"%PDF-")


def test_marks_are_made_of_what_stands_before_the_first_nul() -> None:
    marks = b"\x00\x00\x00"  # no marks: the NUL comes first
    assert document_of(marks + b"ab").marks == ()
    page, sheet = list(MarkKind).index(MarkKind.PAGE), list(MarkKind).index(MarkKind.SHEET)
    made = document_of(bytes([sheet, 3, 255, page + len(MarkKind), 1, 127]) + b"\x00" + b"abcd")
    assert made.text == "abcd"
    assert made.marks == (Mark(1, MarkKind.PAGE, "2", 0), Mark(4, MarkKind.SHEET, "Head 3", 0))
    assert faults_of(CHUNKS, b"\x14" + b"\x06\x01\x40\x00" + b"word " * 300) == []


def test_minimising_keeps_what_matters() -> None:
    assert minimised(b"one\ntwo\nthree bad word\nfour\n" * 9, lambda data: b"bad" in data, seconds=5) == b"bad"
    packed = zip_of([("a.txt", b"one"), ("b.xml", b"<a><bad/></a>"), ("c", b"x" * 99)])

    def holds(data: bytes) -> bool:
        return any(b"bad" in body for _, body in zip_parts(data))

    assert zip_parts(minimised(packed, holds, seconds=5)) == [("b.xml", b"bad")]
    assert minimised(b"never", lambda data: False, seconds=5) == b"never"


def test_every_sample_goes_to_some_parser_or_to_none_that_there_is() -> None:
    assert {name for parser in PARSERS for name in by_parser(parser)} <= set(samples())


@pytest.mark.slow
def test_the_command_finds_what_is_wrong_and_leaves_it_small(tmp_path: Path) -> None:
    """Blind, on a copy of the project whose text parser cannot read an "x" behind a "y"."""
    import shutil
    import subprocess

    root = Path(__file__).resolve().parents[2]
    for part in ("ingest", "benchmarks"):
        shutil.copytree(root / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "ingest" / "parsers" / "text.py"
    source.write_text(
        source.read_text(encoding="utf-8").replace(
            "    text = decode(data)\n", "    text = decode(data)\n    if 'ee' in text[40:]:\n        [][0]\n"
        ),
        encoding="utf-8",
    )
    work = tmp_path / "work"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", "--plain", "--minutes", "0.1", "--rounds", "1", "--parser", "text", "--seeds",
         str(tmp_path), "--work", str(work)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": ""}, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "raises IndexError at text.py:parse (43 bytes)" in done.stdout
    (small,) = (work / "found" / "text").glob("*.input")
    assert small.read_bytes()[41:] == b"ee"
