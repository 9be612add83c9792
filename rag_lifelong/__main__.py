"""python -m rag_lifelong: the `lifelong` command."""

import sys

from rag_lifelong.cli import main

sys.exit(main())
