"""Denoising Refinement Diffusion Model (paper Sec. IV-B): the HNaP loss and the RRDP sampler.

Symbols as in docs/concepts.md: x_k volumes of level k, y_k their code, H_k the prior (the coarser level refined), r the
state that is diffused (by default the residual (y_k - H_k) / s_k), abar the cumulative signal share, m the local step
of a stage, n that of the whole chain.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.samplers import DETERMINISTIC, ddim, spread_kept, step_of
from zoomdiff.diffusion.schedule import few_steps
from zoomdiff.diffusion.target import Target
from zoomdiff.diffusion.tiles import Tile, tiles
from zoomdiff.diffusion.variants import target_of
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, repeat
from zoomdiff.sampling import Plan

CONDITION_DROP = 0.1  # share of training samples without UEC, for classifier-free guidance
PRIOR_NOISE_MAX = 0.5  # strongest noise put on H_k in training, in units of y's standard deviation
Noise = Callable[[int, int, tuple[int, int, int], int], Tensor]  # (stage, step, (T, H, W), cells of a block) -> field


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
        """The levels that it makes."""
        return self.prior.hierarchy

    @property
    def design(self) -> Design:
        """The network's."""
        return self.network.design

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def stage_steps(self) -> list[int]:
        """M of every stage."""
        return [self.design.stage_steps(k) for k in range(len(self.hierarchy))]

    @cached_property
    def target(self) -> Target:
        """What is diffused and predicted: the design's names, resolved once."""
        return target_of(self.design, self.prior, self.network.fusion)

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
                strength, noisy = (1 - abar).expand(len(here)), r.new_full((len(here),), prior_noise)
                predicted = self.network(here, strength, context, k, noisy).float()
                if free is not None:
                    unconditioned = self.network(here, strength, free, k, noisy).float()
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

    H_k is perturbed by noise of random strength, which is an input of the network, since sampling feeds it generated
    traffic.

    Parameters
    ----------
    x_k
        (B, T, H, W) true volumes at the level that the stage diffuses.
    coarser
        x_{k-1} of level k - 1; None at k = 0.
    conditions
        At the level of x_k.
    generator
        Draws all that is random.
    condition_drop, noise_power
        See `TrainConfig`.
    """
    prior, target = model.prior, model.target

    def normal(shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=generator, device=x_k.device)

    def uniform() -> Tensor:
        return torch.rand(x_k.shape[0], generator=generator, device=x_k.device)

    def each(x: Tensor) -> Tensor:
        return x[:, None, None, None]

    known = target.known(coarser)
    if known is None:
        prior_k, prior_noise = torch.zeros_like(x_k), torch.zeros_like(uniform())
    else:
        prior_noise = PRIOR_NOISE_MAX * uniform() ** 2  # mostly small
        blotches = repeat(normal(known.shape), *prior.finer(k))
        prior_k = prior.from_coarser(known, k) + each(prior_noise) * blotches
    r0 = target.state(prior.encode(x_k, k), prior_k, k)
    weakest, strongest = (float(1 - model.design.abar(k)[m]) for m in (0, -1))
    strength = strongest - (strongest - weakest) * uniform() ** noise_power  # the stage's, as a continuous step
    abar, eps = each(1 - strength), normal(r0.shape)
    r = abar.sqrt() * r0 + (1 - abar).sqrt() * eps  # Eq. 10
    keep = (uniform() > condition_drop).float()
    covariance = prior.covariance(prior_k, k)
    seen = target.seen(r, abar, covariance)
    output = model.network(seen, strength, model.network.context(prior_k, conditions, k, keep), k, prior_noise)
    squares = target.error(output.float(), r, r0, eps, abar, prior_k, covariance).square()
    if known is None:
        return squares.mean()
    weight = target.weight(known, k)
    return (weight * squares).sum() / weight.sum().clamp(min=1)


@dataclass(frozen=True)
class Hooks:
    """What is called while the stages are walked.

    Attributes
    ----------
    on_step
        With (k, step, steps) after every step.
    watch, on_state
        Steps n at which the state is wanted, too, whatever the strides: `on_state(n, volumes)`, with the noise that is
        still in it, at the level that the stage diffuses.
    """

    on_step: Callable[[int, int, int], None] | None = None
    watch: Collection[int] = ()
    on_state: Callable[[int, Tensor], None] | None = None


@torch.inference_mode()
def rrdp(
    model: DRDM,
    conditions: Conditions,
    noise: Noise,
    plan: Plan,
    *,
    given: tuple[int, Tensor] | None = None,
    hooks: Hooks = Hooks(),
) -> Iterator[tuple[int, Tensor]]:
    """Resolution Refinement Denoising Process: yields (k, x_k) as soon as node N_k is reached.

    Parameters
    ----------
    conditions
        At the finest level, a batch of one.
    noise
        Draws (S, T, H, W) standard normal fields; S samples are made at once.
    plan
        How to walk the stages; OptionError where it does not fit them.
    given
        (k, x_k (S, T_k, H_k, W_k)): start from known traffic of level k, at stage k + 1, without generating it.

    Yields
    ------
    tuple
        k and x_k, (S, T_k, H_k, W_k) in bytes.
    """
    plan.check(model.stage_steps)
    first, x_k = (0, None) if given is None else (given[0] + 1, given[1])
    y = None
    for k in range(first, len(model.hierarchy)):
        at_k = conditions.at_level(model.prior.diffused, k)
        y, x_k = run_stage(model, k, x_k, at_k, noise, plan, y=y, hooks=hooks)
        if k == 0:
            x_k = x_k * beside(lively(conditions, model.hierarchy.block))
        yield k, x_k


@torch.inference_mode()
def run_stage(
    model: DRDM,
    k: int,
    coarser: Tensor | None,
    conditions: Conditions,
    noise: Noise,
    plan: Plan,
    *,
    y: Tensor | None = None,
    hooks: Hooks = Hooks(),
) -> tuple[Tensor, Tensor]:
    """One stage of RRDP: level k from the level before. What is not listed is as in `rrdp`.

    Parameters
    ----------
    coarser
        (S, T, H, W) bytes of level k - 1; None at k = 0.
    conditions
        At the level that the stage diffuses, a batch of one.
    y
        Code of the level before, which some variants start from.

    Returns
    -------
    tuple
        The code y_k and the volumes x_k, both (S, T_k, H_k, W_k).
    """
    design, prior, target = model.design, model.prior, model.target
    space, node = prior.diffused.space_factor(k), design.nodes[k + 1]
    shape = (HOURS_PER_WEEK // prior.diffused[k].hours, *conditions.structure.shape[-2:])

    def draw(left: int) -> Tensor:
        return noise(k, left, shape, model.hierarchy.block // space)

    walk = few_steps(design.stage_steps(k), plan.budget[k], plan.power_of(k))
    abar = design.abar(k, torch.tensor(walk)).to(conditions.structure.device)

    r = draw(design.stage_steps(k))
    if plan.spread and plan.sampler in DETERMINISTIC:
        r = r / spread_kept(plan.sampler, abar, plan.spread)
    known = target.known(coarser)
    prior_k = torch.zeros_like(r) if known is None else prior.from_coarser(known, k).expand(len(r), -1, -1, -1)
    r = target.start(r, y, prior_k, k)
    denoise = model.denoiser(
        prior_k,
        conditions,
        k,
        guidance=plan.guidance,
        prior_noise=0.0 if known is None else plan.prior_noise,
        tile=plan.tile,
    )
    step = step_of(plan.sampler, plan.spread, prior.covariance(prior_k, k))
    for number, (m, m_next) in enumerate(pairwise(walk), start=1):
        here, there = abar[number - 1], abar[number]
        r0 = denoise(r, here)
        for n in hooks.watch:
            if hooks.on_state and m_next <= n - node < m:
                abar_n = design.abar(k, torch.tensor(n - node)).to(abar.device)
                state = ddim()(r, r0, here, abar_n, partial(torch.zeros_like, r))
                hooks.on_state(n, prior.decode(target.restore(state, prior_k, k), k))
        r = step(r, r0, here, there, partial(draw, plan.budget[k] - number))  # Eq. 13
        if hooks.on_step:
            hooks.on_step(k, number, plan.budget[k])
    y = target.restore(r, prior_k, k)
    return y, target.volumes(y, coarser, k)


def lively(conditions: Conditions, block: int) -> Tensor:
    """(1, 1, H_0, W_0): more than 0 in blocks with people, buildings or ways; conditions at the finest level."""
    something = conditions.population.amax(1, keepdim=True) + conditions.structure.amax(1, keepdim=True)
    return max_pool2d(something, block)


def beside(something: Tensor) -> Tensor:
    """(1, 1, H_0, W_0) bool: blocks with something in them or beside them.

    Elsewhere nothing can be; but of very many draws of an empty sea, one is not empty.
    """
    return max_pool2d(something, 3, stride=1, padding=1) > 0
