"""What the command line offers: its commands by group, examples of each, and the options they share.

Rule: data alone.
"""

from __future__ import annotations

GROUPS = (
    (
        "every day",
        (
            ("add", "read files and folders in; they can be asked at once"),
            ("ask", "an answer from your files, with citations"),
            ("search", "the passages themselves, best first"),
            ("chat", "a conversation"),
            ("watch", "follow folders: what changes in them can be asked at once"),
            ("sync", "make the knowledge base equal to the folders, once"),
            ("status", "what is in it, what waits, what failed; or all about one file"),
            ("list", "the documents stored"),
            ("remember", "keep a note that can be asked for, or how answers are to be"),
            ("show", "a document's stored text, also when its file is gone"),
            ("forget", "take documents out of every answer about now"),
        ),
    ),
    (
        "time",
        (
            ("versions", "what changed when, newest first"),
            ("history", "every state of a document, with what changed"),
            ("diff", "what changed between two versions"),
            ("rules", "how long documents hold, how they fade, what of their past is kept"),
            ("conflicts", "documents that another one is likely to supersede, for you to decide"),
            ("prune", "let go of former texts, for good"),
            ("undo", "take back what a command changed; the disk is not touched"),
        ),
    ),
    (
        "care",
        (
            ("check", "is everything well, and what mends it (also: doctor)"),
            ("rebuild", "make the word and vector indexes again from what is stored"),
            ("folders", "the folders known, who follows them; or one that has moved"),
            ("unfollow", "compare a folder no longer; its documents stay"),
            ("chats", "the conversations kept: list, show, export, delete"),
            ("backup", "the whole knowledge base as one file, also while it is written to"),
            ("restore", "a knowledge base from such a file"),
            ("export", "texts, versions and history as plain files, for other programs"),
            ("models", "which language model answers, what else there is, and how to get one"),
            ("config", "every setting, its value, and where that comes from"),
            ("service", "keep `lifelong watch` running after login and reboot"),
            ("completion", "completion for bash, zsh or fish"),
        ),
    ),
    (
        "learning",
        (
            ("evaluate", "does it still know what was, and nothing but what is: measured on your own files"),
            ("replay", "ask every kept question again: what became of its answer, and why"),
            ("distill", "make an adapter of what is stable and used: gated, and revoked with its sources"),
            ("adapters", "the adapters made: list, show, enable, disable, delete"),
        ),
    ),
)
"""Title → (command, purpose), as `--help` shows them."""

EXAMPLES = {
    "add": ("lifelong add ~/notes", "lifelong add report.pdf", "lifelong add ~/archive --no-wait"),
    "ask": (
        'lifelong ask "What did we decide about retries?"',
        "lifelong ask --in 'meetings/*' \"Who owns the queue?\"",
        'lifelong ask --as-of 2026-03-01 "How many attempts?"',
        "lifelong ask --json < question.txt",
        'lifelong ask -c "And since when?"',
    ),
    "search": (
        "lifelong search dead letter queue",
        "lifelong search walrus -k 3 --explain",
        "lifelong search --dated 2026-01-01.. --files retries",
    ),
    "chat": (
        "lifelong chat",
        "lifelong chat -c",
        "lifelong chat --watch ~/notes",
        "lifelong chat -m transformers:~/models/qwen",
    ),
    "watch": ("lifelong watch ~/notes", "lifelong watch", "lifelong watch --json"),
    "sync": ("lifelong sync", "lifelong sync ~/notes --yes"),
    "status": ("lifelong status", "lifelong status ~/notes/old.md"),
    "list": (
        "lifelong list",
        "lifelong list '*.pdf'",
        "lifelong list --failed",
        "lifelong list --as-of yesterday --in meetings",
    ),
    "show": (
        "lifelong show ~/notes/old.md",
        "lifelong show ~/notes/old.md:40",
        "lifelong show old.md --as-of 3",
    ),
    "remember": (
        'lifelong remember "five attempts is final until the audit"',
        "lifelong remember < minutes.txt",
        "lifelong remember --always \"give the PEP number\" --in 'peps/*'",
        "lifelong remember --list",
        "lifelong remember --drop 2",
    ),
    "forget": (
        "lifelong forget ~/notes/old.md",
        "lifelong forget ~/notes/drafts",
        "lifelong forget --everywhere ~/notes/secret.md",
    ),
    "versions": ("lifelong versions", "lifelong versions -k 3 --json"),
    "history": ("lifelong history ~/notes/plan.md", "lifelong history ~/notes/plan.md --json"),
    "diff": ("lifelong diff 3 4", "lifelong diff yesterday now --files"),
    "prune": ("lifelong prune --keep-for '1 year' --dry-run", "lifelong prune --keep-last 5 --in 'logs/*'"),
    "rules": (
        "lifelong rules",
        "lifelong rules 'news/*' --time-to-live '90 days' --past hide",
        "lifelong rules ~/notes/journal --half-life '1 year' --keep-last 5",
        "lifelong rules 'news/*' --unset past",
        "lifelong rules 'news/*' --drop",
    ),
    "conflicts": (
        "lifelong conflicts",
        "lifelong conflicts --confirm 12-40 --reject 3-9",
        "lifelong conflicts --supersede plan-2025.md plan-2026.md",
    ),
    "undo": ("lifelong undo --dry-run", "lifelong undo", "lifelong undo 7"),
    "folders": ("lifelong folders", "lifelong folders --move ~/notes /mnt/big/notes"),
    "unfollow": ("lifelong unfollow ~/archive",),
    "check": ("lifelong check", "lifelong check && echo well"),
    "rebuild": ("lifelong rebuild",),
    "backup": ("lifelong backup /media/usb/notes.lifelong", 'lifelong backup "$(date +%F).lifelong"'),
    "restore": (
        "lifelong restore /media/usb/notes.lifelong",
        "lifelong restore notes.lifelong --kb old-notes",
        "lifelong restore notes.lifelong --force",
    ),
    "export": ("lifelong export ~/export",),
    "models": (
        "lifelong models",
        "lifelong models default ollama:qwen3:4b",
        "lifelong models default transformers:~/models/qwen",
        "lifelong models key api.openai.com",
        "lifelong models default openai:NAME@http://127.0.0.1:8000/v1",
    ),
    "config": ("lifelong config", "lifelong config --json"),
    "service": (
        "lifelong service install",
        "lifelong service status",
        "lifelong service logs -k 200",
        "lifelong service uninstall --kb work",
    ),
    "completion": (
        "lifelong completion bash >> ~/.bashrc",
        'lifelong completion zsh > "${fpath[1]}/_lifelong"',
        "lifelong completion fish > ~/.config/fish/completions/lifelong.fish",
    ),
    "chats": (
        "lifelong chats",
        "lifelong chats show 3",
        "lifelong chats export 3 ~/chat-3.md",
        "lifelong chats delete 3 4",
    ),
    "replay": ("lifelong replay", "lifelong replay --good", "lifelong replay -k 50 --json"),
    "evaluate": ("lifelong evaluate", "lifelong evaluate -k 50 --json"),
    "distill": (
        "lifelong distill --dry-run",
        "lifelong distill 'ops/*' --min-uses 5",
        "lifelong distill --dry-run -v --min-age 30",
        "lifelong distill --probe general.tsv --seed 11",
        "lifelong distill --if-due --yes",
    ),
    "adapters": (
        "lifelong adapters",
        "lifelong adapters show 3",
        "lifelong adapters disable 3",
        "lifelong adapters delete 2 --yes",
    ),
}

ALIASES = {"check": "doctor"}

QUESTIONS = ("ask", "search", "chat")

COMMON: tuple[tuple[tuple[str, ...], str | None, str, tuple[str, ...]], ...] = (
    (
        ("--kb",),
        "DIR_OR_NAME",
        "the knowledge base: a folder, or a name in your data folder (else LIFELONG_KB)",
        (),
    ),
    (("--json",), None, "print JSON, for scripts", ()),
    (
        ("-m", "--model"),
        "SPEC",
        "who words the answer: quote, transformers:PATH_OR_NAME, ollama:NAME, openai:NAME@BASE_URL",
        (),
    ),
    (
        ("--as-of",),
        "WHEN",
        "what was known at a version (3), a day (2026-03-01: its end), yesterday, 3 weeks ago",
        (*QUESTIONS, "list", "show", "replay"),
    ),
    (
        ("--dated",),
        "FROM..TO",
        "only documents whose own date lies between; either end may be left out",
        (*QUESTIONS, "list"),
    ),
    (
        ("--in",),
        "GLOB",
        "only documents with such a path, or in such a folder (repeatable)",
        (*QUESTIONS, "list", "prune", "remember"),
    ),
    (
        ("-k",),
        "N",
        "how many passages, versions, lines, samples, chats, or questions",
        (*QUESTIONS, "versions", "conflicts", "chats", "service", "evaluate", "replay"),
    ),
    (("-v", "--verbose"), None, "say more, on standard error", ()),
    (("-q", "--quiet"), None, "no progress and no notes", ()),
)
"""(names, metavar, help, the commands it is for, else all) of the options that stand before or after a command."""
