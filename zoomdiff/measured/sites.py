"""Base station sites: which squares of a region each serves, and what it carries.

Every finest grid of a region belongs to the nearest site (a Voronoi cell). Traffic of the sites is then a plain sum,
and no total changes.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from zoomdiff.errors import DataError
from zoomdiff.frames import to_frame
from zoomdiff.region import Region


def assign(region: Region, lonlat: np.ndarray) -> np.ndarray:
    """(H, W) number of the site that serves each finest grid of the region's frame: the nearest to its centre.

    Distances are straight lines in the region's UTM zone.

    Parameters
    ----------
    lonlat
        (n, 2) degrees of the sites; they may be outside the region.

    Raises
    ------
    DataError
        There is no site, or a place is out of range.
    """
    if not len(lonlat):
        raise DataError("There is no site to serve the region: read some nearby.")
    if not (np.abs(lonlat) <= (180, 90)).all():
        raise DataError(
            f"Site {np.argmin((np.abs(lonlat) <= (180, 90)).all(1))} is not within -180..180, -90..90 degrees."
        )
    at = np.stack(to_frame(region.epsg).transform(*lonlat.T), -1)  # (n, 2) metres
    if not np.isfinite(at).all():
        raise DataError(f"Site {np.argmin(np.isfinite(at).all(1))} is too far from the region: leave it out.")
    nearest = cKDTree(at).query(region.frame_centres().reshape(-1, 2))[1]
    return np.asarray(nearest).reshape(region.shape)


def to_sites(volumes: np.ndarray, assignment: np.ndarray, sites: int) -> np.ndarray:
    """(T, sites) traffic of each site: the sum of volumes (T, H, W) over its grids in `assignment` (H, W).

    Parameters
    ----------
    sites
        How many there are; those that serve no grid carry 0.

    Raises
    ------
    ValueError
        The shapes differ, or the assignment names an unknown site.
    """
    if volumes.shape[1:] != assignment.shape:
        raise ValueError(f"volumes {volumes.shape} do not have the {assignment.shape} grids of the assignment")
    last = int(assignment.max())
    if assignment.min() < 0 or last >= sites:
        raise ValueError(f"the assignment goes to site {last}, but there are {sites}")
    serves = csr_array(
        (np.ones(assignment.size), (assignment.ravel(), np.arange(assignment.size))), shape=(sites, assignment.size)
    )
    return np.asarray((serves @ volumes.reshape(len(volumes), -1).T.astype(float)).T)
