"""XML elements → readable blocks: data as `name: value` lines, a flat record on one; books and articles as they print.

Rule: no word between tags is left out. In data an element's name and its attributes carry meaning and stand before the
value; in prose (DocBook, JATS, TEI, DITA) they do not, but for titles, which are headings by how deep they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ingest.types import MarkKind

PROSE = frozenset(
    "book article chapter section part appendix preface refentry topic concept task reference dita tei tei.2 "
    "teicorpus text set glossary".split()
)
"""Root elements of documents to be read from end to end."""
_SECTIONS = frozenset(
    "book article chapter section part appendix preface refentry topic concept task reference sect1 sect2 sect3 sect4 "
    "sect5 simplesect refsect1 refsect2 refsect3 refsection sec div div1 div2 div3 div4 div5 glossary bibliography "
    "abstract ack app ref-list set dedication colophon".split()
)
_TITLES = frozenset(["title", "head", "article-title", "subtitle", "refname"])
_META = frozenset(
    "info bookinfo articleinfo chapterinfo sectioninfo front article-meta journal-meta teiheader prolog docinfo".split()
)
_ITEMS = frozenset(["listitem", "item", "li", "list-item", "step", "member", "callout"])
_ROWS, _CELLS = frozenset(["row", "tr", "strow", "sthead"]), frozenset(["entry", "td", "th", "cell", "stentry"])
_VERBATIM = frozenset(
    "programlisting screen literallayout synopsis codeblock pre preformat eg egxml lg address screenco".split()
)
_PARAGRAPHS = frozenset("p para simpara ab formalpara".split())
_BLOCKS = _PARAGRAPHS | _ITEMS | _ROWS | _VERBATIM | _SECTIONS  # more than words and their looks
_MAX_FIELD_CHARS = 300
_MAX_HEADING_CHARS = 250


@dataclass(frozen=True, slots=True)
class Block:
    """is_tight: on the line right below the block before it. mark: what begins here, its label and level."""

    text: str
    is_tight: bool
    mark: tuple[MarkKind, str, int] | None


def blocks(root: Any) -> Iterator[Block]:
    """The text of a document, block by block. Raises RecursionError for one that nests very deep."""
    if name_of(root) in PROSE:
        yield from _prose(root, 0)
    else:
        yield from _data(root)


def name_of(element: Any) -> str:
    """The element's name without its namespace, lower case."""
    return str(element.tag).rpartition("}")[2].lower()


def flat(element: Any) -> str:
    """All text in the element on one line."""
    text = "".join(element.itertext()) if len(element) else element.text or ""
    return " ".join(text.split())


# -- prose


def _prose(element: Any, level: int) -> Iterator[Block]:
    """level: how many sections are open round the element."""
    name = name_of(element)
    if name in _META:
        yield from _meta(element, level)
    elif name in _TITLES and (text := flat(element)):
        is_heading = len(text) <= _MAX_HEADING_CHARS and level > 0
        yield Block(text, False, (MarkKind.HEADING, text, level) if is_heading else None)
    elif name in _VERBATIM:
        text = "".join(element.itertext()).strip("\n").rstrip()
        if text:
            yield Block(text, False, None)
    elif name in _ROWS:
        if cells := _cells(element):
            yield Block(" | ".join(cells), True, None)
    elif name in _ITEMS and not _has(element, _BLOCKS):
        if text := flat(element):
            yield Block(f"- {text}", True, None)
    elif not len(element) or (_is_mixed(element) and not _has(element, _BLOCKS)):
        if text := flat(element):
            yield Block(text, False, None)
    else:
        inner = level + (name in _SECTIONS)
        yield from _loose(element.text)
        for child in element:
            if isinstance(child.tag, str):
                yield from _prose(child, inner)
            yield from _loose(child.tail)


def _meta(element: Any, level: int) -> Iterator[Block]:
    """What a document says of itself: its titles as headings, the rest as data."""
    is_data = False
    for block in _said(element, level):
        yield replace(block, is_tight=block.is_tight and is_data)
        is_data = block.is_tight


def _said(element: Any, level: int) -> Iterator[Block]:
    """Titles, data (all of it tight), and what are whole sentences."""
    name = name_of(element)
    if name in _TITLES and (text := flat(element)):
        yield Block(text, False, (MarkKind.HEADING, text[:_MAX_HEADING_CHARS], max(1, level)))
    elif not len(element) or (_is_mixed(element) and not _has(element, _BLOCKS | _TITLES)):
        if text := flat(element):
            yield Block(text, False, None) if name in _PARAGRAPHS else Block(f"{name}: {text}", True, None)
    else:
        yield from _loose(element.text)
        for child in element:
            if isinstance(child.tag, str):
                yield from _said(child, level)
            yield from _loose(child.tail)


def _cells(row: Any) -> list[str]:
    """Its cells that hold text, and what stands beside them; a row without cells is one."""
    if not any(name_of(child) in _CELLS for child in row):
        texts = [flat(row)]
    else:
        texts = [row.text or ""]
        for child in row:
            texts += [flat(child) if isinstance(child.tag, str) else "", child.tail or ""]
    return [shown for text in texts if (shown := " ".join(text.split()))]


def _has(element: Any, names: frozenset[str]) -> bool:
    """Whether an element of one of the names is somewhere in it."""
    return any(isinstance(child.tag, str) and name_of(child) in names for child in element.iterdescendants())


def _loose(text: str | None) -> Iterator[Block]:
    if text and text.strip():
        yield Block(" ".join(text.split()), False, None)


# -- data


def _data(root: Any) -> Iterator[Block]:
    """The root's own fields, then what is in it; what is in it several times under one name is a record each."""
    yield from _fields_block(root, "")
    names = [name_of(child) for child in root if isinstance(child.tag, str)]
    is_list = len(names) > len(set(names))
    number = 0
    yield from _loose(root.text)
    for child in root:
        if isinstance(child.tag, str):
            number += 1
            for i, block in enumerate(_element(child, 0)):
                mark = (MarkKind.ROW, str(number), 0) if i == 0 and is_list else block.mark
                yield Block(block.text, block.is_tight and (i > 0 or number > 1), mark)
        yield from _loose(child.tail)


def _element(element: Any, indent: int) -> Iterator[Block]:
    pad = "  " * min(indent, 20)
    name = str(element.tag).rpartition("}")[2]
    if _is_property_list(element):
        yield from _pairs(element, indent)
        return
    fields = _record(element)
    if fields is not None:
        yield Block(f"{pad}{name} | " + " | ".join(f"{key}: {value}" for key, value in fields), True, None)
    elif not len(element) or _is_mixed(element):
        text = flat(element)
        attributes = _attributes(element)
        if text or attributes:
            head = "" if name.lower() in _PARAGRAPHS else f"{name}: "
            said = ", ".join(f"{key}: {value}" for key, value in attributes)
            shown = f"{head}{text} ({said})" if text and said else f"{head}{text or said}"
            yield Block(pad + shown, bool(head), None)
    else:
        attributes = _attributes(element)
        is_named = bool(attributes) or sum(isinstance(child.tag, str) for child in element) > 1
        if is_named:
            said = " | ".join(f"{key}: {value}" for key, value in attributes)
            yield Block(f"{pad}{name}{' | ' if said else ':'}{said}", False, None)
        for child in element:
            if isinstance(child.tag, str):
                yield from _element(child, indent + is_named)


def _is_property_list(element: Any) -> bool:
    """Whether it is a `dict` of Apple's property lists, in which names and values take turns."""
    if name_of(element) != "dict" or not len(element) or len(element) % 2 or _is_mixed(element):
        return False
    return all((name_of(child) == "key") == (i % 2 == 0) for i, child in enumerate(element))


def _pairs(element: Any, indent: int) -> Iterator[Block]:
    pad = "  " * min(indent, 20)
    children = list(element)
    for key, value in zip(children[::2], children[1::2], strict=True):
        if not len(value):
            yield Block(f"{pad}{flat(key)}: {flat(value) or name_of(value)}", True, None)
            continue
        yield Block(f"{pad}{flat(key)}:", True, None)
        yield from _loose(value.text)
        for inner in [value] if _is_property_list(value) else value:
            if isinstance(inner.tag, str):
                yield from _element(inner, indent + 1)
            if inner is not value:
                yield from _loose(inner.tail)


def _fields_block(root: Any, pad: str) -> Iterator[Block]:
    attributes = _attributes(root)
    if attributes:
        yield Block(pad + " | ".join(f"{key}: {value}" for key, value in attributes), True, None)


def _record(element: Any) -> list[tuple[str, str]] | None:
    """The fields of a flat record: its attributes, and its children, none of which has any; None if it is more."""
    children = [child for child in element if isinstance(child.tag, str)]
    if _is_mixed(element) or any(len(child) or child.attrib for child in children):
        return None
    if not children and (element.text or "").strip():
        return None
    fields = _attributes(element)
    fields += [(str(child.tag).rpartition("}")[2], flat(child)) for child in children if flat(child)]
    is_short = all(len(value) <= _MAX_FIELD_CHARS for _, value in fields)
    return fields if len(fields) > 1 and is_short else None


def _attributes(element: Any) -> list[tuple[str, str]]:
    found = [(str(key).rpartition("}")[2], " ".join(str(value).split())) for key, value in element.attrib.items()]
    return [(key, value) for key, value in found if value and not re.search(r"schemalocation", key, re.IGNORECASE)]


def _is_mixed(element: Any) -> bool:
    """Whether words stand beside elements in it."""
    if not len(element):
        return False
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
