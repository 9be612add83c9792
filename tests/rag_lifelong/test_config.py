"""Where settings come from, and what is said of those that cannot be used."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from rag_lifelong.config import DEFAULTS, PURPOSES, Setting, knowledge_base_path, load_config, settings_of, user_file
from rag_lifelong.errors import BadSetting


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def origin_of(found: tuple[Setting, ...], name: str) -> tuple[str | int, str]:
    return next((s.value, s.origin) for s in found if s.name == name)


def test_without_any_file_everything_is_default(tmp_path: Path) -> None:
    assert load_config(tmp_path) == DEFAULTS
    assert {s.origin for s in settings_of(tmp_path)} == {"default"}
    assert (DEFAULTS.model, DEFAULTS.embedder, DEFAULTS.k, DEFAULTS.max_file_mb) == (
        "quote",
        "",
        8,
        100,
    )


def test_the_knowledge_base_goes_before_the_user_and_the_environment_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = written(tmp_path / "kb" / "lifelong.toml", 'k = 3\nmodel = "transformers:/a"\n')
    user = written(user_file(), 'k = 5\ncolor = "never"\nmodel = "transformers:/b"\n')
    found = settings_of(tmp_path / "kb")
    assert origin_of(found, "k") == (3, str(own))
    assert origin_of(found, "color") == ("never", str(user))
    assert origin_of(found, "model") == ("transformers:/a", str(own))
    monkeypatch.setenv("LIFELONG_MODEL", "quote")
    assert origin_of(settings_of(tmp_path / "kb"), "model") == ("quote", "LIFELONG_MODEL")


def test_a_file_in_the_working_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "lifelong.toml", "k = 3\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(tmp_path / "kb").k == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "unknown setting 'colour'; did you mean 'color'?"),
        ("zzz = 1", "unknown setting 'zzz'; there are model, embedder, reranker, k"),
        ('k = "8"', "k must be a whole number, not '8'"),
        ("k = true", "k must be a whole number, not True"),
        ("k = 0", "k must lie between 1 and 200, not 0"),
        ("model = 3", "model must be a text in quotes, not 3"),
        ('color = "red"', "color must be one of auto, always, never, not 'red'"),
        ("k = [", "is not valid TOML"),
        ("[k]\nx = 1", "k must be a whole number"),
    ],
)
def test_an_unusable_setting_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path / "lifelong.toml", text)
    with pytest.raises(BadSetting) as raised:
        load_config(tmp_path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "lifelong.toml").write_bytes(b"k = '\xff'")
    with pytest.raises(BadSetting, match="it is not UTF-8 text"):
        load_config(tmp_path)


def test_the_knowledge_base_is_the_option_then_the_variable_then_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["HOME"])
    assert knowledge_base_path() == home / ".local/share/lifelong"
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "b"))
    assert knowledge_base_path() == tmp_path / "b"
    assert knowledge_base_path(str(tmp_path / "a")) == tmp_path / "a"
    assert knowledge_base_path("~/x") == home / "x"
    monkeypatch.setenv("LIFELONG_KB", "")
    assert knowledge_base_path() == home / ".local/share/lifelong"


def test_a_bare_name_is_kept_among_the_users_data_unless_a_folder_here_can_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path(os.environ["HOME"]) / ".local/share"
    assert knowledge_base_path("work") == data / "lifelong-work"
    (tmp_path / "work").mkdir()
    assert knowledge_base_path("work") == tmp_path / "work"
    (tmp_path / "work" / "notes.md").write_text("Mine.", encoding="utf-8")
    assert knowledge_base_path("work") == data / "lifelong-work"  # never mixed into somebody's notes
    assert knowledge_base_path("./work") == tmp_path / "work"
    (tmp_path / "work" / "lifelong.sqlite3").touch()
    assert knowledge_base_path("work") == tmp_path / "work"
    assert knowledge_base_path(Path("other")) == tmp_path / "other"  # a Path is never a name


def test_every_setting_says_what_it_is_for() -> None:
    assert set(PURPOSES) | {"rules"} == {field.name for field in fields(DEFAULTS)}


def test_the_reranker_is_a_setting_with_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config(tmp_path).reranker == ""
    written(tmp_path / "lifelong.toml", 'reranker = "/models/mine"\n')
    assert load_config(tmp_path).reranker == "/models/mine"
    monkeypatch.setenv("LIFELONG_RERANKER", "/models/other")
    assert origin_of(settings_of(tmp_path), "reranker") == ("/models/other", "LIFELONG_RERANKER")
