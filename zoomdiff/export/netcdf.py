"""NetCDF with CF metadata, in metres of the UTM zone: a level as a raster with a time axis."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
import xarray as xr

from zoomdiff.context.netcdf import CRS_NAME, PACK, coordinates, save
from zoomdiff.levels import Level
from zoomdiff.week import TrafficWeek

VARIABLE = "traffic"


def to_dataset(week: TrafficWeek, k: int) -> xr.Dataset:
    """Level k as `traffic` (time, y, x) in bytes per step, NaN outside the region.

    x and y are the cells' centres, y from north to south; time is the start of the step.
    """
    region, level = week.region, week.level(k)
    coords = coordinates(region, k)
    # No bounds variable, which CF would like: GDAL and QGIS take it for a second raster and ask which one to open.
    coords["time"].attrs["comment"] = f"start of the step, which lasts {level.hours} h"
    traffic = xr.Variable(
        ("time", "y", "x"),
        np.where(region.mask(k), np.rint(week.volumes[k]), np.nan),
        attributes(level),
        # In the encoding: xarray would take an attribute of that name for its own, and the CRS would be lost.
        {"grid_mapping": CRS_NAME, **PACK},
    )
    sources = week.provenance.get("sources", [])
    return xr.Dataset(
        {VARIABLE: traffic},
        coords=coords,
        attrs={
            "Conventions": "CF-1.11",
            "step_hours": level.hours,
            "title": f"A week of mobile traffic, {level.title}",
            **credit(sources, week.provenance.get("training", "")),
            "region": shapely.to_geojson(region.polygon),
            "provenance": json.dumps(week.provenance, ensure_ascii=False),
        },
    )


def credit(sources: Sequence[str], training: str) -> dict[str, str]:
    """The CF attribute that says what a week was made from, and one for the licences."""
    return {
        "source": "\n".join([*sources, training]),
        "license": "The sources' licences apply: " + " ".join(sources),
    }


def attributes(level: Level) -> dict[str, str]:
    """Of the variable with the traffic of a level."""
    return {
        "long_name": f"mobile traffic, {level.title}",
        "units": "byte",
        "cell_methods": "time: sum area: sum",
    }


def write_netcdf(week: TrafficWeek, k: int, path: Path) -> None:
    """Write `to_dataset`."""
    save(to_dataset(week, k), path)
