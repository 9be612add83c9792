"""The span reader of `rag_lifelong/span_reader`: the command that trained its weights, and the examples it was shown.

python -m benchmarks.span_reader --data FOLDER --out rag_lifelong/span_reader/weights.safetensors
"""
