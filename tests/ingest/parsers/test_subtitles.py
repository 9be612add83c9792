"""Subtitles written here, and random ones."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, IngestError, MarkKind, UnreadableFile
from ingest.limits import DEFAULT
from ingest.parsers.subtitles import parse


def read(text: str, name: str = "a.srt") -> Document:
    return parse(text.encode(), name=name, limits=DEFAULT)


def told(found: Document) -> list[tuple[str, str]]:
    """(time, paragraph), by the marks."""
    assert all((mark.kind, mark.level) == (MarkKind.TIME, 0) for mark in found.marks)
    ends = [*(mark.start for mark in found.marks[1:]), len(found.text)]
    return [
        (mark.label, found.text[mark.start : end].rstrip("\n")) for mark, end in zip(found.marks, ends, strict=True)
    ]


def srt(*cues: tuple[float, float, str]) -> str:
    def clock(seconds: float) -> str:
        return f"{int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02},{round(seconds % 1 * 1000):03}"

    return "\n".join(f"{i}\n{clock(a)} --> {clock(b)}\n{text}\n" for i, (a, b, text) in enumerate(cues, start=1))


def test_captions_become_paragraphs_that_end_at_a_pause() -> None:
    found = read(srt((1, 2.5, "We begin"), (2.6, 4, "with <i>apples</i>\nand pears."), (3725.25, 3730, "Later on.")))
    assert found.text == "We begin with apples and pears.\n\nLater on."
    assert told(found) == [("0:00:01", "We begin with apples and pears."), ("1:02:05", "Later on.")]
    assert (found.is_source, found.title, found.dated, found.fields) == (False, "", None, ())


def test_a_pause_is_over_two_seconds_behind_the_latest_end() -> None:
    assert len(told(read(srt((0, 1, "a"), (3.0, 4, "b"))))) == 1
    assert len(told(read(srt((0, 1, "a"), (3.1, 4, "b"))))) == 2
    assert len(told(read(srt((0, 9, "a"), (1, 2, "b"), (10, 11, "c"))))) == 1  # the first still stands there


def test_a_long_paragraph_ends_with_its_sentence() -> None:
    sentence = "x" * 98 + "."
    cues = [(i, i + 1.0, sentence if i % 2 else "y" * 98) for i in range(8)]
    assert [len(text) for _, text in told(read(srt(*cues)))] == [98 + 1 + 99 + 1 + 98 + 1 + 99] * 2
    endless = [(i, i + 1.0, f"{i}" + "y" * 98) for i in range(8)]
    assert [len(text) for _, text in told(read(srt(*endless)))] == [699, 99]


def test_speakers_begin_paragraphs() -> None:
    cues = [
        "ANA: Hello.",
        "- Who is it?\n- Me.",
        ">> Come in.",
        "At 10:30 then: so",
        "as he said before: no.",
        "Ana Ruiz: Yes.",
    ]
    found = read(srt(*((i, i + 1.0, text) for i, text in enumerate(cues))))
    assert told(found) == [
        ("0:00:00", "ANA: Hello."),
        ("0:00:01", "- Who is it?"),
        ("0:00:01", "- Me."),
        ("0:00:02", ">> Come in. At 10:30 then: so as he said before: no."),
        ("0:00:05", "Ana Ruiz: Yes."),
    ]


def test_webvtt_voices_notes_and_names() -> None:
    text = (
        "WEBVTT - The talk\nKind: captions\nLanguage: en-GB\n\nNOTE not said\n00:01 no time\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\n<v.loud Ana Ruiz>We &amp; you <00:01.500><c.x>are</c> 3 < 4</v>\n\n"
        "00:02.000 --> 00:03.000\n<v Ana Ruiz>here.\n\n00:03.000 --> 00:04.000\n<v Ben>Yes.</v> <v Ana Ruiz>No.\n\n"
        "00:04.000 --> 00:05.000\nAnd all.\n"
    )
    found = read(text, "a.vtt")
    assert told(found) == [
        ("0:00:01", "Ana Ruiz: We & you are 3 < 4 here."),
        ("0:00:03", "Ben: Yes."),
        ("0:00:03", "Ana Ruiz: No."),
        ("0:00:04", "And all."),
    ]
    assert (found.title, [(f.name, f.value) for f in found.fields]) == (
        "The talk",
        [("title", "The talk"), ("language", "en-GB")],
    )


def test_rolling_captions_are_written_once() -> None:
    """As YouTube writes them: a line alone for a moment, then with the next below it."""
    text = (
        "WEBVTT\nKind: captions\nLanguage: en\n\n00:00:00.160 --> 00:00:02.230 align:start position:0%\n \n"
        "today<00:00:00.480><c> we</c><00:00:00.640><c> talk</c>\n\n00:00:02.230 --> 00:00:02.240\ntoday we talk\n \n\n"
        "00:00:02.240 --> 00:00:04.000\ntoday we talk\nabout<00:00:03.000><c> apples</c>\n\n"
        "00:00:04.000 --> 00:00:04.010\nabout apples\n \n\n00:00:04.010 --> 00:00:06.000\nabout apples\nno\n\n"
        "00:00:06.000 --> 00:00:06.010\nno\n \n\n00:00:06.010 --> 00:00:08.000\nno\nno pears\n"
    )
    assert told(read(text, "a.vtt")) == [("0:00:00", "today we talk about apples no no pears")]


def test_what_is_said_twice_is_written_twice() -> None:
    cues = [
        (1, 2, "No."),
        (2, 3, "No."),
        (3, 4, "Why?"),
        (4, 5, "I said so."),
        (5, 6, "So."),
        (6, 7, "Well."),
        (7, 8, "Go."),
    ]
    assert read(srt(*cues)).text == "No. No. Why? I said so. So. Well. Go."
    assert read(srt(*((i, i + 0.7, "La") for i in range(5)))).text == "La La La La La"


def test_subrip_as_it_is_found() -> None:
    """Without numbers, with blank lines in a caption, its last number, SubStation's tags, and a point for the comma."""
    text = "\ufeff1\r\n00:00:01.000 --> 00:00:02.000 X1:1\r\n{\\an8}One\r\n\r\ntwo\r\n\r\n2\r\n0:0:3,5 -> 0:0:4\r\n42\r\n{y:i}three"
    assert read(text).text == "One two 42 three"


def test_subviewer() -> None:
    text = "0:00:01.000,0:00:02.000\nOne[br]two\n\n0:00:09.000,0:00:10.000\nthree\n"
    assert told(read(text, "a.sbv")) == [("0:00:01", "One two"), ("0:00:09", "three")]


def test_substation_by_its_columns() -> None:
    text = (
        "[Script Info]\nTitle: The film\n[V4+ Styles]\nFormat: Name\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,Last, not least\n"
        "Comment: 0,0:00:01.00,0:00:02.00,Default,Ana,0,0,0,,no\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ana,0,0,0,,{\\i1}Well{\\i0},\\Nhello\\hyou\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}\nDialogue: broken\n"
    )
    found = read(text, "a.ass")
    assert told(found) == [("0:00:01", "Ana: Well, hello you"), ("0:00:05", "Last, not least")]
    assert found.title == "The film"


def test_no_captions_are_a_reason_and_no_bytes_an_empty_document() -> None:
    assert (read("").text, read("").marks) == ("", ())
    with pytest.raises(UnreadableFile, match=r"^no captions found: save it as \.srt or \.vtt$"):
        read("only words\n")


HOSTILE = [
    "1\n",
    "00:00:01,000 --> 00:00:02,000\n",
    "<",
    "<v a>",
    "{\\",
    " ",
    "\n",
    "a:",
    "&amp",
    "0:",
    "<v ",
    "- a\n",
    "[Events]\nDialogue:,",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("head", ["", "00:00:01,000 --> 00:00:02,000\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n"])
def test_hostile_text_takes_linear_time(head: str, piece: str) -> None:
    before = time.process_time()
    with suppress(UnreadableFile):
        read(head + piece * (60_000 // len(piece)))
    assert time.process_time() - before < 3.0


PIECES = [
    *HOSTILE,
    "WEBVTT\n",
    "word ",
    "Ana: ",
    "</v>",
    "\r\n",
    "é",
    "99:99:99,9 --> 0:0:0\n",
    "[Script Info]\n",
    "Format: Start, End, Text\n",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(["a.srt", "a.vtt", "a.ass"]))
def test_random_text_keeps_the_rules(text: str, name: str) -> None:
    try:
        found = read(text, name)
    except IngestError as error:
        reason = str(error)
        assert reason == "no captions found: save it as .srt or .vtt"
        return
    starts = [mark.start for mark in found.marks]
    assert starts == sorted(set(starts)) and bool(starts) == bool(found.text)
    assert all(start == 0 or found.text[start - 2 : start] == "\n\n" for start in starts)
