"""Measured traffic brought onto a region: a week of what each base station or cell carried, ready to be refined.

Base stations are not squares of 400 m, so refinement takes three steps: every measured cell gets the 50 m squares that
it serves (`fit`), its traffic is spread over them by the people there and summed to the squares of a level, from which
the model refines (`zoomdiff.generation.refine`); at last every measured step of every cell gets exactly its bytes
(`hold`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from zoomdiff.context.uec import UEC
from zoomdiff.errors import DataError
from zoomdiff.frames import to_frame
from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK, Hierarchy, aggregate
from zoomdiff.measured.sites import assign, to_sites
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.outline import Bounds
from zoomdiff.region import Region
from zoomdiff.shapes import repair
from zoomdiff.week import TrafficWeek

MOST_BYTES = 1e18  # in one step of one cell: all of the world's mobile traffic of a day is less
NONE = -1  # serves no cell
NAMED = 3  # cells at one place whose names are given
FAR = 2000.0  # metres from the nearest base station at which a region is hardly theirs
WHOLE = 0.999  # share of a polygon in the region from which it counts as whole: files round degrees


class _Places(NamedTuple):
    """Which of the n measured cells are in a region, and which squares they serve. Several may share a place."""

    here: np.ndarray  # (m,) numbers of the cells in the region
    part: np.ndarray  # (m,) share of each that is in it
    owner: np.ndarray  # (m,) number of the place of each
    zones: np.ndarray  # (H, W) number of the place that serves each finest grid, or NONE


@dataclass(frozen=True, eq=False, repr=False)
class FittedTraffic:
    """A week of measured traffic fitted to a region: `fit` makes it of `MeasuredTraffic`, `hold` keeps to it.

    Attributes
    ----------
    region
        The frame.
    ids
        (n,) str; base stations within one 50 m square are one, named after all of them.
    lonlat
        (n, 2) degrees.
    zones
        (H, W) number of the cell that serves each finest grid, NONE where no cell does.
    traffic
        (T, n) bytes per step from Monday 00:00 local time.
    hours
        Length of a step, a divisor of 24.
    level
        Name of the level to refine from.
    volumes
        (T_k, H_k, W_k) bytes of that level.
    notes
        Sentences for the user: which week it is, how times were read, and what was left out.
    """

    region: Region
    ids: np.ndarray
    lonlat: np.ndarray
    zones: np.ndarray
    traffic: np.ndarray
    hours: int
    level: str
    volumes: np.ndarray
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"FittedTraffic({len(self.ids)} cells, steps of {self.hours} h, refined from {self.level})"


def fit(measured: MeasuredTraffic, uec: UEC) -> FittedTraffic:
    """Bring measurements onto the region of a UEC.

    The week is the first from a Monday without a gap, else the first seven whole days with the fewest. Points serve the
    squares that are nearest to them; those outside the region are left out, whole. Polygons serve the squares whose
    centre they hold, and of one that the region cuts the share of its area in the region counts.

    Raises
    ------
    DataError
        Volumes that are not bytes or far too large, no places, none of them in the region, steps that do not divide a
        day, less than a week, gaps in it.
    """
    region, lonlat, polygons = uec.region, places_of(measured), measured.polygons
    places = _points(lonlat, region) if polygons is None else _polygons(polygons, region)
    if places is None:
        raise nowhere(measured.source, lonlat, region.bounds)
    week = week_of(measured, places.here, places.part, places.owner)
    served = places.zones != NONE
    level = level_of(region.hierarchy, int(served.sum()), len(np.unique(places.zones[served])), week.hours)
    volumes = _spread(week.traffic, places.zones, uec, level)
    bare = region.mask() & ~served
    left_out = left_out_of(measured, len(places.here), len(week.ids))
    notes = (*week.notes, *left_out, *_of_ground(measured, region, week.lonlat, bare.sum() / region.mask().sum()))
    return FittedTraffic(region, week.ids, week.lonlat, places.zones, week.traffic, week.hours, level, volumes, notes)


def places_of(measured: MeasuredTraffic) -> np.ndarray:
    """(n, 2) degrees of the measured cells. Raises DataError where there are none, or where volumes are not bytes."""
    if measured.unit != "bytes":
        raise DataError(f"{measured.source} has traffic in {measured.unit}: bytes are needed to refine it.")
    if measured.lonlat is None:
        raise DataError(
            f"{measured.source} does not say where its cells are: add columns lon and lat, or a table of sites."
        )
    return measured.lonlat


class WeekOfPlaces(NamedTuple):
    """A week of n places: `ids` and `lonlat` as of `FittedTraffic`, `traffic` (T, n) in steps of `hours`, and notes."""

    ids: np.ndarray
    lonlat: np.ndarray
    traffic: np.ndarray
    hours: int
    notes: tuple[str, ...]


def week_of(measured: MeasuredTraffic, here: np.ndarray, part: np.ndarray, owner: np.ndarray) -> WeekOfPlaces:
    """The week of the m measured cells `here`, `part` of each, summed by the number of their place in `owner`.

    Raises DataError as `fit`.
    """
    traffic, hours, when = _week(measured, here)
    traffic = traffic * part
    if np.nanmax(traffic, initial=0) > MOST_BYTES:
        raise DataError(f"{measured.source} has more than {MOST_BYTES:g} bytes in a step: check the unit.")
    if not traffic.any():
        raise DataError(f"{measured.source} has no traffic in the region in {when}: there is nothing to refine.")
    sums = np.zeros((len(traffic), int(owner.max()) + 1))
    np.add.at(sums.T, owner, traffic.T)
    lonlat = places_of(measured)
    names = np.arange(len(lonlat)).astype(str) if measured.ids is None else measured.ids
    ids, at = _summed_places(names[here], lonlat[here], owner)
    return WeekOfPlaces(ids, at, sums, hours, (f"The week is {when}.", *measured.notes))


def hold(week: TrafficWeek, fitted: FittedTraffic) -> TrafficWeek:
    """The refined week with exactly the measured bytes of every cell in every step: its hours are scaled alike.

    Where the model has nothing and something was measured, it is spread evenly. Squares that no cell serves carry
    nothing.
    """
    squares = np.bincount(fitted.zones[fitted.zones != NONE], minlength=len(fitted.ids))
    held = scaled(week.volumes[-1], fitted.zones, fitted.traffic, served_bytes(week, fitted), squares)
    about = week.provenance | {
        "held_to": f"{len(fitted.ids)} measured cells, steps of {fitted.hours} h",
        "notes": [*week.provenance.get("notes", ()), *fitted.notes],
    }
    return replace(week, volumes=tuple(week.region.hierarchy.pyramid(held)), provenance=about)


def scaled(
    finest: np.ndarray, zones: np.ndarray, traffic: np.ndarray, have: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """(168, H, W) bytes in `zones` (H, W), or a part of them, scaled in each step to the measured traffic (T, n).

    `have` (T, n) is what all the squares of each place have, and `squares` (n,) how many they are.
    """
    served, hours = zones != NONE, HOURS_PER_WEEK // len(traffic)
    of_square = zones[served]
    ratio = np.divide(traffic, have, out=np.zeros_like(have), where=have > 0)
    even = np.where((have <= 0) & (traffic > 0), traffic / squares / hours, 0)
    held = np.zeros(finest.shape)
    for t in range(len(ratio)):
        steps = slice(t * hours, (t + 1) * hours)
        held[steps, served] = finest[steps, served] * ratio[t, of_square] + even[t, of_square]
    return held


def served_bytes(week: TrafficWeek, fitted: FittedTraffic, hours: int | None = None) -> np.ndarray:
    """(T, n) bytes that a week has in the squares each measured cell serves.

    Parameters
    ----------
    hours
        Length of a step; default: the measured one.
    """
    n = len(fitted.ids)
    hourly = to_sites(week.volumes[-1], np.where(fitted.zones == NONE, n, fitted.zones), n + 1)[:, :n]
    steps: np.ndarray = hourly.reshape(-1, hours or fitted.hours, n).sum(1)
    return steps


def _points(lonlat: np.ndarray, region: Region) -> _Places | None:
    """The points (n, 2) in the region, each serving what it is nearest to; None if none is in it."""
    x, y = to_frame(region.epsg).transform(*lonlat.T)
    west, _, _, north = region.frame_bounds
    side, (height, width) = region.hierarchy.finest.side, region.shape
    with np.errstate(invalid="ignore"):  # infinite where the zone does not reach
        row, col = np.floor((north - y) / side), np.floor((x - west) / side)
        inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    inside[inside] = region.mask()[row[inside].astype(int), col[inside].astype(int)]
    here = np.flatnonzero(inside)
    if not len(here):
        return None
    squares = row[here].astype(int) * width + col[here].astype(int)
    owner, distinct = pd.factorize(squares)
    zones = assign(region, lonlat[here[np.unique(owner, return_index=True)[1]]])
    zones.ravel()[distinct] = np.arange(len(distinct))  # each serves its own square at least
    return _Places(here, np.ones(len(here)), owner, np.where(region.mask(), zones, NONE))


def _polygons(polygons: np.ndarray, region: Region) -> _Places | None:
    """As `_points`. Where polygons overlap the smaller one serves; one too small for any square adds to its place."""
    # The stubs of shapely do not know interleaved=False.
    areas = shapely.transform(polygons, to_frame(region.epsg).transform, interleaved=False)  # type: ignore[arg-type]
    areas[~np.isfinite(shapely.bounds(areas)).all(1)] = shapely.Polygon()
    areas = repair(areas)
    side = region.hierarchy[0].side
    x, y = np.moveaxis(region.frame_centres(0)[region.blocks], -1, 0)
    ground = shapely.union_all(shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    common = np.asarray(shapely.intersection(areas, ground))
    size = np.asarray(shapely.area(areas))
    share = np.divide(shapely.area(common), size, out=np.zeros(len(size)), where=size > 0)
    here = np.flatnonzero(share > 1e-6)
    if not len(here):
        return None
    squares = np.asarray(shapely.points(region.frame_centres().reshape(-1, 2)))
    zones = np.full(len(squares), NONE)
    tree = shapely.STRtree(squares)
    for number in np.argsort(-size[here]):
        zones[tree.query(areas[here[number]], predicate="intersects")] = number
    zones = np.where(region.mask().ravel(), zones, NONE)
    owner = np.arange(len(here))
    for number in np.setdiff1d(owner, zones):
        nearest = tree.nearest(common[here[number]].representative_point())
        if zones[nearest] == NONE:
            zones[nearest] = number
        else:
            owner[number] = zones[nearest]
    distinct, owner = np.unique(owner, return_inverse=True)
    renamed = np.where(zones == NONE, NONE, np.searchsorted(distinct, zones))
    part = np.where(share[here] > WHOLE, 1.0, share[here])
    return _Places(here, part, owner, renamed.reshape(region.shape))


def _summed_places(names: np.ndarray, lonlat: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Names (n,) and mean degrees (n, 2) of places, from the names (m,) and degrees (m, 2) of the cells at each."""
    table = pd.DataFrame(lonlat, columns=["lon", "lat"]).assign(name=names)
    groups = table.groupby(owner)
    return groups.name.agg(_joined).to_numpy(str), groups[["lon", "lat"]].mean().to_numpy()


def left_out_of(measured: MeasuredTraffic, here: int, places: int) -> Iterator[str]:
    """Sentences on gaps that were filled, and on cells that were left out, or summed as they share a place."""
    words = "polygons" if measured.polygons is not None else "base stations"
    total = measured.traffic.shape[1]
    if measured.filled is not None and measured.filled.any():
        yield measured.gap_report()
    if here < total:
        yield f"{here:,} of {total:,} {words} are in the region; the others are left out."
    if places < here:
        yield f"{here:,} {words} share {places:,} places of 50 m and are summed there."


def _of_ground(measured: MeasuredTraffic, region: Region, lonlat: np.ndarray, bare: float) -> Iterator[str]:
    """Sentences on ground that is far from all cells, and on the share of it that has none."""
    if measured.polygons is None:
        yield from far_note(far_from(region, lonlat) / region.mask().sum())
    if bare:
        yield f"{bare:.0%} of the region lie in no polygon and stay without traffic."


def far_note(share: float) -> Iterator[str]:
    """A sentence, where much of a region is FAR from all base stations."""
    if share >= 0.05:
        yield f"{share:.0%} of the region are more than {FAR / 1000:g} km from any of them: choose a smaller one."


def far_from(region: Region, lonlat: np.ndarray) -> int:
    """How many cells of a region are FAR from all places (n, 2)."""
    at = np.stack(to_frame(region.epsg).transform(*lonlat.T), -1)
    metres, _ = cKDTree(at).query(region.frame_centres()[region.mask()])
    return int(np.sum(metres > FAR))


def _joined(names: pd.Series) -> str:
    """The names with " + " between, the first few in full."""
    few = names.iloc[:NAMED]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return " + ".join([*few, *more])


def _week(measured: MeasuredTraffic, here: np.ndarray) -> tuple[np.ndarray, int, str]:
    """(T, m) a week of the cells `here` from Monday 00:00, the hours of its steps, and which week it is."""
    name = measured.source
    try:
        if measured.minutes < 60:
            measured = measured.hourly()
        hour = measured.hour_of_week()
    except ValueError as error:
        raise DataError(f"{name} cannot be brought to hours: {error}.") from error
    hours, rest = divmod(measured.minutes, 60)
    if rest or HOURS_PER_DAY % hours or hour[0] % hours:
        divides = not rest and HOURS_PER_DAY % hours == 0
        remedy = "; if its times are local time already, leave out the time zone (--zone)" if divides else ""
        raise DataError(
            f"{name} has steps of {measured.minutes} minutes from {measured.start:%H:%M} local time: give steps that "
            f"divide a day from midnight on, such as 15 minutes, 1 hour or 1 day{remedy}."
        )
    steps = HOURS_PER_WEEK // hours
    days = len(measured.traffic) * hours / HOURS_PER_DAY
    if len(measured.traffic) < steps:
        raise DataError(f"{name} covers {days:.3g} days: a whole week of 7 days is needed.")
    traffic = measured.traffic[:, here]
    gaps = np.concatenate([[0], np.isnan(traffic).sum(1).cumsum()])
    starts = np.arange(len(traffic) - steps + 1)
    # Where clocks change a week has an hour twice or never.
    regular = np.array(
        [(hour[t : t + steps] == (hour[t] + hours * np.arange(steps)) % HOURS_PER_WEEK).all() for t in starts]
    )
    starts = starts[regular & (hour[starts] % HOURS_PER_DAY == 0)]
    if not len(starts):
        raise DataError(f"{name} has no seven whole days from midnight without a change of clocks: give a longer time.")
    missing = gaps[starts + steps] - gaps[starts]
    best = starts[np.lexsort((starts, hour[starts] != 0, missing))[0]]
    week = traffic[best : best + steps]
    if np.isnan(week).any():
        cells = np.isnan(week).any(0).sum()
        raise DataError(
            f"{name} has gaps: {np.isnan(week).sum():,} of {week.size:,} values are missing in its best week, in "
            f"{cells:,} of {week.shape[1]:,} cells; add them, or choose to count them as 0 or to interpolate."
        )
    first = measured.times()[best]
    when = f"the one from {first:%A, %Y-%m-%d}"
    return np.roll(week, int(hour[best]) // hours, axis=0), hours, when


def level_of(hierarchy: Hierarchy, squares: int, places: int, hours: int) -> str:
    """The finest level that is not much finer than n places with so many squares of 50 m, in steps of `hours`."""
    typical = np.sqrt(squares / places) * hierarchy.finest.side  # metres
    fits = [level.name for level in list(hierarchy)[1:-1] if level.side >= 0.8 * typical and level.hours >= hours]
    return fits[-1] if fits else hierarchy[0].name


def _spread(traffic: np.ndarray, zones: np.ndarray, uec: UEC, name: str) -> np.ndarray:
    """(T_k, H_k, W_k) bytes of a level: (T, n) of the cells, spread over their squares by the people there."""
    hierarchy = uec.region.hierarchy
    k = hierarchy.index(name)
    served, n = zones != NONE, traffic.shape[1]
    people = by_step(uec.population, hierarchy[k].hours)
    present = np.stack([np.bincount(zones[served], there[served], n) for there in people])
    return shared_out(
        traffic, zones, people, present, np.bincount(zones[served], minlength=n), hierarchy.space_factor(k)
    )


def by_step(hourly: np.ndarray, hours: int) -> np.ndarray:
    """(T, H, W) sums over steps of so many hours, from (168, H, W)."""
    steps: np.ndarray = hourly.reshape(-1, hours, *hourly.shape[1:]).sum(1, dtype=float)
    return steps


def shared_out(
    traffic: np.ndarray, zones: np.ndarray, people: np.ndarray, present: np.ndarray, squares: np.ndarray, factor: int
) -> np.ndarray:
    """(T_k, H_k, W_k) bytes: the measured traffic (T, n) over `zones` (H, W), or a part of them, by the people there.

    `people` (T_k, H, W) are those of each square, `present` (T_k, n) those of all squares of each place, and `squares`
    (n,) how many they are; `factor` squares are along a cell of level k.
    """
    served = zones != NONE
    of_square = zones[served]
    per_step = traffic.reshape(len(people), -1, len(squares)).sum(1)  # (T_k, n)
    finest = np.zeros(people.shape)
    for t, there in enumerate(people):
        weight = np.where(present[t, of_square] > 0, there[served], 1.0)
        finest[t, served] = per_step[t, of_square] * weight / np.where(present[t] > 0, present[t], squares)[of_square]
    level_k: np.ndarray = aggregate(finest, factor, 1)
    return level_k


def nowhere(source: str, lonlat: np.ndarray, bounds: Bounds) -> DataError:
    """The error that says why nothing is in the region, as far as the places (n, 2) show."""
    lon, lat = np.median(lonlat, axis=0)
    west, south, east, north = bounds
    swapped = west <= lat <= east and south <= lon <= north
    what = (
        "longitude and latitude seem to be swapped"
        if swapped
        else "choose the region around them, or check the degrees"
    )
    return DataError(
        f"{source} has nothing in the region: its places are around {lat:.4f}, {lon:.4f} (lat, lon); {what}."
    )
