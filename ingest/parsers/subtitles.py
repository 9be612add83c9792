"""Subtitles (SubRip, WebVTT, SubViewer, SubStation): what is said, in paragraphs, each with the time it begins at.

Rule: the words as they are shown once. Captions that roll (each shown again with the next line below it) are written
once; formatting goes, speakers stay. A paragraph ends at a pause, at another speaker, or at a stop once it is long.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.decode import decode
from ingest.errors import UnreadableFile
from ingest.header import property_field
from ingest.limits import Limits
from ingest.types import Document, Field, Mark, MarkKind

NAME = "subtitles"
VERSION = 1

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_ARROW = re.compile(rf"[ \t]*{_CLOCK}[ \t]*--?>[ \t]*{_CLOCK}(?:[ \t]|$)")
_COMMA = re.compile(rf"{_CLOCK},{_CLOCK}[ \t]*")
_NUMBER = re.compile(r"[ \t]*\d{1,7}[ \t]*")
_NOTE = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")
_HEAD = re.compile(r"WEBVTT(?:[ \t]+-?[ \t]*(\S.*))?")
_LANGUAGE = re.compile(r"Language:[ \t]*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)[ \t]*")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>\n]{1,100})>")
_TAG = re.compile(r"</?(?:b|i|u|s|c|v|lang|ruby|rt|font|span)(?:[.\s][^<>\n]{0,200})?>|<\d[\d:.]{3,15}>", re.IGNORECASE)
_OVERRIDE = re.compile(
    r"\{\\[^{}\n]{0,500}\}|\{[biuyYBIUfsc]:[^{}\n]{0,80}\}"
)  # SubStation's, in SubRip too; MicroDVD's
_DRAWING = re.compile(r"\\p[1-9]")
_SPEAKS = re.compile(r"(?:[-–—‐]\s?(?=\S)|>>)|[^\W\d_a-z][\w.'’-]{0,30}(?: [\w.'’()-]{1,30}){0,2}:(?=\s)")
_SENTENCE = re.compile(r"[.!?…。！？♪][\"'”’»)\]]*\Z")
_PAUSE_S = 2.0  # between what is said in one go, captions leave less
_ROLL_S = 0.2  # a caption that rolls follows at once
_MIN_ROLLING = 0.3  # share of captions that begin with the one before
_FULL_CHARS = 250  # some fifteen seconds of speech
_LONGEST_CHARS = 700  # automatic captions have no full stops


@dataclass(frozen=True, slots=True)
class _Cue:
    """What is shown from `start` to `end`, in seconds. speaker: "" if the format does not tell."""

    start: float
    end: float
    speaker: str
    lines: tuple[str, ...]


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """What is said. Raises UnreadableFile if no caption has a time."""
    text = decode(data)
    lines = text.split("\n")
    title, language = "", ""
    if "[Script Info]" in text[:2_000] or name.lower().endswith((".ass", ".ssa")):
        cues = sorted(_substation(lines), key=lambda cue: cue.start)  # written in the order of layers, often
        title = next((line[6:].strip() for line in lines[:50] if line.startswith("Title:")), "")
        title = "" if title.startswith("Default") or title.lower() == "untitled" else title  # Aegisub's own
    else:
        head = _HEAD.fullmatch(lines[0])
        cues = list(_timed(lines, is_vtt=head is not None))
        if head is not None:
            title = (head[1] or "").strip()
            language = next((found[1] for line in lines[1:5] if (found := _LANGUAGE.fullmatch(line))), "")
    if not cues and text.strip():
        raise UnreadableFile("no captions found: save it as .srt or .vtt")
    shown, marks = _written(_unrolled(cues))
    fields = [property_field("title", title), property_field("language", language)]
    return Document(
        text=shown,
        title=" ".join(title.split()),
        dated=None,
        fields=tuple(field for field in fields if isinstance(field, Field)),
        marks=marks,
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _timed(lines: Sequence[str], *, is_vtt: bool) -> Iterator[_Cue]:
    """The captions of SubRip, WebVTT and SubViewer: a line of two times, then what is said."""
    open_at: tuple[float, float] | None = None
    said: list[str] = []
    for i, line in enumerate(lines):
        found = _ARROW.match(line) or _COMMA.fullmatch(line)
        if found is not None:
            if open_at is not None:
                yield from _cue(*open_at, said)
            open_at, said = (_seconds(found.groups()[:4]), _seconds(found.groups()[4:])), []
        elif is_vtt and open_at is not None and not line:
            yield from _cue(*open_at, said)  # what follows is a note, or the name of the next
            open_at = None
        elif open_at is not None and not (_NUMBER.fullmatch(line) and _is_time(lines, i + 1)):
            said.append(line)
    if open_at is not None:
        yield from _cue(*open_at, said)


def _is_time(lines: Sequence[str], i: int) -> bool:
    return i < len(lines) and _ARROW.match(lines[i]) is not None


def _cue(start: float, end: float, said: Sequence[str]) -> Iterator[_Cue]:
    """The caption, one for each voice in it; none without words."""
    speaker = ""
    shown: list[str] = []
    for line in "\n".join(said).replace("[br]", "\n").split("\n"):
        at = 0
        for voice in _VOICE.finditer(line):
            shown.append(_plain(line[at : voice.start()]))
            if any(shown):
                yield _Cue(start, end, speaker, tuple(filter(None, shown)))
            speaker, shown, at = _plain(voice[1]), [], voice.end()
        shown.append(_plain(line[at:]))
    if any(shown):
        yield _Cue(start, end, speaker, tuple(filter(None, shown)))


def _substation(lines: Sequence[str]) -> Iterator[_Cue]:
    """The dialogue of a SubStation file, by the columns that it names."""
    columns: list[str] = []
    section = ""
    for line in lines:
        if line.startswith("["):
            section = line.strip().lower()
        elif section == "[events]" and line.startswith("Format:"):
            columns = [column.strip().lower() for column in line[7:].split(",")]
        elif section == "[events]" and line.startswith("Dialogue:") and columns:
            values = line[9:].split(",", len(columns) - 1)
            row = dict(zip(columns, values, strict=False))
            times = [re.fullmatch(_CLOCK, row.get(column, "").strip()) for column in ("start", "end")]
            said = row.get("text", "")
            if times[0] is None or times[1] is None or _DRAWING.search(said):
                continue
            shown = said.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ").split("\n")
            for cue in _cue(_seconds(times[0].groups()), _seconds(times[1].groups()), shown):
                yield _Cue(cue.start, cue.end, cue.speaker or _plain(row.get("name", row.get("actor", ""))), cue.lines)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _plain(line: str) -> str:
    shown = html.unescape(_TAG.sub("", _OVERRIDE.sub("", line)))
    return " ".join(shown.replace("\u200b", "").replace("\u200e", "").replace("\u200f", "").split())


def _unrolled(cues: Sequence[_Cue]) -> list[_Cue]:
    """The captions without the lines that stand there from the one before, if that is how the file is made."""
    repeated = [0, *(_repeated(before, cue) for before, cue in pairwise(cues))]
    if sum(map(bool, repeated)) < max(2, _MIN_ROLLING * len(cues)):
        return list(cues)
    return [
        _Cue(cue.start, cue.end, cue.speaker, cue.lines[count:])
        for cue, count in zip(cues, repeated, strict=True)
        if len(cue.lines) > count
    ]


def _repeated(before: _Cue, cue: _Cue) -> int:
    """How many lines the caption begins with that the one before it ended with."""
    if cue.start - before.end > _ROLL_S:
        return 0
    longest = min(len(before.lines), len(cue.lines), 8)
    return next((n for n in range(longest, 0, -1) if before.lines[-n:] == cue.lines[:n]), 0)


def _written(cues: Sequence[_Cue]) -> tuple[str, tuple[Mark, ...]]:
    """Text and marks: the paragraphs, a blank line between two."""
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    paragraph: list[str] = []
    started = ended = 0.0
    length = 0
    speaker = ""

    def finish() -> None:
        nonlocal at, length
        if paragraph:
            if parts:
                parts.append("\n\n")
                at += 2
            marks.append(Mark(at, MarkKind.TIME, _label(started), 0))
            parts.append(" ".join(paragraph))
            at += len(parts[-1])
        paragraph.clear()
        length = 0

    for cue in cues:
        for i, line in enumerate(cue.lines):
            is_new = bool(_SPEAKS.match(line)) or (not i and cue.speaker != speaker)
            is_full = length >= _LONGEST_CHARS or (length >= _FULL_CHARS and _SENTENCE.search(paragraph[-1]))
            if is_new or is_full or cue.start - ended > _PAUSE_S:
                finish()
            if not paragraph:
                started = cue.start
                if cue.speaker and cue.speaker != speaker:
                    line = f"{cue.speaker}: {line}"
            speaker = cue.speaker
            paragraph.append(line)
            length += len(line) + 1
            ended = max(ended, cue.end) if cue.start <= ended else cue.end
    finish()
    return "".join(parts), tuple(marks)


def _label(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
