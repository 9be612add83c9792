"""Outlook messages, from compound files made here by MS-CFB and MS-OXMSG."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, date, datetime

import compressed_rtf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.compounds import compound
from ingest import IngestError, TooLarge, UnreadableFile
from ingest.errors import EncryptedFile
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.msg import parse as straight


def properties(header_bytes: int, **values: int | datetime) -> bytes:
    """A stream of fixed properties; a name is `p` and the property's number."""
    data = bytes(header_bytes)
    for name, value in values.items():
        number = int(name[1:], 16)
        if isinstance(value, datetime):
            ticks = int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
            data += struct.pack("<HHIQ", 0x0040, number, 6, ticks)
        else:
            data += struct.pack("<HHIii", 0x000B if value is True else 0x0003, number, 6, value, 0)
    return data


def texts(**values: str) -> dict[str, bytes]:
    return {f"__substg1.0_{name[1:].upper()}001F": value.encode("utf-16-le") for name, value in values.items()}


SENT = datetime(2021, 3, 4, 12, 30, tzinfo=UTC)
FIXED = {"__properties_version1.0": properties(32, p0039=SENT)}
OWN = texts(p0037="Hello", p0c1a="Jane Doe", p0c1f="jane@x.org", p0e04="Bob", p1000="Wörds.\r\n")


def attachment(name: str, data: bytes, kind: str = "", **fixed: int) -> dict[str, bytes]:
    return {
        "__properties_version1.0": properties(8, **fixed),
        "__substg1.0_37010102": data,
        **texts(p3707=name, p370e=kind),
    }


def test_outlooks_own_fields_make_the_header() -> None:
    recipients = {
        f"__recip_version1.0_#0000000{i}": {
            "__properties_version1.0": properties(8, p0c15=kind),
            **texts(p3001=name, p39fe=address),
        }
        for i, (kind, name, address) in enumerate(
            [(1, "Bob", "bob@x.org"), (2, "cc@x.org", "cc@x.org"), (1, "Sue", "/o=ExchangeLabs/cn=sue")]
        )
    }
    found = parse(compound({**FIXED, **OWN, **recipients, **texts(p1035="<1@x>")}), name="a.msg")
    assert found.text == (
        "From: Jane Doe <jane@x.org>\nTo: Bob <bob@x.org>, Sue\nCc: cc@x.org\n"
        "Date: Thu, 04 Mar 2021 12:30:00 +0000\nSubject: Hello\n\nWörds."
    )
    assert (found.title, found.dated, found.parser) == ("Hello", date(2021, 3, 4), "msg")
    assert [(f.name, f.value) for f in found.fields][-1] == ("message-id", "<1@x>")


def test_the_header_that_came_over_the_network_is_believed_first() -> None:
    came = texts(p007d="From: =?utf-8?q?J=C3=B6?= <jo@x.org>\r\nDate: Fri, 05 Mar 2021 01:00:00 +0900\r\n\r\n")
    found = parse(compound({**FIXED, **OWN, **came}), name="a.msg")
    assert found.text.startswith(
        "From: Jö <jo@x.org>\nTo: Bob\nDate: Fri, 05 Mar 2021 01:00:00 +0900\nSubject: Hello\n"
    )
    assert found.dated == date(2021, 3, 5)


def test_strings_and_pages_are_read_in_their_code_pages() -> None:
    page = "<h1>Привет</h1><p>мир и другие слова</p>".encode("cp1251")
    tree = {
        "__properties_version1.0": properties(32, p3ffd=1251, p3fde=1251),
        "__substg1.0_0037001E": "Тема".encode("cp1251"),
        "__substg1.0_10130102": page,
    }
    found = parse(compound(tree), name="a.msg")
    assert found.text == "Subject: Тема\n\nПривет\n\nмир и другие слова"
    assert [mark.label for mark in found.marks] == ["Привет"]


def test_attachments_are_members_and_hidden_pictures_are_not() -> None:
    page = {"__substg1.0_10130102": b'<p>Look: <img src="cid:Logo"></p>'}
    logo = {**attachment("logo.png", b"PNG", "image/png"), **texts(p3712="logo")}
    files = [
        attachment("a.pdf", b"%PDF-1" + bytes(5000)),
        attachment("a.pdf", b"%PDF-2"),
        logo,
        attachment("hidden.gif", b"GIF", "image/gif", p7ffe=True),
        attachment("..\\x.txt", b"words"),
    ]
    tree = {**FIXED, **texts(p0037="S"), **page, **{f"__attach_version1.0_#0000000{i}": f for i, f in enumerate(files)}}
    found = parse(compound(tree), name="a.msg")
    assert [(member.name, member.data[:6]) for member in found.members] == [
        ("a.pdf", b"%PDF-1"),
        ("a (2).pdf", b"%PDF-2"),
        ("x.txt", b"words"),
    ]
    assert len(found.members[0].data) == 5006


def test_a_message_in_the_message_is_a_mail_that_reads_the_same() -> None:
    deepest = {"__properties_version1.0": properties(24), **texts(p0037="In: a/b", p1000="Deep.")}
    inner = {
        "__properties_version1.0": properties(24, p0039=SENT),
        **OWN,
        "__attach_version1.0_#00000000": attachment('q"u.txt', b"\0\1--\n"),
        "__attach_version1.0_#00000001": {
            "__properties_version1.0": properties(8),
            "__substg1.0_3701000D": deepest,
        },
    }
    attached = {"__properties_version1.0": properties(8), "__substg1.0_3701000D": inner}
    found = parse(compound({**FIXED, **OWN, "__attach_version1.0_#00000000": attached}), name="a.msg")
    (member,) = found.members
    assert member.name == "Hello.eml"
    mail = parse(member.data, name=member.name)
    assert mail.text == found.text
    assert [(m.name, m.data) for m in mail.members][:1] == [("q'u.txt", b"\0\1--\n")]
    assert parse(mail.members[1].data, name="In.eml").text == "Subject: In: a/b\n\nDeep."
    assert parse(compound({**FIXED, **OWN, "__attach_version1.0_#00000000": attached}), name="a.msg") == found


def test_a_signed_message_is_read_through_and_an_encrypted_one_is_told() -> None:
    signed = (
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nSigned words.\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--\r\n"
    )
    smime = texts(p001a="IPM.Note.SMIME.MultipartSigned", p0037="S")
    file = {"__attach_version1.0_#00000000": attachment("smime.p7m", signed, "multipart/signed")}
    assert parse(compound({**FIXED, **smime, **file}), name="a.msg").text.endswith("Subject: S\n\nSigned words.")
    enveloped = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80"
    for kind, data in (("", enveloped), ("application/pgp-encrypted", b"Version: 1")):
        tree = {**FIXED, **texts(p001a="IPM.Note.SMIME"), "__attach_version1.0_#00000000": attachment("x", data, kind)}
        with pytest.raises(EncryptedFile, match=r"^encrypted: open it in your mail program"):
            parse(compound(tree), name="a.msg")


def test_words_that_only_rtf_has_are_read_from_it() -> None:
    rtf = rb"{\rtf1\ansi Rich \b words\b0 .\par Caf\'e9.}"
    for packed in (compressed_rtf.compress(rtf), compressed_rtf.compress(rtf, compressed=False)):
        tree = {**FIXED, **texts(p0037="S"), "__substg1.0_10090102": packed}
        assert parse(compound(tree), name="a.msg").text.endswith("Subject: S\n\nRich words.\n\nCafé.")
    damaged = {**FIXED, **texts(p0037="S"), "__substg1.0_10090102": compressed_rtf.compress(rtf)[:30]}
    assert parse(compound(damaged), name="a.msg").text.endswith("Subject: S")
    huge = bytes(4) + (10**9).to_bytes(4, "little") + b"LZFu" + bytes(20)
    with pytest.raises(TooLarge, match=r"^unpacks to 1000 MB, the limit is 500 MB"):
        parse(compound({**FIXED, **texts(p0037="S"), "__substg1.0_10090102": huge}), name="a.msg")


def test_limits_hold() -> None:
    files = {f"__attach_version1.0_#0000000{i}": attachment("a", b"x") for i in range(3)}
    whole = compound({**FIXED, **OWN, **files})
    with pytest.raises(TooLarge, match=r"^over 2 files in one message, the limit: save them apart$"):
        parse(whole, name="a.msg", limits=replace(DEFAULT, max_members=2))
    with pytest.raises(TooLarge, match=r"^unpacks to over 0 MB, the limit"):
        parse(whole, name="a.msg", limits=replace(DEFAULT, max_unpacked_bytes=100))


def test_a_stream_that_claims_more_than_the_file_has_is_absent() -> None:
    whole = bytearray(compound({**FIXED, **OWN, "__attach_version1.0_#00000000": attachment("a", b"x" * 5000)}))
    assert len(parse(bytes(whole), name="a.msg").members) == 1
    entry = whole.index("__substg1.0_37010102".encode("utf-16-le"))
    whole[entry + 120 : entry + 124] = (100_000_000).to_bytes(4, "little")
    found = parse(bytes(whole), name="a.msg")
    assert (found.title, found.members) == ("Hello", ())


def test_an_empty_message_and_half_a_file() -> None:
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        parse(compound({"__properties_version1.0": properties(32)}), name="a.msg")
    whole = compound({**FIXED, **OWN})
    with pytest.raises(UnreadableFile, match=r"^damaged Outlook message: open it in Outlook and save it anew$"):
        parse(whole[:600], name="a.msg")


WHOLE = compound({**FIXED, **OWN, "__attach_version1.0_#00000000": attachment("a.txt", b"x" * 5000)})


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, 3)
)
def test_damaged_files_are_a_document_or_a_reason(changes: list[tuple[int, int]], cuts: int) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    try:
        found = straight(bytes(data[: len(data) - 512 * cuts]), name="a.msg", limits=DEFAULT)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason
        return
    found.text.encode()
    assert not {"\x00", "\r"} & set(found.text)
