"""Denoising Refinement Diffusion Model (paper Sec. IV-B): the HNaP loss and the RRDP sampler.

Symbols as in docs/concepts.md: x_k volumes of level k, y_k their code, H_k the prior (the coarser level refined), r the
residual (y_k - H_k) / s_k that is diffused, abar the cumulative signal share, m the local step of a stage.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.samplers import Sampler
from zoomdiff.diffusion.schedule import few_steps, segmented_noise
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, aggregate, repeat

CONDITION_DROP = 0.1  # share of training samples without UEC, for classifier-free guidance
PRIOR_NOISE_MAX = 0.5  # strongest noise put on H_k in training, in units of y's standard deviation


@dataclass(frozen=True)
class DRDM:
    """A trained model: the network and the prior it was trained with. Samplers only see `denoiser`."""

    network: DayTokenNetwork
    prior: ResidualPrior

    @property
    def hierarchy(self) -> Hierarchy:
        return self.prior.hierarchy

    def denoiser(
        self, prior_k: Tensor, conditions: Conditions, k: int, *, guidance: float = 1.0, prior_noise: float = 0.0
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """(r, abar) -> r0_hat at level k; the context is computed once.

        guidance w: v = v_free + w (v_conditioned - v_free); 1 costs no second pass.
        """
        batch = prior_k.shape[0]
        level_noise = prior_k.new_full((batch,), prior_noise)
        context = self.network.context(prior_k, conditions, k)
        free = self.network.context(prior_k, conditions, k, prior_k.new_zeros(batch)) if guidance != 1 else None

        def denoise(r: Tensor, abar: Tensor) -> Tensor:
            strength = (1 - abar).expand(batch)
            v = self.network(r, strength, context, k, level_noise).float()
            if free is not None:
                v_free = self.network(r, strength, free, k, level_noise).float()
                v = v_free + guidance * (v - v_free)
            r0 = abar.sqrt() * r - (1 - abar).sqrt() * v
            return self.prior.clamp(r0, prior_k, k)

        return denoise


def hnap_loss(
    network: DayTokenNetwork,
    prior: ResidualPrior,
    x_k: Tensor,
    coarser: Tensor | None,
    conditions: Conditions,
    k: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The training loss of stage k (Eq. 12 in the residual reading): || v_theta - v ||^2 at a random step.

    x_k (B, T_k, H_k, W_k) and coarser = x_{k-1} are true volumes (coarser is None at k = 0), conditions at level k.
    H_k is perturbed by noise of random strength, which the network is told, since sampling feeds it generated traffic.
    """

    def normal(shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=generator, device=x_k.device)

    def uniform() -> Tensor:
        return torch.rand(x_k.shape[0], generator=generator, device=x_k.device)

    def each(x: Tensor) -> Tensor:
        return x[:, None, None, None]

    if coarser is None:
        prior_k, prior_noise = torch.zeros_like(x_k), torch.zeros_like(uniform())
    else:
        prior_noise = PRIOR_NOISE_MAX * uniform() ** 2  # mostly small
        blotches = repeat(normal(coarser.shape), *prior.hierarchy.between(k - 1, k))
        prior_k = prior.from_coarser(coarser, k) + each(prior_noise) * blotches
    r0 = prior.residual(prior.encode(x_k, k), prior_k, k)
    strength = 1 - uniform()  # (0, 1]: SN's m / M, as a continuous step
    signal, eps = each((1 - strength).sqrt()), normal(r0.shape)
    r = signal * r0 + each(strength.sqrt()) * eps
    v = signal * eps - each(strength.sqrt()) * r0
    keep = (uniform() > CONDITION_DROP).float()
    predicted = network(r, strength, network.context(prior_k, conditions, k, keep), k, prior_noise)
    return (predicted.float() - v).square().mean()


@torch.inference_mode()
def rrdp(
    model: DRDM,
    conditions: Conditions,
    noise: WorldNoise,
    *,
    budget: tuple[int, ...],
    stage_steps: int,
    sampler: Sampler,
    guidance: float = 1.0,
    prior_noise: float = 0.0,
    on_step: Callable[[int, int, int], None] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Resolution Refinement Denoising Process: yields (k, x_k) as soon as node N_k is reached.

    conditions are at the finest level, a batch of one; budget is each stage's number of steps out of `stage_steps`;
    x_k is (1, T_k, H_k, W_k) in bytes. `on_step(k, step, steps)` is called after every step. Sampling is done by [SN,
    SA, SD]: every stage starts from fresh noise, and takes what the stage before generated as its prior.
    """
    hierarchy = model.hierarchy
    abar = segmented_noise(stage_steps).to(conditions.structure.device)
    h, w = conditions.structure.shape[-2:]
    x_k = None
    for k in range(len(hierarchy)):
        space = hierarchy.space_factor(k)
        shape = (HOURS_PER_WEEK // hierarchy[k].hours, h // space, w // space)

        def draw(m: int, k: int = k, shape: tuple = shape, space: int = space) -> Tensor:
            return noise(k, m, shape, hierarchy.block // space)

        r = draw(stage_steps)
        prior_k = torch.zeros_like(r) if x_k is None else model.prior.from_coarser(x_k, k)
        denoise = model.denoiser(
            prior_k, conditions.at_level(hierarchy, k), k, guidance=guidance, prior_noise=prior_noise if k else 0.0
        )
        for step, (m, m_next) in enumerate(pairwise(few_steps(stage_steps, budget[k])), start=1):
            r0 = denoise(r, abar[m])
            r = sampler(r, r0, abar[m], abar[m_next], lambda m=m_next: draw(m))
            if on_step:
                on_step(k, step, budget[k])
        x_k = model.prior.decode(model.prior.restore(r, prior_k, k), k)
        yield k, x_k


def gaps(volumes: list, hierarchy: Hierarchy) -> list[float]:
    """Relative difference of each level from the sum of the next finer one: what conservation removes."""
    return [
        float(abs(aggregate(fine, *hierarchy.between(k, k + 1)) - coarse).sum() / max(1.0, float(coarse.sum())))
        for k, (coarse, fine) in enumerate(pairwise(volumes))
    ]
