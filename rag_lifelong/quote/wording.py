"""What was found → the answer's text: the shortest answer first, then the sentences it stands in, each with its marker.

Rule: every word is the sources' own, but for "Your sources differ" and dates. Marker [n] points to the n-th span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rag_lifelong.quote.evidence import Evidence, Quotation, QuotedSpan
from rag_lifelong.sentences import Sentence, is_item, shown, split_sentences

WHOLE = 0.7  # of its sentence's characters: a short answer longer than that is the sentence itself


@dataclass(frozen=True, slots=True)
class Found:
    """An answer in a sentence of `evidence[index]`'s passage. short: the words that answer, "" for the whole of it."""

    index: int
    sentence: Sentence
    short: str


def worded(found: Sequence[Found], evidence: Sequence[Evidence]) -> Quotation:
    """One answer, of one or several sentences: the first one's words, if it is short, then all sentences."""
    short = _short(found[0])
    lines = _sentences(found, quoted=short is not None)
    text = lines if short is None else f"{short}\n\n{lines}"
    return Quotation(text, _spans(found, evidence), short)


def differing(found: Sequence[Found], evidence: Sequence[Evidence]) -> Quotation:
    """Several answers that cannot all be right: side by side with their documents' dates, the newest first."""
    ordered = sorted(found, key=lambda f: evidence[f.index].hit.document_date or date.min, reverse=True)
    lines = ["Your sources differ, the newest first:"]
    for number, each in enumerate(ordered, start=1):
        day = evidence[each.index].hit.document_date
        lines.append(f"{'undated' if day is None else day.isoformat()}: {each.short} [{number}]")
    text = "\n".join([*lines, "", _sentences(ordered, quoted=True)])
    return Quotation(text, _spans(ordered, evidence), ordered[0].short)


def _short(found: Found) -> str | None:
    if not found.short or len(found.short) > WHOLE * len(found.sentence.text):
        return None
    return found.short


def _sentences(found: Sequence[Found], *, quoted: bool) -> str:
    sentences = (_as_read(f.sentence.text) for f in found)
    return "\n".join(f'"{s}" [{n}]' if quoted else f"{s} [{n}]" for n, s in enumerate(sentences, start=1))


def _as_read(text: str) -> str:
    """On one line; a list on one for each entry."""
    entries = split_sentences(text)
    if len(entries) > 1 and all(is_item(entry.text) for entry in entries):
        return "\n".join(f"- {shown(entry.text)}" for entry in entries)
    return shown(text)


def _spans(found: Sequence[Found], evidence: Sequence[Evidence]) -> tuple[QuotedSpan, ...]:
    return tuple(
        QuotedSpan(
            f.index,
            evidence[f.index].hit.start + f.sentence.start,
            evidence[f.index].hit.start + f.sentence.end,
            f.sentence.text,
            evidence[f.index].hit.label,
        )
        for f in found
    )
