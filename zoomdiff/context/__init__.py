"""The urban context of a region: map layers in, a raster of conditions out."""

from zoomdiff.context.layers import MapLayers
from zoomdiff.context.maps import read_map
from zoomdiff.context.uec import UEC, build_uec

__all__ = ["UEC", "MapLayers", "build_uec", "read_map"]
