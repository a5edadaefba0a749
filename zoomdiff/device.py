"""Where the network runs, in which precision, and in how much memory."""

import ctypes
import shutil
import sys
from contextlib import suppress

import torch
from torch import nn

from zoomdiff.arguments import instance
from zoomdiff.errors import OptionError


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises OptionError for another."""
    instance("The device", name, str, "auto, cuda, mps or cpu")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there.get(name.split(":")[0], False):
        raise OptionError(f"There is no device {name!r} here: use auto or {', '.join(d for d in there if there[d])}.")
    return torch.device(name)


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the hardware multiplies it natively, else full precision."""
    if device.type == "cpu":
        cpu = torch.cpu.get_capabilities()
        native = cpu.get("amx_bf16", False) or cpu.get("avx512_bf16", False)
    else:
        native = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


def name_of(device: torch.device) -> str:
    """What a person calls it: "CPU, 2 threads", "CUDA, NVIDIA A100"."""
    if device.type == "cuda":
        return f"CUDA, {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "Apple GPU (MPS)"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a CUDA device; None elsewhere."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def trim_memory() -> None:
    """Give memory that was freed back to the system: glibc keeps what lies between blocks in use, and that adds up."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # of another C library
            ctypes.CDLL(None).malloc_trim(0)


def compile_network(network: nn.Module, device: torch.device) -> None:
    """Let torch.compile fuse the network in place; the first evaluations take about a minute, later ones less.

    Raises OptionError where there is no C++ compiler, which the CPU needs.
    """
    if device.type == "cpu" and not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++", "cl")):
        raise OptionError("Compiling for the CPU needs a C++ compiler: install g++, or leave out --compile.")
    network.compile(dynamic=True)
