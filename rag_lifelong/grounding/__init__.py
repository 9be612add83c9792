"""Which sentences of a model's answer its sources support.

Rule: judged by what stands in the passages cited (words, names, numbers, dates, denials), and by meaning where words
leave it open. What cannot be found there is named, and nothing else happens to it.
"""

from rag_lifelong.grounding.judge import Judged, Place, judge
from rag_lifelong.grounding.source import Source
from rag_lifelong.grounding.statements import says_nothing_is_said

__all__ = ["Judged", "Place", "Source", "judge", "says_nothing_is_said"]
