"""Which documents another one is likely to supersede: suggested with the evidence, never decided.

Rule: pure. Recency is judged by dates, versions and what headers say, never by a model. A false suggestion costs more
than a missed one: a series (daily notes, invoices, chapters) and a plain copy supersede nothing. A header retires its
own document only; what it says of others is a suggestion.
"""

from rag_lifelong.supersession.facts import Facts, Kind, Suggestion
from rag_lifelong.supersession.headers import retired_by_own_header
from rag_lifelong.supersession.suggest import suggest

__all__ = ["Facts", "Kind", "Suggestion", "retired_by_own_header", "suggest"]
