"""What goes into the suggestions, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from rag_lifelong.types import HeaderField


@dataclass(frozen=True, slots=True)
class Facts:
    """All about one living document that the suggestions need.

    path: absolute. dated: the date the document itself bears. fields: its own header.
    strings: digests of the texts of its passages, equal for equal text. Leave the context out: it holds the title,
    and a new version often bears another.
    """

    document_id: int
    path: str
    title: str
    dated: date | None
    file_changed_at: datetime
    fields: tuple[HeaderField, ...]
    strings: frozenset[bytes]


class Kind(Enum):
    """What a suggestion rests on; of several the surest. The value is a word for people."""

    HEADER = "header"  # the newer one's header names the older one
    NAME = "name"  # report_v1.md and report_v2.md
    NEAR_DUPLICATE = "text"  # most passages are the same, and one is clearly newer


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Document `new` is likely to supersede document `old`.

    score: in [0, 1]. evidence: one line for people that tells of `new`:
    "shares 41 of 48 passages, dated 3 weeks later".
    """

    old: int
    new: int
    kind: Kind
    score: float
    evidence: str
