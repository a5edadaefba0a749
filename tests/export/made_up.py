"""Made-up weeks and surroundings, quicker than generated ones."""

import numpy as np
import shapely

import zoomdiff
from zoomdiff.context import UEC
from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

SOURCES = ("Map: made up by a test $x_1; CC0.", "Population: nobody.")


def made_up_week(region: Region, seed: int = 0) -> TrafficWeek:
    rng = np.random.default_rng(seed)
    shape = (168, *region.shape)
    finest = np.round(rng.lognormal(15, 2, shape)) * region.mask() * (rng.random(shape) > 0.2)
    about = {
        "zoomdiff": zoomdiff.__version__,
        "weights_sha256": "ab" * 32,
        "seed": seed,
        "steps": "fast",
        "preset": "europe",
        "guidance": 1.0,
        "sources": list(SOURCES),
        "training": "Made up.",
    }
    return TrafficWeek(region, tuple(S4T4.pyramid(finest)), about)


def made_up_uec(region: Region) -> UEC:
    rng = np.random.default_rng(0)
    return UEC(
        region,
        rng.random((len(STRUCTURE), *region.shape)).astype(np.float32),
        rng.integers(0, len(AOI_CLASSES), region.shape).astype(np.int8),
        rng.random((len(POI_CATEGORIES), *region.shape)).astype(np.float32),
        rng.random((168, *region.shape)).astype(np.float32),
        SOURCES,
    )


def southern() -> Region:
    """In Rio de Janeiro: UTM south, far from the central meridian."""
    return Region.from_polygon(shapely.box(-43.20, -22.92, -43.19, -22.912))
