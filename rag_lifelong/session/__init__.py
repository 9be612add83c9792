"""What a chat in the terminal is made of: its state, asking, and the commands that begin with "/".

Rule: a row of modules of functions that take the `Session` and print; `repl` reads the lines and calls them.
"""
