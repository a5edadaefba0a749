"""python -m benchmarks [<command> [options]]: measures ZoomDiff; without a command it lists them all.

Each command is a module of `paper` or `perf` with `add_arguments(parser)` and `main(options)`; it is imported when the
command runs.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """The module that does it, one line for the list, and options that differ from the module's defaults."""

    module: str
    line: str
    options: Mapping[str, object] = field(default_factory=dict)


def _ablated(group: str, line: str) -> Command:
    return Command("paper.ablation", line, {"only": group, "table": True})


HALVES: dict[str, dict[str, Command]] = {
    "The paper's tables, and how good the model is": {
        "run": Command("paper.harness", "train, tune, generate and score: one JSON file per method and seed"),
        "smoke": Command("paper.smoke", "every method end to end on two small towns, in minutes"),
        "overall": Command("paper.tables", "Tables I and II: all methods on both works"),
        "transfer": Command("paper.tables", "Table VII: trained on one city, tested on another", {"transfer": True}),
        "efficiency": Command("paper.efficiency", "Table V: size, training and generating time of all methods"),
        "refine": Command("paper.refinement", "Table VI: from base stations to 50 m"),
        "states": Command("paper.states", "Fig. 10: intermediate states of three methods"),
        "correlations": Command("paper.correlations", "Fig. 3 and 4: correlations between levels, parts of variance"),
        "ablation": Command("paper.ablation", "every variant of the model, trained and tested alike"),
        "prior": _ablated("prior", "the ablation's table of priors"),
        "stpe": _ablated("stpe", "the ablation's table of position codes (Fig. 13)"),
        "schedules": _ablated("scheme", "the ablation's table of schedules (Table III)"),
        "rgp": _ablated("rgp", "the ablation's table of granularity preferences (Table IV)"),
        "report": Command("paper.report", "the tables and plots of docs/benchmarks.md, from the result files"),
        "held-out": Command("paper.held_out", "an unseen city: against a regression, and refined in one stage"),
        "sampling": Command("paper.sampling", "samplers and numbers of steps against a simulated week"),
        "follows-map": Command("paper.follows_map", "whether generated traffic follows an unseen map"),
        "scenarios": Command("paper.scenarios", "whether the model answers to changes of the map where it should"),
        "week-panel": Command("paper.week_panel", "a simulated week as one picture"),
    },
    "Time and memory": {
        "speed": Command("perf.speed", "seconds and memory of sampling, and the share of what the processor can do"),
        "context": Command("perf.context", "seconds and memory of reading a map and building a context"),
        "app": Command("perf.app", "the app in a browser: clicks, sliders, what-if, refine, memory of the server"),
        "player": Command("perf.player", "frames per second of the map component"),
        "scale": Command("perf.scale", "regions of any size: cost per km2, workers, seams between pieces"),
        "imports": Command("perf.imports", "seconds of `import zoomdiff` and of `zoomdiff --help`"),
    },
    "Safety": {
        "fuzz": Command("perf.fuzz", "damaged files for every reader: each must end in a result or in one sentence"),
    },
}
COMMANDS = {name: command for half in HALVES.values() for name, command in half.items()}


def listing() -> str:
    """All commands with a line each."""
    width = max(map(len, COMMANDS)) + 2
    halves = (
        "\n".join([f"{title}:", *(f"  {name:{width}}{command.line}" for name, command in half.items())])
        for title, half in HALVES.items()
    )
    return "\n\n".join(
        ["usage: python -m benchmarks <command> [options]   (<command> --help shows its options)", *halves]
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command that the arguments name."""
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(listing())
        return
    if name not in COMMANDS:
        raise SystemExit(f"There is no command {name}: `python -m benchmarks` lists all.")
    command = COMMANDS[name]
    module = import_module(f"benchmarks.{command.module}")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with maps/ and traffic/ (else $ZOOMDIFF_DATA)")
    module.add_arguments(parser)
    parser.set_defaults(**command.options)
    options = parser.parse_args(arguments[1:])
    if options.data:
        os.environ["ZOOMDIFF_DATA"] = str(options.data)
    from zoomdiff.errors import ZoomDiffError  # not before it is needed: the list comes at once

    try:
        module.main(options)
    except ZoomDiffError as error:
        raise SystemExit(f"{error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
