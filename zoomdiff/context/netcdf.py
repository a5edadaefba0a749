"""The urban context as a file for others: NetCDF with CF 1.11 metadata, which xarray, GDAL, QGIS and Panoply open."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import shapely
import xarray as xr

from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.errors import MapError, OptionError
from zoomdiff.extent import Framed
from zoomdiff.files import whole_file
from zoomdiff.isolation import isolated
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, Level
from zoomdiff.region import Region
from zoomdiff.week import WEEK_START

CRS_NAME = "spatial_ref"  # the name that GDAL and rioxarray look for
PACK = {"zlib": True, "complevel": 4, "shuffle": True}
HDF5 = threading.Lock()  # its library must not be used by several threads at once
EPOCH = f"hours since {WEEK_START:%Y-%m-%d %H:%M:%S}"


def to_dataset(uec: UEC) -> xr.Dataset:
    """The context as a Dataset with CF metadata.

    Returns
    -------
    xr.Dataset
        structure (channel, y, x), aoi (y, x), poi (category, y, x), population (time, y, x); `inside` (y, x), which
        cells belong to the region, with the rest that `read_netcdf` needs as attributes; `x` and `y`, the cells'
        centres in metres of the UTM zone, y from north to south; `time`, local time of a nominal week. The sources with
        their licences, the notes and the date of making are attributes.
    """
    region = uec.region
    where = {
        "long_name": "cell belongs to the region",
        "flag_values": np.array([0, 1], np.int8),
        "flag_meanings": "outside inside",
        "block_row": region.row,
        "block_col": region.col,
        "epsg": region.epsg,
        "hierarchy": json.dumps([asdict(level) for level in region.hierarchy], ensure_ascii=False),
    }
    aoi = {
        "long_name": "area of interest: main use of the cell",
        "flag_values": np.arange(len(AOI_CLASSES), dtype=np.int8),
        "flag_meanings": " ".join(AOI_CLASSES),
    }
    structure = {
        "long_name": "houses and roads",
        "units": "1",
        "comment": "building_cover: share of the cell; floor_area_ratio: m2 of floor per m2; indoor_share: floor's "
        "part of floor and open ground; roads and rail: metres of line per metre of the cell's side",
    }
    poi = {"long_name": "points of interest in the cell", "units": "1"}
    people = {
        "long_name": "people present in the cell",
        "units": "1",
        "comment": uec.sources[-1] if uec.sources else "",
    }
    dataset = xr.Dataset(
        {
            "structure": (("channel", "y", "x"), uec.structure, structure),
            "aoi": (("y", "x"), uec.aoi, aoi),
            "poi": (("category", "y", "x"), uec.poi, poi),
            "population": (("time", "y", "x"), uec.population, people),
            "inside": (("y", "x"), region.mask().astype(np.int8), where),
            "outline": (
                (),
                shapely.to_geojson(region.polygon),
                {"long_name": "region as asked for, GeoJSON"},
            ),
        },
        coords=coordinates(region)
        | {
            "channel": ("channel", list(STRUCTURE), {"long_name": "what is measured"}),
            "category": ("category", list(POI_CATEGORIES), {"long_name": "kind of place"}),
        },
        attrs={
            "Conventions": "CF-1.11",
            "title": f"Urban context of a region of {region.km2:.2f} km2",
            "source": "\n".join(uec.sources),
            "license": "The sources' licences apply: " + " ".join(uec.sources),
            "comment": "\n".join(uec.notes),
            "date_created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    for name in ("structure", "aoi", "poi", "population", "inside"):
        # In the encoding: xarray would take an attribute of that name for its own, and the CRS would be lost.
        dataset[name].encoding = {"grid_mapping": CRS_NAME, **PACK}
    return dataset


def coordinates(region: Framed, k: int = -1) -> dict[str, xr.Variable]:
    """The CF coordinates of a region's frame at level k: x, y, time, and the CRS as a grid mapping."""
    level = region.hierarchy[k]
    x, y = region.axes(k)
    west, _, _, north = region.frame_bounds
    crs = region.crs.to_cf() | {"GeoTransform": f"{west} {level.side} 0 {north} 0 {-level.side}"}
    hours = np.arange(0, HOURS_PER_WEEK, level.hours).astype("timedelta64[h]")
    bare = {"_FillValue": None}  # CF: coordinates have no missing values
    axes = {
        name: xr.Variable(
            name,
            values,
            {"standard_name": f"projection_{name}_coordinate", "axis": name.upper(), "units": "m"},
            bare,
        )
        for name, values in (("x", x), ("y", y))
    }
    time = xr.Variable(
        "time",
        np.datetime64(WEEK_START, "ns") + hours,
        {"standard_name": "time", "long_name": "local time of a nominal week", "axis": "T"},
        bare | {"units": EPOCH, "dtype": "int32"},
    )
    return axes | {"time": time, CRS_NAME: xr.Variable((), 0, crs)}


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a NetCDF-4 file. Raises OSError."""
    try:
        with HDF5, _without_backslash(path) as plain:
            dataset.to_netcdf(plain, engine="netcdf4", format="NETCDF4")
    except RuntimeError as error:  # netCDF4 raises it where HDF5 fails, as on a full disk
        raise OSError(str(error)) from error


def write_netcdf(uec: UEC, path: str | Path) -> Path:
    """Write the context to a NetCDF-4 file, whole or not at all, and return the path.

    Raises
    ------
    OptionError
        The file cannot be written.
    """
    with whole_file(path, "The context") as part:
        save(to_dataset(uec), part)
    return Path(path)


@isolated(MapError)
def read_netcdf(path: str | Path) -> UEC:
    """The context that `write_netcdf` wrote, exactly.

    Raises
    ------
    MapError
        The file does not exist or is any other file.
    """
    path = Path(path)
    if not path.is_file():
        raise MapError(f"There is no context file {path}: check the path.")
    try:
        with HDF5, _without_backslash(path) as plain:
            file = xr.load_dataset(plain, engine="netcdf4", decode_cf=False)
        region = _region(file)
        uec = UEC(
            region=region,
            structure=file["structure"].sel(channel=list(STRUCTURE)).values,
            aoi=file["aoi"].values,
            poi=file["poi"].sel(category=list(POI_CATEGORIES)).values,
            population=file["population"].values,
            sources=_lines(file.attrs["source"]),
            notes=_lines(file.attrs["comment"]),
        )
        centres = region.frame_centres()
        if not (np.array_equal(file["x"], centres[0, :, 0]) and np.array_equal(file["y"], centres[:, 0, 1])):
            raise ValueError("the raster is not where the region is")
        if not np.array_equal(file["inside"] == 1, region.mask()):
            raise ValueError("the region is not made of whole blocks")
    except (
        OSError,
        RuntimeError,
        OptionError,  # of the levels' values
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        shapely.errors.ShapelyError,
    ) as error:
        # A damaged file makes netCDF4 raise OSError or RuntimeError, another's file lacks what is looked up here.
        raise MapError(f"{path.name} is not a complete context that ZoomDiff wrote: make it again.") from error
    return uec


def _region(file: xr.Dataset) -> Region:
    where = file["inside"].attrs
    hierarchy = Hierarchy(tuple(Level(**level) for level in json.loads(where["hierarchy"])))
    return Region(
        polygon=shapely.from_geojson(file["outline"].item()),
        epsg=int(where["epsg"]),
        row=int(where["block_row"]),
        col=int(where["block_col"]),
        blocks=file["inside"].values[:: hierarchy.block, :: hierarchy.block] == 1,
        hierarchy=hierarchy,
    )


@contextmanager
def _without_backslash(path: Path) -> Iterator[Path]:
    """A path to the same file without a backslash, which the library takes for a slash on all systems."""
    if os.sep != "/" or "\\" not in str(path.absolute()):
        yield path
        return
    with TemporaryDirectory(prefix="zoomdiff-") as folder:
        link = Path(folder, "link.nc")
        link.symlink_to(path.absolute())
        yield link


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
