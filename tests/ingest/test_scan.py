"""What a folder holds, what is left out, and how it differs from what is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest import MissingFile
from ingest.scan import Found, Ignore, Rules, Unreadable, compare, look, scan


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def paths(root: Path, **options: object) -> list[str]:
    return [f.path for f in scan(root, **options) if isinstance(f, Found)]  # type: ignore[arg-type]


def test_files_are_found_below_the_root_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.md", "a/c.md", "a/b/d.txt")
    assert paths(tmp_path) == ["a/b/d.txt", "a/c.md", "b.md"]
    assert paths(tmp_path, below="a") == ["a/b/d.txt", "a/c.md"]


def test_defaults_are_left_out(tmp_path: Path) -> None:
    make(
        tmp_path,
        ".git/config",
        "node_modules/x/readme.md",
        "a.md~",
        ".a.md.swp",
        "~$b.docx",
        "c.tmp",
        "keep.md",
    )
    assert paths(tmp_path) == ["keep.md"]


def test_the_ignore_file_has_gitignore_syntax(tmp_path: Path) -> None:
    make(tmp_path, "drafts/a.md", "b.log", "keep.log", "c.md")
    (tmp_path / ".lifelongignore").write_text("# no drafts\ndrafts/\n*.log\n!keep.log\n")
    assert paths(tmp_path) == ["c.md", "keep.log"]
    rule = Ignore(tmp_path).rule_for("drafts/a.md")
    assert rule is not None
    assert (Path(rule.source).name, rule.line, rule.pattern) == (".lifelongignore", 2, "drafts/")
    assert Ignore(tmp_path).rule_for("c.md") is None


def test_links_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "root/a.md", "outside/b.md")
    os.symlink(tmp_path / "outside", tmp_path / "root" / "link")
    os.symlink(tmp_path / "root", tmp_path / "root" / "loop")
    os.symlink(tmp_path / "outside" / "b.md", tmp_path / "root" / "b.md")
    assert paths(tmp_path / "root") == ["a.md"]
    assert look(tmp_path / "root", "b.md") is None


def test_other_roots_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "inner/b.md")
    assert paths(tmp_path, skip=[tmp_path / "inner"]) == ["a.md"]


def test_a_missing_root_is_an_error_and_not_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="cannot read folder"):
        list(scan(tmp_path / "away"))


def test_names_of_any_script_are_found(tmp_path: Path) -> None:
    make(tmp_path, "日记.md", "a b/ü.md", "x" * 200 + ".md")
    assert paths(tmp_path) == sorted(["日记.md", "a b/ü.md", "x" * 200 + ".md"])


def test_differences() -> None:
    known = {
        "same.md": (1, 1),
        "grown.md": (1, 1),
        "touched.md": (1, 1),
        "gone.md": (1, 1),
        "locked/x.md": (1, 1),
    }
    here = [
        Found("same.md", 1, 1),
        Found("grown.md", 2, 1),
        Found("touched.md", 1, 2),
        Found("new.md", 1, 1),
        Unreadable("locked", "permission denied"),
    ]
    found = compare(known, here, below="")
    assert [f.path for f in found.new] == ["new.md"]
    assert [f.path for f in found.changed] == ["grown.md", "touched.md"]
    assert found.vanished == ("gone.md",), "what lies in a folder that cannot be listed has not vanished"
    assert found.unchanged == 1


def test_only_paths_below_the_part_compared_can_vanish() -> None:
    known = {"a/x.md": (1, 1), "ab/y.md": (1, 1), "b/z.md": (1, 1)}
    assert compare(known, [], below="a").vanished == ("a/x.md",)


def test_a_name_that_is_no_utf8_is_looked_at_as_it_is_shown(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    with open(os.fsencode(tmp_path) + b"/caf\xe9/na\xefve.md", "wb") as file:
        file.write(b"Words.")
    found = list(scan(tmp_path))
    assert [entry.path for entry in found] == ["caf\ufffd/na\ufffdve.md"]
    assert look(tmp_path, "caf\ufffd/na\ufffdve.md") == found[0]
    assert look(tmp_path, "caf\ufffd/other\ufffd.md") is None


def test_links_that_loop_are_followed_to_no_end_wherever_one_begins(tmp_path: Path) -> None:
    links = Rules(uses_gitignore=False, follows_links=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("Words.")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "up").symlink_to(tmp_path / "sub")
    (tmp_path / "itself").symlink_to("itself")
    assert [entry.path for entry in scan(tmp_path, rules=links)] == ["sub/a.md"]
    assert [entry.path for entry in scan(tmp_path, below="sub", rules=links)] == ["sub/a.md"]
    assert list(scan(tmp_path, below="loop", rules=links)) == []
    assert list(scan(tmp_path, below="sub/up", rules=links)) == []


def test_what_cannot_be_told_has_not_vanished() -> None:
    known = {"sub/a.md": (1, 1), "subway.md": (1, 1), "link.md": (1, 1)}
    difference = compare(known, [Unreadable("sub", "no"), Unreadable("link.md", "no")], below="")
    assert difference.vanished == ("subway.md",)
