"""The retry policy, as the workers apply it."""

ATTEMPTS = 3
FIRST_DELAY_MS = 200


def delay_ms(attempt: int) -> int:
    """Milliseconds to wait before an attempt: 200, 2,000, …"""
    return FIRST_DELAY_MS * 10 ** (attempt - 1)
