"""A document → chunks of about 200 tokens whose borders follow the content.

Rule: where a border falls depends on the text near it, never on the distance from the start of the file.
So an edit re-cuts its own neighbourhood, and the chunks before and after stay what they were.

The text is taken apart into atoms (paragraphs, code blocks, table rows; sentences and words where those are too
long). Pages and slides always end a chunk, headings end one that has some size. Between them, the border is
set before the atom with the greatest hash among those that keep the chunk in [min_tokens, max_tokens]: two walks
that start at different places soon meet at the same atom (content-defined chunking, as in LBFS, SOSP 2001, with
the maximum in a window in place of a fixed divisor, as in AE, INFOCOM 2015).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ingest.types import Chunk, Document, Mark, MarkKind

CHUNKER_VERSION = 1

MAX_CONTEXT_TOKENS = 24  # with 230 of text and 2 special ones: what MiniLM reads is 256
MIN_SECTION_TOKENS = 60  # a heading ends a chunk of at least this size; smaller sections share one
MIN_TAIL_TOKENS = 40  # a cut never leaves less than this before the section's end
CHARS_PER_TOKEN = 8  # a token stands for at most this many characters: long runs (base64) count as many

_HARD = frozenset({MarkKind.PAGE, MarkKind.SLIDE, MarkKind.SHEET})
_NESTED = frozenset({MarkKind.HEADING, MarkKind.SYMBOL})
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?(?:^\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]»”’]*\s+|(?<=[。！？；])[」』”’）]*\s*|\n(?=\s*(?:[-*+•|]|\d+[.)])\s)")
_LINE_END = re.compile(r"\n+")
_WORD_GAP = re.compile(r"\s+")

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class _Atom:
    """A piece never cut further. border: what stands before it (0 inside a block … 3 always cut)."""

    start: int
    end: int
    size: int  # tokens
    border: int
    hash: bytes


_INSIDE, _BLOCK, _SECTION, _PAGE = range(4)


def split(
    document: Document, *, count_tokens: CountTokens, target_tokens: int = 200, max_tokens: int | None = None
) -> list[Chunk]:
    """The chunks of a document, in order, without overlap; text between them is blank.

    count_tokens: the embedder's own count, without special tokens. target_tokens: the mean size aimed at.
    max_tokens: no chunk is larger; by default 1.15 × the target.
    Raises ValueError if target_tokens is below 40 or above max_tokens.
    """
    largest = max_tokens if max_tokens is not None else round(target_tokens * 1.15)
    if target_tokens < MIN_TAIL_TOKENS or largest < target_tokens:
        raise ValueError(f"target_tokens {target_tokens} must lie in [{MIN_TAIL_TOKENS}, max_tokens {largest}]")
    smallest = max(MIN_TAIL_TOKENS, 2 * target_tokens - largest - target_tokens // 8)
    atoms = list(_atoms(document, count_tokens, largest))
    places = Places(document)
    contexts: dict[str, str] = {}
    chunks = []
    for first, last in _walk(atoms, smallest=smallest, largest=largest):
        start, end = atoms[first].start, atoms[last - 1].end
        outline = places.outline(start)
        if outline not in contexts:
            contexts[outline] = _context(document.title, outline, count_tokens)
        chunks.append(
            Chunk(
                start=start,
                end=end,
                text=document.text[start:end],
                context=contexts[outline],
                label=places.label(start),
                page=places.page(start),
            )
        )
    return chunks


def _walk(atoms: Sequence[_Atom], *, smallest: int, largest: int) -> Iterator[tuple[int, int]]:
    """(first, last) half-open runs of atoms, one a chunk."""
    first = 0
    while first < len(atoms):
        last = _cut(atoms, first, smallest, largest)
        yield first, last
        first = last


def _cut(atoms: Sequence[_Atom], first: int, smallest: int, largest: int) -> int:
    """Where the chunk that begins at atom `first` ends (exclusive)."""
    size = 0
    candidates: list[tuple[int, int]] = []  # (atom, size of the chunk cut before it)
    for i in range(first, len(atoms)):
        atom = atoms[i]
        if i > first:
            if atom.border == _PAGE or (atom.border == _SECTION and size >= MIN_SECTION_TOKENS):
                return i
            if size >= smallest:
                candidates.append((i, size))
        size += atom.size
        if size > largest and i > first:
            return _best(atoms, candidates, first, i)
    return len(atoms)


def _best(atoms: Sequence[_Atom], candidates: Sequence[tuple[int, int]], first: int, overflow: int) -> int:
    """Of the atoms a chunk may end before, the one whose border is strongest, then whose hash is greatest."""
    if not candidates:
        return overflow
    tail = 0
    ahead = overflow
    while ahead < len(atoms) and tail < MIN_TAIL_TOKENS and atoms[ahead].border < _SECTION:
        tail += atoms[ahead].size
        ahead += 1
    ends_near = tail < MIN_TAIL_TOKENS  # the section ends just behind the window: leave it enough
    if ends_near:
        sizes = [atom.size for atom in atoms[first:ahead]]
        whole = sum(sizes)
        roomy = [(i, size) for i, size in candidates if whole - size >= MIN_TAIL_TOKENS]
        candidates = roomy or candidates
    return max(candidates, key=lambda candidate: (atoms[candidate[0]].border, atoms[candidate[0]].hash))[0]


def _atoms(document: Document, count_tokens: CountTokens, largest: int) -> Iterator[_Atom]:
    text = document.text
    borders = _mark_borders(document.marks)
    for start, end, border in _blocks(text, borders):
        yield from _taken_apart(text, start, end, border, count_tokens, largest, (_SENTENCE_END, _LINE_END, _WORD_GAP))


def _taken_apart(
    text: str,
    start: int,
    end: int,
    border: int,
    count_tokens: CountTokens,
    largest: int,
    separators: Sequence[re.Pattern[str]],
) -> Iterator[_Atom]:
    """[start, end) as one atom if it is small enough, else its parts between the first separator, and so on."""
    start, end = _trimmed(text, start, end)
    if start >= end:
        return
    piece = text[start:end]
    size = max(count_tokens(piece), len(piece) // CHARS_PER_TOKEN, 1)
    if size <= largest:
        yield _Atom(start, end, size, border, blake2b(piece[:200].encode(), digest_size=8).digest())
        return
    if not separators:
        yield from _cut_run(text, start, end, border, count_tokens, largest)
        return
    at = start
    for gap in separators[0].finditer(text, start, end):
        if gap.end() > at:
            yield from _taken_apart(text, at, gap.end(), border, count_tokens, largest, separators[1:])
            at, border = gap.end(), _INSIDE
    yield from _taken_apart(text, at, end, border, count_tokens, largest, separators[1:])


def _cut_run(text: str, start: int, end: int, border: int, count_tokens: CountTokens, largest: int) -> Iterator[_Atom]:
    """A run without any break (base64, unspaced script), cut at fixed widths that fit."""
    width = max(1, largest // 2)  # one character is at most about two tokens
    for at in range(start, end, width):
        piece = text[at : min(at + width, end)]
        size = max(count_tokens(piece), len(piece) // CHARS_PER_TOKEN, 1)
        yield _Atom(at, at + len(piece), size, border, blake2b(piece.encode(), digest_size=8).digest())
        border = _INSIDE


def _blocks(text: str, borders: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """(start, end, border before it) of the paragraphs, code fences and sections of a text."""
    cuts = {0: _BLOCK}
    fences = [found.span() for found in _FENCE.finditer(text)]
    inside = _Spans(fences)
    for gap in _BLANK.finditer(text):
        if not inside.holds(gap.end()):
            cuts[gap.end()] = _BLOCK
    for start, end in fences:
        cuts.setdefault(start, _BLOCK)
        cuts.setdefault(end, _BLOCK)
    for start, border in borders.items():
        cuts[start] = max(border, cuts.get(start, _INSIDE))
    ordered = sorted(cuts)
    carried = _INSIDE  # a border before a blank block passes to the next one
    for start, end in zip(ordered, [*ordered[1:], len(text)], strict=True):
        carried = max(carried, cuts[start])
        if text[start:end].strip():
            yield start, end, carried
            carried = _INSIDE


class _Spans:
    """Sorted spans that do not overlap."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def holds(self, offset: int) -> bool:
        """`offset` lies strictly inside a span."""
        i = bisect_right(self._starts, offset - 1) - 1
        return i >= 0 and offset < self._ends[i]


def _mark_borders(marks: Sequence[Mark]) -> dict[int, int]:
    borders: dict[int, int] = {}
    for mark in marks:
        border = _PAGE if mark.kind in _HARD else _SECTION
        borders[mark.start] = max(border, borders.get(mark.start, _INSIDE))
    return borders


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))


class Places:
    """The marks of a document, asked by offset."""

    def __init__(self, document: Document) -> None:
        self._starts: list[int] = []
        self._states: list[tuple[Mark | None, tuple[str, ...]]] = []
        self._title = document.title
        flat: Mark | None = None
        open_marks: list[Mark] = []
        for mark in document.marks:
            if mark.kind in _NESTED:
                open_marks = [*[m for m in open_marks if m.level < mark.level], mark]
            else:
                flat = mark
                if mark.kind in _HARD and mark.kind is not MarkKind.PAGE:
                    open_marks = []
            self._starts.append(mark.start)
            self._states.append((flat, tuple(m.label for m in open_marks)))

    def _at(self, offset: int) -> tuple[Mark | None, tuple[str, ...]]:
        i = bisect_right(self._starts, offset) - 1
        return (None, ()) if i < 0 else self._states[i]

    def outline(self, offset: int) -> str:
        """The headings above `offset`, without one that only repeats the title: "Rationale > Syntax"."""
        headings = self._at(offset)[1]
        if headings and headings[0] == self._title:
            headings = headings[1:]
        return " > ".join(headings)

    def label(self, offset: int) -> str:
        """Place for people: "p. 3", "cell 7, Setup > Keys", "Rationale > Syntax"; "" if there is none."""
        flat, _ = self._at(offset)
        place = "" if flat is None else _flat_label(flat)
        return ", ".join(part for part in (place, self.outline(offset)) if part)

    def page(self, offset: int) -> int | None:
        """The number of the page, slide or cell, where there is one."""
        flat, _ = self._at(offset)
        return int(flat.label) if flat is not None and flat.label.isdecimal() else None


def _flat_label(mark: Mark) -> str:
    names = {MarkKind.PAGE: "p. ", MarkKind.CELL: "cell ", MarkKind.SLIDE: "slide ", MarkKind.SHEET: ""}
    return names[mark.kind] + mark.label


def _context(title: str, outline: str, count_tokens: CountTokens) -> str:
    """Title and outline, shortened in the middle of the outline until they take few tokens."""
    parts = [part for part in [title, *outline.split(" > ")] if part]
    while len(parts) > 2 and count_tokens(" > ".join(parts)) > MAX_CONTEXT_TOKENS:
        del parts[1]
    words = " > ".join(parts).split()
    while words and count_tokens(" ".join(words)) > MAX_CONTEXT_TOKENS:
        words = words[: len(words) * 3 // 4]
    return " ".join(words)
