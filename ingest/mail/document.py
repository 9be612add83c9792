"""A mail as a document, whatever format it came in: its header as one prints it, its words, its attachments.

Rule: the header's entries are fields with their place in the text; of two versions of the words the plain one is read,
unless it only says that there is another. Quoted replies stay, marked as they came (`> `).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from email.utils import parsedate_to_datetime

from ingest.decode import clean
from ingest.errors import TooLarge, UnreadableFile
from ingest.header import parse_date, property_field
from ingest.limits import Limits
from ingest.member_names import unique_names
from ingest.types import Document, Field, Mark, Member

PRINTED = ("From", "To", "Cc", "Bcc", "Date", "Subject")
"""The entries of a header that stand in the text, in their order."""
UNPRINTED = ("Message-ID", "In-Reply-To", "References", "Reply-To", "Keywords")
"""Those that are fields only: of a thread, and what few have."""

_STUB_SHARE = 0.25  # of the letters of the other version: less is a hint at it, or its links
_LINK = re.compile(r"https?://\S+|<[^<>\s]{1,2000}>|\[[^\[\]\s]{1,2000}\]")
_ENDINGS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/rtf": ".rtf",
    "text/markdown": ".md",
    "text/xml": ".xml",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/x-patch": ".patch",
    "text/x-diff": ".diff",
    "text/rfc822-headers": ".eml",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "application/vnd.ms-outlook": ".msg",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/zip": ".zip",
    "application/x-zip-compressed": ".zip",
    "application/gzip": ".gz",
    "application/epub+zip": ".epub",
    "application/mbox": ".mbox",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/svg+xml": ".svg",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
}


@dataclass(frozen=True, slots=True)
class Body:
    """Words of a mail. marks: of its headings, offsets in `text`. is_rich: it came with its looks (HTML, RTF)."""

    text: str
    marks: tuple[Mark, ...]
    is_rich: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """name: as the sender wrote it, or "". kind: its content type, lower case, or ""."""

    name: str
    kind: str
    data: bytes


def document(
    *,
    header: Sequence[tuple[str, str]],
    bodies: Iterable[Body],
    attachments: Sequence[Attachment],
    limits: Limits,
    parser: str,
    parser_version: int,
) -> Document:
    """header: names as in PRINTED and UNPRINTED, any others are left out; values on one line.

    Raises UnreadableFile for a mail with nothing in it, and TooLarge for one with too many files.
    """
    if len(attachments) > limits.max_members:
        raise TooLarge(f"over {limits.max_members} files in one message, the limit: save them apart")
    values = {name: clean(value).strip() for name, value in reversed(header)}
    parts: list[str] = []
    fields: list[Field] = []
    marks: list[Mark] = []
    at = 0
    for name in PRINTED:
        if values.get(name):
            line = f"{name}: {values[name]}"
            parts.append(line + "\n")
            fields.append(Field(name.lower(), values[name], at, at + len(line)))
            at += len(line) + 1
    for body in bodies:
        if body.text:
            gap = "" if not at else "\n" if len(parts) == len(fields) else "\n\n"
            parts.append(gap + body.text)
            at += len(gap)
            marks.extend(Mark(at + mark.start, mark.kind, mark.label, mark.level) for mark in body.marks)
            at += len(body.text)
    text = "".join(parts).rstrip("\n")
    if not text and not attachments:
        raise UnreadableFile("empty: it holds no text")
    for name in UNPRINTED:
        field = property_field(name.lower(), values.get(name))
        if field is not None:
            fields.append(field)
    names = unique_names([_named(attachment) for attachment in attachments])
    return Document(
        text=text,
        title=values.get("Subject", ""),
        dated=sent_on(values.get("Date", "")),
        fields=tuple(fields),
        marks=tuple(marks),
        is_source=False,
        parser=parser,
        parser_version=parser_version,
        members=tuple(Member(name, part.data) for name, part in zip(names, attachments, strict=True)),
    )


def best(plain: Sequence[Body], rich: Sequence[Body]) -> Sequence[Body]:
    """Of two versions of the same words the plain one, unless it is next to nothing beside the other."""
    letters, rich_letters = _letters(plain), _letters(rich)
    return plain if letters and letters >= _STUB_SHARE * rich_letters else rich if rich_letters else plain


def sent_on(value: str) -> date | None:
    """The day in the sender's own time; None for what is no date."""
    try:
        return parsedate_to_datetime(value).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return parse_date(value[:200])


def flowed(text: str, *, delsp: bool) -> str:
    """The text of `format=flowed` (RFC 3676) with its lines joined to paragraphs, each quoted as deep as it was."""
    lines: list[str] = []
    open_depth: int | None = None  # of the paragraph that the next line may go on
    pieces: list[str] = []
    for line in text.split("\n"):
        rest = line.lstrip(">")
        depth = len(line) - len(rest)
        rest = rest.removeprefix(" ")
        is_signature = rest == "-- "
        if open_depth is not None and (depth != open_depth or is_signature):
            lines.append("".join(pieces).rstrip())
            open_depth = None
        if open_depth is None:
            pieces = [">" * depth + " " if depth else "", rest]
        else:
            pieces.append(rest)
        if rest.endswith(" ") and not is_signature:
            open_depth = depth
            if delsp:
                pieces[-1] = pieces[-1][:-1]
        else:
            lines.append("".join(pieces))
            open_depth = None
    if open_depth is not None:
        lines.append("".join(pieces).rstrip())
    return "\n".join(lines)


def _letters(bodies: Sequence[Body]) -> int:
    """How many characters the bodies have, without links and blanks."""
    return sum(len("".join(_LINK.sub("", body.text).split())) for body in bodies)


def _named(attachment: Attachment) -> str:
    """Its name with an ending, where its type tells one."""
    ending = _ENDINGS.get(attachment.kind, "")
    name = attachment.name.replace("\\", "/").rpartition("/")[2].strip()
    if not name:
        return (attachment.kind.partition("/")[0] or "attachment") + (ending or ".bin")
    return name if "." in name[-16:] else name + ending
