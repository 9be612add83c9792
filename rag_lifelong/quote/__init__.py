"""Answers without any model: the fields and sentences that the evidence supports best, each cited; or none.

Rule: every span is exact source text. A field answers only for the document that the question names. What the
sources do not hold is refused, never guessed.
"""

from rag_lifelong.quote.answer import quote
from rag_lifelong.quote.evidence import Evidence, Quotation, QuotedSpan, Reader, TermStatistics

__all__ = ["Evidence", "Quotation", "QuotedSpan", "Reader", "TermStatistics", "quote"]
