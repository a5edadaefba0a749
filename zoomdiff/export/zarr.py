"""Zarr: one store with a group per level, each a raster with a time axis."""

from pathlib import Path

import xarray as xr

from zoomdiff.export.netcdf import to_dataset
from zoomdiff.week import TrafficWeek


def write_zarr(week: TrafficWeek, path: Path) -> None:
    """Write every level as `netcdf.to_dataset` has it into the Zarr store (version 3) `path`, a folder."""
    levels = {level.name: _without_packing(to_dataset(week, k)) for k, level in enumerate(week.region.hierarchy)}
    xr.DataTree.from_dict(levels).to_zarr(path, zarr_format=3, consolidated=False)


def _without_packing(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset without NetCDF's compression settings, which Zarr does not know: its own default is used."""
    for name in ("zlib", "complevel", "shuffle"):
        dataset["traffic"].encoding.pop(name, None)
    return dataset
