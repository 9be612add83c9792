"""Suggested supersessions, worked out by hand: what each rule finds, and what it must leave alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_lifelong.supersession import Facts, Kind, Suggestion, retired_by_own_header, suggest
from rag_lifelong.supersession.marks import read_marks
from rag_lifelong.types import HeaderField

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "a b c d e f g h i j"  # ten passages, a letter each
EDITED = "a b c d e f g h X Y"  # eight of them, and two new ones


def facts(
    path: str,
    passages: str = "",
    *,
    title: str = "",
    dated: str | None = None,
    day: int = 0,
    header: Sequence[tuple[str, str]] = (),
    document_id: int | None = None,
) -> Facts:
    """A document below /home/ana; without passages it has three that no other has."""
    words = passages.split() or [f"{path} {i}" for i in range(3)]
    return Facts(
        document_id=document_id if document_id is not None else crc32(path.encode()),
        path=path if path.startswith("/") else f"/home/ana/{path}",
        title=title,
        dated=None if dated is None else date.fromisoformat(dated),
        file_changed_at=DAY_ONE + timedelta(days=day),
        fields=tuple(HeaderField(name, value, None, None) for name, value in header),
        strings=frozenset(word.encode() for word in words),
    )


def suggested(*documents: Facts) -> list[str]:
    """ "old → new", best first."""
    paths = {d.document_id: d.path.removeprefix("/home/ana/") for d in documents}
    return [f"{paths[s.old]} → {paths[s.new]}" for s in suggest(documents)]


def only(*documents: Facts) -> Suggestion:
    found = suggest(documents)
    assert len(found) == 1
    return found[0]


# -- near-duplicates


def test_most_of_the_passages_and_a_later_date_of_its_own() -> None:
    old = facts("policy/retention.md", TEXT, dated="2025-01-01", title="Retention", document_id=1)
    new = facts("policy/deletion.md", EDITED, dated="2025-01-29", title="Retention", document_id=2)
    assert only(old, new) == Suggestion(1, 2, Kind.NEAR_DUPLICATE, 0.64, "shares 8 of 10 passages, dated 4 weeks later")


def test_unrelated_names_need_more_in_common_than_related_ones() -> None:
    seven = "a b c d e f g X Y Z"
    assert suggested(facts("one.md", TEXT, dated="2025-01-01"), facts("two.md", seven, dated="2025-01-02")) == []
    assert suggested(facts("one.md", TEXT), facts("one (1).md", seven)) == ["one.md → one (1).md"]


def test_unrelated_names_need_dates_of_their_own_and_no_different_titles() -> None:
    assert suggested(facts("one.md", TEXT), facts("two.md", EDITED, day=90)) == []
    old, new = facts("one.md", TEXT, dated="2025-01-01", title="Taxes"), facts("two.md", EDITED, dated="2025-02-01")
    assert suggested(old, new) == ["one.md → two.md"]
    assert suggested(old, facts("two.md", EDITED, dated="2025-02-01", title="Holidays")) == []


def test_half_of_the_passages_of_the_older_one_must_be_kept() -> None:
    old = facts("plan.md", TEXT)
    assert suggested(old, facts("plan (1).md", "a b c d e Q R S T U")) == ["plan.md → plan (1).md"]
    assert suggested(old, facts("plan (1).md", "a b c d P Q R S T U")) == []


def test_one_passage_in_common_is_no_near_duplicate() -> None:
    assert suggested(facts("plan.md", "a"), facts("plan (1).md", "a b")) == []
    assert suggested(facts("plan.md", "a b"), facts("plan (1).md", "a b c")) == ["plan.md → plan (1).md"]


def test_a_newer_excerpt_supersedes_nothing_and_neither_does_a_collection() -> None:
    assert suggested(facts("plan.md", TEXT, day=0), facts("plan (1).md", "a b c d")) == []
    whole = "a b c " + " ".join(f"w{i}" for i in range(20))
    assert suggested(facts("plan.md", "a b c"), facts("plan (1).md", whole)) == []


def test_exact_copies_are_copies() -> None:
    assert suggested(facts("plan.md", TEXT), facts("plan (1).md", TEXT, day=9)) == []
    assert suggested(facts("plan.md", TEXT), facts("old/plan.md", TEXT)) == []
    assert suggested(facts("a/plan.md", TEXT, dated="2025-01-01"), facts("b/note.md", TEXT, dated="2025-02-01")) == []


def test_the_document_s_date_is_trusted_before_the_file_s() -> None:
    first = facts("a/plan.md", TEXT, dated="2025-01-01", day=500)
    second = facts("plan.md", EDITED, dated="2024-01-01", day=0)
    assert suggested(first, second) == ["plan.md → a/plan.md"]


def test_a_date_and_a_name_that_say_opposite_things_say_nothing() -> None:
    assert (
        suggested(facts("plan_v1.md", TEXT, dated="2025-02-01"), facts("plan_v2.md", EDITED, dated="2025-01-01")) == []
    )
    assert suggested(facts("plan_v1_2024.md", TEXT), facts("plan_v2_2023.md", EDITED)) == []


def test_files_of_one_day_are_in_no_order() -> None:
    old = facts("plan - copy.md", TEXT)
    assert suggested(old, facts("plan.md", EDITED, day=0)) == []
    assert suggested(old, facts("plan.md", EDITED, day=1)) == ["plan - copy.md → plan.md"]
    assert (
        suggest([old, facts("plan.md", EDITED, day=15)])[0].evidence
        == "shares 8 of 10 passages, its file is 2 weeks newer"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("thesis.md", "thesis2.md"),
        ("Copy of plan.md", "plan.md"),
        ("plan.md", "plan - Copy (2).md"),
        ("a 1.2.md", "a.md"),
    ],
)
def test_files_of_one_document_by_their_names_are_ordered_by_time(old: str, new: str) -> None:
    assert suggested(facts(old, TEXT), facts(new, EDITED)) == []
    assert suggested(facts(old, TEXT), facts(new, EDITED, day=30)) == [f"{old} → {new}"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("plan_v1", "plan_r2"), ("plan (1)", "plan - copy 2"), ("budget 2024", "budget 2024-03"), ("thesis", "thesis2")],
)
def test_marks_of_different_kinds_are_in_no_order(one: str, other: str) -> None:
    assert suggested(facts(f"{one}.md", TEXT), facts(f"{other}.md", EDITED)) == []


def test_a_later_copy_has_the_greater_number() -> None:
    assert suggested(facts("a - copy.md", TEXT), facts("a - copy 2.md", EDITED)) == ["a - copy.md → a - copy 2.md"]


def test_of_texts_equally_alike_the_next_one_follows() -> None:
    rows = [facts(f"plan 202{i}.md", f"a b c d own{i}", document_id=9 - i) for i in range(4)]
    assert [(s.old, s.new) for s in suggest(rows)] == [(7, 6), (8, 7), (9, 8)]


def test_a_licence_that_all_share_makes_no_two_of_them_alike() -> None:
    licence = " ".join(f"licence{i}" for i in range(9))
    many = [
        facts(f"tool{c}.md", f"{licence} own{c}", dated=f"2025-01-{i + 1:02}")
        for i, c in enumerate("abcdefghijklmnopqrstu")
    ]
    assert suggest(many) == []
    assert (
        suggest([facts(f"{c}.md", f"{licence} own{c}", dated=f"2025-01-{i + 1:02}") for i, c in enumerate("abcd")])
        == []
    )


def test_passages_that_all_share_are_left_out_of_the_count() -> None:
    licence = " ".join(f"licence{i}" for i in range(9))
    others = [facts(f"{i}/{i}.md", f"{licence} own{i}") for i in range(20)]
    old, new = (
        facts("plan.md", f"{licence} a b c d", document_id=1),
        facts("plan (1).md", f"{licence} a b c E", document_id=2),
    )
    assert only(old, new, *others).evidence == "shares 3 of 4 passages, newer by its name"
    assert suggest([old, facts("plan (1).md", f"{licence} P Q R S"), *others]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("contract-17.md", "contract-18.md"),
        ("case-17/contract.md", "case-18/contract.md"),
        ("contract-miller.md", "contract-smith.md"),
        ("miller/contract.md", "smith/contract.md"),
        ("one/README.md", "two/README.md"),
        ("report.docx", "report.pdf"),
        ("journal/2024/03/01.md", "journal/2024/03/02.md"),
        ("config_v1.json", "config_v2.json"),
        ("tool-old.py", "tool.py"),
    ],
)
def test_two_of_a_kind_are_two_things_however_alike(one: str, other: str) -> None:
    assert suggested(facts(one, TEXT, dated="2025-01-01"), facts(other, EDITED, dated="2025-02-01", day=31)) == []


# -- names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("report_v1.md", "report_v2.md"),
        ("Report v1.2.docx", "Report v1.10.docx"),
        ("reportV1.md", "reportV2.md"),
        ("report.md", "report_v2.md"),
        ("report rev3.md", "report rev4.md"),
        ("report-r3.md", "report-r4.md"),
        ("report-draft.md", "report.md"),
        ("report.md", "report-final.docx"),
        ("report-draft.md", "report-final.md"),
        ("report-final.md", "report-final-final.md"),
        ("report final.md", "report final 2.md"),
        ("report draft 2.md", "report draft 3.md"),
        ("report_old.md", "report.md"),
        ("report.md", "report-new.md"),
        ("report 2024-03-01 v1.md", "report 2024-03-01 v2.md"),
        ("report_v1_final.md", "report_v2_draft.md"),
        ("thesis_v1.tex", "thesis_v2.tex"),
        ("plan v1 3.1.md", "plan v2 3.1.md"),
    ],
)
def test_a_name_says_that_it_follows_another(old: str, new: str) -> None:
    documents = facts(old, "a b", document_id=2), facts(new, "c d", document_id=1)
    assert only(*documents) == Suggestion(2, 1, Kind.NAME, 0.6, f"{new} follows {old}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ipv4.md", "ipv6.md"),
        ("chapter 1.md", "chapter 2.md"),
        ("report.md", "summary.md"),
        ("report.md", "report_v1.md"),  # is the plain one the present one, or the first?
        ("report_v1.docx", "report_v1.pdf"),
        ("report_v1.md", "report_r2.md"),
        ("report_v2.md", "report_v2.0.md"),
        ("report-final.md", "report-new.md"),
        ("report.md", "report (1).md"),
        ("invoice.pdf", "invoice (3).pdf"),
        ("report.md", "report - Copy.md"),
        ("new-customers.md", "customers.md"),
        ("final-exam.md", "exam.md"),
        ("v1.md", "v2.md"),
        ("draft.md", "final.md"),
        ("a/report_v1.md", "b/report_v2.md"),
        ("report 2023.md", "report 2024.md"),
        ("report 2023 v1.md", "report 2024 v2.md"),
        ("release-1.2.md", "release-1.3.md"),
        ("archive/notes.md", "notes.md"),
        ("model_v1.py", "model_v2.py"),
        ("meeting 3 March 2024.md", "meeting 10 March 2024.md"),
    ],
)
def test_a_name_alone_does_not_say_so(one: str, other: str) -> None:
    assert suggested(facts(one, "a b"), facts(other, "c d", day=30)) == []


def test_versions_are_chained_each_to_the_next() -> None:
    rows = [facts(f"report_v{i}.md", f"a b c own{i}", document_id=i) for i in (10, 2, 1, 9)]
    assert [(s.old, s.new) for s in suggest(rows)] == [(1, 2), (2, 9), (9, 10)]


def test_a_version_is_followed_by_the_next_of_its_own_format() -> None:
    documents = [facts(f"report_v{i}.{suffix}", "a b") for i in (1, 2) for suffix in ("docx", "pdf")]
    assert sorted(suggested(*documents)) == ["report_v1.docx → report_v2.docx", "report_v1.pdf → report_v2.pdf"]


def test_a_version_is_followed_by_no_copy_of_the_next() -> None:
    names = ("report_v1", "report_v2", "report_v2 - copy", "report_v2 (1)")
    assert suggested(*(facts(f"{name}.md", "a b") for name in names)) == ["report_v1.md → report_v2.md"]


def test_another_format_shares_no_passages() -> None:
    assert suggested(facts("report_v1.docx"), facts("report_v2.pdf")) == ["report_v1.docx → report_v2.pdf"]


def test_a_name_without_a_version_stands_where_it_is_sure() -> None:
    plain = [facts(name, "a b") for name in ("report.md", "report_v1.md", "report_v2.md")]
    assert suggested(*plain) == ["report_v1.md → report_v2.md"]
    final = [facts(name, "a b") for name in ("report final.md", "report final 2.md", "report_v3.md")]
    assert suggested(*final) == ["report final 2.md → report_v3.md"]


def test_versions_with_equal_text_are_still_versions_by_their_names() -> None:
    assert suggested(facts("report_v1.md", TEXT), facts("report_v2.md", TEXT)) == ["report_v1.md → report_v2.md"]


def test_longer_texts_with_nothing_in_common_are_parts_of_a_row() -> None:
    assert suggested(facts("NEWS.old.md", "a b c"), facts("NEWS.md", "d e f")) == []
    assert suggested(facts("NEWS.old.md", "a b c"), facts("NEWS.md", "c e f")) == ["NEWS.old.md → NEWS.md"]
    many = " ".join(f"m{i}" for i in range(99)), " ".join(f"n{i}" for i in range(99))
    assert suggested(facts("log_v1.md", f"{many[0]} z"), facts("log_v2.md", f"{many[1]} z")) == []


def test_what_is_put_away_is_followed_by_what_stands_above() -> None:
    old, new = (
        facts("plans/Archive/budget.md", "a b c", document_id=1),
        facts("plans/budget.md", "c d e", document_id=2),
    )
    assert only(old, new) == Suggestion(1, 2, Kind.NAME, 0.7, "budget.md follows budget.md in a folder named Archive")
    assert suggested(facts("plans/old/budget_v3.md", "a b c"), facts("plans/budget_v2.md", "c d e")) == []


def test_text_and_name_together_are_surer_than_either() -> None:
    found = only(facts("report_v1.md", TEXT, document_id=1), facts("report_v2.md", EDITED, document_id=2))
    # 0.4 + 0.5 × 0.8 = 0.8, × 0.9 for an order by name; 1 - 0.28 × 0.3
    assert (found.old, found.new, found.kind, found.score) == (1, 2, Kind.NEAR_DUPLICATE, 0.92)
    assert found.evidence == "shares 8 of 10 passages, newer by its name; report_v2.md follows report_v1.md"


# -- series


def test_names_that_differ_by_date_need_the_text_too() -> None:
    assert suggested(facts("budget-2023.md", TEXT), facts("budget-2024.md", EDITED)) == [
        "budget-2023.md → budget-2024.md"
    ]
    assert suggested(facts("2023/handbook.md", TEXT), facts("2024/handbook.md", EDITED)) == [
        "2023/handbook.md → 2024/handbook.md"
    ]
    assert suggested(facts("budget-2023.md"), facts("budget-2024.md")) == []


def test_daily_notes_are_a_series() -> None:
    notes = [facts(f"2024-03-{i:02}.md", f"agenda greeting own{i} more{i} rest{i}") for i in range(1, 12)]
    assert suggest(notes) == []


def test_one_pair_alike_does_not_make_versions_of_a_series() -> None:
    invoices = [
        facts(f"invoice {month} 2024.md", f"terms own{month} sum{month}") for month in ("Jan", "Feb", "March", "april")
    ]
    assert suggest(invoices) == []
    twins = [facts("invoice May 2024.md", TEXT), facts("invoice June 2024.md", EDITED)]
    assert suggest(invoices + twins) == []
    assert suggested(*twins) == ["invoice May 2024.md → invoice June 2024.md"]


def test_a_row_of_dates_that_keeps_its_text_is_a_row_of_versions() -> None:
    def text(i: int) -> str:
        return " ".join(f"{k if k > i else f'{k}*'}" for k in range(10))  # a passage a month is written anew

    rows = [facts(f"status 2024-{i + 1:02}.md", text(i)) for i in range(5)]
    assert sorted(suggested(*rows)) == [f"status 2024-{i:02}.md → status 2024-{i + 1:02}.md" for i in range(1, 5)]


# -- headers


def pep(number: int, *header: tuple[str, str], folder: str = "peps") -> Facts:
    path = f"{folder}/pep-{number:04}.rst"
    fields = (("pep", str(number)), ("title", f"Title {number}"), *header)
    return facts(path, title=f"PEP {number} – Title {number}", header=fields)


@pytest.mark.parametrize(
    "value",
    [
        "3107",
        "03107",
        "PEP 3107",
        "pep-3107",
        "pep-3107.rst",
        "Title 3107",
        ":pep:`3107`",
        "[PEP 3107](../pep-3107.rst)",
        "PEP 3107 (in part)",
    ],
)
def test_a_header_names_another_document(value: str) -> None:
    old, new = pep(3107), pep(484, ("replaces", value))
    found = only(old, new, pep(107), pep(310), pep(31))
    assert (found.old, found.new, found.kind, found.score) == (old.document_id, new.document_id, Kind.HEADER, 0.95)
    assert found.evidence.startswith("its header says Replaces: ")


def test_a_header_names_several_and_each_is_told_by_what_it_is_called() -> None:
    new = pep(600, ("replaces", "513, 571 and 599"))
    found = suggest([pep(513), pep(571), pep(599), new])
    assert sorted(s.evidence for s in found) == [f"its header says Replaces: {n}" for n in (513, 571, 599)]


def test_an_rfc_names_others_by_number_beside_its_author() -> None:
    old = facts("rfc2616.txt")
    new = facts("rfc7230.txt", header=[("obsoletes", "2145, 2616                              J. Reschke")])
    assert suggested(old, new, facts("2145.txt"), facts("pep-2616.txt")) == ["rfc2616.txt → rfc7230.txt"]


def test_a_decision_names_another_by_its_leading_number() -> None:
    new = facts("adr/0012-use-postgres.md", header=[("supersedes", "ADR 7")])
    assert suggested(facts("adr/0007-use-sqlite.md"), new, facts("adr/0070-logs.md")) == [
        "adr/0007-use-sqlite.md → adr/0012-use-postgres.md"
    ]


def test_what_is_amended_is_less_surely_superseded() -> None:
    old, new = facts("rfc2616.txt"), facts("rfc2817.txt", header=[("updates", "2616")])
    assert only(old, new).score == 0.5
    assert suggested(facts("weekly.md"), facts("digest.md", header=[("updates", "weekly")])) == []


@pytest.mark.parametrize(
    "value", ["", "none", "N/A", "9", "3 of our forms", "PEP 12.1", "484", "2024-03-01", "RFC 3107"]
)
def test_a_header_that_names_no_other_document(value: str) -> None:
    assert (
        suggest(
            [
                facts("peps/none.rst"),
                facts("n/a.txt"),
                pep(3),
                pep(12),
                pep(3107),
                pep(2024),
                pep(484, ("replaces", value)),
            ]
        )
        == []
    )


def test_of_two_documents_called_alike_the_neighbour_is_meant_or_none() -> None:
    new = pep(484, ("replaces", "3107"))
    assert suggested(pep(3107), pep(3107, folder="mirror"), new) == ["peps/pep-3107.rst → peps/pep-0484.rst"]
    assert suggested(pep(3107, folder="mirror"), pep(3107, folder="copies"), new) == []


def test_a_header_that_may_mean_its_own_document_names_none() -> None:
    assert suggest([pep(484, ("replaces", "484")), pep(484, folder="mirror")]) == []


def test_the_surer_of_two_fields_counts() -> None:
    found = only(pep(1), pep(2, ("replaces", "1"), ("updates", "1")))
    assert (found.score, found.evidence) == (0.95, "its header says Replaces: 1")


def test_a_date_in_a_file_s_name_is_no_number_of_it() -> None:
    new = facts("2025-01-01.md", header=[("replaces", "2024")])
    assert suggested(new, facts("2024-03-01.md")) == []


def test_the_least_sure_evidence_of_a_circle_goes() -> None:
    circle = [pep(1, ("replaces", "2")), pep(2, ("replaces", "3")), pep(3, ("amends", "1"))]
    assert suggested(*circle) == ["peps/pep-0002.rst → peps/pep-0001.rst", "peps/pep-0003.rst → peps/pep-0002.rst"]


def test_circles_that_meet_give_the_same_whatever_comes_first() -> None:
    documents = [
        pep(1, ("replaces", "3, 4")),
        pep(2, ("replaces", "1")),
        pep(3, ("replaces", "2")),
        pep(4, ("replaces", "2")),
    ]
    assert len({tuple(suggested(*order)) for order in permutations(documents)}) == 1


def test_headers_that_name_each_other_name_nothing() -> None:
    assert suggest([pep(1, ("replaces", "2")), pep(2, ("replaces", "1"))]) == []
    circle = [
        pep(1, ("replaces", "2")),
        pep(2, ("replaces", "3")),
        pep(3, ("replaces", "1")),
        pep(4, ("replaces", "3")),
    ]
    assert suggested(*circle) == ["peps/pep-0003.rst → peps/pep-0004.rst"]


def test_a_header_is_believed_before_dates() -> None:
    old = facts("plan_v2.md", TEXT, dated="2025-02-01")
    new = facts("plan_v1.md", EDITED, dated="2025-01-01", header=[("replaces", "plan_v2.md")])
    found = only(old, new)
    assert (found.old, found.evidence) == (old.document_id, "its header says Replaces: plan_v2.md")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("superseded-by", "600", "its header says Superseded-By: 600"),
        ("obsoleted-by", "RFC 7230,\n7231", "its header says Obsoleted-By: RFC 7230, 7231"),
        ("status", "Withdrawn", "its header says Status: Withdrawn"),
        ("status", "superseded by [ADR 12](0012.md)", "its header says Status: superseded by [ADR 12](0012.md)"),
        ("status", "Deprecated (2024)", "its header says Status: Deprecated (2024)"),
        ("status", "OBSOLETE", "its header says Status: OBSOLETE"),
        ("superseded-by", "none", None),
        ("superseded-by", "", None),
        ("status", "Rejected", None),
        ("status", "Final", None),
        ("status", "Not withdrawn", None),
        ("status", "Obsolete parts ordered", None),
        ("replaces", "3107", None),
        ("title", "Withdrawn", None),
    ],
)
def test_a_header_retires_its_own_document(name: str, value: str, expected: str | None) -> None:
    assert retired_by_own_header([HeaderField(name, value, None, None)]) == expected


def test_the_successor_is_told_before_the_status() -> None:
    fields = [HeaderField("status", "Superseded", None, None), HeaderField("superseded-by", "600", None, None)]
    assert retired_by_own_header(fields) == "its header says Superseded-By: 600"


# -- marks in names


@pytest.mark.parametrize(
    ("name", "dates"),
    [
        ("notes 2024-03-01", ((2024, 3, 1),)),
        ("notes_20240301", ((2024, 3, 1),)),
        ("notes 2024-03", ((2024, 3),)),
        ("notes 202403", ((2024, 3),)),
        ("notes Q2 2024", ((2024, 6),)),
        ("notes 2024-W10", ((2024, 3, 4),)),
        ("notes March 2024", ((2024, 3),)),
        ("notes 2024 march", ((2024, 3),)),
        ("notes 1.3.2024", ((2024, 3, 1),)),
        ("notes fy2024", ((2024,),)),
        ("notes 20245", ()),
        ("notes 12024", ()),
    ],
)
def test_dates_in_names(name: str, dates: tuple[tuple[int, ...], ...]) -> None:
    assert read_marks(f"/home/ana/{name}.md").dates == dates


# -- what always holds

PATHS = [
    f"/k/{folder}{name}.{suffix}"
    for folder in ("", "old/", "2023/", "b/")
    for name in ("r", "r_v1", "r_v2", "r_v3", "r-draft", "r-final", "r 2023", "r 2024", "r (1)", "s", "7", "8")
    for suffix in ("md", "pdf")
]


@st.composite
def folders(draw: st.DrawFn) -> list[Facts]:
    paths = draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=10))
    return [
        Facts(
            document_id=i + 1,
            path=path,
            title=draw(st.sampled_from(["", "R"])),
            dated=draw(st.sampled_from([None, date(2024, 1, 1), date(2024, 2, 1)])),
            file_changed_at=DAY_ONE + timedelta(days=draw(st.integers(0, 3))),
            fields=tuple(
                HeaderField("replaces", v, None, None)
                for v in draw(st.lists(st.sampled_from(["r", "s", "7", "8"]), max_size=1))
            ),
            strings=frozenset(draw(st.sets(st.sampled_from([b"a", b"b", b"c", b"d", b"e"])))),
        )
        for i, path in enumerate(paths)
    ]


@given(folders(), st.randoms(use_true_random=False))
def test_the_order_of_the_documents_does_not_matter(documents: list[Facts], random: object) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert suggest(shuffled) == suggest(documents)


@given(folders())
def test_one_suggestion_a_pair_and_no_circles(documents: list[Facts]) -> None:
    found = suggest(documents)
    assert len({frozenset((s.old, s.new)) for s in found}) == len(found)
    assert all(s.old != s.new and 0 < s.score <= 1 and s.evidence for s in found)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    after = {document.document_id: {s.new for s in found if s.old == document.document_id} for document in documents}
    for document_id, reached in after.items():
        while True:
            further = reached.union(*(after[i] for i in reached))
            assert document_id not in further
            if further == reached:
                break
            reached = further


def test_ten_thousand_documents_take_about_a_second() -> None:
    """Two thousand rows of five versions that share most of their text."""
    documents = [
        facts(f"{i}/plan_v{v}.md", " ".join(f"{i}.{k if k > v else f'{k}*'}" for k in range(10)), document_id=i * 5 + v)
        for i in range(2_000)
        for v in range(5)
    ]
    began = time.perf_counter()
    found = suggest(documents)
    assert time.perf_counter() - began < 5  # 0.6 s alone on one core; this machine may be busy
    assert len(found) == 8_000
