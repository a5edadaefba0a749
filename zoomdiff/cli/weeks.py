"""Commands that make a week: `generate`, `reproduce` and `refine`."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoomdiff.arguments import seed_of
from zoomdiff.bars import stage_bars
from zoomdiff.cli.common import (
    BBOX,
    DEVICE,
    FORMATS,
    HOURS,
    MAP,
    MAX_KM2,
    OUT,
    POPULATION,
    PRESET,
    REGION,
    RESIDENTS,
    SHA256,
    STEPS,
    WEIGHTS,
    map_of,
    model_from,
    place,
    say,
    words,
)
from zoomdiff.cli.large import ADDRESS, WORKERS, again, into_store, is_store, place_of
from zoomdiff.errors import OptionError
from zoomdiff.files import check_free, size_of, target

if TYPE_CHECKING:
    from zoomdiff.context import UEC
    from zoomdiff.diffusion.drdm import DRDM
    from zoomdiff.export.formats import Export
    from zoomdiff.export.reproduce import Inputs
    from zoomdiff.sampling import Sampling
    from zoomdiff.week import TrafficWeek

OF_THE_FILE = ("bbox", "region", "residents", "scenario", "steps", "seed", "preset")  # what --reproduce decides


@dataclass(frozen=True)
class Files:
    """What is written and where: the folder can be written to, and the formats exist, before anything is computed."""

    folder: Path
    names: tuple[str, ...]
    hours: range

    @classmethod
    def asked(cls, out: Path, formats: str = "geojson", hours: str = "0-168") -> "Files":
        """As the options say. Raises OptionError."""
        from zoomdiff.export.formats import FORMATS, parse_formats, parse_hours
        from zoomdiff.levels import HOURS_PER_WEEK, S4T4

        names, window = parse_formats(formats), parse_hours(hours)
        if len(window) < HOURS_PER_WEEK and not any(FORMATS[name].long for name in names):
            raise OptionError("--hours is for the formats geojson-long and csv: add one to --format, or leave it out.")
        folder = target(out, "The results", is_folder=True)
        for kind in (FORMATS[name] for name in names):  # `write_files` looks again, at those of other levels too
            for level in [level.name for level in S4T4] if kind.level else [""]:
                check_free(folder / f"{level}{kind.ending}", is_folder=kind.mime is None)
        return cls(folder, names, window)


def generate(
    ctx: typer.Context,
    map_: MAP = "helsinki",
    bbox: BBOX = None,
    region: REGION = None,
    population: POPULATION = None,
    residents: RESIDENTS = None,
    scenario: Annotated[
        Path | None, typer.Option(help="What if: a GeoJSON file of edits of the map, see docs/scenarios.md.")
    ] = None,
    steps: STEPS = "fast",
    seed: Annotated[int, typer.Option(help="The same seed gives the same traffic.")] = 0,
    preset: PRESET = "europe",
    out: OUT = Path("out"),
    formats: FORMATS = "geojson",
    hours: HOURS = "0-168",
    reproduce: Annotated[Path | None, typer.Option(help="Deprecated: use the command reproduce.")] = None,
    max_km2: MAX_KM2 = 150.0,
    weights: WEIGHTS = None,
    weights_sha256: SHA256 = None,
    device: DEVICE = "auto",
    workers: WORKERS = 1,
    address: ADDRESS = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network: a minute first, then a quarter faster.")
    ] = False,
) -> None:
    """Generate one week of traffic of a region and write it, by default as GeoJSON, one file per level.

    With --out week.zarr the region may have any size: it is made piece by piece into a Zarr store, and the same command
    goes on after a stop.
    """
    # Imported here, so that --help and usage errors come at once.
    from zoomdiff.context import build_uec
    from zoomdiff.context.scenario import Scenario, apply, read_scenario
    from zoomdiff.export.reproduce import Inputs
    from zoomdiff.sampling import Sampling

    if reproduce:
        given = _given(ctx)
        for name in OF_THE_FILE:
            if name in given:
                raise OptionError(f"--{name} comes from the file of --reproduce: leave it out.")
        say("Warning: --reproduce goes away in the next release: use 'zoomdiff reproduce FILE'.", err=True)
        chosen_map = map_ if "map_" in given else None
        model_of = model_from(weights, weights_sha256, device, compile_)
        return _reproduce(reproduce, chosen_map, population, Files.asked(out, formats, hours), model_of)
    if is_store(out):
        out = target(out, "The store", is_folder=True)
        where = place_of(map_, bbox, region, population, residents, scenario)
        model = model_from(weights, weights_sha256, device, compile_)()
        into_store(model, where, out, seed=seed, sampling=Sampling(steps, preset), workers=workers, address=address)
        return
    _check_no_workers(workers, address)
    files, sampling, seed = Files.asked(out, formats, hours), Sampling(steps, preset), seed_of(seed)
    edits = read_scenario(scenario) if scenario else Scenario()
    drawn = json.loads(scenario.read_bytes()) if scenario else None
    inputs = Inputs(map_, not (bbox or region), str(population) if population else None, residents, drawn)
    model_of = model_from(weights, weights_sha256, device, compile_)
    layers, frame = place(map_, bbox, region, max_km2, model_of().hierarchy if weights else None)
    uec = apply(build_uec(layers, frame, population=population, residents=residents), edits)
    changed = f" with {scenario.name}" if scenario and edits.edits else ""
    _generate(model_of(), uec, seed, sampling, files, inputs, f"{words(layers, frame)}{changed}")


def reproduce(
    file: Annotated[
        Path,
        typer.Argument(
            help="A reproduce.json that `generate --format reproduce` wrote; or a store, such as week.zarr."
        ),
    ],
    map_: Annotated[str | None, typer.Option("--map", help="Where its map is now; default: as in the file.")] = None,
    population: Annotated[
        Path | None, typer.Option(help="Where its population raster is now; default: as in the file.")
    ] = None,
    out: OUT = Path("out"),
    formats: FORMATS = "geojson",
    hours: HOURS = "0-168",
    weights: WEIGHTS = None,
    weights_sha256: SHA256 = None,
    device: DEVICE = "auto",
    workers: WORKERS = 1,
    address: ADDRESS = None,
) -> None:
    """Make the week of a reproduce.json or of a store again, and say whether it is the same byte for byte."""
    model_of = model_from(weights, weights_sha256, device)
    if is_store(file):
        return again(file, map_, population, out, model_of, workers=workers, address=address)
    _check_no_workers(workers, address)
    _reproduce(file, map_, population, Files.asked(out, formats, hours), model_of)


def _reproduce(
    file: Path, map_: str | None, population: Path | None, files: Files, model_of: Callable[[], "DRDM"]
) -> None:
    """Make the week of a recipe again, and say whether it is the same."""
    from zoomdiff.context import build_uec
    from zoomdiff.context.scenario import Scenario, apply, read_scenario
    from zoomdiff.export.reproduce import read_reproduce

    recipe = read_reproduce(file)
    inputs, frame = recipe.inputs_with(map=map_, population=population), recipe.region
    edits = read_scenario(json.dumps(inputs.scenario)) if inputs.scenario else Scenario()
    assert inputs.map, "inputs_with has seen to it"
    layers = map_of(inputs.map, None if inputs.whole_map else frame.bounds)
    uec = apply(build_uec(layers, frame, population=inputs.population, residents=inputs.residents), edits)
    model = model_of()
    recipe.check_weights(model.sha256)
    changed = " with its scenario" if edits.edits else ""
    week = _generate(model, uec, recipe.seed, recipe.sampling, files, inputs, f"{words(layers, frame)}{changed}")
    say(recipe.compare(week, uec))


def _generate(
    model: "DRDM", uec: "UEC", seed: int, sampling: "Sampling", files: Files, inputs: "Inputs", what: str
) -> "TrafficWeek":
    """Generate the week with a bar, write it and say what is in it."""
    from zoomdiff.export.formats import Export
    from zoomdiff.generation import generate as run
    from zoomdiff.sampling import Callbacks

    started = time.monotonic()
    callbacks = Callbacks(stage_bars(uec.region.hierarchy))
    week = run(model, uec, seed=seed, sampling=sampling, callbacks=callbacks)
    _write(Export(week, uec, hours=files.hours, inputs=inputs), files, f"{what}, generated", started)
    return week


def refine(
    file: Annotated[
        Path,
        typer.Argument(
            help="bs.geojson, cell.geojson or grid100.geojson as `generate` writes them; or, with --bbox or --region, "
            "measured traffic as CSV, GeoJSON or Parquet, see docs/refine.md."
        ),
    ],
    map_: Annotated[str, typer.Option("--map", help="Map of the place, as for generate.")] = "helsinki",
    bbox: Annotated[str | None, typer.Option(help="Region of measured traffic as W,S,E,N in degrees.")] = None,
    region: REGION = None,
    sites: Annotated[Path | None, typer.Option(help="Table of sites (site, lon, lat) of measured traffic.")] = None,
    unit: Annotated[str, typer.Option(help="Of measured traffic: bytes, kB, MB or GB.")] = "bytes",
    zone: Annotated[
        str | None,
        typer.Option(help="Time zone of the place, such as Europe/Rome: times without an offset are then UTC."),
    ] = None,
    fill: Annotated[str | None, typer.Option(help="Missing values: interpolate, or a number such as 0.")] = None,
    population: POPULATION = None,
    residents: RESIDENTS = None,
    steps: STEPS = "fast",
    seed: Annotated[int, typer.Option(help="The same seed gives the same detail.")] = 0,
    preset: PRESET = "europe",
    max_km2: MAX_KM2 = 150.0,
    out: Annotated[
        Path, typer.Option(help="Folder for the four GeoJSON files, or for measured traffic a store (week.zarr).")
    ] = Path("refined"),
    weights: WEIGHTS = None,
    weights_sha256: SHA256 = None,
    device: DEVICE = "auto",
    workers: WORKERS = 1,
    address: ADDRESS = None,
) -> None:
    """Refine known or measured traffic to all finer levels, without training; known values stay as they are.

    With --out week.zarr measured base stations may be a whole network: they are refined piece by piece into a Zarr
    store, by default on all of the map, and the same command goes on after a stop.
    """
    from zoomdiff.context import build_uec
    from zoomdiff.export import read_geojson
    from zoomdiff.export.formats import Export
    from zoomdiff.generation import refine as run
    from zoomdiff.generation import refine_level
    from zoomdiff.measured.fit import fit
    from zoomdiff.measured.read import read_measurements
    from zoomdiff.sampling import Callbacks, Sampling

    sampling, model_of = Sampling(steps, preset), model_from(weights, weights_sha256, device)
    guess = float(fill) if fill and fill.replace(".", "", 1).isdecimal() else fill
    if is_store(out):
        out = target(out, "The store", is_folder=True)
        where = place_of(map_, bbox, region, population, residents, None)
        where = replace(where, measured=read_measurements(file, sites=sites, unit=unit, zone=zone, fill=guess))
        into_store(model_of(), where, out, seed=seed, sampling=sampling, workers=workers, address=address)
        return
    _check_no_workers(workers, address)
    files, seed, is_measured = Files.asked(out), seed_of(seed), bool(bbox or region)
    if is_measured:
        measured = read_measurements(file, sites=sites, unit=unit, zone=zone, fill=guess)
        layers, frame = place(map_, bbox, region, max_km2, model_of().hierarchy if weights else None)
    elif sites or unit != "bytes" or zone or fill or file.suffix.lower() not in (".geojson", ".json"):
        raise OptionError("Measured traffic needs the region that it is of: give --bbox or --region.")
    else:
        level = read_geojson(file)
        layers, frame = map_of(map_, level.region.bounds), level.region
    uec = build_uec(layers, frame, population=population, residents=residents)
    fitted = fit(measured, uec) if is_measured else None  # before the model is loaded: its errors come at once
    model = model_of()
    started = time.monotonic()
    callbacks = Callbacks(stage_bars(frame.hierarchy))
    if fitted:
        week = run(model, uec, fitted, seed=seed, sampling=sampling, callbacks=callbacks)
    else:
        week = refine_level(model, uec, level.volumes, level.level, seed=seed, sampling=sampling, callbacks=callbacks)
    _write(Export(week, uec), files, f"{words(layers, frame)}, refined", started)


def _check_no_workers(workers: int, address: str | None) -> None:
    """Raise OptionError where there are options of stores, and no store."""
    if workers != 1 or address:
        raise OptionError("--workers and --address are for stores: give --out week.zarr.")


def _given(ctx: typer.Context) -> list[str]:
    """The parameters that the command line has."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def _write(export: "Export", files: Files, what: str, started: float) -> None:
    """Write the files and say what is in them."""
    from zoomdiff.export.formats import write_files
    from zoomdiff.week import human_bytes

    week, paths = export.week, write_files(export, files.folder, files.names)
    for note in week.provenance["notes"]:
        say(f"Note: {note}")
    say(f"{what} in {time.monotonic() - started:.1f} s")
    described: set[int] = set()
    for path, k in paths.items():
        if k is None or k in described:
            say(f"{path}: {human_bytes(size_of(path))}")
            continue
        described.add(k)
        steps_k, rows, cols = week.volumes[k].shape
        say(
            f"{path}: {steps_k} steps x {rows} x {cols} cells, {human_bytes(week.total(k))} in the week, "
            f"peak {week.time_label(k, week.peak_step(k))}"
        )
