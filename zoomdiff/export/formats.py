"""All formats by name, and writing them: to a folder, or as bytes."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

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
from zoomdiff.files import whole_file
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.week import TrafficWeek


@dataclass(frozen=True)
class Job:
    """What is to be written.

    k            level, where the format has one
    hours        of the week, where the format has a row or feature per step
    step         of level k that a picture shows; None: the busiest
    logarithmic  whether a picture's colours are
    inputs       what the user gave, for reproduce.json
    """

    week: TrafficWeek
    uec: UEC
    k: int = 0
    hours: range = WEEK
    step: int | None = None
    logarithmic: bool = False
    inputs: Inputs = field(default_factory=Inputs)

    @property
    def cells(self) -> int:
        return int(self.week.region.mask(self.k).sum())

    @property
    def steps(self) -> int:
        """Of level k in the whole week."""
        return len(self.week.volumes[self.k])

    @property
    def chosen(self) -> int:
        """Steps of level k in `hours`."""
        return len(steps_in(self.week, self.k, self.hours))


@dataclass(frozen=True)
class Format:
    """A kind of file.

    title, about  for people: its name, and what it holds in a sentence
    ending   of the file's name, after the level's where it has one
    size     about how many bytes a job takes, from files of Helsinki and Florence
    level    whether there is one file per level
    long     whether it has a row or feature per cell and step, so that `hours` count
    """

    title: str
    about: str
    ending: str
    mime: str
    write: Callable[[Job, Path], None]
    size: Callable[[Job], float]
    level: bool = True
    long: bool = False

    def file_name(self, job: Job) -> str:
        packed = self.ending == ".csv" and is_packed(job.week.region, job.k, job.chosen)
        return (job.week.level(job.k).name if self.level else "") + self.ending + (".gz" if packed else "")


FORMATS = {
    "geojson": Format(
        "GeoJSON",
        "One feature per cell, its week as a list.",
        ".geojson",
        "application/geo+json",
        lambda job, path: path.write_bytes(to_geojson(job.week, job.k)),
        lambda job: 1500 + job.cells * (225 + 10.5 * job.steps),
    ),
    "geojson-long": Format(
        "GeoJSON for a time window",
        "One feature per cell and step with its date and time: QGIS plays it.",
        "_long.geojson",
        "application/geo+json",
        lambda job, path: path.write_bytes(to_long_geojson(job.week, job.k, job.hours)),
        lambda job: 1500 + job.cells * 330 * job.chosen,
        long=True,
    ),
    "parquet": Format(
        "GeoParquet",
        "One row per cell, its week as a list: small and quick, for geopandas, DuckDB and GDAL.",
        ".parquet",
        "application/vnd.apache.parquet",
        lambda job, path: write_parquet(job.week, job.k, path),
        lambda job: 10_000 + job.cells * (110 + 5.0 * job.steps),
    ),
    "netcdf": Format(
        "NetCDF",
        "A raster with a time axis, for xarray, GDAL, QGIS and Panoply.",
        ".nc",
        "application/x-netcdf",
        lambda job, path: write_netcdf(job.week, job.k, path),
        lambda job: 20_000 + job.cells * 4.5 * job.steps,
    ),
    "cog": Format(
        "GeoTIFF",
        "A raster with a band per step (cloud-optimised), for QGIS, GDAL and rasterio.",
        ".tif",
        "image/tiff",
        lambda job, path: write_cog(job.week, job.k, path),
        lambda job: 3_000 + job.cells * 5.0 * job.steps,
    ),
    "csv": Format(
        "CSV",
        "One row per cell and step, for spreadsheets, R and pandas; gzip where it is long.",
        ".csv",
        "text/csv",
        lambda job, path: write_csv(job.week, job.k, path, job.hours),
        lambda job: job.cells * job.chosen * (19 if is_packed(job.week.region, job.k, job.chosen) else 85),
        long=True,
    ),
    "png": Format(
        "Picture",
        "A map of the shown level and step as PNG, with legend, scale and sources.",
        ".png",
        "image/png",
        lambda job, path: write_picture(
            job.week,
            job.uec,
            job.k,
            job.week.peak_step(job.k) if job.step is None else job.step,
            path,
            logarithmic=job.logarithmic,
        ),
        lambda job: 60_000,
    ),
    "uec": Format(
        "Surroundings (NetCDF)",
        "What the model was told: houses, roads, use of the ground, places, people per hour.",
        "uec.nc",
        "application/x-netcdf",
        lambda job, path: save(to_dataset(job.uec), path),
        lambda job: 60_000 + 450 * job.week.region.mask().sum(),
        level=False,
    ),
    "reproduce": Format(
        "Recipe (JSON)",
        "All that is needed to make this week again: version, weights, seed, region, sources.",
        "reproduce.json",
        "application/json",
        lambda job, path: path.write_bytes(to_reproduce(job.week, job.uec, job.inputs)),
        lambda job: 3_000,
        level=False,
    ),
}


def parse_formats(text: str) -> tuple[str, ...]:
    """'geojson,csv' as names of FORMATS, each once. Raises OptionError."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise OptionError(f"There is no format {(unknown or [text])[0]!r}: choose from {', '.join(FORMATS)}.")
    return names


def parse_hours(text: str) -> range:
    """'24-48', hours of the week from Monday 00:00, as a range. Raises OptionError."""
    first, _, last = text.partition("-")
    if not (first.strip().isdecimal() and last.strip().isdecimal() and int(first) < int(last) <= HOURS_PER_WEEK):
        raise OptionError(
            f"The hours {text!r} are no part of the week: give two from 0 to 168, such as 24-48 (Tuesday)."
        )
    return range(int(first), int(last))


def write_files(job: Job, folder: Path, names: Iterable[str]) -> dict[Path, int | None]:
    """Write the formats `names`, those with levels for each level: all files or none.

    Returns their paths, each with its level (None: the file has none). Raises OptionError.
    """
    paths = {}
    with ExitStack() as stack:
        for name in names:
            kind = FORMATS[name]
            for k in range(len(job.week.volumes)) if kind.level else (0,):
                one = replace(job, k=k)
                path = folder / kind.file_name(one)
                kind.write(one, stack.enter_context(whole_file(path, "The results")))
                paths[path] = k if kind.level else None
    return paths


def to_bytes(job: Job, name: str) -> bytes:
    """A file of the format `name`."""
    with TemporaryDirectory(prefix="zoomdiff-") as folder:
        path = Path(folder) / "file"
        FORMATS[name].write(job, path)
        return path.read_bytes()
