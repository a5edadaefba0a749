"""The denoising network: a week is seven day-tokens per cell, one trunk serves all levels.

A linear map folds the hours of a day (1, 6, 12 or 24 by level) into channels, so that a 50 m grid costs seven trunk
evaluations instead of 168. The trunk convolves over (rows, columns) and mixes along the seven days. Normalisation is
per token, never over space: a place must not change with the region drawn around it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.levels import DAYS_PER_WEEK, HOURS_PER_DAY, HOURS_PER_WEEK, Hierarchy

PE_SIZE = 128  # width of TPE and SPE in the paper


def sinusoid(position: Tensor, size: int = PE_SIZE) -> Tensor:
    """(..., size) sine and cosine code of a position (Eq. 6)."""
    rate = torch.exp(torch.arange(0, size, 2, device=position.device) * (-math.log(10000.0) / size))
    angle = position[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two linear maps with SiLU between them."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


class TrunkBlock(nn.Module):
    """Residual block: space (3 x 3 convolution), days (7 x 7 mixing), channels (1 x 1), steered by FiLM."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.film = nn.Linear(channels, 2 * channels)
        self.space = nn.Conv2d(channels, channels, 3, padding=1)
        self.days = nn.Parameter(torch.zeros(DAYS_PER_WEEK, DAYS_PER_WEEK))
        self.channels = nn.Sequential(nn.SiLU(), nn.Linear(channels, 2 * channels), nn.SiLU())
        self.out = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, steering: Tensor) -> Tensor:
        """(B, 7, H, W, C) like x; steering (B, C)."""
        b, d, h, w, c = x.shape
        scale, shift = self.film(steering).chunk(2, -1)
        if b == 1:  # as in sampling: the same in one pass over the memory
            y = functional.layer_norm(x, (c,), (1 + scale[0]).to(x.dtype), shift[0].to(x.dtype))
        else:
            y = functional.layer_norm(x, (c,)) * (1 + scale[:, None, None, None]) + shift[:, None, None, None]
        y = self.space(y.reshape(b * d, h, w, c).movedim(-1, 1)).movedim(1, -1).reshape(b, d, h * w * c)
        y = (y + self.days.to(y.dtype) @ y).reshape(b, d, h, w, c)
        change: Tensor = self.out(self.channels(y))
        return x + change


class NoiseFusion(nn.Module):
    """The paper's prior noise: eps_theta and the implied noise, each mapped to D channels, become one eps."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.own, self.implied = nn.Linear(1, latent), nn.Linear(1, latent)
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(2 * latent, latent), nn.SiLU(), nn.Linear(latent, 1))

    def forward(self, eps: Tensor, implied: Tensor) -> Tensor:
        """One eps, of the shape of both."""
        both = torch.cat([self.own(eps[..., None]), self.implied(implied[..., None])], -1)
        eps_k: Tensor = self.out(both)
        return eps_k[..., 0]


class DayTokenNetwork(nn.Module):
    """The prediction (v or eps) for a state r and its noise strength, given H_k, UEC, StPE and level.

    Parameters
    ----------
    hierarchy
        The levels that come out.
    design
        Decides, among other things, at which level each stage's state is.
    structure, aoi, poi
        Numbers of channels of the conditions.
    preset
        Number of presets.
    channels, blocks
        Width and depth of the trunk.
    """

    tpe: Tensor

    def __init__(
        self,
        hierarchy: Hierarchy,
        design: Design | None = None,
        *,
        structure: int,
        aoi: int,
        poi: int,
        preset: int,
        channels: int = 64,
        blocks: int = 6,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.design = design = design or Design()
        levels = design.diffused(hierarchy)
        day = [level.steps_per_day for level in levels]
        self.cells = [hierarchy.block // levels.space_factor(k) for k in range(len(levels))]  # along a block
        self.fold = nn.ModuleList(nn.Linear(hours, channels) for hours in day)
        if design.sees_prior:
            self.fold_prior = nn.ModuleList(nn.Linear(hours, channels) for hours in day)
        self.f_structure = mlp(structure, channels)
        self.f_aoi = mlp(aoi, channels)
        self.f_poi = mlp(poi, channels)
        self.f_users = mlp(aoi, channels)
        self.f_population = nn.ModuleList(mlp(hours, channels) for hours in day)
        self.preset = _embedding(preset, channels)
        if design.spe:
            self.spe = nn.ParameterList(nn.Parameter(_normal(n, n, PE_SIZE).mul_(0.02)) for n in self.cells)
            self.spe_out = nn.Linear(PE_SIZE, channels)
        if design.tpe:
            self.tpe_out = nn.Linear(PE_SIZE, channels)
            hours = sinusoid(torch.arange(HOURS_PER_WEEK, device="cpu").float())
            self.register_buffer("tpe", hours.reshape(DAYS_PER_WEEK, HOURS_PER_DAY, PE_SIZE).mean(1), persistent=False)
        self.level = _embedding(len(hierarchy), channels)
        self.strength = mlp(PE_SIZE, channels)
        self.prior_noise = mlp(PE_SIZE, channels)
        self.trunk = nn.ModuleList(TrunkBlock(channels) for _ in range(blocks))
        self.fusion = NoiseFusion(design.latent) if design.prior == "noise" else None
        self.unfold = nn.ModuleList(nn.Linear(channels, hours) for hours in day)
        for head in self.unfold.parameters():
            nn.init.zeros_(head)

    def context(self, prior: Tensor, conditions: Conditions, k: int, keep: Tensor | None = None) -> Tensor:
        """(B, 7, H_k, W_k, C): all that does not change from step to step, so samplers compute it once per stage.

        prior (B, T_k, H_k, W_k) is H_k; conditions are at the stage's level, one for all samples or one each; `keep`
        (B,) 0/1 drops a sample's UEC (for guidance). Nothing here looks at neighbours: any whole blocks will do.
        """
        logs = (torch.log1p(x) for x in (conditions.structure, conditions.poi, conditions.users))
        static, mappers = (*logs, conditions.aoi), (self.f_structure, self.f_poi, self.f_users, self.f_aoi)
        c = sum(f(x.movedim(1, -1)) for f, x in zip(mappers, static, strict=True))[:, None]
        c = c + self.f_population[k](_days(torch.log1p(conditions.population)))
        if keep is not None:
            c = c * keep[:, None, None, None, None]
        c = c + self.preset(conditions.preset)[:, None, None, None]
        if self.design.spe:
            rows, cols = (n // self.cells[k] for n in prior.shape[-2:])
            c = c + _of_few_rows(self.spe_out, self.spe[k]).repeat(rows, cols, 1)
        if self.design.tpe:
            c = c + _of_few_rows(self.tpe_out, self.tpe)[:, None, None]
        if self.design.sees_prior:
            c = c + self.fold_prior[k](_days(prior))
        whole: Tensor = c.expand(len(prior), -1, -1, -1, -1)
        return whole

    @property
    def reach(self) -> int:
        """Cells that a prediction sees in each direction."""
        return len(self.trunk)

    def forward(self, r: Tensor, strength: Tensor, context: Tensor, k: int, prior_noise: Tensor) -> Tensor:
        """The prediction (B, T_k, H_k, W_k) for the noisy state r like it, as `Target.seen` shows it.

        strength (B,) is 1 - abar; prior_noise (B,) the standard deviation of the noise that was put on H_k.
        """
        steering = self.strength(sinusoid(1000 * strength)) + self.prior_noise(sinusoid(1000 * prior_noise))
        steering = steering + self.level.weight[k]
        x = self.fold[k](_days(r)) + context
        if torch.is_autocast_enabled(x.device.type) and not torch.is_grad_enabled():
            x = x.to(torch.get_autocast_dtype(x.device.type))  # memory, not arithmetic, is what bounds the trunk
        for block in self.trunk:
            x = block(x, steering)
        out: Tensor = self.unfold[k](functional.layer_norm(x, x.shape[-1:]))  # (B, 7, H_k, W_k, hours)
        return out.movedim(-1, 2).reshape(r.shape)


def _normal(*shape: int) -> Tensor:
    """Standard normal numbers to start from; none on the device "meta".

    There torch would import its compiler for them, which takes seconds; so it does for most operations but plain
    `empty`, `zeros` and those in place.
    """
    x = torch.empty(shape)
    return x if x.is_meta else x.normal_()


def _embedding(number: int, channels: int) -> nn.Embedding:
    """An `nn.Embedding` that starts from `_normal`."""
    start = _normal(number, channels)
    table: nn.Embedding = nn.Embedding.from_pretrained(start, freeze=False)  # type: ignore[no-untyped-call]  # of torch
    return table


def _days(x: Tensor) -> Tensor:
    """(B, T, H, W) -> (B, 7, H, W, steps per day)."""
    return torch.unflatten(x, 1, (DAYS_PER_WEEK, -1)).movedim(2, -1)


def _of_few_rows(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer's output for a few rows, which does not depend on the number of threads.

    MKL shares the sums of so few outputs among its threads, and with their number the last digits change; in double
    precision they are rounded away.
    """
    if x.device.type != "cpu":
        output: Tensor = layer(x)
        return output
    in_double: Tensor = functional.linear(x.double(), layer.weight.double(), layer.bias.double())
    return in_double.to(layer.weight.dtype)
