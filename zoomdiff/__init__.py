"""ZoomDiff: a week of realistic mobile traffic for any region on a map, at four zoom levels."""

import os
from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; importing typing would double the time of this import
if TYPE_CHECKING:
    from zoomdiff.checkpoint import load_model
    from zoomdiff.context import UEC, MapLayers, build_uec, read_map
    from zoomdiff.errors import ZoomDiffError
    from zoomdiff.generation import ensemble, generate, refine
    from zoomdiff.large.run import Place, generate_large
    from zoomdiff.levels import S4T4
    from zoomdiff.measured.read import read_measurements
    from zoomdiff.measured.traffic import MeasuredTraffic
    from zoomdiff.region import Region
    from zoomdiff.sampling import Callbacks, Sampling
    from zoomdiff.week import TrafficWeek

# The same seed gives the same bytes on any number of threads: on some processors (AMD without AVX-512) MKL otherwise
# adds in another order on another number. Read by MKL when it first computes; a value that is already set is kept.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

__version__ = "0.2.0"
__all__ = [
    "S4T4",
    "UEC",
    "Callbacks",
    "MapLayers",
    "MeasuredTraffic",
    "Place",
    "Region",
    "Sampling",
    "TrafficWeek",
    "ZoomDiffError",
    "build_uec",
    "ensemble",
    "generate",
    "generate_large",
    "load_model",
    "read_map",
    "read_measurements",
    "refine",
]

# Imported when first used: torch and geopandas take seconds, `import zoomdiff` and `zoomdiff --help` must not.
_MODULES = {
    "zoomdiff.checkpoint": ("load_model",),
    "zoomdiff.context": ("UEC", "MapLayers", "build_uec", "read_map"),
    "zoomdiff.errors": ("ZoomDiffError",),
    "zoomdiff.generation": ("ensemble", "generate", "refine"),
    "zoomdiff.large.run": ("Place", "generate_large"),
    "zoomdiff.levels": ("S4T4",),
    "zoomdiff.measured.read": ("read_measurements",),
    "zoomdiff.measured.traffic": ("MeasuredTraffic",),
    "zoomdiff.region": ("Region",),
    "zoomdiff.sampling": ("Callbacks", "Sampling"),
    "zoomdiff.week": ("TrafficWeek",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            loaded = import_module(module)
            globals().update({each: getattr(loaded, each) for each in names})
            return globals()[name]
    raise AttributeError(f"module 'zoomdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
