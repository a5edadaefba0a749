"""The paper's ten baselines (Sec. V-A3), one file each, and what they have in common.

Each learns one level at a time, as in the paper, from `Blocks`, and generates the code y for `Places`. What was made
smaller to fit two cores is in the class's docstring and in its row of the tables (`shrunk`).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar, Protocol

from torch import Tensor

from benchmarks.paper.blocks import Blocks, Places, Shape
from benchmarks.paper.training import Budget

SMALL = {"learning_rate": 2e-3, "tokens": 2048}  # cells x steps of a batch: more steps in the same time
SETTINGS = ({"learning_rate": 1e-3}, {"learning_rate": 3e-3}, SMALL | {"channels": 32})  # of 64 channels
NARROW = (*SETTINGS[:2], SMALL)  # of networks that have no more than 32


class Baseline(Protocol):
    """One method at one level. Made as cls(shape, **setting), with one of the settings of `grid`.

    title   as in the paper's tables
    source  where the method comes from: paper, and code or library
    shrunk  what is smaller than its authors have it, or was re-derived; "nothing" if so
    draws   whether samples differ: a generative method; else a regression
    grid    the settings that are tried before, the same number for every method
    """

    title: ClassVar[str]
    source: ClassVar[str]
    shrunk: ClassVar[str]
    draws: ClassVar[bool]
    grid: ClassVar[tuple[Mapping[str, float], ...]]

    def __init__(self, shape: Shape, **setting) -> None: ...

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        """Learn until the budget is used up."""
        ...

    def sample(self, places: Places, samples: int, seed: int) -> Tensor:
        """(S, N, T, h, w) code y of S generated weeks for N blocks; a regression always returns S = 1."""
        ...

    @property
    def parameters(self) -> int:
        """Numbers that were learnt."""
        ...


# In the order of the paper's Table I: name -> module and class.
BASELINES = {
    "xgboost": ("xgb", "XGBoost"),
    "transformer": ("transformer", "Transformer"),
    "kstdiff": ("kstdiff", "KSTDiff"),
    "netdiffus": ("netdiffus", "NetDiffus"),
    "5gt-gan": ("fivegt_gan", "FiveGTGAN"),
    "kegan": ("kegan", "KeGAN"),
    "csdi": ("csdi", "CSDI"),
    "dit": ("dit", "DiT"),
    "timegan": ("timegan", "TimeGAN"),
    "diffusion-ts": ("diffusion_ts", "DiffusionTS"),
}


def baseline(name: str) -> type[Baseline]:
    """The class of a baseline. Raises KeyError for a name that is not in BASELINES."""
    module, kind = BASELINES[name]
    return getattr(import_module(f"{__name__}.{module}"), kind)
