"""The span reader of `rag_lifelong/span_reader`: the command that made its weights, and the examples it was shown."""
