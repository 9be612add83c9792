"""Data with names (XML, JSON, YAML) to be read: what is a heading, what a record, what prose."""
