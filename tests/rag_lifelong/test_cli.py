"""The command line on a real knowledge base: exit codes, what goes to which stream, JSON, refusals, mistakes."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from rag_lifelong import __version__, open_assistant
from rag_lifelong.cli import main
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.terminal import overview
from rag_lifelong.terminal.commands import dates_of, path_and_line
from rag_lifelong.terminal.parser import Usage, build_parser, globs_of

QUEUE = "# On call\n\n## Ownership\n\nThe dead-letter queue is owned by Ana Ruiz since March.\n"
LAPTOP = "# First day\n\nThe laptop is handed out by IT at half past nine.\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lifelong …` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.chdir(tmp_path)

    def running(*words: str) -> tuple[int, str, str]:
        code = main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return running


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "ops").mkdir(parents=True)
    (folder / "ops" / "oncall.md").write_text(QUEUE, encoding="utf-8")
    (folder / "first day.md").write_text(LAPTOP, encoding="utf-8")
    (folder / "scan.xyz").write_bytes(b"\x00\x01")
    return folder


# -- beginning


def test_bare_without_a_knowledge_base_says_how_to_begin(run: Run, tmp_path: Path) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "No knowledge base yet. Begin with a folder:"
    assert f"It will be kept in {tmp_path}/kb. Nothing leaves this machine." in out
    assert not (tmp_path / "kb").exists()


def test_bare_with_a_knowledge_base_and_no_terminal_prints_the_help(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.startswith("usage: lifelong")


def test_help_is_grouped(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    places = [out.index(group) for group in ("every day:", "time:", "care:", "learning:")]
    assert places == sorted(places)


def test_each_command_has_help_with_examples(run: Run) -> None:
    for name in (
        "add",
        "ask",
        "search",
        "chat",
        "status",
        "list",
        "show",
        "forget",
        "versions",
        "check",
        "rebuild",
        "watch",
        "sync",
        "history",
        "diff",
        "undo",
        "folders",
        "unfollow",
        "evaluate",
        "adapters",
        "distill",
    ):
        code, out, _ = run(name, "--help")
        assert code == 0
        assert out.startswith(f"usage: lifelong {name}")
        assert f"examples:\n  lifelong {name}" in out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"lifelong {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stauts"], "lifelong: there is no command 'stauts'; did you mean status?; see: lifelong --help\n"),
        (["show"], "lifelong: the following arguments are required: PATH[:LINE]; see: lifelong show --help\n"),
        (["search", "-k", "0", "x"], "lifelong: argument -k: must be a whole number from 1 on, not '0'; see: lifelong search --help\n"),
        (["ask", "--dated", "2026-13-01..", "x"], "lifelong: cannot read --dated '2026-13-01..'; give FROM..TO, such as 2026-01-01..2026-03-31\n"),
        (["ask", ""], "lifelong: the question is empty\n"),
        (["rules", "--as-of", "3"], "lifelong: rules takes no --as-of, which is for ask, search, chat, list, show, replay; see: lifelong rules --help\n"),
        (["--in", "a", "conflicts"], "lifelong: conflicts takes no --in, which is for ask, search, chat, list, prune, remember; see: lifelong conflicts --help\n"),
        (["list", "-k", "3"], "lifelong: list takes no -k, which is for ask, search, chat, versions, conflicts, chats, service, evaluate, replay; see: lifelong list --help\n"),
        (["evaluate", "--dated", "2026-01-01"], "lifelong: evaluate takes no --dated, which is for ask, search, chat, list; see: lifelong evaluate --help\n"),
        (["list", "--fail"], "lifelong: unrecognized arguments: --fail; see: lifelong --help\n"),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_understood_is_one_line_and_2(run: Run, words: list[str], said: str) -> None:
    assert run(*words) == (2, "", said)


# -- reading in


def test_add_says_what_is_in_and_what_is_not(run: Run, notes: Path) -> None:
    code, out, err = run("add", str(notes))
    assert (code, err) == (0, "")
    assert out == (f"Version 1: 2 documents from {notes}.\n1 file is of a kind that cannot be read: .xyz 1\n")
    assert run("add", str(notes))[1].startswith(f"Nothing new: 2 documents from {notes}.")


def test_add_again_tells_what_changed(run: Run, notes: Path) -> None:
    run("add", str(notes))
    (notes / "ops" / "oncall.md").unlink()
    (notes / "new.md").write_text("Zebras sleep standing.", encoding="utf-8")
    assert run("add", str(notes))[1].splitlines()[0] == f"Version 2: 2 documents from {notes} (1 added, 1 gone)."


def test_add_as_json(run: Run, notes: Path) -> None:
    code, out, _ = run("add", str(notes), "--json")
    found = json.loads(out)
    assert code == 0
    assert {key: found[key] for key in ("documents", "added", "changed", "moved", "removed", "without_vectors")} == {
        "documents": 2, "added": 2, "changed": 0, "moved": 0, "removed": 0, "without_vectors": 0,
    }  # fmt: skip
    assert [version["version"] for version in found["versions"]] == [1]
    assert [failure["path"] for failure in found["failures"]] == [str(notes / "scan.xyz")]


def test_a_path_that_is_not_there_makes_no_knowledge_base(run: Run, tmp_path: Path) -> None:
    code, out, err = run("add", "nothing")
    assert (code, out) == (1, "")
    assert err == f"lifelong: no file or folder at {tmp_path}/nothing; check the spelling\n"
    assert not (tmp_path / "kb").exists()


def test_an_error_cannot_drive_the_terminal(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, _, err = run("show", "nothing\x1b[2J\nhere")
    assert code == 1
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_asking_where_nothing_is_makes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run("ask", "what?")
    assert (code, out) == (1, "")
    assert err == f"lifelong: no knowledge base at {tmp_path}/kb; begin with: lifelong add FOLDER\n"
    assert not (tmp_path / "kb").exists()
    monkeypatch.delenv("LIFELONG_KB")
    assert (
        run("status")[2] == "lifelong: no knowledge base at ~/.local/share/lifelong; begin with: lifelong add FOLDER\n"
    )


# -- asking


def test_an_answer_its_place_and_what_it_rests_on(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("ask", "Who owns the dead-letter queue?")
    today = date.fromtimestamp(os.stat(notes / "ops" / "oncall.md").st_mtime).isoformat()
    lines = out.splitlines()
    assert code == 0
    assert lines[:4] == ["Ana Ruiz", "", '"The dead-letter queue is owned by Ana Ruiz since March." [1]', ""]
    assert lines[4].startswith(f"[1] {notes}/ops/oncall.md:5")
    strict = "hash:64 is not calibrated: more is refused"
    assert lines[5] == f"newest evidence {today} · version 1 · {strict} · everything indexed · quoted"
    assert len(lines) == 6


def test_that_there_is_no_language_model_is_said_once_and_on_stderr(run: Run, notes: Path) -> None:
    run("add", str(notes))
    assert run("-q", "ask", "Who owns the dead-letter queue?")[2] == ""
    assert run("ask", "What is the pay of astronauts?")[2] == ""  # nothing was quoted
    assert run("ask", "Who owns the dead-letter queue?")[2].startswith("Quoting from your files, no language model")
    assert run("ask", "Who owns the dead-letter queue?")[2] == ""


def test_a_refusal_shows_what_is_nearest_and_gives_4(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("ask", "What is the pay of astronauts on Mars?")
    assert code == 4
    assert out.startswith("Your sources do not say.\n")


def test_an_empty_knowledge_base_says_that_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run("add", "empty")
    code, out, _ = run("ask", "Who?")
    assert code == 4
    assert out == "Your sources do not say.\nNothing has been read in yet; begin with: lifelong add FOLDER\n"


def test_ask_as_json_has_exactly_the_keys_promised(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, err = run("ask", "--json", "Who owns the dead-letter queue?")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert list(found) == [
        "question", "text", "refused", "citations", "unsupported", "verdict", "version", "as_of", "model", "adapter",
        "cut", "asked_as", "short",
    ]  # fmt: skip
    assert list(found["citations"][0]) == [
        "number", "path", "label", "line", "page", "start", "end", "quote", "version", "document_date",
        "stale_since", "superseded_by", "retired",
    ]  # fmt: skip
    assert list(found["verdict"]) == [
        "newest_evidence", "stale", "superseded", "lag_files", "lag_passages", "checked_at", "supported_share", "pruned",
        "unwatched", "uncalibrated", "stale_seen", "superseded_seen", "uncited", "dropped_markers",
    ]  # fmt: skip
    cited = found["citations"][0]
    assert QUEUE[cited["start"] : cited["end"]] == cited["quote"]
    assert (cited["path"], cited["line"], cited["page"]) == (str(notes / "ops" / "oncall.md"), 5, None)
    assert (found["refused"], found["version"], found["as_of"], found["model"]) == (False, 1, None, "quote")


def test_search_as_json_has_exactly_the_keys_promised(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("search", "laptop", "--json", "-k", "1")
    (found,) = json.loads(out)
    assert code == 0
    assert list(found) == [
        "path", "label", "line", "page", "start", "end", "text", "score", "version", "document_date",
        "stale_since", "superseded_by", "retired",
    ]  # fmt: skip
    assert LAPTOP[found["start"] : found["end"]] == found["text"]
    (explained,) = json.loads(run("search", "laptop", "zebra", "--json", "-k", "1", "--explain")[1])
    assert list(explained)[-2:] == ["scores", "terms"]
    assert list(explained["scores"]) == ["fused", "dense", "words", "led_by"]
    assert explained["terms"] == ["laptop"]


class Typed(io.StringIO):
    """A terminal at which this is typed."""

    def isatty(self) -> bool:
        return True


def test_a_question_comes_from_standard_input(run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", str(notes))
    for words in (["ask", "-"], ["ask"], ["search"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("Who owns the dead-letter queue?\n"))
        code, out, _ = run(*words)
        assert code == 0
        assert "Ana Ruiz" in out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("ask") == (2, "", "lifelong: the question is empty\n")
    monkeypatch.setattr("sys.stdin", Typed("Who?\n"))
    for name in ("ask", "search"):
        assert run(name) == (2, "", "lifelong: say what to look for\n")


def test_a_question_can_be_about_an_earlier_version(run: Run, notes: Path) -> None:
    run("add", str(notes))
    run("forget", str(notes / "ops"))
    assert run("ask", "Who owns the dead-letter queue?")[0] == 4
    for words in (["--as-of", "1", "ask"], ["ask", "--as-of", "1"]):
        code, out, _ = run(*words, "Who owns the dead-letter queue?")
        assert code == 0
        assert "Ana Ruiz" in out
        assert " · as of version 1 (" in out
    code, out, err = run("ask", "--as-of", "2001-01-01", "Who owns the dead-letter queue?")
    assert (code, out) == (1, "")
    assert "begins at" in err
    assert "--dated ..2001-01-01" in err


def test_questions_are_narrowed_by_path_and_date(run: Run, notes: Path) -> None:
    run("add", str(notes))
    assert run("search", "--in", "ops", "laptop", "--files")[1] == f"{notes}/ops/oncall.md\n"
    both = run("--in", "ops", "search", "--in", "*day.md", "laptop", "--files")[1]
    assert set(both.splitlines()) == {f"{notes}/ops/oncall.md", f"{notes}/first day.md"}
    assert run("search", "laptop", "--dated", "..2001-01-01") == (4, "", "Nothing found.\n")


def test_explain_names_scores_and_terms(run: Run, notes: Path) -> None:
    run("add", str(notes))
    out = run("search", "laptop", "walrus", "-k", "1", "--explain")[1]
    assert out.startswith(f" 1  {notes}/first day.md:1")
    last = out.splitlines()[-1]
    assert "(cosine)" in last
    assert "(BM25)" in last
    assert last.endswith("terms: laptop · without: walrus")


# -- what is there


def test_status_of_everything_and_of_one_file(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("status")
    assert code == 0
    assert "version 1, just now   2 documents, 2 passages, all with vectors" in out
    found = json.loads(run("status", "--json")[1])
    assert list(found) == [
        "kb", "version", "at", "documents", "passages", "without_vectors", "failures", "folders", "embedder", "model",
        "chats", "turns", "adapters", "distilling", "size_bytes", "is_calibrated", "takeover",
    ]  # fmt: skip
    assert (found["documents"], found["passages"], found["without_vectors"], found["model"]) == (2, 2, 0, "quote")
    assert run("status", str(notes / "ops/oncall.md"))[1].startswith(
        f"{notes}/ops/oncall.md   searchable since version 1"
    )
    assert run("status", str(notes / "scan.xyz"))[1].startswith(f"{notes}/scan.xyz   failed: ")
    code, out, _ = run("status", str(notes / "oncal.md"))
    assert code == 4
    assert out.splitlines()[1] == f"Nearest: {notes}/ops/oncall.md"


def test_status_of_a_file_says_what_speaks_against_it_and_where_it_went(run: Run, notes: Path) -> None:
    first, oncall = notes / "first day.md", notes / "ops" / "oncall.md"
    os.utime(oncall, (0, 0))
    run("add", str(notes), "-q")
    run("conflicts", "--supersede", str(first), str(oncall))
    run("rules", "ops/*", "--time-to-live", "2w")

    def told(file: Path) -> str:
        code, out, _ = run("status", str(file))
        assert code == 0
        return out.removeprefix(f"{file}   ").removesuffix("\n")

    against = f"superseded by {oncall}, which is found before it"
    assert told(first) == f"searchable since version 1, 1 passage; {against}"
    assert told(oncall) == "searchable since version 1, 1 passage; stale since 1970-01-15"
    run("rules", "ops/*", "--past", "hide")
    assert told(oncall) == "hidden: left out of answers by a rule, being stale since 1970-01-15; see: lifelong rules"
    first.rename(notes / "second day.md")
    run("sync", "-q")
    assert told(first) == f"moved in version 3; it stands at {notes}/second day.md now"
    assert json.loads(run("status", str(first), "--json")[1])["state"] == "moved"
    (notes / "second day.md").unlink()
    run("sync", "-q")
    cause = f"gone since version 4 (sync {notes}); its text: lifelong show"
    assert told(first) == f"moved in version 3; {cause} {first}"
    assert told(notes / "second day.md") == f"{cause} {notes}/second day.md"
    assert run("show", str(first))[1] == LAPTOP


def test_status_names_the_model_without_loading_it(run: Run, notes: Path, tmp_path: Path) -> None:
    run("add", str(notes))
    (tmp_path / "kb" / "lifelong.toml").write_text('model = "transformers:/nowhere"\n', encoding="utf-8")
    code, out, _ = run("status", "--json")
    assert (code, json.loads(out)["model"]) == (0, "transformers:/nowhere")
    code, _, err = run("ask", "Who?")
    assert code == 1
    assert "/nowhere" in err


def test_lists_of_documents_failures_and_what_waits(run: Run, notes: Path) -> None:
    run("add", str(notes))
    assert [line.split("  ")[0] for line in run("list")[1].splitlines()] == [
        f"{notes}/first day.md",
        f"{notes}/ops/oncall.md",
    ]
    assert run("list", "ops/*")[1].startswith(f"{notes}/ops/oncall.md")
    assert run("list", "*.pdf") == (4, "", "No such document.\n")
    assert run("list", "--failed") == (0, f"{notes}/scan.xyz  no parser for .xyz files\n", "")
    assert run("list", "--failed", "*.pdf") == (4, "", "No file failed to be read.\n")
    assert run("list", "--pending") == (4, "", "Nothing waits.\n")
    (entry, _) = json.loads(run("list", "--json")[1])
    assert list(entry) == ["path", "title", "dated", "document_date", "version", "passages", "without_vectors", "size_bytes", "stale_since",
        "superseded_by", "retired"]  # fmt: skip


def test_lists_of_then_and_of_a_part(run: Run, notes: Path) -> None:
    run("add", str(notes))
    os.utime(notes / "first day.md", (0, 0))
    (notes / "ops" / "oncall.md").unlink()
    run("add", str(notes))

    def names(*words: str) -> list[str]:
        return [Path(line.split("  ")[0]).name for line in run("list", *words)[1].splitlines()]

    assert names() == ["first day.md"]
    assert names("--as-of", "1") == ["first day.md", "oncall.md"]
    assert names("--as-of", "1", "--in", "ops/*", "--in", "nowhere") == ["oncall.md"]
    assert names("--as-of", "1", "--in", "ops", "*.md") == ["oncall.md"]
    assert names("--as-of", "1", "--in", "ops", "first*") == []
    assert names("--in", "ops/*") == []
    assert names("--dated", "..1999-12-31", "--as-of", "1") == []
    assert names("--failed", "--in", "*.xyz") == ["scan.xyz"]
    assert names("--failed", "--in", "*.pdf") == []
    assert run("list", "--failed", "--as-of", "1")[0] == 2
    assert run("list", "--as-of", "9")[::2] == (1, "lifelong: there is no version 9; the newest is 2\n")


def test_show_prints_the_stored_text_also_of_a_file_that_is_gone(run: Run, notes: Path) -> None:
    run("add", str(notes))
    (notes / "ops" / "oncall.md").unlink()
    assert run("show", str(notes / "ops/oncall.md")) == (0, QUEUE, "")
    assert run("show", f"{notes}/ops/oncall.md:5") == (0, QUEUE.split("\n")[4] + "\n", "")
    assert run("show", f"{notes}/ops/oncall.md:50") == (1, "", "lifelong: the document has 6 lines\n")
    run("add", str(notes))
    assert run("show", str(notes / "ops/oncall.md"), "--as-of", "1") == (0, QUEUE, "")
    assert json.loads(run("show", str(notes / "first day.md"), "--json")[1]) == {
        "path": str(notes / "first day.md"),
        "text": LAPTOP,
    }
    code, out, err = run("show", str(notes / "first dya.md"))
    assert (code, out) == (1, "")
    assert err == f"lifelong: nothing is stored at {notes}/first dya.md; did you mean {notes}/first day.md?\n"


def test_forget_holds_says_how_to_take_it_back_and_that_works(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("forget", str(notes / "first day.md"))
    assert code == 0
    assert out == (
        "Version 2: 1 document forgotten, 1 passage retired. Its file stays on disk, and will not be read again.\n"
        f"Take it back: lifelong add '{notes}/first day.md'\n"
    )
    run("add", str(notes))
    assert run("list", "first day.md")[0] == 4
    run("add", f"{notes}/first day.md")
    assert run("list", "first day.md")[0] == 0


def test_what_may_be_superseded_is_listed_decided_and_taken_back(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "plan_v1.md").write_text("# Plan\n\nThe bridge opens in May for all who walk.\n")
    (folder / "plan_v2.md").write_text("# Plan\n\nThe bridge opens in June for all who walk.\n")
    assert run("conflicts")[0] == 1  # no knowledge base yet
    run("add", str(folder), "-q")
    code, out, err = run("conflicts")
    assert (code, out.splitlines()[0].split()[1:]) == (0, [f"{folder}/plan_v1.md", "→", f"{folder}/plan_v2.md"])
    name = out.split()[0]
    assert f"lifelong conflicts --confirm {name}" in err
    (entry,) = json.loads(run("conflicts", "--json")[1])
    assert (entry["code"], entry["decision"], entry["kind"]) == (name, None, "name")
    code, out, err = run("conflicts", "--confirm", name)
    assert (code, out.splitlines()[0], out.splitlines()[-1]) == (0, "Version 2:", "Take it back: lifelong undo")
    assert run("conflicts")[::2] == (4, "No document seems to be superseded by another.\n")
    assert f"superseded by {folder}/plan_v2.md" in run("list", "--stale")[1]
    assert f"plan_v1.md:1 · superseded by {folder}/plan_v2.md" in run("search", "bridge opens in May")[1]
    assert run("versions", "-k", "1")[1].rstrip().endswith("confirm plan_v1.md → plan_v2.md")
    assert "1 decision as before version 2." in run("undo")[1]
    assert run("conflicts", "--settled")[::2] == (4, "Nothing is decided yet.\n")
    assert run("list", "--stale")[0] == 4
    assert run("conflicts", "--reject", "8-9")[::2] == (
        1,
        "lifelong: there is no conflict 8-9; see: lifelong conflicts --settled\n",
    )


def test_decisions_are_in_the_history_and_in_what_differs(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    old, new = folder / "plan_v1.md", folder / "plan_v2.md"
    old.write_text("# Plan\n\nThe bridge opens in May for all who walk.\n")
    new.write_text("# Plan\n\nThe bridge opens in June for all who walk.\n")
    run("add", str(folder), "-q")
    run("conflicts", "--supersede", str(old), str(new))
    run("conflicts", "--reject", "1-2")
    run("undo", "3")
    run("undo", "4")
    run("conflicts", "--supersede", str(old), str(new))
    run("undo")
    assert run("undo", "2")[0] == 1

    def told(file: Path) -> list[str]:
        return [line.split("   ")[1] for line in run("history", str(file))[1].splitlines()]

    assert told(old) == [
        f"first seen at {old}", f"superseded by {new}", f"not superseded by {new}", f"superseded by {new}",
        f"not superseded by {new}", f"superseded by {new}", f"not superseded by {new}",
    ]  # fmt: skip
    assert told(new)[1:3] == [f"supersedes {old}", f"does not supersede {old}"]
    assert run("diff", "1", "2") == (0, f"decided  {old}   superseded by {new}\n", "")
    assert run("diff", "2", "4") == (0, "", "Nothing differs.\n")
    with open_assistant() as assistant:
        before = assistant.knowledge_base.changed_between(0, 2)
    assert overview.differing(before).splitlines() == [f"added    {old}   superseded by {new}", f"added    {new}"]
    (entry,) = json.loads(run("diff", "1", "2", "--json")[1])
    assert (entry["before"]["decisions"], entry["after"]["decisions"]) == (
        [],
        [{"old": str(old), "new": str(new), "decision": "confirmed"}],
    )
    old.write_text("Nothing.\n")
    run("sync", "-q")
    assert f"changed  {old}   not superseded by {new}" in run("diff", "2", "now")[1].splitlines()


def test_a_decision_taken_back_is_told_as_that(run: Run, notes: Path) -> None:
    run("add", str(notes), "-q")
    old, new = notes / "first day.md", notes / "ops" / "oncall.md"
    run("conflicts", "--supersede", str(old), str(new))
    run("undo")
    assert f"   nothing decided any more about {new}   undo 2" in run("history", str(old))[1].splitlines()[-1]
    assert run("diff", "2", "3")[1] == f"decided  {old}   nothing decided any more about {new}\n"


def test_rules_are_set_shown_kept_and_dropped(run: Run, notes: Path, tmp_path: Path) -> None:
    run("add", str(notes), "-q")
    assert run("rules")[0] == 0
    code, out, err = run("rules", "ops/*", "--time-to-live", "90 days", "--past", "hide", "--keep-last", "5")
    assert (code, err) == (0, "")
    assert out.startswith("ops/*   holds for 90 days, then hidden · the last 5 former texts kept   1 document   ")
    (entry,) = json.loads(run("rules", "--json")[1])
    assert entry == {
        "match": "ops/*", "time_to_live": "90 days", "past": "hide", "keep_last": 5, "documents": 1, "stale": 0,
        "origin": str(tmp_path / "kb" / "lifelong.toml"),
    }  # fmt: skip
    assert run("prune", "--dry-run")[0] == 0  # by the rule
    assert run("rules", "x/*")[::2] == (4, "No such rule.\n")
    assert run("rules", "--past", "hide")[::2] == (2, "lifelong: say for which documents: lifelong rules 'news/*' …\n")
    message = "cannot read 'long' as a length of time; give 90 days, 2w, 6mo or 1 year"
    for words in (["rules", "ops/*", "--half-life"], ["prune", "--keep-for"]):
        assert run(*words, "long") == (
            2,
            "",
            f"lifelong: argument {words[-1]}: {message}; see: lifelong {words[0]} --help\n",
        )
    assert run("rules", "ops/*", "--half-life", "0d")[::2] == (
        2,
        "lifelong rules: half_life must be longer than nothing\n",
    )
    assert run("rules", "ops/*", "--drop") == (0, "Dropped: ops/*. No rule is left.\n", "")
    assert run("prune", "--dry-run")[0] == 2
    assert run("rules", "ops/*", "--drop")[0] == 1


def test_rules_are_told_in_columns(run: Run, notes: Path, tmp_path: Path) -> None:
    run("add", str(notes), "-q")
    run("rules", "*", "--keep-last", "5")
    run("rules", "ops/*", "--time-to-live", "2w", "--past", "down")
    origin = tmp_path / "kb" / "lifelong.toml"
    assert run("rules")[1].splitlines() == [
        f"*       the last 5 former texts kept          2 documents   {origin}",
        f"ops/*   holds for 2 weeks, then ranked down   1 document    {origin}",
    ]
    assert run("rules", "*", "--drop")[1].splitlines() == [
        "Dropped: *. There are left:",
        f"ops/*   holds for 2 weeks, then ranked down   1 document   {origin}",
    ]


def test_one_option_of_a_rule_is_unset(run: Run, notes: Path) -> None:
    run("add", str(notes), "-q")
    run("rules", "ops/*", "--time-to-live", "2w", "--past", "down", "--half-life", "1y")

    def said() -> list[str]:
        return [name for entry in json.loads(run("rules", "--json")[1]) for name in list(entry)[1:-3]]

    run("rules", "ops/*", "--unset", "past", "half-life", "--keep-last", "3")
    assert said() == ["time_to_live", "keep_last"]
    assert run("rules", "ops/*", "--unset", "past")[0] == 1
    assert run("rules", "*", "--unset", "past")[0] == 1
    assert run("rules", "ops/*", "--past", "hide", "--unset", "past")[0] == 2
    assert run("rules", "ops/*", "--unset", "everything")[0] == 2
    assert run("rules", "ops/*", "--drop", "--past", "hide")[0] == 2
    gone = run("rules", "ops/*", "--unset", "time-to-live", "keep-last")
    assert gone == (0, "", "The rule for 'ops/*' said nothing else, and is gone.\n")
    assert said() == []


def test_rules_without_effect_are_refused(run: Run, notes: Path) -> None:
    run("add", str(notes), "-q")
    code, _, err = run("rules", "ops/*", "--past", "hide")
    assert (code, "no rule says when these are stale" in err) == (1, True)
    assert "no rule goes by age" in run("rules", "ops/*", "--age", "changed")[2]
    assert run("rules", "--json")[1] == "[]\n"
    assert run("rules", "*", "--time-to-live", "2w")[0] == 0
    assert run("rules", "ops/*", "--past", "hide", "--age", "changed")[0] == 0  # with that of the rule before
    assert run("rules", "*", "--past", "mark", "--unset", "time-to-live")[0] == 1


def test_a_rule_that_matches_nothing_says_so(run: Run, notes: Path) -> None:
    run("add", str(notes), "-q")
    code, out, err = run("rules", "oops/*", "--keep-last", "3")
    assert (code, "0 documents" in out) == (0, True)
    assert err == "No document matches 'oops/*' now; a glob is of whole paths, or of paths below a folder added.\n"
    assert run("rules", "oops/*")[2] == ""


def test_paths_of_rules_are_meant_from_here(run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", str(notes), "-q")
    (notes / "ops" / "deep").mkdir()
    (notes / "ops" / "deep" / "a.md").write_text("Text.\n")
    run("add", str(notes), "-q")

    def matches() -> list[str]:
        return [entry["match"] for entry in json.loads(run("rules", "--json")[1])]

    monkeypatch.chdir(notes / "ops")
    for typed, match in (
        ("deep", f"{notes}/ops/deep"),  # a folder that is here
        ("./later", f"{notes}/ops/later"),  # said to be from here
        ("deep/*", f"{notes}/ops/deep/*"),  # matches only from here
        ("ops/*", "ops/*"),  # matches as it stands
        ("*.xyz", "*.xyz"),  # matches nothing
        (".drafts/*", ".drafts/*"),
        ("..", str(notes)),
        (str(notes), str(notes)),
    ):
        run("rules", typed, "--keep-last", "3")
        assert matches() == [match]
        assert run("rules", typed, "--drop")[0] == 0
    assert run("rules", "", "--keep-last", "3")[0] == 2
    run("rules", "*", "--keep-last", "3")
    monkeypatch.chdir(notes)
    assert run("rules", "*", "--drop")[0] == 0


def test_json_calls_one_thing_by_one_name(run: Run, notes: Path) -> None:
    run("add", str(notes), "-q")
    first, oncall = str(notes / "first day.md"), str(notes / "ops" / "oncall.md")

    def found(*words: str) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(run(*words, "--json")[1]))

    assert (found("status")["version"], found("status")["kb"]) == (1, os.environ["LIFELONG_KB"])
    decided = found("conflicts", "--supersede", first, oncall)
    assert (decided["made"]["version"], decided["conflicts"][0]["version"]) == (2, 2)
    undone = found("undo")
    assert (undone["undoes"], undone["made"]["version"], undone["made"]["undoes"]) == (2, 3, 2)
    assert found("undo", "1", "--dry-run")["made"] is None
    forgotten = found("forget", first)
    assert (forgotten["paths"], forgotten["made"]["version"]) == ([first], 4)
    assert found("forget", "--everywhere", "--yes", oncall)["made"]["version"] == 5
    assert found("unfollow", "notes") == {"path": str(notes), "following": "left"}


def test_versions_newest_first(run: Run, notes: Path) -> None:
    run("add", str(notes))
    run("forget", str(notes / "ops"))
    found = json.loads(run("versions", "--json")[1])
    assert [(v["version"], v["added"], v["removed"]) for v in found] == [(2, 0, 1), (1, 2, 0)]
    assert run("versions", "-k", "1")[1].startswith("    2  ")


def test_check_and_its_alias_and_rebuild(run: Run, notes: Path) -> None:
    run("add", str(notes))
    code, out, _ = run("check")
    assert code == 0
    assert all(line.startswith("ok ") for line in out.splitlines())
    assert run("doctor")[1] == out
    assert {tuple(entry) for entry in json.loads(run("check", "--json")[1])} == {
        ("subject", "well", "message", "remedy")
    }
    assert run("rebuild")[:2] == (0, "Rebuilt; everything is well.\n")


def test_config_prints_each_value_with_its_origin(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.toml").write_text("k = 3\n", encoding="utf-8")
    found = {entry["name"]: entry for entry in json.loads(run("config", "--json")[1])}
    assert found["k"] == {"name": "k", "value": 3, "origin": f"{tmp_path}/kb/lifelong.toml"}
    assert found["embedder"]["origin"] == "LIFELONG_EMBEDDER"
    assert found["color"]["origin"] == "default"
    out = run("config")[1]
    assert out.splitlines()[2].split() == ["reranker", '""', "default"]
    assert out.splitlines()[3].split() == ["k", "3", f"{tmp_path}/kb/lifelong.toml"]
    (tmp_path / "kb" / "lifelong.toml").write_text("kk = 3\n", encoding="utf-8")
    assert run("config")[::2] == (
        1,
        f"lifelong: {tmp_path}/kb/lifelong.toml: unknown setting 'kk'; did you mean 'k'?\n",
    )


# -- parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2026-01-01..2026-02-01", (date(2026, 1, 1), date(2026, 2, 1))),
        ("2026-01-01..", (date(2026, 1, 1), None)),
        ("..2026-02-01", (None, date(2026, 2, 1))),
        ("2026-01-01", (date(2026, 1, 1), date(2026, 1, 1))),
    ],
)
def test_dates(text: str | None, expected: object) -> None:
    assert dates_of(text) == expected


@pytest.mark.parametrize("text", ["", "..", "x..y", "2026-02-01..2026-01-01", "2026-01-01..2026-02-30"])
def test_dates_that_mean_nothing(text: str) -> None:
    with pytest.raises(Usage):
        dates_of(text)


def test_a_line_after_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_and_line("a.md:41") == ("a.md", 41)
    assert path_and_line("a.md") == ("a.md", None)
    assert path_and_line("a.md:0") == ("a.md:0", None)
    assert path_and_line(":3") == (":3", None)
    (tmp_path / "a:12").touch()
    assert path_and_line("a:12") == ("a:12", None)


def test_common_options_stand_before_or_after_the_command() -> None:
    parser = build_parser()
    before = parser.parse_args(["--kb", "x", "--json", "-k", "3", "--in", "a", "search", "q"])
    after = parser.parse_args(["search", "q", "--kb", "x", "--json", "-k", "3", "--in", "a"])
    for options in (before, after):
        assert (options.kb, options.json, options.k, globs_of(options)) == ("x", True, 3, ("a",))
    assert globs_of(parser.parse_args(["--in", "a", "search", "--in", "b", "--in", "c", "q"])) == ("a", "b", "c")


@pytest.mark.parametrize("command", ["list", "rules"])
def test_what_is_added_and_removed_meanwhile_is_no_trouble(
    run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    run("add", str(notes))
    run("rules", "*", "--time-to-live", "90 days")

    def meanwhile() -> None:
        with open_assistant() as other:
            other.forget(notes / "ops")
            (notes / "more.md").write_text("The canteen opens at noon.\n")
            other.add(notes)

    def other_first(method: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **named: object) -> object:
            if threading.current_thread() is threading.main_thread():
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(meanwhile).result()
            return method(*arguments, **named)

        return called

    second = "standings" if command == "list" else "documents"
    monkeypatch.setattr(KnowledgeBase, second, other_first(getattr(KnowledgeBase, second)))
    code, out, err = run(command)
    assert (code, err) == (0, "")
    assert ("oncall.md" in out) if command == "list" else ("2 documents" in out)


def test_a_takeover_is_told_by_the_command_that_begins_it_and_shown_until_it_is_done(
    run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("add", str(notes))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash:32")
    told = "hash:32 takes over from hash:64: 0 of 2 vectors made, until then both answer (lifelong sync goes on)\n"
    code, out, err = run("search", "queue")
    assert (code, err) == (0, told) and "oncall.md" in out
    monkeypatch.delenv("LIFELONG_EMBEDDER")
    assert run("search", "queue")[2] == ""
    assert told.strip() in run("status")[1]
    assert json.loads(run("status", "--json")[1])["takeover"] == {
        "before": "hash:64", "after": "hash:32", "done": 0, "waiting": 2,
    }  # fmt: skip
    assert run("sync", str(notes))[2].startswith(told)
    assert json.loads(run("status", "--json")[1])["takeover"] is None
    assert "embedder hash:32 (not calibrated: more is refused)" in run("status")[1]
