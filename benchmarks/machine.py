"""What the machine is that a benchmark runs on, and how much memory it took."""

import platform
import re
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def cpu_name() -> str:
    """The processor's name as the system has it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def peak_mb() -> float:
    """Most memory that this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class Largest:
    """The most memory that a process, or one that it started, was seen to have, in GB; without Ray's servers.

    They are looked at every `LOOK` seconds: what takes long to fill is seen.
    """

    LOOK = 0.05

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)
        self.gigabytes = 0.0

    def look(self) -> None:
        """See how large they are now."""
        with suppress(psutil.Error):
            for each in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.Error):
                    if each == self._process or not _of_ray(each):
                        self.gigabytes = max(self.gigabytes, each.memory_info().rss / 1e9)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look until the block ends."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(self.LOOK):
                self.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _of_ray(process: psutil.Process) -> bool:
    """Whether it is one of Ray's servers, and no worker."""
    line = " ".join(process.cmdline())
    return ("/ray/" in line or "ray::" in line) and "ray::Worker" not in line
