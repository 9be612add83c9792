"""A document → chunks of up to 254 tokens whose borders follow the content.

Rule: where a border falls depends on the text near it, never on the distance from the start of the file nor on
what stood there before. So an edit re-cuts its own neighbourhood, and the chunks before and after stay what they were.

The text is taken apart into atoms (paragraphs, code blocks, table rows; sentences and words where those are too
long). Pages and slides always end a chunk, headings end one that has some size. Every other border is looked at once,
the weakest first (inside a paragraph, between paragraphs, headings from the deepest to the highest; equals by a hash
of a word behind them), and it goes if the chunks on both sides fit into one. Content-defined chunking (LBFS, SOSP
2001) walks from the start and needs some chunks to meet its former borders again; here what becomes of a border depends
on a few near it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ingest.types import Chunk, Document, Mark, MarkKind

CHUNKER_VERSION = 2

MAX_CONTEXT_TOKENS = 16  # 24: 1.2 % more strings for the same edits (docs/log.md)
MAX_OUTLINE = 20  # headings within one another; of more the highest and the last are named
MAX_PART_CHARS = 300  # of a heading or title, in a label or context: it stands in each of a document's
MIN_SECTION_TOKENS = 40  # a heading ends a chunk of at least this size; 60: fewer strings, sentences found less often
MIN_TARGET_TOKENS = 40
LARGEST = 1.27  # times the target, with the context: 254 of 200, which with 2 special ones are the 256 MiniLM reads
HASHED_WORDS = 10  # of an atom: the longest of its first words gives its hash, so that few edits change it
CHARS_PER_TOKEN = 8  # a token stands for at most this many characters: long runs (base64) count as many

_HARD = frozenset({MarkKind.PAGE, MarkKind.SLIDE, MarkKind.SHEET})
_NESTED = frozenset({MarkKind.HEADING, MarkKind.SYMBOL})
_FINE = frozenset({MarkKind.ROW, MarkKind.TIME})
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?(?:^\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"')\]»”’]*\s+|(?<=[。！？；])[」』”’）]*\s*|\n(?=[^\S\n]*(?:[-*+•|]|\d+[.)])\s)"
)
_LINE_END = re.compile(r"\n+")
_WORD_GAP = re.compile(r"\s+")

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class _Atom:
    """A piece never cut further. border: what stands before it, stronger the higher."""

    start: int
    end: int
    size: int  # tokens
    border: int
    hash: bytes


_INSIDE, _BLOCK, _SECTION, _PAGE = 0, 1, 2, 9  # 2 … 8: headings, the deepest first


def split(
    document: Document, *, count_tokens: CountTokens, target_tokens: int = 200, max_tokens: int | None = None
) -> list[Chunk]:
    """The chunks of a document, in order, without overlap; text between them is blank.

    count_tokens: the embedder's own count, without special tokens, of what it is given of a text. target_tokens: of a
    full chunk; the mean is lower. max_tokens: no chunk is larger with its context; by default 1.27 × the target.
    Raises ValueError if target_tokens is below 40 or above max_tokens.
    """
    largest = max_tokens if max_tokens is not None else round(target_tokens * LARGEST)
    if target_tokens < MIN_TARGET_TOKENS or largest < target_tokens:
        raise ValueError(f"target_tokens {target_tokens} must lie in [{MIN_TARGET_TOKENS}, max_tokens {largest}]")
    atoms = list(_atoms(document, count_tokens, (largest - MAX_CONTEXT_TOKENS) // 2))
    places = Places(document)
    contexts: dict[str, tuple[str, int]] = {}  # outline → context and its tokens
    outlines = [places.outline(atom.start) for atom in atoms]
    for outline in outlines:
        if outline not in contexts:
            context = _context(document.title, outline, count_tokens)
            contexts[outline] = context, count_tokens(context)
    rooms = [largest - contexts[outline][1] for outline in outlines]
    chunks = []
    for first, last in _joined(atoms, rooms):
        start, end = atoms[first].start, atoms[last - 1].end
        chunks.append(
            Chunk(
                start=start,
                end=end,
                text=document.text[start:end],
                context=contexts[outlines[first]][0],
                label=places.label(start),
                page=places.page(start),
            )
        )
    return chunks


def _joined(atoms: Sequence[_Atom], rooms: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) half-open runs of atoms, one a chunk. rooms: the tokens of a chunk that begins at each atom."""
    firsts = list(range(-1, len(atoms)))  # by the end of a run: its first atom
    lasts = list(range(1, len(atoms) + 1))  # by the first atom of a run: its end
    sizes = [atom.size for atom in atoms]  # by the first atom of a run
    inner = (i for i in range(1, len(atoms)) if atoms[i].border < _PAGE)
    for i in sorted(inner, key=lambda i: (atoms[i].border, atoms[i].hash)):
        first = firsts[i]
        is_kept = atoms[i].border >= _SECTION and sizes[first] >= MIN_SECTION_TOKENS
        if not is_kept and sizes[first] + sizes[i] <= rooms[first]:
            sizes[first] += sizes[i]
            lasts[first] = lasts[i]
            firsts[lasts[i]] = first
    first = 0
    while first < len(atoms):
        yield first, lasts[first]
        first = lasts[first]


def _atoms(document: Document, count_tokens: CountTokens, largest: int) -> Iterator[_Atom]:
    """The atoms of a document, none of more than `largest` tokens."""
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
    size = _size(piece, count_tokens)
    if size <= largest:
        yield _Atom(start, end, size, border, _hash(piece))
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
        size = _size(piece, count_tokens)
        yield _Atom(at, at + len(piece), size, border, _hash(piece))
        border = _INSIDE


def _size(piece: str, count_tokens: CountTokens) -> int:
    return max(count_tokens(piece), -(-len(piece) // CHARS_PER_TOKEN))


def _hash(piece: str) -> bytes:
    """Orders borders of equal strength: of a telling word near the start, so that most edits leave it."""
    word = max(piece[:200].split()[:HASHED_WORDS], key=len, default="")
    return blake2b(word.encode(), digest_size=8).digest()


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
        if mark.kind in _FINE:
            border = _BLOCK
        else:
            border = _PAGE if mark.kind in _HARD else max(_SECTION, _PAGE - 1 - mark.level)
        borders[mark.start] = max(border, borders.get(mark.start, _INSIDE))
    return borders


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))


@dataclass(frozen=True, slots=True)
class _Place:
    """The marks that hold somewhere. outline: the sheet's name and the headings, the highest first."""

    flat: Mark | None
    outline: tuple[str, ...]
    fine: Mark | None


class Places:
    """The marks of a document, asked by offset."""

    def __init__(self, document: Document) -> None:
        self._starts: list[int] = []
        self._places: list[_Place] = []
        self._title = _shortened(document.title)
        flat: Mark | None = None
        fine: Mark | None = None
        open_marks: list[Mark] = []
        for mark in document.marks:
            if mark.kind in _NESTED:
                open_marks = [*[m for m in open_marks if m.level < mark.level], mark]
                if len(open_marks) > MAX_OUTLINE:
                    del open_marks[1]
            elif mark.kind in _FINE:
                fine = mark
            else:
                flat, fine = mark, None
                if mark.kind in _HARD and mark.kind is not MarkKind.PAGE:
                    open_marks = [mark] if mark.kind is MarkKind.SHEET else []
            self._starts.append(mark.start)
            self._places.append(_Place(flat, tuple(_shortened(m.label) for m in open_marks), fine))

    def _at(self, offset: int) -> _Place:
        i = bisect_right(self._starts, offset) - 1
        return _Place(None, (), None) if i < 0 else self._places[i]

    def outline(self, offset: int) -> str:
        """The sheet and headings above `offset`, without one that only repeats the title: "Rationale > Syntax"."""
        headings = self._at(offset).outline
        if headings and headings[0] == self._title:
            headings = headings[1:]
        return " > ".join(headings)

    def label(self, offset: int) -> str:
        """Place for people: "p. 3", "cell 7, Setup > Keys", "Rationale > Syntax", "Sales, row 12"; "" if none."""
        place = self._at(offset)
        parts = [
            "" if place.flat is None else _flat_label(place.flat),
            self.outline(offset),
            "" if place.fine is None else _flat_label(place.fine),
        ]
        return ", ".join(part for part in parts if part)

    def page(self, offset: int) -> int | None:
        """The number of the page, slide or cell, where there is one."""
        flat = self._at(offset).flat
        is_numbered = flat is not None and flat.kind is not MarkKind.SHEET and flat.label.isdecimal()
        return int(flat.label) if flat is not None and is_numbered else None


def _shortened(part: str) -> str:
    return part if len(part) <= MAX_PART_CHARS else part[:MAX_PART_CHARS] + "…"


_FLAT_NAMES = {MarkKind.PAGE: "p. ", MarkKind.CELL: "cell ", MarkKind.SLIDE: "slide ", MarkKind.ROW: "row "}


def _flat_label(mark: Mark) -> str:
    """A sheet is named by the outline; a time stands for itself."""
    return "" if mark.kind is MarkKind.SHEET else _FLAT_NAMES.get(mark.kind, "") + mark.label


def _context(title: str, outline: str, count_tokens: CountTokens) -> str:
    """Title and outline, shortened in the middle of the outline until they take few tokens."""
    parts = [part for part in [_shortened(title), *outline.split(" > ")] if part]
    while len(parts) > 2 and count_tokens(" > ".join(parts)) > MAX_CONTEXT_TOKENS:
        del parts[1]
    words = " > ".join(parts).split()
    while words and count_tokens(" ".join(words)) > MAX_CONTEXT_TOKENS:
        words = words[: len(words) * 3 // 4]
    return " ".join(words)
