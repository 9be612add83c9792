"""Answers, hits and citations → lines of text.

Rule: makes strings and prints nothing; every text from outside passes through `safe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rag_lifelong.terminal.snippet import best_line, highlighted, snippet
from rag_lifelong.terminal.style import Style, place, safe_line, short_path
from rag_lifelong.terminal.wrapping import columns_of
from rag_lifelong.terms import query_terms, terms
from rag_lifelong.types import Answer, Citation, Hit, Standing

NO_MODEL_NOTE = "Quoting from your files, no language model is set. To add one: lifelong models"
QUOTE_CHARS = 160
HIT_CHARS = 300
NEAR_CHARS = 100


def basis(found: Answer, style: Style, *, as_of_time: datetime | None, has_passages: bool) -> str:
    """What stands below the text: what of it is not supported; the citations, or what is nearest to a question refused;
    then the verdict."""
    lines = unsupported(found, style)
    if found.refused:
        asked = query_terms(found.question)
        if len(found.nearest) == 1:
            lines.append(nearest(found.nearest[0], asked, style, head="Nearest: "))
        elif found.nearest:
            lines.extend(["Nearest:", *(nearest(hit, asked, style, head="  ") for hit in found.nearest)])
        elif not has_passages:
            lines.append("Nothing has been read in yet; begin with: lifelong add FOLDER")
    else:
        lines.extend(citation(c, style, is_quoted=_is_in(c.quote, found.text)) for c in found.citations)
    said = verdict(found, as_of_time=as_of_time)
    if said:
        lines.append(style.dim(style.filled(said)))
    return "\n".join(lines)


def unsupported(found: Answer, style: Style) -> list[str]:
    """The sentences that nothing cited supports, each with "[?]", as it reads in the text above.

    Where that is all of them, the text itself has said so (`answering.GROUNDLESS`).
    """
    if not found.unsupported or found.verdict.supported_share <= 0:
        return []
    lines = [style.bold("Not supported by its sources:")]
    lines += [style.indented(f"[?] {snippet(sentence, (), limit=QUOTE_CHARS)}") for sentence in found.unsupported]
    return [*lines, ""]


def citation(found: Citation, style: Style, *, is_quoted: bool) -> str:
    """[1] path:line · label, then what it says unless the answer has already quoted it."""
    where = style.linked_place(found.path, line=found.line, page=found.page)
    head = f"[{found.number}] {where}{_label(found.label, found.page)}{_why(found.standing)}"
    if is_quoted:
        return head
    return f"{head}\n{style.dim(style.indented(_in_quotes(snippet(found.quote, (), limit=QUOTE_CHARS))))}"


def nearest(found: Hit, asked: Sequence[str], style: Style, *, head: str = "") -> str:
    """The place, and beside it, or below where there is no room, the line that has most in common with the question."""
    below, words = best_line(found.text, asked)
    line = None if found.line is None else found.line + below
    rest = f"{_label(found.label, found.page)}{_why(found.standing)}"
    where = head + style.linked_place(found.path, line=line, page=found.page) + rest
    shown = _in_quotes(snippet(words, asked, limit=NEAR_CHARS))
    columns = columns_of(f"{head}{place(found.path, line, found.page)}{rest}  {shown}")
    if style.width is None or columns < style.width():
        return f"{where}  {style.dim(shown)}"
    return f"{where}\n{style.dim(style.indented(shown))}"


def verdict(found: Answer, *, as_of_time: datetime | None) -> str:
    """newest evidence · version · how much is searchable · how it was answered.

    Of a question refused only what may be the reason: an earlier version, or what cannot be found yet.
    """
    lag = found.verdict.lag
    parts = [] if found.cut is None else [f"cut off: {safe_line(found.cut)}"]
    if found.verdict.newest_evidence is not None:
        parts.append(f"newest evidence {found.verdict.newest_evidence.isoformat()}")
    if found.as_of is not None:
        when = "" if as_of_time is None else f" ({as_of_time.astimezone():%Y-%m-%d %H:%M})"
        parts.append(f"as of version {found.as_of}{when}")
    elif not found.refused:
        parts.append(f"version {found.version}")
    if found.unsupported:
        parts.append(_share_unsupported(found))
    if found.verdict.superseded:
        parts.append("rests on what is superseded")
    if found.verdict.stale:
        parts.append("rests on what is stale")
    if found.verdict.pruned:
        gone = plural(found.verdict.pruned, "document", "documents")
        parts.append(f"{found.verdict.pruned:,} {gone} of then pruned")
    if lag.passages:
        parts.append(f"{lag.passages:,} {plural(lag.passages, 'passage waits', 'passages wait')} for vectors")
    if found.verdict.unwatched and found.as_of is None:
        when = "never" if lag.checked_at is None else f"{lag.checked_at.astimezone():%Y-%m-%d %H:%M}"
        parts.append(f"nobody watches: folders compared {when}")
    if lag.files:
        parts.append(f"{lag.files:,} changed {plural(lag.files, 'file', 'files')} could not be read")
    if found.verdict.uncalibrated is not None and (found.nearest or not found.refused):
        parts.append(f"{safe_line(found.verdict.uncalibrated)} is not calibrated: more is refused")
    if found.verdict.dropped_markers:
        dropped = found.verdict.dropped_markers
        parts.append(f"{dropped} {plural(dropped, 'marker', 'markers')} pointed nowhere")
    if not lag.passages and not lag.files and not found.refused:
        parts.append("everything indexed")
    if not found.refused:
        with_adapter = "" if found.adapter is None else f" with {found.adapter}"
        parts.append("quoted" if found.model == "quote" else safe_line(found.model) + with_adapter)
    return " · ".join(parts)


def _share_unsupported(found: Answer) -> str:
    """ "2 of 5 sentences not supported"."""
    count, share = len(found.unsupported), 1.0 - found.verdict.supported_share
    total = count if share <= 0 else round(count / share)
    return f"{count} of {total} {plural(total, 'sentence', 'sentences')} not supported"


def hit(found: Hit, number: int, asked: Sequence[str], style: Style, *, explain: bool = False) -> str:
    """One passage found: its place, and the part of it around the words asked."""
    where = style.bold(style.linked_place(found.path, line=found.line, page=found.page))
    shown = highlighted(style.indented(snippet(found.text, asked, limit=HIT_CHARS)), asked, style)
    lines = [f"{number:>2}  {where}{_label(found.label, found.page)}{_why(found.standing)}", shown]
    if explain:
        lines.append(style.dim(style.indented(explanation(found, asked))))
    return "\n".join(lines)


def explanation(found: Hit, asked: Sequence[str]) -> str:
    """How it was found: scores, and which of the question's terms the passage, its label or its title holds."""
    held = terms_held(found, asked)
    scores = found.scores
    dense = "no vector yet" if scores.dense is None else f"meaning {scores.dense:.3f} (cosine)"
    words = "not by words" if scores.words is None else f"words {scores.words:.2f} (BM25)"
    missing = [term for term in asked if term not in held]
    shown = safe_line(", ".join(held)) or "none"
    without = f" · without: {safe_line(', '.join(missing))}" if held and missing else ""
    led = f" · led to by: {safe_line(scores.led_by)}" if scores.led_by else ""
    return f"score {scores.fused:.3f} · {dense} · {words} · terms: {shown}{without}{led}"


def cited_sentence(found: Citation, asked: Sequence[str], style: Style) -> str:
    """What a citation quotes, in short, with the words asked set bold."""
    return highlighted(style.indented(_in_quotes(snippet(found.quote, asked, limit=HIT_CHARS))), asked, style)


def sentence_explanation(found: Citation, asked: Sequence[str], meaning: float) -> str:
    """Which of the question's terms stand in what is cited itself, and how alike question and it are.

    meaning: their cosine.
    """
    held = set(terms(found.quote))
    shown = safe_line(", ".join(term for term in asked if term in held)) or "none"
    missing = [term for term in asked if term not in held]
    without = f" · without: {safe_line(', '.join(missing))}" if missing else ""
    return f"this sentence: meaning {meaning:.3f} (cosine) · terms: {shown}{without}"


def terms_held(found: Hit, asked: Sequence[str]) -> list[str]:
    """The terms asked that the passage, its label or its title holds, in the order asked."""
    held = set(terms(f"{found.title} {found.label} {found.text}"))
    return [term for term in asked if term in held]


def standing(found: Standing) -> str:
    """Why a document holds no longer; "" if it does."""
    parts = []
    if found.superseded_by is not None:
        parts.append(f"superseded by {short_path(found.superseded_by)}")
    if found.retired is not None:
        parts.append(safe_line(found.retired))
    if found.stale_since is not None:
        parts.append(f"stale since {found.stale_since.isoformat()}")
    return ", ".join(parts)


def _why(found: Standing) -> str:
    why = standing(found)
    return f" · {why}" if why else ""


def plural(count: int, one: str, many: str) -> str:
    """The right word for a count."""
    return one if count == 1 else many


def _label(label: str, page: int | None) -> str:
    """· label, unless it says what the place already does."""
    return "" if not label or (page is not None and label == f"p. {page}") else f" · {safe_line(label)}"


def _in_quotes(text: str) -> str:
    return f'"{text}"'


def _is_in(quoted: str, text: str) -> bool:
    return " ".join(quoted.split()) in " ".join(text.split())
