"""The session on the page: what is typed, in order, and a sentence about each step."""

from __future__ import annotations

from benchmarks.terminal.steps import Press, Scene, Step, line

SCENES = (
    Scene(
        "The first five minutes",
        (
            line("cd; clear", is_shown=False),
            line("lifelong", "Without a knowledge base it says how to begin."),
            line("lifelong add ~/notes", "Files are read in; they can be asked at once."),
            line('lifelong ask "What did we decide about retries?"', "An answer, and what it rests on."),
            line('lifelong ask "What does Ana earn?"; echo $?', "What the sources do not hold is not answered."),
        ),
    ),
    Scene(
        "A chat",
        (
            line("lifelong chat", "It says what there is to talk to, and what to do."),
            line("/help", "All commands on one screen."),
            line("who owns the dead-letter queue?", "A question."),
            line("/why", "How that was found."),
            Step((Press("C-d"),), says="^D leaves."),
        ),
    ),
)
