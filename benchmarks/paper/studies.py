"""What the studies' commands have in common: make the result with --run, else print the table of the saved one."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.paper.harness import one_thread
from benchmarks.paper.results import add_results_option


def add_arguments(parser: argparse.ArgumentParser, *, budget: bool = False, seeds: bool = False) -> None:
    """Options of a study; some also take a budget or a number of seeds."""
    add_results_option(parser)
    parser.add_argument("--run", action="store_true", help="make the result anew; else only print its table")
    if budget:
        parser.add_argument("--budget", type=float, default=180.0, help="CPU seconds of training per method and seed")
    if seeds:
        parser.add_argument("--seeds", type=int, default=3)


def show(options: argparse.Namespace, name: str, run: Callable[[], dict], table: Callable[[dict], str]) -> None:
    """Print the table of a study's result, the file `name` in the folder of results."""
    file: Path = options.results / name
    if options.run:
        one_thread()
        result = run()
    elif file.exists():
        result = json.loads(file.read_text())
    else:
        raise SystemExit(f"There is no {file}: add --run to make it.")
    print(table(result))
