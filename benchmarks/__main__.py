"""python -m benchmarks <command>: see --help."""

import argparse
import os
import tempfile
from pathlib import Path

import torch

from benchmarks import harness
from benchmarks.training import Budget
from benchmarks.works import WORKS
from zoomdiff.errors import ZoomDiffError

SMOKE = Budget(60, steps=3)  # enough to go through every line, too little to learn


def run(options: argparse.Namespace) -> None:
    """Train, tune, generate and score; one JSON file per method and seed."""
    names = options.methods.split(",") if options.methods else harness.METHODS
    budget = Budget(options.budget or harness.BUDGETS[options.work])
    harness.run_all(options.work, names, options.seeds, budget, options.results / options.work)


def smoke(options: argparse.Namespace) -> None:
    """Every method end to end on two small towns: shows that all run, tells nothing of how good they are."""
    with tempfile.TemporaryDirectory() as folder:
        harness.run_all("smoke", harness.METHODS, 1, SMOKE, Path(folder), samples=2)


COMMANDS = {"run": run, "smoke": smoke}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        each = commands.add_parser(name, help=command.__doc__.split("\n")[0])
        each.add_argument("--data", type=Path, help="folder with maps/ and traffic/ (else $ZOOMDIFF_DATA)")
        each.add_argument("--results", type=Path, default=harness.RESULTS)
        if name == "run":
            each.add_argument("work", choices=[work for work in WORKS if work != "smoke"])
            each.add_argument("--methods", help=f"names with commas between, of {', '.join(harness.METHODS)}")
            each.add_argument("--seeds", type=int, default=3)
            each.add_argument("--budget", type=float, help="CPU seconds of training per method, seed and fold")
    options = parser.parse_args()
    if options.data:
        os.environ["ZOOMDIFF_DATA"] = str(options.data)
    torch.set_num_threads(1)  # a budget is CPU time, and two processes use two cores better than two threads
    try:
        COMMANDS[options.command](options)
    except ZoomDiffError as error:
        raise SystemExit(f"{error}") from error


if __name__ == "__main__":
    main()
