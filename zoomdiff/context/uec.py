"""The urban environment context (UEC): what the network knows of a region's ground, 50 m cell by cell."""

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from scipy.ndimage import uniform_filter

from zoomdiff.arguments import instance, number
from zoomdiff.context.classes import AOI_CLASSES, AOI_INDEX, POI_AOI, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.layers import MapLayers, outside
from zoomdiff.context.population import BY_MAP, WEEKS, Census, around_residents, census, estimate, poi_floor
from zoomdiff.context.raster import Pieces, burn, count, coverage, cut, length, nearest_cells
from zoomdiff.context.residents import read_residents
from zoomdiff.equality import ByContent
from zoomdiff.errors import MapError, OptionError, printable
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.region import Region

# Road and rail in metres of line per 50 m of cell side, so that all channels are of order 1.
STRUCTURE = ("building_cover", "floor_area_ratio", "indoor_share", *ROAD_CLASSES, "rail")

BUILT_USES = ("commercial", "office", "industrial", "education", "health", "transport")
NEIGHBOURHOOD = 5  # cells: storeys follow how densely the 250 m around are built
OUTBUILDING_M2 = 40  # smaller footprints are sheds and garages: one storey
HALL_M2 = 2000  # a larger outline in the open is a factory, a mall or a sports hall
OPEN_COVER = 0.4  # around halls; above it large outlines are whole city blocks
MOST_RESIDENTS = 1e9
HOUSELESS = "The map has nothing to house the residents in."
LITTLE_FLOOR = 0.02  # floor area ratio below which a cell counts as not built up
MAIN_USE = 0.6  # share of its floor from which a use gives a cell its class


@dataclass(frozen=True, eq=False)
class UEC(ByContent):
    """The urban environment context of a region, all on its finest raster (H, W), row 0 in the north.

    Attributes
    ----------
    region
        The region.
    structure
        (len(STRUCTURE), H, W) float32: share under roofs, m2 of floor per m2, share of floor and open ground that is
        indoors, metres of road (by class) and rail per metre of the cell's side.
    aoi
        (H, W) int8 area of interest, the main use of the cell: index into AOI_CLASSES.
    poi
        (len(POI_CATEGORIES), H, W) float32 points of interest in the cell.
    population
        (168, H, W) float32 people present in each hour from Monday 00:00 local time: an estimate.
    sources
        Sentences: which map, which licence, how the population was estimated.
    notes
        Sentences for the user: what is missing on the map here.

    Raises
    ------
    ValueError
        A shape is wrong, or a value is negative, not finite, or no class.
    """

    region: Region
    structure: np.ndarray
    aoi: np.ndarray
    poi: np.ndarray
    population: np.ndarray
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("sources", "notes"):  # they name files, and go into every file and onto every page
            object.__setattr__(self, name, tuple(map(printable, getattr(self, name))))
        expected = {
            "structure": (len(STRUCTURE), *self.region.shape),
            "aoi": self.region.shape,
            "poi": (len(POI_CATEGORIES), *self.region.shape),
            "population": (HOURS_PER_WEEK, *self.region.shape),
        }
        for name, shape in expected.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, the region needs {shape}")
            if not np.isfinite(values).all() or (values < 0).any():
                raise ValueError(f"{name} has negative values or values that are not numbers")
        if self.aoi.size and self.aoi.max() >= len(AOI_CLASSES):
            raise ValueError(f"aoi has class {self.aoi.max()}, there are {len(AOI_CLASSES)}")

    @property
    def empty(self) -> bool:
        """Whether the map has no streets, buildings or places here."""
        return not (self.structure[: STRUCTURE.index("rail")].any() or self.poi.any())

    def __repr__(self) -> str:
        night, noon = self.population[3].sum(), self.population[12].sum()
        return (
            f"UEC({self.region!r}, {self.poi.sum():,.0f} POIs, about {night:,.0f} people by night, {noon:,.0f} at noon)"
        )


def build_uec(
    layers: MapLayers, region: Region, *, population: str | Path | None = None, residents: float | None = None
) -> UEC:
    """Burn a map's layers to the region's finest raster, and find or estimate who is present.

    Where the map has no feature (open sea, wilderness), the context is zero.

    Parameters
    ----------
    layers
        The map, of `read_map`. Its licence goes into `UEC.sources`.
    region
        Where; the map may cover only a part of it.
    population
        Raster file with people per pixel in any CRS, such as GHS-POP or WorldPop (both CC BY 4.0): who lives where, see
        `residents.read_residents` and `population.around_residents`. None: an estimate from the map.
    residents
        People who live in the region; everybody's number is scaled to it. None: as the raster or map has it.

    Raises
    ------
    MapError
        The region's frame lies outside what the map covers, or the raster cannot be used.
    OptionError
        `residents` is not a possible number.

    Examples
    --------
    >>> from zoomdiff.context.procedural import procedural_map
    >>> town = procedural_map(7, kilometres=1)
    >>> build_uec(town, Region.from_bbox(town.extent))
    UEC(Region(2.56 km2, 16 of 4 x 4 blocks, EPSG:32632), 58 POIs, about 1,801 people by night, 1,626 at noon)
    """
    instance("The argument layers", layers, MapLayers, "the map of read_map()")
    instance("The argument region", region, Region, "a Region")
    if residents is not None:
        check_residents(residents)
    if not shapely.box(*region.bounds).intersects(shapely.box(*layers.extent)):
        raise MapError(outside(layers.extent))
    return build_part(layers, region, population=population, residents=residents)


def check_residents(residents: float) -> None:
    """Raise OptionError for a number that no region can have."""
    if not 0 < number("The number of residents", residents, "a number") <= MOST_RESIDENTS:
        raise OptionError(f"The number of residents is {residents:g}: give how many people live in the region.")


def build_part(
    layers: MapLayers,
    region: Region,
    *,
    population: str | Path | None = None,
    residents: float | None = None,
    whole: Census | None = None,
) -> UEC:
    """The context of a part of a region, as `build_uec` makes it; `whole` is the census of all parts.

    Only a population raster or a number of residents, of the whole region, needs the census.
    """
    side = region.hierarchy.finest.side
    ground = _Ground.of(layers, region)
    people, method, notes = _people(ground, region, population, residents, whole)
    structure = [ground.cover, ground.floor_ratio, ground.indoor, *(ground.streets / side), ground.rail / side]
    uec = UEC(
        region=region,
        structure=np.stack(structure).astype(np.float32),
        aoi=_aoi(ground),
        poi=ground.poi.astype(np.float32),
        population=people,
        sources=(f"Map: {layers.source}; {layers.licence}.", method),
    )
    found = map_notes(on_map(layers, region), int(region.mask().sum()), empty=uec.empty, side=region.hierarchy[0].side)
    return replace(uec, notes=(*found, *notes))


def census_of(layers: MapLayers, region: Region, mask: np.ndarray, *, population: str | Path | None = None) -> Census:
    """The census of the cells (H, W) of a region in `mask`. Arguments and errors as of `build_uec`."""
    ground = _Ground.of(layers, region)
    found = None if population is None else read_residents(population, region, ground.homes, part=True)
    people = None if found is None else found.people
    sums = census(ground.floor, ground.streets, ground.green, region.hierarchy.finest.side**2, mask, people)
    return sums if found is None else replace(sums, on_raster=int(found.on_raster[mask].sum()))


@dataclass(frozen=True)
class _Ground:
    """What the map says of a region's cells.

    cover        (H, W) share under roofs
    floor_ratio  (H, W) m2 of floor per m2
    indoor       (H, W) share of floor and open ground that is indoors
    land         (len(AOI_CLASSES), H, W) share under land of each class
    use          (H, W) class that covers at least half of the cell, else 0
    floor        (len(AOI_CLASSES), H, W) m2 of floor by what it is used for
    poi          (len(POI_CATEGORIES), H, W) points of interest
    streets      (len(ROAD_CLASSES), H, W) metres of line
    rail         (H, W) metres of line
    """

    cover: np.ndarray
    floor_ratio: np.ndarray
    indoor: np.ndarray
    land: np.ndarray
    use: np.ndarray
    floor: np.ndarray
    poi: np.ndarray
    streets: np.ndarray
    rail: np.ndarray

    @classmethod
    def of(cls, layers: MapLayers, region: Region) -> "_Ground":
        west, south, east, north = region.bounds
        buildings, roads, rails, areas, pois = (
            layer.cx[west:east, south:north].to_crs(region.crs)  # once: every raster below is in the frame
            for layer in (layers.buildings, layers.roads, layers.rails, layers.areas, layers.pois)
        )
        outlines = cut(buildings.geometry, region)
        footprint = burn(outlines, region, np.ones(len(buildings)))
        cover = np.minimum(footprint, 1.0)
        typed_floor = _floor_by_type(buildings, outlines, footprint, region)  # (classes, H, W) m2
        land = _land_shares(areas, region)
        poi = np.stack([count(pois.geometry[pois.category == name], region) for name in POI_CATEGORIES])
        use = _land_use(land)
        floor_ratio = typed_floor.sum(0) / region.hierarchy.finest.side**2
        open_ground = np.clip(1 - cover - land[AOI_INDEX["water"]], 0, 1)
        walkable = floor_ratio + open_ground
        return cls(
            cover=cover,
            floor_ratio=floor_ratio,
            indoor=np.divide(floor_ratio, walkable, out=np.zeros(region.shape), where=walkable > 0.01),  # else water
            land=land,
            use=use,
            floor=_floor_by_use(typed_floor, poi, use),
            poi=poi,
            streets=np.stack([length(roads.geometry[roads.road == name], region) for name in ROAD_CLASSES]),
            rail=length(rails.geometry, region),
        )

    @property
    def homes(self) -> np.ndarray:
        """(H, W) m2 of residential floor."""
        homes: np.ndarray = self.floor[AOI_INDEX["residential"]]
        return homes

    @property
    def green(self) -> np.ndarray:
        """(H, W) share that is green."""
        green: np.ndarray = self.land[AOI_INDEX["green"]]
        return green


def _people(
    ground: _Ground, region: Region, raster: str | Path | None, residents: float | None, whole: Census | None
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """(168, H, W) float32 people, the sentence that says how, and notes for the user. Options as of `build_part`."""
    mask = region.mask()
    cells = (ground.floor, ground.streets, ground.green, region.hierarchy.finest.side**2)
    scaled = "" if residents is None else f" Scaled to {residents:,.0f} residents, as given."
    if raster is None:
        own = None if whole else residents
        people = estimate(*cells, residents=own, mask=mask)
        if whole and residents is not None and whole.at_night > 0:
            people *= np.float32(residents / whole.at_night)
        notes = () if residents is None or people.any() else (HOUSELESS,)
        return people, f"Population: {BY_MAP}; {WEEKS}.{scaled}", notes
    found = read_residents(raster, region, ground.homes, part=whole is not None)
    at_night = found.people
    have = whole.residents if whole else at_night[mask].sum()
    if residents is not None and have > 0:
        at_night = at_night * residents / have
        whole = whole and replace(whole, residents=residents)
    people = around_residents(at_night, *cells, mask=mask, whole=whole)
    how = "within its pixels by residential floor area; their visitors are an estimate from the map"
    method = f"Population: residents of {Path(raster).name} ({found.licence}), {how}; {WEEKS}.{scaled}"
    return people, method, found.notes(mask)


def on_map(layers: MapLayers, region: Region) -> int:
    """How many of a region's cells lie on the map."""
    west, south, east, north = layers.extent
    lon, lat = np.moveaxis(region.centres()[region.mask()], -1, 0)
    return int(((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)).sum())


def map_notes(on_map: int, cells: int, *, empty: bool, side: float) -> tuple[str, ...]:
    """What the user should know about a map, which has so many of a region's cells, in blocks of `side` m."""
    notes = []
    if on_map < 0.99 * cells:
        notes.append(
            f"{on_map / cells:.0%} of the region, which is made of whole blocks of {side:g} m, lies on the map; the "
            "rest counts as empty ground."
        )
    if empty:
        notes.append("The map has no streets, buildings or places in this region: expect next to no traffic.")
    return tuple(notes)


def guess_buildings(buildings: gpd.GeoDataFrame, cover: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Type and storeys of each building: (n,) class names and (n,) floats; what the map states stays.

    Many maps have outlines only. Then the storeys follow how densely the 250 m around are built: detached houses have
    covers of about 0.1 (2 storeys), closed blocks of about 0.5 (4 storeys). A small outline is a shed or garage. A
    large one in the open is a hall, where nobody lives.
    """
    around = uniform_filter(cover, NEIGHBOURHOOD, mode="nearest")
    rows, cols = nearest_cells(buildings.centroid, region)
    around = around[rows, cols]
    outline = np.asarray(buildings.area)
    aoi, storeys = np.asarray(buildings.aoi, dtype=object), np.asarray(buildings.storeys, float)

    hall = (aoi == "unknown") & (outline >= HALL_M2) & (around < OPEN_COVER)
    guess = np.clip(1.5 + 5 * around, 1.5, 5.0)
    guess[(outline < OUTBUILDING_M2) | hall] = 1.0
    return np.where(hall, "industrial", aoi), np.where(np.isnan(storeys), guess, storeys)


def _floor_by_type(buildings: gpd.GeoDataFrame, outlines: Pieces, footprint: np.ndarray, region: Region) -> np.ndarray:
    """(len(AOI_CLASSES), H, W) m2 of floor by the buildings' own type; "unknown" where they have none."""
    aoi, storeys = guess_buildings(buildings, np.minimum(footprint, 1.0), region)
    floor = np.zeros((len(AOI_CLASSES), *region.shape))
    for name in sorted(set(aoi)):
        floor[AOI_INDEX[name]] = burn(outlines, region, np.where(aoi == name, storeys, 0.0))
    # Where the map has a building twice, its floor must not count twice.
    m2: np.ndarray = floor * region.hierarchy.finest.side**2 / np.maximum(footprint, 1.0)
    return m2


def _land_shares(areas: gpd.GeoDataFrame, region: Region) -> np.ndarray:
    """(len(AOI_CLASSES), H, W) share of each cell under land of each class; classes may overlap."""
    land = np.zeros((len(AOI_CLASSES), *region.shape))
    for name in areas.aoi.unique():
        land[AOI_INDEX[name]] = np.minimum(coverage(areas.geometry[areas.aoi == name], region), 1.0)
    return land


def _land_use(land: np.ndarray) -> np.ndarray:
    """(H, W) class that covers at least half of the cell, else 0.

    Residential land is only taken if nothing else is: maps draw it as a backdrop, with schools, parks and shops on top.
    """
    specific = land.copy()
    specific[AOI_INDEX["residential"]] = 0
    best = specific.argmax(0)  # a tie goes to the class listed first, so what is built goes before what is green
    backdrop = np.where(land[AOI_INDEX["residential"]] >= 0.5, AOI_INDEX["residential"], 0)
    return np.where(specific.max(0) >= 0.5, best, backdrop)


def _floor_by_use(typed: np.ndarray, poi: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(len(AOI_CLASSES), H, W) m2 of floor by what it is used for.

    Points of interest take their floor first; the buildings' own types keep theirs; what is left of the untyped floor
    is used as the ground is, and for living where the ground has no built use. (A house in a wood is a house.)
    """
    floor = typed.copy()
    floor[AOI_INDEX["unknown"]] = 0
    places = poi_floor(poi)
    for category, m2 in zip(POI_CATEGORIES, places, strict=True):
        floor[AOI_INDEX[POI_AOI[category]]] += m2
    rest = np.maximum(typed[AOI_INDEX["unknown"]] - places.sum(0), 0)
    built = np.isin(ground, [AOI_INDEX[name] for name in BUILT_USES])
    use = np.where(built, ground, AOI_INDEX["residential"])
    rows, cols = np.indices(use.shape)
    floor[use, rows, cols] += rest
    return floor


def _aoi(ground: _Ground) -> np.ndarray:
    """(H, W) int8 class of each cell.

    The first of these that applies:

    1. a specific land use (anything but residential) covers half of it
    2. it is built up: the use of at least 60 % of its floor, or "mixed" if no use has that
    3. residential land covers half of it
    4. the land use that covers most of it, if that is at least a tenth; else unknown
    """
    land, use, floor = ground.land, ground.use, ground.floor
    total = floor.sum(0)
    main_use = floor.argmax(0)
    of_floor = np.where(floor.max(0) >= MAIN_USE * total, main_use, AOI_INDEX["mixed"])
    most_land = np.where(land.max(0) >= 0.1, land.argmax(0), 0)
    specific = (use > 0) & (use != AOI_INDEX["residential"])
    built_up = ground.floor_ratio >= LITTLE_FLOOR
    return np.select([specific, built_up, use > 0], [use, of_floor, use], most_land).astype(np.int8)
