"""Cloud-optimised GeoTIFF, in metres of the frame: a level as a raster with a band per step."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

from zoomdiff.extent import Framed
from zoomdiff.week import TrafficWeek

TILE = 128  # cells along a tile's side: all bands of a tile are packed together
CACHE_MB = 512  # of GDAL, whose own default is a share of the machine's memory
Part = tuple[int, int, np.ndarray]  # (row, col, volumes) of some cells; NaN outside the region


def write_cog(week: TrafficWeek, k: int, path: Path) -> None:
    """Level k in bytes per step, NaN outside the region; each band is named after the start of its step."""
    volumes = np.where(week.region.mask(k), np.rint(week.volumes[k]), np.nan)
    write_parts([(0, 0, volumes)], week.region, k, path, times=week.times(k), provenance=week.provenance)


def write_parts(
    parts: Iterable[Part], frame: Framed, k: int, path: Path, *, times: list[datetime], provenance: dict[str, Any]
) -> None:
    """The same of parts of a frame, which are taken one by one; NaN where there is none."""
    level, (y, x) = frame.hierarchy[k], frame.axes(k)[::-1]
    west, _, _, north = frame.frame_bounds
    plain = path.with_name(f"{path.name}.plain")  # as the driver of COGs copies a raster and writes none
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        with rasterio.open(
            plain,
            "w",
            driver="GTiff",
            dtype="float64",
            count=len(times),
            height=len(y),
            width=len(x),
            crs=frame.crs.to_wkt(),
            transform=from_origin(west, north, level.side, level.side),
            nodata=np.nan,
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
            compress="deflate",
            zlevel=1,
            bigtiff="if_safer",
            sparse_ok=True,
            interleave="band",
        ) as file:
            for row, col, volumes in parts:
                file.write(volumes, window=Window(col, row, *volumes.shape[:0:-1]))
            file.descriptions = [t.isoformat() for t in times]
            file.units = ["byte"] * len(times)
            file.update_tags(
                level=level.title,
                step_hours=level.hours,
                provenance=json.dumps(provenance, ensure_ascii=False),
            )
            # Band by band, which the driver of COGs, whose bands lie side by side, takes five times as long for.
            file.build_overviews(_factors(max(len(y), len(x))), Resampling.average)
        try:
            copy(
                plain,
                path,
                driver="COG",
                COMPRESS="DEFLATE",
                PREDICTOR="YES",
                BLOCKSIZE=TILE,
                BIGTIFF="IF_SAFER",
            )
        except Exception as error:  # of a private class of rasterio, as on a full disk
            raise OSError(str(error)) from error
    plain.unlink()


def _factors(side: int) -> list[int]:
    """By which overviews are smaller, until one fits a tile."""
    factors: list[int] = []
    while side > TILE:
        side //= 2
        factors.append(2 ** (len(factors) + 1))
    return factors
