"""What reaches a terminal: safe text, links, snippets, citations, progress; and that the manual is current."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from rag_lifelong.cli import main
from rag_lifelong.follow import Watcher
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.follow.happenings import Standing as FollowedStanding
from rag_lifelong.terminal import as_json, overview, render
from rag_lifelong.terminal.editor import opening_command
from rag_lifelong.terminal.manual import manual
from rag_lifelong.terminal.parser import build_parser, commands_of, synopsis
from rag_lifelong.terminal.progress import Done, Lines, clock
from rag_lifelong.terminal.snippet import best_line, highlighted, snippet
from rag_lifelong.terminal.style import Style, json_safe, place, safe, safe_line, short_path, style_for
from rag_lifelong.terminal.watching import Watching
from rag_lifelong.terminal.wrapping import cut
from rag_lifelong.types import Answer, Citation, Failure, Hit, Lag, Scores, Verdict

PLAIN = Style(has_colors=False, has_links=False, width=None, editor_uri="")
RICH = Style(has_colors=True, has_links=True, width=None, editor_uri="file://{path}")


def cited(number: int = 1, *, path: str = "/n/a.md", quote: str = "It is so.", **others: object) -> Citation:
    values = {"label": "Setup", "line": 3, "page": None, "start": 0, "end": 9, "version": 1, "document_date": None}
    return Citation(number=number, path=path, quote=quote, **(values | others))  # type: ignore[arg-type]


def found(text: str, *, path: str = "/n/a.md", title: str = "", label: str = "", page: int | None = None) -> Hit:
    return Hit(
        passage_id=1, document_id=1, revision_id=1, path=path, title=title, label=label,
        line=10 if page is None else None, page=page, text=text, start=0, end=len(text), score=0.5,
        scores=Scores(0.5, 0.25, None), version=1, document_date=None,
    )  # fmt: skip


def answered(text: str, *citations: Citation, **others: object) -> Answer:
    lag = Lag(files=0, passages=0, checked_at=None)
    verdict = Verdict(
        newest_evidence=date(2026, 2, 18),
        stale=False,
        superseded=False,
        lag=lag,
        supported_share=1.0,
        pruned=0,
        unwatched=False,
        uncalibrated=None,
    )
    values = {
        "question": "Is it so?", "refused": False, "nearest": (), "verdict": verdict, "version": 4, "as_of": None,
        "model": "quote", "adapter": None,
    }  # fmt: skip
    return Answer(text=text, citations=citations, **(values | others))  # type: ignore[arg-type]


# -- nothing drives the terminal

ATTACKS = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "C1": "\x9b31m",
    "backspace": "safe\b\b\b\bevil",
    "return": "[1] good\rbad",
    "override": "\u202egnp.exe\u202c",
    "isolate": "\u2067abc\u2069",
    "bell and null": "\x07\x00",
    "delete": "\x7f",
    "a byte that is no text": "\udcff",
    "line separator": "a\u2028b",
}


def is_harmless(text: str) -> bool:
    """A second, slower reading of the rule: by categories instead of ranges."""
    import unicodedata

    return all(
        char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") for char in text
    )  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_documents_and_names_cannot_drive_the_terminal(name: str) -> None:
    attack = ATTACKS[name]
    assert not is_harmless(attack)
    path = f"/n/{attack}.md"
    shown = [
        safe(attack),
        safe_line(attack),
        short_path(path),
        place(path, 3, None),
        render.citation(cited(path=path, quote=attack, label=attack), PLAIN, is_quoted=False),
        render.hit(found(attack, path=path, label=attack), 1, [attack], PLAIN, explain=True),
        render.nearest(found(attack, path=path), ["a"], PLAIN),
        render.basis(answered("x", cited(quote=attack), model=attack), PLAIN, as_of_time=None, has_passages=True),
        *overview.failures([Failure(path, attack, datetime.now(UTC), 1)]),
        overview.command("lifelong add", [path]),
        as_json.written({"path": path, "text": attack}),
    ]
    assert [text for text in shown if not is_harmless(text)] == []
    assert json.loads(as_json.written({"text": attack})) == {"text": attack}  # harmless, and the same value


def test_all_of_unicode_is_harmless_afterwards() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert is_harmless(safe(everything))
    assert is_harmless(json_safe(json.dumps(everything, ensure_ascii=False)))
    assert safe("Grüße, 漢字, עברית\u200f, 👩‍🔬\n\tend") == "Grüße, 漢字, עברית\u200f, 👩‍🔬\n\tend"


def test_a_name_cannot_begin_a_line_of_its_own() -> None:
    path = "/n/a\n[2] ~/trusted.md"
    assert "\n" not in render.citation(cited(path=path, label="x\ny"), PLAIN, is_quoted=True)
    assert "\n" not in overview.documents([], {}, PLAIN)
    assert "\n" not in short_path(path)


def test_a_name_cannot_end_its_link() -> None:
    shown = RICH.linked_place("/n/a\x1b]8;;evil\x1b\\ b\udcff#%?.md", line=3, page=None)
    target = shown.removeprefix("\x1b]8;;").split("\x1b\\")[0]
    assert target == "file:///n/a%1B%5D8%3B%3Bevil%1B%5C%20b%FF%23%25%3F.md#L3"
    assert shown.count("\x1b") == 4  # those of the two escapes that open and close one link


# -- links and colours


@pytest.mark.parametrize(
    ("template", "path", "line", "page", "target"),
    [
        ("file://{path}", "/n/a b.md", 41, None, "file:///n/a%20b.md#L41"),
        ("file://{path}", "/n/a.pdf", None, 7, "file:///n/a.pdf#page=7"),
        ("file://{path}", "/n/a.docx", None, None, "file:///n/a.docx"),
        ("vscode://file{path}:{line}", "/n/a.md", 41, None, "vscode://file/n/a.md:41"),
        ("vscode://file{path}:{line}", "/n/a.pdf", None, 7, "vscode://file/n/a.pdf:1"),
        ("x\x1b\n{path}", "/n/a.md", 1, None, "x/n/a.md"),
    ],
)
def test_links_are_made_from_the_setting(
    template: str, path: str, line: int | None, page: int | None, target: str
) -> None:
    style = Style(has_colors=False, has_links=True, width=None, editor_uri=template)
    shown = place(path, line, page)
    assert style.linked_place(path, line=line, page=page) == f"\x1b]8;;{target}\x1b\\{shown}\x1b]8;;\x1b\\"


@pytest.mark.parametrize(
    ("color", "is_terminal", "environment", "colors", "links"),
    [
        ("auto", True, {"TERM": "xterm"}, True, True),
        ("auto", False, {}, False, False),
        ("auto", True, {"NO_COLOR": "1"}, False, False),
        ("auto", True, {"NO_COLOR": ""}, True, True),
        ("auto", True, {"TERM": "dumb"}, False, False),
        ("never", True, {}, False, False),
        ("always", False, {}, True, False),
        ("always", True, {"NO_COLOR": "1"}, True, False),
    ],
)
def test_when_there_are_colours_and_links(
    color: str, is_terminal: bool, environment: dict[str, str], colors: bool, links: bool
) -> None:
    style = style_for(color, editor_uri="file://{path}", is_terminal=is_terminal, environment=environment)
    assert style.has_colors is colors
    assert (style.linked_place("/a", line=1, page=None) != "/a:1") is links


def test_the_home_folder_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    assert short_path("/home/ana/notes/a.md") == "~/notes/a.md"
    assert short_path("/home/ana") == "~"
    assert short_path("/home/anabel/a.md") == "/home/anabel/a.md"
    assert overview.command("lifelong add", ["/home/ana/a.md", "/home/ana/b c.md", "/x/it's"]) == (
        "lifelong add ~/a.md '/home/ana/b c.md' '/x/it'\"'\"'s'"
    )


# -- answers


def test_what_stands_below_an_answer() -> None:
    one, two = cited(1), cited(2, path="/n/b.pdf", quote="Not\nquoted.", line=None, page=7, label="p. 7")
    assert render.basis(answered("It  is so. [1] So. [2]", one, two), PLAIN, as_of_time=None, has_passages=True) == (
        "[1] /n/a.md:3 · Setup\n"
        '[2] /n/b.pdf p. 7\n    "Not quoted."\n'
        "newest evidence 2026-02-18 · version 4 · everything indexed · quoted"
    )


def test_the_verdict_says_what_waits_and_what_is_past() -> None:
    lag = Lag(files=1, passages=1_721, checked_at=None)
    verdict = Verdict(
        newest_evidence=None,
        stale=True,
        superseded=True,
        lag=lag,
        supported_share=1.0,
        pruned=0,
        unwatched=False,
        uncalibrated=None,
    )
    then = datetime(2026, 3, 1, 14, 28).astimezone()
    assert render.verdict(answered("x", verdict=verdict, as_of=2, model="transformers:m"), as_of_time=then) == (
        "as of version 2 (2026-03-01 14:28) · rests on what is superseded · rests on what is stale · "
        "1,721 passages wait for vectors · 1 changed file could not be read · transformers:m"
    )


def test_a_refusal_shows_the_line_that_comes_nearest() -> None:
    hit = found("# Onboarding\n\n## Contacts\n\nAna Ruiz joins the platform team.\n", label="Contacts")
    refused = answered("Your sources do not say.", refused=True, nearest=(hit,), question="What does Ana earn?")
    assert render.basis(refused, PLAIN, as_of_time=None, has_passages=True).splitlines()[0] == (
        'Nearest: /n/a.md:14 · Contacts  "Ana Ruiz joins the platform team."'
    )


# -- snippets


def test_a_snippet_is_where_the_words_are() -> None:
    filler = "Nothing to see here at all. " * 20
    shown = snippet(f"{filler}The walrus sleeps in the zoo. {filler}", ["walrus", "zoo"], limit=80)
    assert "The walrus sleeps in the zoo." in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 80


def test_a_snippet_of_a_short_text_is_the_text() -> None:
    assert snippet("One\n  line.", ["line"], limit=80) == "One line."
    assert snippet("", [], limit=80) == ""


def test_a_snippet_without_any_word_asked_is_the_beginning() -> None:
    assert snippet("alpha beta gamma delta", ["zzz"], limit=14) == "alpha beta…"


def test_a_snippet_of_one_endless_word_is_cut() -> None:
    assert snippet("x" * 500, ["zzz"], limit=20) == "x" * 18 + "…"


def test_the_line_nearest_comes_with_its_paragraph() -> None:
    assert best_line("# Retries\n\nThree\nattempts.\n\nMore.", ["retri"]) == (2, "Three\nattempts.")
    assert best_line("Class Names\n-----------\n\nUse CapWords.", ["class"]) == (3, "Use CapWords.")
    assert best_line("One\ntwo walrus\nthree.\n\nFour.", ["walrus"]) == (1, "One\ntwo walrus\nthree.")
    assert best_line("- one\n- two walrus\n- three", ["walrus"]) == (1, "two walrus")
    assert best_line("# Only a heading", ["head"]) == (0, "# Only a heading")
    assert best_line("", ["a"]) == (0, "")


def test_words_asked_are_bold_only_where_there_are_colours() -> None:
    assert highlighted("Walruses sleep.", ["walrus"], RICH) == "\x1b[1mWalruses\x1b[22m sleep."
    assert highlighted("Walruses sleep.", ["walrus"], PLAIN) == "Walruses sleep."


def test_text_is_broken_between_words_to_the_width() -> None:
    style = Style(has_colors=False, has_links=False, width=lambda: 41, editor_uri="")
    lines = style.indented("alpha beta gamma delta epsilon zeta eta theta").split("\n")
    assert lines == ["    alpha beta gamma delta epsilon zeta", "    eta theta"]


# -- small things


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=40), "40 seconds ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(hours=5, minutes=59), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_how_long_ago(passed: timedelta, said: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert overview.ago(now - passed, now) == said


def test_sizes() -> None:
    assert [overview.size(n) for n in (10, 234_000, 12_340_000, 2_500_000_000)] == [
        "1 KB",
        "234 KB",
        "12.3 MB",
        "2.5 GB",
    ]


@pytest.mark.parametrize(
    ("editor", "expected"),
    [
        ("vim", ["vim", "+41", "/n/-a.md"]),
        ("code --wait", ["code", "--wait", "-g", "/n/-a.md:41"]),
        ("/opt/bin/subl", ["/opt/bin/subl", "/n/-a.md:41"]),
        ("'my editor' -x", ["my editor", "-x", "+41", "/n/-a.md"]),
    ],
)
def test_editors_open_at_the_line(editor: str, expected: list[str]) -> None:
    assert opening_command("/n/-a.md", 41, environment={"EDITOR": editor}) == expected
    assert opening_command("/n/-a.md", 41, environment={"VISUAL": editor, "EDITOR": "ed"}) == expected


def test_without_an_editor_the_pager_and_without_that_nothing(tmp_path: Path) -> None:
    assert opening_command("/n/a.md", 41, environment={"PATH": str(tmp_path), "EDITOR": "'broken"}) is None
    less = tmp_path / "less"
    less.write_text("", encoding="utf-8")
    less.chmod(0o755)
    assert opening_command("/n/a.md", 41, environment={"PATH": str(tmp_path)}) == [str(less), "+41", "/n/a.md"]


# -- progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_two_lines_of_progress() -> None:
    clock_ = Clock()
    done = Done(clock_)
    done.reading(206, 412, 1_500)
    clock_.now += 2
    assert done.reading_line(79, has_bar=True) == (
        "Reading    " + "━" * 12 + "╌" * 12 + " 206/412 files · 1,500 passages         0:02"
    )
    clock_.now += 1
    done.reading(412, 412, 2_931)
    done.readable(2_931)
    assert done.reading_line(79, has_bar=True) == (
        "Reading    412/412 files · 2,931 passages · searchable now                 0:03"
    )
    clock_.now += 20
    done.embedding(1_220, 2_931)
    assert done.embedding_line(79, has_bar=True) == (
        "Embedding  ━━━━╌╌╌╌╌╌ 1,220/2,931 · 61/s · 0:28 left  ^C stops, nothing is lost"
    )
    assert done.embedding_line(50, has_bar=True) == "Embedding  ━━━╌╌╌╌╌ 1,220/2,931 · 61/s · 0:28 left"
    assert done.embedding_line(0, has_bar=False) == "Embedding  1,220/2,931 · 61/s · 0:28 left"


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 119, 200])
def test_no_line_of_progress_is_wider_than_the_terminal(width: int) -> None:
    clock_ = Clock()
    done = Done(clock_)
    done.reading(123_456, 999_999, 12_345_678)
    clock_.now += 3_700
    fits = [len(done.reading_line(width, has_bar=True)) <= max(width, 55)]
    done.readable(12_345_678)
    clock_.now += 3_600
    done.embedding(1_000, 9_999_999)
    fits.append(len(done.embedding_line(width, has_bar=True)) <= max(width, 55))
    assert fits == [True, True]


def test_without_a_terminal_a_line_every_ten_seconds_and_none_for_short_work() -> None:
    clock_, stream = Clock(), io.StringIO()
    lines = Lines(stream, clock_)
    lines.reading(0, 4, 0)
    lines.readable(9)
    lines.embedding(9, 9)
    assert stream.getvalue() == ""
    for done in range(1, 31):
        clock_.now += 1
        lines.embedding(done, 30)
    lines.close()
    assert stream.getvalue().splitlines() == [
        "Embedding  10/30 · 1/s · 0:20 left",
        "Embedding  20/30 · 1/s · 0:10 left",
        "Embedding  30/30 · 1/s · 0:30",
    ]


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.6, 75, 3_675)] == ["0:00", "1:00", "1:15", "1:01:15"]


# -- the line of watch


class Narrowing(io.StringIO):
    """A terminal that is made narrower: 80 columns, then 30."""

    columns = 80

    def isatty(self) -> bool:
        return True


class Followed:
    """What `Watching` asks of a watcher, which never ends by itself."""

    def standing(self) -> FollowedStanding:
        return FollowedStanding(409, 0, 0, 0.0, True, "")

    def folders(self) -> tuple[str, ...]:
        return ("/notes/of/everything",)


def test_the_line_of_watch_is_cut_and_erased_as_wide_as_the_terminal_is() -> None:
    screen = Narrowing()
    shown = Watching(screen, is_json=False, is_quiet=False, columns=lambda: screen.columns)
    is_stopped = Event()

    def writes() -> str:
        """What two turns write."""
        screen.truncate(0)
        screen.seek(0)
        shown._write(cast("Watcher", Followed()))
        return screen.getvalue()

    line = "Following /notes/of/everything · 409 documents · up to date"
    assert writes() == f"\r\x1b[J{line}"  # the hint has no room
    screen.columns = 120
    assert writes() == f"\r\x1b[J{line}   ^C stops, nothing is lost"
    shown._beside = "distilling"
    assert writes() == f"\r\x1b[J{line} · distilling   ^C stops, nothing is lost"
    shown._beside = ""
    assert writes() == f"\r\x1b[J{line}   ^C stops, nothing is lost"
    screen.columns = 30  # 86 columns are three rows of it
    assert writes() == "\r\x1b[A\x1b[A\x1b[JFollowing /notes/of/everythi…"
    assert writes() == "\r\x1b[JFollowing /notes/of/everythi…"
    is_stopped.set()
    shown.follow(cast("Watcher", Followed()), is_stopped)
    assert screen.getvalue().endswith("\r\x1b[J")


def test_many_files_of_an_archive_that_cannot_be_read_are_one_line_of_watch() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def shown(*reasons: str, version: int | None = None) -> list[str]:
        screen = io.StringIO()
        watching = Watching(screen, is_json=False, is_quiet=False)
        for number, reason in enumerate(reasons):
            watching.tell(Happening(at, "failed", f"/n/a.zip/{number}.pdf", "", 0, 0, 0, 1.5, version, reason))
        watching._write(cast("Watcher", Followed()))
        return [line.split("  ", 1)[1] for line in screen.getvalue().splitlines()]

    assert shown(*["damaged PDF"] * 500) == ["failed   500 files, /n/a.zip/0.pdf …   damaged PDF   1.5 s"]
    two = ["damaged PDF", "encrypted"] * 3
    assert shown(*two) == ["failed   6 files, /n/a.zip/0.pdf …   for 2 reasons: lifelong list --failed   1.5 s"]
    assert len(shown(*two[:3])) == 3
    assert shown("encrypted", version=7) == ["failed   /n/a.zip/0.pdf   encrypted"]


def test_a_text_is_cut_by_columns() -> None:
    assert [cut("长城 wall", columns) for columns in (9, 8, 4, 2, 1, 0)] == [
        "长城 wall",
        "长城 wa…",
        "长…",
        "…",
        "…",
        "",
    ]


# -- the rest


def test_the_page_of_commands_is_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == manual(), "run: lifelong __manual > docs/commands.md"


def test_usage_names_the_values_of_options() -> None:
    made = {name: synopsis(command) for name, command in commands_of(build_parser()).items()}
    assert made["conflicts"] == " [--confirm CODE…] [--reject CODE…] [--supersede OLD NEW] [--settled]"
    assert made["add"] == " PATH… [--no-wait] [--gitignore] [--follow-links] [--yes]"
    assert "[--past mark|down|hide]" in made["rules"]
    assert made["completion"] == " bash|zsh|fish"


def test_a_bug_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError("boom \x1b[31m")

    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "lifelong.sqlite3").touch()
    monkeypatch.setattr("rag_lifelong.assistant.open_assistant", broken)  # no bug is known to use instead
    assert main(["status", "--kb", str(tmp_path / "kb")]) == 3
    shown = capsys.readouterr()
    log = tmp_path / "kb" / "crash.log"
    assert shown.out == ""
    assert shown.err == f"lifelong: this is a bug in lifelong, nothing of yours is lost; details: {log}\n"
    assert "RuntimeError: boom" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m rag_lifelong __manual | head -c 10; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert shown.stdout == "# Commands0\n"
    assert shown.stderr == ""


def test_a_full_disk_under_the_output_is_an_expected_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    shown = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m rag_lifelong __manual > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert shown.stderr == "lifelong: no space left on the disk that was to be written to\n"


def test_a_terminal_that_lacks_a_character_gets_a_question_mark(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rag_lifelong"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "HOME": str(tmp_path), "PATH": ""},
        cwd=Path(__file__).resolve().parents[2],
    )
    assert b'lifelong ask "?"' in shown.stdout


def test_what_is_logged_cannot_drive_the_terminal_and_other_peoples_warnings_are_kept_for_the_curious() -> None:
    code = (
        "import logging, sys, warnings; from rag_lifelong.terminal.logs import log_to; "
        "log_to(sys.stderr, is_verbose=bool(int(sys.argv[1]))); "
        "logging.getLogger('ingest').warning('cannot read %s', 'a\\x1b[2J.md'); "
        "logging.getLogger('ingest').info('read %s', 'b.md'); "
        "warnings.warn('old'); logging.getLogger('transformers').warning('noise')"
    )
    quiet, verbose = (
        subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True).stderr
        for word in "01"
    )
    assert quiet == "lifelong: cannot read a\ufffd[2J.md\n"
    assert verbose.splitlines()[:2] == ["WARNING ingest: cannot read a\ufffd[2J.md", "INFO ingest: read b.md"]
    assert "old" in verbose
    assert "noise" in verbose
