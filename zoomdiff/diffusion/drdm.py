"""Denoising Refinement Diffusion Model (paper Sec. IV-B): the HNaP loss and the RRDP sampler.

Symbols as in docs/concepts.md: x_k volumes of level k, y_k their code, H_k the prior (the coarser level refined), r the
state that is diffused (by default the residual (y_k - H_k) / s_k), abar the cumulative signal share, m the local step
of a stage, n that of the whole chain.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.samplers import DETERMINISTIC, SAMPLERS, ancestral, ddim, spread_kept
from zoomdiff.diffusion.schedule import few_steps
from zoomdiff.diffusion.target import Target
from zoomdiff.diffusion.tiles import Tile, tiles
from zoomdiff.errors import OptionError
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, aggregate, repeat

CONDITION_DROP = 0.1  # share of training samples without UEC, for classifier-free guidance
PRIOR_NOISE_MAX = 0.5  # strongest noise put on H_k in training, in units of y's standard deviation
Noise = Callable[[int, int, tuple[int, int, int], int], Tensor]  # (stage, step, (T, H, W), cells of a block) -> field


@dataclass(frozen=True)
class Plan:
    """How to walk the stages.

    Parameters
    ----------
    budget
        Strides of each stage, coarse to fine.
    sampler
        One of SAMPLERS: "ancestral", "ddim", "dpm".
    power
        Of the strides of each stage, see `few_steps`; one number for all.
    spread
        Variance of a Gaussian whose spread the strides are to keep, though they are few: the ancestral sampler adds the
        noise that they leave out, for the others the starting noise is scaled up by what they lose.
    guidance
        w of classifier-free guidance: free + w (conditioned - free); 1 costs no second pass.
    prior_noise
        How noisy H_k is, for the network.
    tile
        Cells along the side of a tile, None for one piece; rounded down to whole blocks.

    Raises
    ------
    OptionError
        A value is unknown or out of its range, or `power` has another length than `budget`.
    """

    budget: tuple[int, ...]
    sampler: str = "ddim"
    power: float | tuple[float, ...] = 1.0
    spread: float = 0.0
    guidance: float = 1.0
    prior_noise: float = 0.0
    tile: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", tuple(self.budget))
        if isinstance(self.power, Iterable):  # a list, where it comes from a JSON file
            object.__setattr__(self, "power", tuple(self.power))
        if not all(isinstance(strides, int) and strides >= 1 for strides in self.budget):
            raise OptionError(f"The strides of a stage are whole numbers from 1, not {self.budget}.")
        if self.sampler not in SAMPLERS:
            raise OptionError(f"The sampler {self.sampler!r} is unknown: use one of {', '.join(SAMPLERS)}.")
        powers = self.power if isinstance(self.power, tuple) else (self.power,) * len(self.budget)
        if len(powers) != len(self.budget):
            raise OptionError(f"{len(powers)} powers do not fit {len(self.budget)} stages: give one number for each.")
        if not all(math.isfinite(power) and power > 0 for power in powers):
            raise OptionError(f"The powers of the strides must be above 0, not {self.power}.")
        if not all(math.isfinite(value) and value >= 0 for value in (self.spread, self.prior_noise)):
            raise OptionError(f"Spread and prior noise must be 0 or more, not {self.spread} and {self.prior_noise}.")
        if not math.isfinite(self.guidance):
            raise OptionError(f"The guidance must be a finite number, not {self.guidance}.")
        if self.tile is not None and self.tile < 1:
            raise OptionError(f"A tile has at least one cell along its side, not {self.tile}.")

    def check(self, design: Design) -> None:
        """Raise OptionError unless every stage of the design can be walked so."""
        stages = len(design.nodes) - 1
        if len(self.budget) != stages:
            raise OptionError(f"The plan has strides for {len(self.budget)} stages, and the model has {stages}.")
        for k, strides in enumerate(self.budget):
            if strides > design.stage_steps(k):
                raise OptionError(f"Stage {k + 1} has {design.stage_steps(k)} steps: it cannot take {strides} strides.")

    def walk(self, k: int, stage_steps: int) -> list[float]:
        """Local steps of stage k, from pure noise to the node."""
        return few_steps(stage_steps, self.budget[k], self.power[k] if isinstance(self.power, tuple) else self.power)


@dataclass(frozen=True)
class DRDM:
    """A trained model: the network and the prior it was trained with. Samplers only see `denoiser`.

    Parameters
    ----------
    network, prior
        Their levels and design are the same.
    sha256
        Of the file that the weights came from; None where they came from no file.
    trained_on
        What it learned from, to follow "a model trained on"; None where this is not recorded.
    """

    network: DayTokenNetwork
    prior: ResidualPrior
    sha256: str | None = None
    trained_on: str | None = None

    @property
    def hierarchy(self) -> Hierarchy:
        return self.prior.hierarchy

    @property
    def design(self) -> Design:
        return self.network.design

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def target(self) -> Target:
        return Target(self.design, self.prior, self.network.fusion)

    def denoiser(
        self,
        prior_k: Tensor,
        conditions: Conditions,
        k: int,
        *,
        guidance: float = 1.0,
        prior_noise: float = 0.0,
        tile: int | None = None,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """(r, abar) -> r0_hat of stage k. For guidance, prior_noise, tile see `Plan`.

        On the CPU, samples go through the network one by one, so that a sample's bytes do not depend on its company.
        """
        batch, (rows, cols) = prior_k.shape[0], prior_k.shape[-2:]
        block = self.network.cells[k]
        side = max(rows, cols) if tile is None else max(block, tile // block * block)
        pieces = list(tiles((rows, cols), side, self.network.reach, block))
        company = batch if prior_k.is_cuda else 1
        parts = [(slice(first, first + company), piece) for first in range(0, batch, company) for piece in pieces]

        def contexts(samples: slice, piece: Tile) -> tuple[Tensor, Tensor | None]:
            """With the UEC and, for guidance, without."""
            here = conditions.map(lambda x: x[..., *piece.outer])
            prior_here = prior_k[samples][..., *piece.outer]
            nobody = prior_k.new_zeros(len(prior_here))
            free = self.network.context(prior_here, here, k, nobody) if guidance != 1 else None
            return self.network.context(prior_here, here, k), free

        # The same in every step, but several pieces' would take more memory than the few per cent of time are worth.
        kept = [contexts(*part) for part in parts] if len(pieces) == 1 else None

        target, covariance = self.target, self.prior.covariance(prior_k, k)

        def denoise(r: Tensor, abar: Tensor) -> Tensor:
            seen, output = target.seen(r, abar, covariance), torch.empty_like(r)
            for number, (samples, piece) in enumerate(parts):
                context, free = kept[number] if kept else contexts(samples, piece)
                here = seen[samples][..., *piece.outer]
                strength, told = (1 - abar).expand(len(here)), r.new_full((len(here),), prior_noise)
                predicted = self.network(here, strength, context, k, told).float()
                if free is not None:
                    unconditioned = self.network(here, strength, free, k, told).float()
                    predicted = unconditioned + guidance * (predicted - unconditioned)
                output[samples][..., *piece.target] = predicted[..., *piece.inner]
            return target.clean(output, r, seen, abar, prior_k, k, covariance)

        return denoise


def hnap_loss(
    model: DRDM,
    x_k: Tensor,
    coarser: Tensor | None,
    conditions: Conditions,
    k: int,
    generator: torch.Generator | None = None,
    condition_drop: float = CONDITION_DROP,
    noise_power: float = 1.0,
) -> Tensor:
    """The training loss of stage k (Eq. 12; by default in the residual reading, || v_theta - v ||^2) at a random step.

    x_k (B, T, H, W) are true volumes at the level that the stage diffuses, coarser = x_{k-1} of level k-1 (None at
    k = 0), conditions at the level of x_k. H_k is perturbed by noise of random strength, which the network is told,
    since sampling feeds it generated traffic. For `condition_drop` and `noise_power` see `TrainConfig`.
    """
    prior, design = model.prior, model.design

    def normal(shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=generator, device=x_k.device)

    def uniform() -> Tensor:
        return torch.rand(x_k.shape[0], generator=generator, device=x_k.device)

    def each(x: Tensor) -> Tensor:
        return x[:, None, None, None]

    knows_coarser = coarser is not None and design.uses_prior
    if not knows_coarser:
        prior_k, prior_noise = torch.zeros_like(x_k), torch.zeros_like(uniform())
    else:
        prior_noise = PRIOR_NOISE_MAX * uniform() ** 2  # mostly small
        blotches = repeat(normal(coarser.shape), *prior.finer(k))
        prior_k = prior.from_coarser(coarser, k) + each(prior_noise) * blotches
    r0 = model.target.state(prior.encode(x_k, k), prior_k, k)
    weakest, strongest = (float(1 - design.abar(k)[m]) for m in (0, -1))
    strength = strongest - (strongest - weakest) * uniform() ** noise_power  # the stage's, as a continuous step
    abar, eps = each(1 - strength), normal(r0.shape)
    r = abar.sqrt() * r0 + (1 - abar).sqrt() * eps
    keep = (uniform() > condition_drop).float()
    covariance = prior.covariance(prior_k, k)
    seen = model.target.seen(r, abar, covariance)
    output = model.network(seen, strength, model.network.context(prior_k, conditions, k, keep), k, prior_noise)
    squares = model.target.error(output.float(), r, r0, eps, abar, prior_k, covariance).square()
    if not knows_coarser:
        return squares.mean()
    # Busy places count for more, and those that `rrdp` leaves empty not at all. What the network is told may weight
    # its loss without a bias: H_k may, x_k may not.
    weight = torch.sigmoid(prior.from_coarser(coarser, k))
    if design.noise == "SN":
        weight = weight * repeat(coarser > 0, *prior.finer(k))
    return (weight * squares).sum() / weight.sum().clamp(min=1)


@torch.inference_mode()
def rrdp(
    model: DRDM,
    conditions: Conditions,
    noise: Noise,
    plan: Plan,
    *,
    given: tuple[int, Tensor] | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    watch: Collection[int] = (),
    on_state: Callable[[int, Tensor], None] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Resolution Refinement Denoising Process: yields (k, x_k) as soon as node N_k is reached.

    conditions  at the finest level, a batch of one
    noise       draws (S, T, H, W) standard normal fields; S samples are made at once
    given       (k, x_k (S, T_k, H_k, W_k)): start from known traffic of level k, at stage k + 1, without generating it
    on_step     called with (k, step, steps) after every step
    watch       steps n at which the state is wanted, too, whatever the strides: `on_state(n, volumes)`, with the noise
                that is still in it, at the level that the stage diffuses

    x_k is (S, T_k, H_k, W_k) in bytes.
    """
    hierarchy, design, prior, target = model.hierarchy, model.design, model.prior, model.target
    plan.check(design)
    device = conditions.structure.device
    h, w = conditions.structure.shape[-2:]
    first, x_k = (0, None) if given is None else (given[0] + 1, given[1])
    y = None
    for k in range(first, len(hierarchy)):
        space = prior.diffused.space_factor(k)
        shape = (HOURS_PER_WEEK // prior.diffused[k].hours, h // space, w // space)

        def draw(left: int, k: int = k, shape: tuple = shape, space: int = space) -> Tensor:
            return noise(k, left, shape, hierarchy.block // space)

        steps, node = design.stage_steps(k), design.nodes[k + 1]
        walk = plan.walk(k, steps)
        abar = design.abar(k, torch.tensor(walk)).to(device)
        r = draw(steps)
        if plan.spread and plan.sampler in DETERMINISTIC:
            r = r / spread_kept(plan.sampler, abar, plan.spread)
        knows_coarser = x_k is not None and design.uses_prior
        prior_k = prior.from_coarser(x_k, k).expand(len(r), -1, -1, -1) if knows_coarser else torch.zeros_like(r)
        if design.continuous_denoising and y is not None:
            r = target.state(prior.recode(y, k), prior_k, k)
        denoise = model.denoiser(
            prior_k,
            conditions.at_level(prior.diffused, k),
            k,
            guidance=plan.guidance,
            prior_noise=plan.prior_noise if knows_coarser else 0.0,
            tile=plan.tile,
        )
        if plan.sampler in DETERMINISTIC:
            step = DETERMINISTIC[plan.sampler]()
        else:
            step = ancestral(plan.spread, prior.covariance(prior_k, k))
        for number, (m, m_next) in enumerate(pairwise(walk), start=1):
            here, there, left = abar[number - 1], abar[number], plan.budget[k] - number
            r0 = denoise(r, here)
            for n in watch:
                if m_next <= n - node < m:
                    state = ddim()(r, r0, here, design.abar(k, torch.tensor(n - node)).to(device), draw)
                    on_state(n, prior.decode(target.restore(state, prior_k, k), k))
            r = step(r, r0, here, there, lambda left=left: draw(left))
            if on_step:
                on_step(k, number, plan.budget[k])
        y, coarser = target.restore(r, prior_k, k), x_k
        x_k = prior.decode(y, k)
        if coarser is not None and design.noise == "SN":
            # What carries nothing at a clean node carries nothing at any finer level: no trickle on the sea.
            x_k = x_k * repeat(coarser > 0, *prior.finer(k))
        if design.continuous_adding:
            x_k = aggregate(x_k, hierarchy.space_factor(k), hierarchy.time_factor(k))
        if k == 0:
            x_k = x_k * _lively(conditions, hierarchy.space_factor(0))
        yield k, x_k


def _lively(conditions: Conditions, block: int) -> Tensor:
    """(1, 1, H_0, W_0) bool: blocks with people, buildings or ways in them or beside them.

    Elsewhere nothing can be; but of very many draws of an empty sea, one is not empty.
    """
    something = conditions.population.amax(1, keepdim=True) + conditions.structure.amax(1, keepdim=True)
    return max_pool2d(max_pool2d(something, block), 3, stride=1, padding=1) > 0
