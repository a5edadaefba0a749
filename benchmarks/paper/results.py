"""Result files: one JSON file per method and seed, and one per study."""

import argparse
import json
import subprocess
from functools import cache
from pathlib import Path

from zoomdiff.files import whole_file

RESULTS = Path(__file__).parents[1] / "results"


def add_results_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result files")


def save(path: Path, result: dict | list) -> None:
    """Write a result as a whole file or not at all; its folder is made."""
    with whole_file(path, "The result") as part:
        part.write_text(json.dumps(result, indent=1) + "\n")


@cache
def commit() -> str:
    """The commit that the code was at when first asked; "unknown" outside a git checkout."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return asked.stdout.strip() or "unknown"
