"""Milliseconds since 1970, UTC, as stored ⇄ aware datetimes, as shown."""

from __future__ import annotations

from datetime import UTC, datetime


def to_ms(moment: datetime) -> int:
    """`moment` (aware) as stored."""
    return round(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """A stored time, aware, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
