"""What the machine is that a benchmark runs on."""

import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """The processor's name as the system has it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
