"""Traffic or sites as GeoJSON, turned into a table: a row per feature, or per feature and time."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from zoomdiff.errors import DataError

ARRAYS = ("traffic", "bytes", "volume")  # properties that may hold a value per entry of the file's `time` list


def read_geojson_table(path: Path) -> gpd.GeoDataFrame:
    """The features of a GeoJSON FeatureCollection as rows: their properties and `geometry`, in the file's CRS.

    A file with one top-level `time` list and an array in each feature, as ZoomDiff writes, becomes a row per feature
    and time, the features numbered in the column `cell` if they have no id. Text stays text: nothing is executed, and
    no other file is opened.

    Raises
    ------
    DataError
        It is no such file, or a feature is at fault.
    """
    try:
        file = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not JSON: save it as GeoJSON.") from error
    features = file.get("features") if isinstance(file, dict) else None
    if not isinstance(features, list) or not features:
        raise DataError(f"{path.name} is not a GeoJSON FeatureCollection with features in it: save it as one.")
    shapes, rows = [], []
    for number, feature in enumerate(features, 1):
        try:
            shapes.append(shapely.force_2d(shapely.from_geojson(json.dumps(feature["geometry"]))))
            rows.append(dict(feature["properties"]))
        except (KeyError, TypeError, ValueError, RecursionError, shapely.errors.ShapelyError) as error:
            raise DataError(f"{path.name}, feature {number}: it has no valid geometry or no properties.") from error
    times = file.get("time")
    frame = pd.DataFrame(rows)
    if isinstance(times, list):
        frame = _unrolled(path, times, rows)
        shapes = np.repeat(np.array(shapes, object), len(times)).tolist()
    return gpd.GeoDataFrame(frame.drop(columns="geometry", errors="ignore"), geometry=shapes, crs=_crs(path, file))


def _unrolled(path: Path, times: list[Any], rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns time, cell and bytes of a row per feature and time, feature by feature."""
    name = next((key for key in ARRAYS if isinstance(rows[0].get(key), list)), None)
    if name is None:
        raise DataError(f"{path.name} has a list of times but no array of traffic in its features: call it 'traffic'.")
    for number, row in enumerate(rows, 1):
        values = row.get(name)
        if not isinstance(values, list) or len(values) != len(times):
            have = len(values) if isinstance(values, list) else "no"
            raise DataError(f"{path.name}, feature {number}: it has {have} values for {len(times)} times.")
    ids = [str(next((row[key] for key in ("site", "cell") if key in row), n)) for n, row in enumerate(rows, 1)]
    return pd.DataFrame(
        {
            "time": times * len(rows),
            "cell": np.repeat(np.array(ids, object), len(times)),
            "bytes": [value for row in rows for value in row[name]],
        }
    )


def _crs(path: Path, file: dict[str, Any]) -> pyproj.CRS:
    """WGS84, as the standard has it, unless the file names another in the `crs` member of GeoJSON 2008."""
    named = file.get("crs")
    if named is None:
        return pyproj.CRS(4326)
    try:
        return pyproj.CRS.from_user_input(named["properties"]["name"])
    except (KeyError, TypeError, pyproj.exceptions.CRSError) as error:
        raise DataError(f"{path.name} names a CRS that is unknown: save it in WGS84 (EPSG:4326).") from error
