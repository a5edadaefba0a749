"""The basemap: roads, buildings, water and green drawn from the map's own vectors, so no tile server is asked."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

import geopandas as gpd
import numpy as np
import shapely
from PIL import Image, ImageChops, ImageDraw

from zoomdiff.frames import to_frame, to_lonlat
from zoomdiff.region import Region

MARGIN = 350.0  # metres shown around the region, at least
ASPECT = 1.9  # width to height that is filled, if the map reaches so far
LONGEST_SIDE = 1800  # pixels
FINEST_PIXEL = 0.75  # metres
SUPERSAMPLING = 2

LAND, BUILDING, ROAD, RAIL = "#f4f2ee", "#d9d2c7", "#ffffff", "#b3acb0"
GROUND = {"farmland": "#efe9d6", "green": "#dbe7cf", "water": "#c3d9e6"}
CASING = "#d3ccc1"
# Metres, drawn in this order.
ROAD_WIDTH = {
    "path": 1.6,
    "local": 5.0,
    "secondary": 8.0,
    "primary": 11.0,
    "motorway": 14.0,
}
HUES_TURNED = ((-0.574, 1.430, 0.144), (0.426, 0.430, 0.144), (0.426, 1.430, -0.856))  # CSS: hue-rotate(180deg)
WEBP = {"format": "WEBP", "quality": 82, "method": 3, "exact": True}
LIGHT = 0.85 * 0.9  # brightness and contrast
DARKEN = tuple(
    value for row in HUES_TURNED for value in (*(-LIGHT * share for share in row), 255 * (LIGHT * sum(row) + 0.05))
)
PATHS_UP_TO = 3.0  # metres a pixel: further out paths only blur the picture


@dataclass(frozen=True)
class Frame:
    """A rectangle in a UTM zone, and where its corners are on the globe (the zone's north is not the map's north)."""

    epsg: int
    bounds: tuple[float, float, float, float]  # west, south, east, north in metres

    @classmethod
    def of(cls, region: Region) -> "Frame":
        """The region's own frame."""
        return cls(region.epsg, region.frame_bounds)

    @classmethod
    def around(cls, region: Region, extent: tuple[float, float, float, float]) -> "Frame":
        """The region with some surroundings, as far as the map reaches (its extent in degrees)."""
        west, south, east, north = region.frame_bounds
        height = max(north - south, (east - west) / ASPECT) + 2 * MARGIN
        half = np.array([height * ASPECT / 2, height / 2])
        middle = np.array([west + east, south + north]) / 2
        corners = _rim(extent)
        known = np.stack(to_frame(region.epsg).transform(*corners), -1)
        low = np.maximum(middle - half, known.min(0) - MARGIN / 10)
        high = np.minimum(middle + half, known.max(0) + MARGIN / 10)
        low, high = np.minimum(low, (west, south)), np.maximum(high, (east, north))
        return cls(region.epsg, (*low.tolist(), *high.tolist()))

    @property
    def quad(self) -> list[list[float]]:
        """Lon/lat of the corners in BitmapLayer's order: south-west, north-west, north-east, south-east."""
        west, south, east, north = self.bounds
        lonlat = to_lonlat(self.epsg).transform
        return [list(lonlat(x, y)) for x, y in ((west, south), (west, north), (east, north), (east, south))]

    @property
    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees of the box that holds the frame."""
        corners = np.array(self.quad)
        return *corners.min(0).tolist(), *corners.max(0).tolist()


def draw_basemap(layers, frame: Frame) -> bytes:
    """A WebP picture of the frame, transparent beyond what the map covers."""
    west, south, east, north = frame.bounds
    pixel = max(FINEST_PIXEL, max(east - west, north - south) / LONGEST_SIDE) / SUPERSAMPLING
    size = round((east - west) / pixel), round((north - south) / pixel)

    def pixels(lon, lat):
        x, y = to_frame(frame.epsg).transform(lon, lat)
        return (x - west) / pixel, (north - y) / pixel

    def inside(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        near = table.iloc[table.sindex.query(shapely.box(*frame.lonlat_bounds))]
        return near.set_geometry(shapely.transform(near.geometry.values, pixels, interleaved=False), crs=None)

    canvas = Image.new("RGB", size, LAND)
    areas = inside(layers.areas)
    for name, colour in GROUND.items():
        _fill(canvas, areas.geometry[areas.aoi == name], colour)
    _fill(canvas, inside(layers.buildings).geometry, BUILDING)
    _lines(canvas, inside(layers.rails).geometry, RAIL, 1.5 / pixel)
    roads = inside(layers.roads)
    visible = [name for name in ROAD_WIDTH if name != "path" or pixel * SUPERSAMPLING <= PATHS_UP_TO]
    by_class = {name: roads.geometry[roads.road == name] for name in visible}
    for name, lines in by_class.items():
        _lines(canvas, lines, CASING, ROAD_WIDTH[name] / pixel + SUPERSAMPLING * 1.2)
    for name, lines in by_class.items():
        _lines(canvas, lines, ROAD, max(ROAD_WIDTH[name] / pixel, SUPERSAMPLING * 0.6))
    # Alpha comes last and the colours below it are kept (`exact`): black there would shine through at the rim.
    picture = canvas.reduce(SUPERSAMPLING)
    picture.putalpha(_known(size, pixels(*_rim(layers.extent))).reduce(SUPERSAMPLING))
    stream = io.BytesIO()
    picture.save(stream, **WEBP)
    return stream.getvalue()


@cache
def blank_basemap() -> bytes:
    """A WebP picture for any frame where no map is known."""
    stream = io.BytesIO()
    Image.new("RGB", (1024, 1024), LAND).save(stream, **WEBP)
    return stream.getvalue()


def _rim(extent: tuple[float, float, float, float], points: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) of points along the rim of a box in degrees: its sides are curves in UTM."""
    rim = shapely.segmentize(shapely.box(*extent).exterior, max(extent[2] - extent[0], extent[3] - extent[1]) / points)
    return tuple(shapely.get_coordinates(rim).T)


def _known(size: tuple[int, int], rim: tuple[np.ndarray, np.ndarray]) -> Image.Image:
    """A mask of what is inside the rim."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(list(zip(*rim, strict=True)), fill=255)
    return mask


def _fill(canvas: Image.Image, shapes: Iterable, colour: str) -> None:
    """Fill polygons, holes left open. Large ones first, so that an island in a lake's hole is drawn after the hole."""
    polygons = [part for part in shapely.get_parts(np.asarray(shapes)) if part.geom_type == "Polygon"]
    mask = Image.new("1", canvas.size)
    pen = ImageDraw.Draw(mask)
    for polygon in sorted(polygons, key=lambda part: -part.area):
        if not polygon.interiors:
            pen.polygon(_points(polygon.exterior), fill=1)
            continue
        left, top, right, bottom = polygon.bounds
        corner = max(int(left), 0), max(int(top), 0)
        size = min(int(right) + 2, canvas.width) - corner[0], min(int(bottom) + 2, canvas.height) - corner[1]
        if min(size) <= 0:
            continue
        stamp = Image.new("1", size)
        brush = ImageDraw.Draw(stamp)
        brush.polygon(_points(polygon.exterior, corner), fill=1)
        for hole in polygon.interiors:
            brush.polygon(_points(hole, corner), fill=0)
        below = mask.crop((*corner, corner[0] + size[0], corner[1] + size[1]))
        mask.paste(ImageChops.logical_or(below, stamp), corner)
    canvas.paste(colour, mask=mask)


def _lines(canvas: Image.Image, shapes: Iterable, colour: str, width: float) -> None:
    pen = ImageDraw.Draw(canvas)
    for line in shapely.get_parts(np.asarray(shapes)):
        if line.geom_type == "Polygon":
            line = line.exterior
        if line.geom_type in ("LineString", "LinearRing"):
            pen.line(_points(line), fill=colour, width=max(1, round(width)), joint="curve")


def _points(line, corner: tuple[int, int] = (0, 0)) -> list[tuple[float, float]]:
    return [tuple(point) for point in (shapely.get_coordinates(line) - corner).tolist()]


@lru_cache(maxsize=4)
def darkened(webp: bytes) -> bytes:
    """A basemap for a dark page: light and dark change places, hues stay. The map component's CSS filter does the same:
    invert(1) hue-rotate(180deg) brightness(0.85) contrast(0.9)."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(webp)) as picture:
        whole = picture.convert("RGBA")
    dark = whole.convert("RGB").convert("RGB", DARKEN)
    dark.putalpha(whole.getchannel("A"))
    dark.save(stream, **WEBP)
    return stream.getvalue()
