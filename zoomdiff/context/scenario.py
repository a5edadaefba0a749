"""Scenarios: what if there were a mall, a park, a stadium event, a closed road? Edits of a UEC, drawn on the map.

A scenario is a GeoJSON FeatureCollection (docs/scenarios.md). All its edits refer to the map as it is and happen at
once, so their order means nothing: first ground is cleared, roads are closed and people are scaled, then what is new is
added. What was built is never cleared by the same scenario.

A UEC has cells, not houses. What a cell holds counts as spread evenly over it, so a polygon that covers 30 % of a
cell clears 30 % of what it holds.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from zoomdiff.context import population
from zoomdiff.context.classes import AOI_CLASSES, AOI_INDEX, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.edits import EDITS, Build, CloseRoad, Demolish, Edit, Event, Park, Scale
from zoomdiff.context.raster import coverage
from zoomdiff.context.uec import LITTLE_FLOOR, MAIN_USE, STRUCTURE, UEC
from zoomdiff.errors import OptionError
from zoomdiff.frames import reproject, to_frame
from zoomdiff.isolation import isolated
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.region import Region

ROAD_REACH = 25.0  # metres on each side of a drawn line: a line through the middle of a cell closes all of its road
USUAL_STOREYS = 4.0  # of a new building whose cover is not given
# Places that come with new floor: between what OpenStreetMap has per floor of such ground in Helsinki and in Florence.
PLACES_PER_1000M2 = {
    "commercial": {"shop": 0.2, "food": 0.15},
    "office": {"office": 0.1, "food": 0.1},
    "education": {"education": 0.03},
    "health": {"health": 0.02},
    "transport": {"transport": 0.1},
}
OPEN = tuple(AOI_INDEX[name] for name in ("green", "water", "farmland"))  # a small building leaves them what they are
ROUNDING = 1e-9  # share of a cell below which a polygon does not touch it

COVER, FLOOR, INDOOR = (STRUCTURE.index(name) for name in ("building_cover", "floor_area_ratio", "indoor_share"))
Cells = tuple[np.ndarray, np.ndarray]  # rows and columns (n,)
ROADS = slice(STRUCTURE.index(ROAD_CLASSES[0]), STRUCTURE.index(ROAD_CLASSES[-1]) + 1)


@dataclass(frozen=True)
class Scenario:
    """Edits that happen at once.

    Attributes
    ----------
    edits
        In any order, except that of two overlapping `Scale`s the later one counts.
    """

    edits: tuple[Edit, ...] = ()

    def __repr__(self) -> str:
        return f"Scenario({'; '.join(map(str, self.edits))})"


@isolated(OptionError)
def read_scenario(source: str | bytes | Path) -> Scenario:
    """The scenario in a GeoJSON file (a Path) or its text.

    Raises
    ------
    OptionError
        The file cannot be read or is no FeatureCollection of edits; the message names the feature at fault.

    Examples
    --------
    >>> park = {"type": "Polygon", "coordinates": [[[24.94, 60.17], [24.95, 60.17], [24.95, 60.18], [24.94, 60.17]]]}
    >>> feature = {"type": "Feature", "properties": {"edit": "park"}, "geometry": park}
    >>> read_scenario(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    Scenario(park)
    """
    try:
        file = json.loads(source.read_bytes() if isinstance(source, Path) else source)
    except OSError as error:
        raise OptionError(f"The scenario cannot be read: {error.strerror} ({error.filename}).") from error
    except (ValueError, RecursionError) as error:
        raise OptionError("The scenario is not JSON: save it as GeoJSON.") from error
    features = file.get("features") if isinstance(file, dict) and file.get("type") == "FeatureCollection" else None
    if not isinstance(features, list):
        raise OptionError("The scenario is no GeoJSON FeatureCollection: save its edits as one, a feature for each.")
    return Scenario(tuple(_read_edit(number, feature) for number, feature in enumerate(features, 1)))


def to_geojson(scenario: Scenario) -> bytes:
    """The file that `read_scenario` reads back as the same scenario."""
    features = [
        {
            "type": "Feature",
            "properties": {"edit": edit.kind} | {name: value for name, value in vars(edit).items() if name != "ground"},
            "geometry": shapely.geometry.mapping(edit.ground),
        }
        for edit in scenario.edits
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1).encode()


@isolated(OptionError)
def read_ground(source: str | bytes) -> BaseGeometry:
    """The ground of an edit: all polygons (else all lines) of a GeoJSON text as one geometry. Raises OptionError."""
    try:
        shape = shapely.force_2d(shapely.from_geojson(source))
    except (shapely.errors.ShapelyError, UnicodeDecodeError) as error:
        raise OptionError("The outline is not valid GeoJSON: save it as GeoJSON with one polygon in it.") from error
    parts = shapely.get_parts(shapely.get_parts(shape))
    for kind in ("Polygon", "LineString"):
        some = [part for part in parts if part.geom_type == kind and not part.is_empty]
        broken = next((part for part in some if not part.is_valid), None)
        if some:
            return broken or shapely.union_all(some)  # an edit says what is wrong with a broken one
    raise OptionError("The GeoJSON holds no polygon: draw one and save it again.")


@isolated(OptionError, name="The scenario")
def touched(region: Region, scenario: Scenario) -> np.ndarray:
    """(H, W) share of each finest cell that lies in the outline of any edit, 0 outside the region's blocks.

    Raises OptionError where the outlines cross each other so often that this takes too long.
    """
    return _share(_grounds(scenario, region), region)


def apply(uec: UEC, scenario: Scenario) -> UEC:
    """The context after the edits; cells that no edit touches keep every bit.

    Its sources say what was edited, and its notes which edits lie outside the region's blocks and so do nothing. Raises
    OptionError where the outlines cross each other so often that this takes too long.
    """
    inside, found = _changes(scenario, uec.region)
    uec = replace(uec, notes=(*uec.notes, *scenario_notes(scenario, inside)))
    if found is None:
        return uec
    cells, change = found
    layers = {"structure": _structure, "aoi": _aoi, "poi": _poi, "population": _population}
    edited = {name: getattr(uec, name).copy() for name in layers}
    for name, layer in layers.items():
        edited[name][..., *cells] = layer(uec, cells, change)
    return replace(uec, **edited, sources=(*uec.sources, *scenario_sources(scenario, inside)))


def scenario_notes(scenario: Scenario, inside: Sequence[float]) -> list[str]:
    """Sentences for the user on the edits that lie outside, by the share of each one's ground that lies in a region."""
    notes = []
    for number, (edit, share) in enumerate(zip(scenario.edits, inside, strict=True), 1):
        if not share:
            notes.append(f"Edit {number} of the scenario ({edit}) lies outside the region and changes nothing.")
        elif share < 0.995:
            notes.append(f"Of edit {number} of the scenario ({edit}), {share:.0%} lie in the region and count.")
    return notes


def scenario_sources(scenario: Scenario, inside: Sequence[float]) -> list[str]:
    """The sentence that says which edits a context has, if any; `inside` as for `scenario_notes`."""
    edits = [str(edit) for edit, share in zip(scenario.edits, inside, strict=True) if share]
    return [f"Scenario: the map's context was edited before use: {'; '.join(edits)}."] if edits else []


@isolated(OptionError, name="The scenario")
def shares_inside(scenario: Scenario, region: Region) -> list[float]:
    """The share of each edit's ground that lies in a region's blocks. Raises as `apply`."""
    return [_inside(ground, _share([ground], region), region) for ground in _grounds(scenario, region)]


@isolated(OptionError, name="The scenario")
def _changes(scenario: Scenario, region: Region) -> "tuple[list[float], tuple[Cells, _Change] | None]":
    """As `shares_inside`; and the n cells that the edits touch, and what they do there, None where nothing."""
    edits: list[tuple[Edit, BaseGeometry]] = []
    inside, touched = [], np.zeros(region.shape, bool)
    for edit, ground in zip(scenario.edits, _grounds(scenario, region), strict=True):
        share = _share([ground], region)
        inside.append(_inside(ground, share, region))
        if inside[-1]:
            edits.append((edit, ground))
            touched |= share > 0
    if not edits:
        return inside, None
    rows, cols = np.nonzero(touched)
    cells = (rows, cols)
    return inside, (cells, _Change.of(edits, region, cells))


def _grounds(scenario: Scenario, region: Region) -> list[BaseGeometry]:
    """The ground of each edit in the region's frame."""
    return [_in_zone(edit, region) for edit in scenario.edits]


def _inside(ground: BaseGeometry, share: np.ndarray, region: Region) -> float:
    """The part of a ground's area that is in the shares (H, W) of cells."""
    return float(share.sum() * region.hierarchy.finest.side**2 / ground.area) if ground.area else 0.0


@dataclass(frozen=True)
class _Change:
    """What the edits do in n cells; shares are of the cell's area.

    cleared  (n,) share under demolition or a new park
    green    (n,) share under a new park
    closed   (len(ROAD_CLASSES), n) share whose roads of the class close
    growth   (n,) share of today's people who come in addition, or negative who go, by scaling
    floor    (len(AOI_CLASSES), n) m2 of new floor by use
    cover    (n,) share under new roofs
    site     (n,) share under polygons of new buildings
    visitors (168, n) people at events
    """

    cleared: np.ndarray
    green: np.ndarray
    closed: np.ndarray
    growth: np.ndarray
    floor: np.ndarray
    cover: np.ndarray
    site: np.ndarray
    visitors: np.ndarray

    @classmethod
    def of(cls, edits: list[tuple[Edit, BaseGeometry]], region: Region, cells: Cells) -> "_Change":
        """Sum up edits with their ground in the region's UTM zone."""
        cell_m2 = region.hierarchy.finest.side**2

        def share(grounds: Iterable[BaseGeometry]) -> np.ndarray:
            in_cells: np.ndarray = _share(grounds, region)[cells]
            return in_cells

        n = len(cells[0])
        cleared = [ground for edit, ground in edits if isinstance(edit, Demolish | Park)]
        growth, cover = np.zeros(n), np.zeros(n)
        floor, visitors = np.zeros((len(AOI_CLASSES), n)), np.zeros((HOURS_PER_WEEK, n))
        # Nobody is left to be scaled where ground is cleared, or where a later edit has scaled already.
        done = shapely.union_all(cleared)
        for edit, ground in reversed(edits):
            if isinstance(edit, Scale):
                growth += (edit.factor - 1) * share([ground - done])
                done |= ground
            elif isinstance(edit, Build):
                ratio = edit.floor_m2 / ground.area
                floor[AOI_INDEX[edit.use]] += ratio * cell_m2 * share([ground])
                roofed = edit.cover if edit.cover is not None else ratio / USUAL_STOREYS
                cover += min(roofed, ratio, 1.0) * share([ground])
            elif isinstance(edit, Event):
                visitors[edit.hours] += edit.visitors / ground.area * cell_m2 * share([ground])
        roads = [(edit, ground) for edit, ground in edits if isinstance(edit, CloseRoad)]
        return cls(
            cleared=share(cleared),
            green=share(ground for edit, ground in edits if isinstance(edit, Park)),
            closed=np.stack([share(ground for edit, ground in roads if edit.closes(name)) for name in ROAD_CLASSES]),
            growth=growth,
            floor=floor,
            cover=cover,
            site=share(ground for edit, ground in edits if isinstance(edit, Build)),
            visitors=visitors,
        )


def _structure(uec: UEC, cells: Cells, change: _Change) -> np.ndarray:
    """(len(STRUCTURE), n) after the change."""
    before = uec.structure[:, *cells].astype(np.float64)
    after = before.copy()
    after[COVER] = np.minimum(before[COVER] * (1 - change.cleared) + change.cover, 1)
    after[FLOOR] = before[FLOOR] * (1 - change.cleared) + change.floor.sum(0) / uec.region.hierarchy.finest.side**2
    after[ROADS] = before[ROADS] * (1 - change.closed)

    # The share of open ground (no roof, no water) is not in a UEC, but where there is floor, the indoor share gives it.
    dry = np.where(uec.aoi[cells] == AOI_INDEX["water"], 0, 1 - before[COVER])
    open_ground = np.divide(before[FLOOR] * (1 - before[INDOOR]), before[INDOOR], out=dry, where=before[INDOOR] > 0)
    open_ground = np.clip(open_ground + before[COVER] - after[COVER], 0, 1)
    walkable = after[FLOOR] + open_ground
    indoor = np.divide(after[FLOOR], walkable, out=np.zeros(len(walkable)), where=walkable > 0.01)
    after[INDOOR] = np.where((change.cleared > 0) | (change.site > 0), indoor, before[INDOOR])
    return after


def _aoi(uec: UEC, cells: Cells, change: _Change) -> np.ndarray:
    """(n,) class after the change.

    Cleared ground loses it and a park takes it from half of the cell on; then new buildings take it by the rules of a
    UEC, the use of most of the floor or "mixed".
    """
    before = uec.aoi[cells].astype(int)
    cell_m2 = uec.region.hierarchy.finest.side**2
    lost = (change.cleared >= 0.5) & ~np.isin(before, OPEN)
    ground = np.where(change.green >= 0.5, AOI_INDEX["green"], np.where(lost, AOI_INDEX["unknown"], before))

    floor = change.floor.copy()
    old = uec.structure[FLOOR, *cells] * cell_m2 * (1 - change.cleared)
    floor[before, np.arange(len(before))] += old
    of_floor = np.where(floor.max(0) >= MAIN_USE * floor.sum(0), floor.argmax(0), AOI_INDEX["mixed"])
    built = change.floor.sum(0) >= LITTLE_FLOOR * cell_m2
    return np.where(built & (~np.isin(ground, OPEN) | (change.site >= 0.5)), of_floor, ground)


def _poi(uec: UEC, cells: Cells, change: _Change) -> np.ndarray:
    """(len(POI_CATEGORIES), n) places after the change."""
    after: np.ndarray = uec.poi[:, *cells] * (1 - change.cleared)
    for use, places in PLACES_PER_1000M2.items():
        for category, number in places.items():
            after[POI_CATEGORIES.index(category)] += change.floor[AOI_INDEX[use]] / 1000 * number
    return after


def _population(uec: UEC, cells: Cells, change: _Change) -> np.ndarray:
    """(168, n) people after the change, by the same tables as the estimate."""
    side = uec.region.hierarchy.finest.side
    before = uec.population[:, *cells].astype(np.float64)
    metres = uec.structure[ROADS, *cells].astype(np.float64) * side
    nothing = np.zeros_like(change.floor)

    def people(floor: np.ndarray, metres: np.ndarray, green: np.ndarray) -> np.ndarray:
        present: np.ndarray = population.estimate(floor[:, None], metres[:, None], green[None], side**2)[:, 0]
        return present

    on_streets = np.minimum(people(nothing, metres, 0 * change.green), before)
    left = before * (1 - change.cleared + change.growth) + on_streets * change.cleared
    gone = people(nothing, metres * change.closed, 0 * change.green)
    come = people(change.floor, 0 * metres, change.green) + change.visitors
    # Not below zero: where a road closes among people who are scaled down, those on it are among them.
    after: np.ndarray = np.maximum(left - gone, 0) + come
    return after


def _in_zone(edit: Edit, region: Region) -> BaseGeometry:
    """The polygon of an edit in the region's UTM zone; empty if it is far away, where the zone means nothing."""
    near = shapely.box(*region.bounds).buffer(0.01)
    if not edit.ground.intersects(near):
        return shapely.Polygon()
    ground = reproject(edit.ground, to_frame(region.epsg))
    # By 0 m, too: it mends a narrow polygon whose outline crosses itself by rounding.
    return ground.buffer(ROAD_REACH if ground.geom_type.endswith("LineString") else 0, cap_style="flat")


def _share(grounds: Iterable[BaseGeometry], region: Region) -> np.ndarray:
    """(H, W) share of each cell under any of the polygons, 0 outside the region's blocks."""
    merged = gpd.GeoSeries([shapely.union_all(list(grounds))], crs=region.crs)
    share = coverage(merged, region) * region.mask()
    # So that a cell beside the polygon keeps every bit, and of one within it nothing is left.
    return np.select([share < ROUNDING, share > 1 - ROUNDING], [0.0, 1.0], share)


def _read_edit(number: int, feature: Any) -> Edit:
    """A feature as an edit, or the sentence that says what is wrong with it."""
    where = f"Feature {number} of the scenario"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise OptionError(f"{where} is no GeoJSON feature: give it a type, a geometry and properties.")
    properties = feature.get("properties") or {}
    kind = properties.get("edit") if isinstance(properties, dict) else None
    if not isinstance(kind, str) or kind not in EDITS:
        raise OptionError(f"{where} must have the property edit, one of {', '.join(EDITS)}; it has {kind!r}.")
    own = [each for each in fields(EDITS[kind]) if each.name != "ground"]
    # Editors write null where a column of their table is empty.
    given = {each.name: properties[each.name] for each in own if properties.get(each.name) is not None}
    missing = [each.name for each in own if each.default is MISSING and each.name not in given]
    if missing:
        raise OptionError(f"{where} ({kind}) needs the property {' and '.join(missing)}: see docs/scenarios.md.")
    try:
        ground = shapely.force_2d(shapely.from_geojson(json.dumps(feature.get("geometry"))))
    except (shapely.errors.ShapelyError, RecursionError) as error:
        raise OptionError(f"{where} ({kind}) has no valid geometry: draw a polygon and save it again.") from error
    try:
        return EDITS[kind](ground, **given)
    except OptionError as error:
        raise OptionError(f"{where} ({kind}): {error}") from error
