"""Mailboxes (`.mbox`): each message a member, and a list of them as the mailbox's own text.

Rule: a message keeps its name whatever comes or goes beside it: the name is of its day, its subject and its id, never
of its place. A line `From …` begins a message only before a header's first line, and behind an empty line unless it has
a whole date; so one which a writer left as it was in the words of a mail cuts none in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

from ingest.errors import TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.mail.document import sent_on
from ingest.mail.mime import header_of
from ingest.member_names import safe_name
from ingest.types import Document, Mark, MarkKind, Member

NAME = "mbox"
VERSION = 1

MAX_LISTED = 5_000  # messages in the text; the others are members all the same
MAX_SUBJECT_CHARS = 80  # in a name

# What mail programs write: `From address Tue Oct  1 12:34:56 2024`, `From - Tue …`, or nothing but `From `.
_SEPARATOR = re.compile(rb"From (?:[^\n]{0,1000}\d\d?:\d\d[^\n]{0,200}|-?[ \t]*\r?)\n(?=[!-9;-~]+[ \t]*:|>?From )")
# Without an empty line before it, only what is certainly one.
_CERTAIN = re.compile(
    rb"From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d [^\n]{4,20}\n"
)
_MAX_LINE = 1_300
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)  # as mboxrd and mboxo quote such a line


@dataclass(frozen=True, slots=True)
class _Message:
    name: str
    data: bytes
    day: date | None
    sender: str
    subject: str


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """Members are named `2021-03-04 Hello (3fa2c1d8).eml`; of messages that are the same to the byte there is one.

    Raises TooLarge for too many messages, UnreadableFile for what is no mailbox.
    """
    spans = list(_spans(data, limits.max_members))
    if not spans and data.strip():
        raise UnreadableFile("no mailbox: no line in it begins a message; give it the file name ending of its kind")
    messages = [_message(_unquoted(data[start:end])) for start, end in spans]
    text, marks = _listing(messages)
    days = [message.day for message in messages if message.day is not None]
    return Document(
        text=text,
        title="",
        dated=max(days, default=None),
        fields=(),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
        members=tuple(_members(messages)),
    )


def _spans(data: bytes, limit: int) -> Iterator[tuple[int, int]]:
    """Where the messages lie, without the lines that begin them and the empty one that ends them."""
    first: int | None = None
    count = 0
    at = len(data) - len(data.lstrip(b"\xef\xbb\xbf \t\r\n"))
    while at >= 0:
        found = _SEPARATOR.match(data, at, at + _MAX_LINE + 1_000)
        if found is not None and (_is_behind_empty(data, at) or _CERTAIN.match(data, at)):
            count += 1
            if count > limit:
                raise TooLarge(f"over {limit} messages, the limit: split the mailbox by years")
            if first is not None:
                yield first, _without_empty(data, first, at)
            first = found.end()
        at = data.find(b"\nFrom ", at)
        at = at + 1 if at >= 0 else at
    if first is not None:
        yield first, _without_empty(data, first, len(data))


def _is_behind_empty(data: bytes, at: int) -> bool:
    before = data[max(0, at - 4) : at]
    return not before.strip(b"\xef\xbb\xbf\r\n \t") if at <= 4 else before.endswith((b"\n\n", b"\n\r\n"))


def _without_empty(data: bytes, start: int, end: int) -> int:
    """The end of a message before its last empty line, which belongs to the box: of the box's last message too, so that
    it stays the same when one is added behind it.
    """
    tail = data[max(start, end - 4) : end]
    return end - 2 if tail.endswith(b"\n\r\n") else end - 1 if tail.endswith(b"\n\n") else end


def _unquoted(message: bytes) -> bytes:
    return _QUOTED.sub(rb"\1", message) if b">From " in message else message


def _message(data: bytes) -> _Message:
    header = header_of(data)
    day = sent_on(header.get("date", ""))
    subject = header.get("subject", "")
    own_id = header.get("message-id", "").encode("utf-8", "replace")
    number = blake2b(own_id or data, digest_size=4).hexdigest()
    shown = safe_name(subject[:MAX_SUBJECT_CHARS].replace("/", "-").replace("\\", "-")) if subject else "no subject"
    day_shown = "undated" if day is None else day.isoformat()
    return _Message(f"{day_shown} {shown} ({number}).eml", data, day, header.get("from", ""), subject)


def _members(messages: list[_Message]) -> Iterator[Member]:
    """Other messages of the same id (a list's copy and one's own) are told apart by their bytes."""
    taken: dict[str, bytes] = {}
    for message in messages:
        name = message.name
        if name in taken and taken[name] != message.data:
            name = f"{name[:-5]}-{blake2b(message.data, digest_size=8).hexdigest()}).eml"
        if name not in taken:
            taken[name] = message.data
            yield Member(name, message.data)


def _listing(messages: list[_Message]) -> tuple[str, list[Mark]]:
    """How many messages, from when to when, and a line for each: its day, sender and subject."""
    if not messages:
        return "", []
    days = sorted(message.day for message in messages if message.day is not None)
    span = f", from {days[0]} to {days[-1]}" if days else ""
    parts = [f"mailbox of {len(messages)} message{'s' * (len(messages) != 1)}{span}\n"]
    marks: list[Mark] = []
    at = len(parts[0])
    for number, message in enumerate(messages[:MAX_LISTED], start=1):
        shown = [str(message.day or ""), message.sender[:200], message.subject[:300]]
        line = "\n" + " | ".join(part for part in shown if part)
        marks.append(Mark(at + 1, MarkKind.ROW, str(number), 0))
        parts.append(line)
        at += len(line)
    if len(messages) > MAX_LISTED:
        parts.append(f"\n… and {len(messages) - MAX_LISTED} more")
    return "".join(parts), marks
