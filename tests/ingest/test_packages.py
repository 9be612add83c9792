"""Zip packages built part by part: what is looked up, what is refused, and that nothing is believed or followed."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.errors import EncryptedFile, TooLarge, UnreadableFile
from ingest.limits import DEFAULT, Limits
from ingest.packages import Package, is_encrypted, xml

_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def zipped(*parts: tuple[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two parts of one name
        for name, content in parts:
            archive.writestr(name, content)
    return out.getvalue()


def opened(*parts: tuple[str, str | bytes], limits: Limits = DEFAULT) -> Package:
    return Package(zipped(*parts), limits=limits, damaged="damaged box")


def relations(*given: tuple[str, str, str]) -> str:
    shown = "".join(f'<Relationship Id="{i}" Type="http://x/{kind}" {target}/>' for i, kind, target in given)
    return f'<Relationships xmlns="{_RELATIONS}">{shown}</Relationships>'


def test_parts_are_found_as_the_formats_compare_names() -> None:
    package = opened(("Word\\Document.XML", "<a/>"), ("folder/", ""))
    assert package.names == ("Word/Document.XML",)  # a folder is no part
    for name in ("word/document.xml", "/Word/document.xml", "word/./x/../Document.xml", "word\\document.xml"):
        assert package.has(name)
        assert package.xml(name).tag == "a"
    assert not package.has("document.xml")
    with pytest.raises(UnreadableFile, match=r"^damaged box$"):
        package.read("document.xml")


def test_of_two_parts_of_one_name_the_later_counts() -> None:
    assert opened(("a.xml", "one"), ("A.xml", "two"), ("a.xml", "three")).read("a.xml") == b"three"


def test_related_parts_lie_beside_their_part_and_in_the_file() -> None:
    package = opened(
        ("_rels/.rels", relations(("r1", "main", 'Target="w/main.xml"'))),
        ("w/main.xml", "<m/>"),
        ("a b.xml", "<b/>"),
        (
            "w/_rels/main.xml.rels",
            relations(
                ("r2", "note", 'Target="../a%20b.xml"'),
                ("r3", "note", 'Target="/w/main.xml"'),
                ("r4", "note", 'Target="gone.xml"'),
                ("r5", "note", 'Target="main.xml" TargetMode="External"'),
                ("r6", "other", 'Target="main.xml"'),
                ("r7", "note", 'Target="../../../../a%20b.xml"'),
            ),
        ),
    )
    assert package.related("", "main") == ["w/main.xml"]
    assert package.relations("w/main.xml", "note") == {"r2": "a b.xml", "r3": "w/main.xml", "r7": "a b.xml"}
    assert package.related("a b.xml", "note") == []


def test_properties_are_the_documents_own() -> None:
    def found(inner: str) -> dict[str, str]:
        core = f'<c:p xmlns:c="c" xmlns:d="d" xmlns:t="t">{inner}</c:p>'
        rels = relations(("r", "core-properties", 'Target="core.xml"'))
        return opened(("_rels/.rels", rels), ("core.xml", core)).properties()

    assert found(
        "<d:title> The\nplan</d:title><d:creator>Ana</d:creator><c:keywords/><t:created>2026-02-18T09:00:00Z</t:created>"
        "<t:modified>soon</t:modified>"
    ) == {"title": "The plan", "author": "Ana", "created": "2026-02-18"}
    assert found("<d:creator>python-docx</d:creator><t:created>2013-12-23T23:15:00Z</t:created>") == {}
    assert opened(("a", "b")).properties() == {}


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04" + b"\0" * 100, zipped(("a.xml", "<a/>" * 99))[:-30]])
def test_half_a_file_is_damaged(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged box$"):
        Package(data, limits=DEFAULT, damaged="damaged box")


def test_a_password_is_asked_for() -> None:
    data = bytearray(zipped(("a.xml", "<a/>")))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # general purpose flag of the directory's entry
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le")
    for encrypted in (bytes(data), compound):
        with pytest.raises(EncryptedFile, match=r"^encrypted: save a copy without a password$"):
            Package(encrypted, limits=DEFAULT, damaged="damaged box")
    assert is_encrypted(compound)
    assert not is_encrypted(compound[8:])


def test_what_unpacks_to_too_much_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = replace(DEFAULT, max_unpacked_bytes=3_000_000)
    with pytest.raises(TooLarge, match=r"^unpacks to 4 MB, the limit is 3 MB: split the file$"):
        opened(("a", b"\0" * 2_000_000), ("b", b"\0" * 2_000_000), limits=limits)
    monkeypatch.setattr("ingest.packages.MAX_XML_BYTES", 1_000_000)
    with pytest.raises(TooLarge, match=r"^unpacks to 2 MB, the limit is 1 MB: split the file$"):
        opened(("a", b"\0" * 900_000), ("b.XML", b"\0" * 2_000_000), limits=limits)


def test_a_part_read_again_and_again_counts_each_time() -> None:
    package = opened(("a", b"\0" * 2_000_000), limits=replace(DEFAULT, max_unpacked_bytes=3_000_000))
    assert len(package.read("a")) == 2_000_000
    with pytest.raises(TooLarge, match=r"^unpacks to over 3 MB, the limit: split the file$"):
        package.read("a")


def test_a_part_that_lies_about_its_size_is_never_unpacked_as_a_whole() -> None:
    """100 MB of zeros that the archive declares as 10 bytes."""
    data = bytearray(zipped(("a.xml", b"\0" * 100_000_000)))
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(sign) + offset
        data[at : at + 4] = struct.pack("<I", 10)
    package = Package(bytes(data), limits=DEFAULT, damaged="damaged box")
    tracemalloc.start()
    with pytest.raises(UnreadableFile, match=r"^damaged box$"):
        package.read("a.xml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    root = xml(
        f'<!DOCTYPE a [<!ENTITY e SYSTEM "{secret.as_uri()}"><!ENTITY l "laugh">]><a>x&e;y<b/>&l;z</a>'.encode(),
        limits=DEFAULT,
        damaged="damaged box",
    )
    assert (root.text, [(child.tag, child.tail) for child in root]) == ("xy", [("b", "z")])


def test_no_dtd_is_loaded(tmp_path: Path) -> None:
    dtd = tmp_path / "a.dtd"
    dtd.write_text('<!ATTLIST a b CDATA "from the DTD">')
    root = xml(f'<!DOCTYPE a SYSTEM "{dtd.as_uri()}"><a/>'.encode(), limits=DEFAULT, damaged="damaged box")
    assert root.get("b") is None


def test_a_billion_laughs_end_at_once() -> None:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "laugh">{entities}]><a'
    began = time.process_time()
    for rest in (' b="&e11;"/>', ">&e11;</a>"):
        with pytest.raises(UnreadableFile, match=r"^damaged box$"):
            xml((bomb + rest).encode(), limits=DEFAULT, damaged="damaged box")
    assert time.process_time() - began < 3.0


@pytest.mark.parametrize(
    ("depth", "max_depth", "reached"), [(200, 200, None), (201, 200, 200), (10_000, 200, 200), (300, 999, 255)]
)
def test_depth_is_limited(depth: int, max_depth: int, reached: int | None) -> None:
    data = b"<a>" * depth + b"</a>" * depth
    limits = replace(DEFAULT, max_depth=max_depth)
    if reached is None:
        assert xml(data, limits=limits, damaged="").tag == "a"
        return
    with pytest.raises(UnreadableFile, match=f"^over {reached} elements inside each other: open it in its own program"):
        xml(data, limits=limits, damaged="damaged box")


def test_elements_of_a_large_part_are_gone_once_read() -> None:
    package = opened(("a.xml", "<a><t n='1'/><r><c/></r><x/><r><c/><c/></r><t n='2'/><r/></a>"))
    seen = []
    last = None
    for element in package.elements("a.xml", "{*}r", begun="{*}t"):
        assert last is None or len(last) == 0
        seen.append((element.tag, element.get("n"), len(element)))
        if element.tag == "r":
            last = element
    assert seen == [("t", "1", 0), ("r", None, 1), ("r", None, 2), ("t", "2", 0), ("r", None, 0)]
    assert last is not None and last.getprevious() is None


def test_comments_and_instructions_are_no_children() -> None:
    root = xml(b"<a><!-- x --><?y z?><b/></a>", limits=DEFAULT, damaged="")
    assert [child.tag for child in root] == ["b"]


def test_strict_names_are_the_ordinary_ones() -> None:
    root = xml(b'<a xmlns="http://purl.oclc.org/ooxml/wordprocessingml/main"/>', limits=DEFAULT, damaged="")
    assert root.tag == "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}a"
