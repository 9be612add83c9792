"""Weights and tokenizer of a transformers model: found, loaded where and how the settings say, and their digest."""

from __future__ import annotations

import os
from operator import itemgetter
from typing import Any

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate.language_model import ModelSettings
from rag_lifelong.local_models import without_bars

HUB_TIMEOUT_S = 10.0


def open_weights(path: str, name: str, settings: ModelSettings) -> tuple[Any, Any]:
    """Tokenizer and model: from the folder or the hub's local copies, else from the hub. Raises ModelUnusable."""
    from safetensors import SafetensorError

    device = _device(settings.device, name)
    if settings.dtype == "int8" and device != "cpu":
        raise ModelUnusable(f'model_dtype = "int8" is for the CPU, and {name} is to run on {device}; set another dtype')
    try:
        try:
            found = _load(path, settings, is_local=True)
        except OSError:
            if os.path.isdir(path) or not _hub_answers():
                raise
            found = _load(path, settings, is_local=False)
        return found[0], found[1].to(device)
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(": ")
        hint = "" if os.path.isdir(path) else "; no such folder, and not to be had from the hub"
        raise ModelUnusable(f"cannot load {name}: {reason[:200]}{hint}") from error


def digest_of(model: Any) -> str:
    """SHA-256 over names, types, shapes and bytes of all parameters and buffers, in hexadecimal.

    Equal digests are equal weights, wherever they lie and whatever order they were made in.
    """
    import hashlib

    import torch

    found = hashlib.sha256()
    for name, value in sorted(_tensors(model), key=itemgetter(0)):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        if value.numel():
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _tensors(model: Any) -> list[tuple[str, Any]]:
    """Names and plain tensors; a layer in eight bits keeps its weights packed, with scales and zero points."""
    import torch

    found: list[tuple[str, Any]] = []
    for name, value in model.state_dict().items():
        parts = value if isinstance(value, tuple) else (value,)
        for i, part in enumerate(parts):
            if isinstance(part, torch.Tensor) and part.is_quantized:
                found += [(f"{name}.{i}.values", part.int_repr()), (f"{name}.{i}.scales", part.q_per_channel_scales())]
                found.append((f"{name}.{i}.zeros", part.q_per_channel_zero_points()))
            elif isinstance(part, torch.Tensor):
                found.append((f"{name}.{i}", part))
    return found


def _load(path: str, settings: ModelSettings, *, is_local: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if settings.threads:
        torch.set_num_threads(settings.threads)
    dtype = "float32" if settings.dtype == "int8" else settings.dtype
    with without_bars():
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=is_local)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=is_local, dtype=dtype)
    return tokenizer, _in_eight_bits(model) if settings.dtype == "int8" else model


def _in_eight_bits(model: Any) -> Any:
    """The linear layers' weights in int8, a scale for each output; what they multiply is quantised as it comes."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will leave torch: the version is pinned
        how = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
        return torch.ao.quantization.quantize_dynamic(model, how, inplace=True)  # type: ignore[no-untyped-call]


def _device(wanted: str, name: str) -> str:
    """ "cpu", "cuda" or "mps". Raises ModelUnusable for one that is not here."""
    import torch

    here = [
        kind
        for kind, is_here in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if is_here
    ]
    if wanted == "auto":
        return here[0] if here else "cpu"
    if wanted != "cpu" and wanted not in here:
        raise ModelUnusable(f'model_device = "{wanted}", which is not here, for {name}; set it to "auto" or "cpu"')
    return wanted


def _hub_answers() -> bool:
    """Whether the model hub can be reached: its own client would try for most of a minute."""
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(constants.ENDPOINT, timeout=HUB_TIMEOUT_S):
            return True
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # the client may know other certificates
    except OSError:
        return False
