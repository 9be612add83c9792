"""Our vector index beside its peers: the same vectors, the same queries, the same run.

    python -m benchmarks.indexes --work FOLDER --collect SOURCE…    real vectors, kept in FOLDER
    python -m benchmarks.indexes --work FOLDER [--sizes 10000 100000 1000000] [--only ours hnswlib]
    python -m benchmarks.indexes --work FOLDER --report             the table, and the figures in docs/figures

The peers are installed from PyPI into an environment in FOLDER, with the versions in `benchmarks/peers.txt`. What each
search must find was worked out by brute force. How sets larger than the real vectors are drawn is told in `sets.py`.
"""
