"""The cells of a level as a table: what every file with one row or feature per cell begins with."""

from typing import NamedTuple

import numpy as np

from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

WEEK = range(HOURS_PER_WEEK)


class Cells(NamedTuple):
    """The n cells of a region at one level, row by row from the north-west.

    row, col  (n,) place in the zone's raster: the same whichever region is drawn
    lonlat    (n, 2) centre, degrees (WGS84)
    rings     (n, 5, 2) closed outline, lon/lat, counter-clockwise
    h3        (n,) H3 index of the centre
    """

    row: np.ndarray
    col: np.ndarray
    lonlat: np.ndarray
    rings: np.ndarray
    h3: np.ndarray


def cells_of(region: Region, k: int) -> Cells:
    """The cells of level k that belong to the region."""
    mask, corners = region.mask(k), region.corners(k)
    # Row 0 is north: south-west, south-east, north-east, north-west, south-west.
    rings = np.stack([corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:], corners[:-1, :-1], corners[1:, :-1]], 2)
    row, col = np.nonzero(mask)
    per_block = region.hierarchy.between(0, k)[0]
    return Cells(
        row=region.row * per_block + row,
        col=region.col * per_block + col,
        lonlat=region.centres(k)[mask],
        rings=rings[mask],
        h3=region.h3_ids(k)[mask],
    )


def whole_bytes(week: TrafficWeek, k: int) -> np.ndarray:
    """(T_k, n) int64 volumes of the cells of `cells_of`."""
    traffic: np.ndarray = np.rint(week.volumes[k][:, week.region.mask(k)]).astype(np.int64)
    return traffic


def steps_in(week: TrafficWeek, k: int, hours: range) -> range:
    """The steps of level k that touch the hours of the week `hours`."""
    each = week.level(k).hours
    return range(hours.start // each, -(-hours.stop // each))
