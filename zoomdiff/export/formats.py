"""All formats by name, and writing them: to a folder, or as bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from zoomdiff.arguments import wrong
from zoomdiff.context.netcdf import save, to_dataset
from zoomdiff.context.uec import UEC
from zoomdiff.errors import OptionError
from zoomdiff.export.cells import WEEK, steps_in
from zoomdiff.export.cog import write_cog
from zoomdiff.export.csv import is_packed, write_csv
from zoomdiff.export.geojson import to_geojson, to_long_geojson
from zoomdiff.export.netcdf import write_netcdf
from zoomdiff.export.parquet import write_parquet
from zoomdiff.export.picture import write_picture
from zoomdiff.export.reproduce import Inputs, to_reproduce
from zoomdiff.export.zarr import write_zarr
from zoomdiff.files import check_free, whole_set
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.week import TrafficWeek


@dataclass(frozen=True)
class Export:
    """What is to be written.

    Attributes
    ----------
    week
        The week.
    uec
        Its urban context; by default the one that the week was made for. Pictures, the context and recipes need it.
    k
        Level, where the format has one.
    hours
        Of the week, where the format has a row or feature per step.
    step
        Of level k that a picture shows; None: the busiest.
    logarithmic
        Whether a picture's colours are.
    inputs
        What the user gave, for reproduce.json.
    """

    week: TrafficWeek
    uec: UEC | None = None
    k: int = 0
    hours: range = WEEK
    step: int | None = None
    logarithmic: bool = False
    inputs: Inputs = field(default_factory=Inputs)

    @property
    def context(self) -> UEC:
        """The urban context. Raises OptionError where there is none."""
        uec = self.uec or self.week.uec
        if uec is None:
            raise OptionError(
                "This file needs the urban context, which a week from elsewhere does not have: leave out png, uec and "
                "reproduce, or generate the week."
            )
        return uec

    @property
    def cells(self) -> int:
        """Cells of level k in the region."""
        return int(self.week.region.mask(self.k).sum())

    @property
    def steps(self) -> int:
        """Steps of level k in the whole week."""
        return len(self.week.volumes[self.k])

    @property
    def chosen(self) -> int:
        """Steps of level k in `hours`."""
        return len(steps_in(self.week, self.k, self.hours))


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    title, about
        For people: its name, and what it holds in a sentence.
    ending
        Of the file's name, after the level's where it has one.
    mime
        Its media type; None for a folder, which cannot be downloaded as one file.
    size
        About how many bytes an export takes, from files of Helsinki and Florence.
    level
        Whether there is one file per level.
    long
        Whether it has a row or feature per cell and step, so that `hours` count.
    """

    title: str
    about: str
    ending: str
    mime: str | None
    write: Callable[[Export, Path], object]
    size: Callable[[Export], float]
    level: bool = True
    long: bool = False

    def file_name(self, export: Export) -> str:
        """Name of its file in a folder."""
        packed = self.ending == ".csv" and is_packed(export.week.region, export.k, export.chosen)
        return (export.week.level(export.k).name if self.level else "") + self.ending + (".gz" if packed else "")


FORMATS = {
    "geojson": Format(
        "GeoJSON",
        "One feature per cell, its week as a list.",
        ".geojson",
        "application/geo+json",
        lambda e, path: path.write_bytes(to_geojson(e.week, e.k)),
        lambda e: 1500 + e.cells * (225 + 10.5 * e.steps),
    ),
    "geojson-long": Format(
        "GeoJSON for a time window",
        "One feature per cell and step with its date and time: QGIS plays it.",
        "_long.geojson",
        "application/geo+json",
        lambda e, path: path.write_bytes(to_long_geojson(e.week, e.k, e.hours)),
        lambda e: 1500 + e.cells * 330 * e.chosen,
        long=True,
    ),
    "parquet": Format(
        "GeoParquet",
        "One row per cell, its week as a list: small and quick, for geopandas, DuckDB and GDAL.",
        ".parquet",
        "application/vnd.apache.parquet",
        lambda e, path: write_parquet(e.week, e.k, path),
        lambda e: 10_000 + e.cells * (110 + 5.0 * e.steps),
    ),
    "netcdf": Format(
        "NetCDF",
        "A raster with a time axis, for xarray, GDAL, QGIS and Panoply.",
        ".nc",
        "application/x-netcdf",
        lambda e, path: write_netcdf(e.week, e.k, path),
        lambda e: 20_000 + e.cells * 4.5 * e.steps,
    ),
    "zarr": Format(
        "Zarr",
        "One store with a group per level, each a raster with a time axis, for xarray and dask.",
        "week.zarr",
        None,
        lambda e, path: write_zarr(e.week, path),
        lambda e: 300_000 + 4.5 * HOURS_PER_WEEK * e.week.region.mask().sum(),
        level=False,
    ),
    "cog": Format(
        "GeoTIFF",
        "A raster with a band per step (cloud-optimised), for QGIS, GDAL and rasterio.",
        ".tif",
        "image/tiff",
        lambda e, path: write_cog(e.week, e.k, path),
        lambda e: 3_000 + e.cells * 5.0 * e.steps,
    ),
    "csv": Format(
        "CSV",
        "One row per cell and step, for spreadsheets, R and pandas; gzip where it is long.",
        ".csv",
        "text/csv",
        lambda e, path: write_csv(e.week, e.k, path, e.hours),
        lambda e: e.cells * e.chosen * (19 if is_packed(e.week.region, e.k, e.chosen) else 85),
        long=True,
    ),
    "png": Format(
        "Picture",
        "A map of the shown level and step as PNG, with legend, scale and sources.",
        ".png",
        "image/png",
        lambda e, path: write_picture(
            e.week,
            e.context,
            e.k,
            e.week.peak_step(e.k) if e.step is None else e.step,
            path,
            logarithmic=e.logarithmic,
        ),
        lambda e: 60_000,
    ),
    "uec": Format(
        "Surroundings (NetCDF)",
        "What the model knows of the place: houses, roads, use of the ground, places, people per hour.",
        "uec.nc",
        "application/x-netcdf",
        lambda e, path: save(to_dataset(e.context), path),
        lambda e: 60_000 + 450 * e.week.region.mask().sum(),
        level=False,
    ),
    "reproduce": Format(
        "Recipe (JSON)",
        "All that is needed to make this week again: version, weights, seed, region, sources.",
        "reproduce.json",
        "application/json",
        lambda e, path: path.write_bytes(to_reproduce(e.week, e.context, e.inputs)),
        lambda e: 3_000,
        level=False,
    ),
}


def parse_formats(given: str | Iterable[str]) -> tuple[str, ...]:
    """'geojson,csv', or these names one by one, as names of FORMATS, each once. Raises OptionError."""
    return parse_names("format", given, FORMATS)


def parse_names(what: str, given: str | Iterable[str], among: Iterable[str]) -> tuple[str, ...]:
    """'one,two', or these names one by one, each once and one of `among`. Raises OptionError, which calls it `what`."""
    names = list(among)
    choose = f"choose from {', '.join(names)}"
    if not isinstance(given, Iterable):
        raise wrong(f"The {what}s", given, f"names: {choose}; a list or text with commas between")
    parts = given.split(",") if isinstance(given, str) else list(given)
    found = tuple(dict.fromkeys(part.strip() if isinstance(part, str) else part for part in parts if part != ""))
    for name in found:
        if name not in names:
            raise OptionError(f"There is no {what} {name!r}: {choose}.")
    if not found:
        raise OptionError(f"There is no {what} given: {choose}.")
    return found


def parse_hours(text: str) -> range:
    """Hours of the week from Monday 00:00, as a range. Raises OptionError.

    Examples
    --------
    >>> parse_hours("24-48")
    range(24, 48)
    """
    first, _, last = text.partition("-")
    whole = text.isascii() and first.strip().isdecimal() and last.strip().isdecimal()
    if not whole or not int(first) < int(last) <= HOURS_PER_WEEK:
        raise OptionError(
            f"The hours {text!r} are no part of the week: give two from 0 to 168, such as 24-48 (Tuesday)."
        )
    return range(int(first), int(last))


def write_files(export: Export, folder: Path, names: Iterable[str]) -> dict[Path, int | None]:
    """Write the formats `names`, those with levels for each level: all files or none.

    Returns their paths, each with its level (None: the file has none). Raises OptionError.
    """
    files = []
    for name in names:
        kind = FORMATS[name]
        for k in range(len(export.week.volumes)) if kind.level else (0,):
            one = replace(export, k=k)
            path = folder / kind.file_name(one)
            check_free(path, is_folder=kind.mime is None)
            files.append((kind, one, path))
    with whole_set(folder) as new:
        for kind, one, path in files:
            kind.write(one, new / path.name)
    return {path: one.k if kind.level else None for kind, one, path in files}


def to_bytes(export: Export, name: str) -> bytes:
    """A file of the format `name`, one with a media type."""
    with TemporaryDirectory(prefix="zoomdiff-") as folder:
        path = Path(folder) / "file"
        FORMATS[name].write(export, path)
        return path.read_bytes()
