"""python -m benchmarks <command>: runs and tables of the benchmark; results are JSON files, tables are made of them."""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from benchmarks.paper import ablation, correlations, efficiency, harness, refinement, report, states, tables
from benchmarks.paper.training import Budget
from benchmarks.paper.works import WORKS
from zoomdiff.errors import ZoomDiffError

SMOKE = Budget(60, steps=1)  # enough to go through every line, too little to learn
ABLATIONS = {"schedules": "scheme", "rgp": "rgp", "prior": "prior", "stpe": "stpe"}  # command -> group of its rows


def run(options: argparse.Namespace) -> None:
    """Train, tune, generate and score; one JSON file per method and seed."""
    names = options.methods.split(",") if options.methods else harness.METHODS
    budget = Budget(options.budget or harness.BUDGETS[options.work])
    harness.run_all(options.work, names, options.seeds, budget, options.results / options.work)


def smoke(options: argparse.Namespace) -> None:
    """Every method end to end on two small towns: shows that all run, tells nothing of how good they are."""
    with tempfile.TemporaryDirectory() as folder:
        harness.run_all("smoke", harness.METHODS, 1, SMOKE, Path(folder), samples=2, tuned=False)


def overall(options: argparse.Namespace) -> None:
    """Tables I and II: all methods on both works."""
    for work in report.WORKS:
        print(tables.overall(options.results / work))


def transfer(options: argparse.Namespace) -> None:
    """Table VII: learnt in one city, tested in another."""
    for work in report.TRANSFERS:
        print(tables.overall(options.results / work, tables.TRANSFERRED))


def write_report(options: argparse.Namespace) -> None:
    """docs/benchmarks.md, from the results that are there."""
    print(report.write(options.results))


def study(module: ModuleType, made: Callable[[argparse.Namespace], dict]) -> Callable[[argparse.Namespace], None]:
    """Run a study with --run, else print the table of the result that is there."""

    def command(options: argparse.Namespace) -> None:
        file = options.results / module.FILE
        if not options.run and not file.exists():
            raise SystemExit(f"There is no {file}: add --run to make it.")
        print(module.table(made(options) if options.run else json.loads(file.read_text())))

    command.__doc__ = module.__doc__
    return command


def ablated(group: str) -> Callable[[argparse.Namespace], None]:
    """The rows of a group of the ablation."""

    def command(options: argparse.Namespace) -> None:
        results = json.loads((options.results / "ablation.json").read_text())
        print(ablation.tables([row for row in results if row["name"].partition("/")[0] == group]))

    command.__doc__ = f"The ablation's table {group}; `python -m benchmarks.paper.ablation` runs it."
    return command


COMMANDS = {
    "run": run,
    "smoke": smoke,
    "overall": overall,
    "transfer": transfer,
    "states": study(states, lambda options: states.run(Budget(options.budget or 180.0), options.results)),
    **{name: ablated(group) for name, group in ABLATIONS.items()},
    "efficiency": study(efficiency, lambda options: efficiency.run(options.results)),
    "refine": study(
        refinement, lambda options: refinement.run(Budget(options.budget or 180.0), options.seeds, options.results)
    ),
    "correlations": study(correlations, lambda options: correlations.run(options.results)),
    "report": write_report,
}
STUDIES = ("states", "efficiency", "refine", "correlations")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        each = commands.add_parser(name, help=command.__doc__.split("\n")[0])
        each.add_argument("--data", type=Path, help="folder with maps/ and traffic/ (else $ZOOMDIFF_DATA)")
        each.add_argument("--results", type=Path, default=harness.RESULTS)
        each.add_argument("--budget", type=float, help="CPU seconds of training per method, seed and fold")
        each.add_argument("--seeds", type=int, default=3)
        if name in STUDIES:
            each.add_argument("--run", action="store_true", help="make the result anew; else only its table")
        if name == "run":
            each.add_argument("work", choices=[work for work in WORKS if work != "smoke"])
            each.add_argument("--methods", help=f"names with commas between, of {', '.join(harness.METHODS)}")
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
