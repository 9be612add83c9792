"""Text in pictures, read by the tesseract program where it is installed.

Rule: the program gets grey pixels, never the file, one thread, a share of the time that the file may take, and dies
with the process that started it. What it is not sure of is left out: in a photograph it sees letters everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ingest.decode import clean
from ingest.heartbeat import beat
from ingest.limits import Limits
from ingest.programs import TimedOut, run

INSTALL = "install tesseract-ocr to have it read, or add its text"
"""What to do where it is missing."""

OFF = "none"
"""For the languages: pictures are not read."""

_PROGRAM = "tesseract"
_TIME_SHARE = 0.7  # of the file's time; the rest is for drawing the pages and for what the file is besides
_ANSWER_S = 10.0  # to say its version
_MAX_TABLE_BYTES = 50_000_000  # a full page has 50 kB
_MAX_LANGUAGES = 3  # each more takes a quarter of the time again
_NO_LANGUAGES = frozenset(["osd", "equ", "snum"])
_MIN_WORD_CONFIDENCE = 25.0  # of 100
_MIN_LINE_CONFIDENCE = 55.0
_LIGHT = bytes(range(224, 256))
_NOT_SHADED = bytes(range(70)) + bytes(range(225, 256))
# Of a table whose head stands on grey, the program's usual way of telling ink from paper lost the head; its second
# other way (Sauvola's) lost nothing there, and more than the usual one on pages of black and white. Those measured have
# up to 0.07 of grey, from the edges of letters, the table 0.29.
_SHADED_SHARE = 0.15
_WORD_LEVEL = "5"
_COLUMNS = 12
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad]\n(?=[a-zß-öø-ÿ])")


class NotRead(Exception):
    """A picture was not read; str(error) says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Grey pixels, a byte each, row by row from the top. dpi: pixels an inch, None if not known."""

    width: int
    height: int
    pixels: bytes
    dpi: int | None

    def is_blank(self) -> bool:
        """Nothing stands on it but white and the lightest grey."""
        return not self.pixels.translate(None, _LIGHT)

    def is_shaded(self) -> bool:
        """Much of it is grey, such as the head of a table."""
        return len(self.pixels.translate(None, _NOT_SHADED)) > _SHADED_SHARE * len(self.pixels)


@dataclass(frozen=True, slots=True)
class _Word:
    """place: block, paragraph and line, as the program numbers them."""

    place: tuple[str, str, str]
    confidence: float
    text: str


def is_available() -> bool:
    """Whether the program is installed."""
    return os.name == "posix" and shutil.which(_PROGRAM) is not None  # `programs` is for POSIX


def why_not(limits: Limits) -> str:
    """Why no picture is read at all, "" if they are."""
    if limits.ocr_languages == OFF:
        return "reading pictures is switched off"
    return "" if is_available() else INSTALL


class Recogniser:
    """Reads the pictures of one file, while the time for all lasts. name: "tesseract 5.3.0 (eng+deu)"."""

    def __init__(self, limits: Limits) -> None:
        """Raises NotRead if pictures are not to be read, the program is missing or fails, or lacks a language."""
        program = shutil.which(_PROGRAM)
        if program is None or why_not(limits):
            raise NotRead(why_not(limits))
        self._program = program
        self._page_s = _TIME_SHARE * limits.timeout_s
        self._all_s = limits.ocr_seconds
        self._end = time.monotonic() + self._all_s
        self._memory_bytes = limits.memory_bytes
        version = re.search(r"\d+(?:\.\d+)*", _answer(program, "--version").partition("\n")[0])
        installed = [line.strip() for line in _answer(program, "--list-langs").split("\n")[1:]]
        wanted = [name for name in limits.ocr_languages.split("+") if name]
        for name in wanted:
            if name not in installed:
                raise NotRead(f"tesseract has no language {name!r}: install tesseract-ocr-{name}")
        self._languages = "+".join(wanted or _chosen(installed))
        self.name = f"{_PROGRAM} {'' if version is None else version[0]} ({self._languages})"

    def why_stopped(self) -> str:
        """Why no more pictures are read, "" if they are."""
        if not self._languages:
            return "tesseract has no language to read in: install tesseract-ocr-eng"
        return f"recognising text took longer than {self._all_s:g} s" if time.monotonic() >= self._end else ""

    def read(self, picture: Picture) -> str:
        """The lines, a blank one between paragraphs; "" if there are none. Raises NotRead."""
        if picture.is_blank():
            return ""
        if self.why_stopped():
            raise NotRead(self.why_stopped())
        options = ["-l", self._languages, "--psm", "3"]
        if picture.dpi is not None:
            options += ["--dpi", str(picture.dpi)]
        if picture.is_shaded():
            options += ["-c", "thresholding_method=2"]
        try:
            return _written(list(_words(self._table(picture, *options))))
        finally:
            beat()

    def _table(self, picture: Picture, *options: str) -> str:
        """What the program writes of the picture."""
        with tempfile.TemporaryDirectory(prefix="lifelong-ocr-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            header = f"P5\n{picture.width} {picture.height}\n255\n".encode()
            (folder / "page.pgm").write_bytes(header + picture.pixels)
            try:
                status = run(
                    [self._program, "page.pgm", "page", *options, "tsv"],
                    folder=folder,
                    environment={**_environment(), "OMP_THREAD_LIMIT": "1"},
                    timeout_s=self._page_s,
                    memory_bytes=self._memory_bytes,
                    file_bytes=_MAX_TABLE_BYTES,
                )
                if status:
                    raise NotRead(f"{_PROGRAM} failed at it (status {status})")
                return (folder / "page.tsv").read_text(encoding="utf-8", errors="replace")
            except TimedOut as error:
                raise NotRead(f"recognising its text took longer than {self._page_s:g} s") from error
            except OSError as error:
                raise NotRead(f"{_PROGRAM} could not be run ({error.strerror or error})") from error


def _environment() -> dict[str, str]:
    kept = {name: value for name in ("PATH", "TESSDATA_PREFIX") if (value := os.environ.get(name)) is not None}
    return {**kept, "LC_ALL": "C"}


def _answer(program: str, option: str) -> str:
    """What the program says of itself."""
    try:
        done = subprocess.run(
            [program, option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_S,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotRead(f"{_PROGRAM} could not be run") from error
    return done.stdout.decode("utf-8", "replace")


def _chosen(installed: Sequence[str]) -> list[str]:
    """The languages to read in: all if they are few, English first, else English alone."""
    found = sorted(set(installed) - _NO_LANGUAGES - {""}, key=lambda name: (name != "eng", name))
    return found if len(found) <= _MAX_LANGUAGES else found[:1]


def _words(table: str) -> Iterator[_Word]:
    """The words in the program's table: level, page, block, paragraph, line, word, box, confidence, text."""
    for row in table.split("\n"):
        cells = row.split("\t")
        if len(cells) != _COLUMNS or cells[0] != _WORD_LEVEL:
            continue
        text = " ".join(clean(cells[11]).split())
        if text:
            yield _Word((cells[2], cells[3], cells[4]), float(cells[10]), text)


def _written(words: Sequence[_Word]) -> str:
    """The lines of which it is sure, words that a line's end cuts in two put together."""
    paragraphs = []
    for _, paragraph in groupby(words, key=lambda word: word.place[:2]):
        lines = []
        for _, line in groupby(paragraph, key=lambda word: word.place):
            kept = list(line)
            chars = sum(len(word.text) for word in kept)
            confidence = sum(word.confidence * len(word.text) for word in kept) / chars
            shown = " ".join(word.text for word in kept if word.confidence >= _MIN_WORD_CONFIDENCE)
            letters = [character for character in shown if character.isalnum()]
            if confidence >= _MIN_LINE_CONFIDENCE and (len(letters) > 1 or "".join(letters).isdecimal()):
                lines.append(shown)
        if lines:
            paragraphs.append("\n".join(lines))
    return _HYPHEN.sub("", "\n\n".join(paragraphs))
