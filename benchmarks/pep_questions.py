"""Questions made from the headers of PEPs, and questions that no PEP answers.

    python -m benchmarks.pep_questions --peps FOLDER [--kb FOLDER] [--half development|held-out] [--failures]

200 questions ask for a header field (author, status, creation date, Python version, delegate) in several wordings; an
answer is right if it holds the value *and* cites that PEP's file alone. 100 cannot be answered: PEPs that do not exist,
delegates of PEPs without one, things no header or text says of an author, and other topics altogether. PEPs are split
in two by a digest of their number; the held-out half was never looked at while the answering was built.
The headers are read here on their own, apart from the project's parsers.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from rag_lifelong import Answer, open_assistant

WORDINGS = {
    "author": (
        "Who wrote PEP {n}?",
        "Who is the author of PEP {n}?",
        "Who are the authors of PEP {n}?",
        "By whom was PEP {n} written?",
        "Who wrote the PEP titled {title}?",
    ),
    "status": (
        "What is the status of PEP {n}?",
        "Tell me the current status of PEP {n}.",
        "Which status does PEP {n} have?",
        "What status has the PEP {title}?",
    ),
    "created": (
        "When was PEP {n} created?",
        "On which date was PEP {n} created?",
        "What is the creation date of PEP {n}?",
        "When was the PEP {title} created?",
    ),
    "python-version": (
        "Which Python version does PEP {n} target?",
        "What version of Python is PEP {n} for?",
        "What is the Python-Version of PEP {n}?",
        "Which Python release is PEP {n} meant for?",
    ),
    "delegate": (
        "Who was the delegate of PEP {n}?",
        "Who is the BDFL-Delegate or PEP-Delegate of PEP {n}?",
        "Who acted as delegate for PEP {n}?",
        "Name the delegate for PEP {n}.",
    ),
}
NOT_IN_HEADERS = (
    "In which year was the author of PEP {n} born?",
    "What is the salary of PEP {n}'s author?",
    "Where does the author of PEP {n} live?",
    "What is the phone number of PEP {n}'s author?",
    "How old was the author of PEP {n} when it was created?",
    "What is the favourite colour of PEP {n}'s author?",
    "Which university did the author of PEP {n} attend?",
    "How many children does the author of PEP {n} have?",
)
OTHER_TOPICS = (
    "What is the price of a train ticket from Paris to Lyon?",
    "Who won the football world cup in 1998?",
    "How many calories does a banana have?",
    "What is the capital of Mongolia?",
    "When did the Titanic sink?",
    "Who painted the Mona Lisa?",
    "How tall is Mount Everest?",
    "What is the boiling point of ethanol?",
    "Which river flows through Vienna?",
    "How do I bake sourdough bread?",
    "What is the population of Iceland?",
    "Who was the first person on the moon?",
    "What does a plumber earn per hour?",
    "How long is the Great Wall of China?",
    "Which vitamin is found in oranges?",
    "When was the Eiffel Tower built?",
    "What is the treatment for a migraine?",
    "Who composed the Four Seasons?",
    "How far away is the Andromeda galaxy?",
    "What is the interest rate of my mortgage?",
    "When does the supermarket close on Sunday?",
    "Which gate does my flight leave from?",
    "How many players are in a rugby team?",
    "What is the recipe for tiramisu?",
    "Who is the president of Brazil?",
    "What is the price of a train ticket?",
    "How many legs does a spider have?",
    "Which planet has the most moons?",
    "When did the Berlin wall fall?",
    "What did the doctor say about my knee?",
)


@dataclass(frozen=True)
class Case:
    kind: str
    question: str
    half: str
    file: str | None  # None: unanswerable
    values: tuple[str, ...]  # all must stand in the answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peps", type=Path, required=True)
    parser.add_argument("--kb", type=Path, help="made from --peps if it is new; without it, one for this run")
    parser.add_argument("--half", choices=("development", "held-out"))
    parser.add_argument("--failures", action="store_true", help="print what went wrong")
    arguments = parser.parse_args()
    cases = [case for case in make_cases(arguments.peps) if arguments.half in (None, case.half)]
    results: dict[tuple[str, str], list[bool]] = defaultdict(list)
    seconds = []
    with tempfile.TemporaryDirectory() as folder, open_assistant(arguments.kb or Path(folder) / "kb") as assistant:
        assistant.add(arguments.peps)
        for case in cases:
            began = time.perf_counter()
            answer = assistant.ask(case.question)
            seconds.append(time.perf_counter() - began)
            right = is_right(case, answer)
            results[case.half, case.kind].append(right)
            if arguments.failures and not right:
                files = sorted({Path(c.path).name for c in answer.citations})
                print(f"[{case.half}, {case.kind}] {case.question}\n   wanted {case.values} in {case.file}")
                print(f"   got {answer.text!r} from {files}")
    report(results, seconds)


def report(results: dict[tuple[str, str], list[bool]], seconds: list[float]) -> None:
    print(f"{'half':12} {'kind':16} {'right':>5} {'of':>4} {'share':>7}")
    for (half, kind), right in sorted(results.items()):
        print(f"{half:12} {kind:16} {sum(right):5} {len(right):4} {sum(right) / len(right):7.1%}")
    for half in sorted({half for half, _ in results}):
        fields = [r for (h, kind), row in results.items() if h == half and kind in WORDINGS for r in row]
        others = [not r for (h, kind), row in results.items() if h == half and kind not in WORDINGS for r in row]
        print(
            f"{half:12} answerable: right value and file {sum(fields) / len(fields):.1%} of {len(fields)}; "
            f"unanswerable: answered {sum(others) / len(others):.1%} of {len(others)}"
        )
    ordered = sorted(seconds)
    print(f"seconds a question: p50 {ordered[len(ordered) // 2]:.3f}, p95 {ordered[int(len(ordered) * 0.95)]:.3f}")


def is_right(case: Case, answer: Answer) -> bool:
    if case.file is None:
        return answer.refused
    text = " ".join(answer.text.split()).lower()
    files = {Path(citation.path).name for citation in answer.citations}
    return not answer.refused and files == {case.file} and all(v.lower() in text for v in case.values)


def make_cases(folder: Path) -> list[Case]:
    """The 300 questions; the same for the same PEPs."""
    peps = {number: (file, header) for number, file, header in read_headers(folder)}
    order = sorted(peps, key=lambda number: digest(f"order {number}"))
    cases: list[Case] = []
    for kind, wordings in WORDINGS.items():
        chosen = [number for number in order if field(peps[number][1], kind)][:40]
        for i, number in enumerate(chosen):
            file, header = peps[number]
            wording = wordings[i % len(wordings)]
            question = wording.format(n=number, title=header["title"])
            cases.append(Case(kind, question, half(str(number)), file, values(kind, field(header, kind) or "")))
    without = [number for number in order if not field(peps[number][1], "delegate")][:20]
    for i, number in enumerate(without):
        question = WORDINGS["delegate"][i % 4].format(n=number)
        cases.append(Case("no delegate", question, half(str(number)), None, ()))
    for i, number in enumerate(order[-30:]):
        cases.append(Case("not in headers", NOT_IN_HEADERS[i % 8].format(n=number), half(str(number)), None, ()))
    missing = [number for number in range(4_000, 9_000) if number not in peps]
    for i, number in enumerate(sorted(missing, key=lambda n: digest(f"missing {n}"))[:20]):
        kind = list(WORDINGS)[i % 5]
        question = WORDINGS[kind][i % 3].format(n=number)
        cases.append(Case("no such PEP", question, half(str(number)), None, ()))
    for question in OTHER_TOPICS:
        cases.append(Case("other topic", question, half(question), None, ()))
    return cases


def read_headers(folder: Path) -> list[tuple[int, str, dict[str, str]]]:
    """(number, file name, header) of every PEP; header names lower case, continuation lines joined."""
    found = []
    for path in sorted(folder.rglob("pep-[0-9]*.rst")):
        header: dict[str, str] = {}
        name = ""
        for line in path.read_text(encoding="utf-8").split("\n"):
            if not line.strip():
                break
            if line[0].isspace() and name:
                header[name] = f"{header[name]} {line.strip()}".strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                header[name] = value.strip()
        if header.get("pep", "").isdecimal() and header.get("title"):
            found.append((int(header["pep"]), path.name, header))
    return found


def field(header: dict[str, str], kind: str) -> str | None:
    if kind == "delegate":
        return header.get("bdfl-delegate") or header.get("pep-delegate")
    return header.get(kind)


def values(kind: str, value: str) -> tuple[str, ...]:
    """What must stand in the answer: every name of a list of people, else the value."""
    if kind in ("author", "delegate"):
        without = re.sub(r"<[^>]*>|\([^)]*@[^)]*\)", "", value)
        return tuple(name for part in without.split(",") if (name := " ".join(part.split())))
    return (" ".join(value.split()),)


def half(text: str) -> str:
    return "development" if digest(f"half {text}")[0] < 128 else "held-out"


def digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


if __name__ == "__main__":
    main()
