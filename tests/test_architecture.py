"""Arrows point down the layers; third parties have one owner; importing the package loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the top down; a module may import from its own row's package and from rows below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("rag_lifelong.__main__",),
    ("rag_lifelong.cli",),
    ("rag_lifelong.repl",),
    ("rag_lifelong.session",),
    ("rag_lifelong.terminal",),
    ("rag_lifelong.distill", "rag_lifelong.evaluate"),
    ("rag_lifelong.assistant",),
    ("rag_lifelong.llama_index",),
    ("rag_lifelong.conversation",),
    (
        "rag_lifelong.retraction",
        "rag_lifelong.answering",
        "rag_lifelong.adapted_models",
        "rag_lifelong.conflicts",
        "rag_lifelong.memory",
    ),
    ("rag_lifelong.status", "rag_lifelong.checking"),
    ("rag_lifelong.follow",),
    (
        "rag_lifelong.verify",
        "rag_lifelong.sync",
        "rag_lifelong.export",
        "rag_lifelong.note_folder",
        "rag_lifelong.restored_notes",
    ),
    ("rag_lifelong.reading",),
    ("rag_lifelong.members", "rag_lifelong.coverage", "rag_lifelong.kept_documents"),
    ("rag_lifelong.knowledge_base",),
    ("rag_lifelong.retriever",),
    (
        "rag_lifelong.vector_sets",
        "rag_lifelong.live_titles",
        "rag_lifelong.live_words",
        "rag_lifelong.passage_words",
        "rag_lifelong.undo",
        "rag_lifelong.pruning",
        "rag_lifelong.folders",
        "rag_lifelong.chats",
        "rag_lifelong.adapters",
        "rag_lifelong.manifests",
        "rag_lifelong.history",
        "rag_lifelong.standings",
        "rag_lifelong.stored_texts",
    ),
    ("rag_lifelong.live_nodes",),
    ("rag_lifelong.grounding",),
    ("rag_lifelong.changes", "rag_lifelong.retrieve", "rag_lifelong.quote", "rag_lifelong.live_index"),
    ("rag_lifelong.second_hop",),
    ("rag_lifelong.meaning",),
    ("rag_lifelong.scope",),
    ("rag_lifelong.alive",),
    ("rag_lifelong.operations",),
    (
        "rag_lifelong.store",
        "rag_lifelong.index",
        "rag_lifelong.word_index",
        "rag_lifelong.embed",
        "rag_lifelong.span_reader",
        "rag_lifelong.prompt",
        "rag_lifelong.followup",
        "rag_lifelong.compaction",
        "rag_lifelong.config",
        "rag_lifelong.live_rules",
    ),
    (
        "rag_lifelong.generate",
        "rag_lifelong.fence",
        "rag_lifelong.markers",
        "rag_lifelong.questions",
        "rag_lifelong.links",
        "rag_lifelong.rerank",
        "rag_lifelong.sentences",
        "rag_lifelong.supersession",
        "rag_lifelong.rules",
    ),
    ("rag_lifelong.staleness", "rag_lifelong.calibration", "rag_lifelong.local_models", "rag_lifelong.settings_file"),
    (
        "rag_lifelong.terms",
        "rag_lifelong.when",
        "rag_lifelong.service",
        "rag_lifelong.transcript",
        "rag_lifelong.prompt_history",
        "rag_lifelong.notes",
        "rag_lifelong.preferences",
    ),
    ("rag_lifelong.types", "rag_lifelong.errors", "rag_lifelong.places", "rag_lifelong.whole_files"),
    ("ingest",),
)
OWNERS = {
    "sqlite3": (
        "rag_lifelong.store",
        "rag_lifelong.knowledge_base",
        "rag_lifelong.retriever",
        "rag_lifelong.vector_sets",
        "rag_lifelong.stored_texts",
        "rag_lifelong.second_hop",
        "rag_lifelong.scope",
        "rag_lifelong.live_index",
        "rag_lifelong.live_nodes",
        "rag_lifelong.live_titles",
        "rag_lifelong.live_words",
        "rag_lifelong.meaning",
        "rag_lifelong.passage_words",
        "rag_lifelong.alive",
        "rag_lifelong.changes",
        "rag_lifelong.undo",
        "rag_lifelong.history",
        "rag_lifelong.pruning",
        "rag_lifelong.standings",
        "rag_lifelong.conflicts",
        "rag_lifelong.retrieve",
        "rag_lifelong.verify",
    ),
    "tomlkit": ("rag_lifelong.rules", "rag_lifelong.settings_file"),
    "keyring": ("rag_lifelong.generate.keys",),
    "faiss": ("rag_lifelong.index",),
    "torch": ("rag_lifelong.embed", "rag_lifelong.generate", "rag_lifelong.distill"),
    "peft": ("rag_lifelong.generate.adapter",),
    "transformers": ("rag_lifelong.local_models", "rag_lifelong.embed", "rag_lifelong.generate"),
    "sentence_transformers": ("rag_lifelong.embed", "rag_lifelong.rerank"),
    "llama_index": ("rag_lifelong.generate", "rag_lifelong.llama_index"),
    "prompt_toolkit": ("rag_lifelong.terminal.prompting",),
    "rich": ("rag_lifelong.terminal.progress",),
    "watchdog": ("ingest.watch",),
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("rag_lifelong", "ingest"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions; not those for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hints = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hints:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def row(module: str) -> int | None:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return number
    return None


MODULES = [pytest.param(name, path, id=name) for name, path in modules() if name != "rag_lifelong"]


@pytest.mark.parametrize(("name", "path"), MODULES)
def test_arrows_point_down(name: str, path: Path) -> None:
    own = row(name)
    assert own is not None, f"{name} has no layer"
    for imported in imports(path):
        other = row(imported)
        if other is None:
            continue
        assert other >= own, f"{name} imports {imported} from above"


@pytest.mark.parametrize(("name", "path"), MODULES)
def test_a_third_party_has_one_owner(name: str, path: Path) -> None:
    for imported in imports(path):
        owners = OWNERS.get(imported.split(".")[0])
        if owners is not None:
            assert any(name == owner or name.startswith(owner + ".") for owner in owners), f"{name} imports {imported}"


@pytest.mark.parametrize(
    ("name", "path"), [p for p in MODULES if p.values[0] == "ingest" or p.values[0].startswith("ingest.")]
)
def test_ingest_never_imports_the_package_above(name: str, path: Path) -> None:
    assert not [imported for imported in imports(path) if imported.startswith("rag_lifelong")]


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "torch transformers sentence_transformers llama_index faiss numpy sqlite3".split()
    code = f"import rag_lifelong, sys; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_command_line_and_completion_load_nothing_heavy() -> None:
    heavy = "torch transformers sentence_transformers llama_index faiss numpy rich".split()
    code = (
        "import sys; from rag_lifelong.cli import main; main(['__complete', 'sh']); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["show", "[]"]


def test_asking_loads_neither_torch_nor_sentence_transformers(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Retries: three attempts, then the queue.", encoding="utf-8")
    code = f"""
import sys
from rag_lifelong import open_assistant
with open_assistant({str(tmp_path / "kb")!r}, embedder="hash") as assistant:
    assistant.add({str(tmp_path / "a.md")!r})
    print(assistant.ask("How many attempts are there for retries?").refused)
print([m for m in ("torch", "transformers", "sentence_transformers", "llama_index") if m in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["False", "[]"]
