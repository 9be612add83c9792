"""The peers, as their documentation says to use them.

Rule: nothing here imports `rag_lifelong` or `ingest`; each runs in an environment of its own. All embed with the same
weights from the same folder by the library that their documentation names for it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.reading_in.reader import BATCH, MAX_TOKENS, FolderReader, Read

K = 5
_OVERLAP = 20  # tokens, of those that are cut by tokens


def watch(kind: type[Any], name: str) -> list[str]:
    """The list into which every text goes that is given to the method from now on."""
    strings: list[str] = []
    original = getattr(kind, name)

    def watched(self: Any, texts: Any, *arguments: Any, **named: Any) -> Any:
        strings.extend([texts] if isinstance(texts, str) else texts)
        return original(self, texts, *arguments, **named)

    setattr(kind, name, watched)
    return strings


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class LlamaIndex:
    """SimpleDirectoryReader with `llama-index-readers-file`; IngestionPipeline of SentenceSplitter (256 tokens by the
    model's own tokenizer, 20 shared) and HuggingFaceEmbedding (batches of 32), upserts and deletions by its docstore,
    SimpleVectorStore; all persisted as JSON."""

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.storage.docstore import SimpleDocumentStore
        from llama_index.core.vector_stores import SimpleVectorStore
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from sentence_transformers import SentenceTransformer
        from transformers import AutoTokenizer

        self._folder, self._store = folder, store
        self.strings = watch(SentenceTransformer, "encode")
        tokenizer = AutoTokenizer.from_pretrained(str(model))
        self._embedding = HuggingFaceEmbedding(
            model_name=str(model), max_length=MAX_TOKENS, embed_batch_size=BATCH, device="cpu"
        )
        self._vectors = SimpleVectorStore()
        self._nodes = SimpleDocumentStore()
        self._pipeline = IngestionPipeline(
            transformations=[
                SentenceSplitter(
                    chunk_size=MAX_TOKENS,
                    chunk_overlap=_OVERLAP,
                    tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False, verbose=False),
                ),
                self._embedding,
            ],
            docstore=SimpleDocumentStore(),
            vector_store=self._vectors,
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
            disable_cache=True,  # it is keyed by all texts together, so that one change misses it
        )

    def read_in(self, found: Callable[[], None]) -> Read:
        read = Read()
        began = time.perf_counter()
        documents, said = self._load()
        read.reading_s = time.perf_counter() - began
        for document in documents:
            read.add(self._below(document), document.text)
        for key in ("page_label", "slide_index", "sheet_name", "row"):
            read.places[key] = len({self._below(d) for d in documents if key in d.metadata})
        read.told = dict(
            re.findall(rf"Failed to load file {re.escape(str(self._folder))}/(.+?) with error: (.*)\.", said)
        )
        nodes = self._pipeline.run(documents=documents)
        read.chunks = len(nodes)
        self._keep(nodes)
        found()
        return read

    def update(self, changed: str, gone: str) -> None:
        documents, _ = self._load()
        self._keep(self._pipeline.run(documents=documents))

    def search(self, question: str) -> list[tuple[str, str]]:
        from llama_index.core.vector_stores.types import VectorStoreQuery

        vector = self._embedding.get_query_embedding(question)
        best = self._vectors.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=K)).ids or []
        nodes = [self._nodes.get_document(name) for name in best]
        return [(self._below(node), node.get_content()) for node in nodes]

    def _load(self) -> tuple[list[Any], str]:
        from llama_index.core import SimpleDirectoryReader

        said = io.StringIO()  # it prints what it could not read
        with contextlib.redirect_stdout(said):
            documents = SimpleDirectoryReader(str(self._folder), recursive=True, filename_as_id=True).load_data()
        return documents, said.getvalue()

    def _keep(self, nodes: Any) -> None:
        self._nodes.add_documents(nodes)
        self._pipeline.persist(str(self._store / "pipeline"))
        self._vectors.persist(str(self._store / "vectors.json"))
        self._nodes.persist(str(self._store / "nodes.json"))

    def _below(self, document: Any) -> str:
        return str(Path(document.metadata["file_path"]).relative_to(self._folder))


class LangChain:
    """A DirectoryLoader for each type with the loader that its documentation names, unstructured's left out (it fetches
    a model from the network at its first file); RecursiveCharacterTextSplitter (1,000 characters, 200 shared, as in its
    tutorial); HuggingFaceEmbeddings; FAISS, kept equal by its indexing API with full cleanup, and saved."""

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        import faiss
        from langchain_classic.indexes import SQLRecordManager
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS
        from langchain_huggingface import HuggingFaceEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter
        from sentence_transformers import SentenceTransformer

        self._folder, self._store = folder, store
        self.strings = watch(SentenceTransformer, "encode")
        self._embeddings = HuggingFaceEmbeddings(
            model_name=str(model), model_kwargs={"device": "cpu"}, encode_kwargs={"batch_size": BATCH}
        )
        self._splitter = RecursiveCharacterTextSplitter(chunk_size=1_000, chunk_overlap=200)
        self._index = FAISS(self._embeddings, faiss.IndexFlatL2(384), InMemoryDocstore(), {})
        self._records = SQLRecordManager("reading_in", db_url=f"sqlite:///{store / 'records.sqlite'}")
        self._records.create_schema()

    def read_in(self, found: Callable[[], None]) -> Read:
        read = Read()
        began = time.perf_counter()
        documents, read.told = self._load()
        read.reading_s = time.perf_counter() - began
        for document in documents:
            read.add(self._below(document), document.page_content)
        for key in ("page", "slide", "sheet", "row"):
            read.places[key] = len({self._below(d) for d in documents if key in d.metadata})
        self._bring(documents)
        read.chunks = self._index.index.ntotal
        found()
        return read

    def update(self, changed: str, gone: str) -> None:
        self._bring(self._load()[0])

    def search(self, question: str) -> list[tuple[str, str]]:
        return [(self._below(found), found.page_content) for found in self._index.similarity_search(question, k=K)]

    def _load(self) -> tuple[list[Any], dict[str, str]]:
        from langchain_community.document_loaders import DirectoryLoader

        said: dict[str, str] = {}
        logger = logging.getLogger("langchain_community.document_loaders.directory")
        handler = logging.Handler()
        handler.emit = lambda record: said.update(self._told(record.getMessage()))  # type: ignore[method-assign]
        logger.addHandler(handler)
        documents = []
        for suffixes, loader, named in self._loaders():
            documents += DirectoryLoader(
                str(self._folder),
                glob=[f"**/*{suffix}" for suffix in suffixes.split()],
                loader_cls=loader,
                loader_kwargs=named,
                silent_errors=True,  # else the first file it cannot read ends it
            ).load()
        logger.removeHandler(handler)
        return documents, said

    def _loaders(self) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        from langchain_community import document_loaders as loaders

        yield ".txt .md .rst .org .json .ndjson .yaml .xml", loaders.TextLoader, {"autodetect_encoding": True}
        yield ".pdf", loaders.PyPDFLoader, {}
        yield ".docx", loaders.Docx2txtLoader, {}
        yield ".html .htm", loaders.BSHTMLLoader, {}
        yield ".csv", loaders.CSVLoader, {"autodetect_encoding": True}
        yield ".tsv", loaders.CSVLoader, {"autodetect_encoding": True, "csv_args": {"delimiter": "\t"}}
        yield ".ipynb", loaders.NotebookLoader, {}
        yield ".msg", loaders.OutlookMessageLoader, {}

    def _told(self, message: str) -> dict[str, str]:
        found = re.match(rf"Error loading file {re.escape(str(self._folder))}/(.+?): (.*)", message, re.DOTALL)
        return {found[1]: found[2]} if found else {}

    def _bring(self, documents: list[Any]) -> None:
        from langchain_community.vectorstores.utils import filter_complex_metadata
        from langchain_core.indexing import index

        chunks = self._splitter.split_documents(documents)
        index(
            filter_complex_metadata(chunks),  # the indexing API refuses the dates of mails
            self._records,
            self._index,
            batch_size=1_000,
            cleanup="full",
            source_id_key="source",
            key_encoder="sha256",
        )
        self._index.save_local(str(self._store / "faiss"))

    def _below(self, document: Any) -> str:
        return str(Path(document.metadata["source"]).relative_to(self._folder))


class Chroma:
    """It reads no files: it is given our texts in our chunks, a thousand at a time, and told what has changed.
    PersistentClient; SentenceTransformerEmbeddingFunction."""

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        import chromadb
        from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
        from sentence_transformers import SentenceTransformer

        self._given = given
        self.strings = watch(SentenceTransformer, "encode")
        client = chromadb.PersistentClient(path=str(store), settings=chromadb.Settings(anonymized_telemetry=False))
        self._collection = client.create_collection(
            "reading_in",
            embedding_function=SentenceTransformerEmbeddingFunction(model_name=str(model), device="cpu"),
        )

    def read_in(self, found: Callable[[], None]) -> Read:
        read = Read()
        began = time.perf_counter()
        waiting: list[dict[str, Any]] = []
        entries = self._entries(self._given)
        read.reading_s = time.perf_counter() - began
        for entry in entries:
            read.add(entry["path"], entry["text"])
            waiting += entry["chunks"]
            while len(waiting) >= 1_000:
                self._add(waiting[:1_000])
                del waiting[:1_000]
                found()
        if waiting:
            self._add(waiting)
            found()
        read.chunks = self._collection.count()
        return read

    def update(self, changed: str, gone: str) -> None:
        self._collection.delete(where={"path": {"$in": [changed, gone]}})
        for entry in self._entries(self._given.with_name(f"{self._given.stem}-after.jsonl")):
            self._add(entry["chunks"])

    def search(self, question: str) -> list[tuple[str, str]]:
        found = self._collection.query(query_texts=[question], n_results=K)
        places, texts = (found["metadatas"] or [[]])[0], (found["documents"] or [[]])[0]
        return [(str(place["path"]), text) for place, text in zip(places, texts, strict=True)]

    def _add(self, chunks: list[dict[str, Any]]) -> None:
        self._collection.add(
            ids=[chunk["id"] for chunk in chunks],
            documents=[chunk["text"] for chunk in chunks],
            metadatas=[{"path": chunk["path"], "label": chunk["label"]} for chunk in chunks],
        )

    def _entries(self, given: Path) -> list[dict[str, Any]]:
        with given.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


class Txtai:
    """Textractor with LiteParse for what it takes (by LibreOffice and Tesseract where they are installed), plain text as
    it stands, cut by chonkie's RecursiveChunker (256 tokens by the model's own tokenizer); Embeddings with content,
    saved; told what has changed."""

    TEXT = frozenset([".txt", ".md", ".rst", ".org", ".json", ".ndjson", ".yaml", ".xml", ""])

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        from tokenizers import Tokenizer
        from txtai import Embeddings
        from txtai.models.pooling.base import Pooling
        from txtai.pipeline import Textractor

        self._folder, self._store = folder, store
        self.strings = watch(Pooling, "encode")
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._extract = Textractor(chunker="recursive", tokenizer=tokenizer, chunk_size=MAX_TOKENS - 2)
        self._embeddings = Embeddings(
            path=str(model), content=True, method="meanpooling", maxlength=MAX_TOKENS, encodebatch=BATCH, gpu=False
        )

    def read_in(self, found: Callable[[], None]) -> Read:
        read = Read()
        began = time.perf_counter()
        rows = []
        for path in files_of(self._folder):
            try:
                pieces = self._pieces(path)
            except Exception as error:  # it has no kind of its own for it
                read.told[path] = f"{type(error).__name__}: {error}"
                continue
            read.add(path, "\n".join(pieces))
            rows += self._rows(path, pieces)
        read.reading_s = time.perf_counter() - began
        self._embeddings.index(rows)
        self._embeddings.save(str(self._store / "index"))
        read.chunks = self._embeddings.count()
        found()
        return read

    def update(self, changed: str, gone: str) -> None:
        for path in (changed, gone):
            old = self._embeddings.database.search(
                "SELECT id FROM txtai WHERE path = :path", parameters={"path": path}, limit=100_000
            )
            self._embeddings.delete([row["id"] for row in old])
        self._embeddings.upsert(self._rows(changed, self._pieces(changed)))
        self._embeddings.save(str(self._store / "index"))

    def search(self, question: str) -> list[tuple[str, str]]:
        return [(row["id"].rpartition("#")[0], row["text"]) for row in self._embeddings.search(question, K)]

    def _pieces(self, path: str) -> list[str]:
        file = self._folder / path
        if file.suffix.lower() in self.TEXT:
            pieces = self._extract(file.read_text(encoding="utf-8"))
        else:
            pieces = self._extract(str(file))
        return [pieces] if isinstance(pieces, str) else list(pieces)

    def _rows(self, path: str, pieces: list[str]) -> list[tuple[str, dict[str, str], None]]:
        return [
            (f"{path}#{number}", {"text": piece, "path": path}, None) for number, piece in enumerate(pieces) if piece
        ]


PEERS: dict[str, type[FolderReader]] = {
    "llama_index": LlamaIndex,
    "langchain": LangChain,
    "chroma": Chroma,
    "txtai": Txtai,
}
