"""How things look in a terminal: text, links, progress. Makes strings; `cli` and `repl` print them."""
