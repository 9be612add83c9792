"""PowerPoint: slide by slide the title, the text in reading order, tables, charts, diagrams, then the speaker's notes.

Rule: what stands on the slides and in the notes, hidden slides too, since their author keeps and sees them; numbers,
dates and footers of slides, masters and layouts, comments and pictures are out. The file's own order is the reading
order (screen readers go by it too) unless a shape stands in it behind one that lies below it. Nothing outside the file
is followed. The parts are read here: python-pptx unpacks every picture and film, and fails over one odd shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.decode import clean
from ingest.errors import TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.packages import Package, day_of, fields_of
from ingest.sheets.number_formats import general
from ingest.types import Document, Mark, MarkKind

NAME = "pptx"
VERSION = 1

_DAMAGED = "damaged PowerPoint file: open it in PowerPoint or LibreOffice and save it anew"
_OTHER = "not a PowerPoint file: it is some other zip archive"
_BAD_TITLE = re.compile(
    r"(?:untitled|powerpoint[- ]presentation|presentation\s?\d*|slide 1|.*\.(?:pptx?|potx?|odp))", re.I
)
_MAX_POINTS = 500  # of a chart's series; more are a measurement's curve

_SLIDE = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_TITLES = frozenset(["title", "ctrTitle"])
_FURNITURE = frozenset(["dt", "ftr", "hdr", "sldNum", "sldImg"])
_LISTS = frozenset(["body", "obj"])
_BULLETS = tuple(f"{_DRAWING}{tag}" for tag in ("buChar", "buAutoNum", "buBlip"))

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in English Metric Units."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """text: of a title, on one line. box: None if neither the slide nor its layout says."""

    text: str
    is_title: bool
    box: Box | None


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The slides that hold text. Raises EncryptedFile, TooLarge, UnreadableFile."""
    package = Package(data, limits=limits, damaged=_DAMAGED)
    main = next(iter(package.related("", "officeDocument")), None)
    if main is None:
        raise UnreadableFile(_DAMAGED if package.has("[Content_Types].xml") else _OTHER)
    slides = package.relations(main, "slide")
    listed = [
        node.get(f"{_RELATION}id") or "" for node in package.xml(main).iterfind(f"{_SLIDE}sldIdLst/{_SLIDE}sldId")
    ]
    if len(listed) > limits.max_pages:
        raise TooLarge(f"{len(listed)} slides, the limit is {limits.max_pages}: split the file")
    reading = _Reading(package)
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for number, relation in enumerate(listed, start=1):
        start = at + 2 if parts else 0
        blocks = reading.slide(slides[relation]) if relation in slides else []
        for i, (block, is_title) in enumerate(blocks):
            if parts:
                parts.append("\n\n")
                at += 2
            if i == 0:
                marks.append(Mark(start, MarkKind.SLIDE, str(number), 0))
            if is_title:
                marks.append(Mark(at, MarkKind.HEADING, block, 1))
            parts.append(block)
            at += len(block)
    if not parts:
        raise UnreadableFile("empty: it holds no text")
    properties = package.properties()
    titles = [
        *([properties["title"]] if not _BAD_TITLE.fullmatch(properties.get("title", "untitled")) else []),
        *(mark.label for mark in marks if mark.kind is MarkKind.HEADING),
    ]
    return Document(
        text="".join(parts),
        title=clean(titles[0]) if titles else "",
        dated=day_of(properties),
        fields=fields_of(properties),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


class _Reading:
    """Reads slides; keeps where their layouts put placeholders."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._layouts: dict[str, dict[tuple[str, str], Box]] = {}

    def slide(self, part: str) -> list[tuple[str, bool]]:
        """The blocks of text of a slide, and whether each is its title."""
        tree = self._package.xml(part).find(f"{_SLIDE}cSld/{_SLIDE}spTree")
        shapes = [] if tree is None else list(self._shapes(tree, part))
        titles = [shape for shape in shapes if shape.is_title]
        blocks = [(shape.text, shape.is_title) for shape in [*titles, *_ordered([s for s in shapes if not s.is_title])]]
        notes = "\n".join(note for name in self._package.related(part, "notesSlide")[:1] for note in self._notes(name))
        return [*blocks, (f"Notes: {notes}", False)] if notes else blocks

    def _notes(self, part: str) -> Iterator[str]:
        for shape in self._package.xml(part).iterfind(f"{_SLIDE}cSld/{_SLIDE}spTree/{_SLIDE}sp"):
            if _placeholder(shape)[0] == "body":
                text = _text(shape, "")
                if text:
                    yield text

    def _shapes(self, container: Any, part: str) -> Iterator[_Shape]:
        for node in container:
            tag = node.tag
            if tag == f"{_SLIDE}grpSp":
                inner = list(self._shapes(node, part))
                text = "\n\n".join(shape.text for shape in _ordered(inner))
                if text:
                    yield _Shape(text, False, _box(node.find(f"{_SLIDE}grpSpPr/{_DRAWING}xfrm")))
            elif tag == f"{_COMPATIBILITY}AlternateContent":
                for choice in list(node)[:1]:  # the others are the same once more, for other programs
                    yield from self._shapes(choice, part)
            elif tag == f"{_SLIDE}sp":
                kind, index = _placeholder(node)
                text = "" if kind in _FURNITURE else _text(node, kind)
                if text:
                    is_title = kind in _TITLES
                    box = _box(node.find(f"{_SLIDE}spPr/{_DRAWING}xfrm")) or self._layout_box(part, kind, index)
                    yield _Shape(" ".join(text.split()) if is_title else text, is_title, box)
            elif tag == f"{_SLIDE}graphicFrame":
                text = "\n".join(self._frame(node, part))
                if text:
                    yield _Shape(text, False, _box(node.find(f"{_SLIDE}xfrm")))

    def _layout_box(self, part: str, kind: str, index: str) -> Box | None:
        """Where the slide's layout puts the placeholder."""
        if not kind:
            return None
        for layout in self._package.related(part, "slideLayout")[:1]:
            if layout not in self._layouts:
                self._layouts[layout] = self._boxes(layout)
            return self._layouts[layout].get((kind, index))
        return None

    def _boxes(self, layout: str) -> dict[tuple[str, str], Box]:
        """The places of a layout, where its master puts those that it leaves open."""
        masters = [
            shape
            for master in self._package.related(layout, "slideMaster")[:1]
            for shape in self._package.xml(master).iter(f"{_SLIDE}sp")
        ]
        of_kind = {_placeholder(shape)[0]: _box(shape.find(f"{_SLIDE}spPr/{_DRAWING}xfrm")) for shape in masters}
        found = {}
        for shape in self._package.xml(layout).iter(f"{_SLIDE}sp"):
            kind, index = _placeholder(shape)
            box = _box(shape.find(f"{_SLIDE}spPr/{_DRAWING}xfrm")) or of_kind.get("body" if kind == "obj" else kind)
            if kind and box is not None:
                found[kind, index] = box
        return found

    def _frame(self, frame: Any, part: str) -> Iterator[str]:
        """The lines of a table, chart or diagram."""
        for table in frame.iter(f"{_DRAWING}tbl"):
            for row in table.iterfind(f"{_DRAWING}tr"):
                cells = [" ".join("\n".join(_paragraphs(cell, "")).split()) for cell in row.iterfind(f"{_DRAWING}tc")]
                if any(cells):
                    yield " | ".join(cells)
        for chart in frame.iter(f"{_CHART}chart"):
            name = self._package.relations(part, "chart").get(chart.get(f"{_RELATION}id") or "")
            if name is not None:
                yield from _chart(self._package.xml(name))
        for diagram in frame.iter(f"{_DIAGRAM}relIds"):
            name = self._package.relations(part, "diagramData").get(diagram.get(f"{_RELATION}dm") or "")
            if name is not None:
                for point in self._package.xml(name).iterfind(f"{_DIAGRAM}ptLst/{_DIAGRAM}pt"):
                    text = " ".join(" ".join(_paragraphs(point, "")).split())
                    if text and point.get("type", "node") in ("node", "doc", "asst"):
                        yield f"- {text}"


def _placeholder(shape: Any) -> tuple[str, str]:
    """Kind and number of the layout's place that a shape fills; ("", "") for one of its own."""
    for holder in shape.iterfind(f"{_SLIDE}nvSpPr/{_SLIDE}nvPr/{_SLIDE}ph"):
        return holder.get("type") or "obj", holder.get("idx") or "0"
    return "", ""


def _box(transform: Any | None) -> Box | None:
    if transform is None:
        return None
    numbers = []
    for tag, keys in (("off", "xy"), ("ext", ("cx", "cy"))):
        node = transform.find(f"{_DRAWING}{tag}")
        for key in keys:
            value = "" if node is None else node.get(key) or ""
            if not re.fullmatch(r"-?[0-9]{1,15}", value):
                return None
            numbers.append(int(value))
    left, top, width, height = numbers
    return left, top, left + width, top + height


def _ordered(shapes: Sequence[_Shape]) -> Sequence[_Shape]:
    """In reading order: the file's, unless one of the shapes stands behind one that lies wholly below it."""
    boxes = [shape.box for shape in shapes if shape.box is not None]
    if len(boxes) < len(shapes) or not _is_upside_down(boxes):
        return shapes
    lines: list[list[_Shape]] = []  # of shapes beside one another
    bottom = 0.0
    for shape in sorted(shapes, key=lambda shape: (shape.box or (0, 0, 0, 0))[1]):
        _, top, _, end = shape.box or (0, 0, 0, 0)
        if lines and top < bottom:
            lines[-1].append(shape)
        else:
            lines.append([shape])
            bottom = (top + end) / 2
    return [shape for line in lines for shape in sorted(line, key=lambda shape: (shape.box or (0, 0, 0, 0))[0])]


def _is_upside_down(boxes: Sequence[Box]) -> bool:
    """Whether a box comes behind one that lies wholly below it, in the same column."""
    for i, (left, top, right, _) in enumerate(boxes[:100]):
        for other_left, _, other_right, other_bottom in boxes[i + 1 : 100]:
            if other_bottom <= top and other_left < right and left < other_right:
                return True
    return False


def _text(shape: Any, kind: str) -> str:
    body = shape.find(f"{_SLIDE}txBody")
    return "" if body is None else "\n".join(_paragraphs(body, kind))


def _paragraphs(container: Any, kind: str) -> Iterator[str]:
    """The lines of the paragraphs below an element; kind: of the placeholder that they fill."""
    for paragraph in container.iter(f"{_DRAWING}p"):
        text = clean("".join(_inline(paragraph))).strip()
        if text:
            properties = paragraph.find(f"{_DRAWING}pPr")
            yield _bullet(properties, kind) + text


def _bullet(properties: Any | None, kind: str) -> str:
    """ "- ", further in for deeper levels, for what is an item of a list on its own account or by its placeholder."""
    own = [] if properties is None else [child.tag for child in properties]
    if f"{_DRAWING}buNone" in own or not (kind in _LISTS or any(tag in own for tag in _BULLETS)):
        return ""
    level = "0" if properties is None else properties.get("lvl") or "0"
    return "  " * (int(level) if level in "12345678" else 0) + "- "


def _inline(element: Any) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag in (f"{_DRAWING}t", f"{_MATH}t"):
            yield child.text or ""
        elif tag == f"{_DRAWING}br":
            yield "\n"
        elif tag != f"{_COMPATIBILITY}Fallback":
            yield from _inline(child)


def _chart(chart: Any) -> Iterator[str]:
    """Title, then by category the value of each series."""
    title = " ".join("".join(_texts(chart.iterfind(f"{_CHART}chart/{_CHART}title//{_DRAWING}t"))).split())
    yield f"Chart: {title}" if title else "Chart"
    series = list(chart.iter(f"{_CHART}ser"))
    names = [" ".join(_texts(one.iterfind(f"{_CHART}tx//{_CHART}v"))) for one in series]
    categories = [_points(one, ("cat", "xVal")) for one in series]
    values = [_points(one, ("val", "yVal")) for one in series]
    for index in sorted({index for points in values for index in points})[:_MAX_POINTS]:
        category = next((points[index] for points in categories if index in points), "")
        named = zip(names, values, strict=True)
        shown = [f"{name}: {points[index]}" if name else points[index] for name, points in named if index in points]
        yield " | ".join([category, *shown] if category else shown)


def _points(series: Any, tags: Sequence[str]) -> dict[int, str]:
    """What a series has, by the number of the point."""
    found: dict[int, str] = {}
    for tag in tags:
        for point in series.iterfind(f"{_CHART}{tag}//{_CHART}pt"):
            text = " ".join(_texts(point.iterfind(f"{_CHART}v")))
            index = point.get("idx") or ""
            if text and index.isascii() and index.isdecimal() and len(index) < 10:
                found[int(index)] = f"{found[int(index)]}, {text}" if int(index) in found else _shown(text)
    return found


def _shown(text: str) -> str:
    try:
        return general(float(text))
    except ValueError:
        return text


def _texts(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        yield clean(node.text or "")
