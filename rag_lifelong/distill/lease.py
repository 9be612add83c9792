"""One distillation at a time: a lock that the system releases when its process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lifelong.errors import DistillingAlready


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else distils meanwhile in the knowledge base in this folder. Raises DistillingAlready."""
    from filelock import FileLock, Timeout

    leases = folder / "leases"
    leases.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(str(leases / "distill.lock"), is_singleton=False, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DistillingAlready(
            "another process distils already, one at a time; what became of it: lifelong adapters"
        ) from None
    try:
        yield
    finally:
        lock.release()
