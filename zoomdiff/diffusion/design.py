"""The choices that make a DRDM: which schedule, which prior, what the network predicts, what it is given."""

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from zoomdiff.arguments import choice, instance, whole, wrong
from zoomdiff.diffusion.schedule import SETTINGS, TOTAL_STEPS, rgp, signal_share
from zoomdiff.errors import OptionError
from zoomdiff.levels import MOST_LEVELS, S4T4, Hierarchy, Level

# The five combinations of noise intensity, noise adding and denoising that the paper compares (Table III).
SCHEMES = ("CN,CA,CD", "CN,CA,SD", "CN,SA,SD", "SN,SA,CD", "SN,SA,SD")
PRIORS = ("none", "noise", "blend", "residual")
FILTERS = ("none", "fade", "wiener")
PREDICTIONS = ("eps", "v")
LATENT = 32  # D of the noise prior's fusion, the best in the paper's Fig. 12
BLEND = 0.5  # w of the published NPDiff code
DEFAULT_NODES = (600, 450, 300, 150, 0)
MOST_STEPS, MOST_LATENT = 1_000_000, 4096  # of a chain, of D


@dataclass(frozen=True)
class Design:
    """Saved with the weights. The defaults are what measured best.

    Parameters
    ----------
    scheme
        One of SCHEMES. SN/CN: how strong the noise is (`signal_share`). SA: each stage diffuses its level; CA: all
        diffuse the finest, and a coarser result is its aggregate. SD: each stage starts from fresh noise; CD: from the
        state before, refined.
    nodes
        N_0 = N > N_1 > ... > N_K = 0, stage k being n in [N_k, N_{k-1}).
    prior
        What a level knows of the coarser one, H_k (docs/method.md section 3). none: nothing; noise: the network's eps
        is fused with the noise implied by H_k in an MLP (the paper's); blend: their mean (the published code's);
        residual: y_k - H_k is diffused, in units of its standard deviation.
    prediction
        What the network predicts, eps or v; the priors noise and blend are made of eps.
    sees_prior
        Whether H_k is an input, too.
    state_filter
        One of FILTERS: how noise is taken from r before the network sees it. none: not at all; fade: sqrt(abar) r, so
        what noise hides the network need not learn to ignore; wiener: the estimate that the training set's rhythm
        gives, and what differs from it is predicted (`rhythm.py`). Short trainings get further with either
        (docs/benchmarks.md). fade is for v, wiener for v of the residual.
    tpe, spe
        Which position codes are on (Fig. 13).
    latent
        D, for the prior noise (Fig. 12).

    Raises
    ------
    OptionError
        A value has a wrong type or is out of its range, or the combination does not exist.
    """

    scheme: str = "SN,SA,SD"
    nodes: tuple[int, ...] = DEFAULT_NODES
    prior: str = "residual"
    prediction: str = "v"
    sees_prior: bool = True
    state_filter: str = "none"
    tpe: bool = True
    spe: bool = True
    latent: int = LATENT

    def __post_init__(self) -> None:
        choice("The design's scheme", self.scheme, SCHEMES)
        choice("The design's prior", self.prior, PRIORS)
        choice("The design's prediction", self.prediction, PREDICTIONS)
        choice("The design's state_filter", self.state_filter, FILTERS)
        for name in ("sees_prior", "tpe", "spe"):
            instance(f"The design's {name}", getattr(self, name), bool, "true or false")
        whole("The design's latent", self.latent, range(1, MOST_LATENT + 1))
        instance("The design's nodes", self.nodes, tuple, "whole numbers that fall from N to 0")
        for node in self.nodes:
            whole("A node of the design", node, range(MOST_STEPS + 1))
        if (
            not 2 <= len(self.nodes) <= MOST_LEVELS + 1
            or self.nodes[-1]
            or any(a <= b for a, b in pairwise(self.nodes))
        ):
            raise wrong(
                "The design's nodes", self.nodes, f"whole numbers that fall from N to 0 in 1 to {MOST_LEVELS} stages"
            )
        if self.prior in ("noise", "blend") and self.prediction != "eps":
            raise OptionError(f"The prior {self.prior} fuses noises: let the network predict eps.")
        if self.state_filter != "none" and self.prediction != "v":
            raise OptionError("eps cannot be read from a state that fades with the noise: let the network predict v.")
        if self.state_filter == "wiener" and self.prior != "residual":
            raise OptionError("The filter wiener knows the rhythm of residuals: choose the prior residual.")

    @property
    def noise(self) -> str:
        """SN or CN."""
        return self.scheme[:2]

    @property
    def continuous_adding(self) -> bool:
        """CA: every stage diffuses the finest level."""
        return "CA" in self.scheme

    @property
    def continuous_denoising(self) -> bool:
        """CD: a stage goes on from the state before."""
        return "CD" in self.scheme

    @property
    def uses_prior(self) -> bool:
        """Whether a stage knows anything of the coarser level."""
        return self.prior != "none" or self.sees_prior

    def stage_steps(self, k: int) -> int:
        """M of stage k."""
        return self.nodes[k] - self.nodes[k + 1]

    def abar(self, k: int, m: Tensor | None = None) -> Tensor:
        """Share of the signal at local steps m of stage k, whole or not: by default at all M + 1, m = 0 first."""
        m = torch.arange(self.stage_steps(k) + 1) if m is None else m
        return signal_share(self.noise, m, self.nodes[k], self.nodes[k + 1], self.nodes[0])

    def diffused(self, hierarchy: Hierarchy) -> Hierarchy:
        """The level that each stage's state lives at, by the name of the level that the stage makes."""
        if not self.continuous_adding:
            return hierarchy
        return Hierarchy(tuple(replace(hierarchy.finest, name=level.name) for level in hierarchy))


def setting(name: str, preference: str = "fine", total: int = TOTAL_STEPS) -> tuple[Hierarchy, tuple[int, ...]]:
    """Hierarchy and nodes of one of the paper's settings (SETTINGS) under an RGP. Raises KeyError, ValueError."""
    stages = rgp(preference, *SETTINGS[name], total)
    if [(stage.side, stage.hours) for stage in stages] == [(level.side, level.hours) for level in S4T4]:
        hierarchy = S4T4
    else:
        places = {level.side: level for level in S4T4}
        hierarchy = Hierarchy(
            tuple(
                Level(
                    f"{places[stage.side].name}-{stage.hours}h",
                    f"{stage.hours} h · {places[stage.side].title.partition(' · ')[2]}",
                    stage.side,
                    stage.hours,
                )
                for stage in stages
            )
        )
    return hierarchy, (total, *(stage.node for stage in stages))
