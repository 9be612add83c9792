"""Mailboxes: where a message begins, what its members are called, and that the names stay."""

from __future__ import annotations

import mailbox
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind, TooLarge, UnreadableFile
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.mbox import MAX_LISTED
from ingest.parsers.mbox import parse as straight

FROM = b"From jane@x.org Tue Oct  1 12:34:56 2024\n"


def message(subject: str, words: str = "Words.", *, number: int = 1, day: str = "1 Oct 2024") -> bytes:
    header = f"From: Jane <jane@x.org>\nDate: {day} 12:00:00 +0000\nMessage-ID: <{number}@x>\nSubject: {subject}\n"
    return f"{header}\n{words}\n".encode()


def box(*messages: bytes) -> bytes:
    return b"".join(FROM + one + b"\n" for one in messages)


def read(data: bytes) -> Document:
    return parse(data, name="Sent.mbox")


def test_each_message_is_a_member_and_the_box_is_a_list_of_them() -> None:
    first, second = message("Hello", day="4 Mar 2021"), message("Re: a/b", number=2, day="1 Jan 2022")
    found = read(box(first, second))
    assert found.text == (
        "mailbox of 2 messages, from 2021-03-04 to 2022-01-01\n\n"
        "2021-03-04 | Jane <jane@x.org> | Hello\n2022-01-01 | Jane <jane@x.org> | Re: a/b"
    )
    assert [(mark.kind, mark.label, found.text[mark.start :][:10]) for mark in found.marks] == [
        (MarkKind.ROW, "1", "2021-03-04"),
        (MarkKind.ROW, "2", "2022-01-01"),
    ]
    assert (found.title, found.dated) == ("", date(2022, 1, 1))
    names = [member.name for member in found.members]
    assert [(name[:-15], name[-15:-13], name[-5:]) for name in names] == [
        ("2021-03-04 Hello", " (", ").eml"),
        ("2022-01-01 Re: a-b", " (", ").eml"),
    ]
    assert [member.data for member in found.members] == [first, second]


def test_a_message_keeps_its_name_when_others_come_and_go() -> None:
    one, two, three = (message("Hello", number=n) for n in (1, 2, 3))
    name = read(box(two)).members[0].name
    assert [member.name for member in read(box(one, two, three)).members][1] == name
    assert [member.name for member in read(box(three, two)).members][1] == name
    marked = two.replace(b"Subject:", b"X-Mozilla-Status: 0001\nSubject:")  # as a program writes into it once read
    assert read(box(marked)).members[0].name == name


def test_the_same_message_twice_is_one_member_and_another_with_its_id_is_not() -> None:
    one, other = message("Hello"), message("Hello", "The list's footer.")
    found = read(box(one, one, other, other))
    assert [member.data for member in found.members] == [one, other]
    assert len({member.name for member in found.members}) == 2
    assert found.text.startswith("mailbox of 4 messages")


def test_the_members_are_those_of_the_standard_library(tmp_path: Path) -> None:
    words = "From here on.\n\nFrom there, too.\n>From a quote.\n"
    path = tmp_path / "box"
    written = mailbox.mbox(path)
    for number in range(3):
        written.add(message("Hello", words, number=number))
    written.close()
    found = read(path.read_bytes())
    assert [member.data.rstrip() for member in found.members] == [
        message("Hello", words, number=number).replace(b">From", b"From").rstrip() for number in range(3)
    ]


@pytest.mark.parametrize(
    "words",
    [
        "From here on it goes.",
        "x\n\nFrom 10:30 on we meet\nin the hall.",
        "x\n\nFrom Berlin: 12:30\n\nNext.",
        "x\nFrom - \nSubject: y",
    ],
)
def test_a_line_from_in_the_words_begins_no_message(words: str) -> None:
    assert [member.data for member in read(box(message("Hello", words))).members] == [message("Hello", words)]


@pytest.mark.parametrize(
    "line",
    [
        b"From - Tue Oct 01 12:34:56 2024",
        b"From 1275267068816858875@xxx Wed Jul 16 06:24:10 +0000 2008",
        b"From ???@??? Tue Oct 01 12:34:56 2024",
        b"From ",
        b"From MAILER-DAEMON Tue Oct  1 12:34:56 2024\r",
    ],
)
def test_the_lines_of_many_programs_begin_one(line: bytes) -> None:
    one, two = message("A", number=1), message("B", number=2)
    assert [m.data for m in read(line + b"\n" + one + b"\n" + line + b"\n" + two).members] == [one, two]


def test_a_whole_date_begins_one_without_an_empty_line_too() -> None:
    one, two = message("A", number=1), message("B", number=2)
    assert [m.data for m in read(FROM + one + FROM + two).members] == [one, two]


def test_quoted_lines_are_unquoted_by_one() -> None:
    quoted = message("A", ">From x\n>>From y\n> From z")
    assert read(box(quoted)).members[0].data == message("A", "From x\n>From y\n> From z")


def test_dos_line_ends_are_read() -> None:
    one, two = (message(subject, number=n).replace(b"\n", b"\r\n") for subject, n in (("A", 1), ("B", 2)))
    dos = FROM.replace(b"\n", b"\r\n")
    assert [m.data for m in read(dos + one + b"\r\n" + dos + two).members] == [one, two]


def test_an_empty_box_is_empty_and_what_is_none_is_told() -> None:
    assert (read(b"").text, read(b"\n").members) == ("", ())
    with pytest.raises(UnreadableFile, match=r"^no mailbox: no line in it begins a message; give it the file name"):
        read(b"Dear all,\n\nFrom now on.\n")


def test_a_message_without_header_entries_has_a_name() -> None:
    (member,) = read(FROM + b"X-A: b\n\nwords\n").members
    assert member.name.startswith("undated no subject (")
    (hostile,) = read(FROM + "Subject: \u202e../../x\n\n".encode()).members
    assert hostile.name.startswith("undated _..-..-x (") and "\n" not in hostile.name


def test_more_messages_than_the_limit_are_too_many() -> None:
    three = box(*(message("A", number=n) for n in range(3)))
    assert len(parse(three, name="a.mbox", limits=replace(DEFAULT, max_members=3)).members) == 3
    with pytest.raises(TooLarge, match=r"^over 2 messages, the limit: split the mailbox by years$"):
        parse(three, name="a.mbox", limits=replace(DEFAULT, max_members=2))


def test_a_long_list_is_cut_and_says_so() -> None:
    many = read(box(*(b"Subject: %d\n\nx\n" % n for n in range(MAX_LISTED + 2))))
    assert many.text.endswith(f"\n{MAX_LISTED - 1}\n… and 2 more") and len(many.members) == MAX_LISTED + 2


@pytest.mark.parametrize(
    "data",
    [
        FROM + b"A: b\n\n" + b"\nFrom \n" * 200_000,
        FROM + b"A: b\n\n" + b"\nFrom " * 200_000,
        FROM + b"A: b\n\n" + b"\n>" * 300_000,
        FROM + b"A: b\n\n" + b">" * 1_000_000,
        b"From " + b"1:1" * 500_000,
        b"\n" * 1_000_000,
    ],
)
def test_hostile_boxes_take_no_time(data: bytes) -> None:
    started = time.process_time()
    straight_or_reason(data)
    assert time.process_time() - started < 3.0


def straight_or_reason(data: bytes) -> None:
    found = ending(lambda content: straight(content, name="a.mbox", limits=DEFAULT), data)
    if found is None:
        return
    names = [member.name.casefold() for member in found.members]
    assert len(set(names)) == len(names)


PIECES = (
    "From |From a Tue Oct  1 12:34:56 2024\n|\n|\n\n|\r\n|>From |A: b\n|Subject: x\n|Date: 1 Jan 2020\n|é|\x00|>".split(
        "|"
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_random_pieces_raise_nothing_else(pieces: list[str]) -> None:
    straight_or_reason("".join(pieces).encode())
