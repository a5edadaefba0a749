"""Repairing shapes whose outlines cross themselves, as many maps have them."""

import numpy as np
import shapely


def is_broken(shapes: np.ndarray) -> np.ndarray:
    """(n,) True where a geometry is invalid; missing and empty ones are not."""
    broken: np.ndarray = ~(shapely.is_valid(shapes) | shapely.is_missing(shapes))
    return broken


def repair(shapes: np.ndarray, broken: np.ndarray | None = None, *, keep_collapsed: bool = False) -> np.ndarray:
    """The geometries (n,), broken ones as valid ones: what an outline goes around, once or more often, lies inside it.

    `broken` is what `is_broken` says of them, where that is known. What has no area or length becomes empty, or with
    `keep_collapsed` the line or point that it is.

    An outline of n corners can cross itself n^2 times, and each crossing becomes a corner: repair what is from outside
    in a child process (see `isolation`).
    """
    shapes = np.array(shapes, dtype=object)
    broken = is_broken(shapes) if broken is None else broken
    # The method "linework" takes 50 times as long where an outline crosses itself often, and turns what lies inside
    # twice, or the part of a hole that juts out, the wrong way round.
    shapes[broken] = shapely.make_valid(shapes[broken], method="structure", keep_collapsed=keep_collapsed)
    return shapes
