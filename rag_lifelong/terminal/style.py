"""Text for a terminal: made safe, shortened, coloured, linked.

Rule: what a document or a file name holds is data. Control characters, escape sequences, direction overrides and
broken characters never reach the terminal, neither as text nor inside a link.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from rag_lifelong.places import file_on_disk
from rag_lifelong.terminal.wrapping import columns_of, folded

# C0 and C1 controls (but tab and newline), line separators, Unicode's direction overrides ("Trojan Source",
# CVE-2021-42574; the marks that Arabic and Hebrew need pass), and bytes of a file name that are no UTF-8
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def safe(text: str) -> str:
    """`text`, lines kept, without anything that could drive a terminal."""
    return _UNSAFE.sub(_REPLACEMENT, text)


def safe_line(text: str) -> str:
    """`text` as one safe line: a newline in a name or a title cannot begin a line of its own."""
    return safe(text.replace("\n", _REPLACEMENT).replace("\t", " "))


def json_safe(text: str) -> str:
    r"""JSON text with whatever `safe` would replace written as \uXXXX: the same value, and harmless on a screen."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def short_path(path: str) -> str:
    """The home folder as ~; one safe line."""
    home = os.path.expanduser("~").rstrip("/")
    if home and (path == home or path.startswith(home + "/")):
        path = "~" + path[len(home) :]
    return safe_line(path)


def place(path: str, line: int | None, page: int | None) -> str:
    """path:line, or path with its page."""
    if line is not None:
        return f"{short_path(path)}:{line}"
    return f"{short_path(path)} p. {page}" if page is not None else short_path(path)


class Style:
    """What the terminal can show."""

    def __init__(self, *, has_colors: bool, has_links: bool, width: Callable[[], int] | None, editor_uri: str) -> None:
        """width: columns now, None where lines stay as long as they are.

        editor_uri: template of a link; {path}, {line} and {page} are filled in.
        """
        self._has_colors = has_colors
        self.width = width
        self._has_links = has_links
        self._editor_uri = editor_uri

    @property
    def has_colors(self) -> bool:
        """Whether bold and dim show."""
        return self._has_colors

    def dim(self, text: str) -> str:
        """Less prominent."""
        return f"\x1b[2m{text}\x1b[22m" if self._has_colors else text

    def bold(self, text: str) -> str:
        """More prominent."""
        return f"\x1b[1m{text}\x1b[22m" if self._has_colors else text

    def indented(self, text: str) -> str:
        """One line of text, four columns in; broken between words to the terminal's width."""
        return f"    {text}" if self.width is None else folded(text, self.width() - 1, indent="    ")

    def filled(self, text: str) -> str:
        """Lines of text, each broken between words to the terminal's width."""
        if self.width is None:
            return text
        width = self.width()
        return "\n".join(
            line if columns_of(line) < width else folded(line, width - 1, indent="") for line in text.split("\n")
        )

    def linked_place(self, path: str, *, line: int | None, page: int | None) -> str:
        """`place`, clickable (OSC 8) where the terminal shows links."""
        shown = place(path, line, page)
        if not self._has_links:
            return shown
        file = file_on_disk(Path(path))
        if file is not None and str(file) != path:  # in an archive or a mail, which is what can be opened
            path, line, page = str(file), None, None
        return f"\x1b]8;;{self._target(path, line=line, page=page)}\x1b\\{shown}\x1b]8;;\x1b\\"

    def _target(self, path: str, *, line: int | None, page: int | None) -> str:
        """The template filled; of a path only unreserved characters stay as they are, so that it ends nothing."""
        from urllib.parse import quote as percent  # late: completion, which must be quick, links nothing

        encoded = percent(os.fsencode(path))
        filled = self._editor_uri.replace("{line}", str(line or 1)).replace("{page}", str(page or 1))
        filled = filled.replace("{path}", encoded)
        is_plain = "#" not in filled and self._editor_uri.startswith("file:")
        if is_plain and page is not None and path.lower().endswith(".pdf"):
            filled += f"#page={page}"
        elif is_plain and line is not None:
            filled += f"#L{line}"
        return re.sub(r"[^\x21-\x7e]", "", filled)  # the template is a setting, and may hold anything


def style_for(color: str, *, editor_uri: str, is_terminal: bool, environment: Mapping[str, str]) -> Style:
    """The style for an output: `color` is the setting ("auto", "always", "never").

    NO_COLOR (no-color.org) and TERM=dumb turn colours off unless the setting is "always", and links in any case.
    """
    is_plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
    return Style(
        has_colors=color == "always" or (color == "auto" and is_terminal and not is_plain),
        has_links=color != "never" and is_terminal and not is_plain,
        width=(lambda: shutil.get_terminal_size().columns) if is_terminal else None,
        editor_uri=editor_uri,
    )
