"""Every method end to end on two small towns: shows that all of them run, not how good they are."""

import argparse
import tempfile
from pathlib import Path

from benchmarks.paper import harness
from benchmarks.paper.training import Budget

BUDGET = Budget(60, steps=1)  # enough to go through every line, too little to learn
SAMPLES = 2


def run(folder: Path) -> None:
    """Run all methods once and save their results in a folder."""
    harness.run_all("smoke", harness.METHODS, 1, BUDGET, folder, samples=SAMPLES, tuned=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def main(options: argparse.Namespace) -> None:
    """Run in a temporary folder; the progress lines are the output."""
    harness.one_thread()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
