"""One reverse step from noise level `abar` to the smaller one of `abar_next`, given the clean estimate r0.

All samplers share the signature (r, r0, abar, abar_next, noise) -> r_next, where `noise()` draws a standard normal
field like r. At abar_next = 1, the node, every one returns r0 itself: nodes are free of noise.
"""

from collections.abc import Callable

from torch import Tensor

Sampler = Callable[[Tensor, Tensor, Tensor, Tensor, Callable[[], Tensor]], Tensor]


def ancestral(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """The DDPM posterior in x0 form (Eq. 5 with its misprints mended, method.md section 4). Finite at abar = 0."""
    a = abar / abar_next
    mean = (abar_next.sqrt() * (1 - a) * r0 + a.sqrt() * (1 - abar_next) * r) / (1 - abar)
    variance = (1 - a) * (1 - abar_next) / (1 - abar)
    return mean + variance.sqrt() * noise() if variance > 0 else mean


def ddim(r: Tensor, r0: Tensor, abar: Tensor, abar_next: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """DDIM with sigma = 0: the implied noise is kept, `noise` is not used, so few steps suffice."""
    implied = (r - abar.sqrt() * r0) / (1 - abar).sqrt()
    return abar_next.sqrt() * r0 + (1 - abar_next).sqrt() * implied
