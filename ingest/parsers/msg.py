"""Outlook messages (`.msg`), as mail in any other format: header, words, the files in it as members.

Rule: the header that came over the network is believed before Outlook's own fields. A message attached to it becomes an
`.eml` that says the same, for it has no bytes of its own. Words that only RTF has are read from that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import format_datetime
from hashlib import blake2b

from ingest.decode import clean
from ingest.errors import EncryptedFile, TooLarge
from ingest.limits import Limits
from ingest.mail.document import PRINTED, UNPRINTED, Attachment, Body, best, document
from ingest.mail.mime import header_of, read
from ingest.mail.outlook import CompoundFile, Storage
from ingest.parsers import email, rtf
from ingest.types import Document

NAME = "msg"
VERSION = 1

_SUBJECT, _BODY, _CLASS, _HEADERS, _RTF = 0x0037, 0x1000, 0x001A, 0x007D, 0x1009
_SENT, _DELIVERED, _MADE = 0x0039, 0x0E06, 0x3007
_SENDERS = ((0x0C1A, (0x5D01, 0x0C1F)), (0x0042, (0x5D02, 0x0065)))  # name, and where its address may stand
_DISPLAYED = {"To": 0x0E04, "Cc": 0x0E03, "Bcc": 0x0E02}
_IDS = {"Message-ID": 0x1035, "In-Reply-To": 0x1042, "References": 0x1039}
_RECIPIENTS = {1: "To", 2: "Cc", 3: "Bcc"}
_RECIPIENT_KIND, _SHOWN_NAME, _ADDRESSES = 0x0C15, 0x3001, (0x39FE, 0x3003)
_DATA, _LONG_NAME, _SHORT_NAME, _KIND, _CONTENT_ID, _HIDDEN = 0x3701, 0x3707, 0x3704, 0x370E, 0x3712, 0x7FFE
_ENCRYPTED_KINDS = ("application/pgp-encrypted", "application/x-microsoft-rpmsg-message")
_CID = re.compile(rb"""cid:([^"'\s<>)&]{1,300})""", re.IGNORECASE)


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The message. Raises EncryptedFile, TooLarge, and UnreadableFile for a damaged one or one with nothing in it."""
    message = Storage(CompoundFile(data, limits), (), "")
    attachments = list(_attachments(message, limits, 0))
    header = _header(message)
    if any(attachment.kind in _ENCRYPTED_KINDS for attachment in attachments):
        raise EncryptedFile(email.ENCRYPTED)
    if message.text(_CLASS).upper().startswith("IPM.NOTE.SMIME") and len(attachments) == 1:
        return _from_smime(header, attachments[0], limits)
    return document(
        header=header,
        bodies=_bodies(message, limits),
        attachments=attachments,
        limits=limits,
        parser=NAME,
        parser_version=VERSION,
    )


def _from_smime(header: list[tuple[str, str]], attachment: Attachment, limits: Limits) -> Document:
    """A message that is signed or encrypted, all of it in its one attachment."""
    data = attachment.data
    if "content-type" not in header_of(data):
        kind = attachment.kind if "/" in attachment.kind else "application/pkcs7-mime"
        data = b"Content-Type: " + kind.encode("ascii", "replace") + b"\n\n" + data
    bodies, attachments = email.contents(read(data, limits), limits)
    return document(
        header=header, bodies=bodies, attachments=attachments, limits=limits, parser=NAME, parser_version=VERSION
    )


def _header(message: Storage) -> list[tuple[str, str]]:
    came = header_of(message.text(_HEADERS).encode())
    sent = message.time(_SENT) or message.time(_DELIVERED) or message.time(_MADE)
    own = {
        "From": next((shown for name, where in _SENDERS if (shown := _address(message, name, where))), ""),
        **{key: " ".join(message.text(number).replace("\x00", "").split()) for key, number in _DISPLAYED.items()},
        **_recipients(message),
        "Date": "" if sent is None else format_datetime(sent),
        "Subject": message.text(_SUBJECT),
        **{key: message.text(number) for key, number in _IDS.items()},
    }
    found = [(key, came.get(key.lower()) or " ".join(own.get(key, "").split())) for key in (*PRINTED, *UNPRINTED)]
    return [(key, value) for key, value in found if value]


def _address(storage: Storage, name: int, where: tuple[int, ...]) -> str:
    """ "Jane Doe <jane@x.org>", or what there is of it; Exchange's own addresses say nothing to people."""
    shown = " ".join(storage.text(name).split())
    address = next((text for number in where if "@" in (text := storage.text(number).strip())), "")
    if not shown or not address or address.lower() in shown.lower():
        return shown or address
    return f"{shown} <{address}>"


def _recipients(message: Storage) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for recipient in message.parts("__recip_version1.0_"):
        kind = _RECIPIENTS.get(recipient.number(_RECIPIENT_KIND) or 1)
        address = _address(recipient, _SHOWN_NAME, _ADDRESSES)
        if kind is not None and address:
            found.setdefault(kind, []).append(address)
    return {kind: ", ".join(addresses) for kind, addresses in found.items()}


def _bodies(message: Storage, limits: Limits) -> list[Body]:
    plain = Body(email.tidied(message.text(_BODY)), (), False)
    page = message.html()
    rich = email.from_html(page, limits) if page is not None else Body("", (), True)
    if not plain.text and not rich.text:
        rich = _from_rtf(message.binary(_RTF), limits)
    return list(best([plain], [rich]))


def _from_rtf(packed: bytes | None, limits: Limits) -> Body:
    if packed is None or len(packed) < 16:
        return Body("", (), True)
    size = int.from_bytes(packed[4:8], "little")
    if size > limits.max_unpacked_bytes:
        raise TooLarge(f"unpacks to {size / 1e6:.0f} MB, the limit is {limits.max_unpacked_bytes / 1e6:.0f} MB")
    import compressed_rtf

    try:
        found = rtf.parse(compressed_rtf.decompress(packed), name="", limits=limits)
    except Exception:  # compressed_rtf on a wrong checksum or a cut-off end; no text in it
        return Body("", (), True)
    return Body(found.text, found.marks, True)


def _attachments(message: Storage, limits: Limits, depth: int) -> Iterator[Attachment]:
    """The files attached, without pictures that stand in the words."""
    page = message.html() or b""
    shown = {found.lower() for found in _CID.findall(page)}
    for number, part in enumerate(message.parts("__attach_version1.0_")):
        if number >= limits.max_members:
            raise TooLarge(f"over {limits.max_members} files in one message, the limit: save them apart")
        kind = part.text(_KIND).strip().lower()
        inner = part.message()
        if inner is not None:
            if depth < limits.max_nesting:
                yield _as_mail(inner, limits, depth + 1)
            continue
        data = part.binary(_DATA)
        content_id = part.text(_CONTENT_ID).strip("<>").lower().encode()
        is_picture = part.is_set(_HIDDEN) or (kind.startswith("image/") and content_id in shown)
        if data and not is_picture:
            yield Attachment(part.text(_LONG_NAME) or part.text(_SHORT_NAME) or part.text(_SHOWN_NAME), kind, data)


def _as_mail(message: Storage, limits: Limits, depth: int) -> Attachment:
    """A message in the message, written as one of MIME; its boundary is of what is in it."""
    header = _header(message)
    body = "\n\n".join(body.text for body in _bodies(message, limits))
    parts = [b"Content-Type: text/plain; charset=utf-8\n\n" + body.encode()]
    for attachment in _attachments(message, limits, depth):
        name = attachment.name.replace('"', "'").replace("\n", " ")
        kind = attachment.kind if re.fullmatch(r"[\w.+-]+/[\w.+-]+", attachment.kind) else "application/octet-stream"
        parts.append(
            f'Content-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n\n'.encode() + attachment.data
        )
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    boundary = digest.hexdigest().encode()
    lines = "".join(f"{key}: {value}\n" for key, value in header).encode()
    joined = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    whole = (
        lines + b"Content-Type: multipart/mixed; boundary=" + boundary + b"\n\n" + joined + b"--" + boundary + b"--\n"
    )
    subject = clean(message.text(_SUBJECT))[:100].replace("/", "-").replace("\\", "-").strip()
    return Attachment(f"{subject or 'message'}.eml", "message/rfc822", whole)
