"""Commands that show a place or the app: `context`, `realism` and `app`."""

from pathlib import Path
from typing import Annotated

import typer

from zoomdiff.cli.common import BBOX, MAP, MAX_KM2, POPULATION, REGION, RESIDENTS, place, say
from zoomdiff.files import target, with_ending


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

    out = target(out, "The context")
    plot = plot and with_ending(target(plot, "The picture"), ".png", "The picture")
    layers, frame = place(map_, bbox, region, max_km2)
    uec = build_uec(layers, frame, population=population, residents=residents)
    for words in (*(f"Note: {note}" for note in uec.notes), *uec.sources):
        say(words)
    if layers.repaired:
        say(f"Repaired: {layers.repaired:,} shapes of the map that cross themselves or are invalid otherwise.")
    if plot:
        from zoomdiff.context.plot import write_plot

        say(f"{write_plot(uec, plot, title or f'Urban context of {layers.name}')}: picture")
    say(f"{write_netcdf(uec, out)}: {uec!r}")


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
        say(f"Note: {note}")
    for line in format_table(table).split("\n"):
        say(line)


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
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name by which browsers reach the app, e.g. zoomdiff.example.com; repeatable."),
    ] = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="For strangers: maps are only uploaded, and regions and runs are small."),
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
) -> None:
    """Open the app in a browser; needs the extra: pip install 'zoomdiff[app]'."""
    from zoomdiff.serve import serve

    serve(host=host, port=port, names=name or (), browser=not no_browser, public=public)
