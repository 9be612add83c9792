"""The border around a document's text in a prompt, and the text inside it, which can neither end nor forge one.

Rule: every border bears a code that stands in none of the texts inside, so no text holds a border, whatever its author
knew. The code is made from the texts: the same prompt is the same to the letter, and so is a greedy model's answer.
What models read as the border of a turn ("<|im_start|>", "[INST]") is broken up by an invisible character: the model
reads a text that looks the same, and no program on the way takes it for more. What users see is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

_CODE_CHARS = 4
_BREAK = "\u200b"
_GAP = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*"
_OPEN = r"[<＜﹤‹〈⟨《]"
_NAMES = "|".join(
    _GAP.join(f"[{char}{char.upper()}{chr(ord(char) + 0xFEE0)}{chr(ord(char.upper()) + 0xFEE0)}]" for char in name)
    for name in ("passage", "chat")
)
_BORDER = re.compile(rf"({_OPEN})(?={_GAP}[/／⁄∕]?{_GAP}(?:{_NAMES}))")
# Special tokens of ChatML, Llama 2 and 3, Mistral, Gemma, DeepSeek, Phi, Command R, Qwen, T5 and BERT
_TURN = re.compile(
    r"<(?=[|｜][^\s<>]{1,60}[|｜]>)"
    r"|<(?=/?(?:s|bos|eos|unk|pad|mask|cls|sep|think|tool_call|tool_response|tools|image|start_of_turn|end_of_turn"
    r"|start_header_id|end_header_id|system|user|assistant|extra_id_\d+)>)"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT|CLS|SEP|MASK|PAD|UNK|IMG)\])",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """`text` without anything that a model, or what prepares its input, could take for more than text."""
    text = _BORDER.sub(rf"\1{_BREAK}", text)
    return _TURN.sub(lambda found: found.group() + _BREAK, text)


def code_of(texts: Sequence[str]) -> str:
    """Four hexadecimal digits that stand in none of the texts; more only where there is no such code."""
    whole = "\n".join(texts).lower()
    digest = blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=32)
    for length in range(_CODE_CHARS, 64):
        for turn in range(256):
            again = digest.copy()
            again.update(turn.to_bytes(2, "big"))
            code = again.hexdigest()[:length]
            if code not in whole:
                return code
    raise AssertionError("a text that holds 256 digests of itself")


def fenced(text: str, *, name: str, code: str, attributes: Sequence[tuple[str, str]]) -> str:
    """`text` between its borders. attributes: of the opening one; their values cannot end it."""
    said = "".join(f' {key}="{_attribute(value)}"' for key, value in attributes)
    return f"<{name}{said} code={code}>\n{plain(text)}\n</{name} {code}>"


def _attribute(text: str) -> str:
    text = " ".join(text.split()).replace('"', "'").replace("<", "(").replace(">", ")")
    return plain(text)
