"""The session on the page: what is typed, in order, and a sentence about each step."""

from __future__ import annotations

from benchmarks.terminal.steps import SHELL, Await, Paste, Press, Resize, Scene, Step, line

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
        line('lifelong ask --dated ..2026-02-28 --json "Who was present?"', "For scripts."),
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
        line("Who is she?", "One that leans on it: what the sources were asked is shown."),
        line("/why", "How that was found: the words of the question, and the likeness of meaning."),
        line("/sources", "What else it had."),
        line("/good that is right", "What you think of it is kept …"),
        line("/bad", "… the last word counts."),
        line("who owns the billing service? @oncall.md", "One document alone."),
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
        Step(("/ret", Press("Tab"), Await("^› /retry"), Press("Enter")), says="Tab completes commands …"),
        Step(("/forget ONB", Press("Tab")), says="… and what is stored.", until="onboarding.rst$"),
        Step((Press("C-c"),), is_shown=False),
        Step((Press("C-r"), "Who is", Press("Enter"), Press("Enter")), says="^R finds what was asked before."),
        Step(("half a question", Press("C-c")), says="^C drops what is typed."),
        line("/remember five attempts is final until the audit", "A note of your own …"),
        line("how many attempts are final until the audit?", "… answers like any other document."),
        line('/remember --always "answer in German"', "A wish about how answers are to be."),
        line("/preferences", ""),
        line("/remember --drop 1", ""),
        line("/copy", "Inside tmux to its buffer; elsewhere by the terminal."),
        line("/save chat.md", "The chat as Markdown."),
        line("/save chat.md", ""),
        line("/model", ""),
        line("/adapters", ""),
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
            "lifelong ask --no-save 'Who leads the platform team?'; lifelong chats -k 2",
            "One that leaves nothing.",
        ),
    ),
)

_FOLLOW = Scene(
    "A folder that is followed",
    (
        line("lifelong folders", "The folders known."),
        line("lifelong watch ~/notes", "One terminal follows …", window="other", until="up to date"),
        line(
            "echo 'Mei Chen owns the dead-letter queue since April.' > ~/notes/ops/owners.md",
            "… in another a file is saved …",
        ),
        Step((Await(r"added .*owners\.md"),), says="… which the first one sees.", window="other", until="up to date"),
        line("lifelong status", "Who follows."),
        line('lifelong ask "Who owns the dead-letter queue since April?"', ""),
        line("mv ~/notes/ops/owners.md ~/notes/ops/who-owns-what.md", "A file that moves is not read again."),
        Step((Await(r"moved .*who-owns-what\.md"),), window="other", until="up to date"),
        line("rm ~/notes/ops/who-owns-what.md", "One that is deleted answers no more."),
        Step((Await(r"removed .*who-owns-what\.md"),), window="other", until="up to date"),
        Step((Press("C-c"),), says="^C ends it.", window="other", until=SHELL),
        line("lifelong unfollow ~/notes; lifelong folders", "A folder can be left as it is."),
        line("lifelong sync ~/notes", "Named, it is compared again."),
    ),
)

_TIME = Scene(
    "Time",
    (
        line("lifelong versions -k 4", "What changed when."),
        line(f"lifelong history {_MEETING}", "Every state of a document."),
        line("lifelong diff 1 2", "Between two versions."),
        line("lifelong diff 1 --files", ""),
        line(f"lifelong show {_MEETING}:15 --as-of 1 | head -1", "A text of then."),
        line("lifelong forget ~/notes/audit.pdf", "Out of answers about now …"),
        line("lifelong sync; lifelong status ~/notes/audit.pdf", "… and it stays out."),
        line("lifelong undo --dry-run", "What undo would do …"),
        line("lifelong undo", "… and it done."),
        line("lifelong rules 'hr/*' --time-to-live '90 days' --past down", "How long documents hold."),
        line("lifelong rules; lifelong list --stale", ""),
        line("lifelong rules 'hr/*' --drop", ""),
        line(
            "cp ~/notes/ops/oncall.md ~/notes/ops/oncall_v2.md && echo 'Old pagers are gone.' >> ~/notes/ops/oncall_v2.md && lifelong sync",
            "A second edition.",
        ),
        line("lifelong conflicts", "It is noticed …"),
        line("lifelong conflicts --supersede ~/notes/ops/oncall.md ~/notes/ops/oncall_v2.md", "… and decided by you."),
        line('lifelong ask "Who owns the billing service?"', "Answers go by that."),
        line("lifelong conflicts --settled", ""),
        line("lifelong prune --keep-for 1s --dry-run", "Former texts can go, after they were shown."),
        line(
            'lifelong prune --keep-for 1s; echo "exit code $?"',
            "Elsewhere than at a terminal it needs `--yes`; here it asks.",
            until=r"\[y/N\]$",
        ),
        line("y", ""),
        line("lifelong forget --everywhere ~/notes/长城.md --yes", "For good, from every version."),
    ),
)

_CARE = Scene(
    "Care",
    (
        line("lifelong check", "Is everything well?"),
        line("lifelong rebuild", "The indexes can be made again."),
        line("lifelong backup ~/kb.lifelong", "One file …"),
        line(
            "lifelong restore ~/kb.lifelong --kb copy && lifelong status --kb copy",
            "… from which another knowledge base is made.",
        ),
        line("lifelong export ~/export && ls ~/export", "Plain files, for other programs."),
        line("lifelong config", "Every setting, and where it comes from."),
        line("lifelong models", "Language models: none is needed, and none is set."),
        line('lifelong models default "quote"; lifelong config | head -1', ""),
        line('lifelong ask -m ollama:none "Who owns the queue?"; echo "exit code $?"', "A server that is not there."),
        line("lifelong completion bash | head -3", "Completion for the shell."),
        line('eval "$(lifelong completion bash)"', "", is_shown=False),
        Step(("lifelong unf", Press("Tab")), says="Tab after `unf`.", until=r"^\$ lifelong unfollow$"),
        Step((Press("C-u"),), is_shown=False, until=SHELL),
        line('lifelong service status; echo "exit code $?"', "Nothing runs by itself unless you install it."),
        line("lifelong remember 'The audit is on 3 December.'", "A note from the shell."),
        line("lifelong remember --list", ""),
        line("lifelong evaluate -k 5", "Does it still know what was, and nothing but what is?"),
        line("lifelong replay -k 3", "What became of the answers to earlier questions."),
        line("lifelong distill --dry-run", "What has proven itself, and might go into an adapter beside a model."),
        line('lifelong adapters; echo "exit code $?"', "The adapters there are."),
        line("lifelong --help", "All commands."),
        line("lifelong undo --help", "And one."),
        line('lifelong serach retries; echo "exit code $?"', "A slip."),
    ),
)

_ELSEWHERE = Scene(
    "Other terminals, and none",
    (
        line(
            "printf '%s\\n' 'Who sings in the choir?' 'Who leads the platform team?' '/open 1' | lifelong chat --no-save; echo \"exit code $?\"",
            "Through a pipe each line is a question or a command; the exit code is 4 where the sources did not say.",
        ),
        Step(
            (
                "NO_COLOR=1 TERM=dumb lifelong chat --no-save",
                Await("^›$"),
                "Who leads the platform team?",
                Await("quoted$"),
                Await("^›$"),
                Press("C-d"),
            ),
            says="A terminal that can nothing.",
            until=SHELL,
        ),
        Step((Resize(40, 90), "lifelong chat --no-save"), says="A narrow one: 40 columns."),
        line("what does the great wall cost?", ""),
        line("/new", is_shown=False),
        line("Who leads the platform team?", ""),
        Step((Press("C-d"),), until=SHELL, is_shown=False),
    ),
)

SCENES = (_FIRST, _FIND, _CHAT, _FOLLOW, _TIME, _CARE, _ELSEWHERE)
