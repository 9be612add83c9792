"""The second of two hops: from the passages that a question finds to those that they name, without a language model.

Rule: titles are what is named. Of the best passages those rise whose document's title stands in the question, then
those of documents whose titles the best of them mention. Weights: benchmarks.retrieval, tuning half.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag_lifelong import links
from rag_lifelong.alive import Alive
from rag_lifelong.meaning import Meaning
from rag_lifelong.scope import Scope, in_scope
from rag_lifelong.store import passages, revisions, words
from rag_lifelong.terms import terms
from rag_lifelong.types import Scores

SEEDS = 3  # of the best passages, in whose text names are sought
GAIN = 0.6  # of a seed's score, to the passage it leads to; benchmarks.retrieval, tuning half
DECAY = 0.8  # … and less for each seed that is better
PARTIAL = 0.6  # … by a name that is a part of a title, and by how small a part
BEST = 2  # documents of one name: a title that many share tells less
TITLE_BONUS = 1.0  # to a document whose title is the whole question, and a share of it by how much of it it is
TITLED_AMONG = 50  # of the best passages
_BELOW = 1 - 1e-6
_SPREAD = 50  # passages: what more than so many have in their title or headings does not tell one from another


@dataclass(frozen=True, slots=True)
class Link:
    """A name in the text of a seed, and the passages of one document whose title holds it.

    rank: of the seed. weight: 1 if the name is the title.
    """

    rank: int
    name: links.Name
    weight: float
    passage_ids: tuple[int, ...]


MayBeTitle = Callable[[links.Name], bool]
"""False for a name that stands in no title at any version."""


def titled(
    connection: sqlite3.Connection, scored: Mapping[int, Scores], question: str, scope: Scope
) -> dict[int, Scores]:
    """Those of the best passages whose document's title stands in the question, raised by how much of it that is."""
    asked = terms(question)
    best = sorted(scored, key=lambda passage_id: (-scored[passage_id].fused, passage_id))[:TITLED_AMONG]
    owners = passages.documents_of(connection, best)
    found = revisions.titles(connection, sorted(set(owners.values())), scope.version)
    shares = {owner: links.named_share(title, asked) for owner, title in found.items()}
    alike = Counter(found[owner] for owner, share in shares.items() if share)
    raised: dict[int, Scores] = {}
    for passage_id in best:
        share = shares.get(owners[passage_id], 0.0)
        if share:
            bonus = TITLE_BONUS * share / math.sqrt(alike[found[owners[passage_id]]])
            raised[passage_id] = replace(scored[passage_id], fused=scored[passage_id].fused + bonus)
    return raised


def linked(
    connection: sqlite3.Connection,
    seeds: Sequence[int],
    question: str,
    scope: Scope,
    alive: Callable[[], Alive],
    text_of: Callable[[int], str],
    may_be_title: MayBeTitle | None,
) -> list[Link]:
    """The documents whose titles the best passages mention, wholly or in part.

    The second of two hops: a question about the director of a film is answered where the director is written about,
    and the film's passage names them. What the question itself mentions was found already.
    """
    asked = set(terms(question))
    leading: dict[links.Name, int] = {}  # to the rank of the first seed that has it
    reached: dict[int, list[links.Name]] = {}  # by passage
    for rank, seed in enumerate(seeds):
        for name in links.names(text_of(seed)):
            if name in leading or asked.issuperset(name):
                continue
            leading[name] = rank
            if may_be_title is not None and not may_be_title(name):
                continue
            found = words.in_context(connection, name, _SPREAD + 1, past=False)
            if not scope.is_present:
                found += words.in_context(connection, name, _SPREAD + 1, past=True)
            if len(found) > _SPREAD:
                continue
            for passage_id in found:
                reached.setdefault(passage_id, []).append(name)
    allowed = in_scope(connection, reached.keys(), scope, alive)
    owners = passages.documents_of(connection, sorted(allowed))
    titles = revisions.titles(connection, sorted(set(owners.values())), scope.version)
    own = set(passages.documents_of(connection, seeds).values())
    together: dict[tuple[int, links.Name], list[int]] = {}
    for passage_id in sorted(allowed):
        if owners[passage_id] not in own:
            for name in reached[passage_id]:
                together.setdefault((owners[passage_id], name), []).append(passage_id)
    linked = []
    for (owner, name), passage_ids in together.items():
        weight = _weight(name, titles.get(owner, ""))
        if weight:  # else a heading holds it, not the title
            linked.append(Link(leading[name], name, weight, tuple(passage_ids)))
    return linked


def _weight(name: links.Name, title: str) -> float:
    """1 if the name is the title; less if it is a part of it; 0 if it does not stand in it."""
    if name in links.titles(title):
        return 1.0
    return PARTIAL * len(name) / len(terms(title)) if name in links.parts(title) else 0.0


def raised(
    scored: Mapping[int, Scores],
    seeds: Sequence[int],
    linked: Sequence[Link],
    by_vector: Mapping[int, float],
    meaning: Meaning,
    dense_weight: float,
) -> dict[int, Scores]:
    """The best passage of each document linked to, raised, but not above the seed that led to it.

    Of the documents of one name only the best BEST are, and each the less, the more there are. A passage that was
    no candidate gets a cosine on the candidates' scale.
    """
    missing = [i for link in linked for i in link.passage_ids if i not in scored]
    cosines = meaning.cosines(missing)
    low, high = min(by_vector.values(), default=0.0), max(by_vector.values(), default=0.0)

    def plain(passage_id: int) -> Scores:
        cosine = cosines.get(passage_id)
        part = 0.0 if cosine is None or high <= low else max(0.0, (cosine - low) / (high - low))
        return scored.get(passage_id) or Scores(dense_weight * part, cosine, None)

    alike: dict[tuple[links.Name, bool], list[tuple[Link, int]]] = {}
    for link in linked:
        best = max(link.passage_ids, key=lambda passage_id: plain(passage_id).fused)
        alike.setdefault((link.name, link.weight == 1.0), []).append((link, best))
    raised: dict[int, Scores] = {}
    for group in alike.values():
        first = sorted(group, key=lambda pair: (-plain(pair[1]).fused, pair[1]))[:BEST]
        for link, best in first:
            scores, most = plain(best), scored[seeds[link.rank]].fused
            gained = scores.fused + GAIN * DECAY**link.rank * link.weight / math.sqrt(len(group)) * most
            fused = max(scores.fused, min(gained, most * _BELOW))
            if best not in raised or fused > raised[best].fused:
                led_by = " ".join(link.name) if fused > scores.fused else scores.led_by
                raised[best] = replace(scores, fused=fused, led_by=led_by)
    return raised
