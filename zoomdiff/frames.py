"""The frame of a region: the projection in whose metres its raster lies.

Cities lie in their UTM zone. A region that reaches farther from the zone's meridian than zones are made for takes one
equal-area projection as a whole, so that nothing is cut at the edge of a zone: EPSG:3035 in Europe, elsewhere Lambert's
azimuthal projection around the region's centre, in whole degrees. EPSG has no codes of these; theirs begin at OWN.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

TOP = 10_000_000.0  # metres: row 0 of every raster; no northing is larger (that of UTM's southern zones begins there)
REACH = 3.5  # degrees from its zone's meridian that a region in UTM may reach: half a degree beyond the zone's edge
EUROPE, EUROPE_BOUNDS = 3035, (-25.0, 34.0, 45.0, 72.0)
OWN = 10_000_000
CENTRE = 5_000_000.0  # metres: false easting and northing of our own frames


def frame_of(polygon: BaseGeometry) -> int:
    """The code of the frame that a polygon (lon/lat) takes."""
    west, south, east, north = polygon.bounds
    lon, lat = polygon.centroid.coords[0]
    zone = min(int((lon + 180) // 6) + 1, 60)
    meridian = 6 * zone - 183
    if max(east - meridian, meridian - west) <= REACH:
        return (32600 if lat >= 0 else 32700) + zone
    if shapely.box(*EUROPE_BOUNDS).contains(shapely.box(west, south, east, north)):
        return EUROPE
    return OWN + 1000 * (round((south + north) / 2) + 90) + round((west + east) / 2) + 180


def is_utm(code: int) -> bool:
    """Whether the frame with a code is a UTM zone."""
    return code // 100 in (326, 327)


@cache
def crs_of(code: int) -> CRS:
    """The projection with a code of `frame_of`."""
    if code < OWN:
        return CRS.from_epsg(code)
    lat, lon = divmod(code - OWN, 1000)
    return CRS.from_proj4(
        f"+proj=laea +lat_0={lat - 90} +lon_0={lon - 180} +x_0={CENTRE} +y_0={CENTRE} +datum=WGS84 +units=m"
    )


@cache
def to_frame(code: int) -> Transformer:
    """From lon/lat (WGS84) to metres in a frame."""
    return Transformer.from_crs(4326, crs_of(code), always_xy=True)


@cache
def to_lonlat(code: int) -> Transformer:
    """From metres in a frame to lon/lat (WGS84)."""
    return Transformer.from_crs(crs_of(code), 4326, always_xy=True)


def reproject(shape: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    """A geometry with each vertex moved by the transformer; no vertices are added."""

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack(transformer.transform(xy[:, 0], xy[:, 1]), -1)

    return shapely.transform(shape, move)
