"""Answers from the headers of documents: fields of the document a question names, and titles.

Rule: a field answers only for a document named, and only if every field asked for is there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from rag_lifelong.questions import Question
from rag_lifelong.quote.evidence import Evidence, Quotation, QuotedSpan
from rag_lifelong.quote.named import Named
from rag_lifelong.terms import query_terms, terms
from rag_lifelong.types import HeaderField

MAX_DOCUMENTS = 4  # of one answer; more are a search, not an answer
_ADDRESS = re.compile(r"\s*(?:<[^<>]*>|\([^()]*@[^()]*\))")
_SERIES_WORDS = frozenset(terms("pep rfc proposal paper article report document file note page"))


def asks_only_fields(asked: Question, evidence: Sequence[Evidence], named: Named) -> bool:
    """Beside field wordings and the documents' names, the question holds nothing; and there is a header to ask."""
    documents = [e for e in evidence if e.hit.document_id in named.documents]
    if not asked.fields or not any(any(f.start is not None for f in e.fields) for e in documents):
        return False
    known = {term for e in documents for term in terms(f"{e.hit.title} {PurePath(e.hit.path).name}")} | named.terms
    return all(term in known for term in asked.residual)


def answer_fields(asked: Question, evidence: Sequence[Evidence], named: Named) -> Quotation | None:
    """The fields asked for of each document named; None unless all are there."""
    if not 1 <= len(named.documents) <= MAX_DOCUMENTS:
        return None
    lines: list[str] = []
    spans: list[QuotedSpan] = []
    for document_id in named.documents:
        index = next(i for i, e in enumerate(evidence) if e.hit.document_id == document_id)
        if evidence[index].hit.title:
            lines.append(evidence[index].hit.title)
        for names in asked.fields:
            found = _field(evidence[index], names)
            if found is None:
                return None
            field, start, end = found
            spans.append(QuotedSpan(index, start, end, evidence[index].header[start:end], "header"))
            name = evidence[index].header[start:end].partition(":")[0].strip()
            lines.append(f"{name}: {_printed(field)} [{len(spans)}]")
    return Quotation("\n".join(lines), tuple(spans))


def answer_document(asked: Question, evidence: Sequence[Evidence]) -> Quotation | None:
    """ "Which PEP defines type parameter syntax?": the document whose title has all the words asked for."""
    wanted = set(asked.content) - _SERIES_WORDS
    if not wanted:
        return None
    best: tuple[float, int, tuple[HeaderField, int, int]] | None = None
    for index, e in enumerate(evidence):
        title, found = set(query_terms(e.hit.title)), _field(e, ("title",))
        if found is not None and wanted <= title and (best is None or len(wanted) / len(title) > best[0]):
            best = (len(wanted) / len(title), index, found)
    if best is None:
        return None
    _, index, (_, start, end) = best
    span = QuotedSpan(index, start, end, evidence[index].header[start:end], "header")
    return Quotation(f"{evidence[index].hit.title} [1]", (span,))


def _field(evidence: Evidence, names: Sequence[str]) -> tuple[HeaderField, int, int] | None:
    """The first of these fields that has a value and a span."""
    for name in names:
        for field in evidence.fields:
            if field.name == name and field.value and field.start is not None and field.end is not None:
                return field, field.start, field.end
    return None


def _printed(field: HeaderField) -> str:
    """Without mail addresses, where something is left."""
    without = " ".join(_ADDRESS.sub("", field.value).split()).strip(" ,")
    return without or field.value
