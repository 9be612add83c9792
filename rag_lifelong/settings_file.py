"""`lifelong.toml` written by command.

Rule: the file is the user's: comments and order stay, and it is replaced whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rag_lifelong.errors import BadSetting


def put(path: Path, name: str, value: str) -> None:
    """The setting `name` is `value` from now on, where it stood, or before all tables. Raises BadSetting."""
    import tomlkit

    found = document(path)
    found[name] = value
    replace(path, tomlkit.dumps(found))


def document(path: Path):  # type: ignore[no-untyped-def]  # tomlkit's document, which is a mapping
    """The file as it stands, an empty one if there is none. Raises BadSetting."""
    import tomlkit

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"cannot read {path}: {error}") from error
    except tomlkit.exceptions.ParseError as error:
        raise BadSetting(f"{path} is not valid TOML: {error}") from error


def replace(path: Path, text: str) -> None:
    """Whole or not at all, also through a crash. Where a link leads stays so, and who may read it."""
    path = Path(os.path.realpath(path))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except OSError as error:
        raise BadSetting(f"cannot write {path}: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
