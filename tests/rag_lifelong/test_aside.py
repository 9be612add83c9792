"""Files whose parser hangs, and documents of an older parser, delay no file that an event tells of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from following import Followed, until

from ingest import Chunk, Document
from ingest.apart import IN_PLACE
from ingest.chunk import CHUNKER_VERSION
from ingest.parsers import markdown
from rag_lifelong import kept_documents, members, open_assistant, reading
from rag_lifelong.follow import renewal


def hanging_pdf() -> bytes:
    """A PDF whose page draws a form that draws the next ten times, …, ten levels deep: PDFium never ends."""
    fonts = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    box = "/MediaBox [0 0 612 792]"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {box} /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>",
        "<< /Length 5 >>\nstream\n/X Do\nendstream",
    ]
    for level in range(10):
        body = "BT /F1 12 Tf 72 700 Td (a) Tj ET" if level == 9 else "/X Do " * 10
        inner = fonts if level == 9 else f"/XObject << /X {level + 6} 0 R >>"
        objects.append(
            f"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << {inner} >> /Length {len(body)} >>\n"
            f"stream\n{body}\nendstream"
        )
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    return out + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()


PAGE = "<html><head><title>T</title></head><body><p>{}</p></body></html>"
REASON = "took longer than {} s to read: open it in its own program and save it anew"


def is_being_read(followed: Followed) -> bool:
    return any(reader._parser._child is not None for reader in followed.watcher._slow._readers)


def give_up_after(followed: Followed, timeout_s: float) -> None:
    """From its next start on, the watcher reads a file for so long."""
    settings = followed.assistant._settings
    followed.assistant._settings = replace(settings, limits=replace(settings.limits, timeout_s=timeout_s))


def test_files_behind_one_that_hangs_are_found_at_once(unwatched: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    give_up_after(unwatched, 4.0)
    unwatched.start()
    (unwatched.folder / "bad.pdf").write_bytes(hanging_pdf())
    until(lambda: is_being_read(unwatched))
    began = time.monotonic()
    names = [f"{number:02}.md" for number in range(20)]
    for name in names:
        unwatched.write(name, f"zebra {name}")
    until(unwatched.has(*names))
    assert time.monotonic() - began < 2.0
    assert (unwatched.found("zebra"), unwatched.assistant.failures()) == (names, ())
    assert unwatched.watcher.standing().queued == 1
    assert not unwatched.watcher.wait(0.1, for_vectors=False)  # it is still being tried
    (unwatched.folder / "00.md").rename(unwatched.folder / "moved.md")
    until(unwatched.has(*names[1:], "moved.md"))
    assert unwatched.assistant.failures() == ()
    unwatched.write("good.html", PAGE.format("lynx"))
    until(lambda: unwatched.found("lynx") == ["good.html"])
    assert unwatched.assistant.failures() == ()  # nor one of the kinds that are read aside, as long as one alone hangs
    until(lambda: unwatched.assistant.failures() != ())
    failure = unwatched.assistant.failures()[0]
    assert (failure.path, failure.reason) == (str(unwatched.folder / "bad.pdf"), REASON.format(4))
    unwatched.until_found("lynx", "good.html")
    assert (unwatched.watcher.standing().queued, unwatched.assistant.failures()[0].tries) == (0, 1)
    unwatched.all_well()


def test_a_watcher_stops_at_once_although_a_file_hangs_and_reads_it_at_the_next_start(
    unwatched: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwatched.start()
    (unwatched.folder / "bad.pdf").write_bytes(hanging_pdf())
    until(lambda: is_being_read(unwatched))
    began = time.monotonic()
    unwatched.stop()
    assert time.monotonic() - began < 5.0  # of the 60 s that it has
    assert (unwatched.assistant.failures(), unwatched.changes()) == ((), [])
    give_up_after(unwatched, 0.5)
    unwatched.start()
    until(lambda: [f.reason for f in unwatched.assistant.failures()] == [REASON.format(0.5)])
    unwatched.all_well()


@pytest.mark.parametrize("what", ["deleted", "renamed", "edited"])
def test_a_file_that_changes_while_it_is_read_aside_is_as_on_disk(
    unwatched: Followed, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    give_up_after(unwatched, 1.0)
    unwatched.start()
    file = unwatched.folder / "a.pdf"
    file.write_bytes(hanging_pdf())
    until(lambda: is_being_read(unwatched))
    if what == "deleted":
        file.unlink()
    elif what == "renamed":
        file.rename(unwatched.folder / "b.pdf")
    else:
        file.write_bytes(b"%PDF-1.4 nothing")
    unwatched.rest()
    expected = {
        "deleted": [],
        "renamed": [("b.pdf", REASON.format(1))],
        "edited": [("a.pdf", "damaged PDF: open it in a viewer and save or print it anew")],
    }
    assert [(Path(f.path).name, f.reason) for f in unwatched.assistant.failures()] == expected[what]
    unwatched.all_well()


def test_many_files_read_aside_are_few_versions_and_keep_their_moves(unwatched: Followed, tmp_path: Path) -> None:
    unwatched.start()
    names = [f"{number:02}.html" for number in range(30)]
    for name in names:
        unwatched.write(name, PAGE.format(f"zebra {name}"))
    unwatched.until_has(*names)
    assert len(unwatched.changes()) < 10
    document_id, before = unwatched.id_of("00.html"), len(unwatched.changes())
    (unwatched.folder / "00.html").rename(unwatched.folder / "moved.html")
    unwatched.until_has(*names[1:], "moved.html")
    assert (unwatched.id_of("moved.html"), unwatched.changes()[before:]) == (document_id, [(0, 0, 1, 0)])
    unwatched.write("01.html", PAGE.format("ocelot"))
    unwatched.until_found("ocelot", "01.html")
    unwatched.equals_a_clean_build(tmp_path / "clean")
    unwatched.all_well()


def test_adding_returns_once_everything_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE.format("zebra"))
    (tmp_path / "b.md").write_text("ocelot")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assert "html" not in IN_PLACE
        assistant.add(tmp_path)
        assert [Path(d.path).name for d in assistant.documents()] == ["a.html", "b.md"]


# -- documents of an older parser or chunker

NAMES = [f"{number:02}.md" for number in range(60)]


def essay(number: int) -> str:
    return "\n\n".join(f"Paragraph {part} of essay {number}. " + "Words follow. " * 30 for part in range(12))


@pytest.fixture
def grown(unwatched: Followed, monkeypatch: pytest.MonkeyPatch) -> Followed:
    """Sixty documents, and re-reading in small portions."""
    for number, name in enumerate(NAMES):
        unwatched.write(name, essay(number))
    unwatched.assistant.add(unwatched.folder)
    monkeypatch.setattr(renewal, "FILES", 4)
    monkeypatch.setattr(renewal, "PAUSE_S", 0.05)
    return unwatched


def cut_finer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer chunker, whose chunks are a third as long."""
    split = reading.split

    def finer(document: Document, *, count_tokens: Callable[[str], int], target_tokens: int) -> Sequence[Chunk]:
        return split(document, count_tokens=count_tokens, target_tokens=target_tokens // 3)

    monkeypatch.setattr(reading, "split", finer)
    for module in (reading, kept_documents, members):
        monkeypatch.setattr(module, "CHUNKER_VERSION", CHUNKER_VERSION + 1)


def outdated(followed: Followed) -> int:
    base = followed.assistant.knowledge_base
    return len(base.outdated(base.folders.roots()[0], kept_documents.made_by_older))


def spans(followed: Followed, name: str, as_of: int | None) -> list[str]:
    found = followed.assistant.knowledge_base.document_at(str(followed.folder / name), as_of=as_of)
    assert found is not None
    return [found.text[p.start : p.end] for p in found.placements]


def test_documents_of_an_older_chunker_are_cut_anew_after_all_that_is_new(
    grown: Followed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {name: spans(grown, name, None) for name in NAMES}
    cut_finer(monkeypatch)
    grown.start()
    until(lambda: outdated(grown) < 60)
    assert outdated(grown) > 20
    began = time.monotonic()
    grown.write("59.md", "zebra")
    until(lambda: grown.found("zebra") == ["59.md"])
    assert time.monotonic() - began < 2.0
    assert outdated(grown) > 0  # the edit did not wait for its turn
    until(lambda: outdated(grown) == 0)
    grown.rest()
    assert {name: spans(grown, name, 1) for name in NAMES} == before
    assert all(len(spans(grown, name, None)) > len(before[name]) for name in NAMES[:59])
    hits = grown.assistant.search("Paragraph 3 of essay 7", 3, as_of=1)
    assert {hit.text for hit in hits} <= {text for texts in before.values() for text in texts}
    versions = grown.assistant.versions(100)
    again = [v for v in versions if v.cause == "read again by a newer parser"]
    assert {(v.added, v.changed, v.moved, v.removed) for v in again} == {(0, 0, 0, 0)}
    assert [(v.added, v.changed) for v in reversed(versions) if v not in again] == [(60, 0), (0, 1)]
    assert [len(grown.assistant.history(grown.folder / name)) for name in ("00.md", "59.md")] == [1, 2]
    changed = grown.assistant.changed_between(1, versions[0].number)
    assert [Path(after.path or "").name for _, after in changed if after is not None] == ["59.md"]
    assert set(grown.kinds()) == {"renewed", "changed"}
    grown.equals_a_clean_build(tmp_path / "clean")
    grown.all_well()


def test_reading_again_goes_on_after_a_restart(grown: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_finer(monkeypatch)
    grown.start()
    until(lambda: outdated(grown) < 50)
    grown.stop()
    left = outdated(grown)
    assert left > 0
    grown.start()
    until(lambda: outdated(grown) == 0)
    grown.rest()
    assert sum(happening.kind == "renewed" for happening in grown.told) == left  # none twice
    grown.all_well()


def test_a_newer_parser_that_makes_the_same_is_no_version(grown: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "VERSION", markdown.VERSION + 1)
    assert outdated(grown) == 60
    ids = [hit.passage_id for hit in grown.assistant.search("Paragraph 3 of essay 7", 5)]
    grown.start()
    until(lambda: outdated(grown) == 0)
    grown.rest()
    assert (grown.changes(), grown.kinds()) == ([(60, 0, 0, 0)], [])
    assert [hit.passage_id for hit in grown.assistant.search("Paragraph 3 of essay 7", 5)] == ids
    grown.all_well()


def test_what_the_user_holds_is_not_read_again(grown: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    grown.assistant.forget(grown.folder / "00.md")
    cut_finer(monkeypatch)
    grown.start()
    until(lambda: outdated(grown) == 0)
    grown.rest()
    assert grown.paths() == NAMES[1:]
    grown.all_well()


def test_adding_a_folder_again_reads_what_an_older_parser_made(
    grown: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_finer(monkeypatch)
    done = grown.assistant.add(grown.folder)
    assert (outdated(grown), done.changed) == (0, 0)
    grown.all_well()
