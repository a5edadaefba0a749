"""The kinds of edits that a scenario is made of, and what each of them needs to know."""

from dataclasses import dataclass
from typing import ClassVar, TypeGuard

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from zoomdiff.context import population
from zoomdiff.context.classes import ROAD_CLASSES
from zoomdiff.errors import OptionError
from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CAR_ROADS = tuple(name for name in ROAD_CLASSES if name != "path")
MAX_DEGREES = 5.0  # size of one drawing: larger ones cannot be projected to one UTM zone
METRES_PER_DEGREE = 111_000  # of latitude
LEAST_M2 = 1.0


@dataclass(frozen=True)
class Edit:
    """A change of the ground.

    Attributes
    ----------
    ground
        Polygon or MultiPolygon, lon/lat (WGS84).

    Raises
    ------
    OptionError
        The ground or a value of the kind cannot be used.
    """

    ground: BaseGeometry

    geometries: ClassVar[tuple[str, ...]] = ("Polygon", "MultiPolygon")

    def __post_init__(self) -> None:
        _check_ground(self.ground, self.geometries)

    @property
    def kind(self) -> str:
        """Its name in EDITS and in files."""
        return next(name for name, kind in EDITS.items() if kind is type(self))

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Build(Edit):
    """New buildings, added to those that exist, with the people and the places that such floor has.

    Attributes
    ----------
    use
        What the floor is for: a key of `population.PEOPLE_PER_100M2`.
    floor_m2
        Gross floor of all storeys in the whole polygon, m2.
    cover
        Share of the polygon under a roof, 0..1; by default as for four storeys, and never less than one storey.
    """

    use: str
    floor_m2: float
    cover: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.use not in list(population.PEOPLE_PER_100M2):  # a list, as JSON may hold what no key can be
            uses = ", ".join(population.PEOPLE_PER_100M2)
            raise OptionError(f"use must be one of {uses}, not {self.use!r}; draw mixed uses as several features.")
        _check_number("floor_m2", self.floor_m2, "from 1 to 1e9 square metres", 1, 1e9)
        if self.cover is not None:
            _check_number("cover", self.cover, "from 0.01 to 1, a share of the polygon", 0.01, 1)

    def __str__(self) -> str:
        return f"build {self.floor_m2:,.0f} m2 of {self.use} floor"


@dataclass(frozen=True)
class Demolish(Edit):
    """Buildings and places go, and all people but those on the streets. Streets and rails stay."""


@dataclass(frozen=True)
class Park(Edit):
    """As Demolish, and the ground becomes a park with a park's few visitors."""


@dataclass(frozen=True)
class Scale(Edit):
    """`factor` times as many people as today, in every hour. Where two polygons overlap, the later one counts."""

    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_number("factor", self.factor, "from 0 to 1000", 0, 1000)

    def __str__(self) -> str:
        return f"scale the population by {self.factor:g}"


@dataclass(frozen=True)
class Event(Edit):
    """Visitors in addition to everybody else, spread evenly over the polygon.

    Attributes
    ----------
    visitors
        People present in each of the hours.
    day
        0 (Monday) to 6 (Sunday) or the day's English name, local time.
    from_hour
        0..23.
    to_hour
        0..24, not included; if it is before `from_hour`, the event goes on past midnight.
    """

    visitors: float
    day: int | str
    from_hour: int
    to_hour: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_number("visitors", self.visitors, "from 0 to 1e8 people", 0, 1e8)
        names = [name.lower() for name in DAYS]
        if not (isinstance(self.day, str) and self.day.lower() in names):
            _check_hour("day", self.day, 6, "0 (Monday) to 6 (Sunday), or the name of a day in English")
        _check_hour("from_hour", self.from_hour, 23, "a whole hour from 0 to 23")
        _check_hour("to_hour", self.to_hour, 24, "a whole hour from 0 to 24")
        if self.from_hour == self.to_hour:
            raise OptionError(f"from_hour and to_hour are both {self.to_hour}: let the event last an hour or more.")

    @property
    def weekday(self) -> int:
        """0 for Monday."""
        return [name.lower() for name in DAYS].index(self.day.lower()) if isinstance(self.day, str) else int(self.day)

    @property
    def hours(self) -> np.ndarray:
        """Hours of the week, Monday 00:00 = 0, in which the visitors are present."""
        start, lasts = int(self.from_hour), int(self.to_hour - self.from_hour) % HOURS_PER_DAY or HOURS_PER_DAY
        return (HOURS_PER_DAY * self.weekday + start + np.arange(lasts)) % HOURS_PER_WEEK

    def __str__(self) -> str:
        when = f"{DAYS[self.weekday]} {self.from_hour:02.0f}:00-{self.to_hour:02.0f}:00"
        return f"event with {self.visitors:,.0f} visitors, {when}"


@dataclass(frozen=True)
class CloseRoad(Edit):
    """Roads go, and the people on them. A line closes the roads within 25 m of it.

    Attributes
    ----------
    road
        The class to close, one of ROAD_CLASSES; by default all but paths.
    """

    road: str | None = None

    geometries: ClassVar[tuple[str, ...]] = ("Polygon", "MultiPolygon", "LineString", "MultiLineString")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.road is not None and self.road not in ROAD_CLASSES:
            raise OptionError(f"road must be one of {', '.join(ROAD_CLASSES)}, not {self.road!r}.")

    def closes(self, road: str) -> bool:
        """Whether roads of the class close."""
        return road in ((self.road,) if self.road else CAR_ROADS)

    def __str__(self) -> str:
        return f"close {self.road} roads" if self.road else "close roads"


EDITS: dict[str, type[Edit]] = {
    "build": Build,
    "demolish": Demolish,
    "scale": Scale,
    "event": Event,
    "close road": CloseRoad,
    "park": Park,
}


def _check_ground(ground: BaseGeometry, allowed: tuple[str, ...]) -> None:
    if ground is None or ground.is_empty:
        raise OptionError("the geometry is empty: draw a polygon.")
    if ground.geom_type not in allowed:
        raise OptionError(f"the geometry is a {ground.geom_type}: draw a {' or '.join(allowed)}.")
    xy = shapely.get_coordinates(ground)
    if not np.isfinite(xy).all() or (np.abs(xy) > (180, 90)).any():
        raise OptionError("the geometry is not in degrees: give lon/lat (WGS84) within -180..180 and -90..90.")
    if (np.ptp(xy, axis=0) > MAX_DEGREES).any():
        raise OptionError(f"the geometry spans more than {MAX_DEGREES:g} degrees: draw one city or area at a time.")
    if not ground.is_valid:
        reason = shapely.is_valid_reason(ground)
        raise OptionError(f"the outline crosses itself or is broken ({reason}): draw it again without crossings.")
    m2 = ground.area * METRES_PER_DEGREE**2 * np.cos(np.radians(ground.centroid.y))
    if ground.geom_type.endswith("Polygon") and m2 < LEAST_M2:
        raise OptionError("the polygon has no area: draw one of at least a few metres.")


def _check_number(name: str, value: object, words: str, low: float, high: float) -> None:
    if not _is_number(value) or not low <= value <= high:
        raise OptionError(f"{name} must be a number {words}, not {value!r}.")


def _check_hour(name: str, value: object, last: int, words: str) -> None:
    if not _is_number(value) or value not in range(last + 1):
        raise OptionError(f"{name} must be {words}, not {value!r}.")


def _is_number(value: object) -> TypeGuard[int | float]:
    """Not for "5", which is a text, and not for True, though Python counts it as 1."""
    return isinstance(value, int | float) and not isinstance(value, bool)
