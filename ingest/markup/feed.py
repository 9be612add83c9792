"""RSS and Atom: what a feed says of itself, then its entries, each under its title with its day, its author and words.

Rule: of the summary and the whole of an entry the longer is read; markup in it is read as a page is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

ROOTS = frozenset(["rss", "feed", "RDF"])

_LINES = {
    "Date": ("pubDate", "published", "date", "issued", "updated", "modified", "lastBuildDate"),
    "Author": ("creator", "author"),
    "Link": ("link", "guid", "id"),
    "Topics": ("category", "subject"),
}
_WORDS = ("encoded", "content", "description", "summary", "subtitle", "tagline")
_ENTRIES = ("item", "entry")
_MARKUP = re.compile(r"<[A-Za-z!/]|&[a-z]{2,8};")


@dataclass(frozen=True, slots=True)
class Entry:
    """title: of the feed itself or of an entry of it. text: without the title. day: as written."""

    title: str
    text: str
    day: str


def entries(root: Any, from_markup: Callable[[str], str]) -> Iterator[Entry]:
    """The feed itself, then its entries in its order. from_markup: the words of a piece of HTML."""
    channel = next((child for child in root if _name(child) == "channel"), root)
    yield _entry(channel, from_markup)
    for holder in [channel] if channel is root else [channel, root]:  # RSS 1.0 has its items beside the channel
        for child in holder:
            if _name(child) in _ENTRIES:
                yield _entry(child, from_markup)


def _entry(element: Any, from_markup: Callable[[str], str]) -> Entry:
    found: dict[str, list[Any]] = {}
    for child in element:
        if _name(child) not in _ENTRIES:
            found.setdefault(_name(child), []).append(child)
    lines = []
    day = ""
    for label, names in _LINES.items():
        name = next((name for name in names if any(map(_value, found.get(name, ())))), None)
        if name is None:
            continue
        values = list(dict.fromkeys(filter(None, map(_value, found[name]))))
        if label == "Date":
            day = values[0]
        lines.append(f"{label}: {', '.join(values if label in ('Topics', 'Author') else values[:1])}")
    texts = [_words(child, from_markup) for name in _WORDS for child in found.get(name, ())]
    words = max(texts, key=len, default="")
    title = next((_words(child, from_markup) for child in found.get("title", ())), "")
    return Entry(" ".join(title.split()), "\n".join(lines) + ("\n\n" if lines and words else "") + words, day)


def _value(element: Any) -> str:
    """What an entry of one line says: its text, a link's address, an author's name, a category's term."""
    if _name(element) == "link" and element.get("href"):
        return str(element.get("href")) if element.get("rel", "alternate") == "alternate" else ""
    names = [child for child in element if _name(child) == "name"]
    text = "".join((names[0] if names else element).itertext())
    return " ".join((text or element.get("term") or "").split())


def _words(element: Any, from_markup: Callable[[str], str]) -> str:
    if element.get("type") == "xhtml" or len(element):
        from lxml import etree

        return from_markup(etree.tostring(element, encoding="unicode", with_tail=False))
    text = element.text or ""
    return from_markup(text) if _MARKUP.search(text) else text.strip()


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
