"""Public measurements of mobile traffic, read from the files that their publishers offer. None is part of ZoomDiff.

    read_nanchang     Nanchang, patches of 4 x 4 cells, 30 minutes, with users and points of interest
    read_nanjing      Nanjing, 20 x 28 cells, hours
    read_milan        Milan, 25 cells of 235 m, 10 minutes
    read_milan_raw    Milan, any squares, from the files of the Telecom Italia challenge itself

All raise DataError where a file cannot be read or does not hold what its publisher says.
"""

from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from zoomdiff.errors import DataError
from zoomdiff.isolation import isolated
from zoomdiff.measured.traffic import Excluded, MeasuredTraffic
from zoomdiff.realism.milan import read_milan, read_milan_raw

__all__ = ["read_milan", "read_milan_raw", "read_nanchang", "read_nanjing"]

TUESDAY = 1


@isolated(DataError)
def read_nanchang(path: str | Path) -> MeasuredTraffic:
    """Nanchang: 37 patches of 4 x 4 cells, 399 half hours from midnight, with users, 23 POI categories and the split.

    The cells of patch p are 16 p .. 16 p + 15, row by row; where the patches lie, how large a cell is, what the
    categories are and what unit the traffic has is not published. Cells of the patch where nothing is ever measured
    hold 0 (see `active`). The weekday is inferred: the file has no calendar, but hour by hour its eight days follow
    those of Nanjing, which begin on a Tuesday nine days before the Spring Festival holiday. They are days of departure,
    not an ordinary week: the eighth carries 13 % less than the first.

    Source: UoMo (Chai et al., KDD 2025), github.com/tsinghua-fib-lab/UoMo, MIT licence.

    Parameters
    ----------
    path
        `uomo_NC.npz`, with arrays traffic, user (37, 399, 4, 4), poi (37, 23, 4, 4), split (37,) and minutes.

    Raises
    ------
    DataError
        The file cannot be read or is another one.
    """
    arrays = _load(path)
    if not isinstance(arrays, NpzFile):
        raise DataError(f"{Path(path).name} is a single array: give the .npz file of UoMo.")
    with arrays:
        lacking = {"traffic", "user", "poi", "split", "minutes"} - set(arrays.files)
        if lacking:
            raise DataError(f"{Path(path).name} has no array {min(lacking)!r}: give the .npz file of UoMo.")
        patches, _, *shape = arrays["traffic"].shape
        traffic, users, poi = (  # (patches, steps or categories, rows, cols) -> (steps or categories, cells)
            np.moveaxis(arrays[key], 1, 0).reshape(arrays[key].shape[1], -1) for key in ("traffic", "user", "poi")
        )
        split, minutes = arrays["split"], int(arrays["minutes"])
    return MeasuredTraffic(
        traffic=traffic.astype(float),
        minutes=minutes,
        unit="not stated",
        name="Nanchang",
        source="UoMo (KDD 2025), github.com/tsinghua-fib-lab/UoMo",
        licence="MIT",
        weekday=TUESDAY,
        grid_shape=(patches, *shape),
        users=users.astype(float),
        poi=poi.T,
        split=split.repeat(np.prod(shape)),
    )


@isolated(DataError)
def read_nanjing(path: str | Path) -> MeasuredTraffic:
    """Nanjing: 20 x 28 cells, 504 hours from a Tuesday 00:00.

    Days 9-15 are excluded: the Spring Festival holiday, when traffic falls by a quarter. Days 5 (a Sunday) and 18
    (a Saturday) are excluded, too: with this holiday go worked days at the weekends around it, and their mornings look
    like a workday's. On days 6-8 traffic already declines. Neither the place of the grid, nor the size of a cell, nor
    the unit is published.

    Source: NPDiff (Sheng et al., IJCAI 2025), github.com/tsinghua-fib-lab/NPDiff, no licence stated.

    Parameters
    ----------
    path
        `MobileNJ.npy` (504, 560, 1); `MobileNJ_ts.npy`, (weekday with 0 = Monday, hour) of each step, is not needed.

    Raises
    ------
    DataError
        The file cannot be read or is another one.
    """
    traffic = _load(path)
    if isinstance(traffic, NpzFile) or traffic.shape != (504, 560, 1):
        raise DataError(f"{Path(path).name} is not an array of (504, 560, 1): give MobileNJ.npy of NPDiff.")
    return MeasuredTraffic(
        traffic=traffic[..., 0].astype(float),
        minutes=60,
        unit="not stated",
        name="Nanjing",
        source="NPDiff (IJCAI 2025), github.com/tsinghua-fib-lab/NPDiff",
        licence="not stated",
        weekday=TUESDAY,
        excluded=(
            Excluded(5 * 24, 6 * 24, "Sunday worked for the holiday"),
            Excluded(9 * 24, 16 * 24, "Spring Festival"),
            Excluded(18 * 24, 19 * 24, "Saturday worked for the holiday"),
        ),
        grid_shape=(20, 28),
    )


def _load(path: str | Path) -> np.ndarray | NpzFile:
    """The array, or the arrays, of a numpy file; DataError if it is none."""
    try:
        file: np.ndarray | NpzFile = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{Path(path).name} cannot be read as a numpy file.") from error
    return file
