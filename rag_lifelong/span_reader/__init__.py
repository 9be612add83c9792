"""A small reader: a question and a passage → the words of the passage that answer it, and how sure that is.

Rule: the words are exact characters of the passage. MiniLM's weights stay as they are; `weights.safetensors` holds what
is added to them, and `python -m benchmarks.span_reader` makes it.
"""

from rag_lifelong.span_reader.reader import Reading, SpanReader, open_span_reader

__all__ = ["Reading", "SpanReader", "open_span_reader"]
