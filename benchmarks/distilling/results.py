"""Where the result of a run is kept: told apart by all that it comes from besides the code that distils."""

from __future__ import annotations

import argparse
from hashlib import blake2b
from pathlib import Path


def place_of(arguments: argparse.Namespace, number: int, measurement: Path) -> Path:
    """A JSON file in the working folder. number: of the run; measurement: the module that measures, with its settings."""
    about = f"{arguments.people} {arguments.places} {arguments.model.resolve()}".encode()
    mark = blake2b(about + measurement.read_bytes(), digest_size=4).hexdigest()
    return Path(arguments.work) / f"{measurement.stem}-{number}-{mark}.json"
