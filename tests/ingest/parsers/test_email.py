"""Mail: the header and the words as one reads them, files as members, whatever the mailer did."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from datetime import date

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, Mark, MarkKind, TooLarge, UnreadableFile
from ingest.errors import EncryptedFile
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.email import parse as straight


def mail(*lines: str, name: str = "a.eml") -> Document:
    return parse("\n".join(lines).encode(), name=name)


def multipart(kind: str, *parts: str, header: str = "") -> bytes:
    """A message of that multipart type; each part is its header, an empty line, its body."""
    body = "".join(f"--b1\n{part}\n" for part in parts)
    return f"{header}Content-Type: multipart/{kind}; boundary=b1\n\n{body}--b1--\n".encode()


TEXT = "Content-Type: text/plain; charset=utf-8\n\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"
PDF = 'Content-Type: application/pdf; name="report.pdf"\nContent-Disposition: attachment\n\n%PDF-1'


def test_header_stands_in_the_text_and_its_entries_are_fields_with_their_place() -> None:
    found = mail(
        "Message-ID: <1@x>",
        "In-Reply-To: <0@x>",
        "Received: from somewhere",
        "Subject: Hello",
        " again",
        "From: Jane <jane@x.org>",
        "To: Bob <bob@x.org>,",
        "\tSue <sue@x.org>",
        "Date: Tue, 01 Oct 2024 23:30:00 -0500",
        "",
        "Words.",
    )
    header = [
        "From: Jane <jane@x.org>",
        "To: Bob <bob@x.org>, Sue <sue@x.org>",
        "Date: Tue, 01 Oct 2024 23:30:00 -0500",
        "Subject: Hello again",
    ]
    assert found.text == "\n".join([*header, "", "Words."])
    assert [(f.name, f.value) for f in found.fields] == [
        ("from", "Jane <jane@x.org>"),
        ("to", "Bob <bob@x.org>, Sue <sue@x.org>"),
        ("date", "Tue, 01 Oct 2024 23:30:00 -0500"),
        ("subject", "Hello again"),
        ("message-id", "<1@x>"),
        ("in-reply-to", "<0@x>"),
    ]
    assert [found.text[f.start : f.end] for f in found.fields if f.start is not None] == header
    assert (found.title, found.dated, found.is_source) == ("Hello again", date(2024, 10, 1), False)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=", "Grüße an alle"),
        ("=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),  # cut in the middle of a letter
        ("x=?utf-8?q?a?= =?utf-8?q?b?=", "xab"),
        ("a =?utf-8?q?b?= =?iso-8859-1?q?=E9?= c", "a bé c"),
        ("=?utf-8?q?Caf=C3=A9?=(x)", "Café(x)"),
        ("=?windows-1251?B?z/Do4uXy?=", "Привет"),
        ("=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト"),
        ("=?no-such?q?plain?=", "plain"),
        ("=?utf-8?q?=FF?=", "ÿ"),
        ("=?zlib?q?plain?=", "plain"),  # no encoding of text
        ("not =? a word ?=", "not =? a word ?="),
        ("raw Grüße", "raw Grüße"),
    ],
)
def test_encoded_words_are_decoded(written: str, expected: str) -> None:
    assert mail(f"Subject: {written}", "", "x").title == expected


def test_a_header_in_raw_latin_1_is_read() -> None:
    assert parse(b"Subject: Gr\xfc\xdfe\n\nx", name="a.eml").title == "Grüße"


@pytest.mark.parametrize(
    ("plain", "rich", "expected"),
    [
        ("The plain words of it.", "<p>The rich words of it.</p>", "The plain words of it."),
        ("", "<p>Only here.</p>", "Only here."),
        ("Your program shows no HTML.", f"<h1>News</h1><p>{'word ' * 40}</p>", f"News\n\n{('word ' * 40).strip()}"),
        ("Only here.", "<p></p>", "Only here."),
    ],
)
def test_the_plain_version_is_read_unless_it_is_a_stub(plain: str, rich: str, expected: str) -> None:
    assert parse(multipart("alternative", TEXT + plain, HTML + rich), name="a.eml").text == expected


def test_headings_of_html_are_marks_at_their_place() -> None:
    found = parse(b"Subject: S\nContent-Type: text/html\n\n<h2>News</h2><p>Words.</p>", name="a.eml")
    assert found.text == "Subject: S\n\nNews\n\nWords."
    assert found.marks == (Mark(12, MarkKind.HEADING, "News", 2),)


def test_flowed_lines_become_paragraphs_and_quotes_keep_their_depth() -> None:
    found = mail(
        "Content-Type: text/plain; format=flowed",
        "",
        "One long ",
        "line.",
        "> quoted ",
        "> words",
        ">> deeper ",
        "reply",
        "  indented",
        "-- ",
        "Jane",
    )
    assert found.text == "One long line.\n> quoted words\n>> deeper\nreply\n indented\n-- \nJane"
    joined = mail("Content-Type: text/plain; format=flowed; delsp=yes", "", "漢 ", "字")
    assert joined.text == "漢字"


def test_attachments_are_members_with_names_of_their_own() -> None:
    image = "Content-Type: image/png\n\nPNG"
    named = "Content-Type: text/plain; name*=utf-8''Gr%C3%BC%C3%9Fe.txt\nContent-Disposition: inline\n\nx"
    folded = 'Content-Type: text/csv\nContent-Disposition: attachment; filename="=?utf-8?q?T=C3=A4g.csv?="\n\na,b'
    message = "Content-Type: message/rfc822\n\nSubject: Re: a/b\n\ninner\n"
    found = parse(multipart("mixed", TEXT + "Words.", PDF, PDF, image, named, folded, message), name="a.eml")
    assert found.text == "Words."
    assert [(member.name, member.data) for member in found.members] == [
        ("report.pdf", b"%PDF-1"),
        ("report (2).pdf", b"%PDF-1"),
        ("image.png", b"PNG"),
        ("Grüße.txt", b"x"),
        ("Täg.csv", b"a,b"),
        ("Re: a-b.eml", b"Subject: Re: a/b\n\ninner\n"),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\plan.doc", "plan.doc"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("a b.pdf", "a b.pdf"),
        ("..", "unnamed"),
        ("/", "application.bin"),
        ("report", "report"),
    ],
)
def test_names_of_attachments_are_safe(written: str, expected: str) -> None:
    part = f'Content-Type: application/x-thing\nContent-Disposition: attachment; filename="{written}"\n\nx'
    (member,) = parse(multipart("mixed", part), name="a.eml").members
    assert member.name == expected


def test_a_name_without_an_ending_gets_that_of_its_type() -> None:
    part = 'Content-Type: application/pdf; name="Report 2024"\nContent-Disposition: attachment\n\nx'
    (member,) = parse(multipart("mixed", part), name="a.eml").members
    assert member.name == "Report 2024.pdf"


def test_pictures_in_the_words_are_left_out_and_attached_ones_are_not() -> None:
    shown = "Content-Type: image/png\nContent-ID: <logo>\nContent-Disposition: inline; filename=logo.png\n\nPNG"
    other = "Content-Type: image/jpeg\nContent-ID: <photo>\nContent-Disposition: attachment; filename=p.jpg\n\nJPG"
    found = parse(multipart("related", HTML + '<p>Hi <img src="cid:logo"></p>', shown, other, PDF), name="a.eml")
    assert [member.name for member in found.members] == ["p.jpg", "report.pdf"]


def test_files_among_the_versions_of_the_words_are_found() -> None:
    shown = "Content-Type: image/png\nContent-ID: <logo>\n\nPNG"
    page = HTML + '<p>Words.</p><img src="cid:logo">'
    rich = f"Content-Type: multipart/mixed; boundary=b2\n\n--b2\n{page}\n--b2\n{PDF}\n--b2\n{shown}\n--b2--"
    also = "Content-Type: image/png; name=a.png\nContent-ID: <other>\n\nPNG"
    first = f"Content-Type: multipart/mixed; boundary=b3\n\n--b3\n{TEXT}Words.\n--b3\n{also}\n--b3--"
    found = parse(multipart("alternative", first, rich), name="a.eml")
    assert (found.text, [member.name for member in found.members]) == ("Words.", ["a.png", "report.pdf"])


def test_base64_is_read_as_far_as_it_goes() -> None:
    whole = base64.b64encode(b"The words of it.").decode()
    for written in (whole, whole[:-2], f"{whole[:8]}\n{whole[8:]}\n", f"!{whole}"):
        text = mail("Content-Transfer-Encoding: base64", "", written).text
        assert "The words of it".startswith(text[:14]) and len(text) >= 14
    runs = base64.b64encode(b"One.").decode() + "\n" + base64.b64encode(b"Two.").decode()
    assert mail("Content-Transfer-Encoding: base64", "", runs).text == "One.Two."


def test_parts_without_their_end_are_read() -> None:
    cut = multipart("mixed", TEXT + "One.", TEXT + "Two.").replace(b"--b1--\n", b"")
    assert parse(cut, name="a.eml").text == "One.\n\nTwo."
    assert parse(cut[: cut.index(b"Two")], name="a.eml").text == "One."
    assert mail("Content-Type: multipart/mixed", "", "No boundary.").text == "No boundary."
    assert mail("Content-Type: multipart/mixed; boundary=b", "", "None here.").text == "None here."


def test_a_boundary_that_begins_another_one_ends_no_part() -> None:
    inner = "Content-Type: multipart/mixed; boundary=b12\n\n--b12\n" + TEXT + "In.\n--b12--"
    assert parse(multipart("mixed", inner, TEXT + "Out."), name="a.eml").text == "In.\n\nOut."


def test_utf_16_and_apple_mail_and_dos_line_ends_are_read() -> None:
    plain = "Subject: Grüße\r\n\r\nWörter."
    for data in (
        plain.encode("utf-16"),
        plain.encode("utf-16-be"),
        plain.encode("utf-8-sig"),
        b"%d\n%s<?xml version='1.0'?><plist/>" % (len(plain.encode()), plain.encode()),
    ):
        found = parse(data, name="a.emlx")
        assert (found.title, found.text) == ("Grüße", "Subject: Grüße\n\nWörter.")


INVITATION = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Budget\\, again
DTSTART;TZID=Europe/Berlin:20241001T143000
DTEND:20241001T153000Z
LOCATION:Room
  7
ORGANIZER;CN="Jane Doe":mailto:jane@x.org
BEGIN:VALARM
DESCRIPTION:ring
END:VALARM
END:VEVENT
END:VCALENDAR"""


def test_an_invitation_is_written_out_once_and_is_no_file() -> None:
    calendar = f"Content-Type: text/calendar; method=REQUEST\n\n{INVITATION}"
    again = f"Content-Type: application/ics; name=invite.ics\nContent-Disposition: attachment\n\n{INVITATION}"
    found = parse(multipart("mixed", TEXT + "Please come.", calendar, again), name="a.eml")
    assert found.text == (
        "Please come.\n\nEvent: Budget, again\nStart: 2024-10-01 14:30 Europe/Berlin\nEnd: 2024-10-01 15:30 UTC\n"
        "Place: Room 7\nOrganizer: Jane Doe <jane@x.org>"
    )
    assert found.members == ()


def test_signed_mail_is_read_through() -> None:
    signature = "Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----"
    found = parse(multipart("signed", TEXT + "Words.", signature), name="a.eml")
    assert (found.text, found.members) == ("Words.", ())
    inline = mail(
        "Subject: S",
        "",
        "-----BEGIN PGP SIGNED MESSAGE-----",
        "Hash: SHA256",
        "",
        "Words.",
        "- -- dashes",
        "-----BEGIN PGP SIGNATURE-----",
        "iQ==",
        "-----END PGP SIGNATURE-----",
    )
    assert inline.text == "Subject: S\n\nWords.\n-- dashes"


def der(tag: int, *content: bytes, endless: bool = False) -> bytes:
    """A value of ASN.1: of known length, or of one that two zero bytes end."""
    body = b"".join(content)
    if endless:
        return bytes([tag, 0x80]) + body + b"\0\0"
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body


SIGNED_OID = der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")
DATA_OID = der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")


@pytest.mark.parametrize("endless", [False, True])
def test_a_signed_message_in_one_piece_is_read(endless: bool) -> None:
    inner = b"Content-Type: text/plain\r\n\r\nSigned words."
    octets = der(0x24, der(0x04, inner[:9]), der(0x04, inner[9:]), endless=endless) if endless else der(0x04, inner)
    content = der(0x30, DATA_OID, der(0xA0, octets, endless=endless), endless=endless)
    signed = der(0x30, der(0x02, b"\1"), der(0x31), content, der(0x31), endless=endless)
    message = der(0x30, SIGNED_OID, der(0xA0, signed, endless=endless), endless=endless)
    header = b"Subject: S\nContent-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n"
    found = parse(header + base64.encodebytes(message), name="a.eml")
    assert found.text == "Subject: S\n\nSigned words."
    for cut in range(0, len(message), 7):  # half of one is no crash
        straight_or_reason(header + base64.encodebytes(message[:cut]))


ENVELOPED = der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"), der(0xA0))


@pytest.mark.parametrize(
    "data",
    [
        multipart("encrypted", "Content-Type: application/pgp-encrypted\n\nVersion: 1", TEXT + "x"),
        b"Content-Type: application/x-pkcs7-mime\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(ENVELOPED),
        b"Subject: S\n\n-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n",
    ],
)
def test_an_encrypted_mail_is_told_as_such(data: bytes) -> None:
    with pytest.raises(EncryptedFile, match=r"^encrypted: open it in your mail program and save its text"):
        parse(data, name="a.eml")


def test_a_saved_page_is_the_page() -> None:
    page = b"""From: <Saved by Blink>
Snapshot-Content-Location: https://x.org/a
Subject: Other
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary=b1

--b1
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: https://x.org/a

<title>Caf=C3=A9</title><h1>Top</h1><p>Words.</p>
--b1
Content-Type: image/png
Content-Location: https://x.org/a.png

PNG
--b1--
"""
    for name in ("a.mhtml", "a.eml"):
        found = parse(page, name=name)
        assert (found.title, found.text, found.members) == ("Café", "Top\n\nWords.", ())
        assert [(f.name, f.value) for f in found.fields] == [("url", "https://x.org/a")]
        assert found.marks == (Mark(0, MarkKind.HEADING, "Top", 1),)


@pytest.mark.parametrize(
    "data", [b"", b"  \n\n   \n", b"\n", b"Received: x\n\n", b"Content-Type: text/html\n\n<p></p>"]
)
def test_a_mail_without_anything_is_empty(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"^empty: it holds no text$"):
        parse(data, name="a.eml")


def test_bytes_that_are_no_text_are_no_words() -> None:
    found = parse(b"Subject: S\n\n" + bytes(range(256)) * 20, name="a.eml")
    assert found.text == "Subject: S"


def test_what_is_no_mail_is_read_as_its_text() -> None:
    assert mail("Just words: in a file.").text == "Just words: in a file."


def test_many_parts_and_parts_in_parts_are_too_large() -> None:
    flat = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 20_000
    with pytest.raises(TooLarge, match=r"^over 10000 parts in one message, the limit"):
        parse(flat, name="a.eml")
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (i, i) for i in range(30_000))
    with pytest.raises(TooLarge, match=r"^over 200 parts within one another"):
        parse(deep, name="a.eml")
    files = multipart("mixed", TEXT + "x", PDF, PDF, PDF)
    with pytest.raises(TooLarge, match=r"^over 3 parts in one message"):
        parse(files, name="a.eml", limits=replace(DEFAULT, max_members=3))


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: " + b"a" * 1_000_000 + b"\n\nx",
        b"To: " + b"Jane <jane@x.org>,\n " * 60_000 + b"\n\nx",
        b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\n\nx",
        b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\n\nx",
        b"X: 1\n" * 50_000 + b"\nx",
        b"Content-Type: text/plain; " + b'a="' * 200_000 + b"\n\nx",
        b"Content-Type: text/plain; " + b"a*0*=x;" * 100_000 + b"\n\nx",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b--b" * 200_000,
        b"Content-Type: multipart/mixed; boundary=" + b"b" * 1_000_000 + b"\n\nx",
        b"Content-Transfer-Encoding: base64\n\n" + b"=" * 1_000_000,
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * 500_000 + b"x",
        b"Content-Type: text/plain; format=flowed\n\n" + b"> a \n" * 200_000,
        b"Subject: S\n\n" + b"-----BEGIN PGP SIGNED MESSAGE-----\n" * 20_000,
        b"Subject: S\n\n" + b"\n \t" * 300_000 + b"x",
        b"Content-Type: text/calendar\n\n" + b"BEGIN:VEVENT\n" * 50_000,
        b"Content-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY" + b";a=b" * 200_000,
        b"Content-Type: application/pkcs7-mime\n\n" + b"\x30\x80" * 300_000,
        b"Content-Type: application/pkcs7-mime\n\n" + SIGNED_OID + b"\x24\x80" * 300_000,
    ],
)
def test_hostile_mails_take_no_time(data: bytes) -> None:
    started = time.process_time()
    straight_or_reason(data)
    assert time.process_time() - started < 3.0


def test_no_surrogate_and_no_nul_comes_through() -> None:
    found = parse(b"Subject: a\x00b\xed\xa0\x80 =?utf-16?b?2AA=?=\n\nx\x00y", name="a.eml")
    found.text.encode()
    assert "\x00" not in found.text + found.title and "b" in found.title


def straight_or_reason(data: bytes) -> None:
    """The parser's own answer, a document that keeps to its contract or a reason; any other error is a fault of it."""
    found = ending(lambda content: straight(content, name="a.eml", limits=DEFAULT), data)
    if found is None:
        return
    for field in found.fields:
        if field.start is not None and field.end is not None:
            assert found.text[field.start : field.end].lower() == f"{field.name}: {field.value}".lower()
    names = [member.name for member in found.members]
    assert len(set(names)) == len(names) and all(name and "\n" not in name for name in names)


PIECES = (
    "From: a@x\n|To: =?utf-8?b?R3L|?=\n|Subject: x\n|Date: 2020-01-01\n|\n|\n\n|\r\n|--b1\n|--b1--\n|--b2\n|"
    "Content-Type: multipart/mixed; boundary=b1\n|Content-Type: multipart/alternative; boundary=b2\n|"
    "Content-Type: text/html; charset=utf-7\n|<p>a</p><img src=cid:x>|Content-Type: image/png\n|Content-ID: <x>\n|"
    "Content-Type: message/rfc822\n|Content-Transfer-Encoding: base64\n|Content-Type: text/calendar\n|BEGIN:VEVENT\n|"
    "SUMMARY:a\n|END:VEVENT\n|Content-Disposition: attachment; filename*0*=utf-8''%E4; filename*1=b\n|R3LD|=|é|\x00|> |-- \n|"
    "Content-Type: application/pkcs7-mime\n| folded\n|12\n"
).split("|")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_random_pieces_of_mail_raise_nothing_else(pieces: list[str]) -> None:
    straight_or_reason("".join(pieces).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    straight_or_reason(data)
    straight_or_reason(b"Content-Type: application/pkcs7-mime\n\n\x30\x80" + SIGNED_OID + data)
