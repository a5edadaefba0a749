"""Stages, noise schedules and strides (paper Sec. IV-B2, IV-C, IV-D; docs/method.md section 2).

Stage k of K owns the diffusion steps n in [N_k, N_{k-1}); m = n - N_k is its local step, M its length. `abar` is the
share of the signal that is left in a state.
"""

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

Size = TypeVar("Size", int, float)  # of a level: metres or hours
TOTAL_STEPS = 600  # N of the paper's S4T4

# The paper's settings: sides of the spatial levels in metres, hours of the temporal ones; S4T1 is its Table V, all 1 h.
SETTINGS = {
    "S4T4": ((400, 200, 100, 50), (24, 4, 2, 1)),
    "S4T3": ((400, 200, 100, 50), (4, 2, 1)),
    "S3T4": ((200, 100, 50), (24, 4, 2, 1)),
    "S3T2": ((400, 200, 100), (2, 1)),
    "S4T1": ((400, 200, 100, 50), (1,)),
}
PREFERENCES = ("uniform", "coarse", "fine")  # see `rgp`


@dataclass(frozen=True)
class Stage:
    """The diffusion steps n in [node, start) make traffic of `hours` in squares of `side` metres, ready at n = node."""

    side: float
    hours: int
    start: int
    node: int


def rgp(preference: str, sides: tuple[float, ...], hours: tuple[int, ...], total: int = TOTAL_STEPS) -> list[Stage]:
    """Resolution Greediness Preference: the stages that N steps are cut into (Sec. IV-D, Fig. 9, Table IV).

    * uniform: space and time each share the steps evenly among their levels; a stage ends where either changes;
    * coarse: as many equal stages as the longer of the two has levels; the shorter repeats its coarsest level;
    * fine: the same, but the shorter repeats its finest level.

    Raises ValueError for another preference.
    """
    if preference == "uniform":
        ends = {*_even(len(sides), total), *_even(len(hours), total)}
        nodes = sorted(ends, reverse=True)
        pairs = [(_at(sides, node, total), _at(hours, node, total)) for node in nodes]
    elif preference in ("coarse", "fine"):
        stages = max(len(sides), len(hours))
        nodes = _even(stages, total)
        pairs = list(zip(_stretch(sides, stages, preference), _stretch(hours, stages, preference), strict=True))
    else:
        raise ValueError(f"there is no preference {preference!r}: uniform, coarse or fine")
    starts = [total, *nodes[:-1]]
    return [Stage(*pair, start, node) for pair, start, node in zip(pairs, starts, nodes, strict=True)]


def signal_share(noise: str, m: Tensor, start: int, node: int, total: int = TOTAL_STEPS) -> Tensor:
    """The signal share abar at local steps m of a stage, whole or not.

    The schedules of the paper are noise strengths, 1 - abar:

    * SN (Eq. 15), 1 - m / M: clean at the stage's node, pure noise at its start;
    * CN (Eq. 14), 1 - n / N: clean only at n = 0.
    """
    return 1 - m / (start - node) if noise == "SN" else 1 - (node + m) / total


def few_steps(stage_steps: int, budget: int, power: float = 1.0) -> list[float]:
    """`budget` strides from m = M down to m = 0: budget + 1 local steps, whole or not, first M, last 0.

    power  1 makes even strides; larger ones make them shorter towards the node, where a stride's end is cleaner than
           its estimate and what is weaker than the last stride's noise would be lost
    """
    if not 1 <= budget <= stage_steps:
        raise ValueError(f"a stage of {stage_steps} steps cannot be walked in {budget} strides")
    return [round(stage_steps * ((budget - i) / budget) ** power, 9) for i in range(budget + 1)]


def _even(parts: int, total: int) -> list[int]:
    """Nodes of equal stages: [450, 300, 150, 0]."""
    return [round(total * (parts - i) / parts) for i in range(1, parts + 1)]


def _at(levels: tuple[Size, ...], node: int, total: int) -> Size:
    """The level of a dimension that shares the steps evenly, in the stage that ends at `node`."""
    return levels[next(i for i, end in enumerate(_even(len(levels), total)) if end <= node)]


def _stretch(levels: tuple[Size, ...], stages: int, preference: str) -> tuple[Size, ...]:
    missing = stages - len(levels)
    return (levels[0],) * missing + levels if preference == "coarse" else levels + (levels[-1],) * missing
