"""Events of a calendar (iCalendar, RFC 5545) as lines that one reads: what, when, where, who.

Rule: times stay as the calendar has them, with their zone's name: what they are elsewhere is another day's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r'([A-Za-z-]{1,40})((?:;[^:;="\n]{1,60}=(?:"[^"\n]*"|[^:;"\n]*))*):([^\n]*)')
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z)?)?")
_PARAMETER = re.compile(r';([^:;="\n]{1,60})=(?:"([^"\n]*)"|([^:;"\n]*))')
_ESCAPE = re.compile(r"\\([\\;,nN])")
_SHOWN = {
    "SUMMARY": "Event",
    "DTSTART": "Start",
    "DTEND": "End",
    "DUE": "Due",
    "LOCATION": "Place",
    "ORGANIZER": "Organizer",
    "STATUS": "Status",
    "DESCRIPTION": "",
}
_KINDS = ("VEVENT", "VTODO", "VJOURNAL")
_MAX_EVENTS = 1_000


def written(calendar: str) -> Iterator[str]:
    """A text for each event or task of the calendar, in order."""
    found: dict[str, str] | None = None
    inner = 0  # alarms in an event
    count = 0
    for line in _FOLD.sub("", calendar).split("\n"):
        entry = _LINE.fullmatch(line.rstrip())
        if entry is None:
            continue
        name, value = entry[1].upper(), entry[3].strip()
        if name == "BEGIN":
            if found is None:
                found = {} if value.upper() in _KINDS else None
            else:
                inner += 1
        elif name == "END" and inner:
            inner -= 1
        elif name == "END" and found is not None:
            shown = [f"{_SHOWN[key]}: {found[key]}" if _SHOWN[key] else found[key] for key in _SHOWN if found.get(key)]
            if shown:
                yield "\n".join(shown)
            count += 1
            if count == _MAX_EVENTS:
                return
            found = None
        elif found is not None and not inner and name in _SHOWN:
            found.setdefault(name, _value(name, entry[2], value))


def _value(name: str, parameters: str, value: str) -> str:
    given = {found[1].upper(): found[2] or found[3] or "" for found in _PARAMETER.finditer(parameters)}
    if name in ("DTSTART", "DTEND", "DUE"):
        time = _TIME.fullmatch(value)
        if time is None:
            return value
        day = f"{time[1]}-{time[2]}-{time[3]}"
        zone = "UTC" if time[6] else given.get("TZID", "")
        return f"{day} {time[4]}:{time[5]} {zone}".rstrip() if time[4] else day
    if name == "ORGANIZER":
        address = re.sub(r"mailto:", "", value, count=1, flags=re.IGNORECASE)
        return f"{given['CN']} <{address}>" if given.get("CN") else address
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()
