"""LoRA layers beside a frozen model, by peft: made, written to bytes, and read again.

Rule: the base is never touched. What answers with an adapter is a second tree of modules over the same tensors, with
the new layers in it; the base's own tree has none of them, so it is the same to the bit, and costs nothing more.
Adapters are never merged, into the base or into each other.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from rag_lifelong.errors import ModelUnusable

_NAME = "adapter"
_METADATA = "rag_lifelong"


def grown(base: Any, *, rank: int, alpha: int, layers: float, seed: int) -> Any:
    """A tree over the base's tensors with fresh LoRA layers, which change nothing yet.

    layers: the share of the layers, counted from the top, that are adapted: attention and feed-forward alike (the lower
    ones carry what all tasks share, and are left alone). Only the new layers' parameters, float32, can be trained.
    Raises ModelUnusable for a model without such layers.
    """
    import torch

    targets = _targets(base, layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _with_layers(base, targets, rank=rank, alpha=alpha)


def dumped(adapted: Any) -> bytes:
    """The new layers' parameters and what they are beside, as one safetensors file."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    settings = adapted.peft_config[_NAME]
    about = {"rank": settings.r, "alpha": settings.lora_alpha, "targets": sorted(settings.target_modules)}
    state = get_peft_model_state_dict(adapted, adapter_name=_NAME)
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(state.items())}
    return save(tensors, metadata={_METADATA: json.dumps(about)})


def loaded(base: Any, data: bytes) -> Any:
    """The tree that `dumped` was of, over this base's tensors; nothing in it can be trained.

    Raises ModelUnusable for bytes that are no adapter, or are of another model.
    """
    from peft import set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        about = json.loads(_metadata(data)[_METADATA])
        adapted = _with_layers(base, about["targets"], rank=about["rank"], alpha=about["alpha"])
        left: Any = set_peft_model_state_dict(adapted, load(data), adapter_name=_NAME)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ModelUnusable(f"the adapter's weights cannot be used with this model: {error}") from error
    if left.unexpected_keys:
        raise ModelUnusable(f"the adapter is of another model: it has no {left.unexpected_keys[0]}")
    return adapted.requires_grad_(False)


def _with_layers(base: Any, targets: Sequence[str], *, rank: int, alpha: int) -> Any:
    import warnings

    from peft import LoraConfig, inject_adapter_in_model

    shared = {id(tensor): tensor for tensor in (*base.parameters(), *base.buffers())}
    tree = copy.deepcopy(base, shared)
    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0, bias="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about layers of other kinds, that are named here and not concerned
        tree = inject_adapter_in_model(settings, tree, adapter_name=_NAME)
    for parameter in tree.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # half precision loses small steps
    return tree


def _targets(base: Any, layers: float) -> list[str]:
    """Full names of the linear layers in the upper share of the model's stack."""
    import torch

    stacks = [(name, one) for name, one in base.named_modules() if isinstance(one, torch.nn.ModuleList)]
    if not stacks:
        raise ModelUnusable("this model has no stack of layers that an adapter could stand beside")
    name, stack = max(stacks, key=lambda found: sum(p.numel() for p in found[1].parameters()))
    first = round(len(stack) * (1.0 - layers))
    found = [
        f"{name}.{number}.{inner}"
        for number in range(min(first, len(stack) - 1), len(stack))
        for inner, module in stack[number].named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    if not found:
        raise ModelUnusable(
            "this model's layers are packed in a way that no adapter can stand beside; load it unpacked"
        )
    return found


def _metadata(data: bytes) -> dict[str, str]:
    """What a safetensors file says of itself: a length of eight bytes, then JSON."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return dict(header["__metadata__"])
