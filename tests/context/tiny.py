"""A map of a few cells, made by hand."""

import geopandas as gpd

from zoomdiff.context import MapLayers
from zoomdiff.region import Region

TINY = Region.from_bbox((11.001, 43.001, 11.003, 43.003))
EXTENT = (10.9, 42.9, 11.1, 43.1)


def tiny_map(**given) -> MapLayers:
    """A map of TINY's surroundings with some layers given as {layer: (geometries in UTM, columns)}, the rest empty."""
    columns = {"buildings": ["aoi", "storeys"], "roads": ["road"], "rails": [], "areas": ["aoi"], "pois": ["category"]}
    frames = {}
    for name, keys in columns.items():
        shapes, tags = given.get(name, ([], {key: [] for key in keys}))
        frames[name] = gpd.GeoDataFrame(tags, geometry=list(shapes), crs=TINY.crs).to_crs(4326)
    return MapLayers("test", "made here", "none", EXTENT, **frames)
