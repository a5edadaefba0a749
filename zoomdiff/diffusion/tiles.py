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
    """Tiles that cover a raster of (rows, cols), each seeing at least `halo` cells around.

    They are as equal as whole blocks allow, and `side` cells wide at most: the largest of them takes the memory. All
    edges lie on whole blocks of `block` cells, so that position codes stay in step. Raises ValueError if `side` or
    the raster are not whole blocks.
    """
    if side % block or any(n % block for n in shape):
        raise ValueError(f"tiles of {side} cells on a raster of {shape} are not whole blocks of {block}")
    halo = _rounded_up(halo, block)
    height, width = (_rounded_up(-(-size // -(-size // side)), block) for size in shape)
    for row in range(0, shape[0], height):
        for col in range(0, shape[1], width):
            outer, inner, target = [], [], []
            for start, step, size in zip((row, col), (height, width), shape, strict=True):
                end = min(start + step, size)
                first = max(0, start - halo)
                outer.append(slice(first, min(size, end + halo)))
                inner.append(slice(start - first, end - first))
                target.append(slice(start, end))
            yield Tile((outer[0], outer[1]), (inner[0], inner[1]), (target[0], target[1]))


def _rounded_up(cells: int, block: int) -> int:
    return -(-cells // block) * block
