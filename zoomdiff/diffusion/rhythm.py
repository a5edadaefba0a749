"""How the state of a stage varies along the week before anything is known of it: docs/method.md, section 3.

Noise is white, traffic is not: what a level leaves open hardly changes from hour to hour and from day to day, and in
busy places less than in quiet ones. A Gaussian with the covariance measured in training knows this, and its estimate
of a clean state is a linear filter (Wiener). Given that, the network has to learn only how the state differs from it.

The days of a week are taken as alike: what varies is the mean day, and each day about it. Either has the principal
components of its hours.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zoomdiff.arguments import number, wrong
from zoomdiff.levels import DAYS_PER_WEEK

BUSYNESS = 6  # classes of places, with as many places in each
FEWEST = 50  # places of a class
FLOOR = 1e-3  # of a variance: what training never showed may still occur
LARGEST = 1e9  # number that a rhythm may hold; its own have a few digits


Cube = tuple[tuple[tuple[float, ...], ...], ...]
Lists = list[list[list[float]]]


@dataclass(frozen=True)
class Rhythm:
    """The covariance of a stage's states, with h steps in a day; white noise of unit variance has variances of 1.

    Attributes
    ----------
    edges
        (classes - 1,) rising: how busy a place is, by the mean over the week of H_k.
    components
        (2, h, h) orthonormal columns over the hours: of the mean day, and of a day about it.
    variance
        (classes, 2, h) of each, as if a week were one day times 7 numbers of unit length.

    Raises
    ------
    OptionError
        They are not such numbers.
    """

    edges: tuple[float, ...]
    components: Cube
    variance: Cube

    def __post_init__(self) -> None:
        edges = _checked("The edges of a rhythm", self.edges, 1, -LARGEST)
        components = _checked("The components of a rhythm", self.components, 3, -LARGEST)
        variance = _checked("The variance of a rhythm", self.variance, 3, 1 / LARGEST)
        hours = components.shape[-1]
        if (np.diff(edges) <= 0).any():
            raise wrong("The edges of a rhythm", self.edges, "rising numbers")
        if variance.shape != (len(edges) + 1, 2, hours):
            raise wrong("The variance of a rhythm", self.variance, f"({len(edges) + 1}, 2, {hours}) numbers")
        if components.shape != (2, hours, hours) or not np.allclose(
            components.swapaxes(1, 2) @ components, np.eye(hours), atol=1e-3
        ):
            raise wrong("The components of a rhythm", self.components, "two squares of orthonormal columns")

    @classmethod
    def fit(cls, busy: Tensor, states: Tensor) -> "Rhythm":
        """Of n places: the mean over the week of H_k (n,) and the state (T, n). Without a place it is white noise's.

        Means are not taken off: where the states have one it is part of what the filter expects.
        """
        if not len(busy):
            hours = len(states) // DAYS_PER_WEEK
            return cls.from_lists([], [np.eye(hours).tolist()] * 2, [np.ones((2, hours)).tolist()])
        classes = min(BUSYNESS, max(1, len(busy) // FEWEST))
        # Values that occur, and not the highest: so no class is empty.
        values = np.unique(np.quantile(busy.numpy(), np.arange(1, classes) / classes, method="lower"))
        edges = torch.from_numpy(values[values < busy.max().item()])
        member = functional.one_hot(torch.bucketize(busy, edges), len(edges) + 1).double()  # (n, classes)
        days = torch.unflatten(states.double(), 0, (DAYS_PER_WEEK, -1))  # (7, h, n)
        mean = days.mean(0)
        about = (days - mean).movedim(0, 1).flatten(1) / (DAYS_PER_WEEK - 1) ** 0.5  # (h, 7 n)
        components, variance = [], []
        for part in (DAYS_PER_WEEK**0.5 * mean, about):  # of white noise a place's squares sum up to 1 on average
            _, u = torch.linalg.eigh(part @ part.T)
            squares = torch.unflatten((u.T @ part).square(), 1, (-1, len(busy))).sum(1)  # (h, n)
            components.append(u.tolist())
            variance.append((squares @ member / member.sum(0)).clamp(min=FLOOR).T)
        return cls.from_lists(edges.tolist(), components, torch.stack(variance, 1).tolist())

    @classmethod
    def from_lists(cls, edges: list[float], components: Lists, variance: Lists) -> "Rhythm":
        """As JSON gives it back."""
        return cls(tuple(edges), _cube(components), _cube(variance))

    def covariance(self, prior_k: Tensor) -> "Covariance":
        """That of the places of H_k (B, T, H, W)."""
        edges, components, variance = (
            torch.tensor(numbers, device=prior_k.device) for numbers in (self.edges, self.components, self.variance)
        )
        of_places = variance[torch.bucketize(prior_k.float().mean(1), edges)]  # (B, H, W, 2, h)
        return Covariance(components, of_places.movedim((-2, -1), (1, 2)))


@dataclass(frozen=True)
class Covariance:
    """That of the clean states of some places, and what follows from it for noisy ones, r (B, T, H, W).

    Attributes
    ----------
    components
        (2, h, h), see `Rhythm`.
    variance
        (B, 2, h, H, W).

    Notes
    -----
    abar is a number, or (B, 1, 1, 1).
    """

    components: Tensor
    variance: Tensor

    def estimate(self, r: Tensor, abar: Tensor) -> Tensor:
        """The mean of the clean state given r = sqrt(abar) r0 + sqrt(1 - abar) eps, were r0 Gaussian."""
        abar = abar[..., None]
        return self.filter(r, abar.sqrt() * self.variance / (abar * self.variance + 1 - abar))

    def left_open(self, abar: Tensor, share: float = 1.0) -> Tensor:
        """(B, 2, h, H, W): the variance about that mean, for a Gaussian with a share of the variance."""
        abar, variance = abar[..., None], share * self.variance
        return variance * (1 - abar) / (abar * variance + 1 - abar)

    def error(self, output: Tensor, r0: Tensor, eps: Tensor, abar: Tensor) -> Tensor:
        """(r0 - r0_hat) / sqrt(1 - abar), written so that nothing is divided by 0.

        r0_hat is the mean, less the output times the root of what is left open.
        """
        abar = abar[..., None]
        of_r = abar * self.variance + 1 - abar
        of_eps, of_r0 = abar.sqrt() * self.variance / of_r, (1 - abar).sqrt() / of_r
        return self.filter(output, (self.variance / of_r).sqrt()) - self.filter(eps, of_eps) + self.filter(r0, of_r0)

    def filter(self, x: Tensor, gain: Tensor) -> Tensor:
        """The field x (B, T, H, W) with each component times its gain, (B, 2, h, H, W)."""
        with torch.autocast(x.device.type, enabled=False):  # the mean of a week is large beside its last digits
            parts = torch.einsum("phm,bdphyx->bdpmyx", self.components, _split(x.float()))
            parts = torch.einsum("phm,bdpmyx->bdhyx", self.components, gain[:, None] * parts)
        return parts.flatten(1, 2)


def _split(x: Tensor) -> Tensor:
    """(B, T, H, W) -> (B, 7, 2, h, H, W): the mean day, seven times, and each day about it."""
    days = torch.unflatten(x, 1, (DAYS_PER_WEEK, -1))
    mean = days.mean(1, keepdim=True).expand_as(days)
    return torch.stack([mean, days - mean], 2)


def _checked(what: str, numbers: object, dimensions: int, least: float) -> np.ndarray:
    """Numbers as an array of so many dimensions. Raises OptionError for all else, text and ragged lists included."""
    array = np.array(numbers, dtype=object)
    if array.ndim != dimensions:
        raise wrong(what, numbers, f"numbers in {dimensions} dimensions")
    return np.reshape(
        [number(f"A number in {what[0].lower()}{what[1:]}", each, None, least, LARGEST) for each in array.flat],
        array.shape,
    )


def _cube(lists: Lists) -> Cube:
    return tuple(tuple(tuple(row) for row in square) for square in lists)
