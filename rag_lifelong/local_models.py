"""Models that lie on this machine: found without asking the network, loaded without bars.

Rule: nothing is downloaded, so nothing hangs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def model_folder(spec: str, *, family: str) -> Path | None:
    """The folder that `spec` is, or that the Hugging Face cache has by that name, or by it in `family`; else None."""
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    for name in (spec, f"{family}/{spec}"):
        try:
            return Path(snapshot_download(name, local_files_only=True))
        except (OSError, ValueError):  # not there; not even a name
            continue
    return None


@dataclass(frozen=True, slots=True)
class Cached:
    """A language model in the Hugging Face cache, under its hub name."""

    name: str
    size_bytes: int


def cached_language_models() -> tuple[Cached, ...]:
    """The models in the Hugging Face cache that write text, by name."""
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return ()
    found = [
        Cached(repository.repo_id, repository.size_on_disk)
        for repository in repositories
        if repository.repo_type == "model" and any(_writes(r.snapshot_path) for r in repository.revisions)
    ]
    return tuple(sorted(found, key=lambda model: model.name))


def _writes(folder: Path) -> bool:
    """Whether a model's own settings say that it is a causal language model, and its weights are there."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kinds = said.get("architectures") or []
    except (OSError, ValueError, AttributeError):
        return False
    is_causal = any(str(kind).endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds)
    return is_causal and any(folder.glob("*.safetensors"))


@contextmanager
def without_bars() -> Iterator[None]:
    """transformers draws no progress meanwhile."""
    from transformers.utils import logging

    shows_progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shows_progress:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def without_surrogates(text: str) -> str:
    """The text less halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "ignore").decode("utf-8")
