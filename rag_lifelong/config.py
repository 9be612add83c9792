"""Settings: what they are, where they come from, and what each is now.

Rule: read once, in `open_assistant`, from the knowledge base's `lifelong.toml`, then the user's, then the
defaults; the environment goes before all. Never from a followed folder or the working folder. Read again are rules,
once they have changed (`live_rules`), and by `lifelong watch`, at most hourly, whether it is to distil.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.limits import DEFAULT as DEFAULT_LIMITS
from ingest.limits import Limits
from rag_lifelong.errors import BadSetting

if TYPE_CHECKING:
    from rag_lifelong.generate.language_model import ModelSettings
    from rag_lifelong.staleness import Rule

FILE_NAME = "lifelong.toml"
_APPLICATION = "lifelong"
ENVIRONMENT = {"model": "LIFELONG_MODEL", "embedder": "LIFELONG_EMBEDDER", "reranker": "LIFELONG_RERANKER"}


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; PURPOSES says what each is for.

    rules: about the age of documents, as read when opened, the user's before the knowledge base's own; of two that
    match, the later one holds.
    """

    model: str
    embedder: str
    reranker: str
    k: int
    chunk_tokens: int
    max_file_mb: int
    parse_seconds: int
    parse_memory_mb: int
    max_pages: int
    max_depth: int
    max_nesting: int
    max_members: int
    max_unpacked_mb: int
    max_text_mb: int
    ocr_seconds: int
    ocr_languages: str
    settle_ms: int
    editor_uri: str
    color: str
    model_device: str
    model_dtype: str
    model_threads: int
    model_context_tokens: int
    model_wait_s: int
    keep_chats: bool
    notes_folder: str
    distill_every_days: int
    distill_after_passages: int
    distill_within: str
    rules: tuple[Rule, ...] = ()

    @property
    def limits(self) -> Limits:
        """How far reading one file may go."""
        return Limits(
            timeout_s=self.parse_seconds,
            memory_bytes=self.parse_memory_mb * 1_000_000,
            max_pages=self.max_pages,
            max_depth=self.max_depth,
            max_nesting=self.max_nesting,
            max_members=self.max_members,
            max_unpacked_bytes=self.max_unpacked_mb * 1_000_000,
            max_chars=self.max_text_mb * 1_000_000,
            ocr_seconds=self.ocr_seconds,
            ocr_languages=self.ocr_languages,
        )


DEFAULTS = Config(
    model="quote",
    embedder="",
    reranker="",
    k=8,
    chunk_tokens=200,
    max_file_mb=100,
    parse_seconds=round(DEFAULT_LIMITS.timeout_s),
    parse_memory_mb=(DEFAULT_LIMITS.memory_bytes or 0) // 1_000_000,
    max_pages=DEFAULT_LIMITS.max_pages,
    max_depth=DEFAULT_LIMITS.max_depth,
    max_nesting=DEFAULT_LIMITS.max_nesting,
    max_members=DEFAULT_LIMITS.max_members,
    max_unpacked_mb=DEFAULT_LIMITS.max_unpacked_bytes // 1_000_000,
    max_text_mb=DEFAULT_LIMITS.max_chars // 1_000_000,
    ocr_seconds=round(DEFAULT_LIMITS.ocr_seconds),
    ocr_languages=DEFAULT_LIMITS.ocr_languages,
    settle_ms=300,
    editor_uri="file://{path}",
    color="auto",
    model_device="auto",
    model_dtype="auto",
    model_threads=0,
    model_context_tokens=0,
    model_wait_s=300,
    keep_chats=True,
    notes_folder="",
    distill_every_days=0,
    distill_after_passages=0,
    distill_within="",
)

PURPOSES = {
    "model": "SPEC of the language model; `quote` for none",
    "embedder": "SPEC of the embedder, which takes over from another in the background; empty for the one the "
    "knowledge base was built with, for a new one all-MiniLM-L6-v2",
    "reranker": "folder or name of a cross-encoder on this machine, to read the best passages again; empty for none",
    "k": "passages a search shows",
    "chunk_tokens": "about the size of a full chunk",
    "max_file_mb": "larger files are not read",
    "parse_seconds": "seconds that reading one file may take; then it is given up, and the others go on",
    "parse_memory_mb": "memory that reading one file may take",
    "max_pages": "pages, slides or sheets of one file",
    "max_depth": "elements of one file within one another",
    "max_nesting": "files within files: an archive in a mail in an archive is 3",
    "max_members": "files in one file: members of an archive, messages of a mailbox, attachments",
    "max_unpacked_mb": "what one file may unpack to",
    "max_text_mb": "million characters of text of one file",
    "ocr_seconds": "seconds that reading the pictures of one file may take; `parse_seconds` then holds for each",
    "ocr_languages": "languages of pictures and scanned pages, for tesseract, such as `eng+deu`; empty for English and "
    "up to two others that are installed, `none` to leave pictures unread",
    "settle_ms": "a watched file is read once it has not changed for so long",
    "editor_uri": "what a path:line in the terminal links to; {path}, {line}, {page} are filled in",
    "color": "`auto`, `always` or `never`",
    "model_device": "where a `transformers:` model runs: `auto` (a GPU where there is one), `cpu`, `cuda` or `mps`",
    "model_dtype": "`auto` (as it is stored), `float32`, `bfloat16`, `float16`, or `int8`: its linear layers in eight "
    "bits, on a CPU",
    "model_threads": "CPU threads of a `transformers:` model; 0 for as many as there are cores",
    "model_context_tokens": "tokens a language model reads and writes at most; 0 for what it or its server says",
    "model_wait_s": "seconds a server of language models may take to begin its answer",
    "keep_chats": "what is asked and answered is kept, to go on with and to ask again; `false` keeps nothing",
    "notes_folder": "where `remember` writes, such as ~/vault/notes; empty for notes/ beside the store",
    "distill_every_days": "while `lifelong watch` runs, so many days after the last adapter of the same documents the "
    "next is made, if there is something new to distil; 0 for never",
    "distill_after_passages": "while `lifelong watch` runs, an adapter is made once so many passages wait that have "
    "become stable and used; 0 for never",
    "distill_within": "what `lifelong distill` takes where nothing is named: a glob of paths, or a folder; empty for "
    "all documents",
}

_RANGES = {
    "k": (1, 200),
    "chunk_tokens": (40, 2_000),
    "max_file_mb": (1, 10_000),
    "parse_seconds": (1, 86_400),
    "parse_memory_mb": (100, 10_000_000),
    "max_pages": (1, 10_000_000),
    "max_depth": (1, 900),
    "max_nesting": (1, 50),
    "max_members": (0, 10_000_000),
    "max_unpacked_mb": (1, 1_000_000),
    "max_text_mb": (1, 10_000),
    "ocr_seconds": (1, 864_000),
    "settle_ms": (0, 60_000),
    "model_threads": (0, 1_024),
    "model_context_tokens": (0, 10_000_000),
    "model_wait_s": (1, 86_400),
    "distill_every_days": (0, 3_650),
    "distill_after_passages": (0, 10_000_000),
}
_CHOICES = {
    "color": ("auto", "always", "never"),
    "model_device": ("auto", "cpu", "cuda", "mps"),
    "model_dtype": ("auto", "float32", "bfloat16", "float16", "int8"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as shown: its value, and the file, variable or "default" it comes from."""

    name: str
    value: str | int
    origin: str


def knowledge_base_path(given: str | Path | None = None) -> Path:
    """The knowledge base's folder: `given`, else LIFELONG_KB, else the user's data folder.

    A bare name ("work") means the knowledge base of that name among the user's data, unless a folder of that name
    stands here and holds a knowledge base, or nothing yet. So `--kb notes` beside the folder notes/ never mixes a
    knowledge base into the notes; to name any folder here, write ./notes.
    """
    chosen = given if given is not None else os.environ.get("LIFELONG_KB")
    if chosen is None or not str(chosen):
        return _user_data()
    text = os.path.expanduser(str(chosen))
    is_name = isinstance(chosen, str) and os.sep not in text and "/" not in text and text not in (".", "..")
    if is_name and not (is_knowledge_base(Path(text)) or _is_empty_folder(Path(text))):
        return _user_data().with_name(f"{_APPLICATION}-{text}")
    return Path(os.path.abspath(text))


def is_knowledge_base(path: Path) -> bool:
    """Whether a knowledge base is kept in that folder."""
    from rag_lifelong.store.glance import FILE_NAME as STORE_NAME  # late: it brings sqlite3

    return (path / STORE_NAME).is_file()


def load_config(knowledge_base: Path) -> Config:
    """The settings in force for a knowledge base. Raises BadSetting."""
    values = {setting.name: setting.value for setting in settings_of(knowledge_base)}
    return Config(**values, rules=tuple(rule for rule, _ in rules_of(knowledge_base)))  # type: ignore[arg-type]


def rules_of(knowledge_base: Path) -> tuple[tuple[Rule, str], ...]:
    """(rule, the file it stands in), in the order that they apply. Raises BadSetting."""
    from rag_lifelong import rules  # late: completion, which must be quick, reads none

    found = [_read(path) for path in (user_file(), knowledge_base / FILE_NAME)]
    return tuple((rule, str(path)) for path, values in found for rule in rules.parse(values.get("rules", []), path))


def model_settings(config: Config) -> ModelSettings:
    """How language models are loaded and waited for."""
    from rag_lifelong.generate.language_model import ModelSettings

    return ModelSettings(
        device=config.model_device,
        dtype=config.model_dtype,
        threads=config.model_threads,
        context_tokens=config.model_context_tokens,
        wait_s=config.model_wait_s,
    )


def settings_of(knowledge_base: Path) -> tuple[Setting, ...]:
    """Every setting with its origin. Raises BadSetting for an unknown name or an unusable value."""
    sources = [_read(path) for path in (knowledge_base / FILE_NAME, user_file())]
    found = []
    for field in fields(DEFAULTS):
        if field.name == "rules":  # a list; see rules_of
            continue
        variable = ENVIRONMENT.get(field.name)
        if variable is not None and os.environ.get(variable):
            found.append(Setting(field.name, os.environ[variable], variable))
            continue
        for path, values in sources:
            if field.name in values:
                found.append(Setting(field.name, _checked(path, field.name, values[field.name]), str(path)))
                break
        else:
            found.append(Setting(field.name, getattr(DEFAULTS, field.name), "default"))
    return tuple(found)


def user_file() -> Path:
    """The user's own settings file, for all knowledge bases."""
    from platformdirs import user_config_path

    return user_config_path(_APPLICATION, appauthor=False) / FILE_NAME


def _user_data() -> Path:
    from platformdirs import user_data_path

    return user_data_path(_APPLICATION, appauthor=False)


def _is_empty_folder(path: Path) -> bool:
    try:
        return next(path.iterdir(), None) is None
    except OSError:
        return False


def _read(path: Path) -> tuple[Path, Mapping[str, object]]:
    import difflib  # both late: completion, which must be quick, reads no settings
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return path, {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadSetting(f"cannot read {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{path} is not valid TOML: {error}") from error
    known = [field.name for field in fields(Config)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise BadSetting(f"{path}: unknown setting {name!r}{hint}")
    return path, values


def _checked(path: Path, name: str, value: object) -> str | int:
    expected = type(getattr(DEFAULTS, name))
    if not isinstance(value, expected) or isinstance(value, bool) != (expected is bool):
        kind = {int: "a whole number", bool: "true or false"}.get(expected, "a text in quotes")
        raise BadSetting(f"{path}: {name} must be {kind}, not {value!r}")
    if isinstance(value, int) and name in _RANGES:
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise BadSetting(f"{path}: {name} must lie between {low} and {high}, not {value}")
    elif name in _CHOICES and value not in _CHOICES[name]:
        raise BadSetting(f"{path}: {name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
    assert isinstance(value, (str, int))
    return value
