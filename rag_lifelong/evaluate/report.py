"""What an evaluation found.

Rule: frozen values, figures only; how they are said is the terminal's. What could not be measured is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag_lifelong.evaluate.metrics import Mean, Share


@dataclass(frozen=True, slots=True)
class Retention:
    """Real changes, asked about as of before, as of after, and now.

    former: as of just before, the former line is in a hit of that document among the first `depth`. new: as of just
    after, the new line. stale: asked about now, a line that no living document holds was shown. changes: there are so
    many in the history. sampled: so many were asked about. passed_over: so many drawn had no line to ask for.
    """

    former: Share
    new: Share
    stale: Share
    depth: int
    changes: int
    sampled: int
    passed_over: int
    stale_queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranks:
    """How high living passages stand for queries of their own words. mrr: 0 beyond the hits looked at."""

    recall: Share
    mrr: Mean


@dataclass(frozen=True, slots=True)
class Dilution:
    """The same queries here, and in a knowledge base without a past. Differences: here − fresh, paired.

    depth: of the recall. looked_at: hits, for the reciprocal rank. passed_over: passages drawn without enough words.
    """

    here: Ranks
    fresh: Ranks
    recall_difference: Mean
    mrr_difference: Mean
    depth: int
    looked_at: int
    passed_over: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which this knowledge base is not what a fresh one is.

    kind: "document", then `name` is its path; "ranking", its query; or "index", "words" or "vectors".
    """

    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Equality:
    """This knowledge base beside one built in one go from the texts stored.

    documents: equal in text, spans, labels and contexts. rankings: equal in places, order and scores, but for the order
    of equal scores; `tied` of them are equal only so.
    older: paths of documents that an older parser or chunker made, compared as they were cut then.
    waiting: strings without a vector here, found by words alone in both.
    """

    documents: Share
    rankings: Share
    tied: int
    differences: tuple[Difference, ...]
    older: tuple[str, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A knowledge base measured at one version. retention: None while no document has changed yet."""

    version: int
    documents: int
    passages: int
    retention: Retention | None
    dilution: Dilution
    equality: Equality

    @property
    def is_well(self) -> bool:
        """Nothing that must be 0 is more: no stale answer, no difference from a fresh build."""
        is_stale = self.retention is not None and self.retention.stale.count > 0
        return not is_stale and not self.equality.differences
