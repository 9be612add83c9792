"""A user at a terminal: a scripted tmux session that drives every command, written to docs/terminal.md.

`python -m benchmarks.terminal` writes the page; a test drives the session again and compares.
"""
