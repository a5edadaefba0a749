"""The reference city: simulated ground truth on a real or procedural map, one week of bytes per 50 m grid and hour.

No open data set has traffic at 50 m, so the shipped model learns from this simulator. It tells a short generative
story; each factor is one function:

    people present -> active users (+ commuters on roads) -> demand per user -> unobserved spatial effect
    -> day-to-day variation -> hourly noise -> bursty sessions (-> rare events)

All numbers live in `CityConfig`. They are set by hand to land near the open measurements listed in its docstring.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from zoomdiff.context.classes import AOI_INDEX
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK

DAYS = 7
SATURDAY = 5

# Relative demand of an active user through a workday, at these hours, by what the place is used for. Between the hours
# it is interpolated. Evening video at home, midday breaks at work, shopping and eating out, commuting at 8 h and 18 h.
HOURS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21, 22, 23)
DEMAND = {
    "home": (0.95, 0.75, 0.70, 0.75, 0.85, 0.80, 1.10, 0.85, 0.85, 1.00, 1.25, 1.35, 1.35, 1.15),
    "work": (0.60, 0.55, 0.55, 0.70, 0.90, 0.95, 1.35, 0.95, 0.95, 1.05, 0.95, 0.90, 0.80, 0.70),
    "leisure": (0.75, 0.65, 0.60, 0.65, 0.80, 0.90, 1.25, 1.00, 1.00, 1.20, 1.25, 1.20, 1.05, 0.90),
    "travel": (0.60, 0.55, 0.60, 0.90, 1.35, 1.00, 1.10, 1.00, 1.10, 1.40, 1.15, 1.05, 0.90, 0.75),
}
USE = {
    "unknown": "home",
    "residential": "home",
    "mixed": "leisure",
    "commercial": "leisure",
    "green": "leisure",
    "water": "leisure",
    "farmland": "travel",
    "office": "work",
    "industrial": "work",
    "education": "work",
    "health": "home",
    "transport": "travel",
}
# Cellular bytes per active user relative to a home: Wi-Fi carries much of what homes and offices use.
APPETITE = {"home": 1.0, "work": 0.9, "leisure": 1.3, "travel": 1.7}
AWAKE = (0.48, 0.33, 0.28, 0.48, 0.86, 0.95, 1.00, 0.97, 1.00, 1.03, 1.00, 0.96, 0.88, 0.68)


@dataclass(frozen=True)
class CityConfig:
    """Parameters of the story. Figures in brackets: what open measurements show, from Nanjing, Nanchang, Beijing, Jinan
    and Milan grids (docs of issue "The reference city").

    megabytes          per active user and hour
    active_share       of the people present who use cellular data in an hour
    road_users         commuters in motion per 50 m of the main roads at the rush hour
    spatial_sd         ln-sd of the unobserved effect of a 50 m grid [children of a block: sd of ln share .56-1.03]
    spatial_range      its correlation length, metres [neighbours .3-.5, four cells away .1-.3]
    taste_sd           how far a place's hourly profile strays from its type's [correlation with the city .77-.95]
    daily_sd           ln-sd from day to day
    hourly_sd          ln-sd from hour to hour [.10-.23 around the own profile, less when aggregated]
    hourly_memory      its correlation from one hour to the next
    noise_range        correlation length of both, metres [residuals of neighbours .05-.10]
    weekend            demand on Saturday, Sunday relative to a workday [volume .93-1.00]
    session_megabytes  mean size of one session: smaller is smoother
    event_rate         rare events (match, fair) per km2 and week
    """

    megabytes: float = 30.0
    active_share: float = 0.35
    road_users: float = 6.0
    spatial_sd: float = 0.70
    spatial_range: float = 120.0
    taste_sd: float = 0.28
    daily_sd: float = 0.08
    hourly_sd: float = 0.18
    hourly_memory: float = 0.55
    noise_range: float = 150.0
    weekend: tuple[float, float] = (0.98, 0.93)
    session_megabytes: float = 4.0
    event_rate: float = 0.03


CHINA = CityConfig()


def simulate(uec: UEC, seed: int, config: CityConfig = CHINA) -> np.ndarray:
    """One week of traffic, (168, H, W) float32 bytes per 50 m grid and hour, Monday 00:00 first; the same for a seed.

    Zero where nobody is; doubling the population doubles the expected traffic.
    """
    rng = np.random.default_rng(seed)
    side = uec.region.hierarchy.finest.side
    users = active_users(uec, config) + road_users(uec, config)
    users *= rare_events(uec.aoi.shape, rng, config, side)
    demand = demand_per_user(uec, config) * taste(uec.aoi.shape, rng, config, side)
    demand *= np.exp(spatial_effect(uec.aoi.shape, rng, config, side))
    demand *= np.exp(day_to_day(uec.aoi.shape, rng, config, side)).repeat(HOURS_PER_DAY, 0)
    demand *= np.exp(hourly_noise(uec.aoi.shape, rng, config, side))
    return sessions(users, demand, rng, config)


def active_users(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) people present who use cellular data: population x the share that is awake (peak 17-18 h)."""
    return uec.population * (config.active_share * np.tile(_by_hour(AWAKE), DAYS)[:, None, None]).astype(np.float32)


def road_users(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) users in motion on roads and rails: two rush hours on workdays, a flat midday at weekends."""
    weight = {"motorway": 1.5, "primary": 1.0, "secondary": 0.5, "local": 0.08, "rail": 0.6}
    road = sum(w * uec.structure[STRUCTURE.index(name)] for name, w in weight.items())
    workday = _by_hour((0.10, 0.05, 0.05, 0.25, 1.00, 0.55, 0.55, 0.55, 0.70, 1.00, 0.55, 0.40, 0.30, 0.20))
    weekend = _by_hour((0.15, 0.08, 0.05, 0.10, 0.25, 0.50, 0.60, 0.60, 0.65, 0.65, 0.50, 0.40, 0.30, 0.20))
    week = np.concatenate([workday] * SATURDAY + [weekend] * 2)
    # Where nobody lives or works for miles, roads are empty too: traffic on them follows the people around.
    nearby = gaussian_filter(uec.population.mean(0), 1000 / uec.region.hierarchy.finest.side)
    busy = nearby / (nearby + 2.0)  # people per 50 m grid at which a road carries half its full flow
    return (config.road_users * config.active_share * week)[:, None, None].astype(np.float32) * (road * busy)


def demand_per_user(uec: UEC, config: CityConfig) -> np.ndarray:
    """(168, H, W) bytes per active user and hour by the use of the place and the hour; weekends are flatter."""
    curves = np.zeros((len(AOI_INDEX), HOURS_PER_WEEK), np.float32)
    for aoi, use in USE.items():
        workday = APPETITE[use] * _by_hour(DEMAND[use])
        free_day = 0.5 * workday + 0.5 * APPETITE[use] * _by_hour(DEMAND["home"])
        saturday, sunday = (factor * free_day for factor in config.weekend)
        curves[AOI_INDEX[aoi]] = np.concatenate([workday] * SATURDAY + [saturday, sunday])
    return 1e6 * config.megabytes * np.moveaxis(curves[uec.aoi], -1, 0)


def taste(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) factor near 1: every place leans to the morning or the evening, so cells peak at different hours."""
    hour = np.arange(HOURS_PER_WEEK) * (2 * np.pi / HOURS_PER_DAY)
    lean = [config.taste_sd * _field(shape, rng, config.noise_range / side) for _ in range(4)]
    waves = (np.cos(hour), np.sin(hour), 0.6 * np.cos(2 * hour), 0.6 * np.sin(2 * hour))
    log = sum(wave[:, None, None].astype(np.float32) * a for wave, a in zip(waves, lean, strict=True))
    return np.exp(0.7 * log)


def spatial_effect(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(H, W) log effect of what no map shows; half its variance is correlated over `spatial_range`. Mean factor 1."""
    near, far = _field(shape, rng, 0), _field(shape, rng, config.spatial_range / side)
    return config.spatial_sd * np.sqrt(0.5) * (near + far) - config.spatial_sd**2 / 2


def day_to_day(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(7, H, W) log factor per day: the city's weather plus each neighbourhood's own."""
    city = rng.standard_normal((DAYS, 1, 1)).astype(np.float32)
    own = np.stack([_field(shape, rng, config.noise_range / side) for _ in range(DAYS)])
    return config.daily_sd * (0.4 * city + 0.9 * own)


def hourly_noise(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) log factor per hour: first-order autoregressive in time, correlated over `noise_range` in space."""
    shocks = np.stack([_field(shape, rng, config.noise_range / side) for _ in range(HOURS_PER_WEEK)])
    shocks *= config.hourly_sd * np.sqrt(1 - config.hourly_memory**2)
    shocks[0] /= np.sqrt(1 - config.hourly_memory**2)  # start in the stationary state
    return lfilter([1.0], [1.0, -config.hourly_memory], shocks, axis=0).astype(np.float32)


def rare_events(shape: tuple[int, int], rng: np.random.Generator, config: CityConfig, side: float) -> np.ndarray:
    """(168, H, W) factor on users: now and then a crowd of 200-400 m gathers for three hours. Usually 1 everywhere."""
    factor = np.ones((HOURS_PER_WEEK, *shape), np.float32)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    for _ in range(rng.poisson(config.event_rate * shape[0] * shape[1] * side**2 / 1e6)):
        row, col = rng.integers(shape[0]), rng.integers(shape[1])
        start = HOURS_PER_DAY * rng.integers(DAYS) + rng.integers(10, 20)
        radius = rng.uniform(200, 400) / side
        crowd = rng.uniform(2, 6) * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * (radius / 2) ** 2))
        factor[start : start + 3] += crowd.astype(np.float32)
    return factor


def sessions(users: np.ndarray, demand: np.ndarray, rng: np.random.Generator, config: CityConfig) -> np.ndarray:
    """Bytes: a Poisson number of sessions per grid and hour, each of exponential size. Mean users x demand."""
    size = 1e6 * config.session_megabytes
    number = rng.poisson(users * demand / size)
    return rng.standard_gamma(number, dtype=np.float64).astype(np.float32) * np.float32(size)


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
