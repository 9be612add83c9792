"""Hits and citations → LlamaIndex nodes, an answer → the metadata of a response.

Rule: a node's text is characters [start_char_idx, end_char_idx) of its document's text at `version`. Its id stays as
long as its passage lives, wherever the file or the knowledge base is moved to; a citation's id names its exact span.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath

from llama_index.core.schema import NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode

from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store import values
from rag_lifelong.store.clock import to_ms
from rag_lifelong.types import Answer, Citation, Hit, Standing

_SHOWN_TO_MODELS = ("file_name", "title", "label", "document_date", "stale_since", "superseded_by", "retired")


def node_of(base: KnowledgeBase, hit: Hit) -> NodeWithScore:
    """A passage found."""
    document = f"{_name(base)}-document-{hit.document_id}"
    return _node(f"{_name(base)}-passage-{hit.passage_id}", document, hit.title, hit, hit.text, hit.score)


def sources_of(base: KnowledgeBase, found: Answer, hits: Sequence[Hit]) -> list[NodeWithScore]:
    """What an answer cites, in the order of its markers: the exact spans. Of a refusal, what is nearest.

    hits: the passages that it was looked for in; a citation has the score of the one that it is from.
    """
    if found.refused:
        return [node_of(base, hit) for hit in found.nearest]
    return [_cited(base, citation, hits) for citation in found.citations]


def metadata_of(found: Answer) -> dict[str, object]:
    """`refused`, `verdict`, `version`, `as_of`, `model`, `citations` and what else an answer has, as for JSON."""
    whole: dict[str, object] = json.loads(values.written(found))
    return {name: value for name, value in whole.items() if name not in ("text", "nearest")}


def _cited(base: KnowledgeBase, citation: Citation, hits: Sequence[Hit]) -> NodeWithScore:
    own = [hit for hit in hits if (hit.path, hit.version) == (citation.path, citation.version)]
    around = [hit for hit in own if hit.start <= citation.start and citation.end <= hit.end]
    revision = None if own else base.document_at(citation.path, as_of=citation.version)
    document_id = own[0].document_id if own else None if revision is None else revision.document_id
    document = None if document_id is None else f"{_name(base)}-document-{document_id}"
    name = f"{document or citation.path}-v{citation.version}-{citation.start}-{citation.end}"
    title = own[0].title if own else "" if revision is None else revision.title
    return _node(name, document, title, citation, citation.quote, around[0].score if around else None)


def _node(
    name: str, document: str | None, title: str, at: Hit | Citation, text: str, score: float | None
) -> NodeWithScore:
    metadata = {
        "path": at.path,
        "file_name": PurePath(at.path).name,
        "title": title,
        "label": at.label,
        "line": at.line,
        "page": at.page,
        "version": at.version,
        "document_date": None if at.document_date is None else at.document_date.isoformat(),
        **_standing(at.standing),
    }
    source = RelatedNodeInfo(node_id=document, node_type=ObjectType.DOCUMENT) if document is not None else None
    node = TextNode(
        id_=name,
        text=text,
        metadata=metadata,
        start_char_idx=at.start,
        end_char_idx=at.end,
        relationships={} if source is None else {NodeRelationship.SOURCE: source},
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=[
            key for key, value in metadata.items() if key not in _SHOWN_TO_MODELS or value in (None, "")
        ],
    )
    return NodeWithScore(node=node, score=score)


def _standing(found: Standing) -> dict[str, str | None]:
    """Why it may hold no longer, if anything says so."""
    return {
        "stale_since": None if found.stale_since is None else found.stale_since.isoformat(),
        "superseded_by": found.superseded_by,
        "retired": found.retired,
    }


def _name(base: KnowledgeBase) -> str:
    """When its first version was made: what tells it from others, and stays where its folder is moved or copied."""
    first = base.version(1)
    return "kb" if first is None else f"kb{to_ms(first.at):x}"
