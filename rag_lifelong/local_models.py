"""Models that lie on this machine: found without asking the network, loaded without bars.

Rule: nothing is downloaded, so nothing hangs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
