"""Weeks of any size: what `generate` does where --out is a Zarr store."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoomdiff.cli.common import check_one_region, say

if TYPE_CHECKING:
    from zoomdiff.diffusion.drdm import DRDM
    from zoomdiff.large.run import OnPiece, Place
    from zoomdiff.sampling import Sampling

PASSES = {"map": "Cutting the map into tiles", "census": "Counting the residents", "context": "Urban context"}


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
    from zoomdiff.region import parse_bbox, read_polygon

    check_one_region(bbox, region)
    where = parse_bbox(bbox) if bbox else read_polygon(region) if region else None
    return Place(map_, where, population, residents, scenario)


def into_store(
    model: "DRDM", place: "Place", out: Path, *, seed: int, sampling: "Sampling", workers: int, address: str | None
) -> None:
    """Generate with a bar for each pass, and say what is in the store."""
    from zoomdiff.large import generate_large
    from zoomdiff.large.store import attributes_of
    from zoomdiff.week import human_bytes

    started = time.monotonic()
    with _bars(model) as on_piece:
        generate_large(model, place, out, seed=seed, sampling=sampling, workers=address or workers, on_piece=on_piece)
    about = attributes_of(out)
    for note in about["notes"]:
        say(f"Note: {note}")
    say(f"{out}: {human_bytes(about['total_bytes'])} in the week, complete in {time.monotonic() - started:.1f} s")


@contextmanager
def _bars(model: "DRDM") -> Iterator["OnPiece"]:
    """A bar for each pass, with its rate and the time that is left."""
    from tqdm import tqdm

    titles = PASSES | {level.name: level.title for level in model.hierarchy}
    bars: dict[str, tqdm[NoReturn]] = {}

    def on_piece(stage: str, done: int, pieces: int) -> None:
        if stage not in bars:
            layout = "{desc} {bar} {n_fmt} of {total_fmt} pieces, {rate_fmt}, {elapsed} < {remaining}"
            bars[stage] = tqdm(total=pieces, initial=done, desc=f"{titles[stage]:32}", unit="", bar_format=layout)
        bars[stage].update(done - bars[stage].n)
        if done == pieces:
            bars[stage].close()

    try:
        yield on_piece
    finally:
        for bar in bars.values():
            bar.close()
