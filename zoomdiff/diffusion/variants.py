"""The paper's other variants, by the names in a `Design`: what each does in another way than the model that ships.

A variant is a mixin for `Target`; `target_of` puts together those of a design, once. None is in the way of `rrdp` and
`hnap_loss`, which see a `Target` only. What each means is in docs/method.md, sections 2 and 3.
"""

from collections.abc import Callable

from torch import Tensor

from zoomdiff.diffusion.design import BLEND, Design
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.rhythm import Covariance
from zoomdiff.diffusion.target import Target
from zoomdiff.levels import aggregate

FLOOR = 1e-3  # of abar and 1 - abar where an equation divides by their roots: at pure noise eps says nothing of r0
Fuse = Callable[[Tensor, Tensor], Tensor]  # (eps_theta, implied noise) -> eps


class Plain(Target):
    """Priors none, noise and blend: y itself is diffused."""

    def state(self, y: Tensor, prior_k: Tensor, k: int) -> Tensor:
        return y

    def restore(self, r: Tensor, prior_k: Tensor, k: int) -> Tensor:
        return r


class Unaware(Target):
    """Prior none without H_k as an input: nothing is known of level k - 1."""

    def known(self, coarser: Tensor | None) -> Tensor | None:
        return None


class Faded(Target):
    """Filter fade: the network is shown sqrt(abar) r."""

    def seen(self, r: Tensor, abar: Tensor, covariance: Covariance | None) -> Tensor:
        return abar.sqrt() * r if covariance is None else covariance.estimate(r, abar)


class Eps(Target):
    """The noise is predicted."""

    def noise(self, eps: Tensor, r: Tensor, abar: Tensor, prior_k: Tensor) -> Tensor:
        """The eps for the network's output."""
        return eps

    def error(
        self,
        output: Tensor,
        r: Tensor,
        r0: Tensor,
        eps: Tensor,
        abar: Tensor,
        prior_k: Tensor,
        covariance: Covariance | None = None,
    ) -> Tensor:
        return self.noise(output, r, abar, prior_k) - eps

    def clean(
        self,
        output: Tensor,
        r: Tensor,
        seen: Tensor,
        abar: Tensor,
        prior_k: Tensor,
        k: int,
        covariance: Covariance | None = None,
    ) -> Tensor:
        if abar < FLOOR:
            return self.state(prior_k, prior_k, k)  # pure noise: eps says nothing of what there was, the prior does
        eps = self.noise(output, r, abar, prior_k)
        return self.clamped((r - (1 - abar).sqrt() * eps) / abar.sqrt(), prior_k, k)


class Fused(Eps):
    """Priors noise and blend: eps_theta is fused with what eps would be if y_k were H_k."""

    fuse: Fuse

    def noise(self, eps: Tensor, r: Tensor, abar: Tensor, prior_k: Tensor) -> Tensor:
        implied = (r - abar.sqrt() * prior_k) / (1 - abar).clamp(min=FLOOR).sqrt()
        return self.fuse(eps, implied)


class ContinuousNoise(Target):
    """CN: a node has noise left, so what seems empty there may carry something at finer levels."""

    def volumes(self, y: Tensor, coarser: Tensor | None, k: int) -> Tensor:
        return self.prior.decode(y, k)

    def weight(self, coarser: Tensor, k: int) -> Tensor:
        return self.prior.from_coarser(coarser, k).sigmoid()


class ContinuousAdding(Target):
    """CA: every stage diffuses the finest level, and a coarser result is its aggregate."""

    def volumes(self, y: Tensor, coarser: Tensor | None, k: int) -> Tensor:
        hierarchy = self.prior.hierarchy
        finest: Tensor = super().volumes(y, coarser, k)
        summed: Tensor = aggregate(finest, hierarchy.space_factor(k), hierarchy.time_factor(k))
        return summed


class ContinuousDenoising(Target):
    """CD: a stage goes on from the state of the stage before, refined."""

    def start(self, noise: Tensor, y: Tensor | None, prior_k: Tensor, k: int) -> Tensor:
        return noise if y is None else self.state(self.prior.recode(y, k), prior_k, k)


def blend(eps: Tensor, implied: Tensor) -> Tensor:
    """The published code's fusion: a weighted mean."""
    return (1 - BLEND) * eps + BLEND * implied


def target_of(design: Design, prior: ResidualPrior, fusion: Fuse | None = None) -> Target:
    """The target of a design; `fusion` is the network's, for the prior noise."""
    fuse = {"noise": fusion, "blend": blend}.get(design.prior)
    chosen: dict[type[Target], bool] = {
        ContinuousAdding: design.continuous_adding,
        ContinuousNoise: design.noise == "CN",
        ContinuousDenoising: design.continuous_denoising,
        Unaware: not design.uses_prior,
        Plain: design.prior != "residual",
        Faded: design.state_filter == "fade",
        Fused: fuse is not None,
        Eps: design.prediction == "eps",
    }
    parts = tuple(part for part, wanted in chosen.items() if wanted)
    target: Target = type("Target", (*parts, Target), {})(prior)
    if isinstance(target, Fused) and fuse is not None:
        target.fuse = fuse
    return target
