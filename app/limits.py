"""What a session may ask of this server, set by `zoomdiff app --public` and the environment."""

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoomdiff.errors import OptionError

PUBLIC, MAX_KM2, MAX_WORK = "ZOOMDIFF_PUBLIC", "ZOOMDIFF_MAX_KM2", "ZOOMDIFF_MAX_WORK"
STORES = "ZOOMDIFF_STORES"
LOCAL_KM2, PUBLIC_KM2 = 150.0, 25.0
PUBLIC_WORK = 400.0  # as much as 32 km2 with fast steps, or 2 km2 with full ones
CONTAINER = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    km2   of a region
    work  of a run, in the unit of `work.cost`
    """

    km2: float
    work: float

    @classmethod
    def of_server(cls) -> "Limits":
        """Those of the environment. Raises OptionError for a value that is no number."""
        km2 = _number(MAX_KM2, "km2", PUBLIC_KM2 if public() else LOCAL_KM2)
        return cls(km2, _number(MAX_WORK, "km2 x steps", PUBLIC_WORK if public() else math.inf))

    def check(self, work: float) -> None:
        """Raise OptionError where a run is too much work."""
        if work > self.work:
            raise OptionError(
                f"This takes {work:,.0f} km2 x steps of the finest level, and this server allows {self.work:,.0f} in a "
                "run: choose a smaller region, fewer steps or fewer weeks."
            )


def public() -> bool:
    """Whether strangers use the server: maps are uploaded, neither read by path nor downloaded."""
    return os.environ.get(PUBLIC, "") not in ("", "0")


def stores_folder() -> Path | None:
    """The folder of this server's stores of large weeks, from which users choose; None where it offers none."""
    folder = os.environ.get(STORES, "")
    return Path(folder).expanduser() if folder else None


def memory_left() -> float:
    """Bytes that the server may still take, of the computer and of its container; unlimited where that is unknown."""
    left = [math.inf]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        left.append(1024 * float(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    with suppress(OSError, ValueError):  # "max" where the container has no limit
        most, used = (float((CONTAINER / name).read_text()) for name in ("memory.max", "memory.current"))
        left.append(most - used)
    return min(left)


def _number(name: str, unit: str, default: float) -> float:
    """A variable of the environment."""
    text = os.environ.get(name, "")
    try:
        limit = float(text or default)
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise OptionError(f"{name} must be a number of {unit} above 0, not {text!r}.")
    return limit
