"""Outlines as users give them: boxes and polygons in degrees, as text, as GeoJSON, or from the library's caller."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from zoomdiff.arguments import four_numbers
from zoomdiff.errors import RegionError
from zoomdiff.isolation import isolated

Bounds = tuple[float, float, float, float]  # (west, south, east, north): degrees unless said otherwise

UTM_MAX_LATITUDE = 80.0


def parse_bbox(text: str) -> Bounds:
    """A box as a person types it, as four numbers.

    Raises
    ------
    RegionError
        The text is not four numbers.

    Examples
    --------
    >>> parse_bbox("24.938, 60.165, 24.952, 60.175")
    (24.938, 60.165, 24.952, 60.175)
    """
    try:
        west, south, east, north = (float(word) for word in text.replace(",", " ").replace(";", " ").split())
    except ValueError as error:
        raise RegionError(f"The box {text[:80]!r} is not four numbers: write W,S,E,N in degrees.") from error
    return west, south, east, north


def box_of(bbox: Bounds) -> BaseGeometry:
    """The polygon of a box (west, south, east, north) in degrees. Raises RegionError for what is no such box."""
    west, south, east, north = four_numbers("The box", bbox, RegionError)
    if not all(map(math.isfinite, (west, south, east, north))):
        raise RegionError("The box has a coordinate that is not a number: give W,S,E,N in degrees.")
    if west > east and abs(west) <= 180 and abs(east) <= 180 and west - east > 180:
        raise RegionError("The box crosses the antimeridian (180 degrees): draw one region on each side of it.")
    if west >= east or south >= north:
        raise RegionError("The box is empty or turned around: give W,S,E,N in degrees with W < E and S < N.")
    return shapely.box(west, south, east, north)


def check_polygon(polygon: BaseGeometry) -> None:
    """Raise RegionError unless the lon/lat polygon can be framed."""
    if polygon.is_empty:
        raise RegionError("The region is empty: draw a polygon or a box.")
    if polygon.geom_type not in ("Polygon", "MultiPolygon"):
        raise RegionError(f"The region is a {polygon.geom_type}, not an area: draw a polygon or a box.")
    if not np.isfinite(shapely.get_coordinates(polygon)).all():
        raise RegionError("The region has a coordinate that is not a number: give lon/lat in degrees.")
    if not polygon.is_valid:
        reason = shapely.is_valid_reason(polygon)
        raise RegionError(f"The region's outline crosses itself ({reason}): draw it again without crossings.")
    west, south, east, north = polygon.bounds
    if east > 180 or west < -180:
        raise RegionError("The region crosses the antimeridian or is not in degrees: give lon/lat within -180..180.")
    if north > UTM_MAX_LATITUDE or south < -UTM_MAX_LATITUDE:
        raise RegionError(
            "The region reaches beyond 80 degrees of latitude, where UTM ends: draw it nearer the equator."
        )
    if east - west > 180:
        raise RegionError("The region crosses the antimeridian (180 degrees): draw one region on each side of it.")


@isolated(RegionError)
def read_polygon(source: str | bytes | Path) -> BaseGeometry:
    """All polygons in a GeoJSON file (a Path) or its text, as one; errors as `Region.from_polygon`."""
    try:
        text = source.read_bytes() if isinstance(source, Path) else source
        polygons = [shape for shape in _polygons(json.loads(text)) if not shape.is_empty]
    except OSError as error:
        raise RegionError(f"The region file cannot be read: {error.strerror} ({error.filename}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, shapely.errors.ShapelyError) as error:
        raise RegionError("The region is not valid GeoJSON: save it as GeoJSON with one polygon in it.") from error
    if not polygons:
        raise RegionError("The GeoJSON holds no polygon: draw the region as a polygon and save it again.")
    for polygon in polygons:
        check_polygon(polygon)
    return shapely.union_all(polygons)


def _polygons(node: dict[str, Any]) -> list[BaseGeometry]:
    """The geometries of a GeoJSON FeatureCollection, Feature or geometry."""
    match node.get("type"):
        case "FeatureCollection":
            return [shape for feature in node["features"] for shape in _polygons(feature)]
        case "Feature":
            return _polygons(node["geometry"])
        case _:
            return [shapely.from_geojson(json.dumps(node))]
