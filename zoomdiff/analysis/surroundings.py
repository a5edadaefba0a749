"""What a region is like: use of the ground, roads, points of interest, people, from its urban context."""

import numpy as np

from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.levels import aggregate


def use_shares(uec: UEC) -> dict[str, float]:
    """Share of the region's ground by main use, largest first; uses without any are left out."""
    inside = uec.region.mask()
    share = np.bincount(uec.aoi[inside], minlength=len(AOI_CLASSES)) / inside.sum()
    return _ordered(AOI_CLASSES, share)


def cover_by_use(uec: UEC) -> dict[str, float]:
    """Share of the ground that buildings cover, by the main use of the ground, largest first."""
    inside = uec.region.mask()
    use, cover = uec.aoi[inside], uec.structure[STRUCTURE.index("building_cover")][inside]
    squares = np.bincount(use, minlength=len(AOI_CLASSES))
    return _ordered(AOI_CLASSES, np.bincount(use, cover, len(AOI_CLASSES)) / np.maximum(squares, 1))


def road_metres(uec: UEC) -> np.ndarray:
    """(len(ROAD_CLASSES), H, W) metres of road in each of the finest cells; 0 outside the region."""
    channels = [STRUCTURE.index(name) for name in ROAD_CLASSES]
    return np.asarray(uec.structure[channels] * uec.region.hierarchy.finest.side * uec.region.mask())


def poi_counts(uec: UEC) -> dict[str, float]:
    """Points of interest by category, most frequent first; categories without any are left out."""
    return _ordered(POI_CATEGORIES, uec.poi[:, uec.region.mask()].sum(1))


def people_by_hour(uec: UEC) -> np.ndarray:
    """(168,) people present in the region."""
    return np.asarray(uec.population[:, uec.region.mask()].sum(1, dtype=np.float64))


def main_use(uec: UEC, k: int) -> np.ndarray:
    """(H_k, W_k) int8: the class of most of a level-k cell's finest cells; -1 outside the region."""
    side = uec.region.hierarchy.space_factor(k)
    squares = [aggregate((uec.aoi == use)[None], side, 1)[0] for use in range(len(AOI_CLASSES))]
    return np.where(uec.region.mask(k), np.argmax(squares, 0), -1).astype(np.int8)


def _ordered(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    """{name: value}, largest first, without zeros."""
    pairs = sorted(zip(names, values.tolist(), strict=True), key=lambda pair: -pair[1])
    return {name: value for name, value in pairs if value > 0}
