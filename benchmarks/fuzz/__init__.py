"""Fuzzing of every parser and of the chunker: `python -m benchmarks.fuzz`."""
