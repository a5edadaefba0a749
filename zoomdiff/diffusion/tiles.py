"""Tiles: a network's prediction piece by piece, the same as in one piece, in memory that the tile bounds."""

from collections.abc import Iterator
from typing import NamedTuple


class Tile(NamedTuple):
    """A piece of a raster and the ground around it that its cells see.

    Attributes
    ----------
    outer
        (rows, columns) slices of the piece with its halo, cut at the raster's edge.
    inner
        The piece within that.
    target
        The piece within the raster.
    """

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]
    target: tuple[slice, slice]


def tiles(shape: tuple[int, int], side: int, halo: int, block: int) -> Iterator[Tile]:
    """Tiles of `side` x `side` cells that cover a raster of (rows, cols), each seeing at least `halo` cells around.

    All edges lie on whole blocks of `block` cells, so that position codes stay in step. Raises ValueError if `side` or
    the raster are not whole blocks.
    """
    if side % block or any(n % block for n in shape):
        raise ValueError(f"tiles of {side} cells on a raster of {shape} are not whole blocks of {block}")
    halo = -(-halo // block) * block
    for row in range(0, shape[0], side):
        for col in range(0, shape[1], side):
            outer, inner, target = [], [], []
            for start, size in zip((row, col), shape, strict=True):
                end = min(start + side, size)
                first = max(0, start - halo)
                outer.append(slice(first, min(size, end + halo)))
                inner.append(slice(start - first, end - first))
                target.append(slice(start, end))
            yield Tile((outer[0], outer[1]), (inner[0], inner[1]), (target[0], target[1]))
