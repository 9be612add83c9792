"""Folders that are followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from following import Followed


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    """An empty folder that is followed."""
    made = Followed(tmp_path)
    made.start()
    yield made
    made.assistant.close()


@pytest.fixture
def unwatched(tmp_path: Path) -> Iterator[Followed]:
    """A folder that a test fills before it starts the watcher."""
    made = Followed(tmp_path)
    yield made
    made.assistant.close()
