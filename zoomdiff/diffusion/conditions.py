"""The urban environmental context as tensors, at any level (paper Sec. IV-A)."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from zoomdiff.levels import Hierarchy, aggregate


@dataclass(frozen=True)
class Conditions:
    """The four UEC layers on one raster, means per finest cell (and per finest hour for the population).

    Attributes
    ----------
    structure
        (B, S, H, W).
    aoi
        (B, A, H, W), shares that sum to one.
    poi
        (B, P, H, W).
    population
        (B, T, H, W).
    users
        (B, A, H, W), the week's mean population by AOI. At the finest level it adds nothing; at a coarse one it
        separates a crowd in the block's one shop from a crowd in its homes, which the means of aoi and population do
        not.
    preset
        (B,) int: whose habits the people have, see `zoomdiff.presets`.
    """

    structure: Tensor
    aoi: Tensor
    poi: Tensor
    population: Tensor
    users: Tensor
    preset: Tensor

    @classmethod
    def from_arrays(
        cls,
        structure: np.ndarray,
        aoi: np.ndarray,
        poi: np.ndarray,
        population: np.ndarray,
        *,
        aoi_classes: int,
        preset: int,
    ) -> "Conditions":
        """A batch of one from a UEC's arrays: structure (S, H, W), aoi (H, W) index, poi (P, H, W), population."""
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(aoi).long(), aoi_classes).movedim(-1, 0).numpy()

        def raster(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None]

        return cls(
            structure=raster(structure),
            aoi=raster(one_hot),
            poi=raster(poi),
            population=raster(population),
            users=raster(one_hot * population.mean(0)),
            preset=torch.tensor([preset]),
        )

    def at_level(self, hierarchy: Hierarchy, k: int) -> "Conditions":
        """Averaged down to level k; only for conditions that are at the finest level."""
        space, time = hierarchy.space_factor(k), hierarchy.time_factor(k)
        times = {"population": time}
        means = {
            name: aggregate(x, space, times.get(name, 1)) / (space**2 * times.get(name, 1))
            for name, x in self.rasters.items()
        }
        return replace(self, **means)

    @property
    def rasters(self) -> dict[str, Tensor]:
        """All but the preset, by name."""
        return {raster.name: getattr(self, raster.name) for raster in fields(self) if raster.name != "preset"}

    def map(self, function: Callable[[Tensor], Tensor]) -> "Conditions":
        """The same with `function` applied to the rasters."""
        return replace(self, **{name: function(x) for name, x in self.rasters.items()})

    def to(self, device: torch.device) -> "Conditions":
        """The same on a device."""
        return replace(self.map(lambda x: x.to(device)), preset=self.preset.to(device))

    @classmethod
    def batch(cls, items: list["Conditions"]) -> "Conditions":
        """Several as one batch."""
        return cls(*(torch.cat([getattr(item, each.name) for item in items]) for each in fields(cls)))
