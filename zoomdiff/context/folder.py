"""A folder of layers, one file each: OSM keys as columns, as in Protomaps' basemap, or written by other tools.

Licence: ODbL, as for all that is made from OpenStreetMap.
"""

from pathlib import Path

from zoomdiff.context import vector
from zoomdiff.context.tagged import OSM_LICENCE, Tagged
from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds


def read(folder: Path, bbox: Bounds | None = None) -> Tagged:
    """Read buildings.parquet, roads.parquet and so on, or what touches `bbox` (west, south, east, north) of them.

    The names are those of vector.LAYER_NAMES, each with any of vector.SUFFIXES. A layer whose file is absent is empty,
    but buildings and roads must exist. Raises MapError if they do not, or if a file cannot be read.
    """
    missing = [name for name in ("buildings", "roads") if _file(folder, name) is None]
    if missing:
        raise MapError(
            f"The folder {folder} has no {' and no '.join(f'{name}.parquet' for name in missing)}: "
            "give a folder of map layers, or a map file."
        )
    layers = {}
    for kind, names in vector.LAYER_NAMES.items():
        files = [file for name in names if (file := _file(folder, name)) is not None]
        layers[kind] = vector.join([vector.frame(file, bbox) for file in files])
    return Tagged(folder.name, f"OpenStreetMap, layers in {folder.name}/", OSM_LICENCE, **layers)


def _file(folder: Path, name: str) -> Path | None:
    files = [folder / f"{name}{suffix}" for suffix in vector.SUFFIXES]
    return next((file for file in files if file.is_file()), None)
