"""One reverse step from noise level `abar` to the smaller one of `abar_next`, given the clean estimate r0.

A sampler is made anew for every stage and called as step(r, r0, abar, abar_next, noise) -> r_next, where `noise()`
draws a standard normal field like r. At abar_next = 1, the node, every one returns r0 itself: nodes are free of noise.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor

from zoomdiff.diffusion.rhythm import Covariance

Step = Callable[[Tensor, Tensor, Tensor, Tensor, Callable[[], Tensor]], Tensor]


def ancestral(spread: float = 0.0, covariance: Covariance | None = None) -> Step:
    """The DDPM posterior in x0 form (Eq. 5 with its misprints mended, docs/method.md section 4). Finite at abar = 0.

    The posterior is that of a known r0; r0 is an estimate, though, and what it leaves open adds to the variance. In
    many strides that is next to nothing, in few it is what keeps them from shrinking. `spread` is the variance of the
    Gaussian for which it is exact (Analytic-DPM, Bao et al. 2022, eq. 7), 0 leaves it out; with a covariance it is the
    share of its variance.
    """

    def step(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        a = abar / abar_next
        of_r0 = abar_next.sqrt() * (1 - a) / (1 - abar)
        mean = of_r0 * r0 + a.sqrt() * (1 - abar_next) / (1 - abar) * r
        if abar_next == 1:  # nodes are free of noise
            return mean
        known = (1 - a) * (1 - abar_next) / (1 - abar)
        if covariance is not None:
            return mean + covariance.filter(noise(), (known + of_r0**2 * covariance.left_open(abar, spread)).sqrt())
        left_open = spread * (1 - abar) / (abar * spread + 1 - abar)  # variance of r0 given r
        variance = known + of_r0**2 * left_open
        return mean + variance.sqrt() * noise()

    return step


def ddim() -> Step:
    """DDIM with sigma = 0 (Song et al. 2021): the implied noise is kept, `noise` is not used, so few steps suffice."""

    def step(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return _towards(r, r0, abar, abar_next)

    return step


def dpm_solver() -> Step:
    """DPM-Solver++(2M) (Lu et al. 2022, Alg. 2), in the clean estimates of this step and the one before.

    First order, which is DDIM, where the log-SNR is infinite: out of pure noise, just after, and into a clean node.
    """
    before: tuple[Tensor, Tensor] | None = None  # (r0, log-SNR) of the step before

    def step(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        nonlocal before
        here, there = _log_snr(abar), _log_snr(abar_next)
        estimate = r0
        if before is not None and torch.isfinite(torch.stack([before[1], here, there])).all():
            ratio = (here - before[1]) / (there - here)
            estimate = r0 + (r0 - before[0]) / (2 * ratio)
        before = r0, here
        return _towards(r, estimate, abar, abar_next)

    return step


DETERMINISTIC = {"ddim": ddim, "dpm": dpm_solver}
SAMPLERS = {"ancestral": ancestral} | DETERMINISTIC


def step_of(sampler: str, spread: float = 0.0, covariance: Covariance | None = None) -> Step:
    """A new step of a sampler by its name; `spread` and `covariance` are for the ancestral one."""
    return DETERMINISTIC[sampler]() if sampler in DETERMINISTIC else ancestral(spread, covariance)


def spread_kept(sampler: str, abars: Iterable[Tensor], variance: float) -> float:
    """Share of a Gaussian's spread that is left after strides over the noise levels `abars`, pure noise first.

    Few strides of a deterministic sampler shrink it, on Gaussian data by just this factor, whatever is drawn: the
    posterior mean is a multiple of the state, so is each next state.
    """
    r, step = torch.ones((), dtype=torch.float64), DETERMINISTIC[sampler]()
    for abar, abar_next in pairwise(a.double() for a in abars):
        posterior_mean = abar.sqrt() * variance / (abar * variance + 1 - abar) * r
        r = step(r, posterior_mean, abar, abar_next, lambda: torch.zeros(()))
    kept: float = float(r) / variance**0.5
    return kept


def _towards(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor) -> Tensor:
    implied = (r - abar.sqrt() * r0) / (1 - abar).sqrt()
    return abar_next.sqrt() * r0 + (1 - abar_next).sqrt() * implied


def _log_snr(abar: Tensor) -> Tensor:
    return 0.5 * (abar.log() - (1 - abar).log())
