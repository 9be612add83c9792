"""Text in pictures: the logic around the program with a stand-in for it, and the program where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import Document, ScannedFile
from ingest.apart import ParserProcess
from ingest.limits import DEFAULT
from ingest.ocr import INSTALL, NotRead, Picture, Recogniser, _chosen, _words, _written, is_available
from ingest.parsers.pdf import parse
from tests.ingest.parsers.test_pdf import Line, column, pdf

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")

INK = Picture(4, 2, b"\x00" * 8, 300)
PAPER = Picture(4, 2, b"\xff\xe0" * 4, 300)


def row(place: str, confidence: float, text: str) -> str:
    """A word of the program's table, in block, paragraph and line `place`."""
    return "\t".join(["5", "1", *place.split(), "1", "0", "0", "9", "9", str(confidence), text])


def tesseract(folder: Path, script: str, langs: str = "eng\\nosd") -> Path:
    """A program `tesseract` in the folder: what it does with a picture is the shell script."""
    program = folder / "tesseract"
    head = '#!/bin/sh\nif [ "$1" = --version ]; then echo "tesseract 9.8.7"; echo " leptonica"; exit 0; fi\n'
    head += f'if [ "$1" = --list-langs ]; then printf "List of 2\\n{langs}\\n"; exit 0; fi\n'
    program.write_text(head + script + "\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands first on PATH, before that of the shell."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    if shutil.which("tesseract") is not None:  # where /bin is /usr/bin
        (tmp_path / "bin").mkdir()
        for tool in ("sh", "cat", "sleep", "printf", "head", "wc", "env", "echo"):
            found = shutil.which(tool)
            if found is not None:
                (tmp_path / "bin" / tool).symlink_to(found)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{tmp_path / 'bin'}")
    return tmp_path


def shown(*rows: str) -> str:
    """A script that writes that table."""
    return "cat > page.tsv <<'END'\n" + "\n".join(rows) + "\nEND"


def test_without_the_program_nothing_is_available(path: Path) -> None:
    assert not is_available()
    with pytest.raises(NotRead, match=f"^{INSTALL}$"):
        Recogniser(DEFAULT)


@needs_posix
def test_the_program_is_named_with_its_version_and_languages(path: Path) -> None:
    tesseract(path, "exit 1", "osd\\nfra\\neng\\ndeu")
    assert is_available()
    assert Recogniser(DEFAULT).name == "tesseract 9.8.7 (eng+deu+fra)"


@needs_posix
@pytest.mark.parametrize(
    ("languages", "reason"),
    [
        ("none", "reading pictures is switched off"),
        ("deu+fra", "tesseract has no language 'fra': install tesseract-ocr-fra"),
    ],
)
def test_pictures_are_read_in_the_languages_wanted_or_not_at_all(path: Path, languages: str, reason: str) -> None:
    tesseract(path, "exit 1", "osd\\neng\\ndeu")
    assert Recogniser(replace(DEFAULT, ocr_languages="deu")).name.endswith("(deu)")
    with pytest.raises(NotRead) as caught:
        Recogniser(replace(DEFAULT, ocr_languages=languages))
    assert str(caught.value) == reason


def test_languages_are_all_if_few_english_first_else_one() -> None:
    assert _chosen(["osd", "deu", "eng", ""]) == ["eng", "deu"]
    assert _chosen(["fra", "deu"]) == ["deu", "fra"]
    assert _chosen(["ara", "deu", "eng", "fra"]) == ["eng"]
    assert _chosen(["osd"]) == []


@needs_posix
def test_a_program_without_languages_reads_nothing(path: Path) -> None:
    tesseract(path, "exit 1", "osd")
    assert Recogniser(DEFAULT).read(PAPER) == ""
    with pytest.raises(NotRead, match=r"^tesseract has no language to read in: install tesseract-ocr-eng$"):
        Recogniser(DEFAULT).read(INK)


@needs_posix
def test_it_gets_grey_pixels_one_thread_and_nothing_of_ours(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    tesseract(path, f': > page.tsv; cat page.pgm > "{path}/got"; echo "$@" > "{path}/arguments"; env > "{path}/env"')
    assert Recogniser(DEFAULT).read(INK) == ""
    assert (path / "got").read_bytes() == b"P5\n4 2\n255\n" + b"\x00" * 8
    assert (path / "arguments").read_text() == "page.pgm page -l eng --psm 3 --dpi 300 tsv\n"
    names = {line.partition("=")[0] for line in (path / "env").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == {"PATH", "OMP_THREAD_LIMIT", "LC_ALL"}
    Recogniser(DEFAULT).read(replace(INK, dpi=None))
    assert (path / "arguments").read_text() == "page.pgm page -l eng --psm 3 tsv\n"
    Recogniser(DEFAULT).read(Picture(4, 2, b"\x00\xff\x00\xff\x00\xff\x80\x80", None))  # a quarter is grey
    assert (path / "arguments").read_text() == "page.pgm page -l eng --psm 3 -c thresholding_method=2 tsv\n"


@needs_posix
def test_white_paper_is_not_given_to_it(path: Path) -> None:
    tesseract(path, "exit 1")
    assert PAPER.is_blank() and not INK.is_blank()
    assert Recogniser(DEFAULT).read(PAPER) == ""
    with pytest.raises(NotRead, match=r"^tesseract failed at it \(status 1\)$"):
        Recogniser(DEFAULT).read(INK)


def test_words_become_lines_and_paragraphs() -> None:
    table = [
        "level\tpage_num\t…",
        row("1 1 1", 96, "A dictio-"),
        row("1 1 2", 90, "nary"),
        row("1 1 2", 90, "of  words-"),
        row("1 1 3", 90, "Here"),
        row("1 2 1", 90, "Next"),
        row("2 1 1", 90, "7"),
        row("3 1 1", 90, " "),
        "5\tbroken",
    ]
    assert _written(list(_words("\n".join(table)))) == "A dictionary of words-\nHere\n\nNext\n\n7"


def test_what_it_is_not_sure_of_is_left_out() -> None:
    table = [
        row("1 1 1", 20, "x~x"),  # a word
        row("1 1 1", 90, "certain words"),
        row("2 1 1", 54.9, "a line"),
        row("3 1 1", 55, "another line"),
        row("4 1 1", 99, "|"),
        row("5 1 1", 99, "a"),  # a letter alone is a stroke
    ]
    assert _written(list(_words("\n".join(table)))) == "certain words\n\nanother line"


@needs_posix
def test_a_picture_that_takes_too_long_is_given_up_and_all_of_them_in_time(path: Path) -> None:
    tesseract(path, "exec sleep 30")
    recogniser = Recogniser(replace(DEFAULT, timeout_s=1.0, ocr_seconds=1.2))
    before = time.monotonic()
    for _ in range(2):
        with pytest.raises(NotRead, match=r"^recognising its text took longer than 0\.7 s$"):
            recogniser.read(INK)
    assert recogniser.why_stopped() == "recognising text took longer than 1.2 s"
    with pytest.raises(NotRead, match=r"^recognising text took longer than 1\.2 s$"):
        recogniser.read(INK)
    assert 1.2 < time.monotonic() - before < 5.0


@needs_posix
def test_each_page_of_a_scan_has_the_time_of_a_file(path: Path) -> None:
    """Five pages of a second each, in a process that is ended after three without a sign of life."""
    tesseract(path, "sleep 1\n" + shown(row("1 1 1", 90, "A scan")))
    limits = replace(DEFAULT, timeout_s=3.0)
    with ParserProcess(limits) as apart:
        found = apart.parse(pdf(*[INKED] * 5), name="a.pdf")
    assert found.text.split() == ["A", "scan"] * 5


@needs_posix
def test_what_all_pages_of_a_scan_may_take_is_limited_too(path: Path) -> None:
    tesseract(path, "sleep 1\n" + shown(row("1 1 1", 90, "A scan")))
    found = parse(pdf(*[STAMPED] * 5), name="a.pdf", limits=replace(DEFAULT, ocr_seconds=1.5))
    assert fields(found)["not-read"] == "p. 3-5: recognising text took longer than 1.5 s"
    assert "[p. 3-5 not read: recognising text took longer than 1.5 s]" in found.text


@needs_posix
def test_a_page_drawn_as_lines_that_there_was_no_time_for_is_named_a_blank_one_is_not(path: Path) -> None:
    tesseract(path, "sleep 1\n" + shown(row("1 1 1", 90, "A scan")))
    hairline, white = "0.01 w 20 20 m 30 27 l S", "1 g 0 0 612 792 re f"
    pages = [INKED, INKED, INKED, WORDS, white, [], hairline]
    found = parse(pdf(*pages), name="a.pdf", limits=replace(DEFAULT, ocr_seconds=1.5))
    assert fields(found)["not-read"] == "p. 3, 7: recognising text took longer than 1.5 s"
    assert found.text == (
        "A scan\n\nA scan\n\n[p. 3, 7 not read: recognising text took longer than 1.5 s]\n\nWords of the page"
    )


@needs_posix
def test_pages_are_not_looked_at_for_ever_to_see_whether_they_are_blank(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tesseract(path, "sleep 1\n" + shown(row("1 1 1", 90, "A scan")))
    monkeypatch.setattr("ingest.parsers.pdf._LOOKING_SHARE", 0.0)
    found = parse(pdf(INKED, WORDS, [], []), name="a.pdf", limits=replace(DEFAULT, ocr_seconds=0.5))
    assert fields(found)["not-read"] == "p. 4: recognising text took longer than 0.5 s"  # p. 3 took the time


@pytest.mark.parametrize("languages", ["", "none"])
def test_no_page_is_drawn_where_none_is_read(path: Path, monkeypatch: pytest.MonkeyPatch, languages: str) -> None:
    drawn: list[object] = []
    monkeypatch.setattr("ingest.parsers.pdf._picture", lambda page, dpi: drawn.append(page))
    found = parse(pdf(WORDS, INKED, STAMPED), name="a.pdf", limits=replace(DEFAULT, ocr_languages=languages))
    assert fields(found)["not-read"] == f"p. 3: {INSTALL if not languages else 'reading pictures is switched off'}"
    assert drawn == []


@needs_posix
def test_it_dies_with_the_process_that_started_it(path: Path) -> None:
    tesseract(path, f'echo $$ > "{path}/pid"; exec sleep 60')
    code = (
        "from ingest.ocr import Picture, Recogniser\nfrom ingest.limits import DEFAULT\n"
        "Recogniser(DEFAULT).read(Picture(1, 1, b'\\0', None))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2])
    try:
        for _ in range(400):
            if (path / "pid").is_file() and (path / "pid").read_text().strip():
                break
            time.sleep(0.025)
        pid = int((path / "pid").read_text())
    finally:
        parent.kill()
        parent.wait()
    for _ in range(800):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        with suppress(OSError):  # nobody waits for it
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("it lives on")


# -- in a PDF

INKED = "10 10 100 60 re f"
STAMPED = (
    "q 612 0 0 792 0 0 cm BI /W 2 /H 2 /CS /G /BPC 8 ID \x00\xff\x00\xff EI Q BT /F1 12 Tf 72 20 Td (Page 7) Tj ET"
)
WORDS = column("Words of the page")


def read(*pages: list[Line] | str, timeout_s: float = 60.0) -> Document:
    return parse(pdf(*pages), name="a.pdf", limits=replace(DEFAULT, timeout_s=timeout_s))


def fields(found: Document) -> dict[str, str]:
    return {field.name: field.value for field in found.fields}


@needs_posix
def test_pages_that_are_pictures_are_read_in_their_places(path: Path) -> None:
    tesseract(path, shown(row("1 1 1", 90, "Recognised words that are many")))
    found = read(WORDS, INKED, [], STAMPED, WORDS)
    seen = "Recognised words that are many"
    assert found.text == f"Words of the page\n\n{seen}\n\n{seen}\n\nWords of the page"
    assert [(mark.label, mark.start) for mark in found.marks] == [("1", 0), ("2", 19), ("4", 51), ("5", 83)]
    assert fields(found) == {"read-by": "tesseract 9.8.7 (eng)"}


@needs_posix
def test_what_a_scan_has_printed_on_it_stays_where_recognising_finds_no_more(path: Path) -> None:
    tesseract(path, shown(row("1 1 1", 90, "Paqe T")))
    found = read(STAMPED)
    assert found.text == "Page 7" and [mark.label for mark in found.marks] == ["1"]


@needs_posix
def test_a_text_of_which_no_page_is_a_picture_is_not_given_to_it(path: Path) -> None:
    tesseract(path, "exit 1")
    assert fields(read(WORDS, [])) == {}


@needs_posix
def test_pictures_without_text_are_a_reason(path: Path) -> None:
    tesseract(path, ": > page.tsv")
    with pytest.raises(ScannedFile, match=r"^empty, or looks scanned: no text was found on its pages; add its text$"):
        read(INKED)


def test_without_the_program_a_scan_is_a_reason_and_a_page_of_a_text_is_named(path: Path) -> None:
    with pytest.raises(ScannedFile, match=r"^looks scanned: install tesseract-ocr to have it read, or add its text$"):
        read(STAMPED.partition("BT")[0])
    found = read(WORDS, [], STAMPED, STAMPED, WORDS, STAMPED)
    assert found.text == "Words of the page\n\nPage 7\n\nPage 7\n\nWords of the page\n\nPage 7"
    assert fields(found) == {"not-read": f"p. 3-4, 6: {INSTALL}"}


@needs_posix
def test_what_there_was_no_time_for_is_said_where_it_stands(path: Path) -> None:
    tesseract(
        path,
        f'[ -e "{path}/once" ] && exec sleep 30\ntouch() {{ : > "$1"; }}; touch "{path}/once"\n'
        + shown(row("1 1 1", 90, "First scan")),
    )
    found = read(WORDS, INKED, STAMPED, WORDS, STAMPED, timeout_s=2.0)
    note = "[p. 3, 5 not read: recognising its text took longer than 1.4 s]"
    assert found.text == f"Words of the page\n\nFirst scan\n\nPage 7\n\n{note}\n\nWords of the page\n\nPage 7"
    assert fields(found) == {
        "read-by": "tesseract 9.8.7 (eng)",
        "not-read": "p. 3, 5: recognising its text took longer than 1.4 s",
    }


@needs_posix
def test_a_scan_of_which_no_page_could_be_read_in_time_is_a_reason(path: Path) -> None:
    tesseract(path, "exec sleep 30")
    reason = r"^looks scanned: recognising its text took longer than 0\.7 s; split the file, or add its text$"
    with pytest.raises(ScannedFile, match=reason):
        read(INKED, INKED, timeout_s=1.0)


@needs_posix
def test_a_page_at_which_it_fails_harms_no_other(path: Path) -> None:
    tesseract(
        path,
        f'if [ -e "{path}/once" ]; then\n{shown(row("1 1 1", 90, "Second scan"))}\nelse : > "{path}/once"; exit 3; fi',
    )
    found = read(INKED, INKED)
    assert found.text == "[p. 1 not read: tesseract failed at it (status 3)]\n\nSecond scan"
    assert fields(found)["not-read"] == "p. 1: tesseract failed at it (status 3)"


@needs_posix
def test_a_page_of_any_size_is_drawn_within_bounds(path: Path) -> None:
    tesseract(path, f': > page.tsv; head -n 2 page.pgm > "{path}/head"')
    for box in ("0 0 14000 14000", "0 0 14000 1", "0 0 1 1"):
        with pytest.raises(ScannedFile):
            parse(pdf("0 0 14000 14000 re f", box=box), name="a.pdf", limits=DEFAULT)
        width, height = map(int, (path / "head").read_text().split()[1:])
        assert 0 < width * height <= 20_100_000 and max(width, height) <= 20_001


@needs_posix
def test_a_language_that_is_missing_is_asked_for_once(path: Path) -> None:
    program = tesseract(path, "exit 1")
    program.write_text(program.read_text().replace("#!/bin/sh\n", f'#!/bin/sh\necho x >> "{path}/calls"\n'))
    with pytest.raises(
        ScannedFile, match=r"^looks scanned: tesseract has no language 'fra': install tesseract-ocr-fra"
    ):
        parse(pdf(INKED, INKED, INKED), name="a.pdf", limits=replace(DEFAULT, ocr_languages="fra"))
    assert (path / "calls").read_text() == "x\nx\n"  # its version and its languages


@needs_posix
def test_a_bomb_of_a_picture_is_not_drawn_and_the_text_beside_it_is_read(path: Path) -> None:
    tesseract(path, "exit 1")
    packed = zlib.compress(bytes(1000)).decode("latin-1")
    bomb = STAMPED.replace("/W 2 /H 2", "/W 60000 /H 60000 /F /Fl").replace("\x00\xff\x00\xff", packed)
    found = read(WORDS, bomb)
    assert found.text == "Words of the page\n\nPage 7"
    assert fields(found) == {"not-read": "p. 2: a picture of 3600 million pixels"}


# -- the program itself


@pytest.mark.slow
@needs_tesseract
def test_printed_words_are_read() -> None:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (1700, 420), 255)
    font = ImageFont.load_default(48)
    for at, line in enumerate(("The quick brown fox jumps over", "the lazy dog of Jane Doe, 4711.")):
        ImageDraw.Draw(picture).text((60, 60 + 90 * at), line, fill=0, font=font)
    recogniser = Recogniser(DEFAULT)
    found = recogniser.read(Picture(picture.width, picture.height, picture.tobytes(), 300))
    assert found.split() == "The quick brown fox jumps over the lazy dog of Jane Doe, 4711.".split()
    assert recogniser.name.startswith("tesseract ") and "(" in recogniser.name
    noise = Picture(300, 300, bytes((x * x * 7 + y * 13 * x) % 256 for x in range(300) for y in range(300)), 300)
    assert recogniser.read(noise) == ""
