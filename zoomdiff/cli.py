"""The command line: `python -m zoomdiff generate`, `refine`, `context`, `train`, `split` and `realism`."""

import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import zoomdiff
from zoomdiff.bars import download_bar, stage_bars
from zoomdiff.errors import OptionError, RegionTooLargeError, ZoomDiffError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoomdiff.context import MapLayers
    from zoomdiff.diffusion.drdm import DRDM
    from zoomdiff.export.formats import Export
    from zoomdiff.levels import Hierarchy
    from zoomdiff.region import Region

app = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # importing rich takes longer than all else that --help does
    no_args_is_help=True,
    context_settings={"max_content_width": 120},
    help=zoomdiff.__doc__,
)

BAD_INPUT = 2  # exit code
OF_THE_FILE = ("bbox", "region", "residents", "scenario", "steps", "seed", "preset")  # what --reproduce decides

# Options that several commands have.
MAP = Annotated[
    str,
    typer.Option(
        "--map",
        help="helsinki (comes with ZoomDiff); a file (.osm.pbf, GeoParquet, GPKG, FlatGeobuf, GeoJSON) or a folder "
        "of layers; osm or overture, downloaded for the region; or town7, a fictional town.",
    ),
]
BBOX = Annotated[str | None, typer.Option(help="Region as W,S,E,N in degrees; default: all of the map.")]
REGION = Annotated[Path | None, typer.Option(help="Region as a GeoJSON file with a polygon.")]
MAX_KM2 = Annotated[float, typer.Option(help="Refuse regions larger than this, in square kilometres.")]
POPULATION = Annotated[
    Path | None, typer.Option(help="GeoTIFF with people per pixel (GHS-POP, WorldPop); default: an estimate.")
]
RESIDENTS = Annotated[float | None, typer.Option(help="People who live in the region, if you know.")]
STEPS = Annotated[str, typer.Option(help="fast, full, or a number of steps per level.")]
PRESET = Annotated[str, typer.Option(help="Whose habits the people have: china or europe.")]
OUT = Annotated[Path, typer.Option(help="Folder for the files.")]
FORMATS = Annotated[
    str,
    typer.Option(
        "--format",
        help="One or more of geojson, geojson-long, parquet, netcdf, zarr, cog, csv, png, uec and reproduce, "
        "with commas between (docs/files.md).",
    ),
]
HOURS = Annotated[str, typer.Option(help="Hours of the week in geojson-long and csv, such as 24-48 for Tuesday.")]
WEIGHTS = Annotated[
    str | None,
    typer.Option(help="Path or address (https) of other weights, a .safetensors file; default: the shipped ones."),
]
SHA256 = Annotated[str | None, typer.Option("--weights-sha256", help="SHA-256 of the weights; an address needs it.")]
DEVICE = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]


@app.command()
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
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network: a minute first, then a quarter faster.")
    ] = False,
) -> None:
    """Generate one week of traffic of a region and write it, by default as GeoJSON, one file per level."""
    # Imported here, so that --help and usage errors come at once.
    from zoomdiff.context import build_uec
    from zoomdiff.context.scenario import Scenario, apply, read_scenario
    from zoomdiff.export.formats import Export, parse_formats, parse_hours
    from zoomdiff.export.reproduce import Inputs
    from zoomdiff.generation import generate as run
    from zoomdiff.sampling import Callbacks, Sampling

    if reproduce:
        given = _given(ctx)
        for name in OF_THE_FILE:
            if name in given:
                raise OptionError(f"--{name} comes from the file of --reproduce: leave it out.")
        typer.echo("Warning: --reproduce goes away in the next release: use 'zoomdiff reproduce FILE'.", err=True)
        chosen_map = map_ if "map_" in given else None
        return _reproduce(
            reproduce, chosen_map, population, out, formats, hours, _model(weights, weights_sha256, device, compile_)
        )
    names, window = parse_formats(formats), parse_hours(hours)
    edits = read_scenario(scenario) if scenario else Scenario()
    drawn = json.loads(scenario.read_bytes()) if scenario else None
    inputs = Inputs(map_, not (bbox or region), str(population) if population else None, residents, drawn)
    model_of = _model(weights, weights_sha256, device, compile_)
    layers, frame = _place(map_, bbox, region, max_km2, model_of().hierarchy if weights else None)
    uec = apply(build_uec(layers, frame, population=population, residents=residents), edits)
    model = model_of()

    started = time.monotonic()
    callbacks = Callbacks(stage_bars(frame.hierarchy))
    week = run(model, uec, seed=seed, sampling=Sampling(steps, preset), callbacks=callbacks)
    changed = f" with {scenario.name}" if scenario and edits.edits else ""
    export = Export(week, uec, hours=window, inputs=inputs)
    _write(export, names, out, f"{_words(layers, frame)}{changed}, generated", started)


@app.command()
def reproduce(
    file: Annotated[Path, typer.Argument(help="A reproduce.json that `generate --format reproduce` wrote.")],
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
) -> None:
    """Make the week of a reproduce.json again, and say whether it is the same byte for byte."""
    _reproduce(file, map_, population, out, formats, hours, _model(weights, weights_sha256, device))


def _reproduce(
    file: Path,
    map_: str | None,
    population: Path | None,
    out: Path,
    formats: str,
    hours: str,
    model_of: "Callable[[], DRDM]",
) -> None:
    from zoomdiff.context import build_uec, read_map
    from zoomdiff.context.scenario import Scenario, apply, read_scenario
    from zoomdiff.export.formats import Export, parse_formats, parse_hours
    from zoomdiff.export.reproduce import read_reproduce
    from zoomdiff.generation import generate as run
    from zoomdiff.sampling import Callbacks

    names, window = parse_formats(formats), parse_hours(hours)
    recipe = read_reproduce(file)
    inputs, frame = recipe.inputs_with(map=map_, population=population), recipe.region
    edits = read_scenario(json.dumps(inputs.scenario)) if inputs.scenario else Scenario()
    assert inputs.map, "inputs_with has seen to it"
    layers = read_map(inputs.map, bbox=None if inputs.whole_map else frame.bounds, on_progress=download_bar())
    uec = apply(build_uec(layers, frame, population=inputs.population, residents=inputs.residents), edits)
    model = model_of()
    recipe.check_weights(model.sha256)
    started = time.monotonic()
    callbacks = Callbacks(stage_bars(frame.hierarchy))
    week = run(model, uec, seed=recipe.seed, sampling=recipe.sampling, callbacks=callbacks)
    changed = " with its scenario" if edits.edits else ""
    export = Export(week, uec, hours=window, inputs=inputs)
    _write(export, names, out, f"{_words(layers, frame)}{changed}, generated", started)
    typer.echo(recipe.compare(week, uec))


@app.command()
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
    out: Annotated[Path, typer.Option(help="Folder for the four GeoJSON files.")] = Path("refined"),
    weights: WEIGHTS = None,
    weights_sha256: SHA256 = None,
    device: DEVICE = "auto",
) -> None:
    """Refine known or measured traffic to all finer levels, without training; known values stay as they are."""
    from zoomdiff.context import build_uec, read_map
    from zoomdiff.export import read_geojson
    from zoomdiff.export.formats import Export
    from zoomdiff.generation import refine as run
    from zoomdiff.generation import refine_level
    from zoomdiff.measured.fit import fit
    from zoomdiff.measured.read import read_measurements
    from zoomdiff.sampling import Callbacks, Sampling

    model_of = _model(weights, weights_sha256, device)
    is_measured = bool(bbox or region)
    if is_measured:
        guess = float(fill) if fill and fill.replace(".", "", 1).isdecimal() else fill
        measured = read_measurements(file, sites=sites, unit=unit, zone=zone, fill=guess)
        layers, frame = _place(map_, bbox, region, max_km2, model_of().hierarchy if weights else None)
    else:
        level = read_geojson(file)
        layers, frame = read_map(map_, bbox=level.region.bounds, on_progress=download_bar()), level.region
    uec = build_uec(layers, frame, population=population, residents=residents)
    fitted = fit(measured, uec) if is_measured else None  # before the model is loaded: its errors come at once
    model = model_of()
    started = time.monotonic()
    sampling, callbacks = Sampling(steps, preset), Callbacks(stage_bars(frame.hierarchy))
    if fitted:
        week = run(model, uec, fitted, seed=seed, sampling=sampling, callbacks=callbacks)
    else:
        week = refine_level(model, uec, level.volumes, level.level, seed=seed, sampling=sampling, callbacks=callbacks)
    _write(Export(week, uec), ("geojson",), out, f"{_words(layers, frame)}, refined", started)


@app.command()
def context(
    map_: MAP = "helsinki",
    bbox: BBOX = None,
    region: REGION = None,
    population: POPULATION = None,
    residents: RESIDENTS = None,
    out: Annotated[Path, typer.Option(help="NetCDF file to write.")] = Path("uec.nc"),
    plot: Annotated[Path | None, typer.Option(help="PNG file for a picture of it.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the picture; default: the map's name.")] = None,
    max_km2: MAX_KM2 = 1000.0,
) -> None:
    """Write what the model knows of a region: houses, roads, use of the ground, places, people per hour."""
    from zoomdiff.context import build_uec
    from zoomdiff.context.netcdf import write_netcdf

    layers, frame = _place(map_, bbox, region, max_km2)
    uec = build_uec(layers, frame, population=population, residents=residents)
    for words in (*(f"Note: {note}" for note in uec.notes), *uec.sources):
        typer.echo(words)
    if layers.repaired:
        typer.echo(f"Repaired: {layers.repaired:,} shapes of the map that cross themselves or are invalid otherwise.")
    if plot:
        from zoomdiff.context.plot import write_plot

        typer.echo(f"{write_plot(uec, plot, title or f'Urban context of {layers.name}')}: picture")
    typer.echo(f"{write_netcdf(uec, out)}: {uec!r}")


def _place(
    map_: str, bbox: str | None, region: Path | None, max_km2: float, hierarchy: "Hierarchy | None" = None
) -> tuple["MapLayers", "Region"]:
    """The map, and the region on it that the options ask for, with the levels of the model (default: S4T4)."""
    from zoomdiff.context import read_map
    from zoomdiff.levels import S4T4
    from zoomdiff.region import Region, parse_bbox

    frame = None
    if bbox and region:
        raise OptionError("Give the region either as --bbox or as --region, not both.")
    try:
        if bbox:
            frame = Region.from_bbox(parse_bbox(bbox), max_km2=max_km2, hierarchy=hierarchy or S4T4)
        elif region:
            frame = Region.from_geojson(region, max_km2=max_km2, hierarchy=hierarchy or S4T4)
        layers = read_map(map_, bbox=frame.bounds if frame else None, on_progress=download_bar())
        return layers, frame or Region.from_bbox(layers.extent, max_km2=max_km2, hierarchy=hierarchy or S4T4)
    except RegionTooLargeError as error:
        raise RegionTooLargeError(f"{str(error).removesuffix('.')}, or raise it with --max-km2.") from error


def _words(layers: "MapLayers", frame: "Region") -> str:
    return f"{frame.km2:.2f} km2 of {layers.name} ({layers.licence})"


def _model(weights: str | None, sha256: str | None, device: str, compile_: bool = False) -> "Callable[[], DRDM]":
    """What loads the model, once: called when other inputs are known to be right, as torch takes seconds to import."""

    @cache
    def load() -> "DRDM":
        from zoomdiff.checkpoint import load_model
        from zoomdiff.device import compile_network

        model = load_model(weights, device=device, sha256=sha256)
        if compile_:
            compile_network(model.network, model.device)
        return model

    return load


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _given(ctx: typer.Context) -> list[str]:
    """The parameters that the command line has."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def _write(export: "Export", names: tuple[str, ...], out: Path, what: str, started: float) -> None:
    """Write the files of the formats `names` and say what is in them."""
    from zoomdiff.export.formats import write_files
    from zoomdiff.week import human_bytes

    week, paths = export.week, write_files(export, out, names)
    for note in week.provenance["notes"]:
        typer.echo(f"Note: {note}")
    typer.echo(f"{what} in {time.monotonic() - started:.1f} s")
    described: set[int] = set()
    for path, k in paths.items():
        if k is None or k in described:
            typer.echo(f"{path}: {human_bytes(_size(path))}")
            continue
        described.add(k)
        steps_k, rows, cols = week.volumes[k].shape
        typer.echo(
            f"{path}: {steps_k} steps x {rows} x {cols} cells, {human_bytes(week.total(k))} in the week, "
            f"peak {week.time_label(k, week.peak_step(k))}"
        )


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run: weights, loss.csv, state to resume from.")],
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="Map to train on; repeat for several. None: towns only.")
    ] = None,
    week: Annotated[
        list[str] | None,
        typer.Option(help="grid50.geojson with known traffic on the (only) --map; may repeat. Then no simulation."),
    ] = None,
    init: Annotated[str | None, typer.Option(help="Weights to start from: fine-tuning.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="china or europe; default: both.")] = None,
    splits: Annotated[
        str | None, typer.Option(help="File of splits, or shipped: maps named in it are used in part.")
    ] = None,
    held_out: Annotated[str | None, typer.Option(help="Map that is only evaluated on.")] = None,
    towns: Annotated[int | None, typer.Option(help="Procedural towns to train on as well; default 8.")] = None,
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
    """Train the model on the reference city, simulated on real and procedural maps."""
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
    base = read_config(config) if config else TrainConfig()
    chosen = replace(base, **{name: value for name, value in given.items() if value is not None})
    with tqdm(total=chosen.steps, unit="step", mininterval=5) as bar:

        def on_step(step: int, loss: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

        path = run(out, chosen, device=device, resume=resume, say=tqdm.write, on_step=on_step)
    typer.echo(f"Weights: {path}")


@app.command()
def split(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    map_: Annotated[list[str] | None, typer.Option("--map", help="Map to split, four fifths for training.")] = None,
    held_out: Annotated[list[str] | None, typer.Option(help="Map to keep for testing as a whole.")] = None,
) -> None:
    """Split cities by space into training and test blocks, and write the split that all models are to use."""
    from zoomdiff.context import build_uec, read_map
    from zoomdiff.region import Region
    from zoomdiff.training.splits import band_split, held_out_split, write_splits

    splits = {}
    for name in [*(map_ or []), *(held_out or [])]:
        layers = read_map(name)
        frame = Region.from_bbox(layers.extent)
        whole = name in (held_out or [])
        splits[layers.name] = (
            held_out_split(frame) if whole else band_split(frame, build_uec(layers, frame).population.mean(0))
        )
        typer.echo("\n".join((layers.name, *splits[layers.name].blocks)))
    if not splits:
        raise OptionError("There is nothing to split: give --map or --held-out.")
    write_splits(out, splits)


@app.command()
def realism(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Measurements (Nanjing's MobileNJ.npy, Nanchang's uomo_NC.npz, Milan's CSV, or your own table) or "
            "a generated grid50.geojson."
        ),
    ] = None,
    city: Annotated[list[str] | None, typer.Option(help="Map to simulate the reference city on; may repeat.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="china or europe; default: both.")] = None,
    seeds: Annotated[int, typer.Option(help="Simulated weeks per city and preset.")] = 1,
) -> None:
    """Print statistics of traffic beside those of open measurements; * marks what lies outside the real range.

    Simulated and generated traffic is summed to 400 m first, about the size of the measured cells, and compared where a
    city is: in its urban clusters (300 people per km2, 5,000 together).
    """
    from zoomdiff.presets import PRESETS
    from zoomdiff.realism.compare import compare
    from zoomdiff.realism.table import format_table

    table, notes = compare(files or [], city or [], presets=preset or PRESETS, seeds=seeds)
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(format_table(table))


@app.command("app")
def open_app(
    port: Annotated[
        int | None, typer.Option(help="Port; default: 8501, or the next free one.", max=65_535, min=1)
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; default: localhost. Whoever reaches the app can open maps of this computer."
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
) -> None:
    """Open the app in a browser; needs the extra: pip install 'zoomdiff[app]'."""
    from zoomdiff.serve import serve

    serve(host=host, port=port, browser=not no_browser)


def main() -> None:
    """Run the command line; bad input ends it with one sentence and exit code 2."""
    try:
        app()
    except ZoomDiffError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(BAD_INPUT) from error
