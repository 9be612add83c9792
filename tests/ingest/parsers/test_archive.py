"""Archives made here, honest and hostile, and random bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, EncryptedFile, IngestError, TooLarge, UnreadableFile, UnsupportedFile
from ingest.limits import DEFAULT, Limits
from ingest.member_names import MAX_CHARS, safe_name, unique_names
from ingest.parsers import parse as parse_any
from ingest.parsers.archive import parse


def read(data: bytes, name: str = "a.zip", limits: Limits = DEFAULT) -> Document:
    return parse(data, name=name, limits=limits)


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name) if name else zipfile.ZipInfo("\x01"), data, method)
    return out.getvalue()


def tarred(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def members(found: Document) -> list[tuple[str, bytes]]:
    return [(member.name, member.data) for member in found.members]


def locked(data: bytes, name: bytes) -> bytes:
    """The archive with the flag of encryption at the entries of that name, in both places where it stands."""
    changed = bytearray(data)
    for sign, flags, to_name in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = changed.find(sign)
        while at >= 0:
            if changed[at + to_name : at + to_name + len(name)] == name:
                changed[at + flags] |= 1
            at = changed.find(sign, at + 4)
    return bytes(changed)


def test_a_zip_gives_its_files_in_order_of_their_names_and_a_list() -> None:
    found = read(
        zipped(("b.txt", b"two"), ("notes/", b""), ("notes/a.md", b"# One"), ("pic.xyz", b"?" * 1500)), "my.zip"
    )
    assert members(found) == [("b.txt", b"two"), ("notes/a.md", b"# One")]
    assert found.text == (
        "archive of 3 files, 2 of them read\nnot read: 1 (no parser for it)\n\n"
        "- b.txt, 3 bytes\n- notes/a.md, 5 bytes\n- pic.xyz, 1.5 kB (not read: no parser for it)"
    )
    assert (found.title, found.dated, found.is_source, found.marks, found.fields) == ("", None, False, (), ())


def test_an_empty_archive_says_so() -> None:
    assert read(zipped()).text == "archive of 0 files, 0 of them read"


def pack_zstd(data: bytes) -> bytes:
    half = len(data) // 2
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])  # two frames


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gz", gzip.compress),
    ("bz2", bz2.compress),
    ("xz", lzma.compress),
    ("zst", pack_zstd),
]


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_a_compressed_tar_and_a_compressed_file(ending: str, pack: Callable[[bytes], bytes]) -> None:
    inside = tarred(("b.txt", b"two"), ("a.txt", b"one"))
    assert members(read(pack(inside), f"x.tar.{ending}")) == [("a.txt", b"one"), ("b.txt", b"two")]
    text = b"# A page\n\na line of text\n" * 5_000
    assert read(pack(text), f"log.md.{ending}") == parse_any(text, name="log.md")
    with pytest.raises(UnreadableFile, match=r"^damaged archive: download it or pack it anew$"):
        read(pack(text)[:-9], f"log.md.{ending}")
    with pytest.raises(UnreadableFile, match=r"^damaged archive"):
        read(pack(tarred(("a.txt", random.Random(1).randbytes(5000))))[:-900], f"x.tar.{ending}")


@pytest.mark.parametrize("name", ["x.tgz", "x.tar", "x.gz", "odd"])
def test_a_tar_is_told_by_its_bytes(name: str) -> None:
    assert members(parse_any(gzip.compress(tarred(("a.txt", b"one"))), name=name)) == [("a.txt", b"one")]


def test_a_compressed_file_of_no_known_kind_is_not_unpacked() -> None:
    tiny = replace(DEFAULT, max_unpacked_bytes=1000)
    with pytest.raises(UnsupportedFile, match=r"^compressed, and no parser for \.xyz files$"):
        read(gzip.compress(bytes(10_000_000)), "dump.xyz.gz", tiny)


def test_a_file_without_an_ending_is_unpacked_if_its_bytes_tell() -> None:
    found = read(
        zipped(("report", b"%PDF-1.4 ..."), ("blob", b"words"), ("README", b"hello"), (".hidden", b"%PDF-1.4"))
    )
    assert members(found) == [("README", b"hello"), ("report", b"%PDF-1.4 ...")]
    assert "- blob, 5 bytes (not read: no parser for it)" in found.text.splitlines()


def test_archives_in_archives_are_files_like_any_other() -> None:
    inner = zipped(("a.txt", b"one"))
    found = read(zipped(("in.zip", inner), ("in.tar.gz", b"x")))
    assert members(found) == [("in.tar.gz", b"x"), ("in.zip", inner)]


def test_links_devices_and_locked_files_are_listed_with_the_reason() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE), ("d.txt", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = read(out.getvalue(), "a.tar")
    assert found.members == ()
    assert found.text == (
        "archive of 3 files, 0 of them read\nnot read: 1 (a device)\nnot read: 2 (a link)\n\n"
        "- d.txt (not read: a device)\n- h.txt (not read: a link)\n- l.txt (not read: a link)"
    )
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as other:
        other.writestr(link, "/etc/passwd")
        other.writestr("s.txt", "secret")
    found = read(locked(out.getvalue(), b"s.txt"))
    assert found.members == ()
    assert found.text.endswith("- link.txt, 11 bytes (not read: a link)\n- s.txt, 6 bytes (not read: encrypted)")


def test_an_archive_all_locked_is_encrypted() -> None:
    data = zipped(("a.txt", b"one"), ("b.txt", b"two"))
    with pytest.raises(EncryptedFile, match=r"^encrypted: unpack it, or pack it without a password$"):
        read(locked(locked(data, b"a.txt"), b"b.txt"))


def test_a_damaged_file_leaves_the_others() -> None:
    data = zipped(("a.txt", b"aaaa"), ("b.txt", b"bbbb"), method=zipfile.ZIP_STORED)
    found = read(data.replace(b"aaaa", b"aaxa", 1))
    assert members(found) == [("b.txt", b"bbbb")]
    assert "- a.txt, 4 bytes (not read: damaged)" in found.text
    strange = data.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x61\x00", 1
    )
    assert "- a.txt, 4 bytes (not read: packed in a way that is not known)" in read(strange).text


def test_litter_of_systems_and_of_version_control_is_left_out() -> None:
    names = ("__MACOSX/._a.txt", ".DS_Store", "d/Thumbs.db", "d/.git/config.txt", "~$a.docx", "a.txt")
    found = read(zipped(*((name, b"x") for name in names)))
    assert found.text == (
        "archive of 1 file, 1 of them read\nleft out: 5 files of the system or of version control\n\n- a.txt, 1 byte"
    )


def test_half_an_archive_and_a_damaged_header_are_reasons() -> None:
    data = zipped(("a.txt", b"one" * 50), ("b.txt", b"two"))
    whole = tarred(("a.txt", b"one"), ("b.txt", b"two"))
    for half, name in (
        (data[:100], "a.zip"),
        (whole[:700], "a.tar"),
        (b"", "a.zip"),
        (b"", "a.tar"),
        (b"words", "a.tar"),
    ):
        with pytest.raises(UnreadableFile, match=r"^damaged archive: download it or pack it anew$"):
            read(half, name)
    assert len(read(whole, "a.tar").members) == 2
    with pytest.raises(UnreadableFile, match=r"^damaged archive"):
        read(whole[:1024] + b"?" + whole[1025:], "a.tar")  # the second header


@pytest.mark.parametrize(("head", "kind"), [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\x01\x00", "RAR")])
def test_what_cannot_be_unpacked_says_what_to_do(head: bytes, kind: str) -> None:
    with pytest.raises(UnreadableFile, match=rf"^{kind} archives are not unpacked: unpack it, or pack it as \.zip$"):
        parse_any(head + b"...", name="a.zip")


# -- bombs

TWO_MB = replace(DEFAULT, max_unpacked_bytes=2_000_000)
_TOO_LARGE = r"^unpacks to over 2 MB: unpack it and add the files you need$"


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_a_compression_bomb_is_too_large(ending: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(6_000_000))
    assert len(bomb) < 40_000
    with pytest.raises(TooLarge, match=_TOO_LARGE):
        read(bomb, f"a.txt.{ending}", TWO_MB)
    with pytest.raises(TooLarge, match=_TOO_LARGE):
        read(pack(tarred(("a.txt", bytes(6_000_000)))), f"a.tar.{ending}", TWO_MB)


def test_many_files_below_the_limit_are_too_large_together() -> None:
    data = zipped(*((f"{i}.txt", bytes(800_000)) for i in range(3)))
    with pytest.raises(TooLarge, match=_TOO_LARGE):
        read(data, limits=TWO_MB)
    assert len(read(zipped(("a.txt", bytes(1_000_000)), ("b.txt", bytes(1_000_000))), limits=TWO_MB).members) == 2


def test_entries_that_share_their_bytes_count_each_time() -> None:
    """As in David Fifield's bomb: many entries of the directory, one packed file."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(600_000)) + packer.flush()
    crc = zlib.crc32(bytes(600_000))

    def head(name: bytes) -> bytes:
        sizes = b"".join(n.to_bytes(4, "little") for n in (crc, len(packed), 600_000))
        return b"\x14\x00\x00\x00\x08\x00" + bytes(4) + sizes + len(name).to_bytes(2, "little") + bytes(2)

    local = b"PK\x03\x04" + head(b"a.txt") + b"a.txt" + packed
    one = b"PK\x01\x02\x14\x00" + head(b"a.txt") + bytes(14) + b"a.txt"
    end = b"PK\x05\x06" + bytes(4) + (9).to_bytes(2, "little") * 2
    end += (9 * len(one)).to_bytes(4, "little") + len(local).to_bytes(4, "little") + bytes(2)
    assert len(local + one * 9 + end) < 5_000
    with pytest.raises(TooLarge, match=_TOO_LARGE):
        read(local + one * 9 + end, limits=TWO_MB)


def test_a_size_that_lies_is_not_believed() -> None:
    data = zipped(("a.txt", bytes(4_000_000)), method=zipfile.ZIP_DEFLATED)
    small = data.replace((4_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    assert "- a.txt, 5 bytes (not read: damaged)" in read(small, limits=TWO_MB).text
    big = zipped(("a.txt", b"one")).replace(
        b"\x03\x00\x00\x00\x05\x00", b"\xff\xff\xff\x7f\x05\x00"
    )  # its size, its name's length
    found = read(big, limits=TWO_MB)
    assert members(found) == [("a.txt", b"one")] and "- a.txt, 3 bytes" in found.text


def test_a_sparse_file_of_a_tar_counts_with_its_holes() -> None:
    info = tarfile.TarInfo("a.txt")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % 50_000_000  # its real size, behind four pieces of which none is there
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(TooLarge, match=_TOO_LARGE):
        read(bytes(header) + bytes(1024), "a.tar", TWO_MB)


def test_a_bomb_of_archives_is_opened_one_by_one() -> None:
    """As 42.zip: each level is small; how deep files lie in files is not this parser's to say."""
    data = zipped(("a.txt", bytes(1_000_000)))
    for _ in range(5):
        data = zipped(*((f"{i}.zip", data) for i in range(16)))
    assert len(data) < 200_000
    found = read(data)
    assert [name for name, _ in members(found)] == sorted(f"{i}.zip" for i in range(16))
    again = read(gzip.compress(gzip.compress(data)), "a.zip.gz.gz")
    assert again == read(data)
    with pytest.raises(TooLarge, match=r"^compressed over and over: unpack it$"):
        read(gzip.compress(gzip.compress(data)), "a.zip.gz.gz", replace(DEFAULT, max_nesting=1))


def test_more_files_than_the_limit_are_too_large() -> None:
    limits = replace(DEFAULT, max_members=3)
    assert len(read(zipped(*((f"{i}.txt", b"") for i in range(3))), limits=limits).members) == 3
    for data, name in (
        (zipped(*((f"{i}.txt", b"") for i in range(4))), "a.zip"),
        (tarred(*((f"{i}.xyz", b"") for i in range(4))), "a.tar"),
    ):
        with pytest.raises(TooLarge, match=r"^over 3 files: unpack it and add the files you need$"):
            read(data, name, limits)


def test_a_long_list_ends_with_how_many_more() -> None:
    found = read(zipped(*((f"{i:04}.xyz", b"") for i in range(1_234))))
    assert found.text.startswith(
        "archive of 1234 files, 0 of them read\nnot read: 1234 (no parser for it)\n\n- 0000.xyz,"
    )
    assert found.text.endswith("- 0999.xyz, 0 bytes (not read: no parser for it)\nand 234 more")


# -- names


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("../../etc/passwd.txt", "etc/passwd.txt"),
        ("/etc/passwd.txt", "etc/passwd.txt"),
        ("C:\\Users\\Ana\\a.txt", "Users/Ana/a.txt"),
        ("C:a.txt", "C:a.txt"),
        ("\\\\server\\share\\a.txt", "server/share/a.txt"),
        ("a/./b//c/../d.txt", "a/b/c/d.txt"),
        ("one\ntwo\r\n.txt", "one two .txt"),
        ("a\x00\x07\x1b[31mb.txt", "a___[31mb.txt"),
        ("invoice_\u202etxt.exe", "invoice__txt.exe"),
        ("a\u2028b\u2066c\ud800.txt", "a_b_c_.txt"),
        ("cafe\u0301.txt", "café.txt"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
        ("", "unnamed"),
        ("///", "unnamed"),
        ("..", "unnamed"),
        ("x" * 10_000 + ".txt", "x" * 115 + "….txt"),
        ("d/" * 5_000 + "a.txt", "d/" * 197 + "a.txt"),
    ],
)
def test_names_are_relative_and_safe_to_show(written: str, expected: str) -> None:
    assert safe_name(written) == expected


def test_names_that_clash_are_numbered_whatever_their_order() -> None:
    written = ["a.txt", "A.txt", "../a.txt", "b", "b/c.txt", "x.tar.gz", "x.tar.gz"]
    expected = ["a (3).txt", "A.txt", "a (2).txt", "b (2)", "b/c.txt", "x.tar.gz", "x.tar (2).gz"]
    assert unique_names(written) == expected
    assert unique_names(written[:-1][::-1])[::-1] == expected[:-1]
    assert unique_names(["a"] * 20_000)[-1] == "a (20000)"  # in linear time


def test_names_in_utf_8_are_read_with_and_without_the_flag() -> None:
    data = zipped(("grün.txt", b"x"), method=zipfile.ZIP_STORED)
    assert members(read(data)) == [("grün.txt", b"x")]
    flags = (b"\x14\x00\x00\x08", b"\x14\x00\x00\x00")
    assert members(read(data.replace(*flags))) == [("grün.txt", b"x")]
    dos = zipped(("gr__n.txt", b"x"), method=zipfile.ZIP_STORED).replace(b"gr__n", b"gr\x81\x81n")
    assert members(read(dos)) == [("grüün.txt", b"x")]  # code page 437


def test_hostile_names_of_an_archive_stay_apart() -> None:
    files = [("../a.txt", b"1"), ("/a.txt", b"2"), ("a.txt", b"3"), ("A.TXT", b"4"), ("b\\c.txt", b"5"), ("", b"%PDF-")]
    found = read(tarred(*files[:5]), "a.tar")
    assert members(found) == [
        ("A.TXT", b"4"),
        ("a (2).txt", b"1"),
        ("a (3).txt", b"2"),
        ("a (4).txt", b"3"),
        ("b/c.txt", b"5"),
    ]
    assert [name for name, _ in members(read(zipped(files[5])))] == ["_"]


def test_a_file_without_a_name_is_unnamed() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = ""
        archive.writestr(info, b"Text.")
        archive.writestr("a.txt", b"More.")
    assert members(read(out.getvalue())) == [("a.txt", b"More.")]
    assert "- unnamed, 5 bytes (not read: no parser for it)" in read(out.getvalue()).text


def test_a_tar_of_another_encoding_has_names() -> None:
    data = tarred(("gr__n.txt", b"x"))
    header = bytearray(data[:512].replace(b"gr__n", b"gr\xfc\xfcn"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert members(read(bytes(header) + data[512:], "a.tar")) == [("gr\ufffd\ufffdn.txt", b"x")]


# -- random


def check(data: bytes, name: str) -> None:
    try:
        found = read(data, name, TWO_MB)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason
        return
    found.text.encode()
    names = [member.name for member in found.members]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert not {"", ".", ".."} & set(name.split("/")) and name == safe_name(name)


NAMES = st.sampled_from(["a.zip", "a.tar", "a.tgz", "a.txt.gz", "a.txt.bz2", "a.xz", "a.zst"])
WHOLE = [
    zipped(("a.txt", b"one" * 30), ("b/c.md", b"two")),
    tarred(("a.txt", b"one" * 30), ("b/c.md", b"two")),
    gzip.compress(tarred(("a.txt", b"one"))),
    bz2.compress(b"one" * 50),
    lzma.compress(b"one" * 50),
    zstandard.compress(b"one" * 50),
]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), NAMES)
def test_random_bytes_raise_nothing_else(data: bytes, name: str) -> None:
    check(data, name)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.data(), NAMES)
def test_changed_archives_raise_nothing_else(whole: bytes, data: st.DataObject, name: str) -> None:
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    check(
        bytes(changed[: data.draw(st.integers(0, len(changed)))]) if data.draw(st.booleans()) else bytes(changed), name
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["a", "A", "a/b", "..", "a\\b"]), max_size=12
    )
)
def test_any_names_become_unique_and_safe(written: list[str]) -> None:
    found = unique_names(written)
    keys = {name.casefold() for name in found}
    assert len(keys) == len(written)
    for name in found:
        parts = name.casefold().split("/")
        assert not {"", ".", ".."} & set(parts) and len(name) <= MAX_CHARS + 10
        assert not {"/".join(parts[:depth]) for depth in range(1, len(parts))} & keys
        name.encode()
