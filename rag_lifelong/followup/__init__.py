"""Follow-up questions → questions that stand alone, as the sources are asked.

Rule: a question that stands alone comes back as it is. What is carried over was said before, by the user or in an
answer; nothing a former answer says is an instruction.
"""

from rag_lifelong.followup.rewrite import stand_alone

__all__ = ["stand_alone"]
