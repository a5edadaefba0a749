"""The urban environmental context as tensors, at any level (paper Sec. IV-A)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zoomdiff.levels import Hierarchy, aggregate


@dataclass(frozen=True)
class Conditions:
    """The four UEC layers on one raster, means per finest cell (and per finest hour for the population).

    structure (B, S, H, W), aoi (B, A, H, W) shares that sum to one, poi (B, P, H, W), population (B, T, H, W), and
    preset (B,) int: whose habits the people have, see `data.city.PRESETS`
    """

    structure: Tensor
    aoi: Tensor
    poi: Tensor
    population: Tensor
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
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(aoi).long(), aoi_classes).movedim(-1, 0)
        arrays = (structure, one_hot.numpy(), poi, population)
        rasters = (torch.from_numpy(np.ascontiguousarray(a, np.float32))[None] for a in arrays)
        return cls(*rasters, torch.tensor([preset]))

    def at_level(self, hierarchy: Hierarchy, k: int) -> "Conditions":
        """Averaged down to level k; only for conditions that are at the finest level."""
        space, time = hierarchy.space_factor(k), hierarchy.time_factor(k)
        static = [aggregate(x, space, 1) / space**2 for x in (self.structure, self.aoi, self.poi)]
        return Conditions(*static, aggregate(self.population, space, time) / (space**2 * time), self.preset)

    def map(self, function) -> "Conditions":
        """The same with `function` applied to the four rasters."""
        return Conditions(*(function(x) for x in (self.structure, self.aoi, self.poi, self.population)), self.preset)

    def to(self, device: torch.device) -> "Conditions":
        return replace(self.map(lambda x: x.to(device)), preset=self.preset.to(device))

    @classmethod
    def batch(cls, items: list["Conditions"]) -> "Conditions":
        columns = zip(*((c.structure, c.aoi, c.poi, c.population, c.preset) for c in items), strict=True)
        return cls(*(torch.cat(column) for column in columns))
