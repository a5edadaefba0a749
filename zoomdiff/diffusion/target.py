"""What a stage diffuses, what the network predicts, and how the one becomes the other: the one place that knows.

Samplers and the loss see states r and clean estimates r0 only. This is the model that ships (SN, SA, SD; the residual
prior; v); `variants` has the paper's others.
"""

from torch import Tensor

from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.rhythm import Covariance
from zoomdiff.levels import repeat


class Target:
    """r = (y_k - H_k) / s_k is diffused, v = sqrt(abar) eps - sqrt(1 - abar) r0 predicted.

    `covariance` is that of the state along the week, for the filter `wiener`; None is as if it were white.
    """

    def __init__(self, prior: ResidualPrior) -> None:
        self.prior = prior

    def known(self, coarser: Tensor | None) -> Tensor | None:
        """What the stage knows of level k - 1."""
        return coarser

    def state(self, y: Tensor, prior_k: Tensor, k: int) -> Tensor:
        """What is diffused for a clean y."""
        return self.prior.residual(y, prior_k, k)

    def restore(self, r: Tensor, prior_k: Tensor, k: int) -> Tensor:
        """The clean y for a state."""
        return self.prior.restore(r, prior_k, k)

    def start(self, noise: Tensor, y: Tensor | None, prior_k: Tensor, k: int) -> Tensor:
        """The state that the stage starts from; y is that of the stage before, None at the first."""
        return noise

    def seen(self, r: Tensor, abar: Tensor, covariance: Covariance | None) -> Tensor:
        """What the network is shown of a state."""
        return r if covariance is None else covariance.estimate(r, abar)

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

        It is (r0 - r0_hat) / sqrt(1 - abar), with or without a covariance, written so as not to divide by 0.
        """
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
        if covariance is None:
            r0 = abar.sqrt() * r - (1 - abar).sqrt() * output
        else:
            r0 = seen - covariance.filter(output, covariance.left_open(abar).sqrt())
        return self.clamped(r0, prior_k, k)

    def clamped(self, r0: Tensor, prior_k: Tensor, k: int) -> Tensor:
        """A clean estimate whose y is kept to the training range."""
        return self.state(self.prior.clamp(self.restore(r0, prior_k, k), k), prior_k, k)

    def volumes(self, y: Tensor, coarser: Tensor | None, k: int) -> Tensor:
        """x_k in bytes for the y that the chain has at node N_k."""
        x_k = self.prior.decode(y, k)
        if coarser is None:
            return x_k
        # What carries nothing at a clean node carries nothing at any finer level: no trickle on the sea.
        return x_k * repeat(coarser > 0, *self.prior.finer(k))

    def weight(self, coarser: Tensor, k: int) -> Tensor:
        """Of each value in the loss: busy places count for more, and those that `volumes` leaves empty not at all.

        What the network is given may weight its loss without a bias: H_k may, x_k may not.
        """
        return self.prior.from_coarser(coarser, k).sigmoid() * repeat(coarser > 0, *self.prior.finer(k))
