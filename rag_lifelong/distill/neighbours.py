"""What is nearest to the chosen passages and not among them: where an adapter must leave the model as it is.

Rule: found by the knowledge base's own search. A copy of what is chosen is no neighbour: it holds the same facts, and
what is learned of them shall show there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.selection import Candidate, candidates_of
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.sentences import is_prose, shown, split_sentences
from rag_lifelong.terms import STOPWORDS, terms

LEAST = 8  # neighbours, where there are so many: shares of fewer tell nothing
_LOOKED_AT = 12  # hits for each chosen passage, as many as an answer is looked for in, …
_CHOSEN_AMONG = 20  # … and so many more at most, since the nearest of a chosen passage may all be chosen too
_COPY = 0.8  # of the telling words of the shorter passage, from which on the longer one holds it


def neighbours(source: Assistant | KnowledgeBase, taught: Sequence[Candidate], recipe: Recipe) -> tuple[Candidate, ...]:
    """Living passages that are not taught, those of other documents first, each the nearest; as many as are taught.

    At least LEAST, where there are, and at most `recipe.max_passages`. Each taught passage is searched for by the
    user's own question, else by its place and first sentence.
    """
    base = source.knowledge_base if isinstance(source, Assistant) else source
    chosen = {one.passage_id for one in taught}
    documents = {one.document_id for one in taught}
    ranks: dict[int, tuple[bool, int, int]] = {}  # passage id → (is of a chosen document, best rank, found as number …)
    looked_at = _LOOKED_AT + min(len(chosen), _CHOSEN_AMONG)
    with base.searching_exactly():
        for one in taught:
            for rank, hit in enumerate(base.search(_query(one), looked_at)):
                if hit.passage_id not in chosen:
                    key = (hit.document_id in documents, rank, len(ranks))
                    ranks[hit.passage_id] = min(ranks.get(hit.passage_id, key), key)
    nearest = candidates_of(base, sorted(ranks, key=ranks.__getitem__))
    most = min(max(len(chosen), LEAST), max(recipe.max_passages, LEAST))
    known = [_words(one) for one in taught]
    return tuple(islice((one for one in nearest if not _is_copy(one, known)), most))


def _query(one: Candidate) -> str:
    if one.questions:
        return one.questions[0]
    first = next((shown(s.text) for s in split_sentences(one.text) if is_prose(s.text) and not s.heading_level), "")
    return " ".join(part for part in (one.title, one.label, first) if part)


def _words(one: Candidate) -> frozenset[str]:
    return frozenset(term for term in terms(one.text) if term not in STOPWORDS)


def _is_copy(one: Candidate, known: Sequence[frozenset[str]]) -> bool:
    words = _words(one)
    return any(len(words & others) >= _COPY * max(1, min(len(words), len(others))) for others in known)
