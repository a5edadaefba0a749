"""The result of a large run, a Zarr store, and beside it what is needed to go on after a stop.

    week.zarr        a group per level, as `week.save(..., "zarr")` writes them
    .week.zarr.run   what was asked for, the map in tiles, intermediate levels, and a marker for each piece that is done

A piece is written by one worker only. Its marker is written last, and a run goes on from the markers alone: a piece
without one is made again, which gives the same bytes. The folder of the run is removed when the store is complete.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from zoomdiff.arguments import no_number
from zoomdiff.context.netcdf import CRS_NAME, coordinates
from zoomdiff.errors import OptionError
from zoomdiff.export.netcdf import VARIABLE, attributes
from zoomdiff.files import sync, whole_file
from zoomdiff.isolation import check_file
from zoomdiff.large.layout import Layout, Window

if sys.platform != "win32":
    import fcntl

Receipt = dict[str, Any]  # what a piece leaves to know of it; JSON
ASKED = "asked.json"  # the same in the folder of the run
WANTED = "asked"  # attribute of the store: what its run was asked for
COMPLETE = "complete"
MOST_ATTRIBUTES = 50_000_000  # bytes: the outline of a country has a few million
ZSTD = ZstdCodec(level=3)  # not Blosc, which many builds of GDAL lack


@dataclass(frozen=True)
class Store:
    """A store and its run.

    Parameters
    ----------
    path
        Of the store, a folder.
    layout
        Of its region.
    """

    path: Path
    layout: Layout

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return folder_of_run(self.path)

    def create(self, asked: dict[str, Any], about: dict[str, Any]) -> None:
        """An empty store; its attributes say what the run is asked for, and what is to know of the result.

        Raises OptionError where it cannot be written.
        """
        hierarchy = self.layout.hierarchy
        with whole_file(self.path, "The store") as new:
            root = zarr.create_group(new, zarr_format=3, attributes={**about, WANTED: asked, COMPLETE: False})
            for k, level in enumerate(hierarchy):
                axes = self._axes(k)
                plain = {name: {"compressors": None} for name in axes.coords}  # which every reader knows
                axes.to_zarr(new, group=level.name, mode="w", zarr_format=3, consolidated=False, encoding=plain)
                root.create_array(
                    f"{level.name}/{VARIABLE}",
                    shape=self._shape(k),
                    chunks=(level.steps_per_day if level.steps_per_day > 1 else 7, *[self.layout.chunk(k)] * 2),
                    dtype="float64",
                    fill_value=0.0,
                    compressors=ZSTD,
                    dimension_names=("time", "y", "x"),
                    attributes={**attributes(level), "grid_mapping": CRS_NAME},
                )

    def finish(self, about: dict[str, Any]) -> None:
        """Say that the store is complete, and remove the folder of the run and what killed workers left."""
        for partial in self.path.glob("*/*/c/**/*.partial"):  # zarr writes a chunk so before it gives it its name
            partial.unlink()
        zarr.open_group(self.path, mode="r+").attrs.update({**about, COMPLETE: True})
        shutil.rmtree(self.run)

    def write(self, k: int, window: Window, volumes: np.ndarray) -> str:
        """Write the volumes (T_k, rows, cols) of whole pieces of level k; the SHA-256 of the bytes on the disk."""
        name = self.layout.hierarchy[k].name
        rows, cols = window.slices(self.layout.per_block(k))
        array = zarr.open_array(self.path / name / VARIABLE, mode="r+")
        array[:, rows, cols] = volumes
        digest = hashlib.sha256()
        for file in chunks_of(self.path / name / VARIABLE, rows, cols, array.chunks[1]):
            digest.update(file.read_bytes())
            sync(file)
        return digest.hexdigest()

    def keep(self, name: str, k: int, window: Window, values: np.ndarray) -> None:
        """Write values (n, rows, cols) of level k that only this run needs."""
        array = zarr.open_array(self.run / f"{name}-{k}", mode="r+")
        array[:, *window.slices(self.layout.per_block(k))] = values

    def kept(self, name: str, k: int, window: Window) -> np.ndarray:
        """The values (n, rows, cols) of level k that were kept; 0 where none were."""
        array = zarr.open_array(self.run / f"{name}-{k}", mode="r")
        return np.asarray(array[:, *window.slices(self.layout.per_block(k))])

    def make_room(self, name: str, k: int, channels: int, dtype: str) -> None:
        """An empty array for `keep`."""
        side = self.layout.per_block(k) * self.layout.side(-1)
        if not (self.run / f"{name}-{k}").exists():
            with whole_file(self.run / f"{name}-{k}", "The run") as new:
                zarr.create_array(
                    new,
                    shape=(channels, *self._shape(k)[1:]),
                    chunks=(channels, side, side),
                    dtype=dtype,
                    fill_value=0,
                    compressors=ZSTD,
                )

    def done(self, stage: str) -> dict[Window, Receipt]:
        """The receipts of the pieces of a pass that are done."""
        found = {}
        for marker in sorted((self.run / "done" / stage).glob("*.json")):
            row, col, rows, cols = map(int, marker.stem.split("_"))
            found[Window(row, col, rows, cols)] = json.loads(marker.read_text())
        return found

    def mark(self, stage: str, piece: Window, receipt: Receipt) -> None:
        """A piece of a pass is done, and on the disk."""
        marker = self.run / "done" / stage / f"{piece.name}.json"
        marker.parent.mkdir(parents=True, exist_ok=True)
        part = marker.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(receipt))
        sync(part)
        part.replace(marker)

    def _shape(self, k: int) -> tuple[int, int, int]:
        per_block, whole = self.layout.per_block(k), self.layout.whole
        return self.layout.hierarchy.steps(k), whole.rows * per_block, whole.cols * per_block

    def _axes(self, k: int) -> xr.Dataset:
        """The coordinates of a level."""
        coords = coordinates(self.layout.extent, k)
        coords["time"].attrs["comment"] = f"start of the step, which lasts {self.layout.hierarchy[k].hours} h"
        return xr.Dataset(coords=coords)


def chunks_of(array: Path, rows: slice, cols: slice, side: int) -> Iterator[Path]:
    """The files of an array with chunks of `side` cells that hold these cells; empty ones have none."""
    for row in range(rows.start // side, -(-rows.stop // side)):
        for col in range(cols.start // side, -(-cols.stop // side)):
            yield from sorted((array / "c").glob(f"*/{row}/{col}"), key=lambda file: int(file.parts[-3]))


def folder_of_run(store: Path) -> Path:
    """Where a run keeps what it needs to go on."""
    return store.with_name(f".{store.name}.run")


def prepare(store: Path, asked: dict[str, Any]) -> Path:
    """The folder of the run: that of a run that was asked for the same, or else an empty one."""
    folder, text = folder_of_run(store), json.dumps(asked)
    try:
        if not (folder / ASKED).is_file() or (folder / ASKED).read_text() != text:
            shutil.rmtree(folder, ignore_errors=True)
            with whole_file(folder, "The run") as new:
                new.mkdir()
                (new / ASKED).write_text(text)
    except OSError as error:
        raise OptionError(f"The run cannot be written to {folder}: {error.strerror or error}.") from error
    return folder


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Nobody else writes to the store. Raises OptionError where somebody does."""
    if sys.platform == "win32":
        yield
        return
    store.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(store.with_name(f".{store.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise OptionError(f"Another run writes to {store}: wait for it, or choose another --out.") from error
    try:
        yield
    finally:
        os.close(lock)


def attributes_of(path: Path, advice: str = "choose another --out") -> dict[str, Any]:
    """The attributes of a store. Raises OptionError, with what to do, where it is none of a large run."""
    file = path / "zarr.json"
    check_file(file, OptionError, MOST_ATTRIBUTES)
    try:
        found = dict(json.loads(file.read_text(), parse_constant=no_number)["attributes"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(f"{path} exists and is no store of ZoomDiff: {advice}.") from error
    if WANTED not in found:
        raise OptionError(f"{path} holds a week that was made at once: {advice}.")
    return found


def check_no_links(store: Path) -> None:
    """Raise OptionError where something in a store is a link: going on would write to where it leads."""
    for folder, names, files in os.walk(store):
        if any(os.path.islink(os.path.join(folder, name)) for name in (*names, *files)):
            raise OptionError(
                f"{store} has a link in it, where ZoomDiff makes none: remove it, or choose another --out."
            )
