"""Samples for the realism table: measured files, simulated cities, generated files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoomdiff.context import UEC, MapLayers, build_uec
from zoomdiff.errors import DataError, OptionError
from zoomdiff.export import read_geojson
from zoomdiff.isolation import check_file
from zoomdiff.levels import HOURS_PER_WEEK, aggregate
from zoomdiff.measured.read import read_measurements
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.realism.datasets import read_milan, read_milan_raw, read_nanchang, read_nanjing
from zoomdiff.realism.statistics import HourlyGrid, urban_clusters
from zoomdiff.region import Region
from zoomdiff.simulator.city import config_of, simulate


@dataclass(frozen=True)
class City:
    """A city on whose map traffic is simulated, and in whose towns generated traffic is compared."""

    name: str
    uec: UEC

    @classmethod
    def on(cls, layers: MapLayers) -> "City":
        """All of a map."""
        return cls(layers.name, build_uec(layers, Region.from_bbox(layers.extent)))

    @property
    def urban(self) -> np.ndarray:
        """(rows, cols) bool: the blocks that are comparable with open measurements, which are of cities.

        All blocks of a region too small to hold an urban cluster.
        """
        region = self.uec.region
        people = aggregate(self.uec.population.mean(0)[None], region.hierarchy.block, 1)[0]
        urban = urban_clusters(people, region.hierarchy[0].side)
        return urban if urban.any() else region.blocks

    def simulated(self, preset: str, seed: int) -> HourlyGrid:
        """One week of the reference city, summed to blocks: about the size of the cells of open measurements."""
        week = simulate(self.uec, seed, config_of(preset))
        block = self.uec.region.hierarchy.block
        return HourlyGrid.of_week(week.traffic, block, urban=self.urban, users=week.users, poi=self.uec.poi.sum(0))


def read_generated(path: Path, cities: list[City]) -> tuple[HourlyGrid, City | None]:
    """A generated grid50.geojson summed to blocks, and the first city that holds its region: only what is urban counts.

    Without a city every active block is compared.

    Raises
    ------
    OptionError
        The file is not one of hourly squares.
    """
    volumes, frame, _ = read_geojson(path)
    if len(volumes) != HOURS_PER_WEEK:
        raise OptionError(f"{path.name} is not hourly: give grid50.geojson.")
    for city in cities:
        region = city.uec.region
        block, (rows, cols) = region.hierarchy.block, frame.blocks.shape
        top, left = frame.row - region.row, frame.col - region.col
        inside = 0 <= top <= region.blocks.shape[0] - rows and 0 <= left <= region.blocks.shape[1] - cols
        if frame.epsg == region.epsg and inside:
            here = np.s_[top : top + rows, left : left + cols]
            poi = city.uec.poi.sum(0)[top * block : (top + rows) * block, left * block : (left + cols) * block]
            return HourlyGrid.of_week(volumes, block, urban=city.urban[here], poi=poi), city
    return HourlyGrid.of_week(volumes, frame.hierarchy.block), None


def read_measured(path: Path) -> tuple[HourlyGrid, list[str]]:
    """A file of measurements: Nanjing (.npy), Nanchang (.npz), Milan's 25 cells or raw days, or your own table.

    Returns
    -------
    sample, notes
        The traffic; sentences on how a table was read and what of it is compared.

    Raises
    ------
    OptionError
        It is of no known kind.
    DataError
        It cannot be read or compared.
    """
    readers: dict[str, Callable[[Path], MeasuredTraffic]] = {
        ".npy": read_nanjing,
        ".npz": read_nanchang,
        ".parquet": read_measurements,
    }
    suffix = path.suffix.lower()
    if suffix in readers:
        traffic = readers[suffix](path)
    elif path.is_dir() or path.name.startswith("sms-call-internet-mi-"):
        traffic = read_milan_raw(path)
    elif suffix == ".csv":
        traffic = (read_measurements if _has_header(path) else read_milan)(path)
    else:
        raise OptionError(f"{path} is not a .npy, .npz, .csv, .parquet or .geojson file: see --help for what is read.")
    try:
        return HourlyGrid.of_measured(traffic), _notes(traffic) if traffic.grid_shape is None else []
    except ValueError as error:
        raise DataError(f"{path.name} cannot be compared: {error}.") from error


def _notes(table: MeasuredTraffic) -> list[str]:
    """What is to know of a table of cells that form no grid, unlike the published data sets and generated weeks."""
    cells = table.traffic.shape[1]
    compared = (
        f"{table.source}: its {cells:,} cells are compared as they are, of any size and in any place, whereas "
        "generated and simulated weeks are summed to 400 m and compared in towns; they form no grid, so "
        "the rows on neighbours are empty."
    )
    gaps = [table.gap_report()] if table.missing.any() else []
    return [compared, *(f"{table.source}: {note}" for note in (*table.notes, *gaps))]


def _has_header(path: Path) -> bool:
    """Whether the first line of a CSV file does not begin with a number."""
    check_file(path, DataError)
    try:
        with path.open() as file:
            return not file.readline(200).strip().lstrip("-").split(",")[0].replace(".", "", 1).isdigit()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as a CSV file.") from error
