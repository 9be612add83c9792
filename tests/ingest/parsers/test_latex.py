"""LaTeX on files written here, and on random ones."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind
from ingest.limits import DEFAULT
from ingest.parsers import parse as parse_any
from ingest.parsers.latex import parse, plain


def read(text: str) -> Document:
    return parse(text.encode(), name="a.tex", limits=DEFAULT)


def outline(text: str) -> list[tuple[int, str]]:
    found = read(text)
    assert all(mark.kind is MarkKind.HEADING and found.text[mark.start] == "\\" for mark in found.marks)
    return [(mark.level, mark.label) for mark in found.marks]


def test_the_text_stays_and_sections_are_marks_where_their_commands_stand() -> None:
    text = "\\documentclass{article}\n\\begin{document}\n\\section{One}\nwords\n\\subsection*{Two}\n\\end{document}\n"
    found = read(text)
    assert (found.text, found.is_source) == (text, True)
    assert [(m.start, m.label, m.level) for m in found.marks] == [
        (text.index("\\sec"), "One", 1),
        (text.index("\\sub"), "Two", 2),
    ]


def test_levels_count_from_the_highest_that_is_there() -> None:
    names = ["part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph"]
    text = "\n".join(f"\\{name}{{{name}}}" for name in names)
    assert outline(text) == [(level, name) for level, name in enumerate(names, start=1)]
    assert outline("\\subsection{A}\\subsubsection{B}\\addsec{C}") == [(2, "A"), (3, "B"), (1, "C")]
    assert outline("\\section{A}\\begin{frame}[fragile]{B}\\end{frame}\\begin{frame}\n{\\small c}") == [
        (1, "A"),
        (4, "B"),
    ]


@pytest.mark.parametrize(
    ("command", "label"),
    [
        ("\\section[Short]{The long one}", "The long one"),
        ("\\section [A {[b]}] % note\n  {The {\\em nested {braces}} end}", "The nested braces end"),
        ("\\section{Rates \\& 100\\,\\% of \\$5\\label{sec:x}}", "Rates & 100 % of $5"),
        ("\\section{Ends\\footnote{A {nested} note.} here~\\cite[p.~3]{k}}", "Ends here"),
        ("\\section{\\texorpdfstring{$\\alpha$}{Alpha} rays}", "Alpha rays"),
        ("\\section{``Quoted'' -- and\\\\[2pt] broken}", "“Quoted” – and broken"),
        (
            '\\section{Caf\\\'e, \\"{U}ber, Stra\\ss e, \\v{C}ech, \\AA{}ngstr\\"om, na\\"{\\i}ve}',
            "Café, Über, Straße, Čech, Ångström, naïve",
        ),
        ("\\section{Two\nlines % and a note}\n of it}", "Two lines of it"),
        ("\\section{Escaped \\{ brace}", "Escaped { brace"),
        ("\\section{$O(n^2)$ steps}", "$O(n^2)$ steps"),
    ],
)
def test_a_label_is_what_is_printed(command: str, label: str) -> None:
    assert outline(command) == [(1, label)]


@pytest.mark.parametrize(
    "text",
    [
        "% \\section{No}\n",
        "\\\\% \\section{No}\n",
        "\\begin{verbatim}\n\\section{No}\n% \\end{verbatim}",
        "\\begin{lstlisting}[language=TeX]\n\\section{No}\n\\end{lstlisting}",
        "\\begin{verbatim}\n\\section{No}",
        "\\verb|\\section{No}|",
        "\\verb*+\\section{No}+",
        "\\newcommand{\\sec}[2][x]{\\section{No #2}}",
        "\\newcommand{\\sec}\n{\\section{No}}",
        "\\renewenvironment{e}{\\section{No}}\n  {\\section{No}}",
        "\\def\\sec#1{\\section{No #1}}",
        "\\titleformat{\\section}{\\large}{}{0pt}{}",
        "\\titlespacing*{\\section}{0pt}{1em}{1em}",
        "\\let\\oldsection\\section",
        "\\iffalse\n\\section{No}\n\\fi",
        "\\sectionmark{No}",
        "\\\\section{No}",
        "\\end{document}\n\\section{No}",
        "\\section{never closed",
        "\\section{ }",
    ],
)
def test_what_is_no_heading(text: str) -> None:
    assert [label for _, label in outline("\\section{Yes}\n" + text)] == ["Yes"]


def test_headings_go_on_behind_what_hides_some() -> None:
    text = (
        "\\begin{verbatim}\\section{No}\\end{verbatim}\\section{A}\\verb|{|\\section{B}\\newcommand{\\x}{\\section{No}}"
        "\\section{C}\\iffalse\\section{No}\\fi\\section{D} 50\\% \\section{E}"
    )
    assert [label for _, label in outline(text)] == ["A", "B", "C", "D", "E"]


def test_title_author_and_date_are_fields_with_spans() -> None:
    text = (
        '\\title[Short]{On Apples\\thanks{Paid.}\\\\ and Pears}\n% \\author{No}\n\\author{Ana Ruiz\\inst{1} \\and J\\"org M{\\"u}ller}\n'
        "\\date{March 1, 2024}\n\\date{\\today}\n\\begin{document}\\maketitle"
    )
    found = read(text)
    assert [(f.name, f.value, text[f.start : f.end]) for f in found.fields] == [
        ("title", "On Apples and Pears", "\\title[Short]{On Apples\\thanks{Paid.}\\\\ and Pears}"),
        ("author", "Ana Ruiz, Jörg Müller", '\\author{Ana Ruiz\\inst{1} \\and J\\"org M{\\"u}ller}'),
        ("date", "March 1, 2024", "\\date{March 1, 2024}"),
    ]
    assert (found.title, found.dated) == ("On Apples and Pears", date(2024, 3, 1))
    assert read("\\titlepage{x}\\dateline{2024-01-01}").fields == ()


def test_plain_leaves_words_alone() -> None:
    assert plain("An institute, \\institute{MIT} and 5 % ") == "An institute, MIT and 5"
    assert plain("") == ""


def test_entries_of_a_bibliography_are_marks() -> None:
    text = "@string{x = 1}\n% on it\n@article{ruiz2024,\n title={A}}\n@Book{ knuth, x}\n"
    found = parse_any(text.encode(), name="refs.bib")
    assert [(m.label, m.start) for m in found.marks] == [("ruiz2024", 15), ("knuth", text.index("@Book"))]
    assert (found.parser, found.text) == ("source", text)


HOSTILE = [
    "\\section{",
    "\\section[",
    "\\newcommand{",
    "\\def",
    "\\verb",
    "\\section{}",
    "\\section",
    "{",
    "\\",
    "%",
    "\\iffalse ",
    "\\begin{verbatim}",
]


@pytest.mark.parametrize(
    "piece", [*HOSTILE, " ", "\\section{x]", "\\newcommand{\\a}{", "\\'", "\\footnote{", "\\title{a", "\\cite["]
)
@pytest.mark.parametrize("head", ["", "\\section{"])
def test_hostile_text_takes_linear_time(head: str, piece: str) -> None:
    text = head + piece * (60_000 // len(piece)) + "}"
    before = time.process_time()
    read(text)
    assert time.process_time() - before < 3.0


PIECES = [
    *HOSTILE,
    "}",
    "]",
    "\\end{verbatim}",
    "\\title{",
    "\\date{2024-01-01}",
    "\\fi",
    "word ",
    "\n",
    "é",
    "$",
    "|",
    "\\end{document}",
    "*",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_random_text_keeps_the_rules(text: str) -> None:
    found = read(text)
    for mark in found.marks:
        assert found.text[mark.start] == "\\" and mark.level >= 1 and mark.label.strip() == mark.label != ""
    for field in found.fields:
        assert field.start is not None and found.text[field.start : field.end].startswith("\\" + field.name)
        assert field.end is not None and found.text[field.end - 1] == "}"
