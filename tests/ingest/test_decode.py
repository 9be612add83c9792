"""Bytes to text, by hand: encodings told apart, binary data refused, no mojibake."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import UnreadableFile
from ingest.decode import clean, decode

GERMAN = "Größe: 5 µm – „schön“, 20 €\nÄpfel über Straße\n"
FRENCH = "Où est le café ? Là-bas, près de l’hôtel… Ça va.\n"
SPANISH = "¿Qué hará mañana? ¡Aprenderá español!\n"
CHINESE = "黑豹队的防守只丢了三百零八分，在联赛中排名第六，同时也以二十四次拦截领先联盟。\n"
TRADITIONAL = "黑豹隊的防守只丟了三百零八分，在聯盟中排名第六，同時也以二十四次攔截領先聯盟。\n"
JAPANESE = "東京都の人口は約千四百万人です。これは日本語の文章で、ひらがなとカタカナを含みます。\n"
KOREAN = "서울의 인구는 약 천만 명입니다. 이것은 한국어로 쓴 문장입니다.\n"
RUSSIAN = "Москва является столицей России. Это предложение написано по-русски.\n"
POLISH = "Zażółć gęślą jaźń. Są to polskie słowa, które mają różne znaki.\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "cp1252"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (GERMAN, "utf-32"),
        (FRENCH, "cp1252"),
        (SPANISH, "latin-1"),
        ("naïve", "cp1252"),
        ("5 €", "cp1252"),
        (CHINESE, "utf-8"),
        (CHINESE, "utf-16"),
        (CHINESE * 3, "gb18030"),
        (TRADITIONAL * 3, "big5"),
        (JAPANESE * 3, "shift_jis"),
        (JAPANESE * 3, "euc_jp"),
        (KOREAN * 3, "cp949"),
        (RUSSIAN * 3, "cp1251"),
        (RUSSIAN * 3, "koi8_r"),
        (POLISH * 3, "cp1250"),
    ],
)
def test_text_comes_back_as_it_was_written(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_long_file_whose_first_accent_comes_late() -> None:
    text = "plain words\n" * 10_000 + "café\n"
    assert decode(text.encode("cp1252")) == text
    assert decode(text.encode()) == text


def test_utf8_with_a_few_bad_bytes_is_mended_line_by_line() -> None:
    assert decode("größer\nüber\nschön\n".encode() + b"caf\xe9\n") == "größer\nüber\nschön\ncafé\n"


def test_a_character_cut_off_at_the_end_is_one_sign() -> None:
    assert decode("über schöne Größen ü".encode()[:-1]) == "über schöne Größen \ufffd"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (codecs.BOM_UTF8, ""),
        (codecs.BOM_UTF16_LE, ""),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"a\r\r\nb", "a\n\nb"),
        (b"one\x0ctwo\n\x0cthree", "one\ntwo\nthree"),
        (b"text\x00" + b" and more of it, in ASCII alone" * 5, "text" + " and more of it, in ASCII alone" * 5),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
    ],
)
def test_newlines_and_signs_without_a_meaning(data: bytes, expected: str) -> None:
    assert decode(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.4 x", "it is a PDF"),
        (b"PK\x03\x04", "it is a zip archive or Office file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is an old Office file"),
        (b"\x7fELF\x02\x01", "it is a program"),
        (b"SQLite format 3\x00", "it is an SQLite database"),
        (bytes(range(256)) * 20, "it holds binary data"),
        (b"\x00\x01\x02\x03" * 500, "it holds binary data"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8\x00\xd8" * 50, "it holds binary data"),
    ],
)
def test_what_is_no_text_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=rf"^not text: {reason}"):
        decode(data)


def test_compressed_bytes_are_no_text() -> None:
    import lzma
    import random
    import zlib

    words = bytes(random.Random(5).randrange(97, 123) for _ in range(20_000))
    for packed in (zlib.compress(words), lzma.compress(words)):
        with pytest.raises(UnreadableFile, match="not text"):
            decode(packed)


def test_clean_replaces_lone_surrogates() -> None:
    assert clean("a\ud800b\x00c\r\nd") == "a?bc\nd"


@given(st.text())
def test_utf8_is_read_as_it_is(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    try:
        found = decode(data)
    except UnreadableFile:
        assert any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text) or text.startswith(("PK", "%PDF", "GIF8"))
        return
    if not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text):
        assert found == text.removeprefix("\ufeff")


@given(st.binary(max_size=2000))
def test_any_bytes_are_text_or_a_reason(data: bytes) -> None:
    try:
        found = decode(data)
    except UnreadableFile as error:
        reason = str(error)
        assert reason.startswith("not text: ") and "\n" not in reason
        return
    found.encode("utf-8")
    assert not {"\x00", "\r"} & set(found)
