"""The paper's ten baselines (Sec. V-A3), one file each, and what they have in common.

Each learns one level at a time, as in the paper, from `Blocks`, and generates the code y for `Places`. What was made
smaller to fit two cores stands in the class's docstring and beside its row (`shrunk`).
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from torch import Tensor

from benchmarks.blocks import Blocks, Places, Shape
from benchmarks.training import Budget

LEARNING_RATES = ({"learning_rate": 3e-4}, {"learning_rate": 1e-3}, {"learning_rate": 3e-3})


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
        """(S, N, T, h, w) code y of S generated weeks for N blocks; a regression returns S = 1 whatever is asked."""
        ...

    @property
    def parameters(self) -> int:
        """Numbers that were learnt."""
        ...


def baselines() -> dict[str, type[Baseline]]:
    """Name -> class, in the order of the paper's Table I."""
    from benchmarks.baselines.csdi import CSDI
    from benchmarks.baselines.diffusion_ts import DiffusionTS
    from benchmarks.baselines.dit import DiT
    from benchmarks.baselines.fivegt_gan import FiveGTGAN
    from benchmarks.baselines.kegan import KeGAN
    from benchmarks.baselines.kstdiff import KSTDiff
    from benchmarks.baselines.netdiffus import NetDiffus
    from benchmarks.baselines.timegan import TimeGAN
    from benchmarks.baselines.transformer import Transformer
    from benchmarks.baselines.xgb import XGBoost

    return {
        "xgboost": XGBoost,
        "transformer": Transformer,
        "kstdiff": KSTDiff,
        "netdiffus": NetDiffus,
        "5gt-gan": FiveGTGAN,
        "kegan": KeGAN,
        "csdi": CSDI,
        "dit": DiT,
        "timegan": TimeGAN,
        "diffusion-ts": DiffusionTS,
    }
