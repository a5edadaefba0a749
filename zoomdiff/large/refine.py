"""Measured traffic of a whole network, refined piece by piece: what `measured.fit` does with a small region at once.

What a base station carries is spread over its squares, and at last scaled to exactly its bytes. Its squares can lie in
several pieces, so a pass leaves the sums of each piece in a file of the run, and the next pass has those of all pieces.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zoomdiff.errors import DataError
from zoomdiff.frames import to_frame
from zoomdiff.large.layout import Layout, Window
from zoomdiff.measured.fit import NONE, left_out_of, level_of, nowhere, places_of, week_of
from zoomdiff.measured.sites import assign
from zoomdiff.measured.traffic import MeasuredTraffic

PEOPLE, BYTES = "people", "bytes"  # sums by place: who is there, and what the model gives it


@dataclass(frozen=True)
class Network:
    """A week of what the n places of a network carried, on the raster of a large region.

    Attributes
    ----------
    squares
        (n, 2) row and column of the finest cell that each place is in.
    lonlat
        (n, 2) degrees of its first base station.
    traffic
        (T, n) bytes per step from Monday 00:00 local time.
    hours
        Length of a step.
    level
        Number of the level to refine from.
    """

    squares: np.ndarray
    lonlat: np.ndarray
    traffic: np.ndarray
    hours: int
    level: int

    @classmethod
    def of(cls, measured: MeasuredTraffic, layout: Layout) -> tuple["Network", tuple[str, ...]]:
        """That of the base stations in a region, and notes for the user. Raises DataError as `measured.fit.fit`."""
        lonlat = places_of(measured)
        if measured.polygons is not None:
            raise DataError(
                f"{measured.source} has polygons, which are refined for regions that are made at once: give a folder "
                "as --out, or the base stations' lon and lat."
            )
        extent, hierarchy = layout.extent, layout.hierarchy
        x, y = to_frame(extent.epsg).transform(*lonlat.T)
        west, _, _, north = extent.frame_bounds
        side, block = hierarchy.finest.side, hierarchy.block
        with np.errstate(invalid="ignore"):  # infinite where the frame does not reach
            places = np.stack([np.floor((north - y) / side), np.floor((x - west) / side)], 1)
            here = np.flatnonzero(((places >= 0) & (places < np.array(extent.size) * block)).all(1))
        squares = places[here].astype(np.int64)
        blocks, of_block = np.unique(squares // block, axis=0, return_inverse=True)
        inside = np.array([extent.blocks(row, col, 1, 1)[0, 0] for row, col in blocks], bool)[of_block.ravel()]
        here, squares = here[inside], squares[inside]
        if not len(here):
            raise nowhere(measured.source, lonlat, extent.polygon.bounds)
        owner, _ = pd.factorize(squares[:, 0] * (extent.cols * block) + squares[:, 1])
        first = np.unique(owner, return_index=True)[1]
        week = week_of(measured, here, np.ones(len(here)), owner)
        cells = sum(int(layout.region(piece).blocks.sum()) for piece in layout.pieces(-1)) * block**2
        level = hierarchy.index(level_of(hierarchy, cells, len(first), week.hours))
        notes = (*week.notes, *left_out_of(measured, len(here), len(first)))
        return cls(squares[first], lonlat[here[first]], week.traffic, week.hours, level), notes

    def save(self, path: Path) -> None:
        """Write it for the workers."""
        np.savez(path, **vars(self))

    def zones(self, layout: Layout, piece: Window) -> np.ndarray:
        """(H, W) number of the place that serves each finest cell of a piece, or NONE outside the region."""
        region, block = layout.region(piece), layout.per_block(-1)
        zones = assign(region, self.lonlat)
        own = self.squares - (piece.row * block, piece.col * block)
        here = ((own >= 0) & (own < region.shape)).all(1)
        zones[*own[here].T] = np.flatnonzero(here)  # each serves its own square at least
        return np.where(region.mask(), zones, NONE)


def network_at(path: Path) -> Network:
    """The network that `save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Network(file["squares"], file["lonlat"], file["traffic"], int(file["hours"]), int(file["level"]))


def digest_of(measured: MeasuredTraffic) -> str:
    """The SHA-256 of what a refined week depends on."""
    digest = hashlib.sha256(f"{measured.minutes} {measured.start} {measured.weekday} {measured.unit}".encode())
    for values in (measured.traffic, measured.lonlat):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def sum_by_place(values: np.ndarray, zones: np.ndarray, path: Path) -> None:
    """Leave the sums (T, m) of values (T, H, W) over the cells of each of the m places of a piece in a file."""
    served = zones != NONE
    places, cell = np.unique(zones[served], return_inverse=True)
    path.parent.mkdir(exist_ok=True)
    sums = np.stack([np.bincount(cell, step[served], len(places)) for step in values.astype(float)])
    np.savez(path, places=places, sums=sums, cells=np.bincount(cell, minlength=len(places)))


def sums_at(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The sums (T, n) of all pieces, and the cells (n,) of each place, as `add_up` wrote them."""
    with np.load(path, allow_pickle=False) as file:
        return file["sums"], file["cells"]


def add_up(folder: Path, pieces: Iterable[Window], places: int, path: Path) -> None:
    """Write the sums of all pieces, in their order, which says what the last digits are."""
    total, cells = np.zeros(()), np.zeros(places)
    for piece in pieces:
        with np.load(folder / f"{piece.name}.npz", allow_pickle=False) as file:
            if not total.ndim:
                total = np.zeros((len(file["sums"]), places))
            total[:, file["places"]] += file["sums"]
            cells[file["places"]] += file["cells"]
    np.savez(path, sums=total, cells=cells)
