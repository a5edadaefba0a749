"""What every source of maps gives: features with OpenStreetMap tags, one table per layer, and where they come from."""

from dataclasses import dataclass

import geopandas as gpd
import pandas as pd

from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds

OSM_LICENCE = "ODbL 1.0, © OpenStreetMap contributors"

# Which keys make a feature part of a layer, and which others describe it.
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
LINE_TAGS = ("tunnel", "layer")
OBJECT = ("osm_type", "id")  # columns of tables that say which object of OpenStreetMap a feature is
FEATURE_KEYS = tuple(dict.fromkeys(("building", "highway", *AREA_KEYS, *POI_KEYS)))  # one of them makes a feature
KEYS = tuple(dict.fromkeys((*FEATURE_KEYS, "area", *BUILDING_TAGS, *LINE_TAGS)))


@dataclass(frozen=True)
class Tagged:
    """Features as a source has them: EPSG:4326, one column per OSM key (only keys that occur), values as text.

    A feature may be in several layers, and a layer may hold geometries that mean nothing in it: `layers` sorts them.

    Attributes
    ----------
    name
        For people.
    source
        Where it comes from.
    licence
        Of the data.
    buildings, roads, rails, areas, pois, coastlines
        The layers.
    extent
        (west, south, east, north) in degrees as the source declares it.
    date
        Of the data: ISO 8601 day or month, where the source has it.
    """

    name: str
    source: str
    licence: str
    buildings: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    rails: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    pois: gpd.GeoDataFrame
    coastlines: gpd.GeoDataFrame
    extent: Bounds | None = None
    date: str | None = None


def nothing() -> gpd.GeoDataFrame:
    """A layer without features."""
    return gpd.GeoDataFrame(geometry=[], crs=4326)


def column(features: gpd.GeoDataFrame, key: str) -> pd.Series:
    """The values of a tag; all missing where the map never uses it."""
    if key not in features:
        return pd.Series([None] * len(features), index=features.index, dtype=object)
    values: pd.Series = features[key]
    return values


def by_tags(features: gpd.GeoDataFrame, name: str) -> dict[str, gpd.GeoDataFrame]:
    """The layers of a table that mixes all kinds of features, in the same way as a PBF is read.

    Parameters
    ----------
    features
        EPSG:4326, one column per OSM key.
    name
        Of the file, for errors.

    Raises
    ------
    MapError
        The table has none of the keys.
    """
    if not any(key in features for key in FEATURE_KEYS):
        raise MapError(
            f"{name} has no column with an OpenStreetMap key: it needs building, highway, landuse, ... as columns."
        )
    street = features[column(features, "area") != "yes"]  # squares are mapped as areas: no line of traffic
    return {
        "buildings": _having(features, ("building",), BUILDING_TAGS),
        "roads": _having(street, ("highway",), LINE_TAGS),
        "rails": _having(features, ("railway",), LINE_TAGS),
        "areas": _having(features, AREA_KEYS, ()),
        "pois": _having(features, POI_KEYS, ()),
        "coastlines": _having(features[column(features, "natural") == "coastline"], ("natural",), ()),
    }


def _having(features: gpd.GeoDataFrame, keys: tuple[str, ...], more: tuple[str, ...]) -> gpd.GeoDataFrame:
    """The features with one of the keys, with these columns and no other: another tag must not decide their class."""
    own = [key for key in keys if key in features]
    columns = list(dict.fromkeys((*own, *(key for key in (*more, *OBJECT) if key in features))))
    return features.loc[features[own].notna().any(axis=1), [*columns, features.geometry.name]].reset_index(drop=True)
