"""What several commands have: options, the place, the model."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoomdiff.bars import download_bar
from zoomdiff.errors import OptionError, RegionTooLargeError, printable

if TYPE_CHECKING:
    from zoomdiff.context import MapLayers
    from zoomdiff.diffusion.drdm import DRDM
    from zoomdiff.levels import Hierarchy
    from zoomdiff.outline import Bounds
    from zoomdiff.region import Region

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


def say(line: str, *, err: bool = False) -> None:
    """Print one line: names and texts of files that it quotes cannot break it, or steer the terminal."""
    typer.echo(printable(line), err=err)


def map_of(source: str, bbox: "Bounds | None") -> "MapLayers":
    """The map, or what touches the box of it, with a bar while it is downloaded or read."""
    from zoomdiff.context import read_map

    with download_bar() as on_progress:
        return read_map(source, bbox=bbox, on_progress=on_progress)


def check_one_region(bbox: str | None, region: Path | None) -> None:
    """Raise OptionError where the region is given twice."""
    if bbox and region:
        raise OptionError("Give the region either as --bbox or as --region, not both.")


def place(
    map_: str, bbox: str | None, region: Path | None, max_km2: float, hierarchy: "Hierarchy | None" = None
) -> tuple["MapLayers", "Region"]:
    """The map, and the region on it that the options ask for, with the levels of the model (default: S4T4)."""
    from zoomdiff.levels import S4T4
    from zoomdiff.outline import parse_bbox
    from zoomdiff.region import Region

    frame = None
    check_one_region(bbox, region)
    try:
        if bbox:
            frame = Region.from_bbox(parse_bbox(bbox), max_km2=max_km2, hierarchy=hierarchy or S4T4)
        elif region:
            frame = Region.from_geojson(region, max_km2=max_km2, hierarchy=hierarchy or S4T4)
        layers = map_of(map_, frame.bounds if frame else None)
        return layers, frame or Region.from_bbox(layers.extent, max_km2=max_km2, hierarchy=hierarchy or S4T4)
    except RegionTooLargeError as error:
        raise RegionTooLargeError(f"{str(error).removesuffix('.')}, or raise it with --max-km2.") from error


def words(layers: "MapLayers", frame: "Region") -> str:
    """What was taken of which map."""
    return f"{frame.km2:.2f} km2 of {layers.name} ({layers.licence})"


def model_from(weights: str | None, sha256: str | None, device: str, compile_: bool = False) -> Callable[[], "DRDM"]:
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
