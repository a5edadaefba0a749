"""The reference city: simulated ground truth on a real or procedural map, one week of bytes per 50 m grid and hour.

No open data set has traffic at 50 m, so the shipped model learns from this simulator. It is a chain of factors, each
one function:

    people present -> active users, some of them out on the streets (+ travellers) -> rare events, unobserved attraction
    -> how many come and go -> demand per user by use, service and hour, less where Wi-Fi carries it
    -> unobserved appetite, rhythm, day-to-day variation, hourly noise -> bursty usage

What differs from country to country is in `CityConfig`, whose presets were fitted to open measurements: see them
side by side with `python -m zoomdiff realism --city MAP --preset china`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from zoomdiff.context.classes import AOI_INDEX
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.levels import DAYS_PER_WEEK, HOURS_PER_DAY, HOURS_PER_WEEK
from zoomdiff.presets import check_preset

WORKDAYS = 5

HOURS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)  # knots of the curves below, interpolated in between
# Part of a user's bytes by service, and when it is used relative to all traffic. Video carries most; it leans to the
# evening and the midday break, work to office hours, maps and music to the rush hours (in kind after Marquez et al.,
# "Not all apps are created equal", CoNEXT 2017; the figures are round numbers of ours).
SERVICES = {
    "video": (0.60, (1.05, 0.90, 0.80, 0.75, 0.85, 0.90, 1.10, 0.95, 0.95, 1.00, 1.20, 1.30)),
    "social": (0.20, (0.95, 0.80, 0.75, 0.85, 1.00, 1.00, 1.15, 1.00, 1.05, 1.05, 1.10, 1.10)),
    "work and web": (0.15, (0.75, 0.70, 0.70, 0.85, 1.10, 1.25, 1.00, 1.20, 1.20, 1.05, 0.95, 0.85)),
    "maps and music": (0.05, (0.60, 0.55, 0.60, 1.10, 1.50, 1.00, 1.00, 1.00, 1.15, 1.50, 1.00, 0.75)),
}


@dataclass(frozen=True)
class Use:
    """What people do at a kind of place.

    Attributes
    ----------
    services
        How much of each of SERVICES a user takes, relative to home.
    wifi
        Share of the demand indoors that Wi-Fi carries.
    weekend
        Demand on (Saturday, Sunday) relative to a workday: at home on Wi-Fi then, outside on leisure.
    """

    services: tuple[float, ...]
    wifi: float
    weekend: tuple[float, float]


HOME = Use((1.0, 1.0, 1.0, 1.0), wifi=0.5, weekend=(0.90, 0.86))
WORK = Use((0.6, 0.9, 1.8, 0.5), wifi=0.8, weekend=(1.28, 1.12))
LEISURE = Use((1.0, 1.6, 1.0, 1.5), wifi=0.5, weekend=(1.28, 1.12))
TRAVEL = Use((1.3, 1.5, 1.0, 6.0), wifi=0.2, weekend=(1.28, 1.12))
USE_OF_AOI = {
    "unknown": HOME,
    "residential": HOME,
    "mixed": LEISURE,
    "commercial": LEISURE,
    "green": LEISURE,
    "water": LEISURE,
    "farmland": TRAVEL,
    "office": WORK,
    "industrial": WORK,
    "education": WORK,
    "health": HOME,
    "transport": TRAVEL,
}

# Share of the people at home who use their phones, by hour, relative to the most; elsewhere people are awake. Fitted so
# that a city's users follow the day of Nanchang's (they peak at 17 h, 3.4 times the trough).
AWAKE_AT_HOME = (
    *(0.33, 0.28, 0.26, 0.25, 0.24, 0.24, 0.32, 0.63, 0.83, 0.88, 1.00, 0.98),
    *(0.87, 0.88, 0.91, 0.90, 0.91, 0.96, 0.81, 0.71, 0.68, 0.60, 0.48, 0.39),
)
# Travellers by hour relative to the busiest: two rush hours on workdays, a broad afternoon at weekends.
TRAVELLERS = (0.10, 0.05, 0.05, 0.25, 1.00, 0.55, 0.55, 0.55, 0.70, 1.00, 0.45, 0.30)
TRAVELLERS_AT_WEEKENDS = (0.15, 0.08, 0.05, 0.10, 0.25, 0.50, 0.60, 0.60, 0.65, 0.65, 0.50, 0.30)
TRAVEL_ON = {"motorway": 1.5, "primary": 1.0, "secondary": 0.5, "local": 0.08, "rail": 0.6}
WALK_ON = ("primary", "secondary", "local", "path")


@dataclass(frozen=True)
class CityConfig:
    """Parameters of the reference city; in brackets what open measurements show (`realism.ROWS` says where).

    Attributes
    ----------
    rhythm
        Demand of a user by hour of the day, relative to the mean; with the users' own day it makes the city's [peak at
        12-18 h, 2.4-11 times the trough].
    megabytes
        Per active user and hour, before Wi-Fi takes its share.
    active_share
        Of the people awake who use cellular data in an hour.
    usage_shape
        Shape of the gamma distribution of a user's hour: small is bursty [ln-sd .10-.23 around a cell's own profile at
        400 m; Taylor exponent 1.61-1.83: small cells are noisier].
    stays
        Share of the users who are still present an hour later.
    out_share
        Of the active users who are on foot nearby rather than where the estimate has them.
    out_range
        How far those on foot are, metres (standard deviation).
    travellers
        On the way in the rush hour per 50 m of main road.
    attraction_sd
        ln-sd of what draws users to a 50 m grid and no map shows.
    appetite_sd
        ln-sd of what they demand there [children of a block: sd of ln share .56-1.03; traffic against users log-log
        r .92-.996].
    unobserved_range
        Correlation lengths of attraction and appetite, metres; each carries the same variance [neighbours .3-.5].
    taste_sd
        How far a place's rhythm strays from its kind's [correlation with the city's hours .77-.95].
    taste_range
        Over how many metres rhythms are alike.
    daily_sd
        ln-sd from day to day [.08-.09 of whole days at 400 m].
    hourly_sd
        ln-sd from hour to hour in addition to the users' coming and going.
    hourly_memory
        Its correlation from one hour to the next.
    noise_range
        Correlation length of days and hours, metres [.05-.10 between neighbours at 400 m].
    event_rate
        Rare events (match, fair) per km2 and week.
    """

    rhythm: tuple[float, ...]
    megabytes: float = 80.0
    active_share: float = 0.5
    usage_shape: float = 0.64
    stays: float = 0.75
    out_share: float = 0.15
    out_range: float = 300.0
    travellers: float = 9.0
    attraction_sd: float = 0.75
    appetite_sd: float = 0.45
    unobserved_range: tuple[float, ...] = (0.0, 60.0, 200.0)
    taste_sd: float = 0.25
    taste_range: float = 50.0
    daily_sd: float = 0.06
    hourly_sd: float = 0.06
    hourly_memory: float = 0.8
    noise_range: float = 160.0
    event_rate: float = 0.03


# The rhythms were fitted so that the mean of three simulated cities (Florence, Monaco, a procedural town) has the
# workday of Nanjing and Nanchang (noon raised by a tenth, as our homes empty more by day), and of Milan.
CHINA = CityConfig(
    rhythm=(
        *(1.66, 1.40, 1.15, 0.94, 0.85, 0.75, 0.79, 0.76, 0.76, 0.83, 0.89, 0.90),
        *(1.11, 0.98, 0.96, 0.94, 0.89, 0.80, 0.85, 0.87, 0.96, 1.09, 1.27, 1.62),
    )
)
EUROPE = CityConfig(
    rhythm=(
        *(1.50, 1.51, 1.43, 1.36, 1.29, 1.20, 1.00, 0.76, 0.72, 0.79, 0.78, 0.78),
        *(0.78, 0.81, 0.82, 0.79, 0.76, 0.73, 0.81, 0.87, 0.93, 1.02, 1.14, 1.37),
    ),
    active_share=0.6,
    usage_shape=1.1,
    stays=0.8,
    taste_sd=0.28,
)
CONFIGS = {"china": CHINA, "europe": EUROPE}


def config_of(preset: str) -> CityConfig:
    """The parameters of a preset.

    Raises
    ------
    OptionError
        The preset is unknown.

    Examples
    --------
    >>> config_of("europe").active_share
    0.6
    """
    check_preset(preset)
    return CONFIGS[preset]


class CityWeek(NamedTuple):
    """One simulated week, Monday 00:00 first.

    Attributes
    ----------
    traffic
        (168, H, W) float32 bytes.
    users
        (168, H, W) float32 users who caused it.
    """

    traffic: np.ndarray
    users: np.ndarray


def simulate(uec: UEC, seed: int, config: CityConfig) -> CityWeek:
    """Simulate one week per 50 m grid and hour.

    It is zero where nobody is; doubling the population doubles the expected traffic.

    Parameters
    ----------
    uec
        The context of the region.
    seed
        The same seed gives the same week.
    config
        The city's parameters, of `config_of` for example.
    """
    rng = np.random.default_rng(seed)
    shape, side = uec.aoi.shape, uec.region.hierarchy.finest.side
    expected = on_foot(active_users(uec, config), uec, config) + travellers(uec, config)
    expected *= rare_events(shape, rng, config, side)
    expected *= np.exp(unobserved(shape, rng, config.attraction_sd, config, side))
    demand = demand_per_user(uec, config)
    demand *= np.exp(unobserved(shape, rng, config.appetite_sd, config, side))
    demand *= np.exp(taste(shape, rng, config, side))
    demand *= np.exp(day_to_day(shape, rng, config, side)).repeat(HOURS_PER_DAY, 0)
    demand *= np.exp(hourly_noise(shape, rng, config, side))

    users = come_and_go(expected, rng, config)
    return CityWeek(usage(users, demand, rng, config), users)


def active_users(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) expected active users where the estimate has the people: at home those awake, elsewhere all."""
    awake = np.ones((len(AOI_INDEX), HOURS_PER_DAY), np.float32)
    for aoi, use in USE_OF_AOI.items():
        if use is HOME:
            awake[AOI_INDEX[aoi]] = AWAKE_AT_HOME
    users: np.ndarray = (
        uec.population * config.active_share * np.moveaxis(np.tile(awake, DAYS_PER_WEEK)[uec.aoi], -1, 0)
    )
    return users


def on_foot(users: np.ndarray, uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) the same users after some have gone out into the streets nearby; as many as before, none on water."""
    sigma = config.out_range / uec.region.hierarchy.finest.side
    walkable = 0.02 + sum(uec.structure[STRUCTURE.index(street)] for street in WALK_ON)
    walkable = np.where(uec.aoi == AOI_INDEX["water"], 0, walkable).astype(np.float32)
    around = gaussian_filter(walkable, sigma, truncate=3)
    go_out = config.out_share * users * (around > 1e-4)  # nowhere to go far out on the sea
    per_place = np.divide(go_out, around, where=around > 1e-4, out=np.zeros_like(users))
    after: np.ndarray = users - go_out + walkable * gaussian_filter(per_place, (0, sigma, sigma), truncate=3)
    return after


def travellers(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) expected active users in motion on roads and rails."""
    road = sum(weight * uec.structure[STRUCTURE.index(name)] for name, weight in TRAVEL_ON.items())
    # Where nobody lives or works for miles, roads are empty too: traffic on them follows the people around.
    nearby = gaussian_filter(uec.population.mean(0), 1000 / uec.region.hierarchy.finest.side)
    busy = nearby / (nearby + 0.3)  # people per 50 m grid at which a road carries half its full flow
    week = np.concatenate([_by_hour(TRAVELLERS)] * WORKDAYS + [_by_hour(TRAVELLERS_AT_WEEKENDS)] * 2)
    flow = config.travellers * config.active_share * week
    users: np.ndarray = flow[:, None, None].astype(np.float32) * (road * busy)
    return users


def rare_events(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) factor on users: now and then a crowd of 200-400 m gathers for three hours. Usually 1 everywhere."""
    factor = np.ones((HOURS_PER_WEEK, *shape), np.float32)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    for _ in range(rng.poisson(config.event_rate * shape[0] * shape[1] * side**2 / 1e6)):
        row, col = rng.integers(shape[0]), rng.integers(shape[1])
        start = HOURS_PER_DAY * rng.integers(DAYS_PER_WEEK) + rng.integers(10, 20)
        radius = rng.uniform(200, 400) / side
        crowd = rng.uniform(2, 6) * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * (radius / 2) ** 2))
        factor[start : start + 3] += crowd.astype(np.float32)
    return factor


def unobserved(
    shape: tuple[int, int], rng: np.random.Generator, sd: float, config: CityConfig, side: float
) -> np.ndarray:
    """(H, W) log of what no map shows, correlated over `unobserved_range`. Its exponential has mean 1."""
    fields = [_field(shape, rng, metres / side) for metres in config.unobserved_range]
    log: np.ndarray = sd * sum(fields) / np.sqrt(len(fields)) - sd**2 / 2
    return log


def come_and_go(expected: np.ndarray, rng: np.random.Generator, config: CityConfig) -> np.ndarray:
    """(168, H, W) whole users: Poisson in every hour, of whom `stays` are the same in the next (INAR(1), Alzaid 1990).

    Small places are thereby noisier than large ones, and an hour with many users is followed by another.
    """
    users = np.empty_like(expected)
    users[0] = rng.poisson(expected[0])
    for t in range(1, len(expected)):
        kept = config.stays * np.minimum(expected[t - 1], expected[t])  # so that the number stays Poisson
        chance = np.divide(kept, expected[t - 1], where=expected[t - 1] > 0, out=np.zeros_like(kept))
        users[t] = rng.binomial(users[t - 1].astype(np.int64), chance) + rng.poisson(expected[t] - kept)
    return users


def demand_per_user(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) expected bytes of an active user in an hour, by the use of the place, the service and the hour.

    Weekends are halfway between a workday's services and those of a home.
    """
    share = np.array([part for part, _ in SERVICES.values()])
    when = np.stack([_by_hour(curve) for _, curve in SERVICES.values()]) * config.rhythm  # (services, 24)
    at_home = share * HOME.services @ when
    curves = np.zeros((len(AOI_INDEX), HOURS_PER_WEEK), np.float32)
    wifi = np.zeros(len(AOI_INDEX), np.float32)
    for aoi, use in USE_OF_AOI.items():
        workday = share * use.services @ when
        saturday, sunday = (factor * (workday + at_home) / 2 for factor in use.weekend)
        curves[AOI_INDEX[aoi]] = np.concatenate([workday] * WORKDAYS + [saturday, sunday])
        wifi[AOI_INDEX[aoi]] = use.wifi
    cellular = 1 - wifi[uec.aoi] * uec.structure[STRUCTURE.index("indoor_share")]
    demand: np.ndarray = np.float32(1e6 * config.megabytes) * cellular * np.moveaxis(curves[uec.aoi], -1, 0)
    return demand


def taste(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) log factor: every place leans to the morning or the evening, so cells peak at different hours."""
    hour = np.arange(HOURS_PER_WEEK) * (2 * np.pi / HOURS_PER_DAY)
    waves = np.stack([np.cos(hour), np.sin(hour), 0.6 * np.cos(2 * hour), 0.6 * np.sin(2 * hour)]).astype(np.float32)
    lean = np.stack([0.7 * config.taste_sd * _field(shape, rng, config.taste_range / side) for _ in waves])
    log: np.ndarray = np.einsum("wt,whx->thx", waves, lean)
    return log


def day_to_day(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(7, H, W) log factor per day: a little variation of the whole city plus each neighbourhood's own."""
    city = rng.standard_normal((DAYS_PER_WEEK, 1, 1)).astype(np.float32)
    own = np.stack([_field(shape, rng, config.noise_range / side) for _ in range(DAYS_PER_WEEK)])
    log: np.ndarray = config.daily_sd * (0.2 * city + own)
    return log


def hourly_noise(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) log factor per hour: first-order autoregressive in time, correlated over `noise_range` in space."""
    shocks = np.stack([_field(shape, rng, config.noise_range / side) for _ in range(HOURS_PER_WEEK)])
    shocks *= config.hourly_sd * np.sqrt(1 - config.hourly_memory**2)
    shocks[0] /= np.sqrt(1 - config.hourly_memory**2)  # start in the stationary state
    return lfilter([1.0], [1.0, -config.hourly_memory], shocks, axis=0).astype(np.float32)


def usage(users: np.ndarray, demand: np.ndarray, rng: np.random.Generator, config: CityConfig) -> np.ndarray:
    """Bytes of `users` whose hours are gamma distributed around `demand`: most little, a few a lot."""
    shape = np.float32(config.usage_shape)
    used: np.ndarray = rng.standard_gamma(shape * users, dtype=np.float32) * demand / shape
    return used


def _by_hour(values: tuple[float, ...]) -> np.ndarray:
    """(24,) values at HOURS interpolated to every hour of the day, midnight to midnight."""
    return np.interp(np.arange(HOURS_PER_DAY), HOURS, values, period=HOURS_PER_DAY)


def _field(shape: tuple[int, int], rng: np.random.Generator, sigma: float) -> np.ndarray:
    """(H, W) standard normal field, smoothed by a Gaussian of `sigma` cells and brought back to unit variance."""
    white = rng.standard_normal(shape, np.float32)
    if not sigma:
        return white
    # Sum of squared weights of the 2-D Gaussian kernel is 1 / (4 pi sigma^2); small sigmas need the exact sum.
    offsets = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    norm = ((kernel / kernel.sum()) ** 2).sum()
    return gaussian_filter(white, sigma, mode="wrap") / np.float32(norm)
