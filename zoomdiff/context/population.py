"""People present per cell and hour: an ESTIMATE from floor area and places, not a count, unless residents are known.

Each use of floor holds so many people per 100 m2 at its busiest hour (the table below, round numbers of ours: about
75 m2 of gross floor per resident, walls, stairs and empty homes included; 33 per office worker). Places and
streets hold people too. Each group of uses then follows its own week.

The weeks are the four typical curves of Helsinki's phone-based dynamic population (Bergroth et al. 2022,
doi 10.1038/s41597-021-01113-4, CC BY 4.0; clustered, then rounded to knots). Their 250 m cells mix uses, so the night
in "leisure" and "work" is livelier than in a pure shop or office. Other countries have other weeks.
"""

from dataclasses import dataclass

import numpy as np

from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.levels import HOURS_PER_WEEK

BY_MAP = "an estimate from floor area by use, points of interest and streets"
WEEKS = "weekly presence curves after Bergroth et al. 2022 (doi 10.1038/s41597-021-01113-4, CC BY 4.0)"

# Use of floor -> (people per 100 m2 of gross floor at the busiest hour, group whose week they follow).
PEOPLE_PER_100M2 = {
    "residential": (1.3, "home"),
    "commercial": (3.0, "leisure"),
    "office": (3.0, "work"),
    "industrial": (1.0, "work"),
    "education": (4.0, "work"),
    "health": (3.0, "mixed"),
    "transport": (3.0, "mixed"),
    "farmland": (0.1, "mixed"),  # barns and greenhouses
}
PEOPLE_PER_KM = {"motorway": 20, "primary": 20, "secondary": 10, "local": 3, "path": 2}  # of street, at its busiest
PEOPLE_PER_HA_OF_GREEN = 0.3
# Gross floor of one point of interest, m2.
FLOOR_OF_POI = {
    "food": 150,
    "shop": 150,
    "office": 200,
    "education": 1500,
    "health": 300,
    "transport": 300,
    "leisure": 500,
    "tourism": 600,
    "public service": 500,
    "finance": 300,
}

# Presence at these hours of the day, relative to a place's mean over the week: workday, Saturday, Sunday.
KNOTS = (0, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23)
PRESENCE = {
    "home": (
        (1.14, 1.12, 1.10, 0.93, 0.73, 0.67, 0.67, 0.73, 0.88, 0.98, 1.08, 1.13),
        (1.07, 1.08, 1.11, 1.09, 1.04, 0.97, 0.91, 0.90, 0.92, 0.99, 1.04, 1.06),
        (1.09, 1.09, 1.12, 1.10, 1.09, 1.03, 0.95, 0.94, 0.97, 1.05, 1.11, 1.14),
    ),
    "mixed": (
        (0.81, 0.85, 0.88, 1.17, 1.55, 1.63, 1.62, 1.46, 1.21, 1.00, 0.88, 0.82),
        (0.95, 0.95, 0.86, 0.87, 0.91, 0.97, 1.04, 1.04, 1.00, 0.94, 0.90, 0.92),
        (0.96, 0.99, 0.85, 0.85, 0.82, 0.88, 0.96, 0.96, 0.94, 0.87, 0.80, 0.78),
    ),
    "leisure": (
        (0.50, 0.50, 0.56, 0.94, 1.00, 1.18, 1.29, 1.45, 1.44, 1.21, 0.77, 0.51),
        (0.79, 0.70, 0.57, 0.68, 0.96, 1.39, 1.70, 1.80, 1.74, 1.34, 1.05, 0.89),
        (0.58, 0.53, 0.58, 0.63, 0.79, 1.13, 1.54, 1.65, 1.43, 0.96, 0.65, 0.51),
    ),
    "work": (
        (0.45, 0.52, 0.63, 1.81, 3.80, 4.05, 3.92, 2.99, 1.43, 0.82, 0.56, 0.49),
        (0.43, 0.46, 0.49, 0.61, 0.77, 0.81, 0.86, 0.76, 0.67, 0.57, 0.47, 0.43),
        (0.47, 0.46, 0.45, 0.55, 0.49, 0.63, 0.79, 0.79, 0.76, 0.65, 0.54, 0.49),
    ),
}
WORKDAY, SATURDAY, SUNDAY = range(3)
WEEK = (WORKDAY,) * 5 + (SATURDAY, SUNDAY)  # Monday 00:00 local time is hour 0
NIGHTS = slice(3, None, 24)  # the hours at which people count as residents: 3 at night of each day


def presence(group: str) -> np.ndarray:
    """(168,) presence of a group of PRESENCE over the week, Monday 00:00 first, relative to its busiest hour.

    Examples
    --------
    >>> presence("work")[[3, 11]].round(2)  # Monday, 3:00 and 11:00
    array([0.13, 1.  ])
    """
    days = PRESENCE[group]
    hours = np.concatenate([24 * day + np.array(KNOTS) for day in range(7)])
    values = np.concatenate([days[kind] for kind in WEEK])
    curve = np.interp(np.arange(HOURS_PER_WEEK), hours, values, period=HOURS_PER_WEEK)
    relative: np.ndarray = curve / curve.max()
    return relative


@dataclass(frozen=True)
class Census:
    """Sums over a region, which decide how its people are scaled; those of its parts add up.

    Attributes
    ----------
    busiest
        People of each group of PRESENCE in its busiest hour, by `estimate`.
    residents
        Who live there by a raster; 0 without one.
    on_raster
        Cells of which the raster says something.
    """

    busiest: dict[str, float]
    residents: float = 0.0
    on_raster: int = 0

    def __add__(self, other: "Census") -> "Census":
        both = {group: self.busiest.get(group, 0.0) + n for group, n in other.busiest.items()}
        return Census(both, self.residents + other.residents, self.on_raster + other.on_raster)

    @property
    def at_night(self) -> float:
        """People at 3 at night by `estimate`, on average over the week."""
        return float(sum(n * presence(group)[NIGHTS].mean() for group, n in self.busiest.items()))


def census(
    floor: np.ndarray,
    streets: np.ndarray,
    green: np.ndarray,
    cell_m2: float,
    mask: np.ndarray,
    residents: np.ndarray | None = None,
) -> Census:
    """The sums over the cells of `mask`; `residents` (H, W) as a raster has them, the rest as for `estimate`."""
    busiest = _busiest(floor, streets, green, cell_m2)
    known = 0.0 if residents is None else float(residents[mask].sum())
    return Census({group: float(places[mask].sum()) for group, places in busiest.items()}, known)


def estimate(
    floor: np.ndarray,
    streets: np.ndarray,
    green: np.ndarray,
    cell_m2: float,
    *,
    residents: float | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Estimate how many people are present in each hour of the week.

    Parameters
    ----------
    floor
        (len(AOI_CLASSES), H, W) m2 of gross floor by use, points of interest included.
    streets
        (len(ROAD_CLASSES), H, W) metres of line.
    green
        (H, W) share of the cell that is green.
    cell_m2
        Area of a cell.
    residents
        If given, everything is scaled so that this many people are present at 3 at night, on average over the week.
    mask
        (H, W) bool: the cells that `residents` counts. None: all.

    Returns
    -------
    np.ndarray
        (168, H, W) float32 people.
    """
    busiest = _busiest(floor, streets, green, cell_m2)
    curves = np.stack([presence(group) for group in busiest]).astype(np.float32)  # (groups, 168)
    places = np.stack(list(busiest.values())).astype(np.float32)  # (groups, H, W)
    people: np.ndarray = np.einsum("gt,ghw->thw", curves, places, optimize=True)  # (168, H, W)
    if residents is not None:
        at_night = (people[NIGHTS] if mask is None else people[NIGHTS, mask]).mean(0).sum(dtype=float)
        if at_night > 0:
            people *= np.float32(residents / at_night)
    return people


def around_residents(
    residents: np.ndarray,
    floor: np.ndarray,
    streets: np.ndarray,
    green: np.ndarray,
    cell_m2: float,
    *,
    mask: np.ndarray | None = None,
    whole: Census | None = None,
) -> np.ndarray:
    """Estimate how many people are present in each hour of the week where it is known who lives where.

    The residents follow the week of homes. In addition each place has by day the visitors that `estimate` gives it:
    what its other groups hold beyond their liveliest night. Two things are kept, exactly:

    * a cell's people at 3 at night, averaged over the seven nights, are its residents;
    * the total over `mask` in each hour is the residents' total times what `estimate` has in that hour relative to its
      night. (All cells of an hour are scaled alike for it; the homes' own week if `estimate` has nobody.)

    Parameters
    ----------
    residents
        (H, W) people at night.
    floor, streets, green, cell_m2, mask
        As for `estimate`.
    whole
        Of the region that these cells are a part of; None: they are all of it.

    Returns
    -------
    np.ndarray
        (168, H, W) float32 people.
    """
    busiest = _busiest(floor, streets, green, cell_m2)
    if whole is None:
        inside = np.ones(green.shape, bool) if mask is None else mask
        whole = Census({group: places[inside].sum() for group, places in busiest.items()}, residents[inside].sum())
    curves = {group: presence(group) for group in busiest}
    modelled = np.sum([whole.busiest[group] * curve for group, curve in curves.items()], axis=0)  # (168,)
    known, at_night = whole.residents, modelled[NIGHTS].mean()
    home = curves["home"] / curves["home"][NIGHTS].mean()
    wanted = known * (modelled / at_night if at_night > 0 else home)

    places, curves_of_places, totals = [residents], [home], [known]
    for group in [name for name in busiest if name != "home"] if at_night > 0 else []:
        places.append(busiest[group] * known / at_night)
        totals.append(whole.busiest[group] * known / at_night)
        curves_of_places.append(np.maximum(curves[group] - curves[group][NIGHTS].max(), 0))
    weeks = np.stack(curves_of_places)  # (groups, 168)
    present = np.array(totals) @ weeks
    weeks *= np.divide(wanted, present, out=np.ones_like(present), where=present > 0)
    people: np.ndarray = np.einsum(
        "gt,ghw->thw", weeks.astype(np.float32), np.stack(places).astype(np.float32), optimize=True
    )
    return people


def _busiest(floor: np.ndarray, streets: np.ndarray, green: np.ndarray, cell_m2: float) -> dict[str, np.ndarray]:
    """People (H, W) whom each group of PRESENCE has in its busiest hour."""
    busiest = {group: np.zeros(green.shape) for group in PRESENCE}
    for use, (people, group) in PEOPLE_PER_100M2.items():
        busiest[group] += floor[AOI_CLASSES.index(use)] / 100 * people
    for road, metres in zip(ROAD_CLASSES, streets, strict=True):
        busiest["leisure"] += metres / 1000 * PEOPLE_PER_KM[road]
    busiest["leisure"] += green * cell_m2 / 10_000 * PEOPLE_PER_HA_OF_GREEN
    return busiest


def poi_floor(poi: np.ndarray) -> np.ndarray:
    """(len(POI_CATEGORIES), H, W) m2 of floor of counted points of interest."""
    per_poi = np.array([FLOOR_OF_POI[category] for category in POI_CATEGORIES], float)
    floor: np.ndarray = poi * per_poi[:, None, None]
    return floor
