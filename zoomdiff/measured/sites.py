"""Base station sites: where they stand, which part of a region each serves, and what it carries.

Every finest grid of a region belongs to one site, the nearest (a Voronoi cell), or the nearest in distance / weight (a
multiplicatively weighted one), so that strong sites serve more. Traffic of the sites is then a plain sum, and no total
changes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from zoomdiff.errors import DataError
from zoomdiff.measured.tables import Table
from zoomdiff.region import Bounds, Region, to_lonlat, to_utm

OPENCELLID = (
    *("radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range", "samples"),
    *("changeable", "created", "updated", "averageSignal"),
)
KEPT = ["radio", "lon", "lat", "range", "samples"]
ROWS_AT_ONCE = 1_000_000  # the whole world's file has 50 million
DISTANCES_AT_ONCE = 4_000_000  # 100 MB with what lies between
# Where none is known: a site per so many users at once. Milan's centre has 18 LTE sites per km2 of four operators
# (OpenCelliD), so one operator's stand some 450 m apart there, and up to a few kilometres where few people are.
USERS_PER_SITE = 1000
SPACING = (250.0, 3000.0)  # metres, closest and widest
PACKING = 0.83  # sites thrown at random, none nearer than r to another, fill the plane as a square lattice of r / 0.83


def read_opencellid(path: str | Path, *, bounds: Bounds | None = None, decimals: int = 4) -> pd.DataFrame:
    """Read cells from an OpenCelliD CSV and merge those at the same place to sites, in order of appearance.

    path      CSV (also .csv.gz) with columns radio, mcc, net, area, cell, unit, lon, lat, range, samples, ..., with or
              without header
    bounds    (west, south, east, north) in degrees: read only what lies inside, such as `Region.bounds`
    decimals  degrees are rounded to so many digits to tell what is the same place: 4 are 11 m from south to north

    Returns the columns site (id, str), lon, lat (mean of its cells), cells (their number), radio (all kinds, as
    "GSM+LTE"), range (largest, metres) and samples (sum). Positions are estimates from phones.
    Source: opencellid.org, CC BY-SA 4.0.

    Raises DataError if the file cannot be read, a row's place is no number or out of range, or no cell is inside.
    """
    path = Path(path)
    try:
        has_header = "lon" in pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].str.lower().to_list()
        chunks = pd.read_csv(
            path,
            names=OPENCELLID,
            header=None,
            skiprows=int(has_header),
            usecols=KEPT,
            dtype=str,
            chunksize=ROWS_AT_ONCE,
        )
        cells = pd.concat([_inside(chunk, path.name, 1 + has_header, bounds) for chunk in chunks])
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as a CSV file of OpenCelliD.") from error
    if cells.empty:
        raise DataError(f"{path.name} holds no cell inside the bounds.")
    place = [cells.lon.round(decimals), cells.lat.round(decimals)]
    sites = cells.groupby(place, sort=False).agg(
        lon=("lon", "mean"),
        lat=("lat", "mean"),
        cells=("lon", "size"),
        radio=("radio", lambda kinds: "+".join(sorted(set(kinds)))),
        range=("range", "max"),
        samples=("samples", "sum"),
    )
    sites = sites.reset_index(drop=True)
    sites.insert(0, "site", sites.index.astype(str))
    return sites


def place_sites(region: Region, users: np.ndarray, seed: int) -> pd.DataFrame:
    """Place base stations where none is known: spaced by the density of users, at random otherwise (columns as above:
    site, lon, lat).

    users  (H, W) active at once on the finest raster, such as the busiest hour of a simulated city

    Sites are thrown one by one on grids with users, the busy ones first in expectation, and each keeps the others at a
    distance. Where nobody is there is none; a region with users has at least one.
    """
    rng = np.random.default_rng(seed)
    side = region.hierarchy.finest.side
    density = gaussian_filter(users.astype(float), SPACING[0] / side) / side**2  # per m2, smoothed: a site is no spike
    spacing = np.sqrt(USERS_PER_SITE / density.clip(min=1e-12)).clip(*SPACING)
    radius = np.ceil(PACKING * spacing / side).astype(int)  # in grids
    candidates = np.flatnonzero(users > 0)
    order = candidates[np.argsort(rng.exponential(1 / users.ravel()[candidates]))]  # weighted, without replacement
    rows, cols = np.ogrid[: users.shape[0], : users.shape[1]]
    free, chosen = np.ones(users.shape, bool), []
    for row, col in zip(*np.unravel_index(order, users.shape), strict=True):
        if free[row, col]:
            chosen.append((row, col))
            r = radius[row, col]
            near = np.s_[max(0, row - r) : row + r + 1, max(0, col - r) : col + r + 1]
            free[near] &= (rows[near[0]] - row) ** 2 + (cols[:, near[1]] - col) ** 2 > r**2
    at = np.array(chosen, int).reshape(-1, 2)
    jitter = rng.uniform(-0.5, 0.5, at.shape) * side
    lon, lat = to_lonlat(region.epsg).transform(*(region.utm_centres()[tuple(at.T)] + jitter).T)
    return pd.DataFrame({"site": [str(i) for i in range(len(at))], "lon": lon, "lat": lat})


def assign(region: Region, sites: pd.DataFrame | np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """(H, W) number of the site that serves each finest grid of the region's frame: the nearest to its centre.

    sites    (n, 2) lon/lat, or a DataFrame with columns lon and lat; sites may stand outside the region
    weights  (n,) positive: the lowest distance / weight wins; equal weights are as none

    Distances are straight lines in the region's UTM zone. Raises DataError if there is no site, a place is out of
    range, or a weight is not positive.
    """
    lonlat = np.asarray(sites[["lon", "lat"]] if isinstance(sites, pd.DataFrame) else sites, float).reshape(-1, 2)
    if not len(lonlat):
        raise DataError("There is no site to serve the region: read some nearby.")
    if not (np.abs(lonlat) <= (180, 90)).all():
        raise DataError(f"Site {np.argmin((np.abs(lonlat) <= (180, 90)).all(1))} does not stand on Earth.")
    at = np.stack(to_utm(region.epsg).transform(*lonlat.T), -1)  # (n, 2) metres
    if not np.isfinite(at).all():
        raise DataError(f"Site {np.argmin(np.isfinite(at).all(1))} is too far from the region: leave it out.")
    centres = region.utm_centres().reshape(-1, 2)  # (H * W, 2) metres
    if weights is None:
        return cKDTree(at).query(centres)[1].reshape(region.shape)
    weights = np.asarray(weights, float)
    if weights.shape != (len(at),) or not (np.isfinite(weights) & (weights > 0)).all():
        raise DataError(f"The weights are not {len(at)} positive numbers, one for each site.")
    return _nearest_weighted(centres, at, weights).reshape(region.shape)


def to_sites(volumes: np.ndarray, assignment: np.ndarray, sites: int | None = None) -> np.ndarray:
    """(T, sites) traffic of each site: the sum of volumes (T, H, W) over its grids in `assignment` (H, W).

    sites: how many there are, since the last ones may serve no grid and carry 0; without it, up to the last that does.
    Raises ValueError if the shapes differ or the assignment names a site that there is not.
    """
    if volumes.shape[1:] != assignment.shape:
        raise ValueError(f"volumes {volumes.shape} do not have the {assignment.shape} grids of the assignment")
    last = int(assignment.max())
    sites = last + 1 if sites is None else sites
    if assignment.min() < 0 or last >= sites:
        raise ValueError(f"the assignment goes to site {last}, but there are {sites}")
    serves = csr_array(
        (np.ones(assignment.size), (assignment.ravel(), np.arange(assignment.size))), shape=(sites, assignment.size)
    )
    return (serves @ volumes.reshape(len(volumes), -1).T.astype(float)).T


def _inside(chunk: pd.DataFrame, name: str, first_line: int, bounds: tuple | None) -> pd.DataFrame:
    """The rows of a chunk inside the bounds, as numbers; DataError where a place is none."""
    table = Table(chunk.set_axis(chunk.index + first_line), name, "line")
    lon, lat = table.lonlat("lon", "lat").T
    west, south, east, north = bounds or (-180, -90, 180, 90)
    inside = (west <= lon) & (lon <= east) & (south <= lat) & (lat <= north)
    numbers = {column: table.numbers(column, column)[inside] for column in ("range", "samples")}
    return table.frame[inside].assign(lon=lon[inside], lat=lat[inside], **numbers)


def _nearest_weighted(points: np.ndarray, at: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(p,) site with the lowest distance / weight. No tree can tell it, so all distances are taken, in batches."""
    batch = max(1, DISTANCES_AT_ONCE // len(at))
    nearest = [
        (np.linalg.norm(some[:, None] - at, axis=-1) / weights).argmin(1)
        for some in np.split(points, range(batch, len(points), batch))
    ]
    return np.concatenate(nearest)
