"""Where the network runs, and in which precision."""

from contextlib import AbstractContextManager

import torch

from zoomdiff.errors import OptionError


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises OptionError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there.get(name.split(":")[0], False):
        raise OptionError(f"There is no device {name!r} here: use auto or one of {[d for d in there if there[d]]}.")
    return torch.device(name)


def autocast(device: torch.device) -> AbstractContextManager:
    """bf16 where the hardware multiplies it natively, else full precision."""
    if device.type == "cpu":
        cpu = torch.cpu.get_capabilities()
        native = cpu.get("amx_bf16", False) or cpu.get("avx512_bf16", False)
    else:
        native = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)
