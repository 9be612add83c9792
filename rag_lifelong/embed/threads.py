"""How many threads numpy's and torch's matrix products may use.

Rule: one, while we embed. Work is spread over cores by batches instead: on short texts a second
BLAS thread doubles the CPU time and saves nothing, and between batches it idles.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


class OneBlasThread:
    """A setting of the whole process, shared by all who hold it at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0
        self._controller: ThreadpoolController | None = None
        self._limit: AbstractContextManager[object] | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """One thread within; what was set before, once the last holder leaves."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._limit = self._limited()
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0 and self._limit is not None:
                    self._limit.__exit__(None, None, None)
                    self._limit = None

    def _limited(self) -> AbstractContextManager[object]:
        if self._controller is None:
            from threadpoolctl import ThreadpoolController

            self._controller = ThreadpoolController()  # looks through the loaded libraries: 1 ms
        limit: AbstractContextManager[object] = self._controller.limit(limits=1, user_api="blas")
        return limit


ONE_BLAS_THREAD = OneBlasThread()
"""The one that all share."""


def before_torch() -> None:
    """Sets how torch's threads wait, if it is still to be imported.

    OpenMP threads that spin while they wait cost a short query 400 ms of CPU on busy cores.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "0")


def one_torch_thread() -> None:
    """torch's operators run on this thread alone; no setting of the process, nor of another thread, is touched.

    For a thread that ends with its work.
    """
    import torch
    from threadpoolctl import ThreadpoolController

    torch.get_num_threads()  # at its first operator, torch would set the thread's number of workers anew
    ThreadpoolController().limit(limits=1, user_api="openmp")  # to OpenMP, the calling thread's
