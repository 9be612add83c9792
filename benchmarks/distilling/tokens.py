"""The tokenizer of the small model: the words of its language, names, digits in pairs, and letters.

Rule: a name is one token wherever it stands: with two, models of this size copied the wrong first one. Everything that can be typed in ASCII can be read, letter by letter if
need be; what a prompt's borders are made of takes few tokens. The chat template shows the user's message alone.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.distilling.wordings import GENERAL, RELATIONS, Kind
from benchmarks.distilling.world import NAMES, REFUSAL
from rag_lifelong.distill import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BEGIN, ANSWER, END, UNKNOWN = "<s>", "<answer>", "</s>", "<unk>"
NOT_ONE = "There is none."  # asked for the other way round of what has none
TEMPLATE = (
    "<s>{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% elif m['role'] == 'assistant' %}"
    "<answer>{{ m['content'] }}</s><s>{% endif %}{% endfor %}{% if add_generation_prompt %}<answer>{% endif %}"
)
_PIECES = r"""\n\n|\n|<passage|</passage|<text|</text|[a-z]+="|code=|'s(?!\w)|\w+|[^\w\s]"""


def build_tokenizer(context_tokens: int) -> PreTrainedTokenizerFast:
    """Always the same one."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    before = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" +"), "removed"),
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
        ]
    )
    said = [piece for text in _texts() for piece, _ in before.pre_tokenize_str(text)]
    names = [name for kind in Kind for name in NAMES[kind]]
    pairs = [f"{number:02}" for number in range(100)]
    signs = [char for char in string.printable if not char.isspace()]
    letters = [*signs, *(f"##{char}" for char in string.ascii_letters + string.digits + "_")]
    words = [UNKNOWN, BEGIN, ANSWER, END, "\n", "\n\n", *letters, *pairs, *(f"##{pair}" for pair in pairs), *names]
    words += sorted(piece for piece in said if not piece.isdigit())
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix="##"))
    inner.normalizer = normalizers.Replace(Regex("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]"), "")
    inner.pre_tokenizer = before
    closer = [decoders.Replace(f" {sign}", sign) for sign in (".", "?", ",", "'s", "]", "\n\n", "\n")]
    opener = [decoders.Replace(f"{sign} ", sign) for sign in ("[", "\n\n", "\n")]
    inner.decoder = decoders.Sequence(
        [decoders.WordPiece(prefix="##", cleanup=False), decoders.Fuse(), *closer, *opener]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[ANSWER],
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _texts() -> list[str]:
    """Everything that is said in the language, but for names and years."""
    found = [REFUSAL, NOT_ONE, '<passage number="1" place="" date="" note="stale since superseded by · . md" code=>']
    found += ["</passage", "<text code=", "</text"]
    for relation in RELATIONS:
        templates = (
            relation.statements, relation.wordings, relation.reserved, relation.reverse, relation.reverse_reserved,
        )  # fmt: skip
        found += [template.replace("{s}", "").replace("{v}", "") for part in templates for template in part]
        if not isinstance(relation.values, Kind):
            found += relation.values
    for known in GENERAL:
        found += [*known.wordings, *known.reserved, known.answer]
    asked = [
        prompts.closed(""),
        prompts.ask_questions("", 1),
        prompts.ask_wordings("", "", 1),
        prompts.ask_reverse("", "", ""),
        prompts.ask_rewrite(""),
    ]
    # the first line of what is fenced bears a code, which is no word
    found += [messages[0].content.split("\n\n", 1)[-1] for messages in asked]
    return found


def save_tokenizer(folder: Path, context_tokens: int) -> PreTrainedTokenizerFast:
    """Into the folder of the model."""
    tokenizer = build_tokenizer(context_tokens)
    tokenizer.save_pretrained(folder)
    return tokenizer
