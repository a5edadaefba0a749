"""How long does `import zoomdiff` take, and `zoomdiff --help`?

Each in fresh processes, one after another; the first of each is not counted, as it fills the disk cache. The import is
timed inside its process, --help from start to end, so Python's own start is in it; that is printed too.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

from benchmarks.machine import cpu_name

IMPORT = "import time; started = time.perf_counter(); import zoomdiff; print(time.perf_counter() - started)"


def import_seconds() -> float:
    """Seconds of the import alone."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    return float(done.stdout)


def process_seconds(*arguments: str) -> float:
    """Seconds of a Python process from start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - started


MEASURED = {
    "import zoomdiff": import_seconds,
    "zoomdiff --help": lambda: process_seconds("-m", "zoomdiff", "--help"),
    "python alone": lambda: process_seconds("-c", "pass"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--repeat", type=int, default=9)


def main(options: argparse.Namespace) -> None:
    """Print median and fastest of each as JSON."""
    result: dict[str, object] = {
        "machine": f"{cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    for name, seconds_of in MEASURED.items():
        seconds_of()
        seconds = [seconds_of() for _ in range(options.repeat)]
        result[name] = {"median s": round(statistics.median(seconds), 3), "fastest s": round(min(seconds), 3)}
    print(json.dumps(result, indent=2))
