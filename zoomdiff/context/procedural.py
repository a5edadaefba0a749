"""Procedural maps: streets, blocks, land use, buildings and points of interest of a town that does not exist.

They widen training beyond a handful of real maps and need no download. A square is split again and again by streets,
finer towards the centres; every block gets a use, buildings and points of interest by how central it lies; a river and
a railway cross the town; at last everything is bent smoothly, so that streets are not all straight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import shapely
from shapely.affinity import rotate
from shapely.geometry.base import BaseGeometry

from zoomdiff.context.layers import MapLayers, box_of
from zoomdiff.outline import Bounds

UTM = 32632  # northern Italy's zone: a place to put the town, nothing more
CENTRE = (500_000.0, 5_000_000.0)  # metres, on the zone's central meridian
STREET_WIDTH = {"primary": 24.0, "secondary": 16.0, "local": 10.0}  # metres between facing blocks

# Chance of each use by how central a block lies: outskirts (0), middle, centre (1); interpolated in between.
USE_BY_CENTRALITY = {
    "farmland": (0.45, 0.00, 0.00),
    "green": (0.25, 0.09, 0.07),
    "residential": (0.18, 0.66, 0.44),
    "industrial": (0.08, 0.06, 0.00),
    "commercial": (0.02, 0.05, 0.16),
    "office": (0.01, 0.03, 0.10),
    "mixed": (0.00, 0.05, 0.15),
    "education": (0.01, 0.04, 0.04),
    "health": (0.00, 0.02, 0.02),
}
# (chance that a plot is built, side of a plot in metres, storeys in the outskirts, storeys in the centre)
BUILDINGS = {
    "residential": (0.80, 24, 2, 7),
    "industrial": (0.60, 60, 1, 2),
    "commercial": (0.85, 32, 2, 6),
    "office": (0.75, 40, 3, 10),
    "mixed": (0.85, 26, 3, 7),
    "education": (0.50, 45, 2, 4),
    "health": (0.60, 45, 2, 6),
    "farmland": (0.01, 24, 1, 2),
    "green": (0.01, 18, 1, 1),
}
# Points of interest per hectare of block in the centre, by use.
POIS = {
    "residential": {"shop": 0.8, "food": 0.5, "education": 0.1, "public service": 0.1},
    "commercial": {"shop": 9.0, "food": 6.0, "leisure": 0.8, "finance": 0.8, "tourism": 1.0},
    "office": {"office": 5.0, "food": 2.0, "finance": 1.0, "public service": 0.5},
    "mixed": {"shop": 4.0, "food": 4.0, "office": 1.5, "tourism": 0.7},
    "industrial": {"office": 0.3, "shop": 0.2},
    "education": {"education": 1.2},
    "health": {"health": 1.5},
    "green": {"leisure": 0.3},
}

Centrality = Callable[[float, float], float]  # of the place (x, y) in metres: 0 in the outskirts, 1 in a centre
Move = Callable[[np.ndarray], np.ndarray]  # of coordinates (n, 2)


@dataclass
class _Town:
    """What has been drawn so far, in metres around the origin."""

    blocks: list[shapely.Polygon] = field(default_factory=list)
    roads: list[tuple[BaseGeometry, str]] = field(default_factory=list)  # (line, class)
    buildings: list[tuple[BaseGeometry, str, float]] = field(default_factory=list)  # (polygon, aoi, storeys)
    areas: list[tuple[BaseGeometry, str]] = field(default_factory=list)  # (polygon, aoi)
    pois: list[tuple[BaseGeometry, str]] = field(default_factory=list)  # (point, category)


def procedural_map(seed: int, kilometres: float = 4.8) -> MapLayers:
    """Draw a fictional town.

    Parameters
    ----------
    seed
        The same seed gives the same town.
    kilometres
        Side of the square that it covers.

    Examples
    --------
    >>> procedural_map(7, kilometres=1)
    MapLayers(fictional town 7: 139 buildings, 14 roads, 0 rails, 11 areas, 58 pois)
    """
    rng = np.random.default_rng([seed, 20251122])
    half = 500 * kilometres
    town = _Town()
    centres = [(rng.uniform(-0.5, 0.5, 2) * half, rng.uniform(0.25, 0.6) * half) for _ in range(rng.integers(1, 4))]

    def centrality(x: float, y: float) -> float:
        return float(min(1.0, max(np.exp(-np.hypot(x - c[0], y - c[1]) / r) for c, r in centres) * 1.15))

    _split(town, (-half, -half, half, half), 0, centrality, rng)
    river = _crossing(half, rng).buffer(rng.uniform(20, 70)) if rng.random() < 0.7 else shapely.Polygon()
    rails = [_crossing(half, rng)] if rng.random() < 0.8 else []
    barred = shapely.union_all([river.buffer(10), *(rail.buffer(15) for rail in rails)])
    for block in town.blocks:
        _fill(town, block.difference(barred), centrality, rng)
    if not river.is_empty:
        town.areas.append((river, "water"))
    for rail in rails:
        town.areas.append((rail.buffer(25), "transport"))
        town.pois += [(rail.interpolate(f, normalized=True), "transport") for f in rng.uniform(0.2, 0.8, 2)]

    bend = _bend(rng, half)
    frame = gpd.GeoSeries([shapely.box(-half, -half, half, half)]).translate(*CENTRE).set_crs(UTM).to_crs(4326)
    return MapLayers(
        name=f"fictional town {seed}",
        source=f"a fictional town, procedural map of seed {seed}",
        licence="none: it does not exist",
        extent=box_of(frame.total_bounds),
        buildings=_frame(town.buildings, ("aoi", "storeys"), bend),
        roads=_frame(town.roads, ("road",), bend),
        rails=_frame([(rail,) for rail in rails], (), bend),
        areas=_frame(town.areas, ("aoi",), bend),
        pois=_frame(town.pois, ("category",), bend),
    )


def _split(town: _Town, box: Bounds, depth: int, centrality: Centrality, rng: np.random.Generator) -> None:
    """Split a rectangle by a street until it is as small as its place asks for; the leaves are blocks."""
    west, south, east, north = box
    width, height = east - west, north - south
    central = centrality((west + east) / 2, (south + north) / 2)
    wanted = 350 - 270 * central  # metres: large fields outside, small blocks in the centre
    if max(width, height) < wanted * rng.uniform(0.8, 1.6):
        margin = STREET_WIDTH["local"] / 2
        town.blocks.append(shapely.box(west + margin, south + margin, east - margin, north - margin))
        return
    road = "primary" if depth < 3 else "secondary" if depth < 6 else "local"
    share = rng.uniform(0.35, 0.65)
    gap = STREET_WIDTH[road] / 2 - STREET_WIDTH["local"] / 2
    if width > height:
        cut = west + share * width
        line, halves = [(cut, south), (cut, north)], [(west, south, cut - gap, north), (cut + gap, south, east, north)]
    else:
        cut = south + share * height
        line, halves = [(west, cut), (east, cut)], [(west, south, east, cut - gap), (west, cut + gap, east, north)]
    town.roads.append((shapely.LineString(line), road))
    for part in halves:
        _split(town, part, depth + 1, centrality, rng)


def _fill(town: _Town, block: BaseGeometry, centrality: Centrality, rng: np.random.Generator) -> None:
    """Give a block its use, buildings and points of interest."""
    if block.area < 400:
        return
    central = centrality(block.centroid.x, block.centroid.y)
    chances = np.array([np.interp(central, (0, 0.4, 1), row) for row in USE_BY_CENTRALITY.values()])
    use = str(rng.choice(list(USE_BY_CENTRALITY), p=chances / chances.sum()))
    if rng.random() < 0.8:  # real maps leave some land use out
        town.areas.append((block, use))
    chance, plot, low, high = BUILDINGS[use]
    typed = rng.random() < 0.5  # whether the map says what the block's buildings are for
    west, south, east, north = block.bounds
    for x in np.arange(west + 4, east - plot, plot + 6):
        for y in np.arange(south + 4, north - plot, plot + 6):
            inner = plot * 0.25 < x - west < east - west - 1.25 * plot and plot < y - south < north - south - 2 * plot
            if rng.random() > chance * (0.35 if inner else 1.0) * (0.5 + 0.5 * central):
                continue
            house = shapely.box(x, y, x + plot * rng.uniform(0.6, 1), y + plot * rng.uniform(0.6, 1))
            if house.within(block):
                storeys = round(low + (high - low) * central * rng.uniform(0.6, 1.2)) or 1
                town.buildings.append((house, use if typed else "unknown", storeys if rng.random() < 0.5 else np.nan))
    hectares = block.area / 1e4
    for category, rate in POIS.get(use, {}).items():
        for _ in range(rng.poisson(rate * hectares * (0.15 + 0.85 * central))):
            town.pois.append((shapely.Point(rng.uniform(west, east), rng.uniform(south, north)), category))


def _crossing(half: float, rng: np.random.Generator) -> BaseGeometry:
    """A winding line through the whole square."""
    x = np.linspace(-1.5 * half, 1.5 * half, 60)
    y = rng.uniform(-0.5, 0.5) * half + 0.12 * half * np.sin(x / half * rng.uniform(2, 4) + rng.uniform(0, 6))
    line = rotate(shapely.LineString(np.c_[x, y]), rng.uniform(0, 180), origin=(0, 0))
    return shapely.intersection(line, shapely.box(-half, -half, half, half))


def _bend(rng: np.random.Generator, half: float) -> Move:
    """A smooth displacement of up to about 60 m, and the move to the place in the UTM zone."""
    phase, wave = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.6, 1.4, 4) * np.pi / half

    def move(xy: np.ndarray) -> np.ndarray:
        x, y = xy.T
        dx = 30 * (np.sin(wave[0] * y + phase[0]) + np.sin(wave[1] * x + phase[1]))
        dy = 30 * (np.sin(wave[2] * x + phase[2]) + np.sin(wave[3] * y + phase[3]))
        return np.stack([x + dx + CENTRE[0], y + dy + CENTRE[1]], -1)

    return move


def _frame(rows: Sequence[tuple[object, ...]], columns: tuple[str, ...], bend: Move) -> gpd.GeoDataFrame:
    """Rows (geometry, *columns) as a GeoDataFrame in lon/lat, bent. Long straight lines get vertices to bend at."""
    shapes = shapely.segmentize(np.array([row[0] for row in rows], object), 50.0)
    data = {name: [row[i + 1] for row in rows] for i, name in enumerate(columns)}
    bent = shapely.transform(shapes, bend)
    return gpd.GeoDataFrame(data, geometry=list(bent), crs=UTM).to_crs(4326)
