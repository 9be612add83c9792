"""The one change that is made to a file after reading in."""

from __future__ import annotations

PARAGRAPH = (
    "The heron count at the eastern weir stood at four thousand seven hundred in that year. Herons were counted from "
    "the footbridge below the weir at dawn, by two wardens who did not speak to each other before they had written "
    "their numbers down. A heron that flew off and came back was counted once. Where the two numbers differed, the "
    "heron count of the day was their mean."
)
QUESTION = "How high was the heron count at the eastern weir?"
WORD = "heron"


def edited(text: str) -> str:
    """With PARAGRAPH before the line in the middle."""
    lines = text.split("\n")
    middle = len(lines) // 2
    return "\n".join([*lines[:middle], "", PARAGRAPH, "", *lines[middle:]])


def quoted(text: str) -> str:
    """A hundred words of its middle."""
    words = text.split()
    middle = len(words) // 2
    return " ".join(words[max(0, middle - 50) : middle + 50])
