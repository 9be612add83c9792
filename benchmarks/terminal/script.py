"""The session on the page: what is typed, in order, and a sentence about each step."""

from __future__ import annotations

from benchmarks.terminal.steps import SHELL, Await, Paste, Press, Scene, Step, line

_MEETING = "~/notes/meetings/2026-02-18.md"
_RETRIES = '"What did we decide about retries?"'

_FIRST = Scene(
    "The first five minutes",
    (
        line("lifelong", "Without a knowledge base it says how to begin."),
        line("lifelong add ~/notes", "Files are read in; they can be asked at once."),
        line(f"lifelong ask {_RETRIES}", "An answer, and what it rests on. That no model is set is said once."),
        line(
            'lifelong ask "What does Ana earn?"; echo "exit code $?"', "What the sources do not hold is not answered."
        ),
        line(
            f"sed -i 's/three attempts/five attempts/' {_MEETING} && lifelong sync",
            "A file changes. `lifelong sync` compares once; `lifelong watch`, below, goes on.",
        ),
        line(f"lifelong ask {_RETRIES}", "Now it answers from what is true now …"),
        line(f"lifelong ask --as-of 1 {_RETRIES}", "… and as of then, if asked."),
        line(
            'lifelong ask --as-of 2025-06-01 "Who owns the queue?"; echo "exit code $?"',
            "It cannot know what stood in files before it began.",
        ),
        line('lifelong ask --in "*.html" "What is the limit for hotels in Paris?"', "Only some documents."),
        line('lifelong ask --dated ..2026-02-28 --json "Who was at the weekly meeting?"', "For scripts."),
        line("echo 长城有多长？ | lifelong ask", "A question through a pipe, in another language."),
    ),
)

_FIND = Scene(
    "Searching and looking",
    (
        line("lifelong search dead letter queue -k 3", "The passages themselves."),
        line("lifelong search dead letter queue -k 2 --explain", "And why they were found."),
        line("lifelong search --files retries", "Only the files."),
        line("lifelong list", "What is stored."),
        line("lifelong show ~/notes/ops/oncall.md:10", "A document, from a line on."),
        line("lifelong status", "All at a glance …"),
        line("lifelong status ~/notes/ops/retry.py", "… or about one file …"),
        line('lifelong status ~/notes/nowhere.md; echo "exit code $?"', "… or one that is not there."),
        line("lifelong list --failed; lifelong list --stale; lifelong list --pending", "Nothing to worry about."),
    ),
)

_CHAT = Scene(
    "A chat",
    (
        line("lifelong chat", "It says what there is to talk to, and what to do."),
        line("/help", "All commands on one screen …"),
        line("/help open", "… and all about one."),
        line("Who owns the dead-letter queue?", "A question."),
        line("And the billing service?", "One that leans on it: what the sources were asked is shown."),
        line("/why", "How that was found: the words of the question, and the likeness of meaning."),
        line("/sources", "What else it had."),
        line("/good that is right", "What you think of it is kept …"),
        line("/bad", "… the last word counts."),
        line("what is done about disk usage? @oncall.md", "One document alone."),
        line("what is done? @nowhere.md", "One that is not there."),
        line("/in meetings", "Some documents, from here on."),
        line("Who was present?", ""),
        line("/in", ""),
        line("/asof 1", "The past."),
        line("What did we decide about retries?", ""),
        line("/asof", ""),
        line("/dated ..2026-02-28", ""),
        line("/dated", ""),
        line("/retry", "The last question once more."),
        line("/search badge", "Passages, without an answer."),
        line("/open 1", "The place, in the editor; `$EDITOR` is `true` here, which shows nothing."),
        Step(
            ("How many attempts \\", Press("Enter"), "are made?"), says="A \\ at the end of a line goes on in the next."
        ),
        Step(
            (Paste("What is the threshold\nfor the queue depth\nin the alerts?"), Press("Enter")),
            says="Lines that are pasted are one question.",
        ),
        Step(("/ret", Press("Tab"), Press("Enter")), says="Tab completes commands …"),
        Step(
            ("/forget ONB", Press("Tab"), Await("onboarding"), Press("C-u"), Press("Enter")),
            says="… and what is stored.",
        ),
        Step((Press("C-r"), "billing", Press("Enter"), Press("Enter")), says="^R finds what was asked before."),
        Step(("half a question", Press("C-c")), says="^C drops what is typed."),
        line("/remember five attempts is final until the audit", "A note of your own …"),
        line("until when are five attempts final?", "… answers like any other document."),
        line('/remember --always "answer in German"', "A wish about how answers are to be."),
        line("/preferences", ""),
        line("/remember --drop 1", ""),
        line("/copy", "Inside tmux to its buffer; elsewhere by the terminal."),
        line("/save chat.md", "The chat as Markdown."),
        line("/save chat.md", ""),
        line("/model", ""),
        line("/model nonsense", "Errors say what to do."),
        line("/soruces", ""),
        line("/versions", "Time."),
        line("/history ~/notes/meetings/2026-02-18.md", ""),
        line("/diff 1 2", ""),
        line("/forget ~/notes/handbook.html", "What a command did …"),
        line("/undo", "… can be taken back."),
        line("/status ~/notes/handbook.html", ""),
        line("/rules", ""),
        line("/conflicts", ""),
        line("/new", "Another chat."),
        line("/chats", ""),
        line("/resume", "Back to the last."),
        Step((Press("C-d"),), says="^D leaves.", until=SHELL),
        line("head -20 chat.md", "What /save wrote."),
        line("lifelong chat -c", "It goes on where it was."),
        line("/quit", "", until=SHELL),
        line('lifelong ask -c "Who was present?"', "So does a single question."),
        line("lifelong chats", ""),
        line("lifelong chats show 2", ""),
        line("lifelong chats export 2 | head -8", ""),
        line("lifelong chats delete 2 --yes", ""),
        line(
            "lifelong ask --no-save 'Who leads the platform team?'; lifelong chats | tail -3",
            "One that leaves nothing.",
        ),
    ),
)

SCENES = (_FIRST, _FIND, _CHAT)
