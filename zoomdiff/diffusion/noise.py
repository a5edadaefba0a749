"""World-consistent noise: a block's draw depends on the place, not on the region drawn around it."""

import numpy as np
import torch


class WorldNoise:
    """Standard normal fields as a counter-based function of (seed, zone, level, step, block row, block column).

    Two regions that overlap get the same numbers in the overlap, whatever their shapes, tiles or devices: numbers come
    from numpy's Philox on the CPU (docs/method.md section 6.3).

    seed        any integer >= 0
    zone        EPSG code of the raster
    row, col    of the frame's first block in the zone's raster
    """

    def __init__(self, seed: int, zone: int, row: int, col: int, device: torch.device | str = "cpu") -> None:
        self.seed, self.zone, self.row, self.col, self.device = seed, zone, row, col, device

    def __call__(self, level: int, step: int, shape: tuple[int, int, int], cells: int) -> torch.Tensor:
        """A (1, T, H, W) field; `cells` per block side must divide H and W."""
        t, h, w = shape
        field = np.empty((1, t, h, w), np.float32)
        blocks = field.reshape(t, h // cells, cells, w // cells, cells)  # the same memory
        key = np.array([self.seed, self.zone << 40 | level << 32 | step], np.uint64)
        for i in range(h // cells):
            for j in range(w // cells):
                # The lowest counter word counts within a block, so blocks can never run into each other.
                counter = np.array([0, 0, self.row + i, self.col + j], np.uint64)
                block = np.random.Generator(np.random.Philox(key=key, counter=counter))
                blocks[:, i, :, j] = block.standard_normal((t, cells, cells), np.float32)
        return torch.from_numpy(field).to(self.device)
