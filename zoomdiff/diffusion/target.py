"""What a stage diffuses, what the network predicts, and how that becomes the clean state: the one place that knows.

Samplers and the loss see states r and clean estimates r0 only, whatever the prior and the prediction are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from zoomdiff.diffusion.design import BLEND, Design
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.rhythm import Covariance

FLOOR = 1e-3  # of abar and 1 - abar where an equation divides by their roots: eps tells nothing of r0 at pure noise


@dataclass(frozen=True)
class Target:
    """The state of a design and its prediction.

    fuse  (eps_theta, implied noise) -> eps, for the prior `noise`

    `covariance` is that of the state along the week for the filter `wiener`; None is as if it were white.
    """

    design: Design
    prior: ResidualPrior
    fuse: Callable[[Tensor, Tensor], Tensor] | None = None

    def state(self, y: Tensor, prior_k: Tensor, k: int) -> Tensor:
        """What is diffused for a clean y: the residual, or y itself."""
        return self.prior.residual(y, prior_k, k) if self.design.prior == "residual" else y

    def restore(self, r: Tensor, prior_k: Tensor, k: int) -> Tensor:
        """y for a state."""
        return self.prior.restore(r, prior_k, k) if self.design.prior == "residual" else r

    def seen(self, r: Tensor, abar: Tensor, covariance: Covariance | None) -> Tensor:
        """What the network is shown of a state."""
        if covariance is not None:
            return covariance.estimate(r, abar)
        return r if self.design.state_filter == "none" else abar.sqrt() * r

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
        """What is wrong with the output for r = sqrt(abar) r0 + sqrt(1 - abar) eps; its square is the loss (Eq. 12).

        Of v it is (r0 - r0_hat) / sqrt(1 - abar), with or without a covariance, written so as not to divide by 0.
        """
        if self.design.prediction == "eps":
            return self._noise(output, r, abar, prior_k) - eps
        if covariance is None:
            return output - (abar.sqrt() * eps - (1 - abar).sqrt() * r0)
        return covariance.error(output, r0, eps, abar)

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
        """r0_hat for a state of which the network was shown `seen`, its y kept to the training range."""
        if covariance is not None:
            r0 = seen - covariance.filter(output, covariance.left_open(abar).sqrt())
        elif self.design.prediction == "v":
            r0 = abar.sqrt() * r - (1 - abar).sqrt() * output
        elif abar < FLOOR:
            return self.state(prior_k, prior_k, k)  # pure noise: of what there was, eps tells nothing, the prior does
        else:
            eps = self._noise(output, r, abar, prior_k)
            r0 = (r - (1 - abar).sqrt() * eps) / abar.sqrt()
        return self.state(self.prior.clamp(self.restore(r0, prior_k, k), k), prior_k, k)

    def _noise(self, eps: Tensor, r: Tensor, abar: Tensor, prior_k: Tensor) -> Tensor:
        """eps_theta, fused with what eps would be if y_k were H_k (the noise of docs/method.md section 3)."""
        if self.design.prior not in ("noise", "blend"):
            return eps
        implied = (r - abar.sqrt() * prior_k) / (1 - abar).clamp(min=FLOOR).sqrt()
        return self.fuse(eps, implied) if self.design.prior == "noise" else (1 - BLEND) * eps + BLEND * implied
