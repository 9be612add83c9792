"""An assistant as LlamaIndex knows it: retriever, query engine and chat engine, and LlamaIndex's own parts on top."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms.mock import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.selectors import EmbeddingSingleSelector
from llama_index.core.tools import RetrieverTool

from rag_lifelong import Assistant, open_assistant
from rag_lifelong.generate import Message
from tests.rag_lifelong.embedding_by_words import WordsEmbedding

RETRIES = "We agreed on three attempts with exponential backoff, then the dead-letter queue."
OWNER = "Ana Ruiz owns the dead-letter queue since March."
BILLING = "Mei Chen owns the billing service, and Tomas Lindqvist the ingestion workers."
ASKED = {
    "How many attempts did we agree on?": RETRIES,
    "Who owns the dead-letter queue?": OWNER,
    "Who owns the billing service?": BILLING,
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "meeting.md").write_text(
        f"---\ntitle: Weekly meeting\ndate: 2026-02-18\n---\n\n# Weekly meeting\n\n## Retries\n\n{RETRIES}\n",
        encoding="utf-8",
    )
    (folder / "oncall.md").write_text(f"# On call\n\n## Ownership\n\n{OWNER}\n{BILLING}\n", encoding="utf-8")
    (folder / "travel.md").write_text("# Travel\n\nSecond class is booked for short trips.\n", encoding="utf-8")
    return folder


@pytest.fixture
def assistant(tmp_path: Path, notes: Path) -> Iterator[Assistant]:
    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        opened.add(notes)
        yield opened


# -- the retriever


def test_nodes_are_the_hits_with_their_spans_scores_and_places(assistant: Assistant, notes: Path) -> None:
    retriever = assistant.as_retriever(k=3)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.retrieve("retries and the dead-letter queue")
    hits = assistant.search("retries and the dead-letter queue", k=3)
    assert [one.score for one in found] == [hit.score for hit in hits]
    for one, hit in zip(found, hits, strict=True):
        node = one.node
        assert node.get_content() == assistant.show(hit.path)[node.start_char_idx : node.end_char_idx] == hit.text  # type: ignore[attr-defined]
        assert node.node_id.endswith(f"-passage-{hit.passage_id}")
        assert (node.ref_doc_id or "").endswith(f"-document-{hit.document_id}")
    first = next(one.node for one in found if one.node.metadata["file_name"] == "meeting.md")
    assert {key: first.metadata[key] for key in ("path", "title", "line", "page", "version", "document_date")} == {
        "path": str(notes / "meeting.md"),
        "title": "Weekly meeting",
        "line": 1,
        "page": None,
        "version": 1,
        "document_date": "2026-02-18",
    }
    assert len(assistant.as_retriever().retrieve("retries")) == len(assistant.search("retries")), "k is the setting's"


def test_ids_stay_through_edits_elsewhere_moves_and_another_opening(tmp_path: Path, notes: Path) -> None:
    def ids(opened: Assistant) -> set[tuple[str, str]]:
        found = opened.as_retriever(k=10).retrieve("Who owns the billing service?")
        return {(one.node.node_id, one.node.ref_doc_id or "") for one in found}

    with open_assistant(tmp_path / "kb", embedder="hash") as opened:
        opened.add(notes)
        before = ids(opened)
        (notes / "oncall.md").rename(notes / "moved.md")
        (notes / "travel.md").write_text("# Travel\n\nFirst class is for long trips only.\n", encoding="utf-8")
        opened.add(notes)
        after = ids(opened)
    (tmp_path / "kb").rename(tmp_path / "elsewhere")
    with open_assistant(tmp_path / "elsewhere") as opened:
        assert ids(opened) == after
    assert len(before & after) == len(before) - 1, "only the passage that was rewritten has another id"
    with open_assistant(tmp_path / "other", embedder="hash") as opened:
        opened.add(notes)
        assert not ids(opened) & after, "another knowledge base has ids of its own"


def test_it_is_narrowed_like_a_search(assistant: Assistant, notes: Path) -> None:
    (notes / "meeting.md").write_text("# Meeting\n\nWe agreed on five attempts.\n", encoding="utf-8")
    assistant.add(notes)
    question = "How many attempts did we agree on?"
    now = assistant.as_retriever(k=1).retrieve(question)[0].node
    then = assistant.as_retriever(k=1, as_of=1).retrieve(question)[0].node
    assert "five attempts" in now.get_content()
    assert "three attempts" in then.get_content() and then.metadata["version"] == 1
    inside = assistant.as_retriever(within=["**/travel.md"]).retrieve(question)
    assert {one.node.metadata["file_name"] for one in inside} == {"travel.md"}
    assert asyncio.run(assistant.as_retriever(k=1).aretrieve(question))[0].node.node_id == now.node_id


# -- the query engine


def test_answers_cite_exact_spans_and_carry_the_verdict(assistant: Assistant) -> None:
    engine = assistant.as_query_engine()
    assert isinstance(engine, BaseQueryEngine)
    for question, sentence in ASKED.items():
        response = engine.query(question)
        answer = assistant.ask(question)
        assert isinstance(response, Response)
        assert str(response) == answer.text
        node = response.source_nodes[0].node
        assert node.get_content() == sentence
        citation = answer.citations[0]
        assert (node.start_char_idx, node.end_char_idx) == (citation.start, citation.end)  # type: ignore[attr-defined]
        assert node.get_content() == assistant.show(node.metadata["path"])[citation.start : citation.end]
        passage = next(hit for hit in assistant.last_hits if hit.path == citation.path and sentence in hit.text)
        assert response.source_nodes[0].score == passage.score
        assert (node.ref_doc_id or "").endswith(f"-document-{passage.document_id}")
        metadata = json.loads(json.dumps(response.metadata))
        assert (metadata["refused"], metadata["version"], metadata["model"]) == (False, 1, "quote")
        assert metadata["citations"][0]["quote"] == sentence
        assert metadata["verdict"]["newest_evidence"] == answer.verdict.newest_evidence.isoformat()  # type: ignore[union-attr]


def test_a_refusal_can_be_seen(assistant: Assistant) -> None:
    response = assistant.as_query_engine().query("What is the price of a train ticket to Lyon?")
    assert isinstance(response, Response) and response.metadata is not None
    assert response.metadata["refused"] is True
    assert str(response) == "Your sources do not say."
    assert [one.node.get_content() for one in response.source_nodes] == [
        hit.text for hit in assistant.ask("What is the price of a train ticket to Lyon?").nearest
    ]


def test_as_of_an_earlier_version_it_answers_from_what_was_true_then(assistant: Assistant, notes: Path) -> None:
    (notes / "meeting.md").write_text("# Meeting\n\n## Retries\n\nWe agreed on five attempts.\n", encoding="utf-8")
    assistant.add(notes)
    question = "How many attempts did we agree on?"
    now = assistant.as_query_engine().query(question).source_nodes[0].node
    response = assistant.as_query_engine(as_of=1).query(question)
    assert now.get_content() == "We agreed on five attempts."
    assert response.source_nodes[0].node.get_content() == RETRIES
    assert (response.metadata or {})["as_of"] == 1
    assert now.ref_doc_id == response.source_nodes[0].node.ref_doc_id, "one document"
    assert now.node_id != response.source_nodes[0].node.node_id


def test_streams_end_with_source_nodes_and_metadata(assistant: Assistant) -> None:
    engine = assistant.as_query_engine(streaming=True)
    response = engine.query("Who owns the dead-letter queue?")
    assert isinstance(response, StreamingResponse)
    assert (response.source_nodes, response.metadata) == ([], {})
    assert "".join(response.response_gen) == assistant.ask("Who owns the dead-letter queue?").text
    assert response.source_nodes[0].node.get_content() == OWNER
    assert (response.metadata or {})["refused"] is False

    async def awaited() -> AsyncStreamingResponse:
        streamed = await engine.aquery("Who owns the dead-letter queue?")
        assert isinstance(streamed, AsyncStreamingResponse)
        pieces = [piece async for piece in streamed.async_response_gen()]
        assert "".join(pieces) == str(engine.query("Who owns the dead-letter queue?"))
        return streamed

    assert asyncio.run(awaited()).source_nodes[0].node.get_content() == OWNER


def test_many_tasks_at_once_get_each_its_own_answer(assistant: Assistant) -> None:
    engine = assistant.as_query_engine()

    async def ask_all() -> list[str]:
        found = await asyncio.gather(*(engine.aquery(question) for question in list(ASKED) * 8))
        for response in found:
            assert response.source_nodes[0].score is not None
        return [response.source_nodes[0].node.get_content() for response in found]

    assert asyncio.run(ask_all()) == list(ASKED.values()) * 8


def test_what_another_asks_meanwhile_changes_nothing(assistant: Assistant) -> None:
    response = assistant.as_query_engine(streaming=True).query("Who owns the dead-letter queue?")
    assert isinstance(response, StreamingResponse)
    pieces = iter(response.response_gen)
    assert OWNER in next(pieces)
    others = assistant.as_query_engine(within=["**/travel.md"]).query("Which class is booked for short trips?")
    assert [one.node.metadata["file_name"] for one in others.source_nodes] == ["travel.md"]
    assert list(pieces) == []
    assert response.source_nodes[0].node.get_content() == OWNER
    assert response.source_nodes[0].score is not None, "the hits it was looked for in are its own"
    assert assistant.last_answer is None, "nor is the assistant's own last answer touched"


class Waiting:
    """A language model that writes its second piece only when it is told to."""

    name = "waiting"
    context_tokens = 4_096

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield "Ana Ruiz owns the dead-letter "
        if not self.may_go_on.wait(timeout=10.0):
            raise AssertionError("the event loop stood still")
        yield "queue since March [1]."


def test_the_event_loop_goes_on_while_a_model_writes(tmp_path: Path, notes: Path) -> None:
    model = Waiting()

    async def talk(opened: Assistant) -> tuple[str, list[str], str]:
        asking = asyncio.create_task(opened.as_query_engine().aquery("Who owns the dead-letter queue?"))
        await asyncio.sleep(0.05)
        model.may_go_on.set()  # never reached by a loop that waits for the model
        whole = str(await asking)
        model.may_go_on.clear()
        streamed = await opened.as_query_engine(streaming=True).aquery("Who owns the dead-letter queue?")
        pieces = []
        async for piece in streamed.async_response_gen():  # type: ignore[union-attr]
            pieces.append(piece)
            model.may_go_on.set()
        model.may_go_on.clear()
        chatting = asyncio.create_task(opened.as_chat_engine(keep=False).achat("Who owns the dead-letter queue?"))
        await asyncio.sleep(0.05)
        model.may_go_on.set()
        return whole, pieces, str(await chatting)

    with open_assistant(tmp_path / "kb", embedder="hash", llm=model) as opened:
        opened.add(notes)
        whole, pieces, chatted = asyncio.run(talk(opened))
    assert whole == chatted == "Ana Ruiz owns the dead-letter queue since March [1]."
    assert pieces == ["Ana Ruiz owns the dead-letter", " queue since March [1]."]  # a space may belong to a marker


# -- LlamaIndex's own parts on top


def test_llama_indexs_own_query_engine_reads_the_passages(assistant: Assistant) -> None:
    engine = RetrieverQueryEngine.from_args(
        assistant.as_retriever(k=5),
        llm=MockLLM(),  # it says what it was asked
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.9)],
    )
    response = engine.query("Who owns the dead-letter queue?")
    kept = [hit for hit in assistant.search("Who owns the dead-letter queue?", k=5) if hit.score >= 0.9]
    assert 0 < len(kept) < 3
    assert [one.node.get_content() for one in response.source_nodes] == [hit.text for hit in kept]
    assert OWNER in str(response)
    assert "file_name: oncall.md" in str(response), "its place is told to the model"
    assert "version:" not in str(response), "what is for programs is not"


def test_fusion_of_now_and_then_and_routing(assistant: Assistant, notes: Path) -> None:
    (notes / "meeting.md").write_text("# Meeting\n\nWe agreed on five attempts.\n", encoding="utf-8")
    assistant.add(notes)
    now, then = assistant.as_retriever(k=1), assistant.as_retriever(k=1, as_of=1)
    fused = QueryFusionRetriever([now, then], num_queries=1, llm=MockLLM(), use_async=True, similarity_top_k=4)
    texts = [one.node.get_content() for one in fused.retrieve("How many attempts did we agree on?")]
    assert len(texts) == 2
    assert any("five attempts" in text for text in texts) and any("three attempts" in text for text in texts)
    router = RouterRetriever(
        selector=EmbeddingSingleSelector.from_defaults(WordsEmbedding()),
        retriever_tools=[
            RetrieverTool.from_defaults(now, description="what holds today, at present"),
            RetrieverTool.from_defaults(then, description="the first version, of the past"),
        ],
        llm=MockLLM(),
    )
    chosen = router.retrieve("In the first version of the past: how many attempts?")
    assert "three attempts" in chosen[0].node.get_content()


# -- the chat engine


def test_a_chat_goes_on_and_its_history_is_the_conversations(assistant: Assistant) -> None:
    engine = assistant.as_chat_engine()
    assert isinstance(engine, BaseChatEngine)
    first = engine.chat("Who owns the dead-letter queue?")
    assert first.source_nodes[0].node.get_content() == OWNER
    assert (first.metadata or {})["refused"] is False
    second = engine.chat("What does Mei Chen own?")
    assert second.source_nodes[0].node.get_content() == BILLING
    assert [(message.role, message.content) for message in engine.chat_history] == [
        (MessageRole.USER, "Who owns the dead-letter queue?"),
        (MessageRole.ASSISTANT, str(first)),
        (MessageRole.USER, "What does Mei Chen own?"),
        (MessageRole.ASSISTANT, str(second)),
    ]
    kept = engine.conversation.id
    assert kept is not None and len(assistant.read_chat(kept)) == 2
    engine.reset()
    assert engine.chat_history == []
    assert engine.chat("What is the price of a train ticket to Lyon?").metadata["refused"] is True  # type: ignore[index]
    assert len(assistant.read_chat(kept)) == 2, "a new conversation"
    assert len(assistant.as_chat_engine(resume=kept).chat_history) == 4


def test_a_follow_up_leans_on_a_history_from_elsewhere_and_nothing_of_it_is_kept(assistant: Assistant) -> None:
    engine = assistant.as_chat_engine(keep=False)
    history = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be kind."),
        ChatMessage(role=MessageRole.USER, content="Who is Mei Chen?"),
        ChatMessage(role=MessageRole.ASSISTANT, content="A colleague."),
    ]
    response = engine.chat("And what does she own?", chat_history=history)
    assert "Mei Chen" in str((response.metadata or {})["asked_as"])
    assert response.source_nodes[0].node.get_content() == BILLING
    assert [message.content for message in engine.chat_history] == [
        "Who is Mei Chen?",
        "A colleague.",
        "And what does she own?",
        str(response),
    ]
    alone = engine.chat("And what does she own?", chat_history=[])
    assert (alone.metadata or {})["asked_as"] is None
    assert assistant.chats() == ()


def test_chats_stream_and_what_was_not_read_to_its_end_was_not_said(assistant: Assistant) -> None:
    engine = assistant.as_chat_engine(keep=False)
    response = engine.stream_chat("Who owns the dead-letter queue?")
    assert engine.chat_history == []
    assert "".join(response.response_gen) == f'Ana Ruiz\n\n"{OWNER}" [1]'
    assert response.source_nodes[0].node.get_content() == OWNER
    assert (response.metadata or {})["refused"] is False
    assert len(engine.chat_history) == 2

    async def awaited() -> list[str]:
        streamed = await engine.astream_chat("Who owns the billing service?")
        return [piece async for piece in streamed.async_response_gen()]

    assert "".join(asyncio.run(awaited())) == f'Mei Chen\n\n"{BILLING}" [1]'
    assert len(engine.chat_history) == 4


# -- what is shown to readers

ROOT = Path(__file__).resolve().parents[2]


def test_the_examples_run_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")  # no weights
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "llama_index.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "docs/llama_index.md", "exec"), {})
    assert capsys.readouterr().out == f"Ana Ruiz\n\n\"{OWNER}\" [1] False\n{OWNER}\n['Five attempts.']\n"
