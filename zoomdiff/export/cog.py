"""Cloud-optimised GeoTIFF, in metres of the UTM zone: a level as a raster with a band per step."""

import json
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import from_origin

from zoomdiff.week import TrafficWeek

TILE = 128  # cells along a tile's side: all bands of a tile are packed together


def write_cog(week: TrafficWeek, k: int, path: Path) -> None:
    """Level k in bytes per step, NaN outside the region; each band is named after the start of its step."""
    region, level = week.region, week.level(k)
    volumes = np.where(region.mask(k), np.rint(week.volumes[k]), np.nan)
    west, _, _, north = region.frame_bounds
    times = week.times(k)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            dtype="float64",
            count=len(volumes),
            height=volumes.shape[1],
            width=volumes.shape[2],
            crs=region.crs.to_wkt(),
            transform=from_origin(west, north, level.side, level.side),
            nodata=np.nan,
        ) as file:
            file.write(volumes)
            file.descriptions = [t.isoformat() for t in times]
            file.units = ["byte"] * len(times)
            file.update_tags(
                level=level.title,
                step_hours=level.hours,
                provenance=json.dumps(week.provenance, ensure_ascii=False),
            )
        with memory.open() as file:
            copy(
                file,
                path,
                driver="COG",
                COMPRESS="DEFLATE",
                PREDICTOR="YES",
                BLOCKSIZE=TILE,
                OVERVIEW_RESAMPLING="AVERAGE",
            )
