"""An answer in pieces, for whoever awaits them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator


async def awaited(pieces: Generator[str, None, None]) -> AsyncGenerator[str, None]:
    """The same pieces; each is made in a thread, so that the event loop goes on meanwhile."""
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        await asyncio.to_thread(pieces.close)
