"""A folder of GeoParquet layers in the schema of Protomaps' basemap: OSM keys as columns, one file per layer."""

from pathlib import Path

import geopandas as gpd
import pandas as pd

from zoomdiff.context.osm import Tagged
from zoomdiff.errors import MapError

FILES = ("buildings", "roads", "landuse", "natural", "transit", "water", "pois")


def read(folder: Path, bbox: tuple[float, float, float, float] | None = None) -> Tagged:
    """Read <layer>.parquet for every layer of FILES, or what touches `bbox` (west, south, east, north) of them.

    A layer whose file is absent is empty, but buildings and roads must be there. Raises MapError if they are not, or
    if a file cannot be read.
    """
    missing = [name for name in ("buildings", "roads") if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise MapError(
            f"The folder {folder} has no {' and no '.join(f'{name}.parquet' for name in missing)}: "
            "give a folder of map layers, or an .osm.pbf file."
        )
    layers = {name: _layer(folder / f"{name}.parquet", bbox) for name in FILES}
    return Tagged(
        buildings=layers["buildings"],
        roads=layers["roads"],
        rails=layers["transit"],
        areas=pd.concat([layers["landuse"], layers["natural"], layers["water"]], ignore_index=True),
        pois=layers["pois"],
        coastlines=gpd.GeoDataFrame(geometry=[], crs=4326),  # the schema has the sea as polygons of water
        extent=None,
    )


def _layer(path: Path, bbox) -> gpd.GeoDataFrame:
    if not path.is_file():
        return gpd.GeoDataFrame(geometry=[], crs=4326)
    try:
        layer = gpd.read_parquet(path).to_crs(4326)
    except (OSError, ValueError) as error:  # pyarrow's and geopandas' errors are ValueErrors or OSErrors
        raise MapError(f"{path} is not a readable GeoParquet file with a CRS: export it again.") from error
    return layer if bbox is None else layer.cx[bbox[0] : bbox[2], bbox[1] : bbox[3]]
