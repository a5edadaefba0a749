"""Weeks of any size: what `generate` and `reproduce` do with a Zarr store, and `export`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from zoomdiff.cli.common import OUT, check_one_region, say
from zoomdiff.errors import OptionError
from zoomdiff.files import size_of, target

if TYPE_CHECKING:
    from zoomdiff.diffusion.drdm import DRDM
    from zoomdiff.large.run import OnPiece, Place
    from zoomdiff.sampling import Sampling

WORKERS = Annotated[
    int,
    typer.Option(help="Processes, where --out is a store (week.zarr): regions of any size; more than 1 need Ray."),
]
ADDRESS = Annotated[
    str | None, typer.Option(help="Ray cluster for such a store; auto: the one that runs on this machine.")
]
PASSES = {
    "map": "Cutting the map into tiles",
    "census": "Counting the residents",
    "context": "Urban context",
    "spread": "Spreading what was measured",
    "hold": "Keeping what was measured",
}


def is_store(out: Path) -> bool:
    """Whether --out asks for a store."""
    return out.suffix == ".zarr"


def place_of(
    map_: str,
    bbox: str | None,
    region: Path | None,
    population: Path | None,
    residents: float | None,
    scenario: Path | None,
) -> "Place":
    """Where, as the options say. Raises OptionError and RegionError."""
    from zoomdiff.large.run import Place
    from zoomdiff.outline import parse_bbox, read_polygon

    check_one_region(bbox, region)
    where = parse_bbox(bbox) if bbox else read_polygon(region) if region else None
    return Place(map_, where, population, residents, scenario)


def into_store(
    model: "DRDM", place: "Place", out: Path, *, seed: int, sampling: "Sampling", workers: int, address: str | None
) -> None:
    """Generate with a bar for each pass, and say what is in the store."""
    from zoomdiff.large.read import open_store
    from zoomdiff.large.run import generate_large
    from zoomdiff.week import human_bytes

    started = time.monotonic()
    with _bars(PASSES | {level.name: level.title for level in model.hierarchy}) as on_piece:
        generate_large(
            model,
            place,
            out,
            seed=seed,
            sampling=sampling,
            workers=address or workers,
            on_piece=on_piece,
            on_retry=lambda _, retried: say(f"A worker ended: its piece is begun again ({retried} so far)."),
        )
    about = open_store(out).about
    for note in about["notes"]:
        say(f"Note: {note}")
    say(f"{out}: {human_bytes(about['total_bytes'])} in the week, complete in {time.monotonic() - started:.1f} s")


def again(
    store: Path,
    map_: str | None,
    population: Path | None,
    out: Path,
    model_of: Callable[[], "DRDM"],
    *,
    workers: int,
    address: str | None,
) -> None:
    """Make a store again, and say whether it is the same."""
    from zoomdiff.large.read import open_store
    from zoomdiff.large.reproduce import StoreRecipe

    if not is_store(out):
        raise OptionError("What a store holds is made again as a store: give --out again.zarr.")
    if out.absolute() == store.absolute():
        raise OptionError("A store is not made again in its own place: give another --out, such as again.zarr.")
    recipe = StoreRecipe.of(open_store(store), map=map_, population=population)
    model = model_of()
    recipe.check_weights(model.sha256)
    place, seed, sampling = recipe.place, recipe.seed, recipe.sampling
    into_store(model, place, out, seed=seed, sampling=sampling, workers=workers, address=address)
    say(recipe.compare(out))


def export(
    store: Annotated[Path, typer.Argument(help="A store that `generate --out week.zarr` made.")],
    formats: Annotated[
        str, typer.Option("--format", help="One or more of parquet, cog and pmtiles, with commas between.")
    ] = "parquet",
    level: Annotated[
        str | None, typer.Option(help="One or more levels, such as bs,cell, with commas between; default: all.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option(help="Part as W,S,E,N in degrees, out to whole blocks; default: all of the store.")
    ] = None,
    out: OUT = Path("out"),
) -> None:
    """Write levels of a store, or a part of them, as GeoParquet, GeoTIFF or PMTiles, piece by piece."""
    from zoomdiff.large.read import open_store
    from zoomdiff.outline import parse_bbox
    from zoomdiff.week import human_bytes

    out, box = target(out, "The results", is_folder=True), parse_bbox(bbox) if bbox else None
    week = open_store(store)
    week = week.within(box) if box else week
    with _bars({}) as on_piece:
        paths = week.save(out, formats, levels=level, on_piece=on_piece)
    for path in paths:
        say(f"{path}: {human_bytes(size_of(path))}")


@contextmanager
def _bars(titles: dict[str, str]) -> Iterator["OnPiece"]:
    """A bar for each thing that is made in pieces, with its rate and the time that is left."""
    from tqdm import tqdm

    bars: dict[str, tqdm[NoReturn]] = {}

    def on_piece(stage: str, done: int, pieces: int) -> None:
        if stage not in bars:
            layout = "{desc} {bar} {n_fmt} of {total_fmt} pieces, {rate_fmt}, {elapsed} < {remaining}"
            bars[stage] = tqdm(
                total=pieces, initial=done, desc=f"{titles.get(stage, stage):32}", unit="", bar_format=layout
            )
        bars[stage].update(done - bars[stage].n)
        if done == pieces:
            bars[stage].close()

    try:
        yield on_piece
    finally:
        for bar in bars.values():
            bar.close()
