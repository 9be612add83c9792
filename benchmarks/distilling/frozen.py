"""What is set before the test's worlds exist: the recipe, the runs, and the code that decides their seeds.

Rule: changed only together with a new line in docs/log.md that says what the former gave. A change in any file of
`rag_lifelong/distill`, in the adapter's own code or in the world draws other worlds.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from rag_lifelong.distill import Recipe

ROOT = Path(__file__).resolve().parents[2]
RUNS = (1, 2, 3)
RECIPE = Recipe(
    max_passages=20,
    rank=32,
    alpha=32,
    layers=1.0,  # of four
    learning_rate=3e-4,
    epochs=200,
    steps=2_600,
    batch=20,
    evidence=1,  # the small model reads one note at a time
    locality=0.45,
    general=0.3,
    with_passages=0.1,
)


def code_digest() -> str:
    """Of the code that distils, of the world and of the model, in hexadecimal."""
    found = blake2b(digest_size=16)
    files = [
        *sorted((ROOT / "rag_lifelong" / "distill").glob("*.py")),
        ROOT / "rag_lifelong" / "generate" / "adapter.py",
        *(Path(__file__).with_name(name) for name in ("world.py", "wordings.py", "lived.py", "plain.py", "frozen.py")),
        *sorted(Path(__file__).with_name("model").glob("*.safetensors")),
    ]
    for path in files:
        found.update(path.name.encode() + b"\n" + path.read_bytes())
    return found.hexdigest()
