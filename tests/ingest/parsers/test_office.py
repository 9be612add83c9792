"""Old Office files: what is asked of LibreOffice, by a small program in its place; and LibreOffice itself where it is."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docx
import pytest
from docx.oxml.ns import qn

from ingest import Document, EncryptedFile, UnreadableFile
from ingest.errors import TooLarge
from ingest.limits import DEFAULT, Limits
from ingest.parsers import office
from ingest.parsers.office import is_available, parse

pytestmark = pytest.mark.skipif(os.name != "posix", reason="LibreOffice is run on POSIX systems only")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORD = _OLE + b"\0" * 504 + "WordDocument".encode("utf-16-le")
_SHOW = _OLE + b"\0" * 504 + "PowerPoint Document".encode("utf-16-le")
_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.doc", limits=limits)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `soffice` that runs the script `body` there, and is the only one on the PATH; nothing is left behind."""
    program = tmp_path / "bin" / "soffice"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nfor last; do :; done\nout=$(dirname $last)/out; mkdir $out\n. {tmp_path}/body\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    word = docx.Document()
    word.add_heading("Old", 1)
    word.save(str(tmp_path / "made.docx"))
    return tmp_path


def test_without_libreoffice_the_reason_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not is_available()
    with pytest.raises(UnreadableFile, match=r"^old Word format: install LibreOffice, or save it as \.docx$"):
        read(_WORD)
    with pytest.raises(UnreadableFile, match=r"^old PowerPoint format: install LibreOffice, or save it as \.pptx$"):
        read(_SHOW)


def test_the_new_form_is_read_and_nothing_is_left(stand_in: Path) -> None:
    (stand_in / "body").write_text(f"cp {stand_in}/made.docx $out/file.docx; cp $last {stand_in}/seen")
    assert is_available()
    found = read(_WORD)
    assert (found.text, [mark.label for mark in found.marks]) == ("Old", ["Old"])
    assert (found.parser, found.parser_version) == ("office", office.VERSION)
    assert (stand_in / "seen").read_bytes() == _WORD
    assert list((stand_in / "tmp").iterdir()) == []


def test_it_works_apart_from_the_user(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "secret")
    (stand_in / "body").write_text(
        f'echo "$@" > {stand_in}/asked; /usr/bin/env > {stand_in}/environment; cp -r $(dirname $last) {stand_in}/folder'
    )
    with pytest.raises(UnreadableFile, match=r"^damaged PowerPoint file: open it in PowerPoint or LibreOffice"):
        read(_SHOW)
    asked = (stand_in / "asked").read_text().split()
    folder = Path(asked[-1]).parent
    assert folder.parent == stand_in / "tmp"
    assert asked[0] == f"-env:UserInstallation=file://{folder}/profile"
    assert asked[-5:] == ["--convert-to", "pptx", "--outdir", f"{folder}/out", f"{folder}/file.ppt"]
    assert {"--headless", "--norestore"} < set(asked)
    environment = dict(line.split("=", 1) for line in (stand_in / "environment").read_text().splitlines())
    assert environment["HOME"] == str(folder)
    assert "SECRET" not in environment
    settings = (stand_in / "folder" / "profile" / "user" / "registrymodifications.xcu").read_text()
    assert '"DisableMacrosExecution" oor:op="fuse"><value>true<' in settings
    assert '"BlockUntrustedRefererLinks" oor:op="fuse"><value>true<' in settings


def test_one_that_takes_too_long_is_ended(stand_in: Path) -> None:
    (stand_in / "body").write_text("PATH=/usr/bin:/bin; sleep 60")
    began = time.monotonic()
    with pytest.raises(UnreadableFile, match=r"^LibreOffice took longer than 0\.8 s to read it: save it as \.docx$"):
        read(_WORD, replace(DEFAULT, timeout_s=1.0))
    assert time.monotonic() - began < 10
    assert list((stand_in / "tmp").iterdir()) == []


def test_one_that_writes_too_much_is_ended(stand_in: Path) -> None:
    (stand_in / "body").write_text("head -c 100000 /dev/zero > $out/file.docx")
    with pytest.raises(TooLarge, match=r"in its new format: split the file$"):
        read(_WORD, replace(DEFAULT, max_unpacked_bytes=50_000))


def test_one_that_cannot_be_started_is_told(stand_in: Path) -> None:
    (stand_in / "bin" / "soffice").write_text("#!/no/such/shell\n")
    with pytest.raises(UnreadableFile, match=r"^LibreOffice could not be started: save it as \.docx$"):
        read(_WORD)


@pytest.mark.parametrize(
    "data",
    [
        _OLE
        + b"\0" * 504
        + b"\xec\xa5\xc1\x00"
        + b"\0" * 6
        + b"\x00\x01"
        + b"\0" * 90
        + "WordDocument".encode("utf-16-le"),
        _SHOW + b"\x00\x00\xf6\x0f\x1c\x00\x00\x00\x14\x00\x00\x00\xdf\xc4\xd1\xf3",
        _WORD + "EncryptedPackage".encode("utf-16-le"),
    ],
)
def test_encrypted_files_say_so_before_anything_is_run(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
        read(data)


# -- LibreOffice itself

needs_libreoffice = pytest.mark.skipif(not is_available(), reason="LibreOffice is not installed")


def old(word: docx.document.Document, folder: Path) -> bytes:
    """The document in the old format, as LibreOffice writes it."""
    word.save(str(folder / "a.docx"))
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "doc", "--outdir", str(folder), str(folder / "a.docx")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "a.doc").read_bytes()


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A port where a picture is, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(_PICTURE)

        do_HEAD = do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening.server_address[1], asked
    listening.shutdown()
    listening.server_close()


@needs_libreoffice
@pytest.mark.slow
def test_a_real_old_file_is_read_and_no_link_in_it_is_followed(server: tuple[int, list[str]], tmp_path: Path) -> None:
    port, asked = server
    word = docx.Document()
    word.add_heading("Käse", 1)
    word.add_picture(io.BytesIO(_PICTURE))
    table = word.add_table(rows=2, cols=2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), "abcd", strict=True):
        cell.text = text
    word.add_paragraph("end")
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
    link = word.part.relate_to(f"http://127.0.0.1:{port}/picture.png", kind, is_external=True)
    blip = word.element.body.find(f".//{qn('a:blip')}")
    del blip.attrib[qn("r:embed")]
    blip.set(qn("r:link"), link)
    data = old(word, tmp_path)
    assert "picture.png" in str(asked)  # an ordinary LibreOffice asks for it
    asked.clear()
    found = read(data)
    assert (found.text, [mark.label for mark in found.marks]) == ("Käse\n\na | b\nc | d\n\nend", ["Käse"])
    assert asked == []


@needs_libreoffice
@pytest.mark.slow
def test_a_damaged_old_file_is_a_reason() -> None:
    with pytest.raises(UnreadableFile, match=r"^(damaged Word file|empty: it holds no text|LibreOffice)"):
        read(_WORD + b"\0" * 5000)
