"""What stands in the way of a thread that goes on for years: a full disk, a folder that can only be read.

Rule: said once when it begins and once when it is over, and tried again ever more rarely in between.
"""

from __future__ import annotations

from collections.abc import Callable

WAIT_S = 5.0  # before the first new try; twice as long after each that failed …
WAIT_MOST_S = 60.0  # … up to this: so late is a disk that has room again noticed


class Trouble:
    """The trouble of one thread. say: told (kind, message), "trouble" when it begins and "recovered" when it ends."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._wait_s = 0.0
        self.message = ""  # of the trouble that lasts; "" is none

    def met(self, error: Exception) -> float:
        """It happened, or happened again; gives how long to wait before the next try."""
        message = str(error)
        if message != self.message:
            self._wait_s = WAIT_S
            self.message = message
            self._say("trouble", message)
        else:
            self._wait_s = min(2 * self._wait_s, WAIT_MOST_S)
        return self._wait_s

    def is_over(self) -> bool:
        """Work was done; True if there was trouble until now."""
        if not self.message:
            return False
        message, self.message = self.message, ""
        self._say("recovered", f"over: {message}")
        return True
