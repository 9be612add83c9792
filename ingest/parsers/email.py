"""Mail (`.eml`, `.emlx`): its header, its words, the files in it as members; and pages saved as `.mhtml`.

Rule: what the reader of the mail sees. Of the same words in several versions one is read; pictures that stand in the
words are left out, files that were attached are not, also where a mailer filed them with the pictures. Signatures are
read through, invitations are written out, what is encrypted is said to be. Nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.decode import decode
from ingest.errors import EncryptedFile, IngestError, UnreadableFile
from ingest.header import property_field
from ingest.limits import Limits
from ingest.mail.document import PRINTED, UNPRINTED, Attachment, Body, best, document, flowed
from ingest.mail.invitation import written
from ingest.mail.mime import Part, read, unworded, without_transport
from ingest.mail.signed import content_of, is_encrypted
from ingest.parsers import html
from ingest.types import Document

NAME = "email"
VERSION = 1

ENCRYPTED = "encrypted: open it in your mail program and save its text or print it as a PDF"

_SIGNATURES = frozenset(
    "application/pgp-signature application/pkcs7-signature application/x-pkcs7-signature "
    "application/pgp-keys application/applefile".split()  # nor do the last two hold words
)
_PKCS7 = frozenset(["application/pkcs7-mime", "application/x-pkcs7-mime"])
_CALENDAR = frozenset(["text/calendar", "application/ics"])
_REPORTS = frozenset(["message/delivery-status", "message/disposition-notification", "message/feedback-report"])
_ASIDE = frozenset(["text/x-amp-html", "text/watch-html"])  # one more version of the same words
_PGP_MESSAGE = "-----BEGIN PGP MESSAGE-----"
_PGP_SIGNED, _PGP_SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----\n", "\n-----BEGIN PGP SIGNATURE-----\n"
_PGP_END = "\n-----END PGP SIGNATURE-----"
_DASHED = re.compile(r"^- ", re.MULTILINE)
_GAP = re.compile(r"\n(?:[^\S\n]*\n){2,}")  # Outlook writes its empty lines twice
_CID = re.compile(r"""cid:([^"'\s<>)&]{1,300})""", re.IGNORECASE)


@dataclass(slots=True)
class _Content:
    """What was found in a part. pictures: by content id, those that may stand in the words."""

    bodies: list[Body] = field(default_factory=list)
    notices: list[Body] = field(default_factory=list)  # invitations, reports of delivery
    attachments: list[Attachment] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)  # position in `attachments` → content id
    shown: set[str] = field(default_factory=set)  # content ids that the words show
    is_encrypted: bool = False


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The mail. Raises EncryptedFile, TooLarge, and UnreadableFile for one with nothing in it."""
    message = read(without_transport(data), limits)
    if _is_archive(message, name):
        return _page(message, limits)
    bodies, attachments = contents(message, limits)
    return document(
        header=[(key, message.header(key)) for key in (*PRINTED, *UNPRINTED)],
        bodies=bodies,
        attachments=attachments,
        limits=limits,
        parser=NAME,
        parser_version=VERSION,
    )


def contents(message: Part, limits: Limits) -> tuple[list[Body], list[Attachment]]:
    """The words of a message, and the files in it. Raises EncryptedFile, TooLarge."""
    content = _Content()
    _collect(message, content, limits, is_only=True)
    if content.is_encrypted and not any(body.text for body in content.bodies):
        raise EncryptedFile(ENCRYPTED)
    notices = {notice.text: notice for notice in content.notices}  # the same one often comes twice
    attachments = [
        attachment
        for i, attachment in enumerate(content.attachments)
        if content.pictures.get(i, "") not in content.shown
    ]
    return [*content.bodies, *notices.values()], attachments


def tidied(text: str) -> str:
    """Words without more than one empty line at a time."""
    return _GAP.sub("\n\n", text).strip("\n").rstrip()


def _collect(part: Part, content: _Content, limits: Limits, *, is_only: bool = False) -> None:
    """Adds what is in the part. is_only: it is the message itself."""
    if part.kind == "multipart/encrypted":
        content.is_encrypted = True
    elif part.kind == "multipart/alternative":
        _choose(part, content, limits)
    elif part.parts:
        for inner in part.parts:
            _collect(inner, content, limits)
    elif part.kind in _SIGNATURES or part.kind in _ASIDE:
        pass
    elif part.kind in _PKCS7:
        _open(part, content, limits)
    else:
        _leaf(part, content, limits, is_only=is_only)


def _choose(part: Part, content: _Content, limits: Limits) -> None:
    """Of several versions of the words the best one, and the files of all of them."""
    plain: list[Body] = []
    rich: list[Body] = []
    for inner in part.parts:
        version = _Content()
        _collect(inner, version, limits)
        chosen = rich if any(body.is_rich for body in version.bodies) else plain
        if not any(body.text for body in chosen):
            chosen[:] = version.bodies
        first = len(content.attachments)
        content.pictures.update({first + i: cid for i, cid in version.pictures.items()})
        content.attachments.extend(version.attachments)
        content.notices.extend(version.notices)
        content.shown |= version.shown
        content.is_encrypted |= version.is_encrypted
    content.bodies.extend(best(plain, rich))


def _leaf(part: Part, content: _Content, limits: Limits, *, is_only: bool) -> None:
    if part.kind in _CALENDAR or (part.kind == "application/octet-stream" and part.file_name().endswith(".ics")):
        content.notices.extend(Body(text, (), False) for text in written(part.text()))
    elif part.kind in _REPORTS:
        content.notices.append(Body(part.text().strip("\n"), (), False))
    elif _is_words(part, is_only=is_only):
        body = _words(part, content, limits)
        if body.text:
            content.bodies.append(body)
    else:
        data = part.data()
        name = part.file_name()
        if not name and part.kind in ("message/rfc822", "message/global"):
            name = _subject_of(data, limits)
        content_id = part.header("content-id").strip("<>")
        if content_id and part.kind.startswith("image/"):
            content.pictures[len(content.attachments)] = content_id
        if data.strip():
            content.attachments.append(Attachment(name, part.kind, data))


def _is_words(part: Part, *, is_only: bool) -> bool:
    """Whether the part is what the sender wrote, not a file."""
    if part.kind not in ("text/plain", "text/html"):
        return False
    return is_only or (part.disposition() != "attachment" and not part.file_name())


def _words(part: Part, content: _Content, limits: Limits) -> Body:
    text = part.text()
    if part.kind == "text/html":
        content.shown.update(unworded(cid) for cid in _CID.findall(text))
        return from_html(b"\xef\xbb\xbf" + text.encode(), limits)
    if part.parameter("content-type", "format").lower() == "flowed":
        text = flowed(text, delsp=part.parameter("content-type", "delsp").lower() == "yes")
    text = _without_armour(tidied(text))
    if text.startswith(_PGP_MESSAGE):
        content.is_encrypted = True
        text = ""
    return Body(text, (), False)


def _without_armour(text: str) -> str:
    """The text of a message that is signed in its words (RFC 4880, 7), without the signature."""
    start = text.find(_PGP_SIGNED)
    stop = text.find(_PGP_SIGNATURE, start)
    if start < 0 or stop < 0:
        return text
    begin = text.find("\n\n", start, stop)  # behind the names of the digests
    end = text.find(_PGP_END, stop)
    words = _DASHED.sub("", text[begin + 2 if begin >= 0 else start + len(_PGP_SIGNED) : stop])
    return f"{text[:start]}{words}{text[end + len(_PGP_END) :] if end >= 0 else ''}".strip("\n")


def from_html(page: bytes, limits: Limits) -> Body:
    """The words of a page; none if it has none, or is no page."""
    try:
        found = html.parse(page, name="", limits=limits)
    except UnreadableFile:
        return Body("", (), True)
    return Body(found.text, found.marks, True)


def _open(part: Part, content: _Content, limits: Limits) -> None:
    """S/MIME in one piece: signed words, or encrypted ones."""
    data = part.data()
    if is_encrypted(data):
        content.is_encrypted = True
        return
    signed = content_of(data)
    if signed is not None:
        _collect(read(signed, limits), content, limits)


def _subject_of(message: bytes, limits: Limits) -> str:
    """A name for a message in the message."""
    try:
        subject = read(message[:200_000], limits).header("subject")
    except IngestError:
        subject = ""
    return f"{subject[:100] or 'message'}.eml".replace("/", "-").replace("\\", "-")


def _is_archive(message: Part, name: str) -> bool:
    """A web page saved with all that belongs to it (RFC 2557), no mail."""
    is_page = message.kind in ("multipart/related", "text/html")
    return is_page and (bool(message.header("snapshot-content-location")) or name.lower().endswith((".mht", ".mhtml")))


def _leaves(part: Part) -> Iterator[Part]:
    if part.parts:
        for inner in part.parts:
            yield from _leaves(inner)
    else:
        yield part


def _page(message: Part, limits: Limits) -> Document:
    """The page's text; its pictures and styles are no files of their own."""
    pages = [part for part in _leaves(message) if part.kind in ("text/html", "application/xhtml+xml")]
    start = message.parameter("content-type", "start")
    page = next((part for part in pages if start and part.header("content-id") == start), pages[0] if pages else None)
    if page is None:
        raise UnreadableFile("empty: it holds no text")
    found = html.parse(b"\xef\xbb\xbf" + (page.text() or decode(page.data())).encode(), name="", limits=limits)
    address = message.header("snapshot-content-location") or page.header("content-location")
    url = property_field("url", address)
    return Document(
        text=found.text,
        title=found.title or message.header("subject"),
        dated=found.dated,
        fields=(*found.fields, *([] if url is None else [url])),
        marks=found.marks,
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )
