"""A place named by options, and a simulated week of it to compare with."""

import argparse

import numpy as np

from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.outline import parse_bbox
from zoomdiff.presets import PRESETS
from zoomdiff.region import Region
from zoomdiff.simulator.city import config_of, simulate

TRUTH_SEED = 900_000  # of no training city


def add_arguments(parser: argparse.ArgumentParser, *, map_: str | None = None, preset: str = "europe") -> None:
    """Map, box and preset; without a default the map must be given."""
    default = {"required": True} if map_ is None else {"default": map_}
    parser.add_argument("--map", help="a file, or a name as `zoomdiff generate --map` takes it", **default)
    parser.add_argument("--bbox", type=parse_bbox, metavar="W,S,E,N", help="default: all of the map")
    parser.add_argument("--preset", choices=PRESETS, default=preset)


def context_of(options: argparse.Namespace) -> UEC:
    """The context of the box on the map."""
    layers = read_map(options.map)
    return build_uec(layers, Region.from_bbox(options.bbox or layers.extent))


def simulated_week(uec: UEC, preset: str) -> np.ndarray:
    """(168, H, W) bytes, 0 outside of the region."""
    return simulate(uec, TRUTH_SEED, config_of(preset)).traffic.astype(float) * uec.region.mask()
