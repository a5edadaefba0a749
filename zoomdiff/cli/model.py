"""Commands that make a model: `train` and `split`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from zoomdiff.cli.common import DEVICE, say
from zoomdiff.errors import OptionError, printable
from zoomdiff.files import target


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run: weights, loss.csv, state to resume from.")],
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="Map to train on; repeat for several. None: towns only.")
    ] = None,
    week: Annotated[
        list[str] | None,
        typer.Option(help="grid50.geojson with known traffic on the (only) --map; may repeat. Then no simulation."),
    ] = None,
    init: Annotated[str | None, typer.Option(help="Weights to start from (fine-tuning): a file, or shipped.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="china or europe; default: both.")] = None,
    splits: Annotated[
        str | None, typer.Option(help="File of splits, or shipped: maps named in it are used in part.")
    ] = None,
    held_out: Annotated[str | None, typer.Option(help="Map that is only evaluated on.")] = None,
    towns: Annotated[
        int | None, typer.Option(help="Procedural towns to train on as well; default 8; with --week none.")
    ] = None,
    weeks: Annotated[int | None, typer.Option(help="Simulated weeks per map and preset; default 2.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps; default 10,000.")] = None,
    cells: Annotated[int | None, typer.Option(help="Raster cells per step, the batch size; default 2,048.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Largest step, default 0.001; a third of it is enough for fine-tuning.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the cities, the patches and the noise; default 0.")] = None,
    config: Annotated[
        str | None,
        typer.Option(help="TOML file with any of these and more, or one of assets/configs by name: shipped, quick."),
    ] = None,
    device: DEVICE = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out; same options.")] = False,
) -> None:
    """Train the model on the reference city, simulated on real and procedural maps, or on known traffic."""
    from tqdm import tqdm

    from zoomdiff.training.config import TrainConfig, read_config
    from zoomdiff.training.train import train as run

    given: dict[str, Any] = {
        "maps": map_ and tuple(map_),
        "own_weeks": week and tuple(week),
        "init": init,
        "presets": preset and tuple(preset),
        "splits": splits,
        "towns": towns,
        "weeks": weeks,
        "held_out": held_out,
        "steps": steps,
        "cells": cells,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    if week and towns is None:
        given["towns"] = 0  # known traffic alone, whatever the configuration has for a training from nothing
    out = target(out, "The run", is_folder=True)
    base = read_config(config) if config else TrainConfig()
    chosen = replace(base, **{name: value for name, value in given.items() if value is not None})
    with tqdm(total=chosen.steps, unit="step", mininterval=5) as bar:

        def on_step(step: int, loss: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

        def above_the_bar(line: str) -> None:
            tqdm.write(printable(line))

        path = run(out, chosen, device=device, resume=resume, say=above_the_bar, on_step=on_step)
    say(f"Weights: {path}")


def split(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    map_: Annotated[list[str] | None, typer.Option("--map", help="Map to split, four fifths for training.")] = None,
    held_out: Annotated[list[str] | None, typer.Option(help="Map to keep for testing as a whole.")] = None,
) -> None:
    """Split cities by space into training and test blocks, and write the split that all models are to use."""
    from zoomdiff.context import build_uec, read_map
    from zoomdiff.region import Region
    from zoomdiff.training.splits import band_split, held_out_split, write_splits

    out = target(out, "The splits")
    splits = {}
    for name in [*(map_ or []), *(held_out or [])]:
        layers = read_map(name)
        frame = Region.from_bbox(layers.extent)
        whole = name in (held_out or [])
        splits[layers.name] = (
            held_out_split(frame) if whole else band_split(frame, build_uec(layers, frame).population.mean(0))
        )
        legend = splits[layers.name].legend(frame.hierarchy[0].side)
        for line in (layers.name, *splits[layers.name].blocks, legend):
            say(line)
    if not splits:
        raise OptionError("There is nothing to split: give --map or --held-out.")
    write_splits(out, splits)
